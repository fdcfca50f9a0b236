--- Payload rules of config.lua: defaults, overrides and removals by JSON path. Compiled once a generation; `payload`
--- applies them, docs/configuration.md is the manual.
local config_source = require("cliproxy.config_source")
local env = require("cliproxy.env")
local fields = require("cliproxy.config_fields")
local json = require("cliproxy.json")
local options = require("cliproxy.options")
local provider = require("cliproxy.provider")

local M = {}

M.OPERATIONS = { "generate", "count", "embed", "complete" }

local STEPS_MAX = 30

local names = { type = "list", single = true, min = 1, of = { type = "string" } }

---@type table<string, cliproxy.Option>
M.rule_fields = {
  model = { type = "list", single = true, min = 1, of = fields.models.of },
  dialect = names,
  provider = names,
  operation = { type = "list", single = true, min = 1, default = { "generate" },
    of = { type = "string", one_of = M.OPERATIONS } },
  defaults = { type = "raw" },
  overrides = { type = "raw" },
  remove = { type = "list", single = true, min = 1, of = { type = "string" } },
}

---@class cliproxy.PayloadRule
---@field models? string[] patterns
---@field dialects? table<string, boolean>
---@field providers? table<string, boolean>
---@field operations table<string, boolean>
---@field defaults cliproxy.PayloadEdit[]
---@field overrides cliproxy.PayloadEdit[]
---@field remove cliproxy.PayloadPath[]

---@class cliproxy.PayloadEdit
---@field path cliproxy.PayloadPath
---@field value any scalar, or a node of a document of its own
---@field raw string the value as JSON text

--- Steps: `key`, `index` in a list from 1, or `all`; `listed` is the last step that is no key, 0 where all are keys.
---@class cliproxy.PayloadPath
---@field listed integer

-- Paths --------------------------------------------------------------------------------------------------------

---@alias cliproxy.PayloadStep { key?: string, index?: integer, all?: boolean }

local function bare_key(text, at)
  local key, stop = text:match('^([^%.%[%]"%s]+)()', at)
  return key and { key = key }, stop
end

local function quoted_key(text, at)
  local key, stop = text:match('^%["([^"]+)"%]()', at)
  return key and { key = key }, stop
end

local function place(text, at)
  local index, stop = text:match("^%[(%d+)%]()", at)
  if index then
    return { index = tonumber(index) + 1 }, stop
  end
  stop = text:match("^%[%*%]()", at)
  return stop and { all = true }, stop
end

-- One step at `at`, and where it ends. In front stands a key; later a key behind a dot, or brackets.
local function step_at(text, at, is_first)
  if not is_first and text:sub(at, at) == "." then
    return bare_key(text, at + 1)
  end
  local step, stop = quoted_key(text, at)
  if step then
    return step, stop
  elseif is_first then
    return bare_key(text, at)
  end
  return place(text, at)
end

