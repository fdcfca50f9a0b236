--- Translations of what no well-behaved client or server sends: streams out of order, ids given twice, parts without
--- contents, very long lists, keys in messages of errors.
local automata = require("cliproxy.automata")
local conversation = require("cliproxy.conversation")
local dialects = require("cliproxy.dialects")
local foreign_state = require("cliproxy.foreign_state")
local json = require("cliproxy.json")
local opaque = require("cliproxy.opaque")
local reasoning_cache = require("cliproxy.reasoning_cache")
local tool_names = require("cliproxy.tool_names")
local translate_answer = require("cliproxy.translate_answer")

local KEY = "sk-secret-of-the-proxy"

local ASKED = {
  openai_chat = '{"model":"m","stream_options":{"include_usage":true},"messages":[{"role":"user","content":"Go on."}]}',
  openai_responses = '{"model":"m","input":"Go on."}',
  anthropic = '{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"Go on."}]}',
  gemini = '{"contents":[{"parts":[{"text":"Go on."}]}]}',
}

local function decoded(client, body)
  local document = json.parse(body)
  local c, message = dialects.of(client).decode_request(document, { model = "m", stream = true })
  json.close(document)
  return assert(c, message)
end

local function target(upstream)
  return { dialect = upstream, provider = "up", model = "m", caps = {} }
end

local function work_of(client, upstream)
  local c = decoded(client, ASKED[client])
  return {
    id = "req_1", dialect = client, framing = "sse", operation = "generate", account = { api_key = KEY },
    target = { instance = { name = "up" }, model = "m" },
    translation = { client = dialects.of(client), upstream = dialects.of(upstream), conversation = c, context = {
      id = "req_1", conversation = c, framing = "sse", target = target(upstream), remember = function() end,
      estimate = function() return 1 end,
    } },
  }
end

-- The bytes of the client's stream, how it failed, and how its automaton saw it end.
local function streamed(client, upstream, events)
  local stream = translate_answer.stream(work_of(client, upstream))
  for _, data in ipairs(events) do
    stream.feed { type = "", data = data }
  end
  stream.feed(nil)
  local bytes, checker = stream.take(), automata.stream(client, { wants_usage = "if_known" })
  checker:feed(bytes)
  assert.same({}, checker:finish())
  return bytes, stream.failure, checker:ended()
end

local function encoded(client, upstream, body)
  local c = decoded(client, body)
  return dialects.of(upstream).encode_request(c, target(upstream)), c
end

local OTHERS = {}
for _, name in ipairs(dialects.names) do
  OTHERS[name] = {}
  for _, other in ipairs(dialects.names) do
    if other ~= name then
      table.insert(OTHERS[name], other)
    end
  end
end

describe("streams out of order", function()
  local DELTA = '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}'
  local STOP = '{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}}'
  local END = '{"type":"message_stop"}'

  it("of Anthropic may begin with content", function()
    for _, client in ipairs(OTHERS.anthropic) do
      local bytes, failure, how = streamed(client, "anthropic", { DELTA, STOP, END })
      assert.is_nil(failure)
      assert.equal("clean", how)
      assert.truthy(bytes:find('"Hello"', 1, true), client)
    end
  end)

  it("of Anthropic fail where content follows the end of it", function()
    local start = '{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}'
    for _, event in ipairs { DELTA, start } do
      for _, client in ipairs(OTHERS.anthropic) do
        local _, failure, how = streamed(client, "anthropic",
          { '{"type":"message_start","message":{}}', STOP, event, END })
        assert.equal("upstream_malformed", failure and failure.code)
        assert.equal("error", how)
      end
    end
  end)

  it("of Responses fail where arguments follow the end of their call", function()
    local item = '"output_index":0,"item":{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}}'
    for _, client in ipairs(OTHERS.openai_responses) do
      local _, failure, how = streamed(client, "openai_responses", {
        '{"type":"response.created","response":{}}', '{"type":"response.output_item.added",' .. item,
        '{"type":"response.output_item.done",' .. item,
        '{"type":"response.function_call_arguments.delta","output_index":0,"delta":"{}"}',
        '{"type":"response.completed","response":{}}',
      })
      assert.equal("upstream_malformed", failure and failure.code)
      assert.equal("error", how)
    end
  end)
end)

