--- Clients' requests for embeddings, read: OpenAI's and Gemini's.
local conversation = require("cliproxy.conversation")
local json = require("cliproxy.json")
local literal = require("cliproxy.literal")
local text = require("cliproxy.text")

local M = {}

---@class cliproxy.embeddings.Reader
---@field common cliproxy.Embedding
---@field message? string the first thing that is malformed
---@field param? string

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
function M.decode(dialect, document, head, batch)
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

return M
