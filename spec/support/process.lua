--- Child processes for the daemon specs: start, watch, signal, wait, with the output in files.
local posix = require "posix"
local signal = require "posix.signal"
local wait = require "posix.sys.wait"
local time = require "posix.time"

local M = {}

---@class spec.Process
---@field pid integer
---@field output string path
---@field code? integer exit code once it ended; 128 + signal where a signal ended it
local Process = {}
Process.__index = Process

--- Seconds, monotonic.
---@return number
function M.now()
  local t = time.clock_gettime(time.CLOCK_MONOTONIC)
  return t.tv_sec + t.tv_nsec / 1e9
end

---@param seconds number
function M.sleep(seconds)
  local whole = math.floor(seconds)
  time.nanosleep { tv_sec = whole, tv_nsec = math.floor((seconds - whole) * 1e9) }
end

--- Asks every 5 ms until `fn` answers something true; raises with `what` after `seconds`.
---@generic T
---@param what string
---@param fn fun(): T
---@param seconds? number 10 by default
---@return T
function M.eventually(what, fn, seconds)
  local limit = M.now() + (seconds or 10)
  while true do
    local answer = fn()
    if answer then return answer end
    if M.now() > limit then error("waited too long: " .. what, 2) end
    M.sleep(0.005)
  end
end

---@param path string
---@return string? nil where it cannot be read
function M.read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("*a")
  file:close()
  return text
end

---@param path string
---@param text string
---@param aside? boolean write beside it and rename, as editors do
function M.write(path, text, aside)
  local target = aside and path .. ".new" or path
  local file = assert(io.open(target, "wb"))
  file:write(text)
  file:close()
  if aside then assert(os.rename(target, path)) end
end

--- A fresh folder below $TMPDIR; removed by `remove`.
---@return string
function M.folder()
  return (assert(posix.mkdtemp((os.getenv("TMPDIR") or "/tmp") .. "/cliproxy-spec-XXXXXX")))
end

---@param folder string
function M.remove(folder)
  assert(folder:find("/cliproxy-spec-", 1, true), "not a folder of ours")
  os.execute("rm -rf '" .. folder .. "'")
end

local function exec(arguments, options)
  local input = posix.open("/dev/null", posix.O_RDONLY)
  local output = posix.open(options.output, posix.O_WRONLY + posix.O_CREAT + posix.O_TRUNC, "rw-------")
  posix.dup2(input, 0)
  posix.dup2(output, 1)
  posix.dup2(output, 2)
  for fd = 3, 63 do posix.close(fd) end
  for name, value in pairs(options.env or {}) do posix.setenv(name, value or nil) end
  if options.cwd then posix.chdir(options.cwd) end
  if options.files then posix.setrlimit("nofile", options.files, options.files) end
  posix.execp(arguments[1], { unpack(arguments, 2) })
  io.stderr:write("cannot run ", arguments[1], "\n")
  posix._exit(127)
end

---@param arguments string[] arguments[1] is the program
---@param options { output: string, env?: table<string, string|false>, cwd?: string, files?: integer }
---@return spec.Process
function M.start(arguments, options)
  local pid = assert(posix.fork())
  if pid == 0 then
    local _, message = pcall(exec, arguments, options)
    if message then io.stderr:write(tostring(message), "\n") end
    posix._exit(127)
  end
  return setmetatable({ pid = pid, output = options.output }, Process)
end

--- Looks whether it has ended.
---@return boolean
function Process:ended()
  if self.code then return true end
  local pid, reason, status = wait.wait(self.pid, wait.WNOHANG)
  if pid ~= self.pid then return false end
  self.code = reason == "exited" and status or 128 + status
  return true
end

---@param number integer posix.signal.SIG…
function Process:signal(number)
  if not self:ended() then signal.kill(self.pid, number) end
end

--- Waits for the end; nil after `seconds`.
---@param seconds number
---@return integer? code
function Process:wait(seconds)
  local limit = M.now() + seconds
  while not self:ended() do
    if M.now() > limit then return nil end
    M.sleep(0.005)
  end
  return self.code
end

--- Ends it without mercy, if it still runs.
function Process:kill()
  self:signal(signal.SIGKILL)
  self:wait(10)
end

---@return string
function Process:text()
  return M.read(self.output) or ""
end

--- Runs to the end.
---@param arguments string[]
---@param options? { seconds?: number, env?: table<string, string|false>, cwd?: string }
---@return integer code, string output
function M.run(arguments, options)
  options = options or {}
  local folder = M.folder()
  local process = M.start(arguments, { output = folder .. "/output", env = options.env, cwd = options.cwd })
  local code = process:wait(options.seconds or 60)
  if not code then process:kill() end
  local text = process:text()
  M.remove(folder)
  return code or -1, code and text or text .. "\n(killed: it took too long)"
end

return M
