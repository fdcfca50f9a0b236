--- Both ends of a connection in one VM: handlers by path on one listener, and a client that lets the loop turn while
--- it waits. Everything but `on` is called inside a task (spec.support.async).
local socket = require "socket"
local task = require "cliproxy.task"
local timer = require "cliproxy.timer"

local M = {}

local handlers, address, count = {}, nil, 0

local function serve(exchange)
  local handler = handlers[exchange.path]
  if not handler then return exchange:respond(404, {}, "no handler for " .. exchange.path) end
  return handler(exchange)
end

--- The address of the one listener. `fresh`: of a new server, where the old one was drained.
---@param fresh? boolean
---@return string
function M.address(fresh)
  if fresh then
    package.loaded["cliproxy.server"], address = nil, nil
  end
  if not address then
    local server = require "cliproxy.server"
    server.handle(serve)
    address = assert(server.listen { address = "127.0.0.1:0" })
  end
  return address
end

--- Answers requests for a path of its own by `handler`; returns the path.
---@param handler fun(exchange: cliproxy.Exchange)
---@return string path
function M.on(handler)
  count = count + 1
  local path = "/handler/" .. count
  handlers[path] = handler
  return path
end

--- The URL of such a path.
---@param handler fun(exchange: cliproxy.Exchange)
---@return string
function M.url(handler)
  local path = M.on(handler)
  return "http://" .. M.address() .. path
end

--- Waits until `check` returns something; raises after 5 seconds (or `seconds`), naming `what`.
---@generic T
---@param what string
---@param check fun(): T?
---@param seconds? number
---@return T
function M.eventually(what, check, seconds)
  local limit = timer.now() + (seconds or 5)
  while true do
    local value = check()
    if value then return value end
    if timer.now() > limit then error("waited in vain: " .. what, 2) end
    timer.sleep(0.001)
  end
end

--- A client's connection.
local Client = {}
Client.__index = Client

---@param where? string host:port or unix:/path; the shared listener by default
---@param options? { receive_buffer?: integer }
function M.connect(where, options)
  where = where or M.address()
  local path = where:match("^unix:(.*)")
  local s
  if path then
    s = assert(require("socket.unix")())
    assert(s:connect(path))
  else
    s = assert(socket.tcp4())
    if options and options.receive_buffer then s:setoption("recv-buffer-size", options.receive_buffer) end
    local host, port = where:match("^(.*):(%d+)$")
    assert(s:connect(host, tonumber(port)))
  end
  s:settimeout(0)
  return setmetatable({ socket = s, buffer = "", parts = {} }, Client)
end

function Client:send(bytes)
  local from = 1
  M.eventually("the server takes the request", function()
    local last, message, partial = self.socket:send(bytes, from)
    from = (last or partial or from - 1) + 1
    if message and message ~= "timeout" then return "closed" end
    return from > #bytes
  end, 20)
  return self
end

--- Takes what is there; `limit` bytes at most.
function Client:pump(limit)
  local bytes, message, partial = self.socket:receive(limit or 65536)
  bytes = bytes or partial
  if message == "closed" then self.closed = true end
  if bytes and #bytes > 0 then
    self.parts[#self.parts + 1] = bytes
    self.received = (self.received or 0) + #bytes
    return true
  end
  return self.closed
end

--- Everything received and not taken, as one string.
function Client:text()
  self.buffer = self.buffer .. table.concat(self.parts)
  self.parts = {}
  return self.buffer
end

--- Waits for `text` and takes all up to its end.
function Client:take_through(text)
  return M.eventually("the client receives " .. ("%q"):format(text), function()
    while self:pump() and not self.closed do end
    local _, last = self:text():find(text, 1, true)
    if not last then
      if self.closed then error("closed before " .. ("%q"):format(text) .. " came: " .. self:text():sub(1, 300)) end
      return nil
    end
    local taken = self.buffer:sub(1, last)
    self.buffer = self.buffer:sub(last + 1)
    return taken
  end)
end

function Client:take(n)
  return M.eventually("the client receives " .. n .. " bytes", function()
    while self:pump() and not self.closed do end
    if #self:text() < n then
      if self.closed then error(("closed after %d of %d bytes"):format(#self.buffer, n)) end
      return nil
    end
    local taken = self.buffer:sub(1, n)
    self.buffer = self.buffer:sub(n + 1)
    return taken
  end, 20)
end

--- All until the server closes.
function Client:take_all()
  M.eventually("the server closes", function()
    while self:pump() and not self.closed do end
    return self.closed
  end, 20)
  local all = self:text()
  self.buffer = ""
  return all
end

local function take_chunks(self)
  local parts = {}
  while true do
    local size = tonumber(self:take_through("\r\n"):match("^%x+"), 16)
    parts[#parts + 1] = self:take(size)
    self:take(2)
    if size == 0 then return table.concat(parts) end
  end
end

--- One whole answer; raises when it is cut.
---@return { status: integer, headers: table<string, string>, body: string }
function Client:answer(method)
  local head = self:take_through("\r\n\r\n")
  local answer = { status = tonumber(head:match("^HTTP/1%.1 (%d+)")), headers = {}, body = "" }
  for name, value in head:gmatch("\r\n([^:\r\n]+): *([^\r\n]*)") do answer.headers[name:lower()] = value end
  if method == "HEAD" or answer.status == 204 then return answer end
  if answer.headers["transfer-encoding"] then
    answer.body = take_chunks(self)
  else
    answer.body = self:take(tonumber(answer.headers["content-length"]))
  end
  return answer
end

function Client:close()
  self.socket:close()
end

--- The bytes of a request to `path`.
---@param path string
---@param body? string
---@param more? string further header lines, each with its CRLF
---@param method? string
---@return string
function M.bytes(path, body, more, method)
  local text = "%s %s HTTP/1.1\r\nHost: localhost\r\n%s%s\r\n%s"
  return text:format(method or (body and "POST" or "GET"), path, more or "",
    body and "Content-Length: " .. #body .. "\r\n" or "", body or "")
end

--- A request to a handler on a connection of its own, which stays open.
function M.start(handler, body, more, method)
  return M.connect():send(M.bytes(M.on(handler), body, more, method))
end

--- The same, and its whole answer.
function M.ask(handler, body, more, method)
  local client = M.start(handler, body, more, method)
  local answer = client:answer(method)
  client:close()
  return answer
end

--- Runs `fn` beside; the returned table has `done`, `ok` and `values` (or the message).
function M.beside(fn)
  local state = { done = false }
  state.handle = task.spawn(function()
    local values = { pcall(fn) }
    state.done, state.ok, state.values = true, table.remove(values, 1), values
  end)
  return state
end

return M
