local conversation = require("cliproxy.conversation")
local custom_tools = require("cliproxy.custom_tools")
local dialects = require("cliproxy.dialects")
local json = require("cliproxy.json")
local replay = require("cliproxy.replay")

local REQUEST = [[{"model":"m","input":[{"role":"user","content":"go"},
  {"type":"custom_tool_call","call_id":"c1","name":"patch","input":"*** \"a\"\n"},
  {"type":"custom_tool_call_output","call_id":"c1","output":"done"}],
  "tools":[{"type":"custom","name":"patch","description":"Patches.","format":{"type":"grammar","syntax":"lark",
  "definition":"start: \"x\"\n"}},{"type":"function","name":"f","parameters":{"type":"object","properties":{}}}]}]]

local function lowered()
  local c = assert(dialects.of("openai_responses").decode_request(json.parse(REQUEST), { model = "m", stream = false }))
  return c, custom_tools.lower(c)
end

local function encode(c)
  local target = { dialect = "anthropic", provider = "p", model = "claude-sonnet-4-5", version = "2023-06-01",
    caps = require("cliproxy.models").caps("claude-sonnet-4-5", "anthropic") }
  return json.parse(dialects.of("anthropic").encode_request(c, target))
end

describe("tools of free text, as functions", function()
  it("go with one member, their grammar in the description, and a warning", function()
    local c, names = lowered()
    assert.same({ patch = true }, names)
    local body = encode(c)
    assert.is_nil(c.ledger.refused)
    assert.equal("string", body.tools[1].input_schema.properties.input.type)
    assert.matches("^Patches%.\n\nThe input is free text%.\n\n.*grammar:\n\nstart: \"x\"\n$", body.tools[1].description)
    assert.equal("f", body.tools[2].name)
    assert.matches("^tools%[0%];", c.ledger:warnings()[1])
  end)

  it("take their calls so far along", function()
    local body = encode((lowered()))
    assert.equal('*** "a"\n', body.messages[2].content[1].input.input)
    assert.equal("tool_result", body.messages[3].content[1].type)
  end)

  it("are free text again in whole answers, also where the model wrote no such object", function()
    local function raised(part)
      local answer = { parts = { { kind = "tool_call", id = "c", name = "patch", input = part.input,
        arguments = part.arguments }, { kind = "tool_call", id = "d", name = "f", input = "{}" } } }
      custom_tools.raise(answer, { patch = true })
      assert.is_nil(answer.parts[2].custom)
      assert.is_true(answer.parts[1].custom)
      return answer.parts[1].arguments
    end
    assert.equal('"a\\"b\\n"', raised { input = '{"input":"a\\"b\\n"}' })
    assert.equal('"x"', raised { arguments = '"{\\"input\\":\\"x\\"}"' })
    assert.equal('"plain"', raised { arguments = '"plain"' })
    assert.equal('"{\\"other\\":1}"', raised { input = '{"other":1}' })
  end)

  it("are free text again in streams", function()
    local sink, answer = replay.collector()
    custom_tools.raising(sink, { patch = true })
    sink.start {}
    sink.tool_start(1, { id = "c", name = "patch" })
    sink.tool_start(2, { id = "d", name = "f" })
    sink.tool_delta(1, '"{\\"inp"')
    sink.tool_delta(2, '"{}"')
    sink.tool_delta(1, '"ut\\":\\"a\\\\nb\\"}"')
    sink.tool_end(1)
    sink.tool_end(2)
    sink.stop("tool_calls")
    sink.finish()
    assert.same({ "tool_call", true, '"a\\nb"' }, { answer.parts[1].kind, answer.parts[1].custom,
      answer.parts[1].arguments })
    assert.same({ '"{}"' }, { conversation.arguments_of(answer.parts[2]) })
    assert.is_nil(answer.parts[2].custom)
  end)
end)
