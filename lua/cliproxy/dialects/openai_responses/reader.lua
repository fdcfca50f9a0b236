--- Reads members of a client's request. The first member that is malformed is remembered with its path; the rest of
--- the request reads on as if it were absent, so that readers need no way out.
local json = require("cliproxy.json")

local M = {}

local byte, find, sub = string.byte, string.find, string.sub
local QUOTE = byte('"')

---@class cliproxy.responses.Reader
---@field c cliproxy.Conversation
---@field ledger cliproxy.Ledger
---@field message? string what is malformed
---@field param? string where
---@field base? string path of the object that is read ("" at the top); nil: the item or part below
---@field turn integer the item, from 0
---@field list? string the item's list of parts that is read
---@field index? integer the part, from 0
---@field leading boolean only system messages so far
---@field own_calls? cliproxy.JsonText of the service's own tools, at most
---@field tool_places table<string, integer> name of a tool → its place in `c.tools`
---@field added_tools { list: cliproxy.json.Node, path: string }[] of items that add tools
---@field adding? boolean those are read now
local Reader = {}
Reader.__index = Reader

local KINDS = { ['"'] = "a string", ["{"] = "an object", ["["] = "a list", t = "true", f = "false", n = "null" }

---@param c cliproxy.Conversation
---@return cliproxy.responses.Reader
function M.new(c)
  return setmetatable({ c = c, ledger = c.ledger, base = "", turn = 0, leading = true, tool_places = {},
    added_tools = {} }, Reader)
end

--- The client's path of what is read now, or of a member of it.
---@param key? string
---@return string
function Reader:where(key)
  local base = self.base
  if not base then
    base = "input[" .. self.turn .. "]"
    if self.list then
      base = base .. "." .. self.list .. (self.index and "[" .. self.index .. "]" or "")
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

---@param node cliproxy.json.Node
---@param key string
---@return cliproxy.Literal?
function Reader:literal(node, key)
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
---@return cliproxy.JsonText?
function Reader:number(node, key)
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
  return take(self, node, key, "{", "an object")
end

--- A child to be read on; nil where it is absent or of another kind.
---@param node cliproxy.json.Node
---@param key string|integer
---@param kind "object"|"array"
---@param path? string where `where(key)` is not it
---@return cliproxy.json.Node?
function Reader:node(node, key, kind, path)
  local value = node[key]
  local found = json.kind(value)
  if found == kind then
    return value
  elseif json.present(value) then
    self:wrong(path or self:where(key --[[@as string]]),
      ("must be %s, not %s"):format(kind == "array" and "a list" or "an object", found))
  end
end

--- How many of these members are there: short ones, whose values cost little.
---@param node cliproxy.json.Node
---@param a string
---@param b string
---@param c? string
---@return integer
function M.count(node, a, b, c)
  return (node[a] ~= nil and 1 or 0) + (node[b] ~= nil and 1 or 0) + (c and node[c] ~= nil and 1 or 0)
end

--- Enters the members that nobody reads. `known` names all that are read or mean nothing to another dialect.
---@param node cliproxy.json.Node
---@param known table<string, boolean>
function Reader:unknown(node, known)
  for key in json.each(node) do
    if not known[key] then
      self.ledger:warn(self:where(key --[[@as string]]), "unknown to cliproxy")
    end
  end
end

return M
