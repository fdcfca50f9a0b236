local async = require("spec.support.async")
local files_of = require("cliproxy.files")
local json = require("cliproxy.json")
local loader_of = require("cliproxy.loader")

local loader = loader_of.new(files_of.new(nil, "."), {}, "", 1)
local part, wrong = loader:run("providers/demo.lua")
assert(part, wrong)
local demo = part.value

--- Runs demo; what it wrote: { status, headers, body, failed }.
local function run(dialect, model, body, options)
  options = options or {}
  local out = { body = {} }
  local reply = {
    head = function(status, headers)
      assert(not out.status, "two heads")
      out.status, out.headers = status, headers
    end,
    write = function(bytes)
      assert(out.status and not out.ended, "write out of order")
      table.insert(out.body, bytes)
    end,
    finish = function()
      out.ended = true
    end,
    fail = function(kind, message)
      out.failed, out.ended = kind .. ": " .. message, true
    end,
  }
  local call = { dialect = dialect, model = model, operation = options.operation or "generate", stream = options.stream
    or false,
    framing = options.framing or "sse", body = assert(json.parse(body)), options = {}, request = {} }
  async(function()
    demo.execute(call, reply)
  end)
  assert.is_true(out.ended, "demo did not end its answer")
  out.writes, out.body = out.body, table.concat(out.body)
  return out
end

--- The events of a stream: { type, data, document }.
local function events_of(out)
  local list = {}
  for block in (out.body:gsub("\r\n", "\n")):gmatch("(.-)\n\n") do
    local event = { type = block:match("^event: ([^\n]+)"), data = assert(block:match("data: (.*)$"), block) }
    event.document = event.data ~= "[DONE]" and assert(json.parse(event.data), event.data) or nil
    list[#list + 1] = event
  end
  return list
end

local function types_of(events)
  local out = {}
  for i, event in ipairs(events) do
    out[i] = event.type
  end
  return table.concat(out, " ")
end

local SAY = {
  openai_chat = '{"model":"demo","messages":[{"role":"system","content":"s"},{"role":"user","content":"Good day"}]%s}',
  openai_responses = '{"model":"demo","input":[{"role":"user","content":[{"type":"input_text","text":"Good day"}]}]%s}',
  anthropic = '{"model":"demo","max_tokens":100,"messages":[{"role":"user","content":[{"type":"text",'
    .. '"text":"Good day"}]}]%s}',
  gemini = '{"contents":[{"role":"user","parts":[{"text":"Good day"}]}]%s}',
}
local SCHEMA = '{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer","minimum":2},'
  .. '"unit":{"enum":["c","f"]},'
  .. '"note":{"type":"string"}},"required":["city","days","unit"]}'
local ARGUMENTS = '{"city":"Paris","days":2,"unit":"c"}'
local TOOLS = {
  openai_chat = ',"tools":[{"type":"function","function":{"name":"get_weather","parameters":' .. SCHEMA
    .. '}}],"tool_choice":"required"',
  openai_responses = ',"tools":[{"type":"function","name":"get_weather","parameters":' .. SCHEMA
    .. '}],"tool_choice":"required"',
  anthropic = ',"tools":[{"name":"get_weather","input_schema":' .. SCHEMA .. '}],"tool_choice":{"type":"any"}',
  gemini = ',"tools":[{"functionDeclarations":[{"name":"get_weather","parameters":' .. SCHEMA:gsub('"(%l+)"(,"m)',
    '"%1"%2')
    .. '}]}],"toolConfig":{"functionCallingConfig":{"mode":"ANY"}}',
}
local TEXT = "Hello from cliproxy! You said: Good day"

local function say(dialect, more)
  return (SAY[dialect]:gsub("%%s", function()
    return more or ""
  end))
end

-- A request whose text is `text`, with further fields.
local function asks(dialect, text, more)
  return (say(dialect, more):gsub("Good day", text))
end

describe("demo, whole answers", function()
  local function whole(dialect, more)
    local out = run(dialect, "demo", say(dialect, more))
    assert.equal(200, out.status)
    assert.equal("application/json", out.headers["content-type"])
    return assert(json.parse(out.body))
  end

  it("in Chat Completions", function()
    local answer = whole "openai_chat"
    assert.matches("^chatcmpl%-", answer.id)
    assert.equal("chat.completion", answer.object)
    local choice = answer.choices[1]
    assert.same({ TEXT, "stop", "assistant" }, { choice.message.content, choice.finish_reason, choice.message.role })
    local usage = answer.usage
    assert.equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens)
    choice = whole("openai_chat", TOOLS.openai_chat).choices[1]
    assert.same({ json.null, "tool_calls" }, { choice.message.content, choice.finish_reason })
    local call = choice.message.tool_calls[1]
    assert.matches("^call_", call.id)
    assert.same({ "get_weather", ARGUMENTS }, { call["function"].name, call["function"].arguments })
  end)

  it("in Responses", function()
    local answer = whole "openai_responses"
    assert.same({ "response", "completed", "demo" }, { answer.object, answer.status, answer.model })
    assert.equal(TEXT, answer.output[1].content[1].text)
    assert.equal(answer.usage.total_tokens, answer.usage.input_tokens + answer.usage.output_tokens)
    answer = whole("openai_responses", TOOLS.openai_responses)
    local item = answer.output[1]
    assert.same({ "function_call", "get_weather", ARGUMENTS }, { item.type, item.name, item.arguments })
    assert.equal("get_weather", answer.tools[1].name)
  end)

  it("in Messages", function()
    local answer = whole "anthropic"
    assert.same({ "message", "assistant", "end_turn" }, { answer.type, answer.role, answer.stop_reason })
    assert.equal(TEXT, answer.content[1].text)
    answer = whole("anthropic", TOOLS.anthropic)
    assert.equal("tool_use", answer.stop_reason)
    assert.equal(ARGUMENTS, json.raw(answer.content[1], "input"))
    assert.matches("^toolu_[%w_-]+$", answer.content[1].id)
  end)

  it("in generateContent", function()
    local answer = whole "gemini"
    assert.same({ TEXT, "STOP" }, { answer.candidates[1].content.parts[1].text, answer.candidates[1].finishReason })
    local usage = answer.usageMetadata
    assert.equal(usage.totalTokenCount, usage.promptTokenCount + usage.candidatesTokenCount)
    local called = whole("gemini", TOOLS.gemini).candidates[1].content.parts[1]
    assert.equal("get_weather", called.functionCall.name)
    assert.equal(ARGUMENTS, json.raw(called.functionCall, "args"))
  end)

  it("are always the same, and differ with the request", function()
    local once = run("anthropic", "demo", say "anthropic").body
    assert.equal(once, run("anthropic", "demo", say "anthropic").body)
    assert.not_equal(once, run("anthropic", "demo", say("anthropic", ',"temperature":0')).body)
  end)

  it("stop at the limit of tokens", function()
    local body = '{"messages":[{"role":"user","content":"a b c"}],"max_tokens":2}'
    assert.equal("length", json.parse(run("openai_chat", "demo", body).body).choices[1].finish_reason)
    assert.equal("max_tokens", json.parse(run("anthropic", "demo", body).body).stop_reason)
    local responses = json.parse(run("openai_responses", "demo", '{"input":"a b","max_output_tokens":1}').body)
    assert.same({ "incomplete", "max_output_tokens" }, { responses.status, responses.incomplete_details.reason })
  end)
end)

