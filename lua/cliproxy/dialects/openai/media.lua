--- Images and files: data URLs both ways.
local literal = require("cliproxy.literal")
local text = require("cliproxy.text")

local M = {}

local find, match, sub = string.find, string.match, string.sub

-- Where a file has no data URL its name tells the kind.
local OF_ENDING = { pdf = "application/pdf", txt = "text/plain", md = "text/markdown", csv = "text/csv",
  json = "application/json", html = "text/html" }

--- The parts of a data URL: the text of `url` is looked into up to its comma only.
---@param url cliproxy.Literal
---@return string? media_type nil: no data URL; "": one that is not base64
---@return cliproxy.Literal? data base64
function M.data_url(url)
  if not find(url, '^"[dD][aA][tT][aA]:') then
    return nil
  end
  local comma = find(url, ",", 1, true)
  -- JSON writers of PHP escape slashes.
  local head = comma and sub(url, 7, comma - 1):gsub("\\/", "/") or ""
  local media_type, rest = match(head, "^([%w.+-]+/[%w.+-]+)(.*)$")
  if not media_type or not find(rest, ";base64$") then
    return "", nil
  end
  return media_type:lower(), '"' .. sub(url, comma + 1)
end

--- Fills in `data` and `media_type` of a part, or `url`.
---@param r cliproxy.Reader
---@param out cliproxy.Part
---@param url cliproxy.Literal
---@param key string the member that has it
function M.set_url(r, out, url, key)
  local media_type, data = M.data_url(url)
  if media_type == "" then
    r:wrong(r:where(key), "is a data URL that is not base64 (data:TYPE;base64,…)")
  elseif media_type then
    out.media_type, out.data = media_type, data
  else
    out.url = url
  end
end

--- The media type of a file that does not say it.
---@param name? cliproxy.Literal its name or address
---@return string
function M.type_of_name(name)
  local ending = name and match(literal.text(name), "%.(%w+)$")
  return ending and OF_ENDING[ending:lower()] or "application/pdf"
end

--- The start of a data URL's literal: the data and the closing quote follow.
---@param media_type string
---@return string
function M.head(media_type)
  return '"data:' .. sub(text.quote(media_type), 2, -2) .. ";base64,"
end

return M
