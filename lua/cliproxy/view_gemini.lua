--- What `view` reads and writes of a Gemini request, in camelCase and in snake_case.
local json = require("cliproxy.json")
local texts = require("cliproxy.view_texts")

local M = {}

local child, is_string, text = texts.child, texts.is_string, texts.text

M.title, M.key = "Gemini", "contents"

-- The spelling that a node has; the first where it has none.
local function spelled(node, camel, snake)
  return json.node(node, camel) == nil and json.node(node, snake) ~= nil and snake or camel
end

local function object(node, camel, snake)
  return child(node, spelled(node, camel, snake), "object")
end

--- A count may be asked for of a whole request.
function M.root(document)
  return object(document, "generateContentRequest", "generate_content_request") or document
end

local function call_of(part)
  return object(part, "functionCall", "function_call")
end

local function result_of(part)
  return object(part, "functionResponse", "function_response")
end

function M.role(content)
  local role = content.role
  if role == "model" then
    return "assistant"
  elseif role == "function" then
    return "tool"
  end
  local parts = texts.objects(content, "parts")
  for _, part in ipairs(parts) do
    if not result_of(part) then
      return role == "system" and role or "user"
    end
  end
  return #parts > 0 and "tool" or "user"
end

function M.list(document)
  return child(document, "contents", "array"), 0
end

-- Slots of the parts of a content that are texts.
local function text_slots(content, parent)
  local slots = {}
  local objects, list = texts.objects(content, "parts")
  for _, part in ipairs(objects) do
    if is_string(part, "text") then
      slots[#slots + 1] = { node = part, key = "text", list = list, element = part, parent = parent }
    end
  end
  return slots
end

function M.system(document)
  local key = spelled(document, "systemInstruction", "system_instruction")
  if is_string(document, key) then
    return { { node = document, key = key } }
  end
  local content = child(document, key, "object")
  return content and text_slots(content, { node = document, key = key }) or {}
end

function M.add_system(document, value)
  local key = spelled(document, "systemInstruction", "system_instruction")
  document[key] = { parts = { { text = value } } }
end

function M.message(role, value)
  if role == "system" then
    return nil, "Gemini has no system messages between others: set view.system"
  end
  return json.object({ { "role", role == "assistant" and "model" or "user" }, { "parts", { { text = value } } } })
end

-- What a function returned: the one text in it, or the whole object.
local WORDS = { "output", "result", "content", "error" }

local function result_part(part, list)
  local result = result_of(part)
  local made = { kind = "tool_result", node = result, list = list, element = part, id = text(result, "id"),
    name = text(result, "name"), key = "response" }
  local response = child(result, "response", "object")
  if response and #response == 1 then
    for _, word in ipairs(WORDS) do
      if is_string(response, word) then
        made.slots, made.failed = { { node = response, key = word } }, word == "error"
      end
    end
  end
  return made
end

local function media(part, list)
  local data = object(part, "inlineData", "inline_data") or object(part, "fileData", "file_data")
  if data then
    local kind = text(data, spelled(data, "mimeType", "mime_type")) or ""
    return { kind = kind:find("^image/") and "image" or kind:find("^audio/") and "audio" or "document", node = part,
      list = list }
  end
  return { kind = "other", node = part, list = list }
end

---@return cliproxy.RawPart[]
function M.parts(content)
  local parts = {}
  local objects, list = texts.objects(content, "parts")
  for i, part in ipairs(objects) do
    local call = call_of(part)
    if call then
      parts[i] = { kind = "tool_call", node = call, list = list, element = part, id = text(call, "id"),
        name = text(call, "name"), key = "args" }
    elseif result_of(part) then
      parts[i] = result_part(part, list)
    elseif is_string(part, "text") then
      local thought = part.thought == true
      parts[i] = { kind = thought and "reasoning" or "text", node = part, list = list, fixed = thought,
        slots = { { node = part, key = "text", list = list, element = part } } }
    else
      parts[i] = media(part, list)
    end
  end
  return parts
end

function M.add_text(content, value)
  local list = child(content, "parts", "array")
  if list then
    json.insert(list, { text = value })
  else
    content.parts = { { text = value } }
  end
  return true
end

function M.tools(document)
  local out = {}
  local objects, list = texts.objects(document, "tools")
  for _, tool in ipairs(objects) do
    local key = spelled(tool, "functionDeclarations", "function_declarations")
    local above = { list = list, element = tool, parent = { node = document, key = "tools" } }
    local functions, declared = texts.objects(tool, key)
    for _, declaration in ipairs(functions) do
      out[#out + 1] = { kind = "function", node = declaration, list = declared, element = declaration, named = true,
        parent = { node = tool, key = key, above = above } }
    end
    for name in json.each(tool) do
      if name ~= key then
        out[#out + 1] = { kind = name, node = tool, member = name, above = above }
      end
    end
  end
  return out
end

M.without_tools = { "toolConfig", "tool_config" }

function M.extra()
  return {}
end

local FIELDS = {
  max_tokens = { "maxOutputTokens", "max_output_tokens" },
  temperature = { "temperature", "temperature" },
  top_p = { "topP", "top_p" },
  top_k = { "topK", "top_k" },
  stop = { "stopSequences", "stop_sequences" },
  seed = { "seed", "seed" },
}

function M.place(document, name, writing)
  local row = FIELDS[name]
  if not row then
    return nil, nil
  end
  local key = spelled(document, "generationConfig", "generation_config")
  local config = child(document, key, "object")
  if not config and writing then
    document[key] = json.object({})
    config = document[key]
  end
  if not config then
    return nil, row[1]
  end
  local snake = key == "generation_config" and json.node(config, row[1]) == nil
  return config, snake and row[2] or spelled(config, row[1], row[2])
end

return M