describe("demo, streams", function()
  it("in Chat Completions: role, text, finish, [DONE]", function()
    local events = events_of(run("openai_chat", "demo", say "openai_chat", { stream = true }))
    assert.equal("assistant", events[1].document.choices[1].delta.role)
    local text = {}
    for i = 1, #events - 1 do
      local document = events[i].document
      assert.equal(events[1].document.id, document.id)
      assert.is_nil(document.usage)
      text[#text + 1] = document.choices[1].delta.content
    end
    assert.equal(TEXT, table.concat(text))
    assert.equal("stop", events[#events - 1].document.choices[1].finish_reason)
    assert.equal("[DONE]", events[#events].data)
  end)

  it("in Chat Completions: usage only when asked for, last and without choices", function()
    local events = events_of(run("openai_chat", "demo", say("openai_chat", ',"stream_options":{"include_usage":true}'),
      { stream = true }))
    for i = 1, #events - 2 do
      assert.equal(json.null, events[i].document.usage)
    end
    local last = events[#events - 1].document
    assert.equal(0, #last.choices)
    assert.is_true(last.usage.total_tokens > 0)
  end)

  it("in Chat Completions: tool calls in pieces, the id once", function()
    local events = events_of(run("openai_chat", "demo", say("openai_chat", TOOLS.openai_chat), { stream = true }))
    local ids, arguments = 0, {}
    for _, event in ipairs(events) do
      local delta = event.document and event.document.choices[1].delta
      for _, call in json.ipairs(delta and delta.tool_calls or json.array {}) do
        assert.equal(0, call.index)
        ids = ids + (call.id and 1 or 0)
        table.insert(arguments, call["function"].arguments)
      end
    end
    assert.equal(1, ids)
    assert.equal(ARGUMENTS, table.concat(arguments))
    assert.equal("tool_calls", events[#events - 1].document.choices[1].finish_reason)
  end)

  it("in Responses: the grammar, numbered from 0", function()
    local events = events_of(run("openai_responses", "demo", say "openai_responses", { stream = true }))
    for i, event in ipairs(events) do
      assert.equal(i - 1, event.document.sequence_number)
      assert.equal(event.type, event.document.type)
    end
    assert.matches("^response%.created response%.in_progress response%.output_item%.added response%."
      .. "content_part%.added "
      .. "response%.output_text%.delta .*response%.output_text%.done response%.content_part%.done response%."
      .. "output_item%.done "
      .. "response%.completed$", types_of(events))
    assert.equal(TEXT, events[#events].document.response.output[1].content[1].text)
    events = events_of(run("openai_responses", "demo", say("openai_responses", TOOLS.openai_responses),
      { stream = true }))
    assert.matches("output_item%.added response%.function_call_arguments%.delta .*response%."
      .. "function_call_arguments%.done "
      .. "response%.output_item%.done response%.completed$", types_of(events))
  end)

  it("in Responses: the name of the tool with its arguments", function()
    local body = say("openai_responses", TOOLS.openai_responses)
    for _, event in ipairs(events_of(run("openai_responses", "demo", body, { stream = true }))) do
      if event.type == "response.function_call_arguments.done" then
        return assert.same({ "get_weather", ARGUMENTS }, { event.document.name, event.document.arguments })
      end
    end
    error("no response.function_call_arguments.done")
  end)

  it("in Messages: the grammar", function()
    local events = events_of(run("anthropic", "demo", say "anthropic", { stream = true }))
    assert.matches("^message_start content_block_start ping content_block_delta .*content_block_stop "
      .. "message_delta message_stop$",
      types_of(events))
    assert.is_true(events[1].document.message.usage.input_tokens > 0)
    assert.equal("end_turn", events[#events - 1].document.delta.stop_reason)
    events = events_of(run("anthropic", "demo", say("anthropic", TOOLS.anthropic), { stream = true }))
    local arguments = {}
    for _, event in ipairs(events) do
      table.insert(arguments, event.type == "content_block_delta" and event.document.delta.partial_json or "")
    end
    assert.equal(ARGUMENTS, table.concat(arguments))
    assert.equal("tool_use", events[#events - 1].document.delta.stop_reason)
  end)

  it("in streamGenerateContent: CRLF, usage in every chunk, the reason in the last; or one array", function()
    local out = run("gemini", "demo", say "gemini", { stream = true })
    assert.is_nil(out.body:find("[^\r]\n"))
    local events = events_of(out)
    for i, event in ipairs(events) do
      assert.is_truthy(event.document.usageMetadata.totalTokenCount)
      assert.equal(i == #events and "STOP" or nil, event.document.candidates[1].finishReason)
    end
    out = run("gemini", "demo", say "gemini", { stream = true, framing = "json_array" })
    assert.equal("application/json", out.headers["content-type"])
    assert.equal(#events, #assert(json.parse(out.body)))
  end)
end)

describe("demo, conversations with tools", function()
  it("calls a tool when the text asks for it, and not otherwise", function()
    local tools = TOOLS.openai_chat:gsub(',"tool_choice":"required"', "")
    local function answer(text)
      local body = ('{"messages":[{"role":"user","content":"%s"}]%s}'):format(text, tools:gsub("%%", "%%%%"))
      return json.parse(run("openai_chat", "demo", body).body).choices[1].finish_reason
    end
    assert.equal("tool_calls", answer "Please use the tool")
    assert.equal("tool_calls", answer "get weather for Paris")
    assert.equal("stop", answer "Good day")
  end)

  it("knows a tool of a server by its last name", function()
    local body = asks("openai_chat", "get time", ',"tools":[{"type":"function","function":{"name":'
      .. '"mcp__clock__get_time"}}]')
    assert.equal("tool_calls", json.parse(run("openai_chat", "demo", body).body).choices[1].finish_reason)
  end)

  it("never calls one when told not to", function()
    local body = say("openai_chat", (TOOLS.openai_chat:gsub('"required"', '"none"')))
    assert.equal("stop", json.parse(run("openai_chat", "demo", body).body).choices[1].finish_reason)
  end)

  it("answers with the result afterwards", function()
    local bodies = {
      openai_chat = '{"messages":[{"role":"user","content":"use the tool"},{"role":"assistant","content":null},'
        .. '{"role":"tool","tool_call_id":"c","content":"rain"}]' .. TOOLS.openai_chat .. "}",
      openai_responses = '{"input":[{"role":"user","content":"use the tool"},{"type":"function_call_output",'
        .. '"call_id":"c","output":"rain"}]'
        .. TOOLS.openai_responses .. "}",
      anthropic = '{"messages":[{"role":"user","content":"use the tool"},{"role":"user",'
        .. '"content":[{"type":"tool_result",'
        .. '"tool_use_id":"t","content":[{"type":"text","text":"rain"}]}]}]' .. TOOLS.anthropic .. "}",
      gemini = '{"contents":[{"role":"user","parts":[{"text":"use the tool"}]},{"role":"user",'
        .. '"parts":[{"functionResponse":{"name":"x",'
        .. '"response":{"r":"rain"}}}]}]' .. TOOLS.gemini .. "}",
    }
    for dialect, body in pairs(bodies) do
      local out = run(dialect, "demo", body).body
      assert.truthy(out:find("The tool answered: ", 1, true) and out:find("rain", 1, true), dialect .. ": " .. out)
    end
  end)

  it("makes arguments up for any schema, however odd", function()
    local function arguments(schema)
      local body = say("anthropic", ',"tools":[{"name":"t","input_schema":' .. schema
        .. '}],"tool_choice":{"type":"tool","name":"t"}')
      return json.raw(json.parse(run("anthropic", "demo", body).body).content[1], "input")
    end
    assert.equal("{}", arguments '{"type":"object"}')
    assert.equal("{}", arguments "{}")
    assert.equal('{"q":"Good day"}', arguments '{"type":"object","properties":{"q":{"type":"string"}}}')
    assert.equal('{"a":["example"],"o":{"n":1.5},"b":true,"k":7}',
      arguments('{"properties":{"a":{"type":"array","items":{"type":"string"}},'
      .. '"o":{"type":"OBJECT","properties":{"n":{"type":"NUMBER"}}},"b":{"type":["boolean","null"]},'
      .. '"k":{"const":7}}}'))
    assert.equal('{"r":{"city":"Paris"}}', arguments('{"properties":{"r":{"$ref":"#/$defs/r"}},'
      .. '"$defs":{"r":{"type":"object","properties":{"city":{"type":"string"}}}}}'))
    assert.is_truthy(arguments('{"properties":{"r":{"$ref":"#/properties/r/properties/r"},'
      .. '"s":{"type":"object","properties":{"s":{"$ref":"#/properties/s"}}}}}'))
  end)
end)

local BOTH = {
  openai_chat = ',"tools":[{"type":"function","function":{"name":"get_weather","parameters":%s}},'
    .. '{"type":"function","function":{"name":"get_time","parameters":%s}},'
    .. '{"type":"function","function":{"name":"unused"}}]',
  openai_responses = ',"tools":[{"type":"function","name":"get_weather","parameters":%s},'
    .. '{"type":"function","name":"get_time","parameters":%s},{"type":"function","name":"unused"}]',
  anthropic = ',"tools":[{"name":"get_weather","input_schema":%s},{"name":"get_time","input_schema":%s},'
    .. '{"name":"unused","input_schema":{"type":"object"}}]',
  gemini = ',"tools":[{"functionDeclarations":[{"name":"get_weather","parametersJsonSchema":%s},'
    .. '{"name":"get_time","parameters":%s},{"name":"unused"}]}]',
}
local PLACE = '{"type":"object","properties":{"city":{"type":"string"}}}'

-- The names of the calls that a whole answer makes.
local CALLED = {
  openai_chat = function(answer)
    local out = {}
    for i, call in json.each(answer.choices[1].message.tool_calls or json.parse("[]")) do
      out[i] = (call["function"] or call.custom).name
    end
    return out
  end,
  openai_responses = function(answer)
    local out = {}
    for i, item in json.each(answer.output) do
      out[i] = item.name
    end
    return out
  end,
  anthropic = function(answer)
    local out = {}
    for i, block in json.each(answer.content) do
      out[i] = block.name
    end
    return out
  end,
  gemini = function(answer)
    local out = {}
    for i, one in json.each(answer.candidates[1].content.parts) do
      out[i] = one.functionCall and one.functionCall.name
    end
    return out
  end,
}

local function both(dialect)
  return (BOTH[dialect]:gsub("%%s", function()
    return PLACE
  end))
end

local ONE_AT_A_TIME = {
  openai_chat = ',"parallel_tool_calls":false', openai_responses = ',"parallel_tool_calls":false',
  anthropic = ',"tool_choice":{"type":"auto","disable_parallel_tool_use":true}',
}
local ONLY_TIME = {
  openai_chat = ',"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":['
    .. '{"type":"function","function":{"name":"get_time"}}]}}',
  openai_responses = ',"tool_choice":{"type":"allowed_tools","mode":"required","tools":[{"type":"function",'
    .. '"name":"get_time"}]}',
  anthropic = ',"tool_choice":{"type":"tool","name":"get_time"}',
  gemini = ',"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["get_time"]}}',
}

describe("demo, several tools", function()
  for dialect in pairs(SAY) do
    local function called(text, more)
      local out = run(dialect, "demo", asks(dialect, text, both(dialect) .. (more or "")))
      assert.equal(200, out.status, out.body)
      return CALLED[dialect](assert(json.parse(out.body)))
    end

    it("calls those that the text names, in " .. dialect, function()
      assert.same({ "get_weather", "get_time" }, called "get_weather and get time, please")
      assert.same({ "get_time" }, called "get_time")
      assert.same({}, called "Good day")
    end)

    it("passes on the arguments that the text dictates, and calls no other, in " .. dialect, function()
      local text = [[Not get_weather: use the get_time tool with {\"city\": \"Rome\", \"n\": [1.0, {}]} now]]
      local out = run(dialect, "demo", asks(dialect, text, both(dialect)))
      assert.same({ "get_time" }, CALLED[dialect](assert(json.parse(out.body))))
      local said = out.body:gsub("\\", "")
      assert.is_truthy(said:find('{"city": "Rome", "n": [1.0, {}]}', 1, true), out.body)
      assert.same({ "get_weather" }, called [[my_get_time with {\"city\":1}, get_weather with {\"city\":2}]])
      assert.same({ "get_weather", "get_time" }, called [[get_weather or get_time with {\"city\":}]])
    end)

    it("calls only those that are allowed, in " .. dialect, function()
      assert.same({ "get_time" }, called("get_weather and get_time", ONLY_TIME[dialect]))
      assert.same({ "get_time" }, called("Good day", ONLY_TIME[dialect]))
      if ONE_AT_A_TIME[dialect] then
        assert.same({ "get_weather" }, called("get_weather and get_time", ONE_AT_A_TIME[dialect]))
      end
    end)
  end

  local function streamed(dialect)
    return events_of(run(dialect, "demo", asks(dialect, "get_weather, get_time", both(dialect)), { stream = true }))
  end

  it("streams them by index in Chat Completions", function()
    local ids, arguments = {}, {}
    for _, event in ipairs(streamed "openai_chat") do
      local delta = event.document and event.document.choices[1].delta
      for _, call in json.ipairs(delta and delta.tool_calls or json.array {}) do
        local i = call.index + 1
        ids[i] = ids[i] or call.id
        arguments[i] = (arguments[i] or "") .. call["function"].arguments
      end
    end
    assert.same({ '{"city":"Paris"}', '{"city":"Paris"}' }, arguments)
    assert.are_not.equal(ids[1], ids[2])
  end)

  it("streams one item after the other in Responses", function()
    local events = streamed "openai_responses"
    local open, done = nil, {}
    for i, event in ipairs(events) do
      local document = event.document
      assert.equal(i - 1, document.sequence_number)
      if event.type == "response.output_item.added" then
        assert.is_nil(open)
        open = document.item.id
      elseif event.type == "response.output_item.done" then
        assert.same({ open, #done }, { document.item.id, document.output_index })
        open = nil
        table.insert(done, document.item.name)
      elseif document.item_id then
        assert.equal(open, document.item_id)
      end
    end
    assert.same({ "get_weather", "get_time" }, done)
    assert.equal(2, #events[#events].document.response.output)
  end)

  it("streams one block after the other in Messages", function()
    assert.matches("^message_start content_block_start ping content_block_delta content_block_delta "
      .. "content_block_delta content_block_stop content_block_start content_block_delta .*content_block_stop "
      .. "message_delta message_stop$",
      types_of(streamed "anthropic"))
    local indexes = {}
    for _, event in ipairs(streamed "anthropic") do
      if event.type == "content_block_start" then
        table.insert(indexes, event.document.index)
      end
    end
    assert.same({ 0, 1 }, indexes)
  end)

  it("streams each in a chunk of its own in generateContent", function()
    local events = streamed "gemini"
    assert.equal(2, #events)
    for i, name in ipairs { "get_weather", "get_time" } do
      local candidate = events[i].document.candidates[1]
      assert.same({ 1, name, i == 2 and "STOP" or nil }, { #candidate.content.parts,
        candidate.content.parts[1].functionCall.name, candidate.finishReason })
    end
  end)
end)

describe("demo, results of tools", function()
  local function answer(dialect, body)
    local out = run(dialect, "demo", body)
    assert.equal(200, out.status, out.body)
    return out.body
  end

  it("tells them all, in their order", function()
    local bodies = {
      openai_chat = '{"messages":[{"role":"user","content":"x"},{"role":"tool","tool_call_id":"a","content":"rain"},'
        .. '{"role":"tool","tool_call_id":"b","content":[{"type":"text","text":"noon"}]}]}',
      openai_responses = '{"input":[{"role":"user","content":"x"},{"type":"function_call_output","call_id":"a",'
        .. '"output":"rain"},{"type":"custom_tool_call_output","call_id":"b","output":[{"type":"input_text",'
        .. '"text":"noon"}]}]}',
      anthropic = '{"messages":[{"role":"user","content":"x"},{"role":"user","content":[{"type":"tool_result",'
        .. '"tool_use_id":"a","content":"rain"},{"type":"tool_result","tool_use_id":"b","content":[{"type":"text",'
        .. '"text":"noon"}]}]}]}',
    }
    for dialect, body in pairs(bodies) do
      local said = answer(dialect, body)
      assert.truthy(said:find("The tool answered: rain | noon", 1, true), dialect .. ": " .. said)
    end
    local said = answer("gemini", '{"contents":[{"role":"user","parts":[{"functionResponse":{"name":"a","response":'
      .. '{"r":"rain"}}},{"functionResponse":{"name":"b","response":{"r":"noon"}}}]}]}')
    assert.equal('The tool answered: {"r":"rain"} | {"r":"noon"}',
      json.parse(said).candidates[1].content.parts[1].text)
  end)

  it("forgets them once the conversation has gone on", function()
    assert.truthy(answer("openai_chat", '{"messages":[{"role":"tool","content":"rain"},{"role":"assistant",'
      .. '"content":"It rains."},{"role":"user","content":"Thanks"}]}'):find("You said: Thanks", 1, true))
    assert.truthy(answer("anthropic", '{"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"a",'
      .. '"content":"rain"}]},{"role":"assistant","content":"It rains."},{"role":"user","content":"Thanks"}]}')
      :find("You said: Thanks", 1, true))
  end)

  it("sees an image among them", function()
    assert.truthy(answer("anthropic", '{"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"a",'
      .. '"content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"aGVsbG8="}}]}]}]}')
      :find("image/png (5 bytes)", 1, true))
  end)
end)

describe("demo, what the user shows", function()
  local SHOWS = {
    openai_chat = '{"messages":[{"role":"user","content":[{"type":"text","text":"Look"},{"type":"image_url",'
      .. '"image_url":{"url":"data:image/png;base64,aGVsbG8="}}]}]}',
    openai_responses = '{"input":[{"role":"user","content":[{"type":"input_text","text":"Look"},'
      .. '{"type":"input_image","image_url":"data:image/png;base64,aGVsbG8="}]}]}',
    anthropic = '{"messages":[{"role":"user","content":[{"type":"text","text":"Look"},{"type":"image","source":'
      .. '{"type":"base64","media_type":"image/png","data":"aGVsbG8="}}]}]}',
    gemini = '{"contents":[{"role":"user","parts":[{"text":"Look"},{"inline_data":{"mime_type":"image/png",'
      .. '"data":"aGVsbG8="}}]}]}',
  }
  for dialect, body in pairs(SHOWS) do
    it("is told in " .. dialect, function()
      local out = run(dialect, "demo", body).body
      assert.truthy(out:find("You said: Look You showed: image/png (5 bytes)", 1, true), out)
    end)
  end
end)

describe("demo, structured output", function()
  local FORMATS = {
    openai_chat = ',"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":%s}}',
    openai_responses = ',"text":{"format":{"type":"json_schema","name":"x","schema":%s}}',
    anthropic = ',"output_config":{"format":{"type":"json_schema","schema":%s}}',
    gemini = ',"generationConfig":{"responseMimeType":"application/json","responseJsonSchema":%s}',
  }
  local TEXT_OF = {
    openai_chat = function(answer) return answer.choices[1].message.content end,
    openai_responses = function(answer) return answer.output[1].content[1].text end,
    anthropic = function(answer) return answer.content[1].text end,
    gemini = function(answer) return answer.candidates[1].content.parts[1].text end,
  }
  local function formatted(dialect, schema, options)
    local more = FORMATS[dialect]:gsub("%%s", function()
      return schema
    end)
    return run(dialect, "demo", say(dialect, more), options)
  end

  for dialect in pairs(FORMATS) do
    it("fits the schema in " .. dialect, function()
      assert.equal(ARGUMENTS, TEXT_OF[dialect](assert(json.parse(formatted(dialect, SCHEMA).body))))
    end)

    it("comes in pieces in " .. dialect, function()
      local writes = formatted(dialect, SCHEMA, { stream = true }).writes
      assert.is_true(#writes >= 3, table.concat(writes))
      assert.is_nil(table.concat(writes):find("Hello from cliproxy", 1, true))
    end)
  end

  it("is an object where only JSON is asked for", function()
    local answer = json.parse(run("openai_chat", "demo", say("openai_chat",
      ',"response_format":{"type":"json_object"}')).body)
    assert.equal(TEXT, json.parse(TEXT_OF.openai_chat(answer)).answer)
    answer = json.parse(run("gemini", "demo", say("gemini", ',"generation_config":{"response_mime_type":'
      .. '"application/json"}')).body)
    assert.equal(TEXT, json.parse(TEXT_OF.gemini(answer)).answer)
  end)

  it("keeps to the limits of a schema", function()
    local function example(schema)
      return TEXT_OF.openai_chat(json.parse(formatted("openai_chat", schema).body))
    end
    assert.equal('["example","example"]', example '{"type":"ARRAY","minItems":2,"items":{"type":"STRING"}}')
    assert.equal("[]", example '{"type":"array","maxItems":0,"items":{"type":"string"}}')
    assert.equal('"exa"', example '{"type":"string","maxLength":3}')
    assert.equal('"example   "', example '{"type":"string","minLength":10}')
    assert.equal('"2026-01-01T12:00:00Z"', example '{"type":"string","format":"date-time"}')
    assert.equal("-3", example '{"type":"integer","maximum":-3}')
    assert.equal("0.5", example '{"type":"number","exclusiveMinimum":0,"exclusiveMaximum":1,"minimum":0}')
    assert.equal("8", example '{"type":"integer","minimum":5,"multipleOf":4}')
    assert.equal('{"a":"example","b":1}', example('{"allOf":[{"properties":{"a":{"type":"string"}},"required":["a"]},'
      .. '{"$ref":"#/$defs/b~1c"}],"$defs":{"b/c":{"properties":{"b":{"type":"integer"}},"required":["b"]}}}'))
    assert.equal('{"e":"x"}', example '{"properties":{"e":{"allOf":[{"enum":["x","y"]}]}}}')
    assert.equal('{"n":1}', example '{"properties":{"n":{"anyOf":[{"type":"null"},{"type":"integer"}]}}}')
    assert.equal(('{"answer":%q}'):format(TEXT), example '{"properties":{"answer":{"type":"string"}}}')
  end)

  it("follows the results of tools, not instead of a call", function()
    local more = TOOLS.openai_chat .. FORMATS.openai_chat:gsub("%%s", "{}")
    local choice = json.parse(run("openai_chat", "demo", say("openai_chat", more)).body).choices[1]
    assert.equal("tool_calls", choice.finish_reason)
  end)
end)

describe("demo, tools that take free text", function()
  it("in Responses, whole and streamed", function()
    local body = asks("openai_responses", "Use the tool", ',"tools":[{"type":"custom","name":"shell"}]')
    local item = json.parse(run("openai_responses", "demo", body).body).output[1]
    assert.same({ "custom_tool_call", "shell", "Use the tool" }, { item.type, item.name, item.input })
    assert.matches("^call_", item.call_id)
    local events = events_of(run("openai_responses", "demo", body, { stream = true }))
    assert.matches("output_item%.added response%.custom_tool_call_input%.delta .*custom_tool_call_input%.done "
      .. "response%.output_item%.done response%.completed$", types_of(events))
  end)

  it("in Chat Completions, whole and streamed", function()
    local body = asks("openai_chat", "Use the tool", ',"tools":[{"type":"custom","custom":{"name":"shell"}}]')
    local call = json.parse(run("openai_chat", "demo", body).body).choices[1].message.tool_calls[1]
    assert.same({ "custom", "shell", "Use the tool" }, { call.type, call.custom.name, call.custom.input })
    local input = {}
    for _, event in ipairs(events_of(run("openai_chat", "demo", body, { stream = true }))) do
      local delta = event.document and event.document.choices[1].delta
      for _, piece in json.ipairs(delta and delta.tool_calls or json.array {}) do
        table.insert(input, piece.custom.input)
      end
    end
    assert.equal("Use the tool", table.concat(input))
  end)

  it("tells a tool's namespace in Responses", function()
    local item = json.parse(run("openai_responses", "demo", asks("openai_responses", "get_time",
      ',"tools":[{"type":"namespace","name":"clock","tools":[{"type":"function","name":"get_time"}]}]')).body).output[1]
    assert.same({ "function_call", "get_time", "clock" }, { item.type, item.name, item.namespace })
  end)

  it("get what the text dictates, also in a namespace, and where an item adds them, in Responses", function()
    local added = '{"type":"additional_tools","role":"developer","tools":[{"type":"namespace","name":"functions",'
      .. '"tools":[{"type":"custom","name":"exec"},{"type":"function","name":"wait"}]}]}'
    for _, name in ipairs { "exec", "functions__exec" } do
      local body = ('{"input":[%s,{"role":"user","content":%s}]}'):format(added,
        json.encode(name .. ' with {"input":"await \\"a\\""}'))
      local answer = json.parse(run("openai_responses", "demo", body).body)
      assert.equal(1, #answer.output)
      local item = answer.output[1]
      assert.same({ "custom_tool_call", "exec", "functions", 'await "a"' },
        { item.type, item.name, item.namespace, item.input })
    end
  end)
end)

describe("demo told to misbehave", function()
  for dialect in pairs(SAY) do
    it("fails with a status in " .. dialect, function()
      local out = run(dialect, "demo-status-429", say(dialect))
      assert.equal(429, out.status)
      assert.equal("1", out.headers["retry-after"])
      assert.truthy(json.parse(out.body).error.message:find("429", 1, true))
    end)

    it("breaks off in " .. dialect, function()
      local out = run(dialect, "demo-cut-2", say(dialect), { stream = true })
      assert.matches("^upstream: demo%-cut", out.failed)
      assert.equal(2, #events_of(out))
      assert.is_nil(json.parse(run(dialect, "demo-cut", say(dialect)).body))
    end)

    it("sends an error in mid-stream in " .. dialect, function()
      local out = run(dialect, "demo-error-event", say(dialect), { stream = true })
      assert.equal(200, out.status)
      local events = events_of(out)
      assert.truthy(out.body:find("overloaded", 1, true))
      assert.is_nil(types_of(events):find("completed", 1, true) or types_of(events):find("message_stop", 1, true))
      assert.is_nil(out.body:find("[DONE]", 1, true))
    end)

    it("is slow in " .. dialect, function()
      local timer = require("cliproxy.timer")
      local started = timer.now()
      run(dialect, "demo-slow-10", say(dialect), { stream = true })
      assert.is_true(timer.now() - started >= 0.05)
    end)
  end

  it("ends a failed Responses stream with a whole Response, numbered on", function()
    local body = say("openai_responses", ',"text":{"format":{"type":"json_object"}}')
    local events = events_of(run("openai_responses", "demo-error-event", body, { stream = true }))
    for i, event in ipairs(events) do
      assert.equal(i - 1, event.document.sequence_number)
    end
    local failed = events[#events].document.response
    assert.same({ "failed", "server_error", "json_object", events[1].document.response.id },
      { failed.status, failed.error.code, failed.text.format.type, failed.id })
  end)

  it("calls no failure that was asked for one of its key", function()
    assert.equal("client", demo.classify { status = 401 })
  end)

  it("talks at length", function()
    local answer = json.parse(run("openai_chat", "demo-long-500", say "openai_chat").body)
    assert.equal(500, answer.usage.completion_tokens)
  end)

  it("refuses names that mean nothing", function()
    local out = run("openai_chat", "demo-fast-and-furious", say "openai_chat")
    assert.equal(404, out.status)
    assert.equal("model_not_found", json.parse(out.body).error.code)
  end)

  it("refuses to continue from what it never kept", function()
    local out = run("openai_responses", "demo", say("openai_responses", ',"previous_response_id":"resp_1"'))
    local failed = json.parse(out.body).error
    assert.same({ 400, "previous_response_not_found", "previous_response_id" },
      { out.status, failed.code, failed.param })
    out = run("anthropic", "demo", say("anthropic", ',"thread":{"type":"create"}'))
    assert.same({ 400, "thread_unsupported_request" }, { out.status, json.parse(out.body).error.details.error_code })
    assert.equal(200, run("anthropic", "demo", say("anthropic", ',"thread":null')).status)
    assert.equal(200, run("openai_responses", "demo", say("openai_responses", ',"previous_response_id":null')).status)
  end)

  it("survives bodies of the wrong shape", function()
    for _, body in ipairs { "{}", '{"messages":3,"input":{},"contents":"x","tools":[1,null,{}],"tool_choice":[]}',
      '{"messages":[1,null],"input":[1,[]],"contents":[null,3],"system":[{"text":1}],"tools":{"a":1}}',
      '{"messages":[{"role":"user","content":[null,{"text":3}]}],"input":[{"type":3}],'
        .. '"contents":[{"parts":[1]}],"max_tokens":"x"}',
      '{"tool_choice":{"type":3,"name":4,"allowed_tools":5,"function":6},"response_format":{"type":"json_schema",'
        .. '"json_schema":7},"text":{"format":8},"output_config":9,"generationConfig":{"responseMimeType":'
        .. '"application/json","responseSchema":1},"tools":[{"type":"namespace","name":"n","tools":2},'
        .. '{"functionDeclarations":[3]}],"toolConfig":{"functionCallingConfig":{"mode":"any",'
        .. '"allowedFunctionNames":[4]}},"messages":[{"role":"user","content":[{"type":"image","source":5},'
        .. '{"type":"image_url","image_url":6}]},{"role":"tool","content":7}],"input":[{"type":"function_call_output",'
        .. '"output":[8]},{"role":"user","content":[{"type":"input_image","image_url":9}]}],'
        .. '"contents":[{"parts":[{"inlineData":1},{"fileData":{"fileUri":2}},{"functionResponse":3}]}]}' } do
      for dialect in pairs(SAY) do
        assert.equal(200, run(dialect, "demo", body).status, dialect .. " " .. body)
      end
    end
  end)
end)

describe("demo, other operations", function()
  local function other(dialect, operation, body)
    return assert(json.parse(run(dialect, "demo", body, { operation = operation }).body))
  end

  it("counts", function()
    assert.equal(2, other("anthropic", "count",
      '{"model":"demo","messages":[{"role":"user","content":"abcdefg"}]}').input_tokens)
    assert.equal(2, other("gemini", "count", '{"contents":[{"parts":[{"text":"abcdefg"}]}]}').totalTokens)
    assert.equal("response.input_tokens", other("openai_responses", "count", '{"input":"abcdefg"}').object)
  end)

  it("embeds, as numbers and in base64", function()
    local plain = other("openai_chat", "embed", '{"input":["a","b"],"dimensions":5}')
    assert.same({ 2, 5 }, { #plain.data, #plain.data[1].embedding })
    local coded = other("openai_chat", "embed", '{"input":["a","b"],"dimensions":5,"encoding_format":"base64"}')
    local bytes = require("cliproxy.crypto").base64_decode(coded.data[1].embedding)
    assert.equal(20, #bytes)
    local ffi = require("ffi")
    local floats = ffi.new("float[5]")
    ffi.copy(floats, bytes, 20)
    for i = 1, 5 do
      assert.equal(plain.data[1].embedding[i], floats[i - 1])
    end
    assert.equal(64, #other("gemini", "embed", '{"content":{"parts":[{"text":"a"}]}}').embedding.values)
    assert.equal(2, #other("gemini", "embed",
      '{"requests":[{"content":{"parts":[{"text":"a"}]}},{"content":{}}]}').embeddings)
  end)

  it("completes", function()
    local answer = other("openai_chat", "complete", '{"prompt":"Good day"}')
    assert.same({ "text_completion", TEXT }, { answer.object, answer.choices[1].text })
    local events = events_of(run("openai_chat", "demo", '{"prompt":"x"}', { operation = "complete", stream = true }))
    assert.equal("[DONE]", events[#events].data)
  end)
end)
