--- The conversation of a request by the same names in every dialect, as filters see it. Nothing is copied: reading
--- looks into the client's document, writing edits it in place, and what nobody touches stays byte for byte.
--- docs/filters.md is the manual; `view_<dialect>` says where each dialect keeps what.
local each = require("cliproxy.view_each")
local edit = require("cliproxy.view_edit")
local items = require("cliproxy.view_items")
local json = require("cliproxy.json")
local texts = require("cliproxy.view_texts")

local M = {}

local ACCESSORS = {
  openai_chat = require("cliproxy.view_openai_chat"),
  openai_responses = require("cliproxy.view_openai_responses"),
  anthropic = require("cliproxy.view_anthropic"),
  gemini = require("cliproxy.view_gemini"),
  inputs = require("cliproxy.view_inputs"),
}

local STATE = items.STATE

local SYSTEM_SEPARATOR = "\n"

local function system_text(view)
  local slots = view.accessors.system(view.root)
  return #slots > 0 and texts.join(slots, SYSTEM_SEPARATOR) or nil
end

local function system_parts(view)
  local parts, message = {}, { class = "system", view = view }
  for i, slot in ipairs(view.accessors.system(view.root)) do
    parts[i] = items.part_proxy(view, message, { kind = "text", node = slot.node, slots = { slot }, system = true })
  end
  return items.list_of(view, "view.system_parts", parts)
end

local function set_system(view, value)
  if type(value) == "table" then
    for i = 1, #value do
      items.check_text(value[i])
    end
    value = table.concat(value, SYSTEM_SEPARATOR)
  elseif value ~= nil then
    items.check_text(value)
  end
  local slots = view.accessors.system(view.root)
  if value == nil or value == "" then
    for _, slot in ipairs(slots) do
      texts.drop(slot)
    end
  elseif #slots > 0 then
    texts.replace(slots, value, SYSTEM_SEPARATOR)
  elseif view.accessors.add_system then
    view.accessors.add_system(view.root, value)
  else
    error(view.accessors.title .. " has no system text", 0)
  end
end

local function check_number(value)
  if type(value) ~= "number" or value ~= value or math.abs(value) == math.huge then
    error("expected a number, found " .. (json.kind(value) or type(value)), 0)
  end
  return value
end

local function check_count(value)
  if check_number(value) % 1 ~= 0 or value < 0 then
    error(("expected a whole number, found %.14g"):format(value), 0)
  end
  return value
end

local function check_stop(value)
  local list = type(value) == "string" and { value } or value
  if type(list) ~= "table" then
    error("expected a string or a list of strings, found " .. (json.kind(value) or type(value)), 0)
  end
  for i = 1, #list do
    items.check_text(list[i])
  end
  return #list > 0 and list or nil
end

local function read_stop(value)
  if type(value) == "string" then
    return { value }
  elseif json.kind(value) ~= "array" then
    return nil
  end
  local list = {}
  for i, item in json.each(value) do
    list[i] = item
  end
  return list
end

--- Fields with a counterpart in most dialects.
local FIELDS = { max_tokens = check_count, temperature = check_number, top_p = check_number, top_k = check_count,
  seed = check_count, stop = check_stop }

local readers = {
  system = system_text,
  system_parts = system_parts,
  messages = items.messages_of,
  tools = items.tools_of,
  model = function(view)
    return view.model
  end,
  stream = function(view)
    return view.stream
  end,
}

local writers = { system = set_system }

for name, check in pairs(FIELDS) do
  readers[name] = function(view)
    local node, key = view.accessors.place(view.root, name)
    local value = node and key and json.value(node[key])
    if name == "stop" then
      return read_stop(value)
    end
    return json.present(value) and value or nil
  end
  writers[name] = function(view, value)
    if value ~= nil then
      value = check(value)
    end
    local node, key = view.accessors.place(view.root, name, value ~= nil)
    if not key and value ~= nil then
      error(view.accessors.title .. " has no such field", 0)
    elseif node and key then
      node[key] = value
    end
  end
end

local VIEW = items.class("view", readers, writers, {
  model = ": routes in config.lua decide where a request goes",
  stream = ": the client decides whether it streams",
  system_parts = "; set view.system, or the text of a part",
  messages = "; edit the messages, or use context.insert and context.remove",
  tools = "; edit the tools, or use context.remove",
})

local WITHOUT_CONVERSATION = { embed = true, complete = true }

M.insert, M.remove, M.each_text = edit.insert, edit.remove, each.each_text

---@param document cliproxy.json.Node the client's
---@param facts { dialect: string, operation?: string, model?: string, stream?: boolean }
---@return cliproxy.View
function M.of(document, facts)
  local accessors = ACCESSORS[WITHOUT_CONVERSATION[facts.operation] and "inputs" or facts.dialect]
  local root = accessors.root and accessors.root(document) or document
  local state = { class = "view", accessors = accessors, root = root, model = facts.model,
    stream = facts.stream or false }
  return setmetatable({ [STATE] = state }, VIEW)
end

--- Whether the lists of a view were changed past it, which the document would not show.
---@param view cliproxy.View
---@return string? message
function M.problem(view)
  local state = rawget(view, STATE)
  for _, list in ipairs({ state.messages or false, state.tools or false }) do
    local entry = list and items.entry_of(list)
    local same = not entry or #list == #entry.items
    for i = 1, entry and same and #list or 0 do
      same = same and rawequal(list[i], entry.items[i])
    end
    if not same then
      return entry.name .. " was changed as a table; use context.insert and context.remove"
    end
  end
end

return M
