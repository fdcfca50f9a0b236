--- What Gemini providers are asked, of conversations of other dialects.
local conversation = require("cliproxy.conversation")
local gemini = require("cliproxy.dialects.gemini")
local json = require("cliproxy.json")
local models = require("cliproxy.models")
local schema_out = require("cliproxy.dialects.gemini.schema_out")

local PATHS = { turns = "messages", parts = "content", system = "system", tools = "tools" }
local ORIGIN = { dialect = "gemini", provider = "p", model = "gemini-3-pro" }

local function target(model, more)
  local caps = {}
  for key, value in pairs((models.caps(model or "gemini-2.5-flash", "gemini"))) do
    caps[key] = value
  end
  for key, value in pairs(more or {}) do
    caps[key] = value
  end
  return { dialect = "gemini", provider = "p", model = model or "gemini-2.5-flash", caps = caps }
end

local function new(fields)
  local c = conversation.new("anthropic", { model = "m", stream = false }, PATHS)
  for key, value in pairs(fields or {}) do
    c[key] = value
  end
  if #c.turns == 0 then
    c.turns[1] = { role = "user", index = 0, parts = { { kind = "text", text = '"hi"', turn = 0 } } }
  end
  return c
end

-- Turns of { role, part, part… }.
local function turns(list)
  local out = {}
  for i, row in ipairs(list) do
    local parts = { unpack(row, 2) }
    for k, part in ipairs(parts) do
      part.turn, part.index = i - 1, k - 1
    end
    out[i] = { role = row[1], index = i - 1, parts = parts }
  end
  return out
end

local function text(words)
  return { kind = "text", text = '"' .. words .. '"' }
end

local function call(id, name, input)
  return { kind = "tool_call", id = id, name = name, input = input or "{}" }
end

local function result(id, words, more)
  local part = { kind = "tool_result", id = id, content = { text(words) } }
  for key, value in pairs(more or {}) do
    part[key] = value
  end
  return part
end

local function encode(c, at)
  local body = gemini.encode_request(c, at or target())
  local document = assert(json.parse(body))
  json.close(document)
  return body
end

local function contents(list, at)
  local c = new { turns = turns(list) }
  local body = encode(c, at)
  assert.is_nil(c.ledger.refused)
  return body:match('^{"contents":(.-)}$') or body, c
end

local function refused(c, at)
  encode(c, at)
  return c.ledger.refused and c.ledger.refused.path .. ": " .. c.ledger.refused.why
end

local function config(fields, at)
  local c = new(fields)
  return encode(c, at):match('"generationConfig":(.*)}$'), c
end

local function warnings(c)
  return c.ledger:warnings()
end

describe("contents for Gemini", function()
  it("hold turns, and the system in front of them", function()
    local c = new { system = { text("s1"), text(""), text("s2") },
      turns = turns { { "user", text("a\\u00e9") }, { "assistant", text("b") }, { "user", text(""), text("c") } } }
    assert.equal('{"systemInstruction":{"parts":[{"text":"s1"},{"text":"s2"}]},"contents":['
      .. '{"role":"user","parts":[{"text":"a\\u00e9"}]},{"role":"model","parts":[{"text":"b"}]},'
      .. '{"role":"user","parts":[{"text":"c"}]}]}', encode(c))
  end)

  it("merge neighbours of one role and leave out empty turns", function()
    assert.equal('[{"role":"user","parts":[{"text":"a"},{"text":"b"},{"text":"c"}]},'
      .. '{"role":"model","parts":[{"text":"d"},{"text":"e"}]}]',
      (contents { { "user", text("a") }, { "user", text("b") }, { "assistant", text("") }, { "user", text("c") },
        { "assistant", text("d") }, { "assistant", text("e") } }))
  end)

  it("carry a system message in the middle as a reminder in a turn of the user", function()
    local out, c = contents { { "user", text("a") }, { "system", text("x"), text("y") }, { "user", text("b") } }
    assert.equal('[{"role":"user","parts":[{"text":"a"},'
      .. '{"text":"<system-reminder>\\nx\\n\\ny\\n</system-reminder>"},{"text":"b"}]}]', out)
    assert.equal("messages[1]", c.ledger.entries[1].path)
  end)

  it("begin with the user, or are refused", function()
    assert.equal("messages: its first message must be the user's",
      refused(new { turns = turns { { "assistant", text("a") }, { "user", text("b") } } }))
    assert.equal("messages: it takes no request without a message of the user",
      refused(new { turns = turns { { "user", text("") } } }))
  end)

  it("may end with the model's words", function()
    assert.equal('[{"role":"user","parts":[{"text":"a"}]},{"role":"model","parts":[{"text":"b"}]}]',
      (contents { { "user", text("a") }, { "assistant", text("b") } }))
  end)

  it("have a count of a whole request", function()
    local c = new { operation = "count", system = { text("s") }, tools = { { name = "f", index = 0 } } }
    assert.equal('{"generateContentRequest":{"model":"models/gemini-2.5-flash",'
      .. '"systemInstruction":{"parts":[{"text":"s"}]},"contents":[{"role":"user","parts":[{"text":"hi"}]}],'
      .. '"tools":[{"functionDeclarations":[{"name":"f"}]}]}}', encode(c))
  end)

  it("warn of speakers' names", function()
    local c = new()
    c.turns[1].name = '"Bob"'
    encode(c)
    assert.same({ "messages[0].name;speakers have no names there" }, warnings(c))
  end)
end)

