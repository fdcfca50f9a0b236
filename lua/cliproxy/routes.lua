--- Which model goes where: ordered rules, then plain ids of instances, then "instance/model", then patterns of
--- instances. Compiled once a generation; the plan of a model is kept, so that a request costs one look into a table
--- unless route functions stand before its rule.
local budget = require("cliproxy.budget")
local config_source = require("cliproxy.config_source")
local fields = require("cliproxy.config_fields")
local glob = require("cliproxy.glob")
local nearest = require("cliproxy.nearest")
local options = require("cliproxy.options")
local targets_of = require("cliproxy.route_targets")

local M = {}

local RIVAL = 'models: "%s" is served by %s too ("%s"); route it with { model = "%s", to = "%s" }, '
  .. "or give one of them models = { … }"

local CACHE_MAX = 1000 -- plans; clients that invent names must not grow it
local SHOWN_MAX = 80

local RULE = {
  model = { type = "raw" },
  to = { type = "raw" },
  strategy = { type = "string", one_of = { "failover" }, default = "failover" },
}

---@class cliproxy.Routes
---@field functions integer
---@field private rules table[]
---@field private instances table<string, cliproxy.Instance>
---@field private names string[]
---@field private served table<string, cliproxy.Instance> by plain id
---@field private patterns { pattern: string, instance: cliproxy.Instance }[]
---@field private known string[]
---@field private cache table<string, cliproxy.Plan>
---@field private cached integer
local Routes = {}
Routes.__index = Routes

local function read_patterns(raw, scope, path)
  if raw == nil then
    scope:fail(path, 'is required: the model it is for, such as "gpt-5" or "gpt-*"')
    return {}
  end
  local field = { type = "list", single = true, min = 1, of = fields.models.of }
  return options.value(field, raw, path, scope) or {}
end

local function compile_table(raw, path, instances, scope)
  local checked = options.fields(RULE, raw, path, scope)
  local at = config_source.join(path, "to")
  if raw.to == nil then
    scope:fail(at, 'is required: where it goes, such as "openai/gpt-5"')
    return nil
  end
  return {
    path = path,
    patterns = read_patterns(raw.model, scope, config_source.join(path, "model")),
    targets = targets_of.read(raw.to, instances, scope, at),
    strategy = checked.strategy,
  }
end

