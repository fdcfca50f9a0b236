--- The chunks of a provider's stream, told to a sink. Calls are known by their index, or by their id where a server
--- gives none; they may come whole or in fragments, one after the other or mixed. Why the answer ended is told when the
--- stream ends: counts, and errors, may follow the chunk that says it.
local json = require("cliproxy.json")
local literal = require("cliproxy.literal")
local words_in = require("cliproxy.dialects.openai_chat.words_in")

local M = {}

local byte, kind_of, null, parse, read, sub = string.byte, json.kind, json.null, json.parse, literal.read, string.sub

---@class cliproxy.openai_chat.StreamCall
---@field i? integer place in the answer, once the sink knows it
---@field id? string as the server has it
---@field name? string
---@field custom? boolean
---@field parts cliproxy.Literal[] its arguments so far
---@field bytes integer of them, without quotes
---@field ended? boolean

---@class cliproxy.openai_chat.StreamIn
---@field context cliproxy.Context
---@field sink cliproxy.Sink
---@field text fun(fragment: cliproxy.Literal) the sink's
---@field calls cliproxy.openai_chat.StreamCall[] in the order of appearance
---@field by_index table<any, cliproxy.openai_chat.StreamCall> the latest of each index
---@field told integer calls that the sink knows
---@field started boolean
---@field ended boolean
---@field refused boolean
---@field finish? string why the answer ended, as the server says it
---@field sequence? cliproxy.Literal the stop sequence
---@field usage? cliproxy.TokenUsage

local function fail(self, failure)
  if not self.ended then
    self.ended = true
    self.sink.fail(failure)
  end
end

local function start(self, document)
  self.started = true
  local head = words_in.head(document)
  head.usage = self.usage
  self.sink.start(head)
end

-- Calls ---------------------------------------------------------------------------------------------------------

local function is_complete(entry)
  if #entry.parts == 0 then
    return false
  end
  local document = parse(literal.text(literal.concat(entry.parts)))
  local is_object = kind_of(document) == "object"
  if type(document) == "userdata" and document ~= null then
    json.close(document)
  end
  return is_object
end

local function end_call(self, entry)
  if entry.i and not entry.ended then
    entry.ended = true
    self.sink.tool_end(entry.i)
  end
end

-- The sink learns of a call when its name is known; what came before that follows.
local function tell_call(self, entry)
  self.told = self.told + 1
  entry.i = self.told
  local name = words_in.tool_name(self.context, entry.name)
  self.sink.tool_start(entry.i, { id = entry.id, name = name, custom = entry.custom })
  for _, fragment in ipairs(entry.parts) do
    self.sink.tool_delta(entry.i, fragment)
  end
end

