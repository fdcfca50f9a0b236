local files_of = require("cliproxy.files")
local json = require("cliproxy.json")
local loader_of = require("cliproxy.loader")

local part, wrong = loader_of.new(files_of.new(nil, "."), {}, "", 1):run("providers/ollama.lua")
assert(part, wrong)
local ollama = part.value

local function call_of(body, stream)
  local document = assert(json.parse(body))
  return { operation = "generate", model = "llama3", stream = stream or false, options = {}, body = document,
    request = { id = "req_1", body = document } }
end

--- The body for Ollama, or nil, message, code, field.
local function encode(body, stream)
  local call = call_of(body, stream)
  local bytes, message, code, field = ollama.encode_request(call.body, call)
  return bytes and json.parse(bytes), message, code, field, bytes
end

describe("ollama's requests", function()
  it("carry messages, tools and options", function()
    local tools = '[{"type":"function","function":{"name":"f","parameters":{"type":"object","required":[]}}}]'
    local body, message, _, _, bytes = encode('{"model":"x","temperature":0.1,"max_tokens":9,"stop":"a","tools":'
      .. tools
      .. ',"messages":[{"role":"developer","content":"s"},{"role":"user","content":[{"type":"text","text":"t"},'
      .. '{"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD"}}]},'
      .. '{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f",'
      .. '"arguments":"{\\"n\\":9007199254740993}"}}]},{"role":"tool","tool_call_id":"c1","content":"r"}]}')
    assert(body, message)
    assert.same({ "llama3", false }, { body.model, body.stream })
    assert.equal(tools, json.raw(body, "tools"))
    assert.equal("system", body.messages[1].role)
    assert.same({ "t", "QUJD" }, { body.messages[2].content, body.messages[2].images[1] })
    assert.same({ "f", "tool" }, { body.messages[4].tool_name, body.messages[4].role })
    assert.truthy(bytes:find('"arguments":{"n":9007199254740993}', 1, true), bytes)
    assert.same({ 0.1, 9, "a" }, { body.options.temperature, body.options.num_predict, body.options.stop[1] })
  end)

  it("carry schemas and the word for JSON", function()
    assert.equal("json", encode('{"messages":[],"response_format":{"type":"json_object"}}').format)
    assert.equal('{"type":"object"}', json.raw(encode('{"messages":[],"response_format":{"type":"json_schema",'
      .. '"json_schema":{"schema":{"type":"object"}}}}'), "format"))
  end)

  it("carry how much to think, and thoughts of earlier turns", function()
    local levels = { none = false, minimal = "low", low = "low", medium = "medium", high = "high", max = "high" }
    for effort, think in pairs(levels) do
      assert.equal(think, encode(('{"messages":[],"reasoning_effort":"%s"}'):format(effort)).think)
    end
    assert.is_nil(encode('{"messages":[]}').think)
    local body = encode('{"messages":[{"role":"assistant","content":"a","reasoning_content":"hm"}]}')
    assert.equal("hm", body.messages[1].thinking)
  end)

  local refused = {
    { '{"messages":[],"reasoning_effort":"wild"}', "reasoning_effort" },
    { '{"messages":[],"logprobs":true}', "logprobs" },
    { '{"messages":[],"n":2}', "n" },
    { '{"messages":"x"}', "messages" },
    { '{}', "messages" },
    { '{"messages":[],"tool_choice":"required"}', "tool_choice" },
    { '{"messages":[{"role":"user","content":"x"},3]}', "messages[1]" },
    { '{"messages":[{"role":"user","content":5}]}', "messages[0]" },
    { '{"messages":[{"role":"user","content":[3]}]}', "messages[0]" },
    { '{"messages":[{"role":"user","content":[{"type":"text"}]}]}', "messages[0]" },
    { '{"messages":[{"role":"assistant","tool_calls":[{"id":5}]}]}', "messages[0]" },
    { '{"messages":[{"role":"user","content":[{"type":"input_audio"}]}]}', "messages[0]" },
    { '{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x"}}]}]}',
      "messages[0]" },
    { '{"messages":[{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":"{"}}]}]}',
      "messages[0]" },
  }
  for _, case in ipairs(refused) do
    it("refuse what Ollama cannot do: " .. case[1], function()
      local body, message, _, field = encode(case[1])
      assert.is_nil(body)
      assert.is_string(message)
      assert.equal(case[2], field)
    end)
  end
end)

