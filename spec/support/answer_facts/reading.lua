--- What readers of answers share.
local json = require("cliproxy.json")

local M = {}

local NOTHING = {}

--- What lies at the end of a path; nil where it ends before, or where null stands.
---@param node any
---@param ... string|integer
---@return any
function M.at(node, ...)
  for i = 1, select("#", ...) do
    local kind = json.kind(node)
    if kind ~= "object" and kind ~= "array" then
      return nil
    end
    node = node[select(i, ...)]
  end
  if node == json.null then
    return nil
  end
  return node
end

--- Elements of a list; none of what is no list.
function M.each(node)
  if json.kind(node) == "array" then
    return json.each(node)
  end
  return next, NOTHING
end

---@return string value "" for anything else
function M.string_of(value)
  return type(value) == "string" and value or ""
end

---@return number? value nil for anything else
function M.number(value)
  return type(value) == "number" and value or nil
end

--- JSON in one spelling: members sorted, no white space, strings escaped alike, numbers as they were written.
---@param value any
---@param holder? any
---@param key? any
---@return string
function M.canonical(value, holder, key)
  local kind = json.kind(value)
  if kind == "object" then
    local members = {}
    for name, member in json.each(value) do
      members[#members + 1] = json.encode(name) .. ":" .. M.canonical(member, value, name)
    end
    table.sort(members)
    return "{" .. table.concat(members, ",") .. "}"
  elseif kind == "array" then
    local out = {}
    for i, element in json.each(value) do
      out[i] = M.canonical(element, value, i)
    end
    return "[" .. table.concat(out, ",") .. "]"
  elseif kind == "number" and holder then
    return json.raw(holder, key)
  end
  return json.encode(value)
end

--- A call's input that is text.
---@param text string
---@return string
function M.input_of_text(text)
  if text == "" then
    return "{}"
  end
  local document = json.parse(text)
  return document ~= nil and M.canonical(document) or "text:" .. text
end

--- Collects a fragment. Two may share a surrogate pair: they are joined as JSON text.
---@param list string[]
---@param node any
---@param key string
function M.add(list, node, key)
  local raw = json.kind(node) == "object" and json.raw(node, key)
  if raw and raw:sub(1, 1) == '"' then
    list[#list + 1] = raw:sub(2, -2)
  end
end

--- The text of what `add` collected.
---@param list string[]
---@return string
function M.joined(list)
  return json.parse('"' .. table.concat(list) .. '"')
end

--- Facts that are being collected: texts are lists of fragments.
---@return table facts
function M.new()
  return { text = {}, refusal = {}, reasoning = {}, calls = {} }
end

--- Collected facts with their texts joined.
---@param facts table
---@return table facts
function M.close(facts)
  for _, key in ipairs { "text", "refusal", "reasoning" } do
    facts[key] = M.joined(facts[key])
  end
  return facts
end

--- The events of server-sent events: { type, data }. A block without fields that is JSON is an event, too.
---@param bytes string
---@return { type: string, data: string }[]
function M.events(bytes)
  local out, kind, data = {}, "", {}
  for line in (bytes:gsub("\r\n", "\n") .. "\n\n"):gmatch("(.-)\n") do
    local field, value = line:match("^(%a+): ?(.*)$")
    if field == "event" then
      kind = value
    elseif field == "data" then
      data[#data + 1] = value
    elseif line == "" and data[1] then
      out[#out + 1] = { type = kind, data = table.concat(data, "\n") }
      kind, data = "", {}
    end
  end
  return out
end

return M
