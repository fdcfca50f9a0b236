local automata = require("cliproxy.automata")
local chat = require("cliproxy.dialects.openai_chat")
local conversation = require("cliproxy.conversation")
local errors = require("cliproxy.errors")

local PATHS = { turns = "messages", parts = "content", system = "system", tools = "tools" }

local function context(fields)
  local c = conversation.new(fields and fields.dialect or "anthropic", { model = "fast", stream = true }, PATHS)
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

-- Decoding --------------------------------------------------------------------------------------------------------

--- A sink that notes its calls: { "text", '"x"' }.
local function recorder()
  local calls, sink = {}, {}
  for _, name in ipairs { "start", "text", "refusal", "reasoning", "state", "citation", "tool_start", "tool_delta",
    "tool_end", "usage", "stop", "finish", "fail" } do
    sink[name] = function(...)
      calls[#calls + 1] = { name, ... }
    end
  end
  return sink, calls
end

local function chunk(delta, finish, more)
  return '{"id":"c1","object":"chat.completion.chunk","created":5,"model":"gpt","choices":[{"index":0,"delta":{'
    .. delta .. '},"finish_reason":' .. (finish or "null") .. "}]" .. (more or "") .. "}"
end

local DONE, END = "[DONE]", false

--- What a sink is told of these events; `end_of_message` is the clean end.
local function decode(events, fields)
  local sink, calls = recorder()
  local decoder = chat.stream_decoder(context(fields), sink)
  for _, data in ipairs(events) do
    decoder(data ~= END and { type = "", data = data } or nil)
  end
  return calls
end

-- Calls between the first and the last ones.
local function middle(events, fields)
  local calls = decode(events, fields)
  assert.equal("start", calls[1][1])
  table.remove(calls, 1)
  return calls
end

local function failure_of(events)
  local calls = decode(events)
  local last = calls[#calls]
  assert.equal("fail", last[1])
  return last[2]
end

local ROLE = chunk('"role":"assistant","content":"","refusal":null')
local STOP = chunk("", '"stop"')
local CALLED = chunk("", '"tool_calls"')

local function tool(rest)
  return chunk('"tool_calls":[{' .. rest .. "}]")
end

describe("a Chat stream, decoded:", function()
  it("texts go on as they are, the stop waits for the end", function()
    assert.same({
      { "start", { id = "c1", model = "gpt", created = 5 } },
      { "text", '"Hi \\ud83d"' }, { "text", '"\\ude00"' },
      { "usage", { input = 3, output = 2 } }, { "stop", "end" }, { "finish" },
    }, decode { ROLE, chunk '"content":"Hi \\ud83d"', chunk '"content":"\\ude00"', STOP,
      '{"id":"c1","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}', DONE })
  end)

  it("a missing [DONE] is no fault behind a finish_reason", function()
    assert.same({ { "text", '"x"' }, { "stop", "length" }, { "finish" } },
      middle { chunk '"content":"x"', chunk("", '"length"'), END })
  end)

  it("an end without a finish_reason is unfinished, whatever ends it", function()
    for _, last in ipairs { DONE, END } do
      assert.equal("upstream_unfinished", failure_of({ ROLE, chunk '"content":"x"', last }).code)
    end
    assert.equal("upstream_unfinished", failure_of({ END }).code)
  end)

  it("nothing is told behind the end", function()
    local calls = decode { STOP, DONE, chunk '"content":"x"', DONE, END }
    assert.same({ "start", "stop", "finish" }, { calls[1][1], calls[2][1], calls[3][1] })
    assert.equal(3, #calls)
  end)

  it("the first chunk of Azure has no choice and no id", function()
    local calls = decode { '{"choices":[],"created":0,"id":"","model":"","prompt_filter_results":[]}', ROLE, STOP,
      DONE }
    assert.same({ "start", { id = "c1", model = "gpt", created = 5 } }, calls[1])
  end)

  it("usage: on the finish chunk, on every chunk, behind a chunk without reason", function()
    local function usage(n)
      return ',"usage":{"prompt_tokens":9,"completion_tokens":' .. n .. "}"
    end
    local expected = { { "text", '"x"' }, { "usage", { input = 9, output = 2 } }, { "stop", "end" }, { "finish" } }
    assert.same(expected, middle { chunk '"content":"x"', chunk("", '"stop"', usage(2)), DONE })
    assert.same(expected, middle { chunk('"content":"x"', nil, usage(1)), chunk("", '"stop"', usage(2)), DONE })
    assert.same(expected, middle { chunk '"content":"x"', STOP, chunk('"role":"assistant","content":""', nil, usage(2)),
      DONE })
    assert.same(expected, middle { chunk '"content":"x"', STOP,
      '{"choices":[],"x_groq":{"usage":{"prompt_tokens":9,"completion_tokens":2}}}', DONE })
    local calls = decode { chunk('"content":"x"', nil, usage(1)), STOP, DONE }
    assert.same({ input = 9, output = 1 }, calls[1][2].usage)
  end)

  it("thoughts come before the text, under each name", function()
    local expected = { { "reasoning", '"a"' }, { "reasoning", '"b"' }, { "text", '"x"' }, { "stop", "end" },
      { "finish" } }
    assert.same(expected, middle { chunk '"role":"assistant","content":null,"reasoning_content":""',
      chunk '"content":null,"reasoning_content":"a"', chunk '"content":"","reasoning_content":"b"',
      chunk '"content":"x","reasoning_content":null', STOP, DONE })
    assert.same(expected, middle { chunk '"reasoning":"a","channel":"analysis"', chunk('"content":"x","reasoning":"b",'
      .. '"reasoning_details":[{"type":"reasoning.text","text":"b"}]'), STOP, DONE })
    assert.same(expected, middle { chunk '"content":[{"type":"thinking","thinking":[{"type":"text","text":"a"}]}]',
      chunk '"content":[{"type":"thinking","thinking":[{"type":"text","text":"b"}]},{"type":"text","text":"x"}]', STOP,
      DONE })
  end)

  it("a call in fragments", function()
    assert.same({
      { "tool_start", 1, { id = "a", name = "f" } }, { "tool_delta", 1, '"{\\"x\\""' }, { "tool_delta", 1, '":1.0}"' },
      { "tool_end", 1 }, { "stop", "tool_calls" }, { "finish" },
    }, middle { chunk('"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"a","type":"function",'
      .. '"function":{"name":"f","arguments":""}}],"refusal":null'),
      tool '"index":0,"function":{"arguments":"{\\"x\\""}',
      tool '"index":0,"function":{"arguments":":1.0}"}', CALLED, DONE })
  end)

  it("calls one after the other: the first ends when its input is whole", function()
    assert.same({
      { "tool_start", 1, { id = "a", name = "f" } }, { "tool_delta", 1, '"{}"' }, { "tool_end", 1 },
      { "tool_start", 2, { id = "b", name = "g" } }, { "tool_delta", 2, '"{\\"y\\":2}"' }, { "tool_end", 2 },
      { "stop", "tool_calls" }, { "finish" },
    }, middle { tool '"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}',
      tool '"index":0,"function":{"arguments":"{}"}',
      tool '"index":1,"id":"b","type":"function","function":{"name":"g","arguments":""}',
      tool '"index":1,"function":{"arguments":"{\\"y\\":2}"}', CALLED, DONE })
  end)

  it("mixed calls pass as they come", function()
    assert.same({
      { "tool_start", 1, { id = "a", name = "f" } }, { "tool_start", 2, { id = "b", name = "g" } },
      { "tool_delta", 1, '"{\\"x\\":"' }, { "tool_delta", 2, '"{}"' }, { "tool_delta", 1, '"1}"' },
      { "tool_end", 1 }, { "tool_end", 2 }, { "stop", "tool_calls" }, { "finish" },
    }, middle { chunk('"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}},{"index":1,"id":"b",'
      .. '"function":{"name":"g","arguments":""}}]'), tool '"index":0,"function":{"arguments":"{\\"x\\":"}',
      tool '"index":1,"function":{"arguments":"{}"}', tool '"index":0,"function":{"arguments":"1}"}', CALLED, DONE })
  end)

  it("indexes that begin at 1, or are missing, or are all 0", function()
    local expected = {
      { "tool_start", 1, { id = "a", name = "f" } }, { "tool_delta", 1, '"{}"' }, { "tool_end", 1 },
      { "tool_start", 2, { id = "b", name = "f" } }, { "tool_delta", 2, '"{}"' }, { "tool_end", 2 },
      { "stop", "tool_calls" }, { "finish" },
    }
    for _, index in ipairs { { '"index":1,', '"index":2,' }, { "", "" }, { '"index":0,', '"index":0,' },
      { '"index":null,', '"index":null,' } } do
      assert.same(expected, middle { tool(index[1] .. '"id":"a","function":{"name":"f","arguments":"{}"}'),
        tool(index[2] .. '"id":"b","function":{"name":"f","arguments":"{}"}'), CALLED, DONE }, index[1])
    end
  end)

  it("repeated ids and names are one call; a whole input sent again is none", function()
    assert.same({
      { "tool_start", 1, { id = "a", name = "f" } }, { "tool_delta", 1, '"{\\"x\\""' }, { "tool_delta", 1, '":1}"' },
      { "tool_end", 1 }, { "stop", "tool_calls" }, { "finish" },
    }, middle { tool '"index":0,"id":"a","function":{"name":"f","arguments":"{\\"x\\""}',
      tool '"index":0,"id":"a","function":{"name":"f","arguments":":1}"}',
      tool '"index":0,"id":"a","function":{"name":"f","arguments":"{\\"x\\":1}"}', CALLED, DONE })
  end)

  it("fragments without index and id belong to the last call", function()
    local calls = middle { tool '"id":"a","function":{"name":"f","arguments":"{"}', tool '"function":{"arguments":"}"}',
      CALLED, DONE }
    assert.same({ "tool_delta", 1, '"}"' }, calls[3])
  end)

  it("a name that comes late, ids that do not come or come twice", function()
    assert.same({
      { "tool_start", 1, { id = "a", name = "f" } }, { "tool_delta", 1, '"{}"' }, { "tool_end", 1 },
      { "tool_start", 2, { name = "g" } }, { "tool_start", 3, { id = "a", name = "g" } },
      { "tool_end", 2 }, { "tool_end", 3 }, { "stop", "tool_calls" }, { "finish" },
    }, middle { tool '"index":0,"id":"a","function":{"arguments":"{}"}', tool '"index":0,"function":{"name":"f"}',
      tool '"index":1,"function":{"name":"g","arguments":""}', tool '"index":2,"id":"a","function":{"name":"g"}',
      CALLED, DONE })
    assert.equal("upstream_malformed", failure_of({ tool '"index":0,"id":"a","function":{"arguments":"{}"}', CALLED,
      DONE }).code)
  end)

  it("inputs that are objects, custom tools, shortened names, functions", function()
    assert.same({
      { "tool_start", 1, { id = "a", name = "long" } }, { "tool_delta", 1, '"{\\"x\\":[]}"' }, { "tool_end", 1 },
      { "tool_start", 2, { id = "b", name = "h", custom = true } }, { "tool_delta", 2, '"x = {}"' }, { "tool_end", 2 },
      { "stop", "tool_calls" }, { "finish" },
    }, middle({ tool '"index":0,"id":"a","function":{"name":"short","arguments":{"x":[]}}',
      tool '"index":1,"id":"b","type":"custom","custom":{"name":"h","input":""}',
      tool '"index":1,"custom":{"input":"x = {}"}', CALLED, DONE }, { names = { short = "long" } }))
    assert.same({
      { "tool_start", 1, { name = "f" } }, { "tool_delta", 1, '"{"' }, { "tool_delta", 1, '"}"' },
      { "tool_end", 1 }, { "stop", "tool_calls" }, { "finish" },
    }, middle { chunk '"role":"assistant","content":null,"function_call":{"name":"f","arguments":""}',
      chunk '"function_call":{"arguments":"{"}', chunk '"function_call":{"arguments":"}"}',
      chunk("", '"function_call"'), DONE })
  end)

  it("a call that length cuts off keeps its fragment and the reason", function()
    assert.same({ { "tool_start", 1, { id = "a", name = "f" } }, { "tool_delta", 1, '"{\\"x"' }, { "tool_end", 1 },
      { "stop", "length" }, { "finish" } }, middle {
      tool '"index":0,"id":"a","function":{"name":"f","arguments":"{\\"x"}', chunk("", '"length"'), DONE })
  end)

  it("refusals, filters, sources, stop sequences", function()
    assert.same({ { "refusal", '"no"' }, { "stop", "refusal" }, { "finish" } },
      middle { chunk '"role":"assistant","content":null,"refusal":""', chunk '"refusal":"no"', STOP, DONE })
    assert.same({ { "text", '"x"' }, { "stop", "filter" }, { "finish" } },
      middle { chunk '"content":"x"', chunk("", '"content_filter"'), DONE })
    local citation = { kind = "url", url = '"https://a"', title = '"A"', from = 0, to = 1 }
    assert.same({ { "text", '"x"' }, { "citation", citation }, { "stop", "end" }, { "finish" } }, middle {
      chunk '"content":"x"', chunk('"annotations":[{"type":"url_citation",'
      .. '"url_citation":{"url":"https://a","title":"A","start_index":0,"end_index":1}}]'), STOP, DONE })
    assert.same({ { "stop", "stop_sequence", { sequence = '"END"' } }, { "finish" } },
      middle({ STOP:gsub('"finish_reason"', '"stop_reason":"END",%0'), DONE }, { stop = { '"END"' } }))
  end)

  it("errors fail it, also behind a finish_reason", function()
    local failure = failure_of { ROLE, chunk '"content":"x"',
      '{"error":{"message":"The server had an error","type":"server_error","param":null,"code":null}}', DONE }
    assert.same({ 500, "upstream_status" }, { failure.status, failure.code })
    assert.matches("The server had an error", failure.text)
    failure = failure_of { chunk("", '"length"'), chunk('"content":""', nil, ',"error":{"code":400,"message":"limit"}'),
      DONE }
    assert.equal(400, failure.status)
    assert.equal(429, failure_of({ '[{"error":{"code":429,"message":"m"}}]' }).status)
    local sink, calls = recorder()
    chat.stream_decoder(context(), sink)({ type = "error", data = '{"message":"m","code":503}' })
    assert.same({ "fail", 503 }, { calls[1][1], calls[1][2].status })
  end)

  it("speech, pictures and unknown parts fail it", function()
    for _, delta in ipairs { '"audio":{"id":"a"}', '"content":"","images":[{"type":"image_url"}]',
      '"content":[{"type":"video"}]' } do
      assert.equal("upstream_untranslatable", failure_of({ chunk(delta), STOP, DONE }).code, delta)
    end
    assert.equal("upstream_untranslatable", failure_of({ chunk("", '"error"'), DONE }).code)
  end)

  it("other choices, unknown events and blank data are skipped, what is no JSON is not", function()
    assert.same({ { "text", '"a"' }, { "stop", "end" }, { "finish" } }, middle { "", chunk '"content":"a"',
      chunk('"content":"b"'):gsub('"index":0', '"index":1'), '{"type":"keepalive"}', "{}", '{"choices":[7]}', STOP,
      "[DONE] " })
    assert.equal("upstream_malformed", failure_of({ "{" }).code)
    assert.equal("upstream_malformed", failure_of({ "7" }).code)
  end)

  it("chunks of any shape are no error of ours", function()
    for _, delta in ipairs { '"content":7', '"content":{}', '"tool_calls":7', '"tool_calls":[7,{},{"function":7}]',
      '"tool_calls":[{"index":"x","id":7,"function":{"name":7,"arguments":7}}]', '"function_call":[]',
      '"annotations":{}', '"reasoning_details":{}', '"refusal":[]', '"reasoning":7' } do
      local ok, found = pcall(decode, { chunk(delta), STOP, DONE })
      assert(ok, delta .. ": " .. tostring(found))
    end
    for _, data in ipairs { '{"choices":{}}', '{"choices":[{"delta":7,"message":8,"finish_reason":9}]}',
      '{"usage":7,"choices":[{}]}', '{"id":1,"model":2,"created":"x","choices":[{"delta":{}}]}' } do
      local ok, found = pcall(decode, { data, STOP, DONE })
      assert(ok, data .. ": " .. tostring(found))
    end
  end)

  it("a server that streams the whole as one chunk", function()
    assert.same({ { "text", '"x"' }, { "stop", "end" }, { "finish" } }, middle {
      '{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"x"},'
      .. '"finish_reason":"stop"}]}', DONE })
  end)
end)

-- Encoding --------------------------------------------------------------------------------------------------------

--- Calls { "text", '"x"' } on an encoder; the bytes that it wrote, one string a write, and its context.
local function encode(calls, fields, unchecked)
  local at, out = context(fields), {}
  local sink = chat.stream_encoder(at, function(bytes) out[#out + 1] = bytes end)
  for _, call in ipairs(calls) do
    sink[call[1]](unpack(call, 2))
  end
  if not unchecked then
    local checker = automata.stream("openai_chat", { wants_usage = at.conversation.wants_usage or false })
    checker:feed(table.concat(out))
    assert.same({}, checker:finish())
  end
  return out, at
end

local START = { "start", { model = "up", created = 5 } }

local function frame(delta, finish, usage)
  return 'data: {"id":"chatcmpl-7","object":"chat.completion.chunk","created":5,"model":"up","choices":[{"index":0,'
    .. '"delta":{' .. delta .. '},"logprobs":null,"finish_reason":' .. (finish or "null") .. "}]"
    .. (usage and ',"usage":null' or "") .. "}\n\n"
end

local FIRST = '"role":"assistant","content":"","refusal":null'

describe("a Chat stream, encoded:", function()
  it("a text, in one write each", function()
    assert.same({ frame(FIRST), frame '"content":"Hi \\ud83d"', frame '"content":"\\ude00"', frame("", '"stop"'),
      "data: [DONE]\n\n" }, (encode { START, { "text", '"Hi \\ud83d"' }, { "text", '""' }, { "text", '"\\ude00"' },
      { "usage", { input = 3, output = 2 } }, { "stop", "end" }, { "finish" } }))
  end)

  it("usage only for clients that asked, behind the last choice", function()
    assert.same({ frame(FIRST, nil, true), frame('"content":"x"', nil, true), frame("", '"length"', true),
      'data: {"id":"chatcmpl-7","object":"chat.completion.chunk","created":5,"model":"up","choices":[],"usage":{'
      .. '"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,"prompt_tokens_details":{"cached_tokens":1},'
      .. '"completion_tokens_details":{"reasoning_tokens":0}}}\n\ndata: [DONE]\n\n' },
      (encode({ START, { "text", '"x"' }, { "usage", { input = 1 } }, { "stop", "length" },
        { "usage", { input = 3, output = 2, cached = 1, reasoning = 0 } }, { "finish" } }, { wants_usage = true })))
  end)

  it("usage that nobody reported is not invented", function()
    local out = encode({ START, { "text", '"x"' }, { "stop", "end" }, { "finish" } }, { wants_usage = true }, true)
    assert.equal("data: [DONE]\n\n", out[#out])
  end)

  it("calls, mixed or not; one without input is an empty object", function()
    local function index(i, rest)
      return '"tool_calls":[{"index":' .. i .. "," .. rest .. "}]"
    end
    assert.same({ frame(FIRST), frame '"content":"x"',
      frame(index(0, '"id":"a","type":"function","function":{"name":"f","arguments":""}')),
      frame(index(0, '"function":{"arguments":"{\\"x\\":"}')),
      frame(index(1, '"id":"b","type":"function","function":{"name":"g","arguments":""}')),
      frame(index(0, '"function":{"arguments":"1}"}')), frame(index(1, '"function":{"arguments":"{}"}')),
      frame(index(2, '"id":"c","type":"custom","custom":{"name":"h","input":""}')),
      frame(index(2, '"custom":{"input":"y"}')), frame("", '"tool_calls"'), "data: [DONE]\n\n" },
      (encode { START, { "text", '"x"' }, { "tool_start", 1, { id = "a", name = "f" } },
        { "tool_delta", 1, '"{\\"x\\":"' }, { "tool_start", 2, { id = "b", name = "g" } }, { "tool_delta", 1, '"1}"' },
        { "tool_delta", 2, '""' }, { "tool_end", 1 }, { "tool_end", 2 },
        { "tool_start", 3, { id = "c", name = "h", custom = true } }, { "tool_delta", 3, '"y"' }, { "tool_end", 3 },
        { "stop", "tool_calls" }, { "finish" } }))
  end)

  it("a client of functions gets function_call, and a second one is a failure", function()
    local first = { START, { "tool_start", 1, { id = "a", name = "f" } }, { "tool_delta", 1, '"{}"' } }
    local out = encode({ first[1], first[2], first[3], { "tool_end", 1 }, { "stop", "tool_calls" }, { "finish" } },
      { old_functions = true }, true)
    assert.same({ frame(FIRST), frame '"function_call":{"name":"f","arguments":""}',
      frame '"function_call":{"arguments":"{}"}', frame("", '"function_call"'), "data: [DONE]\n\n" }, out)
    out = encode({ first[1], first[2], first[3], { "tool_start", 2, { id = "b", name = "g" } },
      { "tool_delta", 2, '"{}"' }, { "tool_end", 2 }, { "stop", "tool_calls" }, { "finish" } },
      { old_functions = true }, true)
    assert.equal(4, #out)
    assert.matches('^data: {"error":{"message":".-function_call holds one.-"code":"upstream_untranslatable"}}\n\n$',
      out[4])
  end)

  it("thoughts, refusals, sources", function()
    assert.same({ frame(FIRST), frame '"reasoning_content":"hm"', frame '"refusal":"no"',
      frame("", '"content_filter"'), "data: [DONE]\n\n" }, (encode { START, { "reasoning", '"hm"' },
      { "reasoning", '""' },
      { "state", { kind = "signature", data = "S" } }, { "refusal", '"no"' }, { "stop", "refusal",
        { explanation = '"late"' } }, { "finish" } }))
    local out = encode { START, { "stop", "refusal", { explanation = '"why"' } }, { "finish" } }
    assert.equal(frame '"refusal":"why"', out[2])
    out = encode({ START, { "text", '"x"' }, { "citation", { kind = "url", url = '"https://a"', from = 0, to = 1 } },
      { "citation", { kind = "document", title = '"D"' } }, { "stop", "end" }, { "finish" } }, nil, true)
    assert.equal(frame('"annotations":[{"type":"url_citation","url_citation":{"end_index":1,"start_index":0,"title":"",'
      .. '"url":"https://a"}}]'), out[3])
    assert.equal(frame("", '"stop"'), out[4])
  end)

  it("every end; a pause is a failure that its driver hears of", function()
    local words = { ["end"] = "stop", stop_sequence = "stop", length = "length", filter = "content_filter" }
    for stop, finish in pairs(words) do
      local out = encode { START, { "stop", stop }, { "finish" } }
      assert.equal(frame("", '"' .. finish .. '"'), out[2])
    end
    local at, heard = context(), nil
    local sink = chat.stream_encoder(at, function() end)
    sink.fail = function(failure) heard = failure end
    sink.start { model = "up" }
    sink.stop("pause")
    assert.equal("upstream_untranslatable", heard.code)
  end)

  it("a failure is an error without [DONE], at any time", function()
    local failure = errors.new("upstream_overloaded", { provider = "p", text = "busy" })
    local error_event = 'data: {"error":{"message":"provider p is overloaded: busy.","type":"server_error",'
      .. '"param":null,"code":"upstream_overloaded"}}\n\n'
    assert.same({ frame(FIRST), frame '"content":"x"', error_event }, (encode { START, { "text", '"x"' },
      { "fail", failure }, { "text", '"y"' }, { "reasoning", '"z"' }, { "stop", "end" }, { "finish" } }))
    assert.same({ error_event }, (encode { { "fail", failure } }))
  end)

  it("reasoning with state is kept under the first call", function()
    local signature, redacted = { kind = "signature", data = "S" }, { kind = "redacted", data = "R" }
    local function call(i, id)
      return { "tool_start", i, { id = id, name = "f" } }
    end
    local _, at = encode({ START, { "reasoning", '"a"' }, { "absorb", "reasoning", '"b"', 1 },
      { "state", signature }, { "state", redacted }, { "reasoning", '"c"' }, { "text", '"x"' },
      { "state", { kind = "thought", data = "T" } }, call(1, "one"), call(2, "two"),
      { "tool_delta", 1, '"{\\"a\\":"' }, { "tool_delta", 2, '"{}"' }, { "tool_delta", 1, '"1}"' }, { "tool_end", 1 },
      { "tool_end", 2 }, { "stop", "tool_calls" }, { "finish" } })
    assert.same({ { { id = "one", name = "f", arguments = '"{\\"a\\":1}"' }, {
      { kind = "reasoning", text = '"ab"', state = signature }, { kind = "reasoning", state = redacted },
      { kind = "reasoning", text = '"c"' }, { kind = "reasoning", state = { kind = "thought", data = "T" } } } } },
      at.remembered)
    _, at = encode { START, { "reasoning", '"a"' }, call(1, "one"), { "tool_end", 1 }, { "stop", "tool_calls" },
      { "finish" } }
    assert.same({}, at.remembered)
    _, at = encode { START, { "state", signature }, { "stop", "end" }, { "finish" } }
    assert.same({}, at.remembered)
  end)

  it("what one decodes the other encodes", function()
    local at, out = context(), {}
    local decoder = chat.stream_decoder(at, chat.stream_encoder(at, function(bytes) out[#out + 1] = bytes end))
    for _, data in ipairs { ROLE, chunk '"reasoning_content":"hm"', chunk '"content":"x"',
      tool '"index":1,"id":"a","function":{"name":"f","arguments":"{\\"n\\":12345678901234567890}"}', CALLED, DONE } do
      decoder { type = "", data = data }
    end
    assert.matches('"content":"x".*"index":0,"id":"a".*{\\"n\\":12345678901234567890}.*"tool_calls"}]}\n\ndata: %[DONE',
      table.concat(out))
  end)
end)
