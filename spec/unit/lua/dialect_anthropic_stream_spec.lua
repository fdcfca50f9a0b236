local anthropic = require("cliproxy.dialects.anthropic")
local automata = require("cliproxy.automata")
local errors = require("cliproxy.errors")
local json = require("cliproxy.json")
local opaque = require("cliproxy.opaque")

local UP = { dialect = "gemini", provider = "up", model = "pro", caps = {} }

local function context(names)
  return { id = "req_7", conversation = { dialect = "openai_chat", names = names or {} }, target = UP, framing = "sse",
    estimate = function() return 321 end }
end

-- A sink that notes its calls.
local function recorder()
  local calls = {}
  return setmetatable({}, { __index = function(_, name)
    return function(...)
      calls[#calls + 1] = { name, ... }
    end
  end }), calls
end

-- What a decoder says of these events' data; `open`: the message has not ended.
local function decode(list, open, names)
  local sink, calls = recorder()
  local feed = anthropic.stream_decoder(context(names), sink)
  for _, data in ipairs(list) do
    feed { type = data:match('"type": ?"([%w_]+)"') or "message", data = data }
  end
  if not open then
    feed(nil)
  end
  return calls
end

local START = '{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"c",'
  .. '"content":[],'
  .. '"stop_reason":null,"usage":{"input_tokens":5,"cache_read_input_tokens":2,"output_tokens":1}}}'
local STOP = '{"type":"message_stop"}'

local function begin(index, block)
  return ('{"type":"content_block_start","index":%d,"content_block":%s}'):format(index, block)
end

local function delta(index, body)
  return ('{"type":"content_block_delta","index":%d,"delta":%s   }'):format(index, body)
end

local function close(index)
  return ('{"type":"content_block_stop","index":%d}'):format(index)
end

local function ending(reason, usage, more)
  return ('{"type":"message_delta","delta":{"stop_reason":"%s","stop_sequence":null%s},"usage":%s}'):format(reason,
    more or "", usage or '{"output_tokens":9}')
end

-- Calls without start and usage.
local function body_of(calls)
  local out = {}
  for _, one in ipairs(calls) do
    if one[1] ~= "start" and one[1] ~= "usage" then
      out[#out + 1] = one
    end
  end
  return out
end

describe("a stream of Anthropic's", function()
  it("tells texts as they stand, with padding, pings and unknown events between", function()
    local calls = decode { START, begin(0, '{"type":"text","text":""}'), '{"type": "ping"}',
      delta(0, '{"type":"text_delta","text":"h\\u00e9 \\ud83d"}'), '{"type":"novel","x":[]}',
      delta(0, '{"type":"text_delta","text":"\\ude00\\/"}'), close(0), ending("end_turn"), STOP }
    assert.same({
      { "start", { id = "msg_1", model = "c", usage = { input = 7, cached = 2, output = 1 } } },
      { "text", '"h\\u00e9 \\ud83d"' }, { "text", '"\\ude00\\/"' },
      { "usage", { input = 7, cached = 2, output = 9 } }, { "stop", "end", {} }, { "finish" },
    }, calls)
  end)

  it("tells calls by their fragments alone, whatever their start holds", function()
    local calls = body_of(decode({ START, begin(0, '{"type":"tool_use","id":"toolu_1","name":"short","input":{}}'),
      delta(0, '{"type":"input_json_delta","partial_json":""}'),
      delta(0, '{"type":"input_json_delta","partial_json":"{\\"a\\""}'),
      delta(0, '{"type":"input_json_delta","partial_json":":1}"}'), close(0),
      begin(1, '{"type":"tool_use","id":"toolu_2","name":"g","input":{}}'),
      delta(1, '{"type":"input_json_delta","partial_json":""}'), close(1),
      begin(2, '{"type":"tool_use","id":"toolu_3","name":"h","input":{"k":[]}}'), close(2), ending("tool_use"), STOP },
      false, { short = "ns.long" }))
    assert.same({ { "tool_start", 1, { id = "toolu_1", name = "ns.long" } }, { "tool_delta", 1, '"{\\"a\\""' },
      { "tool_delta", 1, '":1}"' }, { "tool_end", 1 }, { "tool_start", 2, { id = "toolu_2", name = "g" } },
      { "tool_end", 2 }, { "tool_start", 3, { id = "toolu_3", name = "h" } }, { "tool_delta", 3, '"{\\"k\\":[]}"' },
      { "tool_end", 3 }, { "stop", "tool_calls", {} }, { "finish" } }, calls)
  end)

  it("tells thinking, its signature, what is redacted, and thinking that is not shown", function()
    local calls = body_of(decode { START, begin(0, '{"type":"thinking","thinking":"","signature":""}'),
      delta(0, '{"type":"thinking_delta","thinking":"hm"}'), delta(0, '{"type":"signature_delta","signature":"c2ln"}'),
      close(0), begin(1, '{"type":"redacted_thinking","data":"cmVk"}'), close(1),
      begin(2, '{"type":"thinking","thinking":"","signature":""}'),
      delta(2, '{"type":"signature_delta","signature":"b21p"}'), close(2), ending("end_turn"), STOP })
    assert.same({ { "reasoning", '"hm"' }, { "state", { kind = "signature", data = "c2ln" } },
      { "state", { kind = "redacted", data = "cmVk" } }, { "state", { kind = "signature", data = "b21p" } },
      { "stop", "end", {} }, { "finish" } }, calls)
  end)

  it("tells citations behind their text", function()
    local calls = body_of(decode { START, begin(0, '{"citations":[],"type":"text","text":""}'),
      delta(0, '{"type":"citations_delta","citation":{"type":"web_search_result_location","url":"u","cited_text":'
        .. '"q"}}'),
      delta(0, '{"type":"text_delta","text":"a"}'), close(0), ending("end_turn"), STOP })
    assert.same({ { "text", '"a"' }, { "citation", { kind = "url", url = '"u"', quote = '"q"' } }, { "stop", "end",
      {} },
      { "finish" } }, calls)
  end)

  it("counts usage as it grows, and starts once", function()
    local calls = decode { START, START, ending("end_turn", '{"input_tokens":50,"cache_creation_input_tokens":3,'
      .. '"output_tokens":9,"output_tokens_details":{"thinking_tokens":4}}'), STOP }
    assert.same({ "start", "usage", "stop", "finish" }, { calls[1][1], calls[2][1], calls[3][1], calls[4][1] })
    assert.same({ input = 55, cached = 2, cache_written = 3, output = 9, reasoning = 4 }, calls[2][2])
  end)

  it("tells a refusal with its explanation, and a stop sequence with its words", function()
    local calls = decode { START, ending("refusal", nil, ',"stop_details":{"type":"refusal","category":"cyber",'
      .. '"explanation":"no\\n"}'), STOP }
    assert.same({ "stop", "refusal", { explanation = '"no\\n"' } }, calls[3])
    calls = decode { START, '{"type":"message_delta","delta":{"stop_reason":"stop_sequence","stop_sequence":"X"},'
      .. '"usage":{}}',
      STOP }
    assert.same({ "stop", "stop_sequence", { sequence = '"X"' } }, calls[3])
  end)

  it("ends calls whose block was cut off before it stops", function()
    local calls = body_of(decode { START, begin(0, '{"type":"tool_use","id":"a","name":"f","input":{}}'),
      delta(0, '{"type":"input_json_delta","partial_json":"{\\"a"}'), ending("max_tokens"), STOP })
    assert.same({ { "tool_end", 1 }, { "stop", "length", {} }, { "finish" } }, { calls[3], calls[4], calls[5] })
  end)

  it("leaves out a search, and fails with what runs code", function()
    local search = begin(0, '{"type":"server_tool_use","id":"s","name":"web_search","input":{}}')
    local calls = body_of(decode { START, search, delta(0, '{"type":"input_json_delta","partial_json":"{}"}'), close(0),
      begin(1, '{"type":"web_search_tool_result","tool_use_id":"s","content":[]}'), close(1),
      begin(2, '{"type":"text","text":""}'), delta(2, '{"type":"text_delta","text":"a"}'), close(2), ending("end_turn"),
      STOP })
    assert.same({ "text", "stop", "finish" }, { calls[1][1], calls[2][1], calls[3][1] })
    calls = body_of(decode { START, search, close(0), ending("end_turn"), STOP })
    assert.same({ 1, "fail", "upstream_untranslatable" }, { #calls, calls[1][1], calls[1][2].code })
    calls = body_of(decode { START, search, close(0), ending("pause_turn"), STOP })
    assert.equal("pause", calls[1][2])
    calls = body_of(decode { START, begin(0, '{"type":"server_tool_use","id":"s","name":"bash_code_execution",'
      .. '"input":{}}'),
      ending("end_turn"), STOP })
    assert.same({ 1, "fail" }, { #calls, calls[1][1] })
    assert.truthy(calls[1][2].text:find("bash_code_execution", 1, true))
  end)

  it("fails with the provider's error, first or in the middle", function()
    local failed = '{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}'
    local calls = decode { failed }
    assert.same({ 1, "fail", "upstream_overloaded" }, { #calls, calls[1][1], calls[1][2].code })
    calls = decode { START, failed, STOP }
    assert.same({ "start", "fail" }, { calls[1][1], calls[2][1] })
    assert.equal(2, #calls)
    calls = decode { '{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 > 8"}}' }
    assert.same({ "context_length", 400 }, { calls[1][2].code, calls[1][2].status })
  end)

  it("fails where it just stops", function()
    for _, list in ipairs { {}, { START }, { START, ending("end_turn") } } do
      local calls = decode(list)
      assert.same({ "fail", "upstream_unfinished" }, { calls[#calls][1], calls[#calls][2].code })
    end
    assert.equal("start", decode({ START }, true)[1][1])
  end)

  it("takes nothing behind its end", function()
    local calls = decode { START, ending("end_turn"), STOP, START, delta(0, '{"type":"text_delta","text":'
      .. '"a"}'), "[DONE]" }
    assert.equal("finish", calls[#calls][1])
  end)

  for _, data in ipairs { "x", "[]", "7", '{"type":"content_block_start"}', '{"type":"content_block_start","index":0}',
    begin(0, '{"type":"novel"}'), begin(0, '{"type":"tool_use"}'), delta(0, '{"type":"text_delta"}'),
    delta(0, '{"type":"text_delta","text":7}'), delta(0, '{"type":"thinking_delta","thinking":null}') } do
    it("fails with " .. data, function()
      local calls = decode { START, data, STOP }
      assert.equal("fail", calls[#calls][1])
    end)
  end

  for _, data in ipairs { "{}", '{"type":7}', '{"type":"content_block_delta"}', delta(9, '{"type":"novel_delta"}'),
    '{"type":"content_block_delta","delta":7}', '{"type":"content_block_stop"}', '{"type":"message_delta"}', "[DONE]",
    '{"type":"message_delta","delta":[],"usage":7}', '{"type":"message_start"}', close(3),
    delta(4, '{"type":"input_json_delta","partial_json":7}'), delta(4, '{"type":"signature_delta"}') } do
    it("goes on after " .. data, function()
      local calls = decode { START, data, STOP }
      assert.equal("finish", calls[#calls][1])
    end)
  end
end)

-- What the encoder writes for these calls of its sink; checked by the automaton.
local function encode(list, expected)
  local out = {}
  local sink = anthropic.stream_encoder(context(), function(bytes) out[#out + 1] = bytes end)
  for _, one in ipairs(list) do
    sink[one[1]](unpack(one, 2))
  end
  local bytes = table.concat(out)
  local checker = automata.stream("anthropic")
  checker:feed(bytes)
  assert.same({}, checker:finish())
  assert.equal(expected or "clean", checker:ended())
  local events = {}
  for kind, data in bytes:gmatch("event: ([%w_]+)\ndata: ([^\n]*)\n\n") do
    events[#events + 1] = { kind, data }
  end
  return events, bytes, out
end

-- Blocks of a stream in short: kind, and what their deltas hold.
local function blocks(events)
  local out = {}
  for _, event in ipairs(events) do
    local document = json.parse(event[2])
    if event[1] == "content_block_start" then
      local block = document.content_block
      out[#out + 1] = block.type .. (block.name and ":" .. block.name or "") .. "="
    elseif event[1] == "content_block_delta" then
      local one = document.delta
      local value = one.text or one.thinking or one.partial_json or one.citation and "[" .. one.citation.url .. "]"
        or "!"
      out[#out] = out[#out] .. value
    end
  end
  return out
end

local FIRST = { "start", { id = "resp_1", model = "gpt", usage = { input = 10, cached = 4 } } }

local function stream(...)
  return { FIRST, unpack { ... } }
end

describe("a stream for a client of Anthropic's", function()
  it("is what the service sends", function()
    local _, bytes, writes = encode(stream({ "text", '"h\\u00e9"' }, { "text", '"\\ud83d"' }, { "text", '""' },
      { "usage", { input = 10, cached = 4, output = 3 } }, { "stop", "end", {} }, { "finish" }))
    assert.equal(table.concat {
      'event: message_start\ndata: {"type":"message_start","message":{"model":"gpt","id":"msg_7","type":"message",',
      '"role":"assistant","content":[],"stop_reason":null,"stop_sequence":null,"stop_details":null,"usage":{',
      '"input_tokens":6,"cache_read_input_tokens":4,"output_tokens":1}}}\n\n',
      'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text",'
        .. '"text":""}}',
      '\n\nevent: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta",',
      '"text":"h\\u00e9"}}\n\n',
      'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta",',
      '"text":"\\ud83d"}}\n\n',
      'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n',
      'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null,',
      '"stop_details":null},"usage":{"input_tokens":6,"cache_read_input_tokens":4,"output_tokens":3}}\n\n',
      'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    }, bytes)
    assert.equal(6, #writes) -- a fragment under way is one write
  end)

  it("estimates the counts that it needs and nobody gave", function()
    local events = encode { { "start", {} }, { "text", '"' .. ("a"):rep(40) .. '"' }, { "absorb", "text",
      '"' .. ("b"):rep(40) .. '"', 4 }, { "stop", "end" }, { "finish" } }
    assert.truthy(events[1][2]:find('"model":"pro"', 1, true))
    assert.truthy(events[1][2]:find('"usage":{"input_tokens":321,"output_tokens":1}', 1, true), events[1][2])
    assert.truthy(events[#events - 1][2]:find('"usage":{"output_tokens":20}', 1, true), events[#events - 1][2])
  end)

  it("opens one block after the other", function()
    assert.same({ "thinking=hm!", "text=ab", "tool_use:f={}", "text=c" }, blocks(encode(stream({ "reasoning", '"hm"' },
      { "text", '"a"' }, { "text", '"b"' }, { "tool_start", 1, { id = "a", name = "f" } }, { "tool_delta", 1, '"{}"' },
      { "tool_end", 1 }, { "text", '"c"' }, { "stop", "tool_calls" }, { "finish" }))))
  end)

  it("holds back what comes while a call is open", function()
    assert.same({ "tool_use:f={1}", "tool_use:g={2}", "text=xy[u]", "thinking=t!", "tool_use:h=" },
      blocks(encode(stream(
      { "tool_start", 1, { id = "a", name = "f" } }, { "tool_start", 2, { id = "b", name = "g" } },
      { "tool_delta", 2, '"{2"' }, { "tool_delta", 1, '"{1"' }, { "text", '"x"' }, { "text", '"y"' },
      { "citation", { kind = "url", url = '"u"' } }, { "reasoning", '"t"' }, { "state", { kind = "thought",
        data = "s" } },
      { "tool_delta", 1, '"}"' }, { "tool_start", 3, { id = "c", name = "h" } }, { "tool_end", 1 },
      { "tool_delta", 2, '"}"' }, { "tool_end", 2 }, { "tool_end", 3 }, { "stop", "length" }, { "finish" }))))
  end)

  it("opens the next call where those before it ended out of order", function()
    assert.same({ "tool_use:f=a", "tool_use:g=b", "text=z" }, blocks(encode(stream(
      { "tool_start", 1, { id = "a", name = "f" } }, { "tool_start", 2, { id = "b", name = "g" } },
      { "tool_delta", 2, '"b"' }, { "tool_end", 2 }, { "tool_delta", 1, '"a"' }, { "tool_end", 1 }, { "text", '"z"' },
      { "stop", "length" }, { "finish" }))))
  end)

  it("gives half a call as it came", function()
    local events = encode(stream({ "tool_start", 1, { id = "a.b", name = "f" } }, { "tool_delta", 1, '"{\\"a"' },
      { "tool_end", 1 }, { "stop", "length" }, { "finish" }))
    assert.truthy(events[2][2]:find('"content_block":{"type":"tool_use","id":"call_%x+","name":"f","input":{}}'))
    assert.equal('{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\\"a"}}',
      events[3][2])
    assert.truthy(events[5][2]:find('"stop_reason":"max_tokens"', 1, true))
  end)

  it("ends thinking with one signature that gives the state back", function()
    local function signature(list)
      local found
      for _, event in ipairs((encode(list))) do
        found = event[2]:match('"signature_delta","signature":"([^"]+)"') or found
      end
      return opaque.open(found, "signature")
    end
    local state = signature(stream({ "reasoning", '"a"' }, { "state", { kind = "thought", data = "s1" } },
      { "text", '"b"' }, { "stop", "end" }, { "finish" }))
    assert.same({ "thought", "s1", true }, { state.kind, state.data, opaque.is_for(state, UP) })
    -- A state by itself, before a call.
    state = signature(stream({ "text", '"b"' }, { "state", { kind = "thought", data = "s2" } },
      { "tool_start", 1, { id = "a", name = "f" } }, { "tool_end", 1 }, { "stop", "tool_calls" }, { "finish" }))
    assert.equal("s2", state.data)
    -- Thinking that nobody signed says whose it is.
    state = signature(stream({ "reasoning", '"a"' }, { "stop", "end" }, { "finish" }))
    assert.same({ "", "up" }, { state.data, state.origin.provider })
  end)

  it("has a block for what is redacted, and one for each state", function()
    assert.same({ "thinking=a!", "redacted_thinking=", "thinking=!", "thinking=b!", "text=c" },
      blocks(encode(stream({ "reasoning", '"a"' }, { "state", { kind = "redacted", data = "r" } },
        { "state", { kind = "signature", data = "s" } }, { "reasoning", '"b"' },
        { "state", { kind = "signature", data = "t" } }, { "text", '"c"' }, { "stop", "end" }, { "finish" }))))
  end)

  it("begins a new text behind citations", function()
    assert.same({ "text=a[u]", "text=b" }, blocks(encode(stream({ "text", '"a"' }, { "citation", { kind = "url",
      url = '"u"', title = '"T"' } }, { "citation", { kind = "document", quote = '"d"' } }, { "text", '"b"' },
      { "stop", "end" }, { "finish" }))))
  end)

  it("tells refusals as texts and ends with them", function()
    local events = encode(stream({ "refusal", '"no"' }, { "stop", "end" }, { "finish" }))
    assert.same({ "text=no" }, blocks(events))
    assert.truthy(events[#events - 1][2]:find('"stop_reason":"refusal","stop_sequence":null,"stop_details":{"type":'
      .. '"refusal","category":null,"explanation":null}', 1, true))
    events = encode(stream({ "stop", "filter", { explanation = '"why"' } }, { "finish" }))
    assert.truthy(events[2][2]:find('"explanation":"why"', 1, true))
  end)

  it("counts the usage that came last", function()
    local events = encode(stream({ "stop", "end" }, { "usage", { input = 20, output = 8, reasoning = 5 } },
      { "finish" }))
    assert.truthy(events[2][2]:find('"usage":{"input_tokens":20,"output_tokens":8,"output_tokens_details":{'
      .. '"thinking_tokens":5}}', 1, true), events[2][2])
  end)

  it("fails without a clean end", function()
    local events = encode(stream({ "text", '"a"' }, { "fail", errors.new("upstream_failed", { provider = "up",
      text = "broken" }) }), "error")
    assert.same({ "error", '{"type":"error","error":{"type":"api_error","message":"provider up failed: broken."},'
      .. '"request_id":"req_7"}' }, events[#events])
  end)

  it("fails where a call has free text, and says nothing more", function()
    local events = encode(stream({ "text", '"a"' }, { "tool_start", 1, { id = "c", name = "sql", custom = true } },
      { "tool_delta", 1, '"SELECT"' }, { "text", '"b"' }, { "text", '"c"' }, { "reasoning", '"d"' }, { "tool_end", 1 },
      { "stop", "tool_calls" }), "error")
    assert.equal("error", events[#events][1])
    assert.matches("its call of sql has free text as input", events[#events][2], 1, true)
  end)
end)

describe("streams and whole answers of Anthropic's", function()
  local replay = require("cliproxy.replay")

  it("say the same", function()
    local body = '{"id":"msg_1","model":"c","content":[{"type":"thinking","thinking":"t","signature":"c2ln"},{'
      .. '"type":"text",'
      .. '"text":"a","citations":[{"type":"web_search_result_location","url":"u","title":"T","cited_text":"q"}]},'
      .. '{"type":"tool_use","id":"i","name":"f","input":{"a":[]}}],"stop_reason":"tool_use","usage":{"input_tokens":3,'
      .. '"output_tokens":2}}'
    local answer = anthropic.decode_response(json.parse(body), context())
    local out = {}
    replay.play(answer, anthropic.stream_encoder(context(), function(bytes) out[#out + 1] = bytes end))
    local sink, again = replay.collector()
    local feed = anthropic.stream_decoder(context(), sink)
    for kind, data in table.concat(out):gmatch("event: ([%w_]+)\ndata: ([^\n]*)\n\n") do
      feed { type = kind, data = data }
    end
    assert.is_nil(again.failure)
    assert.same({ "t", "a", '{"a":[]}' }, { json.parse(again.parts[1].text), json.parse(again.parts[2].text),
      json.parse(again.parts[3].arguments) })
    assert.equal("c2ln", opaque.open(again.parts[1].state.data, "signature").data)
    assert.same({ { kind = "url", url = '"u"', title = '"T"', quote = '"q"' } }, again.parts[2].citations)
    assert.same({ "tool_calls", 3, 2 }, { again.stop, again.usage.input, again.usage.output })
  end)
end)

-- Every value of every event replaced by other kinds: nothing raises, and the sink hears one end.
describe("hostile streams", function()
  local WHOLE = { START, begin(0, '{"type":"thinking","thinking":"","signature":""}'),
    delta(0, '{"type":"thinking_delta","thinking":"t"}'), delta(0, '{"type":"signature_delta","signature":'
      .. '"c2ln"}'), close(0),
    begin(1, '{"type":"text","text":"","citations":[]}'), delta(1, '{"type":"text_delta","text":"a"}'),
    delta(1, '{"type":"citations_delta","citation":{"type":"web_search_result_location","url":"u","cited_text":"q"}}'),
    close(1), begin(2, '{"type":"tool_use","id":"i","name":"f","input":{}}'),
    delta(2, '{"type":"input_json_delta","partial_json":"{}"}'), close(2),
    ending("tool_use", '{"output_tokens":3,"output_tokens_details":{"thinking_tokens":1}}', ',"stop_details":{'
      .. '"type":"x",'
      .. '"explanation":"e"}'), '{"type":"error","error":{"type":"api_error","message":"m"}}', STOP }

  local function scalars(data)
    local out = {}
    for at, to in data:gmatch('()"[^"]*"()') do
      out[#out + 1] = { at, to - 1 }
    end
    for at, to in data:gmatch(':()%d+()') do
      out[#out + 1] = { at, to - 1 }
    end
    for at, to in data:gmatch(":()%b{}()") do
      out[#out + 1] = { at, to - 1 }
    end
    return out
  end

  it("never raise", function()
    local count = 0
    for i, data in ipairs(WHOLE) do
      for _, place in ipairs(scalars(data)) do
        for _, other in ipairs { "null", "7", '"z"', "[]", "{}", "true", "1e400", "-1" } do
          local list = { unpack(WHOLE) }
          list[i] = data:sub(1, place[1] - 1) .. other .. data:sub(place[2] + 1)
          local out, ends = {}, 0
          local encoder = anthropic.stream_encoder(context(), function(bytes) out[#out + 1] = bytes end)
          local finish, fail, tool_start = encoder.finish, encoder.fail, encoder.tool_start
          encoder.finish = function() ends = ends + 1 finish() end
          encoder.fail = function(failure) ends = ends + 1 fail(failure) end
          encoder.tool_start = function(n, call)
            call.id = call.id or "none"
            return tool_start(n, call)
          end
          local feed = anthropic.stream_decoder(context(), encoder)
          for _, one in ipairs(list) do
            feed { type = "message", data = one }
          end
          feed(nil)
          count = count + 1
          assert.equal(1, ends, list[i])
        end
      end
    end
    assert.truthy(count > 500, count)
  end)
end)
