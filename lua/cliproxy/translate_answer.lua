--- Answers on their way back through a translation: errors, whole answers, streams.
local custom_tools = require("cliproxy.custom_tools")
local dialects = require("cliproxy.dialects")
local embeddings = require("cliproxy.dialects.embeddings")
local errors = require("cliproxy.errors")
local json = require("cliproxy.json")
local replay = require("cliproxy.replay")
local secrets = require("cliproxy.secrets")
local system = require("cliproxy.system")
local tool_names = require("cliproxy.tool_names")
local upstream_error = require("cliproxy.upstream_error")

local M = {}

--- Bytes of fragments in one stream. Encoders hold them: some dialects repeat the whole at the end. The longest answers
--- of models have some hundred thousand.
M.HELD_MAX = 64 * 1024 * 1024

local DELAY_MAX = 86400 -- seconds

-- Gemini tells the time to wait in its body: "34.4s".
local function retry_delay(document)
  local failed = json.kind(document) == "object" and document.error
  local details = json.kind(failed) == "object" and failed.details
  if json.kind(details) ~= "array" then
    return nil
  end
  for _, detail in json.each(details) do
    local delay = json.kind(detail) == "object" and detail.retryDelay
    local seconds = type(delay) == "string" and tonumber(delay:match("^([%d.]+)s$"))
    if seconds then
      return ("%d"):format(math.min(math.ceil(seconds), DELAY_MAX))
    end
  end
end

--- A failure as the client's dialect has it: Anthropic's own status for overload, its own alone for what is not paid,
--- and no word of cliproxy's key.
---@param work cliproxy.Work
---@param failure cliproxy.Failure
---@return cliproxy.Failure
function M.for_client(work, failure)
  if failure.code == "upstream_overloaded" and work.dialect == "anthropic" then
    failure.status = 529
  elseif failure.code == "upstream_billing" and work.dialect ~= "anthropic" then
    failure.status = 429
  end
  failure.text = secrets.hide(work, failure.text)
  return failure
end

--- A provider's failed answer (status ≥ 400, body held) as a failure for the client.
---@param work cliproxy.Work
---@param reply cliproxy.Reply
---@param said string what `decide` read of it
---@return cliproxy.Failure
function M.failed(work, reply, said)
  local translation = work.translation
  local document = json.parse(reply.held)
  local inner = document
  if json.kind(document) == "array" then
    inner = document[1]
  end
  local own_error = dialects.of(translation.context.target.dialect).own_error
  local message, code = own_error(inner)
  local failure = upstream_error.failure(translation.context.target, reply.status, message or said, code)
  local delay = not reply:header("retry-after") and retry_delay(inner)
  if delay then
    failure.headers = failure.headers or {}
    failure.headers["retry-after"] = delay
  end
  if json.kind(document) == "object" or json.kind(document) == "array" then
    json.close(document)
  end
  return M.for_client(work, failure)
end

-- Decoders give the ids of calls as the server has them.
local function name_calls(parts, request)
  local taken, calls = {}, 0
  for i = 1, #parts do
    local part = parts[i]
    if part.kind == "tool_call" then
      calls = calls + 1
      part.id = tool_names.unique_id(taken, part.id, request, calls)
    end
  end
end

local function decode(work, document)
  local translation = work.translation
  if work.operation == "count" then
    local count = translation.upstream.decode_count(document)
    if not count then
      return nil, errors.new("upstream_malformed", { provider = work.target.instance.name,
        title = translation.upstream.title, text = "it holds no count of tokens" })
    end
    return count
  elseif work.operation == "embed" then
    return embeddings.decode_response(translation.context.target.dialect, document, translation.context)
  end
  local answer, failure = translation.upstream.decode_response(document, translation.context)
  if answer then
    name_calls(answer.parts, work.id)
    if translation.lowered then
      custom_tools.raise(answer, translation.lowered)
    end
  end
  return answer, failure
end

local function encode(work, answer)
  local translation = work.translation
  if work.operation == "count" then
    return translation.client.encode_count(answer)
  elseif work.operation == "embed" then
    return embeddings.encode_response(work.dialect, answer, translation.common, translation.context)
  end
  return translation.client.encode_response(answer, translation.context)
end

--- A whole answer's document as the client's body.
---@param work cliproxy.Work
---@param document any
---@return string? body
---@return cliproxy.Failure? failure
function M.whole(work, document)
  local kind = json.kind(document)
  if kind ~= "object" and kind ~= "array" then
    return nil, errors.new("upstream_malformed", { provider = work.target.instance.name,
      title = work.translation.upstream.title or "an answer", text = "it is " .. tostring(kind) })
  end
  local answer, failure = decode(work, document)
  if not answer then
    return nil, M.for_client(work, failure)
  end
  local body
  body, failure = encode(work, answer)
  return body, failure and M.for_client(work, failure)
end

---@class cliproxy.AnswerStream a stream under way to the client
---@field feed fun(event: cliproxy.Event?) an event of the upstream; nil: its message ended cleanly
---@field fail fun(failure: cliproxy.Failure) what broke on the way
---@field play fun(document: cliproxy.json.Node) a whole answer, as a stream
---@field take fun(): string what is to be sent now; "" where nothing is
---@field example fun(): cliproxy.Literal? what the last event was about, where it was one fragment and nothing else
---@field absorb fun(count: integer, contents: string, made?: string) fragments like the last example that went past Lua
---@field failure? cliproxy.Failure how it failed
---@field finished boolean the client's last event is made

