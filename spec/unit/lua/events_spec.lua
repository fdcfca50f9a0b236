local async = require("spec.support.async")
local events = require("cliproxy.events")
local fakes = require("spec.support.fakes_core")
local task = require("cliproxy.task")
local timer = require("cliproxy.timer")

--- A reader of the feed in a task of its own, for as long as `fn` runs.
local function with_reader(fn)
  local exchange = fakes.exchange({ method = "GET" })
  async(function()
    local ended = false
    task.spawn(function()
      assert(events.serve(exchange, {}))
      ended = true
    end)
    timer.sleep(0.01)
    fn(exchange)
    events.close()
    local limit = timer.now() + 3
    while not ended and timer.now() < limit do
      timer.sleep(0.01)
    end
    assert(ended, "the feed did not end")
  end)
  return exchange
end

describe("the live feed", function()
  it("is not wanted without readers", function()
    assert.is_false(events.wanted())
    events.publish("{}")
  end)

  it("hands objects to a reader as events, and ends when told to", function()
    local exchange = with_reader(function()
      assert.is_true(events.wanted())
      events.publish('{"a":1}')
      events.publish('{"a":2}')
      timer.sleep(0.25)
    end)
    assert.matches("^text/event%-stream", exchange.headers_sent["content-type"])
    assert.equal(': cliproxy\n\ndata: {"a":1}\n\ndata: {"a":2}\n\n', exchange:output())
    assert.is_true(exchange.ended)
    assert.is_false(events.wanted())
  end)

  it("tells a slow reader how much it lost, and holds no more than it must", function()
    local exchange = with_reader(function()
      for i = 1, 1000 do
        events.publish("{" .. i .. "}")
      end
      timer.sleep(0.25)
    end)
    local _, count = exchange:output():gsub("data: {%d+}\n\n", "")
    assert.equal(256, count)
    assert.truthy(exchange:output():find('event: lost\ndata: {"lost":744}\n\n', 1, true))
  end)

  it("forgets a reader that left, and keeps its task to close the books", function()
    with_reader(function(exchange)
      exchange.gone = true
      assert.is_true(exchange.gone_hook())
      assert.is_false(events.wanted())
    end)
  end)

  it("has room for some readers only", function()
    async(function()
      for _ = 1, 16 do
        task.spawn(function()
          events.serve(fakes.exchange({ method = "GET" }), {})
        end)
      end
      timer.sleep(0.01)
      assert.is_false(events.serve(fakes.exchange({ method = "GET" }), {}))
      events.close()
      timer.sleep(0.3)
    end)
  end)
end)
