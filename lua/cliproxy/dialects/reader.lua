--- Reads members of clients' requests: what the readers of all dialects share. The first member that is malformed is
--- remembered with its path; the rest of the request reads on as if it were absent, so that nobody needs a way out.
local json = require("cliproxy.json")

local M = {}

local byte, find, sub = string.byte, string.find, string.sub
local BRACE, QUOTE = byte("{"), byte('"')

---@class cliproxy.Reader of one request
---@field c cliproxy.Conversation
---@field ledger cliproxy.Ledger
---@field message? string what is malformed
---@field param? string where
---@field turns string the client's word for the list of turns
---@field base? string path of the object that is read ("" at the top); nil: the turn or part below
---@field turn integer the turn, from 0
---@field list? string the turn's list of parts that is read: "content", or "content[2].content" of a tool's result
---@field index? integer the part, from 0
---@field inside? string the object in the part that is read
local Reader = {}

local KINDS = { ['"'] = "a string", ["{"] = "an object", ["["] = "a list", t = "true", f = "false", n = "null" }

--- The client's path of what is read now, or of a member of it.
---@param key? string
---@return string
function Reader:where(key)
  local base = self.base
  if not base then
    base = self.turns .. "[" .. self.turn .. "]"
    if self.list then
      base = base .. "." .. self.list .. (self.index and "[" .. self.index .. "]" or "")
    end
    if self.inside then
      base = base .. "." .. self.inside
    end
  end
  if not key then
    return base
  end
  return base == "" and key or base .. "." .. key
end

--- The request is malformed; the first time counts.
---@param path string
---@param message string completes "PATH …"
function Reader:wrong(path, message)
  if not self.message then
    self.message, self.param = path .. " " .. message, path
  end
end

local function take(self, node, key, first, expected)
  local raw = json.raw(node, key)
  if raw == nil or raw == "null" then
    return nil
  end
  local start = sub(raw, 1, 1)
  if not find(first, start, 1, true) then
    self:wrong(self:where(key), "must be " .. expected .. ", not " .. (KINDS[start] or "a number"))
    return nil
  end
  return raw
end

--- A member as JSON text; nil where it is absent or null, and where it begins otherwise, which is malformed.
---@type fun(self: cliproxy.Reader, node: cliproxy.json.Node, key: string, first: string, expected: string): string?
Reader.take = take

---@param node cliproxy.json.Node
---@param key string
---@return cliproxy.Literal?
function Reader:literal(node, key)
  local raw = json.raw(node, key)
  if raw == nil or byte(raw) == QUOTE then
    return raw
  end
  return take(self, node, key, '"', "a string")
end

--- As `literal`, and malformed where it is absent.
---@param node cliproxy.json.Node
---@param key string
---@return cliproxy.Literal?
function Reader:required(node, key)
  local raw = json.raw(node, key)
  if raw and byte(raw) == QUOTE then
    return raw
  end
  take(self, node, key, '"', "a string")
  self:wrong(self:where(key), "is missing")
end

--- A short string as Lua text: names, ids, words.
---@param node cliproxy.json.Node
---@param key string
---@return string?
function Reader:word(node, key)
  local value = node[key]
  if type(value) == "string" then
    return value
  elseif json.present(value) then
    self:wrong(self:where(key), "must be a string, not " .. tostring(json.kind(value)))
  end
end

--- As `word`, and malformed where it is absent or empty.
---@param node cliproxy.json.Node
---@param key string
---@return string?
function Reader:name(node, key)
  local value = self:word(node, key)
  if value and value ~= "" then
    return value
  end
  self:wrong(self:where(key), value and "is empty" or "is missing")
end

---@param node cliproxy.json.Node
---@param key string
---@param value any what reading it gives, where that is known
---@return cliproxy.JsonText?
function Reader:number(node, key, value)
  if type(value) == "number" then
    return json.raw(node, key)
  end
  return take(self, node, key, "-0123456789", "a number")
end

---@param node cliproxy.json.Node
---@param key string
---@return boolean?
function Reader:flag(node, key)
  local raw = take(self, node, key, "tf", "true or false")
  if raw then
    return raw == "true"
  end
end

---@param node cliproxy.json.Node
---@param key string
---@return cliproxy.JsonText?
function Reader:object(node, key)
  local raw = json.raw(node, key)
  if raw == nil or byte(raw) == BRACE then
    return raw
  end
  return take(self, node, key, "{", "an object")
end

--- A child to be read on; nil where it is absent or of another kind.
---@param node cliproxy.json.Node
---@param key string
---@param kind "object"|"array"
---@param value any what reading it gives, where that is known
---@return cliproxy.json.Node?
function Reader:node(node, key, kind, value)
  if value == nil then
    value = node[key]
  end
  local found = json.kind(value)
  if found == kind then
    return value
  elseif json.present(value) then
    self:wrong(self:where(key), ("must be %s, not %s"):format(kind == "array" and "a list" or "an object", found))
  end
end

--- Enters the members that nobody reads. `known` names all that are read or mean nothing to another dialect.
---@param node cliproxy.json.Node
---@param known table<string, boolean>
function Reader:unknown(node, known)
  for key, value in json.each(node) do
    if not known[key] and value ~= json.null then
      self.ledger:warn(self:where(key --[[@as string]]), "unknown to cliproxy")
    end
  end
end

--- The readers of a dialect: the methods from here, and what it adds to them or has in their place.
---@param turns string its word for the list of turns
---@return table
function M.class(turns)
  local class = { turns = turns }
  class.__index = class
  for name, method in pairs(Reader) do
    class[name] = method
  end
  return class
end

return M
