--- Packs numbers as little-endian 32-bit floats, as embeddings in base64 have them.
local M = {}

local function pack(value)
  if value == 0 then
    return "\0\0\0\0"
  end
  local sign = value < 0 and 128 or 0
  local mantissa, exponent = math.frexp(math.abs(value))
  local bits = math.floor((mantissa * 2 - 1) * 2 ^ 23 + 0.5)
  local biased = exponent + 126
  if bits == 2 ^ 23 then
    bits, biased = 0, biased + 1
  end
  if biased <= 0 then
    return "\0\0\0" .. string.char(sign)
  elseif biased >= 255 then
    bits, biased = 0, 255
  end
  return string.char(bits % 256, math.floor(bits / 256) % 256, math.floor(bits / 65536) + biased % 2 * 128,
    sign + math.floor(biased / 2))
end

---@param values number[]
---@return string
function M.pack(values)
  local out = {}
  for i, value in ipairs(values) do
    out[i] = pack(value)
  end
  return table.concat(out)
end

return M
