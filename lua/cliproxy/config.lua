--- Finds, runs and validates the configuration: config.lua in a sandbox, with `env`. What it says about providers and
--- routes stays raw here, since only the scripts know their options.
local budget = require("cliproxy.budget")
local config_source = require("cliproxy.config_source")
local env = require("cliproxy.env")
local fields = require("cliproxy.config_fields")
local files_of = require("cliproxy.files")
local findings_of = require("cliproxy.findings")
local loader_of = require("cliproxy.loader")
local options = require("cliproxy.options")
local paths = require("cliproxy.paths")
local plain = require("cliproxy.plain")
local sandbox = require("cliproxy.sandbox")
local server = require("cliproxy.server")
local system = require("cliproxy.system")

local M = {}

--- The name of the built-in configuration, in messages and for `check --config`.
M.BUILT_IN = "(built-in)"

local BUILT_IN_TEXT = "return { providers = { demo = {} } }\n"

---@class cliproxy.Config
local Config = {}
Config.__index = Config

function Config:line(path)
  return self.source and self.source:line(path) or nil
end

--- Where the configuration is.
---@param given? { path?: string } --config
---@return string? path absolute; nil without a message: none, the built-in one is used
---@return string? message
function M.find(given)
  local named = given and given.path
  given = named or system.getenv("CLIPROXY_CONFIG")
  if given and given ~= "" then
    local path = paths.absolute(given)
    local stat = system.stat(path)
    if not stat or stat.type == "directory" then
      local by = named and "--config" or "CLIPROXY_CONFIG"
      return nil, ("%s names %s, which %s"):format(by, path, stat and "is a folder" or "does not exist")
    end
    return path
  end
  local home = system.getenv("HOME")
  for _, path in ipairs({ system.cwd() .. "/config.lua", home and home .. "/.config/cliproxy/config.lua" }) do
    if system.stat(path) then
      return path
    end
  end
  return nil
end

---@param loader cliproxy.Loader
---@param file string
local function environment(loader, file)
  local function lookup(name, default)
    if type(name) ~= "string" or not name:find("^[%a_][%w_]*$") then
      error('env: expected the name of a variable, such as env "OPENAI_API_KEY"', 2)
    end
    local value = loader.env:get(name)
    if value == nil then
      value = default
    end
    if value == nil then
      local info = debug.getinfo(2, "Sl")
      local line = info and info.short_src == file and info.currentline > 0 and info.currentline or nil
      return env.missing(name, line)
    end
    return value
  end
  return sandbox.environment({ env = lookup, require = loader:require_for({}, true) })
end

--- Runs the file; returns its table as plain values.
local function run(text, file, loader, findings)
  local chunk, message = sandbox.compile(text, file, environment(loader, file))
  if not chunk then
    findings:add_text(message, file)
    return nil
  end
  local ok, value = budget.call({ name = file, script = file }, loader.top_level, chunk)
  if not ok then
    findings:add_text(tostring(value), file)
    return nil
  end
  if type(value) ~= "table" or env.is_missing(value) then
    findings:add({ file = file, message = "expected `return { … }` at its end, found " .. options.show(value) })
    return nil
  end
  local copy, problem = plain.copy(value)
  if not copy then
    findings:add({ file = file, message = problem })
  end
  return copy
end

