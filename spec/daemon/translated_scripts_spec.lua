--- Scripts and rules where a request is translated: hooks of a provider see its dialect, filters the client's,
--- payload rules the body that goes out; a script that fails goes back, translated or not.
local cjson = require "cjson"
local daemon = require "spec.support.daemon"
local mock_upstream = require "spec.support.mock_upstream"

local CONFIG = [[
  providers = { up = { base_url = "%s/v1" } },
  filters = { "shout" },
  payload = { { dialect = "openai_chat", overrides = { user = "rule" }, remove = { "max_tokens" } } },
]]

-- Hooks that leave their marks in what they see, each in the dialect that is theirs.
local UP = [[
return {
  name = "up", contract = 1, dialects = { "openai_chat" }, auth = "none",
  options = { base_url = { type = "url", required = true } },
  models = { "up", "mock-*" },
  %s
}
]]
local SHAPE = [[shape = function(call)
    assert(call.dialect == "openai_chat" and call.body.user == "rule" and call.body.max_tokens == nil)
    call.body.user = "hook"
  end,]]
local EVENT = [[event = function(call, event)
    assert(call.body.messages[1].role == "user")
    return { data = (event.data:gsub("quick", "slow")) }
  end,]]
local RESPONSE = [[response = function(call, document)
    assert(call.body.user == "hook" and call.body.messages[1].content)
    document.choices[1].message.content = "hooked"
  end,]]

local SHOUT = [[
return {
  name = "shout", contract = 1,
  request = function(view) view.messages[1].text = view.messages[1].text .. "!" end,
  response = function(context, document)
    if context.dialect == "anthropic" then document.content[1].text = document.content[1].text:upper() end
  end,
  event = function(context, event) return { type = event.type, data = (event.data:gsub("brown", "BROWN")) } end,
}
]]

local function anthropic(stream, model)
  return "/v1/messages", { model = model or "up", max_tokens = 50, stream = stream,
    messages = { { role = "user", content = "hi" } } }
end

describe("scripts over translated requests", function()
  local proxy, upstream

  before_each(function()
    upstream = mock_upstream.start()
    proxy = daemon.start {
      config = daemon.config(CONFIG:format(upstream.url)),
      files = { ["providers/up.lua"] = UP:format(SHAPE), ["providers/filters/shout.lua"] = SHOUT },
    }
  end)
  after_each(function()
    proxy:stop()
    upstream:stop()
  end)

  local function save(hooks, says)
    proxy:save("providers/up.lua", UP:format(hooks), says)
  end

  it("meet in their order, on the way there and back", function()
    save(SHAPE .. RESPONSE)
    local answer = proxy:post(anthropic(false))
    assert.equal(200, answer.status, answer.body)
    assert.equal("HOOKED", cjson.decode(answer.body).content[1].text)
  end)

  it("send what the filter, the rule and the hook left of the body", function()
    local path, body = anthropic(false)
    local answer = proxy:post(path, body, { ["x-cliproxy-show"] = "upstream" })
    assert.equal(200, answer.status, answer.body)
    local sent = cjson.decode(answer.headers["x-cliproxy-upstream"]:match("bytes: ({.*})"))
    assert.same({ "hook", nil, "hi!" }, { sent.user, sent.max_tokens, sent.messages[1].content })
  end)

  it("see each event of a stream: the provider's hook its own, the filter the client's", function()
    save(SHAPE .. EVENT)
    local answer = proxy:post(anthropic(true, "mock-events=6,size=60"))
    assert.equal(200, answer.status, answer.body)
    assert.matches("slow BROWN fox", answer.body)
    assert.is_nil(answer.body:find("quick", 1, true) or answer.body:find("brown", 1, true))
    assert.matches("event: message_stop\ndata: [^\n]+\n\n$", answer.body)
  end)

  it("see events in either of Gemini's framings", function()
    local path = "/v1beta/models/mock-events=6,size=60:streamGenerateContent"
    local body = { contents = { { role = "user", parts = { { text = "hi" } } } } }
    local answer = proxy:post(path, body)
    assert.equal(200, answer.status, answer.body)
    local list = cjson.decode(answer.body) -- one JSON array, whole
    assert.matches("BROWN fox", list[2].candidates[1].content.parts[1].text)
    assert.equal("STOP", list[#list].candidates[1].finishReason)
    answer = proxy:post(path .. "?alt=sse", body)
    assert.matches("^data: {", answer.body)
    assert.matches("BROWN fox", answer.body)
  end)

  it("fail for the client where they fail in mid-stream, in its dialect", function()
    save(SHAPE .. 'event = function(_, event) if event.data:find("5 the", 1, true) then error("odd") end end,')
    local answer = proxy:post(anthropic(true, "mock-events=9,size=60"))
    assert.equal(200, answer.status, answer.body)
    assert.matches("event: error\ndata: [^\n]*odd[^\n]*\n\n$", answer.body)
    assert.is_nil(answer.body:find("message_stop", 1, true))
  end)

  it("go back to the version before, and the request is translated there again", function()
    assert.equal(200, proxy:post(anthropic(false)).status)
    save("shape = function(call) return call.nothing.x end,")
    local answer = proxy:post(anthropic(false))
    assert.equal(200, answer.status, answer.body)
    assert.matches("is rolled back", proxy:log())
  end)
end)
