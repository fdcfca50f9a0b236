local automata = require("cliproxy.automata")
local cjson = require("cjson")
local fixtures = require("spec.support.fixtures")
local process = require("spec.support.process")

-- Good streams, hand-written --------------------------------------------------------------------------------------

local function sse(events, ending)
  local out = {}
  for i, event in ipairs(events) do
    local kind = event:match('^{"type":"([^"]+)"')
    out[i] = (kind and "event: " .. kind .. "\n" or "") .. "data: " .. event .. "\n\n"
  end
  return (table.concat(out):gsub("\n", ending or "\n"))
end

local function chunk(rest, usage)
  return '{"id":"chatcmpl-1","object":"chat.completion.chunk","created":5,"model":"m","choices":[' .. rest .. "]"
    .. (usage or "") .. "}"
end

local function choice(delta, finish)
  return '{"index":0,"delta":{' .. delta .. '},"logprobs":null,"finish_reason":' .. (finish or "null") .. "}"
end

local NULL = ',"usage":null'

local CHAT = sse {
  chunk(choice '"role":"assistant","content":"","refusal":null', NULL),
  chunk(choice '"content":"Hel"', NULL),
  chunk(choice '"content":"lo \\ud83d"', NULL),
  chunk(choice('"annotations":[{"type":"url_citation","url_citation":{"url":"u","title":"t","start_index":0,'
    .. '"end_index":2}}]'), NULL),
  chunk(choice('"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}]'),
    NULL),
  chunk(choice '"tool_calls":[{"index":0,"function":{"arguments":"{\\"a\\""}}]', NULL),
  chunk(choice '"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]', NULL),
  chunk(choice('"tool_calls":[{"index":1,"id":"call_2","type":"function","function":{"name":"g","arguments":"{}"}}]'),
    NULL),
  chunk(choice("", '"tool_calls"'), NULL),
  chunk("", ',"usage":{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12,'
    .. '"prompt_tokens_details":{"cached_tokens":3},"completion_tokens_details":{"reasoning_tokens":2}}'),
  "[DONE]",
}

local CHAT_TEXT = sse {
  chunk(choice '"role":"assistant","content":""'),
  chunk(choice '"content":"Hello"'),
  chunk(choice("", '"stop"')),
  "[DONE]",
}

local CHAT_OLD = sse {
  chunk(choice '"role":"assistant","content":null,"refusal":null'),
  chunk(choice '"function_call":{"name":"f","arguments":""}'),
  chunk(choice '"function_call":{"arguments":"{\\"a\\""}'),
  chunk(choice '"function_call":{"arguments":":1}"}'),
  chunk(choice("", '"function_call"')),
  "[DONE]",
}

local function response(status, output, usage, more)
  return '{"id":"resp_1","object":"response","created_at":5,"status":"' .. status .. '","error":null,'
    .. '"incomplete_details":null,"instructions":null,"max_output_tokens":null,"model":"m","output":[' .. output .. "],"
    .. '"parallel_tool_calls":true,"previous_response_id":null,"reasoning":{"effort":null,"summary":null},'
    .. '"store":false,"temperature":1.0,"text":{"format":{"type":"text"}},"tool_choice":"auto","tools":[],'
    .. '"top_p":1.0,"truncation":"disabled","usage":' .. usage .. ',"user":null,"metadata":{}' .. (more or "") .. "}"
end

local sequence
local function event(kind, rest)
  sequence = sequence + 1
  return ('{"type":"%s","sequence_number":%d,%s}'):format(kind, sequence, rest)
end

local REASONING = '{"id":"rs_1","type":"reasoning","summary":[{"type":"summary_text","text":"Hmm."}],'
  .. '"encrypted_content":"x"}'
local MESSAGE = '{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[{'
  .. '"type":"output_text","text":"Hello","annotations":[{"type":"url_citation","url":"u","title":"t","start_index":0,'
  .. '"end_index":2}]}]}'
local CALL = '{"id":"fc_1","type":"function_call","status":"completed","call_id":"call_1","name":"f",'
  .. '"arguments":"{\\"a\\":1}"}'

local function responses()
  sequence = -1
  local at0, at1, at2 = '"item_id":"rs_1","output_index":0', '"item_id":"msg_1","output_index":1',
    '"item_id":"fc_1","output_index":2'
  return sse {
    event("response.created", '"response":' .. response("in_progress", "", "null")),
    event("response.in_progress", '"response":' .. response("in_progress", "", "null")),
    event("response.output_item.added", '"output_index":0,"item":{"id":"rs_1","type":"reasoning","summary":[]}'),
    event("response.reasoning_summary_part.added",
      at0 .. ',"summary_index":0,"part":{"type":"summary_text","text":""}'),
    event("response.reasoning_summary_text.delta", at0 .. ',"summary_index":0,"delta":"Hmm."'),
    event("response.reasoning_summary_text.done", at0 .. ',"summary_index":0,"text":"Hmm."'),
    event("response.reasoning_summary_part.done",
      at0 .. ',"summary_index":0,"part":{"type":"summary_text","text":"Hmm."}'),
    event("response.output_item.done", '"output_index":0,"item":' .. REASONING),
    event("response.output_item.added",
      '"output_index":1,"item":{"id":"msg_1","type":"message","status":"in_progress","role":"assistant","content":[]}'),
    event("response.content_part.added",
      at1 .. ',"content_index":0,"part":{"type":"output_text","text":"","annotations":[]}'),
    event("response.output_text.delta", at1 .. ',"content_index":0,"delta":"Hel"'),
    event("response.output_text.delta", at1 .. ',"content_index":0,"delta":"lo"'),
    event("response.output_text.annotation.added", at1 .. ',"content_index":0,"annotation_index":0,"annotation":'
      .. '{"type":"url_citation","url":"u","title":"t","start_index":0,"end_index":2}'),
    event("response.output_text.done", at1 .. ',"content_index":0,"text":"Hello"'),
    event("response.content_part.done", at1 .. ',"content_index":0,"part":{"type":"output_text","text":"Hello",'
      .. '"annotations":[{"type":"url_citation","url":"u","title":"t","start_index":0,"end_index":2}]}'),
    event("response.output_item.done", '"output_index":1,"item":' .. MESSAGE),
    event("response.output_item.added", '"output_index":2,"item":{"id":"fc_1","type":"function_call",'
      .. '"status":"in_progress","call_id":"call_1","name":"f","arguments":""}'),
    event("response.function_call_arguments.delta", at2 .. ',"delta":"{\\"a\\""'),
    event("response.function_call_arguments.delta", at2 .. ',"delta":":1}"'),
    event("response.function_call_arguments.done", at2 .. ',"arguments":"{\\"a\\":1}"'),
    event("response.output_item.done", '"output_index":2,"item":' .. CALL),
    event("response.completed", '"response":' .. response("completed", REASONING .. "," .. MESSAGE .. "," .. CALL,
      '{"input_tokens":7,"output_tokens":5,"total_tokens":12,"input_tokens_details":{"cached_tokens":3},'
      .. '"output_tokens_details":{"reasoning_tokens":2}}')),
  }
