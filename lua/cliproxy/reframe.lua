--- Writes events in a framing: server-sent events, JSON lines, or one JSON array piece by piece.
local M = {}

local TYPES = {
  sse = "text/event-stream; charset=utf-8",
  ndjson = "application/x-ndjson",
  json_array = "application/json",
}

---@param framing string
---@return string
function M.content_type(framing)
  return TYPES[framing] or "application/octet-stream"
end

--- One event.
---@param type string "" where the dialect has none
---@param data string
---@param framing string
---@param started boolean an event came before it
---@return string
function M.event(type, data, framing, started)
  if framing == "ndjson" then
    return data .. "\n"
  elseif framing == "json_array" then
    return (started and ",\r\n" or "[") .. data
  elseif framing == "raw" then
    return data
  end
  -- A line break inside would end the field: every line gets its own.
  if data:find("[\r\n]") then
    data = data:gsub("\r\n?", "\n"):gsub("\n", "\ndata: ")
  end
  return (type ~= "" and "event: " .. type .. "\n" or "") .. "data: " .. data .. "\n\n"
end

--- What closes a stream.
---@param framing string
---@param started boolean
---@return string
function M.tail(framing, started)
  return framing == "json_array" and (started and "]" or "[]") or ""
end

return M
