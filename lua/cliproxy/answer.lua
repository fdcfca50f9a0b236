--- From a committed reply to the client's answer: head, relay or hooks, and the last words of what broke.
local attempt = require("cliproxy.attempt")
local decide = require("cliproxy.decide")
local dialects = require("cliproxy.dialects")
local errors = require("cliproxy.errors")
local headers = require("cliproxy.headers")
local json = require("cliproxy.json")
local log = require("cliproxy.log")
local reframe = require("cliproxy.reframe")
local show = require("cliproxy.show")

local M = {}

local find = string.find

-- Of most answers these are all the headers of our own. Filled in and read at once: nothing waits in between.
local PLAIN = { ["x-cliproxy-request-id"] = "" }
local STREAMED = { ["x-cliproxy-request-id"] = "", ["cache-control"] = "no-cache", ["x-accel-buffering"] = "no" }

--- Our own headers of an answer; the provider's pass beside them. To be used before anything waits.
---@param work cliproxy.Work
---@param reply cliproxy.Reply
---@return table<string, string>
local function head_of(work, reply)
  local asked, is_stream = work.model, reply.is_stream
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

local function relay(work, reply)
  local exchange = work.exchange
  exchange:start(work.status, head_of(work, reply), reply.length, reply, headers.down)
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
  relay(work, reply)
end

-- One event of a hook's result: bytes in the framing of the call. `data` may be text, a node or a table.
local function framed(event, framing, started)
  if type(event) ~= "table" then
    return nil
  end
  if event.raw and not event.changed and framing ~= "json_array" then
    return event.raw
  end
  local data = event.data
  if type(data) ~= "string" then
    data = json.encode(data)
  end
  return reframe.event(event.type or "", data, framing, started)
end

--- What an event hook returned, as bytes; nil and a message where it returned nonsense.
local function result_bytes(result, event, framing, started)
  if result == nil then
    return framed(event, framing, started)
  elseif result == false then
    return ""
  elseif type(result) ~= "table" then
    return nil, type(result)
  elseif result.data ~= nil then
    return framed({ type = result.type, data = result.data }, framing, started)
  end
  local out = {}
  for i, one in ipairs(result) do
    if type(one) ~= "table" or one.data == nil then
      return nil, "a list with " .. type(one) .. " in it"
    end
    out[i] = framed({ type = one.type, data = one.data }, framing, started or i > 1)
  end
  return table.concat(out)
end

-- A chunk that holds nothing but usage, which the client did not ask for.
local function is_usage_chunk(event)
  local data = event.data
  if not find(data, '"usage"', 1, true) or not find(data, '"choices"%s*:%s*%[%s*%]') then
    return false
  end
  local document = json.parse(data)
  local usage = json.kind(document) == "object" and document.usage
  local drop = json.kind(usage) == "object"
  if document ~= nil and json.kind(document) == "object" then
    json.close(document)
  end
  return drop
end

--- The function that turns an upstream event into the client's: `f(event)`, at the end `f(nil)`. Returns ok, result.
local function mapper(work)
  local instance = work.target.instance
  local provider = instance.provider
  if instance.own and provider.stream_decoder then
    local ok, decode = attempt.hook(work, "stream_decoder", work.call)
    if not ok then
      return nil, decode
    elseif type(decode) ~= "function" then
      return nil, errors.new("script_result", { hook = instance.owners.stream_decoder.name, found = type(decode),
        expected = "a function" })
    end
    return function(event)
      local done, result = attempt.guarded(work, "stream_decoder", decode, event)
      if result == nil then
        return done, false -- nothing to keep: the event is in another dialect
      end
      return done, result
    end
  elseif provider.event then
    return function(event)
      if event == nil then
        return true
      elseif work.withhold_usage and is_usage_chunk(event) then
        return true, false
      end
      return attempt.hook(work, "event", work.call, event)
    end
  end
  return function(event)
    if event and is_usage_chunk(event) then
      return true, false
    end
    return true
  end
end

--- Whether the last of what goes out for an event ends the answer.
local function ends(work, event, result)
  local last = event
  if type(result) == "table" then
    last = result.data ~= nil and result or result[#result]
  end
  return last and dialects.of(work.dialect).is_terminal(last)
end

--- Sends one event's results; nil, failure where the script is to blame; nil where the client is gone.
local function emit(work, state, event, ok, result)
  if not ok then
    return nil, result
  end
  if event == nil and result == nil then
    return true
  end
  local bytes, wrong = result_bytes(result, event, work.framing, state.started)
  if not bytes then
    local hook = work.target.instance.own and "stream_decoder" or "event"
    return nil, errors.new("script_result", { hook = work.target.instance.owners[hook].name, found = wrong,
      expected = "nil, false, an event { type, data } or a list of events" })
  end
  if bytes == "" then
    return true
  end
  state.started = true
  if ends(work, event, result) then
    work.exchange:mark_complete()
    work.completed = true
  end
  return work.exchange:write(bytes)
end

local function pull(work, reply, map)
  local state = { started = false }
  while true do
    local event, message, code = reply:next_event()
    if not event and code then
      return why(work, reply, code, message)
    end
    local sent, failure = emit(work, state, event, map(event))
    if failure then
      return failure
    elseif not sent then
      work.status, work.note = 499, "the client left in the middle of the answer"
      return
    elseif not event then
      break
    end
  end
  work.exchange:write(reframe.tail(work.framing, state.started))
  work.exchange:finish()
end

--- A stream that a hook sees event by event.
local function pump(work, reply)
  local map, failure = mapper(work)
  if not map then
    return failure
  end
  local exchange = work.exchange
  local head = {}
  for name, value in next, head_of(work, reply) do
    head[name] = value
  end
  if work.target.instance.own then
    head["content-type"] = reframe.content_type(work.framing)
  end
  exchange:start(work.status, head, nil, reply, headers.down)
  begun(work)
  failure = pull(work, reply, map)
  note_usage(work, reply)
  if failure then
    break_off(work, reply, failure)
  end
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
  if result == nil then
    result = document
  elseif type(result) ~= "table" and type(result) ~= "userdata" then
    return errors.new("script_result", { hook = work.target.instance.owners[hook].name, found = type(result),
      expected = "nil or a document" })
  end
  note_usage(work, reply)
  local head = {}
  headers.copy_down(reply:headers(), head)
  for name, value in next, head_of(work, reply) do
    head[name] = value
  end
  head["content-type"], head["content-encoding"] = "application/json", nil
  begun(work)
  work.exchange:respond(reply.status, head, type(result) == "table" and json.encode(result) or result)
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
  local status = reply.status
  local instance = work.target.instance
  work.status = status
  if status == 0 then
    return why(work, reply, reply.code, reply.message)
  end
  if status >= 400 then
    return (instance.own and own_failed or failed)(work, reply)
  end
  local failure = decide.check_success(work, reply)
  if failure then
    return failure
  elseif reply.code and not (reply.is_stream and reply.first_event) then
    return why(work, reply, reply.code, reply.message) -- it broke before there was anything to send on
  end
  local provider = instance.provider
  if reply.is_stream then
    if instance.own or provider.event or work.withhold_usage then
      return pump(work, reply)
    end
  elseif instance.own and provider.decode_response then
    return transform(work, reply, "decode_response")
  elseif provider.response then
    return transform(work, reply, "response")
  end
  return relay(work, reply)
end

return M
