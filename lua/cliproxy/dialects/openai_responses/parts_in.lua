--- Parts of content in a client's request: of messages, and of the results of calls.
local json = require("cliproxy.json")
local media = require("cliproxy.dialects.openai.media")

local M = {}

local function part(r, kind)
  return { kind = kind, turn = r.turn, list = r.list, index = r.index }
end

local KNOWN_TEXT = { type = true, text = true, annotations = true, logprobs = true, prompt_cache_breakpoint = true }

-- A list that says something: sources and probabilities of an earlier answer mean nothing to another service.
local function drop_list(r, node, key, why)
  local list = node[key]
  if json.kind(list) == "array" and #list > 0 then
    r.ledger:drop(r:where(key), why)
  end
end

local function text(r, node)
  local out = part(r, "text")
  out.text = r:required(node, "text")
  if #node > 2 then
    drop_list(r, node, "annotations", "sources of an earlier answer stay with it")
    drop_list(r, node, "logprobs", "probabilities of an earlier answer stay with it")
    if json.present(node.prompt_cache_breakpoint) then
      r.ledger:drop(r:where("prompt_cache_breakpoint"), "a hint for OpenAI's cache")
    end
    r:unknown(node, KNOWN_TEXT)
  end
  return out
end

local KNOWN_REFUSAL = { type = true, refusal = true }

local function refusal(r, node)
  local out = part(r, "refusal")
  out.text = r:required(node, "refusal")
  r:unknown(node, KNOWN_REFUSAL)
  return out
end

local KNOWN_IMAGE = { type = true, image_url = true, file_id = true, detail = true, prompt_cache_breakpoint = true }

local function image(r, node)
  local out = part(r, "image")
  local url = r:literal(node, "image_url")
  out.detail = r:literal(node, "detail")
  out.file_id = r:literal(node, "file_id")
  if url then
    media.set_url(r, out, url, "image_url")
  elseif not out.file_id then
    r:wrong(r:where(), "has neither image_url nor file_id")
  end
  r:unknown(node, KNOWN_IMAGE)
  return out
end

local KNOWN_FILE = { type = true, file_data = true, file_url = true, file_id = true, filename = true,
  prompt_cache_breakpoint = true }

local function kind_of(media_type)
  return media_type:find("^image/") and "image" or media_type:find("^audio/") and "audio" or "document"
end

local function file(r, node)
  local out = part(r, "document")
  out.filename = r:literal(node, "filename")
  out.file_id = r:literal(node, "file_id")
  local data, url = r:literal(node, "file_data"), r:literal(node, "file_url")
  if data then
    media.set_url(r, out, data, "file_data")
    if out.url then -- bare base64, which the service takes, too
      out.data, out.url = out.url, nil
    end
  elseif url then
    media.set_url(r, out, url, "file_url")
  elseif not out.file_id then
    r:wrong(r:where(), "has none of file_data, file_url and file_id")
  end
  out.media_type = out.media_type or media.type_of_name(out.filename or out.url)
  out.kind = kind_of(out.media_type)
  r:unknown(node, KNOWN_FILE)
  return out
end

local KNOWN_AUDIO = { type = true, input_audio = true }

local function audio(r, node)
  local out = part(r, "audio")
  local inner = r:node(node, "input_audio", "object")
  if inner then
    out.data = r:required(inner, "data")
    local format = r:name(inner, "format")
    out.media_type = "audio/" .. (format == "mp3" and "mpeg" or format or "")
  else
    r:wrong(r:where("input_audio"), "is missing")
  end
  r:unknown(node, KNOWN_AUDIO)
  return out
end

local PARTS = {
  input_text = text, output_text = text, refusal = refusal, input_image = image, input_file = file,
  input_audio = audio,
}

-- Parts that only some lists may hold.
local IN_RESULT = { input_text = true, input_image = true, input_file = true, output_text = true }
local IN_SYSTEM = { input_text = true, output_text = true }

local function one(r, node, allowed)
  if json.kind(node) ~= "object" then
    r:wrong(r:where(), "must be an object, not " .. tostring(json.kind(node)))
    return nil
  end
  local kind = r:name(node, "type")
  if not kind then
    return nil
  end
  local read = PARTS[kind]
  if not read then
    r.ledger:refuse(r:where(), ("parts of type %q are unknown to cliproxy"):format(kind))
  elseif allowed and not allowed[kind] then
    r.ledger:refuse(r:where(), ("a part of type %q cannot stand here"):format(kind))
  else
    return read(r, node)
  end
end

local TEXTS = { ['"input_text"'] = true, ['"output_text"'] = true } -- which every list may hold

--- Content as `json.members` reads it.
---@param r cliproxy.responses.Reader it reads an item
---@param content any
---@param key string "content" or "output"
---@param role? "system"|"result" whose lists hold less
---@return cliproxy.Part[]? parts nil: it is neither a string nor a list
function M.content(r, content, key, role)
  if type(content) == "string" then
    return { { kind = "text", text = content, turn = r.turn, list = key } }
  elseif not json.length(content) then
    return nil
  end
  local allowed = role == "system" and IN_SYSTEM or role == "result" and IN_RESULT or nil
  local out, n = {}, 0
  r.list = key
  for i = 1, json.length(content) do
    local members, kind, shown = json.row(content, i, "type", "text")
    if members == 2 and TEXTS[kind] and type(shown) == "string" then
      n = n + 1
      out[n] = { kind = "text", turn = r.turn, list = key, index = i - 1, text = shown }
    else
      r.index = i - 1
      out[n + 1] = one(r, content[i], allowed)
      n = #out
    end
  end
  r.list, r.index = nil, nil
  return out
end

--- The content of a message or result: a string or a list of parts.
---@param r cliproxy.responses.Reader it reads an item
---@param node cliproxy.json.Node the item
---@param key string "content" or "output"
---@param role? "system"|"result" whose lists hold less
---@return cliproxy.Part[]
function M.read(r, node, key, role)
  local _, content = json.members(node, key)
  local parts = M.content(r, content, key, role)
  if not parts then
    r:wrong(r:where(key), "must be a string or a list of parts, not " .. (json.kind(node[key]) or "absent"))
  end
  return parts or {}
end

return M
