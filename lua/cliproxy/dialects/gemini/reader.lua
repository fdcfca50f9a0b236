--- What is known while a client's request is read, and how proto-JSON is read: numbers as strings, words of
--- enumerations, lists of one that are none.
local json = require("cliproxy.json")
local reader = require("cliproxy.dialects.reader")

local M = {}

local find, match, sub = string.find, string.match, string.sub

---@class cliproxy.gemini.Reader: cliproxy.Reader
---@field prefix string of all paths: "generateContentRequest." of a count
---@field open table[] calls that have no response yet: { id, given?, name }
---@field ids table<string, boolean> of calls so far
---@field last_role? string
---@field media_detail? cliproxy.Literal of images that say none themselves
local Reader = reader.class("contents")

---@param c cliproxy.Conversation
---@return cliproxy.gemini.Reader
function M.new(c)
  return setmetatable({ c = c, ledger = c.ledger, prefix = "", base = "", turn = 0, open = {}, ids = {} }, Reader)
end

--- The client's path of what is read now, or of a member of it.
---@param key? string
---@return string
function Reader:where(key)
  local base = self.base
  if not base then
    base = self.prefix .. "contents[" .. self.turn .. "]" .. (self.index and ".parts[" .. self.index .. "]" or "")
      .. (self.inside and "." .. self.inside or "")
  end
  if not key then
    return base
  end
  return base == "" and self.prefix .. key or base .. "." .. key
end

--- A word of an enumeration, in capitals; nil where it is absent, empty or says that nothing is specified.
---@param node cliproxy.json.Node
---@param key string
---@return string?
function Reader:enum(node, key)
  local word = self:word(node, key)
  word = word and word:upper()
  return word and word ~= "" and not find(word, "UNSPECIFIED", 1, true) and word or nil
end

--- A number; proto-JSON has them as strings, too.
---@param node cliproxy.json.Node
---@param key string
---@return cliproxy.JsonText?
function Reader:number(node, key)
  local raw = self:take(node, key, '-0123456789"', "a number")
  if not raw or sub(raw, 1, 1) ~= '"' then
    return raw
  end
  local digits = match(raw, '^"(%-?%d+%.?%d*[eE]?[+-]?%d*)"$')
  if not digits or not tonumber(digits) then
    self:wrong(self:where(key), "must be a number, not " .. sub(raw, 1, 40))
    return nil
  end
  return digits
end

--- A child object to be read on; nil where it is absent or of another kind.
---@param node cliproxy.json.Node
---@param key string
---@return cliproxy.json.Node?
function Reader:node(node, key)
  local child = node[key]
  local kind = json.kind(child)
  if kind == "object" then
    return child
  elseif json.present(child) then
    self:take(node, key, "{", "an object") -- tells what it is
  end
end

--- Calls `fn(self, child, i, list)` for each element, i from 0. An object where a list belongs counts as its only
--- element: the service takes it so, and its own examples write it so.
---@param node cliproxy.json.Node
---@param key string
---@param fn fun(r: cliproxy.gemini.Reader, child: any, i: integer, list?: cliproxy.json.Node)
function Reader:each(node, key, fn)
  local list = node[key]
  local kind = json.kind(list)
  if kind == "array" then
    for i, child in json.each(list) do
      fn(self, child, i - 1, list)
    end
  elseif kind == "object" then
    fn(self, list, 0)
  elseif json.present(list) then
    self:wrong(self:where(key), "must be a list, not " .. tostring(kind))
  end
end

--- Reads the members of an object by a table of functions, by name; a member that has none is told as unknown.
---@param node cliproxy.json.Node
---@param fields table<string, fun(r: cliproxy.gemini.Reader, node: cliproxy.json.Node, key: string, out: any)|false>
---@param out? any
function Reader:members(node, fields, out)
  for key, value in json.each(node) do
    local field = fields[key]
    if field == nil then
      self.ledger:warn(self:where(key --[[@as string]]), "unknown to cliproxy")
    elseif field and value ~= json.null then
      field(self, node, key --[[@as string]], out)
    end
  end
end

--- The same for an object below another; its path is the base meanwhile.
---@param node cliproxy.json.Node
---@param key string
---@param fields table
---@param out? any
---@return boolean read false where it is absent or of another kind
function Reader:inner(node, key, fields, out)
  local child = self:node(node, key)
  if not child then
    return false
  end
  local base = self.base
  self.base = self:where(key)
  self:members(child, fields, out)
  self.base = base
  return true
end

return M
