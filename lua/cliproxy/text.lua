--- Small text helpers of the core: JSON strings of anything, excerpts for messages, query strings.
local json = require("cliproxy.json")

local M = {}

local byte, char, find, format, gsub, sub = string.byte, string.char, string.find, string.format, string.gsub,
  string.sub
local quoted = json.quoted

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function escape(c)
  return ESCAPES[c] or format("\\u%04x", byte(c))
end

--- Length of the well-formed UTF-8 sequence at `i`; nil where there is none.
local function sequence(text, i)
  local a, b, c, d = byte(text, i, i + 3)
  local function tail(x)
    return x and x >= 0x80 and x <= 0xBF
  end
  if a >= 0xC2 and a <= 0xDF then
    return tail(b) and 2 or nil
  elseif a >= 0xE0 and a <= 0xEF then
    local low = a == 0xE0 and 0xA0 or 0x80
    local high = a == 0xED and 0x9F or 0xBF
    return b and b >= low and b <= high and tail(c) and 3 or nil
  elseif a >= 0xF0 and a <= 0xF4 then
    local low = a == 0xF0 and 0x90 or 0x80
    local high = a == 0xF4 and 0x8F or 0xBF
    return b and b >= low and b <= high and tail(c) and tail(d) and 4 or nil
  end
end

--- The text with every byte that is not UTF-8 replaced by U+FFFD.
---@param text string
---@return string
function M.utf8(text)
  if not find(text, "[\128-\255]") then
    return text
  end
  local out, from, i = {}, 1, 1
  while true do
    i = find(text, "[\128-\255]", i)
    if not i then
      break
    end
    local n = sequence(text, i)
    if not n then
      out[#out + 1] = sub(text, from, i - 1)
      out[#out + 1] = "\239\191\189"
      from = i + 1
    end
    i = i + (n or 1)
  end
  out[#out + 1] = sub(text, from)
  return table.concat(out)
end

--- A JSON string of any bytes.
---@param text string
---@return string
function M.quote(text)
  local plain = quoted(text)
  if plain then
    return plain
  elseif find(text, '[%c"\\\128-\255]') then
    text = gsub(M.utf8(text), '[%c"\\]', escape)
  end
  return '"' .. text .. '"'
end

--- The first bytes of something foreign, on one line, fit for a message.
---@param text string
---@param max? integer 200 by default
---@return string
function M.excerpt(text, max)
  max = max or 200
  local short = gsub(sub(text, 1, max * 4), "[%c%s]+", " ")
  short = gsub(short, "^ ", "")
  if #short > max then
    short = sub(short, 1, max)
    -- Not through the middle of a character.
    short = gsub(short, "[\192-\255][\128-\191]*$", "") .. "…"
  end
  return M.utf8((gsub(short, " $", "")))
end

--- Words of a page without its tags: what an HTML error page says.
---@param html string
---@param max? integer
---@return string
function M.strip_tags(html, max)
  local text = gsub(sub(html, 1, 8192), "<[sS][tTcC][yYrR][^>]*>.-</[sS][^>]*>", " ")
  text = gsub(text, "<[^>]*>", " ")
  return M.excerpt(text, max)
end

--- Undoes percent encoding; a damaged escape stays as it is.
---@param text string
---@return string
function M.unescape(text)
  if not find(text, "%", 1, true) then
    return text
  end
  return (gsub(text, "%%(%x%x)", function(hex)
    return char(tonumber(hex, 16))
  end))
end

--- A member of a query string, decoded; nil where it is absent.
---@param query string
---@param name string
---@return string?
function M.query_value(query, name)
  if query == "" then
    return nil
  end
  for key, value in query:gmatch("([^&=]+)=?([^&]*)") do
    if key == name then
      return M.unescape((gsub(value, "+", " ")))
    end
  end
end

--- The query without one member, the rest byte for byte.
---@param query string
---@param name string
---@return string
function M.query_without(query, name)
  if not find(query, name, 1, true) then
    return query
  end
  local kept = {}
  for member in query:gmatch("[^&]+") do
    if member ~= name and sub(member, 1, #name + 1) ~= name .. "=" then
      kept[#kept + 1] = member
    end
  end
  return table.concat(kept, "&")
end

return M
