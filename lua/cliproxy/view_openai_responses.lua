--- What `view` reads and writes of a Responses request. Each item of `input` is a message.
local json = require("cliproxy.json")
local texts = require("cliproxy.view_texts")

local M = {}

local child, is_string, text = texts.child, texts.is_string, texts.text

M.title, M.key = "Responses", "input"
M.text_inputs, M.result_key = true, "output"

local ROLES = { system = "system", developer = "system", assistant = "assistant" }
local TEXTS = { input_text = "text", output_text = "text", text = "text" }
local KINDS = { input_text = "text", output_text = "text", text = "text", refusal = "refusal", input_image = "image",
  input_file = "document", input_audio = "audio" }

local function is_message(item)
  return item.type == nil or item.type == "message"
end

function M.role(item)
  if is_message(item) then
    return ROLES[item.role] or "user"
  end
  local kind = text(item, "type") or ""
  return kind:find("_output$") and "tool" or "assistant"
end

function M.list(document)
  return texts.messages(document, "input", M.role)
end

--- Messages that are no elements of a list: an input that is one string.
function M.loose(document)
  return is_string(document, "input") and { { node = document, key = "input" } } or nil
end

--- Makes a list of such an input.
function M.listed(document)
  document.input = { json.object({ { "role", "user" }, { "content", json.node(document, "input") } }) }
  return document.input
end

function M.unlist(document)
  document.input = json.array({})
end

function M.system(document)
  local slots = {}
  if is_string(document, "instructions") then
    slots[1] = { node = document, key = "instructions" }
  end
  local list, count = M.list(document)
  for i = 1, count do
    texts.content(slots, list[i], "content", TEXTS, { list = list, element = list[i] })
  end
  return slots
end

function M.add_system(document, value)
  document.instructions = value
end

function M.message(role, value)
  return json.object({ { "role", role }, { "content", value } })
end

local function message_parts(item)
  if is_string(item, "content") then
    return { { kind = "text", node = item, slots = { { node = item, key = "content" } } } }
  end
  local parts = {}
  local objects, list = texts.objects(item, "content")
  for i, part in ipairs(objects) do
    local kind = KINDS[part.type] or "other"
    local field = kind == "text" and "text" or kind == "refusal" and "refusal"
    field = field and is_string(part, field) and field
    parts[i] = { kind = kind, node = part, list = list,
      slots = field and { { node = part, key = field, list = list, element = part } } or nil }
  end
  return parts
end

local function call(key)
  return function(item)
    return { kind = "tool_call", id = text(item, "call_id"), name = text(item, "name"), key = key }
  end
end

local function result(item)
  return { kind = "tool_result", id = text(item, "call_id"), slots = texts.content({}, item, "output", TEXTS) }
end

local items = {
  function_call = call("arguments"),
  custom_tool_call = call("input"),
  function_call_output = result,
  custom_tool_call_output = result,
  reasoning = function(item)
    local slots = texts.content({}, item, "summary", { summary_text = "text" })
    return { kind = "reasoning", slots = #slots > 0 and slots or nil, fixed = true }
  end,
}

---@return cliproxy.RawPart[]
function M.parts(item)
  if is_message(item) then
    return message_parts(item)
  end
  local read = items[item.type]
  local part = read and read(item) or { kind = "other" }
  part.node = item
  return { part }
end

function M.add_text(item, value, part)
  if part then -- a result
    local list = child(item, "output", "array")
    if list then
      json.insert(list, json.object({ { "type", "input_text" }, { "text", value } }))
    else
      item.output = value
    end
    return true
  elseif not is_message(item) then
    return false
  end
  local list = child(item, "content", "array")
  if list then
    local kind = item.role == "assistant" and "output_text" or "input_text"
    json.insert(list, json.object({ { "type", kind }, { "text", value } }))
  else
    item.content = value
  end
  return true
end

local function add_tools(out, node, parent)
  local objects, list = texts.objects(node, "tools")
  for _, tool in ipairs(objects) do
    local kind = text(tool, "type") or "function"
    if kind == "namespace" then
      add_tools(out, tool, { node = tool, key = "tools",
        above = { list = list, element = tool, parent = parent } })
    else
      out[#out + 1] = { kind = kind, node = tool, list = list, element = tool,
        named = kind == "function" or kind == "custom", parent = parent }
    end
  end
  return out
end

function M.tools(document)
  return add_tools({}, document, { node = document, key = "tools" })
end

M.without_tools = { "tool_choice", "parallel_tool_calls" }

--- Words in places of their own: what a stored prompt is filled with.
function M.extra(document)
  local prompt = child(document, "prompt", "object")
  return { prompt and child(prompt, "variables", "object") }
end

local FIELDS = { max_tokens = "max_output_tokens", temperature = "temperature", top_p = "top_p" }

function M.place(document, name)
  return document, FIELDS[name]
end

return M
