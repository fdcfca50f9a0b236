--- Makes instances: providers as configured. Their options are checked against what the scripts declare.
local config_source = require("cliproxy.config_source")
local fields = require("cliproxy.config_fields")
local nearest = require("cliproxy.nearest")
local options = require("cliproxy.options")
local paths = require("cliproxy.paths")
local provider = require("cliproxy.provider")
local system = require("cliproxy.system")

local M = {}

--- "_" and letters of any kind but no "/" (which splits targets) and nothing that needs escaping in logs.
local NAME = "^[%a_][%w_.-]*$"

--- The script of an instance; nil when it cannot be found, which was told.
local function load_script(name, raw, loader, scope, path, findings)
  local script = raw.script
  if script == nil then
    script = name
  else
    script = options.value(fields.instance.script, script, config_source.join(path, "script"), scope)
  end
  if not script then
    return nil
  end
  if not loader.files:find(("providers/%s.lua"):format(script)) then
    local folders = table.concat(loader.files:folders(), "/providers and ")
    local hint = nearest.hint(script, provider.available(loader))
    if hint == "" and raw.script == nil then
      hint = '; for a server that speaks OpenAI\'s dialect add script = "openai_compatible"'
    end
    local at = raw.script ~= nil and config_source.join(path, "script") or path
    scope:fail(at, ("no script %s.lua in %s/providers%s"):format(script, folders, hint))
    return nil
  end
  return provider.load(loader, script, findings)
end

local function account_fields(facts)
  local all = {
    name = { type = "string", pattern = "^[%w_.@+-]+$", expected = "a name of letters, digits and _ . @ + -" },
    api_key = fields.key,
    weight = { type = "number", min = 0, max = 1000000, default = 1 },
  }
  for name, option in pairs(facts.account) do
    local own = {}
    for key, value in pairs(option) do
      own[key] = value
    end
    own.default, own.required = nil, nil -- the instance's value stands in
    all[name] = own
  end
  return all
end

local function check_account(account, i, at, state)
  account.name = account.name or "account-" .. i
  if state.seen[account.name] then
    local message = ("an account %s stands above already"):format(options.show(account.name))
    state.scope:fail(config_source.join(at, "name"), message)
  end
  state.seen[account.name] = true
  if state.facts.needs_key and account.api_key == nil and not state.missing() then
    state.scope:fail(at, 'needs an api_key, such as api_key = env "NAME"')
  end
  for name in pairs(state.facts.account) do
    if account[name] == nil then
      account[name] = state.checked[name]
    end
  end
end

