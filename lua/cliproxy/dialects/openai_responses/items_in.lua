--- The items of a client's `input`: messages, calls, results, reasoning; what only the service itself can go on with is
--- refused.
local json = require("cliproxy.json")
local literal = require("cliproxy.literal")
local opaque = require("cliproxy.opaque")
local parts_in = require("cliproxy.dialects.openai_responses.parts_in")
local reader = require("cliproxy.dialects.openai_responses.reader")
local tools_in = require("cliproxy.dialects.openai_responses.tools_in")

local M = {}

local ROLES = { user = "user", assistant = "assistant", system = "system", developer = "system" }

local function add(r, role, parts, phase)
  local c = r.c
  if role == "system" and r.leading then
    for _, part in ipairs(parts) do
      c.system[#c.system + 1] = part
    end
    return
  end
  r.leading = false
  c.turns[#c.turns + 1] = { role = role, parts = parts, index = r.turn, phase = phase }
end

-- `status` and `id` are the service's own words about an item.
local KNOWN_MESSAGE = { type = true, role = true, content = true, phase = true, status = true, id = true }

local function message(r, node)
  local word = r:name(node, "role")
  local role = ROLES[word]
  if not role then
    if word then
      r:wrong(r:where("role"), ("is %q, which is none of user, assistant, system, developer"):format(word))
    end
    return
  end
  local parts = parts_in.read(r, node, "content", role)
  local phase
  if #node > (node.type == nil and 2 or 3) then
    phase = r:literal(node, "phase")
    if #node > 2 + reader.count(node, "type", "id") + reader.count(node, "status", "phase") then
      r:unknown(node, KNOWN_MESSAGE)
    end
  end
  add(r, role, parts, phase)
end

local KNOWN_CALL = { type = true, call_id = true, name = true, arguments = true, input = true, namespace = true,
  status = true, id = true }

local function call(r, node, key, custom)
  local part = { kind = "tool_call", turn = r.turn, custom = custom }
  part.id = r:name(node, "call_id")
  local name, namespace = r:name(node, "name"), #node > 4 and r:word(node, "namespace") or nil
  part.arguments = r:required(node, key)
  if #node > 4 + (#node > 4 and reader.count(node, "id", "status", "namespace") or 0) then
    r:unknown(node, KNOWN_CALL)
  end
  if part.id and name then
    part.name = tools_in.full_name(r, namespace, name)
    add(r, "assistant", { part })
  end
end

local KNOWN_RESULT = { type = true, call_id = true, output = true, status = true, id = true }

local function result(r, node, custom)
  local part = { kind = "tool_result", turn = r.turn, custom = custom }
  part.id = r:name(node, "call_id")
  part.content = parts_in.read(r, node, "output", "result")
  if #node > 3 + (#node > 3 and reader.count(node, "id", "status") or 0) then
    r:unknown(node, KNOWN_RESULT)
  end
  if part.id then
    add(r, "user", { part })
  end
end

local function texts(r, node, key, kind)
  local list = r:node(node, key, "array")
  local out = {}
  if list then
    for i, child in json.each(list) do
      local text = json.kind(child) == "object" and child.type == kind and literal.read(child, "text")
      if text then
        out[#out + 1] = text
      else
        r:wrong(("%s[%d]"):format(r:where(key), i - 1), ("must be an object of type %q with a text"):format(kind))
      end
    end
  end
  return out
end

local KNOWN_REASONING = { type = true, id = true, summary = true, content = true, encrypted_content = true,
  status = true }

-- What was shown is the summary; open-weight models show their thoughts themselves.
local function reasoning(r, node)
  local part = { kind = "reasoning", turn = r.turn }
  local shown = texts(r, node, "summary", "summary_text")
  if not shown[1] then
    shown = texts(r, node, "content", "reasoning_text")
  end
  part.text = shown[1] and literal.concat(shown, "\\n\\n") or nil
  local field, id = r:word(node, "encrypted_content"), r:word(node, "id")
  if field and field ~= "" then
    part.state = opaque.open(field, "encrypted")
    if not part.state.origin then
      part.state.id = id
    end
  end
  r:unknown(node, KNOWN_REASONING)
  if part.text or part.state then
    add(r, "assistant", { part })
  else
    r.ledger:drop(r:where(), "reasoning of which only the service that made it has anything")
  end
end

local KNOWN_ADDED = { type = true, role = true, tools = true, id = true, status = true }

-- Read at the end of the request, after its own tools.
local function additional_tools(r, node)
  local list = r:node(node, "tools", "array")
  r:unknown(node, KNOWN_ADDED)
  if list then
    r.added_tools[#r.added_tools + 1] = { list = list, path = r:where("tools") }
  else
    r:wrong(r:where("tools"), "is missing")
  end
end

local READERS = {
  message = message,
  additional_tools = additional_tools,
  function_call = function(r, node) call(r, node, "arguments") end,
  custom_tool_call = function(r, node) call(r, node, "input", true) end,
  function_call_output = function(r, node) result(r, node) end,
  custom_tool_call_output = function(r, node) result(r, node, true) end,
  reasoning = reasoning,
}

-- Items that stand for something that the service keeps.
local STATEFUL = {
  item_reference = "it names an item that only OpenAI keeps; send the item itself",
  compaction = "only OpenAI can read it; send the messages themselves",
  context_compaction = "only OpenAI can read it; send the messages themselves",
  compaction_trigger = "only OpenAI can compact a conversation",
}

local function item(r, node)
  if json.kind(node) ~= "object" then
    return r:wrong(r:where(), "must be an object, not " .. tostring(json.kind(node)))
  end
  local kind = r:word(node, "type") or json.present(node.role) and "message"
  if not kind then
    return r:wrong(r:where("type"), "is missing")
  end
  local read = READERS[kind]
  if read then
    return read(r, node)
  elseif STATEFUL[kind] then
    r.ledger:refuse(r:where(), STATEFUL[kind])
  elseif tools_in.is_hosted(kind) then
    r.ledger:refuse(r:where(), ("%s belongs to a tool of OpenAI's own"):format(kind))
  else
    r.ledger:refuse(r:where(), ("items of type %q are unknown to cliproxy"):format(kind))
  end
end

-- Items of the usual members alone, as `json.members` reads them, by their types; nil, and nothing was done, where
-- there is more to say.
local PLAIN = {}

local PLAIN_ROLES = { ['"user"'] = "user", ['"assistant"'] = "assistant", ['"system"'] = "system",
  ['"developer"'] = "system" }

local function plain_message(r, members, kind, word, content)
  local role = members == (kind and 3 or 2) and PLAIN_ROLES[word]
  local parts = role and parts_in.content(r, content, "content", role)
  if parts then
    add(r, role, parts)
    return true
  end
end

PLAIN['"message"'] = plain_message

local function is_word(value)
  return type(value) == "string" and #value > 2
end

PLAIN['"function_call"'] = function(r, members, _, _, _, id, name, arguments)
  if members == 4 and is_word(id) and is_word(name) and type(arguments) == "string" then
    add(r, "assistant", { { kind = "tool_call", turn = r.turn, id = literal.text(id), name = literal.text(name),
      arguments = arguments } })
    return true
  end
end

PLAIN['"function_call_output"'] = function(r, members, _, _, _, id, _, _, output)
  local inner = members == 3 and is_word(id) and parts_in.content(r, output, "output", "result")
  if inner then
    add(r, "user", { { kind = "tool_result", turn = r.turn, id = literal.text(id), content = inner } })
    return true
  end
end

local function read_items(r, list)
  r.base = nil
  for i, members, kind, role, content, id, name, arguments, output in json.rows(list, "type", "role", "content",
    "call_id", "name", "arguments", "output") do
    r.turn = i - 1
    local read = kind == nil and plain_message or PLAIN[kind]
    if not (read and read(r, members, kind, role, content, id, name, arguments, output)) then
      item(r, list[i])
    end
  end
  r.base = ""
end

--- Reads `input`.
---@param r cliproxy.responses.Reader
---@param document cliproxy.json.Node
function M.read(r, document)
  local _, input = json.members(document, "input")
  if type(input) == "string" then
    r.leading = false
    r.c.turns[1] = { role = "user", parts = { { kind = "text", text = input, turn = 0 } }, index = 0 }
  elseif json.length(input) then
    read_items(r, input)
  else
    r:wrong("input", "must be a string or a list of items, not " .. tostring(json.kind(document.input)))
  end
end

return M
