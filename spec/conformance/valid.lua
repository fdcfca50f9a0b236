--- What a service takes: the shape and the order of a request, as the official service enforces them. What it would
--- answer with 400 is a violation here.
local json = require("cliproxy.json")
local shape = require("cliproxy.automata.shape")

local M = {}

local members, object, each, typed, check, child = shape.members, shape.object, shape.each, shape.typed, shape.check,
  shape.child

local function length(node)
  local kind = json.kind(node)
  return (kind == "array" or kind == "string") and #node or 0
end

local function matches(pattern, max)
  return function(report, text, where)
    if not text:find(pattern) or #text > max then
      report:say(where, ("%q is not allowed"):format(text))
    end
  end
end

local OPENAI_NAME = { "text", matches("^[%w_-]+$", 64) }
local DATA_URL = { "text", function(report, text, where)
  if not text:find("^data:[%w/.+-]+;base64,[%w+/]+=*$") and not text:find("^https://") then
    report:say(where, "neither a data URL nor a web address")
  end
end }

local function schema_is_object(report, schema, where)
  if schema.type ~= "object" or json.kind(schema.properties) ~= "object" then
    report:say(where, "it is no schema of an object with properties")
  end
end

-- Chat ------------------------------------------------------------------------------------------------------------

local TEXT_PART = { text = "string" }
local CHAT_PARTS = typed({
  text = TEXT_PART, refusal = { refusal = "string" },
  image_url = { image_url = { "object", object { url = DATA_URL, detail = "string?" } } },
  file = { file = { "object", object { file_data = DATA_URL, filename = "text" } } },
}, "part")
local CHAT_TEXTS = each(typed({ text = TEXT_PART }, "part"))
local CHAT_CALLS = each(typed({ ["function"] = { id = "text", ["function"] = { "object", object {
  name = OPENAI_NAME, arguments = "text",
} } } }, "call"))

local function content(kinds, parts)
  return { kinds, function(report, value, where)
    if json.kind(value) == "array" then
      if #value == 0 then
        report:say(where, "an empty list")
      end
      parts(report, value, where)
    end
  end }
end

local CHAT_ROLES = {
  system = members { role = "string", content = content("text|array", CHAT_TEXTS) },
  user = members { role = "string", content = content("string|array", each(CHAT_PARTS)) },
  assistant = members { role = "string", content = content("string|array|null?", each(CHAT_PARTS)),
    tool_calls = { "array?", CHAT_CALLS }, refusal = "string|null?", reasoning_content = "text?" },
  tool = members { role = "string", tool_call_id = "text", content = content("string|array", CHAT_TEXTS) },
}
CHAT_ROLES.developer = CHAT_ROLES.system

local PLACE = { city = "text?", country = "text?", region = "text?", timezone = "text?" }
local FLAT_PLACE = typed({ approximate = PLACE }, "location")

local CHAT = members {
  web_search_options = { "object?", object { search_context_size = "text?",
    user_location = { "object?", typed({ approximate = { approximate = { "object", object(PLACE) } } }, "location") },
  } },
  model = "text", messages = "array", stream = "boolean?", max_completion_tokens = "count?",
  stream_options = { "object?", object { include_usage = "boolean?" } }, reasoning_effort = "text?",
  stop = "array|text?", tool_choice = { "text|object?", function(report, value, where)
    if json.kind(value) == "object" then
      check(report, value, where, members { type = { "string", { "function" } },
        ["function"] = { "object", object { name = OPENAI_NAME } } })
    end
  end },
  tools = { "array?", each(typed({ ["function"] = { ["function"] = { "object", object {
    name = OPENAI_NAME, description = "string?", strict = "boolean?", parameters = { "object?", schema_is_object },
  } } } }, "tool")) },
  response_format = { "object?", typed({ json_schema = { json_schema = { "object", object {
    name = OPENAI_NAME, schema = "object", strict = "boolean|null?", description = "string?",
  } } }, json_object = {} }, "format") },
  parallel_tool_calls = "boolean?", temperature = "number?", top_p = "number?", store = "boolean?",
}

-- Each call is answered, by tool messages right behind it, and nothing else is.
local function chat_order(report, messages)
  local open, n = {}, 0
  for i, message in json.each(messages) do
    local where = ("messages[%d]"):format(i - 1)
    if message.role == "tool" then
      if not open[message.tool_call_id] then
        report:say(where, "no call right before it has this id")
      else
        open[message.tool_call_id], n = nil, n - 1
      end
    elseif n > 0 then
      report:say(where, "a call before it has no result")
      n = 0
    end
    for _, call in json.each(child(message, "tool_calls", "array") or json.parse("[]")) do
      open[call.id or 0], n = true, n + 1
    end
    if message.role == "assistant" and message.tool_calls == nil and length(message.content) == 0 then
      report:say(where, "an assistant's message without content")
    end
  end
