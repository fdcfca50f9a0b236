--- From a committed reply to the client's answer: head, relay or hooks, and the last words of what broke.
local answer_translated = require("cliproxy.answer_translated")
local attempt = require("cliproxy.attempt")
local decide = require("cliproxy.decide")
local embeddings = require("cliproxy.dialects.embeddings")
local errors = require("cliproxy.errors")
local filters = require("cliproxy.filters")
local headers = require("cliproxy.headers")
local json = require("cliproxy.json")
local log = require("cliproxy.log")
local parts = require("cliproxy.answer_parts")
local pump = require("cliproxy.pump")
local reframe = require("cliproxy.reframe")
local translate_answer = require("cliproxy.translate_answer")
local upstream_error = require("cliproxy.upstream_error")

local M = {}

local begun, break_off, head_of, note_usage, why = parts.begun, parts.break_off, parts.head_of, parts.note_usage,
  parts.why

local function relay(work, reply, is_stream, length)
  local exchange = work.exchange
  exchange:start(work.status, head_of(work, is_stream), length, reply, headers.down)
  begun(work)
  work.relaying = true -- the relay itself notices that the client leaves, and whether that was after the end
  local how = reply:relay(exchange, true)
  work.relaying = false
  note_usage(work, reply)
  if how == true then
    return
  elseif how.client_gone then
    work.status, work.note = 499, work.note or "the client left in the middle of the answer"
  elseif how.code then
    break_off(work, reply, why(work, reply, how.code, how.message))
  elseif not work.note then
    work.note = "the stream ended without its last event"
  end
end

local function script_kind(view)
  local work = view.work
  view.work = nil
  local ok, kind = attempt.hook(work, "classify", view)
  if ok and (kind == nil or decide.kinds[kind]) then
    return kind
  end
  log.warn(("%s %s: classify() %s; the core's rules decide"):format(work.id, work.target.instance.script,
    ok and "returned " .. tostring(kind) or "failed: " .. tostring(work.script_error)))
end

local function failed(work, reply)
  local classify = work.target.instance.provider.classify and function(view)
    view.work = work
    return script_kind(view)
  end
  local kind, failure, said = decide.read_failed(work, reply, classify)
  if work.translation and kind ~= "auth" and kind ~= "signin" then
    failure = translate_answer.failed(work, reply, said)
  end
  if failure then
    local head = {}
    headers.copy_down(reply:headers(), head)
    head["content-type"], head["content-encoding"] = nil, nil
    for name, value in pairs(failure.headers or {}) do
      head[name] = value
    end
    failure.headers = head
    return failure
  end
  work.note = said
  relay(work, reply, reply.is_stream, reply.length)
end

--- A stream that a hook sees event by event.
local function pump_events(work, reply)
  local map, failure = pump.mapper(work)
  if not map then
    return failure
  end
  map = filters.mapper(work, map)
  local exchange = work.exchange
  local head = {}
  for name, value in next, head_of(work, reply.is_stream) do
    head[name] = value
  end
  if work.target.instance.own then
    head["content-type"] = reframe.content_type(work.framing)
  end
  exchange:start(work.status, head, nil, reply, headers.down)
  begun(work)
  failure = pump.pull(work, reply, map, why)
  note_usage(work, reply)
  if failure then
    break_off(work, reply, failure)
  end
end

-- What a hook returned for a whole answer, as a body; nil and what was found where it is none.
local function encoded(result)
  if type(result) ~= "table" then
    local kind = type(result) == "userdata" and json.kind(result) or type(result)
    return (kind == "object" or kind == "array") and result or nil, kind
  end
  local ok, text = pcall(json.encode, result)
  if ok then
    return text
  end
  return nil, "a table that is no JSON (" .. tostring(text) .. ")"
end

-- What the provider's hook makes of a whole answer, as a body.
local function hooked(work, document, hook)
  local ok, result
  if hook == "response" then
    ok, result = attempt.hook(work, hook, work.call, document)
  else
    ok, result = attempt.hook(work, hook, document, work.call)
  end
  if not ok then
    return nil, result
  end
  local body, found = encoded(result == nil and document or result)
  if body then
    return body
  end
  return nil, errors.new("script_result", { hook = work.target.instance.owners[hook].name, found = found,
    expected = "nil or a document" })
