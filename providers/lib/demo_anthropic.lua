--- demo in Anthropic Messages.
local content = require("lib.demo_content")
local json = require("cliproxy.json")
local ordered = require("lib.ordered")
local read = require("lib.demo_read")

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

--- demo keeps nothing between requests: what continues from something that it should have kept is refused.
function M.refusal(body)
  if not read.is_object(body.thread) then
    return nil
  end
  local text = "thread: demo keeps no threads; send the whole conversation as messages"
  return ordered("type", "error", "error", ordered("type", TYPES[400], "message", text, "details",
    ordered("error_code", "thread_unsupported_request", "unsupported", json.array { "thread" })),
    "request_id", "req_demo")
end

function M.error_event(status, message)
  return { { type = "error", data = json.encode(M.error(status, message)) } }
end

-- Images and documents.
local function seen(block)
  local source = block.source
  if (block.type == "image" or block.type == "document") and read.is_object(source) then
    return source.type == "base64" and read.data(source.media_type, source.data)
      or source.type == "url" and read.url(source.url) or nil
  end
end

local function read_message(message, asked, all)
  local text = read.text_of(message.content)
  table.insert(all, text)
  if message.role == "assistant" then
    asked.results = nil
  end
  if message.role ~= "user" then
    return
  end
  asked.results = nil
  read.heard(asked, text, read.media_of(message.content, seen))
  for _, block in read.items(message.content) do
    if read.is_object(block) and block.type == "tool_result" then
      read.result(asked, read.text_of(block.content), read.media_of(block.content, seen))
      table.insert(all, asked.results[#asked.results])
    end
  end
end

local function read_tools(body, asked)
  for _, tool in read.items(body.tools) do
    if read.is_object(tool) and type(tool.name) == "string" and tool.input_schema then
      table.insert(asked.tools, { name = tool.name, schema = tool.input_schema })
    end
  end
  local choice = body.tool_choice
  if not read.is_object(choice) then
    return
  end
  asked.choice = (choice.type == "any" or choice.type == "tool") and "required" or choice.type
  if choice.type == "tool" and type(choice.name) == "string" then
    asked.allowed = { [choice.name] = true }
  end
  if choice.disable_parallel_tool_use == true then
    asked.parallel = false
  end
end

-- output_format is the beta's name of output_config.format.
local function read_format(body, asked)
  local config = body.output_config
  local format = read.is_object(config) and config.format or body.output_format
  if read.is_object(format) and format.type == "json_schema" and read.is_object(format.schema) then
    asked.format = { schema = format.schema }
  end
end

function M.read(body)
  local asked, all = read.asked(), { read.text_of(body.system) }
  for _, message in read.items(body.messages) do
    if read.is_object(message) then
      read_message(message, asked, all)
    end
  end
  read_tools(body, asked)
  read_format(body, asked)
  asked.all, asked.max_tokens = table.concat(all, "\n"), body.max_tokens
  return asked
end

local function reason_of(answer)
  return #answer.calls > 0 and "tool_use" or answer.stop == "length" and "max_tokens" or "end_turn"
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

local function tool_block(call, input)
  return ordered("type", "tool_use", "id", "toolu_" .. call.id, "name", call.name, "input", input)
end

function M.whole(answer)
  local blocks = {}
  for i, call in ipairs(answer.calls) do
    blocks[i] = tool_block(call, json.parse(call.arguments))
  end
  if #blocks == 0 then
    blocks[1] = ordered("type", "text", "text", answer.text)
  end
  return message(answer, blocks, reason_of(answer), answer.usage.output)
end

-- The events of one block; a ping after the first one's start, as the service sends it.
local function block_events(add, index, start, kind, key, pieces)
  add("content_block_start", "index", index, "content_block", start)
  if index == 0 then
    add("ping")
  end
  for _, piece in ipairs(pieces) do
    add("content_block_delta", "index", index, "delta", ordered("type", kind, key, piece))
  end
  add("content_block_stop", "index", index)
end

local function input_pieces(call)
  local pieces = call.arguments ~= "{}" and content.halves(call.arguments) or {}
  table.insert(pieces, 1, "")
  return pieces
end

function M.events(answer)
  local events = {}
  local function add(kind, ...)
    table.insert(events, { type = kind, data = json.encode(ordered("type", kind, ...)) })
  end
  add("message_start", "message", message(answer, {}, nil, 1))
  for i, call in ipairs(answer.calls) do
    block_events(add, i - 1, tool_block(call, json.object {}), "input_json_delta", "partial_json", input_pieces(call))
  end
  if #answer.calls == 0 then
    block_events(add, 0, ordered("type", "text", "text", ""), "text_delta", "text", answer.pieces)
  end
  add("message_delta", "delta", ordered("stop_reason", reason_of(answer), "stop_sequence", json.null),
    "usage", usage_of(answer, answer.usage.output))
  add("message_stop")
  return events
end

return M
