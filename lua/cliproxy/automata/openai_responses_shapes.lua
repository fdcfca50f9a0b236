--- The shapes of what the Responses API gives: items, Responses in each of their states, errors.
local json = require("cliproxy.json")
local shape = require("cliproxy.automata.shape")

local M = {}

local child, check, members, object, each = shape.child, shape.check, shape.members, shape.object, shape.each

-- Usage ---------------------------------------------------------------------------------------------------------

local USAGE = members {
  input_tokens = "count", output_tokens = "count", total_tokens = "count",
  input_tokens_details = { "object", object { cached_tokens = "count?", cache_write_tokens = "count?" } },
  output_tokens_details = { "object", object { reasoning_tokens = "count?" } },
}

local function check_usage(report, usage, where)
  if not check(report, usage, where, USAGE) then
    return
  end
  shape.check_sum(report, usage, where, "total_tokens", { "input_tokens", "output_tokens" })
  local details = child(usage, "input_tokens_details", "object")
  shape.check_part(report, details and details.cached_tokens, usage.input_tokens,
    where .. ".input_tokens_details.cached_tokens")
  details = child(usage, "output_tokens_details", "object")
  shape.check_part(report, details and details.reasoning_tokens, usage.output_tokens,
    where .. ".output_tokens_details.reasoning_tokens")
end

-- Items ---------------------------------------------------------------------------------------------------------

local ANNOTATION = shape.typed({
  url_citation = { url = "string", title = "string", start_index = "count", end_index = "count" },
  file_citation = { file_id = "text", filename = "string", index = "count" },
}, "annotation")

--- One annotation.
M.check_annotation = ANNOTATION

--- Parts of content by type.
M.PARTS = {
  output_text = { text = "string", annotations = { "array", each(ANNOTATION) }, logprobs = "array?" },
  refusal = { refusal = "string" },
  reasoning_text = { text = "string" },
}

--- One part.
M.check_part = shape.typed(M.PARTS, "part")

local MESSAGE_PART = shape.typed({ output_text = M.PARTS.output_text, refusal = M.PARTS.refusal }, "message's part")
local REASONING_PART = shape.typed({ reasoning_text = M.PARTS.reasoning_text }, "reasoning's part")

--- One part of a summary.
M.check_summary = shape.typed({ summary_text = { text = "string" } }, "part of a summary")

local STATUS = { "string", { "in_progress", "completed", "incomplete" } }

--- Items of an output by type.
M.ITEMS = {
  message = {
    id = "text", role = { "string", { "assistant" } }, status = STATUS, content = { "array", each(MESSAGE_PART) },
    phase = { "string|null?", { "commentary", "final_answer" } },
  },
  function_call = {
    id = "text", call_id = "text", name = "text", arguments = "string", status = STATUS, namespace = "text?",
  },
  custom_tool_call = {
    id = "text", call_id = "text", name = "text", input = "string", status = { "string?", STATUS[2] },
    namespace = "text?",
  },
  reasoning = {
    id = "text", summary = { "array", each(M.check_summary) }, content = { "array|null?", each(REASONING_PART) },
    encrypted_content = "text|null?", status = { "string|null?", STATUS[2] },
  },
}

--- One item.
M.check_item = shape.typed(M.ITEMS, "item")

--- What is wrong with a finished item beside its members.
---@param report cliproxy.automata.Report
---@param item cliproxy.json.Node
---@param where string
---@param may_be_cut boolean the answer is incomplete
function M.check_done(report, item, where, may_be_cut)
  local status = item.status
  if status == "in_progress" or status == "incomplete" and not may_be_cut then
    report:say(where .. ".status", "a finished item is " .. status)
  end
  if item.type == "message" and #(child(item, "content", "array") or "") == 0 then
    report:say(where .. ".content", "a message without content")
  end
  local arguments = item.type == "function_call" and child(item, "arguments", "string")
  if arguments and status == "completed" and not may_be_cut and not shape.is_input(report, arguments) then
    report:say(where .. ".arguments", "they are no JSON object")
  end
end

-- A Response ----------------------------------------------------------------------------------------------------

local FORMATS = shape.typed({
  text = {}, json_object = {},
  json_schema = { name = "text", schema = "object", strict = "boolean|null?", description = "string|null?" },
}, "format")

local ECHO = {
  instructions = "string|array|null", max_output_tokens = "count|null", model = "text", parallel_tool_calls = "boolean",
  previous_response_id = "text|null",
  reasoning = { "object", object {
    effort = "string|null", summary = "string|null", context = "string|null?", mode = "string|null?",
    generate_summary = "string|null?",
  } },
  service_tier = "string|null?", store = "boolean", temperature = "number|null", top_p = "number|null",
  text = { "object", object { format = { "object", FORMATS }, verbosity = "string|null?" } },
  tool_choice = "string|object", tools = "array", truncation = "string", user = "string|null", metadata = "object",
  background = "boolean|null?", max_tool_calls = "count|null?", prompt_cache_key = "string|null?",
  safety_identifier = "string|null?", top_logprobs = "count|null?", prompt_cache_retention = "string|null?",
  frequency_penalty = "number?", presence_penalty = "number?", moderation = "any?", conversation = "any?",
  billing = "object?", tool_usage = "object?",
}

local RESPONSE = members(shape.with(ECHO, {
  id = "text", object = { "string", { "response" } }, created_at = "count", completed_at = "count|null?",
  status = { "string", { "completed", "failed", "in_progress", "cancelled", "queued", "incomplete" } },
  error = { "object|null", object { code = "text", message = "text" } },
  incomplete_details = { "object|null", object {
    reason = { "string", { "max_output_tokens", "content_filter" } },
  } },
  output = { "array", each(M.check_item) }, usage = { "object|null", check_usage },
}))

local function equal(report, condition, where, what)
  if not condition then
    report:say(where, what)
  end
end

--- What the status of an answer that has ended promises.
M.STATUSES = {
  completed = function(report, response, where)
    equal(report, response.error == json.null, where .. ".error", "the answer is completed")
    equal(report, response.incomplete_details == json.null, where .. ".incomplete_details", "the answer is completed")
  end,
  incomplete = function(report, response, where)
    equal(report, response.error == json.null, where .. ".error", "the answer is incomplete, not failed")
    equal(report, response.incomplete_details ~= json.null, where .. ".incomplete_details", "the reason is missing")
  end,
  failed = function(report, response, where)
    equal(report, response.error ~= json.null, where .. ".error", "it is missing in an answer that failed")
  end,
}

--- A Response in a state.
---@param report cliproxy.automata.Report
---@param response any
---@param where string
---@param status string the one that it must have
---@return boolean is_object
function M.check_response(report, response, where, status)
  if not check(report, response, where, RESPONSE) then
    return false
  elseif response.status ~= status then
    report:say(where .. ".status", ("%s expected, got %s"):format(status, tostring(response.status)))
  elseif M.STATUSES[status] then
    M.STATUSES[status](report, response, where)
  else
    equal(report, response.usage == json.null, where .. ".usage", "it is known before the end")
    equal(report, #(child(response, "output", "array") or "") == 0, where .. ".output", "it is not empty at the start")
  end
  return true
end

-- Errors --------------------------------------------------------------------------------------------------------

--- The members of an error.
M.ERROR = { message = "text", type = "text", param = "text|null", code = "text|null" }

return M
