local automata = require("cliproxy.automata")
local errors = require("cliproxy.errors")
local json = require("cliproxy.json")
local opaque = require("cliproxy.opaque")
local responses = require("cliproxy.dialects.openai_responses")

local function asked(members)
  local document = assert(json.parse('{"model":"fast","input":"x"' .. (members and "," .. members or "") .. "}"))
  local c = assert(responses.decode_request(document, { model = "fast", stream = true }))
  json.close(document)
  return { id = "req_7a", conversation = c, target = { dialect = "anthropic", provider = "a", model = "claude" },
    framing = "sse" }
end

--- Runs a sink; the bytes, which the automaton must accept as ended in this way, and each write.
local function encode(fn, members, how)
  local writes = {}
  local sink = responses.stream_encoder(asked(members), function(bytes)
    writes[#writes + 1] = bytes
  end)
  fn(sink)
  local bytes = table.concat(writes)
  local checker = automata.stream("openai_responses")
  checker:feed(bytes)
  assert.same({}, checker:finish())
  assert.equal(how or "clean", checker:ended())
  return bytes, writes
end

--- The types of events in their order, runs of one as one.
local function types(bytes)
  local out = {}
  for kind in bytes:gmatch("event: ([%w._]+)\n") do
    kind = kind:gsub("^response%.", "")
    if out[#out] ~= kind then
      out[#out + 1] = kind
    end
  end
  return out
end

--- The document of the last event.
local function last(bytes)
  local data = bytes:match("^.*\ndata: (.-)\n\n$")
  return assert(json.parse(data))
end

local function begin(sink)
  sink.start { id = "msg_up", model = "claude-x", created = 5 }
end

local function finish(sink, stop, usage)
  if usage then
    sink.usage(usage)
  end
  sink.stop(stop or "end")
  sink.finish()
end

describe("a stream for a client of Responses:", function()
  it("a text in all its events", function()
    local bytes, writes = encode(function(sink)
      begin(sink)
      sink.text('"Hel\\ud83d"')
      sink.text('""')
      sink.text('"\\ude00"')
      finish(sink, "end", { input = 3, output = 2 })
    end)
    assert.same({ "created", "in_progress", "output_item.added", "content_part.added", "output_text.delta",
      "output_text.done", "content_part.done", "output_item.done", "completed" }, types(bytes))
    assert.equal('event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":5,'
      .. '"item_id":"msg_7a_0","output_index":0,"content_index":0,"delta":"\\ude00","logprobs":[]}\n\n', writes[4])
    assert.matches('"text":"Hel\\ud83d\\ude00"', bytes, 1, true)
    local document = last(bytes)
    assert.same({ "resp_7a", "claude-x", 5, 5 }, { document.response.id, document.response.model,
      document.response.created_at, document.response.usage.total_tokens })
  end)

  it("reasoning with its state, then a text; state alone only where it was asked for", function()
    local function run(sink)
      begin(sink)
      sink.reasoning('"wh"')
      sink.reasoning('"y"')
      sink.state { kind = "signature", data = "sig" }
      sink.state { kind = "redacted", data = "more" }
      sink.text('"x"')
      finish(sink)
    end
    local bytes = encode(run, '"include":["reasoning.encrypted_content"]')
    assert.same({ "created", "in_progress", "output_item.added", "reasoning_summary_part.added",
      "reasoning_summary_text.delta", "reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done",
      "output_item.added", "output_item.done", "output_item.added", "content_part.added", "output_text.delta",
      "output_text.done", "content_part.done", "output_item.done", "completed" }, types(bytes))
    local output = last(bytes).response.output
    assert.equal("why", output[1].summary[1].text)
    assert.equal("sig", opaque.open(output[1].encrypted_content, "encrypted").data)
    assert.equal("more", opaque.open(output[2].encrypted_content, "encrypted").data)
    output = last((encode(run))).response.output
    assert.equal(2, #output)
    assert.is_nil(output[1].encrypted_content)
  end)

  it("calls one after another, whatever the order of their fragments", function()
    local bytes = encode(function(sink)
      begin(sink)
      sink.text('"let me"')
      sink.tool_start(1, { id = "c1", name = "f" })
      sink.tool_start(2, { id = "c2", name = "g" })
      sink.tool_delta(2, '"{\\"b\\":"')
      sink.tool_delta(1, '"{\\"a\\":1}"')
      sink.text('"between"')
      sink.tool_delta(2, '"2}"')
      sink.tool_end(2)
      sink.tool_start(3, { id = "c3", name = "h" })
      sink.tool_end(1)
      sink.tool_delta(3, '""')
      sink.tool_end(3)
      finish(sink, "tool_calls")
    end)
    local output = last(bytes).response.output
    local got = {}
    for i, item in json.each(output) do
      got[i] = item.type == "message" and item.content[1].text
        or ("%s %s %s"):format(item.call_id, item.name, item.arguments)
    end
    assert.same({ "let me", 'c1 f {"a":1}', 'c2 g {"b":2}', "between", "c3 h {}" }, got)
  end)

  it("a call without arguments has {}", function()
    local bytes = encode(function(sink)
      begin(sink)
      sink.tool_start(1, { id = "c1", name = "f" })
      sink.tool_end(1)
      finish(sink, "tool_calls")
    end)
    assert.matches('"delta":"{}"', bytes, 1, true)
    assert.matches('"arguments":"{}","name":"f"}', bytes, 1, true)
  end)

  it("a call of a namespace has its parts again; a custom one has input", function()
    local bytes = encode(function(sink)
      begin(sink)
      sink.tool_start(1, { id = "c1", name = "mcp__git__log" })
      sink.tool_delta(1, '"{}"')
      sink.tool_end(1)
      sink.tool_start(2, { id = "c2", name = "sql", custom = true })
      sink.tool_delta(2, '"SELECT"')
      sink.tool_end(2)
      finish(sink, "tool_calls")
    end, '"tools":[{"type":"namespace","name":"mcp__git","tools":[{"type":"function","name":"log"}]},{"type":"custom",'
      .. '"name":"sql"}]')
    local output = last(bytes).response.output
    assert.same({ "log", "mcp__git", "ctc_7a_1", "SELECT" },
      { output[1].name, output[1].namespace, output[2].id, output[2].input })
    assert.matches("response.custom_tool_call_input.done", bytes, 1, true)
  end)

  it("what a request in many lines said is told again in one", function()
    local bytes = encode(function(sink)
      begin(sink)
      finish(sink)
    end, '\r\n"metadata": {\n  "a": "b"\n},\n"tools": [\n  {\n"type": "function",\r\n"name": "f"\n}\n]')
    local response = last(bytes).response
    assert.same({ "b", "f" }, { response.metadata.a, response.tools[1].name })
  end)

  it("a text that goes on behind another item is a new message", function()
    local bytes = encode(function(sink)
      begin(sink)
      sink.text('"a"')
      sink.reasoning('"b"')
      sink.text('"c"')
      sink.refusal('"d"')
      finish(sink, "refusal")
    end)
    local output = last(bytes).response.output
    assert.same({ "message", "reasoning", "message" }, { output[1].type, output[2].type, output[3].type })
    assert.equal("d", output[3].content[2].refusal)
    assert.equal("completed", last(bytes).response.status)
  end)

  it("sources of the text, with a place of their own or where the text stands", function()
    local bytes = encode(function(sink)
      begin(sink)
      sink.citation { kind = "url", url = '"early"' }
      sink.text('"h\\u00e9"')
      sink.citation { kind = "url", url = '"u"', title = '"t"', from = 0, to = 1 }
      sink.text('"y"')
      sink.citation { kind = "url", url = '"v"' }
      sink.citation { kind = "document", title = '"d"' }
      finish(sink)
    end)
    assert.equal('[{"type":"url_citation","start_index":0,"end_index":1,"title":"t","url":"u"},{"type":"url_citation",'
      .. '"start_index":3,"end_index":3,"title":"","url":"v"}]',
      json.raw(last(bytes).response.output[1].content[1], "annotations"))
  end)

  it("ends that are no proper end", function()
    local function ended(stop, fn, detail)
      local bytes = encode(function(sink)
        begin(sink)
        if fn then
          fn(sink)
        end
        sink.stop(stop, detail)
        sink.usage { input = 1, output = 1 }
        sink.finish()
      end)
      local response = last(bytes).response
      assert.equal(2, response.usage.total_tokens)
      local details = response.incomplete_details
      return response.status, details ~= json.null and details.reason or nil, response.output
    end
    local function how(status, reason)
      return status .. " " .. tostring(reason)
    end
    local function say(sink)
      sink.text('"x"')
    end
    local status, reason, output = ended("length", function(sink)
      say(sink)
      sink.tool_start(1, { id = "c", name = "f" })
      sink.tool_delta(1, '"{\\"a"')
      sink.tool_end(1)
    end)
    assert.same({ "incomplete", "max_output_tokens", "completed", "incomplete" },
      { status, reason, output[1].status, output[2].status })
    assert.equal("incomplete content_filter", how(ended("filter", say)))
    assert.equal("incomplete content_filter", how(ended("refusal", say)))
    assert.equal("incomplete content_filter", how(ended("refusal")))
    status, reason, output = ended("refusal", nil, { explanation = '"because"' })
    assert.same({ "completed", "because" }, { status, output[1].content[1].refusal })
    assert.is_nil(reason)
    assert.equal("completed", (ended("stop_sequence", say)))
  end)

  it("failures end it in the middle and at the start, with all that was finished", function()
    local failure = errors.new("upstream_limited", { provider = "a", text = "slow" })
    local bytes = encode(function(sink)
      begin(sink)
      sink.reasoning('"r"')
      sink.text('"x"')
      sink.fail(failure)
    end, nil, "error")
    local document = last(bytes)
    assert.same({ "failed", "rate_limit_exceeded", 1 },
      { document.response.status, document.response.error.code, #document.response.output })
    assert.matches('"error":{"message":"provider a limits its use: slow.","type":"rate_limit_exceeded","param":null,'
      .. '"code":"rate_limit_exceeded"},"code":"rate_limit_exceeded","message":"provider a limits its use: slow.",'
      .. '"param":null}\n\n', bytes, 1, true)
    bytes = encode(function(sink)
      sink.fail(failure)
    end, nil, "error")
    assert.same({ "error", "failed" }, types(bytes))
  end)

  it("a pause is a failure", function()
    local bytes = encode(function(sink)
      begin(sink)
      sink.text('"x"')
      sink.stop("pause")
    end, nil, "error")
    assert.matches("response.failed", bytes, 1, true)
  end)

  it("fragments that went out past it count and are in the whole text", function()
    local writes = {}
    local sink = responses.stream_encoder(asked(), function(bytes)
      writes[#writes + 1] = bytes
    end)
    begin(sink)
    sink.text('"a"')
    sink.absorb("text", '"bcd"', 3)
    sink.text('"e"')
    assert.matches('"sequence_number":8,', writes[#writes], 1, true)
    finish(sink)
    assert.equal("abcde", last(table.concat(writes)).response.output[1].content[1].text)
  end)

  it("each fragment is one write", function()
    local writes = 0
    local sink = responses.stream_encoder(asked(), function()
      writes = writes + 1
    end)
    begin(sink)
    sink.text('"a"')
    local before = writes
    for _ = 1, 100 do
      sink.text('"b"')
    end
    assert.equal(before + 100, writes)
  end)
end)
