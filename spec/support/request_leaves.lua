--- The leaves of a request, and whether each is in another one: what nobody carried is found without knowing how.
local crypto = require("cliproxy.crypto")
local json = require("cliproxy.json")

local M = {}

---@class spec.Leaf
---@field path string as clients write it: "messages[2].content[0].text", from 0
---@field key string name of the member that holds it, of an element its list's: "stop" of "stop[1]"
---@field kind cliproxy.json.Kind an object or array is empty
---@field value any of strings and booleans
---@field raw string JSON text

local function walk(out, node, path, key)
  local is_object = json.kind(node) == "object"
  for name, value in json.each(node) do
    local below = is_object and (path == "" and name or path .. "." .. name) or path .. "[" .. name - 1 .. "]"
    local kind = json.kind(value)
    local inner = is_object and name or key
    if (kind == "object" or kind == "array") and #value > 0 then
      walk(out, value, below, inner)
    else
      out[#out + 1] = { path = below, key = inner, kind = kind, value = json.value(value), raw = json.raw(node, name) }
    end
  end
end

--- All leaves of a document, in order.
---@param document cliproxy.json.Node
---@return spec.Leaf[]
function M.of(document)
  local out = {}
  walk(out, document, "", "")
  return out
end

-- Names of members in all spellings: maxOutputTokens, max_output_tokens.
local function plain(key)
  return (key:gsub("_", ""):lower())
end

-- Strings that are JSON objects themselves: arguments of calls.
local function add_inner(index, text)
  if text:find("^%s*{") then
    local document = json.parse(text)
    if json.kind(document) == "object" then
      for _, leaf in ipairs(M.of(document)) do
        M.add(index, leaf)
      end
    end
  end
end

--- Adds a leaf to an index.
---@param index spec.Index
---@param leaf spec.Leaf
function M.add(index, leaf)
  if leaf.kind == "string" then
    index.strings[leaf.value] = true
    index.texts[#index.texts + 1] = leaf.value
    add_inner(index, leaf.value)
  end
  index.paths[#index.paths + 1] = leaf.path:gsub("%[%d+%]", "[]")
  index.raws[plain(leaf.key) .. "=" .. leaf.raw] = true
  if leaf.kind == "number" then
    index.numbers[tonumber(leaf.raw)] = true
  end
end

---@class spec.Index of the leaves of a document
---@field strings table<string, boolean>
---@field texts string[]
---@field raws table<string, boolean> "maxtokens=100"
---@field numbers table<number, boolean>
---@field paths string[]

---@param document cliproxy.json.Node
---@return spec.Index
function M.index(document)
  local index = { strings = {}, texts = {}, raws = {}, numbers = {}, paths = {} }
  for _, leaf in ipairs(M.of(document)) do
    M.add(index, leaf)
  end
  index.all = table.concat(index.texts, "\0")
  return index
end

local function contains(index, text)
  return index.strings[text] or index.all:find(text, 1, true) ~= nil
end

local has

-- Arguments that became an object: all of their leaves.
local function has_inner(index, text)
  local document = text:find("^%s*{") and json.parse(text)
  if json.kind(document) ~= "object" then
    return false
  end
  for _, leaf in ipairs(M.of(document)) do
    if not has(index, leaf) then
      return false
    end
  end
  return true
end

-- Texts stand anywhere, maybe inside others. A data URL may be there as its media type and its data, base64 in the
-- other alphabet, the text of a document as base64, a word in capitals.
local function has_string(index, text)
  if contains(index, text) or has_inner(index, text) then
    return true
  end
  local media_type, data = text:match("^data:([^;,]+);base64,(.+)$")
  if data then
    return contains(index, media_type) and contains(index, data)
  elseif #text > 20 then
    return contains(index, (text:gsub("-", "+"):gsub("_", "/"))) or contains(index, crypto.base64_encode(text))
  end
  return index.all:lower():find(text:lower(), 1, true) ~= nil
end

--- Whether the same value is there: strings and numbers anywhere; what else there is under a member of the same name.
---@param index spec.Index
---@param leaf spec.Leaf
---@return boolean
function M.has(index, leaf)
  if leaf.kind == "string" then
    return has_string(index, leaf.value)
  elseif leaf.kind == "number" then
    return index.numbers[tonumber(leaf.raw)] or false
  end
  return index.raws[plain(leaf.key) .. "=" .. leaf.raw] or false
end

has = M.has

--- Whether a document has this member, with whatever value.
---@param index spec.Index
---@param path string
---@return boolean
function M.has_path(index, path)
  for _, at in ipairs(index.paths) do
    if at == path or at:sub(1, #path) == path and at:find("^[%.%[]", #path + 1) then
      return true
    end
  end
  return false
end

--- Whether a ledger has an entry of this path or one around it.
---@param entries cliproxy.LedgerEntry[]
---@param path string
---@return boolean
function M.is_noted(entries, path)
  for _, entry in ipairs(entries) do
    local at = entry.path
    if path == at or path:sub(1, #at) == at and path:find("^[%.%[]", #at + 1) then
      return true
    end
  end
  return false
end

return M