end

function M.openai_chat(report, document)
  check(report, document, "", CHAT)
  for i, message in json.each(child(document, "messages", "array") or json.parse("[]")) do
    local where = ("messages[%d]"):format(i - 1)
    local row = json.kind(message) == "object" and CHAT_ROLES[message.role]
    if row then
      check(report, message, where, row)
    else
      report:say(where, "no role")
    end
  end
  chat_order(report, document.messages)
end

-- Responses -------------------------------------------------------------------------------------------------------

local RESPONSES_IN = typed({
  input_text = { text = "string" }, input_image = { image_url = DATA_URL, detail = "string?" },
  input_file = { file_data = DATA_URL, filename = "text" },
}, "part")
local RESPONSES_OUT = typed({
  output_text = { text = "string", annotations = "array?" }, refusal = { refusal = "string" },
}, "part")

local function any_message(report, item, where)
  local parts = item.role == "assistant" and RESPONSES_OUT or RESPONSES_IN
  check(report, item, where, members {
    type = { "string?", { "message" } }, role = { "string", { "user", "assistant", "system", "developer" } },
    content = content("text|array", each(parts)), id = { "text?", matches("^msg_", 64) }, status = "text?",
    phase = "text?",
  })
end

local RESPONSES_ITEMS = {
  function_call = members { type = "string", call_id = { "text", matches("^[%w_-]+$", 64) }, name = OPENAI_NAME,
    arguments = "string", id = { "text?", matches("^fc_", 64) }, status = "text?" },
  function_call_output = members { type = "string", call_id = { "text", matches("^[%w_-]+$", 64) },
    output = content("string|array", each(RESPONSES_IN)) },
  reasoning = members { type = "string", id = { "text?", matches("^rs_", 64) }, encrypted_content = "text",
    summary = { "array", each(typed({ summary_text = { text = "string" } }, "part")) } },
}

local RESPONSES = members {
  model = "text", input = "array|text", instructions = "text?", stream = "boolean?", store = "boolean",
  max_output_tokens = "count?", include = "array?", parallel_tool_calls = "boolean?", temperature = "number?",
  top_p = "number?",
  reasoning = { "object?", object { effort = "text?", summary = "text?" } },
  tools = { "array?", each(typed({ ["function"] = { name = OPENAI_NAME, description = "string?", strict = "boolean",
    parameters = { "object", schema_is_object } }, web_search = { search_context_size = "text?",
    user_location = { "object?", FLAT_PLACE }, filters = "object?" } }, "tool")) },
  tool_choice = { "text|object?", function(report, value, where)
    if json.kind(value) == "object" then
      check(report, value, where, members { type = { "string", { "function" } }, name = OPENAI_NAME })
    end
  end },
  text = { "object?", object { verbosity = "text?", format = { "object?", typed({
    text = {}, json_object = {},
    json_schema = { name = OPENAI_NAME, schema = "object", strict = "boolean|null?", description = "string?" },
  }, "format") } } },
}

function M.openai_responses(report, document)
  check(report, document, "", RESPONSES)
  local calls = {}
  for i, item in json.each(child(document, "input", "array") or json.parse("[]")) do
    local where = ("input[%d]"):format(i - 1)
    if json.kind(item) ~= "object" then
      report:say(where, "no item")
    elseif RESPONSES_ITEMS[item.type] then
      check(report, item, where, RESPONSES_ITEMS[item.type])
    else
      any_message(report, item, where)
    end
    if item.type == "function_call" then
      calls[item.call_id or 0] = true
    elseif item.type == "function_call_output" then
      if not calls[item.call_id or 0] then
        report:say(where, "no call before it has this id")
      end
      calls[item.call_id or 0] = nil
    end
  end
  if next(calls) then
    report:say("input", "a call has no result")
  end
end

-- Anthropic -------------------------------------------------------------------------------------------------------

local CACHE = "object?"
local SOURCE = typed({
  base64 = { media_type = { "string", { "image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf" } },
    data = "text" },
  url = { url = { "text", matches("^https://", 2000) } }, text = { media_type = "string", data = "text" },
}, "source")
local function not_blank(report, text, where)
  if not text:find("%S") then
    report:say(where, "a blank text")
  end
end
local ID = { "text", matches("^[%w_-]+$", 256) }
local TEXT_BLOCK = { text = { "text", not_blank }, cache_control = CACHE }
local IMAGE = { source = { "object", SOURCE }, cache_control = CACHE }
local DOCUMENT = { source = { "object", SOURCE }, title = "text|null?", context = "text|null?", citations = "object?",
  cache_control = CACHE }
