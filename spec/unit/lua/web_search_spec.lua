--- Web search of the service from each dialect to each other: refused, or the target's own where that is allowed.
local dialects = require("cliproxy.dialects")
local json = require("cliproxy.json")

local REST = {
  openai_chat = '"messages":[{"role":"user","content":"u"}]', openai_responses = '"input":"u"',
  anthropic = '"max_tokens":99,"messages":[{"role":"user","content":"u"}]',
  gemini = '"contents":[{"role":"user","parts":[{"text":"u"}]}]',
}

-- A conversation of a request with these members.
local function decode(dialect, members, operation)
  local document = assert(json.parse("{" .. REST[dialect] .. "," .. members .. "}"))
  return assert(dialects.of(dialect).decode_request(document, { model = "m", stream = false, operation = operation }))
end

local function encode(c, dialect, caps)
  caps = caps or { web_search = true, tool_choice_required = true, allowed_tools = true }
  return dialects.of(dialect).encode_request(c, { dialect = dialect, provider = "p", model = "up", caps = caps }),
    c.ledger.refused
end

-- The warnings and the member of the body.
local function sent(c, dialect, ...)
  local body, refused = encode(c, dialect)
  assert.is_nil(refused, refused and refused.why)
  local node, raw = assert(json.parse(body)), nil
  for _, key in ipairs { ... } do
    raw = json.raw(node, key)
    node = node[key]
  end
  return raw, c.ledger:warnings()
end

local PLACE = '"city":"Par\\u00eds","country":"FR"'
local ASKED = {
  openai_chat = '"web_search_options":{"search_context_size":"low","user_location":{"type":"approximate",'
    .. '"approximate":{' .. PLACE .. "}}}",
  openai_responses = '"tools":[{"type":"web_search","filters":{"allowed_domains":["a.example"],"blocked_domains":'
    .. '["b.example"]},"user_location":{"type":"approximate",' .. PLACE .. '},"search_context_size":"high"}],'
    .. '"max_tool_calls":3',
  anthropic = '"tools":[{"type":"web_search_20250305","name":"web_search","max_uses":5,"blocked_domains":["b.example"],'
    .. '"user_location":{"type":"approximate",' .. PLACE .. "}}]",
  gemini = '"tools":[{"google_search":{}}]',
}
local WHERE = { openai_chat = "web_search_options", openai_responses = "tools[0]", anthropic = "tools[0]",
  gemini = "tools[0].google_search" }

