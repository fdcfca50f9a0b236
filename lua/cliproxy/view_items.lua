--- Messages, parts and tools of a `view`, as filters read and write them.
local json = require("cliproxy.json")
local texts = require("cliproxy.view_texts")

local M = {}

-- Under this key a view, a message, a part or a tool keeps its state: no script has the key.
local STATE = {}
M.STATE = STATE

local function no_index()
  error("add to view.messages with context.insert(view.messages, index, { role =, text = })", 2)
end

--- The text of an error without the place in the core where it was noticed.
---@param message any
---@return string
function M.plain(message)
  return (tostring(message):gsub("^%S*/?view[%w_]*%.lua:%d+: ", ""))
end

local function no_field(kind, key, readers)
  local names = {}
  for name in pairs(readers) do
    names[#names + 1] = name
  end
  table.sort(names)
  return ("a %s has no field '%s'; it has %s"):format(kind, tostring(key), table.concat(names, ", "))
end

--- The metatable of views, messages, parts and tools.
function M.class(kind, readers, writers, why)
  return {
    __index = function(self, key)
      local read = readers[key]
      if not read then
        error(no_field(kind, key, readers), 2)
      end
      return read(rawget(self, STATE))
    end,
    __newindex = function(self, key, value)
      local write = writers[key]
      if not write then
        error(readers[key] and ("%s.%s cannot be set%s"):format(kind, key, why[key] or "")
          or no_field(kind, key, readers), 2)
      end
      local ok, message = pcall(write, rawget(self, STATE), value)
      if not ok then
        error(("%s.%s: %s"):format(kind, key, M.plain(message)), 2)
      end
    end,
    __metatable = kind,
  }
end

---@class cliproxy.ViewList what is known about a list that a script got
---@field view table
---@field name string
---@field items table[] what it should hold

--- A list for scripts.
---@param view table
---@param name string
---@param items table[]
---@return table[] items
function M.list_of(view, name, items)
  local held = {}
  for i = 1, #items do
    held[i] = items[i]
  end
  return setmetatable(items, { __newindex = no_index, __metatable = "list",
    entry = { view = view, name = name, items = held } })
end

---@param list any
---@return cliproxy.ViewList?
function M.entry_of(list)
  local meta = type(list) == "table" and debug.getmetatable(list)
  return meta and meta.entry or nil
end

--- Raises for what is no string.
function M.check_text(value)
  if type(value) ~= "string" then
    error("expected a string, found " .. (json.kind(value) or type(value)), 0)
  end
end

local check_text = M.check_text

local function not_removed(state)
  if state.removed then
    error("it was removed from the request", 0)
  end
end

-- Parts ---------------------------------------------------------------------------------------------------------

local function part_text(state)
  local part = state.part
  if part.slots then
    return texts.join(part.slots)
  elseif part.kind == "tool_result" then
    return part.key and json.raw(part.node, part.key) or ""
  end
end

-- A result without a text of its own: an object (Gemini), or nothing yet.
local function set_result(state, value)
  local part = state.part
  if not part.key then
    state.view.accessors.add_text(part.node, value, part)
    return
  end
  local document = json.parse(value)
  if json.kind(document) == "object" then
    part.node[part.key] = document
  else
    part.node[part.key] = { output = value }
  end
end

-- The texts of a part stand elsewhere now.
local function find_again(state)
  for _, part in ipairs(M.raw_parts(state.message)) do
    if part.kind == state.part.kind and part.node == state.part.node then
      state.part = part
    end
  end
end

local function set_part_text(state, value)
  not_removed(state)
  check_text(value)
  local part = state.part
  if value == part_text(state) then
    return
  elseif part.fixed or part.kind == "reasoning" then
    error("what a model thought cannot be changed; context.remove(part) takes it out", 0)
  elseif part.slots and #part.slots > 0 then
    texts.replace(part.slots, value)
  elseif part.kind == "tool_result" then
    set_result(state, value)
  else
    error(("a part of kind %s has no text"):format(part.kind), 0)
  end
  if #(part.slots or {}) ~= 1 then
    find_again(state)
  end
end

local function part_input(state)
  local part = state.part
  if part.kind ~= "tool_call" then
    return nil
  end
  local text = texts.is_string(part.node, part.key) and part.node[part.key]
  return text or json.raw(part.node, part.key) or "{}"
end

local function set_part_input(state, value)
  not_removed(state)
  check_text(value)
  local part = state.part
  if part.kind ~= "tool_call" then
    error(("a part of kind %s has no input"):format(part.kind), 0)
  elseif value == part_input(state) then
    return
  elseif state.view.accessors.text_inputs then
    part.node[part.key] = value
    return
  end
  local document = json.parse(value)
  if json.kind(document) ~= "object" then
    error("expected the text of a JSON object", 0)
  end
  part.node[part.key] = document
end

local PART = M.class("part", {
  kind = function(state)
    return state.part.kind
  end,
  text = part_text,
  input = part_input,
  id = function(state)
    return state.part.id
  end,
  name = function(state)
    return state.part.name
  end,
  is_error = function(state)
    return state.part.failed or false
  end,
  raw = function(state)
    return state.part.node
  end,
}, { text = set_part_text, input = set_part_input }, { raw = "; assign to its fields" })

function M.part_proxy(view, message, part)
  return setmetatable({ [STATE] = { class = "part", view = view, message = message, part = part } }, PART)
end

-- Messages ------------------------------------------------------------------------------------------------------

function M.raw_parts(state)
  if state.slot then
    return { { kind = "text", node = state.slot.node, slots = { state.slot } } }
  end
  return state.view.accessors.parts(state.node)
end

local function message_parts(state)
  local list = state.parts
  if not list then
    local parts = {}
    for i, part in ipairs(M.raw_parts(state)) do
      parts[i] = M.part_proxy(state.view, state, part)
    end
    list = M.list_of(state.view, "message.parts", parts)
    state.parts = list
  end
  return list
end

-- The slots of its texts; without any, its tool results.
local function message_slots(state)
  local slots, results, last = {}, 0, nil
  local parts = M.raw_parts(state)
  for _, part in ipairs(parts) do
    if part.kind == "text" then
      for _, slot in ipairs(part.slots or {}) do
        slots[#slots + 1] = slot
      end
    elseif part.kind == "tool_result" then
      results, last = results + 1, part
    end
  end
  return slots, #slots == 0 and results or 0, last, parts
end

local function message_text(state)
  local slots, results, last, parts = message_slots(state)
  if results == 1 then
    return part_text({ view = state.view, part = last })
  elseif results > 1 then
    local out = {}
    for _, part in ipairs(parts) do
      if part.kind == "tool_result" then
        out[#out + 1] = part_text({ view = state.view, part = part })
      end
    end
    return table.concat(out, "\n")
  end
  return texts.join(slots)
end

local function set_message_text(state, value)
  not_removed(state)
  check_text(value)
  local slots, results, last = message_slots(state)
  if results > 1 then
    if value ~= message_text(state) then
      error(("the message holds %d tool results; set the text of each part"):format(results), 0)
    end
    return
  elseif results == 1 then
    set_part_text({ view = state.view, part = last, message = state }, value)
  elseif #slots > 0 then
    texts.replace(slots, value)
  elseif value == "" then
    return
  elseif not state.view.accessors.add_text(state.node, value) then
    error("this message has no text", 0)
  end
  state.parts = nil
end

local MESSAGE = M.class("message", {
  role = function(state)
    return state.slot and "user" or state.view.accessors.role(state.node)
  end,
  text = message_text,
  parts = message_parts,
  raw = function(state)
    return state.node
  end,
}, { text = set_message_text }, {
  role = "", parts = "; set the text of its parts, or use context.remove(part)", raw = "; assign to its fields",
})

function M.message_proxy(view, node, slot)
  return setmetatable({ [STATE] = { class = "message", view = view, node = node, slot = slot } }, MESSAGE)
end

function M.messages_of(view)
  if view.messages then
    return view.messages
  end
  local items = {}
  local list, leading = view.accessors.list(view.root)
  if list then
    for i, node in json.each(list) do
      if i > leading and json.kind(node) == "object" then
        items[#items + 1] = M.message_proxy(view, node)
      end
    end
  elseif view.accessors.loose then
    for i, slot in ipairs(view.accessors.loose(view.root) or {}) do
      items[i] = M.message_proxy(view, nil, slot)
    end
  end
  view.messages = M.list_of(view, "view.messages", items)
  return view.messages
end

-- Tools ---------------------------------------------------------------------------------------------------------

local function set_tool(name)
  return function(state, value)
    not_removed(state)
    if not (name == "description" and value == nil) then
      check_text(value)
    end
    if not state.tool.named then
      error(("a tool of kind %s has no %s"):format(state.tool.kind, name), 0)
    end
    state.tool.node[name] = value
  end
end

local TOOL = M.class("tool", {
  kind = function(state)
    return state.tool.kind
  end,
  name = function(state)
    return texts.text(state.tool.node, "name") or state.tool.kind
  end,
  description = function(state)
    return texts.text(state.tool.node, "description")
  end,
  raw = function(state)
    return state.tool.member and state.tool.node[state.tool.member] or state.tool.node
  end,
}, { name = set_tool("name"), description = set_tool("description") }, { raw = "; assign to its fields" })

function M.tools_of(view)
  if not view.tools then
    local items = {}
    for i, tool in ipairs(view.accessors.tools(view.root)) do
      items[i] = setmetatable({ [STATE] = { class = "tool", view = view, tool = tool } }, TOOL)
    end
    view.tools = M.list_of(view, "view.tools", items)
  end
  return view.tools
end

return M
