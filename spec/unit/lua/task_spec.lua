local async = require "spec.support.async"
local task = require "cliproxy.task"
local test = require "cliproxy_test"
local timer = require "cliproxy.timer"

local function after(seconds, ...)
  local values, n = { ... }, select("#", ...)
  return function()
    timer.sleep(seconds)
    return unpack(values, 1, n)
  end
end

describe("a task", function()
  it("hands results and errors of any type through", function()
    local function three() return 1, nil, 3 end
    assert.same({ 1, nil, 3, n = 3 }, { n = select("#", async(three)), async(three) })
    local value = { "a table" }
    local ok, raised = pcall(async, function() error(value) end)
    assert.is_false(ok)
    assert.equals(value, raised)
  end)

  it("waits inside pcall, iterators and metamethods", function()
    local result = async(function()
      local object = setmetatable({}, { __index = function(_, key)
        timer.sleep(0.001)
        return key .. "!"
      end })
      local ok, message = pcall(function()
        timer.sleep(0.001)
        error("after the wait", 0)
      end)
      local seen = {}
      for i in function(_, i)
        timer.sleep(0.001)
        if (i or 0) < 2 then return (i or 0) + 1 end
      end do seen[#seen + 1] = i end
      return { object.key, ok, message, #seen }
    end)
    assert.same({ "key!", false, "after the wait", 2 }, result)
  end)

  it("cannot wait in callbacks of sort and gsub, nor in a coroutine of its own", function()
    local messages = async(function()
      local _, sorting = pcall(table.sort, { 2, 1 }, function() timer.sleep(0) end)
      local _, replacing = pcall(function() return ("x"):gsub(".", function() timer.sleep(0) end) end)
      local _, other = coroutine.resume(coroutine.create(function() timer.sleep(0) end))
      return { sorting, replacing, other }
    end)
    assert.matches("not possible here: inside a callback of sort or gsub", messages[1])
    assert.matches("not possible here", messages[2])
    assert.matches("a coroutine of your own cannot", messages[3])
  end)

  it("that yields by itself ends with a message", function()
    local ok, message = pcall(async, function() coroutine.yield(1) end)
    assert.is_false(ok)
    assert.matches("coroutine.yield outside a wait", message)
  end)

  it("is cancelled where it waits and leaves nothing behind", function()
    local went_on = false
    local ok, message = pcall(async, function()
      timer.sleep(60)
      went_on = true
    end, 0.02)
    assert.is_false(ok)
    assert.matches("not done within", message)
    assert.is_false(went_on)
    assert.equals(0, test.tasks())
  end)

  it("passes deep stacks and many results", function()
    local count = async(function()
      local function deep(n)
        if n == 0 then
          timer.sleep(0.001)
          return 1
        end
        return 1 + deep(n - 1)
      end
      local t = {}
      for i = 1, 5000 do t[i] = i end
      return deep(5000) + select("#", unpack(t))
    end)
    assert.equals(10001, count)
  end)
end)

describe("task.all", function()
  it("returns the first value of each in order, true for none", function()
    assert.same({ "slow", "fast", true, false },
      async(function() return task.all { after(0.01, "slow"), after(0, "fast", 2), after(0), after(0, false) } end))
    assert.same({}, async(function() return task.all {} end))
  end)

  it("cancels the rest when one raises or returns nil and a message", function()
    local finished = false
    local function slow()
      timer.sleep(10)
      finished = true
    end
    local start = timer.now()
    local raised = { async(function() return task.all { slow, function() error("broken", 0) end } end) }
    assert.same({ nil, "broken", "task" }, raised)
    local failed = { async(function() return task.all { slow, after(0, nil, "no key", "auth") } end) }
    assert.same({ nil, "no key", "auth" }, failed)
    assert.is_false(finished)
    assert.is_true(timer.now() - start < 2)
    assert.equals(0, test.tasks())
  end)

  it("ends its children when it is cancelled itself", function()
    local count = 0
    local function child()
      timer.sleep(0.02)
      count = count + 1
    end
    async(function()
      local handle = task.spawn(function() task.all { child, child } end)
      timer.sleep(0.001)
      assert.is_true(handle:cancel())
      timer.sleep(0.04)
    end)
    assert.equals(0, count)
    assert.equals(0, test.tasks())
  end)

  it("refuses what is not a list of functions", function()
    local function message(...)
      local args = { ... }
      return select(2, pcall(async, function() task.all(unpack(args)) end))
    end
    assert.matches("table expected", message(nil))
    assert.matches("element 2 is not a function", message { after(0), 5 })
    assert.matches("at most 256", message((function()
      local t = {}
      for i = 1, 257 do t[i] = after(0) end
      return t
    end)()))
    assert.matches("only a task can", select(2, pcall(task.all, { after(0) })))
  end)
end)

describe("task.any", function()
  it("returns all values of the first success and cancels the rest", function()
    local late = false
    local values = { async(function()
      return task.any {
        after(0.001, nil, "fails first"),
        function() error("raises") end,
        after(0.01, "winner", 2),
        function()
          timer.sleep(5)
          late = true
        end,
      }
    end) }
    assert.same({ "winner", 2 }, values)
    assert.is_false(late)
  end)

  it("returns the last failure when all fail", function()
    assert.same({ nil, "second", "code" },
      { async(function() return task.any { after(0, nil, "first"), after(0.01, nil, "second", "code") } end) })
    assert.has_error(function() async(function() task.any {} end) end)
  end)
end)

describe("task.spawn", function()
  it("runs with its arguments, later", function()
    local order = {}
    async(function()
      task.spawn(function(a, b) order[#order + 1] = a .. b end, "x", "y")
      order[#order + 1] = "first"
      timer.sleep(0)
    end)
    assert.same({ "first", "xy" }, order)
  end)

  it("can be cancelled before it begins, while it waits, and after its end", function()
    local ran = 0
    async(function()
      local early = task.spawn(function() ran = ran + 1 end)
      assert.is_true(early:cancel())
      assert.is_false(early:cancel())
      local ended = task.spawn(function() ran = ran + 10 end)
      timer.sleep(0.001)
      assert.is_false(ended:cancel())
    end)
    assert.equals(10, ran)
  end)

  it("reuses its coroutines: memory stays level over many tasks", function()
    local budget = require "cliproxy.budget"
    local function round()
      async(function()
        for _ = 1, 50 do
          for _ = 1, 100 do task.spawn(function() end) end
          timer.sleep(0)
        end
      end)
      for _ = 1, 2 do budget.collect(true) end -- the first runs the finalizers of handles, the second frees them
      return (budget.memory())
    end
    round()
    local before = round()
    local grown = round() - before
    assert.is_true(grown < 16 * 1024, "grew by " .. grown)
  end)
end)
