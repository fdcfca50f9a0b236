--- The events of a provider's stream, told to a sink. `type` decides, not `event:`; items are known by their
--- output_index, since some servers give them a new id in each event. What deltas did not bring is taken from the
--- `.done` events, from the items, and at last from the whole Response.
local answer_in = require("cliproxy.dialects.openai_responses.answer_in")
local errors = require("cliproxy.errors")
local items = require("cliproxy.dialects.openai_responses.stream_items")
local json = require("cliproxy.json")
local literal = require("cliproxy.literal")

local M = {}

local BREAK = '"\\n\\n"' -- between the parts of a summary

local null = json.null

local function start(self, document)
  self.started = true
  local response = document.response
  self.sink.start(json.kind(response) == "object" and answer_in.head(response) or {})
end

-- Events --------------------------------------------------------------------------------------------------------

local ON = {}

ON["response.output_item.added"] = items.begin
ON["response.output_item.done"] = items.finish

-- The texts: by far the most events. Which item they belong to is not asked: messages do not interleave.
ON["response.output_text.delta"] = function(self, document)
  local fragment = literal.read(document, "delta")
  if fragment then
    self.flowing, self.seen = true, true
    self.text(fragment)
  end
end

ON["response.refusal.delta"] = function(self, document)
  local fragment = literal.read(document, "delta")
  if fragment then
    self.flowing, self.seen, self.refused = true, true, true
    self.sink.refusal(fragment)
  end
end

-- The end of a part of a message: what no delta brought.
local function part_done(key, tell)
  return function(self, document)
    local entry = items.of(self, document)
    self.refused = self.refused or tell == "refusal"
    local text = not self.flowing and literal.read(document, key)
    if text and text ~= '""' then
      self.seen = true
      self.sink[tell](text)
    end
    if entry then
      entry.told = entry.told + 1
    end
    self.flowing = false
  end
end

ON["response.output_text.done"] = part_done("text", "text")
ON["response.refusal.done"] = part_done("refusal", "refusal")

ON["response.output_text.annotation.added"] = function(self, document)
  local entry = items.of(self, document)
  if entry then
    entry.cited = true
  end
  local citation = answer_in.citation(document.annotation)
  if citation then
    self.sink.citation(citation)
  end
end

-- Reasoning is told by summaries or by the thoughts themselves; where an item has both, the first counts.
local function reasoning(self, document, key, source)
  local fragment = literal.read(document, key)
  if not fragment or fragment == '""' or self.shown and self.shown ~= source then
    return
  end
  if self.gap then
    self.gap = false
    self.sink.reasoning(BREAK)
  end
  self.shown, self.thinking, self.seen = source, true, true
  self.sink.reasoning(fragment)
end

local function reasoning_done(self, document, source)
  if not self.thinking then
    reasoning(self, document, "text", source)
  end
  self.thinking, self.gap = false, self.shown == source
end

ON["response.reasoning_summary_text.delta"] = function(self, document)
  reasoning(self, document, "delta", "summary")
end

ON["response.reasoning_text.delta"] = function(self, document)
  reasoning(self, document, "delta", "content")
end

ON["response.reasoning_summary_text.done"] = function(self, document)
  reasoning_done(self, document, "summary")
end

ON["response.reasoning_text.done"] = function(self, document)
  reasoning_done(self, document, "content")
end

