--- demo in Anthropic Messages.
local content = require("lib.demo_content")
local json = require("cliproxy.json")
local ordered = require("lib.ordered")

local M = {}

local TYPES = { [400] = "invalid_request_error", [401] = "authentication_error", [403] = "permission_error",
  [404] = "not_found_error", [413] = "request_too_large", [429] = "rate_limit_error", [503] = "overloaded_error",
  [504] = "timeout_error", [529] = "overloaded_error" }

function M.error(status, message)
  return ordered(
    "type", "error",
    "error", ordered("type", TYPES[status] or (status < 500 and "invalid_request_error" or "api_error"),
      "message", message),
    "request_id", "req_demo"
  )
end

function M.error_event(status, message)
  return { { type = "error", data = json.encode(M.error(status, message)) } }
end

local function read_message(message, asked, all)
  local text = content.text_of(message.content)
  table.insert(all, text)
  asked.result = nil
  if message.role ~= "user" then
    return
  end
  if text ~= "" then
    asked.text = text
  end
  for _, block in ipairs(json.kind(message.content) == "array" and message.content or {}) do
    if json.kind(block) == "object" and block.type == "tool_result" then
      asked.result = content.text_of(block.content)
      table.insert(all, asked.result)
    end
  end
end

local function read_tools(body, asked)
  for _, tool in ipairs(json.kind(body.tools) == "array" and body.tools or {}) do
    if json.kind(tool) == "object" and type(tool.name) == "string" and tool.input_schema then
      table.insert(asked.tools, { name = tool.name, schema = tool.input_schema })
    end
  end
  local choice = body.tool_choice
  if json.kind(choice) == "object" then
    asked.choice = (choice.type == "any" or choice.type == "tool") and "required" or choice.type
    asked.forced = choice.name
  end
end

function M.read(body)
  local asked, all = { text = "", tools = {} }, { content.text_of(body.system) }
  for _, message in ipairs(json.kind(body.messages) == "array" and body.messages or {}) do
    if json.kind(message) == "object" then
      read_message(message, asked, all)
    end
  end
  read_tools(body, asked)
  asked.all, asked.max_tokens = table.concat(all, "\n"), body.max_tokens
  return asked
end

local function reason_of(answer)
  return answer.tool and "tool_use" or answer.stop == "length" and "max_tokens" or "end_turn"
end

local function usage_of(answer, output, tier)
  return ordered("input_tokens", answer.usage.input, "cache_creation_input_tokens", 0, "cache_read_input_tokens", 0,
    "output_tokens", output, "service_tier", tier)
end

local function message(answer, blocks, reason, output)
  return ordered("id", "msg_" .. answer.id, "type", "message", "role", "assistant", "model", answer.model,
    "content", json.array(blocks), "stop_reason", reason or json.null, "stop_sequence", json.null,
    "usage", usage_of(answer, output, "standard"))
end

local function tool_block(answer, input)
  return ordered("type", "tool_use", "id", "toolu_" .. answer.tool.id, "name", answer.tool.name, "input", input)
end

function M.whole(answer)
  local block = answer.tool and tool_block(answer, json.parse(answer.tool.arguments))
    or ordered("type", "text", "text", answer.text)
  return message(answer, { block }, reason_of(answer), answer.usage.output)
end

function M.events(answer)
  local events = {}
  local function add(kind, ...)
    table.insert(events, { type = kind, data = json.encode(ordered("type", kind, ...)) })
  end
  local function delta(...)
    add("content_block_delta", "index", 0, "delta", ordered(...))
  end
  add("message_start", "message", message(answer, {}, nil, 1))
  add("content_block_start", "index", 0, "content_block", answer.tool and tool_block(answer, json.object {})
    or ordered("type", "text", "text", ""))
  add("ping")
  if answer.tool then
    delta("type", "input_json_delta", "partial_json", "")
    for _, piece in ipairs(answer.tool.arguments ~= "{}" and content.halves(answer.tool.arguments) or {}) do
      delta("type", "input_json_delta", "partial_json", piece)
    end
  end
  for _, piece in ipairs(answer.pieces) do
    delta("type", "text_delta", "text", piece)
  end
  add("content_block_stop", "index", 0)
  add("message_delta", "delta", ordered("stop_reason", reason_of(answer), "stop_sequence", json.null),
    "usage", usage_of(answer, answer.usage.output))
  add("message_stop")
  return events
end

return M
