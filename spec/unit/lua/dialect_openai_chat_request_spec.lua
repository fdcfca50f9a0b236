local chat = require("cliproxy.dialects.openai_chat")
local conversation = require("cliproxy.conversation")
local json = require("cliproxy.json")
local reasoning_cache = require("cliproxy.reasoning_cache")

--- Decodes the members of a request; "model" is added.
local function decode(members, head)
  local document = assert(json.parse('{"model":"fast"' .. (members ~= "" and "," .. members or "") .. "}"))
  local c, message, param = chat.decode_request(document, head or { model = "fast", stream = false })
  json.close(document)
  return c, message, param
end

local function messages(list, more)
  return decode('"messages":[' .. list .. "]" .. (more and "," .. more or ""))
end

local HI = '{"role":"user","content":"hi"}'

local function with(more)
  return messages(HI, more)
end

--- The entries of a ledger as "path action" lines.
local function noted(c)
  local out = {}
  for _, entry in ipairs(c.ledger.entries) do
    out[#out + 1] = ("%s %s%s"):format(entry.path, entry.action, entry.warn and " warned" or "")
  end
  return out
end

local function refused(c)
  return c.ledger.refused and c.ledger.refused.path
end

describe("a Chat request, decoded:", function()
  it("texts are what the client wrote, byte for byte", function()
    local c = messages('{"role":"user","content":"Hi \\ud83d\\/\\u0041"}')
    assert.same({ { role = "user", index = 0, parts = {
      { kind = "text", text = '"Hi \\ud83d\\/\\u0041"', turn = 0, list = "content" } } } }, c.turns)
    assert.equal("messages[0].content", conversation.path(c, c.turns[1].parts[1]))
    assert.same({}, noted(c))
  end)

  it("system and developer in front stand apart, later ones stay in place", function()
    local c = messages('{"role":"system","content":"a"},{"role":"developer","content":[{"type":"text","text":"b"}]},'
      .. HI .. ',{"role":"system","content":"c","name":"boss"}')
    assert.same({ '"a"', '"b"' }, { c.system[1].text, c.system[2].text })
    assert.equal("messages[1].content[0]", conversation.path(c, c.system[2]))
    assert.same({ "user", "system" }, { c.turns[1].role, c.turns[2].role })
    assert.same({ 3, '"boss"' }, { c.turns[2].index, c.turns[2].name })
  end)

  it("the name of a system in front cannot be kept", function()
    local c = messages('{"role":"system","content":"a","name":"boss"},{"role":"user","content":"x","name":"Ann"}')
    assert.same({ "messages[0].name dropped warned" }, noted(c))
    assert.equal('"Ann"', c.turns[1].name)
  end)

  it("parts of a user: images, files, audio", function()
    local c = messages('{"role":"user","content":[{"type":"text","text":"a","prompt_cache_breakpoint":'
      .. '{"mode":"explicit"}},{"type":"image_url","image_url":{"url":"https://x/y.png","detail":"low"}},'
      .. '{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"},"cache_control":{"type":"ephemeral"}},'
      .. '{"type":"file","file":{"file_data":"data:application/pdf;base64,BBBB","filename":"a.pdf"}},'
      .. '{"type":"file","file":{"file_id":"file-1"}},'
      .. '{"type":"input_audio","input_audio":{"data":"CCCC","format":"mp3"}}]}')
    local parts = c.turns[1].parts
    local kinds = {}
    for i, part in ipairs(parts) do
      kinds[i] = part.kind
      assert.equal(("messages[0].content[%d]"):format(i - 1), conversation.path(c, part))
    end
    assert.same({ "text", "image", "image", "document", "document", "audio" }, kinds)
    assert.same({ '"https://x/y.png"', '"low"' }, { parts[2].url, parts[2].detail })
    assert.same({ "image/png", '"AAAA"', '{"type":"ephemeral"}' }, { parts[3].media_type, parts[3].data,
      parts[3].cache })
    assert.same({ "application/pdf", '"BBBB"', '"a.pdf"' }, { parts[4].media_type, parts[4].data, parts[4].filename })
    assert.equal('"file-1"', parts[5].file_id)
    assert.same({ "audio/mpeg", '"CCCC"' }, { parts[6].media_type, parts[6].data })
    assert.same({ "messages[0].content[0].prompt_cache_breakpoint dropped" }, noted(c))
  end)

  it("an assistant's calls, refusal and thoughts", function()
    local c = messages(HI .. ',{"role":"assistant","content":"","refusal":"no","reasoning_content":"hm","tool_calls":['
      .. '{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\\"a\\":1.0}"}},'
      .. '{"id":"call_2","type":"custom","custom":{"name":"g","input":"x = 1"}}],"annotations":[],"audio":null}')
    local parts = c.turns[2].parts
    assert.same({ kind = "reasoning", text = '"hm"', turn = 1, list = "reasoning_content" }, parts[1])
    assert.same({ kind = "refusal", text = '"no"', turn = 1, list = "refusal" }, parts[2])
    assert.same({ kind = "tool_call", id = "call_1", name = "f", arguments = '"{\\"a\\":1.0}"', turn = 1,
      list = "tool_calls", index = 0 }, parts[3])
    assert.same({ kind = "tool_call", id = "call_2", name = "g", arguments = '"x = 1"', custom = true, turn = 1,
      list = "tool_calls", index = 1 }, parts[4])
    assert.equal("messages[1].tool_calls[1]", conversation.path(c, parts[4]))
    assert.equal(4, #parts)
    assert.same({}, noted(c))
  end)

  it("null and empty content beside calls is no text", function()
    for _, content in ipairs { "null", '""', "[]" } do
      local c = messages(HI .. ',{"role":"assistant","content":' .. content .. ',"tool_calls":[{"id":"a","type":'
        .. '"function","function":{"name":"f","arguments":""}}]}')
      assert.equal(1, #c.turns[2].parts, content)
      assert.equal('""', c.turns[2].parts[1].arguments)
    end
  end)

  it("reasoning kept under the first call comes back in front and stands for what the client tells", function()
    local origin = { dialect = "anthropic", provider = "p", model = "m" }
    reasoning_cache.put("", { id = "call_kept", name = "f", arguments = '"{}"' }, { { kind = "reasoning", text = '"hm"',
      state = { kind = "signature", data = "SIG", origin = origin } },
      { kind = "reasoning", state = { kind = "redacted", data = "RED", origin = origin } } })
    local c = messages(HI .. ',{"role":"assistant","content":"x","reasoning_content":"hm","tool_calls":['
      .. '{"id":"call_kept","type":"function","function":{"name":"f","arguments":"{}"}}]}')
    local parts = c.turns[2].parts
    assert.same({ "reasoning", "reasoning", "text", "tool_call" },
      { parts[1].kind, parts[2].kind, parts[3].kind, parts[4].kind })
    assert.same({ kind = "signature", data = "SIG", origin = origin }, parts[1].state)
    assert.equal("RED", parts[2].state.data)
    assert.equal(1, parts[1].turn)
  end)

  it("results are a turn each, and may hold lists", function()
    local c = messages('{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":'
      .. '{"name":"f","arguments":"{}"}},{"id":"b","type":"function","function":{"name":"f","arguments":"{}"}}]},'
      .. '{"role":"tool","tool_call_id":"b","content":"two"},{"role":"tool","tool_call_id":"a","content":['
      .. '{"type":"text","text":"one"},{"type":"image_url","image_url":{"url":"https://x/1.png"}}]}')
    assert.equal(3, #c.turns)
    local joined = conversation.joined(c)
    assert.equal(2, #joined)
    local results = joined[2].parts
    assert.same({ "a", "b" }, { results[1].id, results[2].id })
    assert.same({ '"one"', "image" }, { results[1].content[1].text, results[1].content[2].kind })
    assert.equal("messages[2].content[1]", conversation.path(c, results[1].content[2]))
  end)

  it("functions of the time before tools are tools, their calls get ids that stay", function()
    local c = with('"functions":[{"name":"f","description":"d","parameters":{"type":"object"}}],"function_call":'
      .. '{"name":"f"}')
    assert.same({ { name = "f", description = '"d"', schema = '{"type":"object"}', index = 0, path = "functions[0]" } },
      c.tools)
    assert.same({ mode = "required", names = { "f" }, where = "function_call" }, c.tool_choice)
    assert.is_true(c.old_functions)
    assert.is_false(c.parallel_tools)
    c = messages(HI .. ',{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}},'
      .. '{"role":"function","name":"f","content":"42"}', '"functions":[]')
    local call, result = c.turns[2].parts[1], c.turns[3].parts[1]
    assert.same({ "call_fn1", "f", '"{}"' }, { call.id, call.name, call.arguments })
    assert.same({ "tool_result", "call_fn1", '"42"' }, { result.kind, result.id, result.content[1].text })
    assert.equal("messages[1].function_call", conversation.path(c, call))
    conversation.joined(c)
    assert.is_nil(c.ledger.refused)
  end)

  it("a function's result without its call is refused by name", function()
    local c = messages(HI .. ',{"role":"function","name":"f","content":"42"}')
    conversation.joined(c)
    assert.same({ path = "messages[1]", why = 'it is the result of call "f", which no turn before it makes' },
      c.ledger.refused)
  end)

  it("tools keep their schemas as bytes", function()
    local schema = '{ "type":"object","required":[],"properties":{},"x":12345678901234567890,"y":1.0 }'
    local c = with('"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":' .. schema
      .. ',"strict":true}},{"type":"function","function":{"name":"g"}},{"type":"custom","custom":{"name":"h","format":'
      .. '{"type":"text"}}}]')
    assert.same({ name = "f", description = '"d"', schema = schema, strict = true, index = 0 }, c.tools[1])
    assert.same({ name = "g", index = 1 }, c.tools[2])
    assert.same({ name = "h", custom = true, grammar = '{"type":"text"}', index = 2 }, c.tools[3])
    assert.same({}, noted(c))
  end)

  it("tools that nobody else has are refused", function()
    assert.equal("tools[0].type", refused(with('"tools":[{"type":"web_search"}]')))
    assert.equal("tools[1].function.name", refused(with('"tools":[{"type":"function","function":{"name":"f"}},'
      .. '{"type":"function","function":{"name":"f"}}]')))
  end)

  it("every form of tool_choice", function()
    local expected = {
      ['"none"'] = { mode = "none" }, ['"auto"'] = { mode = "auto" }, ['"required"'] = { mode = "required" },
      ['{"type":"function","function":{"name":"f"}}'] = { mode = "required", names = { "f" } },
      ['{"type":"custom","custom":{"name":"h"}}'] = { mode = "required", names = { "h" } },
      ['{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"f"}},'
        .. '{"type":"custom","custom":{"name":"h"}}]}}'] = { mode = "auto", names = { "f", "h" } },
    }
    for text, choice in pairs(expected) do
      choice.where = "tool_choice"
      assert.same(choice, with('"tool_choice":' .. text).tool_choice, text)
    end
  end)

  it("limits: the newer field counts", function()
    local c = with('"max_tokens":10,"max_completion_tokens":20')
    assert.equal("20", c.max_tokens)
    assert.same({ "max_tokens dropped" }, noted(c))
    assert.equal("max_completion_tokens", conversation.where(c, "max_tokens"))
    assert.equal("10", with('"max_tokens":10').max_tokens)
    c = with('"user":"u","safety_identifier":"s"')
    assert.same({ '"s"', "safety_identifier" }, { c.user, conversation.where(c, "user") })
    assert.equal('"u"', with('"user":"u"').user)
  end)

  it("plain fields are carried as they were written", function()
    local c = with('"temperature":0.10,"top_p":1.0,"top_k":40,"seed":12345678901234567890,"presence_penalty":-0.5,'
      .. '"frequency_penalty":2,"n":1,"logit_bias":{"50256":-100},"metadata":{"a":"b"},"verbosity":"low",'
      .. '"prompt_cache_key":"k","service_tier":"flex","store":true,"parallel_tool_calls":false,"stop":["a","\\n"]')
    assert.same({ "0.10", "1.0", "40", "12345678901234567890", "-0.5", "2", "1", '{"50256":-100}', '{"a":"b"}', '"low"',
      '"k"', '"flex"', "true", false, { '"a"', '"\\n"' } },
      { c.temperature, c.top_p, c.top_k, c.seed, c.presence_penalty, c.frequency_penalty, c.n, c.logit_bias, c.metadata,
        c.verbosity, c.cache_key, c.service_tier, c.store, c.parallel_tools, c.stop })
    assert.same({ '"x"' }, with('"stop":"x"').stop)
    assert.same({}, noted(c))
  end)

  it("null is absent", function()
    local c = with('"temperature":null,"tools":null,"tool_choice":null,"stop":null,"prediction":null,"audio":null,'
      .. '"response_format":null,"stream_options":null,"modalities":null,"functions":null,"logprobs":null')
    assert.same({}, noted(c))
    assert.is_nil(refused(c))
    assert.same({ {}, "nil", "nil" }, { c.tools, tostring(c.stop), tostring(c.old_functions) })
  end)

  it("usage of streams, effort, log probabilities", function()
    local c = with('"stream_options":{"include_usage":true,"include_obfuscation":false},"reasoning_effort":"minimal",'
      .. '"logprobs":true,"top_logprobs":5')
    assert.is_true(c.wants_usage)
    assert.same({ effort = "minimal", where = "reasoning_effort" }, c.reasoning)
    assert.equal("5", c.logprobs)
    assert.same({ off = true, where = "reasoning_effort" }, with('"reasoning_effort":"none"').reasoning)
    assert.equal("0", with('"logprobs":true').logprobs)
    c = with('"logprobs":false,"top_logprobs":5')
    assert.is_nil(c.logprobs)
    assert.same({ "top_logprobs dropped" }, noted(c))
  end)

  it("structured output", function()
    assert.is_nil(with('"response_format":{"type":"text"}').format)
    assert.same({ kind = "json", where = "response_format" }, with('"response_format":{"type":"json_object"}').format)
    assert.same({ kind = "schema", name = '"n"', description = '"d"', schema = '{"type":"object"}', strict = "true",
      where = "response_format" }, with('"response_format":{"type":"json_schema","json_schema":{"name":"n",'
      .. '"description":"d","schema":{"type":"object"},"strict":true}}').format)
    assert.equal("null", with('"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":null}}')
      .format.strict)
  end)

  it("fields that no other dialect has a form for are refused by name", function()
    local cases = {
      audio = '"audio":{"voice":"alloy","format":"wav"}', prediction = '"prediction":{"type":"content","content":"x"}',
      moderation = '"moderation":{}',
      ["modalities[1]"] = '"modalities":["text","audio"]',
    }
    for path, member in pairs(cases) do
      assert.equal(path, refused(with(member)), path)
    end
    assert.is_nil(refused(with('"modalities":["text"]')))
    assert.equal("messages[0].content[0]", refused(messages(
      '{"role":"user","content":[{"type":"video_url","video_url":{"url":"x"}}]}')))
    assert.equal("messages[0].audio", refused(messages('{"role":"assistant","content":null,"audio":{"id":"a"}}')))
  end)

  it("unknown members are told, hints are not", function()
    local c = messages('{"role":"user","content":[{"type":"text","text":"x","mood":1}],"weight":0}',
      '"min_p":0.1,"stream_options":{"x":1},"prompt_cache_retention":"24h","service_tier":"auto"')
    assert.same({ "messages[0].content[0].mood dropped warned", "messages[0].weight dropped warned",
      "min_p dropped warned", "stream_options.x dropped warned", "prompt_cache_retention dropped",
      "service_tier dropped" }, noted(c))
  end)
end)

describe("a malformed Chat request", function()
  local CASES = {
    { "", "messages", "messages is missing" },
    { '"messages":{}', "messages", "messages must be a list, not object" },
    { '"messages":[1]', "messages[0]", "messages[0] must be an object, not number" },
    { '"messages":[{"content":"x"}]', "messages[0].role", "messages[0].role is missing" },
    { '"messages":[{"role":"boss","content":"x"}]', "messages[0].role",
      'messages[0].role is "boss", which is none of system, developer, user, assistant, tool, function' },
    { '"messages":[{"role":"user"}]', "messages[0].content", "messages[0].content is missing" },
    { '"messages":[{"role":"user","content":7}]', "messages[0].content",
      "messages[0].content must be a string or a list of parts, not number" },
    { '"messages":[{"role":"user","content":["x"]}]', "messages[0].content[0]",
      "messages[0].content[0] must be an object, not string" },
    { '"messages":[{"role":"user","content":[{"text":"x"}]}]', "messages[0].content[0].type",
      "messages[0].content[0].type is missing" },
    { '"messages":[{"role":"user","content":[{"type":"text","text":7}]}]', "messages[0].content[0].text",
      "messages[0].content[0].text must be a string, not a number" },
    { '"messages":[{"role":"user","content":[{"type":"image_url","image_url":"https://x"}]}]',
      "messages[0].content[0].image_url", "messages[0].content[0].image_url must be an object, not string" },
    { '"messages":[{"role":"user","content":[{"type":"image_url","image_url":{}}]}]',
      "messages[0].content[0].image_url.url", "messages[0].content[0].image_url.url is missing" },
    { '"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png,xx"}}]}]',
      "messages[0].content[0].image_url.url",
      "messages[0].content[0].image_url.url is a data URL that is not base64 (data:TYPE;base64,…)" },
    { '"messages":[{"role":"system","content":[{"type":"image_url","image_url":{"url":"https://x"}}]}]',
      "messages[0].content[0].type",
      'messages[0].content[0].type is "image_url", which a message of this role cannot hold' },
    { '"messages":[{"role":"tool","content":"x"}]', "messages[0].tool_call_id", "messages[0].tool_call_id is missing" },
    { '"messages":[{"role":"assistant","tool_calls":[{"type":"function","function":{"name":"f"}}]}]',
      "messages[0].tool_calls[0].id", "messages[0].tool_calls[0].id is missing" },
    { '"messages":[{"role":"assistant","tool_calls":[{"id":"","type":"function","function":{"name":"f"}}]}]',
      "messages[0].tool_calls[0].id", "messages[0].tool_calls[0].id is empty" },
    { '"messages":[{"role":"assistant","tool_calls":[{"id":"a","type":"function"}],"content":"x"}]',
      "messages[0].tool_calls[0].function", "messages[0].tool_calls[0].function is missing" },
    { '"messages":[{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f",'
      .. '"arguments":{}}}],"content":null}]', "messages[0].tool_calls[0].function.arguments",
      "messages[0].tool_calls[0].function.arguments must be a string, not an object" },
    { '"messages":[{"role":"assistant","content":null,"tool_calls":"x"}]', "messages[0].tool_calls",
      "messages[0].tool_calls must be a list, not string" },
    { '"messages":[],"tools":[{"type":"function"}]', "tools[0].function", "tools[0].function is missing" },
    { '"messages":[],"tools":[{"type":"function","function":{}}]', "tools[0].function.name",
      "tools[0].function.name is missing" },
    { '"messages":[],"tools":[{"type":"function","function":{"name":"f","parameters":[]}}]',
      "tools[0].function.parameters", "tools[0].function.parameters must be an object, not a list" },
    { '"messages":[],"tools":[7]', "tools[0]", "tools[0] must be an object, not number" },
    { '"messages":[],"functions":[{}]', "functions[0].name", "functions[0].name is missing" },
    { '"messages":[],"tool_choice":"any"', "tool_choice",
      'tool_choice is "any", which is none of auto, required, none' },
    { '"messages":[],"tool_choice":{"type":"function","name":"f"}', "tool_choice.function",
      "tool_choice.function is missing" },
    { '"messages":[],"temperature":"hot"', "temperature", "temperature must be a number, not a string" },
    { '"messages":[],"stop":[1]', "stop[0]", "stop[0] must be a string, not number" },
    { '"messages":[],"stop":1', "stop", "stop must be a string or a list of strings, not number" },
    { '"messages":[],"logit_bias":[]', "logit_bias", "logit_bias must be an object, not a list" },
    { '"messages":[],"reasoning_effort":"huge"', "reasoning_effort",
      'reasoning_effort is "huge", which is none of none, minimal, low, medium, high, xhigh, max' },
    { '"messages":[],"response_format":{"type":"yaml"}', "response_format.type",
      'response_format.type is "yaml", which is none of text, json_object, json_schema' },
    { '"messages":[],"response_format":{"type":"json_schema"}', "response_format.json_schema",
      "response_format.json_schema is missing" },
    { '"messages":[],"stream_options":{"include_usage":1}', "stream_options.include_usage",
      "stream_options.include_usage must be true or false, not a number" },
  }

  it("is told with the path of what is wrong", function()
    for _, case in ipairs(CASES) do
      local c, message, param = decode(case[1])
      assert.is_nil(c, case[1])
      assert.same({ case[3], case[2] }, { message, param }, case[1])
    end
  end)

  it("of any shape is told, never raised", function()
    local values = { "null", "true", "7", "1e999", '"x"', '""', "[]", "{}", "[[]]", "[{}]", '[{"type":"function"}]',
      '{"type":"function"}', '[{"role":"assistant","content":[{"type":"thinking"}]}]', '[{"role":"user","content":[{'
      .. '"type":"file","file":{}}]}]', '[{"role":"function","name":"f"}]', "12345678901234567890",
      '[{"role":"assistant","function_call":{"name":7}}]', '[{"role":"assistant","tool_calls":[[],7,{"custom":1}]}]' }
    local keys = { "messages", "tools", "functions", "tool_choice", "function_call", "stop", "response_format",
      "stream_options", "modalities", "max_tokens", "max_completion_tokens", "logprobs", "top_logprobs", "user",
      "safety_identifier", "reasoning_effort", "store", "service_tier", "metadata", "n", "seed", "verbosity",
      "prompt_cache_key", "logit_bias", "parallel_tool_calls" }
    for _, key in ipairs(keys) do
      for _, value in ipairs(values) do
        local members = '"' .. key .. '":' .. value .. (key ~= "messages" and ',"messages":[' .. HI .. "]" or "")
        local ok, found = pcall(decode, members)
        assert(ok, members .. ": " .. tostring(found))
      end
    end
    for _, root in ipairs { "[]", "7", "null", '"x"' } do
      assert.same({ nil, "the request must be an object, not " .. json.kind(json.parse(root)) },
        { chat.decode_request(json.parse(root), { model = "m", stream = false }) })
    end
  end)
end)