describe("media for Gemini", function()
  local function image(more)
    local part = { kind = "image", media_type = "image/png", data = '"AAAA"' }
    for key, value in pairs(more or {}) do
      part[key] = value
    end
    return part
  end

  it("are bytes", function()
    assert.equal('[{"role":"user","parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA"}},'
      .. '{"inlineData":{"mimeType":"application/pdf","data":"BBBB"}},'
      .. '{"inlineData":{"mimeType":"audio/mp3","data":"CCCC"}},{"text":"Title: T\\nContext: C"},{"text":"words"}]}]',
      (contents { { "user", image(), { kind = "document", media_type = "application/pdf", data = '"BBBB"' },
        { kind = "audio", media_type = "audio/mp3", data = '"CCCC"' },
        { kind = "document", media_type = "text/plain", text = '"words"', title = '"T"', context = '"C"' } } }))
  end)

  it("are addresses only where the service fetches them", function()
    for _, url in ipairs { "https://generativelanguage.googleapis.com/v1beta/files/abc", "gs://b/a.png",
      "https://www.youtube.com/watch?v=x", "https://youtu.be/x" } do
      assert.equal('[{"role":"user","parts":[{"fileData":{"fileUri":"' .. url .. '"}}]}]', (contents { { "user",
        { kind = "image", url = '"' .. url .. '"' } } }))
    end
    local function with(part)
      return refused(new { turns = turns { { "user", part } } })
    end
    assert.equal("messages[0].content[0]: it takes images by their bytes, and cliproxy fetches none; send a data URL "
      .. "or base64", with { kind = "image", url = '"https://example.org/a.png"' })
    assert.truthy(with { kind = "document", media_type = "application/pdf", url = '"https://youtube.evil/a"' })
    assert.equal("messages[0].content[0]: files belong to the provider that keeps them; send the file's bytes",
      with { kind = "document", media_type = "application/pdf", file_id = '"f"' })
  end)

  it("are refused where the model does not read them", function()
    local function with(part, caps)
      return refused(new { turns = turns { { "user", part } } }, target(nil, caps))
    end
    assert.equal("messages[0].content[0]: the model reads no images", with(image(), { images = false }))
    assert.equal("messages[0].content[0]: the model reads no PDF files",
      with({ kind = "document", media_type = "application/pdf", data = '""' }, { pdf = false }))
    assert.equal("messages[0].content[0]: the model reads no audio",
      with({ kind = "audio", media_type = "audio/wav", data = '""' }, { audio = false }))
  end)

  it("have one resolution", function()
    local function with(list)
      return config { turns = turns { { "user", unpack(list) } } }
    end
    assert.equal('{"mediaResolution":"MEDIA_RESOLUTION_LOW"}',
      (with { image { detail = '"low"' }, image { detail = '"low"' } }))
    assert.is_nil((with { image { detail = '"auto"' }, image() }))
    local out, c = with { image(), image { detail = '"high"' } }
    assert.is_nil(out)
    assert.same({ "messages[0].content[1].detail;there is one resolution for all images" }, warnings(c))
  end)
end)

