--- HTTP calls for scripts and the command line: a request, and its whole answer.
local reply_api = require("cliproxy.reply")
local json = require("cliproxy.json")

local M = {}

--- The body and headers to send: `json` becomes a body with its content type.
---@param request cliproxy.HttpRequest
---@return table<string, string> headers, string|cliproxy.json.Node|nil body
local function payload(request)
  local headers = {}
  for name, value in pairs(request.headers or {}) do headers[name:lower()] = value end
  if request.json == nil then return headers, request.body end
  headers["content-type"] = headers["content-type"] or "application/json"
  return headers, json.encode(request.json)
end

--- Sends a request and waits for the whole answer. No redirects; certificates are verified. Any status is an answer;
--- only a call that got none is `nil, message, code` ("connect", "dns", "tls", "timeout", "eof", …).
---@param request cliproxy.HttpRequest
---@return cliproxy.HttpResponse?, string? message, string? code
function M.request(request)
  if type(request) ~= "table" or type(request.url) ~= "string" then
    error("http.request: a table with url is needed", 2)
  end
  local headers, body = payload(request)
  local total = request.timeout or 60
  local reply, message, code = reply_api.send {
    method = request.method or (body and "POST" or "GET"),
    url = request.url, headers = headers, body = body,
    stream = false, dialect = "other", framing = "raw",
    timeouts = { connect = math.min(10, total), first_byte = total, idle = total, total = total },
    proxy_url = request.proxy_url, unix_socket = request.unix_socket, ca_file = request.ca_file,
  }
  if not reply then return nil, message, code end
  if reply.status == 0 then
    message, code = reply.message, reply.code
    reply:close()
    return nil, message, code
  end
  local status, answered = reply.status, reply:headers()
  local bytes
  bytes, message, code = reply:body(request.max)
  reply:close()
  if not bytes then return nil, message, code end
  return { status = status, headers = answered, body = bytes }
end

return M
