--- Items in a provider's stream: how one begins, what it lacks at its end, and what cannot cross.
local answer_in = require("cliproxy.dialects.openai_responses.answer_in")
local json = require("cliproxy.json")
local literal = require("cliproxy.literal")

local M = {}

local sub = string.sub

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
---@field seen boolean anything of the answer
---@field refused boolean
---@field searched? string a search that no message followed
---@field flowing boolean the part of a message under way has had a delta
---@field thinking boolean the part of reasoning under way has had one; it may end behind a whole message
---@field shown? string of the reasoning under way: what it is told by, "summary" or "content"
---@field gap boolean a blank line is due before more reasoning

--- Ends the stream; the first time counts.
---@param self cliproxy.responses.StreamIn
---@param failure cliproxy.Failure
function M.fail(self, failure)
  if not self.ended then
    self.ended = true
    self.sink.fail(failure)
  end
end

local fail = M.fail

--- The item that an event is about.
---@param self cliproxy.responses.StreamIn
---@param document cliproxy.json.Node
---@return cliproxy.responses.StreamItem?
function M.of(self, document)
  local index = document.output_index
  if type(index) == "number" then
    return self.items[index]
  end
  local last = self.last
  return last and not last.done and last or nil
end

local function begin_call(self, entry, item, is_whole)
  local id, name = item.call_id, item.name
  id = type(id) == "string" and id ~= "" and id or nil
  if type(name) ~= "string" or name == "" or not (id or is_whole) then
    return -- maybe the finished item has them
  end
  self.calls = self.calls + 1
  entry.call, entry.parts = self.calls, {}
  self.open[entry.call] = true
  self.sink.tool_start(entry.call, { id = id, name = answer_in.tool_name(self.context, name),
    custom = entry.kind == "custom_tool_call" or nil })
end

--- The entry of an item that begins; nil where none can be made of it.
---@param self cliproxy.responses.StreamIn
---@param document cliproxy.json.Node
---@return cliproxy.responses.StreamItem?
function M.begin(self, document)
  local item = document.item
  if json.kind(item) ~= "object" then
    return nil
  end
  local kind = item.type
  local entry = { kind = kind, told = 0 }
  self.seen, self.last = true, entry
  if type(document.output_index) == "number" then
    self.items[document.output_index] = entry
  end
  if answer_in.SEARCHES[kind] then
    self.searched = kind
  elseif not answer_in.KNOWN[kind] then
    fail(self, answer_in.foreign(self.context, kind))
  elseif kind == "message" then
    self.searched, self.flowing = nil, false
  elseif kind == "reasoning" then
    self.shown, self.gap, self.thinking = nil, false, false
  else
    begin_call(self, entry, item)
  end
  return entry
end

--- Arguments that the deltas did not bring. A server that writes them anew in other words is not corrected.
---@param self cliproxy.responses.StreamIn
---@param entry cliproxy.responses.StreamItem
---@param whole? cliproxy.Literal
function M.complete_call(self, entry, whole)
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
    begin_call(self, entry, item, true)
    if not entry.call then
      return fail(self, answer_in.malformed(self.context, "a call without a name"))
    end
  end
  local key = KEY[entry.kind]
  local whole = literal.read(item, key)
  if not whole and json.kind(item[key]) == "object" then
    whole = literal.again(json.raw(item, key))
  end
  M.complete_call(self, entry, whole)
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

--- The finished item of an event.
---@param self cliproxy.responses.StreamIn
---@param document cliproxy.json.Node
function M.finish(self, document)
  local item = document.item
  local entry = M.of(self, document) or M.begin(self, document)
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

return M
