--- Every recorded answer for clients of the three other dialects: what it says arrives, or the client is told why not.
--- `answer_facts` reads both ends by the letter of their dialects. spec/daemon/translated_replay_spec.lua sends the
--- same answers over sockets, cut in every way.
local answer_facts = require("spec.support.answer_facts")
local automata = require("cliproxy.automata")
local dialects = require("cliproxy.dialects")
local fixtures = require("spec.support.fixtures")
local json = require("cliproxy.json")
local translate_answer = require("cliproxy.translate_answer")
local upstream_error = require("cliproxy.upstream_error")

local DIALECT_OF = { ["openai-chat"] = "openai_chat", ["openai-responses"] = "openai_responses",
  ["anthropic-messages"] = "anthropic", gemini = "gemini" }

-- What a client of each dialect asks: with everything that changes what it is told, and laid out in lines, of which
-- none may come back inside an event.
local ASKED = {
  openai_chat = [[{
    "model": "m",
    "stream_options": { "include_usage": true },
    "messages": [ { "role": "user", "content": "Go on." } ]
  }]],
  openai_responses = [[{
    "model": "m",
    "input": "Go on.",
    "include": [ "reasoning.encrypted_content" ],
    "metadata": {
      "a": "b"
    },
    "tools": [
      {
        "type": "function", "name": "f", "strict": false,
        "parameters": {
          "type": "object"
        }
      }
    ],
    "tool_choice": {
      "type": "function",
      "name": "f"
    },
    "text": {
      "format": {
        "type": "json_object"
      }
    }
  }]],
  anthropic = [[{
    "model": "m",
    "max_tokens": 100,
    "messages": [ { "role": "user", "content": "Go on." } ]
  }]],
  gemini = [[{
    "contents": [ { "role": "user", "parts": [ { "text": "Go on." } ] } ],
    "generationConfig": { "thinkingConfig": { "includeThoughts": true } }
  }]],
}

-- Answers that a client cannot get, and the code of the failure that it gets instead: for all clients, or by client,
-- and where they differ by the form in which the client asked. Everything that is not here arrives.
local FOREIGN = "upstream_untranslatable"
local FAILS = {
  -- The provider failed, and says so.
  ["anthropic-messages/error-midstream-overloaded-stream"] = "upstream_overloaded",
  ["gemini/finish-message-no-content"] = "upstream_failed", -- finishReason OTHER
  ["gemini/unexpected-tool-call"] = "upstream_failed",
  ["openai-chat/compat-midstream-error"] = "upstream_status",
  ["openai-chat/compat-midstream-error-2"] = "upstream_status",
  ["openai-chat/error-midstream-server-error-stream"] = "upstream_status",
  ["openai-responses/error-midstream-quota"] = "upstream_limited",
  ["openai-responses/failed-without-error-event"] = "upstream_status",
  -- Tools that the service ran itself: what they did has no place in another dialect.
  ["anthropic-messages/code-execution"] = FOREIGN,
  ["anthropic-messages/code-execution-stream"] = FOREIGN,
  ["anthropic-messages/mcp-stream"] = FOREIGN,
  ["anthropic-messages/mcp-tool-use"] = FOREIGN,
  ["gemini/code-execution"] = FOREIGN,
  ["gemini/long-stream"] = FOREIGN, -- toolCall and toolResponse
  ["openai-responses/apply-patch-stream"] = FOREIGN,
  ["openai-responses/client-tool-search-stream"] = FOREIGN,
  ["openai-responses/code-interpreter"] = FOREIGN,
  ["openai-responses/mcp"] = FOREIGN,
  ["openai-responses/reasoning-encrypted"] = FOREIGN, -- it ran code, too
  -- Pictures, a history made short, a kind of item that nobody knows.
  ["gemini/empty-parts-stream"] = FOREIGN,
  ["gemini/image-output"] = FOREIGN,
  ["anthropic-messages/compaction"] = FOREIGN,
  ["openai-responses/compaction"] = FOREIGN,
  ["openai-responses/unknown-output-item"] = FOREIGN,
  -- A turn that is to be taken up again.
  ["anthropic-messages/pause-turn"] = FOREIGN,
  -- Arguments that are no object, broken off or free text, where the client's dialect has an object in their place.
  ["openai-chat/length-in-tool-call"] = { anthropic = { whole = FOREIGN }, gemini = FOREIGN },
  ["openai-responses/custom-tool"] = { anthropic = FOREIGN, gemini = FOREIGN },
  ["openai-responses/custom-tool-stream"] = { anthropic = FOREIGN, gemini = FOREIGN },
}

