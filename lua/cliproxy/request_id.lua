--- Request ids: "req_", a random part a process, and a counter. Unique, cheap, and sortable within one run.
local crypto = require("cliproxy.crypto")

local M = {}

local DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

local function digit(n)
  return DIGITS:sub(n + 1, n + 1)
end

local function random_part()
  local bytes = crypto.random(10)
  local out = {}
  for i = 1, #bytes do
    out[i] = digit(bytes:byte(i) % 36)
  end
  return table.concat(out)
end

-- The two low digits come from a table and the rest changes every 1296 requests, so that an id costs one concatenation.
local low = {}
for i = 0, 1295 do
  low[i] = digit(math.floor(i / 36)) .. digit(i % 36)
end

local function base36(n)
  local out = ""
  repeat
    out = digit(n % 36) .. out
    n = math.floor(n / 36)
  until n == 0
  return ("0"):rep(4 - #out) .. out
end

local prefix = "req_" .. random_part()
local high, count = prefix .. base36(0), 0

---@return string
function M.next()
  local id = high .. low[count % 1296]
  count = count + 1
  if count % 1296 == 0 then
    high = prefix .. base36(count / 1296)
  end
  return id
end

return M
