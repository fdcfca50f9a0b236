--- What Anthropic Messages gives: whole answers, streams, errors.
local json = require("cliproxy.json")
local shape = require("cliproxy.automata.shape")

local M = { ending = "\n", typed = true }

local child, check, members, object, each = shape.child, shape.check, shape.members, shape.object, shape.each

local STOP = { "end_turn", "max_tokens", "stop_sequence", "tool_use", "pause_turn", "refusal",
  "model_context_window_exceeded" }

-- Ends in which a call may be there without being the reason.
local CUTS = { max_tokens = true, refusal = true, pause_turn = true, model_context_window_exceeded = true }

-- Usage ---------------------------------------------------------------------------------------------------------

local COUNTS = {
  cache_creation_input_tokens = "count|null?", cache_read_input_tokens = "count|null?",
  output_tokens = "count", output_tokens_details = { "object|null?", object { thinking_tokens = "count?" } },
  cache_creation = { "object|null?", object {
    ephemeral_5m_input_tokens = "count", ephemeral_1h_input_tokens = "count",
  } },
  service_tier = "string|null?", inference_geo = "string|null?", speed = "string|null?", iterations = "array|null?",
}
local USAGE = members(shape.with(COUNTS, { input_tokens = "count" }))
local USAGE_DELTA = members(shape.with(COUNTS, { input_tokens = "count|null?" }))

local function usage_by(table_of_members)
  return function(report, usage, where)
    if check(report, usage, where, table_of_members) then
      local details = child(usage, "output_tokens_details", "object")
      shape.check_part(report, details and details.thinking_tokens, usage.output_tokens,
        where .. ".output_tokens_details.thinking_tokens")
    end
  end
end

-- Blocks --------------------------------------------------------------------------------------------------------

local CITATION = shape.typed({
  char_location = { cited_text = "string", document_index = "count", document_title = "string|null",
    start_char_index = "count", end_char_index = "count", file_id = "string|null?" },
  page_location = { cited_text = "string", document_index = "count", document_title = "string|null",
    start_page_number = "count", end_page_number = "count", file_id = "string|null?" },
  content_block_location = { cited_text = "string", document_index = "count", document_title = "string|null",
    start_block_index = "count", end_block_index = "count", file_id = "string|null?" },
  search_result_location = { cited_text = "string", search_result_index = "count", source = "string",
    title = "string|null", start_block_index = "count", end_block_index = "count" },
  web_search_result_location = { cited_text = "string", encrypted_index = "string", title = "string|null",
    url = "string" },
}, "citation")

local CITATIONS = { "array|null?", each(CITATION) }

local function check_id(report, id, where)
  if not id:find("^[%w_-]+$") then
    report:say(where, "a call's id has letters, digits, _ and - alone")
  end
end

local CALL = { id = { "text", check_id }, name = "text", caller = "object?" }

local BLOCKS = shape.typed({
  text = { text = "text", citations = CITATIONS },
  thinking = { thinking = "string", signature = "string" },
  redacted_thinking = { data = "text" },
  tool_use = shape.with(CALL, { input = "object" }),
}, "block")

local STARTS = shape.typed({
  text = { text = "empty", citations = { "empty_array|null?" } },
  thinking = { thinking = "empty", signature = "empty" },
  redacted_thinking = { data = "text" },
  tool_use = shape.with(CALL, { input = "empty_object" }),
}, "block")

-- Whole answers -------------------------------------------------------------------------------------------------

local DETAILS = { "object|null?", object {
  type = { "string", { "refusal" } }, category = "string|null?", explanation = "string|null?",
  recommended_model = "string|null?",
} }

local MESSAGE = {
  id = "text", type = { "string", { "message" } }, role = { "string", { "assistant" } }, model = "text",
  container = "null?", stop_details = DETAILS,
}

local WHOLE = members(shape.with(MESSAGE, {
  content = { "array", each(BLOCKS) }, stop_reason = { "string", STOP }, stop_sequence = "string|null",
  usage = { "object", usage_by(USAGE) },
}))

--- What the reason says about the rest.
local function check_stop(report, delta, where, calls)
  local reason, sequence = delta.stop_reason, delta.stop_sequence
  if (reason == "stop_sequence") ~= (type(sequence) == "string") then
    report:say(where .. "stop_sequence", ("it is %s, and stop_reason is %s"):format(tostring(sequence),
      tostring(reason)))
  end
  if reason == "tool_use" and calls == 0 then
    report:say(where .. "stop_reason", "it is tool_use and there is none")
  elseif reason ~= "tool_use" and calls > 0 and not CUTS[reason] then
    report:say(where .. "stop_reason", ("it is %s, and there is a call"):format(tostring(reason)))
  end
  if json.present(delta.stop_details) and reason ~= "refusal" then
    report:say(where .. "stop_details", "they belong to a refusal")
  end
end

---@param report cliproxy.automata.Report
---@param document cliproxy.json.Node
function M.whole(report, document)
  check(report, document, "", WHOLE)
  local content, ids, calls = child(document, "content", "array"), {}, 0
  for i = 1, content and #content or 0 do
    local block = content[i]
    if json.kind(block) == "object" and block.type == "tool_use" then
      calls = calls + 1
      if ids[block.id or 0] then
        report:say(("content[%d].id"):format(i - 1), "two calls have it")
      end
      ids[block.id or 0] = true
    end
  end
  check_stop(report, document, "", calls)
end

-- Errors --------------------------------------------------------------------------------------------------------

local TYPES = { "invalid_request_error", "authentication_error", "billing_error", "permission_error", "not_found_error",
  "conflict_error", "request_too_large", "rate_limit_error", "api_error", "timeout_error", "overloaded_error" }

