--- Parts of content for a provider: of messages, and of the results of calls. Everything is appended to one list of
--- pieces, so that no text is copied before the body is joined.
local conversation = require("cliproxy.conversation")
local crypto = require("cliproxy.crypto")
local literal = require("cliproxy.literal")
local fields_out = require("cliproxy.dialects.openai.fields_out")
local media = require("cliproxy.dialects.openai.media")
local text = require("cliproxy.text")

local M = {}

---@class cliproxy.responses.Input
---@field c cliproxy.Conversation
---@field target cliproxy.Target
---@field caps cliproxy.Caps
---@field out string[] pieces of the body
---@field n integer of them
---@field items integer written so far
---@field custom table<string, boolean> ids of calls of custom tools
---@field ids table<string, cliproxy.Literal> ids of calls as the target has them
---@field names table<string, cliproxy.Literal> names of tools as the target has them
---@field speaking boolean a message of the assistant is under way

local emit = fields_out.emit

-- What belongs to one provider, or what the model cannot read.
local function refused(self, part, can, what)
  if part.file_id then
    self.c.ledger:refuse(conversation.path(self.c, part, "file_id"), "a file belongs to the provider that keeps it")
    return true
  elseif can == false then
    self.c.ledger:refuse(conversation.path(self.c, part), "it reads no " .. what)
    return true
  end
end

local NAMES = { ["application/pdf"] = "document.pdf", ["text/plain"] = "document.txt" }

local function filename(self, part)
  local name = part.filename or part.title
  if name then
    return name
  end
  name = NAMES[part.media_type or "text/plain"] or "document"
  self.c.ledger:invent("input.filename", "a file must have a name: " .. name)
  return text.quote(name)
end

local function note_document(self, part)
  if part.context then
    self.c.ledger:warn(conversation.path(self.c, part, "context"), "its files have no context")
  end
  if part.wants_citations then
    self.c.ledger:warn(conversation.path(self.c, part, "citations"), "it does not cite documents")
  end
end

-- Each appends a part behind `comma`; false where it does not.
local PART = {}

function PART.text(self, part, comma)
  emit(self, comma .. '{"type":"input_text","text":', part.text, "}")
end

PART.refusal = PART.text

function PART.image(self, part, comma)
  if refused(self, part, self.caps.images, "images") then
    return false
  elseif not part.data and not part.url then
    self.c.ledger:refuse(conversation.path(self.c, part), "it is an image without data and URL")
    return false
  end
  emit(self, comma .. '{"type":"input_image","image_url":')
  if part.data then
    emit(self, media.head(part.media_type or "image/png"), part.data:sub(2))
  else
    emit(self, part.url)
  end
  emit(self, ',"detail":' .. (part.detail or '"auto"') .. "}")
end

function PART.document(self, part, comma)
  local is_pdf = part.media_type == "application/pdf"
  if refused(self, part, not is_pdf or self.caps.pdf, "PDF files") then
    return false
  elseif not part.data and not part.url and not part.text then
    self.c.ledger:refuse(conversation.path(self.c, part), "it is a document with nothing in it")
    return false
  end
  note_document(self, part)
  if part.url and not part.data then
    return emit(self, comma .. '{"type":"input_file","file_url":', part.url, "}")
  end
  local data = part.data and part.data:sub(2) or crypto.base64_encode(literal.text(part.text)) .. '"'
  emit(self, comma .. '{"type":"input_file","filename":' .. filename(self, part) .. ',"file_data":'
    .. media.head(part.media_type or "text/plain"), data, "}")
end

function PART.audio(self, part)
  self.c.ledger:refuse(conversation.path(self.c, part), "it takes no audio")
  return false
end

--- Appends a part of a user's or system's message, or of a result.
---@param self cliproxy.responses.Input
---@param part cliproxy.Part
---@param comma string "," or ""
---@return boolean written
function M.put(self, part, comma)
  fields_out.drop_cache(self.c, part)
  local write = PART[part.kind]
  if write then
    return write(self, part, comma) ~= false
  end
  self.c.ledger:refuse(conversation.path(self.c, part), ("a part of kind %q cannot stand here"):format(part.kind))
  return false
end

return M
