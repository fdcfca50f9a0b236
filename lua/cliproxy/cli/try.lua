--- `cliproxy try`: one request through the running proxy, shown readably.
local client = require("cliproxy.cli.client")
local json = require("cliproxy.json")
local reply_api = require("cliproxy.reply")
local system = require("cliproxy.system")
local timer = require("cliproxy.timer")
local try_dialects = require("cliproxy.cli.try_dialects")

local M = {}

--- Sends the request; the reply waits at its commit.
---@return cliproxy.Reply?, string? message
local function send(target, arguments, dialect)
  local headers = { ["content-type"] = "application/json" }
  for name, value in pairs(dialect.headers or {}) do headers[name] = value end
  if arguments.show_upstream then headers["x-cliproxy-show"] = "upstream" end
  local seconds = arguments.timeout
  return reply_api.send {
    method = "POST", url = target.url .. dialect.path(arguments.model, arguments.stream),
    headers = client.headers(target, headers),
    body = json.encode(dialect.body(arguments.model, arguments.text, arguments.stream or false)),
    stream = arguments.stream or false, dialect = arguments.dialect, framing = "sse",
    unix_socket = target.unix_socket, ca_file = target.ca_file,
    timeouts = { connect = 10, first_byte = seconds, idle = seconds, total = seconds },
  }
end

--- Prints pieces as they come; returns what broke the stream, if anything did.
local function show_stream(reply, dialect)
  while true do
    local event, message = reply:next_event()
    if not event then return message end
    if event.data ~= "" and event.data ~= "[DONE]" then
      local document = json.parse(event.data)
      if json.kind(document) == "object" then
        if event.type == "error" or json.present(document.error) then return client.error_text(event.data) end
        system.print(dialect.piece(document))
      end
    end
  end
end

local function show_whole(reply, dialect)
  local document, message = reply:document()
  if document == nil then return "the answer is no JSON: " .. message end
  system.print(dialect.whole(document))
end

local function summary(reply, started)
  local usage, facts = reply:tapped()
  local parts = { tostring(reply.status), facts.model or "-" }
  parts[#parts + 1] = ("first byte %.0f ms"):format((reply.first_seconds or 0) * 1000)
  parts[#parts + 1] = ("total %.0f ms"):format((timer.now() - started) * 1000)
  if usage.input then parts[#parts + 1] = ("%d in, %d out"):format(usage.input, usage.output or 0) end
  local warnings = reply:header("x-cliproxy-warnings")
  if warnings then parts[#parts + 1] = "warnings: " .. warnings end
  return table.concat(parts, " · ")
end

local function show_upstream(reply)
  local shown = reply:header("x-cliproxy-upstream")
  local unknown = "the proxy did not say (an admin key is needed, or loopback without one)"
  system.print_error(("upstream: %s\n"):format(shown or unknown))
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
  local dialect, started = try_dialects.by_name[arguments.dialect], timer.now()
  local reply
  reply, message = send(target, arguments, dialect)
  if not reply or reply.status == 0 then
    system.print_error(client.unreachable(target, reply and reply.message or message))
    return codes.unreachable
  end
  if arguments.show_upstream then show_upstream(reply) end
  if reply.status ~= 200 then
    system.print_error(("%d %s\n"):format(reply.status, client.error_text(reply.held)))
    reply:close()
    return codes.failed
  end
  message = (reply.is_stream and show_stream or show_whole)(reply, dialect)
  if not message and reply.is_stream and not select(2, reply:tapped()).terminal then
    message = "the stream ended without its last event"
  end
  system.print("\n")
  system.print_error(message and ("broken off: %s\n"):format(message) or summary(reply, started) .. "\n")
  reply:close()
  return message and codes.failed or codes.ok
end

return M
