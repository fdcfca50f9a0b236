local anthropic = require("cliproxy.dialects.anthropic")
local conversation = require("cliproxy.conversation")
local json = require("cliproxy.json")
local literal = require("cliproxy.literal")

local PATHS = { turns = "messages", parts = "content", system = "messages", tools = "tools" }

local CAPS = { images = true, pdf = true, reasoning = "none", temperature = true, top_p = true, top_k = true,
  stop = true,
  json_schema = true, strict = true, prefill = true, output = 4096, sampling_together = true }

local function target(caps, version)
  local all = {}
  for _, list in ipairs { CAPS, caps or {} } do
    for key, value in pairs(list) do
      all[key] = value
    end
  end
  return { dialect = "anthropic", provider = "an", model = "claude", version = version, caps = all }
end

local function text(value, more)
  local part = { kind = "text", text = literal.of(value) }
  for key, field in pairs(more or {}) do
    part[key] = field
  end
  return part
end

-- A conversation of a Chat client: turns of { role, part… }.
local function talk(turns, fields)
  local c = conversation.new("openai_chat", { model = "claude", stream = false }, PATHS)
  for i, turn in ipairs(turns) do
    local parts = { unpack(turn, 2) }
    for k, part in ipairs(parts) do
      part.turn, part.index = i - 1, k - 1
    end
    c.turns[i] = { role = turn[1], parts = parts, index = i - 1, name = turn.name }
  end
  for key, value in pairs(fields or {}) do
    c[key] = value
  end
  return c
end

local HI = { "user", text("hi") }

local function encode(c, caps, version)
  local body = anthropic.encode_request(c, target(caps, version))
  local document, message = json.parse(body)
  assert(document, (message or "") .. body)
  return document, body
end

-- One member of the body of a plain request with these fields.
local function member(name, fields, caps, version)
  local c = talk({ HI }, fields)
  local document = encode(c, caps, version)
  return json.raw(document, name), c
end

local function refusal(c, caps, version)
  anthropic.encode_request(c, target(caps, version))
  local refused = c.ledger.refused
  return refused and refused.path, refused and refused.why
end

local function messages(turns, caps, fields)
  local c = talk(turns, fields)
  return json.raw((encode(c, caps)), "messages"), c
end

local function call(id, name, input)
  return { kind = "tool_call", id = id, name = name or "f", input = input or "{}" }
end

local function result(id, value)
  return { kind = "tool_result", id = id, content = { text(value or "out") } }
end

local function tool(fields)
  fields.name, fields.index = fields.name or "f", fields.index or 0
  return fields
end

describe("a request to Anthropic", function()
  it("is the least that it takes", function()
    local c = talk { HI }
    local _, body = encode(c)
    assert.equal('{"model":"claude","max_tokens":4096,"messages":[{"role":"user","content":[{"type":"text","text":'
      .. '"hi"}]}]}',
      body)
    assert.same({ { path = "max_tokens", action = "invented", warn = false,
      why = "Anthropic needs it: the most that the model gives" } }, c.ledger.entries)
  end)

  it("keeps the client's max_tokens within what the model gives", function()
    assert.equal("100", (member("max_tokens", { max_tokens = "1e2" })))
    local at, c = member("max_tokens", { max_tokens = "9000", where = { max_tokens = "max_completion_tokens" } })
    assert.equal("4096", at)
    assert.same({ "max_completion_tokens;the model gives at most 4096 tokens" }, c.ledger:warnings())
    assert.equal("max_tokens", (refusal(talk({ HI }, { max_tokens = "0" }))))
    assert.equal("8192", (json.raw(encode(talk { HI }, { output = 8192 }), "max_tokens")))
  end)

  it("streams where the client does", function()
    assert.equal("true", (member("stream", { stream = true })))
    assert.is_nil((member("stream", {})))
  end)

  it("is a count without what only answers need", function()
    local c = talk({ HI }, { operation = "count", max_tokens = "5", temperature = "0.5", stop = { '"a"' },
      stream = true,
      user = '"u"', system = { text("s") }, tools = { tool { schema = '{"type":"object"}' } }, seed = "1",
      reasoning = { effort = "high", where = "reasoning_effort" } })
    local _, body = encode(c, { reasoning = "budget" })
    assert.equal('{"model":"claude","system":[{"type":"text","text":"s"}],"messages":[{"role":"user","content":[{'
      .. '"type":'
      .. '"text","text":"hi"}]}],"tools":[{"name":"f","input_schema":{"type":"object"}}],"thinking":{"type":"enabled",'
      .. '"budget_tokens":16384}}', body)
    assert.same({}, c.ledger:warnings())
  end)
end)

