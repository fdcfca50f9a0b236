--- Schemas of a Gemini client, an OpenAPI subset with types in capitals, as the JSON Schema that other dialects take.
--- Words of the schema language change, never the names of a user's properties.
local json = require("cliproxy.json")
local memo = require("cliproxy.memo")
local spelling = require("cliproxy.dialects.gemini.spelling")

local M = {}

-- Also as numbers of the enumeration.
local TYPES = { "string", "number", "integer", "boolean", "array", "object", "null" }
for _, name in ipairs { unpack(TYPES) } do
  TYPES[name] = name
end

-- Words that have a spelling of their own in snake_case.
local CAMEL = spelling.names { "anyOf", "minItems", "maxItems", "minLength", "maxLength", "minProperties",
  "maxProperties", "propertyOrdering", "additionalProperties", "prefixItems", "oneOf", "allOf" }

local convert

local function type_of(node, key, value, nullable)
  if json.kind(value) == "array" then
    return (json.raw(node, key):lower())
  end
  local name = TYPES[type(value) == "string" and value:lower() or value]
  if not name then
    return nil -- TYPE_UNSPECIFIED
  end
  return nullable and '["' .. name .. '","null"]' or '"' .. name .. '"'
end

local function schema_or_raw(node, key, value)
  return json.kind(value) == "object" and convert(value) or json.raw(node, key)
end

local function list(node, key, value, last)
  if json.kind(value) ~= "array" then
    return json.raw(node, key)
  end
  local out = {}
  for i, child in json.each(value) do
    out[i] = schema_or_raw(value, i, child)
  end
  out[#out + 1] = last
  return "[" .. table.concat(out, ",") .. "]"
end

local function map(node, key, value)
  if json.kind(value) ~= "object" then
    return json.raw(node, key)
  end
  local out = {}
  for name, child in json.each(value) do
    out[#out + 1] = json.encode(name) .. ":" .. schema_or_raw(value, name, child)
  end
  return "{" .. table.concat(out, ",") .. "}"
end

-- int64 may be strings.
local function count(node, key)
  local raw = json.raw(node, key)
  return raw:match('^"(%d+)"$') or raw
end

local function left_out()
  return nil
end

local WORDS = {
  type = type_of, properties = map, ["$defs"] = map, definitions = map, items = schema_or_raw,
  additionalProperties = schema_or_raw, prefixItems = list, oneOf = list, allOf = list, propertyOrdering = left_out,
  nullable = left_out, minItems = count, maxItems = count, minLength = count, maxLength = count, minProperties = count,
  maxProperties = count,
}

function WORDS.anyOf(node, key, value, nullable)
  return list(node, key, value, nullable and '{"type":"null"}' or nil)
end

function WORDS.enum(node, key, value, nullable)
  local raw = json.raw(node, key)
  if nullable and json.kind(value) == "array" then
    for _, one in json.each(value) do
      if one == json.null then
        return raw
      end
    end
    return (raw:gsub("%s*%]$", (#value > 0 and "," or "") .. "null]"))
  end
  return raw
end

function convert(node)
  local out, nullable = {}, node.nullable == true
  for key, value in json.each(node) do
    local word = CAMEL[key] or key
    local change = WORDS[word]
    local text
    if change and value ~= json.null then
      text = change(node, key, value, nullable)
    elseif value ~= json.null or not change then
      text = json.raw(node, key)
    end
    if text then
      out[#out + 1] = json.encode(word) .. ":" .. text
    end
  end
  return "{" .. table.concat(out, ",") .. "}"
end

--- JSON Schema of a schema in the OpenAPI subset. What is no object stays as it is.
---@type fun(schema: cliproxy.JsonText): cliproxy.JsonText
M.to_json_schema = memo.of(function(schema)
  local document = json.parse(schema)
  if json.kind(document) ~= "object" then
    return schema
  end
  local out = convert(document)
  json.close(document)
  return out
end)

return M
