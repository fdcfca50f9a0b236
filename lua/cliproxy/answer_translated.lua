--- Answers of a provider that speaks another dialect than the client, given to the client in its own.
local dialects = require("cliproxy.dialects")
local errors = require("cliproxy.errors")
local filters = require("cliproxy.filters")
local headers = require("cliproxy.headers")
local json = require("cliproxy.json")
local log = require("cliproxy.log")
local parts = require("cliproxy.answer_parts")
local pump = require("cliproxy.pump")
local reframe = require("cliproxy.reframe")
local translate_answer = require("cliproxy.translate_answer")

local M = {}

-- A whole answer's body to the client.
local function send_whole(work, reply, body)
  if work.filters and filters.has_answer_hooks(work, "response") then
    local failure
    body, failure = filters.response(work, body)
    if failure then
      return failure
    end
  end
  parts.note_usage(work, reply)
  local exchange = work.exchange
  exchange:start(200, parts.head_of(work, false, "application/json"), #body, reply, headers.without_body)
  parts.begun(work)
  exchange:write(body)
  exchange:finish()
end

-- A stream's head to the client.
local function start(work, reply)
  local head = parts.head_of(work, true, reframe.content_type(work.framing))
  work.exchange:start(200, head, nil, reply, headers.without_body)
  parts.begun(work)
end

local function gone(work)
  work.status, work.note = 499, "the client left in the middle of the answer"
end

-- Bytes of a stream as the filters leave them, in the client's framing; their failure is the stream's.
local function filtered(work, stream, state, bytes)
  local out, failure = "", nil
  if bytes ~= "" then
    out, failure = filters.bytes(work, bytes, state.begun)
  end
  if failure then
    stream.failure = failure
    return dialects.of(work.dialect).stream_error(failure, work.id, work.framing)
  end
  state.begun = state.begun or out ~= ""
  if stream.finished or stream.failure then
    out = out .. reframe.tail(work.framing, state.begun)
  end
  return out
end

-- Sends what the encoder made. nil: the client is gone.
local function flush(work, stream, bytes)
  if bytes == "" then
    return true
  elseif stream.finished then
    work.exchange:mark_complete()
    work.completed = true
  end
  return work.exchange:write(bytes)
end

-- The failure of a script's hook, told to the stream.
local function hook_failure(work, found)
  local instance = work.target.instance
  local hook = instance.own and "stream_decoder" or "event"
  return errors.new("script_result", { hook = instance.owners[hook].name, found = found,
    expected = "nil, false, an event { type, data } or a list of events" })
end

-- Feeds an event as the provider's hook leaves it.
local function feed_mapped(work, stream, map, event)
  local ok, result = map(event)
  if not ok then
    return stream.fail(result)
  end
  local events, found = pump.events(result, event)
  if not events then
    return stream.fail(hook_failure(work, found))
  end
  for _, one in ipairs(events) do
    stream.feed(one)
  end
end

-- An event, or the end of the message, into the translation.
local function feed(work, stream, map, event)
  if map then
    feed_mapped(work, stream, map, event)
  elseif event then
    stream.feed(event)
  end
  if event == nil then
    stream.feed(nil)
    if not (stream.finished or stream.failure) then
      stream.fail(errors.new("upstream_unfinished", { provider = work.target.instance.name, text = "it just stopped" }))
    end
  end
end

-- What the lane took. The counts beside the last fragment are as good as an event of their own, with an empty one.
local function absorb(reply, stream)
  local count, contents, counts, made = reply:absorbed()
  if count > 0 then
    stream.absorb(count, contents, made)
    if counts then
      stream.feed({ type = "", data = counts })
    end
  end
end

-- The next event into the translation; false where the client is slow, nil at the end, however it came.
local function step(work, reply, stream, map, lane)
  local event, message, code = reply:next_event()
  if lane.active then
    absorb(reply, stream)
  end
  if event == nil and code then
    stream.fail(parts.why(work, reply, code, message))
  elseif event ~= false then
    feed(work, stream, map, event)
  end
  return event
end

local NO_LANE = { active = false }

-- Events that are alike take the lane in C; its examples are those that pass here.
local function teach(reply, stream, lane, event, bytes)
  local literal = event and stream.example()
  if literal and bytes ~= "" then
    lane.taught, lane.active = true, reply:learn(event.type, event.data, literal, bytes)
  elseif lane.taught and event ~= false then
    reply:forget()
    lane.taught, lane.active = false, false
  end
end

local function ended(work, reply, stream)
  parts.note_usage(work, reply)
  if stream.failure then
    work.note = stream.failure.text
    if work.script_error then
      log.error(work.id .. " " .. work.script_error)
    end
  end
  work.exchange:finish()
end

-- Up to the event that commits nothing has been sent: what fails until then is answered with a status of its own.
local function run_stream(work, reply, map)
  local is_filtered = work.filters and filters.has_answer_hooks(work, "event")
  if is_filtered then
    work.translation.context.framing = "sse" -- filters see events; they put them into the client's framing
  end
  local stream = translate_answer.stream(work)
  local lane = { taught = false, active = false }
  local first = reply.first_event
  local first_data = first and first.data
  local started = false
  repeat
    local event = step(work, reply, stream, map, lane)
    if not started then
      if stream.failure then
        return stream.failure
      elseif not event or not first_data or event.data == first_data then
        start(work, reply)
        started = true
        reply:use_lane(work.exchange)
      end
    end
    if started then
      local bytes = stream.take()
      if is_filtered then
        bytes = filtered(work, stream, lane, bytes)
      elseif not map then
        teach(reply, stream, lane, event, bytes)
      end
      if not (event == false and work.exchange:write("") or flush(work, stream, bytes)) then
        return gone(work)
      end
    end
  until event == nil or stream.finished or stream.failure
  ended(work, reply, stream)
end

-- What a stream's events pass before they are decoded; nil: nothing, or a failure.
local function mapper(work)
  local instance = work.target.instance
  if instance.own or instance.provider.event then
    return pump.mapper(work)
  end
end

local function give_stream(work, reply)
  local map, failure = mapper(work)
  return failure or run_stream(work, reply, map)
end

-- A provider that was asked for a stream and answered as a whole: played as one.
local function play(work, reply, document)
  local is_filtered = work.filters and filters.has_answer_hooks(work, "event")
  if is_filtered then
    work.translation.context.framing = "sse"
  end
  local stream = translate_answer.stream(work)
  stream.play(document)
  if stream.failure then
    return stream.failure
  end
  parts.note_usage(work, reply)
  start(work, reply)
  local bytes = stream.take()
  if not flush(work, stream, is_filtered and filtered(work, stream, {}, bytes) or bytes) then
    return gone(work)
  end
  work.exchange:finish()
end

-- A provider that streams what was asked for as a whole.
local function collect(work, reply)
  local map, failure = mapper(work)
  if failure then
    return failure
  end
  local stream = translate_answer.collector(work)
  repeat
    local event = step(work, reply, stream, map, NO_LANE)
  until event == nil or stream.finished or stream.failure
  if stream.failure then
    return stream.failure
  end
  local body
  body, failure = stream.body()
  return failure or send_whole(work, reply, body)
end

--- Answers with a document in the provider's dialect, as text, table or node.
---@param work cliproxy.Work
---@param reply cliproxy.Reply
---@param document string|table|cliproxy.json.Node
---@return cliproxy.Failure?
function M.respond(work, reply, document)
  if type(document) ~= "userdata" then
    document = json.parse(type(document) == "string" and document or json.encode(document))
  end
  if work.stream then
    return play(work, reply, document)
  end
  local body, failure = translate_answer.whole(work, document)
  json.close(document)
  if not body then
    return failure
  end
  return send_whole(work, reply, body)
end

--- Gives a successful reply.
---@param work cliproxy.Work
---@param reply cliproxy.Reply
---@param is_stream boolean
---@return cliproxy.Failure?
function M.give(work, reply, is_stream)
  if is_stream and work.stream then
    return give_stream(work, reply)
  elseif is_stream then
    return collect(work, reply)
  end
  local document, failure = parts.document(work, reply)
  if not document then
    return failure
  end
  return M.respond(work, reply, document)
end

return M
