local automata = require("cliproxy.automata")
local chat = require("cliproxy.dialects.openai_chat")
local conversation = require("cliproxy.conversation")
local json = require("cliproxy.json")

local PATHS = { turns = "messages", parts = "content", system = "system", tools = "tools" }

local function context(fields)
  local c = conversation.new(fields and fields.dialect or "anthropic", { model = "fast", stream = false }, PATHS)
  for key, value in pairs(fields or {}) do
    c[key] = value
  end
  local remembered = {}
  return {
    id = "req_7", conversation = c, target = { dialect = "openai_chat", provider = "prov", model = "mod" },
    framing = "sse", remembered = remembered, estimate = function() return 99 end,
    remember = function(call, parts) remembered[#remembered + 1] = { call, parts } end,
  }
end

local function decode(text, fields)
  local document = json.parse(text)
  local answer, failure = chat.decode_response(document, context(fields))
  if json.kind(document) == "object" or json.kind(document) == "array" then
    json.close(document)
  end
  return answer, failure
end

local function whole(message, finish, more)
  return '{"id":"chatcmpl-1","object":"chat.completion","created":5,"model":"gpt","choices":[{"index":0,"message":{'
    .. '"role":"assistant",' .. message .. '},"finish_reason":' .. (finish or '"stop"') .. "}]" .. (more or "") .. "}"
end

local function parts_of(message, finish, fields)
  local answer, failure = decode(whole(message, finish), fields)
  assert(answer, failure and failure.text)
  return answer.parts, answer.stop
end

describe("a completion, decoded:", function()
  it("text, head and usage", function()
    assert.same({ id = "chatcmpl-1", created = 5, model = "gpt", stop = "end",
      parts = { { kind = "text", text = '"Hi \\ud83d"' } },
      usage = { input = 20, output = 10, cached = 8, cache_written = 2, reasoning = 4 } },
      (decode(whole('"content":"Hi \\ud83d","refusal":null,"annotations":[]', nil, ',"usage":{"prompt_tokens":20,'
        .. '"completion_tokens":10,"total_tokens":30,"prompt_tokens_details":{"cached_tokens":8,"audio_tokens":0,'
        .. '"cache_write_tokens":2},"completion_tokens_details":{"reasoning_tokens":4}}'))))
  end)

  it("what is not reported is not 0", function()
    assert.is_nil(decode(whole('"content":"x"')).usage)
    assert.same({ input = 3, output = 4 },
      decode(whole('"content":"x"', nil, ',"usage":{"prompt_tokens":3,"completion_tokens":4}')).usage)
  end)

  it("thoughts that a server counts beside the completion are output, too", function()
    assert.same({ input = 291, output = 222, reasoning = 196 }, decode(whole('"content":"x"', nil,
      ',"usage":{"prompt_tokens":291,"completion_tokens":26,"total_tokens":513,"completion_tokens_details":'
      .. '{"reasoning_tokens":196}}')).usage)
  end)

  it("counts in the places of other servers", function()
    assert.same({ input = 1, output = 2 },
      decode(whole('"content":"x"', nil, ',"x_groq":{"usage":{"prompt_tokens":1,"completion_tokens":2}}')).usage)
    assert.same({ input = 1, output = 2, cached = 1 }, decode(whole('"content":"x"', nil,
      ',"usage":{"prompt_tokens":1,"completion_tokens":2,"prompt_cache_hit_tokens":1}')).usage)
  end)

  it("calls keep their text, the client's names come back", function()
    local parts, stop = parts_of('"content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":'
      .. '"short_1","arguments":"{\\"a\\": 1.0"}},{"id":"call_2","type":"custom","custom":{"name":"g","input":"x"}}]',
      '"stop"', { names = { short_1 = "a_long_name" } })
    assert.same({
      { kind = "tool_call", id = "call_1", name = "a_long_name", arguments = '"{\\"a\\": 1.0"' },
      { kind = "tool_call", id = "call_2", name = "g", custom = true, arguments = '"x"' },
    }, parts)
    assert.equal("tool_calls", stop) -- OpenAI says "stop" for a named choice
  end)

  it("calls of servers that are only compatible: no ids, equal ids, objects as arguments, none", function()
    local parts = parts_of('"content":"","tool_calls":[{"function":{"name":"f","arguments":{"a":[],"b":{}}}},'
      .. '{"id":"x","function":{"name":"f","arguments":null}},{"id":"x","function":{"name":"f","arguments":""}}]',
      '"tool_calls"')
    assert.same({
      { kind = "tool_call", name = "f", input = '{"a":[],"b":{}}' },
      { kind = "tool_call", id = "x", name = "f", arguments = '""' },
      { kind = "tool_call", id = "x", name = "f", arguments = '""' },
    }, parts)
  end)

  it("the call of a function", function()
    local parts, stop = parts_of('"content":null,"function_call":{"name":"f","arguments":"{}"}', '"function_call"')
    assert.same({ { kind = "tool_call", name = "f", arguments = '"{}"' } }, parts)
    assert.equal("tool_calls", stop)
  end)

  it("thoughts under each of their names, once", function()
    local expected = { { kind = "reasoning", text = '"hm"' }, { kind = "text", text = '"x"' } }
    for _, member in ipairs { '"reasoning_content":"hm"', '"reasoning":"hm"',
      '"reasoning_content":"hm","reasoning":"hm"',
      '"reasoning_content":"","reasoning":"hm","reasoning_details":[{"type":"reasoning.text","text":"hm"}]',
      '"reasoning_details":[{"type":"reasoning.text","text":"h"},{"type":"reasoning.encrypted","data":"Z"},'
        .. '{"type":"reasoning.summary","summary":"m"}]' } do
      assert.same(expected, parts_of('"content":"x",' .. member), member)
    end
    assert.same(expected, parts_of('"content":[{"type":"thinking","thinking":[{"type":"text","text":"h"},'
      .. '{"type":"text","text":"m"}]},{"type":"text","text":"x"},{"type":"reference","reference_ids":[1]}]'))
  end)

  it("citations belong to the text", function()
    assert.same({ { kind = "text", text = '"x"', citations = { { kind = "url", url = '"https://a"', title = '"A"',
      from = 0, to = 1 } } } }, parts_of('"content":"x","annotations":[{"type":"url_citation","url_citation":{'
      .. '"start_index":0,"end_index":1,"url":"https://a","title":"A"}},{"type":"file"}]'))
  end)

  it("every end", function()
    local refusal = '"content":null,"refusal":"no"'
    local call = '"content":null,"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{"}}]'
    local cases = {
      { '"content":"x"', '"stop"', "end" }, { '"content":"x"', '"length"', "length" },
      { '"content":"x"', '"content_filter"', "filter" }, { '"content":"x"', '"tool_calls"', "end" },
      { '"content":"x"', "null", "end" }, { '"content":"x"', '""', "end" }, { '"content":"x"', '"eos"', "end" },
      { '"content":"x"', '"model_length"', "length" }, { refusal, '"stop"', "refusal" },
      { refusal, '"content_filter"', "filter" }, { call, '"stop"', "tool_calls" }, { call, '"length"', "length" },
      { call, '"content_filter"', "filter" },
    }
    for _, case in ipairs(cases) do
      local _, stop = parts_of(case[1], case[2])
      assert.equal(case[3], stop, case[1] .. " " .. case[2])
    end
    assert.same({ { kind = "refusal", text = '"no"' } }, parts_of(refusal))
  end)

  it("empty content is no part", function()
    assert.same({}, parts_of('"content":""', '"length"'))
    assert.same({}, parts_of('"content":null'))
  end)

  it("the stop sequence, where a server names one of the request's", function()
    local text = whole('"content":"x"'):gsub('"finish_reason":"stop"', '%0,"stop_reason":"END"')
    local answer = decode(text, { stop = { '"\\u0045ND"' } })
    assert.same({ "stop_sequence", '"END"' }, { answer.stop, answer.stop_sequence })
    assert.equal("end", decode(text, { stop = { '"other"' } }).stop)
  end)

  it("of several choices only the first exists", function()
    local answer = decode('{"choices":[{"index":1,"message":{"content":"b"},"finish_reason":"stop"},{"index":0,'
      .. '"message":{"content":"a"},"finish_reason":"stop"}]}')
    assert.same({ { kind = "text", text = '"a"' } }, answer.parts)
  end)

  it("what another dialect cannot have is a failure that says so", function()
    local cases = {
      { whole('"content":null,"audio":{"id":"a","data":"AA"}'), "a spoken answer" },
      { whole('"content":"x","images":[{"type":"image_url"}]'), "pictures in an answer" },
      { whole('"content":[{"type":"video"}]'), 'a part of type "video" in a message' },
      { whole('"content":"x"', '"error"'), 'an end with the reason "error"' },
    }
    for _, case in ipairs(cases) do
      local answer, failure = decode(case[1])
      assert.is_nil(answer)
      assert.same({ 502, "upstream_untranslatable",
        "provider prov gave an answer that Anthropic Messages cannot carry: " .. case[2] .. "." },
        { failure.status, failure.code, failure.text })
    end
    local _, failure = decode(cases[1][1], { dialect = "completions" })
    assert.matches("an answer that OpenAI Completions cannot carry", failure.text, 1, true)
  end)

  it("errors inside a 200 have the status that they name", function()
    local cases = {
      { '{"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}}', 429, "upstream_limited" },
      { '{"error":{"message":"bad","code":400}}', 400, "upstream_status" },
      { '[{"error":{"message":"bad","code":503,"status":"UNAVAILABLE"}}]', 503, "upstream_overloaded" },
      { '{"error":"down"}', 502, "upstream_status" },
      { '{"error":{"message":"m","type":"server_error","code":null}}', 500, "upstream_status" },
      { '{"choices":[{"index":0,"error":{"message":"m","code":502}}]}', 502, "upstream_status" },
      { '{"error":{"message":"maximum context length is 5","code":"context_length_exceeded"}}', 400, "context_length" },
    }
    for _, case in ipairs(cases) do
      local answer, failure = decode(case[1])
      assert.is_nil(answer)
      assert.same({ case[2], case[3] }, { failure.status, failure.code }, case[1])
    end
  end)

  it("anything else is malformed, never raised", function()
    for _, text in ipairs { "7", '"x"', "null", "[]", "{}", '{"choices":7}', '{"choices":[]}', '{"choices":[7]}',
      '{"choices":[{"index":0}]}', '{"choices":[{"message":7}]}',
      '{"choices":[{"message":{"tool_calls":[7]},"finish_reason":"stop"}]}',
      '{"choices":[{"message":{"tool_calls":[{"function":{"name":""}}]},"finish_reason":"stop"}]}',
      '{"choices":[{"message":{"function_call":{}},"finish_reason":"stop"}]}' } do
      local answer, failure = decode(text)
      assert.is_nil(answer, text)
      assert.equal("upstream_malformed", failure.code, text)
    end
    assert.is_table(decode('{"id":7,"model":[],"created":"x","usage":[],"choices":[{"message":{"content":7,'
      .. '"refusal":{},"annotations":[7,{"url_citation":{}}],"reasoning":[],"tool_calls":{}},'
      .. '"finish_reason":"stop"}]}'))
  end)
end)

local function encode(answer, fields)
  local at = context(fields)
  local body, failure = chat.encode_response(answer, at)
  if body then
    assert.same({}, automata.whole("openai_chat", body), body)
  end
  return body, failure, at.remembered
end

local function message_of(answer, fields)
  local body = assert(encode(answer, fields))
  return body:match('"message":(.-),"logprobs":null,"finish_reason":"([%a_]+)"')
end

describe("an answer as a completion:", function()
  it("text, head and usage as the service writes them", function()
    assert.equal('{"id":"chatcmpl-7","object":"chat.completion","created":5,"model":"up","choices":[{"index":0,'
      .. '"message":{"role":"assistant","content":"a\\ud83db","refusal":null,"annotations":[]},"logprobs":null,'
      .. '"finish_reason":"stop"}],"usage":{"prompt_tokens":20,"completion_tokens":10,"total_tokens":30,'
      .. '"prompt_tokens_details":{"cached_tokens":8,"cache_write_tokens":2},'
      .. '"completion_tokens_details":{"reasoning_tokens":4}}}',
      (encode { model = "up", created = 5, stop = "end",
        parts = { { kind = "text", text = '"a\\ud83d"' }, { kind = "text", text = '"b"' } },
        usage = { input = 20, output = 10, cached = 8, cache_written = 2, reasoning = 4 } }))
  end)

  it("usage is left out where nothing is known; what must be there is estimated", function()
    local body = encode { stop = "end", parts = {}, usage = { cached = 3 } }
    assert.is_nil(body:find("usage", 1, true))
    assert.matches('"usage":{"prompt_tokens":99,"completion_tokens":5,"total_tokens":104}',
      (encode { stop = "end", parts = {}, usage = { output = 5 } }), 1, true)
  end)

  it("calls, with null beside them", function()
    assert.same({ '{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{'
      .. '"name":"f","arguments":"{\\"a\\":1.0}"}},{"id":"c2","type":"function",'
      .. '"function":{"name":"g","arguments":"{}"}},'
      .. '{"id":"c3","type":"custom","custom":{"name":"h","input":"x"}}],"refusal":null,"annotations":[]}',
      "tool_calls" }, { message_of { stop = "tool_calls", parts = {
        { kind = "text", text = '""' },
        { kind = "tool_call", id = "c1", name = "f", input = '{"a":1.0}' },
        { kind = "tool_call", id = "c2", name = "g", arguments = '""' },
        { kind = "tool_call", id = "c3", name = "h", arguments = '"x"', custom = true } } } })
  end)

  it("a client of functions gets function_call back, and no second one", function()
    local body = chat.encode_response({ stop = "tool_calls", parts = {
      { kind = "tool_call", id = "c1", name = "f", arguments = '"{}"' } } }, context { old_functions = true })
    assert.matches('"message":{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"},'
      .. '"refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"function_call"', body, 1, true)
    local none, failure = encode({ stop = "tool_calls", parts = {
      { kind = "tool_call", id = "c1", name = "f", arguments = '"{}"' },
      { kind = "tool_call", id = "c2", name = "f", arguments = '"{}"' } } }, { old_functions = true })
    assert.is_nil(none)
    assert.equal("upstream_untranslatable", failure.code)
  end)

  it("thoughts, refusals, sources", function()
    assert.same({ '{"role":"assistant","content":"x","reasoning_content":"a\\n\\nb","refusal":null,"annotations":['
      .. '{"type":"url_citation","url_citation":{"end_index":1,"start_index":0,"title":"A","url":"https://a"}},'
      .. '{"type":"url_citation","url_citation":{"end_index":0,"start_index":0,"title":"","url":"https://b"}}]}',
      "stop" }, { message_of { stop = "end", parts = { { kind = "reasoning", text = '"a"' },
        { kind = "reasoning", text = '"b"', state = { kind = "signature", data = "S" } },
        { kind = "text", text = '"x"', citations = { { kind = "url", url = '"https://a"', title = '"A"', from = 0,
          to = 1 }, { kind = "document", title = '"D"' }, { kind = "url", url = '"https://b"' } } } } } })
    assert.same({ '{"role":"assistant","content":null,"refusal":"no","annotations":[]}', "content_filter" },
      { message_of { stop = "refusal", parts = { { kind = "refusal", text = '"no"' } } } })
    assert.same({ '{"role":"assistant","content":null,"refusal":"why not","annotations":[]}', "content_filter" },
      { message_of { stop = "refusal", explanation = '"why not"', parts = {} } })
  end)

  it("every end; a pause is a failure", function()
    local expected = { ["end"] = "stop", stop_sequence = "stop", length = "length", filter = "content_filter",
      refusal = "content_filter" }
    for stop, finish in pairs(expected) do
      local message, found = message_of { stop = stop, parts = {} }
      assert.same({ '{"role":"assistant","content":"","refusal":null,"annotations":[]}', finish }, { message, found })
    end
    local none, failure = encode { stop = "pause", parts = {} }
    assert.is_nil(none)
    assert.equal("upstream_untranslatable", failure.code)
    none, failure = encode { stop = "end", parts = { { kind = "image" } } }
    assert.is_nil(none)
    assert.matches("a part of kind image", failure.text)
  end)

  it("reasoning with state is kept under the first call, nothing else is", function()
    local thought = { kind = "reasoning", text = '"a"' }
    local signed = { kind = "reasoning", text = '"b"', state = { kind = "signature", data = "S" } }
    local call = { kind = "tool_call", id = "c1", name = "f", arguments = '"{}"' }
    local other = { kind = "tool_call", id = "c2", name = "f", arguments = '"{}"' }
    local function kept(parts, fields)
      local at = context(fields)
      chat.encode_response({ stop = "tool_calls", parts = parts }, at)
      return at.remembered
    end
    assert.same({ { { id = "c1", name = "f", arguments = '"{}"' }, { thought, signed } } },
      kept { thought, signed, call, other })
    assert.same({}, kept { thought, call })
    assert.same({}, kept { signed })
    assert.same({}, kept({ signed, call }, { old_functions = true }))
  end)
end)
