--- Makes up a value that fits a JSON schema: of objects the required properties, or all where none is required.
--- `pattern`, `not` and conditions are not looked at; of alternatives the first one is taken.
local json = require("cliproxy.json")

local M = {}

local DEPTH_MAX, LENGTH_MAX = 8, 200
local SAMPLES = { city = "Paris", location = "Paris", place = "Paris", country = "France", date = "2026-01-01",
  url = "https://example.com", email = "demo@example.com", path = "README.md", file_path = "README.md",
  command = "echo hello", language = "en" }
local FORMATS = { date = "2026-01-01", time = "12:00:00Z", ["date-time"] = "2026-01-01T12:00:00Z",
  duration = "PT1H", email = "demo@example.com", hostname = "example.com", uri = "https://example.com",
  ipv4 = "192.0.2.1", ipv6 = "2001:db8::1", uuid = "00000000-0000-4000-8000-000000000000" }
local ASKED = { query = true, text = true, prompt = true, input = true, message = true, question = true, q = true }
local ANSWERS = { answer = true, reply = true, response = true, result = true, summary = true }

---@class demo.SchemaContext
---@field text string what the user said
---@field reply? string what demo would say

local example

local function is_object(value)
  return json.kind(value) == "object"
end

local function resolve(node, root)
  local ref = type(node["$ref"]) == "string" and node["$ref"]:match("^#(.*)$")
  for step in (ref or ""):gmatch("[^/]+") do
    step = step:gsub("~1", "/"):gsub("~0", "~")
    root = is_object(root) and root[step] or nil
  end
  return ref and is_object(root) and root or node
end

-- All members of allOf count at once: their properties and what they require go together.
local function parts_of(node, context, depth)
  local parts = { node }
  if json.kind(node.allOf) == "array" and depth < DEPTH_MAX then
    for _, part in json.each(node.allOf) do
      if is_object(part) then
        for _, inner in ipairs(parts_of(resolve(part, context.root), context, depth + 1)) do
          table.insert(parts, inner)
        end
      end
    end
  end
  return parts
end

local function required_of(parts)
  local wanted = {}
  for _, part in ipairs(parts) do
    if json.kind(part.required) == "array" then
      for _, name in json.each(part.required) do
        wanted[name] = true
      end
    end
  end
  return wanted
end

local function of_object(node, context, depth)
  local parts, out, seen = parts_of(node, context, depth), {}, {}
  local wanted = required_of(parts)
  local all = next(wanted) == nil
  for _, part in ipairs(parts) do
    if is_object(part.properties) then
      for name, property in json.each(part.properties) do
        if (all or wanted[name]) and not seen[name] and is_object(property) then
          seen[name] = true
          table.insert(out, { name, example(property, context, name, depth + 1) })
        end
      end
    end
  end
  return json.object(out)
end

local function number_in(node, key)
  return type(node[key]) == "number" and node[key] or nil
end

local function of_number(node, step)
  local low, high = number_in(node, "minimum"), number_in(node, "maximum")
  local above, below = number_in(node, "exclusiveMinimum"), number_in(node, "exclusiveMaximum")
  low = low or above and above + 1 or not (high or below) and 1
  local value = low and low + step or math.min(1, high or below - 1)
  if high and value > high then
    value = high
  elseif below and value >= below then
    value = low and (low + below) / 2 or below - 1
  end
  local multiple = number_in(node, "multipleOf")
  return multiple and multiple > 0 and math.ceil(value / multiple) * multiple or value
end

local function of_string(node, context, _, name)
  local value = FORMATS[node.format] or ASKED[name] and context.text ~= "" and context.text:sub(1, LENGTH_MAX)
    or ANSWERS[name] and context.reply and context.reply:sub(1, LENGTH_MAX) or SAMPLES[name] or "example"
  local low, high = number_in(node, "minLength"), number_in(node, "maxLength")
  if low and #value < low then
    value = value .. (" "):rep(math.min(low, LENGTH_MAX) - #value)
  end
  if high and #value > high then
    value = ("example"):rep(math.ceil(high / 7)):sub(1, high)
  end
  return value
end

local function of_array(node, context, depth, name)
  local out = {}
  if is_object(node.items) and depth < DEPTH_MAX then
    local count = math.max(1, math.min(number_in(node, "minItems") or 1, LENGTH_MAX))
    for i = 1, number_in(node, "maxItems") == 0 and 0 or count do
      out[i] = example(node.items, context, name, depth + 1)
    end
  end
  return json.array(out)
end

local makers = {
  object = of_object,
  array = of_array,
  string = of_string,
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

-- "type" may be a list, and is upper case in Gemini's schemas. The first that says something counts.
local function type_of(node)
  local kind = node.type
  if json.kind(kind) == "array" then
    kind = kind[1] ~= "null" and kind[1] or kind[2] or "null"
  end
  if type(kind) == "string" then
    return kind:lower()
  end
  return (is_object(node.properties) or json.kind(node.allOf) == "array") and "object"
    or is_object(node.items) and "array" or "string"
end

-- Of anyOf the first that is not null; allOf around one schema is that one.
local function alternative(node)
  local all = json.kind(node.allOf) == "array" and node.allOf
  if all and #all == 1 and is_object(all[1]) and not is_object(node.properties) then
    return all[1]
  end
  for _, name in ipairs { "anyOf", "oneOf" } do
    local first
    for _, one in ipairs(json.kind(node[name]) == "array" and node[name] or {}) do
      if is_object(one) then
        first = first or one
        if one.type ~= "null" then
          return one
        end
      end
    end
    if first then
      return first
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

--- A value that fits the schema, as JSON text.
---@param schema cliproxy.json.Node
---@param context demo.SchemaContext
---@return string
function M.example(schema, context)
  return json.encode(example(schema, { root = schema, text = context.text, reply = context.reply }, nil, 1))
end

--- Arguments of a tool as JSON text: always an object.
---@param schema? cliproxy.json.Node
---@param context demo.SchemaContext
---@return string
function M.arguments(schema, context)
  if not is_object(schema) then
    return "{}"
  end
  return json.encode(of_object(schema, { root = schema, text = context.text }, 1))
end

return M
