local literal = require("cliproxy.literal")
local responses = require("cliproxy.dialects.openai_responses")

--- A sink that writes down what it is told, fragments of one kind joined.
local function recorder()
  local log, sink = {}, {}
  local joined = { text = true, refusal = true, reasoning = true }
  for _, name in ipairs { "start", "text", "refusal", "reasoning", "state", "citation", "tool_start", "tool_delta",
    "tool_end", "usage", "stop", "finish", "fail" } do
    sink[name] = function(a, b)
      local last = log[#log]
      if joined[name] and last and last[1] == name then
        last[2] = literal.concat { last[2], a }
      elseif name == "tool_delta" and last and last[1] == name and last[2] == a then
        last[3] = literal.concat { last[3], b }
      else
        log[#log + 1] = { name, a, b }
      end
    end
  end
  return sink, log
end

--- Decodes events given as JSON texts; `false` as the last one: the message does not end.
local function decode(events, names)
  local sink, log = recorder()
  local context = { id = "req_1", conversation = { dialect = "openai_chat", names = names or {} },
    target = { dialect = "openai_responses", provider = "up", model = "gpt", caps = {} }, framing = "sse" }
  local feed = responses.stream_decoder(context, sink)
  for _, data in ipairs(events) do
    if data then
      feed { type = "whatever", data = data }
    end
  end
  if events[#events] ~= false then
    feed(nil)
  end
  return log
end

local CREATED = '{"type":"response.created","response":{"id":"resp_1","model":"gpt","created_at":5,"output":[]}}'

local function completed(more)
  return '{"type":"response.completed","response":{"status":"completed"' .. (more and "," .. more or "") .. "}}"
end

local function added(i, item)
  return '{"type":"response.output_item.added","output_index":' .. i .. ',"item":' .. item .. "}"
end

local function done(i, item)
  return '{"type":"response.output_item.done","output_index":' .. i .. ',"item":' .. item .. "}"
end

local MESSAGE = '{"type":"message","content":[]}'

local function delta(kind, i, text)
  return '{"type":"response.' .. kind .. '.delta","item_id":"any","output_index":' .. i .. ',"delta":' .. text .. "}"
end

--- The log without start, and the end as one word.
local function told(events, names)
  local out = {}
  for _, entry in ipairs(decode(events, names)) do
    if entry[1] == "fail" then
      out[#out + 1] = { "fail", entry[2].code }
    elseif entry[1] ~= "start" and entry[1] ~= "finish" then
      out[#out + 1] = entry
    end
  end
  return out
end

describe("a stream of Responses, decoded:", function()
  it("starts once, tells texts, usage and the end", function()
    assert.same({
      { "start", { id = "resp_1", model = "gpt", created = 5 } }, { "text", '"Hi \\ud83d\\ude00"' },
      { "usage", { input = 3, output = 2 } }, { "stop", "end" }, { "finish" },
    }, decode { CREATED, '{"type":"response.in_progress","response":{"id":"resp_1"}}', added(0, MESSAGE),
      '{"type":"response.content_part.added","output_index":0,"part":{"type":"output_text","text":""}}',
      delta("output_text", 0, '"Hi \\ud83d"'), '{"type":"keepalive"}', delta("output_text", 0, '"\\ude00"'),
      '{"type":"response.output_text.done","output_index":0,"text":"Hi \\ud83d\\ude00"}',
      done(0, '{"type":"message","content":[{"type":"output_text","text":"Hi \\ud83d\\ude00"}]}'),
      completed '"usage":{"input_tokens":3,"output_tokens":2}', "[DONE]" })
  end)

  it("texts that no delta brought come from the events at their end, once", function()
    local item = '{"type":"message","content":[{"type":"output_text","text":"a"},{"type":"output_text","text":"b"}]}'
    assert.same({ { "text", '"ab"' }, { "stop", "end" } }, told { CREATED, added(0, MESSAGE),
      '{"type":"response.output_text.done","output_index":0,"text":"a"}', done(0, item), completed() })
    assert.same({ { "text", '"ab"' }, { "stop", "end" } }, told { CREATED, added(0, MESSAGE),
      delta("output_text", 0, '"a"'), done(0, item), completed() })
    assert.same({ { "text", '"ab"' }, { "stop", "end" } }, told { CREATED, done(0, item), completed() })
    assert.same({ { "text", '"ab"' }, { "stop", "end" } }, told { completed('"output":[' .. item .. "]") })
    assert.same({ { "text", '"ab"' }, { "stop", "end" } }, told { CREATED, delta("output_text", 0, '"ab"'),
      completed('"output":[' .. item .. "]") })
  end)

  it("calls are known by output_index, whatever their ids, and may interleave", function()
    assert.same({
      { "tool_start", 1, { id = "c1", name = "f" } }, { "tool_start", 2, { id = "c2", name = "long.name" } },
      { "tool_delta", 2, '"{"' }, { "tool_delta", 1, '"{}"' }, { "tool_end", 1 }, { "tool_delta", 2, '"}"' },
      { "tool_end", 2 }, { "stop", "tool_calls" },
    }, told({ CREATED, added(0, '{"type":"function_call","id":"x1","call_id":"c1","name":"f","arguments":""}'),
      added(1, '{"type":"function_call","id":"x2","call_id":"c2","name":"short","arguments":""}'),
      delta("function_call_arguments", 1, '"{"'), delta("function_call_arguments", 0, '"{}"'),
      done(0, '{"type":"function_call","id":"y","call_id":"c1","name":"f","arguments":"{}"}'),
      delta("function_call_arguments", 1, '"}"'),
      '{"type":"response.function_call_arguments.done","item_id":"z","output_index":1,"arguments":"{}"}',
      done(1, '{"type":"function_call","id":"w","call_id":"c2","name":"short","arguments":"{}"}'), completed() },
      { short = "long.name" }))
  end)

  it("arguments only in .done, only in the item, or the rest of them", function()
    local start = added(0, '{"type":"function_call","call_id":"c","name":"f","arguments":""}')
    local whole = done(0, '{"type":"function_call","call_id":"c","name":"f","arguments":"{\\"a\\":\\"\\u00e9\\"}"}')
    local expected = { { "tool_start", 1, { id = "c", name = "f" } }, { "tool_delta", 1, '"{\\"a\\":\\"\\u00e9\\"}"' },
      { "tool_end", 1 }, { "stop", "tool_calls" } }
    assert.same(expected, told { CREATED, start,
      '{"type":"response.function_call_arguments.done","output_index":0,"arguments":"{\\"a\\":\\"\\u00e9\\"}"}', whole,
      completed() })
    assert.same(expected, told { CREATED, start, whole, completed() })
    assert.same(expected, told { CREATED, whole, completed() })
    local rest = told { CREATED, start, delta("function_call_arguments", 0, '"{\\"a\\":"'), whole, completed() }
    assert.equal('{"a":"é"}', literal.text(rest[2][3]))
    -- The same in other words is no more of it.
    rest = told { CREATED, start, delta("function_call_arguments", 0, '"{ }"'),
      done(0, '{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}'), completed() }
    assert.equal('"{ }"', rest[2][3])
  end)

  it("calls without arguments and calls that nobody ended", function()
    local start = added(0, '{"type":"function_call","call_id":"c","name":"f","arguments":""}')
    assert.same({ { "tool_start", 1, { id = "c", name = "f" } }, { "tool_end", 1 }, { "stop", "tool_calls" } },
      told { CREATED, start, completed() })
    assert.same({ { "fail", "upstream_malformed" } },
      told { CREATED, done(0, '{"type":"function_call","call_id":"c","arguments":""}'), completed() })
  end)

  it("calls whose id comes late, or not at all", function()
    local start = added(0, '{"type":"function_call","call_id":"","name":"f","arguments":""}')
    local CALLED = { { "tool_start", 1, { name = "f" } }, { "tool_end", 1 }, { "stop", "tool_calls" } }
    assert.same(CALLED,
      told { CREATED, start, done(0, '{"type":"function_call","name":"f","arguments":""}'), completed() })
    CALLED[1][3].id = "c"
    assert.same(CALLED, told { CREATED, start,
      done(0, '{"type":"function_call","call_id":"c","name":"f","arguments":""}'), completed() })
  end)

  it("custom calls, also without output_index", function()
    assert.same({
      { "tool_start", 1, { id = "c", name = "sql", custom = true } }, { "tool_delta", 1, '"SELECT 1"' },
        { "tool_end", 1 },
      { "tool_start", 2, { id = "d", name = "sql", custom = true } }, { "tool_delta", 2, '"x"' }, { "tool_end", 2 },
      { "stop", "tool_calls" },
    }, told { CREATED,
      '{"type":"response.output_item.added","item":{"type":"custom_tool_call","call_id":"c","name":"sql","input":""}}',
      '{"type":"response.custom_tool_call_input.delta","delta":"SELECT "}',
      '{"type":"response.custom_tool_call_input.delta","delta":"1"}',
      '{"type":"response.output_item.done","item":{"type":"custom_tool_call","call_id":"c","name":"sql","input":'
        .. '"SELECT 1"}}',
      '{"type":"response.output_item.done","item":{"type":"custom_tool_call","call_id":"d","name":"sql","input":"x"}}',
      completed() })
  end)

  it("summaries with a blank line between their parts; the state is that of the finished item", function()
    local function summary(kind, i, text)
      return ('{"type":"response.reasoning_summary_text.%s","output_index":0,"summary_index":%d,'
        .. '"%s":%s}'):format(kind, i,
        kind == "delta" and "delta" or "text", text)
    end
    assert.same({ { "reasoning", '"ab\\n\\nc"' }, { "state", { kind = "encrypted", data = "final", id = "rs_1" } },
      { "text", '"x"' }, { "stop", "end" } }, told { CREATED,
      added(0, '{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"early"}'), summary("delta", 0, '"a"'),
      summary("delta", 0, '"b"'), summary("done", 0, '"ab"'), summary("done", 1, '"c"'),
      done(0, '{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"ab"},{"type":"summary_text",'
        .. '"text":"c"}],"encrypted_content":"final"}'), delta("output_text", 1, '"x"'), completed '"output":[]' })
  end)

  it("thoughts of open-weight models; of thoughts and a summary the first counts; an item alone", function()
    local item = '{"type":"reasoning","id":"tmp","summary":[],"content":[{"type":"reasoning_text","text":"th"}]}'
    assert.same({ { "reasoning", '"th"' }, { "stop", "end" } }, told { CREATED, added(0, '{"type":"reasoning"}'),
      delta("reasoning_text", 0, '"t"'), delta("reasoning_text", 0, '"h"'),
      '{"type":"response.reasoning_text.done","output_index":0,"text":"th"}', delta("reasoning_summary_text", 0, '"s"'),
      done(0, item), completed() })
    assert.same({ { "reasoning", '"th"' }, { "stop", "end" } }, told { CREATED, done(0, item), completed() })
  end)

  it("reasoning that ends behind the message that it led to is told once", function()
    assert.same({ { "reasoning", '"th"' }, { "text", '"x"' }, { "stop", "end" } }, told { CREATED,
      added(0, '{"type":'
        .. '"reasoning"}'), delta("reasoning_text", 0, '"th"'), added(1, MESSAGE), delta("output_text", 1, '"x"'),
      done(1, '{"type":"message","content":[{"type":"output_text","text":"x"}]}'),
      '{"type":"response.reasoning_text.done","output_index":0,"text":"th"}',
      done(0, '{"type":"reasoning","content":[{"type":"reasoning_text","text":"th"}]}'), completed() })
  end)

  it("refusals", function()
    local item = '{"type":"message","content":[{"type":"refusal","refusal":"no way"}]}'
    assert.same({ { "refusal", '"no way"' }, { "stop", "refusal" } }, told { CREATED, added(0, MESSAGE),
      delta("refusal", 0, '"no"'), delta("refusal", 0, '" way"'),
      '{"type":"response.refusal.done","output_index":0,"refusal":"no way"}', done(0, item), completed() })
    assert.same({ { "refusal", '"no way"' }, { "stop", "refusal" } }, told { CREATED, done(0, item), completed() })
  end)

  it("sources come once, as events or with the item", function()
    local annotation = '{"type":"url_citation","url":"u","title":"t","start_index":0,"end_index":1}'
    local item = '{"type":"message","content":[{"type":"output_text","text":"a","annotations":[' .. annotation .. "]}]}"
    local expected = { { "text", '"a"' }, { "citation", { kind = "url", url = '"u"', title = '"t"', from = 0,
      to = 1 } },
      { "stop", "end" } }
    assert.same(expected, told { CREATED, added(0, MESSAGE), delta("output_text", 0, '"a"'),
      '{"type":"response.output_text.annotation.added","output_index":0,'
        .. '"annotation":' .. annotation .. "}", done(0, item),
      completed() })
    assert.same(expected, told { CREATED, added(0, MESSAGE), delta("output_text", 0, '"a"'), done(0, item),
      completed() })
  end)

  it("ends that are incomplete", function()
    local function ended(reason)
      return told { CREATED, '{"type":"response.incomplete","response":{"incomplete_details":' .. reason .. ','
        .. '"output":[]}}' }
    end
    assert.same({ { "stop", "length" } }, ended '{"reason":"max_output_tokens"}')
    assert.same({ { "stop", "filter" } }, ended '{"reason":"content_filter"}')
    assert.same({ { "fail", "upstream_untranslatable" } }, ended '{"reason":"new"}')
    assert.same({ { "fail", "upstream_untranslatable" } }, ended "null")
  end)

  it("failures: nested, flat, bare, without an error event; one of them", function()
    local failed = '{"type":"response.failed","response":{"error":{"code":"insufficient_quota","message":"pay"}}}'
    for _, events in ipairs {
      { '{"type":"error","error":{"type":"insufficient_quota","code":"insufficient_quota","message":"pay"}}', failed },
      { '{"type":"error","code":"insufficient_quota","message":"pay","param":null}' }, { failed },
      { '{"error":{"code":"insufficient_quota","message":"pay"}}' },
    } do
      local log = decode { CREATED, unpack(events) }
      assert.equal(2, #log)
      assert.equal("fail", log[2][1])
      assert.same({ "upstream_limited", 429, "insufficient_quota" }, { log[2][2].code, log[2][2].status,
        log[2][2].hint })
      assert.matches("pay", log[2][2].text)
    end
    local first = decode { '{"type":"error","error":{"type":"server_error","message":"x"}}' }
    assert.same({ 1, "fail", 500 }, { #first, first[1][1], first[1][2].status })
  end)

  it("a message that ends without a terminal event, or holds what is no event", function()
    assert.same({ { "text", '"a"' }, { "fail", "upstream_unfinished" } },
      told { CREATED, added(0, MESSAGE), delta("output_text", 0, '"a"'), "[DONE]" })
    assert.same({ { "text", '"a"' } }, told { CREATED, delta("output_text", 0, '"a"'), false })
    for _, data in ipairs { "{", "[]", "3", "null", "<html>" } do
      assert.same({ { "fail", "upstream_malformed" } }, told { CREATED, data })
    end
    assert.same({ { "fail", "upstream_malformed" } }, told { CREATED, '{"type":"response.completed"}' })
    assert.same({ { "stop", "end" } }, told { CREATED, "", '{"type":"response.new_event"}', "{}", completed() })
  end)

  it("items of the service: searches before a message, others by name", function()
    local search = added(0, '{"type":"web_search_call","id":"ws"}')
    assert.same({ { "text", '"a"' }, { "stop", "end" } }, told { CREATED, search,
      '{"type":"response.web_search_call.searching","output_index":0}', done(0, '{"type":"web_search_call"}'),
      added(1, MESSAGE), delta("output_text", 1, '"a"'), completed() })
    assert.same({ { "fail", "upstream_untranslatable" } }, told { CREATED, search, completed() })
    for _, kind in ipairs { "code_interpreter_call", "tool_search_call", "some_future_type" } do
      local log = decode { CREATED, added(0, '{"type":"' .. kind .. '"}') }
      assert.equal("upstream_untranslatable", log[2][2].code)
      assert.matches(kind, log[2][2].text, 1, true)
    end
  end)

  it("members of wrong kinds never raise", function()
    local values = { "null", "3", '"x"', "[]", "{}", "[1]" }
    for _, kind in ipairs { "response.created", "response.output_item.added", "response.output_item.done",
      "response.output_text.delta", "response.output_text.done", "response.refusal.delta", "response.refusal.done",
      "response.output_text.annotation.added", "response.reasoning_summary_text.delta", "response.reasoning_text.done",
      "response.function_call_arguments.delta", "response.function_call_arguments.done", "response.incomplete",
      "response.failed", "error" } do
      for _, value in ipairs(values) do
        decode { ('{"type":"%s","item":%s,"delta":%s,"text":%s,"response":%s,"error":%s,"annotation":%s,'
          .. '"output_index":%s}')
          :format(kind, value, value, value, value, value, value, value) }
        decode { ('{"type":"%s","output_index":0,"item":{"type":"message","content":%s,"summary":%s}'
          .. '}'):format(kind, value,
          value) }
      end
    end
  end)
end)
