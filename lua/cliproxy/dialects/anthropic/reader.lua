--- Reads members of a client's request. The first member that is malformed is remembered with its path; the rest of
--- the request reads on as if it were absent, so that readers need no way out.
local json = require("cliproxy.json")

local M = {}

local find, sub = string.find, string.sub

---@class cliproxy.anthropic.Reader
---@field c cliproxy.Conversation
---@field ledger cliproxy.Ledger
---@field strict_version boolean the API of 2026-10-21 or later, which takes less
---@field message? string what is malformed
---@field param? string where
---@field base? string path of the object that is read ("" at the top); nil: the message or block below
---@field turn integer the message, from 0
---@field list? string the list of blocks that is read: "content", or "content[2].content" of a tool's result
---@field index? integer the block, from 0
---@field has_messages? boolean
---@field deferred? boolean a tool asked to be loaded later
---@field search_name? string of the service's search, among the tools
---@field thinking? cliproxy.Reasoning
---@field effort? string of the request
---@field turn_effort? string what a system message made of it
---@field next_effort? string what one makes of it with the next turn of the user
---@field fresh? boolean what came last was said by the user
---@field passing? table<cliproxy.Turn, boolean> messages for one turn of the user
---@field added_tools? { node: cliproxy.json.Node, path: string }[] defined by messages
---@field withdrawn? table<string, boolean> tools that are not offered at the end
local Reader = {}
Reader.__index = Reader

local KINDS = { ['"'] = "a string", ["{"] = "an object", ["["] = "a list", t = "true", f = "false", n = "null" }

--- The first version of the API without sampling parameters, documents of assistants and citations of users.
local NARROW = "2026-10-21"

--- Whether an API version takes no sampling parameters.
---@param version? string "2023-06-01"
---@return boolean
function M.is_narrow(version)
  return version ~= nil and version >= NARROW
end

---@param c cliproxy.Conversation
---@param version? string of the API, as the client's header has it
---@return cliproxy.anthropic.Reader
function M.new(c, version)
  return setmetatable({ c = c, ledger = c.ledger, strict_version = M.is_narrow(version), base = "", turn = 0 },
    Reader)
end

--- The client's path of what is read now, or of a member of it.
---@param key? string
---@return string
function Reader:where(key)
  local base = self.base
  if not base then
    base = "messages[" .. self.turn .. "]"
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
  local raw = take(self, node, key, '"', "a string")
  if not raw then
    self:wrong(self:where(key), "is missing")
  end
  return raw
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

--- A part of the block that is read.
---@param kind string
---@return cliproxy.Part
function Reader:part(kind)
  local list = self.list
  return { kind = kind, turn = self.turn, list = list ~= "content" and list or nil, index = self.index }
end

return M
