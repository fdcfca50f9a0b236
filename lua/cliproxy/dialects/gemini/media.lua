--- Bytes and files in a client's request: inlineData and fileData as parts of a conversation.
local crypto = require("cliproxy.crypto")
local literal = require("cliproxy.literal")
local spelling = require("cliproxy.dialects.gemini.spelling")
local text = require("cliproxy.text")

local M = {}

local find, gsub, match, sub = string.find, string.gsub, string.match, string.sub

-- Types outside text/ whose bytes are text.
local TEXTS = { ["application/json"] = true, ["application/xml"] = true, ["application/x-javascript"] = true,
  ["application/javascript"] = true, ["application/x-python"] = true, ["application/x-python-code"] = true,
  ["application/yaml"] = true }

local OF_ENDING = { png = "image/png", jpg = "image/jpeg", jpeg = "image/jpeg", webp = "image/webp", gif = "image/gif",
  heic = "image/heic", pdf = "application/pdf", txt = "text/plain", mp3 = "audio/mp3", wav = "audio/wav" }

--- SDKs write bytes in the URL's alphabet, too; other services take the standard one alone.
---@param data cliproxy.Literal
---@return cliproxy.Literal
function M.standard_base64(data)
  if find(data, "-", 1, true) or find(data, "_", 1, true) then
    data = gsub(gsub(data, "-", "+"), "_", "/")
  end
  local over = (#data - 2) % 4
  if over > 1 and not find(data, "\\", 1, true) then
    data = sub(data, 1, -2) .. (over == 2 and '=="' or '="')
  end
  return data
end

local function kind_of(media_type)
  local family = match(media_type, "^%a+")
  return (family == "image" or family == "audio" or family == "video") and family or "document"
end

-- Files of Google's own are of no use elsewhere.
local function is_googles(url)
  return find(url, '^"gs:') or find(url, "generativelanguage.googleapis.com", 1, true) or not find(url, "://", 1, true)
end

local FIELDS = spelling.both {
  mimeType = function(r, node, key, out)
    local media_type = r:word(node, key)
    out.media_type = media_type and media_type ~= "" and media_type:lower() or nil
  end,
  data = function(r, node, key, out)
    local data = r:literal(node, key)
    out.data = data and M.standard_base64(data)
  end,
  fileUri = function(r, node, key, out)
    out.url = r:literal(node, key)
  end,
  displayName = function(r, node, key, out)
    out.filename = r:literal(node, key)
  end,
}

-- The bytes of a text as a text.
local function to_text(r, part)
  local bytes = crypto.base64_decode(literal.text(part.data))
  if not bytes then
    return r:wrong(r:where("data"), "is no base64")
  end
  part.text, part.data = text.quote(bytes), nil
end

local function settle(r, part)
  local ending = part.url and match(literal.text(part.url):lower(), "%.(%w+)$")
  part.media_type = part.media_type or OF_ENDING[ending]
  if not part.media_type then
    r:wrong(r:where("mimeType"), "is missing")
    return nil
  end
  part.kind = kind_of(part.media_type)
  if part.kind == "video" or part.url and find(part.url, "youtu", 1, true) then
    r.ledger:refuse(r:where(), "only Gemini takes video")
    return nil
  elseif part.url and is_googles(part.url) then
    part.file_id, part.url = part.url, nil
  elseif part.data and (find(part.media_type, "^text/") or TEXTS[match(part.media_type, "^[^;]+")]) then
    to_text(r, part)
  end
  return part
end

--- Reads `inlineData` or `fileData` of a part.
---@param r cliproxy.gemini.Reader
---@param node cliproxy.json.Node the part
---@param key string
---@param payload "data"|"url" what must be there
---@return cliproxy.Part? part nil: malformed or refused
function M.read(r, node, key, payload)
  local child = r:node(node, key)
  if not child then
    return nil
  end
  local part = { turn = r.turn, index = r.index }
  local inside = r.inside
  r.inside = inside and inside .. "." .. key or key
  r:members(child, FIELDS, part)
  local out
  if part[payload] then
    out = settle(r, part)
  else
    r:wrong(r:where(payload == "data" and "data" or "fileUri"), "is missing")
  end
  r.inside = inside
  return out
end

return M
