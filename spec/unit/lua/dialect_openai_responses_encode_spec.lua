local conversation = require("cliproxy.conversation")
local json = require("cliproxy.json")
local responses = require("cliproxy.dialects.openai_responses")

--- The entries of a ledger as "path action" lines.
local function noted(c)
  local out = {}
  for _, entry in ipairs(c.ledger.entries) do
    out[#out + 1] = ("%s %s%s"):format(entry.path, entry.action, entry.warn and " warned" or "")
  end
  return out
end

local function conversation_of(fields)
  local c = conversation.new("openai_chat", { model = "fast", stream = fields.stream, operation = fields.operation },
    { turns = "messages", parts = "content", system = "messages", tools = "tools" })
  for key, value in pairs(fields) do
    c[key] = value
  end
  return c
end

local function target(caps)
  return { dialect = "openai_responses", provider = "openai", model = "gpt-5", caps = caps or {} }
end

--- The body as text, which must be JSON.
local function encode(fields, caps)
  local c = conversation_of(fields)
  local body = responses.encode_request(c, target(caps))
  json.close(assert(json.parse(body)))
  return body, c
end

--- One member of the body.
local function member(key, fields, caps)
  local body, c = encode(fields, caps)
  local document = json.parse(body)
  local raw = json.raw(document, key)
  json.close(document)
  return raw, c
end

local function user(...)
  return { role = "user", index = 0, parts = { ... } }
end

local function text(literal)
  return { kind = "text", text = literal, turn = 0 }
end

local function call(id, name, arguments)
  return { kind = "tool_call", id = id, name = name or "f", arguments = arguments or '"{}"', turn = 1 }
end

local function result(id, ...)
  return { kind = "tool_result", id = id, content = { ... }, turn = 2 }
end

describe("a request for Responses, encoded:", function()
  it("system texts are instructions, nothing is stored, encrypted reasoning is asked for", function()
    assert.equal('{"model":"gpt-5","instructions":"a\\n\\nb","input":[{"type":"message","role":"user","content":['
      .. '{"type":"input_text","text":"hi"}]}],"include":["reasoning.encrypted_content"],"store":false,"stream":true}',
      (encode { stream = true, system = { text('"a"'), text('""'), text('"b"') }, turns = { user(text('"hi"')) } }))
  end)

  it("a model that does not reason is not asked for its state", function()
    assert.is_nil((member("include", { turns = { user(text('"x"')) } }, { reasoning = "none" })))
  end)

  it("system messages in the middle stay there", function()
    assert.equal('[{"type":"message","role":"user","content":[{"type":"input_text","text":"a"}]},'
      .. '{"type":"message","role":"developer","content":[{"type":"input_text","text":"b"}]}]',
      (member("input", { turns = { user(text('"a"')), { role = "system", index = 1, parts = { text('"b"') } } } })))
  end)

  it("assistants say output_text; empty texts beside calls are left out", function()
    assert.equal('[{"type":"message","role":"user","content":[{"type":"input_text","text":"q"}]},'
      .. '{"type":"message","role":"assistant","content":[{"type":"output_text","text":"a","annotations":[]},'
      .. '{"type":"refusal","refusal":"b"}]},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},'
      .. '{"type":"function_call_output","call_id":"c","output":"r"}]',
      (member("input", { turns = { user(text('"q"')), { role = "assistant", index = 1, parts = { text('"a"'),
        { kind = "refusal", text = '"b"', turn = 1 }, text('""'), call("c", "f", '""') } },
        user(result("c", text('"r"'))) } })))
  end)

  it("one text of an assistant is a string, beside others it is a part", function()
    local function said(...)
      return (member("input", { turns = { user(text('"q"')), { role = "assistant", index = 1, parts = { ... } } } }))
        :match('"assistant","content":(.*)}%]$')
    end
    assert.equal('"a"', said(text('"a"')))
    assert.equal('[{"type":"output_text","text":"a","annotations":[]},{"type":"output_text","text":"b",'
      .. '"annotations":[]}]', said(text('"a"'), text('"b"')))
    assert.equal('[{"type":"refusal","refusal":"no"}]', said { kind = "refusal", text = '"no"', turn = 1 })
  end)

  it("parts that a message can hold", function()
    local raw, c = member("input", { turns = { user(
      { kind = "image", media_type = "image/png", data = '"AA"', detail = '"low"' }, { kind = "image",
        url = '"https://x"' },
      { kind = "document", media_type = "application/pdf", data = '"BB"', filename = '"a.pdf"' },
      { kind = "document", text = '"plain"' }, { kind = "document", url = '"https://x/a.pdf"' }) } })
    assert.equal('[{"type":"message","role":"user","content":[{"type":"input_image","image_url":'
      .. '"data:image/png;base64,AA",'
      .. '"detail":"low"},{"type":"input_image","image_url":"https://x","detail":"auto"},'
      .. '{"type":"input_file","filename":"a.pdf","file_data":'
      .. '"data:application/pdf;base64,BB"},{"type":"input_file","filename":"document.txt","file_data":'
      .. '"data:text/plain;base64,cGxhaW4="},{"type":"input_file","file_url":"https://x/a.pdf"}]}]', raw)
    assert.same({ "input.filename invented" }, noted(c))
  end)

  it("a media type cannot break out of its string", function()
    encode { turns = { user({ kind = "image", media_type = 'image/"x', data = '"AA"' }) } }
  end)

  it("files of a provider, audio, and what the model cannot read are refused", function()
    local function refused(part, caps)
      local _, c = encode({ turns = { user(part) } }, caps)
      return c.ledger.refused.path
    end
    assert.equal("messages[4].content[1].file_id", refused { kind = "image", file_id = '"f"', turn = 4, index = 1 })
    assert.equal("messages[4].content[1]", refused { kind = "audio", data = '"x"', turn = 4, index = 1 })
    assert.equal("messages[0]", refused({ kind = "image", url = '"x"', turn = 0 }, { images = false }))
    assert.equal("messages[0]", refused({ kind = "document", url = '"x"', media_type = "application/pdf", turn = 0 },
      { pdf = false }))
  end)

  it("results: one text, several parts, a value, an error", function()
    local raw, c = member("input", { turns = { { role = "assistant", index = 1, parts = { call("a"), call("b"),
      call("c"),
      call("d"), call("e") } }, user(result("a", text('"x"'), { kind = "image", url = '"https://x"' }),
        { kind = "tool_result", id = "b", value = '{"n":1.0}', turn = 2 },
        { kind = "tool_result", id = "c", content = { text('"broke"') }, is_error = true, turn = 2 }, result("d"),
        { kind = "tool_result", id = "e", content = {}, is_error = true, turn = 2 }) } })
    assert.matches('"call_id":"a","output":[{"type":"input_text","text":"x"},{"type":"input_image","image_url":'
      .. '"https://x","detail":"auto"}]',
      raw, 1, true)
    assert.matches('"call_id":"b","output":"{\\"n\\":1.0}"', raw, 1, true)
    assert.matches('"call_id":"c","output":"Error: broke"', raw, 1, true)
    assert.matches('"call_id":"d","output":""', raw, 1, true)
    assert.matches('"call_id":"e","output":"Error"', raw, 1, true)
    assert.same({ "messages[2].is_error changed", "messages[2].is_error changed" }, noted(c))
  end)

  it("ids of calls and names of tools fit, the same on call and result, and names come back", function()
    local long, name = "toolu." .. ("x"):rep(80), "server.tool/" .. ("n"):rep(80)
    local raw, c = member("input", { turns = { { role = "assistant", index = 1, parts = { call(long, name) } },
      user(result(long, text('"r"'))) } })
    local first, second = raw:match('"call_id":"(call_%x+)".*"call_id":"(call_%x+)"')
    assert.equal(first, second)
    assert.is_true(#first <= 64)
    local short = raw:match('"name":"([^"]+)"')
    assert.is_true(#short <= 64 and not short:find("[^%w_-]"))
    assert.equal(name, c.names[short])
  end)

  it("custom calls and their results", function()
    assert.equal('[{"type":"custom_tool_call","call_id":"c","name":"sql","input":"SELECT 1"},'
      .. '{"type":"custom_tool_call_output","call_id":"c","output":"1"}]',
      (member("input", { turns = { { role = "assistant", index = 1, parts = { { kind = "tool_call", id = "c",
        name = "sql",
        arguments = '"SELECT 1"', custom = true, turn = 1 } } }, user(result("c", text('"1"'))) } })))
  end)

  it("results come behind their calls, orphans are refused", function()
    local raw = member("input", { turns = { { role = "assistant", index = 0, parts = { call("a"), call("b") } },
      user(text('"meanwhile"')), user(result("b", text('"2"'))), user(result("a", text('"1"'))) } })
    assert.is_true(raw:find('"output":"1"', 1, true) < raw:find('"output":"2"', 1, true))
    assert.is_true(raw:find('"output":"2"', 1, true) < raw:find("meanwhile", 1, true))
    local _, c = encode { turns = { user(result("zz", text('"1"'))) } }
    assert.matches("zz", c.ledger.refused.why)
  end)

  it("reasoning goes back to its maker, in front of what followed it; otherwise it is dropped", function()
    local origin = { dialect = "openai_responses", provider = "openai", model = "gpt-5" }
    local function reasoning(id, from, shown)
      return { kind = "reasoning", text = shown, turn = 1, state = { kind = "encrypted", data = "E" .. id,
        id = "rs_" .. id,
        origin = from } }
    end
    local raw, c = member("input", { turns = { { role = "assistant", index = 1, parts = {
      reasoning("1", origin, '"s"'), call("c"), reasoning("2", { dialect = "anthropic", provider = "a",
        model = "m" }, '"t"'),
      { kind = "reasoning", text = '"u"', turn = 1 }, text('"said"'), reasoning("3", origin) } },
      user(result("c", text('"r"'))) } })
    assert.equal('[{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"s"}],"encrypted_content":'
      .. '"E1"},'
      .. '{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"message","role":"assistant",'
      .. '"content":"said"},{"type":"function_call_output","call_id":"c",'
      .. '"output":"r"}]', raw)
    assert.same({ "messages[1] dropped", "messages[1] dropped", "messages[1] dropped" }, noted(c))
  end)

  it("tools are flat and say strict; schemas that lack something get it, others stay byte for byte", function()
    local schema = '{ "type":"object", "properties":{"a":{"required":[]}} }'
    local raw = member("tools", { tools = {
      { name = "f", index = 0, description = '"d"', schema = schema, strict = true }, { name = "g", index = 1 },
      { name = "h", index = 2, schema = '{"type":"object"}' }, { name = "i", index = 3, schema = "{}" },
      { name = "j", index = 4, schema = '{"$ref":"#/x"}' }, { name = "k", index = 5, custom = true,
        grammar = '{"type":"grammar","grammar":{"syntax":"lark","definition":"s"}}' } } })
    assert.equal('[{"type":"function","name":"f","description":"d","parameters":' .. schema .. ',"strict":true},'
      .. '{"type":"function","name":"g","parameters":{"type":"object","properties":{}},"strict":false},'
      .. '{"type":"function","name":"h","parameters":{"properties":{},"type":"object"},"strict":false},'
      .. '{"type":"function","name":"i","parameters":{"type":"object","properties":{}},"strict":false},'
      .. '{"type":"function","name":"j","parameters":{"$ref":"#/x"},"strict":false},'
      .. '{"type":"custom","name":"k","format":{"type":"grammar","syntax":"lark","definition":"s"}}]', raw)
  end)

  it("choices of tools", function()
    local tools = { { name = "f", index = 0 }, { name = "g", index = 1, custom = true } }
    local function choice(value, caps)
      value.where = "tool_choice"
      return (member("tool_choice", { tools = tools, tool_choice = value }, caps))
    end
    assert.equal('"none"', choice { mode = "none" })
    assert.equal('"required"', choice { mode = "required" })
    assert.equal('{"type":"function","name":"f"}', choice { mode = "required", names = { "f" } })
    assert.equal('{"type":"custom","name":"g"}', choice { mode = "required", names = { "g" } })
    assert.equal('{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"f"},{"type":"custom",'
      .. '"name":"g"}]}',
      choice { mode = "auto", names = { "f", "g" } })
    assert.equal('"auto"', choice({ mode = "required" }, { tool_choice_required = false }))
    assert.is_nil((member("tool_choice", { tool_choice = { mode = "auto", where = "x" } })))
    assert.equal('"auto"', choice({ mode = "auto", names = { "f" } }, { allowed_tools = false }))
    assert.equal("false", (member("parallel_tool_calls", { tools = tools, parallel_tools = false })))
  end)

  it("only the tools that may be called, where the server cannot be told which", function()
    local raw, c = member("tools", { tools = { { name = "f", index = 0 }, { name = "g", index = 1 } },
      tool_choice = { mode = "required", names = { "g", "x" }, where = "tool_choice" } }, { allowed_tools = false })
    assert.equal('[{"type":"function","name":"g","parameters":{"type":"object","properties":{}},"strict":false}]', raw)
    assert.same({ "tool_choice changed warned" }, noted(c))
  end)

  it("tools of free text are refused where there are none", function()
    local _, c = encode({ tools = { { name = "f", index = 2, custom = true } } }, { custom_tools = false })
    assert.equal("tools[2]", c.ledger.refused.path)
  end)

  it("structured output, verbosity", function()
    local raw, c = member("text", { format = { kind = "schema", schema = '{'
      .. '"a":1.0}', where = "w" }, verbosity = '"low"' })
    assert.equal('{"format":{"type":"json_schema","name":"response","schema":{"a":1.0},"strict":false},"verbosity":'
      .. '"low"}', raw)
    assert.same({ "text.format.name invented" }, noted(c))
    assert.equal('{"format":{"type":"json_schema","name":"n","schema":{},"description":"d","strict":true}}',
      (member("text", { format = { kind = "schema", name = '"n"', description = '"d"', schema = "{}",
        strict = "true" } })))
    assert.equal('{"format":{"type":"json_object"}}', (member("text", { format = { kind = "json", where = "w" } })))
    local refused = select(2, encode({ format = { kind = "schema", schema = "{}", where = "w" } },
      { json_schema = false }))
    assert.equal("w", refused.ledger.refused.path)
  end)

  it("reasoning", function()
    local function field(asked, caps)
      asked.where = "reasoning_effort"
      return member("reasoning", { reasoning = asked }, caps)
    end
    assert.equal('{"effort":"high","summary":"auto"}', (field { effort = "high", visible = true }))
    assert.equal('{"effort":"medium","summary":"detailed"}', (field { budget = 5000, summary = "detailed" }))
    assert.equal('{"effort":"none"}', (field { off = true, visible = true }))
    local raw, c = field({ off = true }, { reasoning_off = false, efforts = { "minimal", "low" } })
    assert.equal('{"effort":"minimal"}', raw)
    assert.same({ "reasoning_effort changed warned" }, noted(c))
    raw, c = field({ effort = "max" }, { efforts = { "low", "high" } })
    assert.equal('{"effort":"high"}', raw)
    assert.same({ "reasoning_effort changed warned" }, noted(c))
    raw, c = field({ effort = "max" }, { reasoning = "none" })
    assert.is_nil(raw)
    assert.same({ "reasoning_effort dropped warned" }, noted(c))
    assert.is_nil((field {}))
  end)

  it("plain fields, and what the API has not", function()
    local body, c = encode { temperature = "0.10", top_p = "1.0", max_tokens = "100", metadata = '{"a":'
      .. '"b"}', user = '"u"',
      service_tier = '"flex"', cache_key = '"k"', seed = "7", n = "1" }
    assert.matches('"max_output_tokens":100,"temperature":0.10,"top_p":1.0,"metadata":{"a":"b"},"safety_identifier":'
      .. '"u",'
      .. '"service_tier":"flex","prompt_cache_key":"k"', body, 1, true)
    assert.same({ "n dropped", "seed dropped warned" }, noted(c))
    for field, value in pairs { stop = { '"x"' }, n = "2", logprobs = "0", logit_bias = '{"1":2}' } do
      local refused = select(2, encode { [field] = value })
      assert.equal(field, refused.ledger.refused.path)
    end
    c = select(2, encode({ temperature = "0.2" }, { temperature = false }))
    assert.same({ "temperature dropped warned" }, noted(c))
    c = select(2, encode { dialect = "anthropic", user = '"session"' })
    assert.same({ "user dropped warned" }, noted(c))
  end)

  it("more tokens than the model gives are lowered: the service refuses them", function()
    local raw, c = member("max_output_tokens", { max_tokens = "64000" }, { output = 16384 })
    assert.equal("16384", raw)
    assert.same({ "max_tokens changed" }, noted(c))
    assert.equal("16384", (member("max_output_tokens", { max_tokens = "16384" }, { output = 16384 })))
  end)

  it("a model that does not reason is told so where something was asked", function()
    local function noted_of(asked)
      asked.where = "thinking"
      return noted(select(2, encode({ reasoning = asked }, { reasoning = "none" })))
    end
    assert.same({ "thinking dropped warned" }, noted_of { effort = "low" })
    assert.same({ "thinking dropped warned" }, noted_of { summary = "auto" })
    assert.same({ "thinking dropped" }, noted_of { visible = false })
    assert.same({ "thinking dropped" }, noted_of { off = true })
  end)

  it("fewer tokens than the service takes are raised", function()
    local raw, c = member("max_output_tokens", { max_tokens = "1" })
    assert.equal("16", raw)
    assert.same({ "max_tokens changed warned" }, noted(c))
  end)

  it("a count has what is counted and nothing else", function()
    local body, c = encode { operation = "count", system = { text('"s"') }, turns = { user(text('"x"')) },
      stop = { '"x"' },
      max_tokens = "9", tools = { { name = "f", index = 0 } } }
    assert.equal('{"model":"gpt-5","instructions":"s","input":[{"type":"message","role":"user","content":[{"type":'
      .. '"input_text",'
      .. '"text":"x"}]}],"tools":[{"type":"function","name":"f","parameters":{"type":"object","properties":{}},'
      .. '"strict":false}]}', body)
    assert.is_nil(c.ledger.refused)
  end)

  it("counts are read and written", function()
    assert.equal(16, responses.decode_count(json.parse('{"object":"response.input_tokens","input_tokens":16}')))
    assert.is_nil(responses.decode_count(json.parse('{"input_tokens":"16"}')))
    assert.is_nil(responses.decode_count(json.null))
    assert.equal('{"object":"response.input_tokens","input_tokens":16}', responses.encode_count(16))
  end)
end)
