--- JSON Schemas as Anthropic takes them: of an object, closed where an answer is to follow them. Bytes
--- that need no change stay as they are.
local json = require("cliproxy.json")
local memo = require("cliproxy.memo")

local M = {}

local EMPTY = '{"type":"object","properties":{}}'

-- Keywords whose members or elements are schemas. Names of properties are never taken for keywords.
local MAPS = { "properties", "patternProperties", "$defs", "definitions", "dependentSchemas" }
local LISTS = { "anyOf", "oneOf", "allOf", "prefixItems" }
local ONES = { "items", "additionalProperties", "not", "contains", "if", "then", "else", "propertyNames" }

-- Calls `visit` for every schema of a tree, inner ones first: it may edit what it sees.
local function walk(node, visit)
  if json.kind(node) ~= "object" then
    return
  end
  for _, key in ipairs(MAPS) do
    local map = node[key]
    if json.kind(map) == "object" then
      for _, child in json.each(map) do
        walk(child, visit)
      end
    end
  end
  for _, key in ipairs(LISTS) do
    local list = node[key]
    if json.kind(list) == "array" then
      for _, child in json.each(list) do
        walk(child, visit)
      end
    end
  end
  for _, key in ipairs(ONES) do
    walk(node[key], visit)
  end
  visit(node)
end

-- Inserts the type in front; the rest stays byte for byte.
local function typed(schema)
  local rest = schema:match("^%s*{%s*(.*)$")
  return rest:sub(1, 1) == "}" and EMPTY or '{"type":"object",' .. rest
end

local of_input = memo.of(function(schema)
  local document = json.parse(schema)
  if json.kind(document) ~= "object" then
    return nil, false
  end
  local kind, out = document.type, schema
  if kind == "object" then
    json.close(document)
    return out, false
  elseif kind == nil then
    out = typed(schema)
  elseif kind == json.null or json.kind(kind) == "array" then
    document.type = "object"
    out = json.encode(document)
  else
    out = nil
  end
  json.close(document)
  return out, out ~= nil
end)

--- The schema of a tool's input.
---@param schema? cliproxy.JsonText nil: none was given
---@return cliproxy.JsonText? schema nil where it is not that of an object
---@return boolean changed
function M.of_input(schema)
  if not schema then
    return EMPTY, true
  end
  return of_input(schema)
end

local function is_object_schema(node)
  local kind = node.type
  if json.kind(kind) == "array" then
    for _, one in json.each(kind) do
      if one == "object" then
        return true
      end
    end
    return false
  end
  return kind == "object" or not json.present(kind) and json.kind(node.properties) == "object"
end

--- The schema of an answer: each of its objects must say `additionalProperties: false`.
---@param schema cliproxy.JsonText
---@return cliproxy.JsonText? schema nil where an object is open on purpose
---@return boolean changed
function M.of_format(schema)
  local document = json.parse(schema)
  if json.kind(document) ~= "object" then
    return nil, false
  end
  local open, changed = false, false
  walk(document, function(node)
    if is_object_schema(node) then
      local more = node.additionalProperties
      if not json.present(more) then
        node.additionalProperties, changed = false, true
      elseif more ~= false then
        open = true
      end
    end
  end)
  local out = not open and (changed and json.encode(document) or schema) or nil
  json.close(document)
  return out, changed
end

return M
