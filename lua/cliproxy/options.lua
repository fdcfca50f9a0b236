--- Checks values against declared options: types, units, ranges; one exact message each. Used for config.lua itself and
--- for the options that provider scripts declare.
local nearest = require("cliproxy.nearest")
local source = require("cliproxy.config_source")
local units = require("cliproxy.units")

local M = {}

--- Where findings go. `missing` is called for values that stand for an unset environment variable; they read as nil.
---@class cliproxy.OptionContext
---@field fail fun(self: cliproxy.OptionContext, path: string, message: string)
---@field missing fun(self: cliproxy.OptionContext, path: string, marker: table)
---@field is_missing fun(value: any): boolean

local SHOWN_MAX = 40

--- A found value for a message. Secrets are never shown.
---@param value any
---@param secret? boolean
---@return string
function M.show(value, secret)
  local kind = type(value)
  if value == nil then
    return "nothing"
  elseif kind == "string" then
    if secret then
      return value == "" and "an empty string" or "a value that is not shown"
    end
    local clean = value:gsub("%c", "?")
    return ('"%s"'):format(#clean > SHOWN_MAX and clean:sub(1, SHOWN_MAX) .. "…" or clean)
  elseif kind == "number" then
    return secret and "a number" or ("%.14g"):format(value)
  elseif kind == "boolean" then
    return tostring(value)
  end
  return "a " .. kind
end

---@param list any[]
---@return string
function M.enumerate(list)
  local shown = {}
  for i, value in ipairs(list) do
    shown[i] = M.show(value)
  end
  return table.concat(shown, ", ")
end

local function range_text(field, text)
  if field.min and field.max then
    return (" from %s to %s"):format(text(field.min), text(field.max))
  elseif field.min then
    return (" of at least %s"):format(text(field.min))
  elseif field.max then
    return (" of at most %s"):format(text(field.max))
  end
  return ""
end

local function plain(number)
  return ("%.14g"):format(number)
end

local function in_range(field, number)
  return (not field.min or number >= field.min) and (not field.max or number <= field.max)
end

--- What each type accepts: `read(value, field)` gives the value to keep or
--- nil; `expected(field)` completes "expected …".
---@class cliproxy.OptionType
---@field read fun(value: any, field: cliproxy.Option): any
---@field expected fun(field: cliproxy.Option): string

---@type table<string, cliproxy.OptionType>
local TYPES = {}

TYPES.string = {
  read = function(value, field)
    local good = type(value) == "string" and (field.empty or value ~= "") and not value:find("[%z\r\n]")
    return good and (not field.pattern or value:find(field.pattern)) and value or nil
  end,
  expected = function(field)
    return field.expected or "a string"
  end,
}

TYPES.integer = {
  read = function(value, field)
    local whole = type(value) == "number" and value % 1 == 0 and math.abs(value) < 2 ^ 53
    return whole and in_range(field, value) and value or nil
  end,
  expected = function(field)
    return "an integer" .. range_text(field, plain)
  end,
}

TYPES.number = {
  read = function(value, field)
    local finite = type(value) == "number" and value == value and math.abs(value) < math.huge
    return finite and in_range(field, value) and value or nil
  end,
  expected = function(field)
    return "a number" .. range_text(field, plain)
  end,
}

TYPES.duration = {
  read = function(value, field)
    local seconds = units.duration(value)
    return seconds and in_range(field, seconds) and seconds or nil
  end,
  expected = function(field)
    return 'a duration such as "5s"' .. range_text(field, units.duration_text)
  end,
}

TYPES.size = {
  read = function(value, field)
    local bytes = units.size(value)
    return bytes and in_range(field, bytes) and bytes or nil
  end,
  expected = function(field)
    return 'a size such as "64MB"' .. range_text(field, units.size_text)
  end,
}

local HTTP = { "https", "http" }

--- scheme://[user:password@]host[:port][/path], without blanks, query and fragment; no "/" at its end.
local function read_url(value, field)
  if type(value) ~= "string" or #value > 2000 or value:find("[%s%c?#\\\"<>]") then
    return nil
  end
  local scheme, authority, path = value:match("^([%a][%w+.-]*)://([^/]+)(.*)$")
  if not scheme then
    return nil
  end
  local known = false
  for _, candidate in ipairs(field.schemes or HTTP) do
    known = known or candidate == scheme:lower()
  end
  local user, host = authority:match("^(.*)@([^@]*)$")
  host = host or authority
  local port = host:match(":(%d+)$")
  local name = host:gsub(":%d*$", "")
  local named = name:find("^%[[%x:.]+%]$") or name:find("^[%w._~%-]+$")
  if not known or (user and not field.userinfo) or not named or (port and tonumber(port) > 65535) then
    return nil
  end
  return scheme:lower() .. "://" .. authority .. path:gsub("/+$", "")
end

TYPES.url = {
  read = read_url,
  expected = function(field)
    local example = field.schemes and "http://127.0.0.1:8080" or "https://api.example.com"
    local rule = field.userinfo and "" or ", without user name, query and fragment"
    return ('a URL such as "%s" (%s)%s'):format(example, table.concat(field.schemes or HTTP, ", "), rule)
  end,
}

--- Fields of a table; `of` a list's or a map's items.
---@param value any
---@return boolean
local function is_list(value)
  if type(value) ~= "table" then
    return false
  end
  local count = 0
  for _ in pairs(value) do
    count = count + 1
  end
  return count == #value
end
M.is_list = is_list

local Walk = {}

local COMPOUND = { boolean = "true or false", list = "a list", table = "a table", map = "a table of names and values" }

local function report(ctx, path, field, value)
  local expected = M.expected(field)
  ctx:fail(path, ("expected %s, found %s"):format(expected, M.show(value, field.secret)))
end

function Walk.boolean(field, value, path, ctx)
  if type(value) == "boolean" then
    return value
  end
  report(ctx, path, field, value)
end

function Walk.list(field, value, path, ctx)
  if field.single and (type(value) ~= "table" or ctx.is_missing(value)) then
    value = { value }
  end
  if not is_list(value) then
    return report(ctx, path, field, value)
  end
  if field.min and #value < field.min then
    local items = field.min == 1 and "item" or "items"
    return ctx:fail(path, ("expected at least %d %s, found %d"):format(field.min, items, #value))
  end
  local list = {}
  for i, item in ipairs(value) do
    local checked = M.value(field.of or { type = "string" }, item, source.join(path, i), ctx)
    list[#list + 1] = checked
  end
  return list
end

function Walk.map(field, value, path, ctx)
  if type(value) ~= "table" then
    return report(ctx, path, field, value)
  end
  local map = {}
  for _, key in ipairs(M.sorted_keys(value)) do
    if type(key) ~= "string" then
      ctx:fail(path, ("expected names as keys, found %s"):format(M.show(key)))
    else
      map[key] = M.value(field.of or { type = "string" }, value[key], source.join(path, key), ctx)
    end
  end
  return map
end

function Walk.table(field, value, path, ctx)
  if type(value) ~= "table" then
    return report(ctx, path, field, value)
  end
  return field.fields and M.fields(field.fields, value, path, ctx) or value
end

--- Keys in an order that does not change from run to run, so that messages do not either.
---@param map table
---@return any[]
function M.sorted_keys(map)
  local keys = {}
  for key in pairs(map) do
    keys[#keys + 1] = key
  end
  table.sort(keys, function(a, b)
    if type(a) == type(b) and (type(a) == "string" or type(a) == "number") then
      return a < b
    end
    return type(a) < type(b)
  end)
  return keys
end

--- The items of a list as keys.
---@param list? any[]
---@return table<any, boolean>
function M.set(list)
  local set = {}
  for _, item in ipairs(list or {}) do
    set[item] = true
  end
  return set
end

--- Reports the names in a list that stand for nothing.
---@param list? string[]
---@param known table<string, any> by name
---@param what string completes "… called NAME": "no provider is"
---@param path string of the list
---@param scope cliproxy.Scope
function M.check_known(list, known, what, path, scope)
  for i, name in ipairs(list or {}) do
    if not known[name] then
      local all = M.sorted_keys(known)
      local hint = nearest.hint(name, all)
      if hint == "" then
        hint = #all > 0 and "; there are " .. table.concat(all, ", ") or "; there is none"
      end
      scope:fail(source.join(path, i), ("%s called %s%s"):format(what, M.show(name), hint))
    end
  end
end

local function one_of(field, value)
  for _, allowed in ipairs(field.one_of) do
    if allowed == value then
      return true
    end
  end
  return false
end

--- Checks one value. nil when it is wrong, which was reported, or stands for an unset variable.
---@param field cliproxy.Option
---@param value any not nil
---@param path string
---@param ctx cliproxy.OptionContext
---@return any
function M.value(field, value, path, ctx)
  if ctx.is_missing(value) then
    return ctx:missing(path, value)
  end
  local checked
  if field.type == "raw" then -- its owner checks it
    return value
  end
  local walk = Walk[field.type]
  if walk then
    checked = walk(field, value, path, ctx)
  else
    checked = TYPES[field.type].read(value, field)
    if checked == nil then
      return report(ctx, path, field, value)
    end
  end
  if checked ~= nil and field.one_of and not one_of(field, checked) then
    return report(ctx, path, field, value)
  end
  if checked ~= nil and field.check then
    local replaced, problem = field.check(checked, ctx)
    if replaced == nil then
      return ctx:fail(path, (problem:gsub("%%found", function()
        return M.show(value, field.secret)
      end)))
    end
    return replaced
  end
  return checked
end

local function unknown_key(fields, key, path, ctx)
  local names = M.sorted_keys(fields)
  local hint = nearest.hint(key, names)
  if hint == "" then
    hint = ("; known here: %s"):format(table.concat(names, ", "))
  end
  ctx:fail(source.join(path, key), "unknown option" .. hint)
end

--- Checks a table's fields: unknown keys, required ones, defaults.
---@param fields table<string, cliproxy.Option>
---@param value table
---@param path string "" at the top
---@param ctx cliproxy.OptionContext
---@return table<string, any>
function M.fields(fields, value, path, ctx)
  local checked = {}
  for _, key in ipairs(M.sorted_keys(value)) do
    if not fields[key] then
      unknown_key(fields, key, path, ctx)
    end
  end
  for _, key in ipairs(M.sorted_keys(fields)) do
    local field, item = fields[key], value[key]
    if item == nil then
      item = field.default
    end
    if item ~= nil then
      checked[key] = M.value(field, item, source.join(path, key), ctx)
    elseif field.required then
      ctx:fail(source.join(path, key), "is required: " .. M.expected(field))
    end
  end
  return checked
end

---@param field cliproxy.Option
---@return string "a duration such as …"
function M.expected(field)
  if field.one_of then
    return "one of " .. M.enumerate(field.one_of)
  end
  return TYPES[field.type] and TYPES[field.type].expected(field) or COMPOUND[field.type]
end

return M
