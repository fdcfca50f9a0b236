--- A client's request as a conversation. Fields one by one in `FIELDS`; items, parts and tools have files of their own.
local conversation = require("cliproxy.conversation")
local fields_in = require("cliproxy.dialects.openai.fields_in")
local items_in = require("cliproxy.dialects.openai_responses.items_in")
local json = require("cliproxy.json")
local literal = require("cliproxy.literal")
local reader = require("cliproxy.dialects.openai_responses.reader")
local reasoning = require("cliproxy.reasoning")
local tools_in = require("cliproxy.dialects.openai_responses.tools_in")

local M = {}

--- Fields that mean nothing beyond what `head` says already.
M.ignored = { model = true, stream = true }

-- Fields that answers repeat as they were sent; `response_object` has the defaults of the others.
local ECHOED = {}
for _, key in ipairs { "instructions", "max_output_tokens", "max_tool_calls", "metadata", "parallel_tool_calls",
  "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "temperature", "tool_choice", "tools",
  "top_logprobs", "top_p", "truncation", "user" } do
  ECHOED[key] = true
end

local carried, dropped, refused = fields_in.carried, fields_in.dropped, fields_in.refused

local FIELDS = {
  input = items_in.read,
  tools = tools_in.read,
  tool_choice = tools_in.read_choice,
  max_output_tokens = carried("max_tokens", "number"),
  client_metadata = dropped("it is about the client alone"),
  -- What only a service that keeps responses can do.
  previous_response_id = refused("cliproxy keeps no responses; send the whole conversation as input"),
  conversation = refused("cliproxy keeps no conversations; send the whole conversation as input"),
  prompt = refused("only OpenAI keeps prompts; send its text as instructions and input"),
  context_management = refused("only OpenAI can compact a conversation"),
}
for key, read in pairs(fields_in.FIELDS) do
  FIELDS[key] = read
end

function FIELDS.max_tool_calls(r, document, key)
  r.own_calls = r:number(document, key)
end

function FIELDS.instructions(r, document)
  if json.kind(json.node(document, "instructions")) == "array" then
    -- As an answer shows those of a stored prompt.
    return r:wrong("instructions", "must be a string; send items as input")
  end
  r.instructions = r:literal(document, "instructions")
end

function FIELDS.user(r, document, key)
  local user = r:literal(document, key)
  if not r.c.user then
    r.c.user, r.c.where.user = user, key
  end
end

function FIELDS.store(r, document, key)
  if r:flag(document, key) then
    r.ledger:drop(key, "nothing is stored")
  end
end

function FIELDS.background(r, document, key)
  if r:flag(document, key) then
    r.ledger:refuse(key, "cliproxy keeps no responses to be fetched later; leave it out and wait, or stream")
  end
end

function FIELDS.truncation(r, document, key)
  local word = r:name(document, key)
  if word == "auto" then
    r.ledger:warn(key, "a conversation that is too long is an error there")
  elseif word and word ~= "disabled" then
    r:wrong(key, ("is %q, which is neither auto nor disabled"):format(word))
  end
end

local STREAM_OPTIONS = { include_obfuscation = true }

function FIELDS.stream_options(r, document, key)
  local options = r:node(document, key, "object")
  if options then
    if json.present(options.include_obfuscation) then
      r.ledger:drop(key .. ".include_obfuscation", "no padding is added")
    end
    r.base = key
    r:unknown(options, STREAM_OPTIONS)
    r.base = ""
  end
end

function FIELDS.top_logprobs(r, document, key)
  local count = r:number(document, key)
  if count and tonumber(count) ~= 0 then
    r.c.logprobs, r.c.where.logprobs = count, key
  end
end

-- Members of answers that only tools of the service give.
local OF_HOSTED = {
  ["web_search_call.action.sources"] = true, ["web_search_call.results"] = true, ["file_search_call.results"] = true,
  ["code_interpreter_call.outputs"] = true, ["message.input_image.image_url"] = true,
  ["computer_call_output.output.image_url"] = true,
}

function FIELDS.include(r, document, key)
  local list = r:node(document, key, "array")
  if not list then
    return
  end
  for i, word in json.each(list) do
    local path = ("include[%d]"):format(i - 1)
    if word == "reasoning.encrypted_content" then
      r.c.wants_state = true
    elseif word == "message.output_text.logprobs" then
      r.c.logprobs, r.c.where.logprobs = r.c.logprobs or "0", path
    elseif OF_HOSTED[word] then
      r.ledger:drop(path, "no such item is in the answer")
    elseif type(word) == "string" then
      r.ledger:warn(path, "unknown to cliproxy")
    else
      r:wrong(path, "must be a string, not " .. tostring(json.kind(word)))
    end
  end
end

-- Reasoning -----------------------------------------------------------------------------------------------------

local SUMMARIES = { auto = true, concise = true, detailed = true }
local REASONING = { effort = true, summary = true, generate_summary = true, context = true, mode = true }

