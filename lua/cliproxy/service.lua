--- A worker from start to end: configuration → snapshot → listeners → handler; reload; signals; drain.
local admin = require("cliproxy.admin")
local config = require("cliproxy.config")
local dialects = require("cliproxy.dialects")
local events = require("cliproxy.events")
local findings = require("cliproxy.findings")
local health = require("cliproxy.health")
local live = require("cliproxy.live")
local log = require("cliproxy.log")
local models_list = require("cliproxy.models_list")
local pages = require("cliproxy.pages")
local pipeline = require("cliproxy.pipeline")
local reload = require("cliproxy.reload")
local rollback = require("cliproxy.rollback")
local server = require("cliproxy.server")
local snapshots = require("cliproxy.snapshot")
local system = require("cliproxy.system")
local task = require("cliproxy.task")
local timer = require("cliproxy.timer")

local M = {}

---@type cliproxy.Reload
M.reload = nil

pipeline.local_endpoints = {
  page = function(work, headers)
    pages.home(work.exchange, work.snapshot.config, headers)
  end,
  models = models_list.serve,
  health = health.serve,
  health_deep = health.serve_deep,
  admin_reload = admin.serve_reload,
  admin_events = admin.serve_events,
}

local function say(messages)
  for _, message in ipairs(messages) do
    system.print_error((message.warning and "cliproxy: warning: " or "cliproxy: ") .. findings.text(message) .. "\n")
  end
end

--- What of a configuration the server and the log use; also after a reload.
local function apply(snapshot)
  local settings = snapshot.config
  log.configure(settings.log.level, settings.log.format)
  server.set {
    body_limit = settings.body_limit,
    bodies_limit = settings.bodies_limit,
    head_timeout = settings.http.head_timeout,
    body_timeout = settings.http.body_timeout,
    idle_timeout = settings.http.idle_timeout,
    send_timeout = settings.http.send_timeout,
  }
end

--- Names the running instance in state_dir. Two that share one are told, not stopped: each has its port.
local function lock(settings)
  local folder = settings.state_dir
  if not system.stat(folder) and not system.mkdir(folder, 448) then -- 0700
    return log.debug(("state_dir %s cannot be made; nothing is kept there yet"):format(folder))
  end
  local locked, pid = system.lock(folder .. "/lock")
  if not locked then
    log.warn(("state_dir %s is in use by another cliproxy%s; give each its own state_dir"):format(folder,
      pid and " (pid " .. pid .. ")" or ""))
  end
end

local function url_of(address, settings)
  return address:find("^unix:") and address or (settings.tls and "https://" or "http://") .. address
end

-- What translation alone needs, once the first requests had their chance: the first one to translate need not wait.
local function load_codecs()
  for _, name in ipairs(dialects.names) do
    timer.sleep(0.1)
    dialects.load(name)
  end
end

--- Opens the listeners. The default [::1] may be missing where IPv6 is off.
local function listen(settings)
  local opened = 0
  for _, address in ipairs(settings.listen) do
    local bound, message, code = server.listen { address = address, tls = settings.tls }
    if bound then
      opened = opened + 1
      log.info("listening on " .. url_of(bound, settings))
    elseif settings.listen_is_default and code ~= "address_in_use" and address:find("^%[::1%]") then
      log.info(message .. " Going on without it.")
    else
      return false, message:find("^cannot listen") and message or ("cannot listen on %s: %s"):format(address, message)
    end
  end
  return opened > 0, "no address to listen on"
end

--- A changed address or certificate path needs a restart: told, not ignored.
local function compare_listen(former, now)
  if table.concat(former.listen, " ") ~= table.concat(now.listen, " ") then
    log.warn(("listen changed to %s; restart cliproxy for it to take effect"):format(table.concat(now.listen, ", ")))
  end
  if (former.tls == nil) ~= (now.tls == nil) then
    log.warn("tls was switched " .. (now.tls and "on" or "off") .. "; restart cliproxy for it to take effect")
  end
end

--- A line for each provider that is off because a variable is not set; after a reload only for what is new.
local function tell_what_is_off(snapshot, former)
  for _, name in ipairs(snapshot.names) do
    local instance, before = snapshot.instances[name], former and former.instances[name]
    if instance.off and instance.enabled and not (before and before.off == instance.off) then
      log.info(instance.off)
    end
  end
end

local function publish(snapshot)
  local former = live.current()
  live.publish(snapshot)
  apply(snapshot)
  if former then
    compare_listen(former.snapshot.config, snapshot.config)
    tell_what_is_off(snapshot, former.snapshot)
  end
end

local stopping = false

--- SIGTERM and SIGINT: live answers end, up to drain_timeout; the second one ends at once.
local function stop(code)
  if stopping then
    log.warn("stopped at once by a second signal")
    return system.exit(code)
  end
  stopping = true
  local seconds = live.current().snapshot.config.drain_timeout
  local counts = server.counts()
  log.info(("stopping; %d request%s under way"):format(counts.active, counts.active == 1 and "" or "s"))
  events.close()
  local aborted = server.drain(seconds)
  if aborted > 0 then
    log.warn(("%d answers were cut after %g s (drain_timeout)"):format(aborted, seconds))
  end
  system.stop(0)
end

local function reload_certificates()
  local ok, message = server.reload_tls()
  if ok then
    log.info("certificates read again")
  else
    log.error(("certificates: %s; the former ones still serve"):format(message))
  end
end

local function on_signals()
  system.on_signal("term", function()
    stop(143)
  end)
  system.on_signal("int", function()
    stop(130)
  end)
  system.on_signal("hup", function()
    log.info("reloading (SIGHUP)")
    reload_certificates()
    M.reload:now()
  end)
end

local function watch(path, addresses, snapshot)
  M.reload = reload.start {
    path = path,
    listen = addresses,
    snapshot = snapshot,
    on_publish = publish,
    on_result = function(result)
      health.last_reload = result
    end,
    on_certificates = reload_certificates,
  }
  rollback.on_rollback = function(_, serving, script, text)
    apply(serving)
    M.reload:rolled_back(serving, script, text)
  end
  admin.reload = function()
    return M.reload:now()
  end
end

---@class cliproxy.ServiceOptions
---@field config? string path
---@field listen? string[]
---@field codes table<string, integer> exit codes by name

--- Runs a worker until it is told to stop; returns the exit code.
---@param options cliproxy.ServiceOptions
---@return integer
function M.run(options)
  local codes = options.codes
  local path, message = config.find { path = options.config }
  if message then
    system.print_error("cliproxy: " .. message .. "\n")
    return codes.config
  end
  local snapshot, messages = snapshots.build { path = path, listen = options.listen }
  say(messages)
  if not snapshot then
    return codes.config
  end
  publish(snapshot)
  server.handle(pipeline.run)
  on_signals()
  local settings = snapshot.config
  lock(settings)
  log.info(("cliproxy %s, %s"):format(system.version, settings.path
    or "built-in configuration: demo alone; see config.lua.example"))
  tell_what_is_off(snapshot)
  local ok
  ok, message = listen(settings)
  if not ok then
    system.print_error("cliproxy: " .. message .. "\n")
    return codes.failed
  end
  watch(path, options.listen, snapshot)
  task.spawn(load_codecs)
  return system.wait_stop()
end

return M
