--- The words that a provider's whole answers and streams share. Servers that are compatible differ in much: lists of
--- parts as content, thoughts under several names, ends that OpenAI has not.
local errors = require("cliproxy.errors")
local json = require("cliproxy.json")
local literal = require("cliproxy.literal")
local upstream_error = require("cliproxy.upstream_error")
local values = require("cliproxy.dialects.values")

local M = {}

local pick = json.pick
local object, list, word, whole = values.object, values.list, values.word, values.whole

M.malformed, M.untranslatable, M.unfinished = errors.malformed, errors.untranslatable, errors.unfinished

-- Failures ------------------------------------------------------------------------------------------------------

local function status_word(failed)
  for _, key in ipairs { "code", "status_code", "status", "type" } do
    local value = failed[key]
    if (type(value) == "string" or type(value) == "number") and upstream_error.status_of(value) ~= 502 then
      return value
    end
  end
end

--- What a server says under `error`: an object, or the message alone.
---@param context cliproxy.Context
---@param failed any
---@return cliproxy.Failure
function M.failure(context, failed)
  local message, code = word(failed), nil
  failed = object(failed)
  if failed then
    message, code = word(failed.message), status_word(failed)
  end
  return upstream_error.of_event(context.target, message, code)
end

-- Words ---------------------------------------------------------------------------------------------------------

---@param document cliproxy.json.Node
---@return { id?: string, model?: string, created?: integer }
function M.head(document)
  local id, model, created = pick(document, "id", "model", "created")
  return { id = word(id), model = word(model), created = created and whole(created) }
end

-- What stands under these names, where it is a count.
local function counts(input, output, total, cached, written, hit, thought)
  input, output, total = input and whole(input), output and whole(output), total and whole(total)
  -- Some servers count thoughts beside the completion; their total tells.
  if total and input and output and total > input + output then
    output = total - input
  end
  if not (cached or written or hit or thought) then
    return { input = input, output = output }
  end
  return {
    input = input, output = output, reasoning = thought and whole(thought),
    cached = cached and whole(cached) or hit and whole(hit), cache_written = written and whole(written),
  }
end

M.counts = counts

--- The counts of an answer or a chunk: some servers have them in a place of their own.
---@param document cliproxy.json.Node
---@param choice? cliproxy.json.Node
---@return cliproxy.TokenUsage?
function M.usage(document, choice)
  local usage, groq = pick(document, "usage", "x_groq.usage")
  usage = object(usage) or object(groq) or object((pick(choice, "usage")))
  return usage and counts(pick(usage, "prompt_tokens", "completion_tokens", "total_tokens",
    "prompt_tokens_details.cached_tokens", "prompt_tokens_details.cache_write_tokens", "prompt_cache_hit_tokens",
    "completion_tokens_details.reasoning_tokens"))
end

--- The client's name of a tool.
---@param context cliproxy.Context
---@param name string
---@return string
function M.tool_name(context, name)
  return context.conversation.names[name] or name
end

--- Sources of a text; nil: none.
---@param message cliproxy.json.Node a message or delta
---@return cliproxy.Citation[]?
function M.citations(message)
  local out
  if list(message.annotations) then
    for _, annotation in json.each(message.annotations) do
      local cited = object(annotation) and object(annotation.url_citation)
      local url = cited and literal.read(cited, "url")
      if url then
        out = out or {}
        out[#out + 1] = { kind = "url", url = url, title = literal.read(cited, "title"),
          from = whole(cited.start_index), to = whole(cited.end_index) }
      end
    end
  end
  return out
end

-- Content -------------------------------------------------------------------------------------------------------