describe("a search that the service runs", function()
  for client, members in pairs(ASKED) do
    for _, target in ipairs(dialects.names) do
      it("is refused from " .. client .. " to " .. target .. " unless the operator allows it", function()
        for _, caps in ipairs { {}, { web_search = false } } do
          local c = decode(client, members)
          local _, refused = encode(c, target, caps)
          assert.equal(WHERE[client], refused.path)
          assert.truthy(refused.why:find("web_search = true", 1, true))
        end
      end)
    end
  end

  it("is Chat's web_search_options", function()
    local raw, warnings = sent(decode("openai_responses", ASKED.openai_responses), "openai_chat", "web_search_options")
    assert.equal('{"search_context_size":"high","user_location":{"type":"approximate","approximate":{' .. PLACE
      .. "}}}", raw)
    assert.same({ "max_tool_calls;its searches are not limited",
      "tools[0].filters.allowed_domains;it searches everywhere",
      "tools[0].filters.blocked_domains;it searches everywhere" }, warnings)
    assert.equal("{}", (sent(decode("gemini", ASKED.gemini), "openai_chat", "web_search_options")))
  end)

  it("is a tool of Responses", function()
    local c = decode("anthropic", ASKED.anthropic)
    local body = encode(c, "openai_responses")
    assert.truthy(body:find('"tools":[{"type":"web_search","filters":{"blocked_domains":["b.example"]},'
      .. '"user_location":{"type":"approximate",' .. PLACE .. "}}]", 1, true), body)
    assert.truthy(body:find('"max_tool_calls":5', 1, true))
    assert.same({}, c.ledger:warnings())
    assert.equal('[{"type":"web_search","user_location":{"type":"approximate",' .. PLACE
      .. '},"search_context_size":"low"}]', (sent(decode("openai_chat", ASKED.openai_chat), "openai_responses",
      "tools")))
  end)

  it("is a tool of Anthropic's", function()
    local raw, warnings = sent(decode("openai_responses", ASKED.openai_responses), "anthropic", "tools")
    assert.equal('[{"type":"web_search_20250305","name":"web_search","max_uses":3,"allowed_domains":["a.example"],'
      .. '"user_location":{"type":"approximate",' .. PLACE .. "}}]", raw)
    assert.same({ "tools[0].search_context_size;it reads as much of what it finds as it likes",
      "tools[0].filters.blocked_domains;Anthropic takes domains that are allowed or that are blocked" }, warnings)
  end)

  it("is googleSearch, which has no options", function()
    local raw, warnings = sent(decode("anthropic", ASKED.anthropic), "gemini", "tools")
    assert.equal('[{"googleSearch":{}}]', raw)
    assert.same({ "tools[0].max_uses;its searches are not limited",
      "tools[0].blocked_domains;it searches everywhere", "tools[0].user_location;it takes no place of the user" },
      warnings)
  end)

  it("is in the body of a count, too", function()
    for target, words in pairs { openai_responses = '"tools":[{"type":"web_search"}]',
      anthropic = '"tools":[{"type":"web_search_20250305","name":"web_search"}]',
      gemini = '"tools":[{"googleSearch":{}}]' } do
      local client = target == "gemini" and "anthropic" or "gemini"
      local c = decode(client, client == "gemini" and ASKED.gemini
        or '"tools":[{"type":"web_search_20250305","name":"web_search"}]', "count")
      assert.truthy(encode(c, target):find(words, 1, true), target)
    end
  end)

  it("stands beside functions, but not in Gemini", function()
    local members = '"tools":[{"type":"function","name":"f","parameters":{"type":"object","properties":{}}},'
      .. '{"type":"web_search_preview_2025_03_11"}]'
    assert.matches('"name":"f".*"web_search_20250305"', (sent(decode("openai_responses", members), "anthropic",
      "tools")))
    local _, refused = encode(decode("openai_responses", members), "gemini")
    assert.same({ "tools[1]", "its model searches only where no functions are offered" }, { refused.path, refused.why })
  end)

  it("counts once", function()
    local c = decode("openai_responses", '"tools":[{"type":"web_search"},{"type":"web_search_preview"}]')
    assert.equal('[{"type":"web_search_20250305","name":"web_search"}]', (sent(c, "anthropic", "tools")))
    assert.same({ "tools[1];it searches already" }, c.ledger:warnings())
  end)

  it("cannot have the name of a function at Anthropic", function()
    local _, refused = encode(decode("openai_chat", '"web_search_options":{},"tools":[{"type":"function","function":{'
      .. '"name":"web_search"}}]'), "anthropic")
    assert.equal("tools[0].name", refused.path)
  end)
end)

describe("options of a search", function()
  it("that nobody else knows are told", function()
    for members, warning in pairs {
      ['"web_search_options":{"later":1}'] = "web_search_options.later;unknown to cliproxy",
      ['"web_search_options":{"user_location":{"type":"approximate","approximate":{"planet":"x"}}}'] =
        "web_search_options.user_location.approximate.planet;unknown to cliproxy",
    } do
      assert.same({ warning }, decode("openai_chat", members).ledger:warnings())
    end
    assert.same({ "tools[0].external_web_access;it searches the web as it is now",
      "tools[0].search_content_types;unknown to cliproxy" }, decode("openai_responses", '"tools":[{"type":"web_search",'
      .. '"external_web_access":false,"search_content_types":["text"]}]').ledger:warnings())
    assert.same({ "tools[0].googleSearch.timeRangeFilter;it has no such filter" }, decode("gemini",
      '"tools":[{"googleSearch":{"timeRangeFilter":{},"excludeDomains":null}}]').ledger:warnings())
    assert.same({ "tools[0].later;unknown to cliproxy" }, decode("anthropic", '"tools":[{"type":"web_search_20260318",'
      .. '"name":"web_search","later":1,"cache_control":{"type":"ephemeral"},"allowed_callers":["direct"]}]')
      .ledger:warnings())
  end)

  it("of the wrong kind are malformed", function()
    for _, row in ipairs {
      { "openai_chat", '"web_search_options":[]', "web_search_options" },
      { "openai_chat", '"web_search_options":{"user_location":{"approximate":{"city":7}}}',
        "web_search_options.user_location.approximate.city" },
      { "openai_responses", '"tools":[{"type":"web_search","filters":{"allowed_domains":["a",7]}}]',
        "tools[0].filters.allowed_domains[1]" },
      { "openai_responses", '"tools":[{"type":"web_search","filters":7}]', "tools[0].filters" },
      { "openai_responses", '"max_tool_calls":"x"', "max_tool_calls" },
      { "anthropic", '"tools":[{"type":"web_search_20250305","name":"web_search","max_uses":"x"}]',
        "tools[0].max_uses" },
      { "anthropic", '"tools":[{"type":"web_search_20250305","name":"web_search","blocked_domains":"x"}]',
        "tools[0].blocked_domains" },
      { "gemini", '"tools":[{"googleSearch":7}]', "tools[0].googleSearch" },
    } do
      local document = json.parse("{" .. REST[row[1]] .. "," .. row[2] .. "}")
      local c, _, param = dialects.of(row[1]).decode_request(document, { model = "m", stream = false })
      assert.same({ nil, row[3] }, { c, param })
    end
  end)

  it("that say nothing are nothing", function()
    local c = decode("openai_responses", '"tools":[{"type":"web_search","filters":{"allowed_domains":[]},'
      .. '"user_location":null,"search_context_size":null}]')
    assert.equal('{}', (sent(c, "openai_chat", "web_search_options")))
    assert.same({}, c.ledger:warnings())
  end)
end)

