--- Streams of Gemini providers, and streams for Gemini clients; recorded answers of both kinds.
local automata = require("cliproxy.automata")
local cjson = require("cjson")
local conversation = require("cliproxy.conversation")
local errors = require("cliproxy.errors")
local fixtures = require("spec.support.fixtures")
local gemini = require("cliproxy.dialects.gemini")
local json = require("cliproxy.json")
local literal = require("cliproxy.literal")
local opaque = require("cliproxy.opaque")

local function context(framing)
  return {
    id = "req_abc123", framing = framing or "sse", remember = function() end, estimate = function() return 1 end,
    conversation = conversation.new("anthropic", { model = "m", stream = true }, {}),
    target = { dialect = "gemini", provider = "google", model = "gemini-x", caps = {} },
  }
end

-- A sink that writes down its calls: { name, argument, argument }.
local function recorder()
  local log = {}
  local sink = setmetatable({}, { __index = function(_, name)
    return function(...)
      log[#log + 1] = { name, ... }
    end
  end })
  return sink, log
end

-- The calls that a decoder makes of events, and of the end unless `cut`.
local function play(events, cut)
  local sink, log = recorder()
  local decode = gemini.stream_decoder(context(), sink)
  for _, data in ipairs(events) do
    decode { data = data }
  end
  if not cut then
    decode(nil)
  end
  return log
end

local function names(log)
  local out = {}
  for i, row in ipairs(log) do
    out[i] = row[1]
  end
  return table.concat(out, " ")
end

local function chunk(parts, more, rest)
  return '{"candidates":[{"content":{"role":"model","parts":' .. parts .. '},"index":0' .. (more or "") .. "}]"
    .. (rest or "") .. "}"
end

describe("a Gemini provider's stream", function()
  it("is told as it comes, and ends with its message", function()
    local usage = ',"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":%d},"modelVersion":"M",'
      .. '"responseId":"R"'
    local log = play { chunk('[{"text":"hm","thought":true}]', "", usage:format(1)),
      chunk('[{"text":"a\\ud83d"}]', "", usage:format(2)), chunk('[{"text":"\\ude00"}]', "", usage:format(3)),
      chunk('[{"text":""}]', ',"finishReason":"STOP"', usage:format(4)) }
    assert.same({ { "start", { id = "R", model = "M", usage = { input = 5, output = 1 } } }, { "reasoning", '"hm"' },
      { "text", '"a\\ud83d"' }, { "text", '"\\ude00"' }, { "usage", { input = 5, output = 4 } }, { "stop", "end", {} },
      { "finish" } }, log)
  end)

  it("has calls whole, and remembers them for an end that comes later", function()
    local log = play { chunk('[{"functionCall":{"name":"f","args":{"a":"\\u00e9"}},"thoughtSignature":"S"},'
      .. '{"functionCall":{"name":"g","id":"i"}}]'), chunk('[{"text":""}]', ',"finishReason":"STOP"') }
    assert.same({ { "start", {} }, { "state", { kind = "thought", data = "S" } },
      { "tool_start", 1, { name = "f" } }, { "tool_delta", 1, '"{\\"a\\":\\"\\\\u00e9\\"}"' },
      { "tool_end", 1 }, { "tool_start", 2, { id = "i", name = "g" } }, { "tool_delta", 2, '"{}"' }, { "tool_end", 2 },
      { "stop", "tool_calls", {} }, { "finish" } }, log)
    assert.equal("length", play { chunk('[{"functionCall":{"name":"f"}}]', ',"finishReason":"MAX_TOKENS"') }[5][2])
  end)

  it("may say why it ended without a content", function()
    for _, candidate in ipairs { '{"finishReason":"SAFETY"}', '{"finishReason":"SAFETY","index":0}',
      '{"content":{},"finishReason":"SAFETY"}' } do
      local log = play { chunk('[{"text":"a"}]'), '{"candidates":[' .. candidate .. "]}" }
      assert.same({ "start text stop finish", "filter" }, { names(log), log[3][2] })
    end
  end)

  it("is not cut in two by a signature within a text", function()
    assert.equal("start text text state stop finish", names(play { chunk('[{"text":"a"}]'),
      chunk('[{"text":"b","thoughtSignature":"S"}]', ',"finishReason":"STOP"') }))
    assert.equal("start state text stop finish", names(play { chunk('[{"text":"b","thoughtSignature":"S"}]') }))
  end)

  it("puts arguments in pieces together", function()
    local function call(members)
      return chunk('[{"functionCall":{' .. members .. "}}]")
    end
    local log = play { call('"name":"f","id":"i","willContinue":true'),
      call('"partialArgs":[{"jsonPath":"$.a.b[0].c","stringValue":"x\\u00e9","willContinue":true}],'
        .. '"willContinue":true'),
      call('"partialArgs":[{"jsonPath":"$.a.b[0].c","stringValue":"y"}],"willContinue":true'),
      call('"willContinue":true'),
      call('"partialArgs":[{"jsonPath":"$.a.b[1]","numberValue":1.50},{"jsonPath":"$[\'d e\']","boolValue":false},'

          .. '{"jsonPath":"$.n","nullValue":"NULL_VALUE"},{"jsonPath":"$.list[1]","stringValue":""}],'
        .. '"willContinue":true'),
      call(""), call(""), chunk('[{"text":"t"}]', ',"finishReason":"STOP"') }
    assert.equal("start tool_start tool_delta tool_end text stop finish", names(log))
    assert.equal('{"a":{"b":[{"c":"x\\u00e9y"},1.50]},"d e":false,"n":null,"list":[null,""]}',
      literal.text(log[3][3]))
  end)

  it("ends calls in pieces with their stream, too, and fails where pieces have no place", function()
    local first = chunk('[{"functionCall":{"name":"f","willContinue":true}}]')
    assert.equal("start tool_start tool_delta tool_end stop finish", names(play { first }))
    for _, piece in ipairs { "1", '{"jsonPath":"a","stringValue":"x"}', '{"jsonPath":"$[9999999]","stringValue":"x"}',
      '{"jsonPath":"$.a","stringValue":1}', '{"jsonPath":"$[0]","stringValue":"x"}',
        '{"jsonPath":"$.a..b","boolValue":true}' } do
      local log = play { first, chunk('[{"functionCall":{"partialArgs":[' .. piece .. "]}}]") }
      assert.same({ "fail", "upstream_malformed" }, { log[2][1], log[2][2].code })
      assert.equal(2, #log)
    end
  end)

  it("names sources once, though each chunk repeats them", function()
    local sources = ',"citationMetadata":{"citationSources":[{"uri":"u"}]}'
    local log = play { chunk('[{"text":"a"}]', sources), chunk('[{"text":"b"}]', sources .. ',"finishReason":"STOP"') }
    assert.equal("start text citation text stop finish", names(log))
  end)

  it("is filtered where the prompt was blocked", function()
    local log = play { '{"promptFeedback":{"blockReason":"SAFETY"}}' }
    assert.same({ "stop", "filter", { explanation = '"The prompt was blocked: SAFETY"' } }, log[2])
    assert.equal("start stop finish", names(log))
  end)

  it("may end without a finishReason, but not without a candidate", function()
    assert.equal("start text stop finish", names(play { chunk('[{"text":"a"}]') }))
    assert.equal("start stop finish", names(play { '{"candidates":[{"content":{}}]}' }))
    local log = play { '{"usageMetadata":{"promptTokenCount":1}}' }
    assert.same({ "start fail", "upstream_unfinished" }, { names(log), log[2][2].code })
    assert.same({ "fail", "upstream_unfinished" }, { names(play {}), play {}[1][2].code })
  end)

  it("fails once, with what it says", function()
    for _, data in ipairs { '{ "error": {"code":429,"message":"slow down","status":"RESOURCE_EXHAUSTED"} }',
      '[{"error":{"code":429,"message":"slow down","status":"RESOURCE_EXHAUSTED"}}]', '{"error":{"code":429}}' } do
      local log = play { chunk('[{"text":"a"}]'), data, chunk('[{"text":"b"}]') }
      assert.same({ "start text fail", "upstream_limited" }, { names(log), log[3][2].code })
    end
    local log = play { chunk('[{"text":"a"}]'), chunk("[]", ',"finishReason":"MALFORMED_FUNCTION_CALL"') }
    assert.same({ "start text fail", "upstream_failed" }, { names(log), log[3][2].code })
    for _, data in ipairs { "nonsense", "7", "[7]" } do
      assert.equal("upstream_malformed", play { data }[1][2].code)
    end
    assert.equal("start text stop finish", names(play { "", chunk('[{"text":"a"}]'), "[DONE]" }))
  end)
end)

-- For clients -----------------------------------------------------------------------------------------------------

local function encoder(framing, reasoning)
  local at, out = context(framing), {}
  at.conversation.reasoning = reasoning
  local sink = gemini.stream_encoder(at, function(bytes)
    out[#out + 1] = bytes
  end)
  return sink, out, function()
    local bytes = table.concat(out)
    local checker = automata.stream("gemini", { framing = framing or "sse" })
    checker:feed(bytes)
    assert.same({}, checker:finish())
    return bytes, checker:ended()
  end
end

describe("a stream for a Gemini client", function()
  it("is one event a fragment, with usage in each and the end in the last", function()
    local sink, out, whole = encoder()
    sink.start { id = "R", model = "M", usage = { input = 3 } }
    sink.text('"a\\ud83d"')
    sink.text('"\\ude00"')
    sink.usage { input = 3, output = 2 }
    sink.text('""')
    sink.stop("end")
    sink.usage { input = 3, output = 4, reasoning = 1 }
    sink.finish()
    local identity = ',"modelVersion":"M","responseId":"R"}\r\n\r\n'
    local first = ',"usageMetadata":{"promptTokenCount":3,"totalTokenCount":3}'
    assert.same({
      'data: {"candidates":[{"content":{"parts":[{"text":"a\\ud83d"}],"role":"model"},"index":0}]' .. first .. identity,
      'data: {"candidates":[{"content":{"parts":[{"text":"\\ude00"}],"role":"model"},"index":0}]' .. first .. identity,
      'data: {"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"STOP","index":0}],'
        .. '"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":3,"totalTokenCount":7,"thoughtsTokenCount":1}'
        .. identity,
    }, out)
    assert.equal("clean", select(2, whole()))
  end)

  it("is one array without alt=sse", function()
    local sink, out, whole = encoder("json_array")
    sink.start {}
    sink.text('"a"')
    sink.text('"b"')
    sink.stop("length")
    sink.finish()
    assert.equal("[{", out[1]:sub(1, 2))
    assert.equal(",\r\n{", out[2]:sub(1, 4))
    assert.equal("}]", out[3]:sub(-2))
    local document = json.parse((whole()))
    assert.same({ 3, "a", "b", "MAX_TOKENS" }, { #document, document[1].candidates[1].content.parts[1].text,
      document[2].candidates[1].content.parts[1].text, document[3].candidates[1].finishReason })
  end)

  it("has calls whole and in the order in which they began", function()
    local sink, _, whole = encoder()
    sink.start {}
    sink.state { kind = "signature", data = "S" }
    sink.tool_start(1, { id = "x", name = "f" })
    sink.tool_delta(1, '"{\\"a\\":"')
    sink.tool_start(2, { id = "y", name = "g" })
    sink.tool_end(2)
    sink.tool_delta(1, '"[]}"')
    sink.tool_end(1)
    sink.stop("tool_calls")
    sink.finish()
    local bytes = whole()
    local signature,
      rest = bytes:match('"functionCall":{"name":"f","args":{"a":%[%]},"id":"x"},"thoughtSignature":"(.-)"}(.*)$')
    assert.same({ kind = "signature", data = "S", origin = { dialect = "gemini", provider = "google",
      model = "gemini-x" } },
      opaque.open(signature, "thought"))
    assert.truthy(rest:find('{"functionCall":{"name":"g","args":{},"id":"y"}}', 1, true))
    assert.truthy(rest:find('"finishReason":"STOP"', 1, true))
  end)

  it("has the arguments of a call in one line", function()
    local sink, _, whole = encoder()
    sink.start {}
    sink.tool_start(1, { id = "x", name = "f" })
    sink.tool_delta(1, '"{\\n  \\"a\\": \\"b\\\\nc\\",\\r\\n  \\"d\\": [ ]\\n}"')
    sink.tool_end(1)
    sink.stop("tool_calls")
    sink.finish()
    assert.truthy(whole():find('"args":{  "a": "b\\nc",  "d": [ ]}', 1, true))
  end)

  for stop, words in pairs { tool_calls = "the arguments of a call of f are no JSON object",
    length = "the answer reached its longest in the middle of a call of f, whose arguments are cut" } do
    it("fails where the arguments of a call are no object, and ends so: " .. stop, function()
      for _, framing in ipairs { "sse", "json_array" } do
        local sink, out, whole = encoder(framing)
        sink.start {}
        sink.text('"a"')
        sink.tool_start(1, { id = "x", name = "f" })
        sink.tool_delta(1, '"{\\"a"')
        sink.tool_end(1)
        sink.tool_start(2, { id = "y", name = "g" })
        sink.tool_end(2)
        sink.stop(stop)
        local count = #out
        sink.text('"b"')
        sink.finish()
        assert.equal(count, #out)
        local bytes, how = whole()
        assert.equal("error", how)
        assert.truthy(bytes:find(words, 1, true))
        assert.is_nil(bytes:find("functionCall", 1, true))
      end
    end)
  end

  it("fails where a call that never ended has half its arguments", function()
    local sink, _, whole = encoder("sse")
    sink.start {}
    sink.tool_start(1, { id = "x", name = "f" })
    sink.tool_delta(1, '"{\\"a"')
    sink.stop("length")
    sink.finish()
    local bytes, how = whole()
    assert.equal("error", how)
    assert.truthy(bytes:find("whose arguments are cut", 1, true))
  end)

  it("tells thoughts only to those that asked", function()
    local function run(reasoning)
      local sink, _, whole = encoder("sse", reasoning)
      sink.start {}
      sink.reasoning('"hm"')
      sink.state { kind = "signature", data = "S1" }
      sink.state { kind = "redacted", data = "S2" }
      sink.text('"a"')
      sink.text('"b"')
      sink.state { kind = "signature", data = "S3" }
      sink.stop("end")
      sink.finish()
      return (whole())
    end
    local seen = run { visible = true, where = "" }
    assert.truthy(seen:find('{"text":"hm","thought":true}', 1, true))
    local hidden = run(nil)
    assert.is_nil(hidden:find("hm", 1, true))
    local data = {}
    for words, signature in hidden:gmatch('{"text":"(%a*)","thoughtSignature":"(.-)"}') do
      data[#data + 1] = words .. opaque.open(signature, "thought").data
    end
    assert.same({ "S1", "aS2", "S3" }, data)
    assert.truthy(hidden:find('[{"text":"b"}]', 1, true))
  end)

  it("names sources and reasons in its last chunk", function()
    local sink, out, whole = encoder()
    sink.start {}
    sink.text('"a"')
    sink.citation { kind = "url", url = '"u"' }
    sink.stop("refusal", { explanation = '"why"' })
    sink.finish()
    assert.truthy(out[#out]:find('"finishReason":"SAFETY","finishMessage":"why","index":0,'
      .. '"groundingMetadata":{"groundingChunks":[{"web":{"uri":"u"}}]}}]', 1, true))
    whole()
  end)

  it("ends in an error in both framings, whether something was written or not", function()
    local failure = errors.new("upstream_overloaded", { provider = "p", text = "busy" })
    for _, framing in ipairs { "sse", "json_array" } do
      for _, begun in ipairs { true, false } do
        local sink, _, whole = encoder(framing)
        sink.start {}
        if begun then
          sink.text('"a"')
        end
        sink.fail(failure)
        sink.text('"b"')
        sink.finish()
        local bytes, how = whole()
        assert.equal("error", how)
        assert.is_nil(bytes:find('"b"', 1, true))
        if framing == "json_array" then
          assert.equal(begun and 2 or 1, #json.parse(bytes))
        end
      end
    end
  end)
end)

-- Recorded answers -----------------------------------------------------------------------------------------------

-- Events of a recording: of any line ends; arrays as their elements.
local function events_of(fixture)
  local out = {}
  local bytes = fixture.answer:gsub("\r\n", "\n")
  if not fixture.stream then
    return nil
  end
  for event in (bytes .. "\n\n"):gmatch("(.-)\n\n+") do
    out[#out + 1] = event:match("^data: ?(.*)$")
  end
  return out
end

-- What a recording says, read apart from the codec: text, thoughts, calls in order, finish, usage, whether it is none.
local FAILED = { executableCode = true, codeExecutionResult = true, inlineData = true, toolCall = true,
  toolResponse = true }
local ENDS = { STOP = "end", MAX_TOKENS = "length", SAFETY = "filter", RECITATION = "filter" }

local function add_part(said, part)
  for key in pairs(FAILED) do
    said.fails = said.fails or part[key] ~= nil
  end
  if part.text then
    local key = part.thought and "thoughts" or "text"
    said[key] = said[key] .. part.text
  end
  local call = part.functionCall
  if call and call.name then
    said.calls[#said.calls + 1] = { name = call.name, args = not call.willContinue and (call.args or {}) or nil }
  end
end

local function add_chunk(said, document)
  local candidate = (document.candidates or {})[1]
  said.fails = said.fails or document.error ~= nil
  said.usage = document.usageMetadata or said.usage
  if candidate then
    for _, part in ipairs((candidate.content or {}).parts or {}) do
      add_part(said, part)
    end
    local reason = candidate.finishReason
    if reason then
      said.stop = type(reason) == "string" and ENDS[reason] or reason == 1 and "end" or nil
      said.fails = said.fails or not said.stop
    end
  elseif document.promptFeedback then
    said.stop = "filter"
  end
end

local function said_by(documents)
  local said = { text = "", thoughts = "", calls = {}, stop = "end" }
  for _, document in ipairs(documents) do
    add_chunk(said, document)
  end
  if said.stop == "end" and said.calls[1] then
    said.stop = "tool_calls"
  end
  local u = said.usage
  if u and u.promptTokenCount then
    said.input = u.promptTokenCount + (u.toolUsePromptTokenCount or 0)
    said.output = u.totalTokenCount and u.totalTokenCount - said.input
    if u.candidatesTokenCount or u.thoughtsTokenCount then
      said.output = (u.candidatesTokenCount or 0) + (u.thoughtsTokenCount or 0)
    end
  end
  return said
end

-- What the codec told of it, in the same words.
local function told_of_log(log)
  local told = { text = "", thoughts = "", calls = {} }
  for _, row in ipairs(log) do
    local name, a, b = row[1], row[2], row[3]
    if name == "text" then
      told.text = told.text .. literal.text(a)
    elseif name == "reasoning" then
      told.thoughts = told.thoughts .. literal.text(a)
    elseif name == "tool_start" then
      told.calls[a] = { name = b.name, id = b.id, args = "" }
    elseif name == "tool_delta" then
      told.calls[a].args = told.calls[a].args .. literal.text(b)
    elseif name == "usage" then
      told.usage = a
    elseif name == "stop" then
      told.stop = a
    elseif name == "fail" then
      told.failure = a
    end
  end
  return told
end

local function told_of_answer(answer, failure)
  local told = { text = "", thoughts = "", calls = {}, failure = failure }
  for _, part in ipairs(answer and answer.parts or {}) do
    if part.kind == "text" then
      told.text = told.text .. literal.text(part.text)
    elseif part.kind == "reasoning" and part.text then
      told.thoughts = told.thoughts .. literal.text(part.text)
    elseif part.kind == "tool_call" then
      told.calls[#told.calls + 1] = { name = part.name, id = part.id, args = part.input }
    end
  end
  told.usage, told.stop = answer and answer.usage, answer and answer.stop
  return told
end

local function compare(name, said, told)
  if said.fails then
    return assert.truthy(told.failure, name .. " should fail")
  end
  assert.is_nil(told.failure, name .. ": " .. tostring(told.failure and told.failure.text))
  assert.same({ said.text, said.thoughts, said.stop, #said.calls },
    { told.text, told.thoughts, told.stop, #told.calls }, name)
  for i, call in ipairs(said.calls) do
    assert.equal(call.name, told.calls[i].name, name)
    if call.args then
      assert.same(call.args, cjson.decode(told.calls[i].args), name)
    end
  end
  if said.input then
    assert.same({ said.input, said.output, said.usage.thoughtsTokenCount, said.usage.cachedContentTokenCount },
      { told.usage.input, told.usage.output, told.usage.reasoning, told.usage.cached }, name)
  end
end

local function recorded(want_stream, run)
  local list = fixtures.answers()
  if not list then
    return pending("no recorded exchanges beside the repository")
  end
  local seen = 0
  for _, fixture in ipairs(list) do
    if fixture.dialect == "gemini" and fixture.stream == want_stream and fixture.status == 200
      and not fixture.name:find("embed", 1, true) then
      seen = seen + 1
      run(fixture)
    end
  end
  return seen
end

describe("recorded Gemini answers", function()
  it("give all that they hold as streams", function()
    local seen = recorded(true, function(fixture)
      local events, documents = events_of(fixture), {}
      for i, data in ipairs(events) do
        documents[i] = cjson.decode(data)
      end
      compare(fixture.name, said_by(documents), told_of_log(play(events)))
    end)
    assert.is_true(not seen or seen > 15)
  end)

  it("give all that they hold as wholes, and as streams of an array", function()
    local seen = recorded(false, function(fixture)
      local plain = cjson.decode(fixture.answer)
      local said = said_by(plain[1] and plain or { plain })
      local document = json.parse(fixture.answer)
      compare(fixture.name, said, told_of_answer(gemini.decode_response(document, context())))
      local elements = {}
      if json.kind(document) == "array" then
        for i in json.each(document) do
          elements[i] = json.raw(document, i)
        end
      else
        elements[1] = fixture.answer
      end
      json.close(document)
      compare(fixture.name, said, told_of_log(play(elements)))
    end)
    assert.is_true(not seen or seen > 25)
  end)

  it("put recorded arguments in pieces together", function()
    local names_of = {}
    recorded(true, function(fixture)
      if fixture.name == "gemini/partial-args-nested-stream" then
        local args = cjson.decode(told_of_log(play(events_of(fixture))).calls[1].args)
        names_of[1] = { args.recipe.name, args.recipe.ingredients[1].amount, args.recipe.ingredients[10].name ~= nil,
          args.recipe.steps[10] }
      elseif fixture.name == "gemini/partial-args-missing-terminal-stream" then
        local args = cjson.decode(told_of_log(play(events_of(fixture))).calls[1].args)
        names_of[2] = { #args.operations, args.operations[1].action, args.operations[2].itemid,
          args.operations[2].price }
      end
    end)
    if names_of[1] then
      assert.same({ { "Lasagna", "16 oz", true, "Let stand for 15 minutes before serving." },
        { 2, "add", "banana_001", 0.3 } }, names_of)
    end
  end)
end)
