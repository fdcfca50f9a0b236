--- Loads filter scripts, holds them to their contract, and makes of `filters` in config.lua the ordered list that runs.
local config_source = require("cliproxy.config_source")
local contract = require("cliproxy.contract")
local declared_options = require("cliproxy.declared_options")
local fields = require("cliproxy.config_fields")
local glob = require("cliproxy.glob")
local nearest = require("cliproxy.nearest")
local options = require("cliproxy.options")
local provider = require("cliproxy.provider")

local M = {}

M.CONTRACT = 1
M.HOOKS = { "request", "response", "event" }

---@type table<string, cliproxy.Option>
local FIELDS = {
  name = { type = "string", required = true },
  contract = { type = "raw" },
  options = { type = "raw" },
}
for _, hook in ipairs(M.HOOKS) do
  FIELDS[hook] = { type = "raw" }
end

local names = { type = "list", single = true, min = 1, of = { type = "string" } }

---@type table<string, cliproxy.Option>
M.when_fields = {
  client = { type = "list", single = true, min = 1, of = { type = "string", one_of = provider.DIALECTS } },
  model = { type = "list", single = true, min = 1, of = fields.models.of },
  provider = names,
  key = names,
}

--- What is known about a script beside the table that it returned.
---@class cliproxy.FilterFacts
---@field filter cliproxy.FilterScript plain copy of the returned table
---@field options table<string, cliproxy.Option>
---@field owners table<string, cliproxy.Owner>

--- One line of `filters`.
---@class cliproxy.Filter
---@field name string
---@field script string "providers/filters/redact.lua"
---@field filter cliproxy.FilterScript its hooks
---@field owners table<string, cliproxy.Owner>
---@field options table<string, any>
---@field when? cliproxy.FilterWhen nil: always

---@class cliproxy.FilterWhen
---@field client? table<string, boolean>
---@field model? string[] patterns
---@field provider? table<string, boolean>
---@field key? table<string, boolean>

---@param name string "redact"
---@return string path "providers/filters/redact.lua"
function M.path(name)
  return ("providers/filters/%s.lua"):format(name)
end

local function check_contract(value, scope)
  if value == nil then
    scope:fail("contract", ("is required: contract = %d"):format(M.CONTRACT))
  elseif value ~= M.CONTRACT then
    local text = "this cliproxy speaks contract %d of filters, the script asks for %s; use a script made for %d"
    scope:fail("contract", text:format(M.CONTRACT, options.show(value), M.CONTRACT))
  end
end

-- The hooks' owners; at least one hook must be there.
local function check_hooks(raw, path, scope)
  local owners = {}
  for _, name in ipairs(M.HOOKS) do
    local hook = raw[name]
    if type(hook) == "function" then
      owners[name] = { name = ("%s: %s()"):format(path, name), script = path }
    elseif hook ~= nil then
      scope:fail(name, ("expected a function, found %s"):format(options.show(hook)))
    end
  end
  if raw.request == nil and raw.response == nil and raw.event == nil then
    scope:fail("", "a filter needs one of request, response and event")
  end
  return owners
end

---@param raw table a plain copy
---@param part cliproxy.Part
---@param scope cliproxy.Scope
---@return cliproxy.FilterFacts
local function examine(raw, part, scope)
  local checked = options.fields(FIELDS, raw, "", scope)
  local file_name = part.path:match("([^/]+)%.lua$")
  if checked.name and checked.name ~= file_name then
    scope:fail("name", ("expected %s, as the file is called, found %s"):format(options.show(file_name),
      options.show(checked.name)))
  end
  check_contract(raw.contract, scope)
  local declared = raw.options == nil and {} or declared_options.all(raw.options, "options", scope)
  if declared.when then
    scope:fail("options.when", "is an option that every filter has; choose another name")
  end
  return { filter = raw, options = declared, owners = check_hooks(raw, part.path, scope) }
end

--- Loads a script and checks it; both are done again only when its bytes or its helpers' changed.
---@param loader cliproxy.Loader
---@param name string "redact"
---@param findings cliproxy.Findings
---@return cliproxy.Part? with `checked`; nil when it did not load or is wrong
function M.load(loader, name, findings)
  return contract.load(loader, M.path(name), findings, examine)
end