describe("ollama's answers", function()
  it("become a Chat completion", function()
    local call = call_of("{}")
    local line = json.parse('{"model":"llama3:8b","created_at":"2024-01-02T03:04:05Z","message":{"content":"Hi"},'
      .. '"done_reason":"length","prompt_eval_count":3,"eval_count":4}')
    local answer = json.parse(json.encode(ollama.decode_response(line, call)))
    local choice = answer.choices[1]
    assert.same({ "Hi", "length", "llama3:8b", 7 }, { choice.message.content, choice.finish_reason, answer.model,
      answer.usage.total_tokens })
  end)

  it("become chunks, with tool calls and the usage that was asked for", function()
    local call = call_of('{"messages":[],"stream_options":{"include_usage":true}}', true)
    assert(ollama.encode_request(call.body, call))
    local decode = ollama.stream_decoder(call)
    local out = {}
    for _, line in ipairs({
      '{"model":"m","created_at":"x","message":{"content":"He"},"done":false}',
      '{"message":{"content":"","tool_calls":[{"function":{"name":"f","arguments":{"a":1}}}]},"done":false}',
      '{"message":{"content":""},"done":true,"done_reason":"stop","prompt_eval_count":1,"eval_count":2}',
    }) do
      for _, event in ipairs(decode({ type = "", data = line, raw = line })) do
        out[#out + 1] = event.data
      end
    end
    assert.is_nil(decode(nil))
    assert.equal("[DONE]", table.remove(out))
    assert.equal(3, json.parse(out[#out]).usage.total_tokens)
    assert.equal("tool_calls", json.parse(out[#out - 1]).choices[1].finish_reason)
    assert.equal('{"a":1}', json.parse(out[4]).choices[1].delta.tool_calls[1]["function"].arguments)
  end)

  it("keep what the model thinks beside what it says", function()
    local decode = ollama.stream_decoder(call_of("{}", true))
    local events = decode({ type = "", data = '{"message":{"content":"","thinking":"hm"},"done":false}', raw = "" })
    assert.equal("hm", json.parse(events[#events].data).choices[1].delta.reasoning_content)
    local line = json.parse('{"message":{"content":"Hi","thinking":"hm"},"done_reason":"stop"}')
    local answer = json.parse(json.encode(ollama.decode_response(line, call_of("{}"))))
    assert.same({ "Hi", "hm" }, { answer.choices[1].message.content, answer.choices[1].message.reasoning_content })
  end)

  it("that fail in the middle become an error", function()
    local decode = ollama.stream_decoder(call_of("{}", true))
    local event = decode({ type = "", data = '{"error":"out of memory"}', raw = "" })
    assert.equal("out of memory", json.parse(event.data).error.message)
  end)

  it("that end early or are no JSON become an error, too", function()
    local function errors_of(...)
      local decode = ollama.stream_decoder(call_of("{}", true))
      for _, line in ipairs { ... } do
        decode({ type = "", data = line, raw = "" })
      end
      local out = decode(nil)
      return out and json.parse(out.data).error.message
    end
    assert.matches("without a last line", errors_of('{"message":{"content":"He"},"done":false}'))
    assert.is_nil(errors_of('{"message":{"content":"He"},"done":true}'))
    assert.is_nil(errors_of('{"error":"told already"}'))
    local decode = ollama.stream_decoder(call_of("{}", true))
    assert.matches("no JSON object", json.parse(decode({ type = "", data = "nonsense", raw = "" }).data).error.message)
  end)

  it("have a message where they fail", function()
    assert.equal("no model", ollama.decode_error(404, json.parse('{"error":"no model"}')))
    assert.is_nil(ollama.decode_error(500, "text"))
  end)
end)
