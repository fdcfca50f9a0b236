--- The events of a provider's stream, told to a sink. `type` decides, not `event:`; items are known by their
--- output_index, since some servers give them a new id in each event. What deltas did not bring is taken from the
--- `.done` events, from the items, and at last from the whole Response.
local answer_in = require("cliproxy.dialects.openai_responses.answer_in")
local errors = require("cliproxy.errors")
local json = require("cliproxy.json")
local literal = require("cliproxy.literal")

local M = {}

local BREAK = '"\\n\\n"' -- between the parts of a summary

local null, sub = json.null, string.sub

---@class cliproxy.responses.StreamItem
---@field kind string
---@field call? integer
---@field told integer parts of a message, or 1: the arguments of a call, that went out whole
---@field parts? cliproxy.Literal[] arguments so far
---@field cited? boolean its citations came as events
---@field done? boolean

---@class cliproxy.responses.StreamIn
---@field context cliproxy.Context
---@field sink cliproxy.Sink
---@field items table<integer, cliproxy.responses.StreamItem> by output_index
---@field last? cliproxy.responses.StreamItem added last: for servers that give no output_index
---@field calls integer
---@field open table<integer, boolean> calls that have not ended
---@field started boolean
---@field ended boolean
---@field seen boolean any item
---@field refused boolean
---@field searched? string a search that no message followed
---@field flowing boolean the part under way has had a delta
---@field shown? string of the reasoning under way: what it is told by, "summary" or "content"
---@field gap boolean a blank line is due before more reasoning

local function fail(self, failure)
  if not self.ended then
    self.ended = true
    self.sink.fail(failure)
  end
end

local function start(self, document)
  self.started = true
  local response = document.response
  self.sink.start(json.kind(response) == "object" and answer_in.head(response) or {})
end

-- Items ---------------------------------------------------------------------------------------------------------

local function item_of(self, document)
  local index = document.output_index
  if type(index) == "number" then
    return self.items[index]
  end
  local last = self.last
  return last and not last.done and last or nil
end

local function begin_call(self, entry, item)
  local id, name = item.call_id, item.name
  if type(id) ~= "string" or id == "" or type(name) ~= "string" or name == "" then
    return -- maybe the finished item has them
  end
  self.calls = self.calls + 1
  entry.call, entry.parts = self.calls, {}
  self.open[entry.call] = true
  self.sink.tool_start(entry.call, { id = id, name = answer_in.tool_name(self.context, name),
    custom = entry.kind == "custom_tool_call" or nil })
end

-- The entry of an item that begins; nil where none can be made of it.
local function begin(self, document)
  local item = document.item
  if json.kind(item) ~= "object" then
    return nil
  end
  local kind = item.type
  local entry = { kind = kind, told = 0 }
  self.seen, self.last, self.flowing = true, entry, false
  if type(document.output_index) == "number" then
    self.items[document.output_index] = entry
  end
  if answer_in.SEARCHES[kind] then
    self.searched = kind
  elseif not answer_in.KNOWN[kind] then
    fail(self, answer_in.foreign(self.context, kind))
  elseif kind == "message" then
    self.searched = nil
  elseif kind == "reasoning" then
    self.shown, self.gap = nil, false
  else
    begin_call(self, entry, item)
  end
  return entry
end

