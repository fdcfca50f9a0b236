local chat = require("cliproxy.dialects.openai_chat")
local conversation = require("cliproxy.conversation")
local json = require("cliproxy.json")

local OPENAI = { developer_role = true, max_tokens_field = "max_completion_tokens", strict = true, reasoning = "none",
  images = true, pdf = true, audio = true, custom_tools = true, allowed_tools = true }
local COMPATIBLE = { max_tokens_field = "max_tokens", strict = false, reasoning = "none" }

local PATHS = { turns = "messages", parts = "content", system = "system", tools = "tools" }

local function new(fields)
  local c = conversation.new("anthropic", { model = "fast", stream = false }, PATHS)
  for key, value in pairs(fields or {}) do
    c[key] = value
  end
  return c
end

local function text(value, turn, index)
  return { kind = "text", text = value, turn = turn or 0, index = index }
end

local function turn(role, parts, index)
  return { role = role, parts = parts, index = index or 0 }
end

local HI = turn("user", { text('"hi"') })

local function encode(c, caps)
  return chat.encode_request(c, { dialect = "openai_chat", provider = "p", model = "m", caps = caps or OPENAI })
end

-- What of the body is not the conversation's: behind "messages".
local function rest(fields, caps)
  fields.turns = fields.turns or { HI }
  local c = new(fields)
  return encode(c, caps):match('^{"model":"m","messages":%[{"role":"user","content":"hi"}%],?(.*)}$'), c
end

local function said(c, caps)
  local body = encode(c, caps)
  assert(json.parse(body), body)
  return body:match('^{"model":"m","messages":%[(.*)%]}$') or body
end

