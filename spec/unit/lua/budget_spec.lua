local async = require "spec.support.async"
local budget = require "cliproxy.budget"
local json = require "cliproxy.json"
local sandbox = require "cliproxy.sandbox"
local task = require "cliproxy.task"
local timer = require "cliproxy.timer"

local OWNER = { name = "providers/x.lua: shape()", script = "providers/x.lua" }
-- ASan makes everything some times slower, and Lua's speed is not what is measured here: CPU time of a slice is.
local LIMIT = 0.09

local function script(text, extra)
  extra = extra or {}
  extra.json, extra.timer, extra.task = json, timer, task
  return assert(sandbox.compile(text, "providers/x.lua", sandbox.environment(extra)))
end

--- Runs a script as a slice; returns ok, message and the CPU seconds it took.
local function run(text, ...)
  local fn = script(text)
  local start = os.clock()
  local ok, message = budget.call(OWNER, fn, ...)
  return ok, message, os.clock() - start
end

local function run_in_task(text)
  local fn = script(text)
  local start = os.clock()
  local ok, message = async(function() return budget.call(OWNER, fn) end)
  return ok, message, os.clock() - start
end

--- The state still works: a script allocates, matches, waits.
local function assert_usable()
  budget.collect(true)
  assert.same({ true, 10000 }, { budget.call(OWNER, script [[
    local t = {}
    for i = 1, 10000 do t[i] = ("%d"):format(i):gsub("1", "2") end
    return #t
  ]]) })
end

describe("budget.call", function()
  it("returns what the function returns", function()
    local function echo(...) return ... end
    assert.same({ true, 1, nil, 3, n = 4 },
      { n = select("#", budget.call(OWNER, echo, 1, nil, 3)), budget.call(OWNER, echo, 1, nil, 3) })
  end)

  it("puts the hook's name behind the script's own line", function()
    local cases = {
      { "local t\nreturn t.x", "providers/x.lua:2: shape(): attempt to index local 't' (a nil value)" },
      { "error('plain', 0)", "providers/x.lua: shape(): plain" },
      { "error('positioned')", "providers/x.lua:1: shape(): positioned" },
      { "error({})", "providers/x.lua: shape(): raised a table instead of a text" },
      { "error()", "providers/x.lua: shape(): raised a nil instead of a text" },
      { "error(setmetatable({}, { __tostring = function() while true do end end }))",
        "providers/x.lua: shape(): raised a table instead of a text" },
    }
    for _, case in ipairs(cases) do
      local ok, message = run(case[1])
      assert.is_false(ok)
      assert.equals(case[2], message)
    end
  end)

  it("names the script alone when the owner is the script", function()
    local _, message = budget.call({ name = "providers/x.lua", script = "providers/x.lua" }, script "error('boom')")
    assert.equals("providers/x.lua:1: boom", message)
  end)

  it("counts slices and overruns", function()
    local before = budget.counts()
    run "return 1"
    run "while true do end"
    local after = budget.counts()
    assert.equals(2, after.slices - before.slices)
    assert.equals(1, after.overruns - before.overruns)
  end)

  it("knows the owner that runs, also inside another", function()
    local inner = { name = "inner" }
    budget.call(OWNER, function()
      assert.equals(OWNER, budget.owner())
      budget.call(inner, function() assert.equals(inner, budget.owner()) end)
      assert.equals(OWNER, budget.owner())
    end)
    assert.is_nil(budget.owner())
    local ok, message = pcall(budget.call, nil, print)
    assert.is_false(ok)
    assert.matches("table expected", message)
  end)
end)