-- Words of the ends ----------------------------------------------------------------------------------------------

local WORDS = {
  openai_chat = { ["end"] = "stop", stop_sequence = "stop", length = "length", tool_calls = "tool_calls",
    refusal = "content_filter", filter = "content_filter" },
  openai_responses = { ["end"] = "completed", stop_sequence = "completed", length = "max_output_tokens",
    tool_calls = "completed", refusal = "content_filter", filter = "content_filter" },
  anthropic = { ["end"] = "end_turn", stop_sequence = "stop_sequence", length = "max_tokens", tool_calls = "tool_use",
    refusal = "refusal", filter = "refusal" },
  gemini = { ["end"] = "STOP", stop_sequence = "STOP", length = "MAX_TOKENS", tool_calls = "STOP", refusal = "SAFETY",
    filter = "SAFETY" },
}

-- What is known of both counts arrives; a client that must have counts is given estimates where they are not known.
local function expected_usage(client, usage, got)
  if not usage or not (usage.input and usage.output) then
    return got
  end
  local function zero(value)
    return value or client == "openai_responses" and 0 or nil
  end
  return {
    input = usage.input, output = usage.output, cached = zero(usage.cached), reasoning = zero(usage.reasoning),
    written = client ~= "gemini" and usage.written or nil,
  }
end

-- What a client should read of an answer.
local function expected(client, said, got)
  local text, refusal = said.text, said.refusal
  if client == "anthropic" or client == "gemini" then
    text, refusal = text .. refusal, ""
  elseif refusal == "" and said.common == "refusal" then
    refusal = said.explanation or ""
  end
  local word = WORDS[client][said.common]
  if client == "openai_responses" and said.common == "refusal" and refusal ~= "" then
    word = "completed"
  end
  return {
    text = text, refusal = refusal, reasoning = (said.reasoning:gsub("\n", "")), calls = said.calls, word = word,
    usage = expected_usage(client, said.usage, got.usage),
    sequence = client == "anthropic" and said.sequence or nil,
    explanation = (client == "anthropic" and word == "refusal" or client == "gemini" and word == "SAFETY")
      and said.explanation or nil,
  }
end

local function in_words(got)
  return {
    text = got.text, refusal = got.refusal, reasoning = (got.reasoning:gsub("\n", "")), calls = got.calls,
    word = got.word, usage = got.usage, sequence = got.sequence, explanation = got.explanation,
  }
end

-- Translations ----------------------------------------------------------------------------------------------------

local function work_of(client, upstream, framing)
  local codec = dialects.of(client)
  local document = json.parse(ASKED[client])
  local conversation = assert(codec.decode_request(document, { model = "m", stream = true, version = "2023-06-01" }))
  json.close(document)
  local context = {
    id = "req_0123456789", conversation = conversation, framing = framing,
    target = { dialect = upstream, provider = "up", model = "m", caps = {} },
    remember = function() end, estimate = function() return 11 end,
  }
  return {
    id = context.id, dialect = client, framing = framing, operation = "generate",
    target = { instance = { name = "up" }, model = "m" },
    translation = { client = codec, upstream = dialects.of(upstream), conversation = conversation, context = context },
  }
end

local function each_event(list)
  local i = 0
  return function()
    i = i + 1
    return list[i]
  end
end

