--- A provider's completion as an answer.
local json = require("cliproxy.json")
local literal = require("cliproxy.literal")
local values = require("cliproxy.dialects.values")
local words_in = require("cliproxy.dialects.openai_chat.words_in")

local M = {}

local type = type
local kind_of, members, null, pick = json.kind, json.members, json.null, json.pick
local object, list, word, whole = values.object, values.list, values.word, values.whole

-- Fills in the arguments: text, or the object itself from servers that have it so.
local function read_arguments(part, inner, key)
  part.arguments = literal.read(inner, key)
  if not part.arguments then
    part.input = kind_of(inner[key]) == "object" and json.raw(inner, key) or nil
    part.arguments = not part.input and '""' or nil
  end
end

-- The call in an element of `tool_calls`.
local function read_call(context, call)
  local custom = object(call) and object(call.custom)
  local inner = custom or object(call) and object(call["function"])
  local name = inner and word(inner.name)
  if not name then
    return nil, words_in.malformed(context, "a call without a name")
  end
  local part = { kind = "tool_call", id = word(call.id), name = words_in.tool_name(context, name),
    custom = custom and true or nil }
  read_arguments(part, inner, custom and "input" or "arguments")
  return part
end

local function read_calls(context, message, parts)
  local n = 0
  if list(message.tool_calls) then
    for _, call in json.each(message.tool_calls) do
      local part, failure = read_call(context, call)
      if not part then
        return failure
      end
      n = n + 1
      parts[#parts + 1] = part
    end
  end
  local old = n == 0 and object(message.function_call)
  if old then
    local name = word(old.name)
    if not name then
      return words_in.malformed(context, "a call without a name")
    end
    local part = { kind = "tool_call", name = words_in.tool_name(context, name) }
    read_arguments(part, old, "arguments")
    parts[#parts + 1] = part
  end
end

local function add(parts, kind, shown)
  if shown and shown ~= '""' then
    parts[#parts + 1] = { kind = kind, text = shown }
  end
end

-- Content that is no string.
local function read_content(context, content, parts)
  if kind_of(content) == "array" then
    return words_in.each_part(context, content, function(kind, shown)
      add(parts, kind, shown)
    end)
  end
end

local function cite(message, parts)
  local citations = words_in.citations(message)
  for i = #parts, 1, -1 do
    if parts[i].kind == "text" then
      parts[i].citations = citations
      return
    end
  end
end

local function has(parts, kind)
  for i = 1, #parts do
    if parts[i].kind == kind then
      return true
    end
  end
  return false
end

-- The choice that is the answer: more than one is never asked for.
local function choice_of(document)
  local choices = list(document.choices)
  if choices then
    for _, choice in json.each(choices) do
      if object(choice) and (choice.index == 0 or choice.index == nil or choice.index == null) then
        return choice
      end
    end
    return object(choices[1])
  end
end

-- Most messages are one text: what else one may hold is read where it is there.
local function read_message(context, message)
  local n, content, refusal, calls, old, thoughts, reasoning, details, audio, images, annotations = members(message,
    "content", "refusal", "tool_calls", "function_call", "reasoning_content", "reasoning", "reasoning_details",
    "audio", "images", "annotations")
  if not n then
    return nil, words_in.malformed(context, "its choice has no message")
  end
  local parts, failure = {}, nil
  if thoughts or reasoning or details then
    add(parts, "reasoning", words_in.reasoning(message))
  end
  if audio ~= nil or images then
    failure = words_in.foreign(context, message)
  end
  if not failure and type(content) == "string" then
    add(parts, "text", content)
  elseif not failure then
    failure = read_content(context, content, parts)
  end
  if failure then
    return nil, failure
  end
  if annotations then
    cite(message, parts)
  end
  if refusal then
    add(parts, "refusal", type(refusal) == "string" and refusal)
  end
  failure = (calls or old) and read_calls(context, message, parts)
  return not failure and parts or nil, failure
end

-- Its counts, which most servers have in the same place.
local function usage_of(document, choice)
  local input, output, total, cached, written, hit, thought = pick(document, "usage.prompt_tokens",
    "usage.completion_tokens", "usage.total_tokens", "usage.prompt_tokens_details.cached_tokens",
    "usage.prompt_tokens_details.cache_write_tokens", "usage.prompt_cache_hit_tokens",
    "usage.completion_tokens_details.reasoning_tokens")
  if input and output then
    return words_in.counts(input, output, total, cached, written, hit, thought)
  end
  return words_in.usage(document, choice or choice_of(document))
end

-- Why it ended; a whole answer is whole without a reason, too.
local function stop_of(context, document, choice, finish, parts)
  local stop, failure = words_in.stop(context, word(finish) or "stop", has(parts, "tool_call"), has(parts, "refusal"))
  if stop == "end" and context.conversation.stop then
    local sequence = words_in.sequence(context, choice or choice_of(document))
    return sequence and "stop_sequence" or "end", nil, sequence
  end
  return stop, failure
end

--- Reads a whole answer.
---@param document any
---@param context cliproxy.Context
---@return cliproxy.Answer? answer
---@return cliproxy.Failure? failure
function M.decode(document, context)
  if kind_of(document) == "array" then
    document = document[1] -- an error of Gemini's compatible server
  end
  if kind_of(document) ~= "object" then
    return nil, words_in.malformed(context, "it is no object")
  end
  local id, model, created, failed, index, message, finish, broken = pick(document, "id", "model", "created", "error",
    "choices.1.index", "choices.1.message", "choices.1.finish_reason", "choices.1.error")
  if failed ~= nil then
    return nil, words_in.failure(context, failed)
  end
  local choice
  if index ~= 0 or message == nil then
    choice = choice_of(document)
    message, finish, broken = pick(choice, "message", "finish_reason", "error")
    if not choice then
      return nil, words_in.malformed(context, "it has no choices")
    end
  end
  if broken ~= nil then
    return nil, words_in.failure(context, broken)
  end
  local parts, failure = read_message(context, message)
  if not parts then
    return nil, failure
  end
  local stop, sequence
  stop, failure, sequence = stop_of(context, document, choice, finish, parts)
  if not stop then
    return nil, failure
  end
  return {
    id = word(id), model = word(model), created = created and whole(created), parts = parts, stop = stop,
    stop_sequence = sequence, usage = usage_of(document, choice),
  }
end

return M
