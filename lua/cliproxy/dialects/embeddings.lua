--- Embeddings between OpenAI (POST /embeddings) and Gemini (embedContent, batchEmbedContents), both ways. Anthropic has
--- none. Vectors stay JSON text or base64 as they came; what the client wants in the other form is converted
--- (`cliproxy.floats`).
local embeddings_in = require("cliproxy.dialects.embeddings_in")
local errors = require("cliproxy.errors")
local floats = require("cliproxy.floats")
local json = require("cliproxy.json")
local text = require("cliproxy.text")
local token_estimate = require("cliproxy.token_estimate")

local M = {}

--- The dialects that have embeddings.
---@type table<string, boolean>
M.speaks = { openai_chat = true, gemini = true }

---@class cliproxy.Embedding a request, in the common form
---@field dialect string
---@field model string
---@field batch boolean the client wants a list, whatever its length
---@field texts cliproxy.Literal[]
---@field dimensions? cliproxy.JsonText
---@field base64 boolean the client wants vectors in base64
---@field ledger cliproxy.Ledger

---@class cliproxy.EmbeddingAnswer
---@field model? string the upstream's
---@field vectors { numbers?: cliproxy.JsonText, base64?: string }[] in the order of the texts
---@field input? integer tokens

local concat = table.concat

M.decode_request = embeddings_in.decode

-- Requests to providers -----------------------------------------------------------------------------------------

local encode = {}

function encode.openai_chat(common, target)
  local input = common.batch and "[" .. concat(common.texts, ",") .. "]" or common.texts[1] or '""'
  return '{"model":' .. text.quote(target.model) .. ',"input":' .. input
    .. (common.dimensions and ',"dimensions":' .. common.dimensions or "") .. "}", "embed"
end

-- Each request of a batch names the model of the path again.
function encode.gemini(common, target)
  local front = '{"model":' .. text.quote("models/" .. target.model) .. ',"content":{"parts":[{"text":'
  local behind = "}]}" .. (common.dimensions and ',"outputDimensionality":' .. common.dimensions or "") .. "}"
  if #common.texts == 1 then
    return front .. common.texts[1] .. behind, "embed"
  end
  local out = {}
  for i, one in ipairs(common.texts) do
    out[i] = front .. one .. behind
  end
  return '{"requests":[' .. concat(out, ",") .. "]}", "embed_batch"
end

--- The body for a provider, and its word for the operation.
---@param dialect string the target's
---@param common cliproxy.Embedding
---@param target cliproxy.Target
---@return string body
---@return "embed"|"embed_batch" operation
function M.encode_request(dialect, common, target)
  return encode[dialect](common, target)
end

-- Answers -------------------------------------------------------------------------------------------------------

local function malformed(context, why)
  local facts = { provider = context.target.provider, title = "an embedding", text = why }
  return nil, errors.new("upstream_malformed", facts)
end

local function integer(node, key)
  local value = json.kind(node) == "object" and node[key]
  return type(value) == "number" and value >= 0 and math.floor(value) or nil
end

-- A vector as it stands; nil where it is none.
local function vector(node, key)
  local kind = json.kind(json.node(node, key))
  if kind == "array" then
    return { numbers = json.raw(node, key) }
  elseif kind == "string" then
    return { base64 = node[key] }
  end
end

local decode_answer = {}

-- Servers give the list in the order of the texts, but for those that tell otherwise by `index`.
function decode_answer.openai_chat(document)
  local data, out = document.data, {}
  if json.kind(data) ~= "array" then
    return nil, "it has no list data"
  end
  for i, item in json.each(data) do
    local found = json.kind(item) == "object" and vector(item, "embedding")
    local place = integer(item, "index") or i - 1
    if not found then
      return nil, ("data[%d] has no embedding"):format(i - 1)
    elseif out[place + 1] or place >= #data then
      return nil, ("data[%d].index is %d"):format(i - 1, place)
    end
    out[place + 1] = found
  end
  local model = document.model
  return { vectors = out, model = type(model) == "string" and model or nil,
    input = integer(document.usage, "prompt_tokens") }
end

function decode_answer.gemini(document)
  local out, list = {}, document.embeddings
  if json.kind(list) == "array" then
    for i, item in json.each(list) do
      out[i] = json.kind(item) == "object" and vector(item, "values")
      if not out[i] then
        return nil, ("embeddings[%d] has no values"):format(i - 1)
      end
    end
  else
    out[1] = json.kind(document.embedding) == "object" and vector(document.embedding, "values") or nil
    if not out[1] then
      return nil, "it has no embedding"
    end
  end
  return { vectors = out, input = integer(document.usageMetadata, "promptTokenCount") }