-- The bytes of the client's stream, and how it failed.
local function streamed(work, fixture)
  local stream, out = translate_answer.stream(work), {}
  if fixture.stream then
    for event in each_event(answer_facts.events(fixture.answer)) do
      stream.feed(event)
      out[#out + 1] = stream.take()
    end
    stream.feed(nil)
  else
    local document = json.parse(fixture.answer)
    stream.play(document)
    json.close(document)
  end
  out[#out + 1] = stream.take()
  assert(stream.failure or stream.finished, "the stream neither failed nor finished")
  return table.concat(out), stream.failure
end

local function collected(work, fixture)
  if fixture.stream then
    local stream = translate_answer.collector(work)
    for event in each_event(answer_facts.events(fixture.answer)) do
      stream.feed(event)
    end
    stream.feed(nil)
    assert(stream.failure or stream.finished, "the stream neither failed nor finished")
    if stream.failure then
      return nil, stream.failure
    end
    return stream.body()
  end
  local document = json.parse(fixture.answer)
  local body, failure = translate_answer.whole(work, document)
  json.close(document)
  return body, failure
end

-- What must be told instead of an answer; nil: it must arrive.
local function failure_of(name, client, form)
  local row = FAILS[name]
  row = type(row) == "table" and (row[client] or {}) or row
  return type(row) == "table" and row[form] or type(row) == "string" and row or nil
end

local function same_failure(code, failure)
  assert(failure, "it arrived, although it should fail: " .. code)
  assert.equal(code, failure.code, failure.text)
end

local function check_whole(fixture, client, upstream, said)
  local body, failure = collected(work_of(client, upstream, "sse"), fixture)
  local code = failure_of(fixture.name, client, "whole")
  if code then
    assert.is_nil(body)
    return same_failure(code, failure)
  end
  assert(body, failure and "it failed: " .. failure.code .. ": " .. failure.text)
  assert.same({}, automata.whole(client, body))
  local got = answer_facts.whole(client, body)
  assert.same(expected(client, said, got), in_words(got))
end

local function check_stream(fixture, client, upstream, said, framing)
  local bytes, failure = streamed(work_of(client, upstream, framing), fixture)
  local counted = said.usage and (said.usage.input or said.usage.output) and true
  local checker = automata.stream(client, { framing = framing, wants_usage = counted or "if_known" })
  checker:feed(bytes)
  local violations, how = checker:finish(), checker:ended()
  local got = answer_facts.stream(client, bytes, framing)
  local code = failure_of(fixture.name, client, "stream")
  if code then
    same_failure(code, failure)
    assert.same({ {}, "error" }, { violations, how })
    return assert.equal(failure.text, got.failed)
  end
  assert(not failure, failure and "it failed: " .. failure.code .. ": " .. failure.text)
  assert.same({ {}, "clean" }, { violations, how })
  assert.same(expected(client, said, got), in_words(got))
end

-- Error bodies ----------------------------------------------------------------------------------------------------

-- The message of an error body, wherever services put it.
local function message_of(document)
  if json.kind(document) == "array" then
    document = document[1]
  end
  local failed = document.error
  return json.kind(failed) == "object" and failed.message or failed or document.message or document.detail
end

local function check_error(fixture, client, upstream)
  local work = work_of(client, upstream, "sse")
  local failure = translate_answer.failed(work, {
    status = fixture.status, held = fixture.answer, header = function() end,
  }, "")
  local document = json.parse(fixture.answer)
  local message = message_of(document)
  local words = message:gsub("%s+", " "):sub(1, 40):gsub("%.$", "")
  local body = dialects.of(client).envelope(failure, work.id)
  assert.same({}, automata.error(client, body))
  local told = message_of(json.parse(body)):gsub("%s+", " ")
  assert.truthy(told:find(words, 1, true), ("%q does not tell %q"):format(told, words))
  assert.is_true(failure.status >= 400)
  assert.equal(upstream_error.is_overflow(message), failure.code == "context_length")
end

-- All of them -----------------------------------------------------------------------------------------------------

local list = fixtures.answers()

describe("recorded answers", function()
  if not list then
    return pending("there is no folder of them at " .. fixtures.folder)
  end
  local seen, arrived, failed = {}, 0, 0

  for _, fixture in ipairs(list) do
    local upstream = DIALECT_OF[fixture.dialect]
    local is_answer = upstream and not fixture.name:find("embed", 1, true)
    for _, client in ipairs(is_answer and dialects.names or {}) do
      if client ~= upstream and fixture.status >= 400 then
        it(("tell what went wrong: %s to %s"):format(fixture.name, client), function()
          check_error(fixture, client, upstream)
        end)
      elseif client ~= upstream then
        seen[fixture.name] = true
        it(("say the same: %s to %s"):format(fixture.name, client), function()
          local read = fixture.stream and answer_facts.stream or answer_facts.whole
          local said = read(upstream, fixture.answer)
          check_whole(fixture, client, upstream, said)
          check_stream(fixture, client, upstream, said, "sse")
          if client == "gemini" then
            check_stream(fixture, client, upstream, said, "json_array")
          end
          local forms = { failure_of(fixture.name, client, "whole"), failure_of(fixture.name, client, "stream") }
          arrived = arrived + (next(forms) and 0 or 1)
          failed = failed + (next(forms) and 1 or 0)
        end)
      end
    end
  end

  it("are what the table of failures knows, and mostly arrive", function()
    for name in pairs(FAILS) do
      assert(seen[name], name .. " is in the table, but there is no such answer")
    end
    assert.is_true(arrived > 600 and failed > 20, ("%d arrived, %d failed"):format(arrived, failed))
  end)
end)