-- The texts in a list of objects, as they follow each other.
local function texts(node, key)
  local out = {}
  for _, part in json.each(node) do
    local shown = object(part) and (literal.read(part, key) or literal.read(part, "summary"))
    if shown and shown ~= '""' then
      out[#out + 1] = shown
    end
  end
  return out[1] and literal.concat(out)
end

--- The thoughts in a message or delta; nil: none. The same text may stand there under two names. What OpenRouter has
--- beside it in reasoning_details, signed or encrypted, is left out: it comes in pieces, some of them behind the calls
--- that they belong to.
---@param message cliproxy.json.Node
---@return cliproxy.Literal?
function M.reasoning(message)
  local shown = literal.read(message, "reasoning_content")
  if shown and #shown > 2 then
    return shown
  end
  shown = literal.read(message, "reasoning")
  if shown and #shown > 2 then
    return shown
  end
  return list(message.reasoning_details) and texts(message.reasoning_details, "text") or nil
end

local PARTS = {}

function PARTS.text(part, tell)
  tell("text", literal.read(part, "text"))
end

function PARTS.refusal(part, tell)
  tell("refusal", literal.read(part, "refusal"))
end

-- Mistral's thoughts.
function PARTS.thinking(part, tell)
  tell("reasoning", list(part.thinking) and texts(part.thinking, "text") or literal.read(part, "thinking"))
end

-- Mistral's marks of sources: numbers that only its own documents explain.
function PARTS.reference() end

--- Content that is a list: `tell` is called with a kind and a text for each part.
---@param context cliproxy.Context
---@param content cliproxy.json.Node
---@param tell fun(kind: "text"|"refusal"|"reasoning", shown: cliproxy.Literal?)
---@return cliproxy.Failure?
function M.each_part(context, content, tell)
  for _, part in json.each(content) do
    local kind = object(part) and part.type
    local read = PARTS[kind or 0]
    if not read then
      return M.untranslatable(context, ("a part of type %q in a message"):format(tostring(kind)))
    end
    read(part, tell)
  end
end

--- What no other dialect has in an answer: speech, pictures.
---@param context cliproxy.Context
---@param message cliproxy.json.Node
---@return cliproxy.Failure?
function M.foreign(context, message)
  if json.present(message.audio) then
    return M.untranslatable(context, "a spoken answer")
  elseif list(message.images) and #message.images > 0 then
    return M.untranslatable(context, "pictures in an answer")
  end
end

-- The end -------------------------------------------------------------------------------------------------------

local STOPS = {
  stop = "end", length = "length", tool_calls = "tool_calls", function_call = "tool_calls", content_filter = "filter",
  -- Of servers that are compatible.
  eos = "end", eos_token = "end", end_turn = "end", STOP = "end", stop_sequence = "end",
  max_tokens = "length", MAX_TOKENS = "length", model_length = "length",
  tool_use = "tool_calls", safety = "filter", SAFETY = "filter",
}

-- The sequence of the request that vLLM says it stopped at.
local function sequence_of(context, choice)
  local found = literal.read(choice, "stop_reason")
  for _, asked in ipairs(found and context.conversation.stop or {}) do
    if literal.text(asked) == literal.text(found) then
      return found
    end
  end
end

--- Why an answer ended.
---@param context cliproxy.Context
---@param finish any `finish_reason`
---@param called boolean a call is there
---@param refused boolean a refusal is there
---@return cliproxy.Stop? stop
---@return cliproxy.Failure? failure
function M.stop(context, finish, called, refused)
  local stop = STOPS[finish]
  if not stop then
    return nil, M.untranslatable(context, ("an end with the reason %q"):format(tostring(finish)))
  elseif stop == "length" or stop == "filter" then
    return stop
  end
  return called and "tool_calls" or refused and "refusal" or "end"
end

--- Which stop sequence ended it, where the server says so.
---@param context cliproxy.Context
---@param choice cliproxy.json.Node
---@return cliproxy.Literal?
function M.sequence(context, choice)
  return context.conversation.stop and choice.stop_reason ~= nil and choice.finish_reason == "stop"
    and sequence_of(context, choice) or nil
end

return M
