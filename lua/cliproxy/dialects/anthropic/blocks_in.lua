--- Blocks of content in a client's request: of messages, of `system`, of the results of tools.
local changes_in = require("cliproxy.dialects.anthropic.changes_in")
local documents_in = require("cliproxy.dialects.anthropic.documents_in")
local json = require("cliproxy.json")
local literal = require("cliproxy.literal")
local opaque = require("cliproxy.opaque")
local values = require("cliproxy.dialects.values")

local M = {}

local object, set = values.object, documents_in.set

-- Texts ---------------------------------------------------------------------------------------------------------

local TEXT = set("text", "citations")

-- Sources of an earlier answer mean nothing to another service; of a user's text the narrow API takes none.
local function citations(r, node, role)
  local list = r:node(node, "citations", "array")
  if not list or #list == 0 then
    return
  elseif role == "user" and r.strict_version then
    r:wrong(r:where("citations"), "of a text in a user message is not permitted in this version of the API")
  else
    r.ledger:drop(r:where("citations"), "sources of an earlier answer stay with it")
  end
end

local READERS = {}

function READERS.text(r, node, out, role)
  local part = r:part("text")
  part.text = r:required(node, "text")
  if #node > 2 then
    part.cache = r:object(node, "cache_control")
    citations(r, node, role)
    r:unknown(node, TEXT)
  end
  out[#out + 1] = part
end

-- Reasoning -----------------------------------------------------------------------------------------------------

-- State of this dialect's own field; an envelope without data only says whose text it was.
local function state_of(field, kind)
  local state = field and field ~= "" and opaque.open(field, kind) or nil
  return state and state.data ~= "" and state or nil
end

local THINKING = set("thinking", "signature")

function READERS.thinking(r, node, out)
  local part = r:part("reasoning")
  local text = r:literal(node, "thinking")
  part.text = not literal.is_empty(text) and text or nil
  part.state = state_of(r:word(node, "signature"), "signature")
  r:unknown(node, THINKING)
  if part.text or part.state then
    out[#out + 1] = part
  end
end

local REDACTED = set("data")

function READERS.redacted_thinking(r, node, out)
  local part = r:part("reasoning")
  part.state = state_of(r:name(node, "data"), "redacted")
  r:unknown(node, REDACTED)
  out[#out + 1] = part.state and part or nil
end

-- Calls and results ---------------------------------------------------------------------------------------------

local TOOL_USE = set("id", "name", "input", "caller")

function READERS.tool_use(r, node, out)
  local part = r:part("tool_call")
  part.id, part.name = r:name(node, "id"), r:name(node, "name")
  part.input = r:object(node, "input")
  if not part.input then
    r:wrong(r:where("input"), "is missing")
  end
  if #node > 4 then
    part.cache = r:object(node, "cache_control")
    local caller = object(node.caller)
    if caller and caller.type ~= "direct" then
      r.ledger:refuse(r:where("caller"), "only Anthropic runs code that calls tools")
    end
    r:unknown(node, TOOL_USE)
  end
  out[#out + 1] = part
end

local TOOL_RESULT = set("tool_use_id", "content", "is_error")

-- Paths of the content of results, by the result's place in its message.
local inner_lists = setmetatable({}, { __index = function(known, index)
  local list = ("content[%d].content"):format(index)
  if index < 64 then
    known[index] = list
  end
  return list
end })

local function inner_list(list, index)
  return list == "content" and inner_lists[index] or ("%s[%d].content"):format(list, index)
end

function READERS.tool_result(r, node, out)
  local part = r:part("tool_result")
  part.id = r:name(node, "tool_use_id")
  part.is_error = r:flag(node, "is_error") or nil
  local list, index = r.list, r.index
  part.content = M.read(r, node, "content", "result", inner_list(list, index))
  r.list, r.index = list, index
  if #node > 3 then
    part.cache = r:object(node, "cache_control")
    r:unknown(node, TOOL_RESULT)
  end
  out[#out + 1] = part
end

local TOOL_REFERENCE = set("tool_name")

-- What a client's search for tools found: all tools are there already, and the model is to know that.
function READERS.tool_reference(r, node, out)
  local part = r:part("text")
  local name = r:name(node, "tool_name")
  r:unknown(node, TOOL_REFERENCE)
  r.ledger:change(r:where(), "a reference to a tool becomes a text that names it")
  part.text = literal.of(("The tool %s is available."):format(name or ""))
  out[#out + 1] = part
end

for kind, read in pairs(documents_in.READERS) do
  READERS[kind] = function(r, node, out, role)
    return read(r, node, out, role, M.read_list)
  end
end

READERS.tool_addition, READERS.tool_removal = changes_in.tool_change, changes_in.tool_change

-- Lists ---------------------------------------------------------------------------------------------------------

--- Blocks that only Anthropic's own tools make, or read.
local OF_SERVER = {
  server_tool_use = true, container_upload = true, mcp_tool_use = true, mcp_tool_result = true, compaction = true,
}

local function kinds(...)
  local out = {}
  for _, kind in ipairs { ... } do
    out[kind] = true
  end
  return out
end

-- What may stand where.
local ALLOWED = {
  user = kinds("text", "image", "document", "search_result", "tool_result"),
  assistant = kinds("text", "document", "thinking", "redacted_thinking", "tool_use"),
  system = kinds("text"),
  instruction = kinds("text", "tool_addition", "tool_removal"),
  result = kinds("text", "image", "document", "search_result", "tool_reference"),
  document = kinds("text", "image"),
}

local PLACES = {
  user = "a user message", assistant = "an assistant message", system = "a system prompt",
  instruction = "a system message",
  result = "the result of a tool", document = "a document",
}

local function one(r, node, role, out)
  if json.kind(node) ~= "object" then
    return r:wrong(r:where(), "must be an object, not " .. tostring(json.kind(node)))
  end
  local kind = r:name(node, "type")
  if not kind then
    return
  elseif ALLOWED[role][kind] then
    return READERS[kind](r, node, out, role)
  elseif READERS[kind] then
    r:wrong(r:where("type"), ("is %q, which cannot stand in %s"):format(kind, PLACES[role]))
  elseif OF_SERVER[kind] or kind:find("_tool_result$") then
    r.ledger:refuse(r:where(), ("%s belongs to a tool that Anthropic itself runs"):format(kind))
  else
    r.ledger:refuse(r:where(), ("blocks of type %q are unknown to cliproxy"):format(kind))
  end
end

local function is_word(value)
  return type(value) == "string" and #value > 2
end

-- Blocks of the usual members alone, by their types and where they stand; nil, and nothing was done, where there is
-- more to one.
local PLAIN = { user = {}, assistant = {}, system = {}, instruction = {}, result = {}, document = {} }

PLAIN.assistant['"tool_use"'] = function(r, list, i, members)
  local _, id, name, input = json.row(list, i, "id", "name", "input")
  if members == 4 and is_word(id) and is_word(name) and json.kind(input) == "object" then
    return { kind = "tool_call", turn = r.turn, index = i - 1, id = literal.text(id), name = literal.text(name),
      input = json.raw(input) }
  end
end

PLAIN.user['"tool_result"'] = function(r, list, i, members)
  local _, id, content, is_error = json.row(list, i, "tool_use_id", "content", "is_error")
  if members ~= (is_error == nil and 3 or 4) or not is_word(id) or is_error ~= nil and type(is_error) ~= "boolean" then
    return nil
  end
  local outer = r.list
  local parts = M.content(r, content, inner_list(outer, i - 1), "result")
  r.list = outer
  return parts and { kind = "tool_result", turn = r.turn, index = i - 1, id = literal.text(id), content = parts,
    is_error = is_error or nil }
end

--- Appends the blocks of a list.
---@param r cliproxy.anthropic.Reader
---@param list cliproxy.json.Node an array
---@param name string its path below the message
---@param role "user"|"assistant"|"system"|"instruction"|"result"|"document"
---@param out cliproxy.Part[]
function M.read_list(r, list, name, role, out)
  r.list = name
  local n, turn, plain = #out, r.turn, PLAIN[role]
  for i = 1, json.length(list) do
    local members, kind, text = json.row(list, i, "type", "text")
    local part, read = nil, plain[kind]
    if members == 2 and kind == '"text"' and type(text) == "string" then -- which may stand everywhere
      part = name == "content" and { kind = "text", turn = turn, index = i - 1, text = text }
        or { kind = "text", turn = turn, list = name, index = i - 1, text = text }
    elseif read then
      part = read(r, list, i, members)
    end
    if part then
      n = n + 1
      out[n] = part
    else
      r.index = i - 1
      one(r, list[i], role, out)
      n = #out
    end
  end
end

--- Content as `json.members` reads it: a string's text or a list of blocks. Leaves `list` and `index` of the reader
--- changed.
---@param r cliproxy.anthropic.Reader
---@param content string|cliproxy.json.Node
---@param list string its path below the message
---@param role "user"|"assistant"|"instruction"|"result"
---@return cliproxy.Part[]? parts nil where it is neither
function M.content(r, content, list, role)
  if type(content) == "string" then
    return { { kind = "text", text = content, turn = r.turn, list = list ~= "content" and list or nil } }
  elseif json.length(content) then
    local out = {}
    M.read_list(r, content, list, role, out)
    return out
  end
end

--- Content that is a string or a list of blocks. Leaves `list` and `index` of the reader changed.
---@param r cliproxy.anthropic.Reader
---@param node cliproxy.json.Node
---@param key string
---@param role "user"|"assistant"|"instruction"|"result"
---@param name? string the list's path below the message, where it is not `key`
---@return cliproxy.Part[]
function M.read(r, node, key, role, name)
  local _, content = json.members(node, key)
  local parts = content and M.content(r, content, name or key, role)
  local kind = not parts and json.kind(node[key])
  if not parts and (role ~= "result" or kind and kind ~= "null") then
    r:wrong(r:where(key), "must be a string or a list of blocks, not " .. (kind or "absent"))
  end
  return parts or {}
end

--- `system`: a string or texts.
---@param r cliproxy.anthropic.Reader
---@param document cliproxy.json.Node
---@param out cliproxy.Part[]
function M.read_system(r, document, out)
  local raw = json.node(document, "system")
  local kind = json.kind(raw)
  if kind == "string" then
    out[1] = { kind = "text", text = json.raw(raw) }
  elseif kind == "array" then
    for i, node in json.each(raw) do
      r.base = ("system[%d]"):format(i - 1)
      one(r, node, "system", out)
      local part = out[#out]
      if part then
        part.turn, part.list, part.index = nil, nil, i - 1
      end
    end
    r.base = ""
  else
    r:wrong("system", "must be a string or a list of texts, not " .. tostring(kind))
  end
end

return M
