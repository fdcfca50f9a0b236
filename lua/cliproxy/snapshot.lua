--- Builds one immutable generation: configuration, instances, routes. What did not
--- change is shared with the generation before.
local config = require("cliproxy.config")
local files_of = require("cliproxy.files")
local filter = require("cliproxy.filter")
local findings_of = require("cliproxy.findings")
local instances_of = require("cliproxy.instances")
local loader_of = require("cliproxy.loader")
local paths = require("cliproxy.paths")
local payload_rules = require("cliproxy.payload_rules")
local routes = require("cliproxy.routes")
local system = require("cliproxy.system")

local M = {}

---@class cliproxy.BuildOptions
---@field path? string absolute path of config.lua; nil: the built-in configuration
---@field listen? string[] instead of the configuration's
---@field previous? cliproxy.Snapshot
---@field generation? integer its number; one more than the previous by default

-- Generations that something still holds: the collector takes the others out.
local alive = setmetatable({}, { __mode = "k" })

--- The configuration, or that of the generation before, where neither it nor `.env` changed.
local function config_part(options, loader, findings, env_hash)
  local previous = options.previous
  local part = previous and previous.config_part
  local hash = ""
  if options.path then
    loader.files:read(options.path)
    hash = loader.files.hashes[options.path]
  end
  if part and part.path == options.path and part.hash == hash and part.env_hash == env_hash then
    return part
  end
  part = config.read(options.path, loader, findings)
  if part then
    part.path, part.hash, part.env_hash = options.path, hash, env_hash
  end
  return part
end

--- --listen goes before the configuration, under the same rule.
local function override_listen(part, listen, findings)
  if not listen then
    return part.config
  end
  local changed = setmetatable({}, getmetatable(part.config))
  for key, value in pairs(part.config) do
    changed[key] = value
  end
  changed.listen, changed.listen_is_default = listen, false
  config.check_listen(listen, part.config.api_keys, function(_, message)
    findings:add({ file = "--listen", message = message })
  end)
  return changed
end

local function scripts_of(loader)
  local scripts = {}
  for name, part in pairs(loader.parts) do
    scripts[name] = part
  end
  return scripts
end

--- Builds the next generation. nil when something is wrong: the messages tell;
--- they may hold warnings also when all is well.
---@param options cliproxy.BuildOptions
---@return cliproxy.Snapshot?
---@return cliproxy.Message[] messages
---@return table<string, string> files what was read, by hash
function M.build(options)
  local previous = options.previous
  local generation = options.generation or previous and previous.generation + 1 or 1
  local folder = options.path and paths.folder(options.path) or nil
  local files, findings = files_of.new(folder, system.root), findings_of.new()
  local env, env_hash = config.read_env(folder, files, findings)
  local loader = loader_of.new(files, env, env_hash, generation, previous and previous.scripts)
  local part = config_part(options, loader, findings, env_hash)
  if not part then
    loader:close()
    return nil, findings.messages, files.hashes
  end
  local instances, names = instances_of.build(part, loader, findings, previous)
  local scope = findings:scope(part.config.file, part.source)
  local compiled = routes.compile(part.routes, instances, names, part.config, scope)
  local filters = filter.build(part, loader, findings, instances)
  local rules = payload_rules.compile(part.payload, scope, instances)
  loader:close()
  local snapshot = {
    generation = generation,
    config = override_listen(part, options.listen, findings),
    config_part = part,
    routes = compiled,
    instances = instances,
    names = names,
    filters = filters,
    payload = rules,
    scripts = scripts_of(loader),
    files = files.hashes,
    warnings = findings.messages,
  }
  if findings.failed then
    return nil, findings.messages, files.hashes
  end
  alive[snapshot] = true
  return snapshot, findings.messages, files.hashes
end

--- Generations in memory: the one that serves, and those that requests under way still hold.
---@return integer
function M.alive()
  local count = 0
  for _ in pairs(alive) do
    count = count + 1
  end
  return count
end

return M
