--- What images, PDFs and sound cost in tokens, by the rules that the services publish, from what the first bytes of
--- the data tell.
local crypto = require("cliproxy.crypto")

local M = {}

local byte, find, gsub, sub = string.byte, string.find, string.gsub, string.sub
local ceil, floor, max, min = math.ceil, math.floor, math.max, math.min

-- Base64 characters that are decoded to find the size: a JPEG's stands behind its metadata.
local HEAD_SHORT, HEAD_LONG = 64, 128 * 1024

-- The first bytes of a literal of base64; nil where it is none.
local function head(data, characters)
  local part = sub(data, 2, min(#data - 1, characters + 1))
  if find(part, "\\", 1, true) then
    part = gsub(part, "\\/", "/")
  end
  local whole = #part - #part % 4
  return crypto.base64_decode(sub(part, 1, whole))
end

local function big16(bytes, at)
  local a, b = byte(bytes, at, at + 1)
  return b and a * 256 + b
end

local function little16(bytes, at)
  local a, b = byte(bytes, at, at + 1)
  return b and a + b * 256
end

-- Walks a JPEG's segments to the frame.
local function jpeg_size(bytes)
  local at = 3
  while true do
    local mark, kind = byte(bytes, at, at + 1)
    local length = big16(bytes, at + 2)
    if mark ~= 0xFF or not length then
      return nil
    elseif kind >= 0xC0 and kind <= 0xCF and kind ~= 0xC4 and kind ~= 0xC8 and kind ~= 0xCC then
      return big16(bytes, at + 7), big16(bytes, at + 5)
    end
    at = at + 2 + length
  end
end

local function webp_size(bytes)
  local form = sub(bytes, 13, 16)
  if form == "VP8X" and #bytes >= 30 then
    local a, b, c, d, e, f = byte(bytes, 25, 30)
    return a + b * 256 + c * 65536 + 1, d + e * 256 + f * 65536 + 1
  elseif form == "VP8 " and #bytes >= 30 then
    return little16(bytes, 27) % 16384, little16(bytes, 29) % 16384
  elseif form == "VP8L" and #bytes >= 25 then
    local a, b, c, d = byte(bytes, 22, 25)
    local bits = a + b * 256 + c * 65536 + d * 16777216
    return bits % 16384 + 1, floor(bits / 16384) % 16384 + 1
  end
end

--- Width and height of an image; nil where its first bytes do not tell.
---@param data? cliproxy.Literal base64 of PNG, JPEG, GIF or WebP
---@return integer? width
---@return integer? height
function M.image_size(data)
  local bytes = data and head(data, HEAD_SHORT)
  if not bytes then
    return nil
  elseif find(bytes, "^\137PNG") and #bytes >= 24 then
    return big16(bytes, 17) * 65536 + big16(bytes, 19), big16(bytes, 21) * 65536 + big16(bytes, 23)
  elseif find(bytes, "^GIF8") and #bytes >= 10 then
    return little16(bytes, 7), little16(bytes, 9)
  elseif find(bytes, "^RIFF....WEBP") then
    return webp_size(bytes)
  elseif find(bytes, "^\255\216") then
    bytes = head(data, HEAD_LONG)
    return jpeg_size(bytes or "")
  end
end

-- Images --------------------------------------------------------------------------------------------------------

--- OpenAI ("Images and vision"): fitted into 2048 × 2048, the shorter side at most 768, then tiles of 512.
---@param width? integer
---@param height? integer
---@param low boolean detail "low"
---@return integer
function M.openai_image(width, height, low)
  if low then
    return 85
  elseif not width or not height or width == 0 or height == 0 then
    return 765 -- of 1024 × 1024
  end
  local scale = min(1, 2048 / max(width, height))
  scale = scale * min(1, 768 / (min(width, height) * scale))
  return 85 + 170 * ceil(width * scale / 512) * ceil(height * scale / 512)
end

--- Anthropic ("Vision"): width × height / 750 after it is fitted into 1568 (Opus 4.7 and later: 2576) pixels.
---@param width? integer
---@param height? integer
---@param large? boolean the newer limit
---@return integer
function M.anthropic_image(width, height, large)
  local side, most = 1568, 1600
  if large then
    side, most = 2576, 4784
  end
  if not width or not height or width == 0 or height == 0 then
    return 1400 -- of 1024 × 1024
  end
  local scale = min(1, side / max(width, height))
  return ceil(min(most, width * height * scale * scale / 750)) + 4
end

--- Gemini ("Understand and count tokens"): up to 384 × 384 one tile of 258, else tiles of 256 to 768 pixels; from
--- Gemini 3 on ("Media resolution") 1120 at most, whatever the size.
---@param width? integer
---@param height? integer
---@param newer? boolean Gemini 3 and later
---@return integer
function M.gemini_image(width, height, newer)
  if newer then
    return 1120
  elseif not width or not height or max(width, height) <= 384 then
    return 258
  end
  local unit = max(256, min(768, floor(min(width, height) / 1.5)))
  return 258 * ceil(width / unit) * ceil(height / unit)
end

-- Documents and sound -------------------------------------------------------------------------------------------

-- Base64 characters that are looked through for pages; bytes of a page, where pages do not show: a scanned one has some
-- 100 KB, a typeset one some 20.
local PDF_LOOK, PDF_PAGE = 512 * 1024, 50 * 1024
local UNKNOWN_PAGE = 10 * 1024

--- Pages of a PDF: counted where its objects are plain, else guessed by its size; 1 where nothing is known.
---@param data? cliproxy.Literal base64
---@return integer pages
---@return number bytes of each
function M.pdf_pages(data)
  if not data then
    return 1, UNKNOWN_PAGE
  end
  local size = (#data - 2) * 0.75
  local bytes = head(data, PDF_LOOK) or ""
  local _, pages = gsub(bytes, "/Type%s*/Page[^s%w]", "")
  if pages == 0 then
    pages = ceil(size / PDF_PAGE)
  elseif #data - 2 > PDF_LOOK then
    pages = ceil(pages * (#data - 2) / PDF_LOOK)
  end
  pages = max(1, pages)
  return pages, size / pages
end

-- Bytes a second of compressed sound at 128 kbit/s.
local SOUND = 16000

--- Seconds of a sound: by the head of a WAV file, else by its size.
---@param data? cliproxy.Literal base64
---@return number
function M.seconds(data)
  if not data then
    return 0
  end
  local size = (#data - 2) * 0.75
  local bytes = head(data, HEAD_SHORT)
  if bytes and find(bytes, "^RIFF....WAVE") and #bytes >= 32 then
    local rate = little16(bytes, 29) + little16(bytes, 31) * 65536
    if rate > 0 then
      return size / rate
    end
  end
  return size / SOUND
end

return M
