--- Durations and sizes as people write them: "5s", "1m30s", 250 (seconds); "64MB", 1024 (bytes).
local M = {}

local SECONDS = { ms = 0.001, s = 1, m = 60, h = 3600, d = 86400 }
local BYTES = { [""] = 1, B = 1, KB = 2 ^ 10, MB = 2 ^ 20, GB = 2 ^ 30, KIB = 2 ^ 10, MIB = 2 ^ 20, GIB = 2 ^ 30 }

--- Units must go from large to small, so that "5s1m" is the mistake it looks like.
---@param text string
---@return number? seconds
local function duration_text(text)
  local total, at, last = 0, 1, math.huge
  while at <= #text do
    local number, unit, next_at = text:match("^(%d+%.?%d*)(%a+)()", at)
    local scale = number and SECONDS[unit]
    if not scale or scale >= last then
      return nil
    end
    total, at, last = total + tonumber(number) * scale, next_at, scale
  end
  return at > 1 and total or nil
end

---@param value any seconds, or a string such as "5s", "250ms", "1m30s"
---@return number? seconds nil: not a duration
function M.duration(value)
  if type(value) == "number" then
    return value >= 0 and value < math.huge and value or nil
  end
  return type(value) == "string" and #value <= 32 and duration_text(value) or nil
end

---@param value any bytes, or a string such as "64MB"
---@return integer? bytes nil: not a size
function M.size(value)
  if type(value) == "string" and #value <= 32 then
    local number, unit = value:match("^(%d+%.?%d*)%s?(%a*)$")
    local scale = number and BYTES[unit:upper()]
    value = scale and tonumber(number) * scale
  end
  if type(value) == "number" and value >= 0 and value < 2 ^ 53 and value % 1 == 0 then
    return value
  end
  return nil
end

---@param seconds number
---@return string "5s", "250ms", "5m"
function M.duration_text(seconds)
  for _, unit in ipairs({ "d", "h", "m", "s" }) do
    if seconds >= SECONDS[unit] and seconds % SECONDS[unit] == 0 then
      return ("%d%s"):format(seconds / SECONDS[unit], unit)
    end
  end
  return seconds == 0 and "0s" or ("%gms"):format(seconds * 1000)
end

---@param bytes integer
---@return string "64MB", "1500"
function M.size_text(bytes)
  for _, unit in ipairs({ "GB", "MB", "KB" }) do
    if bytes >= BYTES[unit] and bytes % BYTES[unit] == 0 then
      return ("%d%s"):format(bytes / BYTES[unit], unit)
    end
  end
  return ("%d"):format(bytes)
end

return M