describe("calls for Gemini", function()
  it("stand with their responses, all in one content and in the order of the calls", function()
    local out = contents { { "user", text("q") },
      { "assistant", text("I ask"), call("toolu_1", "f", '{"x":1.0,"y":[]}'), call("toolu_2", "g") },
      { "user", result("toolu_2", "G") }, { "user", result("toolu_1", "F", { is_error = true }), text("go on") } }
    assert.equal('[{"role":"user","parts":[{"text":"q"}]},{"role":"model","parts":[{"text":"I ask"},'
      .. '{"functionCall":{"name":"f","args":{"x":1.0,"y":[]},"id":"toolu_1"}},'
      .. '{"functionCall":{"name":"g","args":{},"id":"toolu_2"}}]},'
      .. '{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"error":"F"},"id":"toolu_1"}},'
      .. '{"functionResponse":{"name":"g","response":{"result":"G"},"id":"toolu_2"}}]},'
      .. '{"role":"user","parts":[{"text":"go on"}]}]', out)
  end)

  it("leave out ids that were made for calls without one", function()
    local out = contents { { "user", text("q") }, { "assistant", call("call_abc123_1", "f") },
      { "user", result("call_abc123_1", "F") } }
    assert.is_nil(out:find('"id"', 1, true))
  end)

  it("take arguments that are texts", function()
    local function with(arguments)
      return { { "user", text("q") }, { "assistant", { kind = "tool_call", id = "x", name = "f",
        arguments = arguments } },
        { "user", result("x", "F") } }
    end
    assert.truthy(contents(with('"{\\"a\\": 12345678901234567890}"')):find('"args":{"a": 12345678901234567890}', 1,
      true))
    assert.truthy(contents(with('""')):find('"args":{}', 1, true))
    assert.equal('messages[1].content[0]: the arguments of call "x" are no JSON object',
      refused(new { turns = turns(with('"{\\"a\\":"')) }))
  end)

  it("keep what looks like JSON a text, and objects objects", function()
    local out = contents { { "user", text("q") }, { "assistant", call("a", "f"), call("b", "f") },
      { "user", { kind = "tool_result", id = "a", content = { { kind = "text", text = '"{\\"x\\":1}"' },
        text("more") } },
        { kind = "tool_result", id = "b", value = '{"x": 1}' } } }
    assert.truthy(out:find('"response":{"result":"{\\"x\\":1}\\nmore"}', 1, true))
    assert.truthy(out:find('"response":{"x": 1}', 1, true))
  end)

  it("carry images of a result inside it, or behind it with a word where they come from", function()
    local list = function()
      return { { "user", text("q") }, { "assistant", call("a", "shot"), call("b", "shot") },
        { "user", { kind = "tool_result", id = "a", content = { text("here"),
          { kind = "image", media_type = "image/png", data = '"AAAA"', turn = 2, index = 0 } } }, result("b",
            "none") } }
    end
    local image = '{"inlineData":{"mimeType":"image/png","data":"AAAA"}}'
    local out = contents(list(), target("gemini-3-pro"))
    assert.truthy(out:find('"response":{"result":"here"},"id":"a","parts":[' .. image .. "]}}", 1, true))
    out = contents(list())
    assert.truthy(out:find('"response":{"result":"none"},"id":"b"}}]},{"role":"user","parts":['
      .. '{"text":"The image that shot gave:"},' .. image .. "]}]", 1, true))
  end)

  it("are refused as results of calls that nobody made", function()
    assert.equal('messages[0].content[0]: it is the result of call "x", which no turn before it makes',
      refused(new { turns = turns { { "user", result("x", "F") } } }))
  end)
end)

