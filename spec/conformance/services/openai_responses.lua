--- Answers of the Responses API, built after recordings; the codecs are unknown here.
local shared = require("spec.conformance.services.shared")

local M = {}

local join = shared.join
local concat = table.concat
local USAGE = shared.USAGE

local function responses_usage(usage)
  return ('{"input_tokens":%d,"input_tokens_details":{"cached_tokens":%d},"output_tokens":%d,"output_tokens_details":'
    .. '{"reasoning_tokens":%d},"total_tokens":%d}'):format(usage.input, usage.cached, usage.output, usage.reasoning,
    usage.input + usage.output)
end

---@param model string
---@param status string
---@param output string items as JSON text
---@return string
function M.response(model, status, output, usage, reason, failed)
  return ('{"id":"resp_up","object":"response","created_at":1700000000,"status":"%s","background":false,"error":%s,'
    .. '"incomplete_details":%s,"instructions":null,"max_output_tokens":null,"max_tool_calls":null,"model":"%s",'
    .. '"output":[%s],"parallel_tool_calls":true,"previous_response_id":null,"prompt_cache_key":null,"reasoning":{'
    .. '"effort":null,"summary":null},"safety_identifier":null,"service_tier":"default","store":false,"temperature":'
    .. '1.0,'
    .. '"text":{"format":{"type":"text"},"verbosity":"medium"},"tool_choice":"auto","tools":[],"top_logprobs":0,'
    .. '"top_p":1.0,"truncation":"disabled","usage":%s,"user":null,"metadata":{}}'):format(status, failed or "null",
    reason and '{"reason":"' .. reason .. '"}' or "null", model, output, usage or "null")
end

local function responses_item(part, i, status)
  if part.reasoning then
    return ('{"id":"rs_%d","type":"reasoning","summary":[{"type":"summary_text","text":%s}]%s}'):format(i,
      join(part.reasoning), part.state and ',"encrypted_content":"' .. shared.STATES.openai_responses .. '"' or "")
  elseif part.call then
    return ('{"id":"fc_%d","type":"function_call","status":"%s","arguments":%s,"call_id":"%s","name":"%s"}'):format(i,
      status, join(part.input), part.id, part.call)
  end
  local content = part.text and '{"type":"output_text","annotations":[],"logprobs":[],"text":' .. join(part.text) .. "}"
    or '{"type":"refusal","refusal":' .. join(part.refusal) .. "}"
  return ('{"id":"msg_%d","type":"message","status":"%s","content":[%s],"role":"assistant"}'):format(i, status, content)
end

-- Status of the answer, why it is incomplete, and status of its last item.
local function responses_status(answer)
  if answer.stop == "length" then
    return "incomplete", "max_output_tokens", "incomplete"
  end
  return "completed", nil, "completed"
end

local function responses_items(answer)
  local _, _, last = responses_status(answer)
  local items = {}
  for i, part in ipairs(answer.parts) do
    items[i] = responses_item(part, i, i == #answer.parts and last or "completed")
  end
  return items
end

---@param answer table
---@param model string
---@return string
function M.whole(answer, model)
  local status, reason = responses_status(answer)
  return M.response(model, status, concat(responses_items(answer), ","), responses_usage(answer.usage or USAGE),
    reason)
end

local function responses_writer()
  local events = {}
  return events, function(kind, members)
    events[#events + 1] = { type = kind,
      data = ('{"type":"%s","sequence_number":%d,%s}'):format(kind, #events, members) }
  end
end

local RESPONSES_PARTS = {
  text = { added = '{"type":"output_text","annotations":[],"logprobs":[],"text":'
    .. '""}', delta = "response.output_text.delta",
    done = "response.output_text.done", field = "text",
    part = '{"type":"output_text","annotations":[],"logprobs":[],"text":%s}', logprobs = ',"logprobs":[]' },
  refusal = { added = '{"type":"refusal","refusal":'
    .. '""}', delta = "response.refusal.delta", done = "response.refusal.done",
    field = "refusal", part = '{"type":"refusal","refusal":%s}', logprobs = "" },
}

local function stream_message(event, part, i, index)
  local name = part.text and "text" or "refusal"
  local row, at = RESPONSES_PARTS[name], ('"item_id":"msg_%d","output_index":%d,"content_index":0,'):format(i, index)
  event("response.output_item.added", ('"output_index":%d,"item":{"id":"msg_%d","type":"message","status":'
    .. '"in_progress",'
    .. '"content":[],"role":"assistant"}'):format(index, i))
  event("response.content_part.added", at .. '"part":' .. row.added)
  for _, literal in ipairs(part[name]) do
    event(row.delta, at .. '"delta":' .. literal .. row.logprobs)
  end
  event(row.done, at .. ('"%s":%s'):format(row.field, join(part[name])) .. row.logprobs)
  event("response.content_part.done", at .. '"part":' .. row.part:gsub("%%s", function()
    return join(part[name])
  end))
end

local function stream_reasoning(event, part, i, index)
  local at = ('"item_id":"rs_%d","output_index":%d,"summary_index":0,'):format(i, index)
  event("response.output_item.added", ('"output_index":%d,"item":{"id":"rs_%d","type":"reasoning","summary":['
    .. ']}'):format(
    index, i))
  event("response.reasoning_summary_part.added", at .. '"part":{"type":"summary_text","text":""}')
  for _, literal in ipairs(part.reasoning) do
    event("response.reasoning_summary_text.delta", at .. '"delta":' .. literal)
  end
  event("response.reasoning_summary_text.done", at .. '"text":' .. join(part.reasoning))
  event("response.reasoning_summary_part.done", at .. '"part":{"type":"summary_text","text":' .. join(part.reasoning)
    .. "}")
end

local function stream_call(event, part, i, index)
  local at = ('"item_id":"fc_%d","output_index":%d,'):format(i, index)
  event("response.output_item.added", ('"output_index":%d,"item":{"id":"fc_%d","type":"function_call","status":'
    .. '"in_progress","arguments":"","call_id":"%s","name":"%s"}'):format(index, i, part.id, part.call))
  for _, literal in ipairs(part.input) do
    event("response.function_call_arguments.delta", at .. '"delta":' .. literal)
  end
  event("response.function_call_arguments.done", at .. '"arguments":' .. join(part.input))
end

---@param answer table
---@param model string
---@return table[] events { type, data }
function M.stream(answer, model)
  local events, event = responses_writer()
  local status, reason = responses_status(answer)
  local items = responses_items(answer)
  for _, kind in ipairs { "response.created", "response.in_progress" } do
    event(kind, '"response":' .. M.response(model, "in_progress", ""))
  end
  for i, part in ipairs(answer.parts) do
    local write = part.reasoning and stream_reasoning or part.call and stream_call or stream_message
    write(event, part, i, i - 1)
    event("response.output_item.done", ('"output_index":%d,"item":%s'):format(i - 1, items[i]))
  end
  event("response." .. status, '"response":' .. M.response(model, status, concat(items, ","),
    responses_usage(answer.usage or USAGE), reason))
  return events
end

return M
