local async = require("spec.support.async")
local fakes = require("spec.support.fakes_core")
local json = require("cliproxy.json")

-- What the provider answers, and what it was sent.
local upstream = {}
package.loaded["cliproxy.reply"] = {
  send = function(call)
    if upstream.raises then
      error(upstream.raises, 0)
    end
    upstream.call = call
    upstream.body = type(call.body) == "string" and call.body or type(call.body) == "table" and table.concat(call.body)
      or call.body and json.encode(call.body)
    if upstream.refusal then
      return nil, upstream.refusal, "invalid"
    end
    return upstream.reply
  end,
  execute = function(spec, fn, owner)
    upstream.executed = { spec = spec, fn = fn, owner = owner }
    return upstream.reply
  end,
  counts = function()
    return {}
  end,
}
local lines = {}
package.loaded["cliproxy.log"] = setmetatable({ enabled = function() return true end }, { __index = function(_, level)
  return function(text)
    lines[#lines + 1] = level .. ": " .. text
  end
end })

local live = require("cliproxy.live")
local pipeline = require("cliproxy.pipeline")

local CHAT = '{ "model": "m",\n "messages": [ {"role":"user","content":"hi"} ] , "seed": 12345678901234567890 }'

--- Runs one request through a provider; returns the exchange.
local function run(options)
  upstream.reply = options.reply or fakes.reply { body = '{"id":"x"}' }
  upstream.call, upstream.executed, upstream.refusal, lines = nil, nil, options.refusal, {}
  local instance = fakes.instance("groq", options.provider or {}, options.instance)
  local snapshot = fakes.snapshot(instance, options.config and fakes.config(options.config), options.model)
  live.publish(snapshot)
  live.publish(snapshot) -- nothing older that a script could be rolled back to
  local spec = options.request or {}
  spec.body = spec.body or CHAT
  local exchange = fakes.exchange(spec)
  async(function()
    pipeline.run(exchange)
  end)
  assert.same({ { generation = 6, requests = 0 } }, live.list())
  return exchange
end

local function refused(exchange, status, code, text)
  assert.equal(status, exchange.status)
  local body = assert(exchange:answer())
  assert.equal(code, body.error.code)
  if text then
    assert.truthy(body.error.message:find(text, 1, true), body.error.message)
  end
  assert.truthy(exchange.headers_sent["x-cliproxy-request-id"]:find("^req_"))
end

-- As sanitized builds do, which check every stream that they send.
describe("a call whose arguments are no JSON", function()
  local system = require("cliproxy.system")
  local checked = system.checked
  setup(function() system.checked = true end)
  teardown(function() system.checked = checked end)

  local function event(text)
    return { type = text:match('"type":"([%w_.]+)"'), data = text }
  end
  local EVENTS = {
    openai_chat = {
      { data = '{"id":"x","model":"up","choices":[{"index":0,"delta":{"role":"assistant","tool_calls":[{"index":0,"id":'
        .. '"c","type":"function","function":{"name":"f","arguments":"{\\"a\\":"}}]},"finish_reason":null}]}' },
      { data = '{"id":"x","model":"up","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}' },
      { data = "[DONE]" },
    },
    openai_responses = {
      event('{"type":"response.created","response":{"id":"r","model":"up","status":"in_progress","output":[]}}'),
      event('{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","id":"fc_1",'
        .. '"call_id":"c","name":"f","arguments":""}}'),
      event('{"type":"response.function_call_arguments.delta","output_index":0,"item_id":"fc_1","delta":'
        .. '"{\\"a\\":"}'),
      event('{"type":"response.output_item.done","output_index":0,"item":{"type":"function_call","id":"fc_1","call_id":'
        .. '"c","name":"f","arguments":"{\\"a\\":"}}'),
      event('{"type":"response.completed","response":{"id":"r","model":"up","status":"completed","output":[]}}'),
    },
    anthropic = {
      event('{"type":"message_start","message":{"id":"m","model":"up","content":[],"usage":{"input_tokens":1}}}'),
      event('{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"c","name":"f","input":'
        .. "{}}}"),
      event('{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":'
        .. '"{\\"a\\":"}}'),
      event('{"type":"content_block_stop","index":0}'),
      event('{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":2}}'),
      event('{"type":"message_stop"}'),
    },
  }
  local CLIENTS = {
    openai_chat = { "/v1/chat/completions", '{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}' },
    openai_responses = { "/v1/responses", '{"model":"m","stream":true,"input":"hi"}' },
    anthropic = { "/v1/messages", '{"model":"m","stream":true,"max_tokens":9,"messages":[{"role":"user","content":'
      .. '"hi"}]}' },
  }
  for client, sent in pairs(CLIENTS) do
    for dialect, events in pairs(EVENTS) do
      if client ~= dialect then
        it("reaches a client of " .. client .. " from one of " .. dialect .. " as the model wrote it", function()
          local exchange = run { request = { path = sent[1], body = sent[2] },
            instance = { dialects = { [dialect] = true }, speaks = { dialect } },
            reply = fakes.reply { events = { unpack(events) } } }
          local bytes = exchange:output()
          assert.truthy(bytes:find('"{\\"a\\":"', 1, true), bytes)
          assert.is_true(exchange.complete or false, bytes .. table.concat(lines, "\n"))
        end)
      end
    end
  end
end)

describe("an old completion that no provider can answer in full", function()
  -- Pictures, code that ran, tools of the service: nothing of it is a text.
  local ANSWERS = {
    openai_chat = '{"id":"x","model":"up","choices":[{"index":0,"message":{"role":"assistant","content":null,'
      .. '"audio":{"id":"a","data":"AA==","transcript":"hi"}},"finish_reason":"stop"}]}',
    openai_responses = '{"id":"resp_1","object":"response","status":"completed","model":"up","output":[{"type":'
      .. '"image_generation_call","id":"ig_1","status":"completed","result":"AA=="}]}',
    anthropic = '{"id":"msg_1","type":"message","role":"assistant","model":"up","content":[{"type":'
      .. '"bash_code_execution_tool_result","tool_use_id":"t","content":{}}],"stop_reason":"end_turn","usage":{}}',
    gemini = '{"candidates":[{"content":{"role":"model","parts":[{"inlineData":{"mimeType":"image/png","data":'
      .. '"AA=="}}]},"finishReason":"STOP","index":0}]}',
  }
  local EVENTS = {
    openai_chat = { { data = '{"id":"x","model":"up","choices":[{"index":0,"delta":{"role":"assistant","audio":{'
      .. '"data":"AA=="}},"finish_reason":null}]}' } },
    openai_responses = { { type = "response.output_item.added", data = '{"type":"response.output_item.added",'
      .. '"output_index":0,"item":{"type":"image_generation_call","id":"ig_1","status":"in_progress"}}' } },
    anthropic = { { type = "content_block_start", data = '{"type":"content_block_start","index":0,"content_block":{'
      .. '"type":"bash_code_execution_tool_result","tool_use_id":"t","content":{}}}' } },
    gemini = { { data = ANSWERS.gemini } },
  }

  for dialect, answer in pairs(ANSWERS) do
    it("is told so by one that speaks " .. dialect, function()
      for _, stream in ipairs { false, true } do
        local exchange = run {
          request = { path = "/v1/completions", body = ('{"model":"m","prompt":"hi","stream":%s}'):format(
            tostring(stream)) },
          instance = { dialects = { [dialect] = true }, speaks = { dialect }, caps = { completions = false } },
          reply = fakes.reply(stream and { events = { unpack(EVENTS[dialect]) } } or { body = answer }),
        }
        local said = exchange:answer().error.message
        assert.same({ 502, "upstream_untranslatable" }, { exchange.status, exchange:answer().error.code })
        assert.truthy(said:find("that OpenAI Completions cannot carry", 1, true), said)
      end
    end)
  end
end)

describe("a request of another dialect", function()
  local ANTHROPIC = '{"model":"m","max_tokens":9,"top_k":5,"messages":[{"role":"user","content":"h\\u0069"}]}'
  local CHAT_ANSWER = '{"id":"x","object":"chat.completion","created":1,"model":"up","choices":[{"index":0,"message":'
    .. '{"role":"assistant","content":"yo \\ud83d"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,'
    .. '"completion_tokens":4,"total_tokens":7}}'

  local function ask(more)
    more = more or {}
    more.request = { path = "/v1/messages", query = "beta=true", body = more.body or ANTHROPIC,
      headers = { host = "localhost", ["anthropic-version"] = "2023-06-01", ["anthropic-beta"] = "b",
        traceparent = "t" } }
    more.reply = more.reply or fakes.reply { body = CHAT_ANSWER, headers = { ["content-type"] = "application/json",
      ["content-encoding"] = "gzip", ["x-request-id"] = "up-1" } }
    return run(more)
  end

  it("goes out in the provider's, without headers and query of the client's API", function()
    local exchange = ask()
    assert.equal("https://up.example/v1/chat/completions", upstream.call.url)
    assert.truthy(upstream.body:find('"content":"h\\u0069"', 1, true), upstream.body)
    local headers = upstream.call.headers
    assert.same({ nil, nil, "t", "application/json" }, { headers["anthropic-version"], headers["anthropic-beta"],
      headers.traceparent, headers.accept })
    assert.equal(200, exchange.status)
    assert.equal("yo \237\160\189", exchange:answer().content[1].text)
    assert.same({ "application/json", nil, "up-1" }, { exchange.headers_sent["content-type"],
      exchange.headers_sent["content-encoding"], exchange.headers_sent["x-request-id"] })
  end)

  it("names what could not be carried, or is refused where the proxy is strict", function()
    assert.matches("^top_k;", ask().headers_sent["x-cliproxy-warnings"])
    local exchange = ask { config = { strict = true } }
    assert.equal(400, exchange.status)
    assert.matches("top_k would be left out", exchange:answer().error.message)
    assert.is_nil(upstream.call)
  end)

  it("tells a client that keeps its conversation in a thread to send it whole", function()
    local exchange = ask { body = '{"model":"m","max_tokens":9,"thread":{"type":"create"},"messages":[{"role":"user",'
      .. '"content":"hi"}]}' }
    assert.equal(400, exchange.status)
    local details = exchange:answer().error.details
    assert.equal("thread_unsupported_request", details.error_code)
    assert.same({ "thread" }, { details.unsupported[1], details.unsupported[2] })
    assert.is_nil(upstream.call)
  end)

  it("is a conversation to the provider where it was an old completion", function()
    run { request = { path = "/v1/completions", body = '{"model":"m","prompt":"hi"}' },
      provider = { dialects = { "anthropic" }, shape = function(call)
        assert.same({ "generate", "anthropic" }, { call.operation, call.dialect })
        call.headers["x-seen"] = "yes"
      end } }
    assert.equal("yes", upstream.call.headers["x-seen"])
    assert.equal("hi", json.parse(upstream.body).messages[1].content[1].text)
  end)

  it("shows the provider's hooks a document in the provider's dialect", function()
    ask { provider = { dialects = { "openai_chat" }, shape = function(call)
      assert.equal("openai_chat", call.dialect)
      call.body.messages[1].content = "hooked"
    end } }
    assert.equal("hooked", json.parse(upstream.body).messages[1].content)
  end)

  it("gets a provider's failure as its own dialect has it", function()
    local function failed(status, body, headers)
      return ask { reply = fakes.reply { status = status, body = body, headers = headers or {} } }
    end
    local exchange = failed(429, '{"error":{"message":"slow down","type":"t","code":"rate_limit_exceeded"}}',
      { ["retry-after"] = "7" })
    assert.same({ 429, "rate_limit_error", "7" }, { exchange.status, exchange:answer().error.type,
      exchange.headers_sent["retry-after"] })
    exchange = failed(400, '{"error":{"message":"maximum context length is 8192 tokens",'
      .. '"code":"context_length_exceeded"}}')
    assert.equal(400, exchange.status)
    assert.matches("^prompt is too long", exchange:answer().error.message)
    assert.same({ 529, "overloaded_error" }, { failed(503, "<html>busy</html>").status,
      failed(503, "{}"):answer().error.type })
    exchange = failed(402, '{"error":{"message":"Insufficient Balance","type":"unknown_error","code":"invalid"}}')
    assert.same({ 402, "billing_error", "false" }, { exchange.status, exchange:answer().error.type,
      exchange.headers_sent["x-should-retry"] })
    assert.equal(402, failed(402, "no money").status)
    assert.equal(502, failed(401, '{"error":{"message":"no","code":"invalid_api_key"}}').status)
  end)

  it("streams, and an error in the first event is answered with a status", function()
    local function chunk(delta, finish)
      return { data = ('{"id":"c","object":"chat.completion.chunk","created":1,"model":"up",'
        .. '"choices":[{"index":0,"delta":%s,"finish_reason":%s}]}'):format(delta, finish or "null") }
    end
    local body = ANTHROPIC:gsub("{", '{"stream":true,', 1)
    local exchange = ask { body = body, reply = fakes.reply { events = { chunk('{"role":"assistant","content":""}'),
      chunk('{"content":"yo"}'), chunk("{}", '"stop"'), { data = "[DONE]" } } } }
    assert.matches('"text_delta","text":"yo"', exchange:output())
    assert.matches("event: message_stop\n", exchange:output())
    assert.is_true(exchange.complete)
    exchange = ask { body = body, reply = fakes.reply { events = { chunk('{"role":"assistant","content":""}') } } }
    assert.matches("event: error\n.*ended its stream", exchange:output())
    assert.is_nil(exchange:output():find("message_stop", 1, true))
    exchange = ask { body = body,
      reply = fakes.reply {
        events = { { data = '{"error":{"message":"busy","type":"overloaded_error","code":503}}' } } } }
    assert.equal(529, exchange.status)
  end)

  it("is answered as a stream or a whole, whichever way the provider answers", function()
    local body = ANTHROPIC:gsub("{", '{"stream":true,', 1)
    assert.matches("event: message_stop\n", ask { body = body }:output())
    local function events()
      return fakes.reply { events = { { data = '{"id":"c","model":"up","choices":[{"index":0,"delta":{"content":"yo"},'
        .. '"finish_reason":null}]}' }, { data = '{"id":"c","model":"up","choices":[{"index":0,"delta":{},'
        .. '"finish_reason":"stop"}]}' }, { data = "[DONE]" } } }
    end
    assert.equal("yo", ask { reply = events() }:answer().content[1].text)
    -- The provider's hook sees the events all the same.
    assert.equal("hey", ask { reply = events(), provider = { dialects = { "openai_chat" }, event = function(_, event)
      return { data = (event.data:gsub("yo", "hey")) }
    end } }:answer().content[1].text)
    assert.equal(500, ask { reply = events(), provider = { dialects = { "openai_chat" }, event = function()
      error("odd")
    end } }.status)
  end)

  it("gets vectors in the form that it asked for", function()
    local function embed(format, body)
      local wish = format and ',"encoding_format":"' .. format .. '"' or ""
      return run { reply = fakes.reply { body = body }, request = { path = "/v1/embeddings",
        body = ('{"model":"m","input":"hi"%s}'):format(wish) } }:output()
    end
    local floats = '{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1.0, -2]}],"model":"m"}'
    local text = floats:gsub("%[1.0, %-2%]", '"AACAPwAAAMA="')
    assert.equal(floats, embed(nil, floats))
    assert.equal(text, embed("base64", text))
    assert.equal("AACAPwAAAMA=", json.parse(embed("base64", floats)).data[1].embedding)
    assert.equal(-2, json.parse(embed("float", text)).data[1].embedding[2])
  end)

  it("is counted here where the provider's server does not know how", function()
    local function count(status, body)
      return run { reply = fakes.reply { status = status, body = body }, request = { path = "/v1/messages/count_tokens",
        body = '{"model":"m","messages":[{"role":"user","content":"hello there"}]}' },
        provider = { dialects = { "anthropic" } } }
    end
    local exchange = count(404, "<html>not found</html>")
    assert.same({ 200, "local" }, { exchange.status, exchange.headers_sent["x-cliproxy-estimate"] })
    assert.is_true(exchange:answer().input_tokens > 1)
    exchange = count(404, '{"type":"error","error":{"type":"not_found_error","message":"model: m"}}')
    assert.equal(404, exchange.status)
  end)

  it("is counted here where the provider cannot be asked about it", function()
    local exchange = run { request = { path = "/v1beta/models/m:countTokens", body = '{"contents":[{"role":"user",'
      .. '"parts":[{"functionResponse":{"id":"c","name":"f","response":{"output":"some text"}}}]}]}' },
      provider = { dialects = { "anthropic" } } }
    assert.same({ 200, "local" }, { exchange.status, exchange.headers_sent["x-cliproxy-estimate"] })
    assert.is_true(exchange:answer().totalTokens > 1)
    assert.is_nil(upstream.call)
  end)

  it("is counted here where the provider does not count", function()
    local exchange = run { request = { path = "/v1/messages/count_tokens",
      body = '{"model":"m","messages":[{"role":"user","content":"hello there"}]}' } }
    assert.equal(200, exchange.status)
    assert.is_true(exchange:answer().input_tokens > 1)
    assert.equal("local", exchange.headers_sent["x-cliproxy-estimate"])
    assert.is_nil(upstream.call)
  end)
end)

describe("a same-dialect request", function()
  it("passes byte for byte, and so does its answer", function()
    local exchange = run { reply = fakes.reply { body = '{ "choices" : [] }', usage = { input = 3, output = 4 } } }
    assert.equal(CHAT, upstream.body)
    assert.equal('{ "choices" : [] }', exchange:output())
    assert.equal(200, exchange.status)
    assert.equal("https://up.example/v1/chat/completions", upstream.call.url)
    assert.is_true(exchange.ended and not exchange.aborted)
    assert.truthy(lines[1]:find("POST /v1/chat/completions groq/m whole 200", 1, true), lines[1])
    assert.truthy(lines[1]:find("in 3 out 4", 1, true), lines[1])
  end)

  it("changes nothing but the model where a route renames it, and says so", function()
    local exchange = run { model = "llama-3" }
    assert.equal((CHAT:gsub('"m"', '"llama-3"')), upstream.body)
    assert.equal("m", exchange.headers_sent["x-cliproxy-model-asked"])
  end)

  it("carries the account's key and none of the client's headers but those of the table", function()
    run { request = { headers = { host = "localhost", authorization = "Bearer client", ["x-api-key"] = "client",
      cookie = "c", ["user-agent"] = "sdk", ["openai-beta"] = "b", accept = "*/*" }, query = "key=secret&x=1" } }
    local headers = upstream.call.headers
    assert.equal("Bearer sk-secret", headers.authorization)
    assert.matches("^cliproxy/", headers["user-agent"])
    assert.equal("b", headers["openai-beta"])
    assert.is_nil(headers["x-api-key"])
    assert.is_nil(headers.cookie)
    assert.equal("https://up.example/v1/chat/completions?x=1", upstream.call.url)
  end)

  it("reaches Gemini with the model in the path and without a framing of its own", function()
    local function gemini(path, query, body)
      run { provider = { dialects = { "gemini" }, auth = "x-goog-api-key" },
        instance = { options = { base_url = "https://g" } },
        model = "tuned/a b", request = { path = path, query = query, body = body or '{"contents":[]}' } }
      return upstream.call
    end
    local call = gemini("/v1beta/models/m:streamGenerateContent", "alt=sse&key=k")
    assert.equal("https://g/v1beta/models/tuned/a%20b:streamGenerateContent?alt=sse", call.url)
    assert.equal("sse", call.framing)
    assert.equal("sk-secret", call.headers["x-goog-api-key"])
    assert.equal('{"contents":[]}', upstream.body)
    assert.equal("json_array", gemini("/v1beta/models/m:streamGenerateContent", "").framing)
    assert.equal("https://g/v1beta/models/tuned/a%20b:countTokens", gemini("/v1beta/models/m:countTokens").url)
  end)

  it("streams byte for byte", function()
    local events = { { data = '{"a":1}' }, { data = "[DONE]" } }
    local exchange = run { reply = fakes.reply { events = events }, request = { body = '{"model":"m","stream":true}' } }
    assert.equal('data: {"a":1}\n\ndata: [DONE]\n\n', exchange:output())
    assert.equal("no-cache", exchange.headers_sent["cache-control"])
    assert.is_true(upstream.call.stream)
  end)

  it("asks for usage where the instance wants it, and withholds what the client did not ask for", function()
    local usage = { data = '{"id":"x","choices":[],"usage":{"prompt_tokens":1}}' }
    local function ask(body)
      return run { instance = { usage = "ask" }, reply = fakes.reply { events = {
        { data = '{"choices":[{"delta":{"content":"\\"usage\\":"}}],"usage":null}' }, usage, { data = "[DONE]" } } },
        request = { body = body } }
    end
    local exchange = ask '{"model":"m","stream":true}'
    assert.equal('{"model":"m","stream":true,"stream_options":{"include_usage":true}}', upstream.body)
    assert.is_nil(exchange:output():find("prompt_tokens", 1, true))
    assert.truthy(exchange:output():find("[DONE]", 1, true))
    assert.is_true(exchange.complete)
    local body = '{"model":"m","stream":true,"stream_options":{"include_usage":true}}'
    exchange = ask(body)
    assert.equal(body, upstream.body)
    assert.truthy(exchange:output():find("prompt_tokens", 1, true))
  end)
end)

describe("a request that cannot be taken", function()
  local cases = {
    { "an empty body", "", 400, "body_missing" },
    { "no JSON", "{", 400, "body_not_json", "line 1" },
    { "an array", "[]", 400, "body_not_object", "not array" },
    { "no model", "{}", 400, "model_missing" },
    { "an empty model", '{"model":""}', 400, "model_missing" },
    { "a null model", '{"model":null}', 400, "model_missing" },
    { "a number as model", '{"model":3}', 400, "model_not_string", "not number" },
    { "a word as stream", '{"model":"m","stream":"yes"}', 400, "stream_not_boolean", "not string" },
    { "an unknown model", '{"model":"nowhere"}', 404, "model_not_found",
      'no route for "nowhere". Configured providers: groq.' },
  }
  for _, case in ipairs(cases) do
    it("with " .. case[1], function()
      refused(run { request = { body = case[2] } }, case[3], case[4], case[5])
      assert.is_nil(upstream.call)
    end)
  end

  it("with a field that the provider's dialect has no word for, naming both", function()
    local exchange = run { request = { path = "/v1/messages",
      body = '{"model":"m","max_tokens":9,"container":"c1","messages":[{"role":"user","content":"hi"}]}' } }
    assert.equal(400, exchange.status)
    local body = exchange:answer()
    assert.equal("error", body.type)
    assert.truthy(body.error.message:find("container cannot be sent to provider groq (OpenAI Chat Completions)", 1,
      true), body.error.message)
    assert.is_nil(upstream.call)
  end)

  it("for a provider that is off", function()
    local exchange = run { instance = { off = "provider groq is off: GROQ_API_KEY is not set (config.lua:14)" } }
    refused(exchange, 503, "provider_off", "GROQ_API_KEY is not set (config.lua:14)")
    assert.equal("false", exchange.headers_sent["x-should-retry"])
  end)

  it("with broken HTTP, and the connection closes behind it", function()
    local exchange = run { request = { fault = { status = 413, code = "body_too_large", text = "Too large." },
      path = "/v1/messages" } }
    assert.equal(413, exchange.status)
    assert.equal("request_too_large", exchange:answer().error.type)
  end)

  it("at a path that is none", function()
    refused(run { request = { path = "/chat/completions" } }, 404, "near_miss",
      "/chat/completions: set your client's base URL to http://127.0.0.1:8317/v1")
    refused(run { request = { path = "/nothing" } }, 404, "unknown_path")
  end)

  it("with another method", function()
    local exchange = run { request = { method = "DELETE" } }
    refused(exchange, 405, "method_not_allowed")
    assert.equal("POST", exchange.headers_sent.allow)
    refused(run { request = { method = "OPTIONS" } }, 405, "method_not_allowed")
  end)

  it("over a WebSocket", function()
    local exchange = run { request = { method = "GET", path = "/v1/responses", headers = { host = "localhost",
      upgrade = "websocket" } } }
    refused(exchange, 426, "websocket_unsupported")
  end)

  it("from a page, and then from an allowed one", function()
    local headers = { host = "localhost", origin = "app://x" }
    refused(run { request = { headers = headers } }, 403, "foreign_origin")
    local exchange = run { request = { headers = headers }, config = { allowed_origins = { "app://x" } } }
    assert.equal(200, exchange.status)
    assert.equal("app://x", exchange.headers_sent["access-control-allow-origin"])
    exchange = run { request = { headers = headers, method = "OPTIONS" }, config = { allowed_origins = { "app://x" } } }
    assert.equal(204, exchange.status)
    assert.equal("POST", exchange.headers_sent["access-control-allow-methods"])
  end)

  it("without a key where keys are asked for", function()
    refused(run { config = { api_keys = { { name = "a", key = "k" } } } }, 401, "invalid_api_key")
    assert.is_nil(upstream.call)
  end)
end)

describe("a provider that fails", function()
  it("passes its own envelope on, byte for byte, with its rate headers", function()
    local body = '{"error":{"message":"slow down","type":"tokens","param":null,"code":"rate_limit_exceeded"}}'
    local exchange = run { reply = fakes.reply { status = 429, body = body,
      headers = { ["content-type"] = "application/json", ["retry-after"] = "7", ["set-cookie"] = "x" } } }
    assert.equal(429, exchange.status)
    assert.equal(body, exchange:output())
    assert.equal("7", exchange.headers_sent["retry-after"])
    assert.is_nil(exchange.headers_sent["set-cookie"])
  end)

  it("does not blame the client for cliproxy's key", function()
    for _, status in ipairs { 401, 403 } do
      local exchange = run { reply = fakes.reply { status = status,
        body = '{"error":{"message":"Incorrect API key."}}' } }
      refused(exchange, 502, "upstream_key",
        ("provider groq refused cliproxy's key (account default): %d Incorrect API key. Check "
        .. "api_key in config.lua."):format(status))
    end
  end)

  local bodies = {
    ["<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"] = "502 Bad Gateway nginx",
    [""] = "(an empty body)",
    ['{"detail":"Not found here"}'] = "Not found here",
    ['{"error":"model not loaded"}'] = "model not loaded",
    ['{"message":"upstream gone"}'] = "upstream gone",
    ["plain\255words"] = "plain\239\191\189words",
  }
  for body, said in pairs(bodies) do
    it("gets the client's envelope around " .. (body == "" and "nothing" or body:sub(1, 20):gsub("%c", "?")), function()
      local exchange = run { reply = fakes.reply { status = 503, body = body,
        headers = { ["content-type"] = "text/html" } } }
      refused(exchange, 503, "upstream_status", "provider groq answered 503: " .. said)
      assert.equal("application/json", exchange.headers_sent["content-type"])
    end)
  end

  local calls = {
    { "connect", 502, "upstream_connect" }, { "dns", 502, "upstream_dns" }, { "tls", 502, "upstream_tls" },
    { "proxy", 502, "upstream_proxy" }, { "timeout", 504, "upstream_timeout" }, { "eof", 502, "upstream_closed" },
    { "protocol", 502, "upstream_protocol" }, { "too_big", 502, "upstream_event_too_big" }, { "nomem", 502,
      "upstream_failed" },
  }
  for _, case in ipairs(calls) do
    it("without any answer: " .. case[1], function()
      local exchange = run { reply = fakes.reply { status = 0, code = case[1],
        message = "up.example:443: what happened" } }
      refused(exchange, case[2], case[3], "up.example:443: what happened")
    end)
  end

  it("with a call that cannot be made", function()
    refused(run { refusal = "bad URL" }, 500, "call_invalid", "provider groq: the call cannot be made: bad URL")
  end)

  it("with a web page that claims success", function()
    local exchange = run { reply = fakes.reply { body = "<html>Log in</html>",
      headers = { ["content-type"] = "text/html" } } }
    refused(exchange, 502, "upstream_not_json", "answered text/html instead of JSON: Log in.")
  end)

  it("with a redirect", function()
    local exchange = run { reply = fakes.reply { status = 301,
      headers = { location = "https://www.example/v1?token=x" } } }
    refused(exchange, 502, "upstream_redirect", "to https://www.example/v1:")
  end)

  it("in the middle of a stream: an error in the dialect, and no proper end", function()
    for path, expected in pairs {
      ["/v1/chat/completions"] = { "openai_chat", '\n\ndata: {"error":{"message":"provider groq closed' },
      ["/v1/messages"] = { "anthropic", '\n\nevent: error\ndata: {"type":"error","error":{"type":"api_error"' },
      ["/v1/responses"] = { "openai_responses", '\n\nevent: response.failed\ndata: {"type":"response.failed"' },
    } do
      local exchange = run { provider = { dialects = { expected[1] } }, request = { path = path,
        body = '{"model":"m","stream":true}' },
        reply = fakes.reply { events = { { data = '{"a":1}' } }, broken = "eof" } }
      assert.equal(200, exchange.status)
      assert.truthy(exchange:output():find(expected[2], 1, true), exchange:output())
      assert.is_nil(exchange:output():find("[DONE]", 1, true))
      assert.is_true(exchange.ended)
    end
  end)

  it("in the middle of a whole answer: cut", function()
    assert.is_true(run { reply = fakes.reply { body = '{"id":', broken = "eof" } }.aborted)
  end)

  it("with an end that is not one: noted, not repaired", function()
    local exchange = run { reply = fakes.reply { events = { { data = "{}" } }, incomplete = true },
      request = { body = '{"model":"m","stream":true}' } }
    assert.equal("data: {}\n\n", exchange:output())
    assert.truthy(lines[1]:find("without its last event", 1, true), lines[1])
  end)
end)

describe("hooks", function()
  it("shape and authorize see the final call", function()
    local seen
    run { provider = {
      shape = function(call)
        call.headers["x-new"], call.body.store = "1", false
        call.url = call.url .. "/deep"
      end,
      authorize = function(call, account)
        seen = { url = call.url, key = account.api_key, asked = call.request.model,
          by = call.request.headers.authorization }
        call.headers.authorization = "Signed"
      end,
    }, request = { headers = { host = "localhost", authorization = "Bearer mine" } } }
    assert.same({ url = "https://up.example/v1/chat/completions/deep", key = "sk-secret", asked = "m" }, seen)
    assert.equal("Signed", upstream.call.headers.authorization)
    assert.equal("1", upstream.call.headers["x-new"])
    assert.truthy(upstream.body:find('"store"', 1, true))
  end)

  it("cannot change the client's request", function()
    local exchange = run { provider = { shape = function(call)
      call.request.model = "other"
    end } }
    refused(exchange, 500, "script_error", "request.model cannot be set")
  end)

  it("that raise answer 500 with file, line and hook, and the log has it", function()
    local exchange = run { provider = { shape = function(call)
      return call.nothing.x
    end } }
    refused(exchange, 500, "script_error", "shape(): attempt to index")
    refused(exchange, 500, "script_error",
      "Generation 6 still serves new requests.")
    assert.is_nil(upstream.call)
    assert.truthy(table.concat(lines, "\n"):find("error: req_", 1, true))
  end)

  it("classify decides whose fault a failure is", function()
    local body = '{"error":{"message":"no balance"}}'
    local exchange = run { reply = fakes.reply { status = 403, body = body }, provider = { classify = function(reply)
      assert(reply.status == 403 and reply.error.error.message == "no balance")
      return "client"
    end } }
    assert.equal(403, exchange.status)
    assert.equal(body, exchange:output())
    exchange = run { reply = fakes.reply { status = 400, body = body }, provider = { classify = function()
      return "auth"
    end } }
    refused(exchange, 502, "upstream_key")
  end)

  it("classify that fails leaves the core's rules", function()
    local exchange = run { reply = fakes.reply { status = 429, body = '{"error":{"message":"x"}}' },
      provider = { classify = function()
      return "nonsense"
    end } }
    assert.equal(429, exchange.status)
    assert.truthy(lines[1]:find("classify() returned nonsense", 1, true), lines[1])
  end)

  local function with_event(hook, events, broken)
    return run { provider = { event = hook }, request = { body = '{"model":"m","stream":true}' },
      reply = fakes.reply { events = events or { { data = "1", raw = "data:1\n\n" }, { data = "2" },
        { data = "[DONE]" } }, broken = broken } }
  end

  it("event keeps, drops, replaces and multiplies", function()
    local exchange = with_event(function(_, event)
      if event.data == "1" then
        return nil
      elseif event.data == "2" then
        return { { data = { a = 1 } }, { type = "t", data = "x\ny" } }
      end
    end)
    assert.equal('data:1\n\ndata: {"a":1}\n\nevent: t\ndata: x\ndata: y\n\ndata: [DONE]\n\n', exchange:output())
    assert.equal("data:1\n\n", with_event(function(_, event)
      if event.data ~= "1" then
        return false
      end
    end):output())
  end)

  it("event that raises or returns nonsense ends the stream with an error", function()
    local exchange = with_event(function(_, event)
      if event.data == "2" then
        error("odd")
      end
    end)
    assert.truthy(exchange:output():find('^data:1\n\n\n\ndata: {"error":{"message":"[^"]*event%(%): odd'),
      exchange:output())
    assert.is_nil(exchange:output():find("[DONE]", 1, true))
    exchange = with_event(function()
      return 7
    end)
    assert.truthy(exchange:output():find("returned number", 1, true), exchange:output())
    exchange = with_event(function()
      return { data = { print } }
    end)
    assert.truthy(exchange:output():find("returned an event whose data is no JSON", 1, true), exchange:output())
  end)

  it("event sees a stream that breaks", function()
    local exchange = with_event(function() end, { { data = "1" } }, "timeout")
    assert.truthy(exchange:output():find("was too slow", 1, true), exchange:output())
  end)

  it("response edits a whole answer or replaces it", function()
    local function with_response(hook)
      return run { provider = { response = hook }, reply = fakes.reply { body = '{"id": "x", "n": 1.0}' } }
    end
    assert.equal('{"id": "y", "n": 1.0}', with_response(function(_, document)
      document.id = "y"
    end):output())
    assert.equal('{"new":true}', with_response(function()
      return { new = true }
    end):output())
    refused(with_response(function()
      return "text"
    end), 500, "script_result", "returned string")
    refused(with_response(function()
      return { print }
    end), 500, "script_result", "returned a table that is no JSON")
  end)

  it("what they leave in the call is told where it cannot be sent", function()
    local function with_shape(edit)
      return run { provider = { shape = edit } }
    end
    refused(with_shape(function(call)
      call.body = print
    end), 500, "script_result", "shape() returned function in call.body; expected text")
    refused(with_shape(function(call)
      call.body = { print }
    end), 500, "script_result", "shape() returned a table that is no JSON")
    refused(with_shape(function(call)
      call.headers = 5
    end), 500, "call_invalid", "headers: table expected, got number")
    upstream.raises = "reply.send: url: string expected, got nil"
    local exchange = with_shape(function(call)
      call.url = nil
    end)
    upstream.raises = nil
    refused(exchange, 500, "call_invalid", "cannot be made: url: string expected, got nil")
    refused(run { provider = { encode_request = function()
      return 5
    end, decode_response = function() end } }, 500, "script_result", "encode_request() returned number")
  end)

  it("execute gets the call and its own transport", function()
    run { provider = { execute = function() end } }
    assert.equal("openai_chat", upstream.executed.spec.dialect)
    assert.equal("providers/groq.lua: execute()", upstream.executed.owner.name)
    local exchange = run { provider = { execute = function() end }, reply = fakes.reply { status = 0,
      script_failed = true, code = "io",
      message = "providers/groq.lua:3: boom" } }
    refused(exchange, 500, "script_error", "providers/groq.lua:3: execute(): boom. Generation 6 still serves")
  end)

  it("a dialect of its own carries requests and answers both ways", function()
    local own = {
      name = "own", framing = "ndjson",
      endpoint = function(operation, model)
        return "PUT", "/" .. operation .. "/" .. model
      end,
      encode_request = function(document, call)
        if document.seed then
          return nil, "own takes no seed", "unsupported", "seed"
        end
        return { q = document.messages[1].content, s = call.stream }
      end,
      decode_response = function(document)
        return { answer = document.a }
      end,
      stream_decoder = function()
        local n = 0
        return function(event)
          n = n + 1
          if event and event.data == "quiet" then
            return nil
          end
          return event and { { data = event.data .. n } } or { { data = "last" }, { data = "[DONE]" } }
        end
      end,
      decode_error = function(_, body)
        return body.oops
      end,
    }
    refused(run { provider = own }, 400, "script_refused", "own takes no seed")
    local body = '{"model":"m","messages":[{"content":"hi"}]}'
    local exchange = run { provider = own, request = { body = body }, reply = fakes.reply { body = '{"a":5}' } }
    assert.equal("PUT", upstream.call.method)
    assert.equal("https://up.example/v1/generate/m", upstream.call.url)
    assert.equal('{"q":"hi","s":false}', upstream.body)
    assert.equal('{"answer":5}', exchange:output())
    exchange = run { provider = own, request = { body = body:gsub("}$", ',"stream":true}') },
      reply = fakes.reply { events = { { data = "a", raw = "a\n" }, { data = "quiet", raw = "quiet\n" } },
        headers = { ["content-type"] = "application/x-ndjson" } } }
    assert.equal("data: a1\n\ndata: last\n\ndata: [DONE]\n\n", exchange:output())
    assert.is_true(exchange.complete) -- the client may leave now
    assert.matches("^text/event%-stream", exchange.headers_sent["content-type"])
    refused(run { provider = own, request = { body = body }, reply = fakes.reply { status = 500,
      body = '{"oops":"broken"}' } }, 500,
      "upstream_status", "provider groq answered 500: broken")
  end)
end)

describe("the end of a request", function()
  it("a fault inside becomes a 500 without details, and the log has them", function()
    local exchange = run { reply = setmetatable({}, { __index = function()
      error("inside")
    end }) }
    refused(exchange, 500, "internal")
    assert.is_nil(exchange:output():find("inside:", 1, true))
    assert.truthy(table.concat(lines, "\n"):find("internal error", 1, true))
  end)

  it("a client that leaves before the answer is recorded as such", function()
    local exchange = fakes.exchange { body = CHAT }
    upstream.reply, lines = fakes.reply {}, {}
    live.publish(fakes.snapshot(fakes.instance("groq", { shape = function()
      exchange.gone = true
      assert(not exchange.gone_hook(), "the task is to be cancelled")
    end })))
    async(function()
      pipeline.run(exchange)
    end)
    assert.truthy(lines[1]:find(" 499 ", 1, true), lines[1])
    assert.equal(1, #lines)
  end)

  it("old generations go when their last request ends", function()
    local first = live.hold()
    live.publish(fakes.snapshot(fakes.instance("groq", {})))
    assert.equal(2, #live.list())
    live.release(first)
    assert.equal(1, #live.list())
  end)
end)