local function read_accounts(raw, facts, checked, scope, path, missing)
  local at = config_source.join(path, "accounts")
  local state = { seen = {}, facts = facts, checked = checked, scope = scope, missing = missing }
  if raw.accounts == nil then
    local account = { name = "default", api_key = checked.api_key, weight = 1 }
    if facts.needs_key and account.api_key == nil and raw.api_key == nil then
      scope:fail(path, 'needs an api_key, such as api_key = env "NAME", or accounts = { … }')
    end
    for name in pairs(facts.account) do
      account[name] = checked[name]
    end
    return { account }
  end
  if not options.is_list(raw.accounts) or #raw.accounts == 0 then
    local found = type(raw.accounts) == "table" and "a table that is none" or options.show(raw.accounts, true)
    scope:fail(at, 'expected a list such as { { name = "a", api_key = env "KEY_A" } }, found ' .. found)
    return {}
  elseif raw.api_key ~= nil then
    scope:fail(config_source.join(path, "api_key"), "stands for one account; with accounts = { … } it belongs there")
  end
  local list, declared = {}, { type = "table", fields = account_fields(facts) }
  for i, item in ipairs(raw.accounts) do
    local account = options.value(declared, item, config_source.join(at, i), scope)
    if account then
      check_account(account, i, config_source.join(at, i), state)
      list[#list + 1] = account
    end
  end
  return list
end

local function check_paths(checked, scope, path, folder)
  for _, name in ipairs({ "ca_file", "unix_socket" }) do
    if checked[name] then
      checked[name] = paths.absolute(checked[name], folder)
    end
  end
  if checked.ca_file and not system.stat(checked.ca_file) then
    local message = ("expected a PEM file, but %s does not exist"):format(checked.ca_file)
    scope:fail(config_source.join(path, "ca_file"), message)
  end
end

local function timeouts_of(checked, config)
  local merged = {}
  for name, seconds in pairs(config.timeouts) do
    merged[name] = checked.timeouts and checked.timeouts[name] or seconds
  end
  return merged
end

--- Options that have a field of their own in the instance are not options of the script.
local function script_options(checked, facts)
  local own = {}
  for name, value in pairs(checked) do
    if not fields.instance[name] or (name ~= "api_key" and (facts.provider.options or {})[name] ~= nil) then
      own[name] = value
    end
  end
  return own
end

--- The script's dialects, or those that config.lua picks among them: a set, and a list with the best one first.
local function dialects_of(checked, facts, scope, path)
  if not checked.dialects then
    return facts.dialects, facts.speaks
  end
  local set, speaks = {}, {}
  for i, dialect in ipairs(checked.dialects) do
    if not facts.dialects[dialect] then
      scope:fail(config_source.join(config_source.join(path, "dialects"), i),
        ("the script does not speak %s; it speaks %s"):format(options.show(dialect), options.enumerate(facts.speaks)))
    elseif not set[dialect] then
      set[dialect] = true
      speaks[#speaks + 1] = dialect
    end
  end
  return set, speaks
end

-- The script's, with what config.lua says instead. One table where only one of them has any: `models.caps` keeps what
-- it found by table.
local function caps_of(checked, facts)
  if not checked.caps or not facts.caps then
    return checked.caps or facts.caps
  end
  local caps = {}
  for _, source in ipairs({ facts.caps, checked.caps }) do
    for name, value in pairs(source) do
      caps[name] = value
    end
  end
  return caps
end

---@param name string
---@param raw table
---@param part cliproxy.Part
---@param scope cliproxy.Scope
---@param state { config: cliproxy.Config, path: string, missing: fun(): string? }
---@return cliproxy.Instance
local function make(name, raw, part, scope, state)
  local facts, config, path = part.checked, state.config, state.path
  local checked = options.fields(facts.options, raw, path, scope)
  check_paths(checked, scope, path, config.folder)
  local models = checked.models or facts.provider.models or {}
  local dialects, speaks = dialects_of(checked, facts, scope, path)
  return {
    name = name,
    script = part.path,
    part = part,
    provider = facts.provider,
    options = script_options(checked, facts),
    accounts = read_accounts(raw, facts, checked, scope, path, state.missing),
    dialects = dialects,
    speaks = speaks,
    caps = caps_of(checked, facts),
    auth = facts.provider.auth,
    timeouts = timeouts_of(checked, config),
    headers = checked.headers,
    proxy_url = checked.proxy_url,
    unix_socket = checked.unix_socket,
    ca_file = checked.ca_file,
    http2 = checked.http2,
    usage = checked.usage,
    models_ttl = checked.models_ttl or config.models_ttl,
    models = models,
    literals = provider.literals(models),
    owners = facts.owners,
    hooks = facts.hooks,
    own = facts.own,
    enabled = checked.enabled ~= false,
  }
end

local function place(config, line)
  return line and ("%s:%d"):format(config.file, line) or config.file
end

--- Makes one. An unset variable turns it off, with a line that says so.
local function build(name, raw, context)
  local path = config_source.join("providers", name)
  local off
  local scope
  scope = context.findings:scope(context.config.file, context.source, function(at, marker)
    off = off or ("provider %s is off: %s is not set (%s)"):format(name, marker.name,
      place(context.config, rawget(marker, "line") or scope:line(at)))
  end)
  if not name:find(NAME) or #name > 64 then
    scope:fail(path, "a provider's name consists of letters, digits and _ . -, with a letter or _ first")
    return nil
  end
  local part = load_script(name, raw, context.loader, scope, path, context.findings)
  if not part then
    return nil
  end
  local instance = make(name, raw, part, scope, {
    config = context.config,
    path = path,
    missing = function()
      return off
    end,
  })
  if not instance.enabled then
    local line = scope:line(config_source.join(path, "enabled"))
    off = ("provider %s is off: enabled = false (%s)"):format(name, place(context.config, line))
  end
  instance.off = off
  return instance
end

--- Takes over what did not change: the same configuration, the same script.
local function reuse(name, part, previous)
  local before = previous and previous.instances[name]
  return before and previous.config_part == part and before or nil
end

---@class cliproxy.InstanceContext
---@field config cliproxy.Config
---@field source? cliproxy.ConfigSource
---@field loader cliproxy.Loader
---@field findings cliproxy.Findings

--- All instances of a configuration.
---@param part cliproxy.ConfigPart
---@param loader cliproxy.Loader
---@param findings cliproxy.Findings
---@param previous? cliproxy.Snapshot
---@return table<string, cliproxy.Instance>
---@return string[] names sorted
function M.build(part, loader, findings, previous)
  local context = { config = part.config, source = part.source, loader = loader, findings = findings }
  local scope = findings:scope(part.config.file, part.source)
  local instances, names = {}, {}
  local raw = part.providers
  if raw == nil then
    raw = {}
  elseif type(raw) ~= "table" then
    scope:fail("providers", ("expected a table such as { demo = {} }, found %s"):format(options.show(raw)))
    raw = {}
  end
  for _, name in ipairs(options.sorted_keys(raw)) do
    local path, item = config_source.join("providers", name), raw[name]
    if type(name) ~= "string" then
      scope:fail(path, "expected a name: write demo = {} for a provider without options")
    elseif type(item) ~= "table" or scope.is_missing(item) then
      scope:fail(path, 'expected a table such as { api_key = env "NAME" }, found ' .. options.show(item, true))
    else
      local before = reuse(name, part, previous)
      local same = before and loader:run(before.script) == before.part
      instances[name] = same and before or build(name, item, context)
      names[#names + 1] = instances[name] and name or nil
    end
  end
  return instances, names
end

return M