end

local RESPONSES = responses()

local function responses_failed()
  sequence = -1
  local failed = response("failed", "", "null"):gsub('"error":null', '"error":{"code":"c","message":"m"}')
  return sse {
    event("response.created", '"response":' .. response("in_progress", "", "null")),
    event("response.in_progress", '"response":' .. response("in_progress", "", "null")),
    event("error", '"error":{"type":"server_error","code":"c","message":"m","param":null}'),
    event("response.failed", '"response":' .. failed),
  }
end

local RESPONSES_FAILED = responses_failed()

local ANTHROPIC = sse {
  '{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],'
    .. '"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":7,"output_tokens":1}}}',
  '{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}',
  '{"type":"ping"}',
  '{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hmm."}}',
  '{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"s"}}',
  '{"type":"content_block_stop","index":0}',
  '{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}',
  '{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Hello"}}',
  '{"type":"content_block_stop","index":1}',
  '{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"toolu_1","name":"f","input":{}}}',
  '{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\\"a\\""}}',
  '{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":":1}"}}',
  '{"type":"content_block_stop","index":2}',
  '{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":5,'
    .. '"output_tokens_details":{"thinking_tokens":2}}}',
  '{"type":"message_stop"}',
}

local GEMINI_CHUNKS = {
  '{"candidates":[{"content":{"role":"model","parts":[{"text":"Hmm.","thought":true}]},"index":0}],'
    .. '"usageMetadata":{"promptTokenCount":7,"totalTokenCount":7},"modelVersion":"m","responseId":"r"}',
  '{"candidates":[{"content":{"role":"model","parts":[{"text":"Hello"}]},"index":0}],'
    .. '"usageMetadata":{"promptTokenCount":7,"totalTokenCount":7},"modelVersion":"m","responseId":"r"}',
  '{"candidates":[{"content":{"role":"model","parts":[{"functionCall":{"name":"f","args":{"a":1}},'
    .. '"thoughtSignature":"c2ln"}]},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":7,'
    .. '"candidatesTokenCount":3,"thoughtsTokenCount":2,"cachedContentTokenCount":3,"totalTokenCount":12},'
    .. '"modelVersion":"m","responseId":"r"}',
}
local GEMINI = sse(GEMINI_CHUNKS, "\r\n")
local GEMINI_ARRAY = "[" .. table.concat(GEMINI_CHUNKS, ",\r\n") .. "]"

-- Good whole answers and errors -----------------------------------------------------------------------------------

local WHOLE = {
  openai_chat = '{"id":"chatcmpl-1","object":"chat.completion","created":5,"model":"m","choices":[{"index":0,"message":'
    .. '{"role":"assistant","content":null,"refusal":null,"tool_calls":[{"id":"call_1","type":"function","function":'
    .. '{"name":"f","arguments":"{\\"a\\":1}"}}]},"logprobs":null,"finish_reason":"tool_calls"}],"usage":'
    .. '{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12,"prompt_tokens_details":{"cached_tokens":3}}}',
  openai_responses = response("completed", REASONING .. "," .. MESSAGE .. "," .. CALL,
    '{"input_tokens":7,"output_tokens":5,"total_tokens":12,"input_tokens_details":{"cached_tokens":3},'
    .. '"output_tokens_details":{"reasoning_tokens":2}}'),
  anthropic = '{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"thinking",'
    .. '"thinking":"Hmm.","signature":"s"},{"type":"text","text":"Hello"},{"type":"tool_use","id":"toolu_1","name":"f",'
    .. '"input":{"a":1}}],"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":7,"output_tokens":5}}',
  gemini = GEMINI_CHUNKS[3],
}

local ERROR = {
  openai_chat = '{"error":{"message":"m","type":"invalid_request_error","param":null,"code":"c"}}',
  openai_responses = '{"error":{"message":"m","type":"invalid_request_error","param":"input","code":null}}',
  anthropic = '{"type":"error","error":{"type":"overloaded_error","message":"m"},"request_id":"req_1"}',
  gemini = '{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT","details":[{"@type":"t","reason":"r"}]}}',
}

-- Running ---------------------------------------------------------------------------------------------------------

local function run(dialect, bytes, options, step)
  local checker = automata.stream(dialect, options)
  step = step or #bytes + 1
  for i = 1, #bytes, step do
    checker:feed(bytes:sub(i, i + step - 1))
  end
  return checker:finish(), checker:ended()
end

