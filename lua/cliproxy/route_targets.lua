--- Reads targets: "instance", "instance/model", { provider =, as =, weight =, accounts = }, or a list of these.
local nearest = require("cliproxy.nearest")
local options = require("cliproxy.options")

local M = {}

local FIELDS = {
  provider = { type = "string", required = true },
  as = { type = "string" },
  weight = { type = "number", min = 0, max = 1000000, default = 1 },
  accounts = { type = "list", min = 1, of = { type = "string" } },
}

local SHAPE = '"instance", "instance/model", { provider = "instance", as = "model" }, or a list of these'

--- A compiled target: `model` nil means the one asked for.
---@class cliproxy.CompiledTarget
---@field instance cliproxy.Instance
---@field model? string
---@field weight number
---@field accounts? string[]

---@param name string
---@param instances table<string, cliproxy.Instance>
---@return cliproxy.Instance?
---@return string? message
local function find(name, instances)
  local instance = instances[name]
  if instance then
    return instance
  end
  local names = options.sorted_keys(instances)
  local hint = nearest.hint(name, names)
  if hint == "" then
    hint = #names > 0 and "; configured: " .. table.concat(names, ", ") or "; none is configured"
  end
  return nil, ("no provider is called %s%s"):format(options.show(name), hint)
end

--- "work/claude-opus-4" → "work", "claude-opus-4"; the model may hold more slashes.
---@param text string
---@return string instance
---@return string? model
function M.split(text)
  local name, model = text:match("^([^/]*)/(.+)$")
  return name or text, model
end

local function from_string(text, instances, scope, path)
  local name, model = M.split(text)
  local instance, message = find(name, instances)
  if not instance then
    return scope:fail(path, message)
  end
  return { instance = instance, model = model, weight = 1 }
end

local function check_accounts(target, scope, path)
  local known = {}
  for _, account in ipairs(target.instance.accounts) do
    known[account.name] = true
  end
  for _, name in ipairs(target.accounts) do
    if not known[name] and not target.instance.off then
      scope:fail(path, ("provider %s has no account %s"):format(target.instance.name, options.show(name)))
    end
  end
end

local function from_table(raw, instances, scope, path)
  local checked = options.value({ type = "table", fields = FIELDS }, raw, path, scope)
  if not checked or not checked.provider then
    return nil
  end
  local instance, message = find(checked.provider, instances)
  if not instance then
    return scope:fail(path == "" and "provider" or path .. ".provider", message)
  end
  local target = { instance = instance, model = checked.as, weight = checked.weight, accounts = checked.accounts }
  if target.accounts then
    check_accounts(target, scope, path)
  end
  return target
end

local function read_one(raw, instances, scope, path)
  if type(raw) == "string" and raw ~= "" then
    return from_string(raw, instances, scope, path)
  elseif type(raw) == "table" and not scope.is_missing(raw) then
    return from_table(raw, instances, scope, path)
  elseif scope.is_missing(raw) then
    return scope:missing(path, raw)
  end
  scope:fail(path, ("expected %s, found %s"):format(SHAPE, options.show(raw)))
end

--- Reads one target or a list. Wrong ones are told to `scope` and left out.
---@param raw any
---@param instances table<string, cliproxy.Instance>
---@param scope cliproxy.OptionContext
---@param path string
---@return cliproxy.CompiledTarget[]
function M.read(raw, instances, scope, path)
  local is_list = type(raw) == "table" and not scope.is_missing(raw) and (raw[1] ~= nil or next(raw) == nil)
  if not is_list then
    return { (read_one(raw, instances, scope, path)) }
  end
  if #raw == 0 then
    scope:fail(path, ("expected %s, found an empty list"):format(SHAPE))
  end
  local targets = {}
  for i = 1, #raw do
    targets[#targets + 1] = read_one(raw[i], instances, scope, ("%s[%d]"):format(path, i))
  end
  return targets
end

--- Fills in the model asked for and leaves out what is off. nil and the reason when all are off.
---@param targets cliproxy.CompiledTarget[]
---@param asked string
---@param rule? string
---@param strategy? string
---@return cliproxy.Plan?
---@return string? message
---@return string? code
function M.plan(targets, asked, rule, strategy)
  local plan, off = { rule = rule, strategy = strategy or "failover" }, nil
  for _, target in ipairs(targets) do
    if target.instance.off then
      off = off or target.instance.off
    else
      local model = target.model or asked
      plan[#plan + 1] = {
        instance = target.instance,
        model = model,
        label = target.instance.name .. "/" .. model,
        weight = target.weight,
        accounts = target.accounts,
      }
    end
  end
  if #plan == 0 then
    return nil, off, "provider_off"
  end
  return plan
end

return M
