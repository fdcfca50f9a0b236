--- A plain HTTP/1.1 client over raw sockets: shows an answer as it stood on the wire, and whether it was whole.
local raw = require "spec.support.raw"

local M = {}

---@class spec.Answer
---@field status integer
---@field headers table<string, string> lower case; several joined with ", "
---@field body string decoded from chunks
---@field whole boolean ended as HTTP says it must
---@field head string

---@class spec.Request
---@field method? string POST with a body, else GET
---@field path? string
---@field headers? table<string, string>
---@field body? string
---@field host? string
---@field connection? spec.Raw
---@field seconds? number between two reads

---@param head string
---@return spec.Answer
local function parse_head(head)
  local answer = { status = tonumber(head:match("^HTTP/1%.1 (%d%d%d)")), headers = {}, head = head, body = "",
    whole = false }
  for name, value in head:gmatch("\r\n([^:\r\n]+):[ \t]*([^\r\n]*)") do
    name = name:lower()
    local former = answer.headers[name]
    answer.headers[name] = former and former .. ", " .. value or value
  end
  return answer
end

local function read_chunked(connection, answer, seconds)
  local parts = {}
  while true do
    local line = connection:take_through("\r\n", seconds)
    local size = line and tonumber(line:match("^(%x+)"), 16)
    if not size then break end
    if size == 0 then
      answer.whole = connection:take_through("\r\n", seconds) == "\r\n"
      break
    end
    local data = connection:take(size + 2, seconds)
    if not data then
      parts[#parts + 1] = connection.buffer
      break
    end
    parts[#parts + 1] = data:sub(1, -3)
  end
  answer.body = table.concat(parts)
end

--- Reads one answer off a connection; nil when no head comes.
---@param connection spec.Raw
---@param method? string "HEAD" has no body
---@param seconds? number between two reads, 10 by default
---@return spec.Answer?
function M.read(connection, method, seconds)
  local head = connection:take_through("\r\n\r\n", seconds)
  if not head then return nil end
  local answer = parse_head(head)
  if answer.status == 100 then return M.read(connection, method, seconds) end
  local length = tonumber(answer.headers["content-length"])
  if method == "HEAD" or answer.status == 204 or answer.status == 304 then
    answer.whole = true
  elseif answer.headers["transfer-encoding"] then
    read_chunked(connection, answer, seconds)
  elseif length then
    local body = connection:take(length, seconds)
    answer.body, answer.whole = body or connection.buffer, body ~= nil
  else
    local all, so_far = connection:take_all(seconds)
    answer.body, answer.whole = all or so_far or "", all ~= nil and connection.error == "closed"
  end
  return answer
end

--- The bytes of a request.
---@param request spec.Request
---@return string
function M.bytes(request)
  local method = request.method or (request.body and "POST" or "GET")
  local lines = { ("%s %s HTTP/1.1"):format(method, request.path or "/"), "host: " .. (request.host or "127.0.0.1") }
  local given = {}
  for name, value in pairs(request.headers or {}) do
    given[name:lower()] = true
    lines[#lines + 1] = name .. ": " .. value
  end
  if request.body then
    if not given["content-type"] then lines[#lines + 1] = "content-type: application/json" end
    lines[#lines + 1] = "content-length: " .. #request.body
  end
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. (request.body or "")
end

--- One request on a connection of its own, or on `request.connection`.
---@param address string|integer
---@param request spec.Request
---@return spec.Answer
function M.request(address, request)
  local connection = request.connection or raw.connect(address)
  connection:send(M.bytes(request))
  local answer = M.read(connection, request.method, request.seconds)
  if not request.connection then connection:close() end
  if not answer then error(("no answer to %s %s"):format(request.method or "POST", request.path or "/"), 2) end
  return answer
end

--- The `data:` payloads of an SSE body, in order.
---@param body string
---@return string[]
function M.events(body)
  local list = {}
  for line in body:gmatch("data: ?([^\r\n]*)") do list[#list + 1] = line end
  return list
end

return M