describe("an endless script", function()
  local loops = {
    ["plain"] = "while true do end",
    ["in a pcall"] = "while true do pcall(function() while true do end end) end",
    ["in an xpcall's handler"] = "xpcall(error, function() while true do end end)",
    ["in nested pcalls"] = "local function f() while true do pcall(pcall, error) end end while true do pcall(f) end",
    ["in a metamethod"] = "local t = setmetatable({}, { __index = function() while true do end end }) return t.x",
    ["in a sort callback"] = "table.sort({ 3, 2, 1 }, function() while true do end end)",
    ["in a gsub callback"] = "return (('x'):rep(100):gsub('.', function() while true do end end))",
    ["of errors"] = "while true do pcall(error, 'x') end",
    ["of string methods"] = "while true do local s = ('x'):rep(100):upper():find('y') end",
    ["of big sorts"] = "local t = {} for i = 1, 20000 do t[i] = i % 77 end while true do table.sort(t) end",
    -- A fast machine reaches the limit of steps first: that one a script may catch.
    ["in a frontier with a big set"] = "local s, p = ('a'):rep(1e6), '%f[' .. ('x'):rep(1e6) .. ']b' "
      .. "while true do pcall(string.find, s, p) end",
    ["in a big set"] = "local s, p = ('a'):rep(1e6), '[^' .. ('x'):rep(1e5) .. ']-b' "
      .. "while true do pcall(string.find, s, p) end",
    ["of empty captures"] = "return (('a'):rep(1e6):gsub('()', ('%1'):rep(2000)))",
    ["of empty matches"] = "local s = ('a'):rep(15e6) while true do s:gsub('', '') end",
    ["of encoding"] = "local t = {} for i = 1, 1e5 do t[i] = 1 end while true do json.encode(json.array(t)) end",
    ["of slow patterns"] = "while true do pcall(string.find, ('a'):rep(3000), ('a*'):rep(20) .. 'b') end",
  }
  for name, text in pairs(loops) do
    it(name .. " is stopped at its budget, with its line", function()
      local ok, message, seconds = run(text)
      assert.is_false(ok)
      assert.equals("providers/x.lua:1: shape(): ran for 50 ms without waiting", message)
      assert.is_true(seconds < LIMIT, ("took %.0f ms"):format(seconds * 1000))
      assert.is_true(seconds > 0.045, ("took only %.0f ms"):format(seconds * 1000))
    end)
  end

  it("between waits is stopped, while other tasks go on", function()
    local gaps, last, over = 0, timer.now(), false
    local fn = script "timer.sleep(0.005) timer.sleep(0.005) while true do end"
    local ok, message
    async(function()
      task.all {
        function()
          ok, message = budget.call(OWNER, fn)
          over = true
        end,
        function()
          while not over do
            timer.sleep(0.001)
            gaps, last = math.max(gaps, timer.now() - last), timer.now()
          end
        end,
      }
    end)
    assert.is_false(ok)
    assert.equals("providers/x.lua:1: shape(): ran for 50 ms without waiting", message)
    assert.is_true(gaps < 0.3, "a gap of " .. gaps)
  end)

  it("in a child task is stopped and named", function()
    local ok, value, message = async(function()
      return budget.call(OWNER, script "return task.all { function() while true do end end }")
    end)
    assert.is_true(ok)
    assert.is_nil(value)
    assert.equals("providers/x.lua:1: shape(): ran for 50 ms without waiting", message)
    local raised, text = run_in_task "local _, m = task.all { function() error('child') end } error(m, 0)"
    assert.is_false(raised)
    assert.equals("providers/x.lua:1: shape(): child", text)
  end)

  it("has a new budget after each wait", function()
    local ok, message = run_in_task [[
      for _ = 1, 5 do
        local start = os.clock()
        while os.clock() - start < 0.02 do end
        timer.sleep(0.001)
      end
      return "done"
    ]]
    assert.equals("done", ok and message)
  end)

  it("inside another owner's slice ends both", function()
    local inner = script "while true do end"
    local seen
    local ok, message = budget.call({ name = "outer" }, function()
      seen = { budget.call(OWNER, inner) }
      while true do end
    end)
    assert.equals("providers/x.lua:1: shape(): ran for 50 ms without waiting", seen and seen[2] or message)
    assert.is_false(ok)
  end)

  it("that left by a tail call is named without a line", function()
    local ok, message = run "return (('x'):rep(16e6):gsub('x.', 'y'))"
    assert.is_false(ok)
    assert.equals("providers/x.lua:1: shape(): ran for 50 ms without waiting", message)
    ok, message = run "return ('x'):rep(16e6):gsub('x.', 'y')"
    assert.is_false(ok)
    assert.equals("providers/x.lua: shape(): ran for 50 ms without waiting", message)
  end)

  it("leaves core code without a budget alone", function()
    local start = os.clock()
    while os.clock() - start < 0.12 do end
    async(function()
      local began = os.clock()
      while os.clock() - began < 0.12 do end
    end)
  end)
end)

