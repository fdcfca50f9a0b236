--- A whole answer as the client's Message; also the pieces that its streams share with it.
local conversation = require("cliproxy.conversation")
local errors = require("cliproxy.errors")
local literal = require("cliproxy.literal")
local opaque = require("cliproxy.opaque")
local text = require("cliproxy.text")
local tool_names = require("cliproxy.tool_names")

local M = {}

local format, sub = string.format, string.sub
local quote = text.quote

-- Words ---------------------------------------------------------------------------------------------------------

--- The id of a Message: the upstream's where it is one, else of the request.
---@param context cliproxy.Context
---@param id? string
---@return string
function M.id(context, id)
  if id and sub(id, 1, 4) == "msg_" then
    return id
  end
  id = context.id
  return "msg_" .. (sub(id, 1, 4) == "req_" and sub(id, 5) or id)
end

-- A model that gives no signature leaves an envelope without data, so that the block is known as foreign when the
-- client sends it to Anthropic's own API.
local UNSIGNED = { kind = "signature", data = "" }

--- A state as the field of a block: JSON text.
---@param context cliproxy.Context
---@param state? cliproxy.State nil: of thinking without one
---@return string
function M.sealed(context, state)
  return '"' .. opaque.seal(state or UNSIGNED, context.target) .. '"'
end

--- The id of a call, as JSON: clients and the service expect letters, digits, _ and -.
---@param id string
---@return string
function M.call_id(id)
  return quote(tool_names.fit_id(id, tool_names.ID_RULES.anthropic))
end

--- A citation; nil where the source has no address.
---@param citation cliproxy.Citation
---@return string?
function M.citation(citation)
  if not citation.url then
    return nil
  end
  return '{"type":"web_search_result_location","cited_text":' .. (citation.quote or '""') .. ',"url":' .. citation.url
    .. ',"title":' .. (citation.title or "null") .. ',"encrypted_index":""}'
end

local REASONS = {
  ["end"] = "end_turn", length = "max_tokens", stop_sequence = "stop_sequence", tool_calls = "tool_use",
  refusal = "refusal", filter = "refusal", pause = "pause_turn",
}

-- The word for an end. A call is the reason wherever nothing worse happened; a stop sequence is named, or it is none.
local function reason_of(stop, sequence, has_calls)
  if has_calls and (stop == "end" or stop == "stop_sequence") then
    return "tool_use"
  elseif stop == "tool_calls" and not has_calls or stop == "stop_sequence" and not sequence then
    return "end_turn"
  end
  return REASONS[stop]
end

--- The members that tell how a Message ended.
---@param context cliproxy.Context
---@param stop cliproxy.Stop
---@param has_calls boolean
---@param sequence? cliproxy.Literal that ended it
---@param explanation? cliproxy.Literal of a refusal
---@return string
function M.ending(context, stop, has_calls, sequence, explanation)
  local asked = context.conversation.stop
  sequence = sequence or asked and #asked == 1 and asked[1] or nil
  local reason = reason_of(stop, sequence, has_calls)
  local details = reason == "refusal" and '{"type":"refusal","category":null,"explanation":'
    .. (explanation or "null") .. "}" or "null"
  return '"stop_reason":"' .. reason .. '","stop_sequence":' .. (reason == "stop_sequence" and sequence or "null")
    .. ',"stop_details":' .. details
end

--- Usage, as an object: what came from the cache is not in its input. Unknown counts are left out, but for the two
--- that every reader needs.
---@param usage? cliproxy.TokenUsage
---@param input? integer where the usage does not know it; nil: left out
---@param output integer where the usage does not know it
---@return string
function M.usage(usage, input, output)
  local cached, written, reasoning
  if usage then
    cached, written, reasoning = usage.cached, usage.cache_written, usage.reasoning
    input = usage.input and math.max(0, usage.input - (cached or 0) - (written or 0)) or input
    output = usage.output or output
  end
  if input and not (cached or written or reasoning) then
    return format('{"input_tokens":%d,"output_tokens":%d}', input, output)
  end
  return "{" .. (input and format('"input_tokens":%d,', input) or "")
    .. (written and format('"cache_creation_input_tokens":%d,', written) or "")
    .. (cached and format('"cache_read_input_tokens":%d,', cached) or "") .. format('"output_tokens":%d', output)
    .. (reasoning and format(',"output_tokens_details":{"thinking_tokens":%d}', reasoning) or "") .. "}"
