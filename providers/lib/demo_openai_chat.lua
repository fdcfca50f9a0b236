--- demo in OpenAI Chat Completions.
local chat_chunks = require("lib.chat_chunks")
local content = require("lib.demo_content")
local json = require("cliproxy.json")
local ordered = require("lib.ordered")

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

local function read_tools(body, asked)
  for _, tool in ipairs(json.kind(body.tools) == "array" and body.tools or {}) do
    local fn = json.kind(tool) == "object" and tool["function"]
    if json.kind(fn) == "object" and type(fn.name) == "string" then
      table.insert(asked.tools, { name = fn.name, schema = fn.parameters })
    end
  end
  local choice = body.tool_choice
  if json.kind(choice) == "object" then
    local fn = choice["function"]
    asked.choice, asked.forced = "required", json.kind(fn) == "object" and fn.name or nil
  elseif type(choice) == "string" then
    asked.choice = choice
  end
end

local function read_messages(body, asked)
  local all = {}
  for _, message in ipairs(json.kind(body.messages) == "array" and body.messages or {}) do
    if json.kind(message) == "object" then
      local text = content.text_of(message.content)
      table.insert(all, text)
      asked.text = message.role == "user" and text or asked.text
      asked.result = message.role == "tool" and text or nil
    end
  end
  asked.all = table.concat(all, "\n")
end

--- What the request asks for, in no dialect.
function M.read(body)
  local asked = { text = "", tools = {}, all = "" }
  if type(body.prompt) == "string" then
    asked.text, asked.all = body.prompt, body.prompt
  end
  read_tools(body, asked)
  if body.messages ~= nil then
    read_messages(body, asked)
  end
  local options = body.stream_options
  asked.include_usage = json.kind(options) == "object" and options.include_usage == true
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
  local tool = answer.tool
  local calls = tool and { chat_chunks.tool_call_object("call_" .. tool.id, tool.name, tool.arguments) } or {}
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
  if answer.tool then
    add(chunks:tool_call("call_" .. answer.tool.id, answer.tool.name, content.halves(answer.tool.arguments)))
  end
  add(chunks:finish(answer.stop, usage_of(answer)))
  return events
end

return M
