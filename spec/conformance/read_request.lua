--- Reads what a service was sent: { system = texts, flow = { { role, text } }, calls = { { id, name, input } },
--- results = { { id, name, text, images, failed } }, images, documents, tools, choice, max_tokens, stop, format,
--- effort, states, search, stream }.
local json = require("cliproxy.json")

local M = {}

local NOTHING = json.parse("[]")

local function member(node, ...)
  for _, key in ipairs { ... } do
    if json.kind(node) ~= "object" and json.kind(node) ~= "array" then
      return nil
    end
    node = node[key]
  end
  if node == json.null then
    return nil
  end
  return node
end

local function each(node)
  return json.each(json.kind(node) == "array" and node or NOTHING)
end

local function new()
  return { system = {}, flow = {}, calls = {}, results = {}, images = {}, documents = {}, tools = {}, states = {},
    thoughts = {} }
end

local function say(seen, role, text)
  if role == "system" and #seen.flow == 0 then
    seen.system[#seen.system + 1] = text
  else
    seen.flow[#seen.flow + 1] = { role = role, text = text }
  end
end

local function add(list, value)
  list[#list + 1] = value
end

local function data_url(media_type, data)
  return ("data:%s;base64,%s"):format(tostring(media_type), tostring(data))
end

-- Chat ------------------------------------------------------------------------------------------------------------

local function chat_content(seen, role, content)
  if type(content) == "string" then
    return say(seen, role, content)
  end
  for _, part in each(content) do
    if part.type == "text" or part.type == "refusal" then
      say(seen, role, part.text or part.refusal)
    elseif part.type == "image_url" then
      add(seen.images, part.image_url.url)
    elseif part.type == "file" then
      add(seen.documents, part.file.file_data)
    end
  end
end

local function chat_text(content)
  if type(content) == "string" then
    return content
  end
  local texts = {}
  for i, part in each(content) do
    texts[i] = part.text
  end
  return table.concat(texts)
end

local CHAT_ROLES = { developer = "system" }

local function openai_chat(document)
  local seen = new()
  for _, message in each(document.messages) do
    local role = CHAT_ROLES[message.role] or message.role
    if role == "tool" then
      add(seen.results, { id = message.tool_call_id, text = chat_text(message.content), images = {} })
    else
      chat_content(seen, role, message.content)
    end
    local thought = member(message, "reasoning_content") or member(message, "reasoning")
    if thought then
      add(seen.thoughts, thought)
    end
    for _, call in each(message.tool_calls) do
      add(seen.calls, { id = call.id, name = call["function"].name, input = call["function"].arguments })
    end
  end
  for _, tool in each(document.tools) do
    add(seen.tools, { name = tool["function"].name, description = member(tool, "function", "description"),
      schema = json.raw(tool["function"], "parameters") })
  end
  local choice = document.tool_choice
  seen.choice = json.kind(choice) == "object" and "named " .. choice["function"].name or choice
  seen.max_tokens = document.max_completion_tokens or document.max_tokens
  local stop = document.stop
  seen.stop = json.kind(stop) == "array" and stop[1] or stop
  seen.format = member(document, "response_format", "json_schema") and json.raw(document.response_format.json_schema,
    "schema")
  seen.effort = document.reasoning_effort
  seen.single = document.parallel_tool_calls == false
  seen.temperature = json.raw(document, "temperature")
  seen.json = member(document, "response_format", "type") == "json_object"
  seen.search = document.web_search_options ~= nil
  seen.asks_usage = member(document, "stream_options", "include_usage")
  return seen
end

-- Responses -------------------------------------------------------------------------------------------------------

local function responses_part(seen, role, part, images)
  if part.type == "input_image" then
    add(images, part.image_url)
  elseif part.type == "input_file" then
    add(seen.documents, part.file_data)
  else
    say(seen, role, part.text or part.refusal)
  end
end

local function responses_output(seen, item)
  local result = { id = item.call_id, text = "", images = {} }
  if type(item.output) == "string" then
    result.text = item.output
  else
    for _, part in each(item.output) do
      result.text = result.text .. (member(part, "text") or "")
      if part.type == "input_image" then
        add(result.images, part.image_url)
      end
    end
  end
  add(seen.results, result)
end

local function openai_responses(document)
  local seen = new()
  if member(document, "instructions") then
    add(seen.system, document.instructions)
  end
  if type(document.input) == "string" then
    say(seen, "user", document.input)
  end
  for _, item in each(document.input) do
    if item.type == "function_call" then
      add(seen.calls, { id = item.call_id, name = item.name, input = item.arguments })
    elseif item.type == "function_call_output" then
      responses_output(seen, item)
    elseif item.type == "reasoning" then
      add(seen.states, item.encrypted_content)
      for _, part in each(item.summary) do
        add(seen.thoughts, part.text)
      end
    elseif type(item.content) == "string" then
      say(seen, CHAT_ROLES[item.role] or item.role, item.content)
    else
      for _, part in each(item.content) do
        responses_part(seen, CHAT_ROLES[item.role] or item.role, part, seen.images)
      end
    end
  end
  for _, tool in each(document.tools) do
    if tool.type == "web_search" then
      seen.search = true
    else
      add(seen.tools, { name = tool.name, description = member(tool, "description"),
        schema = json.raw(tool, "parameters") })
    end
  end
  local choice = document.tool_choice
  seen.choice = json.kind(choice) == "object" and "named " .. choice.name or choice
  seen.max_tokens = document.max_output_tokens
  local format = member(document, "text", "format")
  seen.format = format and json.raw(format, "schema")
  seen.effort = member(document, "reasoning", "effort")
  seen.single = document.parallel_tool_calls == false
  seen.temperature = json.raw(document, "temperature")
  seen.json = member(format, "type") == "json_object"
  return seen
end

-- Anthropic -------------------------------------------------------------------------------------------------------

local function source(block)
  local from = block.source
  return from.type == "url" and from.url or data_url(from.media_type, from.data)
end

local function anthropic_result(seen, block)
  local result = { id = block.tool_use_id, text = "", images = {}, failed = block.is_error == true }
  if type(block.content) == "string" then
    result.text = block.content
  else
    for _, part in each(block.content) do
      if part.type == "image" then
        add(result.images, source(part))
      else
        result.text = result.text .. (member(part, "text") or "")
      end
    end
  end
  add(seen.results, result)
end

local BLOCKS = {
  text = function(seen, block, role) say(seen, role, block.text) end,
  image = function(seen, block) add(seen.images, source(block)) end,
  document = function(seen, block) add(seen.documents, source(block)) end,
  tool_use = function(seen, block)
    add(seen.calls, { id = block.id, name = block.name, input = json.raw(block, "input") })
  end,
  tool_result = anthropic_result,
  thinking = function(seen, block)
    add(seen.states, block.signature)
    add(seen.thoughts, block.thinking)
  end,
}

local CHOICES = { any = "required", auto = "auto", none = "none" }

local function anthropic(document)
  local seen = new()
  if type(document.system) == "string" then
    add(seen.system, document.system)
  end
  for _, block in each(document.system) do
    add(seen.system, block.text)
  end
  for _, message in each(document.messages) do
    if type(message.content) == "string" then
      say(seen, message.role, message.content)
    end
    for _, block in each(message.content) do
      if BLOCKS[block.type] then
        BLOCKS[block.type](seen, block, message.role)
      end
    end
  end
  for _, tool in each(document.tools) do
    if member(tool, "type") == "web_search_20250305" then
      seen.search = true
    else
      add(seen.tools, { name = tool.name, description = member(tool, "description"),
        schema = json.raw(tool, "input_schema") })
    end
  end
  local choice = member(document, "tool_choice")
  seen.choice = choice and (choice.type == "tool" and "named " .. choice.name or CHOICES[choice.type])
  seen.max_tokens, seen.stop = document.max_tokens, member(document, "stop_sequences", 1)
  seen.format = member(document, "output_config", "format") and json.raw(document.output_config.format, "schema")
  seen.effort = member(document, "output_config", "effort")
  seen.single = choice and choice.disable_parallel_tool_use == true
  seen.temperature = json.raw(document, "temperature")
  return seen
end

-- Gemini ----------------------------------------------------------------------------------------------------------

local GEMINI_ROLES = { model = "assistant", user = "user" }

local function gemini_response(seen, part)
  local response = part.functionResponse
  local result = { id = member(response, "id"), name = response.name, images = {},
    failed = member(response, "response", "error") ~= nil,
    text = member(response, "response", "output") or member(response, "response", "result")
      or json.raw(response, "response") }
  for _, one in each(response.parts) do
    add(result.images, data_url(one.inlineData.mimeType, one.inlineData.data))
  end
  add(seen.results, result)
end

local function gemini_part(seen, role, part)
  if member(part, "thoughtSignature") then
    add(seen.states, part.thoughtSignature)
  end
  if member(part, "thought") then
    add(seen.thoughts, part.text)
  elseif member(part, "text") then
    say(seen, role, part.text)
  elseif part.functionCall ~= nil then
    add(seen.calls, { id = member(part.functionCall, "id"), name = part.functionCall.name,
      input = json.raw(part.functionCall, "args") or "{}" })
  elseif part.functionResponse ~= nil then
    gemini_response(seen, part)
  elseif part.inlineData ~= nil then
    local media = part.inlineData
    add(media.mimeType == "application/pdf" and seen.documents or seen.images, data_url(media.mimeType, media.data))
  elseif part.fileData ~= nil then
    add(seen.images, part.fileData.fileUri)
  end
end

local MODES = { ANY = "required", AUTO = "auto", NONE = "none" }

local function gemini(document)
  local seen = new()
  for _, part in each(member(document, "systemInstruction", "parts")) do
    add(seen.system, part.text)
  end
  for _, content in each(document.contents) do
    for _, part in each(content.parts) do
      gemini_part(seen, GEMINI_ROLES[content.role], part)
    end
  end
  for _, tool in each(document.tools) do
    seen.search = seen.search or tool.googleSearch ~= nil
    for _, one in each(tool.functionDeclarations) do
      add(seen.tools, { name = one.name, description = member(one, "description"),
        schema = json.raw(one, "parametersJsonSchema") or json.raw(one, "parameters") })
    end
  end
  local config = member(document, "toolConfig", "functionCallingConfig")
  if config then
    local name = member(config, "allowedFunctionNames", 1)
    seen.choice = name and "named " .. name or MODES[config.mode]
  end
  local settings = member(document, "generationConfig")
  seen.max_tokens, seen.stop = member(settings, "maxOutputTokens"), member(settings, "stopSequences", 1)
  seen.format = settings and (json.raw(settings, "responseJsonSchema") or json.raw(settings, "responseSchema"))
  seen.temperature = settings and json.raw(settings, "temperature")
  seen.json = member(settings, "responseMimeType") == "application/json" and not seen.format
  local level = member(settings, "thinkingConfig", "thinkingLevel")
  seen.effort = level and level:lower()
  return seen
end

local readers = { openai_chat = openai_chat, openai_responses = openai_responses, anthropic = anthropic,
  gemini = gemini }

---@param dialect string
---@param body string
---@return table
function M.read(dialect, body)
  local document = assert(json.parse(body))
  local seen = readers[dialect](document)
  seen.stream, seen.model = document.stream, document.model
  return seen
end

return M
