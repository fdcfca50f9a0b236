local dialects = require("cliproxy.dialects")
local json = require("cliproxy.json")
local titles = require("cliproxy.dialects.titles")

local failure = { status = 502, code = "upstream_closed", text = "it broke." }

local function framed(name, framing)
  return dialects.of(name).stream_error(failure, "req_1", framing or "sse")
end

describe("dialects", function()
  it("know their paths below a provider's base URL", function()
    local expected = {
      openai_chat = { generate = "/chat/completions", complete = "/completions", embed = "/embeddings",
        models = "/models" },
      openai_responses = { generate = "/responses", count = "/responses/input_tokens", models = "/models" },
      anthropic = { generate = "/v1/messages", count = "/v1/messages/count_tokens", models = "/v1/models" },
      gemini = { generate = "/v1beta/models/m:generateContent", count = "/v1beta/models/m:countTokens",
        embed = "/v1beta/models/m:embedContent", embed_batch = "/v1beta/models/m:batchEmbedContents",
        models = "/v1beta/models" },
    }
    for name, paths in pairs(expected) do
      for _, operation in ipairs({ "generate", "count", "complete", "embed", "embed_batch", "models" }) do
        assert.equal(paths[operation], dialects.of(name).path(operation, "m", false), name .. " " .. operation)
      end
    end
    assert.equal("/v1beta/models/m:streamGenerateContent", dialects.of("gemini").path("generate", "m", true))
  end)

  it("have titles, and so have the old completions", function()
    for _, name in ipairs(dialects.names) do
      assert.equal(titles[name], dialects.of(name).title)
      assert.truthy(titles[name]:find(" ", 1, true), name)
    end
    assert.equal("OpenAI Completions", titles.completions)
  end)

  it("refuse unknown names", function()
    assert.has_error(function()
      dialects.of("smalltalk")
    end, "no dialect smalltalk")
  end)

  it("end a broken Chat stream with an error and no [DONE]", function()
    assert.equal('\n\ndata: {"error":{"message":"it broke.","type":"server_error",'
      .. '"param":null,"code":"upstream_closed"}}\n\n',
      framed("openai_chat"))
  end)

  it("end a broken Responses stream with error and response.failed", function()
    local types, documents = {}, {}
    for kind, data in framed("openai_responses"):gmatch("event: (%S+)\ndata: ([^\n]+)\n\n") do
      types[#types + 1] = kind
      documents[#documents + 1] = assert(json.parse(data))
      assert.equal(kind, documents[#documents].type)
    end
    assert.same({ "error", "response.failed" }, types)
    assert.same({ "it broke.", "it broke." }, { documents[1].error.message, documents[1].message })
    assert.same({ "failed", "upstream_closed" }, { documents[2].response.status, documents[2].response.error.code })
  end)

  it("end a broken Messages stream with error and no message_stop", function()
    assert.equal('\n\nevent: error\ndata: {"type":"error","error":{"type":"api_error","message":"it broke."},'
      .. '"request_id":"req_1"}\n\n', framed("anthropic"))
  end)

  it("end a broken Gemini stream in both framings", function()
    local data = framed("gemini"):match("^\r\n\r\ndata: ([^\r\n]+)\r\n\r\n$")
    assert.equal(502, json.parse(data).error.code)
    assert.equal(2, #json.parse('[{"a":1}' .. framed("gemini", "json_array")))
  end)

  it("tell Gemini's framings by the query", function()
    local framing = dialects.of("gemini").framing
    assert.same({ "sse", "json_array", "json_array" }, { framing("a=1&alt=sse"), framing("alt=json"), framing("") })
    assert.equal("sse", dialects.of("anthropic").framing("alt=json"))
  end)

  it("know the event that ends a stream", function()
    local function ends(name, kind, data)
      return dialects.of(name).is_terminal({ type = kind, data = data, raw = "" })
    end
    assert.is_true(ends("openai_chat", "", "[DONE]"))
    assert.is_false(ends("openai_chat", "", "{}"))
    assert.is_true(ends("openai_responses", "response.completed", "{}"))
    assert.is_true(ends("openai_responses", "response.failed", "{}"))
    assert.is_false(ends("openai_responses", "response.created", "{}"))
    assert.is_true(ends("anthropic", "message_stop", "{}"))
    assert.is_false(ends("anthropic", "message_delta", "{}"))
  end)

  local bodies = {
    { "openai_chat", '{"error":{"message":"m","code":"c"}}', "m", "c" },
    { "openai_chat", '{"error":{"message":"m","code":429}}', "m" },
    { "openai_chat", '{"error":"m"}' },
    { "openai_chat", '{"error":{"message":null}}' },
    { "openai_chat", "[]" },
    { "openai_chat", "3" },
    { "openai_responses", '{"error":{"message":"m","code":"c"}}', "m", "c" },
    { "anthropic", '{"type":"error","error":{"type":"overloaded_error","message":"m"}}', "m", "overloaded_error" },
    { "anthropic", '{"error":{"type":"overloaded_error","message":"m"}}' },
    { "gemini", '{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED"}}', "m", "RESOURCE_EXHAUSTED" },
    { "gemini", '[{"error":{"code":400,"message":"m","status":"X"}}]', "m", "X" },
    { "gemini", '{"error":{"message":"m","status":"X","details":[{"reason":"API_KEY_INVALID"},{}]}}', "m",
      "API_KEY_INVALID" },
    { "gemini", "[]" },
  }
  for _, case in ipairs(bodies) do
    it("read " .. case[1] .. "'s error " .. case[2], function()
      local message, code = dialects.of(case[1]).own_error((json.parse(case[2])))
      assert.same({ case[3], case[4] }, { message, code })
    end)
  end
end)
