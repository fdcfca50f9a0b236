local conversation = require("cliproxy.conversation")
local json = require("cliproxy.json")
local opaque = require("cliproxy.opaque")
local responses = require("cliproxy.dialects.openai_responses")

--- Decodes the members of a request; "model" is added.
local function decode(members, head)
  local document = assert(json.parse('{"model":"fast"' .. (members ~= "" and "," .. members or "") .. "}"))
  local c, message, param = responses.decode_request(document, head or { model = "fast", stream = false })
  json.close(document)
  return c, message, param
end

local function input(items, more)
  return decode('"input":[' .. items .. "]" .. (more and "," .. more or ""))
end

--- The entries of a ledger as "path action" lines.
local function noted(c)
  local out = {}
  for _, entry in ipairs(c.ledger.entries) do
    out[#out + 1] = ("%s %s%s"):format(entry.path, entry.action, entry.warn and " warned" or "")
  end
  return out
end

describe("a request of Responses, decoded:", function()
  it("a string is what a user says", function()
    local c = decode('"input":"Hi \\ud83d\\u0041"')
    assert.same({ { role = "user", index = 0, parts = { { kind = "text", text = '"Hi \\ud83d\\u0041"', turn = 0 } } } },
      c.turns)
    assert.same({}, noted(c))
    assert.equal("input[0]", conversation.path(c, c.turns[1]))
  end)

  it("instructions stand before leading system and developer messages, later ones stay in place", function()
    local c = input('{"role":"developer","content":"b"},{"type":"message","role":"system","content":[{"type":'
      .. '"input_text"'
      .. ',"text":"c"}]},{"role":"user","content":"d"},{"role":"system","content":"e"}', '"instructions":"a"')
    local texts = {}
    for i, part in ipairs(c.system) do
      texts[i] = part.text
    end
    assert.same({ '"a"', '"b"', '"c"' }, texts)
    assert.equal(2, #c.turns)
    assert.equal("user", c.turns[1].role)
    assert.equal("system", c.turns[2].role)
    assert.equal("input[1].content[0]", conversation.path(c, c.system[3]))
  end)

  it("messages keep their phase; ids and status are the service's own words", function()
    local c = input('{"type":"message","id":"msg_1","status":"completed","role":"assistant","phase":"commentary",'
      .. '"content":[{"type":"output_text","text":"x","annotations":[],"logprobs":[]},{"type":"refusal","refusal":'
      .. '"no"}]}')
    assert.equal('"commentary"', c.turns[1].phase)
    assert.same({ "text", "refusal" }, { c.turns[1].parts[1].kind, c.turns[1].parts[2].kind })
    assert.equal('"no"', c.turns[1].parts[2].text)
    assert.same({}, noted(c))
  end)

  it("sources of earlier answers are noted as left out", function()
    local c = input('{"role":"assistant","content":[{"type":"output_text","text":"x","annotations":[{"type":'
      .. '"url_citation"'
      .. ',"url":"u","title":"t","start_index":0,"end_index":1}]}]}')
    assert.same({ "input[0].content[0].annotations dropped" }, noted(c))
  end)

  it("images and files are data, addresses or files of the provider", function()
    local c = input('{"role":"user","content":[{"type":"input_image","image_url":"data:image\\/png;base64,AA\\/=",'
      .. '"detail":'
      .. '"low"},{"type":"input_image","image_url":"https://x/y.png","detail":"auto"},{"type":"input_image","file_id":'
      .. '"f1"}'
      .. ',{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,BB=="},'
      .. '{"type":"input_file","file_url":"https://x/notes.txt"},{"type":"input_file","filename":"b.csv","file_data":'
      .. '"Q0M="'
      .. '},{"type":"input_audio","input_audio":{"data":"DD","format":"mp3"}}]}')
    local parts = c.turns[1].parts
    assert.same({ kind = "image", turn = 0, list = "content", index = 0, media_type = "image/png", data = '"AA\\/="',
      detail = '"low"' }, parts[1])
    assert.equal('"https://x/y.png"', parts[2].url)
    assert.equal('"f1"', parts[3].file_id)
    assert.same({ "document", "application/pdf", '"BB=="', '"a.pdf"' },
      { parts[4].kind, parts[4].media_type, parts[4].data, parts[4].filename })
    assert.same({ "text/plain", '"https://x/notes.txt"' }, { parts[5].media_type, parts[5].url })
    assert.same({ "text/csv", '"Q0M="' }, { parts[6].media_type, parts[6].data })
    assert.same({ "audio", "audio/mpeg", '"DD"' }, { parts[7].kind, parts[7].media_type, parts[7].data })
  end)

  it("calls and results", function()
    local c = input('{"type":"function_call","id":"fc_1","call_id":"c1","name":"f","arguments":"{\\"n\\":1.0}",'
      .. '"status":"completed"},{"type":"function_call_output","call_id":"c1","output":"done"},'
      .. '{"type":"function_call_output","call_id":"c1","output":[{"type":"input_text","text":"t"},'
      .. '{"type":"input_image","image_url":"https://x/y"}]},{"type":"custom_tool_call","call_id":"c2","name":"g",'
      .. '"input":"a b"}'
      .. ',{"type":"custom_tool_call_output","call_id":"c2","output":"r"}')
    assert.same({ kind = "tool_call", turn = 0, id = "c1", name = "f", arguments = '"{\\"n\\":1.0}"' },
      c.turns[1].parts[1])
    assert.equal("assistant", c.turns[1].role)
    assert.same({ kind = "tool_result", turn = 1, id = "c1",
      content = { { kind = "text", text = '"done"', turn = 1, list = "output" } } }, c.turns[2].parts[1])
    assert.equal("user", c.turns[2].role)
    local image = c.turns[3].parts[1].content[2]
    assert.equal("image", image.kind)
    assert.equal("input[2].output[1]", conversation.path(c, image))
    assert.same({ "tool_call", true, '"a b"' },
      { c.turns[4].parts[1].kind, c.turns[4].parts[1].custom, c.turns[4].parts[1].arguments })
    assert.is_true(c.turns[5].parts[1].custom)
  end)

  it("reasoning: summaries joined, else content; state of the service's own or of another in an envelope", function()
    local sealed = opaque.seal({ kind = "signature", data = "sig" }, { dialect = "anthropic", provider = "a",
      model = "m" })
    local c = input('{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"a"},{"type":'
      .. '"summary_text",'
      .. '"text":"b"}],"content":[{"type":"reasoning_text","text":"z"}],"encrypted_content":"gAAA"},'
      .. '{"type":"reasoning","id":"rs_2","summary":[],"content":[{"type":"reasoning_text","text":"z"}],'
      .. '"encrypted_content":null},{"type":"reasoning","id":"rs_3","summary":[],"encrypted_content":"' .. sealed
      .. '"},'
      .. '{"type":"reasoning","id":"rs_4","summary":[]}')
    assert.equal(3, #c.turns)
    assert.same({ kind = "reasoning", turn = 0, text = '"a\\n\\nb"',
      state = { kind = "encrypted", data = "gAAA", id = "rs_1" } }, c.turns[1].parts[1])
    assert.same({ kind = "reasoning", turn = 1, text = '"z"' }, c.turns[2].parts[1])
    local state = c.turns[3].parts[1].state
    assert.same({ "signature", "sig", "anthropic" }, { state.kind, state.data, state.origin.dialect })
    assert.is_nil(state.id)
    assert.same({ "input[3] dropped" }, noted(c))
  end)

  it("tools that items add are there from the start, the last definition of each", function()
    local c = input('{"type":"additional_tools","id":"at_1","role":"developer","tools":[{"type":"namespace",'
      .. '"name":"functions","description":"","tools":[{"type":"custom","name":"exec"},{"type":"function","name":'
      .. '"wait","parameters":{"a":1}}]}]},{"role":"developer","content":"s"},{"role":"user","content":"x"},'
      .. '{"type":"additional_tools","tools":[{"type":"function","name":"shell","parameters":{"b":2}},'
      .. '{"type":"namespace","name":"functions","tools":[{"type":"function","name":"wait"}]}]}',
      '"tools":[{"type":"function","name":"shell","parameters":{}}]')
    local names, paths = {}, {}
    for i, tool in ipairs(c.tools) do
      names[i], paths[i] = tool.name, conversation.tool_path(c, tool)
    end
    assert.same({ "shell", "functions__exec", "functions__wait" }, names)
    assert.same({ "input[3].tools[0]", "input[0].tools[0].tools[0]", "input[3].tools[1].tools[0]" }, paths)
    assert.same({ '{"b":2}', true, nil }, { c.tools[1].schema, c.tools[2].custom, c.tools[3].schema })
    assert.same({ namespace = "functions", name = "exec" }, c.namespaces.functions__exec)
    assert.equal(1, #c.turns)
    assert.equal(1, #c.system)
    assert.same({ "input[0].tools[0].description dropped", "tools[0] dropped",
      "input[0].tools[0].tools[1] dropped" }, noted(c))
    local _, message, param = input('{"type":"additional_tools","role":"developer"}')
    assert.same({ "input[0].tools is missing", "input[0].tools" }, { message, param })
    assert.equal("input[0].tools[0].type", input('{"type":"additional_tools","tools":[{"type":"file_search"}]}')
      .ledger.refused.path)
  end)

  it("namespaces of tools are flattened, in history and choices, too", function()
    local c = input('{"type":"function_call","call_id":"c","namespace":"mcp__git","name":"log","arguments":"{}"},'
      .. '{"type":"function_call","call_id":"d","namespace":"gone__","name":"x","arguments":"{}"}',
      '"tools":[{"type":"function","name":"shell","parameters":{}},{"type":"namespace","name":"mcp__git",'
        .. '"description":"d",'
      .. '"tools":[{"type":"function","name":"log","description":"l","parameters":{"type":"object"},"strict":false}]}],'
      .. '"tool_choice":{"type":"function","namespace":"mcp__git","name":"log"}')
    assert.equal("mcp__git__log", c.turns[1].parts[1].name)
    assert.equal("gone__x", c.turns[2].parts[1].name)
    assert.same({ name = "mcp__git__log", index = 1, path = "tools[1].tools[0]", description = '"l"',
      schema = '{"type":"object"}', strict = false }, c.tools[2])
    assert.same({ namespace = "mcp__git", name = "log" }, c.namespaces["mcp__git__log"])
    assert.same({ namespace = "gone__", name = "x" }, c.namespaces["gone__x"])
    assert.same({ mode = "required", names = { "mcp__git__log" }, where = "tool_choice" }, c.tool_choice)
    assert.same({ "tools[1].description dropped" }, noted(c))
  end)

  it("two tools of one full name are refused", function()
    local c = input("", '"tools":[{"type":"function","name":"a__b"},{"type":"namespace","name":"a","tools":[{"type":'
      .. '"function",'
      .. '"name":"b"}]}]')
    assert.equal("tools[1].tools[0].name", c.ledger.refused.path)
  end)

  it("tools: schemas byte for byte, strict only where it is said, custom tools with their grammar", function()
    local schema = '{ "type":"object","properties":{"a":{"enum":[1.0,12345678901234567890]}},"required":[] }'
    local c = input("", '"tools":[{"type":"function","name":"f","description":null,"parameters":' .. schema
      .. ',"strict":true},{"type":"function","name":"g","parameters":null,"strict":null},{"type":"custom","name":"h",'
      .. '"format":{"type":"grammar","syntax":"lark","definition":"s"}},{"type":"function","name":"i",'
      .. '"defer_loading":true,'
      .. '"new":1}]')
    assert.same({ name = "f", index = 0, schema = schema, strict = true }, c.tools[1])
    assert.same({ name = "g", index = 1 }, c.tools[2])
    assert.same({ name = "h", index = 2, custom = true,
      grammar = '{"type":"grammar","syntax":"lark","definition":"s"}' }, c.tools[3])
    assert.same({ "tools[3].defer_loading dropped warned", "tools[3].new dropped warned" }, noted(c))
  end)

  it("every choice of tools", function()
    local function choice(text)
      return input("", '"tool_choice":' .. text).tool_choice
    end
    assert.same({ mode = "auto", where = "tool_choice" }, choice('"auto"'))
    assert.same({ mode = "required", where = "tool_choice" }, choice('"required"'))
    assert.same({ mode = "none", where = "tool_choice" }, choice('"none"'))
    assert.same({ mode = "required", names = { "f" }, where = "tool_choice" }, choice('{"type":"function","name":"f"}'))
    assert.same({ mode = "required", names = { "f" }, where = "tool_choice" }, choice('{"type":"custom","name":"f"}'))
    assert.same({ mode = "auto", names = { "f", "g" }, where = "tool_choice" }, choice('{"type":"allowed_tools",'
      .. '"mode":"auto"'
      .. ',"tools":[{"type":"function","name":"f"},{"type":"custom","name":"g"}]}'))
    assert.is_nil(choice("null"))
    assert.equal("tool_choice.type", input("", '"tool_choice":{"type":"mcp","server_label":"x"}').ledger.refused.path)
    assert.equal("tool_choice.tools[0].type", input("", '"tool_choice":{"type":"allowed_tools","mode":"auto","tools":['
      .. '{"type":"image_generation"}]}').ledger.refused.path)
  end)

  it("numbers and words go on as they were written", function()
    local c = input("", '"temperature":0.10,"top_p":1.0,"max_output_tokens":12345678901234567890,"metadata":{"a":"b"},'
      .. '"parallel_tool_calls":false,"prompt_cache_key":"k","safety_identifier":"s","user":"u","text":{"verbosity":'
      .. '"low"}'
      .. ',"service_tier":"flex"')
    assert.same({ "0.10", "1.0", "12345678901234567890", '{"a":"b"}', false, '"k"', '"s"', '"low"', '"flex"' },
      { c.temperature, c.top_p, c.max_tokens, c.metadata, c.parallel_tools, c.cache_key, c.user, c.verbosity,
        c.service_tier })
    assert.equal("max_output_tokens", conversation.where(c, "max_tokens"))
    assert.equal("prompt_cache_key", conversation.where(c, "cache_key"))
    assert.equal("text.verbosity", conversation.where(c, "verbosity"))
    assert.equal("safety_identifier", conversation.where(c, "user"))
    assert.equal('"u"', input("", '"user":"u"').user)
  end)

  it("structured output, flat as it is here", function()
    local c = input("", '"text":{"format":{"type":"json_schema","name":"n","description":"d","schema":{"a":[]},'
      .. '"strict":null}}')
    assert.same({ kind = "schema", where = "text.format", name = '"n"', description = '"d"', schema = '{"a":[]}',
      strict = "null" }, c.format)
    assert.same({ kind = "json", where = "text.format" }, input("", '"text":{"format":{"type":"json_object"}}').format)
    assert.is_nil(input("", '"text":{"format":{"type":"text"}}').format)
  end)

  it("reasoning: effort, off, summaries", function()
    assert.same({ effort = "high", summary = "auto", visible = true, where = "reasoning" },
      input("", '"reasoning":{"effort":"high","summary":"auto"}').reasoning)
    assert.same({ off = true, visible = false, where = "reasoning" }, input("", '"reasoning":{"effort":'
      .. '"none"}').reasoning)
    assert.same({ visible = false, where = "reasoning" }, input("", '"reasoning":{"effort":null}').reasoning)
    local c = input("", '"reasoning":{"generate_summary":"concise","context":"all_turns","mode":"pro"}')
    assert.equal("concise", c.reasoning.summary)
    assert.same({ "reasoning.context dropped warned", "reasoning.mode dropped warned" }, noted(c))
  end)

  it("include", function()
    local c = input("", '"include":["reasoning.encrypted_content","web_search_call.action.sources","new.thing"]')
    assert.is_true(c.wants_state)
    assert.same({ "include[1] dropped", "include[2] dropped warned" }, noted(c))
    c = input("", '"include":["message.output_text.logprobs"],"top_logprobs":3')
    assert.equal("3", c.logprobs)
    c = input("", '"include":["message.output_text.logprobs"]')
    assert.same({ "0", "include[0]" }, { c.logprobs, conversation.where(c, "logprobs") })
    assert.is_nil(input("", '"top_logprobs":0').logprobs)
  end)

  it("what only a service that keeps things can do is refused by name", function()
    for path, members in pairs {
      previous_response_id = '"previous_response_id":"resp_1"', conversation = '"conversation":"conv_1"',
      prompt = '"prompt":{"id":"p"}', background = '"background":true', moderation = '"moderation":{}',
      context_management = '"context_management":[{"type":"compaction"}]',
    } do
      local c = decode('"input":"x",' .. members)
      assert.equal(path, c.ledger.refused.path)
      assert.matches("%l", c.ledger.refused.why)
    end
    assert.equal("previous_response_id", decode('"previous_response_id":"resp_1"').ledger.refused.path)
    for _, item in ipairs { '{"type":"item_reference","id":"msg_1"}', '{"type":"compaction","encrypted_content":"x"}',
      '{"type":"web_search_call","id":"ws_1","status":"completed"}', '{"type":"mcp_call","id":"m"}',
      '{"type":"future_item"}' } do
      local c = input('{"role":"user","content":"x"},' .. item)
      assert.equal("input[1]", c.ledger.refused.path)
    end
    for _, tool in ipairs { "file_search", "code_interpreter", "mcp", "computer_use_preview",
      "local_shell", "apply_patch", "tool_search", "future_tool" } do
      local c = input("", '"tools":[{"type":"' .. tool .. '"}]')
      assert.equal("tools[0].type", c.ledger.refused.path)
      assert.matches(tool, c.ledger.refused.why, 1, true)
    end
  end)

  it("hints of transport go quietly, others with a warning, defaults without a word", function()
    local c = decode('"input":"x","store":true,"stream_options":{"include_obfuscation":false,"later":1},"truncation":'
      .. '"auto",'
      .. '"background":false,"previous_response_id":null,"service_tier":"auto","prompt_cache_retention":"24h",'
      .. '"max_tool_calls":3,"client_metadata":{},"stop":["a"],"text":{"later":1}')
    local list = noted(c)
    table.sort(list)
    assert.same({
      "client_metadata dropped", "max_tool_calls dropped", "prompt_cache_retention dropped", "service_tier dropped",
      "stop dropped warned", "store dropped", "stream_options.include_obfuscation dropped",
      "stream_options.later dropped warned", "text.later dropped warned", "truncation dropped warned",
    }, list)
    assert.is_nil(c.ledger.refused)
    assert.same({}, noted(decode('"input":"x","truncation":"disabled","store":false,"stream":true')))
  end)

  it("members that nobody knows are told with their path", function()
    local c = input('{"role":"user","content":[{"type":"input_text","text":"x","new":1}],"later":2},'
      .. '{"type":"function_call","call_id":"c","name":"f","arguments":"","caller":{}}')
    assert.same({ "input[0].content[0].new dropped warned", "input[0].later dropped warned",
      "input[1].caller dropped warned" }, noted(c))
  end)

  it("a count needs no input and echoes nothing", function()
    local c = decode('"instructions":"x"', { model = "fast", operation = "count" })
    assert.equal("count", c.operation)
    assert.is_nil(c.echo)
  end)

  it("malformed requests are told where", function()
    for members, param in pairs {
      [""] = "input", ['"input":3'] = "input", ['"input":[3]'] = "input[0]", ['"input":[{}]'] = "input[0].type",
      ['"input":[{"role":"tool","content":"x"}]'] = "input[0].role",
      ['"input":[{"role":7,"content":"x"}]'] = "input[0].role",
      ['"input":[{"role":"user"}]'] = "input[0].content", ['"input":[{"role":"user","content":{}'
        .. '}]'] = "input[0].content",
      ['"input":[{"role":"user","content":[1]}]'] = "input[0].content[0]",
      ['"input":[{"role":"user","content":[{"text":"x"}]}]'] = "input[0].content[0].type",
      ['"input":[{"role":"user","content":[{"type":"input_text"}]}]'] = "input[0].content[0].text",
      ['"input":[{"role":"user","content":[{"type":"input_image"}]}]'] = "input[0].content[0]",
      ['"input":[{"role":"user","content":[{"type":"input_image","image_url":{"url":"x"}}]}]']
        = "input[0].content[0].image_url",
      ['"input":[{"role":"user","content":[{"type":"input_image","image_url":"data:image/png,x"}]}]']
        = "input[0].content[0].image_url",
      ['"input":[{"role":"user","content":[{"type":"input_file","filename":"x"}]}]'] = "input[0].content[0]",
      ['"input":[{"type":"function_call","name":"f","arguments":"{}"}]'] = "input[0].call_id",
      ['"input":[{"type":"function_call","call_id":"","name":"f","arguments":"{}"}]'] = "input[0].call_id",
      ['"input":[{"type":"function_call","call_id":"c","name":"f","arguments":{}}]'] = "input[0].arguments",
      ['"input":[{"type":"function_call_output","call_id":"c"}]'] = "input[0].output",
      ['"input":[{"type":"reasoning","summary":[{"type":"x"}]}]'] = "input[0].summary[0]",
      ['"input":[{"type":"reasoning","summary":"x"}]'] = "input[0].summary",
      ['"input":"x","tools":{}'] = "tools", ['"input":"x","tools":[1]'] = "tools[0]",
      ['"input":"x","tools":[{"name":"f"}]'] = "tools[0].type",
      ['"input":"x","tools":[{"type":"function","parameters":{}}]'] = "tools[0].name",
      ['"input":"x","tools":[{"type":"function","name":"f","parameters":"{}"}]'] = "tools[0].parameters",
      ['"input":"x","tools":[{"type":"namespace","name":"n"}]'] = "tools[0].tools",
      ['"input":"x","tool_choice":"any"'] = "tool_choice", ['"input":"x","tool_choice":[]'] = "tool_choice",
      ['"input":"x","tool_choice":{"type":"function","function":{"name":"f"}}'] = "tool_choice.name",
      ['"input":"x","tool_choice":{"type":"allowed_tools","tools":[]}'] = "tool_choice.mode",
      ['"input":"x","temperature":"1"'] = "temperature", ['"input":"x","metadata":[]'] = "metadata",
      ['"input":"x","instructions":["a"]'] = "instructions", ['"input":"x","reasoning":"high"'] = "reasoning",
      ['"input":"x","reasoning":{"effort":"huge"}'] = "reasoning.effort",
      ['"input":"x","reasoning":{"summary":"all"}'] = "reasoning.summary",
      ['"input":"x","include":"a"'] = "include", ['"input":"x","include":[1]'] = "include[0]",
      ['"input":"x","text":"low"'] = "text", ['"input":"x","text":{"format":{"type":"xml"}}'] = "text.format.type",
      ['"input":"x","text":{"format":{"type":"json_schema","name":"n"}}'] = "text.format.schema",
      ['"input":"x","truncation":"maybe"'] = "truncation", ['"input":"x",'
        .. '"parallel_tool_calls":1'] = "parallel_tool_calls",
      ['"input":"x","stream_options":[]'] = "stream_options", ['"input":"x","background":"yes"'] = "background",
    } do
      local c, message, at = decode(members)
      assert.is_nil(c, members)
      assert.equal(param, at)
      assert.matches(param, message, 1, true)
    end
  end)

  it("values of any kind in any place never raise", function()
    local values = { "null", "true", "3", '"x"', "[]", "{}", "[null]", '[{"type":"message"}]', '{"type":'
      .. '"function"}', "1e400" }
    local fields = { "input", "instructions", "tools", "tool_choice", "text", "reasoning", "include", "metadata",
      "stream_options", "truncation", "background", "user", "max_output_tokens", "parallel_tool_calls", "store",
      "service_tier", "top_logprobs", "prompt", "conversation", "safety_identifier" }
    for _, field in ipairs(fields) do
      for _, value in ipairs(values) do
        local members = (field == "input" and "" or '"input":"x",') .. '"' .. field .. '":' .. value
        local c, message = decode(members)
        assert(c or type(message) == "string", members)
      end
    end
    local keys = { "type", "role", "content", "call_id", "name", "arguments", "output", "summary", "encrypted_content",
      "namespace", "phase", "input" }
    for _, kind in ipairs { "message", "function_call", "function_call_output", "custom_tool_call", "reasoning" } do
      for _, key in ipairs(keys) do
        for _, value in ipairs(values) do
          local head = key == "type" and "" or '"type":"' .. kind .. '",'
          local c, message = input("{" .. head .. '"' .. key .. '":' .. value .. "}")
          assert(c or type(message) == "string")
        end
      end
    end
    assert.is_nil((responses.decode_request("x", { model = "m" })))
  end)
end)
