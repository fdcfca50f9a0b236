--- Schemas of tools as OpenAI takes them: of type "object", with properties.
local json = require("cliproxy.json")
local memo = require("cliproxy.memo")

local M = {}

local NOTHING = '{"type":"object","properties":{}}'

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

local complete = memo.of(function(schema)
  local document = json.parse(schema)
  if json.kind(document) ~= "object" then
    return schema
  end
  local out = completed(document, schema)
  json.close(document)
  return out
end)

--- The schema of a tool's input. One that has all that is needed stays byte for byte.
---@param schema? cliproxy.JsonText
---@return cliproxy.JsonText
function M.parameters(schema)
  return schema and complete(schema) or NOTHING
end

return M
