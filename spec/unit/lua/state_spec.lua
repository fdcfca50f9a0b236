local async = require "spec.support.async"
local state = require "cliproxy.state"
local timer = require "cliproxy.timer"

describe("cliproxy.state", function()
  before_each(function()
    for _, key in ipairs(state.keys()) do state.delete(key) end
  end)

  it("keeps strings, numbers and booleans", function()
    for _, value in ipairs { "text", "", "with \0 byte", 0, -1.5, 2 ^ 53, true, false } do
      assert.is_true(state.set("k", value))
      assert.equals(value, state.get "k")
    end
    assert.is_nil(state.get "missing")
  end)

  it("refuses what it cannot keep", function()
    for _, bad in ipairs { {}, print } do
      assert.matches("holds strings, numbers and booleans", select(2, pcall(state.set, "k", bad)))
    end
    assert.matches("use state.delete", select(2, pcall(state.set, "k", nil)))
    assert.has_error(function() state.set("", 1) end)
    assert.has_error(function() state.set(("k"):rep(1025), 1) end)
    assert.has_error(function() state.set(5, 1) end)
    for _, ttl in ipairs { 0, -1, 1e9, 0 / 0 } do assert.has_error(function() state.set("k", 1, ttl) end) end
  end)

  it("adds only where nothing is, deletes once", function()
    assert.is_true(state.add("lease", "a"))
    assert.is_false(state.add("lease", "b"))
    assert.equals("a", state.get "lease")
    assert.is_true(state.delete "lease")
    assert.is_false(state.delete "lease")
    assert.is_true(state.add("lease", "b"))
  end)

  it("counts", function()
    assert.equals(1, state.incr "n")
    assert.equals(3, state.incr("n", 2))
    assert.equals(2.5, state.incr("n", -0.5))
    state.set("s", "text")
    assert.matches('the value of "s" is not a number', select(2, pcall(state.incr, "s")))
  end)

  it("forgets what has lived its time, whoever asks", function()
    state.set("a", 1, 0.02)
    state.incr("b", 1, 0.02)
    state.add("c", 1, 0.02)
    state.set("kept", 1)
    async(function() timer.sleep(0.01) end)
    state.incr("b", 1, 10) -- does not prolong
    async(function() timer.sleep(0.03) end)
    assert.same({ "kept" }, state.keys())
    assert.is_nil(state.get "a")
    assert.equals(1, state.incr "b")
    assert.is_true(state.add("c", 2))
    assert.is_false(state.delete "a")
  end)

  it("lists keys by prefix, sorted", function()
    for _, key in ipairs { "b:2", "a:1", "b:1", "b" } do state.set(key, true) end
    assert.same({ "b:1", "b:2" }, state.keys "b:")
    assert.same({ "a:1", "b", "b:1", "b:2" }, state.keys())
  end)

  it("is full at 100,000 keys, until some go", function()
    for i = 1, 100000 do assert(state.set("key" .. i, i)) end
    local ok, message, code = state.set("one more", 1)
    assert.is_nil(ok)
    assert.matches("full", message)
    assert.equals("full", code)
    assert.is_nil((state.incr "two more"))
    assert.is_true(state.set("key5", "changed"))
    state.set("key6", 1, 0.001)
    async(function() timer.sleep(0.005) end)
    assert.is_true(state.set("one more", 1))
    assert.equals(100000, state.counts().keys)
  end)

  it("is full at 32 MB", function()
    local block = ("x"):rep(1024 * 1024)
    local n = 0
    while state.set("block" .. n, block) do n = n + 1 end
    assert.equals(31, n)
    assert.is_true(state.counts().bytes <= 32 * 1024 * 1024)
    for _, key in ipairs(state.keys()) do state.delete(key) end
    assert.equals(0, state.counts().bytes)
  end)
end)
