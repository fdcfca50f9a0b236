--- Streams that a hook sees event by event: pulled from the provider, mapped, written in the client's framing.
local attempt = require("cliproxy.attempt")
local dialects = require("cliproxy.dialects")
local errors = require("cliproxy.errors")
local json = require("cliproxy.json")
local reframe = require("cliproxy.reframe")

local M = {}

local find = string.find

-- One event of a hook's result: bytes in the framing of the call. `data` may be text, a node or a table; nil and a
-- message where it holds what JSON cannot.
local function framed(event, framing, started)
  local data = event.data
  if type(data) ~= "string" then
    local ok, text = pcall(json.encode, data)
    if not ok then
      return nil, "an event whose data is no JSON (" .. tostring(text) .. ")"
    end
    data = text
  end
  return reframe.event(type(event.type) == "string" and event.type or "", data, framing, started)
end

--- What an event hook returned, as bytes; nil and a message where it returned nonsense.
local function result_bytes(result, event, framing, started)
  if result == nil then
    return framing ~= "json_array" and event.raw or framed(event, framing, started)
  elseif result == false then
    return ""
  elseif type(result) ~= "table" then
    return nil, type(result)
  elseif result.data ~= nil then
    return framed(result, framing, started)
  end
  local out = {}
  for i, one in ipairs(result) do
    if type(one) ~= "table" or one.data == nil then
      return nil, "a list with " .. type(one) .. " in it"
    end
    local bytes, wrong = framed(one, framing, started or i > 1)
    if not bytes then
      return nil, wrong
    end
    out[i] = bytes
  end
  return table.concat(out)
end

local function plain(event)
  local data = event.data
  if type(data) ~= "string" then
    local ok, text = pcall(json.encode, data)
    if not ok then
      return nil, "an event whose data is no JSON (" .. tostring(text) .. ")"
    end
    data = text
  end
  return { type = type(event.type) == "string" and event.type or "", data = data }
end

--- What an event hook returned, as events; nil and what was found where it is nonsense.
---@param result nil|false|table
---@param event? cliproxy.Event what the hook was given
---@return { type: string, data: string }[]?
---@return string? found
function M.events(result, event)
  if result == nil then
    return { event }
  elseif result == false then
    return {}
  elseif type(result) ~= "table" then
    return nil, type(result)
  elseif result.data ~= nil then
    result = { result }
  end
  local out = {}
  for i, one in ipairs(result) do
    if type(one) ~= "table" or one.data == nil then
      return nil, "a list with " .. type(one) .. " in it"
    end
    local wrong
    out[i], wrong = plain(one)
    if not out[i] then
      return nil, wrong
    end
  end
  return out
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

--- The function that turns an upstream event into the client's: `f(event)`, at the end `f(nil)`, returns ok, result.
---@param work cliproxy.Work
---@return (fun(event?: cliproxy.Event): boolean, any)? map
---@return cliproxy.Failure? failure
function M.mapper(work)
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
    if event and work.withhold_usage and is_usage_chunk(event) then
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

--- Sends all events of a reply, each as the mapper has it.
---@param work cliproxy.Work
---@param reply cliproxy.Reply
---@param map fun(event?: cliproxy.Event): boolean, any
---@param why fun(work: cliproxy.Work, reply: cliproxy.Reply, code: string, message?: string): cliproxy.Failure
---@return cliproxy.Failure? failure that is to end the answer
function M.pull(work, reply, map, why)
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

return M