local IN_RESULT = each(typed({ text = TEXT_BLOCK, image = IMAGE, document = DOCUMENT }, "block"))
local ANTHROPIC_ROLES = {
  user = each(typed({ text = TEXT_BLOCK, image = IMAGE, document = DOCUMENT, tool_result = {
    tool_use_id = ID, content = content("string|array?", IN_RESULT), is_error = "boolean?", cache_control = CACHE,
  } }, "block")),
  assistant = each(typed({ text = TEXT_BLOCK, tool_use = { id = ID, name = { "text", matches("^[%w_-]+$", 128) },
    input = "object", cache_control = CACHE }, thinking = { thinking = "string", signature = "text" },
    redacted_thinking = { data = "text" } }, "block")),
  system = each(typed({ text = TEXT_BLOCK }, "block")),
}

local ANTHROPIC_SEARCH = members { type = "text", name = { "string", { "web_search" } }, max_uses = "count?",
  allowed_domains = "array?", blocked_domains = "array?", user_location = { "object?", FLAT_PLACE } }

local ANTHROPIC_TOOL = members { type = "text?", name = { "text", matches("^[%w_-]+$", 128) },
  description = "string?", strict = "boolean?", cache_control = CACHE,
  input_schema = { "object", function(report, schema, where)
    if schema.type ~= "object" then
      report:say(where, "it is no schema of an object")
    end
  end } }

local ANTHROPIC = members {
  model = "text", max_tokens = "count", messages = "array", stream = "boolean?",
  system = content("text|array?", ANTHROPIC_ROLES.system), stop_sequences = "array?",
  thinking = { "object?", typed({ enabled = { budget_tokens = "count", display = "text?" },
    adaptive = { display = "text?" }, disabled = {} }, "thinking") },
  output_config = { "object?", object { effort = "text?", format = { "object?", typed({
    json_schema = { schema = "object" } }, "format") } } },
  tools = { "array?", each(function(report, tool, where)
    local is_search = json.kind(tool) == "object" and tool.type == "web_search_20250305"
    check(report, tool, where, is_search and ANTHROPIC_SEARCH or ANTHROPIC_TOOL)
  end) },
  tool_choice = { "object?", typed({ auto = { disable_parallel_tool_use = "boolean?" },
    any = { disable_parallel_tool_use = "boolean?" }, none = {},
    tool = { name = "text", disable_parallel_tool_use = "boolean?" } }, "choice") },
  temperature = "number?", top_p = "number?", top_k = "count?", metadata = "object?", cache_control = CACHE,
}

local function blocks(message)
  return child(message, "content", "array") or json.parse("[]")
end