end

--- Reads a provider's answer. `context.conversation` is what `decode_request` gave.
---@param dialect string the provider's
---@param document cliproxy.json.Node
---@param context cliproxy.Context
---@return cliproxy.EmbeddingAnswer? answer
---@return cliproxy.Failure? failure
function M.decode_response(dialect, document, context)
  if json.kind(document) ~= "object" then
    return malformed(context, "it is no object")
  end
  local answer, why = decode_answer[dialect](document)
  if not answer then
    return malformed(context, why)
  end
  local wanted = #context.conversation.texts
  if #answer.vectors ~= wanted then
    return malformed(context, ("it has %d vectors for %d texts"):format(#answer.vectors, wanted))
  end
  return answer
end

-- A vector as JSON text in the form that the client wants.
local function shown(found, base64)
  if base64 then
    local bytes, why = found.base64, nil
    if not bytes then
      bytes, why = floats.pack(found.numbers)
    end
    return bytes and text.quote(bytes), why
  elseif found.numbers then
    return found.numbers
  end
  return floats.unpack(found.base64)
end

local encode_answer = {}

-- `usage` is always there in this shape, and some SDKs insist on it: estimated where the provider tells none.
local function openai_usage(answer, common, target)
  local input = answer.input
  if not input then
    input = 0
    for _, one in ipairs(common.texts) do
      input = input + token_estimate.text(one, target.model)
    end
    input = math.ceil(input)
  end
  return ('{"prompt_tokens":%d,"total_tokens":%d}'):format(input, input)
end

function encode_answer.openai_chat(vectors, answer, common, target)
  local out = {}
  for i, one in ipairs(vectors) do
    out[i] = '{"object":"embedding","index":' .. i - 1 .. ',"embedding":' .. one .. "}"
  end
  return '{"object":"list","data":[' .. concat(out, ",") .. '],"model":' .. text.quote(answer.model or target.model)
    .. ',"usage":' .. openai_usage(answer, common, target) .. "}"
end

function encode_answer.gemini(vectors, answer, common)
  local out = {}
  for i, one in ipairs(vectors) do
    out[i] = '{"values":' .. one .. "}"
  end
  local usage = answer.input and (',"usageMetadata":{"promptTokenCount":%d}'):format(answer.input) or ""
  if common.batch then
    return '{"embeddings":[' .. concat(out, ",") .. "]" .. usage .. "}"
  end
  return '{"embedding":' .. out[1] .. usage .. "}"
end

--- The client's body.
---@param dialect string the client's
---@param answer cliproxy.EmbeddingAnswer
---@param common cliproxy.Embedding
---@param context cliproxy.Context
---@return string? body
---@return cliproxy.Failure? failure
function M.encode_response(dialect, answer, common, context)
  local vectors = {}
  for i, found in ipairs(answer.vectors) do
    local one, why = shown(found, common.base64)
    if not one then
      return malformed(context, ("vector %d: %s"):format(i - 1, why))
    end
    vectors[i] = one
  end
  return encode_answer[dialect](vectors, answer, common, context.target)
end

-- Servers that do not give what was asked for ---------------------------------------------------------------------

--- An answer in OpenAI's dialect with its vectors in the form that the client asked for: some servers know only one.
--- What is no vector stays as it is.
---@param document cliproxy.json.Node edited
---@param wanted? any the request's encoding_format; floats where it is none
---@return string? body nil: it is as it should be
function M.repair(document, wanted)
  local data = json.kind(document) == "object" and document.data
  if json.kind(data) ~= "array" then
    return nil
  end
  local changed = false
  for _, item in json.each(data) do
    local found = json.kind(item) == "object" and vector(item, "embedding")
    if found and wanted == "base64" and found.numbers then
      local bytes = floats.pack(found.numbers)
      changed = changed or bytes ~= nil
      item.embedding = bytes or item.embedding
    elseif found and wanted ~= "base64" and found.base64 then
      local numbers = floats.unpack(found.base64)
      if numbers then
        local list = json.parse(numbers)
        item.embedding, changed = list, true
        json.close(list)
      end
    end
  end
  return changed and json.encode(document) or nil
end

return M
