--- Whole answers of Gemini providers, and whole answers for Gemini clients.
local automata = require("cliproxy.automata")
local conversation = require("cliproxy.conversation")
local gemini = require("cliproxy.dialects.gemini")
local json = require("cliproxy.json")
local opaque = require("cliproxy.opaque")

local function context(more)
  local c = conversation.new("openai_chat", { model = "m", stream = false }, {})
  local out = {
    id = "req_abc123", conversation = c, framing = "sse", remember = function() end, estimate = function() return 1 end,
    target = { dialect = "gemini", provider = "google", model = "gemini-x", caps = {} },
  }
  for key, value in pairs(more or {}) do
    out[key] = value
  end
  return out
end

local function decode(text, at)
  local document = assert(json.parse(text))
  local answer, failure = gemini.decode_response(document, at or context())
  json.close(document)
  return answer, failure
end

local function candidate(parts, more)
  return '{"candidates":[{"content":{"role":"model","parts":' .. parts .. '},"finishReason":"STOP","index":0'
    .. (more or "") .. "}]}"
end

local function kinds(answer)
  local out = {}
  for i, part in ipairs(answer.parts) do
    out[i] = part.kind
  end
  return table.concat(out, " ")
end

describe("a Gemini provider's answer", function()
  it("is texts, thoughts and calls, as they are written", function()
    local answer = assert(decode('{"candidates":[{"content":{"parts":[{"text":"hm","thought":true},'
      .. '{"text":"a\\u00e9"},{"text":""},{"functionCall":{"name":"f","args":{"x":1.0,"y":[],"n":null},"id":"i1"}},'
      .. '{"text":"b"},{"functionCall":{"name":"g"}}],"role":"model"},"finishReason":"STOP"}],'
      .. '"modelVersion":"gemini-x-1","responseId":"R"}'))
    assert.equal("reasoning text tool_call text tool_call", kinds(answer))
    assert.same({ '"hm"', '"a\\u00e9"' }, { answer.parts[1].text, answer.parts[2].text })
    assert.same({ kind = "tool_call", id = "i1", name = "f", input = '{"x":1.0,"y":[],"n":null}' }, answer.parts[3])
    assert.same({ kind = "tool_call", name = "g", input = "{}" }, answer.parts[5])
    assert.same({ "R", "gemini-x-1", "tool_calls" }, { answer.id, answer.model, answer.stop })
  end)

  it("gives tools their names back", function()
    local at = context()
    at.conversation.names.f_1 = "my tool"
    assert.equal("my tool", decode(candidate('[{"functionCall":{"name":"f_1"}}]'), at).parts[1].name)
  end)

  it("has its signatures in front of the parts that carry them", function()
    local answer = decode(candidate('[{"text":"hm","thought":true},{"functionCall":{"name":"f"},'
      .. '"thoughtSignature":"S"},{"functionCall":{"name":"g"}}]'))
    assert.equal("reasoning tool_call tool_call", kinds(answer))
    assert.same({ kind = "thought", data = "S" }, answer.parts[1].state)
    answer = decode(candidate('[{"text":"a","thoughtSignature":"S"}]'))
    assert.equal("reasoning text", kinds(answer))
    answer = decode(candidate('[{"text":"a"},{"text":"","thoughtSignature":"S"}]'))
    assert.equal("text reasoning", kinds(answer))
  end)

  it("ends as it says", function()
    local text, call = '[{"text":"a"}]', '[{"functionCall":{"name":"f"}}]'
    for _, row in ipairs { { "STOP", "end", "tool_calls" }, { "MAX_TOKENS", "length", "length" },
      { "SAFETY", "filter", "filter" }, { "RECITATION", "filter", "filter" }, { "MODEL_ARMOR", "filter", "filter" } } do
      for i, parts in ipairs { text, call } do
        local answer = assert(decode('{"candidates":[{"content":{"parts":' .. parts .. '},"finishReason":"' .. row[1]
          .. '"}]}'))
        assert.equal(row[i + 1], answer.stop)
      end
    end
    assert.equal("end", decode('{"candidates":[{"content":{"parts":' .. text .. '},"finishReason":1}]}').stop)
    assert.equal("end", decode('{"candidates":[{"content":{"parts":' .. text .. "}}]}").stop)
    assert.equal('"bad"', decode('{"candidates":[{"finishReason":"SAFETY","finishMessage":"bad"}]}').explanation)
    assert.equal("length", decode('{"candidates":[{"content":{"role":"model"},"finishReason":"MAX_TOKENS"}]}').stop)
  end)

  it("fails where its model failed", function()
    for _, reason in ipairs { "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "OTHER",
      "SOMETHING_NEW" } do
      local answer, failure = decode('{"candidates":[{"content":{},"finishReason":"' .. reason
        .. '","finishMessage":"It went wrong."}]}')
      assert.is_nil(answer)
      assert.same({ "upstream_failed", "provider google failed: its model stopped with " .. reason
        .. ": It went wrong." }, { failure.code, failure.text })
    end
  end)

  it("is filtered where the prompt was blocked", function()
    local answer = assert(decode('{"promptFeedback":{"blockReason":"SAFETY","blockReasonMessage":"No."},'
      .. '"usageMetadata":{"promptTokenCount":5,"totalTokenCount":5}}'))
    assert.same({ "filter", '"No."', 0 }, { answer.stop, answer.explanation, #answer.parts })
    assert.same({ input = 5, output = 0 }, answer.usage)
    assert.equal('"The prompt was blocked: OTHER"',
      decode('{"promptFeedback":{"blockReason":"OTHER"},"candidates":[]}').explanation)
  end)

  it("counts thoughts with the answer, and its own tools with the prompt", function()
    local function usage(members)
      return decode('{"candidates":[{}],"usageMetadata":{' .. members .. "}}").usage
    end
    assert.same({ input = 2427, cached = 100, output = 88, reasoning = 47 }, usage('"promptTokenCount":32,'
      .. '"candidatesTokenCount":41,"totalTokenCount":2515,"toolUsePromptTokenCount":2395,"thoughtsTokenCount":47,'
      .. '"cachedContentTokenCount":100'))
    assert.same({ input = 10, output = 20, reasoning = 20 },
      usage('"promptTokenCount":"10","thoughtsTokenCount":20,"totalTokenCount":30'))
    assert.is_nil(usage('"trafficType":"ON_DEMAND"'))
    assert.is_nil(decode('{"candidates":[{}]}').usage)
  end)

  it("names its sources once each", function()
    local answer = decode(candidate('[{"text":"a"}]', ',"citationMetadata":{"citationSources":[{"uri":"u1",'
      .. '"startIndex":1,"endIndex":2},{"startIndex":4}],"citations":[{},{"uri":"u1"},{"uri":"u2","title":"T2"}]},'

        .. '"groundingMetadata":{"groundingChunks":[{"web":{"uri":"u3","title":"T3"}},{"maps":{"uri":"u2"}},'
      .. '{"web":{}}]}'))
    assert.same({ { kind = "url", url = '"u1"' }, { kind = "url", url = '"u2"', title = '"T2"' },
      { kind = "url", url = '"u3"', title = '"T3"' } }, answer.parts[1].citations)
  end)

  it("may be a stream's array", function()
    local answer = assert(decode('[{"candidates":[{"content":{"parts":[{"text":"a"}]}}],"responseId":"R"},'
      .. '{"candidates":[{"content":{"parts":[{"text":"b"}]},"finishReason":"STOP"}],'
      .. '"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":2}}]'))
    assert.same({ "R", "end", '"a"', '"b"', 2 }, { answer.id, answer.stop, answer.parts[1].text, answer.parts[2].text,
      answer.usage.output })
    local _, failure = decode('[{"candidates":[{}]},{"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}]')
    assert.equal("upstream_overloaded", failure.code)
  end)

  it("fails where it holds what others cannot show", function()
    for key, words in pairs { inlineData = "an image or a sound", executableCode = "code that it ran itself",
      codeExecutionResult = "the result of code that it ran itself", toolCall = "a call of a tool of its own",
      newThing = "a part with newThing" } do
      local _, failure = decode(candidate('[{"text":"a"},{"' .. key .. '":{},"thought":true}]'))
      assert.same({ "upstream_untranslatable",
        "provider google gave an answer that OpenAI Chat Completions cannot carry: "
        .. words .. "." }, { failure.code, failure.text })
    end
  end)

  it("fails where it is none", function()
    for text, words in pairs {
      ["{}"] = "it has neither candidates nor a blocked prompt", ["[1]"] = "it is no JSON object",
      ['{"candidates":[]}'] = "it has neither candidates nor a blocked prompt",
      [candidate("[1]")] = "a part is no object", [candidate('[{"functionCall":1}]')] = "a call is no object",
      [candidate('[{"functionCall":{"args":{}}}]')] = "a call has no name",
      [candidate('[{"functionCall":{"name":"f","args":[]}}]')] = "the arguments of a call of f are no object",
    } do
      local answer, failure = decode(text)
      assert.is_nil(answer)
      assert.same({ "upstream_malformed",
        "provider google gave an answer that is none of Gemini generateContent: " .. words .. "." },
        { failure.code, failure.text })
    end
    for _, value in ipairs { "1", "null", '"x"', "[]", "{}", "[[]]", '{"a":[]}' } do
      for _, place in ipairs { '{"candidates":%s}', '{"candidates":[%s]}', '{"candidates":[{"content":%s}]}',
        '{"candidates":[{"content":{"parts":%s}}]}', '{"candidates":[{"content":{"parts":[%s]}}]}',
        '{"candidates":[{"content":{"parts":[{"text":%s,"thought":%s,"thoughtSignature":%s}]}}]}',
        '{"candidates":[{"content":{"parts":[{"functionCall":{"name":%s,"args":%s,"id":%s,"partialArgs":%s}}]}}]}',
        '{"candidates":[{"finishReason":%s,"groundingMetadata":%s,"citationMetadata":%s}]}',
        '{"candidates":[{"groundingMetadata":{"groundingChunks":[%s]},"citationMetadata":{"citations":%s}}]}',
        '{"candidates":[{}],"usageMetadata":%s,"responseId":%s}', '{"promptFeedback":%s}',
        '{"promptFeedback":{"blockReason":%s}}', '{"error":%s}', '{"error":{"code":%s,"message":%s,"status":%s}}' } do
        decode((place:gsub("%%s", value)))
      end
    end
  end)
end)

describe("an answer for a Gemini client", function()
  local function encode(answer, reasoning)
    local at = context()
    at.conversation.dialect = "gemini"
    at.conversation.reasoning = reasoning
    local body, failure = gemini.encode_response(answer, at)
    if body then
      assert.same({}, automata.whole("gemini", body))
    end
    return body, failure
  end

  local function text(words)
    return { kind = "text", text = '"' .. words .. '"' }
  end

  it("is as the service writes it", function()
    assert.equal('{"candidates":[{"content":{"parts":[{"text":"a\\u00e9"}],"role":"model"},"finishReason":"STOP",'
      .. '"index":0}],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":3,"totalTokenCount":15,'
      .. '"cachedContentTokenCount":4,"thoughtsTokenCount":2},"modelVersion":"M","responseId":"R"}',
      encode { id = "R", model = "M", parts = { text("a\\u00e9") }, stop = "end",
        usage = { input = 10, cached = 4, output = 5, reasoning = 2 } })
  end)

  it("has a model and an id where the provider told none, and no usage that it does not know", function()
    assert.equal('{"candidates":[{"content":{"role":"model"},"finishReason":"MAX_TOKENS","index":0}],'
      .. '"modelVersion":"gemini-x","responseId":"req_abc123"}', encode { parts = {}, stop = "length",
      usage = { output = 5 } })
  end)

  it("has calls whole, with their ids", function()
    assert.truthy(encode { parts = { { kind = "tool_call", id = "x", name = "f", arguments = '"{\\"a\\": 1.0}"' },
      { kind = "tool_call", id = "y", name = "g", input = '{"b":[]}' } }, stop = "tool_calls" }:find(
      '"parts":[{"functionCall":{"name":"f","args":{"a": 1.0},"id":"x"}},'
      .. '{"functionCall":{"name":"g","args":{"b":[]},"id":"y"}}],"role":"model"},"finishReason":"STOP"', 1, true))
    local body, failure = encode { parts = { { kind = "tool_call", id = "x", name = "f", arguments = '"{\\"a"' } },
      stop = "tool_calls" }
    assert.is_nil(body)
    assert.same({ "upstream_untranslatable", "provider google gave an answer that Gemini generateContent cannot carry: "
      .. "the arguments of a call of f are no JSON object." }, { failure.code, failure.text })
    body, failure = encode { parts = { { kind = "tool_call", id = "x", name = "f", arguments = '"{\\"a"' } },
      stop = "length" }
    assert.is_nil(body)
    assert.truthy(failure.text:find("the answer reached its longest in the middle of a call of f, whose arguments are "
      .. "cut; raise maxOutputTokens.", 1, true))
  end)

  it("shows thoughts to those that asked, and their state to all", function()
    local answer = { parts = { { kind = "reasoning", text = '"hm"', state = { kind = "signature", data = "S1" } },
      { kind = "reasoning", state = { kind = "redacted", data = "S2" } },
      { kind = "tool_call", id = "x", name = "f", input = "{}" } }, stop = "tool_calls" }
    local document = json.parse(encode(answer, { visible = true, where = "" }))
    local parts = document.candidates[1].content.parts
    assert.same({ 3, "hm", true, "" }, { #parts, parts[1].text, parts[1].thought, parts[2].text })
    local origin = { dialect = "gemini", provider = "google", model = "gemini-x" }
    assert.same({ kind = "signature", data = "S1", origin = origin }, opaque.open(parts[2].thoughtSignature, "thought"))
    assert.same({ kind = "redacted", data = "S2", origin = origin }, opaque.open(parts[3].thoughtSignature, "thought"))
    assert.is_nil(encode(answer):find("hm", 1, true))
  end)

  it("puts a state at its end on an empty text", function()
    local document = json.parse(encode { parts = { text("a"), { kind = "reasoning",
      state = { kind = "encrypted", data = "E", id = "rs_1" } } }, stop = "end" })
    local parts = document.candidates[1].content.parts
    assert.same({ 2, "" }, { #parts, parts[2].text })
    assert.equal("rs_1", opaque.open(parts[2].thoughtSignature, "thought").id)
  end)

  it("says why it ended", function()
    for stop, reason in pairs { ["end"] = "STOP", stop_sequence = "STOP", tool_calls = "STOP", length = "MAX_TOKENS",
      filter = "SAFETY", refusal = "SAFETY" } do
      assert.truthy(encode { parts = { text("a") }, stop = stop }:find('"finishReason":"' .. reason .. '"', 1, true))
    end
    assert.truthy(encode { parts = { { kind = "refusal", text = '"no"' } }, stop = "refusal", explanation = '"why"' }
      :find('[{"text":"no"}],"role":"model"},"finishReason":"SAFETY","finishMessage":"why"', 1, true))
  end)

  it("names sources", function()
    local part = text("a")
    part.citations = { { kind = "url", url = '"u"', title = '"T"', from = 0, to = 1 },
      { kind = "document", title = '"D"', quote = '"q"' } }
    assert.truthy(encode { parts = { part }, stop = "end" }:find('"groundingMetadata":{"groundingChunks":['
      .. '{"web":{"uri":"u","title":"T"}},{"retrievedContext":{"title":"D","text":"q"}}]}', 1, true))
  end)
end)
