--- What `view` reads and writes of a Chat Completions request.
local json = require("cliproxy.json")
local texts = require("cliproxy.view_texts")

local M = {}

local child, is_string, text = texts.child, texts.is_string, texts.text

M.title, M.key = "Chat Completions", "messages"
M.text_inputs, M.result_key = true, "content"

local ROLES = { system = "system", developer = "system", assistant = "assistant", tool = "tool", ["function"] = "tool" }
local TEXTS = { text = "text" }
local KINDS = { text = "text", refusal = "refusal", image_url = "image", input_audio = "audio", file = "document" }

---@param message cliproxy.json.Node
function M.role(message)
  return ROLES[message.role] or "user"
end

--- The array of messages, and how many of its first are the system's.
---@return cliproxy.json.Node? list
---@return integer leading
function M.list(document)
  return texts.messages(document, "messages", M.role)
end

function M.system(document)
  local list, count = M.list(document)
  local slots = {}
  for i = 1, count do
    texts.content(slots, list[i], "content", TEXTS, { list = list, element = list[i] })
  end
  return slots
end

function M.add_system(document, value)
  if not child(document, "messages", "array") then
    error("the request has no list of messages", 0)
  end
  json.insert(document.messages, 1, json.object({ { "role", "system" }, { "content", value } }))
end

function M.message(role, value)
  return json.object({ { "role", role }, { "content", value } })
end

local function content_parts(parts, message)
  if is_string(message, "content") then
    parts[#parts + 1] = { kind = "text", node = message, slots = { { node = message, key = "content" } } }
    return
  end
  local objects, list = texts.objects(message, "content")
  for _, part in ipairs(objects) do
    local kind = KINDS[part.type] or "other"
    local field = (kind == "text" or kind == "refusal") and is_string(part, kind) and kind
    parts[#parts + 1] = { kind = kind, node = part, list = list,
      slots = field and { { node = part, key = field, list = list, element = part } } or nil }
  end
end

local function call_part(call, list)
  local inner, key = child(call, "function", "object"), "arguments"
  if not inner then
    inner, key = child(call, "custom", "object"), "input"
  end
  if inner then
    return { kind = "tool_call", node = inner, list = list, element = call, id = text(call, "id"),
      name = text(inner, "name"), key = key }
  end
  return { kind = "other", node = call, list = list }
end

local function call_parts(parts, message)
  local objects, list = texts.objects(message, "tool_calls")
  for _, call in ipairs(objects) do
    local part = call_part(call, list)
    part.parent = { node = message, key = "tool_calls" }
    parts[#parts + 1] = part
  end
  local old = child(message, "function_call", "object")
  if old then
    parts[#parts + 1] = { kind = "tool_call", node = old, name = text(old, "name"), key = "arguments", gone = function()
      message.function_call = nil
    end }
  end
end

--- A member of the message that is a part by itself.
local function member(parts, message, key, kind, value)
  if is_string(message, key) then
    parts[#parts + 1] = { kind = kind, node = message, slots = { { node = message, key = key } }, gone = function()
      message[key] = value
    end }
  end
end

---@return cliproxy.RawPart[]
function M.parts(message)
  local parts = {}
  if M.role(message) == "tool" then
    parts[1] = { kind = "tool_result", node = message, id = text(message, "tool_call_id"), name = text(message, "name"),
      slots = texts.content({}, message, "content", TEXTS) }
    return parts
  end
  member(parts, message, "reasoning_content", "reasoning")
  member(parts, message, "reasoning", "reasoning")
  content_parts(parts, message)
  member(parts, message, "refusal", "refusal", json.null)
  call_parts(parts, message)
  for _, part in ipairs(parts) do
    if part.kind == "text" and not part.list and #parts > 1 then
      part.gone = function()
        message.content = json.null
      end
    end
  end
  return parts
end

function M.add_text(message, value)
  local list = child(message, "content", "array")
  if list then
    json.insert(list, json.object({ { "type", "text" }, { "text", value } }))
  else
    message.content = value
  end
  return true
end

local function tool_of(tool, list, parent)
  local inner = child(tool, "function", "object") or child(tool, "custom", "object")
  local kind = tool.type == "custom" and "custom" or inner and "function" or text(tool, "type") or "other"
  return { kind = kind, node = inner or tool, list = list, element = tool, named = inner ~= nil, parent = parent }
end

function M.tools(document)
  local out = {}
  local objects, list = texts.objects(document, "tools")
  for _, tool in ipairs(objects) do
    out[#out + 1] = tool_of(tool, list, { node = document, key = "tools" })
  end
  objects, list = texts.objects(document, "functions")
  for _, tool in ipairs(objects) do
    out[#out + 1] = { kind = "function", node = tool, list = list, element = tool, named = true,
      parent = { node = document, key = "functions" } }
  end
  return out
end

--- A request that offers no tools any more may not choose among them.
M.without_tools = { "tool_choice", "parallel_tool_calls", "function_call" }

--- Words in places of their own.
function M.extra(document)
  return { child(document, "prediction", "object") }
end

local FIELDS = { temperature = "temperature", top_p = "top_p", stop = "stop", seed = "seed" }

--- Where a field of the view is; no key: the dialect has none.
---@param document cliproxy.json.Node
---@param name string
---@return cliproxy.json.Node? node
---@return string? key
function M.place(document, name)
  if name == "max_tokens" then
    return document, json.present(document.max_tokens) and "max_tokens" or "max_completion_tokens"
  end
  return document, FIELDS[name]
end

return M
