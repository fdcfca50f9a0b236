--- An answer for the client, and the words that its streams share with it: parts, usage, ends, sources.
---
--- Thoughts are told only to clients that asked for them (`includeThoughts`), as by the service. Sources of a text are
--- `groundingMetadata`, where those of a search stand and titles have a place; their positions, which count
--- characters, are left out: the service counts bytes.
local conversation = require("cliproxy.conversation")
local errors = require("cliproxy.errors")
local literal = require("cliproxy.literal")
local opaque = require("cliproxy.opaque")
local text = require("cliproxy.text")

local M = {}

local quote = text.quote

--- The member that carries a state; `signature` is its JSON text.
---@param signature? string
---@return string
function M.signed(signature)
  return signature and ',"thoughtSignature":' .. signature or ""
end

--- A state as the client echoes it, as JSON text.
---@param state cliproxy.State
---@param context cliproxy.Context
---@return string
function M.signature(state, context)
  return '"' .. opaque.seal(state, context.target) .. '"'
end

---@param words cliproxy.Literal
---@param signature? string
---@return string
function M.text_part(words, signature)
  return '{"text":' .. words .. M.signed(signature) .. "}"
end

---@param words cliproxy.Literal
---@return string
function M.thought_part(words)
  return '{"text":' .. words .. ',"thought":true}'
end

--- Whether the client asked for thoughts.
---@param context cliproxy.Context
---@return boolean
function M.shows_thoughts(context)
  local asked = context.conversation.reasoning
  return asked ~= nil and asked.visible == true
end

--- A call; nil where its arguments are no object.
---@param call { id: string, name: string, input?: cliproxy.JsonText, arguments?: cliproxy.Literal }
---@param signature? string
---@return string?
function M.call_part(call, signature)
  local input = conversation.input_of(call)
  if not input then
    return nil
  end
  return '{"functionCall":{"name":' .. quote(call.name) .. ',"args":' .. input
    .. (call.id and call.id ~= "" and ',"id":' .. quote(call.id) or "") .. "}" .. M.signed(signature) .. "}"
end

--- What is said of such a call: this dialect has no parts of arguments.
---@param call { name: string }
---@param stop cliproxy.Stop
---@param context cliproxy.Context
---@return cliproxy.Failure
function M.broken_call(call, stop, context)
  local words = stop == "length" and "the answer reached its longest in the middle of a call of %s, whose arguments "
    .. "are cut; raise maxOutputTokens" or "the arguments of a call of %s are no JSON object"
  return errors.untranslatable(context, words:format(text.excerpt(call.name, 64)))
end

-- Ends and usage ------------------------------------------------------------------------------------------------

local REASONS = { length = "MAX_TOKENS", filter = "SAFETY", refusal = "SAFETY" }

--- An answer that stopped with "pause", for which there is no word here: "STOP" would be an answer that is whole.
---@param context cliproxy.Context
---@return cliproxy.Failure
function M.paused(context)
  return errors.untranslatable(context, "it paused in the middle, to be asked to go on")
end

--- The members of a candidate that say why it ended.
---@param stop cliproxy.Stop
---@param explanation? cliproxy.Literal
---@return string
function M.finish(stop, explanation)
  local reason = REASONS[stop] or "STOP"
  return ',"finishReason":"' .. reason .. '"'
    .. (reason == "SAFETY" and not literal.is_empty(explanation) and ',"finishMessage":' .. explanation or "")
end

local function counted(key, value)
  return value and (',"%s":%d'):format(key, value) or ""
end

--- `,"usageMetadata":{…}`; "" where the prompt's count, which must be in it, is not known.
---@param usage? cliproxy.TokenUsage
---@return string
function M.usage(usage)
  if not usage or not usage.input then
    return ""
  end
  local thoughts, output = usage.reasoning, usage.output
  thoughts = thoughts and output and math.min(thoughts, output) or thoughts
  return ',"usageMetadata":{' .. counted("promptTokenCount", usage.input):sub(2)
    .. counted("candidatesTokenCount", output and output - (thoughts or 0))
    .. counted("totalTokenCount", usage.input + (output or thoughts or 0))
    .. counted("cachedContentTokenCount", usage.cached) .. counted("thoughtsTokenCount", thoughts) .. "}"
end

--- What every chunk says behind the usage.
---@param head { id?: string, model?: string }
---@param context cliproxy.Context
---@return string
function M.identity(head, context)
  return ',"modelVersion":' .. quote(head.model or context.target.model) .. ',"responseId":'
    .. quote(head.id or context.id)
end

--- `,"groundingMetadata":{…}`; "" where there are no sources.
---@param citations cliproxy.Citation[]
---@return string
function M.grounding(citations)
  local out = {}
  for i, one in ipairs(citations) do
    local members = {}
    members[1] = one.url and '"uri":' .. one.url
    members[#members + 1] = one.title and '"title":' .. one.title
    if not one.url and one.quote then
      members[#members + 1] = '"text":' .. one.quote
    end
    out[i] = '{"' .. (one.url and "web" or "retrievedContext") .. '":{' .. table.concat(members, ",") .. "}}"
  end
  return out[1] and ',"groundingMetadata":{"groundingChunks":[' .. table.concat(out, ",") .. "]}" or ""
end

-- Whole answers -------------------------------------------------------------------------------------------------

-- Parts as JSON texts, and the sources of its texts; nil and a failure where one cannot be told.
local function parts_of(answer, context)
  local out, citations, waiting = {}, {}, nil
  local shown = M.shows_thoughts(context)
  for _, part in ipairs(answer.parts) do
    if part.kind == "reasoning" then
      if shown and not literal.is_empty(part.text) then
        out[#out + 1] = M.thought_part(part.text)
      end
      if part.state then
        out[#out + 1] = waiting and M.text_part('""', waiting)
        waiting = M.signature(part.state, context)
      end
    elseif part.kind == "tool_call" then
      local piece = M.call_part(part, waiting)
      if not piece then
        return nil, M.broken_call(part, answer.stop, context)
      end
      out[#out + 1], waiting = piece, nil
    elseif not literal.is_empty(part.text) then
      out[#out + 1], waiting = M.text_part(part.text, waiting), nil
      for _, citation in ipairs(part.citations or {}) do
        citations[#citations + 1] = citation
      end
    end
  end
  out[#out + 1] = waiting and M.text_part('""', waiting)
  return out, citations
end

--- The body of a whole answer; nil and a failure where it cannot be told.
---@param answer cliproxy.Answer
---@param context cliproxy.Context
---@return string?
---@return cliproxy.Failure?
function M.encode(answer, context)
  if answer.stop == "pause" then
    return nil, M.paused(context)
  end
  local parts, citations = parts_of(answer, context)
  if not parts then
    return nil, citations --[[@as cliproxy.Failure]]
  end
  return '{"candidates":[{"content":{' .. (parts[1] and '"parts":[' .. table.concat(parts, ",") .. "]," or "")
    .. '"role":"model"}' .. M.finish(answer.stop, answer.explanation) .. ',"index":0' .. M.grounding(citations) .. "}]"
    .. M.usage(answer.usage) .. M.identity(answer, context) .. "}"
end

return M
