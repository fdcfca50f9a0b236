--- Content for a provider: texts as one string where that says it all, else as a list of parts. Everything is appended
--- to the pieces of the body, so that no long text is copied before they are joined.
local conversation = require("cliproxy.conversation")
local crypto = require("cliproxy.crypto")
local literal = require("cliproxy.literal")
local fields_out = require("cliproxy.dialects.openai.fields_out")
local media = require("cliproxy.dialects.openai.media")

local M = {}

local sub = string.sub

---@class cliproxy.openai_chat.Out a request that is being written
---@field c cliproxy.Conversation
---@field target cliproxy.Target
---@field caps cliproxy.Caps
---@field out string[] pieces of the body
---@field n integer of them
---@field first boolean no message is written yet
---@field ids table<string, cliproxy.Literal> id of a call → as the target has it
---@field names table<string, cliproxy.Literal> name of a tool → as the target has it

local emit = fields_out.emit

local function path(self, part, field)
  return conversation.path(self.c, part, field)
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

local function refuse(self, part, why)
  self.c.ledger:refuse(path(self, part), why)
end

-- A data URL that ends its string.
local function emit_url(self, media_type, data)
  emit(self, media.head(media_type), sub(data, 2))
end

local DETAILS = { ['"auto"'] = true, ['"low"'] = true, ['"high"'] = true }

local PART = {}

function PART.image(self, part)
  if self.caps.images == false then
    return refuse(self, part, "it reads no images")
  elseif not part.data and not part.url then
    return refuse(self, part, "it is an image without data and URL")
  end
  emit(self, '{"type":"image_url","image_url":{"url":')
  if part.data then
    emit_url(self, part.media_type or "image/png", part.data)
  else
    emit(self, part.url)
  end
  if DETAILS[part.detail] then
    emit(self, ',"detail":', part.detail)
  elseif part.detail then
    self.c.ledger:warn(path(self, part, "detail"), "it knows low, high and auto")
  end
  emit(self, "}}")
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
  emit(self, '{"type":"file","file":{"filename":', filename(self, part), ',"file_data":')
  emit_url(self, part.media_type or "application/pdf", part.data)
  emit(self, "}}")
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
  emit(self, '{"type":"input_audio","input_audio":{"data":', part.data, ',"format":"' .. format .. '"}}')
end

--- Appends a part of a user's message that is no text.
---@param self cliproxy.openai_chat.Out
---@param part cliproxy.Part
function M.part(self, part)
  local write = PART[part.kind]
  if part.wants_citations then
    self.c.ledger:warn(path(self, part, "citations"), "it does not cite documents")
  end
  if part.file_id and not part.data and not part.url then
    self.c.ledger:refuse(path(self, part, "file_id"), "a file belongs to the provider that keeps it")
  elseif not write then
    refuse(self, part, ("a part of kind %q cannot stand here"):format(tostring(part.kind)))
  elseif self.caps.content_parts == false then
    refuse(self, part, "it takes texts alone")
  else
    write(self, part)
  end
end

local function one_string(texts, n, count, caps)
  return n == count and (n == 1 or caps.content_parts == false) and literal.concat(texts, "\\n\\n") or nil
end

--- Appends the content of a user's message: a string or a list.
---@param self cliproxy.openai_chat.Out
---@param parts cliproxy.Part[] one at least
function M.content(self, parts)
  local texts, n = {}, 0
  for i, part in ipairs(parts) do
    fields_out.drop_cache(self.c, part)
    texts[i] = M.text_of(self, part)
    n = n + (texts[i] and 1 or 0)
  end
  local all = one_string(texts, n, #parts, self.caps)
  if all then
    return emit(self, all)
  end
  for i, part in ipairs(parts) do
    emit(self, i == 1 and "[" or ",")
    if texts[i] then
      emit(self, '{"type":"text","text":', texts[i], "}")
    else
      M.part(self, part)
    end
  end
  emit(self, "]")
end

return M
