--- How much to think, in the words of the servers that are compatible with Chat Completions.
local chat = require("cliproxy.dialects.openai_chat")
local json = require("cliproxy.json")

local function decode(members)
  local document = assert(json.parse('{"messages":[{"role":"user","content":"u"}],' .. members .. "}"))
  return chat.decode_request(document, { model = "m", stream = false })
end

describe("a Chat request's reasoning", function()
  for members, expected in pairs {
    ['"reasoning_effort":"low"'] = { effort = "low", where = "reasoning_effort" },
    ['"reasoning_effort":"none"'] = { off = true, where = "reasoning_effort" },
    ['"reasoning":{"effort":"xhigh"}'] = { effort = "xhigh", where = "reasoning", visible = true },
    ['"reasoning":{"effort":"none"}'] = { off = true, where = "reasoning" },
    ['"reasoning":{"max_tokens":2000}'] = { budget = 2000, where = "reasoning", visible = true },
    ['"reasoning":{"max_tokens":2000,"exclude":true}'] = { budget = 2000, where = "reasoning", visible = false },
    ['"reasoning":{"enabled":true}'] = { effort = "medium", where = "reasoning", visible = true },
    ['"reasoning":{"enabled":false,"effort":"high"}'] = { off = true, where = "reasoning" },
    ['"reasoning":{"effort":"high","summary":"concise"}'] = { effort = "high", summary = "concise",
      where = "reasoning", visible = true },
    ['"reasoning":{"exclude":true}'] = { where = "reasoning.exclude", visible = false },
    ['"include_reasoning":false'] = { where = "include_reasoning", visible = false },
    ['"include_reasoning":true,"reasoning":{"exclude":true,"effort":"low"}'] = { effort = "low", where = "reasoning",
      visible = false },
    ['"thinking":{"type":"enabled"}'] = { effort = "medium", where = "thinking", visible = true },
    ['"thinking":{"type":"disabled"}'] = { off = true, where = "thinking" },
    ['"thinking":{"type":"enabled","budget_tokens":3000}'] = { budget = 3000, where = "thinking", visible = true },
    ['"enable_thinking":true'] = { effort = "medium", where = "enable_thinking", visible = true },
    ['"enable_thinking":false'] = { off = true, where = "enable_thinking" },
    ['"enable_thinking":true,"thinking_budget":500'] = { budget = 500, where = "thinking_budget", visible = true },
    ['"enable_thinking":false,"thinking_budget":500'] = { off = true, where = "enable_thinking" },
    ['"thinking_budget":0'] = { off = true, where = "thinking_budget" },
    ['"chat_template_kwargs":{"enable_thinking":false}'] = { off = true,
      where = "chat_template_kwargs.enable_thinking" },
  } do
    it("is read from " .. members, function()
      local c = decode(members)
      assert.same(expected, c.reasoning)
      assert.same({}, c.ledger:warnings())
    end)
  end

  for _, members in ipairs { '"thinking":{"type":"auto"}', '"thinking":null', '"reasoning":{}', '"reasoning":null',
    '"enable_thinking":null', '"reasoning":{"effort":null,"max_tokens":null}', '"chat_template_kwargs":{}' } do
    it("is not asked for by " .. members, function()
      local c = decode(members)
      assert.is_nil(c.reasoning)
      assert.same({}, c.ledger:warnings())
    end)
  end

  it("counts once where it is said twice", function()
    local c = decode('"enable_thinking":true,"reasoning_effort":"high","reasoning":{"effort":"low"}')
    assert.same({ effort = "high", where = "reasoning_effort" }, c.reasoning)
    assert.same({ "reasoning: reasoning_effort stands for it", "enable_thinking: reasoning_effort stands for it" }, {
      c.ledger.entries[1].path .. ": " .. c.ledger.entries[1].why,
      c.ledger.entries[2].path .. ": " .. c.ledger.entries[2].why })
  end)

  it("has members that nobody knows, and they are told", function()
    assert.same({ "reasoning.depth;unknown to cliproxy" }, decode('"reasoning":{"depth":1}').ledger:warnings())
    assert.same({ "thinking.clear_thinking;unknown to cliproxy" },
      decode('"thinking":{"type":"enabled","clear_thinking":true}').ledger:warnings())
    assert.same({ "chat_template_kwargs.tools;unknown to cliproxy" },
      decode('"chat_template_kwargs":{"tools":1}').ledger:warnings())
  end)

  for members, param in pairs {
    ['"reasoning":"high"'] = "reasoning", ['"reasoning":{"effort":"much"}'] = "reasoning.effort",
    ['"reasoning":{"max_tokens":"x"}'] = "reasoning.max_tokens", ['"reasoning":{"exclude":1}'] = "reasoning.exclude",
    ['"reasoning":{"summary":"long"}'] = "reasoning.summary", ['"reasoning_effort":7'] = "reasoning_effort",
    ['"thinking":{"type":"deep"}'] = "thinking.type", ['"thinking":{}'] = "thinking.type",
    ['"thinking":[]'] = "thinking", ['"enable_thinking":"yes"'] = "enable_thinking",
    ['"thinking_budget":{}'] = "thinking_budget", ['"chat_template_kwargs":1'] = "chat_template_kwargs",
    ['"include_reasoning":"x"'] = "include_reasoning",
  } do
    it("is malformed as " .. members, function()
      local c, message, where = decode(members)
      assert.same({ nil, param }, { c, where })
      assert.truthy(message:find(param, 1, true))
    end)
  end
end)

describe("thoughts of an answer", function()
  local function context(members)
    return { id = "req_1", conversation = assert(decode(members)), framing = "sse", remember = function() end,
      target = { dialect = "anthropic", provider = "p", model = "m", caps = {} } }
  end
  local ANSWER = { stop = "end", parts = { { kind = "reasoning", text = '"hm"' }, { kind = "text", text = '"a"' } } }

  it("are kept from a client that excludes them", function()
    assert.truthy(chat.encode_response(ANSWER, context('"seed":1')):find('"reasoning_content":"hm"', 1, true))
    assert.is_nil(chat.encode_response(ANSWER, context('"reasoning":{"exclude":true}')):find("hm", 1, true))
  end)

  it("are kept from its stream, too", function()
    local function stream(members)
      local out = {}
      local sink = chat.stream_encoder(context(members), function(bytes) out[#out + 1] = bytes end)
      sink.start {}
      sink.reasoning('"hm"')
      sink.text('"a"')
      sink.stop("end")
      sink.finish()
      return table.concat(out)
    end
    assert.truthy(stream('"seed":1'):find('"reasoning_content":"hm"', 1, true))
    local bytes = stream('"include_reasoning":false')
    assert.is_nil(bytes:find("hm", 1, true))
    assert.truthy(bytes:find('"content":"a"', 1, true))
  end)

  it("are read from OpenRouter's details without what only it can read", function()
    local answer = chat.decode_response(json.parse('{"choices":[{"message":{"role":"assistant","content":"a",'
      .. '"reasoning_details":[{"type":"reasoning.summary","summary":"S"},{"type":"reasoning.text","text":"T",'
      .. '"signature":"sig"},{"type":"reasoning.encrypted","data":"AA=="}]},"finish_reason":"stop"}]}'),
      context('"seed":1'))
    assert.same({ { kind = "reasoning", text = '"ST"' }, { kind = "text", text = '"a"' } }, answer.parts)
  end)
end)