local ERROR = members {
  type = { "string", { "error" } },
  error = { "object", object { type = { "string", TYPES }, message = "text", details = "object|null?" } },
  request_id = "text|null?",
}

---@param report cliproxy.automata.Report
---@param document cliproxy.json.Node
function M.error(report, document)
  check(report, document, "", ERROR)
end

-- Streams -------------------------------------------------------------------------------------------------------

local START = members {
  type = "string",
  message = { "object", object(shape.with(MESSAGE, {
    content = "empty_array", stop_reason = "null", stop_sequence = "null", stop_details = "null?",
    usage = { "object", usage_by(USAGE) },
  })) },
}
local BLOCK_START = members { type = "string", index = "count", content_block = { "object", STARTS } }
local BLOCK_DELTA = members { type = "string", index = "count", delta = { "object", shape.typed({
  text_delta = { text = "string" },
  input_json_delta = { partial_json = "string" },
  thinking_delta = { thinking = "string" },
  signature_delta = { signature = "text" },
  citations_delta = { citation = { "object", CITATION } },
}, "delta") } }
local BLOCK_STOP = members { type = "string", index = "count" }
local MESSAGE_DELTA = members {
  type = "string",
  delta = { "object", object {
    stop_reason = { "string", STOP }, stop_sequence = "string|null", stop_details = DETAILS, container = "null?",
  } },
  usage = { "object", usage_by(USAGE_DELTA) },
}
local TYPE_ALONE = members { type = "string" }

local TAKES = {
  text = { text_delta = true, citations_delta = true },
  thinking = { thinking_delta = true, signature_delta = true },
  tool_use = { input_json_delta = true },
  redacted_thinking = {},
}

local EVENTS = {}

function EVENTS.message_start(self, report, document)
  if self.started then
    report:say("", "it comes a second time")
  end
  self.started = true
  check(report, document, "", START)
end

function EVENTS.ping(_, report, document)
  check(report, document, "", TYPE_ALONE)
end

function EVENTS.content_block_start(self, report, document)
  check(report, document, "", BLOCK_START)
  if self.open then
    report:say("", "the block before it is still open")
  elseif self.stop_reason then
    report:say("", "a block behind message_delta")
  end
  if document.index ~= self.blocks then
    report:say("index", ("%d expected, got %s"):format(self.blocks, tostring(document.index)))
  end
  local block = child(document, "content_block", "object")
  self.open = { index = document.index, type = block and block.type, json = {}, filled = false }
  self.blocks = self.blocks + 1
  if block and block.type == "tool_use" then
    self.calls = self.calls + 1
    if self.ids[block.id or 0] then
      report:say("content_block.id", "two calls have it")
    end
    self.ids[block.id or 0] = true
  end
end

-- The block that an event is about.
local function block_of(self, report, document)
  local open = self.open
  if not open then
    report:say("index", "no block is open")
  elseif document.index ~= open.index then
    report:say("index", ("%s expected, got %s"):format(tostring(open.index), tostring(document.index)))
  end
  return open
end

function EVENTS.content_block_delta(self, report, document)
  check(report, document, "", BLOCK_DELTA)
  local open, delta = block_of(self, report, document), child(document, "delta", "object")
  if not open or not delta then
    return
  end
  local kind = delta.type
  if not (TAKES[open.type] or {})[kind] then
    return report:say("delta.type", ("a block of the type %s takes no %s"):format(tostring(open.type), tostring(kind)))
  elseif open.signed then
    report:say("delta", "a fragment behind the signature")
  end
  if kind == "input_json_delta" and child(delta, "partial_json", "string") then
    open.json[#open.json + 1] = json.raw(delta, "partial_json")
  elseif kind == "signature_delta" then
    open.signed = true
  elseif delta.text == "" or delta.thinking == "" then
    report:say("delta", "an empty fragment")
  end
  open.filled = true
end

function EVENTS.content_block_stop(self, report, document)
  check(report, document, "", BLOCK_STOP)
  local open = block_of(self, report, document)
  if not open then
    return
  elseif open.type == "tool_use" then
    local input = shape.text_of(open.json)
    self.broken = self.broken or input:find("%S") and not shape.is_input(report, input) and open.index
  elseif open.type ~= "redacted_thinking" and not open.filled then
    report:say("", "the block is empty")
  end
  self.open = nil
end

function EVENTS.message_delta(self, report, document)
  check(report, document, "", MESSAGE_DELTA)
  if self.open then
    report:say("", "a block is still open")
  elseif self.stop_reason then
    report:say("", "it comes a second time")
  end
  local delta = child(document, "delta", "object")
  if not delta then
    return
  end
  self.stop_reason = delta.stop_reason or true
  check_stop(report, delta, "delta.", self.calls)
  if self.broken and self.stop_reason == "tool_use" then
    report:say("", ("the input of block %s is no JSON object"):format(tostring(self.broken)))
  end
end

function EVENTS.message_stop(self, report, document)
  check(report, document, "", TYPE_ALONE)
  if not self.stop_reason then
    report:say("", "message_delta is missing before it")
  end
  self.how = "clean"
end

function EVENTS.error(self, report, document)
  M.error(report, document)
  self.how = "error"
end

local function event(self, report, document)
  local kind = document.type
  local take = EVENTS[kind or 0]
  if not take then
    return report:say("", "no event has the type " .. tostring(kind))
  elseif not self.started and kind ~= "message_start" and kind ~= "error" then
    report:say("", "it comes before message_start")
  end
  take(self, report, document)
end

---@return cliproxy.automata.Machine
function M.stream()
  local self = { blocks = 0, calls = 0, ids = {} }
  return {
    event = function(report, document)
      event(self, report, document)
    end,
    ended = function()
      return self.how
    end,
    finish = function() end,
  }
end

return M
