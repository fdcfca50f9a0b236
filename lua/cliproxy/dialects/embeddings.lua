--- Embeddings between OpenAI (POST /embeddings) and Gemini (embedContent, batchEmbedContents), both ways. Anthropic has
--- none. Vectors stay JSON text or base64 as they came; what the client wants in the other form is converted
--- (`cliproxy.floats`).
local conversation = require("cliproxy.conversation")
local errors = require("cliproxy.errors")
local floats = require("cliproxy.floats")
local json = require("cliproxy.json")
local literal = require("cliproxy.literal")
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

---@class cliproxy.embeddings.Reader
---@field common cliproxy.Embedding
---@field message? string the first thing that is malformed
---@field param? string

local concat = table.concat

local function wrong(r, path, message)
  if not r.message then
    r.message, r.param = path .. " " .. message, path
  end
end

local function kind_of(node, key)
  return json.kind(json.node(node, key))
end

-- JSON text of a member of that kind; `path` names it.
local function take(r, node, key, kind, path)
  local found = kind_of(node, key)
  if found == kind then
    return json.raw(node, key)
  end
  wrong(r, path, ("must be %s, not %s"):format(kind == "object" and "an object" or "a " .. kind, found or "absent"))
end

-- Every member of an object to its reader; null counts as absent.
local function read(r, node, fields, base)
  for key, value in json.each(node) do
    local field = fields[key]
    if not field then
      r.common.ledger:warn(base .. key, "unknown to cliproxy")
    elseif value ~= json.null then
      field(r, node, key, base .. key)
    end
  end
end

local function ignored() end

local function warned(why)
  return function(r, _, _, path)
    r.common.ledger:warn(path, why)
  end
end

-- OpenAI's requests ---------------------------------------------------------------------------------------------

local OPENAI = { model = ignored, user = warned("it takes no user id of this client") }

local TOKENS = "ids of tokens belong to one model's tokenizer; send texts"

function OPENAI.input(r, document, key, path)
  local common, kind = r.common, kind_of(document, key)
  if kind == "string" then
    common.texts[1] = json.raw(document, key)
    return
  elseif kind ~= "array" then
    return wrong(r, path, "must be a string or a list of strings, not " .. kind)
  end
  local list = document[key]
  common.batch = true
  for i = 1, #list do
    local found = kind_of(list, i)
    if found == "number" or found == "array" then
      return common.ledger:refuse(path, TOKENS)
    end
    common.texts[i] = take(r, list, i, "string", ("%s[%d]"):format(path, i - 1))
  end
  if #list == 0 then
    wrong(r, path, "is an empty list")
  end
end

function OPENAI.dimensions(r, document, key, path)
  r.common.dimensions = take(r, document, key, "number", path)
end

function OPENAI.encoding_format(r, document, key, path)
  local word = document[key]
  if word ~= "float" and word ~= "base64" then
    return wrong(r, path, 'must be "float" or "base64"')
  end
  r.common.base64 = word == "base64"
end

local decode = {}

function decode.openai_chat(r, document)
  read(r, document, OPENAI, "")
  if not json.present(document.input) then
    wrong(r, "input", "is missing")
  end
end

-- Gemini's requests ---------------------------------------------------------------------------------------------

local GEMINI, CONTENT, PART = {}, { role = ignored }, {}

local ONLY_TEXT = "an embedding of anything but text is Gemini's own"

function PART.text(r, node, key, path)
  r.pieces[#r.pieces + 1] = take(r, node, key, "string", path)
end

for _, name in ipairs { "inlineData", "inline_data", "fileData", "file_data", "functionCall", "functionResponse" } do
  PART[name] = function(r, _, _, path)
    r.common.ledger:refuse(path, ONLY_TEXT)
  end
end

function CONTENT.parts(r, node, key, path)
  local list = node[key]
  if json.kind(list) ~= "array" then
    return wrong(r, path, "must be a list, not " .. tostring(json.kind(list)))
  end
  for i, part in json.each(list) do
    local where = ("%s[%d]"):format(path, i - 1)
    if json.kind(part) == "object" then
      read(r, part, PART, where .. ".")
    else
      wrong(r, where, "must be an object, not " .. tostring(json.kind(part)))
    end
  end
end

-- One content is one text: its parts belong together.
function GEMINI.content(r, node, key, path)
  local content = node[key]
  if json.kind(content) ~= "object" then
    return wrong(r, path, "must be an object, not " .. tostring(json.kind(content)))
  end
  r.pieces = {}
  read(r, content, CONTENT, path .. ".")
  if #r.pieces == 0 and not r.common.ledger.refused then
    wrong(r, path .. ".parts", "hold no text")
  end
  local texts = r.common.texts
  texts[#texts + 1] = #r.pieces > 0 and literal.concat(r.pieces) or '""'
end

function GEMINI.model(r, node, key, path)
  local name = node[key]
  if type(name) ~= "string" then
    wrong(r, path, "must be a string, not " .. tostring(json.kind(name)))
  elseif r.common.batch and name:gsub("^models/", "") ~= r.common.model then
    wrong(r, path, ("is %q, but the path names %q"):format(text.excerpt(name, 80), text.excerpt(r.common.model, 80)))
  end
end

function GEMINI.outputDimensionality(r, node, key, path)
  r.dimensions, r.dimensions_path = take(r, node, key, "number", path), path
end

GEMINI.output_dimensionality = GEMINI.outputDimensionality
GEMINI.taskType = warned("it makes the same embedding for every task")
GEMINI.task_type = GEMINI.taskType
GEMINI.title = warned("it has no place for a title; put it into the text")

local function gemini_request(r, node, base)
  r.dimensions, r.dimensions_path = nil, base .. "outputDimensionality"
  read(r, node, GEMINI, base)
  if not json.present(node.content) then
    wrong(r, base .. "content", "is missing")
  end
end

local function gemini_batch(r, document)
  local common, list = r.common, document.requests
  if json.kind(list) ~= "array" or #list == 0 then
    return wrong(r, "requests", "must be a list of requests")
  end
  for i, node in json.each(list) do
    local base = ("requests[%d]"):format(i - 1)
    if json.kind(node) ~= "object" then
      return wrong(r, base, "must be an object, not " .. tostring(json.kind(node)))
    end
    gemini_request(r, node, base .. ".")
    if i == 1 then
      common.dimensions = r.dimensions
    elseif common.dimensions ~= r.dimensions then
      common.ledger:refuse(r.dimensions_path, "one request there has one length for all its vectors")
    end
  end
end

function decode.gemini(r, document)
  if not r.common.batch then
    gemini_request(r, document, "")
    r.common.dimensions = r.dimensions
    return
  end
  gemini_batch(r, document)
  for key in json.each(document) do
    if key ~= "requests" and key ~= "model" then
      r.common.ledger:warn(key, "unknown to cliproxy")
    end
  end
end

--- Reads a client's request; `nil, message, param` where it is malformed.
---@param dialect string
---@param document cliproxy.json.Node
---@param head { model: string }
---@param batch boolean batchEmbedContents
---@return cliproxy.Embedding? common
---@return string? message
---@return string? param
function M.decode_request(dialect, document, head, batch)
  if json.kind(document) ~= "object" then
    return nil, "the request must be an object, not " .. tostring(json.kind(document))
  end
  local common = conversation.new(dialect, head, { turns = "input", parts = "content", system = "", tools = "" })
  common.operation, common.batch, common.base64, common.texts = "embed", batch or false, false, {}
  local r = { common = common }
  decode[dialect](r, document)
  if r.message then
    return nil, r.message, r.param
  end
  return common
end

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
  local kind = kind_of(node, key)
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