---@param raw any
---@param scope cliproxy.Scope
---@return { name: string, key: string }[]
local function read_keys(raw, scope)
  local keys, names, seen = {}, {}, {}
  if raw ~= nil and not options.is_list(raw) then
    local expected = 'expected a list such as { "…" } or { { name = "editor", key = "…" } }, found '
    scope:fail("api_keys", expected .. options.show(raw, true))
    return keys
  end
  for i, item in ipairs(raw or {}) do
    local path = config_source.join("api_keys", i)
    if type(item) ~= "table" or env.is_missing(item) then
      local checked = options.value(fields.key, item, path, scope)
      item = checked and { name = "key-" .. i, key = checked }
    else
      item = options.value(fields.client_key, item, path, scope)
    end
    if item and item.name and item.key then
      if names[item.name] or seen[item.key] then
        scope:fail(path, ("this %s stands in the list already"):format(names[item.name] and "name" or "key"))
      end
      names[item.name], seen[item.key] = true, true
      keys[#keys + 1] = item
    end
  end
  return keys
end

--- Without keys, whoever reaches the port spends the user's money: only loopback may be bound.
---@param addresses string[]
---@param keys table[]
---@param fail fun(i: integer, message: string)
function M.check_listen(addresses, keys, fail)
  for i, address in ipairs(addresses) do
    local is_local, message = server.check_address(address)
    if is_local == nil then
      fail(i, ('expected an address such as "127.0.0.1:8317", "[::1]:8317" or "unix:/path", found %s%s'):format(
        options.show(address),
        message and (" (%s)"):format(message) or ""
      ))
    elseif not is_local and #keys == 0 then
      fail(i, ("%s can be reached from other machines, and api_keys is not set: anybody could use your providers. "
        .. 'Add api_keys = { "…" }, or listen on 127.0.0.1'):format(address))
    end
  end
end

local function check_files(config, scope)
  if config.tls then
    for _, name in ipairs({ "cert", "key" }) do
      local given = config.tls[name]
      local path = given and paths.absolute(given, config.folder)
      local stat = path and system.stat(path)
      if path and (not stat or stat.type == "directory") then
        scope:fail("tls." .. name, ("expected a PEM file, but %s does not exist"):format(path))
      end
      config.tls[name] = path
    end
  end
  config.state_dir = config.state_dir and paths.absolute(config.state_dir, config.folder)
end

local function fill(checked, scope, raw)
  local config = setmetatable(checked, Config)
  config.api_keys = read_keys(raw.api_keys, scope)
  config.listen_is_default = raw.listen == nil
  config.providers, config.routes, config.filters, config.payload = nil, nil, nil, nil
  if config.listen then
    M.check_listen(config.listen, config.api_keys, function(i, message)
      scope:fail(type(raw.listen) == "string" and "listen" or config_source.join("listen", i), message)
    end)
  end
  if config.body_limit and config.bodies_limit and config.bodies_limit < config.body_limit then
    scope:fail("bodies_limit", "must not be below body_limit: it bounds all bodies together")
  end
  for name, seconds in pairs(fields.TIMEOUTS) do
    config.timeouts = config.timeouts or {}
    config.timeouts[name] = config.timeouts[name] or seconds
  end
  return config
end

--- What the file says, run and validated; shared by generations while its bytes and those of `.env` stay the same.
---@class cliproxy.ConfigPart
---@field config cliproxy.Config
---@field providers any raw
---@field routes any raw
---@field filters any raw
---@field payload any raw
---@field source? cliproxy.ConfigSource
---@field messages cliproxy.Message[]

--- Reads `.env` beside the configuration.
---@param folder? string
---@param files cliproxy.Files
---@param findings cliproxy.Findings
---@return cliproxy.Env
---@return string hash
function M.read_env(folder, files, findings)
  if not folder then
    return env.new(), ""
  end
  local path = folder .. "/.env"
  local text, problem = files:read(path)
  if problem then
    findings:add({ file = ".env", message = "cannot be read: " .. problem })
  end
  local values, bad = env.parse(text or "")
  local stat = text and system.stat(path)
  if stat and stat.mode % 64 >= 8 then
    local message = "others can read this file with your keys in it; run: chmod 600 " .. path
    findings:add({ file = ".env", message = message, warning = true })
  end
  for _, line in ipairs(bad) do
    local message = "expected NAME=value or a comment; the line is skipped"
    findings:add({ file = ".env", line = line, message = message, warning = true })
  end
  return env.new(values), files.hashes[path]
end

--- Runs and validates. Findings go to `findings`; nil when there is nothing to go on with.
---@param path? string absolute; nil: the built-in configuration
---@param loader cliproxy.Loader
---@param findings cliproxy.Findings
---@return cliproxy.ConfigPart?
function M.read(path, loader, findings)
  local file = path and paths.base(path) or M.BUILT_IN
  local text = BUILT_IN_TEXT
  if path then
    local bytes, problem = loader.files:read(path)
    if not bytes then
      local message = problem and "cannot be read: " .. problem or "does not exist (" .. path .. ")"
      findings:add({ file = file, message = message })
      return nil
    end
    text = bytes
  end
  local raw = run(text, file, loader, findings)
  if not raw then
    return nil
  end
  local source = path and config_source.parse(text) or nil
  local scope = findings:scope(file, source)
  for _, double in ipairs(source and source.duplicates or {}) do
    local message = ("stands twice: Lua would drop the one in line %d; keep one of them"):format(double.first)
    findings:add({ file = file, line = double.line, path = double.path, message = message })
  end
  local checked = options.fields(fields.top, raw, "", scope)
  checked.path, checked.file, checked.folder = path, file, path and paths.folder(path)
  checked.source = source
  check_files(checked, scope)
  return { config = fill(checked, scope, raw), providers = raw.providers, routes = raw.routes, filters = raw.filters,
    payload = raw.payload, source = source }
end

--- The configuration alone, without its providers: for commands that talk to a running proxy.
---@param given? { path?: string }
---@return cliproxy.Config?
---@return string? message
function M.load(given)
  local path, message = M.find(given)
  if message then
    return nil, message
  end
  local files, found = files_of.new(path and paths.folder(path), system.root), findings_of.new()
  local values = M.read_env(files.folder, files, found)
  local part = M.read(path, loader_of.new(files, values, "", 0), found)
  local first = findings_of.first_error(found.messages)
  if not part or first then
    return nil, findings_of.text(first)
  end
  return part.config
end

return M
