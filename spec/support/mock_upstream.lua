--- The mock upstream (bench/mock.c) as a child process, and the load generator (bench/load.c). Plans: bench/README.md.
local cjson = require "cjson"
local http = require "spec.support.http_client"
local process = require "spec.support.process"

local M = {}
local bench = os.getenv("CPX_BENCH") or "build/bench"

---@class spec.Mock
---@field port integer
---@field url string
---@field process spec.Process
---@field folder string
local Mock = {}
Mock.__index = Mock

---@param options? { files?: string, tls?: { cert: string, key: string }, listen?: string }
---@return spec.Mock
function M.start(options)
  options = options or {}
  local folder = process.folder()
  local arguments = { bench .. "/bench_mock", "--listen", options.listen or "127.0.0.1:0" }
  if options.files then
    arguments[#arguments + 1] = "--files"
    arguments[#arguments + 1] = options.files
  end
  if options.tls then
    for _, text in ipairs { "--tls", options.tls.cert, options.tls.key } do arguments[#arguments + 1] = text end
  end
  local child = process.start(arguments, { output = folder .. "/mock.log" })
  local self = setmetatable({ process = child, folder = folder }, Mock)
  self.port = tonumber(process.eventually("the mock upstream listens", function()
    if child:ended() then error("the mock upstream ended: " .. child:text()) end
    return child:text():match("listening on (%d+)\n")
  end))
  self.url = (options.tls and "https" or "http") .. "://127.0.0.1:" .. self.port
  return self
end

--- What it has seen: connections, open, requests, active, aborted, body_bytes.
---@return table<string, integer>
function Mock:stats()
  return cjson.decode(http.request(self.port, { path = "/__stats" }).body)
end

--- The head of the latest request.
---@return string
function Mock:last_head()
  return http.request(self.port, { path = "/__last" }).body
end

function Mock:stop()
  self.process:kill()
  process.remove(self.folder)
end

---@class spec.Load
---@field process spec.Process
---@field folder string
local Load = {}
Load.__index = Load

--- Starts the load generator; `finish` waits and gives its report.
---@param arguments string[]
---@return spec.Load
function M.load_start(arguments)
  local folder = process.folder()
  local child = process.start({ bench .. "/bench_load", unpack(arguments) }, { output = folder .. "/load.log" })
  return setmetatable({ process = child, folder = folder }, Load)
end

---@param seconds? number 60 by default
---@return table report
function Load:finish(seconds)
  local code = self.process:wait(seconds or 60)
  if not code then self.process:kill() end
  local text = self.process:text()
  process.remove(self.folder)
  if code ~= 0 then error(("the load generator %s: %s"):format(code and "failed" or "did not end", text), 2) end
  return cjson.decode(text:match("([^\n]+)\n$"))
end

---@param arguments string[]
---@param seconds? number
---@return table report
function M.load(arguments, seconds)
  return M.load_start(arguments):finish(seconds)
end

return M
