--- Raw client sockets: exact bytes out, whatever comes back, never without a limit in time.
local process = require "spec.support.process"
local socket = require "socket"
socket.unix = require "socket.unix"

local M = {}

---@class spec.Raw
---@field socket table
---@field buffer string received and not yet taken
---@field eof boolean
---@field error? string "closed" after an end of file, else what went wrong
local Raw = {}
Raw.__index = Raw

--- "127.0.0.1:80", "[::1]:80", "unix:/path", or a port on 127.0.0.1.
---@param address string|integer
---@return spec.Raw
function M.connect(address)
  local text = type(address) == "number" and "127.0.0.1:" .. address or address
  local path = text:match("^unix:(.*)")
  local s, ok, message
  if path then
    s = assert(socket.unix())
    s:settimeout(5)
    ok, message = s:connect(path)
  else
    local host, port = text:match("^%[?(.-)%]?:(%d+)$")
    s = assert(host:find(":", 1, true) and socket.tcp6() or socket.tcp4())
    s:settimeout(5)
    ok, message = s:connect(host, tonumber(port))
    s:setoption("tcp-nodelay", true)
  end
  if not ok then error(("cannot connect to %s: %s"):format(text, message), 2) end
  return M.of(s)
end

--- A socket that is connected, as one that was accepted.
---@param connected table
---@return spec.Raw
function M.of(connected)
  return setmetatable({ socket = connected, buffer = "", eof = false }, Raw)
end

--- Sends all of it; false where the peer has closed.
---@param bytes string
---@param seconds? number 10 by default
---@return boolean sent
function Raw:send(bytes, seconds)
  self.socket:settimeout(seconds or 10)
  local ok, message, sent = self.socket:send(bytes)
  self.sent = ok or sent
  if not ok then self.send_error = message end
  return ok ~= nil
end

--- One piece more into the buffer; false at the end or after `seconds`.
---@param seconds number
---@return boolean
function Raw:more(seconds)
  if self.eof then return false end
  self.socket:settimeout(seconds)
  -- A pattern of a number waits for all of it; one byte, then what else is there.
  local first, message, partial = self.socket:receive(1)
  first = first or partial
  if first and #first > 0 then
    self.socket:settimeout(0)
    local rest, rest_error, rest_partial = self.socket:receive(65536)
    self.buffer = self.buffer .. first .. (rest or rest_partial or "")
    if rest_error and rest_error ~= "timeout" then self.eof, self.error = true, rest_error end
    return true
  end
  if message ~= "timeout" then self.eof, self.error = true, message end
  return false
end

--- Reads until the buffer holds `text` (plain) and takes all up to its end; nil when it does not come.
---@param text string
---@param seconds? number 10 by default
---@return string?
function Raw:take_through(text, seconds)
  local limit, from = process.now() + (seconds or 10), 1
  while true do
    local _, last = self.buffer:find(text, from, true)
    if last then
      local taken = self.buffer:sub(1, last)
      self.buffer = self.buffer:sub(last + 1)
      return taken
    end
    from = math.max(1, #self.buffer - #text)
    local left = limit - process.now()
    if left <= 0 or not self:more(left) then
      if self.eof or left <= 0 then return nil end
    end
  end
end

--- Takes exactly `count` bytes; nil when they do not come.
---@param count integer
---@param seconds? number
---@return string?
function Raw:take(count, seconds)
  local limit = process.now() + (seconds or 10)
  local parts, have = { self.buffer }, #self.buffer
  while have < count do
    self.buffer = ""
    local left = limit - process.now()
    if left <= 0 or not self:more(left) then
      self.buffer = table.concat(parts)
      if self.eof or left <= 0 then return nil end
    end
    parts[#parts + 1] = self.buffer
    have = have + #self.buffer
  end
  local all = table.concat(parts)
  self.buffer = all:sub(count + 1)
  return all:sub(1, count)
end

--- Everything until the peer closes; nil, what came when it does not close in time.
---@param seconds? number 10 by default
---@return string?, string? so_far
function Raw:take_all(seconds)
  local limit, parts = process.now() + (seconds or 10), { self.buffer }
  self.buffer = ""
  while not self.eof do
    local left = limit - process.now()
    if left <= 0 then return nil, table.concat(parts) end
    self:more(left)
    parts[#parts + 1] = self.buffer
    self.buffer = ""
  end
  return table.concat(parts)
end

--- Whether the peer closes, with nothing more sent, within `seconds`.
---@param seconds? number
---@return boolean
function Raw:closes(seconds)
  local all = self:take_all(seconds or 5)
  return all == ""
end

function Raw:close()
  self.socket:close()
end

--- Closes with a reset.
function Raw:reset()
  self.socket:setoption("linger", { on = true, timeout = 0 })
  self.socket:close()
end

return M