local function noted(c)
  local out = {}
  for _, entry in ipairs(c.ledger.entries) do
    out[#out + 1] = ("%s %s%s"):format(entry.path, entry.action, entry.warn and " warned" or "")
  end
  return out
end

local function call(id, name, more)
  local part = { kind = "tool_call", id = id, name = name, turn = 1 }
  for key, value in pairs(more or { input = "{}" }) do
    part[key] = value
  end
  return part
end

local function result(id, content, more)
  local part = { kind = "tool_result", id = id, content = content, turn = 2, index = 0 }
  for key, value in pairs(more or {}) do
    part[key] = value
  end
  return part
end

describe("a conversation as a Chat request:", function()
  it("the system is one message in front, of the role that the server knows", function()
    local c = new { system = { text('"a\\ud83d"', 0, 0), text('"b"', 0, 1) }, turns = { HI } }
    assert.equal('{"role":"developer","content":"a\\ud83d\\n\\nb"},{"role":"user","content":"hi"}', said(c))
    assert.equal('{"role":"system","content":"a\\ud83d\\n\\nb"},{"role":"user","content":"hi"}', said(c, COMPATIBLE))
  end)

  it("a system in mid-conversation stays in place", function()
    local c = new { turns = { HI, turn("system", { text('"now"', 1) }, 1), turn("user", { text('"go"', 2) }, 2) } }
    assert.equal('{"role":"user","content":"hi"},{"role":"system","content":"now"},{"role":"user","content":"go"}',
      said(c, COMPATIBLE))
  end)

  it("one text is a string, several are parts, or one string where the server takes no parts", function()
    local function two()
      return new { turns = { turn("user", { text('"a"', 0, 0), text('"b"', 0, 1) }) } }
    end
    assert.equal('{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}', said(two()))
    assert.equal('{"role":"user","content":"a\\n\\nb"}', said(two(), { content_parts = false }))
  end)

  it("images, files and audio", function()
    local c = new { turns = { turn("user", { text('"see"', 0, 0),
      { kind = "image", media_type = "image/png", data = '"AA\\/A"', detail = '"low"', turn = 0, index = 1 },
      { kind = "image", url = '"https://x/1.png"', turn = 0, index = 2 },
      { kind = "document", media_type = "application/pdf", data = '"BBBB"', turn = 0, index = 3 },
      { kind = "audio", media_type = "audio/mpeg", data = '"CCCC"', turn = 0, index = 4 } }) } }
    assert.equal('{"role":"user","content":[{"type":"text","text":"see"},'
      .. '{"type":"image_url","image_url":{"url":"data:image/png;base64,AA\\/A","detail":"low"}},'
      .. '{"type":"image_url","image_url":{"url":"https://x/1.png"}},'
      .. '{"type":"file","file":{"filename":"document.pdf","file_data":"data:application/pdf;base64,BBBB"}},'
      .. '{"type":"input_audio","input_audio":{"data":"CCCC","format":"mp3"}}]}', said(c))
    assert.same({ "messages.file.filename invented" }, noted(c))
  end)

  it("documents that are text go as text", function()
    local c = new { turns = { turn("user", {
      { kind = "document", text = '"body"', title = '"T"', context = '"C"', turn = 0, index = 0 },
      { kind = "document", media_type = "text/plain", data = '"aGVsbG8="', turn = 0, index = 1 } }) } }
    assert.equal('{"role":"user","content":[{"type":"text","text":"T\\n\\nC\\n\\nbody"},'
      .. '{"type":"text","text":"hello"}]}', said(c))
    assert.same({ "messages[0].content[0] changed", "messages[0].content[1] changed" }, noted(c))
  end)

  it("what the model cannot read, and what belongs to another provider, is refused by name", function()
    local cases = {
      { { kind = "image", url = '"https://x"' }, { images = false }, "messages[0].content[0]" },
      { { kind = "document", media_type = "application/pdf", data = '"A"' }, { pdf = false },
        "messages[0].content[0]" },
      { { kind = "document", media_type = "application/pdf", url = '"https://x"' }, {}, "messages[0].content[0]" },
      { { kind = "audio", media_type = "audio/wav", data = '"A"' }, { audio = false }, "messages[0].content[0]" },
      { { kind = "audio", media_type = "audio/ogg", data = '"A"' }, {}, "messages[0].content[0]" },
      { { kind = "image", url = '"https://x"' }, { content_parts = false }, "messages[0].content[0]" },
      { { kind = "image", file_id = '"file_1"' }, {}, "messages[0].content[0].file_id" },
      { { kind = "video" }, {}, "messages[0].content[0]" },
    }
    for i, case in ipairs(cases) do
      case[1].turn, case[1].index = 0, 0
      local c = new { turns = { turn("user", { case[1] }) } }
      encode(c, case[2])
      assert.equal(case[3], c.ledger.refused and c.ledger.refused.path, "case " .. i)
    end
  end)

  it("calls beside no text have null as content, arguments as text", function()
    local c = new { turns = { HI, turn("assistant", { text('""', 1, 0), call("toolu_1", "f",
      { input = '{"b":12345678901234567890,"a":[],"c":{}}' }), call("toolu_2", "g", { arguments = '""' }) }, 1),
      turn("user", { result("toolu_2", { text('"two"') }), result("toolu_1", { text('"1"'), text('"2"') }),
        text('"and?"', 2, 2) }, 2) } }
    assert.equal('{"role":"user","content":"hi"},{"role":"assistant","content":null,"tool_calls":['
      .. '{"id":"toolu_1","type":"function","function":{"name":"f","arguments":"{\\"b\\":12345678901234567890,'
      .. '\\"a\\":[],\\"c\\":{}}"}},{"id":"toolu_2","type":"function","function":{"name":"g","arguments":"{}"}}]},'
      .. '{"role":"tool","content":"1\\n2","tool_call_id":"toolu_1"},'
      .. '{"role":"tool","content":"two","tool_call_id":"toolu_2"},{"role":"user","content":"and?"}', said(c))
  end)

  it("pieces of one text join without a gap, texts of joined turns with one", function()
    local c = new { turns = { HI, turn("assistant", { text('"a"', 1, 0), text('"b"', 1, 1) }, 1),
      turn("assistant", { text('"c"', 2, 0) }, 2), turn("user", { text('"d"', 3) }, 3) } }
    assert.equal('{"role":"user","content":"hi"},{"role":"assistant","content":"ab\\n\\nc"},'
      .. '{"role":"user","content":"d"}', said(c))
  end)

  it("images in results follow in a message of the user that names their call", function()
    local function history()
      return new { turns = { HI, turn("assistant", { call("c1", "shot"), call("c2", "f") }, 1),
        turn("user", { result("c1", { { kind = "image", media_type = "image/png", data = '"AA"', turn = 2,
          list = "content[0].content", index = 0 } }), result("c2", { text('"ok"') }) }, 2) } }
    end
    local c = history()
    assert.matches('{"role":"tool","content":"The result follows in the next message of the user.",'
      .. '"tool_call_id":"c1"},'
      .. '{"role":"tool","content":"ok","tool_call_id":"c2"},{"role":"user","content":['
      .. '{"type":"text","text":"From the result of call c1 (shot):"},'
      .. '{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}}]}', said(c), 1, true)
    assert.same({ "messages[2].content[0].content[0] changed" }, noted(c))
    c = history()
    encode(c, { images = false })
    assert.equal("messages[2].content[0].content[0]", c.ledger.refused.path)
  end)

  it("errors of tools are told in words, Gemini's objects as JSON text", function()
    local c = new { turns = { HI, turn("assistant", { call("c1", "f"), call("c2", "g"), call("c3", "h") }, 1),
      turn("user", { result("c1", { text('"no"') }, { is_error = true }),
        result("c2", nil, { value = '{"output":1.0}' }),
        result("c3", { text('"Error: gone"') }, { is_error = true }) }, 2) } }
    local body = said(c)
    assert.matches('"content":"Error: no","tool_call_id":"c1"', body, 1, true)
    assert.matches('"content":"{\\"output\\":1.0}","tool_call_id":"c2"', body, 1, true)
    assert.matches('"content":"Error: gone","tool_call_id":"c3"', body, 1, true)
  end)

  it("ids and names that the server does not take are mapped the same way in calls and results", function()
    local long = ("x"):rep(80)
    local c = new { tools = { { name = long, index = 0 } }, turns = { HI,
      turn("assistant", { call("toolu_01AB", long) }, 1), turn("user", { result("toolu_01AB", { text('"1"') }) }, 2) } }
    local body = encode(c, { tool_id_length = 9 })
    local id = body:match('"tool_calls":%[{"id":"(%w+)"')
    assert.equal(9, #id)
    assert.matches('"tool_call_id":"' .. id .. '"', body, 1, true)
    local name = body:match('"function":{"name":"([^"]+)"}}%]')
    assert.equal(64, #name)
    assert.equal(long, c.names[name])
    assert.matches('"function":{"name":"' .. name .. '","arguments"', body, 1, true)
  end)

  it("refusals are parts, or words where there are no parts", function()
    local function history()
      return new { turns = { HI, turn("assistant", { { kind = "refusal", text = '"no"', turn = 1, index = 0 } }, 1),
        turn("user", { text('"why"', 2) }, 2) } }
    end
    assert.matches('{"role":"assistant","content":[{"type":"refusal","refusal":"no"}]}', said(history()), 1, true)
    assert.matches('{"role":"assistant","content":"no"}', said(history(), { content_parts = false }), 1, true)
  end)

  it("thoughts go back only in the field of a server that told them", function()
    local state = { kind = "signature", data = "S", origin = { dialect = "anthropic", provider = "a", model = "c" } }
    local function history()
      return new { turns = { HI, turn("assistant", { { kind = "reasoning", text = '"hm"', turn = 1, index = 0 },
        { kind = "reasoning", text = '"other"', state = state, turn = 1, index = 1 }, text('"x"', 1, 2) }, 1),
        turn("user", { text('"y"', 2) }, 2) } }
    end
    local c = history()
    assert.matches('{"role":"assistant","content":"x"}', said(c), 1, true)
    assert.same({ "messages[1].content[0] dropped", "messages[1].content[1] dropped" }, noted(c))
    c = history()
    assert.matches('{"role":"assistant","content":"x","reasoning_content":"hm"}',
      said(c, { reasoning_field = "reasoning_content" }), 1, true)
    assert.same({ "messages[1].content[1] dropped" }, noted(c))
  end)

  it("an assistant's turn of dropped reasoning alone leaves no message", function()
    local c = new { turns = { HI, turn("assistant", { { kind = "reasoning", text = '"hm"', turn = 1, index = 0 } }, 1),
      turn("user", { text('"y"', 2) }, 2) } }
    assert.equal('{"role":"user","content":"hi"},{"role":"user","content":"y"}', said(c))
  end)

  it("an assistant at the end is told: nothing goes on with it", function()
    local c = new { turns = { HI, turn("assistant", { text('"I"', 1) }, 1) } }
    encode(c)
    assert.same({ "messages[1] dropped warned" }, noted(c))
  end)

  it("results without their calls are refused", function()
    local c = new { turns = { turn("user", { result("c9", { text('"x"') }) }, 2) } }
    encode(c)
    assert.equal("messages[2].content[0]", c.ledger.refused.path)
  end)
end)

describe("tools in a Chat request:", function()
  it("schemas go as bytes, completed only where servers refuse them", function()
    local schema = '{ "type":"object","properties":{},"required":[],"x":1.0 }'
    local got = rest { tools = {
      { name = "a", description = '"d"', schema = schema, strict = true, index = 0 }, { name = "b", index = 1 },
      { name = "c", schema = "{}", index = 2 },
      { name = "d", schema = '{"type":"object"}', strict = false, index = 3 } } }
    assert.equal('"tools":[{"type":"function","function":{"name":"a","description":"d","parameters":' .. schema
      .. ',"strict":true}},{"type":"function","function":{"name":"b"}},'
      .. '{"type":"function","function":{"name":"c","parameters":{"type":"object","properties":{}}}},'
      .. '{"type":"function","function":{"name":"d","parameters":{"properties":{},"type":"object"}}}]', got)
  end)

  it("strict tools where there are none are told", function()
    local got, c = rest({ tools = { { name = "a", strict = true, index = 3 } } }, COMPATIBLE)
    assert.equal('"tools":[{"type":"function","function":{"name":"a"}}]', got)
    assert.same({ "tools[3].strict dropped warned" }, noted(c))
  end)

  it("tools of free text, with grammars of both of OpenAI's forms", function()
    local nested = '{"type":"grammar","grammar":{"definition":"start: x","syntax":"lark"}}'
    for _, format in ipairs { nested, '{"type":"grammar","syntax":"lark","definition":"start: x"}' } do
      assert.equal('"tools":[{"type":"custom","custom":{"name":"h","format":' .. nested .. "}}]",
        (rest { tools = { { name = "h", custom = true, grammar = format, index = 0 } } }))
    end
    local _, c = rest({ tools = { { name = "h", custom = true, index = 0 } } }, COMPATIBLE)
    assert.equal("tools[0]", c.ledger.refused.path)
    -- The role of developers says nothing of them.
    _, c = rest({ tools = { { name = "h", custom = true, index = 0 } } }, { developer_role = true })
    assert.equal("tools[0]", c.ledger.refused.path)
  end)

  local TOOLS = { { name = "f", index = 0 }, { name = "g", index = 1 }, { name = "h", custom = true, index = 2 } }

  local function choice(mode, names, caps)
    local got, c = rest({ tools = caps and { TOOLS[1], TOOLS[2] } or TOOLS,
      tool_choice = { mode = mode, names = names, where = "tool_choice" } }, caps)
    return got:match('"tool_choice":(.*)$'), c, got
  end

  it("every choice has its form", function()
    assert.equal('"auto"', (choice("auto")))
    assert.equal('"required"', (choice("required")))
    assert.equal('"none"', (choice("none")))
    assert.equal('{"type":"function","function":{"name":"f"}}', (choice("required", { "f" })))
    assert.equal('{"type":"custom","custom":{"name":"h"}}', (choice("required", { "h" })))
    assert.equal('{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":['
      .. '{"type":"function","function":{"name":"f"}},{"type":"custom","custom":{"name":"h"}}]}}',
      (choice("auto", { "f", "h" })))
  end)

  it("servers that know no allowed tools get only those", function()
    local got, c, all = choice("required", { "g", "x" }, COMPATIBLE)
    assert.equal('"required"', got)
    assert.is_nil(all:find('"name":"f"', 1, true))
    assert.same({ "tool_choice changed warned" }, noted(c))
  end)

  it("a server that cannot be made to call is told to the client", function()
    local got, c = choice("required", nil, { tool_choice_required = false })
    assert.equal('"auto"', got)
    assert.same({ "tool_choice dropped warned" }, noted(c))
  end)

  it("one call at a time, where the server knows it", function()
    assert.matches('"parallel_tool_calls":false', (rest { tools = TOOLS, parallel_tools = false }), 1, true)
    local got, c = rest({ tools = { TOOLS[1] }, parallel_tools = false }, { parallel_tool_calls = false })
    assert.is_nil(got:find("parallel", 1, true))
    assert.same({ "parallel_tools dropped warned" }, noted(c))
  end)

  it("without tools nothing is said about them", function()
    assert.equal("", (rest { parallel_tools = false, tool_choice = { mode = "none", where = "tool_choice" } }))
  end)
end)

describe("fields in a Chat request:", function()
  it("limits have the server's name and no more than the model can", function()
    assert.equal('"max_completion_tokens":100', (rest { max_tokens = "100" }))
    assert.equal('"max_tokens":100', (rest({ max_tokens = "100" }, COMPATIBLE)))
    local got, c = rest({ max_tokens = "64000" }, { output = 16384 })
    assert.equal('"max_tokens":16384', got)
    assert.same({ "max_tokens changed" }, noted(c))
  end)

  it("a stream always asks for its usage, where the server knows that", function()
    assert.equal('"stream":true,"stream_options":{"include_usage":true}', (rest { stream = true }))
    assert.equal('"stream":true', (rest({ stream = true }, { stream_usage = false })))
  end)

  it("sampling goes as it was written, or not at all", function()
    assert.equal('"temperature":0.10,"top_p":0.9,"seed":7,"presence_penalty":0.5,"frequency_penalty":1',
      (rest { temperature = "0.10", top_p = "0.9", seed = "7", presence_penalty = "0.5", frequency_penalty = "1" }))
    local got, c = rest({ temperature = "0.5", top_p = "1", top_k = "40" }, { temperature = false, top_p = false })
    assert.equal("", got)
    assert.same({ "temperature dropped warned", "top_k dropped warned", "top_p dropped" }, noted(c))
    assert.equal('"top_k":40', (rest({ top_k = "40" }, { top_k = true })))
  end)

  it("stop sequences: four, and none where the model has none", function()
    assert.equal('"stop":["a","b"]', (rest { stop = { '"a"', '"b"' } }))
    local _, c = rest { stop = { '"1"', '"2"', '"3"', '"4"', '"5"' } }
    assert.equal("stop", c.ledger.refused.path)
    _, c = rest({ stop = { '"a"' } }, { stop = false })
    assert.equal("stop", c.ledger.refused.path)
  end)

  it("structured output", function()
    local got, c = rest { format = { kind = "schema", schema = '{"type":"object"}', where = "output" } }
    assert.equal('"response_format":{"type":"json_schema","json_schema":{"name":"response","schema":'
      .. '{"type":"object"}}}', got)
    assert.same({ "response_format.json_schema.name invented" }, noted(c))
    assert.equal('"response_format":{"type":"json_schema","json_schema":{"name":"n","description":"d","schema":{},'
      .. '"strict":true}}', (rest { format = { kind = "schema", name = '"n"', description = '"d"', schema = "{}",
        strict = "true", where = "o" } }))
    assert.equal('"response_format":{"type":"json_object"}', (rest { format = { kind = "json", where = "o" } }))
    for _, case in ipairs { { "json", { json_object = false } }, { "schema", { json_schema = false } },
      { "schema", { json_schema = false, json_object = true } } } do
      c = select(2, rest({ format = { kind = case[1], schema = "{}", where = "o" } }, case[2]))
      assert.equal("o", c.ledger.refused.path)
    end
    c = select(2, rest({ format = { kind = "json", where = "o" }, tools = { { name = "f", index = 0 } } },
      { tools_with_schema = false }))
    assert.equal("o", c.ledger.refused.path)
  end)

  it("reasoning is told in the words that the model knows", function()
    local caps = { reasoning = "effort", reasoning_off = true, efforts = { "low", "medium", "high" } }
    local function effort(asked, more)
      asked.where = "thinking"
      local own = {}
      for key, value in pairs(caps) do
        own[key] = value
      end
      for key, value in pairs(more or {}) do
        own[key] = value
      end
      local got, c = rest({ reasoning = asked }, own)
      return got:match('^"reasoning_effort":"(%a+)"$'), noted(c)
    end
    assert.same({ "medium", {} }, { effort { effort = "medium" } })
    assert.same({ "high", { "thinking changed warned" } }, { effort { effort = "max" } })
    assert.same({ "low", { "thinking changed" } }, { effort { budget = 1500 } })
    assert.same({ "none", {} }, { effort { off = true } })
    assert.same({ "low", { "thinking changed warned" } }, { effort({ off = true }, { reasoning_off = false }) })
    assert.same({ nil, { "thinking dropped warned" } }, { effort({ effort = "high" }, { reasoning = "none" }) })
    assert.same({ nil, { "thinking dropped" } }, { effort({ off = true }, { reasoning = "none" }) })
    assert.same({ nil, { "thinking dropped warned" } }, { effort({ visible = true }, { reasoning = "none" }) })
    assert.same({ nil, { "thinking dropped" } }, { effort({ visible = false }, { reasoning = "none" }) })
    assert.same({ "high", { "thinking changed" } }, { effort { effort = "high", budget = 1500 } })
    assert.same({ nil, {} }, { effort { visible = true } })
  end)

  it("what the client would read in the answer is refused, hints are told", function()
    for field, value in pairs { n = "2", logprobs = "5" } do
      local _, c = rest { [field] = value }
      assert.equal(field, c.ledger.refused and c.ledger.refused.path)
    end
    local got, c = rest { n = "1", user = '"u"', metadata = '{"a":"b"}', service_tier = '"x"', store = "true",
      safety = "[]", cache = "{}", cache_key = '"k"' }
    assert.equal("", got)
    assert.is_nil(c.ledger.refused)
    assert.same({ "cache dropped", "cache_key dropped", "metadata dropped warned", "n dropped", "safety dropped warned",
      "service_tier dropped warned", "store dropped", "user dropped warned" }, noted(c))
  end)

  it("what Responses says in the same words goes to OpenAI's own servers", function()
    local fields = { dialect = "openai_responses", user = '"u"', cache_key = '"k"', service_tier = '"flex"',
      verbosity = '"low"' }
    assert.equal('"verbosity":"low","safety_identifier":"u","service_tier":"flex","prompt_cache_key":"k"',
      (rest(fields)))
    assert.equal("", (rest(fields, COMPATIBLE)))
  end)
end)
