--- Texts in a document, wherever a dialect keeps them: found, joined, replaced in their place. Below `view`.
local json = require("cliproxy.json")

local M = {}

--- Where one text stands.
---@class cliproxy.TextSlot
---@field node cliproxy.json.Node that holds it
---@field key string|integer
---@field list? cliproxy.json.Node array whose element goes with the text
---@field element? cliproxy.json.Node
---@field parent? cliproxy.TextSlot what goes where the list has become empty

--- A part of a message as the accessors of a dialect find it.
---@class cliproxy.RawPart
---@field kind cliproxy.ViewPartKind
---@field node cliproxy.json.Node
---@field slots? cliproxy.TextSlot[] its texts; nil where it has none
---@field list? cliproxy.json.Node array that holds it
---@field fixed? boolean signed or encrypted: its text cannot be changed
---@field id? string
---@field name? string
---@field key? string tool_call: the field of `node` that holds its input; tool_result: that holds an object
---@field failed? boolean tool_result
---@field gone? fun() removes it where it is no element of a list

--- Whether a child is a string, without reading it.
---@param node cliproxy.json.Node
---@param key string|integer
---@return boolean
function M.is_string(node, key)
  local child = json.node(node, key)
  return child ~= nil and json.kind(child) == "string"
end

--- A child that is an object or array, else nil.
---@param node any
---@param key string|integer
---@param kind "object"|"array"
---@return cliproxy.json.Node?
function M.child(node, key, kind)
  local value = node[key]
  return json.kind(value) == kind and type(value) == "userdata" and value or nil
end

--- A string member, else nil.
---@param node cliproxy.json.Node
---@param key string
---@return string?
function M.text(node, key)
  local value = node[key]
  return type(value) == "string" and value or nil
end

local NONE = {}

--- The objects in an array, and the array; none where there is no such array.
---@param node cliproxy.json.Node
---@param key string
---@return cliproxy.json.Node[] objects
---@return cliproxy.json.Node? list
function M.objects(node, key)
  local list = M.child(node, key, "array")
  if not list then
    return NONE
  end
  local out = {}
  for _, element in json.each(list) do
    if json.kind(element) == "object" then
      out[#out + 1] = element
    end
  end
  return out, list
end

--- The array of messages, and how many of its first are the system's.
---@param document cliproxy.json.Node
---@param key string
---@param role fun(message: cliproxy.json.Node): string
---@return cliproxy.json.Node? list
---@return integer leading
function M.messages(document, key, role)
  local list, count = M.child(document, key, "array"), 0
  if list then
    for i, message in json.each(list) do
      if json.kind(message) ~= "object" or role(message) ~= "system" then
        break
      end
      count = i
    end
  end
  return list, count
end

--- Adds the slots of a content that is a string, or a list of parts.
---@param slots cliproxy.TextSlot[]
---@param node cliproxy.json.Node
---@param key string
---@param types table<string, string> type of a part → the field of its text
---@param parent? cliproxy.TextSlot what goes with the last of them
---@return cliproxy.TextSlot[] slots
function M.content(slots, node, key, types, parent)
  if M.is_string(node, key) then
    slots[#slots + 1] = parent and { node = node, key = key, list = parent.list, element = parent.element }
      or { node = node, key = key }
    return slots
  end
  local list = M.child(node, key, "array")
  if not list then
    return slots
  end
  for _, part in json.each(list) do
    local field = json.kind(part) == "object" and types[part.type]
    if field and M.is_string(part, field) then
      slots[#slots + 1] = { node = part, key = field, list = list, element = part,
        parent = parent or { node = node, key = key } }
    end
  end
  return slots
end

--- The texts in one.
---@param slots cliproxy.TextSlot[]
---@param separator? string
---@return string
function M.join(slots, separator)
  if #slots == 1 then
    return slots[1].node[slots[1].key]
  end
  local out = {}
  for i, slot in ipairs(slots) do
    out[i] = slot.node[slot.key]
  end
  return table.concat(out, separator)
end

--- Takes an element out of an array, wherever it stands by now.
---@param list cliproxy.json.Node
---@param element cliproxy.json.Node
---@param hint? integer where it probably is
---@return boolean found
function M.remove_element(list, element, hint)
  if hint and list[hint] == element then
    json.remove(list, hint)
    return true
  end
  for i, other in json.each(list) do
    if other == element then
      json.remove(list, i)
      return true
    end
  end
  return false
end

--- Removes a text with the part that holds it.
---@param slot cliproxy.TextSlot
function M.drop(slot)
  if not slot.list then
    slot.node[slot.key] = nil
    return
  end
  M.remove_element(slot.list, slot.element)
  if slot.parent and #slot.list == 0 then
    M.drop(slot.parent)
  end
end

--- Replaces the texts by one. What only grew at its end or its beginning changes the last or the first of them;
--- otherwise the last one holds the new text, since cache breakpoints stand there, and the others go.
---@param slots cliproxy.TextSlot[] at least one
---@param value string
---@param separator? string that `join` was given
function M.replace(slots, value, separator)
  local count, old = #slots, M.join(slots, separator)
  if value == old then
    return
  end
  local first, last = slots[1], slots[count]
  if count > 1 then
    if value:sub(1, #old) == old then
      last.node[last.key] = last.node[last.key] .. value:sub(#old + 1)
      return
    elseif value:sub(-#old) == old then
      first.node[first.key] = value:sub(1, #value - #old) .. first.node[first.key]
      return
    end
  end
  last.node[last.key] = value -- first: it may raise
  for i = 1, count - 1 do
    M.drop(slots[i])
  end
end

-- Members of parts that no accessor knows, and that are no words of anybody: names, ids, data, what is signed.
local NO_TEXT = {}
for _, name in ipairs({ "type", "id", "call_id", "tool_call_id", "tool_use_id", "item_id", "role", "status", "name",
  "data", "signature", "encrypted_content", "encrypted_index", "file_data", "file_id", "fileUri", "file_uri",
  "media_type", "mimeType", "mime_type", "thoughtSignature", "thought_signature", "cache_control", "image_url",
  "language", "outcome" }) do
  NO_TEXT[name] = true
end

--- Every string below a node, replaced by what `fn` returns for it; nil keeps it.
---@param node any
---@param fn fun(text: string): string?
---@param known? boolean the strings are all words: tool inputs and results
---@return boolean changed
function M.each_string(node, fn, known)
  local kind = json.kind(node)
  if type(node) ~= "userdata" or kind ~= "object" and kind ~= "array" then
    return false
  end
  local changed = false
  for key, value in json.each(node) do
    if type(value) == "string" then
      local new = (known or not NO_TEXT[key]) and fn(value) or nil
      if new ~= nil and new ~= value then
        node[key], changed = new, true
      end
    elseif known or not NO_TEXT[key] then
      changed = M.each_string(value, fn, known) or changed
    end
  end
  return changed
end

--- The same within a text that is a JSON object or array, else for the text itself.
---@param node cliproxy.json.Node
---@param key string
---@param fn fun(text: string): string?
function M.each_in_text(node, key, fn)
  local text = node[key]
  local document = text:find("^%s*[{[]") and json.parse(text)
  if type(document) == "userdata" then
    if M.each_string(document, fn, true) then
      node[key] = json.encode(document)
    end
    json.close(document)
    return
  end
  local new = fn(text)
  if new ~= nil and new ~= text then
    node[key] = new
  end
end

return M