--- Names of the filters there are.
---@param loader cliproxy.Loader
---@return string[]
function M.available(loader)
  return contract.available(loader, "providers/filters")
end

-- The list in config.lua ----------------------------------------------------------------------------------------

local function find(name, path, context)
  if not name:find("^[%w_-]+$") then
    context.scope:fail(path, ("a filter's name consists of letters, digits, _ and -, found %s"):format(
      options.show(name)))
  elseif context.loader.files:find(M.path(name)) then
    return M.load(context.loader, name, context.findings)
  else
    local folders = table.concat(context.loader.files:folders(), "/providers/filters and ")
    context.scope:fail(path, ("no script %s.lua in %s/providers/filters%s"):format(name, folders,
      nearest.hint(name, M.available(context.loader))))
  end
end

local function read_when(raw, path, context)
  local scope = context.scope
  if type(raw) ~= "table" or scope.is_missing(raw) then
    scope:fail(path, ('expected a table such as { client = "anthropic", model = "claude-*" }, found %s'):format(
      options.show(raw)))
    return nil
  end
  local checked = options.fields(M.when_fields, raw, path, scope)
  local keys = {}
  for _, key in ipairs(context.config.api_keys) do
    keys[key.name] = true
  end
  -- A condition that can never hold is a slip.
  options.check_known(checked.provider, context.instances, "no provider is", config_source.join(path, "provider"),
    scope)
  options.check_known(checked.key, keys, "no key of api_keys is", config_source.join(path, "key"), scope)
  local when = { model = checked.model }
  for _, name in ipairs({ "client", "provider", "key" }) do
    when[name] = checked[name] and options.set(checked[name])
  end
  return when
end

local function read_item(raw, path, context)
  local scope = context.scope
  local name, given = raw, {}
  if type(raw) == "table" and not scope.is_missing(raw) then
    name = raw[1]
    for key, value in pairs(raw) do
      given[key] = value
    end
    given[1], given.when = nil, nil
  end
  if type(name) ~= "string" then
    return scope:fail(path, ('expected "name" or { "name", when = { … }, options… }, found %s'):format(
      type(raw) == "table" and "a table without a name in front" or options.show(raw)))
  elseif given[2] ~= nil then
    return scope:fail(config_source.join(path, 2), "options are written NAME = value; each filter is its own item")
  end
  local part = find(name, path, context)
  if not part then
    return nil
  end
  local facts = part.checked
  return {
    name = name,
    script = part.path,
    filter = facts.filter,
    owners = facts.owners,
    options = options.fields(facts.options, given, path, scope),
    when = type(raw) == "table" and raw.when ~= nil and read_when(raw.when, config_source.join(path, "when"), context)
      or nil,
  }
end

--- The active filters in their order; nil where there is none.
---@param part cliproxy.ConfigPart
---@param loader cliproxy.Loader
---@param findings cliproxy.Findings
---@param instances table<string, cliproxy.Instance>
---@return cliproxy.Filter[]?
function M.build(part, loader, findings, instances)
  local raw = part.filters
  if raw == nil then
    return nil
  end
  local context = { config = part.config, loader = loader, findings = findings, instances = instances,
    scope = findings:scope(part.config.file, part.source) }
  if not options.is_list(raw) then
    local found = type(raw) == "table" and "a table that is none" or options.show(raw)
    context.scope:fail("filters", ('expected a list such as { "redact", { "trim", turns = 20 } }, found %s'):format(
      found))
    return nil
  end
  local list = {}
  for i, item in ipairs(raw) do
    list[#list + 1] = read_item(item, config_source.join("filters", i), context)
  end
  return #list > 0 and list or nil
end

--- Whether a filter's conditions hold for a request on its way to a target.
---@param filter cliproxy.Filter
---@param work cliproxy.Work
---@param target cliproxy.Target
---@return boolean
function M.applies(filter, work, target)
  local when = filter.when
  if not when then
    return true
  elseif when.client and not when.client[work.dialect] or when.key and not when.key[work.key]
    or when.provider and not when.provider[target.instance.name] then
    return false
  elseif not when.model then
    return true
  end
  for _, pattern in ipairs(when.model) do
    if glob.match(pattern, work.model) then
      return true
    end
  end
  return false
end

return M
