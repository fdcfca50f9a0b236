--- A Chat Completions request as Ollama's native /api/chat wants it. What
--- Ollama cannot do is refused, naming the field.
local json = require("cliproxy.json")

local M = {}

-- Chat's names of sampling options, and Ollama's.
local OPTIONS = {
  temperature = "temperature", top_p = "top_p", seed = "seed", stop = "stop", frequency_penalty = "frequency_penalty",
  presence_penalty = "presence_penalty", max_tokens = "num_predict", max_completion_tokens = "num_predict",
}

-- The client would read what it does not get.
local REFUSED = { "logprobs", "audio", "logit_bias", "prediction", "functions", "web_search_options" }

--- Whether the client asked for the usage chunk. Kept before the document is closed.
function M.wants_usage(call)
  local body = call.request.body
  local options = body and body.stream_options
  return json.kind(options) == "object" and options.include_usage == true
end

local function image_of(part)
  local url = json.kind(part.image_url) == "object" and part.image_url.url or part.image_url
  return type(url) == "string" and url:match("^data:image/[%w.+-]+;base64,(.+)$")
end

local function content_of(message)
  local content = message.content
  if type(content) == "string" then
    return content
  elseif not json.present(content) then
    return ""
  end
  local texts, images = {}, json.array {}
  for i, part in json.each(content) do
    if part.type == "text" then
      table.insert(texts, part.text)
    elseif part.type == "image_url" then
      local image = image_of(part)
      if not image then
        return nil, "ollama takes images as data: URLs only", i
      end
      table.insert(images, image)
    else
      return nil, ("ollama takes no %s parts"):format(tostring(part.type)), i
    end
  end
  return table.concat(texts, "\n"), nil, nil, #images > 0 and images or nil
end

local function tool_calls_of(message, names)
  if json.kind(message.tool_calls) ~= "array" then
    return nil
  end
  local calls = json.array {}
  for i, tool_call in json.each(message.tool_calls) do
    local fn = tool_call["function"]
    names[tool_call.id] = fn.name
    local text = fn.arguments ~= "" and fn.arguments or "{}"
    local arguments, wrong = json.parse(text)
    if not arguments then
      return nil, "arguments of " .. tostring(fn.name) .. " are not JSON: " .. wrong
    end
    calls[i] = { ["function"] = { name = fn.name, arguments = arguments } }
  end
  return calls
end

local function message_of(message, names)
  local content, wrong, _, images = content_of(message)
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
  if role == "tool" then
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
  if json.kind(wanted) ~= "object" or wanted.type == "text" then
    return nil
  elseif wanted.type == "json_schema" then
    return wanted.json_schema.schema
  end
  return "json"
end

--- The body, or nil, message, code, param.
function M.encode(document, call)
  if call.operation ~= "generate" then
    return nil, "ollama's native API has no " .. call.operation .. " operation here"
  end
  for _, name in ipairs(REFUSED) do
    if json.present(document[name]) and document[name] ~= false then
      return nil, "ollama takes no " .. name, "unsupported_parameter", name
    end
  end
  if type(document.n) == "number" and document.n > 1 then
    return nil, "ollama gives one choice", "unsupported_parameter", "n"
  end
  if json.kind(document.messages) ~= "array" then
    return nil, "messages must be a list", "invalid_type", "messages"
  end
  local messages, wrong, param = messages_of(document)
  if not messages then
    return nil, wrong, "unsupported_value", param
  end
  local body = json.object { { "model", call.model }, { "messages", messages }, { "stream", call.stream } }
  body.tools = json.kind(document.tools) == "array" and document.tool_choice ~= "none" and document.tools or nil
  body.options = options_of(document)
  body.format = format_of(document)
  body.keep_alive = call.options.keep_alive
  return json.encode(body)
end

return M
