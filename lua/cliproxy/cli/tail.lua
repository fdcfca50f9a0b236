--- `cliproxy tail`: the live feed of requests, a line each.
local client = require("cliproxy.cli.client")
local json = require("cliproxy.json")
local reply_api = require("cliproxy.reply")
local system = require("cliproxy.system")

local M = {}

local function text_of(value)
  return json.present(value) and tostring(value) or "-"
end

local function milliseconds(value)
  return json.present(value) and ("%.0f ms"):format(value) or "-"
end

--- "demo → demo" only where the two differ.
local function model_of(event)
  local asked, used = text_of(event.model_asked), text_of(event.model)
  if asked == used or used == "-" then return asked end
  return asked .. " → " .. used
end

--- One request as a line: time, client, provider, model asked and used, status, first byte, tokens, warnings.
---@param event cliproxy.json.Node
---@return string
function M.line(event)
  local parts = {
    os.date("%H:%M:%S", json.present(event.time) and math.floor(event.time) or nil),
    ("%-10s"):format(text_of(event.client)),
    ("%-10s"):format(text_of(event.provider)),
    ("%-28s"):format(model_of(event)),
    ("%3s"):format(text_of(event.status)),
    ("first %s"):format(milliseconds(event.first_byte_ms)),
    ("total %s"):format(milliseconds(event.total_ms)),
    ("%s in, %s out"):format(text_of(event.tokens_in), text_of(event.tokens_out)),
  }
  local warnings = event.warnings
  if json.present(warnings) then parts[#parts + 1] = "warnings: " .. text_of(warnings) end
  local message = event.error
  if json.present(message) then parts[#parts + 1] = text_of(message) end
  return table.concat(parts, "  ") .. "\n"
end

--- Prints events until the feed ends or enough were seen.
local function follow(reply, arguments)
  local left = arguments.count or math.huge
  while left > 0 do
    local event, message = reply:next_event()
    if not event then return message or "the proxy ended the feed" end
    if event.type == "lost" then
      system.print("… some requests were not shown: they came faster than this terminal reads\n")
    elseif event.data ~= "" then
      if not system.print(arguments.json and event.data .. "\n" or M.line(json.parse(event.data))) then return end
      left = left - 1
    end
  end
end

---@param arguments table
---@param codes table<string, integer>
---@return integer
function M.run(arguments, codes)
  local target, message = client.find(arguments)
  if not target then
    system.print_error(("cliproxy: %s\n"):format(message))
    return codes.config
  end
  local reply = reply_api.send {
    method = "GET", url = target.url .. "/v1/admin/events", headers = client.headers(target), stream = true,
    dialect = "other", framing = "sse", unix_socket = target.unix_socket, ca_file = target.ca_file,
    timeouts = { connect = 10, first_byte = 86400, idle = 86400, total = 30 * 86400 },
  }
  if not reply or reply.status == 0 then
    system.print_error(client.unreachable(target, reply and reply.message or "bad URL"))
    return codes.unreachable
  end
  if reply.status ~= 200 then
    system.print_error(("cliproxy: %d %s\n"):format(reply.status, client.error_text(reply.held)))
    return codes.failed
  end
  message = follow(reply, arguments)
  reply:close()
  if not message then return codes.ok end
  system.print_error(("cliproxy: %s\n"):format(message))
  return codes.failed
end

return M
