--- Puts messages into a `view`, and takes messages, parts and tools out of it.
local items = require("cliproxy.view_items")
local json = require("cliproxy.json")
local texts = require("cliproxy.view_texts")

local M = {}

local STATE = items.STATE

local function position(list, item)
  for i = 1, #list do
    if rawequal(list[i], item) then
      return i
    end
  end
end

local function take_out(list, item)
  local at = list and position(list, item)
  if at then
    table.remove(list, at)
    table.remove(items.entry_of(list).items, at)
  end
  return at
end

local function remove_message(state, proxy)
  local view = state.view
  if state.slot and not view.accessors.unlist then
    error("the messages of " .. view.accessors.title .. " cannot be taken out", 0)
  end
  local at = take_out(view.messages, proxy)
  state.removed = true
  if state.slot then
    view.accessors.unlist(view.root)
    return
  end
  local list, leading = view.accessors.list(view.root)
  if list then
    texts.remove_element(list, state.node, at and at + leading)
  end
end

local function proxy_of(view, state)
  for _, proxy in ipairs(view.messages or {}) do
    if rawget(proxy, STATE) == state then
      return proxy
    end
  end
end

local function remove_part(state, proxy)
  local part, message = state.part, state.message
  state.removed = true
  if part.system then
    texts.drop(part.slots[1])
    return
  end
  take_out(message.parts, proxy)
  if part.gone then
    part.gone()
  elseif part.list then
    texts.remove_element(part.list, part.element or part.node)
    if part.parent and #part.list == 0 then
      part.parent.node[part.parent.key] = nil
    end
  else -- it is all that the message holds
    remove_message(message, proxy_of(state.view, message))
    return
  end
  if #items.raw_parts(message) == 0 then
    remove_message(message, proxy_of(state.view, message))
  end
end

-- What held the last tool goes, too: services refuse an empty list.
local function remove_above(place)
  if not place then
    return
  elseif place.key then
    place.node[place.key] = nil
    local above = place.above
    if above and (#place.node == 0 or place.node.type == "namespace") then
      remove_above(above)
    end
    return
  end
  texts.remove_element(place.list, place.element)
  if #place.list == 0 then
    remove_above(place.parent)
  end
end

local function remove_tool(state, proxy)
  local view, tool = state.view, state.tool
  state.removed = true
  take_out(view.tools, proxy)
  if tool.member then
    tool.node[tool.member] = nil
    if #tool.node == 0 then
      remove_above(tool.above)
    end
  else
    remove_above({ list = tool.list, element = tool.element, parent = tool.parent })
  end
  if #view.accessors.tools(view.root) == 0 then
    for _, key in ipairs(view.accessors.without_tools or {}) do
      view.root[key] = nil
    end
  end
end

local removers = { message = remove_message, part = remove_part, tool = remove_tool }

--- Takes a message, a part of one or a tool out of the request. A message whose last part goes is taken out, too.
---@param item table
function M.remove(item)
  local state = type(item) == "table" and rawget(item, STATE)
  local remove = state and removers[state.class]
  if not remove then
    error("context.remove takes a message, a part or a tool, found " .. (json.kind(item) or type(item)), 2)
  elseif state.removed then
    return
  end
  local ok, message = pcall(remove, state, item)
  if not ok then
    error("context.remove: " .. items.plain(message), 2)
  end
end

local ROLES = { user = true, assistant = true, system = true }

local function check_message(value)
  if type(value) ~= "table" then
    error("expected { role =, text = }, found " .. (json.kind(value) or type(value)), 0)
  end
  for key in pairs(value) do
    if key ~= "role" and key ~= "text" then
      error(("a new message has role and text, not '%s'"):format(tostring(key)), 0)
    end
  end
  if not ROLES[value.role] then
    error('role may be "user", "assistant" or "system"', 0)
  end
  items.check_text(value.text)
end

-- The array of messages; a request that has none, or one text instead, gets it.
local function array_of(view)
  local accessors = view.accessors
  local list = accessors.list(view.root)
  if list then
    return list
  elseif not accessors.key then
    error("nothing can be added to the messages of " .. accessors.title, 0)
  elseif accessors.loose and accessors.loose(view.root) then
    list = accessors.listed(view.root)
    for i, proxy in ipairs(view.messages) do
      local state = rawget(proxy, STATE)
      state.node, state.slot, state.parts = list[i], nil, nil
    end
    return list
  end
  view.root[accessors.key] = json.array({})
  return view.root[accessors.key]
end

-- Where in the array a message stands.
local function place_in(view, array, index)
  local before = view.messages[index]
  if not before then
    return #array + 1
  end
  local node = rawget(before, STATE).node
  local _, leading = view.accessors.list(view.root)
  if array[index + leading] == node then
    return index + leading
  end
  for i, element in json.each(array) do
    if element == node then
      return i
    end
  end
  return #array + 1
end

local function insert(list, index, value)
  local entry = type(list) == "table" and items.entry_of(list)
  if not entry or entry.name ~= "view.messages" then
    error("expected view.messages", 0)
  elseif type(index) ~= "number" or index % 1 ~= 0 or index < 1 or index > #list + 1 then
    error(("index from 1 to %d expected, found %s"):format(#list + 1, tostring(index)), 0)
  end
  check_message(value)
  local view = entry.view
  local array = array_of(view)
  local made, message = view.accessors.message(value.role, value.text)
  if not made then
    error(message, 0)
  end
  local at = place_in(view, array, index)
  json.insert(array, at, made)
  local proxy = items.message_proxy(view, array[at])
  table.insert(entry.items, index, proxy)
  table.insert(list, index, proxy)
  return proxy
end

--- Puts a message in before `index`; without one, behind the last.
---@param list table view.messages
---@param index integer
---@param value { role: "user"|"assistant"|"system", text: string }
---@return table message
---@overload fun(list: table, value: table): table
function M.insert(list, index, value)
  if value == nil and type(index) == "table" then
    index, value = type(list) == "table" and #list + 1 or 1, index
  end
  local ok, result = pcall(insert, list, index, value)
  if not ok then
    error("context.insert: " .. items.plain(result), 2)
  end
  return result
end

return M