local function fine(violations)
  assert(#violations == 0, table.concat(violations, "\n"))
end

local GOOD = {
  { "openai_chat", CHAT, "clean", { wants_usage = true } },
  { "openai_chat", CHAT, "clean" },
  { "openai_chat", CHAT_TEXT, "clean", { wants_usage = false } },
  { "openai_chat", (CHAT:gsub('data: {[^\n]*"choices":%[%][^\n]*\n\n', "")), "clean", { wants_usage = "if_known" } },
  { "openai_chat", CHAT_TEXT:gsub("data: %[DONE%]\n\n", 'data: {"error":{"message":"m","type":"server_error",'
    .. '"param":null,"code":"c"}}\n\n'), "error" },
  { "openai_chat", CHAT_OLD, "clean" },
  { "openai_responses", RESPONSES, "clean" },
  { "openai_responses", RESPONSES_FAILED, "error" },
  { "anthropic", ANTHROPIC, "clean" },
  { "anthropic", sse { '{"type":"error","error":{"type":"overloaded_error","message":"m"}}' }, "error" },
  { "gemini", GEMINI, "clean" },
  { "gemini", GEMINI_ARRAY, "clean", { framing = "json_array" } },
  { "gemini", 'data: {"promptFeedback":{"blockReason":"SAFETY"},"modelVersion":"m","responseId":"r"}\r\n\r\n',
    "clean" },
  { "gemini", 'data: {"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}\r\n\r\n', "error" },
  { "gemini", '[{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}]', "error", { framing = "json_array" } },
}

describe("good streams", function()
  for i, row in ipairs(GOOD) do
    it(("of %s pass however they are cut (%d)"):format(row[1], i), function()
      for _, step in ipairs { 1, 7, 100000 } do
        local violations, how = run(row[1], row[2], row[4], step)
        fine(violations)
        assert.equal(row[3], how)
      end
    end)
  end

  it("may hold comments and blank lines between events", function()
    fine((run("anthropic", ": ping\n" .. ANTHROPIC:gsub("\n\n", "\n\n: ping\n\n\n"))))
  end)
end)

describe("a stream whose model wrote no JSON as arguments", function()
  local BROKEN = {
    openai_chat = CHAT:gsub(":1}", ":1"), openai_responses = RESPONSES:gsub(':1}"', ':1"'),
    anthropic = ANTHROPIC:gsub('":1}"', '":1"'),
  }
  for dialect, bytes in pairs(BROKEN) do
    it("passes in " .. dialect .. " where arguments are verbatim", function()
      assert(#(run(dialect, bytes)) > 0)
      fine((run(dialect, bytes, { verbatim = true })))
    end)
  end

  it("needs arguments all the same, where they cannot be left out", function()
    assert(#(run("openai_chat", (CHAT:gsub('"arguments":"{}"', '"arguments":""')), { verbatim = true })) > 0)
  end)
end)

-- Single mutations: each must be seen -----------------------------------------------------------------------------

-- { name, what is replaced (plain; in its first place, or in all of them), by what, words of the violation }
local MUTATIONS = {
  openai_chat = { CHAT, {
    { "another id", '"chatcmpl-1","object":"chat.completion.chunk","created":5,"model":"m","choices":[]',
      '"chatcmpl-2","object":"chat.completion.chunk","created":5,"model":"m","choices":[]', "id: it was chatcmpl-1" },
    { "another model", '"model":"m","choices":[]', '"model":"n","choices":[]', "model: it was m before" },
    { "another created", '"created":5,"model":"m","choices":[]', '"created":6,"model":"m","choices":[]',
      "created: it was 5 before" },
    { "no object", '"object":"chat.completion.chunk",', "", "object: it is missing" },
    { "the object of whole answers", "chat.completion.chunk", "chat.completion", "none of the words" },
    { "created as text", '"created":5', '"created":"5"', "count expected, got string" },
    { "an unknown member", '"model":"m"', '"model":"m","odd":1', "odd: unknown member" },
    { "no role", '"role":"assistant",', "", "role: it is missing in the first delta" },
    { "no content in the first delta", '"content":"",', "", "content: it is missing in the first delta" },
    { "the role twice", '{"content":"Hel"}', '{"role":"assistant","content":"Hel"}', "role: it comes a second time" },
    { "an empty fragment", '{"content":"Hel"}', '{"content":""}', "an empty fragment" },
    { "a null fragment", '{"content":"Hel"}', '{"content":null}', "null behind the first delta" },
    { "an annotation without its place", '"start_index":0,', "", "start_index: it is missing" },
    { "an empty delta", '{"content":"Hel"}', "{}", "it holds nothing" },
    { "two kinds at once", '{"content":"Hel"}', '{"content":"Hel","refusal":"No"}', "more than one kind" },
    { "a call that begins at 1", '"index":0,"id":"call_1"', '"index":1,"id":"call_1"', "index: 0 expected, got 1" },
    { "the second call at 0", '"index":1,"id":"call_2"', '"index":0,"id":"call_2"', "unknown member" },
    { "the id repeated", '"index":0,"function":{"arguments":":1}"',
      '"index":0,"id":"call_1","function":{"arguments":":1}"',
      "id: unknown member" },
    { "two calls with one id", "call_2", "call_1", "two calls have it" },
    { "an empty id", '"call_1"', '""', "text expected" },
    { "no name", '"name":"f",', "", "name: it is missing" },
    { "no type", '"type":"function",', "", "no type that is known" },
    { "arguments that are no JSON", ":1}", ":1", "the arguments of call 0 are no JSON object" },
    { "arguments of no object", '"arguments":"{}"', '"arguments":"7"', "the arguments of call 1" },
    { "tool_calls without any", '{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f",'
      .. '"arguments":""}}]}', '{"content":"x"}', "no type that is known" },
    { "an unknown reason", '"finish_reason":"tool_calls"', '"finish_reason":"end_turn"', "none of the words" },
    { "no reason", '"finish_reason":"tool_calls"', '"finish_reason":null', "[DONE] without a finish_reason" },
    { "the reason too soon", '{"content":"Hel"},"logprobs":null,"finish_reason":null',
      '{"content":"Hel"},"logprobs":null,"finish_reason":"stop"', "a delta behind finish_reason" },
    { "no finish_reason member", ',"finish_reason":null', "", "finish_reason: it is missing" },
    { "no null usage", ',"usage":null', "", "usage: it is missing", wants_usage = true },
    { "usage before the end", '"usage":null', '"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}',
      "usage: it comes before the last chunk" },
    { "a wrong total", '"total_tokens":12', '"total_tokens":13', "13 is not the sum" },
    { "more cached than there is", '"cached_tokens":3', '"cached_tokens":8', "8 is more than the 7" },
    { "more reasoning than there is", '"reasoning_tokens":2', '"reasoning_tokens":6', "6 is more than the 5" },
    { "a count as text", '"prompt_tokens":7', '"prompt_tokens":"7"', "count expected" },
    { "usage that nobody asked for", "", "", "nobody asked for it", wants_usage = false },
    { "an event line", "data: {", "event: x\ndata: {", "it has an event line, x" },
    { "an id line", "data: {", "id: 1\ndata: {", "it has an id line" },
    { "an empty data line", "data: [DONE]", "data:\n\ndata: [DONE]", "its data is empty" },
    { "a retry line", "data: {", "retry: 1\ndata: {", 'the line "retry: 1" is no field' },
    { "CRLF", "\n", "\r\n", "a line of it ends in CRLF" },
    { "data that is no JSON", "data: [DONE]", "data: [DONE", "its data is no JSON" },
    { "data that is no object", "data: [DONE]", "data: []\n\ndata: [DONE]", "its data is no object" },
    { "no [DONE]", "data: [DONE]\n\n", "", "the stream ends without its last event" },
    { "[DONE] twice", "data: [DONE]", "data: [DONE]\n\ndata: [DONE]", "it comes behind the end" },
    { "an error and [DONE]", "data: [DONE]", 'data: {"error":{"message":"m","type":"t","param":null,"code":null}}\n\n'
      .. "data: [DONE]", "it comes behind the end" },
    { "an error without a message", "data: [DONE]", 'data: {"error":{"type":"t","param":null,"code":null}}',
      "error.message: it is missing" },
    { "no last blank line", "data: [DONE]\n\n", "data: [DONE]\n", "it is not ended by an empty line" },
    { "no usage chunk", "data: " .. chunk("", ',"usage":{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12,'
      .. '"prompt_tokens_details":{"cached_tokens":3},"completion_tokens_details":{"reasoning_tokens":2}}') .. "\n\n",
      "", "[DONE] without the usage" },
  } },
  openai_responses = { RESPONSES, {
    { "a gap in the numbers", '"sequence_number":4', '"sequence_number":5', "4 expected, got 5" },
    { "no number", '"sequence_number":4,', "", "4 expected, got nil" },
    { "another event line", "event: response.created", "event: response.in_progress", "its type is response.created" },
    { "no event line", "event: response.created\n", "", "it has no event line" },
    { "created twice", "response.in_progress", "response.created", "it comes too late", all = true },
    { "another id", '"resp_1"', '"resp_2"', "response.id: it was resp_2 before" },
    { "another model", '"model":"m"', '"model":"n"', "response.model: it was n before" },
    { "another created_at", '"created_at":5', '"created_at":6', "response.created_at: it was 6 before" },
    { "a Response without a member", '"truncation":"disabled",', "", "response.truncation: it is missing" },
    { "an unknown member", '"store":false', '"store":false,"odd":1', "response.odd: unknown member" },
    { "a status of the end at the start", '"status":"in_progress","error"', '"status":"completed","error"',
      "in_progress expected, got completed" },
    { "usage at the start", '"usage":null', '"usage":{"input_tokens":1,"output_tokens":1,"total_tokens":2,'
      .. '"input_tokens_details":{},"output_tokens_details":{}}', "it is known before the end" },
    { "an unknown event", "response.output_text.delta", "response.text.delta", "no event has the type", all = true },
    { "an unknown item", '"type":"reasoning","summary":[]}', '"type":"thoughts","summary":[]}',
      "no item has the type" },
    { "a skipped index", '"output_index":1,"item":{"id":"msg_1","type":"message","status":"in_progress"',
      '"output_index":2,"item":{"id":"msg_1","type":"message","status":"in_progress"', "1 expected, got 2" },
    { "an item id used twice", '"msg_1"', '"rs_1"', "an item before had it", all = true },
    { "an item that begins as completed", '"status":"in_progress","role"', '"status":"completed","role"',
      "an item begins as completed" },
    { "an item that is not empty at first", '"name":"f","arguments":""', '"name":"f","arguments":"{}"',
      "it is not empty at the start" },
    { "a delta for another item", '"item_id":"msg_1","output_index":1,"content_index":0,"delta":"Hel"',
      '"item_id":"msg_2","output_index":1,"content_index":0,"delta":"Hel"', "the open item is msg_1" },
    { "a delta at another index", '"output_index":1,"content_index":0,"delta":"Hel"',
      '"output_index":0,"content_index":0,"delta":"Hel"', "output_index: 1 expected, got 0" },
    { "a delta of another part", '"content_index":0,"delta":"Hel"', '"content_index":1,"delta":"Hel"',
      "content_index: 0 expected, got 1" },
    { "an empty delta", '"delta":"Hel"', '"delta":""', "an empty fragment" },
    { "a text that the deltas do not give", '"content_index":0,"text":"Hello"', '"content_index":0,"text":"Hello!"',
      "text: it is not the text of the deltas" },
    { "a part that the deltas do not give", '"part":{"type":"output_text","text":"Hello"',
      '"part":{"type":"output_text","text":"Hell"', "part: its text is not that of the deltas" },
    { "an annotation lost", '"text":"Hello","annotations":[{"type":"url_citation","url":"u","title":"t",'
      .. '"start_index":0,"end_index":2}]}', '"text":"Hello","annotations":[]}',
      "part.annotations: 0 parts, 1 were streamed" },
    { "an annotation's number", '"annotation_index":0', '"annotation_index":1', "0 expected, got 1" },
    { "a summary's number", '"summary_index":0,"delta"', '"summary_index":1,"delta"',
      "summary_index: 0 expected, got 1" },
    { "a summary that the deltas do not give", '"summary_index":0,"text":"Hmm."', '"summary_index":0,"text":"Hm."',
      "it is not the text of the deltas" },
    { "an item without what was streamed", '"summary":[{"type":"summary_text","text":"Hmm."}],"encrypted_content":"x"',
      '"summary":[],"encrypted_content":"x"', "item.summary: 0 parts, 1 were streamed" },
    { "arguments that the deltas do not give", '"output_index":2,"arguments":"{\\"a\\":1}"',
      '"output_index":2,"arguments":"{\\"a\\":2}"', "arguments: it is not the text of the deltas" },
    { "another call_id at the end", '"status":"completed","call_id":"call_1"',
      '"status":"completed","call_id":"call_2"',
      "item.call_id: it was call_1 before" },
    { "another item id at the end", '"item":{"id":"fc_1","type":"function_call","status":"completed"',
      '"item":{"id":"fc_2","type":"function_call","status":"completed"', "item.id: it was fc_1 before" },
    { "an item that ends in progress", '"id":"fc_1","type":"function_call","status":"completed"',
      '"id":"fc_1","type":"function_call","status":"in_progress"', "a finished item is in_progress" },
    { "an incomplete item of a complete answer", '"id":"fc_1","type":"function_call","status":"completed"',
      '"id":"fc_1","type":"function_call","status":"incomplete"', "an item that is not completed in an answer that is",
      all = true },
    { "arguments that are no object", '{\\"a\\":1}', '{\\"a\\":1', "no JSON object", all = true },
    { "an output without an item", REASONING .. "," .. MESSAGE, MESSAGE, "2 items, 3 were streamed" },
    { "an output with another item", '"response":' .. response("completed", REASONING, "@"):match("^.*rs_1"),
      '"response":' .. response("completed", REASONING, "@"):match("^.*rs_1") .. "x",
      "output[0]: it is not the item that was streamed" },
    { "a wrong total", '"total_tokens":12', '"total_tokens":11', "11 is not the sum" },
    { "more cached than there is", '"cached_tokens":3', '"cached_tokens":8', "8 is more than the 7" },
    { "more reasoning than there is", '"reasoning_tokens":2', '"reasoning_tokens":6', "6 is more than the 5" },
    { "a completed answer with an error", '"status":"completed","error":null',
      '"status":"completed","error":{"code":"c","message":"m"}', "error: the answer is completed" },
    { "a terminal event with another status", '"status":"completed","error"', '"status":"incomplete","error"',
      "completed expected, got incomplete" },
    { "incomplete without its reason", "response.completed", "response.incomplete", "expected, got completed",
      all = true },
    { "[DONE]", "event: response.completed", "data: [DONE]\n\nevent: response.completed", "its data is no JSON" },
    { "something behind the end", "", "", "it comes behind the end", append = 'event: response.failed\ndata: '
      .. '{"type":"response.failed","sequence_number":22}\n\n' },
    { "no end", "response.completed", "ping", "the stream ends without its last event", all = true },
  } },
  anthropic = { ANTHROPIC, {
    { "another event line", "event: message_start", "event: message_stop", "its type is message_start" },
    { "no event line", "event: ping\n", "", "it has no event line" },
    { "no start", ANTHROPIC:match("^.-\n\n"), "",
      "it comes before message_start" },
    { "no id", '"id":"msg_1",', "", "message.id: it is missing" },
    { "no usage at the start", ',"usage":{"input_tokens":7,"output_tokens":1}', "", "message.usage: it is missing" },
    { "no input_tokens at the start", '"input_tokens":7,', "", "input_tokens: it is missing" },
    { "content at the start", '"content":[]', '"content":[{"type":"text","text":"x"}]', "empty array expected" },
    { "a stop reason at the start", '"stop_reason":null', '"stop_reason":"end_turn"', "null expected" },
    { "an unknown member", '"role":"assistant"', '"role":"assistant","odd":1', "odd: unknown member" },
    { "a skipped index", '"index":1,"content_block"', '"index":2,"content_block"', "1 expected, got 2" },
    { "a delta of another block", '"index":1,"delta"', '"index":0,"delta"', "1 expected, got 0" },
    { "a stop of another block", '"content_block_stop","index":1', '"content_block_stop","index":0',
      "1 expected, got 0" },
    { "a block that is not closed", sse { '{"type":"content_block_stop","index":1}' }, "",
      "the block before it is still open" },
    { "the last block not closed", sse { '{"type":"content_block_stop","index":2}' }, "", "a block is still open" },
    { "a text in the start", '{"type":"text","text":""}', '{"type":"text","text":"Hi"}', "empty expected" },
    { "an input in the start", '"input":{}', '"input":{"a":1}', "empty object expected" },
    { "no input in the start", ',"input":{}', "", "input: it is missing" },
    { "no signature in the start", ',"signature":""', "", "signature: it is missing" },
    { "an unknown block", '{"type":"text","text":""}', '{"type":"image"}', "no block has the type image" },
    { "an empty text block",
      sse { '{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Hello"}}' }, "",
      "the block is empty" },
    { "an empty fragment", '"text":"Hello"', '"text":""', "an empty fragment" },
    { "a delta of another kind", '{"type":"text_delta","text":"Hello"}', '{"type":"thinking_delta","thinking":"Hello"}',
      "a block of the type text takes no thinking_delta" },
    { "a fragment behind the signature", sse {
      '{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"s"}}' },
      sse { '{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"s"}}',
        '{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"x"}}' },
      "a fragment behind the signature" },
    { "an id that is none", '"toolu_1"', '"toolu.1"', "letters, digits" },
    { "an empty id", '"toolu_1"', '""', "text expected" },
    { "an input that is no JSON", '":1}"', '":1"', "the input of block 2 is no JSON object" },
    { "an end_turn with a call", '"stop_reason":"tool_use"', '"stop_reason":"end_turn"', "and there is a call" },
    { "an unknown reason", '"stop_reason":"tool_use"', '"stop_reason":"tool_calls"', "none of the words" },
    { "no reason", '"stop_reason":"tool_use"', '"stop_reason":null', "string expected" },
    { "a stop sequence without its reason", '"tool_use","stop_sequence":null', '"tool_use","stop_sequence":"x"',
      "stop_sequence: it is x" },
    { "the reason without its stop sequence", '"stop_reason":"tool_use"', '"stop_reason":"stop_sequence"',
      "and stop_reason is stop_sequence" },
    { "details of no refusal", '"tool_use","stop_sequence":null', '"tool_use","stop_sequence":null,"stop_details":'
      .. '{"type":"refusal"}', "they belong to a refusal" },
    { "no usage at the end", ',"usage":{"output_tokens":5,"output_tokens_details":{"thinking_tokens":2}}', "",
      "usage: it is missing" },
    { "more thinking than there is", '"thinking_tokens":2', '"thinking_tokens":6', "6 is more than the 5" },
    { "two message_delta", "event: message_stop", sse { '{"type":"message_delta","delta":{"stop_reason":"tool_use",'
      .. '"stop_sequence":null},"usage":{"output_tokens":5}}' } .. "event: message_stop", "it comes a second time" },
    { "no message_stop", sse { '{"type":"message_stop"}' }, "", "the stream ends without its last event" },
    { "message_stop twice", "", "", "it comes behind the end", append = sse { '{"type":"message_stop"}' } },
    { "message_stop behind an error", "event: ping", 'event: error\ndata: {"type":"error","error":{"type":"api_error",'
      .. '"message":"m"}}\n\nevent: ping', "it comes behind the end" },
    { "an error of an unknown type", sse { '{"type":"message_stop"}' }, sse {
      '{"type":"error","error":{"type":"server_error","message":"m"}}' }, "none of the words" },
    { "[DONE]", "", "", "it comes behind the end", append = "data: [DONE]\n\n" },
    { "an unknown event", '{"type":"ping"}', '{"type":"pong"}', "no event has the type pong" },
    { "a block behind message_delta", "event: message_stop", sse {
      '{"type":"content_block_start","index":3,"content_block":{"type":"redacted_thinking","data":"x"}}',
      '{"type":"content_block_stop","index":3}' } .. "event: message_stop", "a block behind message_delta" },
    { "a second start", "event: ping", ANTHROPIC:match("^.-\n\n") .. "event: ping", "it comes a second time" },
  } },
  gemini = { GEMINI, {
    { "another responseId", '"responseId":"r"', '"responseId":"s"', "responseId: it was s before" },
    { "another modelVersion", '"modelVersion":"m"', '"modelVersion":"n"', "modelVersion: it was n before" },
    { "no modelVersion", '"modelVersion":"m",', "", "modelVersion: it is missing" },
    { "an unknown member", '"index":0', '"index":0,"odd":1', "odd: unknown member" },
    { "another role", '"role":"model"', '"role":"assistant"', "none of the words" },
    { "an empty fragment", '"text":"Hello"', '"text":""', "an empty fragment" },
    { "a part with nothing", '{"text":"Hello"}', "{}", "it holds nothing" },
    { "a part with two things", '{"text":"Hello"}', '{"text":"Hello","functionCall":{"name":"f","args":{}}}',
      "it holds a text and a call" },
    { "no parts", '[{"text":"Hello"}]', "[]", "parts: they are missing" },
    { "no candidate", '"candidates":[{"content":{"role":"model","parts":[{"text":"Hello"}]},"index":0}],', "",
      "candidates: it is missing" },
    { "no args", ',"args":{"a":1}', "", "args: it is missing" },
    { "args as text", '"args":{"a":1}', '"args":"{}"', "object expected, got string" },
    { "no name", '"name":"f",', "", "name: it is missing" },
    { "a name that is none", '"name":"f"', '"name":"1f"', "it is no name of a function" },
    { "a signature that is no base64", '"c2ln"', '"ä"', "it is no base64" },
    { "an unknown reason", '"STOP"', '"stop"', "none of the words" },
    { "the reason too soon", '"index":0', '"finishReason":"STOP","index":0', "it comes behind the end" },
    { "no reason", '"finishReason":"STOP",', "", "the stream ends without its last event" },
    { "a wrong total", '"totalTokenCount":12', '"totalTokenCount":10', "10 is not the sum" },
    { "more cached than there is", '"cachedContentTokenCount":3', '"cachedContentTokenCount":8',
      "8 is more than the 7" },
    { "another index", '"index":0', '"index":1', "it is not its place" },
    { "LF", "\r\n", "\n", "a line of it ends in LF" },
    { "an event line", "data: {", "event: x\r\ndata: {", "it has an event line" },
    { "[DONE]", "", "", "it comes behind the end", append = "data: [DONE]\r\n\r\n" },
    { "an error without status", "data: " .. GEMINI_CHUNKS[3], 'data: {"error":{"code":500,"message":"m"}}',
      "status: it is missing" },
    { "a bare error", "data: " .. GEMINI_CHUNKS[3], '{"error":{"code":500,"message":"m"}}', "is no field" },
    { "a thought that is no text", '"thoughtSignature":"c2ln"', '"thought":true', "it belongs to a text" },
    { "no usage at the end", ',"usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":3,"thoughtsTokenCount":2,'
      .. '"cachedContentTokenCount":3,"totalTokenCount":12}', "", "it is missing in the last chunk" },
    { "the array's framing", "", "", "the line", prepend = "[" },
  } },
}

local function replace(text, from, to, all)
  if from == "" then
    return text
  end
  local out, at, n = {}, 1, 0
  while true do
    local i, j = text:find(from, at, true)
    if not i or n > 0 and not all then
      break
    end
    out[#out + 1] = text:sub(at, i - 1) .. to
    at, n = j + 1, n + 1
  end
  assert(n > 0, "nothing to change: " .. from)
  return table.concat(out) .. text:sub(at)
end

local function has(violations, words)
  return table.concat(violations, "\n"):find(words, 1, true) ~= nil
end

for _, dialect in ipairs { "openai_chat", "openai_responses", "anthropic", "gemini" } do
  local good, rows = MUTATIONS[dialect][1], MUTATIONS[dialect][2]
  describe("a stream of " .. dialect .. " is seen to be wrong with", function()
    for _, row in ipairs(rows) do
      it(row[1], function()
        local bytes = (row.prepend or "") .. replace(good, row[2], row[3], row.all) .. (row.append or "")
        local violations = run(dialect, bytes, { wants_usage = row.wants_usage })
        assert(has(violations, row[4]), ("%q expected, got:\n%s"):format(row[4], table.concat(violations, "\n")))
      end)
    end

    it("any event left out or doubled", function()
      local events = {}
      local blank = dialect == "gemini" and "\r\n\r\n" or "\n\n"
      for part in (good:gsub(blank, "\1")):gmatch("[^\1]+") do
        events[#events + 1] = part .. blank
      end
      for i in ipairs(events) do
        local without, twice = {}, {}
        for k, part in ipairs(events) do
          without[#without + 1] = k ~= i and part or nil
          twice[#twice + 1] = part
          twice[#twice + 1] = k == i and part or nil
        end
        -- What may be there or not, and texts that nothing repeats later.
        local free = events[i]:find("event: ping", 1, true) or events[i]:find('"content":"', 1, true)
          or dialect == "openai_chat" and events[i]:find('"annotations":[{', 1, true)
          or events[i]:find('"text":"H', 1, true) or events[i]:find("thinking_delta", 1, true)
          or events[i]:find("signature_delta", 1, true) or events[i]:find('"index":1,"id":"call_2"', 1, true)
        if not free or dialect == "openai_responses" then
          assert(#(run(dialect, table.concat(without))) > 0, "left out: " .. events[i])
          assert(#(run(dialect, table.concat(twice))) > 0, "doubled: " .. events[i])
        end
      end
    end)

    it("any cut", function()
      for n = 0, #good - 1, 13 do
        local violations, how = run(dialect, good:sub(1, n))
        assert(#violations > 0 and (how == "cut" or n > #good - 3), "cut at " .. n)
      end
    end)
  end)
end

describe("an array of Gemini's chunks is seen to be wrong with", function()
  for name, row in pairs {
    ["no bracket"] = { "^%[", "", "does not begin with [" },
    ["no end"] = { "%]$", "", "the array is cut" },
    ["a comma missing"] = { ",\r\n", "", "a comma is missing" },
    ["something else in it"] = { ",\r\n", ",7,", "something else than objects" },
    ["a comma at the end"] = { "%]$", ",]", "something else than objects" },
    ["something behind it"] = { "$", " x", "something behind the array" },
    ["a cut value"] = { "}%]$", "", "the array is cut" },
    ["a brace in a text"] = { '"Hello"', '"He}llo', "the array is cut" },
  } do
    it(name, function()
      local violations = run("gemini", (GEMINI_ARRAY:gsub(row[1], row[2], 1)), { framing = "json_array" })
      assert(has(violations, row[3]), table.concat(violations, "\n"))
    end)
  end
end)

describe("a stream of Chat with the call of a function of old is seen to be wrong with", function()
  for name, row in pairs {
    ["a name that comes twice"] = { '{"arguments":":1}"}', '{"name":"f","arguments":":1}"}', "name: unknown member" },
    ["no name"] = { '"name":"f",', "", "name: it is missing" },
    ["arguments that are no JSON"] = { ":1}", ":1", "whose arguments are an object" },
    ["the reason of tools"] = { 'finish_reason":"function_call"', 'finish_reason":"tool_calls"', "there is none" },
  } do
    it(name, function()
      local violations = run("openai_chat", replace(CHAT_OLD, row[1], row[2]))
      assert(has(violations, row[3]), table.concat(violations, "\n"))
    end)
  end
end)

describe("a failed stream of Responses", function()
  it("needs response.failed behind the error, once, and its error", function()
    local without = RESPONSES_FAILED:gsub("event: response.failed.*$", "")
    assert(has((run("openai_responses", without)), "response.failed is missing behind the error"))
    local twice = RESPONSES_FAILED .. RESPONSES_FAILED:match("event: response.failed.*$")
    assert(has((run("openai_responses", twice)), "it comes behind the end"))
    local bare = RESPONSES_FAILED:gsub('"status":"failed","error":{[^}]*}', '"status":"failed","error":null')
    assert(has((run("openai_responses", bare)), "it is missing in an answer that failed"))
  end)
end)

-- Whole answers and errors ----------------------------------------------------------------------------------------

local WHOLE_MUTATIONS = {
  openai_chat = {
    { '"object":"chat.completion"', '"object":"chat.completion.chunk"', "none of the words" },
    { '"refusal":null,', "", "refusal: it is missing" },
    { '"content":null,', "", "content: it is missing" },
    { '"finish_reason":"tool_calls"', '"finish_reason":null', "string expected" },
    { '"index":0', '"index":1', "it is not its place" },
    { '"arguments":"{\\"a\\":1}"', '"arguments":{}', "text expected, got object" },
    { '"arguments":"{\\"a\\":1}"', '"arguments":"{"', "they are no JSON object" },
    { '"total_tokens":12', '"total_tokens":1', "1 is not the sum" },
    { '"choices":[', '"choices":[7,', "object expected, got number" },
    { '"id":"call_1",', "", "id: it is missing" },
    { '"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\\"a\\":1}"}}]',
      '"tool_calls":[]', "an empty list of calls" },
    { ',"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\\"a\\":1}"}}]', "",
      "finish_reason is tool_calls and there is none" },
  },
  openai_responses = {
    { '"status":"completed","error"', '"status":"in_progress","error"', "completed expected, got in_progress" },
    { '"status":"completed","error"', '"status":"incomplete","error"', "the reason is missing" },
    { '"status":"completed","error"', '"status":"failed","error"', "it is missing in an answer that failed" },
    { '"msg_1"', '"rs_1"', "two items have it" },
    { '"arguments":"{\\"a\\":1}"', '"arguments":"{"', "they are no JSON object" },
    { '"type":"output_text"', '"type":"text"', "no message's part has the type text" },
    { '"annotations":[', '"annotations":[{},', "no annotation has the type" },
    { '"id":"msg_1","type":"message","status":"completed"', '"id":"msg_1","type":"message","status":"incomplete"',
      "a finished item is incomplete" },
    { '"total_tokens":12', '"total_tokens":1', "1 is not the sum" },
    { '"tools":[],', "", "tools: it is missing" },
  },
  anthropic = {
    { '"type":"message"', '"type":"completion"', "none of the words" },
    { '"stop_reason":"tool_use"', '"stop_reason":null', "string expected" },
    { '"stop_reason":"tool_use"', '"stop_reason":"end_turn"', "and there is a call" },
    { ',"stop_sequence":null', "", "stop_sequence: it is missing" },
    { '"text":"Hello"', '"text":""', "text expected" },
    { '"input":{"a":1}', '"input":"{}"', "object expected, got string" },
    { ',"signature":"s"', "", "signature: it is missing" },
    { '"input_tokens":7,', "", "input_tokens: it is missing" },
  },
  gemini = {
    { '"finishReason":"STOP",', "", "finishReason: it is missing" },
    { '"args":{"a":1}', '"args":[]', "object expected, got array" },
    { '"totalTokenCount":12', '"totalTokenCount":1', "1 is not the sum" },
    { '"candidates":[', '"candidates":[{},', "one candidate expected, got 2" },
    { '"responseId":"r"', '"responseId":1', "text expected" },
  },
}

local ERROR_MUTATIONS = {
  openai_chat = { '"param":null,', "", "param: it is missing" },
  openai_responses = { '"message":"m"', '"message":""', "text expected" },
  anthropic = { "overloaded_error", "server_error", "none of the words" },
  gemini = { '"code":400', '"code":"400"', "count expected" },
}

describe("whole answers and errors", function()
  for dialect, body in pairs(WHOLE) do
    it("of " .. dialect .. " pass, and each single fault is seen", function()
      fine(automata.whole(dialect, body))
      for _, row in ipairs(WHOLE_MUTATIONS[dialect]) do
        local violations = automata.whole(dialect, replace(body, row[1], row[2]))
        assert(has(violations, row[3]), ("%s\n%q expected, got:\n%s"):format(row[1], row[3],
          table.concat(violations, "\n")))
      end
      fine(automata.error(dialect, ERROR[dialect]))
      local row = ERROR_MUTATIONS[dialect]
      local violations = automata.error(dialect, replace(ERROR[dialect], row[1], row[2]))
      assert(has(violations, row[3]), table.concat(violations, "\n"))
      assert(has(automata.whole(dialect, ERROR[dialect]), "unknown member"))
    end)
  end

  it("of any other shape are told, not raised", function()
    for dialect in pairs(WHOLE) do
      for _, body in ipairs { "", "7", "[]", "null", '"x"', "{", "{}" } do
        assert(#automata.whole(dialect, body) > 0)
        assert(#automata.error(dialect, body) > 0)
      end
    end
  end)

  -- Every value of every good answer and stream replaced by values of other kinds.
  it("never raise, whatever stands where", function()
    for dialect, body in pairs(WHOLE) do
      for _, odd in ipairs { "null", "7", '"x"', "[]", "{}", "[7]", "true", "12345678901234567890" } do
        local from = 1
        while true do
          local at, last = body:find('":', from, true)
          if not at then
            break
          end
          for _, tail in ipairs { '^"[^"\\]*"', "^%b{}", "^%b[]", "^%d+", "^null" } do
            local i, j = body:find(tail, last + 1)
            if i then
              automata.whole(dialect, body:sub(1, last) .. odd .. body:sub(j + 1))
              local stream = automata.stream(dialect)
              local mutated = body:sub(1, last) .. odd .. body:sub(j + 1)
              stream:feed("data: " .. mutated .. "\n\n")
              stream:finish()
              break
            end
          end
          from = last + 1
        end
      end
      local good = MUTATIONS[dialect][1]
      for _, odd in ipairs { "null", "7", "[]", "{}", "[7]", '"x"' } do
        local from = 1
        while true do
          local _, last = good:find('":', from, true)
          if not last then
            break
          end
          for _, tail in ipairs { '^"[^"\\]*"', "^%b{}", "^%b[]", "^%d+", "^null" } do
            local i, j = good:find(tail, last + 1)
            if i then
              run(dialect, good:sub(1, last) .. odd .. good:sub(j + 1))
              break
            end
          end
          from = last + 1
        end
      end
    end
  end)
end)

-- What the services really sent -----------------------------------------------------------------------------------

local HOSTS = { ["api.openai.com"] = true, ["api.anthropic.com"] = true, ["generativelanguage.googleapis.com"] = true }
local NAMES = { ["openai-chat"] = "openai_chat", ["openai-responses"] = "openai_responses",
  ["anthropic-messages"] = "anthropic", gemini = "gemini" }

-- Recordings of what cliproxy never gives, with the words by which the automata tell them: tools that a service runs
-- itself, forms of old, fragments that say nothing, and state that the service encrypted anew for its last event.
local EXCEPTIONS = {
  ["anthropic-messages/citations-stream"] = "server_tool_use",
  ["anthropic-messages/code-execution"] = "server_tool_use",
  ["anthropic-messages/long-stream"] = "server_tool_use",
  ["anthropic-messages/mcp-tool-use"] = "mcp_tool_use",
  ["anthropic-messages/pause-turn"] = "server_tool_use",
  ["anthropic-messages/structured-output-stream"] = "an empty fragment",
  ["anthropic-messages/tool-search"] = "server_tool_use",
  ["anthropic-messages/tool-use-stream"] = "server_tool_use",
  ["anthropic-messages/web-fetch"] = "server_tool_use",
  ["anthropic-messages/web-search"] = "server_tool_use",
  ["anthropic-messages/web-search-stream"] = "server_tool_use",
  ["gemini/code-execution"] = "executableCode",
  ["gemini/image-output"] = "inlineData",
  ["gemini/long-stream"] = "toolCall",
  ["gemini/url-context"] = "urlContextMetadata",
  ["openai-chat/legacy-function-call"] = "refusal: it is missing",
  ["openai-responses/code-interpreter"] = "code_interpreter_call",
  ["openai-responses/compaction"] = "response.compaction",
  ["openai-responses/emoji-stream"] = "sequence_number: it is missing",
  ["openai-responses/file-search"] = "file_search_call",
  ["openai-responses/logprobs"] = "it is not the part that was streamed",
  ["openai-responses/long-stream"] = "it is not the item that was streamed",
  ["openai-responses/mcp"] = "mcp_list_tools",
  ["openai-responses/reasoning-encrypted"] = "code_interpreter_call",
  ["openai-responses/reasoning-tool-call-stream"] = "it is not the item that was streamed",
  ["openai-responses/web-search"] = "web_search_call",
  ["openai-responses/web-search-stream"] = "web_search_call",
}

local function official()
  local manifest = process.read(fixtures.folder .. "/MANIFEST.tsv")
  if not manifest then
    return nil
  end
  local list = {}
  for folder, case in manifest:gmatch("\n([%w-]+)\t([%w_.-]+)") do
    local name = folder .. "/" .. case
    local meta = NAMES[folder] and process.read(fixtures.folder .. "/" .. name .. "/meta.json")
    meta = meta and cjson.decode(meta)
    if meta and HOSTS[meta.host] and not tostring(meta.path):find("[cC]ount_?[tT]okens")
      and not tostring(meta.path):find("input_tokens") and not tostring(meta.path):find("mbed") then
      list[#list + 1] = { name = name, dialect = NAMES[folder], meta = meta }
    end
  end
  return list
end

local function check_recorded(case)
  local folder = fixtures.folder .. "/" .. case.name
  local stream = process.read(folder .. "/response.sse")
  if stream then
    return (run(case.dialect, stream))
  end
  local body = process.read(folder .. "/response.json")
  if case.meta.status >= 400 then
    return automata.error(case.dialect, body)
  elseif body:find("^%s*%[") then
    return (run(case.dialect, body, { framing = "json_array" }))
  end
  return automata.whole(case.dialect, body)
end

describe("recordings of the services", function()
  local list = official()
  if not list then
    return pending("pass: there is no folder of recorded exchanges")
  end

  for _, case in ipairs(list) do
    local words = EXCEPTIONS[case.name]
    it(words and ("with what is never given: " .. case.name) or ("pass: " .. case.name), function()
      local violations = check_recorded(case)
      if not words then
        fine(violations)
      else
        assert(has(violations, words), ("%q expected, got:\n%s"):format(words, table.concat(violations, "\n")))
      end
    end)
  end

  it("are many", function()
    assert(#list > 150, #list .. " recordings")
  end)
end)