local function arguments_delta(self, document)
  local entry, fragment = items.of(self, document), literal.read(document, "delta")
  if not (entry and entry.call and fragment and fragment ~= '""') then
    return
  elseif not self.open[entry.call] then
    return items.fail(self, answer_in.malformed(self.context, "arguments of a call that has ended"))
  end
  entry.parts[#entry.parts + 1] = fragment
  self.sink.tool_delta(entry.call, fragment)
end

local function arguments_done(key)
  return function(self, document)
    local entry = items.of(self, document)
    if entry then
      items.complete_call(self, entry, literal.read(document, key))
    end
  end
end

ON["response.function_call_arguments.delta"] = arguments_delta
ON["response.function_call_arguments.done"] = arguments_done("arguments")
ON["response.custom_tool_call_input.delta"] = arguments_delta
ON["response.custom_tool_call_input.done"] = arguments_done("input")

-- The end -------------------------------------------------------------------------------------------------------

-- A server that sent no items: all of them are in the Response.
local function tell(self, part)
  local sink = self.sink
  if part.kind == "text" then
    sink.text(part.text)
    for _, citation in ipairs(part.citations or {}) do
      sink.citation(citation)
    end
  elseif part.kind == "refusal" then
    self.refused = true
    sink.refusal(part.text)
  elseif part.kind == "reasoning" then
    if part.text then
      sink.reasoning(part.text)
    end
    if part.state then
      sink.state(part.state)
    end
  else
    self.calls = self.calls + 1
    sink.tool_start(self.calls, { id = part.id, name = part.name, custom = part.custom })
    sink.tool_delta(self.calls, part.arguments or literal.again(part.input))
    sink.tool_end(self.calls)
  end
end

local function tell_all(self, response)
  local parts, failure = {}, nil
  if json.kind(response.output) == "array" then
    parts, failure = answer_in.parts(self.context, response.output)
  end
  for _, part in ipairs(parts or {}) do
    tell(self, part)
  end
  return failure
end

local function close_calls(self)
  for i = 1, self.calls do
    if self.open[i] then
      self.open[i] = nil
      self.sink.tool_end(i)
    end
  end
end

-- The Response of a terminal event; nil and a failure where it has none.
local function response_of(self, document)
  local response = document.response
  if json.kind(response) ~= "object" then
    return nil, answer_in.malformed(self.context, "its last event has no response")
  elseif not self.seen then
    return response, tell_all(self, response)
  elseif self.searched then
    return nil, answer_in.foreign(self.context, self.searched)
  end
  return response
end

local function finish(self, document, is_complete)
  local response, failure = response_of(self, document)
  local stop
  if not failure then
    close_calls(self)
    if is_complete then
      stop = answer_in.complete(self.calls > 0, self.refused)
    else
      stop, failure = answer_in.incomplete(self.context, response)
    end
  end
  if failure then
    return items.fail(self, failure)
  end
  local usage = answer_in.usage(response)
  if usage then
    self.sink.usage(usage)
  end
  self.sink.stop(stop)
  self.ended = true
  self.sink.finish()
end

ON["response.completed"] = function(self, document)
  finish(self, document, true)
end

ON["response.incomplete"] = function(self, document)
  finish(self, document, false)
end

ON["response.failed"] = function(self, document)
  local response = document.response
  items.fail(self, answer_in.failure(self.context, json.kind(response) == "object" and response.error or nil))
end

-- Recorded nested; the SDK's type is flat.
ON.error = function(self, document)
  local told = json.kind(document.error) == "object" and document.error or document
  items.fail(self, answer_in.failure(self.context, told))
end

local function ended_early(self)
  items.fail(self, errors.unfinished(self.context,
    "neither response.completed nor response.incomplete nor response.failed came"))
end

local function unreadable(self, data)
  if data ~= "" and data ~= "[DONE]" then
    items.fail(self, answer_in.malformed(self.context, "an event is no JSON object"))
  end
end

-- An event of no known type: skipped, but for a server's bare error.
local function other(self, document, data)
  local kind = json.kind(document)
  if kind ~= "object" then
    unreadable(self, data)
  elseif document.type == nil and json.kind(document.error) == "object" then
    ON.error(self, document)
  end
end

local FAILS = { error = true, ["response.failed"] = true }
-- Types that begin an answer without telling anything more.
local BEGINS = { ["response.created"] = true, ["response.in_progress"] = true, ["response.queued"] = true }

--- Reads a stream of events; see docs/conversation.md.
---@param context cliproxy.Context
---@param sink cliproxy.Sink
---@return fun(event?: cliproxy.Event)
function M.decoder(context, sink)
  ---@type cliproxy.responses.StreamIn
  local self = {
    context = context, sink = sink, text = sink.text, items = {}, calls = 0, open = {}, started = false, ended = false,
    seen = false, refused = false, flowing = false, thinking = false, gap = false,
  }
  return function(event)
    if self.ended then
      return
    elseif not event then
      return ended_early(self)
    end
    local data = event.data
    local document = json.parse(data)
    if type(document) ~= "userdata" or document == null then
      return unreadable(self, data)
    end
    local kind = document.type
    local on = ON[kind]
    if not self.started and (on or BEGINS[kind]) and not FAILS[kind] then
      start(self, document)
    end
    if on then
      on(self, document)
    elseif not BEGINS[kind] then
      other(self, document, data)
    end
    json.close(document)
  end
end

return M
