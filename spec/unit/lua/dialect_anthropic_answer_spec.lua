local anthropic = require("cliproxy.dialects.anthropic")
local automata = require("cliproxy.automata")
local json = require("cliproxy.json")
local literal = require("cliproxy.literal")
local opaque = require("cliproxy.opaque")

local UP = { dialect = "openai_responses", provider = "up", model = "gpt", caps = {} }

local function context(fields)
  local conversation = { dialect = "openai_chat", names = {} }
  for key, value in pairs(fields or {}) do
    conversation[key] = value
  end
  return { id = "req_7", conversation = conversation, target = UP, framing = "sse",
    estimate = function() return 321 end }
end

local function decode(body, fields)
  return anthropic.decode_response(json.parse(body), context(fields))
end

local function message(content, rest)
  return '{"id":"msg_1","type":"message","role":"assistant","model":"claude-x","content":' .. content .. ","
    .. (rest or '"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":5,"output_tokens":2}') .. "}"
end

describe("an answer of Anthropic's", function()
  it("is read with its texts, thinking and calls as they stand", function()
    local answer = assert(decode(message('[{"type":"thinking","thinking":"a\\u0020","signature":"c2ln"},'
      .. '{"type":"redacted_thinking","data":"cmVk"},{"type":"text","text":"h\\u00e9"},{"type":"text","text":""},'
      .. '{"type":"tool_use","id":"toolu_1","name":"short","input":{"n":1.0,"e":[],"big":12345678901234567890}}]',
      '"stop_reason":"tool_use"'), { names = { short = "a.long.name" } }))
    assert.same({
      { kind = "reasoning", text = '"a\\u0020"', state = { kind = "signature", data = "c2ln" } },
      { kind = "reasoning", state = { kind = "redacted", data = "cmVk" } },
      { kind = "text", text = '"h\\u00e9"' },
      { kind = "tool_call", id = "toolu_1", name = "a.long.name", input = '{"n":1.0,"e":[],"big":'
        .. '12345678901234567890}' },
    }, answer.parts)
    assert.same({ "msg_1", "claude-x", "tool_calls" }, { answer.id, answer.model, answer.stop })
    assert.is_nil(answer.usage)
  end)

  it("counts what the cache holds as input", function()
    local answer = decode(message("[]", '"stop_reason":"end_turn","usage":{"input_tokens":5,'
      .. '"cache_creation_input_tokens":7,'
      .. '"cache_read_input_tokens":11,"output_tokens":3,"output_tokens_details":{"thinking_tokens":2}}'))
    assert.same({ input = 23, cached = 11, cache_written = 7, output = 3, reasoning = 2 }, answer.usage)
    assert.same({}, answer.parts)
    assert.same({ input = 5, output = 2 }, decode(message("[]")).usage)
  end)

  for _, row in ipairs {
    { "end_turn", "end" }, { "max_tokens", "length" }, { "model_context_window_exceeded", "length" },
    { "refusal", "refusal" }, { "pause_turn", "pause" }, { "tool_use", "end" }, { "stop_sequence", "stop_sequence" },
  } do
    it("ends as " .. row[1], function()
      local answer = decode(message('[{"type":"text","text":"a"}]', '"stop_reason":"' .. row[1] .. '","stop_sequence":'
        .. '"END","stop_details":{"type":"refusal","explanation":"no\\n"}'))
      assert.equal(row[2], answer.stop)
      assert.equal(row[2] == "stop_sequence" and '"END"' or nil, answer.stop_sequence)
      assert.equal('"no\\n"', answer.explanation)
    end)
  end

  it("keeps citations with their addresses and words", function()
    local answer = decode(message('[{"type":"text","text":"a","citations":[{"type":"web_search_result_location","url":'
      .. '"https://u","title":"T","cited_text":"q","encrypted_index":"x"},{"type":"char_location","cited_text":"d",'
      .. '"document_index":0,"document_title":null,"start_char_index":0,"end_char_index":1}]}]'))
    assert.same({ { kind = "url", url = '"https://u"', title = '"T"', quote = '"q"' },
      { kind = "document", quote = '"d"' } }, answer.parts[1].citations)
  end)

  it("leaves out searches that a text follows", function()
    local search = '{"type":"server_tool_use","id":"s","name":"web_search","input":{}},{"type":'
      .. '"web_search_tool_result",'
      .. '"tool_use_id":"s","content":[]}'
    assert.equal(1, #decode(message("[" .. search .. ',{"type":"text","text":"found"}]')).parts)
    local answer, failure = decode(message("[" .. search .. "]"))
    assert.is_nil(answer)
    assert.equal("upstream_untranslatable", failure.code)
    assert.equal("pause", decode(message("[" .. search .. "]", '"stop_reason":"pause_turn"')).stop)
  end)

  for _, kind in ipairs { "bash_code_execution_tool_result", "mcp_tool_use", "compaction", "container_upload",
    "novel" } do
    it("cannot cross with " .. kind, function()
      local answer, failure = decode(message('[{"type":"' .. kind .. '"},{"type":"text","text":"a"}]'))
      assert.is_nil(answer)
      assert.same({ 502, "upstream_untranslatable" }, { failure.status, failure.code })
      assert.truthy(failure.text:find(kind, 1, true), failure.text)
      assert.truthy(failure.text:find("OpenAI Chat", 1, true), failure.text)
    end)
  end

  it("names the tool that ran code", function()
    local _, failure = decode(message('[{"type":"server_tool_use","name":"bash_code_execution","input":{}}]'))
    assert.truthy(failure.text:find("bash_code_execution", 1, true))
  end)

  for _, row in ipairs {
    { "{}", "upstream_malformed" }, { "[]", "upstream_malformed" }, { '{"content":{}}', "upstream_malformed" },
    { '{"content":[1]}', "upstream_malformed" }, { '{"content":[]}', "upstream_unfinished" },
    { '{"content":[],"stop_reason":null}', "upstream_unfinished" },
    { '{"content":[],"stop_reason":"novel"}', "upstream_untranslatable" },
    { message('[{"type":"tool_use","id":"a"}]'), "upstream_malformed" },
    { message('[{"type":"tool_use","id":"a","name":"f","input":"x"}]'), "upstream_malformed" },
    { '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', "upstream_overloaded" },
    { '{"type":"error"}', "upstream_status" },
  } do
    it("fails as " .. row[1], function()
      local answer, failure = decode(row[1])
      assert.is_nil(answer)
      assert.equal(row[2], failure.code)
    end)
  end
end)

local function encode(answer, fields)
  answer.stop = answer.stop or "end"
  local body, failure = anthropic.encode_response(answer, context(fields))
  if body then
    assert.same({}, automata.whole("anthropic", body))
  end
  return body, failure, body and json.parse(body)
end

describe("an answer for a client of Anthropic's", function()
  it("is a whole Message", function()
    local body = encode { id = "resp_9", model = "gpt-5", parts = { { kind = "text", text = '"h\\u00e9\\/"' } },
      usage = { input = 30, cached = 10, cache_written = 5, output = 4, reasoning = 1 } }
    assert.equal('{"model":"gpt-5","id":"msg_7","type":"message","role":"assistant","content":[{"type":"text","text":'
      .. '"h\\u00e9\\/"}],"stop_reason":"end_turn","stop_sequence":null,"stop_details":null,"usage":{"input_tokens":15,'
      .. '"cache_creation_input_tokens":5,"cache_read_input_tokens":10,"output_tokens":4,'
      .. '"output_tokens_details":{"thinking_tokens":1}}}', body)
  end)

  it("estimates the counts that nobody gave", function()
    local _, _, document = encode { parts = { { kind = "text", text = literal.of(("a"):rep(78)) } } }
    assert.same({ 321, 20 }, { document.usage.input_tokens, document.usage.output_tokens })
    assert.same({ "gpt", "msg_7" }, { document.model, document.id })
    assert.is_nil(document.usage.cache_read_input_tokens)
  end)

  it("keeps an id of its own kind, and is empty where the answer is", function()
    local _, _, document = encode { id = "msg_abc", parts = {} }
    assert.same({ "msg_abc", 0 }, { document.id, #document.content })
  end)

  it("has thinking with envelopes that give the state back", function()
    local state = { kind = "encrypted", data = "gAAA", id = "rs_1" }
    local _, _, document = encode { parts = { { kind = "reasoning", text = '"t"', state = state },
      { kind = "reasoning", state = { kind = "thought", data = "x" } }, { kind = "reasoning", text = '"bare"' },
      { kind = "reasoning", state = { kind = "redacted", data = "r" } }, { kind = "text", text = '"a"' } } }
    local content = document.content
    local opened = opaque.open(content[1].signature, "signature")
    assert.same({ "encrypted", "gAAA", "rs_1" }, { opened.kind, opened.data, opened.id })
    assert.is_true(opaque.is_for(opened, UP))
    assert.same({ "t", "", "bare" }, { content[1].thinking, content[2].thinking, content[3].thinking })
    assert.equal("thought", opaque.open(content[2].signature, "signature").kind)
    assert.same({ "redacted_thinking", "redacted" }, { content[4].type, opaque.open(content[4].data, "redacted").kind })
    -- What has no state says whose it is, too.
    assert.equal("", opaque.open(content[3].signature, "signature").data)
    assert.equal(opaque.MARK, content[3].signature:sub(1, #opaque.MARK))
  end)

  it("has calls with objects, and fails where the arguments are none", function()
    local body = encode { stop = "tool_calls", parts = {
      { kind = "tool_call", id = "call.1", name = "f", arguments = '"{\\"n\\":1.0,\\"e\\":[]}"' },
      { kind = "tool_call", id = "b", name = "g", arguments = '""' } } }
    assert.truthy(body:find('"name":"f","input":{"n":1.0,"e":[]}', 1, true), body)
    assert.truthy(body:find('"id":"b","name":"g","input":{}', 1, true), body)
    assert.truthy(body:find('"stop_reason":"tool_use"', 1, true))
    local none, failure = encode { parts = { { kind = "tool_call", id = "a", name = "f", arguments = '"{\\"n\\":"' } } }
    assert.is_nil(none)
    assert.same({ "upstream_untranslatable", 502 }, { failure.code, failure.status })
    assert.truthy(failure.text:find("call of f", 1, true))
  end)

  it("has citations where the source has an address", function()
    local body = encode { parts = { { kind = "text", text = '"a"', citations = { { kind = "url", url = '"https://u"',
      title = '"T"', quote = '"q"' }, { kind = "document", quote = '"d"' } } } } }
    assert.truthy(body:find('"citations":[{"type":"web_search_result_location","cited_text":"q","url":"https://u",'
      .. '"title":"T","encrypted_index":""}]', 1, true), body)
  end)

  for _, row in ipairs {
    { "end", "end_turn" }, { "length", "max_tokens" }, { "refusal", "refusal" }, { "filter", "refusal" },
    { "pause", "pause_turn" }, { "tool_calls", "end_turn" }, { "stop_sequence", "end_turn" },
  } do
    it("ends with " .. row[1], function()
      local _, _, document = encode { stop = row[1], explanation = '"why"', parts = {} }
      assert.equal(row[2], document.stop_reason)
      local details = document.stop_details
      assert.equal(row[2] == "refusal" and "why" or nil, details ~= json.null and details.explanation or nil)
    end)
  end

  it("names the stop sequence that is known", function()
    local _, _, document = encode { stop = "stop_sequence", stop_sequence = '"END"', parts = {} }
    assert.same({ "stop_sequence", "END" }, { document.stop_reason, document.stop_sequence })
    _, _, document = encode({ stop = "stop_sequence", parts = {} }, { stop = { '"only"' } })
    assert.equal("only", document.stop_sequence)
    _, _, document = encode({ stop = "stop_sequence", parts = {} }, { stop = { '"a"', '"b"' } })
    assert.equal("end_turn", document.stop_reason)
  end)

  it("tells a refusal in words as one", function()
    local _, _, document = encode { stop = "end", parts = { { kind = "refusal", text = '"I cannot."' } } }
    assert.same({ "refusal", "I cannot." }, { document.stop_reason, document.content[1].text })
  end)

  it("says that a prompt is too long in the words that clients know", function()
    local errors = require("cliproxy.errors")
    local body = anthropic.envelope(errors.new("context_length", { provider = "up", text = "too many" }), "req_1")
    assert.equal('{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long:'
      .. ' provider up says: '
      .. 'too many."},"request_id":"req_1"}', body)
  end)
end)
