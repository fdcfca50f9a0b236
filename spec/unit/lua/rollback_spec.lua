local fakes = require("spec.support.fakes_core")
local json = require("cliproxy.json")

local lines = {}
package.loaded["cliproxy.log"] = setmetatable({}, { __index = function()
  return function(text)
    lines[#lines + 1] = text
  end
end })

local live = require("cliproxy.live")
local rollback = require("cliproxy.rollback")

--- A generation whose provider groq is a script of its own.
local function generation(number)
  local snapshot = fakes.snapshot(fakes.instance("groq", { shape = function() end }))
  snapshot.generation = number
  return snapshot
end

--- A request under way on the generation that serves.
local works = {}
local function request()
  local held = live.hold()
  works[#works + 1] = { live = held, snapshot = held.snapshot, exchange = {}, document = json.parse("{}"),
    target = { instance = held.snapshot.instances.groq } }
  return works[#works]
end

describe("rollback", function()
  local first, second

  before_each(function()
    first, second, lines = generation(1), generation(2), {}
    live.publish(first)
    live.publish(second)
  end)
  after_each(function()
    for _, work in ipairs(works) do
      live.release(work.live)
    end
    works = {}
  end)

  it("finds the generation before for a script that is another one there", function()
    local work = request()
    assert.equal(first, rollback.candidate(work, { code = "script_error" }).snapshot)
    assert.is_nil(rollback.candidate(work, { code = "upstream_timeout" }))
    work.exchange.head_sent = true
    assert.is_nil(rollback.candidate(work, { code = "script_error" }))
  end)

  it("does nothing for a script that is the same there", function()
    second.instances.groq = first.instances.groq
    assert.is_nil(rollback.candidate(request(), { code = "script_error" }))
  end)

  it("takes the failed generation off once, and serves every request that holds it", function()
    local one, other = request(), request()
    local failed = one.live
    rollback.rewind(one, rollback.candidate(one, { code = "script_error" }))
    rollback.settle(failed, "providers/groq.lua", "boom.")
    assert.equal(first, live.current().snapshot)
    assert.equal("boom. Generation 2 is rolled back; generation 1 serves again until a corrected script is saved.",
      lines[1])
    -- It waited in a hook meanwhile, and fails only now.
    local before = assert(rollback.candidate(other, { code = "script_error" }))
    rollback.rewind(other, before)
    rollback.settle(failed, "providers/groq.lua", "boom.")
    assert.equal(1, #lines)
    assert.same({ { generation = 1, requests = 2 } }, live.list())
  end)

  it("leaves a newer generation alone", function()
    local work = request()
    local failed, third = work.live, generation(3)
    local before = rollback.candidate(work, { code = "script_error" })
    live.publish(third)
    rollback.rewind(work, before)
    rollback.settle(failed, "providers/groq.lua", "boom.")
    assert.equal(third, live.current().snapshot)
    assert.same({}, lines)
  end)
end)