describe("a greedy script", function()
  local cases = {
    ["many tables"] = "local t = {} for i = 1, 1e9 do t[i] = {} end",
    ["one big table"] = "local t = {} for i = 1, 1e9 do t[i] = i end",
    ["a doubling string"] = "local s = 'x' while true do s = s .. s end",
    ["in a pcall"] = "local t = {} while true do pcall(function() for i = 1, 1e9 do t[#t + 1] = { i } end end) end",
    ["many strings"] = "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end",
    ["closures"] = "local t = {} for i = 1, 1e9 do t[i] = function() return i, t end end",
  }
  for name, text in pairs(cases) do
    it("with " .. name .. " is stopped by memory or time and leaves a working state", function()
      local ok, message, seconds = run(text)
      assert.is_false(ok)
      local expected = message:find("more than 64 MB of new memory", 1, true)
        or message:find("ran for 50 ms without waiting", 1, true)
      assert.is_truthy(expected, message)
      assert.matches("^providers/x.lua:1: shape%(%): ", message)
      assert.is_true(seconds < 0.5, ("took %.0f ms"):format(seconds * 1000))
      assert_usable()
      assert.is_true(budget.memory() < 32 * 1024 * 1024)
    end)
  end

  it("gets a plain message for memory asked for at once", function()
    local message
    for _ = 1, 50 do -- on a busy machine the time may be over before the memory
      _, message = run "local s = ('x'):rep(16e6) local t = { s .. 1, s .. 2, s .. 3, s .. 4, s .. 5 }"
      if message:find("memory", 1, true) then break end
    end
    assert.equals("providers/x.lua:1: shape(): more than 64 MB of new memory", message)
    assert_usable()
  end)

  it("may make and drop more than its limit over time", function()
    local ok, message = run_in_task [[
      for i = 1, 80 do
        local s = ("x"):rep(2e6) .. i
        timer.sleep(0)
      end
      return "done"
    ]]
    assert.equals("done", ok and message)
  end)

  it("that recurses without end gets a stack overflow", function()
    for _, text in ipairs {
      "local function f() return 1 + f() end f()",
      "local function f() pcall(f) f() end f()",
      "local t = setmetatable({}, {}) getmetatable(t).__index = function(_, k) return t[k .. 'x'] end return t.x",
      "local function f() ('x'):gsub('x', f) end f()",
      "local function f() table.sort({ 1, 2, 3 }, f) end f()",
      "local t t = setmetatable({}, { __index = function() return (('x'):gsub('x', t)) end }) "
        .. "return ('x'):gsub('x', t)",
      "local o o = setmetatable({}, { __tostring = function() return ('%s'):format(o) end }) return ('%s'):format(o)",
      "local m = {} local t = setmetatable({}, m) m.__tostring = function() return tostring(t) end return tostring(t)",
    } do
      local ok, message = run(text)
      assert.is_false(ok, text)
      assert.is_truthy(message:find("stack overflow", 1, true) or message:find("ran for 50 ms", 1, true)
        or message:find("64 MB", 1, true), message)
      assert.matches("^providers/x.lua", message)
      assert_usable()
    end
  end)
end)

describe("budget.collect", function()
  it("frees garbage in small steps while the loop turns", function()
    budget.collect(true)
    local before = budget.memory()
    collectgarbage("stop")
    local function make(n) return n > 0 and { n, make } or nil end
    for i = 1, 50000 do make(i) end
    local full = budget.memory()
    collectgarbage("restart")
    budget.collect()
    async(function()
      local stop = timer.now() + 4
      while budget.memory() > before + (full - before) / 4 and timer.now() < stop do timer.sleep(0.001) end
    end)
    assert.is_true(budget.memory() < before + (full - before) / 4)
  end)
end)
