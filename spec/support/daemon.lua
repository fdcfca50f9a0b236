--- The real binary on a free port, with a configuration of its own. Every spec ends with `stop`, which holds it to
--- its end: exit code 0, no sanitizer report, nothing left running.
local cjson = require "cjson"
local http = require "spec.support.http_client"
local process = require "spec.support.process"
local signal = require "posix.signal"

local M = {}
M.binary = os.getenv("CPX_BINARY") or "build/cliproxy"

---@class spec.Daemon
---@field folder string holds config.lua, providers/, the log
---@field address string "127.0.0.1:NNNN"
---@field process spec.Process
local Daemon = {}
Daemon.__index = Daemon

--- Each file of `files` (path below the folder → text) is written first; "config.lua" is `config`.
local function prepare(options)
  local folder = process.folder()
  os.execute(("mkdir -p '%s/providers/filters' '%s/state'"):format(folder, folder))
  process.write(folder .. "/config.lua", (options.config:gsub("%$FOLDER", folder)))
  for path, text in pairs(options.files or {}) do process.write(folder .. "/" .. path, text) end
  return folder
end

--- A configuration's text that listens on a free port and keeps its state aside; `more` are further lines of the table.
---@param more string
---@return string
function M.config(more)
  return ([[
return {
  listen = "127.0.0.1:0",
  state_dir = "$FOLDER/state",
  drain_timeout = 3,
%s
}
]]):format(more)
end

---@class spec.DaemonOptions
---@field config string text; $FOLDER stands for the daemon's folder
---@field files? table<string, string> further files of the folder
---@field env? table<string, string|false>
---@field max_files? integer limit of file descriptors
---@field arguments? string[]

---@param options spec.DaemonOptions
---@return spec.Daemon
function M.launch(options)
  local folder = prepare(options)
  local env = { CLIPROXY_CONFIG = folder .. "/config.lua" }
  for name, value in pairs(options.env or {}) do env[name] = value end
  local arguments = { M.binary, "serve" }
  if options.max_files then arguments = { "prlimit", "--nofile=" .. options.max_files, "--", unpack(arguments) } end
  for _, argument in ipairs(options.arguments or {}) do arguments[#arguments + 1] = argument end
  local child = process.start(arguments, { output = folder .. "/log", env = env })
  return setmetatable({ process = child, folder = folder }, Daemon)
end

--- Starts it and waits until it listens.
---@param options spec.DaemonOptions
---@return spec.Daemon
function M.start(options)
  local self = M.launch(options)
  self.address = process.eventually("cliproxy listens", function()
    if self.process:ended() then error(("cliproxy ended with %d:\n%s"):format(self.process.code, self:log())) end
    return self:log():match("listening on h?t?t?p?s?:?/?/?(%S+)")
  end, 20)
  return self
end

---@return string
function Daemon:log()
  return self.process:text()
end

--- Waits until the log holds `text` (plain), behind byte `from`.
---@param text string
---@param from? integer
---@param seconds? number
function Daemon:wait_log(text, from, seconds)
  local ok, message = pcall(process.eventually, ("the log says %q"):format(text), function()
    if self:log():find(text, from or 1, true) then return true end
    if self.process:ended() then error(("cliproxy ended with %d:\n%s"):format(self.process.code,
      self:log():sub(-3000))) end
  end, seconds)
  if not ok then error(("%s; the log ends:\n%s"):format(message, self:log():sub(-2000)), 2) end
end

---@param request table see http_client.request
---@return spec.Answer
function Daemon:request(request)
  return http.request(self.address, request)
end

--- POSTs a table as JSON.
---@param path string
---@param body table|string
---@param headers? table<string, string>
---@return spec.Answer
function Daemon:post(path, body, headers)
  return self:request { path = path, body = type(body) == "table" and cjson.encode(body) or body, headers = headers,
    seconds = 30 }
end

--- The decoded /v1/health/deep.
---@return table
function Daemon:deep()
  return cjson.decode(self:request({ path = "/v1/health/deep" }).body)
end

--- Saves a file as editors do (beside it, then a rename) and waits until a reload answers: publishes or refuses.
---@param path string below the folder
---@param text string
---@param says? string what the log must say; "serves, " (a new generation) by default
function Daemon:save(path, text, says)
  local from = #self:log() + 1
  process.write(self.folder .. "/" .. path, (text:gsub("%$FOLDER", self.folder)), true)
  self:wait_log(says or "serves, ", from, 20)
end

---@return integer bytes
function Daemon:rss()
  local status = assert(process.read("/proc/" .. self.process.pid .. "/status"))
  return tonumber(status:match("VmRSS:%s*(%d+)")) * 1024
end

---@return integer
function Daemon:descriptors()
  local posix = require "posix"
  return #posix.dir("/proc/" .. self.process.pid .. "/fd") - 2
end

local REPORTS = { "ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:", "PANIC", "stack traceback:" }

--- SIGTERM, and the end that there must be.
---@param code? integer the exit code expected, 0 by default
function Daemon:stop(code)
  if self.stopped then return end
  self.process:signal(signal.SIGTERM)
  self:finish(code)
end

--- The end of one that was told to end.
---@param code? integer the exit code expected, 0 by default
function Daemon:finish(code)
  self.stopped = true
  local got = self.process:wait(30)
  if not got then self.process:kill() end
  local log = self:log()
  process.remove(self.folder)
  if not got then error("cliproxy did not end after SIGTERM; its log ends:\n" .. log:sub(-3000), 2) end
  for _, report in ipairs(REPORTS) do
    local at = log:find(report, 1, true)
    if at then error("the log holds a report:\n" .. log:sub(at, at + 4000), 2) end
  end
  if got ~= (code or 0) then error(("cliproxy ended with %d, not %d:\n%s"):format(got, code or 0, log:sub(-3000)),
    2) end
end

return M
