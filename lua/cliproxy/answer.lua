--- From a committed reply to the client's answer: head, relay or hooks, and the last words of what broke.
local attempt = require("cliproxy.attempt")
local decide = require("cliproxy.decide")
local errors = require("cliproxy.errors")
local headers = require("cliproxy.headers")
local json = require("cliproxy.json")
local log = require("cliproxy.log")
local pump = require("cliproxy.pump")
local reframe = require("cliproxy.reframe")
local show = require("cliproxy.show")

local M = {}

local find = string.find

-- Of most answers these are all the headers of our own. Filled in and read at once: nothing waits in between.
local PLAIN = { ["x-cliproxy-request-id"] = "" }
local STREAMED = { ["x-cliproxy-request-id"] = "", ["cache-control"] = "no-cache", ["x-accel-buffering"] = "no" }

--- Our own headers of an answer; the provider's pass beside them. To be used before anything waits.
---@param work cliproxy.Work
---@param is_stream boolean
---@return table<string, string>
local function head_of(work, is_stream)
  local asked = work.model
  if asked == work.target.model and not (work.warnings or work.show or work.cors) then
    local head = is_stream and STREAMED or PLAIN
    head["x-cliproxy-request-id"] = work.id
    return head
  end
  local head = { ["x-cliproxy-request-id"] = work.id }
  if is_stream then
    head["cache-control"] = "no-cache"
    head["x-accel-buffering"] = "no"
  end
  if asked and asked ~= work.target.model and not find(asked, "[^\33-\126]") then
    head["x-cliproxy-model-asked"] = asked
  end
  if work.warnings then
    head["x-cliproxy-warnings"] = table.concat(work.warnings, ", ")
  end
  if work.show == "upstream" then
    head["x-cliproxy-upstream"] = show.line(work)
  end
  if work.cors then
    for name, value in next, work.cors do
      head[name] = value
    end
  end
  return head
end

--- The head goes out: from here on a failure ends the answer, and nothing runs again.
local function begun(work)
  work.first_at = work.exchange.age
  if work.past_scripts then
    work.past_scripts()
  end
end

--- Reads what the tap saw into the record.
local function note_usage(work, reply)
  local message
  work.tokens_in, work.tokens_out, work.tokens_cached, message = reply:tokens()
  if message and not work.note then
    work.note = message
  end
end

--- The answer broke after its head was sent: an error in the dialect ends a stream, anything else is cut.
local function break_off(work, reply, failure)
  local exchange = work.exchange
  work.note = failure.text
  if work.script_error then
    log.error(work.id .. " " .. work.script_error)
  end
  if exchange.ended or exchange.gone then
    return
  end
  if not reply.is_stream then
    return exchange:abort()
  end
  exchange:write(errors.stream_error(work.dialect, work.framing, failure, work.id))
  exchange:finish()
end

-- Why a reply broke: a script's own transport that raised, or the provider's server.
local function why(work, reply, code, message)
  if reply.script_failed then
    return attempt.script_failure(work, "execute", message or reply.message)
  end
  return decide.broken(work, code, message, reply.kind)
end

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
  local _, failure, said = decide.read_failed(work, reply, classify)
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

--- A whole answer that a hook may change.
local function transform(work, reply, hook)
  local document, message, code = reply:document()
  if document == nil then
    if code == "syntax" or code == "utf8" or code == "duplicate" or code == "depth" then
      return errors.new("upstream_not_json", { provider = work.target.instance.name,
        type = reply:header("content-type") or "text", text = message, where = work.snapshot.config.file })
    end
    return why(work, reply, code, message)
  end
  local ok, result
  if hook == "response" then
    ok, result = attempt.hook(work, hook, work.call, document)
  else
    ok, result = attempt.hook(work, hook, document, work.call)
  end
  if not ok then
    return result
  end
  local body, found = encoded(result == nil and document or result)
  if not body then
    return errors.new("script_result", { hook = work.target.instance.owners[hook].name, found = found,
      expected = "nil or a document" })
  end
  note_usage(work, reply)
  local head = {}
  headers.copy_down(reply:headers(), head)
  for name, value in next, head_of(work, reply.is_stream) do
    head[name] = value
  end
  head["content-type"], head["content-encoding"] = "application/json", nil
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
  end
  local code = decide.kind(reply.status) == "auth" and "upstream_key" or "upstream_status"
  local failure = errors.new(code, { provider = instance.name, status = reply.status, text = message,
    account = work.account.name or "default", where = work.snapshot.config.file })
  if code == "upstream_status" then
    failure.status = reply.status
  end
  return failure
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
  if is_stream then
    if instance.own or provider.event or work.withhold_usage then
      return pump_events(work, reply)
    end
  elseif instance.own and provider.decode_response then
    return transform(work, reply, "decode_response")
  elseif provider.response then
    return transform(work, reply, "response")
  end
  return relay(work, reply, is_stream, length)
end

return M
