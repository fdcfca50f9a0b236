--- Arguments of a call that come in pieces, each under its JSON path (Vertex, streamFunctionCallArguments): put
--- together as JSON text, members in order of appearance.
local json = require("cliproxy.json")
local literal = require("cliproxy.literal")

local M = {}

-- A path says any number, and goes down as far as it likes: elements that a piece may leave out of a list, and steps.
local GAP_MAX, STEPS_MAX = 64, 100

local function container(kind)
  return { kind = kind, keys = {}, values = {}, last = 0 }
end

-- "$.a.b[0]['c d']" as steps: names and indexes from 1; nil where it is no such path.
local function steps_of(path)
  local steps, at = {}, path:match("^%$()")
  while at and at <= #path do
    local name, behind = path:match("^%.([^.%[%]]+)()", at)
    if not name then
      name, behind = path:match("^%[['\"](.-)['\"]%]()", at)
    end
    if not name then
      local index
      index, behind = path:match("^%[(%d+)%]()", at)
      name = index and tonumber(index) + 1
    end
    if not name or #steps == STEPS_MAX then
      return nil
    end
    steps[#steps + 1], at = name, behind
  end
  return at and steps[1] and steps or nil
end

-- false: the key of a list is too far behind those before it.
local function put_key(node, key)
  if node.kind == "array" then
    if key > node.last + GAP_MAX then
      return false
    end
    node.last = math.max(node.last, key)
  end
  if node.values[key] == nil then
    node.keys[#node.keys + 1] = key
  end
  return true
end

-- The container that holds the last step, made on the way; nil where something else stands there.
local function descend(node, steps)
  for i = 1, #steps - 1 do
    local key, kind = steps[i], type(steps[i + 1]) == "number" and "array" or "object"
    local child = node.values[key]
    if child == nil then
      if not put_key(node, key) then
        return nil
      end
      child = container(kind)
      node.values[key] = child
    end
    if child.kind ~= kind then
      return nil
    end
    node = child
  end
  return node.kind == (type(steps[#steps]) == "number" and "array" or "object") and node or nil
end

-- The value of a piece: JSON text, and whether it is a fragment of a text.
local function value_of(piece)
  local words = literal.read(piece, "stringValue")
  if words then
    return words, true
  end
  local number, flag = json.raw(piece, "numberValue"), piece.boolValue
  if number and number ~= "null" then
    return number
  elseif type(flag) == "boolean" then
    return tostring(flag)
  elseif json.raw(piece, "nullValue") then
    return "null"
  end
end

---@return table root
function M.new()
  return container("object")
end

--- Adds one element of `partialArgs`.
---@param root table
---@param piece any
---@return boolean ok false where it is none
function M.add(root, piece)
  local path = json.kind(piece) == "object" and piece.jsonPath
  local steps = type(path) == "string" and steps_of(path)
  local node = steps and descend(root, steps)
  if not node then
    return false
  end
  local key, value, is_text = steps[#steps], value_of(piece)
  local leaf = node.values[key]
  if not value or leaf and leaf.kind ~= "leaf" then
    return false
  end
  if leaf and leaf.open and is_text then
    leaf.texts[#leaf.texts + 1] = value
  else
    if not put_key(node, key) then
      return false
    end
    leaf = { kind = "leaf", texts = { value } }
    node.values[key] = leaf
  end
  leaf.open = is_text and piece.willContinue == true
  return true
end

--- All pieces as one JSON text.
---@param node table
---@return cliproxy.JsonText
function M.text(node)
  if node.kind == "leaf" then
    return #node.texts == 1 and node.texts[1] or literal.concat(node.texts)
  end
  local out = {}
  if node.kind == "object" then
    for i, key in ipairs(node.keys) do
      out[i] = json.encode(tostring(key)) .. ":" .. M.text(node.values[key])
    end
    return "{" .. table.concat(out, ",") .. "}"
  end
  for i = 1, node.last do
    out[i] = node.values[i] and M.text(node.values[i]) or "null"
  end
  return "[" .. table.concat(out, ",") .. "]"
end

return M
