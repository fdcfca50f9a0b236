local automata = require("cliproxy.automata")
local json = require("cliproxy.json")
local opaque = require("cliproxy.opaque")
local responses = require("cliproxy.dialects.openai_responses")

local TARGET = { dialect = "openai_responses", provider = "up", model = "gpt-5", caps = {} }

local function context(fields)
  local c = { dialect = "openai_chat", names = {} }
  for key, value in pairs(fields or {}) do
    c[key] = value
  end
  return { id = "req_7a", conversation = c, target = TARGET, framing = "sse" }
end

local function decode(text, fields)
  local document = assert(json.parse(text))
  local answer, failure = responses.decode_response(document, context(fields))
  if json.kind(document) == "object" then
    json.close(document)
  end
  return answer, failure
end

local function output(items, more)
  return '{"id":"resp_1","object":"response","created_at":5,"status":"completed","model":"gpt","output":'
    .. '[' .. items .. "]"
    .. (more and "," .. more or "") .. "}"
end

local MESSAGE = '{"type":"message","content":[{"type":"output_text","text":"hi"}]}'

describe("an answer of Responses, decoded:", function()
  it("texts with their sources, refusals, calls, reasoning", function()
    local answer = decode(output('{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"a"},'
      .. '{"type":"summary_text","text":"b"}],"encrypted_content":"E"},{"type":"message","content":[{"type":'
      .. '"output_text",'
      .. '"text":"h\\u00e9","annotations":[{"type":"url_citation","url":"u","title":"t","start_index":1,"end_index":2},'
      .. '{"type":"file_citation","file_id":"f","filename":"n","index":1}]}]},{"type":"function_call","call_id":"c1",'
      .. '"name":"short","arguments":"{\\"a\\": 1.0}"},{"type":"custom_tool_call","call_id":"c2","name":"sql","input":'
      .. '"x"}',
      '"usage":{"input_tokens":9,"input_tokens_details":{"cached_tokens":3,"cache_write_tokens":2},"output_tokens":4,'
      .. '"output_tokens_details":{"reasoning_tokens":1},"total_tokens":13}'), { names = { short = "the.long.one" } })
    assert.same({
      id = "resp_1", model = "gpt", created = 5, stop = "tool_calls",
      usage = { input = 9, cached = 3, cache_written = 2, output = 4, reasoning = 1 },
      parts = {
        { kind = "reasoning", text = '"a\\n\\nb"', state = { kind = "encrypted", data = "E", id = "rs_1" } },
        { kind = "text", text = '"h\\u00e9"',
          citations = { { kind = "url", url = '"u"', title = '"t"', from = 1, to = 2 } } },
        { kind = "tool_call", id = "c1", name = "the.long.one", arguments = '"{\\"a\\": 1.0}"' },
        { kind = "tool_call", id = "c2", name = "sql", arguments = '"x"', custom = true },
      },
    }, answer)
  end)

  it("thoughts of open-weight models, bare reasoning, arguments as an object", function()
    local answer = decode(output('{"type":"reasoning","id":"tmp","summary":[],"content":[{"type":"reasoning_text",'
      .. '"text":"z"}]},{"type":"reasoning","id":"rs_2","summary":[]},{"type":"function_call","call_id":"c","name":"f",'
      .. '"arguments":{"a":[]}}'))
    assert.same({ { kind = "reasoning", text = '"z"' }, { kind = "tool_call", id = "c", name = "f", input = '{"a":'
      .. '[]}' } },
      answer.parts)
    assert.is_nil(answer.usage)
  end)

  it("why it ended", function()
    local function stop(items, more)
      local answer, failure = decode((output(items, more):gsub('"completed"',
        more and '"incomplete"' or '"completed"')))
      return answer and answer.stop or failure.code
    end
    assert.equal("end", stop(MESSAGE))
    assert.equal("refusal", stop('{"type":"message","content":[{"type":"refusal","refusal":"no"}]}'))
    assert.equal("length", stop(MESSAGE, '"incomplete_details":{"reason":"max_output_tokens"}'))
    assert.equal("filter", stop("", '"incomplete_details":{"reason":"content_filter"}'))
    assert.equal("length", stop('{"type":"function_call","call_id":"c","name":"f","arguments":"{"}',
      '"incomplete_details":{"reason":"max_output_tokens"}'))
    assert.equal("upstream_untranslatable", stop(MESSAGE, '"incomplete_details":{"reason":"new"}'))
    assert.equal("upstream_untranslatable", stop(MESSAGE, '"incomplete_details":null'))
  end)

  it("failures have the status that their code stands for, and the provider's words", function()
    local _, failure = decode('{"status":"failed","error":{"code":"rate_limit_exceeded","message":"slow down"},'
      .. '"output":[]}')
    assert.same({ "upstream_limited", 429 }, { failure.code, failure.status })
    assert.matches("slow down", failure.text)
    failure = select(2, decode('{"error":{"type":"server_error","code":null,"message":"x"}}'))
    assert.equal(500, failure.status)
    failure = select(2, decode('{"status":"cancelled","output":[]}'))
    assert.equal(502, failure.status)
    for _, status in ipairs { "queued", "in_progress" } do
      failure = select(2, decode('{"status":"' .. status .. '","output":[]}'))
      assert.equal("upstream_unfinished", failure.code)
    end
  end)

  it("searches are left out where a message follows; other items of the service are named", function()
    local search = '{"type":"web_search_call","id":"ws","status":"completed","action":{}}'
    assert.equal(1, #decode(output(search .. "," .. MESSAGE)).parts)
    for _, items in ipairs { search, MESSAGE .. "," .. search } do
      local _, failure = decode(output(items))
      assert.equal("upstream_untranslatable", failure.code)
      assert.matches("web_search_call", failure.text)
    end
    for _, kind in ipairs { "code_interpreter_call", "mcp_call", "compaction", "some_future_type" } do
      local _, failure = decode(output('{"type":"' .. kind .. '"},' .. MESSAGE))
      assert.equal("upstream_untranslatable", failure.code)
      assert.matches(kind, failure.text, 1, true)
      assert.matches("OpenAI Chat Completions", failure.text)
    end
    local _, failure = decode(output('{"type":"message","content":[{"type":"output_audio","data":"x"}]}'))
    assert.matches("output_audio", failure.text)
  end)

  it("what is no Response is a failure and never raises", function()
    for _, text in ipairs { "{}", "[]", "3", '"x"', "null", '{"output":{}}', '{"output":[null]}', '{"output":[{}]}',
      '{"output":[{"type":"function_call"}]}', '{"output":[{"type":"function_call","call_id":"c","name":3}]}',
      '{"output":[{"type":"message","content":["x"]}]}', '{"output":[],"status":7}',
      '{"output":[],"status":"new"}' } do
      local answer, failure = decode(text)
      assert.is_nil(answer, text)
      assert.is_string(failure.code)
    end
    local answer = decode('{"output":[{"type":"message","content":null},{"type":"reasoning","summary":7}],"usage":[],'
      .. '"id":1,"created_at":"x","model":null}')
    assert.same({ parts = {}, stop = "end" }, answer)
  end)
end)

-- Encoding ------------------------------------------------------------------------------------------------------

--- A conversation as the client's request made it.
local function asked(members)
  local document = assert(json.parse('{"model":"fast","input":"x"' .. (members and "," .. members or "") .. "}"))
  local c = assert(responses.decode_request(document, { model = "fast", stream = false }))
  json.close(document)
  return { id = "req_7a", conversation = c, target = { dialect = "anthropic", provider = "a", model = "claude" },
    framing = "sse" }
end

--- The body as a document that the automaton accepts.
local function encode(answer, at)
  local body, failure = responses.encode_response(answer, at or asked())
  assert(body, failure and failure.text)
  local violations = automata.whole("openai_responses", body)
  assert.same({}, violations)
  return assert(json.parse(body)), body
end

describe("an answer for a client of Responses:", function()
  it("items with ids of the request, usage, the upstream's model", function()
    local document = encode({ model = "claude-x", created = 5, stop = "tool_calls",
      usage = { input = 10, cached = 4, output = 3 }, parts = {
        { kind = "text", text = '"hi \\ud83d"' }, { kind = "text", text = '""' },
        { kind = "tool_call", id = "c1", name = "f", input = '{"a":1.0}' },
        { kind = "tool_call", id = "c2", name = "g", arguments = '""' } } })
    assert.equal("resp_7a", document.id)
    assert.equal("claude-x", document.model)
    assert.equal(5, document.created_at)
    assert.equal("completed", document.status)
    assert.equal('[{"id":"msg_7a_0","type":"message","status":"completed","content":[{"type":"output_text",'
      .. '"annotations":[],"logprobs":[],"text":"hi \\ud83d"}],"role":"assistant"},{"id":"fc_7a_1","type":'
      .. '"function_call","status":"completed","arguments":"{\\"a\\":1.0}","call_id":"c1","name":"f"},{"id":"fc_7a_2",'
      .. '"type":"function_call","status":"completed","arguments":"{}","call_id":"c2","name":"g"}]',
      json.raw(document, "output"))
    assert.equal('{"input_tokens":10,"input_tokens_details":{"cached_tokens":4},"output_tokens":3,'
      .. '"output_tokens_details":{"reasoning_tokens":0},"total_tokens":13}', json.raw(document, "usage"))
  end)

  it("the request's fields are told again as they were sent, stored is nothing", function()
    local tools = '[{"type":"function","name":"f","parameters":{ "type":"object","required":[] }}]'
    local document = encode({ stop = "end", parts = {} }, asked('"instructions":"be","temperature":0.10,'
      .. '"tools":' .. tools
      .. ',"tool_choice":"auto","reasoning":{"effort":"low"},"text":{"verbosity":"low"},"metadata":{"a":"b"},'
      .. '"store":true,'
      .. '"max_output_tokens":7'))
    local function raw(key)
      return json.raw(document, key)
    end
    assert.same({ '"be"', "0.10", tools, '"auto"', '{"effort":"low","summary":null}',
      '{"format":{"type":"text"},"verbosity":"low"}', '{"a":"b"}', "false", "7", "1.0", '"claude"', "null" },
      { raw "instructions", raw "temperature", raw "tools", raw "tool_choice", raw "reasoning", raw "text",
        raw "metadata", raw "store", raw "max_output_tokens", raw "top_p", raw "model", raw "usage" })
  end)

  it("reasoning, with sealed state only where it was asked for", function()
    local state = { kind = "signature", data = "sig" }
    local answer = { stop = "end", parts = { { kind = "reasoning", text = '"why"', state = state },
      { kind = "reasoning", state = { kind = "redacted", data = "r" } }, { kind = "text", text = '"x"' } } }
    local document = encode(answer)
    assert.equal(2, #document.output)
    assert.equal('{"id":"rs_7a_0","type":"reasoning","summary":[{"type":"summary_text","text":"why"}]}',
      json.raw(document.output, 1))
    document = encode(answer, asked('"include":["reasoning.encrypted_content"]'))
    assert.equal(3, #document.output)
    local opened = opaque.open(document.output[1].encrypted_content, "encrypted")
    assert.same({ kind = "signature", data = "sig", origin = { dialect = "anthropic", provider = "a",
      model = "claude" } },
      opened)
    assert.equal(0, #document.output[2].summary)
    assert.equal("r", opaque.open(document.output[2].encrypted_content, "encrypted").data)
  end)

  it("names of namespaces are split again; custom calls have input", function()
    local at = asked('"tools":[{"type":"namespace","name":"mcp__git","tools":[{"type":"function","name":"log"}]}]')
    local document = encode({ stop = "tool_calls", parts = {
      { kind = "tool_call", id = "c", name = "mcp__git__log", arguments = '"{}"' },
      { kind = "tool_call", id = "d", name = "sql", arguments = '"a"', custom = true } } }, at)
    assert.equal("log", document.output[1].name)
    assert.equal("mcp__git", document.output[1].namespace)
    assert.equal('{"id":"ctc_7a_1","type":"custom_tool_call","status":"completed","input":"a","call_id":"d","name":'
      .. '"sql"}',
      json.raw(document.output, 2))
  end)

  it("sources on the web are annotations", function()
    local document = encode { stop = "end", parts = { { kind = "text", text = '"h\\u00e9y"', citations = {
      { kind = "url", url = '"u"', title = '"t"', from = 0, to = 2 }, { kind = "url", url = '"v"' },
      { kind = "document", title = '"d"' } } } } }
    assert.equal('[{"type":"url_citation","start_index":0,"end_index":2,"title":"t","url":"u"},{"type":"url_citation",'
      .. '"start_index":3,"end_index":3,"title":"","url":"v"}]', json.raw(document.output[1].content[1], "annotations"))
  end)

  it("ends that are no proper end", function()
    local function ended(stop, parts, explanation)
      local document = encode({ stop = stop, parts = parts, explanation = explanation })
      local details = document.incomplete_details
      return document.status, details ~= json.null and details.reason or nil, document
    end
    local function how(status, reason)
      return status .. " " .. tostring(reason)
    end
    local text = { { kind = "text", text = '"x"' } }
    assert.equal("incomplete max_output_tokens", how(ended("length", text)))
    local _, _, cut = ended("length", { text[1], { kind = "tool_call", id = "c", name = "f", arguments = '"{\\"a"' } })
    assert.same({ "completed", "incomplete" }, { cut.output[1].status, cut.output[2].status })
    assert.equal("incomplete content_filter", how(ended("filter", {})))
    assert.equal("incomplete content_filter", how(ended("refusal", text)))
    assert.equal("completed", (ended("stop_sequence", text)))
    assert.equal("completed", (ended("refusal", { { kind = "refusal", text = '"no"' } })))
    local status, _, document = ended("refusal", {}, '"because"')
    assert.equal("completed", status)
    assert.equal('{"type":"refusal","refusal":"because"}', json.raw(document.output[1].content, 1))
  end)

  it("what it cannot hold is a failure", function()
    local body, failure = responses.encode_response({ stop = "pause", parts = {} }, asked())
    assert.is_nil(body)
    assert.equal("upstream_untranslatable", failure.code)
    failure = select(2, responses.encode_response({ stop = "end", parts = { { kind = "image" } } }, asked()))
    assert.matches("image", failure.text)
  end)
end)
