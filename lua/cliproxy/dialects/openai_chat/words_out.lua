--- What whole answers and streams to clients share: ids, ends, counts, calls, citations.
local errors = require("cliproxy.errors")
local text = require("cliproxy.text")

local M = {}

--- What this dialect cannot say.
M.untranslatable = errors.untranslatable

--- Members that an answer and each chunk of a stream begin with.
---@param context cliproxy.Context
---@param object "chat.completion"|"chat.completion.chunk"
---@param head { model?: string, created?: integer } of an answer
---@return string
function M.head(context, object, head)
  return ('"id":%s,"object":"%s","created":%d,"model":%s'):format(
    text.quote("chatcmpl-" .. context.id:gsub("^req_", "")), object, head.created or os.time(),
    text.quote(head.model or context.target.model))
end

local FINISH = { ["end"] = "stop", stop_sequence = "stop", length = "length", tool_calls = "tool_calls",
  refusal = "content_filter", filter = "content_filter" }

--- The word for an end; nil for a pause, which this dialect has not.
---@param context cliproxy.Context
---@param stop cliproxy.Stop
---@return string?
function M.finish_reason(context, stop)
  if stop == "tool_calls" and context.conversation.old_functions then
    return "function_call"
  end
  return FINISH[stop]
end

--- What is said of a pause.
M.PAUSED = "it paused in the middle, to be asked to go on"
--- What is said of a second call to a client that knows but one.
M.SECOND_CALL = "it calls several functions, and function_call holds one; send tools instead of functions"

-- Counts --------------------------------------------------------------------------------------------------------

local function details(name, list)
  local out = {}
  for _, row in ipairs(list) do
    if row[2] then
      out[#out + 1] = ('"%s":%d'):format(row[1], row[2])
    end
  end
  return out[1] and ',"' .. name .. '":{' .. table.concat(out, ",") .. "}" or ""
end

--- The value of `usage`; nil where nothing is known. Its three counts must be there: of a prompt that was not counted
--- an estimate is given.
---@param context cliproxy.Context
---@param usage? cliproxy.TokenUsage
---@return cliproxy.JsonText?
function M.usage(context, usage)
  if not usage or not (usage.input or usage.output) then
    return nil
  end
  local input, output = usage.input or context.estimate(), usage.output or 0
  return ('{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d'):format(input, output, input + output)
    .. details("prompt_tokens_details", { { "cached_tokens", usage.cached },
      { "cache_write_tokens", usage.cache_written } })
    .. details("completion_tokens_details", { { "reasoning_tokens", usage.reasoning } }) .. "}"
end

-- Citations -----------------------------------------------------------------------------------------------------

--- The annotation of a source; nil for places in the request's documents, which this dialect cannot point to.
---@param citation cliproxy.Citation
---@return string?
function M.annotation(citation)
  if not citation.url then
    return nil
  end
  local from = citation.from or citation.to or 0
  return ('{"type":"url_citation","url_citation":{"end_index":%d,"start_index":%d,"title":'):format(
    citation.to or from, from) .. (citation.title or '""') .. ',"url":' .. citation.url .. "}}"
end

--- Whether the client said that it does not want to read the thoughts.
---@param context cliproxy.Context
---@return boolean
function M.hides_thoughts(context)
  local asked = context.conversation.reasoning
  return asked ~= nil and asked.visible == false
end

-- Reasoning state -----------------------------------------------------------------------------------------------

--- Keeps reasoning with state, which clients of this dialect cannot carry, under the first call of the answer. Calls
--- of the time before ids cannot be found again.
---@param context cliproxy.Context
---@param first_call? cliproxy.KeptCall
---@param parts cliproxy.Part[] all the reasoning of the answer, in order
function M.remember(context, first_call, parts)
  if not first_call or context.conversation.old_functions then
    return
  end
  for _, part in ipairs(parts) do
    if part.state then
      return context.remember(first_call, parts)
    end
  end
end

return M