local function new_call(self, key, id, custom)
  local last = self.calls[#self.calls]
  -- A call whose input is a whole object gets no more: those who show one call at a time can go on.
  if last and not last.ended and not last.custom and is_complete(last) then
    end_call(self, last)
  end
  local entry = { id = id, custom = custom, parts = {}, bytes = 0 }
  self.calls[#self.calls + 1] = entry
  if key ~= nil then
    self.by_index[key] = entry
  end
  return entry
end

-- Some servers give every call index 0: then a name with another id makes it another call.
local function call_of(self, index, id, name, custom)
  local entry
  if index ~= nil then
    entry = self.by_index[index]
    if entry and name and id and entry.id and entry.id ~= id then
      entry = nil
    end
  elseif id then
    for _, known in ipairs(self.calls) do
      entry = known.id == id and known or entry
    end
  elseif not name then
    entry = self.calls[#self.calls]
  end
  return entry or new_call(self, index, id, custom)
end

-- Some servers send the whole input once more at the end.
local function is_repeated(entry, fragment)
  return entry.bytes == #fragment - 2 and byte(fragment, 2) == 123 and byte(fragment, -2) == 125
    and literal.concat(entry.parts) == fragment
end

local function arguments_of(inner, key)
  local fragment = read(inner, key)
  if not fragment and kind_of(inner[key]) == "object" then
    fragment = literal.again(json.raw(inner, key))
  end
  return fragment
end

local function call_delta(self, index, id, inner, custom)
  local name = inner.name
  name = type(name) == "string" and name ~= "" and name or nil
  local entry = call_of(self, index, id, name, custom)
  entry.id = entry.id or id
  if name and not entry.name then
    entry.name = name
    tell_call(self, entry)
  end
  local fragment = arguments_of(inner, custom and "input" or "arguments")
  if fragment and #fragment > 2 and not entry.ended and not is_repeated(entry, fragment) then
    entry.parts[#entry.parts + 1], entry.bytes = fragment, entry.bytes + #fragment - 2
    if entry.i then
      self.sink.tool_delta(entry.i, fragment)
    end
  end
end

local function read_calls(self, list)
  for _, call in json.each(list) do
    if kind_of(call) == "object" then
      local index, id = call.index, call.id
      index = type(index) == "number" and index or nil
      id = type(id) == "string" and id ~= "" and id or nil
      local custom = kind_of(call.custom) == "object"
      local inner = custom and call.custom or call["function"]
      if kind_of(inner) == "object" then
        call_delta(self, index, id, inner, custom or nil)
      end
    end
  end
end

-- Deltas --------------------------------------------------------------------------------------------------------

local function tell(self, kind, fragment)
  if fragment and #fragment > 2 then
    self.refused = self.refused or kind == "refusal"
    self.sink[kind](fragment)
  end
end

-- What is in a delta beside a text. `content` is its value, where that is no string.
local function read_more(self, delta, content)
  local failure = words_in.foreign(self.context, delta)
  if not failure and kind_of(content) == "array" then
    failure = words_in.each_part(self.context, content, function(kind, fragment)
      tell(self, kind, fragment)
    end)
  end
  if failure then
    return fail(self, failure)
  end
  tell(self, "refusal", read(delta, "refusal"))
  if kind_of(delta.tool_calls) == "array" then
    read_calls(self, delta.tool_calls)
  elseif kind_of(delta.function_call) == "object" then
    call_delta(self, "function_call", nil, delta.function_call)
  end
  for _, citation in ipairs(words_in.citations(delta) or {}) do
    self.sink.citation(citation)
  end
end

local function read_delta(self, delta)
  local content = read(delta, "content")
  local count = #delta
  if content and count == 1 then
    if #content > 2 then
      self.text(content)
    end
    return
  end
  -- Thoughts come before the text that they lead to.
  local thought = words_in.reasoning(delta)
  if thought then
    self.sink.reasoning(thought)
  end
  if content and #content > 2 then
    self.text(content)
  end
  if count > (content and 1 or 0) + (thought and 1 or 0) then
    read_more(self, delta, not content and delta.content)
  end
end

-- The last delta of an answer, whose chunk also has what servers put there alone.
local function read_finish(self, document, choice, reason)
  if choice.error ~= nil and choice.error ~= null then
    return fail(self, words_in.failure(self.context, choice.error))
  elseif not self.finish and reason ~= "" then
    self.finish, self.sequence = reason, words_in.sequence(self.context, choice)
  end
  self.usage = words_in.usage(document, choice) or self.usage
end

local function read_choice(self, document, choice)
  local delta = choice.delta
  if kind_of(delta) ~= "object" then
    delta = choice.message -- of servers that send the whole as a stream
  end
  if kind_of(delta) == "object" then
    read_delta(self, delta)
  end
  local reason = choice.finish_reason
  if type(reason) == "string" and not self.ended then
    read_finish(self, document, choice, reason)
  end
end

-- The end -------------------------------------------------------------------------------------------------------

local function finish(self, how)
  if not self.finish then
    return fail(self, words_in.unfinished(self.context, how .. " came without a finish_reason"))
  end
  for _, entry in ipairs(self.calls) do
    if not entry.name then
      return fail(self, words_in.malformed(self.context, "a call without a name"))
    end
  end
  local stop, failure = words_in.stop(self.context, self.finish, self.told > 0, self.refused)
  if not stop then
    return fail(self, failure)
  end
  for _, entry in ipairs(self.calls) do
    end_call(self, entry)
  end
  if self.usage then
    self.sink.usage(self.usage)
  end
  if stop == "end" and self.sequence then
    self.sink.stop("stop_sequence", { sequence = self.sequence })
  else
    self.sink.stop(stop)
  end
  self.ended = true
  self.sink.finish()
end

-- Events --------------------------------------------------------------------------------------------------------

-- The choice of a chunk that is the answer's; more than one is never asked for.
local function choice_of(document)
  local choices = document.choices
  if kind_of(choices) ~= "array" then
    return nil
  end
  local choice = choices[1]
  if kind_of(choice) ~= "object" or type(choice.index) == "number" and choice.index ~= 0 then
    return nil
  end
  return choice
end

local function chunk(self, document, event)
  local failed = document.error
  if failed == nil or failed == null then
    failed = event.type == "error" and document or nil
  end
  if failed ~= nil then
    return fail(self, words_in.failure(self.context, failed))
  end
  local usage, choice = document.usage, choice_of(document)
  if usage ~= nil and usage ~= null or not choice then
    self.usage = words_in.usage(document) or self.usage
  end
  if choice then
    if not self.started then
      start(self, document)
    end
    read_choice(self, document, choice)
  end
end

-- Data that is no object: the end, an error in a list, or nothing that this dialect has.
local function other(self, document, data)
  if kind_of(document) == "array" then
    local first = document[1]
    local failed = kind_of(first) == "object" and first.error
    if kind_of(failed) == "object" then
      return fail(self, words_in.failure(self.context, failed))
    end
  elseif sub(data, 1, 6) == "[DONE]" then
    return finish(self, "[DONE]")
  elseif not data:find("%S") then
    return
  end
  fail(self, words_in.malformed(self.context, "an event is no JSON object"))
end

--- Reads a stream of events; see docs/conversation.md.
---@param context cliproxy.Context
---@param sink cliproxy.Sink
---@return fun(event?: cliproxy.Event)
function M.decoder(context, sink)
  ---@type cliproxy.openai_chat.StreamIn
  local self = {
    context = context, sink = sink, text = sink.text, calls = {}, by_index = {}, told = 0, started = false,
    ended = false, refused = false,
  }
  return function(event)
    if self.ended then
      return
    elseif not event then
      return finish(self, "the end")
    end
    local data = event.data
    local document = parse(data)
    if kind_of(document) == "object" then
      chunk(self, document, event)
    else
      other(self, document, data)
    end
    if type(document) == "userdata" and document ~= null then
      json.close(document)
    end
  end
end

return M
