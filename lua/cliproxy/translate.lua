--- Requests on their way to a provider that does not speak the client's dialect: which of its dialects, and the body
--- in that dialect. docs/conversation.md says how codecs work; `translate_answer` brings the answer back.
local completions = require("cliproxy.dialects.completions")
local custom_tools = require("cliproxy.custom_tools")
local dialects = require("cliproxy.dialects")
local embeddings = require("cliproxy.dialects.embeddings")
local errors = require("cliproxy.errors")
local foreign_state = require("cliproxy.foreign_state")
local log = require("cliproxy.log")
local models = require("cliproxy.models")
local reasoning_cache = require("cliproxy.reasoning_cache")
local token_estimate = require("cliproxy.token_estimate")

local M = {}

---@class cliproxy.Translation of one attempt
---@field client table the client's codec: a dialect, or completions
---@field upstream table the provider's dialect
---@field conversation? cliproxy.Conversation
---@field common? table of an embedding
---@field context cliproxy.Context
---@field body string|string[] text, or pieces of it
---@field path_key string the operation as the upstream's `path` knows it
---@field lowered? table<string, boolean> tools of free text that went as functions

-- What the text of a refusal names.
local function facts(work, dialect, entry)
  return {
    path = entry.path, provider = work.target.instance.name, title = dialects.of(dialect).title,
    text = (entry.why:gsub("%.$", "")), param = entry.path,
  }
end

---@param work cliproxy.Work
---@param dialect string
---@return cliproxy.Target
local function target_of(work, dialect)
  local instance, model = work.target.instance, work.target.model
  return {
    dialect = dialect, provider = instance.name, model = model, version = instance.options.version,
    caps = models.caps(model, dialect, instance.caps, work.snapshot.config.models),
  }
end

-- Functions of a context that few answers ask for: made when they are.
local MADE = {}

function MADE.estimate(context)
  local target, known = context.target, nil
  return function()
    known = known or token_estimate.request(context.conversation, target.dialect, target.model)
    return known
  end
end

function MADE.remember(context)
  local target = context.target
  return function(call, parts)
    for _, part in ipairs(parts) do
      if part.state and not part.state.origin then
        part.state.origin = { dialect = target.dialect, provider = target.provider, model = target.model }
      end
    end
    reasoning_cache.put(context.owner, call, parts)
  end
end

local CONTEXT = {
  __index = function(context, key)
    local fn = MADE[key] and MADE[key](context)
    context[key] = fn
    return fn
  end,
}

local function context_of(work, c, target)
  return setmetatable({ id = work.id, conversation = c, target = target, framing = work.framing,
    owner = work.key or "" }, CONTEXT)
end

