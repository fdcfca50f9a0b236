--- demo in OpenAI Chat Completions.
local chat_chunks = require("lib.chat_chunks")
local content = require("lib.demo_content")
local json = require("cliproxy.json")
local ordered = require("lib.ordered")
local read = require("lib.demo_read")

local M = {}

local TYPES = { [401] = "invalid_request_error", [429] = "rate_limit_exceeded" }
local CODES = { [401] = "invalid_api_key", [404] = "model_not_found", [429] = "rate_limit_exceeded" }

function M.error(status, message)
  return ordered("error", ordered(
    "message", message,
    "type", TYPES[status] or (status >= 500 and "server_error" or "invalid_request_error"),
    "param", json.null,
    "code", CODES[status] or json.null
  ))
end

function M.error_event(status, message)
  return { { data = json.encode(M.error(status, message)) } }
end

local function inner(node, key)
  local value = read.is_object(node) and node[key]
  return read.is_object(value) and value or nil
end

-- What a tool, a choice or an entry of allowed tools is about.
local function named(node)
  return inner(node, "function") or inner(node, "custom")
end

local function name_of(node)
  local about = named(node)
  return about and about.name
end

local function seen(part)
  local image, file, audio = inner(part, "image_url"), inner(part, "file"), inner(part, "input_audio")
  if image then
    return read.url(image.url)
  elseif file then
    return read.url(file.file_data)
  elseif audio then
    return read.data("audio/" .. tostring(audio.format), audio.data)
  end
end

local function read_choice(body, asked)
  local choice = body.tool_choice
  local several = inner(choice, "allowed_tools")
  if several then
    asked.choice = several.mode
    read.allow(asked, several.tools, name_of)
  elseif type(name_of(choice)) == "string" then
    asked.choice, asked.allowed = "required", { [name_of(choice)] = true }
  elseif type(choice) == "string" then
    asked.choice = choice
  end
  if body.parallel_tool_calls == false then
    asked.parallel = false
  end
end

local function read_tools(body, asked)
  for _, tool in read.items(body.tools) do
    local about = named(tool)
    if about and type(about.name) == "string" then
      table.insert(asked.tools, { name = about.name, schema = about.parameters, custom = inner(tool, "custom") ~= nil })
    end
  end
  read_choice(body, asked)
end

local function read_messages(body, asked)
  local all = {}
  for _, message in read.items(body.messages) do
    if read.is_object(message) then
      local text = read.text_of(message.content)
      table.insert(all, text)
      if message.role == "tool" then
        read.result(asked, text, {})
      elseif message.role == "user" then
        asked.results = nil
        read.heard(asked, text, read.media_of(message.content, seen))
      elseif message.role == "assistant" then
        asked.results = nil
      end
    end
  end
  asked.all = table.concat(all, "\n")
end

local function read_format(body, asked)
  local format = body.response_format
  local kind = read.is_object(format) and format.type
  if kind == "json_object" or kind == "json_schema" then
    local about = inner(format, "json_schema")
    asked.format = { schema = inner(about, "schema") }
  end
end

--- What the request asks for, in no dialect.
function M.read(body)
  local asked = read.asked()
  if type(body.prompt) == "string" then
    asked.text, asked.all = body.prompt, body.prompt
  end
  read_tools(body, asked)
  read_format(body, asked)
  if body.messages ~= nil then
    read_messages(body, asked)
  end
  local options = body.stream_options
  asked.include_usage = read.is_object(options) and options.include_usage == true
  asked.max_tokens = body.max_completion_tokens or body.max_tokens
  return asked
end

local function options_of(answer)
  return { id = "chatcmpl-" .. answer.id, model = answer.model, created = answer.created, usage = answer.include_usage }
end

local function usage_of(answer)
  return { prompt_tokens = answer.usage.input, completion_tokens = answer.usage.output }
end

function M.whole(answer)
  local calls = {}
  for i, call in ipairs(answer.calls) do
    calls[i] = chat_chunks.tool_call_object("call_" .. call.id, call.name, call.arguments, call.custom)
  end
  return chat_chunks.whole(options_of(answer), answer.text, calls, answer.stop, usage_of(answer))
end

function M.events(answer)
  local chunks, events = chat_chunks.new(options_of(answer)), {}
  local function add(list)
    for _, event in ipairs(list) do
      table.insert(events, event)
    end
  end
  for _, piece in ipairs(answer.pieces) do
    add(chunks:text(piece))
  end
  for _, call in ipairs(answer.calls) do
    add(chunks:tool_call("call_" .. call.id, call.name, content.halves(call.arguments), call.custom))
  end
  add(chunks:finish(answer.stop, usage_of(answer)))
  return events
end

return M