describe("the choice of tools", function()
  local SEARCH = '"tools":[{"type":"web_search"},{"type":"function","name":"f"}],'

  it("leaves a search out that it is about", function()
    for _, choice in ipairs { '"none"', '{"type":"function","name":"f"}',
      '{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"f"}]}' } do
      local c = decode("openai_responses", SEARCH .. '"tool_choice":' .. choice)
      local body, refused = encode(c, "anthropic", {})
      assert.is_nil(refused)
      assert.is_nil(body:find("web_search", 1, true))
      local dropped
      for _, entry in ipairs(c.ledger.entries) do
        dropped = dropped or entry.path == "tools[0]" and entry.why
      end
      assert.equal("the choice of tools leaves it out", dropped)
    end
  end)

  it("cannot be the search itself", function()
    for client, members in pairs {
      openai_responses = SEARCH .. '"tool_choice":{"type":"web_search"}',
      anthropic = ASKED.anthropic .. ',"tool_choice":{"type":"tool","name":"web_search"}',
    } do
      local _, refused = encode(decode(client, members), "openai_chat")
      assert.matches("^tool_choice", refused.path)
    end
    local own = decode("anthropic", '"tools":[{"name":"web_search","input_schema":{"type":"object"}}],"tool_choice":{'
      .. '"type":"tool","name":"web_search"}')
    assert.is_nil(own.ledger.refused)
  end)

  it("is about functions alone where the search is no tool", function()
    local members = '"web_search_options":{},"tool_choice":"none"'
    local c = decode("openai_chat", members)
    local body = encode(c, "anthropic")
    assert.truthy(body:find("web_search_20250305", 1, true))
    assert.is_nil(body:find("tool_choice", 1, true))
    local _, refused = encode(decode("openai_chat", members .. ',"tools":[{"type":"function","function":{'
      .. '"name":"f"}}]'), "anthropic")
    assert.equal("tool_choice", refused.path)
    body = encode(decode("gemini", ASKED.gemini .. ',"toolConfig":{"functionCallingConfig":{"mode":"NONE"}}'),
      "openai_chat")
    assert.truthy(body:find('"web_search_options":{}', 1, true))
  end)

  it("may have a search among the tools that are allowed", function()
    local members = '"web_search_options":{},"tools":[{"type":"function","function":{"name":"f"}},{"type":"function",'
      .. '"function":{"name":"g"}}],"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{'
      .. '"type":"function","function":{"name":"f"}}]}}'
    assert.equal('{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"f"},'
      .. '{"type":"web_search"}]}',
      (sent(decode("openai_chat", members), "openai_responses", "tool_choice")))
  end)

  it("that demands a search is told where it cannot be demanded", function()
    local c = decode("openai_responses", '"tools":[{"type":"web_search"}],"tool_choice":"required"')
    encode(c, "openai_chat")
    assert.same({ "tool_choice;it searches where it sees a reason" }, c.ledger:warnings())
    c = decode("openai_responses", '"tools":[{"type":"web_search"}],"tool_choice":"required"')
    assert.equal('{"type":"any"}', (sent(c, "anthropic", "tool_choice")))
  end)
end)
