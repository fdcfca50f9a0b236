local anthropic = require("cliproxy.dialects.anthropic")
local json = require("cliproxy.json")
local opaque = require("cliproxy.opaque")

local USER = '"messages":[{"role":"user","content":"hi"}]'

local function decode(body, version, operation)
  local document = json.parse(body)
  local c, message, param = anthropic.decode_request(document, {
    model = "m", stream = false, operation = operation, version = version or "2023-06-01",
  })
  return c, message, param
end

-- The conversation of a request with these members beside a message.
local function with(members, version)
  local c, message = decode("{" .. members .. "," .. USER .. "}", version)
  return assert(c, message)
end

-- The parts of one message of a role.
local function parts(content, role, version)
  local c, message, param = decode('{"messages":[{"role":"' .. (role or "user") .. '","content":' .. content .. "}]}",
    version)
  return c and c.turns[1].parts, message, param, c
end

local function refused(c)
  return c.ledger.refused and c.ledger.refused.path, c.ledger.refused and c.ledger.refused.why
end

describe("a request of Anthropic's", function()
  it("gives its fields as the client wrote them", function()
    local c = with('"model":"x","max_tokens":1024,"temperature":1.0,"top_p":0.10,"top_k":40,"stream":true,'
      .. '"stop_sequences":["a\\n","b"],"metadata":{"user_id":"u-1"},"service_tier":"standard_only",'
      .. '"cache_control":{"type":"ephemeral"}')
    assert.same({ "1024", "1.0", "0.10", "40" }, { c.max_tokens, c.temperature, c.top_p, c.top_k })
    assert.same({ '"a\\n"', '"b"' }, c.stop)
    assert.same({ '"u-1"', '"standard_only"', '{"type":"ephemeral"}' }, { c.user, c.service_tier, c.cache })
    assert.same({ "stop_sequences", "metadata.user_id" }, { c.where.stop, c.where.user })
    assert.same({}, c.ledger:warnings())
    assert.is_nil(refused(c))
  end)

  it("takes null for absent", function()
    local c = with('"temperature":null,"tools":null,"container":null,"thread":null,"system":null,"novel":null,'
      .. '"thinking":null,"metadata":{"user_id":null},"stop_sequences":null')
    assert.same({}, c.ledger.entries)
    assert.is_nil(refused(c))
    assert.is_nil(c.temperature)
  end)

  it("gives system as a string or as texts with their cache hints", function()
    assert.equal('"be\\u0020brief"', with('"system":"be\\u0020brief"').system[1].text)
    local c = with('"system":[{"type":"text","text":"a"},{"type":"text","text":"b","cache_control":{"type":"ephemeral"'
      .. ',"ttl":"1h"}}]')
    assert.same({ '"a"', '"b"', '{"type":"ephemeral","ttl":"1h"}' },
      { c.system[1].text, c.system[2].text, c.system[2].cache })
  end)

  it("leaves system messages in the middle where they are", function()
    local c = decode('{"messages":[{"role":"user","content":"a"},{"role":"system","content":[{"type":"text","text":'
      .. '"s"}]},'
      .. '{"role":"assistant","content":"b"}]}')
    assert.same({ "user", "system", "assistant" }, { c.turns[1].role, c.turns[2].role, c.turns[3].role })
    assert.equal('"s"', c.turns[2].parts[1].text)
    assert.same({ 0, 1, 2 }, { c.turns[1].index, c.turns[2].index, c.turns[3].index })
  end)

  it("warns of what it does not know, with the place", function()
    local c = decode('{"novel":1,"messages":[{"role":"user","name":"n","content":[{"type":"text","text":"a","x":1}]}],'
      .. '"metadata":{"user_id":"u","team":"t"},"betas":["b"]}')
    assert.same({ "novel;unknown to cliproxy", "messages[0].name;unknown to cliproxy",
      "messages[0].content[0].x;unknown to cliproxy", "metadata.team;unknown to cliproxy" }, c.ledger:warnings())
  end)

  for _, row in ipairs {
    { '{"model":"x"}', "messages" }, { '{"messages":[]}', "messages" }, { '{"messages":{}}', "messages" },
    { '{"messages":[1]}', "messages[0]" }, { '{"messages":[{"content":"a"}]}', "messages[0].role" },
    { '{"messages":[{"role":"tool","content":"a"}]}', "messages[0].role" },
    { '{"messages":[{"role":"user"}]}', "messages[0].content" },
    { '{"messages":[{"role":"user","content":null}]}', "messages[0].content" },
    { '{"messages":[{"role":"user","content":[null]}]}', "messages[0].content[0]" },
    { '{"messages":[{"role":"user","content":[{"text":"a"}]}]}', "messages[0].content[0].type" },
    { '{"messages":[{"role":"user","content":[{"type":"text"}]}]}', "messages[0].content[0].text" },
    { '{"messages":[{"role":"user","content":[{"type":"text","text":{}}]}]}', "messages[0].content[0].text" },
    { '{"messages":[{"role":"user","content":[{"type":"tool_use","id":"a","name":"b","input":{}}]}]}',
      "messages[0].content[0].type" },
    { '{"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"b","input":"{}"}]}]}',
      "messages[0].content[0].input" },
    { '{"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"","name":"b","input":{}}]}]}',
      "messages[0].content[0].id" },
    { '{"messages":[{"role":"user","content":[{"type":"image"}]}]}', "messages[0].content[0].source" },
    { '{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png"}}]}]}',
      "messages[0].content[0].source.data" },
    { '{"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":[{"type":"text"}]}]}]}',
      "messages[0].content[0].content[0].text" },
    { '{"system":{},' .. USER .. "}", "system" }, { '{"system":[{"type":"image"}],' .. USER .. "}", "system[0].type" },
    { '{"max_tokens":"9",' .. USER .. "}", "max_tokens" }, { '{"tools":{},' .. USER .. "}", "tools" },
    { '{"tools":[7],' .. USER .. "}", "tools[0]" }, { '{"tools":[{}],' .. USER .. "}", "tools[0].name" },
    { '{"tools":[{"name":"a","input_schema":[]}],' .. USER .. "}", "tools[0].input_schema" },
    { '{"tool_choice":"auto",' .. USER .. "}", "tool_choice" },
    { '{"tool_choice":{"type":"must"},' .. USER .. "}", "tool_choice.type" },
    { '{"tool_choice":{"type":"tool"},' .. USER .. "}", "tool_choice.name" },
    { '{"thinking":{"type":"enabled"},' .. USER .. "}", "thinking.budget_tokens" },
    { '{"thinking":{"type":"on"},' .. USER .. "}", "thinking.type" },
    { '{"thinking":{"type":"adaptive","display":"loud"},' .. USER .. "}", "thinking.display" },
    { '{"output_config":{"effort":"huge"},' .. USER .. "}", "output_config.effort" },
    { '{"output_config":{"format":{"type":"json_schema"}},' .. USER .. "}", "output_config.format.schema" },
    { '{"stop_sequences":[1],' .. USER .. "}", "stop_sequences[0]" },
  } do
    it("is malformed as " .. row[1], function()
      local c, message, param = decode(row[1])
      assert.is_nil(c)
      assert.equal(row[2], param)
      assert.equal(row[2], message:sub(1, #row[2]))
    end)
  end

  it("is malformed where it is no object", function()
    for _, text in ipairs { "[]", "1", "null", '"a"' } do
      local c, message = decode(text)
      assert.is_nil(c)
      assert.truthy(message:find("must be an object", 1, true))
    end
  end)
end)

describe("the narrow version of the API", function()
  local NARROW = "2026-10-21"

  it("takes no sampling parameters, even at their defaults", function()
    for _, field in ipairs { "temperature", "top_p", "top_k" } do
      local c, message, param = decode('{"' .. field .. '":1,' .. USER .. "}", NARROW)
      assert.is_nil(c)
      assert.equal(field, param)
      assert.truthy(message:find("Extra inputs are not permitted", 1, true))
    end
  end)

  it("takes no documents of assistants and no citations of users", function()
    local document = '[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"d"}}]'
    local cited = '[{"type":"text","text":"a","citations":[{"type":"char_location"}]}]'
    local _, _, param = parts(document, "assistant", NARROW)
    assert.equal("messages[0].content[0]", param)
    _, _, param = parts(cited, "user", NARROW)
    assert.equal("messages[0].content[0].citations", param)
    assert.truthy(parts(document, "assistant"))
    assert.truthy(parts(cited, "user"))
    assert.truthy(parts(cited, "assistant", NARROW))
    assert.truthy(parts(document, "user", NARROW))
    assert.truthy(parts('[{"type":"text","text":"a","citations":[]}]', "user", NARROW))
  end)
end)

describe("blocks of users", function()
  it("are images by data, address and file", function()
    local list = parts('[{"type":"image","source":{"type":"base64","media_type":"image/PNG","data":"QUI="},'
      .. '"cache_control":{"type":"ephemeral"}},{"type":"image","source":{"type":"url","url":"https:\\/\\/a"}},'
      .. '{"type":"image","source":{"type":"file","file_id":"f1"}}]')
    assert.same({ kind = "image", turn = 0, index = 0, media_type = "image/png", data = '"QUI="',
      cache = '{"type":"ephemeral"}' }, list[1])
    assert.same({ kind = "image", turn = 0, index = 1, url = '"https:\\/\\/a"' }, list[2])
    assert.equal('"f1"', list[3].file_id)
  end)

  it("are documents of every source, with title, context and citations", function()
    local list = parts('[{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBE"},'
      .. '"title":"T","context":"C","citations":{"enabled":true}},'
      .. '{"type":"document","source":{"type":"text","media_type":"text/plain","data":"d\\n"},"citations":null},'
      .. '{"type":"document","source":{"type":"url","url":"https://a/b.pdf"}},'
      .. '{"type":"document","source":{"type":"file","file_id":"f"}},'
      .. '{"type":"document","source":{"type":"content","content":"plain"}}]')
    assert.same({ "application/pdf", '"JVBE"', '"T"', '"C"', true }, { list[1].media_type, list[1].data, list[1].title,
      list[1].context, list[1].wants_citations })
    assert.same({ "text/plain", '"d\\n"' }, { list[2].media_type, list[2].text })
    assert.is_nil(list[2].wants_citations)
    assert.same({ "application/pdf", '"https://a/b.pdf"' }, { list[3].media_type, list[3].url })
    assert.equal('"f"', list[4].file_id)
    assert.equal('"plain"', list[5].text)
  end)

  it("keep the order of a document's chunks and images", function()
    local list = parts('[{"type":"document","title":"T","source":{"type":"content","content":[{"type":"text",'
      .. '"text":"a"},'
      .. '{"type":"text","text":"b"},{"type":"image","source":{"type":"url","url":"u"}},{"type":"text","text":"c"}]}},'
      .. '{"type":"text","text":"after"}]')
    assert.same({ "document", "image", "document", "text" },
      { list[1].kind, list[2].kind, list[3].kind, list[4].kind })
    assert.same({ '"a\\n\\nb"', '"c"', '"T"' }, { list[1].text, list[3].text, list[1].title })
    assert.is_nil(list[3].title)
    assert.same({ "content[0].source.content", 2, 1 }, { list[2].list, list[2].index, list[4].index })
  end)

  it("are search results, which become documents", function()
    local list, _, _, c = parts('[{"type":"search_result","source":"https://s","title":"T","content":[{"type":"text",'
      .. '"text":"found"}],"citations":{"enabled":true}}]')
    assert.same({ "document", '"found"', '"T"', '"https://s"', true },
      { list[1].kind, list[1].text, list[1].title, list[1].context, list[1].wants_citations })
    assert.equal("changed", c.ledger.entries[1].action)
  end)

  it("are results with text, images, documents and errors", function()
    local list = parts('[{"type":"tool_result","tool_use_id":"t1","content":"out","is_error":true},'
      .. '{"type":"tool_result","tool_use_id":"t2","content":[{"type":"text","text":"a"},{"type":"image","source":'
      .. '{"type":"base64","media_type":"image/png","data":"QQ=="}},{"type":"document","source":{"type":"text",'
      .. '"media_type":"text/plain","data":"d"}}],"is_error":false,"cache_control":{"type":"ephemeral"}},'
      .. '{"type":"tool_result","tool_use_id":"t3"}]')
    assert.same({ "tool_result", "t1", '"out"', true }, { list[1].kind, list[1].id, list[1].content[1].text,
      list[1].is_error })
    assert.same({ "text", "image", "document" }, { list[2].content[1].kind, list[2].content[2].kind,
      list[2].content[3].kind })
    assert.same({ "content[1].content", 1, 1 }, { list[2].content[2].list, list[2].content[2].index, list[2].index })
    assert.equal('{"type":"ephemeral"}', list[2].cache)
    assert.is_nil(list[2].is_error)
    assert.same({}, list[3].content)
  end)

  it("are references to tools, which become their names", function()
    local list = parts('[{"type":"tool_result","tool_use_id":"t","content":[{"type":"tool_reference","tool_name":'
      .. '"Read"}'
      .. "]}]")
    assert.equal('"The tool Read is available."', list[1].content[1].text)
  end)

  for _, kind in ipairs { "container_upload", "web_search_tool_result", "mcp_tool_result", "server_tool_use",
    "compaction", "bash_code_execution_tool_result" } do
    it("are refused by name as " .. kind, function()
      local _, _, _, c = parts('[{"type":"' .. kind .. '"}]', kind:find("^container") and "user" or "assistant")
      local path, why = refused(c)
      assert.equal("messages[0].content[0]", path)
      assert.truthy(why:find(kind, 1, true))
    end)
  end

  it("are refused where they are unknown", function()
    local _, _, _, c = parts('[{"type":"hologram"}]')
    assert.truthy(select(2, refused(c)):find('"hologram"', 1, true))
  end)
end)

describe("blocks of assistants", function()
  it("are calls, whose input is not read", function()
    local list = parts('[{"type":"tool_use","id":"toolu_1","name":"f","input":{ "b":12345678901234567890,"a":[],"c":{},'
      .. '"d":1.0,"e":null,"f":"\\ud83d"},"caller":{"type":"direct"}}]', "assistant")
    assert.same({ kind = "tool_call", turn = 0, index = 0, id = "toolu_1", name = "f",
      input = '{ "b":12345678901234567890,"a":[],"c":{},"d":1.0,"e":null,"f":"\\ud83d"}' }, list[1])
  end)

  it("are thinking with the state that it brings", function()
    local foreign = opaque.seal({ kind = "encrypted", data = "gAAA", id = "rs_1" },
      { dialect = "openai_responses", provider = "oa", model = "gpt" })
    local none = opaque.seal({ kind = "signature", data = "" }, { dialect = "gemini", provider = "g", model = "m" })
    local list = parts('[{"type":"thinking","thinking":"a","signature":"c2ln"},{"type":"thinking","thinking":"",'
      .. '"signature":'
      .. '"' .. foreign .. '"},{"type":"redacted_thinking","data":"cmVk"},{"type":"thinking","thinking":"own",'
      .. '"signature":"'
      .. none .. '"},{"type":"thinking","thinking":"","signature":""}]', "assistant")
    assert.same({ kind = "signature", data = "c2ln" }, list[1].state)
    assert.equal('"a"', list[1].text)
    assert.same({ kind = "encrypted", data = "gAAA", id = "rs_1",
      origin = { dialect = "openai_responses", provider = "oa", model = "gpt" } }, list[2].state)
    assert.is_nil(list[2].text)
    assert.same({ kind = "redacted", data = "cmVk" }, list[3].state)
    assert.equal('"own"', list[4].text)
    assert.is_nil(list[4].state)
    assert.equal(4, #list)
  end)
end)

describe("tools of Anthropic's", function()
  it("keep names, schemas and hints", function()
    local c = with('"tools":[{"name":"f","description":"d","input_schema":{"type":"object","required":[]}},'
      .. '{"type":"custom","name":"g","input_schema":{},"strict":true,"cache_control":{"type":"ephemeral"},'
      .. '"defer_loading":true,"eager_input_streaming":true}]')
    assert.same({ index = 0, name = "f", description = '"d"', schema = '{"type":"object","required":[]}' }, c.tools[1])
    assert.same({ index = 1, name = "g", schema = "{}", strict = true, cache = '{"type":"ephemeral"}' }, c.tools[2])
    assert.same({ "tools[1].defer_loading;all tools are sent at once" }, c.ledger:warnings())
  end)

  for _, kind in ipairs { "web_fetch_20250910", "bash_20250124", "tool_search_tool_bm25_20251119", "mcp_toolset" } do
    it("are refused as " .. kind, function()
      local path, why = refused(with('"tools":[{"type":"' .. kind .. '","name":"x"}]'))
      assert.equal("tools[0]", path)
      assert.truthy(why:find(kind, 1, true))
    end)
  end

  it("are chosen in four ways", function()
    local function choice(text)
      local c = with('"tool_choice":' .. text)
      return { c.tool_choice.mode, c.tool_choice.names or false, c.parallel_tools }
    end
    assert.same({ "auto", false }, choice('{"type":"auto","disable_parallel_tool_use":false}'))
    assert.same({ "required", false, false }, choice('{"type":"any","disable_parallel_tool_use":true}'))
    assert.same({ "none", false }, choice('{"type":"none"}'))
    assert.same({ "required", { "f" } }, choice('{"type":"tool","name":"f"}'))
  end)
end)

describe("thinking and output of Anthropic's", function()
  local function reasoning(members)
    local asked = with(members).reasoning
    asked.where = nil
    return asked
  end

  it("come as budgets, words and off", function()
    assert.same({ budget = 2048, visible = true }, reasoning('"thinking":{"type":"enabled","budget_tokens":2048}'))
    assert.same({ visible = false, effort = "max" },
      reasoning('"thinking":{"type":"adaptive","display":"omitted"},"output_config":{"effort":"max"}'))
    assert.same({ visible = true }, reasoning('"thinking":{"type":"adaptive","display":"summarized"}'))
    assert.same({ off = true }, reasoning('"output_config":{"effort":"high"},"thinking":{"type":"disabled"}'))
    assert.same({ effort = "low" }, reasoning('"thinking":{"type":"between_tools"}'))
    assert.same({ effort = "xhigh" }, reasoning('"output_config":{"effort":"xhigh"}'))
    assert.is_nil(with('"max_tokens":1').reasoning)
  end)

  it("take a format by its new name and its old one", function()
    local schema = '{"type":"object","properties":{},"additionalProperties":false}'
    local format = '{"type":"json_schema","schema":' .. schema .. "}"
    assert.same({ kind = "schema", schema = schema, where = "output_config.format" },
      with('"output_config":{"format":' .. format .. "}").format)
    assert.same({ kind = "schema", schema = schema, where = "output_format" }, with('"output_format":'
      .. '' .. format).format)
    assert.equal("output_config.format",
      with('"output_format":{"type":"json_schema","schema":{}},"output_config":{"format":'
        .. '' .. format .. "}").format.where)
  end)
end)

describe("what system messages change", function()
  local SAYS, ANSWERS = '{"role":"user","content":"a"}', '{"role":"assistant","content":"b"}'
  local RESULT = '{"role":"user","content":[{"type":"tool_result","tool_use_id":"t"}]}'
  local LOW = '{"role":"system","content":[],"output_config":{"effort":"low"}}'
  local MAX = '{"role":"system","content":[{"type":"text","text":"s"}],"output_config":{"effort":"max"}}'

  local function messages(list, more)
    local c, message, param = decode('{"messages":[' .. table.concat(list, ",") .. "]" .. (more or "") .. "}")
    return c, message, param
  end

  local function effort(...)
    return messages({ ... }, ',"output_config":{"effort":"high"}').reasoning.effort
  end

  it("is the effort, from the turn that they follow or the next one", function()
    assert.equal("high", effort(SAYS))
    assert.equal("low", effort(SAYS, LOW))
    assert.equal("low", effort(SAYS, LOW, ANSWERS, RESULT))
    assert.equal("max", effort(SAYS, LOW, ANSWERS, SAYS, MAX))
    assert.equal("low", effort(SAYS, ANSWERS, LOW, SAYS))
    assert.equal("high", effort(SAYS, ANSWERS, LOW, RESULT))
    assert.equal("max", effort(SAYS, MAX, ANSWERS, RESULT, LOW))
    assert.equal("low", messages({ SAYS, LOW }).reasoning.effort)
    local c = messages { SAYS, LOW, MAX }
    assert.equal(2, #c.turns)
    assert.same({}, c.ledger:warnings())
    local _, message, param = messages { SAYS, (LOW:gsub("low", "none")) }
    assert.equal("messages[1].output_config.effort", param)
    assert.truthy(message:find("none of low", 1, true))
  end)

  it("is how long they are shown themselves", function()
    local once = '{"role":"system","content":"s","clear_at":"next_user_message"}'
    assert.equal(2, #messages({ SAYS, once }).turns)
    assert.equal(3, #messages({ SAYS, once, ANSWERS }).turns)
    local c = messages { SAYS, once, ANSWERS, RESULT }
    assert.same({ "user", "assistant", "user" }, { c.turns[1].role, c.turns[2].role, c.turns[3].role })
    assert.equal("messages[1]", c.ledger.entries[1].path)
    assert.equal(4, #messages({ SAYS, (once:gsub("next_user_message", "never")), ANSWERS, SAYS }).turns)
    assert.equal("messages[1].clear_at", select(3, messages { SAYS, (once:gsub("next_user_message", "soon")) }))
  end)

  it("is the tools that are offered, told in words", function()
    local function change(kind, tool)
      return '{"role":"system","content":[{"type":"tool_' .. kind .. '","tool":' .. tool .. "}]}"
    end
    local a, b = '{"type":"tool_reference","name":"a"}', '{"type":"tool_reference","name":"b"}'
    local tools = ',"tools":[{"name":"a","input_schema":{}},{"name":"b","input_schema":{}}]'
    local c = messages({ SAYS, change("removal", a), change("removal", b), change("addition", b) }, tools)
    assert.same({ "b" }, { c.tools[1].name, c.tools[2] })
    assert.equal('"The tool a is no longer available."', c.turns[2].parts[1].text)
    assert.equal('"The tool b is available."', c.turns[4].parts[1].text)
    local defined = change("addition", '{"type":"tool_definition","definition":{"name":"n","input_schema":{"x":1}}}')
    c = messages({ SAYS, defined, (defined:gsub('"n"', '"a"')) }, tools)
    assert.same({ "a", "b", "n" }, { c.tools[1].name, c.tools[2].name, c.tools[3].name })
    assert.equal('{"x":1}', c.tools[1].schema)
    assert.equal("messages[1].content[0].tool.definition", c.tools[3].path)
    local server = '{"type":"mcp_toolset_reference","server_name":"s"}'
    local path, why = refused(messages { SAYS, change("addition", server) })
    assert.equal("messages[1].content[0].tool.type", path)
    assert.truthy(why:find("mcp_toolset_reference", 1, true))
    for tool, where in pairs { ['{"type":"tool_definition"}'] = ".definition", ['{"type":"tool_reference"}'] = ".name",
      ['{"type":"tool_definition","definition":{"input_schema":{}}}'] = ".definition.name", ["{}"] = ".type",
      ["1"] = "" } do
      assert.equal("messages[1].content[0].tool" .. where, select(3, messages { SAYS, change("addition", tool) }))
    end
    assert.equal("messages[0].content[0].type", select(3, messages { (change("removal", a):gsub("system", "user")) }))
  end)
end)

describe("features that only Anthropic has", function()
  for _, row in ipairs {
    { '"container":"c1"', "container" }, { '"mcp_servers":[{"name":"a"}]', "mcp_servers" },
    { '"thread":{"id":"t"}', "thread" }, { '"inference_geo":"us"', "inference_geo" }, { '"max_tokens":'
      .. '0', "max_tokens" },
    { '"context_management":{"edits":[{"type":"clear_thinking_20251015"},{"type":"compact_20260112"}]}',
      "context_management.edits[1]" },
    { '"context_management":{"edits":[null]}', "context_management.edits[0]" },
  } do
    it("are refused: " .. row[1], function()
      assert.equal(row[2], (refused(with(row[1]))))
    end)
  end

  it("are hints where they only forget, and nothing where they are empty", function()
    local c = with('"context_management":{"edits":[{"type":"clear_tool_uses_20250919","keep":{}}]},"mcp_servers":[],'
      .. '"speed":"fast","service_tier":"auto","diagnostics":{},"inference_geo":"global"')
    assert.is_nil(refused(c))
    assert.is_nil(c.service_tier)
    assert.same({ "context_management.edits[0];it forgets nothing of a conversation", "speed;it has no fast mode",
      "diagnostics;it gives no diagnostics of its cache" }, c.ledger:warnings())
  end)

  it("reads a body to be counted, which has no max_tokens", function()
    local c = decode("{" .. USER .. "}", nil, "count")
    assert.same({ "count", 1 }, { c.operation, #c.turns })
  end)
end)

-- Every value of a request replaced by every other kind: nothing raises.
describe("hostile requests", function()
  local WHOLE = '{"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}],"messages":[{"role":'
    .. '"user",'
    .. '"content":[{"type":"text","text":"a","citations":[]},{"type":"image","source":{"type":"base64",'
    .. '"media_type":"image/png",'
    .. '"data":"QQ=="}},{"type":"document","source":{"type":"content","content":[{"type":"text","text":"c"}]},'
    .. '"title":"t",'
    .. '"citations":{"enabled":true}},{"type":"search_result","source":"s","title":"t","content":[{"type":"text",'
    .. '"text":"x"}]}]},'
    .. '{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"c2ln"},{"type":'
    .. '"redacted_thinking",'
    .. '"data":"eA=="},{"type":"tool_use","id":"i","name":"f","input":{},"caller":{"type":"direct"}}]},{"role":"user",'
    .. '"content":[{"type":"tool_result","tool_use_id":"i","content":[{"type":"tool_reference","tool_name":"n"}],'
    .. '"is_error":true}]}],"tools":[{"name":"f","description":"d","input_schema":{},"strict":true,"defer_loading":'
    .. 'true,'
    .. '"allowed_callers":["direct"],"input_examples":[{}]}],"tool_choice":{"type":"tool","name":"f",'
    .. '"disable_parallel_tool_use":true},"thinking":{"type":"enabled","budget_tokens":1024,"display":"omitted"},'
    .. '"output_config":{"effort":"low","format":{"type":"json_schema","schema":{}},"task_budget":{}},'
    .. '"output_format":{},'
    .. '"metadata":{"user_id":"u"},"context_management":{"edits":[{"type":"clear_x"}]},"stop_sequences":["a"],'
    .. '"max_tokens":5,"temperature":0.5,"speed":"fast","service_tier":"auto","cache_control":{"type":"ephemeral"},'
    .. '"container":"c","mcp_servers":[{}],"inference_geo":"us"}'

  -- Bytes of every value in a text: from, to.
  local function values(text)
    local out = {}
    local function visit(node)
      for key in json.each(node) do
        local child = json.node(node, key)
        out[#out + 1] = json.raw(child)
        local kind = json.kind(child)
        if kind == "object" or kind == "array" then
          visit(node[key])
        end
      end
    end
    visit(json.parse(text))
    return out
  end

  it("never raise", function()
    local count = 0
    for _, raw in ipairs(values(WHOLE)) do
      local at, to = WHOLE:find(raw, 1, true)
      while at do
        for _, other in ipairs { "null", "7", '"z"', "true", "[]", "{}", "[7]", '[{"type":"text"}]', "1e400" } do
          local document = json.parse(WHOLE:sub(1, at - 1) .. other .. WHOLE:sub(to + 1))
          if document then
            count = count + 1
            anthropic.decode_request(document, { model = "m", stream = false })
          end
        end
        at, to = WHOLE:find(raw, to + 1, true)
      end
    end
    assert.truthy(count > 1000, count)
  end)
end)
