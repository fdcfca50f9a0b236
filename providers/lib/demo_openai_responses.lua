--- demo in OpenAI Responses.
local chat = require("lib.demo_openai_chat")
local content = require("lib.demo_content")
local json = require("cliproxy.json")
local ordered = require("lib.ordered")
local read = require("lib.demo_read")

local M = { error = chat.error }

--- demo keeps nothing between requests: what continues from something that it should have kept is refused.
function M.refusal(body)
  local id = body.previous_response_id
  if type(id) ~= "string" then
    return nil
  end
  return ordered("error", ordered("message", ("Previous response with id '%s' not found."):format(id:sub(1, 100)),
    "type", "invalid_request_error", "param", "previous_response_id", "code", "previous_response_not_found"))
end

local function event(kind, ...)
  return { type = kind, body = ordered("type", kind, "sequence_number", 0, ...) }
end

-- Numbers the events and turns them into text.
local function numbered(events, first)
  for i, one in ipairs(events) do
    one.body[2] = { "sequence_number", (first or 0) + i - 1 }
    one.data, one.body = json.encode(one.body), nil
  end
  return events
end

-- Of a message's part or of an output's: images, files, audio.
local function seen(part)
  if part.type == "input_image" then
    return read.url(part.image_url)
  elseif part.type == "input_file" then
    return read.url(part.file_data) or read.url(part.file_url)
  end
end

local item_readers = {}

function item_readers.message(item, asked, all)
  local text = read.text_of(item.content)
  table.insert(all, text)
  if item.role == "user" then
    asked.results = nil
    read.heard(asked, text, read.media_of(item.content, seen))
  elseif item.role == "assistant" then
    asked.results = nil
  end
end