-- Notes what a decoder says of one event: lanes learn from events that are one fragment. Usage may come beside it: the
-- last one counts, and the lane keeps it. `bytes` is of all fragments so far. Calls get the ids that the client knows.
local function watched(sink, request)
  local seen = { calls = 0, bytes = 0 }
  local out = { usage = sink.usage, fail = sink.fail, finish = sink.finish }
  local refusal, tool_start, tool_delta, taken = sink.refusal, sink.tool_start, sink.tool_delta, {}
  function out.refusal(fragment)
    seen.calls, seen.bytes = seen.calls + 2, seen.bytes + #fragment
    return refusal(fragment)
  end
  function out.tool_start(i, call)
    seen.calls = seen.calls + 2
    call.id = tool_names.unique_id(taken, call.id, request, i)
    return tool_start(i, call)
  end
  function out.tool_delta(i, fragment)
    seen.calls, seen.bytes = seen.calls + 2, seen.bytes + #fragment
    return tool_delta(i, fragment)
  end
  for _, name in ipairs { "start", "state", "citation", "tool_end", "stop" } do
    local fn = sink[name]
    out[name] = function(...)
      seen.calls = seen.calls + 2
      return fn(...)
    end
  end
  for _, name in ipairs { "text", "reasoning" } do
    local fn = sink[name]
    out[name] = function(fragment)
      seen.calls, seen.kind, seen.fragment = seen.calls + 1, name, fragment
      seen.bytes = seen.bytes + #fragment
      return fn(fragment)
    end
  end
  return out, seen
end

local function endless(work)
  return errors.new("upstream_event_too_big", { provider = work.target.instance.name,
    text = "its stream does not end" })
end

-- Ends that count once.
local function guard_ends(self, work, sink)
  local fail, finish = sink.fail, sink.finish
  function sink.fail(failure)
    if not (self.failure or self.finished) then
      self.failure = M.for_client(work, failure)
      fail(self.failure)
    end
  end
  function sink.finish()
    if not (self.failure or self.finished) then
      finish()
      self.finished = true
    end
  end
  self.fail = sink.fail
end

-- Feeds a decoder up to the end, whichever it is.
local function feeder(self, work, sink, seen)
  local translation = work.translation
  local decoder = translation.upstream.stream_decoder(translation.context, sink)
  return function(event)
    if not (self.failure or self.finished) then
      seen.calls = 0
      decoder(event)
      if seen.bytes > M.HELD_MAX then
        self.fail(endless(work))
      end
    end
  end
end

-- In sanitized builds: what a stream's automaton finds wrong with what was made is an error of ours.
local function checker(work, self)
  if not system.checked or work.operation ~= "generate" then
    return nil
  end
  local automata = require("cliproxy.automata")
  -- A provider that reports no counts has none to tell, and what its model writes as arguments is the model's own.
  local automaton = automata.stream(work.dialect, { framing = work.translation.context.framing,
    wants_usage = work.translation.conversation.wants_usage and "if_known" or false, verbatim = true })
  return function(bytes)
    automaton:feed(bytes)
    if self.finished or self.failure then
      local violations = automaton:finish()
      if #violations > 0 then
        error("the stream breaks its own rules: " .. table.concat(violations, "; "), 0)
      end
    end
  end
end

--- Starts to translate a stream.
---@param work cliproxy.Work
---@return cliproxy.AnswerStream
function M.stream(work)
  local translation = work.translation
  local self = { finished = false, failure = nil }
  local out, n = {}, 0
  local encoder = translation.client.stream_encoder(translation.context, function(bytes)
    n = n + 1
    out[n] = bytes
  end)
  guard_ends(self, work, encoder)
  if translation.lowered then
    custom_tools.raising(encoder, translation.lowered)
  end
  local sink, seen = watched(encoder, work.id)
  self.feed = feeder(self, work, sink, seen)
  local check = checker(work, self)
  function self.take()
    local bytes = n == 1 and out[1] or n == 0 and "" or table.concat(out, "", 1, n)
    n = 0
    if check then
      check(bytes)
    end
    return bytes
  end
  function self.example()
    return seen.calls == 1 and encoder.absorb and seen.fragment or nil
  end
  function self.absorb(count, contents, made)
    seen.bytes = seen.bytes + #contents
    encoder.absorb(seen.kind, '"' .. contents .. '"', count)
    if check and made then
      check(made)
    end
  end
  function self.play(document)
    local answer, failure = translation.upstream.decode_response(document, translation.context)
    if answer then
      replay.play(answer, sink)
    else
      sink.fail(failure)
    end
  end
  return self
end

---@class cliproxy.AnswerCollector a stream that becomes a whole answer
---@field feed fun(event: cliproxy.Event?) an event of the upstream; nil: its message ended cleanly
---@field fail fun(failure: cliproxy.Failure) what broke on the way
---@field body fun(): string?, cliproxy.Failure? the client's body, once it is finished
---@field failure? cliproxy.Failure
---@field finished boolean

--- Starts to collect a stream that was asked for as a whole.
---@param work cliproxy.Work
---@return cliproxy.AnswerCollector
function M.collector(work)
  local translation = work.translation
  local self = { finished = false, failure = nil }
  local collector, answer = replay.collector()
  guard_ends(self, work, collector)
  self.feed = feeder(self, work, watched(collector, work.id))
  function self.body()
    if translation.lowered then
      custom_tools.raise(answer, translation.lowered)
    end
    local body, failure = translation.client.encode_response(answer, translation.context)
    return body, failure and M.for_client(work, failure)
  end
  return self
end

return M
