--- A Chat Completions request as Ollama's native /api/chat wants it. What
--- Ollama cannot do is refused, naming the field.
local json = require("cliproxy.json")

local M = {}

-- Chat's names of sampling options, and Ollama's.
local OPTIONS = {
  temperature = "temperature", top_p = "top_p", seed = "seed", stop = "stop", frequency_penalty = "frequency_penalty",
  presence_penalty = "presence_penalty", max_tokens = "num_predict", max_completion_tokens = "num_predict",
}

-- Chat's reasoning_effort, and what Ollama's `think` takes: a switch, or one of three levels.
local THINK = {
  none = false, minimal = "low", low = "low", medium = "medium", high = "high", xhigh = "high", max = "high",
}

-- The client would read what it does not get.
local REFUSED = { "logprobs", "audio", "logit_bias", "prediction", "functions", "web_search_options" }

-- Whether the usage chunk was asked for.
local function wants_usage(document)
  local options = document.stream_options
  return json.kind(options) == "object" and options.include_usage == true
end

local function is_object(value)
  return json.kind(value) == "object"
end

local function image_of(part)
  local url = is_object(part.image_url) and part.image_url.url or part.image_url
  return type(url) == "string" and url:match("^data:image/[%w.+-]+;base64,(.+)$")
end

local function content_of(message)
  local content = message.content
  if type(content) == "string" then
    return content
  elseif not json.present(content) then
    return ""
  elseif json.kind(content) ~= "array" then
    return nil, "content must be text or a list of parts"
  end
  local texts, images = {}, json.array {}
  for _, part in json.each(content) do
    local kind = is_object(part) and part.type
    if kind == "text" and type(part.text) == "string" then
      table.insert(texts, part.text)
    elseif kind == "image_url" then
      local image = image_of(part)
      if not image then
        return nil, "ollama takes images as data: URLs only"
      end
      table.insert(images, image)
    else
      return nil, type(kind) == "string" and kind ~= "text" and "ollama takes no " .. kind .. " parts"
        or "each part of content must be an object with type and text"
    end
  end
  return table.concat(texts, "\n"), nil, #images > 0 and images or nil
end

local function tool_calls_of(message, names)
  if json.kind(message.tool_calls) ~= "array" then
    return nil
  end
  local calls = json.array {}
  for i, tool_call in json.each(message.tool_calls) do
    local fn = is_object(tool_call) and tool_call["function"]
    if not is_object(fn) or type(fn.name) ~= "string" or type(tool_call.id) ~= "string" then
      return nil, "each of tool_calls must be an object with id and function.name"
    end
    names[tool_call.id] = fn.name
    local text = type(fn.arguments) == "string" and fn.arguments ~= "" and fn.arguments or "{}"
    local arguments, wrong = json.parse(text)
    if arguments == nil then
      return nil, "arguments of " .. fn.name .. " are not JSON: " .. wrong
    end
    calls[i] = { ["function"] = { name = fn.name, arguments = arguments } }
  end
  return calls
end

local function message_of(message, names)
  if not is_object(message) then
    return nil, "each of messages must be an object"
  end
  local content, wrong, images = content_of(message)
  if not content then
    return nil, wrong
  end
  local role = message.role == "developer" and "system" or message.role
  local out = json.object { { "role", role }, { "content", content } }
  out.images = images
  local calls, bad = tool_calls_of(message, names)
  if bad then
    return nil, bad
  end
  out.tool_calls = calls
  if type(message.reasoning_content) == "string" then
    out.thinking = message.reasoning_content
  end
  if role == "tool" and type(message.tool_call_id) == "string" then
    out.tool_name = names[message.tool_call_id]
  end
  return out
end

local function messages_of(document)
  local out, names = json.array {}, {}
  for i, message in json.each(document.messages) do
    local converted, wrong = message_of(message, names)
    if not converted then
      return nil, wrong, ("messages[%d]"):format(i - 1)
    end
    out[i] = converted
  end
  return out
end

local function options_of(document)
  local out = {}
  for name, ours in pairs(OPTIONS) do
    local value = document[name]
    if json.present(value) then
      out[ours] = name == "stop" and type(value) == "string" and json.array { value } or value
    end
  end
  return next(out) and out or nil
end

local function format_of(document)
  local wanted = document.response_format
  if not is_object(wanted) or wanted.type == "text" then
    return nil
  elseif wanted.type == "json_schema" and is_object(wanted.json_schema) then
    return wanted.json_schema.schema
  end
  return "json"
end

--- The field that Ollama cannot honour, and why; nil where there is none.
local function unsupported(document)
  for _, name in ipairs(REFUSED) do
    if json.present(document[name]) and document[name] ~= false then
      return name, "ollama takes no " .. name
    end
  end
  local choice, effort = document.tool_choice, document.reasoning_effort
  if json.present(effort) and THINK[effort] == nil then
    return "reasoning_effort", "reasoning_effort may be none, minimal, low, medium, high, xhigh or max"
  elseif type(document.n) == "number" and document.n > 1 then
    return "n", "ollama gives one choice"
  elseif json.present(choice) and choice ~= "auto" and choice ~= "none" then
    return "tool_choice", 'ollama decides itself whether to call a tool: tool_choice may be "auto" or "none"'
  end
end

--- The body, or nil, message, code, param.
function M.encode(document, call)
  if call.operation ~= "generate" then
    return nil, "ollama's native API has no " .. call.operation .. " operation here"
  end
  local field, why = unsupported(document)
  if field then
    return nil, why, "unsupported_parameter", field
  end
  if json.kind(document.messages) ~= "array" then
    return nil, "messages must be a list", "invalid_type", "messages"
  end
  call.wants_usage = wants_usage(document) -- for the answer, when the document is closed
  local messages, wrong, param = messages_of(document)
  if not messages then
    return nil, wrong, "unsupported_value", param
  end
  local body = json.object { { "model", call.model }, { "messages", messages }, { "stream", call.stream } }
  body.tools = json.kind(document.tools) == "array" and document.tool_choice ~= "none" and document.tools or nil
  body.options = options_of(document)
  body.format = format_of(document)
  body.think = THINK[document.reasoning_effort]
  body.keep_alive = call.options.keep_alive
  return json.encode(body)
end

return M
