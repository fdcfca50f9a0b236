--- What `view` reads and writes of an Anthropic Messages request.
local json = require("cliproxy.json")
local texts = require("cliproxy.view_texts")

local M = {}

local child, is_string, text = texts.child, texts.is_string, texts.text

M.title, M.key, M.result_key = "Anthropic Messages", "messages", "content"

local TEXTS = { text = "text" }
local ROLES = { user = true, assistant = true, system = true }

--- A message of results alone is a tool's, as it is in the dialects that have such a role.
function M.role(message)
  local role = ROLES[message.role] and message.role or "user"
  if role ~= "user" then
    return role
  end
  local blocks = texts.objects(message, "content")
  for _, block in ipairs(blocks) do
    if block.type ~= "tool_result" then
      return role
    end
  end
  return #blocks > 0 and "tool" or role
end

function M.list(document)
  return child(document, "messages", "array"), 0
end

function M.system(document)
  return texts.content({}, document, "system", TEXTS)
end

function M.add_system(document, value)
  document.system = value
end

function M.message(role, value)
  return json.object({ { "role", role }, { "content", value } })
end

-- Text inside a document: its source's, or that of the blocks of a search result.
local function document_slots(block)
  if block.type == "search_result" then
    return texts.content({}, block, "content", TEXTS)
  end
  local source = child(block, "source", "object")
  if source and source.type == "text" and is_string(source, "data") then
    return { { node = source, key = "data" } }
  elseif source and source.type == "content" then
    return texts.content({}, source, "content", TEXTS)
  end
end

---@type table<string, fun(block: cliproxy.json.Node, list: cliproxy.json.Node): cliproxy.RawPart>
local readers = {
  text = function(block, list)
    local slots = is_string(block, "text") and { { node = block, key = "text", list = list, element = block } } or nil
    return { kind = "text", slots = slots }
  end,
  image = function()
    return { kind = "image" }
  end,
  document = function(block)
    return { kind = "document", slots = document_slots(block) }
  end,
  search_result = function(block)
    return { kind = "document", slots = document_slots(block) }
  end,
  thinking = function(block)
    local slots = is_string(block, "thinking") and { { node = block, key = "thinking" } } or nil
    return { kind = "reasoning", slots = slots, fixed = true }
  end,
  redacted_thinking = function()
    return { kind = "reasoning", fixed = true }
  end,
  tool_use = function(block)
    return { kind = "tool_call", id = text(block, "id"), name = text(block, "name"), key = "input" }
  end,
  tool_result = function(block)
    return { kind = "tool_result", id = text(block, "tool_use_id"), failed = block.is_error == true,
      slots = texts.content({}, block, "content", TEXTS) }
  end,
}

---@return cliproxy.RawPart[]
function M.parts(message)
  if is_string(message, "content") then
    return { { kind = "text", node = message, slots = { { node = message, key = "content" } } } }
  end
  local parts = {}
  local blocks, list = texts.objects(message, "content")
  for i, block in ipairs(blocks) do
    local read = readers[block.type]
    local part = read and read(block, list) or { kind = "other" }
    part.node, part.list = block, list
    parts[i] = part
  end
  return parts
end

function M.add_text(node, value)
  local list = child(node, "content", "array")
  if list then
    json.insert(list, json.object({ { "type", "text" }, { "text", value } }))
  else
    node.content = value
  end
  return true
end

function M.tools(document)
  local out = {}
  local objects, list = texts.objects(document, "tools")
  for i, tool in ipairs(objects) do
    local kind = text(tool, "type")
    local own = kind == nil or kind == "custom"
    out[i] = { kind = own and "function" or kind, node = tool, list = list, element = tool, named = own,
      parent = { node = document, key = "tools" } }
  end
  return out
end

M.without_tools = { "tool_choice" }

function M.extra()
  return {}
end

local FIELDS = { max_tokens = "max_tokens", temperature = "temperature", top_p = "top_p", top_k = "top_k",
  stop = "stop_sequences" }

function M.place(document, name)
  return document, FIELDS[name]
end

return M