-- Arguments that the deltas did not bring. A server that writes them anew in other words is not corrected.
local function complete_call(self, entry, whole)
  if not entry.call or entry.told > 0 or not whole then
    return
  end
  entry.told = 1
  local parts = entry.parts
  if not parts[1] then
    if whole ~= '""' then
      self.sink.tool_delta(entry.call, whole)
    end
    return
  end
  local so_far = literal.concat(parts)
  if so_far == whole then
    return
  end
  local had, all = literal.text(so_far), literal.text(whole)
  if #all > #had and sub(all, 1, #had) == had then
    self.sink.tool_delta(entry.call, literal.again(sub(all, #had + 1)))
  end
end

local KEY = { function_call = "arguments", custom_tool_call = "input" }

local function end_call(self, entry, item)
  if not entry.call then
    begin_call(self, entry, item)
    if not entry.call then
      return fail(self, answer_in.malformed(self.context, "a call without call_id and name"))
    end
  end
  local key = KEY[entry.kind]
  local whole = literal.read(item, key)
  if not whole and json.kind(item[key]) == "object" then
    whole = literal.again(json.raw(item, key))
  end
  complete_call(self, entry, whole)
  if self.open[entry.call] then
    self.open[entry.call] = nil
    self.sink.tool_end(entry.call)
  end
end

local function end_message(self, entry, item)
  if json.kind(item.content) ~= "array" then
    return
  end
  local told = entry.told + (self.flowing and 1 or 0)
  self.flowing = false
  for i, part in json.each(item.content) do
    local kind = json.kind(part) == "object" and part.type
    if kind == "output_text" then
      local text = i > told and literal.read(part, "text")
      if text and text ~= '""' then
        self.sink.text(text)
      end
      for _, citation in ipairs(not entry.cited and answer_in.citations(part) or {}) do
        self.sink.citation(citation)
      end
    elseif kind == "refusal" then
      self.refused = true
      local text = i > told and literal.read(part, "refusal")
      if text then
        self.sink.refusal(text)
      end
    else
      return fail(self, answer_in.untranslatable(self.context, ("a part of type %q in a message"):format(
        tostring(kind))))
    end
  end
end

local function end_reasoning(self, item)
  local text = not self.shown and answer_in.reasoning_text(item)
  if text then
    self.sink.reasoning(text)
  end
  local state = answer_in.state(item)
  if state then
    self.sink.state(state)
  end
  self.shown, self.gap = nil, false
end

-- Events --------------------------------------------------------------------------------------------------------

local ON = {}

ON["response.output_item.added"] = begin

ON["response.output_item.done"] = function(self, document)
  local item = document.item
  local entry = item_of(self, document) or begin(self, document)
  if self.ended or not entry or json.kind(item) ~= "object" then
    return
  end
  entry.done = true
  if entry.kind == "message" then
    end_message(self, entry, item)
  elseif entry.kind == "reasoning" then
    end_reasoning(self, item)
  elseif KEY[entry.kind] then
    end_call(self, entry, item)
  end
end

-- The texts: by far the most events. Which item they belong to is not asked: messages do not interleave.
ON["response.output_text.delta"] = function(self, document)
  local fragment = literal.read(document, "delta")
  if fragment then
    self.flowing = true
    self.text(fragment)
  end
end

ON["response.refusal.delta"] = function(self, document)
  local fragment = literal.read(document, "delta")
  if fragment then
    self.flowing, self.refused = true, true
    self.sink.refusal(fragment)
  end
end

-- The end of a part of a message: what no delta brought.
local function part_done(key, tell)
  return function(self, document)
    local entry = item_of(self, document)
    local text = not self.flowing and literal.read(document, key)
    if text and text ~= '""' then
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
  local entry = item_of(self, document)
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
  self.shown, self.flowing = source, true
  self.sink.reasoning(fragment)
end

local function reasoning_done(self, document, source)
  if not self.flowing then
    reasoning(self, document, "text", source)
  end
  self.flowing, self.gap = false, self.shown == source
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
  local entry, fragment = item_of(self, document), literal.read(document, "delta")
  if entry and entry.call and fragment and fragment ~= '""' then
    entry.parts[#entry.parts + 1] = fragment
    self.sink.tool_delta(entry.call, fragment)
  end
end

local function arguments_done(key)
  return function(self, document)
    local entry = item_of(self, document)
    if entry then
      complete_call(self, entry, literal.read(document, key))
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
    return fail(self, failure)
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
  fail(self, answer_in.failure(self.context, json.kind(response) == "object" and response.error or nil))
end

-- Recorded nested; the SDK's type is flat.
ON.error = function(self, document)
  fail(self, answer_in.failure(self.context, json.kind(document.error) == "object" and document.error or document))
end

local function ended_early(self)
  fail(self, errors.new("upstream_unfinished", { provider = self.context.target.provider,
    text = "neither response.completed nor response.incomplete nor response.failed came" }))
end

local function unreadable(self, data)
  if data ~= "" and data ~= "[DONE]" then
    fail(self, answer_in.malformed(self.context, "an event is no JSON object"))
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
    seen = false, refused = false, flowing = false, gap = false,
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
