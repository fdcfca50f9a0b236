--- The common form itself: paths of what stands in it, and the shape of a history.
local conversation = require("cliproxy.conversation")
local dialects = require("cliproxy.dialects")
local json = require("cliproxy.json")

local function decode(dialect, body, head)
  head = head or { model = "m", stream = false }
  return assert(dialects.of(dialect).decode_request(assert(json.parse(body)), head))
end

local function encode(c, dialect)
  return dialects.of(dialect).encode_request(c, { dialect = dialect, provider = "p", model = "up", caps = {} })
end

-- The ledger's lines about paths that match.
local function entries(c, pattern)
  local out = {}
  for _, entry in ipairs(c.ledger.entries) do
    if entry.path:find(pattern) then
      out[#out + 1] = entry.path .. ": " .. entry.action
    end
  end
  return out
end

describe("paths", function()
  it("are those of the client, of turns, parts and fields", function()
    local c = decode("anthropic", '{"max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"a"},'
      .. '{"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"b"}]}]}]}')
    local turn = c.turns[1]
    assert.same({ "messages[0]", "messages[0].name", "messages[0].content[0]", "messages[0].content[1].is_error",
      "messages[0].content[1].content[0]" }, { conversation.path(c, turn), conversation.path(c, turn, "name"),
      conversation.path(c, turn.parts[1]), conversation.path(c, turn.parts[2], "is_error"),
      conversation.path(c, turn.parts[2].content[1]) })
  end)

  local USER = '"messages":[{"role":"user","content":"u"}]'
  for name, row in pairs {
    ["a string of Anthropic's"] = { "anthropic", '{"system":"s",' .. USER .. "}", "system" },
    ["blocks of Anthropic's"] = { "anthropic", '{"system":[{"type":"text","text":"s"}],' .. USER .. "}", "system[0]" },
    ["instructions"] = { "openai_responses", '{"instructions":"s","input":"x"}', "instructions" },
    ["an item in front"] = { "openai_responses", '{"input":[{"role":"system","content":[{"type":"input_text","text":'
      .. '"s"}]}]}', "input[0].content[0]" },
    ["a message in front"] = { "openai_chat", '{"messages":[{"role":"system","content":"s"}]}', "messages[0].content" },
    ["parts of Gemini's"] = { "gemini", '{"system_instruction":{"parts":[{"text":""},{"text":"s"}]},"contents":[{'
      .. '"parts":[{"text":"a"}]}]}', "systemInstruction.parts[1]" },
  } do
    it("of the system: " .. name, function()
      local c = decode(row[1], row[2])
      assert.equal(row[3], conversation.path(c, c.system[1]))
    end)
  end
end)

describe("phases of an assistant's messages", function()
  local BODY = '{"input":[{"role":"user","content":"u"},{"role":"assistant","content":"a","phase":"commentary"},'
    .. '{"role":"assistant","content":"b","phase":"%s"},{"role":"user","content":"v"}]}'

  for _, dialect in ipairs { "openai_chat", "anthropic", "gemini" } do
    it("are entered as dropped on their way to " .. dialect, function()
      local c = decode("openai_responses", BODY:format("final_answer"))
      encode(c, dialect)
      assert.same({ "input[1].phase: dropped", "input[2].phase: dropped" }, entries(c, "phase"))
    end)
  end

  it("stay with messages that become one, where they agree", function()
    local c = decode("openai_responses", BODY:format("commentary"))
    assert.equal('"commentary"', conversation.joined(c)[2].phase)
    assert.truthy(encode(c, "openai_responses"):find('"phase":"commentary"', 1, true))
    assert.same({}, entries(c, "phase"))
  end)

  it("are entered where they do not", function()
    local c = decode("openai_responses", BODY:format("final_answer"))
    assert.is_nil(encode(c, "openai_responses"):find('"phase"', 1, true))
    assert.same({ "input[1].phase: dropped" }, entries(c, "phase"))
    assert.equal('"final_answer"', c.turns[3].phase) -- the turns themselves are as they were
  end)
end)
