--- Parts of content in a client's request: of messages, and of the results of calls.
local json = require("cliproxy.json")
local literal = require("cliproxy.literal")
local media = require("cliproxy.dialects.openai.media")

local M = {}

local function part(r, kind)
  return { kind = kind, turn = r.turn, list = r.list, index = r.index }
end

-- OpenAI's hint is left out; Anthropic's, which clients of routers send in Chat, is carried.
local function read_cache(r, node, out)
  if json.present(node.prompt_cache_breakpoint) then
    r.ledger:drop(r:where("prompt_cache_breakpoint"), "a hint for OpenAI's cache")
  end
  out.cache = r:object(node, "cache_control")
end

local function known(...)
  local out = { type = true, prompt_cache_breakpoint = true, cache_control = true }
  for _, key in ipairs { ... } do
    out[key] = true
  end
  return out
end

local KNOWN_TEXT = known("text")

local function text(r, node)
  local out = part(r, "text")
  out.text = r:required(node, "text")
  if #node > 2 then
    read_cache(r, node, out)
    r:unknown(node, KNOWN_TEXT)
  end
  return out
end

local KNOWN_REFUSAL = known("refusal")

local function refusal(r, node)
  local out = part(r, "refusal")
  out.text = r:required(node, "refusal")
  read_cache(r, node, out)
  r:unknown(node, KNOWN_REFUSAL)
  return out
end

-- The object that a part of some type has its members in, read by `fn`.
local function inner(r, node, key, names, fn)
  local child = r:node(node, key, "object")
  if not child then
    return r:wrong(r:where(key), "is missing")
  end
  r.inside = key
  fn(child)
  r:unknown(child, names)
  r.inside = nil
end

local KNOWN_IMAGE, IN_IMAGE = known("image_url"), { url = true, detail = true }

local function image(r, node)
  local out = part(r, "image")
  inner(r, node, "image_url", IN_IMAGE, function(child)
    local url = r:required(child, "url")
    out.detail = r:literal(child, "detail")
    if url then
      media.set_url(r, out, url, "url")
    end
  end)
  read_cache(r, node, out)
  r:unknown(node, KNOWN_IMAGE)
  return out
end

local KNOWN_FILE, IN_FILE = known("file"), { file_data = true, file_id = true, filename = true }

local function file(r, node)
  local out = part(r, "document")
  inner(r, node, "file", IN_FILE, function(child)
    local data = r:literal(child, "file_data")
    out.filename, out.file_id = r:literal(child, "filename"), r:literal(child, "file_id")
    if data then
      media.set_url(r, out, data, "file_data")
      if out.url then -- bare base64, which the service takes, too
        out.data, out.url = out.url, nil
      end
    elseif not out.file_id then
      r:wrong(r:where(), "has neither file_data nor file_id")
    end
  end)
  out.media_type = out.media_type or media.type_of_name(out.filename)
  out.kind = out.media_type:find("^image/") and "image" or out.media_type:find("^audio/") and "audio" or "document"
  read_cache(r, node, out)
  r:unknown(node, KNOWN_FILE)
  return out
end

local KNOWN_AUDIO, IN_AUDIO = known("input_audio"), { data = true, format = true }

local function audio(r, node)
  local out = part(r, "audio")
  inner(r, node, "input_audio", IN_AUDIO, function(child)
    out.data = r:required(child, "data")
    local format = r:name(child, "format")
    out.media_type = "audio/" .. (format == "mp3" and "mpeg" or format or "")
  end)
  read_cache(r, node, out)
  r:unknown(node, KNOWN_AUDIO)
  return out
end

local KNOWN_THINKING = known("thinking", "closed")

-- Mistral's: what the model thought, told back by its client.
local function thinking(r, node)
  local out, texts = part(r, "reasoning"), {}
  local list = r:node(node, "thinking", "array")
  if not list then
    return r:wrong(r:where("thinking"), "is missing")
  end
  for _, child in json.each(list) do
    local shown = json.kind(child) == "object" and literal.read(child, "text")
    if shown then
      texts[#texts + 1] = shown
    else
      r:wrong(r:where("thinking"), "must be a list of texts")
    end
  end
  out.text = texts[1] and literal.concat(texts) or '""'
  r:unknown(node, KNOWN_THINKING)
  return out
end

local PARTS = { text = text, image_url = image, input_audio = audio, file = file, refusal = refusal,
  thinking = thinking }

--- Which parts may stand where. Results of calls officially hold texts alone; servers and clients of compatible kinds
--- have more.
local ALLOWED = {
  system = { text = true },
  user = { text = true, image_url = true, input_audio = true, file = true },
  assistant = { text = true, refusal = true, thinking = true },
  result = { text = true, image_url = true, file = true },
}

local function one(r, node, role)
  if json.kind(node) ~= "object" then
    return r:wrong(r:where(), "must be an object, not " .. tostring(json.kind(node)))
  end
  local kind = r:name(node, "type")
  if not kind then
    return
  end
  local read = PARTS[kind]
  if not read then
    r.ledger:refuse(r:where(), ("parts of type %q are unknown to cliproxy"):format(kind))
  elseif not ALLOWED[role][kind] then
    r:wrong(r:where("type"), ("is %q, which a message of this role cannot hold"):format(kind))
  else
    return read(r, node)
  end
end

local function read_list(r, list, role)
  local out, n = {}, 0
  r.list = "content"
  for i = 1, json.length(list) do
    local members, kind, shown = json.row(list, i, "type", "text")
    if members == 2 and kind == '"text"' and type(shown) == "string" then -- which every role may hold
      n = n + 1
      out[n] = { kind = "text", turn = r.turn, list = "content", index = i - 1, text = shown }
    else
      r.index = i - 1
      out[n + 1] = one(r, list[i], role)
      n = #out
    end
  end
  r.list, r.index = nil, nil
  return out
end

--- Content as `json.members` reads it.
---@param r cliproxy.openai_chat.Reader it reads a message
---@param content any
---@param role "system"|"user"|"assistant"|"result"
---@return cliproxy.Part[]? parts nil: it is neither a string nor a list
function M.content(r, content, role)
  if type(content) == "string" then
    return { { kind = "text", text = content, turn = r.turn, list = "content" } }
  elseif json.length(content) then
    return read_list(r, content, role)
  end
end

--- The content of a message: a string or a list of parts; none where it is null or absent.
---@param r cliproxy.openai_chat.Reader it reads a message
---@param node cliproxy.json.Node the message
---@param role "system"|"user"|"assistant"|"result"
---@return cliproxy.Part[]? parts nil: there is no content
function M.read(r, node, role)
  local _, content = json.members(node, "content")
  local parts = M.content(r, content, role)
  if not parts and content ~= nil then
    r:wrong(r:where("content"), "must be a string or a list of parts, not " .. tostring(json.kind(content)))
  end
  return parts
end

return M
