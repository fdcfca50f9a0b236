--- /v1/health: alive. /v1/health/deep: configuration, scripts, generations, loop lag, memory, connections.
local budget = require("cliproxy.budget")
local json = require("cliproxy.json")
local live = require("cliproxy.live")
local reply_api = require("cliproxy.reply")
local server = require("cliproxy.server")
local system = require("cliproxy.system")

local M = {}

local started = system.now()

--- The last reload that was not idle, as `service` tells it.
---@type cliproxy.ReloadResult?
M.last_reload = nil

---@param work cliproxy.Work
---@param headers table<string, string>
function M.serve(work, headers)
  headers["content-type"], headers["cache-control"] = "application/json", "no-store"
  work.exchange:respond(200, headers,
    ('{"status":"ok","version":"%s","generation":%d,"uptime":%.1f}'):format(system.version,
    work.snapshot.generation, system.now() - started))
end

local function scripts_of(snapshot)
  local out = {}
  for path, script in pairs(snapshot.scripts) do
    out[#out + 1] = { path = path, generation = script.generation, hash = script.hash }
  end
  table.sort(out, function(a, b)
    return a.path < b.path
  end)
  for _, script in ipairs(out) do
    local last = M.last_reload
    script.last_reload = last and (last.ok and "ok" or "kept") or "started"
    for _, message in ipairs(last and last.messages or {}) do
      if message.file == script.path and not message.warning then
        script.last_reload, script.error, script.line = "failed", message.message, message.line
      end
    end
  end
  return json.array(out)
end

local function providers_of(snapshot)
  local out = {}
  for i, name in ipairs(snapshot.names) do
    local instance = snapshot.instances[name]
    out[i] = { name = name, script = instance.script, off = instance.off, accounts = #(instance.accounts or {}) }
  end
  return json.array(out)
end

local function memory()
  local usage, bytes = system.usage(), budget.memory()
  return { rss = usage.rss, pss = usage.pss, lua = bytes }, usage.fds
end

local function reload_of(last)
  local messages = json.array {}
  for i, message in ipairs(last.messages) do
    messages[i] = message
  end
  return { ok = last.ok, generation = last.generation, at = last.at, seconds = last.seconds, messages = messages }
end

--- The whole report, as a table.
---@param snapshot cliproxy.Snapshot
---@return table
function M.report(snapshot)
  local config = snapshot.config
  local memory_of, descriptors = memory()
  local last = M.last_reload
  return {
    status = last and not last.ok and "stale" or "ok",
    version = system.version,
    pid = system.pid(),
    uptime = system.now() - started,
    configuration = { path = config.path or json.null, generation = snapshot.generation,
      listen = json.array(config.listen) },
    reload = last and reload_of(last) or json.null,
    scripts = scripts_of(snapshot),
    providers = providers_of(snapshot),
    generations = json.array(live.list()),
    loop_lag_ms = system.lag(),
    cpu_seconds = system.cpu(),
    memory = memory_of,
    descriptors = descriptors,
    server = server.counts(),
    upstream = reply_api.counts(),
    slices = budget.counts(),
  }
end

---@param work cliproxy.Work
---@param headers table<string, string>
function M.serve_deep(work, headers)
  headers["content-type"], headers["cache-control"] = "application/json", "no-store"
  work.exchange:respond(200, headers, json.encode(M.report(work.snapshot)))
end

return M
