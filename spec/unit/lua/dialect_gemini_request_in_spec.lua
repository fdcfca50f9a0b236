--- What Gemini clients send, as a conversation.
local crypto = require("cliproxy.crypto")
local fixtures = require("spec.support.fixtures")
local gemini = require("cliproxy.dialects.gemini")
local json = require("cliproxy.json")
local opaque = require("cliproxy.opaque")
local process = require("spec.support.process")

local HEAD = { model = "m", stream = false, operation = "generate" }

local function decode(text, head)
  local document = assert(json.parse(text))
  local c, message, param = gemini.decode_request(document, head or HEAD)
  json.close(document)
  return c, message, param
end

local function read(text, head)
  local c, message = decode(text, head)
  assert(c, message)
  return c
end

local function with(members)
  return '{"contents":[{"role":"user","parts":[{"text":"hi"}]}],' .. members .. "}"
end

-- A request with these parts in one turn of the user (or the model).
local function parts(text, role)
  return read('{"contents":[{"role":"' .. (role or "user") .. '","parts":' .. text .. "}]}")
end

local function entry(c, path)
  for _, one in ipairs(c.ledger.entries) do
    if one.path == path then
      return one
    end
  end
end

local function b64(text)
  return crypto.base64_encode(text)
end

describe("a Gemini request's turns", function()
  it("keep roles, order and the bytes of texts", function()
    local c = read('{"contents":[{"role":"user","parts":[{"text":"a\\u00e9\\/\\ud83d"},{"text":""},{"text":"b"}]},'
      .. '{"role":"model","parts":[{"text":"c"}]},{"parts":[{"text":"d"}]},{"role":"","parts":["e"]}]}')
    assert.same({ "user", "assistant", "user", "user" },
      { c.turns[1].role, c.turns[2].role, c.turns[3].role, c.turns[4].role })
    assert.equal('"a\\u00e9\\/\\ud83d"', c.turns[1].parts[1].text)
    assert.same({ kind = "text", text = '"b"', turn = 0, index = 2 }, c.turns[1].parts[2])
    assert.equal('"e"', c.turns[4].parts[1].text)
    assert.equal(2, c.turns[3].index)
  end)

  it("take single objects where lists belong, as the service's own examples write them", function()
    local c = read('{"system_instruction":{"parts":{"text":"s"}},"contents":{"parts":{"text":"u"}},'
      .. '"tools":{"function_declarations":{"name":"f"}}}')
    assert.equal('"s"', c.system[1].text)
    assert.equal('"u"', c.turns[1].parts[1].text)
    assert.equal("f", c.tools[1].name)
  end)

  it("leave out contents without parts", function()
    local c = read('{"contents":[{"role":"user","parts":[{"text":"a"}]},{"role":"model"},{"role":"model","parts":[]}]}')
    assert.equal(1, #c.turns)
  end)

  it("keep system instructions as texts, however they are written", function()
    local c = read(with('"systemInstruction":{"role":"user","parts":[{"text":"a"},"b",{"text":""}]}'))
    assert.same({ '"a"', '"b"' }, { c.system[1].text, c.system[2].text })
    assert.equal('"s"', read(with('"system_instruction":"s"')).system[1].text)
    c = read(with('"systemInstruction":{"parts":[{"inlineData":{"mimeType":"image/png","data":"AA=="}}]}'))
    assert.equal("systemInstruction.parts[0]", c.ledger.refused.path)
  end)
end)

describe("a Gemini request's media", function()
  it("are images, documents and audio, in both spellings", function()
    for _, row in ipairs { { "image/png", "image" }, { "audio/wav", "audio" }, { "application/pdf", "document" } } do
      for _, spelling in ipairs { '{"inlineData":{"mimeType":"%s","data":"AAAA"}}',
        '{"inline_data":{"mime_type":"%s","data":"AAAA"}}' } do
        local part = parts("[" .. spelling:format(row[1]) .. "]").turns[1].parts[1]
        assert.same({ row[2], row[1], '"AAAA"' }, { part.kind, part.media_type, part.data })
      end
    end
  end)

  it("give base64 of the URL's alphabet in the standard one, padded", function()
    local part = parts('[{"inlineData":{"mimeType":"image/png","data":"_-8"}}]').turns[1].parts[1]
    assert.equal('"/+8="', part.data)
  end)

  it("give texts as texts", function()
    local part = parts('[{"inlineData":{"mimeType":"text/plain","data":"' .. b64('a "b"\n') .. '"}}]').turns[1].parts[1]
    assert.same({ "document", "text/plain", '"a \\"b\\"\\n"' }, { part.kind, part.media_type, part.text })
    assert.is_nil(part.data)
    local _, message, param = decode('{"contents":[{"parts":[{"inlineData":{"mimeType":"text/csv","data":"*"}}]}]}')
    assert.same({ "contents[0].parts[0].inlineData.data is no base64", "contents[0].parts[0].inlineData.data" },
      { message, param })
  end)

  it("keep addresses, and tell Google's own files from others", function()
    local c = parts('[{"fileData":{"mimeType":"image/jpeg","fileUri":"https://example.org/a.jpg"}},'

        .. '{"file_data":{"file_uri":"https://generativelanguage.googleapis.com/v1beta/files/x",'
      .. '"mime_type":"image/png"}},'
      .. '{"fileData":{"fileUri":"gs://bucket/a.pdf"}},{"fileData":{"fileUri":"https://example.org/b.png"}}]')
    local list = c.turns[1].parts
    assert.equal('"https://example.org/a.jpg"', list[1].url)
    assert.is_nil(list[2].url)
    assert.equal('"https://generativelanguage.googleapis.com/v1beta/files/x"', list[2].file_id)
    assert.same({ "document", '"gs://bucket/a.pdf"' }, { list[3].kind, list[3].file_id })
    assert.equal("image/png", list[4].media_type)
  end)

  it("refuse video", function()
    assert.equal("contents[0].parts[0].fileData", parts('[{"fileData":{"fileUri":"https://youtu.be/x",'
      .. '"mimeType":"video/mp4"}}]').ledger.refused.path)
    assert.equal("contents[0].parts[0].inlineData", parts('[{"inlineData":{"data":"AAAA",'
      .. '"mimeType":"video/mp4"}}]').ledger.refused.path)
  end)

  it("have the resolution of their part, or the request's", function()
    local image = '{"inlineData":{"mimeType":"image/png","data":"AAAA"}%s}'
    local c = read('{"contents":[{"parts":[' .. image:format(',"mediaResolution":{"level":"MEDIA_RESOLUTION_HIGH"}')
      .. "," .. image:format("") .. ']}],"generationConfig":{"mediaResolution":"media_resolution_low"}}')
    assert.same({ '"high"', '"low"' }, { c.turns[1].parts[1].detail, c.turns[1].parts[2].detail })
  end)
end)

describe("a Gemini request's calls", function()
  local function history(calls, responses)
    return read('{"contents":[{"role":"user","parts":[{"text":"q"}]},{"role":"model","parts":' .. calls
      .. '},{"role":"function","parts":' .. responses .. "}]}")
  end

  it("get ids of their place, and responses find them by name and order", function()
    local c = history('[{"functionCall":{"name":"f","args":{"x":1.0}}},{"functionCall":{"name":"g"}},'
      .. '{"function_call":{"name":"f","args":null}}]',
      '[{"functionResponse":{"name":"g","response":{"output":"G"}}},'
      .. '{"function_response":{"name":"f","response":{"result":"F1"}}},'
      .. '{"functionResponse":{"name":"f","response":{"a":[],"b":{}}}}]')
    local calls, results = c.turns[2].parts, c.turns[3].parts
    assert.same({ "call_1_0", "call_1_1", "call_1_2" }, { calls[1].id, calls[2].id, calls[3].id })
    assert.same({ '{"x":1.0}', "{}", "{}" }, { calls[1].input, calls[2].input, calls[3].input })
    assert.same({ "call_1_1", "call_1_0", "call_1_2" }, { results[1].id, results[2].id, results[3].id })
    assert.same({ '"G"', '"F1"' }, { results[1].content[1].text, results[2].content[1].text })
    assert.equal('{"a":[],"b":{}}', results[3].value)
    assert.equal("user", c.turns[3].role)
  end)

  it("keep ids that they have, and match by them", function()
    local c = history('[{"functionCall":{"id":"x","name":"f"}},{"functionCall":{"id":"y","name":"f"}}]',
      '[{"functionResponse":{"id":"y","name":"f","response":{"error":"bad"}}},'
      .. '{"functionResponse":{"id":"x","name":"f","response":{"error":{"code":1}}}}]')
    local results = c.turns[3].parts
    assert.same({ "y", true, '"bad"' }, { results[1].id, results[1].is_error, results[1].content[1].text })
    assert.same({ "x", true, '{"error":{"code":1}}' }, { results[2].id, results[2].is_error, results[2].value })
  end)

  it("are told apart where a client uses one id twice", function()
    local c = read('{"contents":[{"role":"user","parts":[{"text":"q"}]},'
      .. '{"role":"model","parts":[{"functionCall":{"id":"f","name":"f"}}]},'
      .. '{"role":"user","parts":[{"functionResponse":{"id":"f","name":"f","response":{"output":"1"}}}]},'
      .. '{"role":"model","parts":[{"functionCall":{"id":"f","name":"f"}}]},'
      .. '{"role":"user","parts":[{"functionResponse":{"id":"f","name":"f","response":{"output":"2"}}}]}]}')
    assert.same({ "f", "f", "call_3_0", "call_3_0" }, { c.turns[2].parts[1].id, c.turns[3].parts[1].id,
      c.turns[4].parts[1].id, c.turns[5].parts[1].id })
  end)

  it("keep images of a response as its content", function()
    local c = history('[{"functionCall":{"name":"f"}}]', '[{"functionResponse":{"name":"f","response":{"a":1},'
      .. '"parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]}}]')
    local content = c.turns[3].parts[1].content
    assert.same({ "text", '"{\\"a\\":1}"', "image" }, { content[1].kind, content[1].text, content[2].kind })
  end)

  it("leave a response without a call to whoever encodes it", function()
    local c = read('{"contents":[{"role":"user","parts":[{"functionResponse":{"name":"f","response":{}}}]}]}')
    assert.equal("call_0_0", c.turns[1].parts[1].id)
  end)

  it("belong to the model where no role is told", function()
    assert.equal("assistant", read('{"contents":[{"parts":[{"functionCall":{"name":"f"}}]}]}').turns[1].role)
  end)

  it("of Google's own tools are refused", function()
    for _, key in ipairs { "executableCode", "codeExecutionResult", "toolCall", "tool_response" } do
      local c = parts('[{"' .. key .. '":{}}]', "model")
      assert.equal("contents[0].parts[0]." .. key, c.ledger.refused.path)
    end
  end)
end)

describe("a Gemini request's thoughts", function()
  it("are reasoning, in one part where a stream cut them", function()
    local list = parts('[{"text":"a","thought":true},{"text":"b","thought":true},{"text":"c","thought":false}]',
      "model").turns[1].parts
    assert.same({ "reasoning", '"ab"', "text", '"c"' }, { list[1].kind, list[1].text, list[2].kind, list[2].text })
  end)

  it("are signed in front of the part that carries the signature", function()
    local list = parts('[{"functionCall":{"name":"f"},"thoughtSignature":"c2ln"},'
      .. '{"text":"t","thought_signature":"c2ln"},{"text":"","thoughtSignature":"c2ln"}]', "model").turns[1].parts
    assert.same({ "reasoning", "tool_call", "reasoning", "text", "reasoning" },
      { list[1].kind, list[2].kind, list[3].kind, list[4].kind, list[5].kind })
    assert.same({ kind = "thought", data = "c2ln" }, list[1].state)
    assert.is_nil(list[5].text)
  end)

  it("give back the state of another provider, also in the URL's alphabet", function()
    local origin = { dialect = "anthropic", provider = "p", model = "m" }
    local sealed = opaque.seal({ kind = "signature", data = "SIG~~~???" }, origin)
    local list = parts('[{"text":"why","thought":true},{"functionCall":{"name":"f"},"thoughtSignature":"'
      .. sealed:gsub("[+/]", { ["+"] = "-", ["/"] = "_" }) .. '"}]', "model").turns[1].parts
    assert.same({ "reasoning", '"why"', "tool_call" }, { list[1].kind, list[1].text, list[2].kind })
    assert.same({ kind = "signature", data = "SIG~~~???", origin = origin }, list[1].state)
  end)

  it("have no state where a client had none", function()
    for _, dummy in ipairs { "skip_thought_signature_validator", b64("skip_thought_signature_validator"), "" } do
      local list = parts('[{"functionCall":{"name":"f"},"thoughtSignature":"' .. dummy .. '"}]', "model").turns[1].parts
      assert.same({ 1, "tool_call" }, { #list, list[1].kind })
    end
  end)
end)

describe("a Gemini request's settings", function()
  it("are carried as they are written, in both spellings, with their paths", function()
    local c = read(with('"generationConfig":{"temperature":1.0,"topP":0.95,"top_k":"40","maxOutputTokens":"100",'
      .. '"seed":12345678901234567890,"presence_penalty":0.1,"frequencyPenalty":-1,"candidateCount":2,'
      .. '"stopSequences":["a","\\n"]}'))
    assert.same({ "1.0", "0.95", "40", "100", "12345678901234567890", "0.1", "-1", "2" }, { c.temperature, c.top_p,
      c.top_k, c.max_tokens, c.seed, c.presence_penalty, c.frequency_penalty, c.n })
    assert.same({ '"a"', '"\\n"' }, c.stop)
    assert.equal("generationConfig.top_k", c.where.top_k)
    assert.equal("generationConfig.stopSequences", c.where.stop)
    assert.same({}, c.ledger.entries)
  end)

  it("ask for structured output", function()
    local c = read(with('"generation_config":{"response_mime_type":"application/json","response_schema":'
      .. '{"type":"OBJECT","properties":{"type":{"type":"STRING","nullable":true}}}}'))
    assert.same({ kind = "schema", where = "generation_config.response_schema",
      schema = '{"type":"object","properties":{"type":{"type":["string","null"]}}}' }, c.format)
    c = read(with('"generationConfig":{"responseMimeType":"APPLICATION/JSON"}'))
    assert.same({ kind = "json", where = "generationConfig.responseMimeType" }, c.format)
    c = read(with('"generationConfig":{"responseMimeType":"application/json","responseJsonSchema":{"type": "OBJECT"}}'))
    assert.equal('{"type": "OBJECT"}', c.format.schema)
    assert.is_nil(read(with('"generationConfig":{"responseMimeType":"text/plain"}')).format)
    assert.equal("generationConfig.responseMimeType",
      read(with('"generationConfig":{"responseMimeType":"text/x.enum"}')).ledger.refused.path)
  end)

  it("refuse what is no text", function()
    assert.is_nil(read(with('"generationConfig":{"responseModalities":["text"]}')).ledger.refused)
    assert.equal("generationConfig.responseModalities[1]",
      read(with('"generationConfig":{"responseModalities":["TEXT","IMAGE"]}')).ledger.refused.path)
    for _, key in ipairs { "speechConfig", "image_config" } do
      assert.equal("generationConfig." .. key, read(with('"generationConfig":{"' .. key
        .. '":{}}')).ledger.refused.path)
    end
  end)

  it("ask for thoughts", function()
    local function thinking(members)
      return read(with('"generationConfig":{"thinkingConfig":{' .. members .. "}}")).reasoning
    end
    local where = "generationConfig.thinkingConfig"
    assert.same({ visible = true, budget = 512, where = where },
      thinking('"includeThoughts":true,"thinkingBudget":"512"'))
    assert.same({ visible = false, off = true, where = where }, thinking('"thinking_budget":0'))
    assert.same({ visible = true, where = where }, thinking('"include_thoughts":true,"thinkingBudget":-1'))
    assert.same({ visible = false, effort = "low", where = where }, thinking('"thinkingLevel":"low"'))
    assert.same({ visible = false, effort = "minimal", where = where }, thinking('"thinking_level":"MINIMAL"'))
    assert.same({ visible = false, where = where }, thinking('"thinkingLevel":"THINKING_LEVEL_UNSPECIFIED"'))
    local _, message = decode(with('"generationConfig":{"thinkingConfig":{"thinkingLevel":"A_LOT"}}'))
    assert.equal('generationConfig.thinkingConfig.thinkingLevel is "a_lot", which is none of minimal, low, '
      .. "medium, high", message)
  end)

  it("ask for probabilities", function()
    assert.equal("5", read(with('"generationConfig":{"logprobs":5,"responseLogprobs":true}')).logprobs)
    assert.equal("0", read(with('"generationConfig":{"response_logprobs":true}')).logprobs)
    assert.is_nil(read(with('"generationConfig":{"logprobs":5}')).logprobs)
  end)

  it("at the top are carried, refused or told", function()
    local c = read(with('"safetySettings":[{"category":"A"}],"labels":{"a":"b"},"serviceTier":"FLEX","store":true,'
      .. '"toolConfig":null,"nonsense":1,"model":"models/x"'))
    assert.same({ '[{"category":"A"}]', '{"a":"b"}', '"FLEX"', "true" }, { c.safety, c.metadata, c.service_tier,
      c.store })
    assert.same({ path = "nonsense", action = "dropped", why = "unknown to cliproxy", warn = true },
      c.ledger.entries[1])
    assert.equal(1, #c.ledger.entries)
    assert.equal("cachedContent", read(with('"cachedContent":"cachedContents/x"')).ledger.refused.path)
    assert.equal("cached_content", read(with('"cached_content":"cachedContents/x"')).ledger.refused.path)
    assert.is_nil(read(with('"safetySettings":[],"labels":{},"serviceTier":"standard"')).safety)
  end)

  it("that are unknown are told with their path", function()
    local c = read('{"contents":[{"role":"user","name":"x","parts":[{"text":"a","mood":1}]}],'
      .. '"generationConfig":{"a_b":1}}')
    assert.truthy(entry(c, "contents[0].name").warn)
    assert.truthy(entry(c, "contents[0].parts[0].mood").warn)
    assert.truthy(entry(c, "generationConfig.a_b").warn)
  end)
end)

describe("a Gemini request's tools", function()
  local function tool(declaration)
    return read(with('"tools":[{"functionDeclarations":[' .. declaration .. "]}]")).tools[1]
  end

  it("have their places", function()
    local c = read(with('"tools":[{"functionDeclarations":[{"name":"a","description":"A\\u00e9"}]},'
      .. '{"function_declarations":[{"name":"b","description":null,"response":{"type":"STRING"}}]}]'))
    assert.same({ name = "a", description = '"A\\u00e9"', index = 0, path = "tools[0].functionDeclarations[0]" },
      c.tools[1])
    assert.same({ name = "b", index = 1, path = "tools[1].function_declarations[0]" }, c.tools[2])
    assert.truthy(entry(c, "tools[1].function_declarations[0].response"))
  end)

  it("keep a JSON Schema byte for byte", function()
    assert.equal('{ "type":"object", "required":[], "x":1.0 }',
      tool('{"name":"f","parametersJsonSchema":{ "type":"object", "required":[], "x":1.0 }}').schema)
  end)

  it("turn the OpenAPI subset into JSON Schema, by its words and never by names", function()
    local schema = tool([[{"name":"f","parameters":{"type":"OBJECT","property_ordering":["a"],"properties":{
      "nullable":{"type":"STRING","nullable":true,"format":"date-time"},
      "propertyOrdering":{"type":"ARRAY","items":{"type":"Integer","minimum":1.0},"minItems":"2"},
      "type":{"anyOf":[{"type":"STRING"},{"type":6,"properties":{"type":{"type":1}}}],"nullable":true},
      "enum":{"type":"STRING","enum":["A","B"],"nullable":true},
      "items":{"any_of":[{"type":"NUMBER"}],"description":"STRING"},
      "none":{"type":"TYPE_UNSPECIFIED","nullable":false}},"required":[]}}]]).schema
    assert.equal('{"type":"object","properties":{"nullable":{"type":["string","null"],"format":"date-time"},'
      .. '"propertyOrdering":{"type":"array","items":{"type":"integer","minimum":1.0},"minItems":2},'

        .. '"type":{"anyOf":[{"type":"string"},{"type":"object","properties":{"type":{"type":"string"}}},'
      .. '{"type":"null"}]},'
      .. '"enum":{"type":["string","null"],"enum":["A","B",null]},'
      .. '"items":{"anyOf":[{"type":"number"}],"description":"STRING"},"none":{}},"required":[]}', schema)
  end)

  it("of Google's own services are refused", function()
    for _, key in ipairs { "googleSearchRetrieval", "codeExecution", "urlContext", "computerUse", "mcpServers" } do
      assert.equal("tools[0]." .. key, read(with('"tools":[{"' .. key .. '":{}}]')).ledger.refused.path)
    end
    assert.is_nil(read(with('"tools":[{"googleSearch":null,"functionDeclarations":[{"name":"f"}]}]')).ledger.refused)
  end)

  it("are chosen by every mode, in any case", function()
    local function choice(members)
      return read(with('"toolConfig":{"functionCallingConfig":{' .. members .. "}}")).tool_choice
    end
    local where = "toolConfig.functionCallingConfig"
    assert.same({ mode = "auto", where = where }, choice('"mode":"AUTO"'))
    assert.same({ mode = "required", names = { "f" }, where = where },
      choice('"mode":"any","allowed_function_names":["f"]'))
    assert.same({ mode = "none", where = where }, choice('"mode":"None"'))
    assert.same({ mode = "auto", where = where }, choice('"mode":"VALIDATED","streamFunctionCallArguments":true'))
    assert.is_nil(choice('"mode":"MODE_UNSPECIFIED"'))
    assert.equal("tool_config.function_calling_config",
      read(with('"tool_config":{"function_calling_config":{"mode":"ANY"}}')).tool_choice.where)
    local _, message = decode(with('"toolConfig":{"functionCallingConfig":{"mode":"SOME"}}'))
    assert.equal('toolConfig.functionCallingConfig.mode is "SOME", which is none of AUTO, ANY, NONE, VALIDATED',
      message)
  end)
end)

describe("a Gemini count", function()
  it("is asked for of contents, or of a whole request", function()
    local head = { model = "m", operation = "count" }
    assert.equal(1, #read('{"contents":[{"parts":[{"text":"a"}]}]}', head).turns)
    local c = read('{"generateContentRequest":{"model":"models/m","contents":[{"parts":[{"toolCall":{}}]}],'
      .. '"tools":[{"functionDeclarations":[{"name":"f"}]}]}}', head)
    assert.equal("generateContentRequest.contents[0].parts[0].toolCall", c.ledger.refused.path)
    assert.equal("generateContentRequest.tools[0].functionDeclarations[0]", c.tools[1].path)
    assert.equal("count", c.operation)
  end)

  it("is read and written", function()
    assert.equal(36, gemini.decode_count(json.parse('{"totalTokens":36}')))
    assert.equal(36, gemini.decode_count(json.parse('{"totalTokens":"36"}')))
    assert.is_nil(gemini.decode_count(json.parse('{"totalTokens":null}')))
    assert.is_nil(gemini.decode_count(json.parse("[]")))
    assert.equal('{"totalTokens":7}', gemini.encode_count(7))
  end)
end)

describe("a malformed Gemini request", function()
  it("is told with its place", function()
    for _, row in ipairs {
      { "{}", "contents is missing; it is the list of turns" },
      { '{"contents":[]}', "contents is missing; it is the list of turns" },
      { '{"contents":"hi"}', "contents is missing; it is the list of turns" },
      { '{"contents":[1]}', "contents[0] must be an object with role and parts, not number" },
      { '{"contents":[{"role":"invalid_role","parts":[{"text":"a"}]}]}',
        'contents[0].role is "invalid_role", which is neither user nor model' },
      { '{"contents":[{"role":1,"parts":[{"text":"a"}]}]}', "contents[0].role must be a string, not number" },
      { '{"contents":[{"parts":"a"}]}', "contents[0].parts must be a list, not string" },
      { '{"contents":[{"parts":[{}]}]}', "contents[0].parts[0] holds nothing: neither text nor inlineData, fileData, "
        .. "functionCall or functionResponse" },
      { '{"contents":[{"parts":[7]}]}', "contents[0].parts[0] must be an object, not number" },
      { '{"contents":[{"parts":[{"text":7}]}]}', "contents[0].parts[0].text must be a string, not a number" },
      { '{"contents":[{"parts":[{"inlineData":{"data":"AA=="}}]}]}',
        "contents[0].parts[0].inlineData.mimeType is missing" },
      { '{"contents":[{"parts":[{"inlineData":[]}]}]}',
        "contents[0].parts[0].inlineData must be an object, not a list" },
      { '{"contents":[{"role":"model","parts":[{"functionCall":{"args":{}}}]}]}',
        "contents[0].parts[0].functionCall.name is missing" },
      { '{"contents":[{"role":"model","parts":[{"functionCall":{"name":"f","args":[]}}]}]}',
        "contents[0].parts[0].functionCall.args must be an object, not a list" },
      { '{"contents":[{"role":"user","parts":[{"functionCall":{"name":"f"}}]}]}',
        "contents[0].parts[0] is a functionCall in a turn of the user" },
      { '{"contents":[{"role":"model","parts":[{"functionResponse":{"name":"f","response":{}}}]}]}',
        "contents[0].parts[0] is a functionResponse in a turn of the model" },
      { with('"generationConfig":[]'), "generationConfig must be an object, not a list" },
      { with('"generationConfig":{"temperature":"hot"}'), 'generationConfig.temperature must be a number, not "hot"' },
      { with('"generationConfig":{"stopSequences":[1]}'),
        "generationConfig.stopSequences[0] must be a string, not number" },
      { with('"tools":[1]'), "tools[0] must be an object, not number" },
      { with('"tools":[{"functionDeclarations":[{}]}]'), "tools[0].functionDeclarations[0].name is missing" },
      { with('"safetySettings":1'), "safetySettings must be a list, not number" },
    } do
      local c, message = decode(row[1])
      assert.is_nil(c, row[1])
      assert.equal(row[2], message)
    end
  end)

  it("of any shape raises nothing", function()
    local values = { "null", "1", '"x"', "true", "[]", "{}", "[[]]", '[{"a":[1]}]', '{"parts":{"text":{}}}' }
    local places = { '{"contents":%s}', '{"contents":[%s]}', '{"contents":[{"parts":%s}]}',
      '{"contents":[{"parts":[%s]}]}', '{"contents":[{"parts":[{"functionResponse":%s}]}]}',
      '{"contents":[{"parts":[{"functionResponse":{"name":"f","response":%s,"parts":%s}}]}]}',
      '{"contents":[{"parts":[{"inlineData":%s,"thoughtSignature":%s,"thought":%s,"mediaResolution":%s}]}]}',
      '{"contents":[{"role":"model","parts":[{"functionCall":%s}]}]}', with('"systemInstruction":%s'),
      with('"generationConfig":%s'), with('"generationConfig":{"thinkingConfig":%s,"responseSchema":%s,"logprobs":%s}'),
      with('"tools":%s'), with('"tools":[{"functionDeclarations":%s}]'),
      with('"tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":%s,"enum":%s,"anyOf":%s,"items":%s,'
        .. '"properties":%s,"minItems":%s,"nullable":true}}]}]'),
      with('"toolConfig":%s'), with('"toolConfig":{"functionCallingConfig":{"mode":%s,"allowedFunctionNames":%s}}'),
      with('"labels":%s,"store":%s,"serviceTier":%s') }
    for _, place in ipairs(places) do
      for _, value in ipairs(values) do
        decode((place:gsub("%%s", value)))
      end
    end
    for _, text in ipairs { "[]", "1", '"x"', "null" } do
      assert.is_nil((gemini.decode_request(json.parse(text), HEAD)))
    end
  end)
end)

describe("recorded Gemini requests", function()
  local NIL = { ["error-400-other"] = true }

  it("are all understood", function()
    local manifest = process.read(fixtures.folder .. "/MANIFEST.tsv")
    if not manifest then
      return pending("no recorded exchanges beside the repository")
    end
    local seen = 0
    for case in manifest:gmatch("gemini\t([%w_.-]+)\t") do
      local request = process.read(("%s/gemini/%s/request.json"):format(fixtures.folder, case))
      if request and not case:find("embed", 1, true) then
        seen = seen + 1
        local operation = case:find("count", 1, true) and "count" or "generate"
        local c, message = decode(request, { model = "m", stream = false, operation = operation })
        assert.equal(NIL[case] == nil, c ~= nil, case .. ": " .. tostring(message))
        for _, one in ipairs(c and c.ledger.entries or {}) do
          assert.is_nil(one.why:find("unknown to cliproxy", 1, true), case .. ": " .. one.path)
        end
      end
    end
    assert.is_true(seen > 30)
  end)
end)
