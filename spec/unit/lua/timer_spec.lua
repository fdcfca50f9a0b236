local async = require "spec.support.async"
local timer = require "cliproxy.timer"

describe("cliproxy.timer", function()
  it("sleeps for at least the time asked for", function()
    local slept = async(function()
      local start = timer.now()
      timer.sleep(0.02)
      return timer.now() - start
    end)
    assert.is_true(slept >= 0.019, "slept " .. slept)
  end)

  it("gives way to other tasks with sleep(0)", function()
    local order = {}
    local function walk(name)
      return function()
        for i = 1, 3 do
          order[#order + 1] = name .. i
          timer.sleep(0)
        end
      end
    end
    async(function() require("cliproxy.task").all { walk "a", walk "b" } end)
    assert.equals("a1 b1 a2 b2 a3 b3", table.concat(order, " "))
  end)

  it("wakes sleepers in the order of their times", function()
    local order = {}
    local function nap(ms)
      return function()
        timer.sleep(ms / 1000)
        order[#order + 1] = ms
      end
    end
    async(function() require("cliproxy.task").all { nap(30), nap(10), nap(20) } end)
    assert.same({ 10, 20, 30 }, order)
  end)

  it("refuses times that make no sense, and waiting outside a task", function()
    for _, bad in ipairs { -1, 0 / 0, math.huge, 1e9 } do
      assert.has_error(function() async(function() timer.sleep(bad) end) end)
    end
    local ok, message = pcall(timer.sleep, 0.01)
    assert.is_false(ok)
    assert.matches("timer.sleep waits, which only a task can", message)
  end)

  it("has a clock that goes forward", function()
    local a = timer.now()
    local b = timer.now()
    assert.is_true(b >= a)
  end)
end)
