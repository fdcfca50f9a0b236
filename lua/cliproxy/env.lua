--- Environment variables, then the `.env` file beside the configuration.
--- Scripts get `get` alone: `require "cliproxy.env"`.
local system = require("cliproxy.system")

local M = {}

---@class cliproxy.Env
---@field private values table<string, string>
local Env = {}
Env.__index = Env

local ESCAPES = { n = "\n", t = "\t", r = "\r", ['"'] = '"', ["\\"] = "\\" }

local function read_value(raw)
  local double = raw:match('^"(.*)"%s*$') or raw:match('^"(.-)"%s+#')
  if double then
    return (double:gsub("\\(.)", function(c)
      return ESCAPES[c] or "\\" .. c
    end))
  end
  local single = raw:match("^'([^']*)'")
  if single then
    return single
  end
  return (raw:gsub("%s+#.*$", ""):gsub("%s+$", ""))
end

--- Reads lines such as `NAME=value`, `export NAME="a b"`; `#` starts a comment.
---@param text string
---@return table<string, string> values
---@return integer[] bad lines that are neither
function M.parse(text)
  local values, bad, number = {}, {}, 0
  for line in (text:gsub("\r\n", "\n") .. "\n"):gmatch("(.-)\n") do
    number = number + 1
    local name, raw = line:match("^%s*([%a_][%w_]*)%s*=%s*(.*)$")
    if not name then
      name, raw = line:match("^%s*export%s+([%a_][%w_]*)%s*=%s*(.*)$")
    end
    if name then
      values[name] = read_value(raw)
    elseif line:find("%S") and not line:find("^%s*#") then
      bad[#bad + 1] = number
    end
  end
  return values, bad
end

---@param values? table<string, string> what `.env` says
---@return cliproxy.Env
function M.new(values)
  return setmetatable({ values = values or {} }, Env)
end

--- The value; nil where it is unset or empty.
---@param name string
---@return string?
function Env:get(name)
  local value = system.getenv(name)
  if value == nil or value == "" then
    value = self.values[name]
  end
  return value ~= "" and value or nil
end

--- What scripts see as `cliproxy.env`.
---@return { get: fun(name: string): string? }
function Env:public()
  return {
    get = function(name)
      if type(name) ~= "string" then
        error("env.get: expected a name, found " .. type(name), 2)
      end
      return self:get(name)
    end,
  }
end

-- What `env "X"` gives in config.lua where X is unset: a value that stands for "missing", survives `..`, and tells its
-- name and line when it reaches an option.

---@class cliproxy.Missing
---@field name string
---@field line? integer
local Missing = {}
local markers = setmetatable({}, { __mode = "k" })

function Missing.__concat(left, right)
  return type(left) == "table" and markers[left] and left or right
end

function Missing.__index(marker)
  error(("%s is not set"):format(rawget(marker, "name")), 2)
end

function Missing.__tostring(marker)
  return ("(%s is not set)"):format(rawget(marker, "name"))
end

Missing.__metatable = "missing"

---@param name string
---@param line? integer
---@return cliproxy.Missing
function M.missing(name, line)
  local marker = setmetatable({ name = name, line = line }, Missing)
  markers[marker] = true
  return marker
end

---@param value any
---@return boolean
function M.is_missing(value)
  return type(value) == "table" and markers[value] == true
end

return M
