--- demo in OpenAI Responses.
local chat = require("lib.demo_openai_chat")
local content = require("lib.demo_content")
local json = require("cliproxy.json")
local ordered = require("lib.ordered")

local M = { error = chat.error }

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

local function read_items(body, asked)
  local all = {}
  for _, item in json.each(body.input) do
    if json.kind(item) == "object" then
      asked.result = nil
      if item.type == "function_call_output" then
        asked.result = content.text_of(item.output)
        table.insert(all, asked.result)
      elseif item.type == nil or item.type == "message" then
        local text = content.text_of(item.content)
        table.insert(all, text)
        asked.text = item.role == "user" and text or asked.text
      end
    end
  end
  asked.all = asked.all .. table.concat(all, "\n")
end

local function read_tools(body, asked)
  for _, tool in ipairs(json.kind(body.tools) == "array" and body.tools or {}) do
    if json.kind(tool) == "object" and tool.type == "function" and type(tool.name) == "string" then
      table.insert(asked.tools, { name = tool.name, schema = tool.parameters })
    end
  end
  local choice = body.tool_choice
  if json.kind(choice) == "object" then
    asked.choice, asked.forced = "required", choice.name
  elseif type(choice) == "string" then
    asked.choice = choice
  end
end

function M.read(body)
  local asked = { text = "", tools = {}, all = type(body.instructions) == "string" and body.instructions .. "\n" or "" }
  if type(body.input) == "string" then
    asked.text, asked.all = body.input, asked.all .. body.input
  elseif json.kind(body.input) == "array" then
    read_items(body, asked)
  end
  read_tools(body, asked)
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

local function call_item(answer, status, arguments)
  local tool = answer.tool
  return ordered("id", "fc_" .. answer.id, "type", "function_call", "status", status, "arguments", arguments,
    "call_id", "call_" .. tool.id, "name", tool.name)
end

local function final_item(answer)
  if answer.tool then
    return call_item(answer, "completed", answer.tool.arguments)
  end
  return message_item(answer, answer.stop == "length" and "incomplete" or "completed", { text_part(answer.text) })
end

function M.whole(answer)
  return response(answer, "completed", json.array { final_item(answer) })
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

local function call_events(answer, add)
  local id, arguments = "fc_" .. answer.id, answer.tool.arguments
  for _, piece in ipairs(content.halves(arguments)) do
    add("response.function_call_arguments.delta", "item_id", id, "output_index", 0, "delta", piece)
  end
  add("response.function_call_arguments.done", "item_id", id, "output_index", 0, "arguments", arguments,
    "name", answer.tool.name)
end

function M.events(answer)
  local events = {}
  local function add(...)
    table.insert(events, event(...))
  end
  add("response.created", "response", response(answer, "in_progress", json.array {}))
  add("response.in_progress", "response", response(answer, "in_progress", json.array {}))
  local opening = answer.tool and call_item(answer, "in_progress", "") or message_item(answer, "in_progress", {})
  add("response.output_item.added", "output_index", 0, "item", opening);
  (answer.tool and call_events or text_events)(answer, add)
  add("response.output_item.done", "output_index", 0, "item", final_item(answer))
  local last = answer.stop == "length" and "response.incomplete" or "response.completed"
  add(last, "response", response(answer, "completed", json.array { final_item(answer) }))
  return numbered(events)
end

return M
