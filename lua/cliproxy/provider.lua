--- Loads a provider script and holds it to the contract: which fields there are, what they hold, which hooks it has.
--- What this finds is found once a generation; requests only look at the result.
local config_source = require("cliproxy.config_source")
local contract = require("cliproxy.contract")
local declared_options = require("cliproxy.declared_options")
local fields = require("cliproxy.config_fields")
local glob = require("cliproxy.glob")
local options = require("cliproxy.options")

local M = {}

M.CONTRACT = 1
M.DIALECTS = fields.DIALECTS
M.FRAMINGS = { "sse", "ndjson", "json_array", "raw" }
M.AUTHS = { "bearer", "x-api-key", "x-goog-api-key", "none" }

--- Hooks of any provider, and those that make up a dialect of its own.
M.HOOKS = { "shape", "authorize", "classify", "event", "response", "discover", "refresh", "execute" }
M.CODEC = { "endpoint", "encode_request", "decode_response", "stream_decoder", "decode_error" }

local PER_REQUEST = { "shape", "authorize", "event", "response", "execute", "endpoint", "encode_request" }

---@type table<string, cliproxy.Option>
local FIELDS = {
  name = { type = "string", required = true },
  contract = { type = "raw" },
  dialects = { type = "list", of = { type = "string", one_of = M.DIALECTS } },
  auth = { type = "string", one_of = M.AUTHS },
  options = { type = "raw" },
  models = fields.models,
  caps = fields.caps,
  framing = { type = "string", one_of = M.FRAMINGS },
}
for _, list in ipairs({ M.HOOKS, M.CODEC }) do
  for _, hook in ipairs(list) do
    FIELDS[hook] = { type = "raw", hook = true }
  end
end

--- What is known about a script beside the table that it returned.
---@class cliproxy.ProviderFacts
---@field provider cliproxy.Provider plain copy of the returned table
---@field options table<string, cliproxy.Option> declared, and the core's
---@field account table<string, cliproxy.Option> options of one account
---@field speaks string[] dialects, best first
---@field dialects table<string, boolean> the same as a set
---@field caps? cliproxy.Caps
---@field owners table<string, cliproxy.Owner>
---@field hooks boolean
---@field own boolean
---@field needs_key boolean

local function check_contract(value, scope)
  if value == nil then
    scope:fail("contract", ("is required: contract = %d"):format(M.CONTRACT))
  elseif value ~= M.CONTRACT then
    local text = "this cliproxy speaks contract %d, the script asks for %s; use a script made for %d"
    scope:fail("contract", text:format(M.CONTRACT, options.show(value), M.CONTRACT))
  end
end

local function check_hooks(raw, scope)
  for name, field in pairs(FIELDS) do
    if field.hook and raw[name] ~= nil and type(raw[name]) ~= "function" then
      scope:fail(name, ("expected a function, found %s"):format(options.show(raw[name])))
    end
  end
end

--- A codec is whole or not there; a provider without one speaks named dialects.
local function check_dialects(raw, scope)
  local own = raw.endpoint ~= nil or raw.encode_request ~= nil
  if own then
    for _, name in ipairs({ "encode_request", "decode_response", "stream_decoder" }) do
      if raw[name] == nil then
        scope:fail(name, "is required: a dialect of its own needs encode_request, decode_response and stream_decoder")
      end
    end
  else
    for _, name in ipairs(M.CODEC) do
      if raw[name] ~= nil then
        scope:fail(name, "belongs to a dialect of its own, which needs encode_request too")
      end
    end
  end
  if raw.framing ~= nil and not own and raw.execute == nil then
    local message = "belongs to a dialect of its own (encode_request, …) or to execute; named dialects have theirs"
    scope:fail("framing", message)
  end
  if raw.dialects == nil or (type(raw.dialects) == "table" and next(raw.dialects) == nil) then
    scope:fail("dialects", ("expected a list of what it speaks, best first: %s"):format(options.enumerate(M.DIALECTS)))
  end
  return own
end

local function check_auth(raw, scope)
  if raw.auth == nil and raw.authorize == nil and raw.execute == nil then
    scope:fail("auth", ("expected one of %s, or an authorize hook"):format(options.enumerate(M.AUTHS)))
  end
end

--- The script's options and the core's in one table.
local function all_options(declared, scope)
  local all, account = {}, {}
  for name, option in pairs(fields.instance) do
    all[name] = option
  end
  for name, option in pairs(declared) do
    local core = fields.instance[name]
    if core and not fields.redeclared[name] then
      local message = "is an option that every provider has; choose another name"
      scope:fail(config_source.join("options", name), message)
    elseif core and core.type ~= option.type then
      local message = ("is an option that every provider has, of type %s"):format(core.type)
      scope:fail(config_source.join("options", name), message)
    elseif core then
      option.check, option.fields, option.of = core.check, core.fields, core.of
      option.secret = core.secret
    end
    all[name] = option
    if option.account and not core then
      account[name] = option
    end
  end
  return all, account
end

local function owners_of(raw, path)
  local owners = {}
  for name, field in pairs(FIELDS) do
    if field.hook and raw[name] ~= nil then
      owners[name] = { name = ("%s: %s()"):format(path, name), script = path }
    end
  end
  return owners
end

local function any(raw, names)
  for _, name in ipairs(names) do
    if raw[name] ~= nil then
      return true
    end
  end
  return false
end

---@param raw table a plain copy
---@param part cliproxy.Part
---@param scope cliproxy.Scope
---@return cliproxy.ProviderFacts
local function examine(raw, part, scope)
  local checked = options.fields(FIELDS, raw, "", scope)
  local file_name = part.path:match("([^/]+)%.lua$")
  if checked.name and checked.name ~= file_name then
    local expected, found = options.show(file_name), options.show(checked.name)
    scope:fail("name", ("expected %s, as the file is called, found %s"):format(expected, found))
  end
  check_contract(raw.contract, scope)
  check_hooks(raw, scope)
  local own = check_dialects(raw, scope)
  check_auth(raw, scope)
  local declared = raw.options == nil and {} or declared_options.all(raw.options, "options", scope)
  if not declared.base_url and raw.execute == nil then
    local example = 'base_url = { type = "url", default = "https://…" }'
    scope:fail("options.base_url", "is required where there is no execute hook: " .. example)
  end
  local all, account = all_options(declared, scope)
  local key = declared.api_key
  return {
    provider = raw,
    options = all,
    account = account,
    speaks = checked.dialects or {},
    dialects = options.set(checked.dialects),
    caps = checked.caps,
    owners = owners_of(raw, part.path),
    hooks = any(raw, PER_REQUEST),
    own = own,
    needs_key = checked.auth ~= nil and checked.auth ~= "none" and not (key and key.required ~= true),
  }
end

--- Loads a script and checks it; both are done again only when its bytes or its helpers' changed.
---@param loader cliproxy.Loader
---@param script string "groq"
---@param findings cliproxy.Findings
---@return cliproxy.Part? with `checked`; nil when it did not load or is wrong
function M.load(loader, script, findings)
  return contract.load(loader, ("providers/%s.lua"):format(script), findings, examine)
end

--- Names of the scripts there are, for "did you mean".
---@param loader cliproxy.Loader
---@return string[]
function M.available(loader)
  return contract.available(loader, "providers")
end

--- The plain ids among patterns.
---@param patterns string[]
---@return string[]
function M.literals(patterns)
  local ids = {}
  for _, pattern in ipairs(patterns) do
    if glob.is_literal(pattern) then
      ids[#ids + 1] = pattern
    end
  end
  return ids
end

return M
