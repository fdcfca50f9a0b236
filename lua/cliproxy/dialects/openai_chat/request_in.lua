--- A client's request as a conversation. Fields one by one in `FIELDS`; messages, parts and tools have files of their
--- own.
local conversation = require("cliproxy.conversation")
local fields_in = require("cliproxy.dialects.openai.fields_in")
local json = require("cliproxy.json")
local messages_in = require("cliproxy.dialects.openai_chat.messages_in")
local reader = require("cliproxy.dialects.openai_chat.reader")
local reasoning_in = require("cliproxy.dialects.openai_chat.reasoning_in")
local tools_in = require("cliproxy.dialects.openai_chat.tools_in")
local web_search = require("cliproxy.web_search")

local M = {}

--- Fields that mean nothing beyond what `head` says already.
M.ignored = { model = true, stream = true }

local carried, refused = fields_in.carried, fields_in.refused

local FIELDS = {
  messages = messages_in.read,
  tools = tools_in.read,
  tool_choice = tools_in.read_choice,
  functions = tools_in.read_functions,
  function_call = tools_in.read_function_choice,
  top_k = carried("top_k", "number"), -- none of OpenAI's, but of many servers that are compatible
  seed = carried("seed", "number"),
  presence_penalty = carried("presence_penalty", "number"),
  frequency_penalty = carried("frequency_penalty", "number"),
  n = carried("n", "number"),
  logit_bias = carried("logit_bias", "object"),
  verbosity = carried("verbosity", "literal"),
  -- What other dialects have no form for.
  audio = refused("it gives no spoken answers"),
  prediction = refused("it takes no predicted output"),
}
for key, read in pairs(fields_in.FIELDS) do
  FIELDS[key] = read
end

function FIELDS.max_completion_tokens(r, document, key)
  r.c.max_tokens, r.c.where.max_tokens = r:number(document, key), key
end

function FIELDS.max_tokens(r, document, key)
  if json.present(document.max_completion_tokens) then
    return r.ledger:drop(key, "max_completion_tokens stands for it")
  end
  r.c.max_tokens = r:number(document, key)
end

function FIELDS.user(r, document, key)
  if json.present(document.safety_identifier) then
    return r.ledger:drop(key, "safety_identifier stands for it")
  end
  r.c.user = r:literal(document, key)
end

function FIELDS.store(r, document, key)
  if r:flag(document, key) then
    r.c.store = "true"
  end
end

function FIELDS.modalities(r, document, key)
  local list = r:node(document, key, "array")
  if list then
    for i, word in json.each(list) do
      if word ~= "text" then
        r.ledger:refuse(("modalities[%d]"):format(i - 1), "it answers in text alone")
      end
    end
  end
end

function FIELDS.logprobs(r, document, key)
  if r:flag(document, key) then
    r.c.logprobs = json.present(document.top_logprobs) and r:number(document, "top_logprobs") or "0"
  end
end

function FIELDS.top_logprobs(r, document, key)
  r:number(document, key)
  if document.logprobs ~= true then
    r.ledger:drop(key, "it means nothing without logprobs")
  end
end

function FIELDS.stop(r, document, key)
  local kind = json.kind(json.node(document, key))
  if kind == "string" then
    r.c.stop = { r:literal(document, key) }
    return
  elseif kind ~= "array" then
    return r:wrong(key, "must be a string or a list of strings, not " .. tostring(kind))
  end
  local out, list = {}, document.stop
  for i in json.each(list) do
    local raw = json.raw(list, i)
    if raw:sub(1, 1) ~= '"' then
      return r:wrong(("stop[%d]"):format(i - 1), "must be a string, not " .. tostring(json.kind(list[i])))
    end
    out[i] = raw
  end
  r.c.stop = out
end

local SEARCH = { search_context_size = true, user_location = true }
local LOCATION = { type = true, approximate = true }

function FIELDS.web_search_options(r, document, key)
  local node = r:node(document, key, "object")
  local search = node and web_search.add(r.c, key, false)
  if not search then
    return
  end
  r.base = key
  web_search.take(r, search, node, "search_context_size", "context_size", "literal")
  r:unknown(node, SEARCH)
  local location = r:node(node, "user_location", "object")
  if location then
    r.base = key .. ".user_location"
    r:unknown(location, LOCATION)
    local place = r:node(location, "approximate", "object")
    if place then
      web_search.place(r, search, place, r.base .. ".approximate")
    end
  end
  r.base = ""
end

local STREAM_OPTIONS = { include_usage = true, include_obfuscation = true }

function FIELDS.stream_options(r, document, key)
  local options = r:node(document, key, "object")
  if not options then
    return
  end
  r.base = key
  r.c.wants_usage = r:flag(options, "include_usage")
  if json.present(options.include_obfuscation) then
    r.ledger:drop(key .. ".include_obfuscation", "no padding is added")
  end
  r:unknown(options, STREAM_OPTIONS)
  r.base = ""
end

for key, read in pairs(reasoning_in.fields) do
  FIELDS[key] = read
end

-- Structured output ---------------------------------------------------------------------------------------------

local FORMAT = { type = true, json_schema = true }
local SCHEMA = { name = true, description = true, schema = true, strict = true }

local function schema_format(r, node)
  local inner = r:node(node, "json_schema", "object")
  if not inner then
    return r:wrong("response_format.json_schema", "is missing")
  end
  r.base = "response_format.json_schema"
  local out = { kind = "schema", where = "response_format" }
  out.name, out.description = r:literal(inner, "name"), r:literal(inner, "description")
  out.schema = r:object(inner, "schema")
  r:flag(inner, "strict")
  out.strict = json.raw(inner, "strict")
  r:unknown(inner, SCHEMA)
  return out
end

function FIELDS.response_format(r, document, key)
  local node = r:node(document, key, "object")
  if not node then
    return
  end
  r.base = key
  local kind = r:name(node, "type")
  r:unknown(node, FORMAT)
  if kind == "json_schema" then
    r.c.format = schema_format(r, node)
  elseif kind == "json_object" then
    r.c.format = { kind = "json", where = key }
  elseif kind and kind ~= "text" then
    r:wrong(key .. ".type", ("is %q, which is none of text, json_object, json_schema"):format(kind))
  end
  r.base = ""
end

-- The whole -----------------------------------------------------------------------------------------------------

--- Reads a request; `nil, message, param` where it is malformed.
---@param document cliproxy.json.Node
---@param head { model: string, stream: boolean, operation?: string }
---@return cliproxy.Conversation? conversation
---@return string? message
---@return string? param
function M.decode(document, head)
  if json.kind(document) ~= "object" then
    return nil, "the request must be an object, not " .. tostring(json.kind(document))
  end
  local c = conversation.new("openai_chat", head,
    { turns = "messages", parts = "content", system = "messages", tools = "tools" })
  local r = reader.new(c)
  for key, value in json.each(document) do
    local field = FIELDS[key]
    if field then
      if value ~= json.null then
        field(r, document, key)
      end
    elseif not M.ignored[key] then
      r.ledger:warn(key --[[@as string]], "unknown to cliproxy")
    end
  end
  if not json.present(document.messages) then
    r:wrong("messages", "is missing")
  end
  reasoning_in.settle(r)
  if r.message then
    return nil, r.message, r.param
  end
  return c
end

return M