describe("thoughts for Gemini", function()
  local function thought(data, origin, words)
    return { kind = "reasoning", text = words and '"' .. words .. '"' or nil,
      state = { kind = "thought", data = data, origin = origin or ORIGIN } }
  end
  local at = target("gemini-3-pro")

  it("go back as signatures of what follows them, never as texts", function()
    local out = contents({ { "user", text("q") }, { "assistant", thought("S1", nil, "hm"), call("a", "f"), call("b",
      "f") },
      { "user", result("a", "A"), result("b", "B") }, { "assistant", thought("S2"), text("t") }, { "user", text("r") },
      { "assistant", text("u"), thought("S3") }, { "user", text("v") } }, at)
    assert.truthy(out:find('"id":"a"},"thoughtSignature":"S1"},{"functionCall":{"name":"f","args":{},"id":"b"}}', 1,
      true))
    assert.truthy(out:find('{"text":"t","thoughtSignature":"S2"}', 1, true))
    assert.truthy(out:find('{"text":"u"},{"text":"","thoughtSignature":"S3"}]', 1, true))
    assert.is_nil(out:find("hm", 1, true))
  end)

  it("keep every signature where two meet", function()
    local out = contents({ { "user", text("q") }, { "assistant", thought("S1"), thought("S2"), text("t") } }, at)
    assert.truthy(out:find('[{"text":"","thoughtSignature":"S1"},{"text":"t","thoughtSignature":"S2"}]', 1, true))
  end)

  it("of others are left out, and their calls of the current turn say so", function()
    local foreign = { dialect = "anthropic", provider = "a", model = "c" }
    local out, c = contents({ { "user", text("q") }, { "assistant", call("o", "f") }, { "user", result("o", "O") },
      { "assistant", text("done") }, { "user", text("again") },
      { "assistant", text("I ask"), thought("X", foreign, "hm"), call("a", "f"), call("b", "f") },
      { "user", result("a", "A"), result("b", "B") },
      { "assistant", thought("S", { dialect = "gemini", provider = "p", model = "other" }), call("c", "f") },
      { "user", result("c", "C") } }, at)
    local skip = ',"thoughtSignature":"skip_thought_signature_validator"}'
    assert.truthy(out:find('"id":"a"}' .. skip .. ',{"functionCall":{"name":"f","args":{},"id":"b"}}]', 1, true))
    assert.truthy(out:find('"id":"c"}' .. skip, 1, true))
    assert.truthy(out:find('"id":"o"}}]', 1, true))
    local invented = {}
    for _, entry in ipairs(c.ledger.entries) do
      if entry.action == "invented" then
        invented[#invented + 1] = entry.path
      end
    end
    assert.same({ "contents[5].parts[1].thoughtSignature", "contents[7].parts[0].thoughtSignature" }, invented)
    local document = json.parse(out)
    assert.equal("skip_thought_signature_validator", document[6].parts[2].thoughtSignature)
    assert.equal("skip_thought_signature_validator", document[8].parts[1].thoughtSignature)
  end)

  it("ask older models for no such signature", function()
    local out = contents { { "user", text("q") }, { "assistant", call("a", "f") }, { "user", result("a", "A") } }
    assert.is_nil(out:find("thoughtSignature", 1, true))
  end)
end)

describe("tools for Gemini", function()
  local SCHEMA = '{ "type":"object", "properties":{"a":{"type":"string","x":1.0}}, "required":[] }'

  it("keep their JSON Schema byte for byte", function()
    local c = new { tools = { { name = "f", description = '"D"', schema = SCHEMA, index = 0 } } }
    assert.truthy(encode(c):find('"tools":[{"functionDeclarations":[{"name":"f","description":"D",'
      .. '"parametersJsonSchema":' .. SCHEMA .. "}]}]", 1, true))
  end)

  it("have no parameters where there are no arguments", function()
    for _, schema in ipairs { "{}", '{"type":"object"}',
      '{"type":"object","properties":{},"additionalProperties":false}' } do
      local c = new { tools = { { name = "f", schema = schema, index = 0 } } }
      assert.truthy(encode(c):find('[{"name":"f"}]', 1, true), schema)
    end
    local c = new { tools = { { name = "f", schema = '{"type":"object","additionalProperties":true}', index = 0 } } }
    assert.truthy(encode(c):find('"parametersJsonSchema":{"type":"object","additionalProperties":true}', 1, true))
    assert.is_nil(encode(c, target("gemini-2.0-flash")):find('"parameters"', 1, true))
  end)

  it("have names that the service takes, the same in history, and restored from it", function()
    local name = ("x"):rep(70)
    local c = new { tools = { { name = "1 f", index = 0 }, { name = name, index = 1 } },
      tool_choice = { mode = "required", names = { name }, where = "tool_choice" },
      turns = turns { { "user", text("q") }, { "assistant", call("a", "1 f") }, { "user", result("a", "A") } } }
    local body = encode(c)
    local first, second = body:match('"functionDeclarations":%[{"name":"([^"]+)"},{"name":"([^"]+)"}')
    assert.equal(64, #second)
    assert.same({ [first] = "1 f", [second] = name }, c.names)
    assert.truthy(body:find('"functionCall":{"name":"' .. first .. '"', 1, true))
    assert.truthy(body:find('"functionResponse":{"name":"' .. first .. '"', 1, true))
    assert.truthy(body:find('"allowedFunctionNames":["' .. second .. '"]', 1, true))
  end)

  it("are chosen", function()
    local function choice(fields)
      fields.where = "tool_choice"
      return encode(new { tools = { { name = "f", index = 0 } }, tool_choice = fields }):match('"toolConfig":(.*)}$')
    end
    assert.equal('{"functionCallingConfig":{"mode":"AUTO"}}', choice { mode = "auto" })
    assert.equal('{"functionCallingConfig":{"mode":"NONE"}}', choice { mode = "none" })
    assert.equal('{"functionCallingConfig":{"mode":"ANY"}}', choice { mode = "required" })
    assert.equal('{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}}',
      choice { mode = "required", names = { "f" } })
    assert.equal('{"functionCallingConfig":{"mode":"VALIDATED","allowedFunctionNames":["f"]}}',
      choice { mode = "auto", names = { "f" } })
  end)

  it("with free text are refused; strict ones and single calls are warned of", function()
    assert.equal("tools[0]: it has no tools whose input is free text" .. require("cliproxy.tool_names").AS_FUNCTIONS,
      refused(new { tools = { { name = "f", custom = true, index = 0 } } }))
    local c = new { tools = { { name = "f", strict = true, index = 0 } }, parallel_tools = false }
    encode(c)
    assert.same({ "tools[0].strict;calls may depart from their schema there",
      "parallel_tools;it may call several tools at once" }, warnings(c))
  end)
end)

describe("schemas of the OpenAPI subset", function()
  local function convert(schema)
    return schema_out.to_openapi(schema)
  end

  it("keep what it has and leave out what it has not", function()
    local out, lost = convert([[{"$schema":"x","title":"T","type":"object","additionalProperties":false,
      "properties":{"a":{"type":"string","format":"uri","minLength":1,"pattern":"^a"},
      "b":{"type":"integer","format":"int32","exclusiveMinimum":0,"maximum":10.0},
      "c":{"type":"array"},"d":{"type":"object","properties":{}},"e":{"const":"k"},"f":{"enum":[1,2],"type":"integer"},
      "g":{"type":"string","enum":["x","",null]}},"required":["a","nope"]}]])
    assert.equal('{"type":"OBJECT","properties":{"a":{"type":"STRING","minLength":1,"pattern":"^a"},'
      .. '"b":{"type":"INTEGER","format":"int32","maximum":10.0},"c":{"type":"ARRAY","items":{"type":"STRING"}},'
      .. '"d":{"type":"OBJECT"},"e":{"type":"STRING","enum":["k"]},"f":{"type":"INTEGER"},'
      .. '"g":{"type":"STRING","enum":["x"],"nullable":true}},"required":["a"],"title":"T"}', out)
    assert.equal("$schema, additionalProperties, enum, exclusiveMinimum, format, items, required", lost)
  end)

  it("never touch properties that are called like words of the schema", function()
    local out = convert([[{"type":"object","properties":{"required":{"type":"boolean"},"title":{"type":"string"},
      "$ref":{"type":"string"},"const":{"type":"number"},"properties":{"type":"object","properties":
      {"type":{"type":"string"}}}},"required":["required","$ref"]}]])
    assert.equal('{"type":"OBJECT","properties":{"required":{"type":"BOOLEAN"},"title":{"type":"STRING"},'
      .. '"$ref":{"type":"STRING"},"const":{"type":"NUMBER"},"properties":{"type":"OBJECT","properties":'
      .. '{"type":{"type":"STRING"}}}},"required":["required","$ref"]}', out)
  end)

  it("put references in their place", function()
    local out = convert([[{"type":"object","properties":{"a":{"$ref":"#/$defs/A","description":"mine"},
      "b":{"allOf":[{"$ref":"#/$defs/A"}],"default":{}},"c":{"$ref":"#/$defs/a~1b%25"}},
      "$defs":{"A":{"type":"object","description":"its","properties":{"x":{"type":"string"}},"required":["x"]},
      "a/b%":{"type":"null"}}}]])
    assert.equal('{"type":"OBJECT","properties":{"a":{"type":"OBJECT","properties":{"x":{"type":"STRING"}},'
      .. '"required":["x"],"description":"mine"},"b":{"type":"OBJECT","properties":{"x":{"type":"STRING"}},'
      .. '"required":["x"],"description":"its","default":{}},"c":{"nullable":true}}}', out)
  end)

  it("refuse circles, strangers and what grows too large", function()
    local _, why = convert('{"type":"object","properties":{"a":{"$ref":"#"}}}')
    assert.equal("its schema refers to itself (#)", why)
    _, why = convert('{"$ref":"#/$defs/A","$defs":{"A":{"anyOf":[{"type":"string"},{"type":"number"},'
      .. '{"type":"array","items":{"$ref":"#/$defs/A"}}]}}}')
    assert.equal("its schema refers to itself (#/$defs/A)", why)
    _, why = convert('{"$ref":"https://example.org/x"}')
    assert.equal("its schema refers to https://example.org/x, which is not in it", why)
    local defs = { '"D0":{"type":"string"}' }
    for i = 1, 20 do
      defs[i + 1] = ('"D%d":{"type":"object","properties":{"a":{"$ref":"#/$defs/D%d"},"b":{"$ref":"#/$defs/D%d"}}}')
        :format(i, i - 1, i - 1)
    end
    _, why = convert('{"$ref":"#/$defs/D20","$defs":{' .. table.concat(defs, ",") .. "}}")
    assert.equal("its schema is too large once its references are followed", why)
    assert.equal("tools[0]: its schema refers to itself (#)", refused(new { tools = { { name = "f", index = 0,
      schema = '{"type":"object","properties":{"a":{"$ref":"#"}}}' } } }, target("gemini-2.0-flash")))
  end)

  it("have alternatives and null", function()
    local out = convert([[{"type":"object","properties":{"a":{"type":["string","null"]},
      "b":{"anyOf":[{"type":"integer"},{"type":"null"}],"description":"B"},"c":{"type":["string","array"],
      "items":{"type":"number"}},"d":{"oneOf":[{"type":"string"},{"const":"k"},{"type":"null"}]}}}]])
    assert.equal('{"type":"OBJECT","properties":{"a":{"type":"STRING","nullable":true},'
      .. '"b":{"type":"INTEGER","nullable":true,"description":"B"},'
      .. '"c":{"anyOf":[{"type":"STRING"},{"type":"ARRAY","items":{"type":"NUMBER"}}]},'
      .. '"d":{"anyOf":[{"type":"STRING"},{"type":"STRING","enum":["k"]}],"nullable":true}}}', out)
  end)

  it("take any shape without raising", function()
    for _, value in ipairs { "1", "null", '"x"', "[]", "{}", "true", "[[1]]", '{"a":1}' } do
      for _, place in ipairs { "%s", '{"type":%s}', '{"properties":%s,"required":%s}', '{"properties":{"a":%s}}',
        '{"type":"array","items":%s}', '{"anyOf":%s,"oneOf":%s,"allOf":%s}', '{"enum":%s,"const":%s,"format":%s}',
        '{"$ref":%s}', '{"type":"object","propertyOrdering":%s,"properties":{"a":{}}}' } do
        convert((place:gsub("%%s", value)))
        schema_out.is_empty((place:gsub("%%s", value)))
      end
    end
  end)

  it("are what older models get, with a note of what was left out", function()
    local c = new { tools = { { name = "f", index = 0,
      schema = '{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}' } } }
    assert.truthy(encode(c, target("gemini-2.0-flash")):find(
      '"parameters":{"type":"OBJECT","properties":{"a":{"type":"STRING"}}}', 1, true))
    assert.same({ { path = "tools[0]", action = "changed", why = "its schema went without additionalProperties",
      warn = false } }, c.ledger.entries)
  end)
end)

describe("settings for Gemini", function()
  it("are carried as they were written", function()
    assert.equal('{"temperature":1.0,"topP":0.95,"topK":40,"maxOutputTokens":100,"stopSequences":["a","\\n"],'
      .. '"seed":12345678901234567890,"presencePenalty":0.5,"frequencyPenalty":-1}', (config { temperature = "1.0",
      top_p = "0.95", top_k = "40", max_tokens = "100", stop = { '"a"', '"\\n"' }, seed = "12345678901234567890",
      presence_penalty = "0.5", frequency_penalty = "-1" }))
    assert.is_nil((config {}))
    assert.truthy(encode(new { safety = '[{"a":1}]' }):find('"safetySettings":[{"a":1}]', 1, true))
  end)

  it("stay within the model's limits", function()
    local out, c = config { max_tokens = "100000" }
    assert.equal('{"maxOutputTokens":65536}', out)
    assert.same({ "max_tokens;the model gives at most 65536 tokens" }, warnings(c))
    out, c = config({ temperature = "0.5", top_k = "3" }, target("gemini-4-argon"))
    assert.is_nil(out)
    assert.same({ "temperature;it sets its temperature itself", "top_k;it has no top_k" }, warnings(c))
    assert.equal("stop: it takes at most 5 stop sequences, not 6",
      refused(new { stop = { '"1"', '"2"', '"3"', '"4"', '"5"', '"6"' } }))
  end)

  it("that the service lacks are refused or told", function()
    assert.equal("n: more than one answer does not cross dialects", refused(new { n = "2" }))
    assert.equal("logprobs: it gives no log probabilities", refused(new { logprobs = "0" }))
    assert.equal("logit_bias: it has no token biases", refused(new { logit_bias = '{"1":2}' }))
    local c = new { n = "1", user = '"u"', metadata = "{}", verbosity = '"low"', service_tier = '"flex"' }
    encode(c)
    assert.equal(4, #warnings(c))
  end)

  it("ask for structured output", function()
    local schema = '{ "type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false }'
    local format = { kind = "schema", schema = schema, name = '"N"', where = "response_format" }
    assert.equal('{"responseMimeType":"application/json","responseJsonSchema":' .. schema .. "}",
      (config { format = format }))
    assert.equal('{"responseMimeType":"application/json","responseSchema":'
      .. '{"type":"OBJECT","properties":{"a":{"type":"STRING"}}}}', (config({ format = format },
        target("gemini-2.0-flash"))))
    assert.equal('{"responseMimeType":"application/json"}', (config { format = { kind = "json", where = "f" } }))
    local tools = { { name = "f", index = 0 } }
    assert.equal("response_format: the model takes no tools together with structured output",
      refused(new { format = format, tools = tools }))
    assert.is_nil(refused(new { format = format, tools = tools }, target("gemini-3-pro")))
    assert.equal("response_format: the model has no structured output",
      refused(new { format = format }, target(nil, { json_schema = false })))
  end)

  it("ask for thoughts by budget", function()
    local function thinking(fields, model)
      fields.where = "thinking"
      local out, c = config({ reasoning = fields }, target(model))
      return out and out:match('"thinkingConfig":({.-})'), warnings(c)[1]
    end
    assert.equal('{"includeThoughts":true,"thinkingBudget":2000}', (thinking { budget = 2000, visible = true }))
    assert.equal('{"thinkingBudget":8192}', (thinking { effort = "medium" }))
    assert.equal('{"thinkingBudget":0}', (thinking { off = true, visible = true }))
    assert.equal('{"includeThoughts":true}', (thinking { visible = true }))
    local out, warning = thinking { budget = 50000 }
    assert.same({ '{"thinkingBudget":24576}', "thinking;the budget is 24576 tokens" }, { out, warning })
    out, warning = thinking({ off = true }, "gemini-2.5-pro")
    assert.same({ '{"thinkingBudget":128}', "thinking;it cannot be switched off; the budget is 128 tokens" },
      { out, warning })
    out, warning = thinking({ effort = "low" }, "gemini-2.0-flash")
    assert.is_nil(out)
    assert.equal("thinking;it does not reason", warning)
  end)

  it("ask for thoughts by level", function()
    local function thinking(fields, model)
      fields.where = "thinking"
      local out, c = config({ reasoning = fields }, target(model or "gemini-3-flash"))
      return out and out:match('"thinkingConfig":({.-})'), warnings(c)[1]
    end
    assert.equal('{"includeThoughts":true,"thinkingLevel":"LOW"}', (thinking { effort = "low", visible = true }))
    assert.equal('{"thinkingLevel":"MEDIUM"}', (thinking { budget = 5000 }))
    local out, warning = thinking { effort = "max" }
    assert.same({ '{"thinkingLevel":"HIGH"}', "thinking;the level is high" }, { out, warning })
    out, warning = thinking { off = true }
    assert.same({ '{"thinkingLevel":"MINIMAL"}', "thinking;it cannot be switched off; the level is minimal" },
      { out, warning })
    assert.equal('{"thinkingLevel":"LOW"}', (thinking({ effort = "minimal" }, "gemini-3-pro")))
  end)
end)
