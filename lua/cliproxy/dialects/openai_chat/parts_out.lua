--- Content for a provider: texts as one string where that says it all, else as a list of parts.
local conversation = require("cliproxy.conversation")
local crypto = require("cliproxy.crypto")
local literal = require("cliproxy.literal")
local media = require("cliproxy.dialects.openai_responses.media")

local M = {}

---@class cliproxy.openai_chat.Out a request that is being written
---@field c cliproxy.Conversation
---@field target cliproxy.Target
---@field caps cliproxy.Caps
---@field messages string[] JSON texts
---@field ids table<string, string> ids of calls as the target has them

local function path(self, part, field)
  return conversation.path(self.c, part, field)
end

--- Notes that a hint for Anthropic's cache is left out.
---@param self cliproxy.openai_chat.Out
---@param part cliproxy.Part
function M.drop_cache(self, part)
  if part.cache then
    self.c.ledger:drop(path(self, part, "cache_control"), "it caches by itself")
  end
end

-- Documents that are text ---------------------------------------------------------------------------------------

-- The text of a document that Chat has no part for: title, context and what stands in it.
local function inlined(part)
  local body = part.text
  if not body and part.data and (part.media_type or ""):find("^text/") then
    local bytes = crypto.base64_decode(literal.text(part.data))
    body = bytes and literal.of(bytes)
  end
  if not body then
    return nil
  end
  local texts = {}
  for _, one in ipairs { part.title or part.filename or '""', part.context or '""', body } do
    if not literal.is_empty(one) then
      texts[#texts + 1] = one
    end
  end
  return texts[1] and literal.concat(texts, "\\n\\n") or '""'
end

--- The text that a part is, as the target reads it; nil where it is none.
---@param self cliproxy.openai_chat.Out
---@param part cliproxy.Part
---@return cliproxy.Literal?
function M.text_of(self, part)
  if part.kind == "text" or part.kind == "refusal" then
    return part.text
  elseif part.kind == "document" then
    local text = inlined(part)
    if text then
      self.c.ledger:change(path(self, part), "a document that is text goes as text")
    end
    return text
  end
end

-- Parts ---------------------------------------------------------------------------------------------------------

---@param text cliproxy.Literal
---@return string
function M.text_part(text)
  return '{"type":"text","text":' .. text .. "}"
end

local DETAILS = { ['"auto"'] = true, ['"low"'] = true, ['"high"'] = true }

local function refuse(self, part, why)
  self.c.ledger:refuse(path(self, part), why)
end

-- The literal of a data URL.
local function data_url(media_type, data)
  return media.head(media_type) .. data:sub(2)
end

local PART = {}

function PART.image(self, part)
  if self.caps.images == false then
    return refuse(self, part, "it reads no images")
  end
  local url = part.data and data_url(part.media_type or "image/png", part.data) or part.url
  if not url then
    return refuse(self, part, "it is an image without data and URL")
  end
  local detail = part.detail
  if detail and not DETAILS[detail] then
    self.c.ledger:warn(path(self, part, "detail"), "it knows low, high and auto")
    detail = nil
  end
  return '{"type":"image_url","image_url":{"url":' .. url .. (detail and ',"detail":' .. detail or "") .. "}}"
end

local function filename(self, part)
  local name = part.filename or part.title
  if not name then
    name = '"document.pdf"'
    self.c.ledger:invent("messages.file.filename", "a file must have a name: document.pdf")
  end
  return name
end

function PART.document(self, part)
  if self.caps.pdf == false then
    return refuse(self, part, "it reads no files")
  elseif not part.data then
    return refuse(self, part, "it takes files by their content, not by their URL")
  end
  for _, field in ipairs { "context", part.filename and "title" or nil } do
    if part[field] then
      self.c.ledger:warn(path(self, part, field), "its files have no " .. field)
    end
  end
  return '{"type":"file","file":{"filename":' .. filename(self, part) .. ',"file_data":'
    .. data_url(part.media_type or "application/pdf", part.data) .. "}}"
end

local FORMATS = { ["audio/wav"] = "wav", ["audio/x-wav"] = "wav", ["audio/wave"] = "wav", ["audio/mpeg"] = "mp3",
  ["audio/mp3"] = "mp3" }

function PART.audio(self, part)
  local format = FORMATS[part.media_type or ""]
  if self.caps.audio == false then
    return refuse(self, part, "it hears no audio")
  elseif not format then
    return refuse(self, part, ("it takes audio as wav and mp3, not %s"):format(tostring(part.media_type)))
  elseif not part.data then
    return refuse(self, part, "it takes audio by its content, not by its URL")
  end
  return '{"type":"input_audio","input_audio":{"data":' .. part.data .. ',"format":"' .. format .. '"}}'
end

--- A part of a user's message; nil where it is refused.
---@param self cliproxy.openai_chat.Out
---@param part cliproxy.Part
---@return string?
function M.part(self, part)
  local write = PART[part.kind]
  if part.wants_citations then
    self.c.ledger:warn(path(self, part, "citations"), "it does not cite documents")
  end
  if part.file_id and not part.data and not part.url then
    return self.c.ledger:refuse(path(self, part, "file_id"), "a file belongs to the provider that keeps it")
  elseif not write then
    return refuse(self, part, ("a part of kind %q cannot stand here"):format(tostring(part.kind)))
  elseif self.caps.content_parts == false then
    return refuse(self, part, "it takes texts alone")
  end
  return write(self, part)
end

--- The content of a user's message.
---@param self cliproxy.openai_chat.Out
---@param parts cliproxy.Part[]
---@return cliproxy.JsonText? content a string or a list; nil: there is nothing in it
function M.content(self, parts)
  local out, texts = {}, {}
  for _, part in ipairs(parts) do
    M.drop_cache(self, part)
    local text = M.text_of(self, part)
    if text then
      texts[#texts + 1] = text
      out[#out + 1] = M.text_part(text)
    else
      out[#out + 1] = M.part(self, part)
    end
  end
  if #texts == #out and (#texts == 1 or texts[1] and self.caps.content_parts == false) then
    return literal.concat(texts, "\\n\\n")
  end
  return out[1] and "[" .. table.concat(out, ",") .. "]"
end

return M
