--- demo in Gemini generateContent.
local content = require("lib.demo_content")
local json = require("cliproxy.json")
local ordered = require("lib.ordered")

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

local function each(list)
  return ipairs(json.kind(list) == "array" and list or {})
end

local function read_contents(body, asked, all)
  for _, one in each(body.contents) do
    if json.kind(one) == "object" then
      local text = content.text_of(one.parts)
      table.insert(all, text)
      asked.result = nil
      if one.role ~= "model" and text ~= "" then
        asked.text = text
      end
      for _, part in each(one.parts) do
        local result = either(part, "functionResponse", "function_response")
        if json.kind(result) == "object" and json.present(result.response) then
          asked.result = json.raw(result, "response")
        end
      end
    end
  end
end

local function read_tools(body, asked)
  for _, tool in each(body.tools) do
    for _, declared in each(either(tool, "functionDeclarations", "function_declarations")) do
      if json.kind(declared) == "object" and type(declared.name) == "string" then
        local schema = declared.parameters or either(declared, "parametersJsonSchema", "parameters_json_schema")
        table.insert(asked.tools, { name = declared.name, schema = schema })
      end
    end
  end
  local config = either(either(body, "toolConfig", "tool_config"), "functionCallingConfig", "function_calling_config")
  local mode = json.kind(config) == "object" and type(config.mode) == "string" and config.mode:upper()
  asked.choice = mode == "ANY" and "required" or mode == "NONE" and "none" or nil
  local names = mode == "ANY" and either(config, "allowedFunctionNames", "allowed_function_names")
  asked.forced = json.kind(names) == "array" and names[1] or nil
end

function M.read(body)
  local asked, all = { text = "", tools = {} }, {}
  local system = either(body, "systemInstruction", "system_instruction")
  table.insert(all, json.kind(system) == "object" and content.text_of(system.parts) or "")
  read_contents(body, asked, all)
  read_tools(body, asked)
  asked.all = table.concat(all, "\n")
  asked.max_tokens = either(either(body, "generationConfig", "generation_config"), "maxOutputTokens",
    "max_output_tokens")
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

local function chunk(answer, part, reason, output)
  return ordered(
    "candidates", json.array { ordered(
      "content", ordered("parts", json.array { part }, "role", "model"),
      "finishReason", reason,
      "index", 0
    ) },
    "usageMetadata", usage_of(answer, output),
    "modelVersion", answer.model,
    "responseId", answer.id
  )
end

local function call_part(answer)
  return ordered("functionCall", ordered("name", answer.tool.name, "args", json.parse(answer.tool.arguments)))
end

function M.whole(answer)
  local part = answer.tool and call_part(answer) or ordered("text", answer.text)
  return chunk(answer, part, reason_of(answer), answer.usage.output)
end

function M.events(answer)
  local events = {}
  local function add(...)
    table.insert(events, { data = json.encode(chunk(answer, ...)), ending = "\r\n" })
  end
  if answer.tool then
    add(call_part(answer), "STOP", answer.usage.output)
    return events
  end
  for i, piece in ipairs(answer.pieces) do
    add(ordered("text", piece), i == #answer.pieces and reason_of(answer) or nil, i)
  end
  return events
end

return M