end

--- Tokens of so many bytes of answer, where nobody counts them.
---@param bytes integer
---@return integer
function M.estimate(bytes)
  return math.max(1, math.ceil(bytes / 4))
end

--- What this dialect cannot say.
M.untranslatable = errors.untranslatable

-- Blocks --------------------------------------------------------------------------------------------------------

local BLOCKS = {}

local function citations_of(part)
  local out = {}
  for _, citation in ipairs(part.citations) do
    out[#out + 1] = M.citation(citation)
  end
  return out[1] and ',"citations":[' .. table.concat(out, ",") .. "]" or ""
end

function BLOCKS.text(_, part)
  local shown = part.text
  if not shown or shown == '""' then
    return nil
  end
  return '{"type":"text","text":' .. shown .. (part.citations and citations_of(part) or "") .. "}"
end

BLOCKS.refusal = BLOCKS.text

function BLOCKS.reasoning(context, part)
  local state = part.state
  local thinking = not literal.is_empty(part.text)
    and '{"type":"thinking","thinking":' .. part.text .. ',"signature":'
  if state and state.kind == "redacted" then
    return (thinking and thinking .. M.sealed(context) .. "}," or "")
      .. '{"type":"redacted_thinking","data":' .. M.sealed(context, state) .. "}"
  elseif thinking or state then
    return (thinking or '{"type":"thinking","thinking":"","signature":') .. M.sealed(context, state) .. "}"
  end
end

function BLOCKS.tool_call(context, part, stop)
  local input = conversation.input_of(part)
  if not input then
    local words = stop == "length" and "its answer reached its longest in the middle of a call of %s, whose input is "
      .. "cut; raise max_tokens" or "the arguments of its call of %s are no JSON object"
    return nil, M.untranslatable(context, words:format(part.name))
  end
  return '{"type":"tool_use","id":' .. M.call_id(part.id) .. ',"name":' .. quote(part.name) .. ',"input":' .. input
    .. "}"
end

local function size_of(answer)
  local bytes = 0
  for _, part in ipairs(answer.parts) do
    bytes = bytes + #(part.text or part.arguments or part.input or "")
  end
  return bytes
end

--- A whole answer as the body of a Message.
---@param answer cliproxy.Answer
---@param context cliproxy.Context
---@return string? body
---@return cliproxy.Failure? failure
function M.encode(answer, context)
  local blocks, n, stop, called, refused = {}, 0, answer.stop, false, false
  for _, part in ipairs(answer.parts) do
    local kind = part.kind
    local block, failure = BLOCKS[kind](context, part, stop)
    if failure then
      return nil, failure
    elseif block then
      n = n + 1
      blocks[n] = block
      called, refused = called or kind == "tool_call", refused or kind == "refusal"
    end
  end
  if refused and stop == "end" then
    stop = "refusal" -- in words it is one, however its maker ended it
  end
  local usage = answer.usage
  local input = not (usage and usage.input) and context.estimate() or nil
  local output = not (usage and usage.output) and M.estimate(size_of(answer)) or 0
  return '{"model":' .. quote(answer.model or context.target.model) .. ',"id":' .. quote(M.id(context, answer.id))
    .. ',"type":"message","role":"assistant","content":[' .. (n == 1 and blocks[1] or table.concat(blocks, ",")) .. "],"
    .. M.ending(context, stop, called, answer.stop_sequence, answer.explanation) .. ',"usage":'
    .. M.usage(usage, input, output) .. "}"
end

return M