local function effort(r, node, out)
  local word = r:name(node, "effort")
  if not word then
    return
  elseif not reasoning.is_effort(word) then
    r:wrong("reasoning.effort", ("is %q, which is none of %s"):format(word, table.concat(reasoning.EFFORTS, ", ")))
  elseif word == "none" then
    out.off = true
  else
    out.effort = word
  end
end

-- Without a summary the service tells nothing of what it thought.
local function summary(r, node, out)
  local key = json.present(node.summary) and "summary" or "generate_summary"
  local word = json.present(node[key]) and r:name(node, key)
  if word and not SUMMARIES[word] then
    r:wrong("reasoning." .. key, ("is %q, which is none of auto, concise, detailed"):format(word))
  elseif word then
    out.summary = word
  end
  out.visible = out.summary ~= nil
end

function FIELDS.reasoning(r, document, key)
  local node = r:node(document, key, "object")
  if not node then
    return
  end
  r.base = key
  local out = { where = key }
  if json.present(node.effort) then
    effort(r, node, out)
  end
  summary(r, node, out)
  if json.present(node.context) and node.context ~= "auto" then
    r.ledger:warn("reasoning.context", "it has its own rule which former reasoning it reads")
  end
  if json.present(node.mode) then
    r.ledger:warn("reasoning.mode", "it has no modes of reasoning")
  end
  r:unknown(node, REASONING)
  r.base = ""
  r.c.reasoning = out
end

-- Texts ---------------------------------------------------------------------------------------------------------

local TEXT = { format = true, verbosity = true }
local FORMAT = { type = true, name = true, description = true, schema = true, strict = true }

local function schema_format(r, node)
  local out = { kind = "schema", where = "text.format" }
  out.name, out.description = r:literal(node, "name"), r:literal(node, "description")
  out.schema = r:object(node, "schema")
  if not out.schema then
    r:wrong("text.format.schema", "is missing")
  end
  local strict = json.raw(node, "strict")
  if strict and strict ~= "null" then
    r:flag(node, "strict")
  end
  out.strict = strict
  r:unknown(node, FORMAT)
  return out
end

local function format(r, node)
  local kind = r:name(node, "type")
  if kind == "json_schema" then
    r.c.format = schema_format(r, node)
  elseif kind == "json_object" then
    r.c.format = { kind = "json", where = "text.format" }
  elseif kind and kind ~= "text" then
    r:wrong("text.format.type", ("is %q, which is none of text, json_object, json_schema"):format(kind))
  end
end

function FIELDS.text(r, document, key)
  local node = r:node(document, key, "object")
  if not node then
    return
  end
  r.base = "text"
  r.c.verbosity, r.c.where.verbosity = r:literal(node, "verbosity"), "text.verbosity"
  r:unknown(node, TEXT)
  local inner = r:node(node, "format", "object")
  if inner then
    r.base = "text.format"
    format(r, inner)
  end
  r.base = ""
end

-- The whole -----------------------------------------------------------------------------------------------------

-- It limits the service's own tools: of them only a search can cross.
local function settle_own_calls(r)
  local search = r.c.web_search
  if search then
    search.max_uses, search.paths.max_uses = r.own_calls, "max_tool_calls"
  else
    r.ledger:drop("max_tool_calls", "it limits the service's own tools alone")
  end
end

-- Members of objects that answers repeat one by one.
local INNER = { reasoning = { "effort", "summary" }, text = { "format", "verbosity" } }

local function echo_member(echo, document, key, value)
  if ECHOED[key] then
    echo[key] = json.raw(document, key)
  elseif INNER[key] and json.kind(value) == "object" then
    for _, name in ipairs(INNER[key]) do
      local raw = json.raw(value, name)
      echo[key .. "." .. name] = raw ~= "null" and raw or nil
    end
  end
end

local function read(r, document)
  local echo = r.c.operation ~= "count" and {} or nil
  for key, value in json.each(document) do
    local field = FIELDS[key]
    if field then
      if value ~= json.null then
        field(r, document, key)
      end
    elseif not M.ignored[key] then
      r.ledger:warn(key --[[@as string]], "unknown to cliproxy")
    end
    if echo and value ~= json.null then
      echo_member(echo, document, key, value)
    end
  end
  r.c.echo = echo
  tools_in.read_added(r)
  if r.instructions and not literal.is_empty(r.instructions) then
    table.insert(r.c.system, 1, { kind = "text", text = r.instructions })
  end
  if r.own_calls then
    settle_own_calls(r)
  end
end

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
  local c = conversation.new("openai_responses", head,
    { turns = "input", parts = "content", system = "instructions", tools = "tools" })
  local r = reader.new(c)
  read(r, document)
  -- Where another field stands for it, that one has been refused.
  if not json.present(document.input) and not c.ledger.refused and c.operation ~= "count" then
    r:wrong("input", "is missing")
  end
  if r.message then
    return nil, r.message, r.param
  end
  return c
end

return M