describe("the history to Anthropic", function()
  it("puts system texts in front, with their cache hints and no blank ones", function()
    local c = talk({ { "system", text("b") }, HI }, { system = { text("a", { cache = '{"type":"ephemeral","ttl":"1h",'
      .. '"scope":"global"}' }), text(" \n") } })
    assert.equal('[{"type":"text","text":"a","cache_control":{"type":"ephemeral","ttl":"1h"}},{"type":"text",'
      .. '"text":"b"}]',
      json.raw(encode(c), "system"))
  end)

  it("merges neighbours and drops what is empty", function()
    assert.equal('[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},'
      .. '{"role":"assistant","content":[{"type":"text","text":"c"},{"type":"text","text":"d"}]},'
      .. '{"role":"user","content":[{"type":"text","text":"e"}]}]', (messages {
        { "user", text("a"), text("") }, { "user", text("b") }, { "assistant", text("c") }, { "assistant", text("  ") },
        { "assistant", text("d") }, { "user", text("e") } }))
  end)

  it("gives results first, in the order of the calls, with their ids", function()
    local turns = { HI, { "assistant", text(""), call("a.1", "f", '{"n":'
      .. '1.0}'), call("b") }, { "user", result("b", "two") },
      { "user", text("and?") }, { "user", result("a.1", "one") } }
    local out, c = messages(turns)
    local id = out:match('"type":"tool_use","id":"(call_%x+)"')
    assert.equal('{"role":"assistant","content":[{"type":"tool_use","id":"' .. id .. '","name":"f","input":{"n":1.0}},'
      .. '{"type":"tool_use","id":"b","name":"f","input":{}}]},{"role":"user","content":['
      .. '{"type":"tool_result","tool_use_id":"' .. id .. '","content":"one"},'
      .. '{"type":"tool_result","tool_use_id":"b","content":"two"},{"type":"text","text":"and?"}]}]',
      out:sub(#'[{"role":"user","content":[{"type":"text","text":"hi"}]},' + 1))
    assert.equal("changed", c.ledger.entries[2].action)
    assert.is_nil(c.ledger.refused)
  end)

  it("gives calls of later turns ids of their own", function()
    local out = messages { HI, { "assistant", call("call_0") }, { "user", result("call_0", "one") },
      { "assistant", call("call_0") }, { "user", result("call_0", "two") } }
    local ids = {}
    for id in out:gmatch('id":"(call_[%w_]+)"') do
      ids[#ids + 1] = id
    end
    assert.same({ "call_0", "call_0", "call_0_2", "call_0_2" }, ids)
  end)

  it("reads arguments that are text", function()
    local out = messages { HI, { "assistant", { kind = "tool_call", id = "a", name = "f",
      arguments = '"{\\"n\\":12345678901234567890,\\"e\\":[]}"' } }, { "user", result("a") },
      { "assistant", { kind = "tool_call", id = "b", name = "f", arguments = '""' } }, { "user", result("b") } }
    assert.truthy(out:find('"input":{"n":12345678901234567890,"e":[]}', 1, true), out)
    assert.truthy(out:find('"id":"b","name":"f","input":{}', 1, true), out)
  end)

  it("refuses calls that are no objects, unanswered, doubled, or of free text", function()
    assert.equal("messages[1].content[0]", (refusal(talk { HI, { "assistant", { kind = "tool_call", id = "a",
      name = "f",
      arguments = '"[1]"' } }, { "user", result("a") } })))
    local path, why = refusal(talk { HI, { "assistant", call("a"), call("b") }, { "user", result("a") } })
    assert.same({ "messages[1].content[1]", 'the call "b" has no result' }, { path, why })
    assert.equal("messages[1].content[0]", (refusal(talk { HI, { "assistant", call("a") } })))
    assert.truthy(refusal(talk { HI, { "assistant", call("a"), call("a") }, { "user", result("a") } }))
    assert.truthy(refusal(talk { HI, { "assistant", { kind = "tool_call", id = "a", name = "f", arguments = '"x"',
      custom = true } }, { "user", result("a") } }))
    assert.equal("messages[1].content[0]", (refusal(talk { HI, { "user", result("nobody") } })))
  end)

  it("refuses to begin without a user", function()
    assert.equal("messages", (refusal(talk {})))
    assert.equal("messages", (refusal(talk { { "system", text("s") } })))
    assert.equal("messages[0]", (refusal(talk { { "assistant", text("a") }, HI })))
    assert.equal("messages", (refusal(talk { { "user", text("  ") } })))
  end)

  it("warns of names", function()
    local c = talk { { "user", text("a"), name = '"bob"' } }
    encode(c)
    assert.same({ "messages[0].name;Anthropic's messages have no names" }, c.ledger:warnings())
  end)
end)

describe("system messages in the middle", function()
  local function shape(turns, able)
    local document = encode(talk(turns), { system_in_messages = able })
    local out = {}
    for _, message in json.each(document.messages) do
      local words = {}
      for _, block in json.each(message.content) do
        words[#words + 1] = block.text
      end
      out[#out + 1] = message.role .. ":" .. table.concat(words, "|")
    end
    return out
  end

  it("stay where the model takes them and the rules hold", function()
    assert.same({ "user:hi", "system:s|t", "assistant:a", "user:b", "system:end" }, shape({ HI, { "system", text("s") },
      { "system", text("t") }, { "assistant", text("a") }, { "user", text("b") }, { "system", text("end") } }, true))
  end)

  it("become reminders in a user's message elsewhere", function()
    local S = "<system-reminder>\ns\n</system-reminder>"
    assert.same({ "user:hi|" .. S, "assistant:a", "user:b" },
      shape({ HI, { "system", text("s") }, { "assistant", text("a") }, { "user", text("b") } }, false))
    assert.same({ "user:hi|" .. S .. "|b" }, shape({ HI, { "system", text("s") }, { "user", text("b") } }, true))
    assert.same({ "user:hi", "assistant:a", "user:" .. S .. "|b" },
      shape({ HI, { "assistant", text("a") }, { "system", text("s") }, { "user", text("b") } }, true))
  end)

  it("stand behind the results of calls", function()
    local out = messages({ HI, { "assistant", call("a") }, { "system", text("s") }, { "user", result("a") } })
    assert.truthy(out:find('"content":"out"},{"type":"text","text":'
      .. '"<system-reminder>\\ns\\n</system-reminder>"}]}]', 1, true),
      out)
  end)
end)

describe("prefill", function()
  local function last(turns, caps, fields)
    local c = talk(turns, fields)
    local document = encode(c, caps)
    local message = document.messages[#document.messages]
    return message.role, message.content[1].text, c
  end

  it("goes on where the model continues, without white space at its end", function()
    local role, words = last { HI, { "assistant", text("So \\ n:\n \t\n") } }
    assert.same({ "assistant", "So \\ n:" }, { role, words })
  end)

  it("is left out with a warning where it does not", function()
    local role, words, c = last({ HI, { "assistant", text("So") } }, { prefill = false })
    assert.same({ "user", "hi" }, { role, words })
    assert.same({ "messages[1];the model does not continue an assistant's turn" }, c.ledger:warnings())
    role = last({ HI, { "assistant", text(" \n") } })
    assert.equal("user", role)
  end)

  it("is left out where thinking or a format begins anew", function()
    local role = last({ HI, { "assistant", text("{") } }, nil, { format = { kind = "schema", schema = "{}",
      where = "f" } })
    assert.equal("user", role)
    local c = talk({ HI, { "assistant", text("So") } }, { reasoning = { effort = "low", where = "reasoning_effort" } })
    local document = encode(c, { reasoning = "budget", output = 64000 })
    assert.is_nil(document.thinking)
    assert.same({ "reasoning_effort;the model does not think where it continues an assistant's turn" },
      c.ledger:warnings())
  end)
end)

describe("content to Anthropic", function()
  local function block(part, caps, version)
    local c = talk { { "user", part } }
    local document = encode(c, caps, version)
    return document.messages[1] and json.raw(document.messages[1].content, 1), c
  end

  it("has images of four kinds", function()
    assert.equal('{"type":"image","source":{"type":"base64","media_type":"image/jpeg","data":"QQ=="}}',
      (block { kind = "image", media_type = "image/jpg", data = '"QQ=="', detail = '"high"' }))
    assert.equal('{"type":"image","source":{"type":"url","url":"https://a/b"}}',
      (block { kind = "image", url = '"https://a/b"' }))
    for _, part in ipairs { { media_type = "image/bmp", data = '"QQ=="' }, { url = '"gs:'
      .. '//b/o"' }, { file_id = '"f"' } } do
      part.kind = "image"
      assert.equal("messages[0].content[0]", (refusal(talk { { "user", part } })))
    end
    assert.truthy(refusal(talk { { "user", { kind = "image", url = '"https://a"' } } }, { images = false }))
    assert.truthy(refusal(talk { HI, { "assistant", { kind = "image", url = '"https://a"' } }, HI }))
  end)

  it("has documents of PDF and text", function()
    assert.equal('{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JV=="},'
      .. '"title":"a.pdf"}',
      (block { kind = "document", media_type = "application/pdf", data = '"JV=="', filename = '"a.pdf"' }))
    assert.equal('{"type":"document","source":{"type":"text","media_type":"text/plain","data":"hé\\n"},"title":"T",'
      .. '"context":"C","citations":{"enabled":true}}', (block { kind = "document", text = '"hé\\n"', title = '"T"',
      context = '"C"', wants_citations = true, media_type = "text/plain" }))
    assert.equal('{"type":"document","source":{"type":"text","media_type":"text/plain","data":"a,\\"b\\""}}',
      (block { kind = "document", media_type = "text/csv", data = '"YSwiYiI="' }))
    assert.equal('{"type":"document","source":{"type":"url","url":"https://a"}}',
      (block { kind = "document", media_type = "application/pdf", url = '"https://a"' }))
    for _, part in ipairs { { media_type = "application/zip", data = '"QQ=="' }, { file_id = '"f"' },
      { media_type = "text/csv", data = '"!"' }, { media_type = "application/pdf", url = '"ftp://a"' } } do
      part.kind = "document"
      assert.equal("messages[0].content[0]", (refusal(talk { { "user", part } })))
    end
    assert.truthy(refusal(talk { { "user", { kind = "document", media_type = "application/pdf", data = '"A"' } } },
      { pdf = false }))
  end)

  it("has documents of assistants in the older version alone", function()
    local turns = { HI, { "assistant", { kind = "document", text = '"d"' } }, { "user", text("b") } }
    assert.is_nil((refusal(talk(turns))))
    assert.equal("messages[1].content[0]", (refusal(talk(turns), nil, "2026-10-21")))
  end)

  it("refuses audio", function()
    assert.equal("messages[0].content[0]", (refusal(talk { { "user", { kind = "audio", data = '"A"',
      media_type = "audio/wav" } } })))
  end)

  it("shows refusals as texts", function()
    local out = messages { HI, { "assistant", { kind = "refusal", text = '"no"' } }, { "user", text("why") } }
    assert.truthy(out:find('{"type":"text","text":"no"}', 1, true))
  end)

  it("has results with images, errors, objects and nothing", function()
    local out = messages { HI, { "assistant", call("a"), call("b"), call("c") }, { "user",
      { kind = "tool_result", id = "a", is_error = true, content = { text("x"), { kind = "image", data = '"QQ=="',
        media_type = "image/png" }, text("") } },
      { kind = "tool_result", id = "b", value = '{"k":['
        .. ']}' }, { kind = "tool_result", id = "c", content = { text("") } } } }
    assert.truthy(out:find('{"type":"tool_result","tool_use_id":"a","content":[{"type":"text","text":"x"},{"type":'
      .. '"image",'
      .. '"source":{"type":"base64","media_type":"image/png","data":"QQ=="}}],"is_error":true},'
      .. '{"type":"tool_result","tool_use_id":"b","content":"{\\"k\\":[]}"},{"type":"tool_result","tool_use_id":'
      .. '"c"}]', 1,
      true), out)
  end)

  it("has no more than four breakpoints, of Anthropic's form", function()
    local hint = '{"type":"ephemeral"}'
    local c = talk({ { "user", text("1", { cache = hint }), text("2", { cache = '{"mode":"explicit"}' }),
      text("3", { cache = hint }), text("4", { cache = hint }), text("5", { cache = hint }), text("6",
        { cache = hint }) } })
    local _, body = encode(c)
    local _, count = body:gsub("cache_control", "")
    assert.equal(4, count)
    assert.is_nil(c.ledger:warnings()[1])
  end)
end)

describe("reasoning that goes back", function()
  local ORIGIN = { dialect = "anthropic", provider = "an", model = "claude" }

  local function thinking(state, words)
    state.origin = state.origin or ORIGIN
    return { kind = "reasoning", text = words, state = state }
  end

  it("is the same byte for byte, in front", function()
    local out = messages { HI, { "assistant", text("before"), thinking({ kind = "signature", data = "c2ln+/=" },
      '"a\\u0020"'),
      thinking { kind = "redacted", data = "cmVk" }, thinking { kind = "signature", data = "b21p" }, call("a") },
      { "user", result("a") } }
    assert.truthy(out:find('"assistant","content":[{"type":"thinking","thinking":"a\\u0020","signature":"c2ln+/="},'
      .. '{"type":"redacted_thinking","data":"cmVk"},{"type":"thinking","thinking":"","signature":"b21p"},'
      .. '{"type":"text","text":"before"},{"type":"tool_use"', 1, true), out)
  end)

  it("stays interleaved where it leads", function()
    local out = messages { HI, { "assistant", thinking({ kind = "signature", data = "b25l" }, '"1"'), text("mid"),
      thinking({ kind = "signature", data = "dHdv" }, '"2"'), call("a") }, { "user", result("a") } }
    assert.truthy(out:find("b25l.*mid.*dHdv.*tool_use"), out)
  end)

  it("is dropped where another model made it", function()
    for _, state in ipairs { { kind = "signature", data = "x", origin = { dialect = "anthropic", provider = "an",
      model = "other" } }, { kind = "encrypted", data = "x", origin = { dialect = "openai_responses", provider = "an",
      model = "claude" } } } do
      local out, c = messages { HI, { "assistant", thinking(state, '"secret"'), text("a") }, { "user", text("b") } }
      assert.is_nil(out:find("secret", 1, true))
      assert.equal("messages[1].content[0]", c.ledger.entries[2].path)
    end
    local out = messages { HI, { "assistant", { kind = "reasoning", text = '"secret"' }, text("a") }, { "user",
      text("b") } }
    assert.is_nil(out:find("secret", 1, true))
  end)
end)

describe("tools to Anthropic", function()
  local function tools(list, caps, fields)
    fields = fields or {}
    fields.tools = list
    local c = talk({ HI }, fields)
    local document = encode(c, caps)
    return json.raw(document, "tools"), json.raw(document, "tool_choice"), c
  end

  local function schema(text_of)
    local out = tools { tool { schema = text_of } }
    return out:match('^%[{"name":"f","input_schema":(.*)}%]$')
  end

  it("keep every byte of a schema that says object", function()
    local odd = '{ "type": "object", "required":[], "properties":{"a":{"enum":[1.0,12345678901234567890]}},"$defs":{} }'
    assert.equal(odd, schema(odd))
  end)

  it("say object where a schema does not", function()
    assert.equal('{"type":"object","properties":{}}', schema(nil))
    assert.equal('{"type":"object","properties":{}}', schema("{ }"))
    assert.equal('{"type":"object","properties": {"a":{ }} }', schema('{ "properties": {"a":{ }} }'))
    assert.equal('{"type":"object"}', schema('{"type":["object","null"]}'))
    for _, odd in ipairs { '{"type":"string"}', "[]" } do
      assert.equal("tools[0]", (refusal(talk({ HI }, { tools = { tool { schema = odd } } }))))
    end
  end)

  it("have descriptions, strictness and cache hints", function()
    local list = { tool { description = '"d"', schema = '{"type":"object"}', strict = true,
      cache = '{"type":"ephemeral"}' } }
    assert.equal('[{"name":"f","description":"d","input_schema":{"type":"object"},"strict":true,"cache_control":'
      .. '{"type":"ephemeral"}}]', (tools(list)))
    local out, _, c = tools(list, { strict = false })
    assert.is_nil(out:find("strict", 1, true))
    assert.same({ "tools[0].strict;the model has no strict tools" }, c.ledger:warnings())
  end)

  it("have names that Anthropic takes, and the client's come back", function()
    local long = ("a"):rep(130)
    local out, choice, c = tools({ tool { name = "ns.f" }, tool { name = long, index = 1 } }, nil,
      { tool_choice = { mode = "required", names = { "ns.f" }, where = "tool_choice" } })
    local names = {}
    for name in out:gmatch('"name":"([^"]+)"') do
      names[#names + 1] = name
      assert.truthy(name:find("^[%w_-]+$") and #name <= 128)
    end
    assert.same({ "ns.f", long }, { c.names[names[1]], c.names[names[2]] })
    assert.equal('{"type":"tool","name":"' .. names[1] .. '"}', choice)
  end)

  it("refuse free text", function()
    assert.equal("tools[0]", (refusal(talk({ HI }, { tools = { tool { custom = true } } }))))
  end)

  it("are chosen as the client says", function()
    local two = { tool { name = "f" }, tool { name = "g", index = 1 } }
    local function choice(mode, names, parallel, caps)
      local list, chosen, c = tools(two, caps, { tool_choice = mode and { mode = mode, names = names,
        where = "tool_choice" },
        parallel_tools = parallel })
      local _, count = list:gsub("input_schema", "")
      return chosen, count, c.ledger:warnings()[1]
    end
    assert.is_nil((choice(nil)))
    assert.same({ '{"type":"auto"}', 2 }, { choice("auto") })
    assert.same({ '{"type":"any"}', 2 }, { choice("required") })
    assert.same({ '{"type":"none"}', 2 }, { choice("none", nil, false) })
    assert.same({ '{"type":"tool","name":"g"}', 2 }, { choice("required", { "g" }) })
    assert.same({ '{"type":"auto","disable_parallel_tool_use":true}', 2 }, { choice(nil, nil, false) })
    assert.same({ '{"type":"any","disable_parallel_tool_use":true}', 2 }, { choice("required", nil, false) })
    assert.same({ '{"type":"auto"}', 1, "tool_choice;the other tools are left out of this request" },
      { choice("auto", { "g" }) })
    assert.same({ '{"type":"any"}', 2 }, { choice("required", { "f", "g" }) })
  end)

  it("refuse choices that cannot be made", function()
    local function with(choice, list)
      return talk({ HI }, { tools = list or { tool {} }, tool_choice = choice })
    end
    assert.equal("tc", (refusal(with { mode = "required", names = { "x" }, where = "tc" })))
    assert.equal("tc", (refusal(with({ mode = "required", where = "tc" }, {}))))
    assert.equal("tc", (refusal(with { mode = "required", where = "tc" }, { tool_choice_required = false })))
    assert.is_nil((refusal(with({ mode = "auto", where = "tc" }, {}))))
  end)
end)

describe("thinking at Anthropic", function()
  local function think(asked, caps, fields, turns)
    fields = fields or {}
    asked.where = "reasoning_effort"
    fields.reasoning = asked
    local c = talk(turns or { HI }, fields)
    local document = encode(c, caps)
    return json.raw(document, "thinking"), document.max_tokens, c, json.raw(document, "output_config")
  end

  it("is adaptive with an effort", function()
    local caps = { reasoning = "adaptive", efforts = { "low", "medium", "high", "max" } }
    local function adaptive(asked)
      local thinking, _, _, output = think(asked, caps)
      return thinking, output
    end
    assert.same({ '{"type":"adaptive"}', '{"effort":"high"}' }, { adaptive { effort = "high" } })
    assert.same({ '{"type":"adaptive","display":"summarized"}', '{"effort":"low"}' },
      { adaptive { effort = "minimal", visible = true } })
    assert.same({ '{"type":"adaptive","display":"omitted"}' }, { adaptive { visible = false } })
    assert.same({ '{"type":"adaptive"}', '{"effort":"medium"}' }, { adaptive { budget = 4000 } })
    assert.same({ '{"type":"disabled"}' }, { adaptive { off = true } })
    caps.reasoning_off = false
    assert.same({ nil, '{"effort":"low"}' }, { adaptive { off = true } })
  end)

  it("is a budget between 1024 and the limit", function()
    local caps = { reasoning = "budget", output = 64000 }
    local function budget(asked, max_tokens, more)
      local thinking, limit, c = think(asked, more or caps, { max_tokens = max_tokens })
      return thinking and tonumber(thinking:match('^{"type":"enabled","budget_tokens":(%d+)}$')), limit,
        c.ledger:warnings()[1]
    end
    assert.same({ 4096, 64000 }, { budget { effort = "low" } })
    assert.same({ 1024, 64000 }, { budget { effort = "minimal" } })
    assert.same({ 5000, 6000 }, { budget({ budget = 5000 }, "6000") })
    assert.same({ 1024, 64000 }, { budget { budget = 10 } })
    assert.same({ 4800, 6000 }, { budget({ effort = "high" }, "6000") })
    assert.same({ 1024, 1100 }, { budget({ effort = "high" }, "1100") })
    assert.same({ nil, 1024, "reasoning_effort;thinking needs 1024 tokens below max_tokens" },
      { budget({ effort = "high" }, "1024") })
    assert.same({ 40960, 49152 }, { budget({ budget = 40960 }, nil, { reasoning = "budget", output = 49152 }) })
  end)

  it("raises a limit that nobody knows", function()
    local unknown = target { reasoning = "budget" }
    unknown.caps.output = nil
    local document = json.parse(anthropic.encode_request(talk({ HI }, { reasoning = { effort = "max", where = "r" } }),
      unknown))
    assert.same({ 32768, 40960 }, { document.thinking.budget_tokens, document.max_tokens })
  end)

  it("is left out with a warning where it cannot be", function()
    local caps = { reasoning = "budget", output = 64000 }
    local thinking, _, c = think({ effort = "high" }, caps, { tools = { tool {} },
      tool_choice = { mode = "required", where = "tool_choice" } })
    assert.is_nil(thinking)
    assert.same({ "reasoning_effort;the model does not think where it must call a tool" }, c.ledger:warnings())
    thinking, _, c = think({ effort = "high" }, caps, nil, { HI, { "assistant", call("a") }, { "user", result("a") } })
    assert.is_nil(thinking)
    assert.same({ "reasoning_effort;the calls that are answered were made without its thinking" }, c.ledger:warnings())
    thinking, _, c = think({ effort = "high" }, { reasoning = "none" })
    assert.is_nil(thinking)
    assert.same({ "reasoning_effort;the model does not think" }, c.ledger:warnings())
    thinking, _, c = think({ off = true }, { reasoning = "none" })
    assert.is_nil(thinking)
    assert.same({}, c.ledger:warnings())
  end)

  it("goes on in a loop of calls that began with its thinking", function()
    local state = { kind = "signature", data = "c2ln", origin = { dialect = "anthropic", provider = "an",
      model = "claude" } }
    local thinking = think({ effort = "low" }, { reasoning = "budget", output = 64000 }, nil,
      { HI, { "assistant", { kind = "reasoning", text = '"t"', state = state }, call("a") }, { "user", result("a") } })
    assert.equal('{"type":"enabled","budget_tokens":4096}', thinking)
  end)

  it("leaves sampling to the model", function()
    local _, _, c = think({ effort = "low" }, { reasoning = "budget", output = 64000 },
      { temperature = "0.2", top_k = "5", top_p = "0.9" })
    assert.equal(3, #c.ledger:warnings())
    local document = encode(talk({ HI }, { reasoning = { effort = "low", where = "r" }, temperature = "1",
      top_p = "0.95" }),
      { reasoning = "budget", output = 64000 })
    assert.same({ 1, 0.95 }, { document.temperature, document.top_p })
  end)
end)

describe("sampling and the rest at Anthropic", function()
  it("keep the client's numbers", function()
    local _, body = encode(talk({ HI }, { temperature = "0.10", top_p = "9e-1", top_k = "40", stop = { '"a\\u0020"',
      '"b"' } }))
    assert.truthy(body:find('"temperature":0.10,"top_p":9e-1,"top_k":40,"stop_sequences":["a\\u0020",'
      .. '"b"]', 1, true), body)
  end)

  it("clamp a temperature above 1", function()
    local at, c = member("temperature", { temperature = "1.5" })
    assert.equal("1", at)
    assert.same({ "temperature;Anthropic's temperature ends at 1" }, c.ledger:warnings())
  end)

  it("are left out by model and by version", function()
    for _, row in ipairs { { { temperature = false, top_p = false, top_k = false } }, { nil, "2026-10-21" } } do
      local c = talk({ HI }, { temperature = "0.5", top_p = "1", top_k = "3" })
      local document = encode(c, row[1], row[2])
      assert.same({}, { document.temperature, document.top_p, document.top_k })
      assert.same({ "temperature;it sets its temperature itself", "top_k;it has no top_k" }, c.ledger:warnings())
    end
  end)

  it("are one of temperature and top_p on some models", function()
    local c = talk({ HI }, { temperature = "0.5", top_p = "0.9" })
    local document = encode(c, { sampling_together = false })
    assert.is_nil(document.top_p)
    assert.same({ "top_p;the model takes temperature or top_p, not both" }, c.ledger:warnings())
    assert.equal("0.9", (member("top_p", { top_p = "0.9" }, { sampling_together = false })))
  end)

  it("refuse stop sequences that it does not take", function()
    local c = talk({ HI }, { stop = { '"a"', '"\\n"' } })
    assert.equal("stop[1]", (refusal(c)))
    assert.equal("stop", (refusal(talk({ HI }, { stop = { '"a"' } }), { stop = false })))
  end)

  it("hash a user's address, and nothing else", function()
    assert.equal('{"user_id":"user_1"}', (member("metadata", { user = '"user_1"' })))
    local at, c = member("metadata", { user = '"ann@example.com"' })
    assert.equal('{"user_id":"', at:sub(1, 12))
    assert.truthy(#at == 12 + 64 + 2 and not at:find("@", 1, true))
    assert.equal("user", c.ledger.entries[2].path)
    assert.equal(at, (member("metadata", { user = '"ann@example.com"' })))
  end)

  it("warn of what there is not, and refuse what would be missed", function()
    local c = talk({ HI }, { seed = "1", metadata = '{"a":"b"}', service_tier = '"flex"', verbosity = '"low"' })
    encode(c)
    assert.equal(4, #c.ledger:warnings())
    c = talk({ HI }, { service_tier = '"auto"', n = "1", parallel_tools = true })
    encode(c)
    assert.same({}, c.ledger:warnings())
    assert.equal("n", (refusal(talk({ HI }, { n = "2" }))))
    assert.equal("logprobs", (refusal(talk({ HI }, { logprobs = "1" }))))
  end)

  it("carry a cache hint for the whole", function()
    assert.equal('{"type":"ephemeral"}', (member("cache_control", { cache = '{"type":"ephemeral"}' })))
  end)
end)

describe("structured output at Anthropic", function()
  local function format(schema, more)
    local fields = { kind = "schema", schema = schema, where = "response_format.json_schema", name = '"n"' }
    for key, value in pairs(more or {}) do
      fields[key] = value
    end
    local at, c = member("output_config", { format = fields })
    return at and at:match('^{"format":{"type":"json_schema","schema":(.*)}}$'), c.ledger.refused
  end

  it("is the client's schema, closed", function()
    local closed = '{ "type":"object","properties":{"a":{"type":"integer"}},"additionalProperties": false }'
    assert.equal(closed, format(closed))
    assert.equal('{"type":"object","properties":{"a":{"type":"array","items":{"type":"object","properties":{},'
      .. '"additionalProperties":false}},"additionalProperties":{"type":"string"}},"additionalProperties":false}',
      format('{"type":"object","properties":{"a":{"type":"array","items":{"type":"object","properties":{}}},'
        .. '"additionalProperties":{"type":"string"}}}'))
  end)

  it("is refused where an object is open, there is no schema, or the model cannot", function()
    local _, refused = format('{"type":"object","additionalProperties":true}')
    assert.equal("response_format.json_schema.schema", refused.path)
    _, refused = format(nil, { kind = "json", where = "response_format" })
    assert.same({ "response_format", "Anthropic has no JSON mode: give a JSON schema instead" },
      { refused.path, refused.why })
    assert.equal("rf", (refusal(talk({ HI }, { format = { kind = "schema", schema = "{}", where = "rf" } }),
      { json_schema = false })))
  end)

  it("stands beside the effort", function()
    assert.equal('{"effort":"low","format":{"type":"json_schema","schema":{}}}', (member("output_config", { format = {
      kind = "schema", schema = "{}", where = "f" }, reasoning = { effort = "low", where = "r" } },
      { reasoning = "adaptive" })))
  end)
end)

describe("counts", function()
  it("are read and written", function()
    assert.equal(12, anthropic.decode_count(json.parse('{"input_tokens":12}')))
    assert.is_nil(anthropic.decode_count(json.parse('{"input_tokens":"12"}')))
    assert.is_nil(anthropic.decode_count(json.parse("[]")))
    assert.equal('{"input_tokens":7}', anthropic.encode_count(7))
  end)
end)
