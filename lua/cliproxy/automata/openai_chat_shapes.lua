--- Shapes that whole answers, streams and errors of Chat Completions share.
local shape = require("cliproxy.automata.shape")

local M = {}

local child, check, members, object = shape.child, shape.check, shape.members, shape.object

--- Values of finish_reason.
M.FINISH = { "stop", "length", "tool_calls", "content_filter", "function_call" }

--- The annotations of a message.
M.ANNOTATIONS = shape.each(shape.typed({
  url_citation = { url_citation = { "object", object {
    url = "string", title = "string", start_index = "count", end_index = "count",
  } } },
}, "annotation"))

local USAGE = members {
  prompt_tokens = "count", completion_tokens = "count", total_tokens = "count",
  prompt_tokens_details = { "object?", object {
    cached_tokens = "count?", audio_tokens = "count?", cache_write_tokens = "count?", text_tokens = "count?",
    image_tokens = "count?",
  } },
  completion_tokens_details = { "object?", object {
    reasoning_tokens = "count?", audio_tokens = "count?", accepted_prediction_tokens = "count?",
    rejected_prediction_tokens = "count?", text_tokens = "count?",
  } },
}

---@param report cliproxy.automata.Report
---@param usage any
---@param where string
function M.check_usage(report, usage, where)
  if not check(report, usage, where, USAGE) then
    return
  end
  shape.check_sum(report, usage, where, "total_tokens", { "prompt_tokens", "completion_tokens" })
  local details = child(usage, "prompt_tokens_details", "object")
  shape.check_part(report, details and details.cached_tokens, usage.prompt_tokens,
    where .. ".prompt_tokens_details.cached_tokens")
  details = child(usage, "completion_tokens_details", "object")
  shape.check_part(report, details and details.reasoning_tokens, usage.completion_tokens,
    where .. ".completion_tokens_details.reasoning_tokens")
end

local ERROR = members {
  error = { "object", object { message = "text", type = "text", param = "text|null", code = "text|null" } },
}

---@param report cliproxy.automata.Report
---@param document cliproxy.json.Node
function M.check_error(report, document)
  check(report, document, "", ERROR)
end

return M
