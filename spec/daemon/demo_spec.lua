--- The first minutes of a new user: no configuration but `demo`, all four dialects, streaming and not. #gc
local cjson = require "cjson"
local daemon = require "spec.support.daemon"
local http = require "spec.support.http_client"
local raw = require "spec.support.raw"

local function user(text) return { { role = "user", content = text } } end

local DIALECTS = {
  {
    name = "openai_chat", path = "/v1/chat/completions", stream_path = "/v1/chat/completions",
    body = { model = "demo", messages = user("Hello!") },
    text = function(answer) return answer.choices[1].message.content end,
    ends = function(events) return events[#events] == "[DONE]" end,
  },
  {
    name = "openai_responses", path = "/v1/responses", stream_path = "/v1/responses",
    body = { model = "demo", input = "Hello!" },
    text = function(answer) return answer.output[1].content[1].text end,
    ends = function(events) return cjson.decode(events[#events]).type == "response.completed" end,
  },
  {
    name = "anthropic", path = "/v1/messages", stream_path = "/v1/messages?beta=true",
    body = { model = "demo", max_tokens = 100, messages = user("Hello!") },
    text = function(answer) return answer.content[1].text end,
    ends = function(events) return cjson.decode(events[#events]).type == "message_stop" end,
  },
  {
    name = "gemini", path = "/v1beta/models/demo:generateContent",
      stream_path = "/v1beta/models/demo:streamGenerateContent?alt=sse",
    body = { contents = { { role = "user", parts = { { text = "Hello!" } } } } },
    text = function(answer) return answer.candidates[1].content.parts[1].text end,
    ends = function(events) return cjson.decode(events[#events]).candidates[1].finishReason == "STOP" end,
  },
}

local function with(body, more)
  local copy = {}
  for k, v in pairs(body) do copy[k] = v end
  for k, v in pairs(more) do copy[k] = v end
  return copy
end

describe("demo #gc", function()
  local proxy

  setup(function() proxy = daemon.start { config = daemon.config("  providers = { demo = {} },") } end)
  teardown(function() if proxy then proxy:stop() end end)

  for _, dialect in ipairs(DIALECTS) do
    it("answers whole in " .. dialect.name, function()
      local answer = proxy:post(dialect.path, dialect.body)
      assert.equal(200, answer.status, answer.body)
      assert.matches("^application/json", answer.headers["content-type"])
      assert.is_truthy(answer.headers["x-cliproxy-request-id"])
      assert.is_true(#dialect.text(cjson.decode(answer.body)) > 5)
    end)

    it("streams to the proper end in " .. dialect.name, function()
      local body = dialect.name == "gemini" and dialect.body or with(dialect.body, { stream = true })
      local answer = proxy:post(dialect.stream_path, body)
      assert.equal(200, answer.status, answer.body)
      assert.matches("^text/event%-stream", answer.headers["content-type"])
      assert.is_true(answer.whole)
      local events = http.events(answer.body)
      assert.is_true(#events >= 3)
      assert.is_true(dialect.ends(events), "ends with " .. events[#events])
    end)
  end

  it("calls a tool that the request offers and forces", function()
    local answer = proxy:post("/v1/chat/completions", {
      model = "demo", messages = user("What is the weather in Paris?"), tool_choice = "required",
      tools = { { type = "function", ["function"] = { name = "weather", parameters = { type = "object",
        required = { "city" },
        properties = { city = { type = "string" } } } } } },
    })
    local choice = cjson.decode(answer.body).choices[1]
    assert.equal("tool_calls", choice.finish_reason)
    local call = choice.message.tool_calls[1]["function"]
    assert.equal("weather", call.name)
    assert.equal("string", type(cjson.decode(call.arguments).city))
  end)

  it("fails with the status that its name tells", function()
    assert.equal(429, proxy:post("/v1/chat/completions", { model = "demo-status-429", messages = user("x") }).status)
    assert.equal(503, proxy:post("/v1/messages", { model = "demo-status-503", max_tokens = 1,
      messages = user("x") }).status)
  end)

  it("breaks off so that no client takes the stream for whole", function()
    local answer = proxy:post("/v1/chat/completions", { model = "demo-cut-2", stream = true, messages = user("x") })
    assert.equal(200, answer.status)
    assert.is_nil(answer.body:find("[DONE]", 1, true))
    assert.is_falsy(answer.body:find('"finish_reason":"stop"', 1, true))
    assert.is_truthy(not answer.whole or answer.body:find('"error"', 1, true))
  end)

  it("answers pipelined requests in order", function()
    local connection = raw.connect(proxy.address)
    local batch = {}
    for i = 1, 8 do
      batch[i] = http.bytes { path = "/v1/chat/completions", body = cjson.encode { model = "demo",
        messages = user("number " .. i) } }
    end
    connection:send(table.concat(batch))
    for i = 1, 8 do
      local answer = http.read(connection)
      assert.is_truthy(answer.body:find("number " .. i, 1, true), "answer " .. i .. ": " .. answer.body)
    end
    connection:close()
  end)

  it("serves a long conversation over one connection", function()
    local connection = raw.connect(proxy.address)
    for i = 1, 50 do
      local stream = i % 2 == 0
      local answer = http.request(nil, { connection = connection, path = "/v1/chat/completions",
        body = cjson.encode { model = "demo", stream = stream, messages = user("turn " .. i) } })
      assert.equal(200, answer.status)
      assert.is_true(answer.whole)
    end
    connection:close()
  end)

  it("is listed, healthy, and told on the first page", function()
    assert.is_truthy(proxy:request({ path = "/v1/models" }).body:find('"demo"', 1, true))
    assert.equal(200, proxy:request({ path = "/v1/health" }).status)
    assert.equal(200, proxy:request({ path = "/v1/health/deep" }).status)
    assert.equal(200, proxy:request({ path = "/" }).status)
    local head = proxy:request { method = "HEAD", path = "/" }
    assert.equal(200, head.status)
  end)
end)
