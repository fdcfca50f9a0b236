--- Images, documents and audio for a provider: bytes inside the request. Files by address only where the service
--- fetches them itself.
local conversation = require("cliproxy.conversation")
local literal = require("cliproxy.literal")
local text = require("cliproxy.text")

local M = {}

local find = string.find

-- Its Files API, Cloud Storage, and videos.
local FETCHED = { '^"https://generativelanguage%.googleapis%.com/[%w]+/files/', '^"gs://',
  '^"https?://w?w?w?%.?youtube%.com/', '^"https?://youtu%.be/' }

local CAPS = { image = "images", audio = "audio" }
local WORDS = { image = "images", audio = "audio", document = "PDF files" }

local function refuse(w, part, why)
  w.c.ledger:refuse(conversation.path(w.c, part), why)
end

local function by_address(w, part)
  for _, pattern in ipairs(FETCHED) do
    if find(part.url, pattern) then
      return '{"fileData":{' .. (part.media_type and '"mimeType":' .. text.quote(part.media_type) .. "," or "")
        .. '"fileUri":' .. part.url .. "}}"
    end
  end
  refuse(w, part, ("it takes %s by their bytes, and cliproxy fetches none; send a data URL or base64"):format(
    part.kind == "document" and "documents" or WORDS[part.kind]))
end

local function can_read(w, part)
  local cap = CAPS[part.kind] or part.media_type == "application/pdf" and "pdf"
  return not cap or w.caps[cap] ~= false
end

--- A part with bytes, in pieces; nil where it was refused.
---@param w cliproxy.gemini.Writer
---@param part cliproxy.Part image, audio, document
---@return string? head
---@return string? data
---@return string? tail
function M.piece(w, part)
  if part.file_id then
    refuse(w, part, "files belong to the provider that keeps them; send the file's bytes")
  elseif not can_read(w, part) then
    refuse(w, part, "the model reads no " .. WORDS[part.kind])
  elseif part.data then
    return '{"inlineData":{"mimeType":' .. text.quote(part.media_type or "application/octet-stream") .. ',"data":',
      part.data, "}}"
  elseif part.url then
    return by_address(w, part)
  else
    refuse(w, part, "it holds no data")
  end
end

--- What a document says of itself, told in front of it: there are no fields for it.
---@param w cliproxy.gemini.Writer
---@param part cliproxy.Part
---@return cliproxy.Literal?
function M.heading(w, part)
  if part.wants_citations then
    w.c.ledger:warn(conversation.path(w.c, part, "citations"), "it cites no documents")
  end
  if part.filename then
    w.c.ledger:drop(conversation.path(w.c, part, "filename"), "inline data has no name")
  end
  local lines = {}
  for _, row in ipairs { { part.title, "Title: " }, { part.context, "Context: " } } do
    if not literal.is_empty(row[1]) then
      lines[#lines + 1] = literal.concat { text.quote(row[2]), row[1] }
    end
  end
  if lines[1] then
    w.c.ledger:change(conversation.path(w.c, part), "title and context are a text in front of the document")
    return literal.concat(lines, "\\n")
  end
end

return M