describe("calls of an answer whose ids are equal or missing", function()
  -- Three calls of f: two are "a", one has none.
  local function each(text, separator)
    local out = {}
    for i, id in ipairs { "a", "a", "" } do
      out[i] = (text:gsub("ID", id):gsub("AT", tostring(i - 1)))
    end
    return separator and table.concat(out, separator) or out
  end
  local function around(first, list, last)
    local out = { first }
    for _, event in ipairs(list) do
      out[#out + 1] = event
    end
    for _, event in ipairs(last) do
      out[#out + 1] = event
    end
    return out
  end

  local CALLS = {
    openai_chat = each('{"index":AT,"id":"ID","type":"function","function":{"name":"f","arguments":"{}"}}', ","),
    openai_responses = each('{"type":"function_call","id":"","call_id":"ID","name":"f","arguments":"{}"}', ","),
    anthropic = each('{"type":"tool_use","id":"ID","name":"f","input":{}}', ","),
    gemini = each('{"functionCall":{"id":"ID","name":"f","args":{}}}', ","),
  }
  local WHOLE = {
    openai_chat = '{"choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":['
      .. CALLS.openai_chat .. ']},"finish_reason":"tool_calls"}]}',
    openai_responses = '{"status":"completed","output":[' .. CALLS.openai_responses .. "]}",
    anthropic = '{"type":"message","role":"assistant","content":[' .. CALLS.anthropic .. '],"stop_reason":"tool_use"}',
    gemini = '{"candidates":[{"content":{"parts":[' .. CALLS.gemini .. ']},"finishReason":"STOP"}]}',
  }
  local EVENTS = {
    openai_chat = around('{"choices":[{"index":0,"delta":{"role":"assistant","content":null}}]}',
      each('{"choices":[{"index":0,"delta":{"tool_calls":[{"index":AT,"id":"ID","function":{"name":"f","arguments":'
        .. '"{}"}}]}}]}'),
      { '{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}', "[DONE]" }),
    openai_responses = around('{"type":"response.created","response":{}}', each('{"type":"response.output_item.done",'
      .. '"output_index":AT,"item":{"type":"function_call","call_id":"ID","name":"f","arguments":"{}"}}'),
      { '{"type":"response.completed","response":{}}' }),
    anthropic = around('{"type":"message_start","message":{}}', each('{"type":"content_block_start","index":AT,'
      .. '"content_block":{"type":"tool_use","id":"ID","name":"f","input":{}}}'),
      { '{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":1}}',
        '{"type":"message_stop"}' }),
    gemini = { WHOLE.gemini },
  }

  local function ids(bytes)
    local out, seen = {}, {}
    for id in assert(bytes):gmatch('id":"([^"]*)"') do
      if not seen[id] and (id:find("^a") or id:find("^call")) then
        seen[id], out[#out + 1] = true, id
      end
    end
    return out
  end

  local EXPECTED = { "a", "a_2", "call_1_3" }

  for _, upstream in ipairs(dialects.names) do
    it("get others from a stream of " .. upstream, function()
      for _, client in ipairs(OTHERS[upstream]) do
        local bytes, failure = streamed(client, upstream, EVENTS[upstream])
        assert.is_nil(failure)
        assert.same(EXPECTED, ids(bytes), client)
        assert.same(EXPECTED, ids((streamed(client, upstream, EVENTS[upstream]))), client)
      end
    end)

    it("get the same ones from a whole answer of " .. upstream .. ", and where one takes the other's place", function()
      for _, client in ipairs(OTHERS[upstream]) do
        local document = json.parse(WHOLE[upstream])
        assert.same(EXPECTED, ids((translate_answer.whole(work_of(client, upstream), document))), client)
        local played = translate_answer.stream(work_of(client, upstream))
        played.play(document)
        assert.same(EXPECTED, ids(played.take()), client)
        json.close(document)
        local collected = translate_answer.collector(work_of(client, upstream))
        for _, data in ipairs(EVENTS[upstream]) do
          collected.feed { type = "", data = data }
        end
        collected.feed(nil)
        assert.is_true(collected.finished)
        assert.same(EXPECTED, ids((collected.body())), client)
      end
    end)
  end

  it("get none that a call after them has", function()
    local taken, out = {}, {}
    for i, id in ipairs { "a", "a", "a_2", "a", "a_2" } do
      out[i] = tool_names.unique_id(taken, id, "req_1", i)
    end
    assert.same({ "a", "a_2", "a_2_2", "a_3", "a_2_3" }, out)
  end)
end)

describe("histories", function()
  local function calls(...)
    local out = {}
    for i, id in ipairs { ... } do
      out[i] = ('{"id":"%s","type":"function","function":{"name":"f%d","arguments":"{}"}}'):format(id, i)
    end
    return '{"role":"user","content":"x"},{"role":"assistant","content":null,"tool_calls":['
      .. table.concat(out, ",") .. "]}"
  end
  local function result(id, text)
    return (',{"role":"tool","tool_call_id":"%s","content":"%s"}'):format(id, text)
  end

  local function joined(messages)
    local c = decoded("openai_chat", '{"messages":[' .. messages .. "]}")
    return conversation.joined(c), c
  end

  it("with an id given twice give each call its own result, once", function()
    local turns, c = joined(calls("a", "a") .. result("a", "first") .. result("a", "second"))
    assert.is_nil(c.ledger.refused)
    assert.equal(3, #turns)
    local texts = {}
    for i, part in ipairs(turns[3].parts) do
      texts[i] = part.name .. part.content[1].text
    end
    assert.same({ 'f1"first"', 'f2"second"' }, texts)
  end)

  it("with an id given twice and one result do not double it", function()
    local turns = joined(calls("a", "a") .. result("a", "first"))
    assert.equal(1, #turns[3].parts)
  end)

  it("with two results for one call are refused", function()
    local _, c = joined(calls("a") .. result("a", "first") .. result("a", "second"))
    assert.equal("messages[3]", c.ledger.refused.path)
  end)

  it("may have many thousand parts in a turn", function()
    local many = ('{"type":"text","text":"a"},'):rep(9000)
    local body = '{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":['
      .. many .. '{"type":"tool_use","id":"a","name":"f","input":{}}]},{"role":"assistant","content":"y"},'
      .. '{"role":"user","content":[' .. many .. '{"type":"tool_result","tool_use_id":"a","content":"r"}]}]}'
    for _, upstream in ipairs(OTHERS.anthropic) do
      local out, c = encoded("anthropic", upstream, body)
      assert.is_nil(c.ledger.refused)
      local _, count = out:gsub('"a"', "")
      assert.is_true(upstream == "openai_chat" or count >= 18000, upstream .. count)
    end
    local _, c = encoded("openai_chat", "anthropic", '{"model":"m","messages":[{"role":"user","content":"x"},'
      .. '{"role":"assistant","content":[' .. many:sub(1, -2) .. "]}]}")
    assert.is_nil(c.ledger.refused)
  end)
end)

describe("parts without contents", function()
  it("are refused, not sent", function()
    for _, kind in ipairs { "image", "document" } do
      for _, upstream in ipairs(OTHERS.anthropic) do
        local _, c = encoded("anthropic", upstream, '{"model":"m","max_tokens":9,"messages":[{"role":"user","content":['
          .. '{"type":"' .. kind .. '","source":{"type":"none","data":"AAAA","media_type":"image/png"}}]}]}')
        assert.equal("messages[0].content[0]", (c.ledger.refused or { path = "" }).path:sub(1, 22), upstream)
      end
    end
  end)
end)

describe("citations one after the other", function()
  it("stand where the text was by then", function()
    local function text(words)
      return ('{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"%s"}}'):format(words)
    end
    local events = { '{"type":"message_start","message":{}}' }
    for i = 0, 2 do
      local at = ('"index":%d'):format(i)
      events[#events + 1] = '{"type":"content_block_start",' .. at .. ',"content_block":{"type":"text","text":""}}'
      events[#events + 1] = text("né\\n"):gsub('"index":0', at)
      events[#events + 1] = text("x"):gsub('"index":0', at)
      events[#events + 1] = '{"type":"content_block_delta",' .. at .. ',"delta":{"type":"citations_delta","citation":'
        .. '{"type":"web_search_result_location","url":"https://x.org/","title":"t","cited_text":"c"}}}'
      events[#events + 1] = '{"type":"content_block_stop",' .. at .. "}"
    end
    events[#events + 1] = '{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}}'
    events[#events + 1] = '{"type":"message_stop"}'
    local bytes = streamed("openai_responses", "anthropic", events)
    local places = {}
    for place in bytes:gmatch('annotation.added.-"end_index":(%d+)') do
      places[#places + 1] = tonumber(place)
    end
    assert.same({ 4, 8, 12 }, places)
  end)
end)

describe("arguments in pieces", function()
  local function call(path)
    return { '{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","willContinue":true}}]}}]}',
      '{"candidates":[{"content":{"parts":[{"functionCall":{"partialArgs":[{"jsonPath":"' .. path
        .. '","stringValue":"x"}],"willContinue":true}}]}}]}',
      '{"candidates":[{"content":{"parts":[{"functionCall":{}}]},"finishReason":"STOP"}]}' }
  end

  it("neither nest nor grow as a path likes", function()
    for _, path in ipairs { "$" .. (".a"):rep(30000), "$.a[99999]", "$.a[1e9]", "$.a[99999999999999999999]" } do
      local _, failure = streamed("openai_chat", "gemini", call(path))
      assert.equal("upstream_malformed", failure and failure.code, path:sub(1, 30))
    end
  end)

  it("may leave out some elements", function()
    local bytes, failure = streamed("openai_chat", "gemini", call("$.a[2].b"))
    assert.is_nil(failure)
    assert.truthy(bytes:find([[{\"a\":[null,null,{\"b\":\"x\"}]}]], 1, true))
  end)
end)

describe("streams without an end", function()
  local max = translate_answer.HELD_MAX

  before_each(function()
    translate_answer.HELD_MAX = 1000
  end)

  after_each(function()
    translate_answer.HELD_MAX = max
  end)

  local TEXT = '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}'
  local INPUT = '{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"[[[[["}}'
  local CALL = '{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"a","name":"f"}}'

  local function endless(first, again)
    local events = { first }
    for _ = 1, 1000 do
      events[#events + 1] = again
    end
    return events
  end

  it("fail", function()
    for _, events in ipairs { endless(TEXT, TEXT), endless(CALL, INPUT) } do
      for _, client in ipairs(OTHERS.anthropic) do
        local _, failure, how = streamed(client, "anthropic", events)
        assert.equal("upstream_event_too_big", failure.code)
        assert.equal("error", how)
      end
    end
  end)

  it("fail where the whole is asked for", function()
    local events = endless(TEXT, TEXT)
    local i = 0
    local collected = translate_answer.collector(work_of("gemini", "anthropic"))
    repeat
      i = i + 1
      collected.feed { type = "", data = events[i] }
    until collected.failure or collected.finished or i == 200
    assert.is_false(collected.finished)
    assert.equal("upstream_event_too_big", collected.failure.code)
    assert.is_true(i < 200)
  end)

  it("fail where a lane takes their events", function()
    local stream = translate_answer.stream(work_of("openai_chat", "anthropic"))
    stream.feed { type = "", data = TEXT }
    stream.feed { type = "", data = TEXT }
    stream.absorb(1, ("x"):rep(1001))
    stream.feed { type = "", data = TEXT }
    assert.equal("upstream_event_too_big", stream.failure.code)
  end)
end)

describe("failures of a provider", function()
  it("that are about cliproxy's key are not about the client's", function()
    for _, kind in ipairs { "authentication_error", "permission_error" } do
      local _, failure = streamed("openai_chat", "anthropic",
        { '{"type":"error","error":{"type":"' .. kind .. '","message":"no"}}' })
      assert.equal(502, failure.status)
    end
  end)

  it("do not tell the key", function()
    local words = '{"error":{"code":400,"message":"x-api-key: ' .. KEY .. ' is wrong, ' .. KEY .. '"}}'
    local failed = translate_answer.failed(work_of("anthropic", "openai_chat"),
      { status = 400, held = words, header = function() end }, "")
    local _, broken = streamed("anthropic", "openai_chat", { words })
    local _, whole = translate_answer.whole(work_of("anthropic", "openai_chat"), json.parse(words))
    for _, failure in ipairs { failed, broken, whole } do
      assert.falsy(failure.text:find(KEY, 1, true))
      assert.truthy(failure.text:find("x-api-key: *** is wrong, ***", 1, true))
    end
  end)

  it("do not repeat what is too long for a message", function()
    local _, failure = streamed("anthropic", "openai_chat", {
      '{"choices":[{"index":0,"delta":{},"finish_reason":"\\n' .. ("x"):rep(100000) .. '"}]}', "[DONE]" })
    assert.equal("upstream_untranslatable", failure.code)
    assert.is_true(#failure.text < 1000)
    assert.falsy(failure.text:find("\n", 1, true))
  end)

  local UNPAID = '{"type":"error","error":{"type":"billing_error","message":"Your credit balance is too low"}}'

  local function error_of(client, failure)
    local body = dialects.of(client).envelope(failure, "req_1")
    assert.same({}, automata.error(client, body))
    local document = json.parse(body)
    return json.detach(document.error)
  end

  it("that are about money have the status and the words that each client knows", function()
    local said = "provider up wants to be paid: Your credit balance is too low."
    for client, words in pairs {
      openai_chat = { 429, "insufficient_quota", "insufficient_quota" },
      openai_responses = { 429, "insufficient_quota", "insufficient_quota" },
      gemini = { 429, nil, 429, "RESOURCE_EXHAUSTED" },
    } do
      local head = translate_answer.failed(work_of(client, "anthropic"),
        { status = 402, held = UNPAID, header = function() end }, "")
      local bytes, broken, how = streamed(client, "anthropic", { '{"type":"message_start","message":{}}',
        '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}', UNPAID })
      assert.equal("error", how)
      assert.truthy(bytes:find('"' .. (words[4] or words[3]) .. '"', 1, true), client)
      for _, failure in ipairs { head, broken } do
        local told = error_of(client, failure)
        assert.same({ words[1], said }, { failure.status, told.message })
        assert.same({ words[2], words[3], words[4] }, { told.type, told.code, told.status })
        assert.equal("false", failure.headers["x-should-retry"])
      end
    end
    for _, upstream in ipairs { "openai_chat", "openai_responses" } do
      local words = '{"error":{"message":"Your credit balance is too low","code":402}}'
      local head = translate_answer.failed(work_of("anthropic", upstream),
        { status = 402, held = words, header = function() end }, "")
      local _, broken = streamed("anthropic", upstream, { words })
      for _, failure in ipairs { head, broken } do
        assert.same({ 402, "billing_error", said },
          { failure.status, error_of("anthropic", failure).type, failure.text })
      end
    end
  end)

  it("that are about a quota stay limits", function()
    local words = '{"error":{"message":"You exceeded your quota","type":"insufficient_quota",'
      .. '"code":"insufficient_quota"}}'
    for client, expected in pairs { anthropic = "rate_limit_error", openai_responses = "insufficient_quota" } do
      local head = translate_answer.failed(work_of(client, "openai_chat"),
        { status = 429, held = words, header = function() end }, "")
      local _, broken = streamed(client, "openai_chat", { words })
      for _, failure in ipairs { head, broken } do
        local told = error_of(client, failure)
        assert.same({ 429, expected }, { failure.status, told.type })
        assert.equal(client == "openai_responses" and expected or nil, told.code)
      end
    end
  end)

  it("have a time to wait that is a number", function()
    local failure = translate_answer.failed(work_of("openai_chat", "gemini"), { status = 429, header = function() end,
      held = '{"error":{"code":429,"message":"slow","details":[{"retryDelay":"99999999999999999999s"}]}}' }, "")
    assert.equal("86400", failure.headers["retry-after"])
  end)
end)

describe("state of another provider, in a request that passes", function()
  local sealed = opaque.seal({ kind = "signature", data = "S" }, { dialect = "anthropic", provider = "p", model = "m" })

  local function passed(dialect, text)
    local document = json.parse((text:gsub("SEALED", sealed)))
    foreign_state.remove(dialect, document)
    return json.encode(document)
  end

  it("leaves no message without content", function()
    assert.equal('{"messages":[{"role":"user","content":"a"},{"role":"user","content":[]}]}', passed("anthropic",
      '{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"thinking","thinking":"t",'
      .. '"signature":"SEALED"},{"type":"redacted_thinking","data":"SEALED"}]},{"role":"user","content":[]}]}'))
  end)

  it("leaves no part without contents", function()
    assert.equal('{"contents":[{"role":"user","parts":[{"text":""}]},{"role":"model","parts":[{"text":"t"}]}]}',
      passed("gemini", '{"contents":[{"role":"user","parts":[{"text":""}]},{"role":"model","parts":[{"text":"t",'
      .. '"thoughtSignature":"SEALED"},{"text":"","thoughtSignature":"SEALED"}]},'
      .. '{"role":"model","parts":[{"thoughtSignature":"SEALED"}]}]}'))
  end)
end)

describe("kept reasoning", function()
  it("is of the client's key that it was kept for", function()
    local call = { id = "call_1", name = "f", arguments = '"{}"' }
    reasoning_cache.put("ann", call, { { kind = "reasoning", text = '"ann\'s"' } })
    reasoning_cache.put("", call, { { kind = "reasoning", text = '"anybody\'s"' } })
    local function thoughts(owner)
      local document = json.parse('{"messages":[{"role":"assistant","tool_calls":[{"id":"call_1","type":"function",'
        .. '"function":{"name":"f","arguments":"{}"}}]}]}')
      local c = dialects.of("openai_chat").decode_request(document, { model = "m", stream = false, owner = owner })
      json.close(document)
      return c.turns[1].parts[1].text
    end
    assert.equal('"ann\'s"', thoughts("ann"))
    assert.equal('"anybody\'s"', thoughts(nil))
    assert.is_nil(thoughts("bob"))
    assert.is_nil(reasoning_cache.get("an", { id = "ncall_1", name = "f", arguments = '"{}"' }))
  end)

  local function put(id, name, arguments, text)
    reasoning_cache.put("", { id = id, name = name, arguments = arguments }, { { kind = "reasoning", text = text } })
  end
  local function get(id, name, arguments)
    local parts = reasoning_cache.get("", { id = id, name = name, arguments = arguments })
    return parts and parts[1].text
  end

  it("is of the call with its name and arguments, though ids are given again", function()
    put("call_0", "f", [["{\"a\":1}"]], '"one"')
    put("call_0", "f", [["{\"a\":2}"]], '"two"')
    put("call_0", "g", [["{\"a\":1}"]], '"three"')
    assert.equal('"one"', get("call_0", "f", [["{\"a\":1}"]]))
    assert.equal('"two"', get("call_0", "f", [["{\"a\":2}"]]))
    assert.equal('"three"', get("call_0", "g", [["{\"a\":1}"]]))
    assert.is_nil(get("call_0", "h", [["{\"a\":1}"]]))
    assert.is_nil(get("call_0", "f", [["{\"a\":[1]}"]]))
    assert.is_nil(get("call_00", "f", [["{\"a\":1}"]]))
  end)

  it("is found by arguments that the client wrote anew", function()
    put("call_w", "f", [["{\"b\":[1.0,{}],\"a\":\"\\u00e9/\"}"]], '"w"')
    assert.equal('"w"', get("call_w", "f", [["{ \"a\" : \"é\\/\",\n \"b\": [ 1, {} ] }"]]))
    assert.is_nil(get("call_w", "f", [=["{\"b\":[1.0,[]],\"a\":\"\\u00e9/\"}"]=]))
    put("call_e", "f", '"{}"', '"e"')
    assert.equal('"e"', get("call_e", "f", '""'))
  end)

  it("is found by arguments that are no JSON, or hold numbers of any size, as they were", function()
    for i, arguments in ipairs { '"x = 1"', [["{\"a\":"]], '"12345678901234567890"',
      [["{\"a\":12345678901234567890}"]], '"null"' } do
      put("call_n" .. i, "f", arguments, '"n"')
      assert.equal('"n"', get("call_n" .. i, "f", arguments))
      assert.is_nil(get("call_n" .. i, "f", arguments:gsub('"$', '1"')))
    end
  end)

  it("comes back with the call that a stream or a whole answer made", function()
    local function asked(id, arguments)
      local c = decoded("openai_chat", '{"messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"' .. id
        .. '","type":"function","function":{"name":"f","arguments":"' .. arguments .. '"}}]}]}')
      return c.turns[1].parts[1].text
    end
    local function work()
      local one = work_of("openai_chat", "anthropic")
      one.translation.context.remember = function(call, parts)
        reasoning_cache.put("", call, parts)
      end
      return one
    end
    local stream = translate_answer.stream(work())
    for _, data in ipairs { '{"type":"message_start","message":{}}',
      '{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":""}}',
      '{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"streamed"}}',
      '{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"S"}}',
      '{"type":"content_block_stop","index":0}',
      '{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"s","name":"f","input":{}}}',
      [[{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}]],
      '{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"1}"}}',
      '{"type":"content_block_stop","index":1}',
      '{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}',
      '{"type":"content_block_stop","index":2}',
      '{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":1}}',
      '{"type":"message_stop"}' } do
      stream.feed { type = "", data = data }
    end
    assert.is_true(stream.finished)
    local document = json.parse('{"type":"message","role":"assistant","stop_reason":"tool_use","content":[{"type":'
      .. '"thinking","thinking":"whole","signature":"S"},{"type":"tool_use","id":"w","name":"f","input":{"a": 1}}]}')
    assert(translate_answer.whole(work(), document))
    json.close(document)
    for id, thought in pairs { s = '"streamed"', w = '"whole"' } do
      assert.equal(thought, asked(id, [[{\"a\": 1}]]))
      assert.is_nil(asked(id, [[{\"a\": 2}]]))
    end
  end)
end)