local function compile_rules(raw, instances, config, scope)
  local rules, functions = {}, 0
  if raw == nil then
    return rules, functions
  elseif not options.is_list(raw) then
    scope:fail("routes", ('expected a list such as { { model = "fast", to = "groq/llama-3.3" } }, found %s'):format(
      type(raw) == "table" and "a table that is none" or options.show(raw)))
    return rules, functions
  end
  for i, rule in ipairs(raw) do
    local path = config_source.join("routes", i)
    if type(rule) == "function" then
      functions = functions + 1
      local owner = { name = ("%s: %s()"):format(config.file, path), script = config.file }
      rules[#rules + 1] = { path = path, run = rule, owner = owner, line = scope:line(path), file = config.file }
    elseif type(rule) == "table" and not scope.is_missing(rule) then
      rules[#rules + 1] = compile_table(rule, path, instances, scope)
    else
      scope:fail(path, ("expected { model =, to = } or a function, found %s"):format(options.show(rule)))
    end
  end
  return rules, functions
end

--- Whether a rule decides for every name of `pattern`, so that instances behind it cannot compete for it.
local function decided(rules, pattern)
  for _, rule in ipairs(rules) do
    for _, wide in ipairs(rule.patterns or {}) do
      if glob.covers(wide, pattern) then
        return true
      end
    end
  end
  return false
end

local function find_rival(list, pattern, instance, rules)
  for _, other in ipairs(list) do
    if other.instance ~= instance and glob.intersect(other.pattern, pattern) then
      -- A plain id goes before a pattern: these two never compete.
      local same_kind = glob.is_literal(other.pattern) == glob.is_literal(pattern)
      if same_kind and not decided(rules, pattern) and not decided(rules, other.pattern) then
        return other
      end
    end
  end
end

--- Two instances that serve one model make the answer a matter of luck: an error that names both.
local function collect(self, names, scope)
  local list = {}
  for _, name in ipairs(names) do
    local instance = self.instances[name]
    for _, pattern in ipairs(instance.models) do
      local rival = not instance.off and find_rival(list, pattern, instance, self.rules)
      if rival then
        local message = RIVAL:format(pattern, rival.instance.name, rival.pattern, pattern, name)
        scope:fail(config_source.join("providers", name), message)
      end
      local entry = { pattern = pattern, instance = instance }
      if not instance.off then
        list[#list + 1] = entry
      end
      if glob.is_literal(pattern) then
        if not self.served[pattern] or self.served[pattern].off then
          self.served[pattern] = instance
        end
      else
        self.patterns[#self.patterns + 1] = entry
      end
    end
  end
end

local function collect_known(self)
  local seen = {}
  for _, rule in ipairs(self.rules) do
    for _, pattern in ipairs(rule.patterns or {}) do
      seen[pattern] = glob.is_literal(pattern) or nil
    end
  end
  for id, instance in pairs(self.served) do
    seen[id] = not instance.off or nil
  end
  self.known = options.sorted_keys(seen)
end

---@param raw any `routes` of the configuration
---@param instances table<string, cliproxy.Instance>
---@param names string[]
---@param config cliproxy.Config
---@param scope cliproxy.Scope
---@return cliproxy.Routes
function M.compile(raw, instances, names, config, scope)
  local self = { instances = instances, names = names, served = {}, patterns = {}, cache = {}, cached = 0 }
  self.rules, self.functions = compile_rules(raw, instances, config, scope)
  collect(self, names, scope)
  collect_known(self)
  return setmetatable(self, Routes)
end

local function shown(model)
  local clean = model:gsub("[%c\127]", "?")
  return #clean > SHOWN_MAX and clean:sub(1, SHOWN_MAX) .. "…" or clean
end

function Routes:no_route(model)
  local parts = { ('no route for "%s".'):format(shown(model)) }
  local near = nearest.find(model, self.known, 3)
  if #near > 0 then
    parts[2] = ("Nearest: %s."):format(table.concat(near, ", "))
  end
  local names = #self.names > 0 and table.concat(self.names, ", ") or "none"
  parts[#parts + 1] = ("Configured providers: %s."):format(names)
  return nil, table.concat(parts, " "), "no_route"
end

--- Without a rule: plain ids, "instance/model", patterns; what is off only answers where nothing else does.
function Routes:by_instance(model)
  local served = self.served[model]
  if served and not served.off then
    return targets_of.plan({ { instance = served, weight = 1 } }, model)
  end
  local name, rest = targets_of.split(model)
  if rest and self.instances[name] then
    return targets_of.plan({ { instance = self.instances[name], model = rest, weight = 1 } }, model)
  end
  local off = served
  for _, entry in ipairs(self.patterns) do
    if glob.match(entry.pattern, model) then
      if not entry.instance.off then
        return targets_of.plan({ { instance = entry.instance, weight = 1 } }, model)
      end
      off = off or entry.instance
    end
  end
  if off then
    return nil, off.off, "provider_off"
  end
  return self:no_route(model)
end

local function matches(rule, model)
  for _, pattern in ipairs(rule.patterns) do
    if glob.match(pattern, model) then
      return true
    end
  end
  return false
end

--- What a route function returned, read like `to`.
local function read_returned(self, rule, value)
  local problem
  local scope = {
    is_missing = function()
      return false
    end,
    fail = function(_, at, message)
      problem = problem or (at == "" and "" or at .. ": ") .. message
    end,
  }
  local targets = targets_of.read(value, self.instances, scope, "")
  if problem then
    local at = rule.line and ("%s:%d"):format(rule.file, rule.line) or rule.file
    return nil, ("%s: %s(): returned a wrong target: %s"):format(at, rule.path, problem), "route_error"
  end
  return targets
end

--- Within the slice also what it returned is read: a metatable may run the script's code.
local function run_rule(self, rule, request)
  local value = rule.run(request)
  if value ~= nil then
    return read_returned(self, rule, value)
  end
end

--- Asks one route function. nil without a message: the next rule.
function Routes:ask(rule, request)
  local ok, targets, message, code = budget.call(rule.owner, run_rule, self, rule, request)
  if not ok then
    return nil, tostring(targets), "route_error"
  elseif not targets then
    return nil, message, code
  end
  return targets_of.plan(targets, request.model, rule.path)
end

function Routes:decide(request)
  local model, pure = request.model, true
  for _, rule in ipairs(self.rules) do
    if rule.run then
      pure = false
      local plan, message, code = self:ask(rule, request)
      if plan or message then
        return plan, message, code
      end
    elseif matches(rule, model) then
      local plan, message, code = targets_of.plan(rule.targets, model, rule.path, rule.strategy)
      return plan, message, code, pure
    end
  end
  local plan, message, code = self:by_instance(model)
  return plan, message, code, pure
end

function Routes:plan(request)
  local model = request.model
  local plan = self.cache[model]
  if plan then
    return plan
  end
  local message, code, pure
  plan, message, code, pure = self:decide(request)
  if plan and pure then
    if self.cached == CACHE_MAX then
      self.cache, self.cached = {}, 0
    end
    self.cache[model], self.cached = plan, self.cached + 1
  end
  return plan, message, code
end

function Routes:models()
  local list = {}
  for _, id in ipairs(self.known) do
    local plan = self:plan_of_known(id)
    if plan then
      list[#list + 1] = { id = id, instance = plan[1].instance.name }
    end
  end
  return list
end

--- The plan of a listed id, leaving out route functions, which may want a whole request.
function Routes:plan_of_known(id)
  for _, rule in ipairs(self.rules) do
    if rule.patterns and matches(rule, id) then
      return (targets_of.plan(rule.targets, id, rule.path, rule.strategy))
    end
  end
  return (self:by_instance(id))
end

return M
