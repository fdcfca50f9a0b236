--- The table of hostile requests (spec/unit/http/hostile_cases.h) against nginx, HAProxy and cliproxy: prints the rows
--- where they differ.
---
---     bench/run.sh builds what this needs; then: LUA_PATH='./?.lua;;' luajit bench/hostile.lua [--all]
local cases = require "spec.support.hostile_cases"
local http = require "spec.support.http_client"
local mock_upstream = require "spec.support.mock_upstream"
local process = require "spec.support.process"
local raw = require "spec.support.raw"
local rivals = require "bench.rivals"

--- "400 closed", "200", "closed" without an answer, "silent" when nothing comes.
local function verdict(address, bytes)
  local connection = raw.connect(address)
  connection:send(bytes)
  local answer = http.read(connection, nil, 1)
  local closed = connection:take_all(0.2) ~= nil
  connection:close()
  if not answer then return closed and "closed" or "silent" end
  return answer.status .. (closed and " closed" or "")
end

local folder, mock, list = process.folder(), mock_upstream.start(), {}
local ok, message = xpcall(function()
  for i, name in ipairs { "nginx", "haproxy", "cliproxy" } do list[i] = rivals[name](folder,
    "127.0.0.1:" .. mock.port) end
  print(("%-52s %-14s %-14s %-14s %s"):format("", "nginx", "haproxy", "cliproxy", "the table says"))
  for _, case in ipairs(cases.load()) do
    local got = {}
    for i, rival in ipairs(list) do got[i] = verdict(rival.address, case.bytes) end
    -- What passes the parser goes on to cliproxy's door, which sends these on: their Host is not one of its own.
    if case.status == 200 then got[3] = got[3]:gsub("^40[34]", "200") end
    local same = got[1]:match("^%S+") == got[3]:match("^%S+") and got[2]:match("^%S+") == got[3]:match("^%S+")
    if not same or arg[1] == "--all" then
      print(("%-52s %-14s %-14s %-14s %d%s"):format(case.name, got[1], got[2], got[3], case.status,
        case.close and " closed" or ""))
    end
  end
end, debug.traceback)
for _, rival in ipairs(list) do rivals.stop(rival) end
mock:stop()
process.remove(folder)
if not ok then
  io.stderr:write(message, "\n")
  os.exit(1)
end
