--- demo in Gemini generateContent.
local json = require("cliproxy.json")
local ordered = require("lib.ordered")
local read = require("lib.demo_read")

local M = {}

local STATUSES = { [400] = "INVALID_ARGUMENT", [401] = "UNAUTHENTICATED", [403] = "PERMISSION_DENIED",
  [404] = "NOT_FOUND", [409] = "ABORTED", [429] = "RESOURCE_EXHAUSTED", [503] = "UNAVAILABLE",
  [504] = "DEADLINE_EXCEEDED" }

function M.error(status, message)
  return ordered("error", ordered("code", status, "message", message,
    "status", STATUSES[status] or (status < 500 and "INVALID_ARGUMENT" or "INTERNAL")))
end

function M.error_event(status, message)
  return { { data = json.encode(M.error(status, message)), ending = "\r\n" } }
end

-- Proto-JSON takes snake_case everywhere, too.
local function either(node, camel, snake)
  if json.kind(node) ~= "object" then
    return nil
  end
  local value = node[camel]
  if value == nil then
    value = node[snake]
  end
  return value
end

local function seen(part)
  local inline = either(part, "inlineData", "inline_data")
  if json.kind(inline) == "object" then
    return read.data(either(inline, "mimeType", "mime_type"), inline.data)
  end
  local file = either(part, "fileData", "file_data")
  return json.kind(file) == "object" and read.url(either(file, "fileUri", "file_uri")) or nil
end

local function read_content(one, asked, all)
  local text = read.text_of(one.parts)
  table.insert(all, text)
  asked.results = nil
  if one.role ~= "model" then
    read.heard(asked, text, read.media_of(one.parts, seen))
  end
  for _, part in read.items(one.parts) do
    local result = either(part, "functionResponse", "function_response")
    if json.kind(result) == "object" and json.present(result.response) then
      read.result(asked, json.raw(result, "response"), read.media_of(result.parts, seen))
    end
  end
end

local function read_choice(body, asked)
  local config = either(either(body, "toolConfig", "tool_config"), "functionCallingConfig", "function_calling_config")
  local mode = json.kind(config) == "object" and type(config.mode) == "string" and config.mode:upper()
  asked.choice = mode == "ANY" and "required" or mode == "NONE" and "none" or nil
  local names = (mode == "ANY" or mode == "VALIDATED") and either(config, "allowedFunctionNames",
    "allowed_function_names")
  if json.kind(names) == "array" and #names > 0 then
    read.allow(asked, names, function(name)
      return name
    end)
  end
end

local function read_tools(body, asked)
  for _, tool in read.items(body.tools) do
    for _, declared in read.items(either(tool, "functionDeclarations", "function_declarations")) do
      if json.kind(declared) == "object" and type(declared.name) == "string" then
        local schema = declared.parameters or either(declared, "parametersJsonSchema", "parameters_json_schema")
        table.insert(asked.tools, { name = declared.name, schema = schema })
      end
    end
  end
  read_choice(body, asked)
end

local function read_config(body, asked)
  local config = either(body, "generationConfig", "generation_config")
  asked.max_tokens = either(config, "maxOutputTokens", "max_output_tokens")
  if either(config, "responseMimeType", "response_mime_type") == "application/json" then
    local schema = either(config, "responseJsonSchema", "response_json_schema")
      or either(config, "responseSchema", "response_schema")
    asked.format = { schema = json.kind(schema) == "object" and schema or nil }
  end
end

function M.read(body)
  local asked, all = read.asked(), {}
  local system = either(body, "systemInstruction", "system_instruction")
  table.insert(all, json.kind(system) == "object" and read.text_of(system.parts) or "")
  for _, one in read.items(body.contents) do
    if json.kind(one) == "object" then
      read_content(one, asked, all)
    end
  end
  read_tools(body, asked)
  read_config(body, asked)
  asked.all = table.concat(all, "\n")
  return asked
end

local function usage_of(answer, output)
  local input = answer.usage.input
  return ordered("promptTokenCount", input, "candidatesTokenCount", output, "totalTokenCount", input + output,
    "promptTokensDetails", json.array { ordered("modality", "TEXT", "tokenCount", input) })
end

local function reason_of(answer)
  return answer.stop == "length" and "MAX_TOKENS" or "STOP"
end

local function chunk(answer, parts, reason, output)
  return ordered(
    "candidates", json.array { ordered(
      "content", ordered("parts", json.array(parts), "role", "model"),
      "finishReason", reason,
      "index", 0
    ) },
    "usageMetadata", usage_of(answer, output),
    "modelVersion", answer.model,
    "responseId", answer.id
  )
end

-- Without an id, as most models give it.
local function call_part(call)
  return ordered("functionCall", ordered("name", call.name, "args", json.parse(call.arguments)))
end

function M.whole(answer)
  local parts = {}
  for i, call in ipairs(answer.calls) do
    parts[i] = call_part(call)
  end
  if #parts == 0 then
    parts[1] = ordered("text", answer.text)
  end
  return chunk(answer, parts, reason_of(answer), answer.usage.output)
end

--- Each call in a chunk of its own.
function M.events(answer)
  local events = {}
  local calling = #answer.calls > 0
  local list = calling and answer.calls or answer.pieces
  for i, one in ipairs(list) do
    local part = calling and call_part(one) or ordered("text", one)
    local output = calling and math.floor(answer.usage.output * i / #list) or i
    table.insert(events, { ending = "\r\n",
      data = json.encode(chunk(answer, { part }, i == #list and reason_of(answer) or nil, output)) })
  end
  return events
end

return M
