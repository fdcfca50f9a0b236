--- A whole answer as the client's completion.
local conversation = require("cliproxy.conversation")
local literal = require("cliproxy.literal")
local text = require("cliproxy.text")
local words_out = require("cliproxy.dialects.openai_chat.words_out")

local M = {}

---@class cliproxy.openai_chat.Message what the parts of an answer add up to
---@field texts cliproxy.Literal[]
---@field refusals cliproxy.Literal[]
---@field thoughts cliproxy.Literal[]
---@field calls cliproxy.Part[]
---@field reasoning cliproxy.Part[]
---@field annotations string[]

local ADD = {}

function ADD.text(message, part)
  if not literal.is_empty(part.text) then
    message.texts[#message.texts + 1] = part.text
  end
  for _, citation in ipairs(part.citations or {}) do
    message.annotations[#message.annotations + 1] = words_out.annotation(citation)
  end
end

function ADD.refusal(message, part)
  if not literal.is_empty(part.text) then
    message.refusals[#message.refusals + 1] = part.text
  end
end

function ADD.reasoning(message, part)
  message.reasoning[#message.reasoning + 1] = part
  if not literal.is_empty(part.text) then
    message.thoughts[#message.thoughts + 1] = part.text
  end
end

function ADD.tool_call(message, part)
  message.calls[#message.calls + 1] = part
end

local function call(part)
  local name, arguments = text.quote(part.name), conversation.arguments_of(part)
  if part.custom then
    return '{"id":' .. text.quote(part.id) .. ',"type":"custom","custom":{"name":' .. name .. ',"input":' .. arguments
      .. "}}"
  end
  return '{"id":' .. text.quote(part.id) .. ',"type":"function","function":{"name":' .. name .. ',"arguments":'
    .. arguments .. "}}"
end

-- The member that holds the calls: "" where there is none.
local function calls_member(context, calls)
  if #calls == 0 then
    return ""
  elseif not context.conversation.old_functions then
    local out = {}
    for i, part in ipairs(calls) do
      out[i] = call(part)
    end
    return ',"tool_calls":[' .. table.concat(out, ",") .. "]"
  elseif #calls > 1 then
    return nil, words_out.untranslatable(context, words_out.SECOND_CALL)
  end
  return ',"function_call":{"name":' .. text.quote(calls[1].name) .. ',"arguments":'
    .. conversation.arguments_of(calls[1]) .. "}"
end

local function collect(answer, context)
  local message = { texts = {}, refusals = {}, thoughts = {}, calls = {}, reasoning = {}, annotations = {} }
  for _, part in ipairs(answer.parts) do
    local add = ADD[part.kind]
    if not add then
      return nil, words_out.untranslatable(context, "a part of kind " .. tostring(part.kind))
    end
    add(message, part)
  end
  if message.thoughts[1] and words_out.hides_thoughts(context) then
    message.thoughts = {}
  end
  if not message.refusals[1] and answer.stop == "refusal" and not literal.is_empty(answer.explanation) then
    message.refusals[1] = answer.explanation
  end
  return message
end

local function message_text(message, calls)
  local content = message.texts[1] and literal.concat(message.texts)
    or (message.calls[1] or message.refusals[1]) and "null" or '""'
  return '{"role":"assistant","content":' .. content
    .. (message.thoughts[1] and ',"reasoning_content":' .. literal.concat(message.thoughts, "\\n\\n") or "") .. calls
    .. ',"refusal":' .. (message.refusals[1] and literal.concat(message.refusals) or "null")
    .. ',"annotations":[' .. table.concat(message.annotations, ",") .. "]}"
end

--- The body; nil and a failure where the answer has something that a completion cannot hold.
---@param answer cliproxy.Answer
---@param context cliproxy.Context
---@return string? body
---@return cliproxy.Failure? failure
function M.encode(answer, context)
  local finish = words_out.finish_reason(context, answer.stop)
  if not finish then
    return nil, words_out.untranslatable(context, words_out.PAUSED)
  end
  local message, failure = collect(answer, context)
  if not message then
    return nil, failure
  end
  local calls
  calls, failure = calls_member(context, message.calls)
  if not calls then
    return nil, failure
  end
  local first = message.calls[1]
  words_out.remember(context, first and { id = first.id, name = first.name,
    arguments = conversation.arguments_of(first) }, message.reasoning)
  local usage = words_out.usage(context, answer.usage)
  return "{" .. words_out.head(context, "chat.completion", answer) .. ',"choices":[{"index":0,"message":'
    .. message_text(message, calls) .. ',"logprobs":null,"finish_reason":"' .. finish .. '"}]'
    .. (usage and ',"usage":' .. usage or "") .. "}"
end

return M
