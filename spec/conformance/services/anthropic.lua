--- Answers of Anthropic Messages, built after recordings; the codecs are unknown here.
local shared = require("spec.conformance.services.shared")

local M = {}

local join, parts_of, plain = shared.join, shared.parts_of, shared.plain
local concat = table.concat
local USAGE = shared.USAGE

local ANTHROPIC_STOPS = { ["end"] = "end_turn", length = "max_tokens", tool_calls = "tool_use",
  stop_sequence = "stop_sequence", refusal = "refusal" }

local function anthropic_usage(usage, output)
  return ('{"input_tokens":%d,"cache_creation_input_tokens":0,"cache_read_input_tokens":%d,"cache_creation":{'
    .. '"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},"output_tokens":%d%s,"service_tier":"standard"}')
    :format(usage.input - usage.cached, usage.cached, output or usage.output,
    output and "" or ',"output_tokens_details":{"thinking_tokens":' .. usage.reasoning .. "}")
end

local function anthropic_block(part)
  if part.reasoning then
    return ('{"type":"thinking","thinking":%s,"signature":"%s"}'):format(join(part.reasoning), shared.STATES.anthropic)
  elseif part.call then
    local input = plain(join(part.input))
    return ('{"type":"tool_use","id":"%s","name":"%s","input":%s}'):format(part.id, part.call,
      input == "" and "{}" or input)
  end
  return '{"type":"text","text":' .. join(part.text) .. "}"
end

-- A refusal is an end of its own, told beside the content.
local function anthropic_details(answer)
  local refusal = parts_of(answer, "refusal")[1]
  return refusal and ('{"type":"refusal","category":"cyber","explanation":%s}'):format(join(refusal.refusal)) or "null"
end

local function anthropic_parts(answer)
  local out = {}
  for _, part in ipairs(answer.parts) do
    if not part.refusal then
      out[#out + 1] = part
    end
  end
  return out
end

---@param answer table
---@param model string
---@return string
function M.whole(answer, model)
  local blocks = {}
  for i, part in ipairs(anthropic_parts(answer)) do
    blocks[i] = anthropic_block(part)
  end
  return ('{"model":"%s","id":"msg_up","type":"message","role":"assistant","content":[%s],"stop_reason":"%s",'
    .. '"stop_sequence":%s,"stop_details":%s,"usage":%s}'):format(model, concat(blocks, ","),
    ANTHROPIC_STOPS[answer.stop], answer.sequence or "null", anthropic_details(answer),
    anthropic_usage(answer.usage or USAGE))
end

local function anthropic_deltas(event, part, index)
  local at = ('"index":%d,'):format(index)
  local function start(block)
    event("content_block_start", at .. '"content_block":' .. block)
  end
  local function delta(members)
    event("content_block_delta", at .. '"delta":{' .. members .. "}")
  end
  if part.reasoning then
    start '{"type":"thinking","thinking":"","signature":""}'
    for _, literal in ipairs(part.reasoning) do
      delta('"type":"thinking_delta","thinking":' .. literal)
    end
    delta('"type":"signature_delta","signature":"' .. shared.STATES.anthropic .. '"')
  elseif part.call then
    start(('{"type":"tool_use","id":"%s","name":"%s","input":{}}'):format(part.id, part.call))
    delta '"type":"input_json_delta","partial_json":""'
    for _, literal in ipairs(part.input) do
      delta('"type":"input_json_delta","partial_json":' .. literal)
    end
  else
    start '{"type":"text","text":""}'
    for _, literal in ipairs(part.text) do
      delta('"type":"text_delta","text":' .. literal)
    end
  end
  event("content_block_stop", at:sub(1, -2))
end

---@param answer table
---@param model string
---@return table[] events { type, data }
function M.stream(answer, model)
  local events = {}
  local function event(kind, members)
    events[#events + 1] = { type = kind, data = ('{"type":"%s"%s}'):format(kind, members and "," .. members or "") }
  end
  local usage = answer.usage or USAGE
  event("message_start", ('"message":{"model":"%s","id":"msg_up","type":"message","role":"assistant","content":[],'
    .. '"stop_reason":null,"stop_sequence":null,"usage":%s}'):format(model, anthropic_usage(usage, 1)))
  event("ping")
  for i, part in ipairs(anthropic_parts(answer)) do
    anthropic_deltas(event, part, i - 1)
  end
  event("message_delta", ('"delta":{"stop_reason":"%s","stop_sequence":%s,"stop_details":%s},"usage":%s'):format(
    ANTHROPIC_STOPS[answer.stop], answer.sequence or "null", anthropic_details(answer), anthropic_usage(usage)))
  event("message_stop")
  return events
end

return M