end

--- A whole answer that hooks may change: the provider's, then the filters'.
local function transform(work, reply, hook)
  local body, failure = parts.document(work, reply)
  if body and hook then
    body, failure = hooked(work, body, hook)
  end
  if body and work.translation then
    return answer_translated.respond(work, reply, body)
  elseif body and filters.has_answer_hooks(work, "response") then
    body, failure = filters.response(work, body)
  end
  if not body then
    return failure
  end
  note_usage(work, reply)
  local head = parts.own_head(work, reply, "application/json", reply.is_stream)
  begun(work)
  work.exchange:respond(reply.status, head, body)
end

-- A failed answer of a provider's own dialect, in words of its own.
local function own_failed(work, reply)
  local instance = work.target.instance
  local message
  if instance.provider.decode_error then
    local document = json.parse(reply.held)
    local ok, text = attempt.hook(work, "decode_error", reply.status, document ~= nil and document or reply.held)
    message = ok and type(text) == "string" and text or nil
  end
  if not message then
    return failed(work, reply)
  elseif work.translation then
    return translate_answer.for_client(work, upstream_error.failure(work.translation.context.target, reply.status,
      message))
  end
  local code = decide.kind(reply.status) == "auth" and "upstream_key" or "upstream_status"
  local failure = errors.new(code, { provider = instance.name, status = reply.status, text = message,
    account = work.account.name or "default", where = work.snapshot.config.file })
  if code == "upstream_status" then
    failure.status = reply.status
  end
  return failure
end

-- Some servers give vectors as floats, or as base64, whatever was asked for; SDKs ask for base64 and read nothing else.
local function is_misfit(work, reply)
  if work.operation ~= "embed" or work.translation or work.dialect ~= "openai_chat" then
    return false
  end
  local wants_text = work.document.encoding_format == "base64"
  local start = reply.held:match('"embedding"%s*:%s*(["%[])')
  return start ~= nil and (start == '"') ~= wants_text
end

local function give_repaired(work, reply)
  local document, failure = parts.document(work, reply)
  if not document then
    return failure
  end
  local body = embeddings.repair(document, work.document.encoding_format) or document
  note_usage(work, reply)
  begun(work)
  work.exchange:respond(reply.status, parts.own_head(work, reply, "application/json", false), body)
end

--- Gives the reply to the client. A failure that it returns is to be answered: the head has not been sent yet.
---@param work cliproxy.Work
---@param reply cliproxy.Reply
---@return cliproxy.Failure?
function M.give(work, reply)
  local status, is_stream, length, type_of, code = reply:head()
  local instance = work.target.instance
  work.status = status
  if status == 0 then
    return why(work, reply, code, reply.message)
  end
  if status >= 400 then
    return (instance.own and own_failed or failed)(work, reply)
  end
  local failure = decide.check_success(work, reply, status, type_of)
  if failure then
    return failure
  elseif code and not (is_stream and reply.first_event) then
    return why(work, reply, code, reply.message) -- it broke before there was anything to send on
  end
  local provider = instance.provider
  if work.translation and not (provider.decode_response and not is_stream or provider.response and not is_stream) then
    return answer_translated.give(work, reply, is_stream)
  elseif is_stream then
    if instance.own or provider.event or work.withhold_usage or filters.has_answer_hooks(work, "event") then
      return pump_events(work, reply)
    end
  elseif instance.own and provider.decode_response then
    return transform(work, reply, "decode_response")
  elseif provider.response then
    return transform(work, reply, "response")
  elseif filters.has_answer_hooks(work, "response") then
    return transform(work, reply)
  elseif is_misfit(work, reply) then
    return give_repaired(work, reply)
  end
  return relay(work, reply, is_stream, length)
end

--- An answer that no provider was asked for.
---@param work cliproxy.Work
---@param body string
function M.give_own(work, body)
  work.status = 200
  begun(work)
  work.exchange:respond(200, head_of(work, false, "application/json"), body)
end

return M
