--- A script that passes its check and fails live goes back to the version before, and its request runs again there.
local daemon = require "spec.support.daemon"
local mock_upstream = require "spec.support.mock_upstream"
local process = require "spec.support.process"

--- A provider of the mock; `hook` is a line of Lua in its table.
local function script(hook)
  return ([[
return {
  name = "up", contract = 1,
  dialects = { "openai_chat" },
  auth = "none",
  options = { base_url = { type = "url", required = true } },
  models = { "up" },
  %s
}
]]):format(hook)
end

local GOOD = script 'shape = function(call) call.headers["openai-version"] = "good" end,'
local BAD_SHAPE = script "shape = function(call) return call.nothing.x end,"
local BAD_SOMETIMES = script 'shape = function(call) if call.body.user == "odd" then error("odd") end end,'
local BAD_ANSWERS = script 'response = function(call) if call.model == "up" then error("odd answer") end end,'
local BAD_RESPONSE = script "response = function(call, document) return call.nothing.x end,"
local BAD_EXECUTE = script "execute = function(call, reply) return call.nothing.x end,"
local ENDLESS = script "shape = function() while true do end end,"
local WRONG_TYPE = script "response = function() return 5 end,"

describe("a script that fails live #both", function()
  local proxy, upstream

  before_each(function()
    upstream = mock_upstream.start()
    proxy = daemon.start {
      config = daemon.config(([[
  providers = { up = { base_url = "%s/v1" }, demo = {} },
]]):format(upstream.url)),
      files = { ["providers/up.lua"] = GOOD },
    }
  end)
  after_each(function()
    proxy:stop()
    upstream:stop()
  end)

  local function ask(more)
    local body = { model = "up", messages = { { role = "user", content = "hi" } } }
    for name, value in pairs(more or {}) do body[name] = value end
    return proxy:post("/v1/chat/completions", body)
  end

  local function save(text, generation)
    proxy:save("providers/up.lua", text, ("generation %d serves, "):format(generation))
  end

  for name, text in pairs { ["nil index in shape"] = BAD_SHAPE, ["nil index in response"] = BAD_RESPONSE,
    ["nil index in execute"] = BAD_EXECUTE, ["wrong result"] = WRONG_TYPE } do
    it("goes back, and the client gets the answer of the version before: " .. name, function()
      save(text, 2)
      local answer = ask()
      assert.equal(200, answer.status, answer.body)
      proxy:wait_log("Generation 2 is rolled back; generation 1 serves again")
      assert.equal(200, ask().status)
      local found = proxy:deep()
      assert.equal("stale", found.status)
      assert.equal(1, found.configuration.generation)
      assert.equal(1, #found.generations)
      save(GOOD, 3)
      assert.equal(200, ask().status)
      assert.equal("ok", proxy:deep().status)
    end)
  end

  it("goes back after an overrun, too, but does not run that request again", function()
    save(ENDLESS, 2)
    local answer = ask()
    assert.equal(500, answer.status)
    assert.matches("shape%(%): ran for %d+ ms.*Generation 1 still serves new requests", answer.body)
    assert.equal(200, ask().status)
  end)

  it("stays where the version before fails on the same request", function()
    save(BAD_SOMETIMES, 2)
    save(BAD_SOMETIMES .. "-- the same mistake", 3)
    local answer = ask { user = "odd" }
    assert.equal(500, answer.status)
    assert.matches("up%.lua:%d+: shape%(%).*odd.*Generation 3 still serves new requests", answer.body)
    assert.equal(3, proxy:deep().configuration.generation)
    assert.equal(200, ask().status)
  end)

  it("stays where the version before fails on the answer to the same request", function()
    save(BAD_ANSWERS, 2)
    save(BAD_ANSWERS .. "-- the same mistake", 3)
    local answer = ask()
    assert.equal(500, answer.status)
    assert.matches("response%(%).*odd answer", answer.body)
    assert.equal(3, proxy:deep().configuration.generation)
  end)

  it("answers 500 with file, line and hook where there is no version before", function()
    proxy:stop()
    proxy = daemon.start {
      config = daemon.config(([[  providers = { up = { base_url = "%s/v1" } },]]):format(upstream.url)),
      files = { ["providers/up.lua"] = BAD_SHAPE },
    }
    local answer = ask()
    assert.equal(500, answer.status)
    assert.matches("providers/up%.lua:%d+: shape%(%): attempt to index.*Generation 1 still serves new requests%.",
      answer.body)
  end)

  it("goes back for a route function of config.lua, too", function()
    local text = process.read(proxy.folder .. "/config.lua")
    proxy:save("config.lua", (text:gsub("providers = {",
      "routes = { function(request) return request.nothing.x end },\n  providers = {", 1)))
    assert.equal(200, ask().status)
    proxy:wait_log("generation 1 serves again")
  end)

  it("goes back for a route function without end, but does not run that request again", function()
    local text = process.read(proxy.folder .. "/config.lua")
    proxy:save("config.lua", (text:gsub("providers = {",
      "routes = { function() while true do end end },\n  providers = {", 1)))
    local answer = ask()
    assert.equal(500, answer.status)
    assert.matches("config%.lua:%d+: .*ran for %d+ ms", answer.body)
    proxy:wait_log("generation 1 serves again")
    assert.equal(200, ask().status)
  end)
end)
