--- JSON Schema as the OpenAPI subset that older models take: references in their place, `const` as `enum`, `oneOf` as
--- `anyOf`, lists of types as `nullable` or `anyOf`; words that the service refuses are left out. Words of the schema
--- language change, never the names of a user's properties.
local json = require("cliproxy.json")
local text = require("cliproxy.text")

local M = {}

-- Schemas that one tool may have below it, references followed, and how deep. The service's own limits are lower.
local NODES_MAX, DEPTH_MAX = 5000, 64

local TYPES = { string = "STRING", number = "NUMBER", integer = "INTEGER", boolean = "BOOLEAN", array = "ARRAY",
  object = "OBJECT" }

-- Formats that the service takes, by type; of others it says that they are unsupported.
local FORMATS = {
  STRING = { ["date-time"] = true, enum = true },
  NUMBER = { float = true, double = true },
  INTEGER = { int32 = true, int64 = true },
}

-- Carried as they are, in this order.
local PLAIN = { "title", "description", "minimum", "maximum", "minItems", "maxItems", "minLength", "maxLength",
  "minProperties", "maxProperties", "pattern", "default", "example" }

local KNOWN = { type = true, nullable = true, format = true, enum = true, const = true, items = true,
  properties = true, required = true, anyOf = true, oneOf = true, allOf = true, propertyOrdering = true,
  ["$ref"] = true, ["$defs"] = true, definitions = true }
for _, word in ipairs(PLAIN) do
  KNOWN[word] = true
end

---@class cliproxy.gemini.SchemaWriter
---@field root cliproxy.json.Node
---@field nodes integer written so far
---@field lost table<string, boolean> words left out
---@field problem? string why the schema cannot be written

local function lose(w, word)
  w.lost[word] = true
end

local function fail(w, problem)
  w.problem = w.problem or problem
end

-- The schema that a reference names: a pointer into the same document.
local function follow(w, pointer)
  local path = type(pointer) == "string" and pointer:match("^#(.*)$")
  local node = path and w.root
  for step in (path or ""):gmatch("/([^/]*)") do
    step = text.unescape(step):gsub("~1", "/"):gsub("~0", "~")
    local kind = json.kind(node)
    node = kind == "object" and node[step] or kind == "array" and node[(tonumber(step) or -1) + 1] or nil
  end
  if json.kind(node) ~= "object" then
    fail(w, ("its schema refers to %s, which is not in it"):format(tostring(pointer)))
    return nil
  end
  return node
end

