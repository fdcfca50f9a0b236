--- JSON text as it stood. Translation moves texts without reading them: a *literal* is the JSON text of one string,
--- quotes and escapes included, exactly as its sender wrote it. Lone surrogates, escapes and a surrogate pair that
--- two deltas share survive, because nobody looks inside.
local json = require("cliproxy.json")
local text = require("cliproxy.text")

local M = {}

---@alias cliproxy.Literal string JSON text of a string: "\"Hello\\n\""
---@alias cliproxy.JsonText string JSON text of any value

local byte, find, sub = string.byte, string.find, string.sub

local BACKSLASH, SPACE = 92, 32

--- The literal of a child, or nil where it is no string.
---@param node cliproxy.json.Node
---@param key string|integer
---@return cliproxy.Literal?
function M.read(node, key)
  local raw = json.raw(node, key)
  if raw and sub(raw, 1, 1) == '"' then
    return raw
  end
end

--- A literal of text of our own: of bytes that are not UTF-8 U+FFFD remains.
---@param value string
---@return cliproxy.Literal
function M.of(value)
  return text.quote(value)
end

--- The text that a literal stands for; an escaped lone surrogate gives its three WTF-8 bytes.
---@param literal cliproxy.Literal
---@return string
function M.text(literal)
  if not find(literal, "\\", 1, true) then
    return sub(literal, 2, -2)
  end
  return json.unquoted(literal) --[[@as string]]
end

--- A literal of a text that `M.text` gave: lone surrogates become the same escapes again.
---@param value string
---@return cliproxy.Literal
function M.again(value)
  local ok, raw = pcall(json.encode, value)
  return ok and raw or text.quote(value)
end

---@param literal cliproxy.Literal?
---@return boolean
function M.is_empty(literal)
  return literal == nil or literal == '""'
end

--- Empty, or white space alone.
---@param literal cliproxy.Literal?
---@return boolean
function M.is_blank(literal)
  if literal == nil or #literal == 2 then
    return true
  end
  local first = byte(literal, 2)
  if first ~= SPACE and first ~= BACKSLASH then
    return false
  end
  -- Over white space, written out or escaped, up to the first byte that is none.
  local at = 2
  while true do
    at = find(literal, "[^ ]", at)
    if byte(literal, at) ~= BACKSLASH then
      return at == #literal
    elseif not find(literal, "^[ntr]", at + 1) then
      return false
    end
    at = at + 2
  end
end

--- Several literals as one.
---@param list cliproxy.Literal[]
---@param separator? string JSON-escaped text between them: "\\n\\n"
---@return cliproxy.Literal
function M.concat(list, separator)
  if #list == 1 then
    return list[1]
  end
  local out = {}
  for i, one in ipairs(list) do
    out[i] = sub(one, 2, -2)
  end
  return '"' .. table.concat(out, separator or "") .. '"'
end

--- JSON text in one line, as an event of a stream needs it: line breaks of its layout become spaces. In strings there
--- are none.
---@param raw cliproxy.JsonText
---@return cliproxy.JsonText
function M.one_line(raw)
  if find(raw, "\n", 1, true) or find(raw, "\r", 1, true) then
    return (raw:gsub("[\r\n]", " "))
  end
  return raw
end

return M
