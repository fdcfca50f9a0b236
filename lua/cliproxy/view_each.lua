--- Every text of a `view`, whatever it is part of.
local items = require("cliproxy.view_items")
local texts = require("cliproxy.view_texts")

local M = {}

local STATE = items.STATE

local function visit_slots(slots, fn)
  for _, slot in ipairs(slots) do
    local text = slot.node[slot.key]
    local new = fn(text)
    if new ~= nil and new ~= text then
      slot.node[slot.key] = new
    end
  end
end

local function visit_members(node, names, fn)
  for _, name in ipairs(names) do
    if texts.is_string(node, name) then
      visit_slots({ { node = node, key = name } }, fn)
    end
  end
end

-- Blocks of a tool's result that are no plain text.
local function visit_other_blocks(view, part, fn)
  local known = {}
  for _, slot in ipairs(part.slots or {}) do
    known[#known + 1] = slot.element
  end
  local key, at = view.accessors.result_key, 1
  for _, block in ipairs(key and texts.objects(part.node, key) or {}) do
    if known[at] == block then
      at = at + 1
    else
      texts.each_string(block, fn)
    end
  end
end

local visitors = {
  tool_call = function(view, part, fn)
    if view.accessors.text_inputs and texts.is_string(part.node, part.key) then
      texts.each_in_text(part.node, part.key, fn)
    else
      texts.each_string(part.node[part.key], fn, true)
    end
  end,
  tool_result = function(view, part, fn)
    if part.slots then
      visit_slots(part.slots, fn)
    elseif part.key then
      texts.each_string(part.node[part.key], fn, true)
    end
    visit_other_blocks(view, part, fn)
  end,
  document = function(_, part, fn)
    visit_slots(part.slots or {}, fn)
    visit_members(part.node, { "title", "context" }, fn)
  end,
  other = function(_, part, fn)
    texts.each_string(part.node, fn)
  end,
}

local function visit_messages(walk)
  local accessors = walk.view.accessors
  for _, proxy in ipairs(items.messages_of(walk.view)) do
    local message = rawget(proxy, STATE)
    walk.role = message.slot and "user" or accessors.role(message.node)
    for _, part in ipairs(items.raw_parts(message)) do
      walk.kind = part.kind
      if visitors[part.kind] then
        visitors[part.kind](walk.view, part, walk.visit)
      elseif part.slots and not part.fixed then
        visit_slots(part.slots, walk.visit)
      end
    end
  end
end

local function visit_all(walk)
  local view = walk.view
  visit_slots(view.accessors.system(view.root), walk.visit)
  visit_messages(walk)
  walk.kind, walk.role = "other", nil
  for _, node in pairs(view.accessors.extra(view.root)) do
    texts.each_string(node, walk.visit)
  end
  walk.kind = "tool"
  for _, tool in ipairs(view.accessors.tools(view.root)) do
    visit_members(tool.node, { "description" }, walk.visit)
  end
end

--- Calls `fn` with every text that the model is to read: of the system, of messages, of tools' inputs, results and
--- descriptions; what it returns stands there then, nil keeps it. Signed thoughts, images and files are left alone.
---@param view table
---@param fn fun(text: string, kind: cliproxy.ViewPartKind|"tool"|"system", role?: string): string?
function M.each_text(view, fn)
  local state = rawget(view, STATE)
  local walk = { view = state, kind = "system", role = "system" }
  walk.visit = function(text)
    local new = fn(text, walk.kind, walk.role)
    if new ~= nil and type(new) ~= "string" then
      walk.wrong = "its function returns a text or nil, not a " .. type(new)
      error(walk.wrong, 0)
    end
    return new
  end
  local ok, message = pcall(visit_all, walk)
  if not ok then
    local said = walk.wrong or type(message) == "string" and items.plain(message)
    local ours = walk.wrong or said and said ~= message
    error(ours and "context.each_text: " .. said or message, ours and 2 or 0)
  end
end

return M