-- What says something of one schema: itself, what it refers to, and the members of its allOf. The first value of each
-- word counts: `words`; `owner` is where it stands. `path` are the references on the way down, to find circles.
local function sources(w, node, list, path)
  list[#list + 1] = node
  local words, pointer, all_of = list.words, nil, nil
  for word, value in json.each(node) do
    if word == "$ref" then
      pointer = value
    elseif word == "allOf" then
      all_of = value
    elseif not KNOWN[word] then
      lose(w, word)
    elseif value ~= json.null and words[word] == nil then
      words[word], list.owner[word] = value, node
    end
  end
  if pointer ~= nil and pointer ~= json.null then
    if path[pointer] then
      fail(w, ("its schema refers to itself (%s)"):format(tostring(pointer)))
      return list, path
    end
    path = setmetatable({ [pointer] = true }, { __index = path })
    local target = follow(w, pointer)
    if target then
      list, path = sources(w, target, list, path)
    end
  end
  if json.kind(all_of) == "array" then
    for _, one in json.each(all_of) do
      if json.kind(one) == "object" then
        list, path = sources(w, one, list, path)
      end
    end
  end
  return list, path
end

local function no_sources()
  return { words = {}, owner = {} }
end

-- Adds what others say, where nothing is said yet.
local function add_sources(list, others)
  for _, node in ipairs(others) do
    list[#list + 1] = node
  end
  for word, value in pairs(others.words) do
    if list.words[word] == nil then
      list.words[word], list.owner[word] = value, others.owner[word]
    end
  end
end

local write

-- Types --------------------------------------------------------------------------------------------------------

-- Names of the types that a schema allows, without null, and whether null is allowed.
local function types_of(list)
  local value = list.words.type
  local nullable, names = list.words.nullable == true, {}
  local function add(name)
    name = type(name) == "string" and name:lower()
    if name == "null" then
      nullable = true
    elseif TYPES[name] then
      names[#names + 1] = TYPES[name]
    end
  end
  if json.kind(value) == "array" then
    for _, name in json.each(value) do
      add(name)
    end
  elseif value ~= nil then
    add(value)
  end
  return names, nullable
end

-- The type that words tell where `type` is missing.
local function guess(list, enum)
  if list.words.properties ~= nil then
    return "OBJECT"
  elseif list.words.items ~= nil then
    return "ARRAY"
  end
  return enum and "STRING" or nil
end

-- The texts of enum or const; nil where there is none or where the service takes none (others than texts).
local function enum_of(w, list)
  local value, node = list.words.enum, list.owner.enum
  local const, const_node = list.words.const, list.owner.const
  if const ~= nil and type(const) == "string" and const ~= "" then
    return { json.raw(const_node, "const") }
  elseif const ~= nil then
    lose(w, "const")
  end
  if json.kind(value) ~= "array" then
    return nil
  end
  local out, nullable = {}, false
  local raws = node.enum
  for i, one in json.each(raws) do
    if type(one) == "string" and one ~= "" then
      out[#out + 1] = json.raw(raws, i)
    elseif one == json.null then
      nullable = true
    else
      lose(w, "enum")
    end
  end
  return out[1] and out or nil, nullable
end

-- Alternatives -------------------------------------------------------------------------------------------------

local function is_null(node)
  return json.kind(node) == "object" and (node.type == "null" or node.type == "NULL")
end

-- Members of anyOf and oneOf that are not null, and whether null was among them.
local function alternatives(list)
  local out, nullable = {}, false
  for _, word in ipairs { "anyOf", "oneOf" } do
    local value = list.words[word]
    if json.kind(value) == "array" then
      for _, one in json.each(value) do
        if is_null(one) then
          nullable = true
        elseif json.kind(one) == "object" then
          out[#out + 1] = one
        end
      end
    end
  end
  return out, nullable
end

-- Objects and arrays -------------------------------------------------------------------------------------------

local function properties(w, list, path, depth, out)
  local members, seen = {}, {}
  for _, node in ipairs(list) do
    if json.kind(node.properties) == "object" then
      for name, child in json.each(node.properties) do
        if not seen[name] then
          seen[name] = true
          members[#members + 1] = json.encode(name) .. ":" .. write(w, child, path, depth + 1)
        end
      end
    end
  end
  if not members[1] then
    return -- one that is empty is refused
  end
  out[#out + 1] = '"properties":{' .. table.concat(members, ",") .. "}"
  local required, listed = {}, {}
  for _, node in ipairs(list) do
    if json.kind(node.required) == "array" then
      for _, name in json.each(node.required) do
        if type(name) == "string" and seen[name] and not listed[name] then
          listed[name] = true
          required[#required + 1] = json.encode(name)
        elseif not listed[name] then
          lose(w, "required")
        end
      end
    end
  end
  if required[1] then
    out[#out + 1] = '"required":[' .. table.concat(required, ",") .. "]"
  end
  local order, node = list.words.propertyOrdering, list.owner.propertyOrdering
  if json.kind(order) == "array" then
    out[#out + 1] = '"propertyOrdering":' .. json.raw(node, "propertyOrdering")
  end
end

local function items(w, list, path, depth, out)
  local child = list.words.items
  if json.kind(child) == "object" and #child > 0 then
    out[#out + 1] = '"items":' .. write(w, child, path, depth + 1)
  else -- must be there
    lose(w, "items")
    out[#out + 1] = '"items":{"type":"STRING"}'
  end
end

-- The whole ----------------------------------------------------------------------------------------------------

local function plain(list, out)
  for _, word in ipairs(PLAIN) do
    local node = list.owner[word]
    if node then
      out[#out + 1] = '"' .. word .. '":' .. json.raw(node, word)
    end
  end
end

local function typed(w, list, path, depth, name, enum, out)
  out[#out + 1] = '"type":"' .. name .. '"'
  if name == "OBJECT" then
    properties(w, list, path, depth, out)
  elseif name == "ARRAY" then
    items(w, list, path, depth, out)
  elseif name == "STRING" and enum then
    out[#out + 1] = '"enum":[' .. table.concat(enum, ",") .. "]"
  elseif enum then
    lose(w, "enum")
  end
  local format = list.words.format
  if type(format) == "string" and (FORMATS[name] or {})[format] then
    out[#out + 1] = '"format":"' .. format .. '"'
  elseif format ~= nil then
    lose(w, "format")
  end
end

local function any_of(w, list, children, path, depth, out)
  local texts = {}
  for i, child in ipairs(children) do
    texts[i] = write(w, child, path, depth + 1)
  end
  out[#out + 1] = '"anyOf":[' .. table.concat(texts, ",") .. "]"
end

local function several_types(w, list, names, path, depth, enum, out)
  local texts = {}
  for i, name in ipairs(names) do
    local one = {}
    typed(w, list, path, depth, name, enum, one)
    texts[i] = "{" .. table.concat(one, ",") .. "}"
  end
  out[#out + 1] = '"anyOf":[' .. table.concat(texts, ",") .. "]"
end

local function body(w, list, path, depth)
  local names, nullable = types_of(list)
  local children, null_child = alternatives(list)
  if #children == 1 then -- T or null, or T alone
    local only, more
    only, path = sources(w, children[1], no_sources(), path)
    add_sources(list, only)
    nullable = nullable or null_child
    names, more = types_of(list)
    children, null_child = alternatives(only)
    nullable = nullable or more
  end
  local enum, null_value = enum_of(w, list)
  local out = {}
  local name = names[1] or guess(list, enum)
  if children[1] then
    any_of(w, list, children, path, depth, out)
  elseif names[2] then
    several_types(w, list, names, path, depth, enum, out)
  elseif name then
    typed(w, list, path, depth, name, enum, out)
  end
  if nullable or null_child or null_value then
    out[#out + 1] = '"nullable":true'
  end
  plain(list, out)
  return "{" .. table.concat(out, ",") .. "}"
end

function write(w, node, path, depth)
  w.nodes = w.nodes + 1
  if w.nodes > NODES_MAX or depth > DEPTH_MAX then
    fail(w, "its schema is too large once its references are followed")
  end
  if w.problem or json.kind(node) ~= "object" then
    return "{}"
  end
  local list, below = sources(w, node, no_sources(), path)
  return w.problem and "{}" or body(w, list, below, depth)
end

--- A schema in the OpenAPI subset.
---@param schema cliproxy.JsonText
---@return cliproxy.JsonText? text nil: it cannot be written
---@return string words what was left out, or why it cannot be written; "" where all is there
function M.to_openapi(schema)
  local document = json.parse(schema)
  if json.kind(document) ~= "object" then
    return nil, "its schema is no object"
  end
  local w = { root = document, nodes = 0, lost = {}, problem = nil }
  local out = write(w, document, {}, 1)
  json.close(document)
  if w.problem then
    return nil, w.problem
  end
  local lost = {}
  for word in pairs(w.lost) do
    lost[#lost + 1] = word
  end
  table.sort(lost)
  return out, table.concat(lost, ", ")
end

--- Whether a schema lets a call have no arguments at all: for such tools the service wants none.
---@param schema cliproxy.JsonText
---@return boolean
function M.is_empty(schema)
  if #schema > 512 then
    return false
  end
  local document = json.parse(schema)
  local kind = json.kind(document)
  if kind ~= "object" then
    if kind == "array" then
      json.close(document)
    end
    return true
  end
  local found = json.kind(document.properties) == "object" and #document.properties > 0
  for _, word in ipairs { "$ref", "anyOf", "oneOf", "allOf", "patternProperties" } do
    found = found or document[word] ~= nil
  end
  local more = document.additionalProperties
  found = found or more == true or json.kind(more) == "object"
  json.close(document)
  return not found
end

return M
