--- Parts of a conversation as blocks for a provider. A block is JSON text or, where a long text stands in it, a list
--- of pieces of it, so that nothing long is copied before the body is joined.
local cache_out = require("cliproxy.dialects.anthropic.cache_out")
local conversation = require("cliproxy.conversation")
local crypto = require("cliproxy.crypto")
local literal = require("cliproxy.literal")
local opaque = require("cliproxy.opaque")
local text = require("cliproxy.text")
local tool_names = require("cliproxy.tool_names")
local tools_out = require("cliproxy.dialects.anthropic.tools_out")

local M = {}

local find = string.find
local quote = text.quote

---@alias cliproxy.anthropic.Block string|string[]

local LONG = 256 -- bytes of a text that are not copied

local function block_of(head, body, tail)
  if #body < LONG then
    return head .. body .. tail
  end
  return { head, body, tail }
end

--- Appends a block to pieces of text.
---@param out string[]
---@param block cliproxy.anthropic.Block
function M.put(out, block)
  if type(block) == "string" then
    out[#out + 1] = block
  else
    for i = 1, #block do
      out[#out + 1] = block[i]
    end
  end
end

local function path(e, part, field)
  return conversation.path(e.c, part, field)
end

-- What closes a block, behind a hint to the cache where there is one.
local function close(e, part)
  return part.cache and cache_out.hint(e, part.cache, path(e, part)) .. "}" or "}"
end

local function refuse(e, part, why)
  e.ledger:refuse(path(e, part), why)
end

-- Texts ---------------------------------------------------------------------------------------------------------

-- The service refuses texts without a letter in them.
local function text_block(e, part)
  if not literal.is_blank(part.text) then
    return block_of('{"type":"text","text":', part.text, close(e, part))
  end
end

-- Images and documents ------------------------------------------------------------------------------------------

local IMAGES = { ["image/jpeg"] = "image/jpeg", ["image/jpg"] = "image/jpeg", ["image/png"] = "image/png",
  ["image/gif"] = "image/gif", ["image/webp"] = "image/webp" }

-- Sources are told as what stands before what may be long, that, and what stands behind it.

local function base64_source(media_type, data)
  return '"source":{"type":"base64","media_type":' .. quote(media_type) .. ',"data":', data, "}"
end

local function url_source(url)
  return '"source":{"type":"url","url":', url, "}"
end

local function is_web(url)
  return find(url, '^"[hH][tT][tT][pP][sS]?:') ~= nil
end

local function image_source(e, part)
  if part.data then
    local media_type = IMAGES[part.media_type]
    if not media_type then
      return refuse(e, part, ("Anthropic takes images of JPEG, PNG, GIF and WebP, not %s"):format(
        tostring(part.media_type)))
    end
    return base64_source(media_type, part.data)
  elseif part.url and is_web(part.url) then
    return url_source(part.url)
  elseif part.url then
    return refuse(e, part, "the address of an image must begin with http: or https:")
  end
  refuse(e, part, "the file is kept by another provider; send the image itself")
end

local function image(e, part)
  if e.caps.images == false then
    return refuse(e, part, "the model reads no images")
  elseif part.detail and part.detail ~= '"auto"' then
    e.ledger:drop(path(e, part, "detail"), "it looks at images in its own way")
  end
  local head, data, tail = image_source(e, part)
  return head and block_of('{"type":"image",' .. head, data, tail .. close(e, part))
end

local function is_text(media_type)
  return media_type ~= nil and (find(media_type, "^text/") ~= nil or media_type == "application/json")
end

local function text_source(data)
  return '"source":{"type":"text","media_type":"text/plain","data":', data, "}"
end

local function document_source(e, part)
  local media_type = part.media_type
  if part.text then
    return text_source(part.text)
  elseif part.file_id and not part.data and not part.url then
    return refuse(e, part, "the file is kept by another provider; send the document itself")
  elseif part.data and is_text(media_type) then
    local bytes = crypto.base64_decode(literal.text(part.data))
    if not bytes then
      return refuse(e, part, "its data is no base64")
    end
    return text_source(literal.of(bytes))
  elseif media_type and media_type ~= "application/pdf" then
    return refuse(e, part, ("Anthropic takes documents of PDF and text, not %s"):format(media_type))
  elseif e.caps.pdf == false then
    return refuse(e, part, "the model reads no PDFs")
  elseif part.data then
    return base64_source("application/pdf", part.data)
  elseif part.url and is_web(part.url) then
    return url_source(part.url)
  end
  refuse(e, part, "the address of a document must begin with http: or https:")
end

local function document(e, part)
  local head, data, tail = document_source(e, part)
  if not head then
    return nil
  end
  local title = part.title or part.filename
  return block_of('{"type":"document",' .. head, data, tail .. (title and ',"title":' .. title or "")
    .. (part.context and ',"context":' .. part.context or "")
    .. (part.wants_citations and ',"citations":{"enabled":true}' or "") .. close(e, part))
end

-- Calls and results ---------------------------------------------------------------------------------------------

-- Ids must be unique in a request; some servers begin to count anew in each answer.
local function new_id(e, part)
  local fit = tool_names.fit_id(part.id or "", tool_names.ID_RULES.anthropic, e.caps.tool_id_length)
  local id, n = fit, 1
  while e.used[id] do
    n = n + 1
    id = e.caps.tool_id_length and tool_names.fit_id(fit .. "_" .. n, tool_names.ID_RULES.anthropic,
      e.caps.tool_id_length) or fit .. "_" .. n
  end
  if id ~= part.id then
    e.ledger:change(path(e, part), "the id of the call is one that Anthropic takes")
  end
  e.used[id] = true
  return id
end

local function tool_call(e, part)
  local input = not part.custom and conversation.input_of(part)
  if not input then
    return refuse(e, part, part.custom and "Anthropic has no tools whose input is free text"
      or "the arguments of a call must be a JSON object")
  end
  if e.ids[part.id] then
    return refuse(e, part, ("two calls of one turn have the id %q"):format(tostring(part.id)))
  end
  local id = quote(new_id(e, part))
  e.ids[part.id], e.waiting[#e.waiting + 1] = id, part
  return block_of('{"type":"tool_use","id":' .. id .. ',"name":' .. tools_out.quoted_name(e, part) .. ',"input":',
    input, close(e, part))
end

local IN_RESULT = { text = text_block, refusal = text_block, image = image, document = document }

local function list_in_result(e, head, part)
  local out, n = { head, ',"content":[' }, 0
  for _, inner in ipairs(part.content) do
    local encode = IN_RESULT[inner.kind]
    local block
    if encode then
      block = encode(e, inner)
    else
      refuse(e, inner, ("Anthropic takes no %s in the result of a tool"):format(inner.kind))
    end
    if block then
      out[#out + 1] = n > 0 and "," or nil
      n = n + 1
      M.put(out, block)
    end
  end
  if n == 0 then
    return { head }
  end
  out[#out + 1] = "]"
  return out
end

local function tool_result(e, part)
  local id = e.ids[part.id]
  if not id then
    return nil -- refused by `joined`
  end
  e.answered[part.id] = true
  local head, content, said = '{"type":"tool_result","tool_use_id":' .. id, part.content, nil
  if part.value then
    said = literal.again(part.value)
  elseif content and content[1] and not content[2] and content[1].kind == "text" and not content[1].cache then
    said = content[1].text -- as a string, as most clients write it
    said = not literal.is_blank(said) and said or nil
  elseif content then
    local out = list_in_result(e, head, part)
    out[#out + 1] = (part.is_error and ',"is_error":true' or "") .. close(e, part)
    return out
  end
  return block_of(said and head .. ',"content":' or head, said or "",
    part.is_error and ',"is_error":true' .. close(e, part) or close(e, part))
end

-- Reasoning -----------------------------------------------------------------------------------------------------

-- Goes back to its maker alone, byte for byte.
local function reasoning(e, part)
  local state = part.state
  if not state or not opaque.is_for(state, e.target) then
    e.ledger:drop(path(e, part), "reasoning goes back to the model that made it alone")
  elseif state.kind == "redacted" then
    return '{"type":"redacted_thinking","data":' .. quote(state.data) .. "}"
  elseif state.kind == "signature" then
    return '{"type":"thinking","thinking":' .. (part.text or '""') .. ',"signature":' .. quote(state.data) .. "}"
  end
end

-- By role -------------------------------------------------------------------------------------------------------

--- How the parts of a user's turn are written; nil and an entry in the ledger where one cannot be.
M.USER = { text = text_block, refusal = text_block, image = image, document = document, tool_result = tool_result }

M.ASSISTANT = { text = text_block, refusal = text_block, tool_call = tool_call, reasoning = reasoning }

-- Since the version of 2026-10-21 documents stand in user messages alone.
function M.ASSISTANT.document(e, part)
  if e.narrow then
    return refuse(e, part, "this version of Anthropic's API takes no documents in an assistant message")
  end
  return document(e, part)
end

--- A part of another kind.
---@param e cliproxy.anthropic.Encoding
---@param part cliproxy.Part
---@param role string
function M.impossible(e, part, role)
  if part.kind == "audio" then
    return refuse(e, part, "Anthropic reads no audio")
  end
  refuse(e, part, ("Anthropic takes no %s in %s message"):format((part.kind:gsub("_", " ")),
    role == "user" and "a user" or "an assistant"))
end

return M