-- Calls are answered in the next message, in front of everything else; roles alternate as the API joins them.
local function anthropic_order(report, messages)
  local open, first = nil, child(messages, 1, "object")
  if not first or first.role ~= "user" then
    report:say("messages[0]", "the first message is not the user's")
  end
  for i, message in json.each(messages) do
    local where, results, others = ("messages[%d]"):format(i - 1), {}, false
    for _, block in json.each(blocks(message)) do
      if block.type == "tool_result" then
        if others then
          report:say(where, "a result stands behind something else")
        end
        if not (open and open[block.tool_use_id or 0]) then
          report:say(where, "a result without its call")
        end
        results[block.tool_use_id or 0] = true
      else
        others = true
      end
    end
    for id in pairs(open or {}) do
      if not results[id] then
        report:say(where, "call " .. tostring(id) .. " has no result")
      end
    end
    open = nil
    for k, block in json.each(blocks(message)) do
      if block.type == "tool_use" then
        open = open or {}
        open[block.id or 0] = true
      elseif (block.type == "thinking" or block.type == "redacted_thinking") and k > 1
        and blocks(message)[k - 1].type ~= "thinking" and blocks(message)[k - 1].type ~= "redacted_thinking" then
        report:say(where, "thinking does not lead the turn")
      end
    end
    if length(message.content) == 0 then
      report:say(where, "no content")
    end
  end
  local last = messages[#messages]
  if last and last.role == "assistant" then
    report:say("messages", "the last one is the assistant's")
  end
end

function M.anthropic(report, document)
  check(report, document, "", ANTHROPIC)
  local messages = child(document, "messages", "array")
  if not messages then
    return
  end
  for i, message in json.each(messages) do
    local row = json.kind(message) == "object" and ANTHROPIC_ROLES[message.role]
    if row then
      check(report, message, ("messages[%d]"):format(i - 1), members { role = "string",
        content = content("text|array", row) })
    else
      report:say(("messages[%d]"):format(i - 1), "no role")
    end
  end
  anthropic_order(report, messages)
  local thinking = child(document, "thinking", "object")
  if thinking and thinking.type == "enabled" and not (thinking.budget_tokens >= 1024
    and thinking.budget_tokens < document.max_tokens) then
    report:say("thinking.budget_tokens", "it is not between 1024 and max_tokens")
  end
end

-- Gemini ----------------------------------------------------------------------------------------------------------

local GEMINI_NAME = { "text", matches("^[%a_][%w_.:-]*$", 64) }
local INLINE = { "object?", object { mimeType = "text", data = "text" } }
local GEMINI_PART = members {
  text = "string?", thought = "boolean?", thoughtSignature = "text?", inlineData = INLINE,
  fileData = { "object?", object { fileUri = "text", mimeType = "text?" } },
  functionCall = { "object?", object { name = GEMINI_NAME, args = "object?", id = "text?" } },
  functionResponse = { "object?", object { name = GEMINI_NAME, response = "object", id = "text?",
    parts = { "array?", each(object { inlineData = INLINE }) } } },
}

local ONE_OF = { "text", "inlineData", "fileData", "functionCall", "functionResponse" }

local function gemini_part(report, part, where)
  if not check(report, part, where, GEMINI_PART) then
    return
  end
  local n = 0
  for _, name in ipairs(ONE_OF) do
    n = n + (part[name] ~= nil and 1 or 0)
  end
  if n ~= 1 then
    report:say(where, ("it holds %d things"):format(n))
  end
end

local GEMINI_CONTENT = members { role = { "string", { "user", "model" } }, parts = content("array", each(gemini_part)) }

local GEMINI = members {
  contents = { "array", each(function(report, node, where)
    check(report, node, where, GEMINI_CONTENT)
  end) },
  systemInstruction = { "object?", object {
    parts = content("array", each(object { text = "text" })), role = "text?",
  } },
  tools = { "array?", each(object { googleSearch = "object?", functionDeclarations = { "array?", each(object {
    name = GEMINI_NAME, description = "string?", parametersJsonSchema = { "object?", schema_is_object },
    parameters = { "object?", function(report, schema, where)
      if schema.additionalProperties ~= nil or schema["$schema"] ~= nil or length(schema.properties) == 0 then
        report:say(where, "it is none of the subset")
      end
    end },
  }) } }) },
  toolConfig = { "object?", object { functionCallingConfig = { "object", object {
    mode = { "string", { "AUTO", "ANY", "NONE", "VALIDATED" } }, allowedFunctionNames = "array?" } } } },
  generationConfig = { "object?", object {
    temperature = "number?", topP = "number?", topK = "count?", maxOutputTokens = "count?", stopSequences = "array?",
    responseMimeType = "text?", responseSchema = "object?", responseJsonSchema = "object?", seed = "integer?",
    thinkingConfig = { "object?", object { includeThoughts = "boolean?", thinkingBudget = "integer?",
      thinkingLevel = { "string?", { "MINIMAL", "LOW", "MEDIUM", "HIGH" } } } },
  } },
}

local function count_parts(node, name)
  local n = 0
  for _, part in json.each(child(node, "parts", "array") or json.parse("[]")) do
    n = n + (part[name] ~= nil and 1 or 0)
  end
  return n
end

-- Roles alternate, but for the user's words behind responses; the user begins, and a turn's calls are followed by as
-- many responses.
local function gemini_order(report, contents)
  for i, node in json.each(contents) do
    local where = ("contents[%d]"):format(i - 1)
    local before = i > 1 and contents[i - 1] or nil
    local behind_results = before and count_parts(before, "functionResponse") == #before.parts
    if (before and before.role or "model") == node.role and not behind_results then
      report:say(where, "two turns of one role, or the model begins")
    end
    local calls = before and count_parts(before, "functionCall") or 0
    if count_parts(node, "functionResponse") ~= calls then
      report:say(where, ("%d calls before it, %d responses"):format(calls, count_parts(node, "functionResponse")))
    end
  end
end

function M.gemini(report, document)
  check(report, document, "", GEMINI)
  local contents = child(document, "contents", "array")
  if contents then
    gemini_order(report, contents)
  end
end

--- Checks a request that was sent.
---@param dialect string
---@param body string
---@return string[] violations
function M.request(dialect, body)
  local report = shape.report("request")
  local document, message = json.parse(body)
  if json.kind(document) ~= "object" then
    report:say("", "it is no JSON object: " .. tostring(message))
    return report.list
  end
  M[dialect](report, document)
  return report.list
end

return M
