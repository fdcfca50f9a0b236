--- The live feed of finished requests for `cliproxy tail`: server-sent events, bounded, nobody waits for a slow reader.
local timer = require("cliproxy.timer")

local M = {}

local QUEUE_MAX, READERS_MAX = 256, 16
local POLL_S, PING_S = 0.1, 15

---@type table<table, boolean>
local readers, reader_count = {}, 0

--- Whether anybody listens: nothing is encoded otherwise.
---@return boolean
function M.wanted()
  return reader_count > 0
end

--- Hands one JSON object to every reader; a reader whose queue is full loses it and is told how many.
---@param object string
function M.publish(object)
  for reader in pairs(readers) do
    local n = #reader
    if n < QUEUE_MAX then
      reader[n + 1] = object
    else
      reader.lost = reader.lost + 1
    end
  end
end

local function leave(reader)
  if readers[reader] then
    readers[reader], reader_count = nil, reader_count - 1
  end
end

--- Ends the feed of every reader: the process stops.
function M.close()
  for reader in pairs(readers) do
    leave(reader)
  end
end

local function take(reader)
  local out = {}
  for i = 1, #reader do
    out[i] = "data: " .. reader[i] .. "\n\n"
    reader[i] = nil
  end
  if reader.lost > 0 then
    out[#out + 1] = 'event: lost\ndata: {"lost":' .. reader.lost .. "}\n\n"
    reader.lost = 0
  end
  return table.concat(out)
end

--- Serves the feed until the reader leaves.
---@param exchange cliproxy.Exchange
---@param headers table<string, string>
---@return boolean served false: too many readers
function M.serve(exchange, headers)
  if reader_count >= READERS_MAX then
    return false
  end
  local reader = { lost = 0 }
  readers[reader], reader_count = true, reader_count + 1
  exchange:on_gone(function()
    leave(reader)
    return true -- the loop below ends by itself, so that the request's books are closed
  end)
  headers["content-type"] = "text/event-stream; charset=utf-8"
  headers["cache-control"] = "no-cache"
  headers["x-accel-buffering"] = "no"
  local alive = exchange:start(200, headers) and exchange:write(": cliproxy\n\n")
  local quiet = 0
  while alive and readers[reader] do
    timer.sleep(POLL_S)
    quiet = quiet + POLL_S
    if not readers[reader] then
      break
    elseif #reader > 0 or reader.lost > 0 then
      alive, quiet = exchange:write(take(reader)), 0
    elseif quiet >= PING_S then
      alive, quiet = exchange:write(": ping\n"), 0
    end
  end
  leave(reader)
  if not exchange.gone then
    exchange:finish()
  end
  return true
end

return M