function item_readers.function_call_output(item, asked, all)
  read.result(asked, read.text_of(item.output), read.media_of(item.output, seen))
  table.insert(all, asked.results[#asked.results])
end

item_readers.custom_tool_call_output = item_readers.function_call_output

function item_readers.function_call(_, asked)
  asked.results = nil
end

item_readers.custom_tool_call = item_readers.function_call

local function read_tools(tools, asked, namespace)
  for _, tool in read.items(tools) do
    if read.is_object(tool) and type(tool.name) == "string" then
      if tool.type == "namespace" and not namespace then
        read_tools(tool.tools, asked, tool.name)
      elseif tool.type == "function" or tool.type == "custom" then
        table.insert(asked.tools, { name = tool.name, schema = tool.parameters, custom = tool.type == "custom",
          namespace = namespace })
      end
    end
  end
end

function item_readers.additional_tools(item, asked)
  read_tools(item.tools, asked)
end

local function read_items(body, asked)
  local all = {}
  for _, item in read.items(body.input) do
    local kind = read.is_object(item) and (item.type == nil and "message" or item.type)
    local reader = type(kind) == "string" and item_readers[kind]
    if reader then
      reader(item, asked, all)
    end
  end
  asked.all = asked.all .. table.concat(all, "\n")
end

local function read_choice(body, asked)
  local choice = body.tool_choice
  if read.is_object(choice) then
    if choice.type == "allowed_tools" then
      asked.choice = choice.mode
      read.allow(asked, choice.tools, function(tool)
        return read.is_object(tool) and tool.name
      end)
    else
      asked.choice = "required"
      asked.allowed = type(choice.name) == "string" and { [choice.name] = true } or nil
    end
  elseif type(choice) == "string" then
    asked.choice = choice
  end
  if body.parallel_tool_calls == false then
    asked.parallel = false
  end
end

local function read_format(body, asked)
  local format = read.is_object(body.text) and body.text.format
  local kind = read.is_object(format) and format.type
  if kind == "json_object" or kind == "json_schema" then
    asked.format = { schema = read.is_object(format.schema) and format.schema or nil }
  end
end

function M.read(body)
  local asked = read.asked()
  asked.all = type(body.instructions) == "string" and body.instructions .. "\n" or ""
  if type(body.input) == "string" then
    asked.text, asked.all = body.input, asked.all .. body.input
  else
    read_items(body, asked)
  end
  read_tools(body.tools, asked)
  read_choice(body, asked)
  read_format(body, asked)
  asked.max_tokens = body.max_output_tokens
  return asked
end

local function echo(body, name, default)
  local value = body[name]
  if value == nil then
    return default
  end
  return value
end

local function usage_of(answer)
  local usage = answer.usage
  return ordered(
    "input_tokens", usage.input, "input_tokens_details", ordered("cached_tokens", 0),
    "output_tokens", usage.output, "output_tokens_details", ordered("reasoning_tokens", 0),
    "total_tokens", usage.input + usage.output
  )
end

--- The Response object; it echoes the request. `failed`: the code and message of what went wrong.
local function response(answer, status, output, failed)
  local body, done = answer.request, status == "completed"
  local cut = done and answer.stop == "length"
  return ordered(
    "id", "resp_" .. answer.id, "object", "response", "created_at", answer.created,
    "status", cut and "incomplete" or status, "background", false,
    "completed_at", done and not cut and answer.created or json.null,
    "error", failed or json.null, "incomplete_details", cut and ordered("reason", "max_output_tokens") or json.null,
    "instructions", echo(body, "instructions", json.null),
    "max_output_tokens", echo(body, "max_output_tokens", json.null),
    "model", answer.model, "output", output, "parallel_tool_calls", echo(body, "parallel_tool_calls", true),
    "previous_response_id", echo(body, "previous_response_id", json.null),
    "reasoning", echo(body, "reasoning", ordered("effort", json.null, "summary", json.null)), "store", false,
    "temperature", echo(body, "temperature", 1), "text", echo(body, "text", ordered("format", ordered("type", "text"))),
    "tool_choice", echo(body, "tool_choice", "auto"), "tools", echo(body, "tools", json.array {}),
    "top_p", echo(body, "top_p", 1), "truncation", echo(body, "truncation", "disabled"),
    "usage", done and usage_of(answer) or json.null, "user", echo(body, "user", json.null),
    "metadata", echo(body, "metadata", json.object {})
  )
end

--- The last events of a stream that fails. `after`: how many went before.
function M.error_event(status, message, answer, after)
  return numbered({
    event("error", "error", chat.error(status, message)[1][2]),
    event("response.failed", "response",
      response(answer, "failed", json.array {}, ordered("code", "server_error", "message", message))),
  }, after)
end

local function text_part(text)
  return ordered("type", "output_text", "annotations", json.array {}, "logprobs", json.array {}, "text", text)
end

local function message_item(answer, status, parts)
  return ordered("id", "msg_" .. answer.id, "type", "message", "status", status, "content", json.array(parts),
    "role", "assistant")
end

local function call_item(call, status, arguments)
  if call.custom then
    return ordered("id", "ctc_" .. call.id, "type", "custom_tool_call", "status", status, "call_id",
      "call_" .. call.id, "input", arguments, "name", call.name, "namespace", call.namespace)
  end
  return ordered("id", "fc_" .. call.id, "type", "function_call", "status", status, "arguments", arguments,
    "call_id", "call_" .. call.id, "name", call.name, "namespace", call.namespace)
end

local function final_items(answer)
  local items = json.array {}
  for i, call in ipairs(answer.calls) do
    items[i] = call_item(call, "completed", call.arguments)
  end
  if #items == 0 then
    local status = answer.stop == "length" and "incomplete" or "completed"
    items[1] = message_item(answer, status, { text_part(answer.text) })
  end
  return items
end

function M.whole(answer)
  return response(answer, "completed", final_items(answer))
end

local function text_events(answer, add)
  local id = "msg_" .. answer.id
  add("response.content_part.added", "item_id", id, "output_index", 0, "content_index", 0, "part", text_part(""))
  for _, piece in ipairs(answer.pieces) do
    add("response.output_text.delta", "item_id", id, "output_index", 0, "content_index", 0, "delta", piece,
      "logprobs", json.array {})
  end
  add("response.output_text.done", "item_id", id, "output_index", 0, "content_index", 0, "text", answer.text,
    "logprobs", json.array {})
  add("response.content_part.done", "item_id", id, "output_index", 0, "content_index", 0, "part",
    text_part(answer.text))
end

local function call_events(call, index, add)
  local id = (call.custom and "ctc_" or "fc_") .. call.id
  local kind = call.custom and "response.custom_tool_call_input" or "response.function_call_arguments"
  for _, piece in ipairs(content.halves(call.arguments)) do
    add(kind .. ".delta", "item_id", id, "output_index", index, "delta", piece)
  end
  if call.custom then
    return add(kind .. ".done", "item_id", id, "output_index", index, "input", call.arguments)
  end
  add(kind .. ".done", "item_id", id, "output_index", index, "arguments", call.arguments, "name", call.name)
end

local function item_events(answer, index, item, add)
  local call = answer.calls[index + 1]
  add("response.output_item.added", "output_index", index,
    "item", call and call_item(call, "in_progress", "") or message_item(answer, "in_progress", {}))
  if call then
    call_events(call, index, add)
  else
    text_events(answer, add)
  end
  add("response.output_item.done", "output_index", index, "item", item)
end

function M.events(answer)
  local events = {}
  local function add(...)
    table.insert(events, event(...))
  end
  add("response.created", "response", response(answer, "in_progress", json.array {}))
  add("response.in_progress", "response", response(answer, "in_progress", json.array {}))
  local items = final_items(answer)
  for i, item in ipairs(items) do
    item_events(answer, i - 1, item, add)
  end
  local last = answer.stop == "length" and "response.incomplete" or "response.completed"
  add(last, "response", response(answer, "completed", items))
  return numbered(events)
end

return M