--- What the ledger holds, as a failure or as warnings for the client.
local function judge(work, dialect, ledger)
  local refused = ledger.refused
  if refused then
    return errors.new("not_expressible", facts(work, dialect, refused))
  end
  work.ledger = ledger
  if ledger.entries[1] and log.enabled("debug") then
    for _, entry in ipairs(ledger.entries) do
      log.debug(("%s %s %s: %s"):format(work.id, entry.path, entry.action, entry.why))
    end
  end
  if ledger.entries[1] then
    for _, entry in ipairs(work.snapshot.config.strict and ledger.entries or {}) do
      if entry.warn then
        return errors.new("strict_refused", facts(work, dialect, entry))
      end
    end
    local warnings = work.warnings or {} -- filters may have given some
    for _, line in ipairs(ledger:warnings()) do
      warnings[#warnings + 1] = line
    end
    work.warnings = warnings[1] and warnings or nil
  end
end

-- The head that a decoder of requests gets beside the body.
local function head_of(work)
  return {
    model = work.model, stream = work.stream, operation = work.operation == "count" and "count" or "generate",
    owner = work.key,
    version = work.dialect == "anthropic" and work.exchange:header("anthropic-version") or nil,
  }
end

local function encode(work, client, c, dialect)
  local target = target_of(work, dialect)
  local upstream = dialects.of(dialect)
  local caps = target.caps
  local lowered = caps.custom_tools_as_functions and not caps.custom_tools and custom_tools.lower(c) or nil
  local body = upstream.encode_pieces(c, target)
  local failure = judge(work, dialect, c.ledger)
  if failure then
    return nil, failure
  end
  ---@type cliproxy.Translation
  return {
    client = client, upstream = upstream, conversation = c, context = context_of(work, c, target), body = body,
    path_key = c.operation, lowered = lowered,
  }
end

local function generate(work, client, candidates)
  local first
  for _, dialect in ipairs(candidates) do
    -- Decoded anew for each: encoders may leave marks in it, and a second try is rare.
    local c, message, param = client.decode_request(work.document, head_of(work))
    if not c then
      return nil, errors.new("request_malformed", { text = message, param = param })
    end
    local translation, failure = encode(work, client, c, dialect)
    if translation then
      return translation
    end
    first = first or failure
  end
  return nil, first
end

local function embed(work, dialect)
  local batch = work.endpoint.upstream == "embed_batch"
  local common, message, param = embeddings.decode_request(work.dialect, work.document, head_of(work), batch)
  if not common then
    return nil, errors.new("request_malformed", { text = message, param = param })
  end
  local target = target_of(work, dialect)
  local body, path_key = embeddings.encode_request(dialect, common, target)
  local failure = judge(work, dialect, common.ledger)
  if failure then
    return nil, failure
  end
  return {
    client = embeddings, upstream = embeddings, common = common, body = body, path_key = path_key,
    context = { id = work.id, target = target, framing = "sse", conversation = common },
  }
end

-- By instance, collected with its generation, then by operation.
---@type table<cliproxy.Instance, table<string, string[]>>
local known_speakers = setmetatable({}, { __mode = "k" })

local function find_speakers(instance, operation)
  local out = {}
  for _, dialect in ipairs(instance.speaks) do
    local upstream = dialects.of(dialect)
    if operation == "embed" and embeddings.speaks[dialect]
      or operation == "generate"
      or operation == "count" and not instance.own and upstream.decode_count and upstream.path("count", "", false) then
      out[#out + 1] = dialect
    end
  end
  return out
end

-- Dialects of an instance in which an operation can be asked for, best first.
local function speakers(instance, operation)
  local of_instance = known_speakers[instance]
  if not of_instance then
    of_instance = {}
    known_speakers[instance] = of_instance
  end
  local list = of_instance[operation]
  if not list then
    list = find_speakers(instance, operation)
    of_instance[operation] = list
  end
  return list
end

local function unsupported(work)
  return errors.new("operation_unsupported", { provider = work.target.instance.name,
    what = work.operation .. " operation" })
end

--- Counts that the provider does not make: answered by an estimate of our own.
local function estimate(work)
  local client = dialects.of(work.dialect)
  local c, message, param = client.decode_request(work.document, head_of(work))
  if not c then
    return nil, errors.new("request_malformed", { text = message, param = param })
  end
  work.estimated = token_estimate.request(c, work.target.instance.speaks[1] or work.dialect, work.target.model)
  return nil, nil, client.encode_count(work.estimated)
end

--- What is answered instead of a count that a provider turned out not to make; a failure where the request is bad.
---@param work cliproxy.Work
---@return string? body
---@return cliproxy.Failure? failure
function M.estimate(work)
  local _, failure, body = estimate(work)
  return body, failure
end

-- Whether a request of the client's own dialect goes on as it is.
local function passes(work, instance)
  if not instance.dialects[work.dialect] then
    return false
  elseif work.operation == "complete" then
    local caps = models.caps(work.target.model, "openai_chat", instance.caps, work.snapshot.config.models)
    return caps.completions ~= false
  elseif work.operation == "count" and instance.own then
    return false
  end
  return true
end

--- How a request reaches its target: nil where it passes in its own dialect; a translation; a failure; or the body of
--- an answer that needs no provider (an estimated count).
---@param work cliproxy.Work `target` is set
---@return cliproxy.Translation? translation
---@return cliproxy.Failure? failure
---@return string? answer
function M.plan(work)
  local instance = work.target.instance
  if passes(work, instance) then
    return nil
  end
  local operation = work.operation == "complete" and "generate" or work.operation
  local candidates = speakers(instance, operation)
  if operation == "count" and not candidates[1] then
    return estimate(work)
  elseif not candidates[1] then
    return nil, unsupported(work)
  elseif operation == "embed" then
    return embed(work, candidates[1])
  end
  local client = work.operation == "complete" and completions or dialects.of(work.dialect)
  local translation, failure = generate(work, client, candidates)
  if failure and operation == "count" and failure.code == "not_expressible" then
    -- Clients also count pieces that could not stand alone: a result without its call.
    return estimate(work)
  end
  return translation, failure
end

--- Takes state of other dialects' providers out of a request that passes in its own dialect.
---@param work cliproxy.Work
function M.drop_foreign_state(work)
  if foreign_state.may_be_in(work.dialect) and work.exchange:contains(foreign_state.MARK) then
    foreign_state.remove(work.dialect, work.document)
  end
end

return M
