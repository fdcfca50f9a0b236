--- The Response object, as answers and the events of a stream hold it: what the request said, told again.
local literal = require("cliproxy.literal")
local text = require("cliproxy.text")

local M = {}

local concat = table.concat

-- What the service says where the request said nothing.
local DEFAULTS = {
  instructions = "null", max_output_tokens = "null", max_tool_calls = "null", parallel_tool_calls = "true",
  prompt_cache_key = "null", prompt_cache_retention = "null", safety_identifier = "null", temperature = "1.0",
  tool_choice = '"auto"', tools = "[]", top_logprobs = "0", top_p = "1.0", truncation = '"disabled"', user = "null",
  metadata = "{}",
  ["reasoning.effort"] = "null", ["reasoning.summary"] = "null",
  ["text.format"] = '{"type":"text"}', ["text.verbosity"] = '"medium"',
}

--- The part of a request's id that the ids of its answer share.
---@param context cliproxy.Context
---@return string
function M.stem(context)
  local id = context.id
  id = id:sub(1, 4) == "req_" and id:sub(5) or id
  return (id:gsub("[^%w_-]", "_"))
end

---@class cliproxy.responses.Frame
---@field id string "resp_…"
---@field created integer
---@field [integer] string the text between what changes

-- What the request said, as it is told; the rest is in `DEFAULTS`.
local function said_by(echo)
  if not echo or next(echo) == nil then
    return DEFAULTS
  end
  local said = {}
  for field, value in next, echo do
    said[field] = literal.one_line(value)
  end
  return said
end

--- All of a Response that is the same in every event of an answer.
---@param context cliproxy.Context
---@param head { model?: string, created?: integer }
---@return cliproxy.responses.Frame
function M.frame(context, head)
  local said, D = said_by(context.conversation.echo), DEFAULTS
  local id, created = "resp_" .. M.stem(context), head.created or os.time()
  return {
    id = id, created = created,
    '{"id":' .. text.quote(id) .. ',"object":"response","created_at":' .. ("%d"):format(created) .. ',"status":"',
    '","background":false,"completed_at":',
    ',"error":',
    ',"frequency_penalty":0.0,"incomplete_details":',
    ',"instructions":' .. (said.instructions or D.instructions)
      .. ',"max_output_tokens":' .. (said.max_output_tokens or D.max_output_tokens)
      .. ',"max_tool_calls":' .. (said.max_tool_calls or D.max_tool_calls) .. ',"model":'
      .. text.quote(head.model or context.target.model) .. ',"output":',
    ',"parallel_tool_calls":' .. (said.parallel_tool_calls or D.parallel_tool_calls)
      .. ',"presence_penalty":0.0,"previous_response_id":null,"prompt_cache_key":'
      .. (said.prompt_cache_key or D.prompt_cache_key)
      .. ',"prompt_cache_retention":' .. (said.prompt_cache_retention or D.prompt_cache_retention)
      .. ',"reasoning":{"effort":' .. (said["reasoning.effort"] or D["reasoning.effort"])
      .. ',"summary":' .. (said["reasoning.summary"] or D["reasoning.summary"])
      .. '},"safety_identifier":' .. (said.safety_identifier or D.safety_identifier)
      .. ',"service_tier":"default","store":false,"temperature":' .. (said.temperature or D.temperature)
      .. ',"text":{"format":' .. (said["text.format"] or D["text.format"])
      .. ',"verbosity":' .. (said["text.verbosity"] or D["text.verbosity"])
      .. '},"tool_choice":' .. (said.tool_choice or D.tool_choice) .. ',"tools":' .. (said.tools or D.tools)
      .. ',"top_logprobs":' .. (said.top_logprobs or D.top_logprobs) .. ',"top_p":' .. (said.top_p or D.top_p)
      .. ',"truncation":' .. (said.truncation or D.truncation) .. ',"usage":',
    ',"user":' .. (said.user or D.user) .. ',"metadata":' .. (said.metadata or D.metadata) .. "}",
  }
end

---@class cliproxy.responses.Words of one Response; nil: null or empty
---@field status "in_progress"|"completed"|"incomplete"|"failed"
---@field reason? "max_output_tokens"|"content_filter" of one that is incomplete
---@field failed? string JSON text of the error
---@field output? string[] JSON text of the items
---@field usage? cliproxy.TokenUsage

-- Both totals and the details are there in every usage of the service; what was not reported is 0 in the details.
local function usage_text(usage)
  if not usage or not usage.input or not usage.output then
    return "null"
  end
  local written = usage.cache_written and (',"cache_write_tokens":%d'):format(usage.cache_written) or ""
  return ('{"input_tokens":%d,"input_tokens_details":{"cached_tokens":%d%s},"output_tokens":%d,'
    .. '"output_tokens_details":{"reasoning_tokens":%d},"total_tokens":%d}'):format(usage.input, usage.cached or 0,
    written, usage.output, usage.reasoning or 0, usage.input + usage.output)
end

--- A Response as JSON text.
---@param frame cliproxy.responses.Frame
---@param words cliproxy.responses.Words
---@return string
function M.text(frame, words)
  local completed = words.status == "completed" and ("%d"):format(math.max(os.time(), frame.created)) or "null"
  return concat({
    frame[1], words.status, frame[2], completed, frame[3], words.failed or "null", frame[4],
    words.reason and '{"reason":"' .. words.reason .. '"}' or "null", frame[5],
    "[", words.output and concat(words.output, ",") or "", "]", frame[6], usage_text(words.usage), frame[7],
  })
end

-- How an answer ends --------------------------------------------------------------------------------------------

local REASONS = { length = "max_output_tokens", filter = "content_filter" }

--- Status and reason of an answer that stopped so. A refusal that has words is complete; one without, or that broke
--- off an answer, was filtered.
---@param stop cliproxy.Stop
---@param refused boolean the answer has a refusal's words
---@return "completed"|"incomplete" status
---@return string? reason
function M.outcome(stop, refused)
  local reason = REASONS[stop] or stop == "refusal" and not refused and "content_filter" or nil
  return reason and "incomplete" or "completed", reason
end

return M
