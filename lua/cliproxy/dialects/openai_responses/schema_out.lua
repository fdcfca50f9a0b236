--- Schemas of tools and of structured output as OpenAI takes them: JSON Schema, a tool's of type "object".
local json = require("cliproxy.json")
local memo = require("cliproxy.memo")

local M = {}

local NOTHING = '{"type":"object","properties":{}}'

-- Gemini's words in JSON Schema's: types in small letters, `nullable` as a type.
local convert

local function each_value(node, kind)
  local out = {}
  for key, value in json.each(node) do
    local text = json.kind(value) == "object" and convert(value) or json.raw(node, key)
    out[#out + 1] = kind == "object" and json.encode(key) .. ":" .. text or text
  end
  return table.concat(out, ",")
end

local CONVERT = {
  properties = "object", ["$defs"] = "object", items = "schema", additionalProperties = "schema", anyOf = "array",
  prefixItems = "array",
}

local function type_of(node)
  local kind = '"' .. node.type:lower() .. '"'
  return node.nullable == true and "[" .. kind .. ',"null"]' or kind
end

local function member(node, key, value)
  local how, kind = CONVERT[key], json.kind(value)
  if key == "type" and kind == "string" then
    return type_of(node)
  elseif how == "schema" and kind == "object" then
    return convert(value)
  elseif how == "object" and kind == "object" then
    return "{" .. each_value(value, "object") .. "}"
  elseif how == "array" and kind == "array" then
    return "[" .. each_value(value, "array") .. "]"
  end
  return json.raw(node, key)
end

-- Words that JSON Schema has not.
local LEFT_OUT = { nullable = true, propertyOrdering = true, property_ordering = true }

function convert(node)
  local out = {}
  for key, value in json.each(node) do
    if not LEFT_OUT[key] then
      out[#out + 1] = json.encode(key) .. ":" .. member(node, key, value)
    end
  end
  return "{" .. table.concat(out, ",") .. "}"
end

-- An object's schema, read by `fn`; anything else as it is.
local function with(schema, fn)
  local document = json.parse(schema)
  if json.kind(document) ~= "object" then
    return schema
  end
  local out = fn(document)
  json.close(document)
  return out
end

--- A schema of structured output.
---@param schema cliproxy.JsonText
---@param openapi? boolean
---@return cliproxy.JsonText
function M.format(schema, openapi)
  return openapi and with(schema, convert) or schema
end

local ELSEWHERE = { "$ref", "anyOf", "oneOf", "allOf" }

-- The services refuse a tool's schema without type or properties. `text` is `node`'s.
local function completed(node, text)
  if #node == 0 then
    return NOTHING
  end
  for _, key in ipairs(ELSEWHERE) do
    if node[key] ~= nil then
      return text
    end
  end
  local more = (node.type == nil and '"type":"object",' or "") .. (node.properties == nil and '"properties":{},' or "")
  return more == "" and text or "{" .. more .. text:sub(2)
end

local parameters = memo.of(function(schema, openapi)
  schema = M.format(schema, openapi)
  return with(schema, function(node)
    return completed(node, schema)
  end)
end)

--- The schema of a tool's input. One that has all that is needed stays byte for byte.
---@param schema? cliproxy.JsonText
---@param openapi? boolean
---@return cliproxy.JsonText
function M.parameters(schema, openapi)
  return schema and parameters(schema, openapi) or NOTHING
end

return M
