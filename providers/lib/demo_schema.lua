--- Makes up arguments that fit a tool's JSON schema: the required properties, or all where none is required.
local json = require("cliproxy.json")

local M = {}

local DEPTH_MAX = 8
local SAMPLES = { city = "Paris", location = "Paris", place = "Paris", country = "France", date = "2026-01-01",
  url = "https://example.com", email = "demo@example.com", path = "README.md", file_path = "README.md",
  command = "echo hello", language = "en" }
local ASKED = { query = true, text = true, prompt = true, input = true, message = true, question = true, q = true }

local example

local function is_object(value)
  return json.kind(value) == "object"
end

local function resolve(node, root)
  local ref = type(node["$ref"]) == "string" and node["$ref"]:match("^#/(.+)$")
  for step in (ref or ""):gmatch("[^/]+") do
    root = is_object(root) and root[step] or nil
  end
  return ref and is_object(root) and root or node
end

local function of_object(node, context, depth)
  local out, wanted = {}, {}
  if json.kind(node.required) == "array" then
    for _, name in json.each(node.required) do
      wanted[name] = true
    end
  end
  if is_object(node.properties) then
    local all = next(wanted) == nil
    for name, property in json.each(node.properties) do
      if (all or wanted[name]) and is_object(property) then
        table.insert(out, { name, example(property, context, name, depth + 1) })
      end
    end
  end
  return json.object(out)
end

local function of_number(node, step)
  local low = type(node.minimum) == "number" and node.minimum or 1
  return type(node.maximum) == "number" and math.min(low, node.maximum) or low + step
end

local makers = {
  object = of_object,
  array = function(node, context, depth, name)
    local has_items = is_object(node.items) and depth < DEPTH_MAX
    return json.array(has_items and { example(node.items, context, name, depth + 1) } or {})
  end,
  string = function(_, context, _, name)
    return ASKED[name] and context.text ~= "" and context.text:sub(1, 200) or SAMPLES[name] or "example"
  end,
  integer = function(node)
    return math.floor(of_number(node, 0))
  end,
  number = function(node)
    return of_number(node, 0.5)
  end,
  boolean = function()
    return true
  end,
  null = function()
    return json.null
  end,
}

-- "type" may be a list, and is upper case in Gemini's schemas.
local function type_of(node)
  local kind = node.type
  if json.kind(kind) == "array" then
    kind = kind[1]
  end
  return type(kind) == "string" and kind:lower() or (is_object(node.properties) and "object" or "string")
end

local function alternative(node)
  for _, name in ipairs { "anyOf", "oneOf", "allOf" } do
    local list = node[name]
    if json.kind(list) == "array" and is_object(list[1]) then
      return list[1]
    end
  end
end

example = function(node, context, name, depth)
  node = resolve(node, context.root)
  if node.const ~= nil then
    return node.const
  elseif json.kind(node.enum) == "array" and #node.enum > 0 then
    return node.enum[1]
  elseif json.present(node.default) then
    return node.default
  end
  local inner = alternative(node)
  if inner and depth < DEPTH_MAX then
    return example(inner, context, name, depth + 1)
  end
  local make = makers[type_of(node)] or makers.string
  if depth >= DEPTH_MAX and make == of_object then
    return json.object {}
  end
  return make(node, context, depth, name)
end

--- Arguments as JSON text.
---@param schema? cliproxy.json.Node
---@param text string what the user said
---@return string
function M.example(schema, text)
  if not is_object(schema) then
    return "{}"
  end
  return json.encode(of_object(schema, { root = schema, text = text }, 1))
end

return M