--- Reads a path: "a.b", "tools[*].strict", 'metadata["my.key"]', "messages[0]".
---@param text string
---@return cliproxy.PayloadPath? path
---@return string? rest what could not be read
function M.path(text)
  local path, at = { listed = 0 }, 1
  repeat
    local step, stop = step_at(text, at, #path == 0)
    if not step or #path >= STEPS_MAX then
      return nil, text:sub(at)
    end
    path[#path + 1] = step
    path.listed = step.key and path.listed or #path
    at = stop
  until at > #text
  return path
end

local OF_THE_CORE = {
  model = "the route decides this: { model = …, to = { provider = …, as = … } }",
  stream = "the client decides whether it streams",
}

local function read_path(text, at, scope)
  local path, rest = M.path(text)
  if not path then
    local from = rest ~= text and (" (not clear from %s)"):format(options.show(rest)) or ""
    return scope:fail(at, ('expected a path such as "a.b", "tools[*].strict" or "stop[0]", found %s%s'):format(
      options.show(text), from))
  elseif #path == 1 and OF_THE_CORE[path[1].key] then
    return scope:fail(at, OF_THE_CORE[path[1].key])
  end
  return path
end

-- Compiling ----------------------------------------------------------------------------------------------------

local function find_missing(value)
  if env.is_missing(value) then
    return value
  elseif type(value) == "table" then
    for _, item in pairs(value) do
      local missing = find_missing(item)
      if missing then
        return missing
      end
    end
  end
end

-- A value as it is assigned: tables as a document of their own, so that they are encoded once.
local function read_value(value, at, scope)
  local missing = find_missing(value)
  if missing then
    scope:missing(at, missing)
    return nil
  end
  local ok, raw = pcall(json.encode, value)
  if not ok then
    scope:fail(at, "is no JSON: " .. tostring(raw):gsub("^.*json%.encode: ", ""))
    return nil
  end
  return raw
end

local function read_edits(raw, at, scope, is_default)
  local edits = {}
  if raw == nil then
    return edits
  elseif type(raw) ~= "table" or scope.is_missing(raw) then
    scope:fail(at, ('expected a table such as { ["reasoning.effort"] = "low" }, found %s'):format(options.show(raw)))
    return edits
  end
  for _, key in ipairs(options.sorted_keys(raw)) do
    local where = config_source.join(at, key)
    if type(key) ~= "string" then
      scope:fail(where, 'expected a path in front: ["reasoning.effort"] = "low"')
    else
      local path, text = read_path(key, where, scope), read_value(raw[key], where, scope)
      if path and is_default and path.listed == #path then
        scope:fail(where, "an element of a list has no default; use overrides")
      elseif path and text then
        edits[#edits + 1] = { path = path, value = json.parse(text), raw = text }
      end
    end
  end
  return edits
end

-- The named dialects, and those that scripts carry themselves.
local function dialects_of(instances)
  local known = options.set(provider.DIALECTS)
  for _, instance in pairs(instances) do
    if instance.own then
      known[instance.provider.name] = true
    end
  end
  return known
end

local function compile_rule(raw, at, scope, instances)
  local checked = options.fields(M.rule_fields, raw, at, scope)
  if raw.defaults == nil and raw.overrides == nil and raw.remove == nil then
    scope:fail(at, "does nothing: it needs one of defaults, overrides and remove")
  end
  options.check_known(checked.dialect, dialects_of(instances), "no dialect is", config_source.join(at, "dialect"),
    scope)
  options.check_known(checked.provider, instances, "no provider is", config_source.join(at, "provider"), scope)
  local rule = {
    models = checked.model,
    dialects = checked.dialect and options.set(checked.dialect),
    providers = checked.provider and options.set(checked.provider),
    operations = options.set(checked.operation),
    defaults = read_edits(raw.defaults, config_source.join(at, "defaults"), scope, true),
    overrides = read_edits(raw.overrides, config_source.join(at, "overrides"), scope),
    remove = {},
  }
  for i, text in ipairs(checked.remove or {}) do
    rule.remove[#rule.remove + 1] = read_path(text, config_source.join(config_source.join(at, "remove"), i), scope)
  end
  return rule
end

--- The rules of a configuration; nil where there is none.
---@param raw any
---@param scope cliproxy.Scope of config.lua
---@param instances table<string, cliproxy.Instance>
---@return cliproxy.PayloadRule[]?
function M.compile(raw, scope, instances)
  if raw == nil then
    return nil
  elseif not options.is_list(raw) then
    local found = type(raw) == "table" and "a table that is none" or options.show(raw)
    scope:fail("payload", ('expected a list such as { { model = "gpt-*", remove = "metadata" } }, found %s'):format(
      found))
    return nil
  end
  local rules = {}
  for i, rule in ipairs(raw) do
    local at = config_source.join("payload", i)
    if type(rule) ~= "table" or scope.is_missing(rule) then
      scope:fail(at, ("expected a table with defaults, overrides or remove, found %s"):format(options.show(rule)))
    else
      rules[#rules + 1] = compile_rule(rule, at, scope, instances)
    end
  end
  return #rules > 0 and rules or nil
end

return M
