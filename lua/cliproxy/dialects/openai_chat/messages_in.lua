--- The messages of a client's request: one turn for each, those of the system in front of everything apart.
local json = require("cliproxy.json")
local literal = require("cliproxy.literal")
local parts_in = require("cliproxy.dialects.openai_chat.parts_in")
local reasoning_cache = require("cliproxy.reasoning_cache")

local M = {}

-- Calls of the time before ids get one that is the same in every request of a conversation.
local OLD_ID = "call_fn%d"

local function known(...)
  local out = { role = true, content = true, name = true }
  for _, key in ipairs { ... } do
    out[key] = true
  end
  return out
end

local function add(r, role, parts, name)
  r.c.turns[#r.c.turns + 1] = { role = role, parts = parts, index = r.turn, name = name }
end

-- Content that must be there.
local function content(r, node, role)
  local parts = parts_in.read(r, node, role)
  if not parts then
    r:wrong(r:where("content"), "is missing")
  end
  return parts or {}
end

-- System --------------------------------------------------------------------------------------------------------

local KNOWN_PLAIN = known()

-- The name of who speaks, which few messages have.
local function speaker(r, node)
  if #node > 2 then
    r:unknown(node, KNOWN_PLAIN)
    return r:literal(node, "name")
  end
end

local function system(r, node)
  local parts, name = content(r, node, "system"), speaker(r, node)
  if not r.leading then
    return add(r, "system", parts, name)
  elseif name then
    r.ledger:warn(r:where("name"), "the system has no name there")
  end
  for _, part in ipairs(parts) do
    r.c.system[#r.c.system + 1] = part
  end
end

-- User ----------------------------------------------------------------------------------------------------------

local function user(r, node)
  add(r, "user", content(r, node, "user"), speaker(r, node))
end

-- Assistant -----------------------------------------------------------------------------------------------------

-- The call of a function or of a custom tool: the object that has its name and its text.
local CALLS = { ["function"] = "arguments", custom = "input" }

local KNOWN_CALL = { id = true, type = true, index = true, ["function"] = true, custom = true }
local KNOWN_NAMED = { name = true, arguments = true, input = true }

local function named(r, node, key, part)
  part.name = r:name(node, "name")
  local arguments = r:literal(node, key)
  part.arguments = arguments or '""'
  if #node > (arguments and 2 or 1) then
    r:unknown(node, KNOWN_NAMED)
  end
  return part.name and part
end

local function call(r, node)
  if json.kind(node) ~= "object" then
    return r:wrong(r:where(), "must be an object, not " .. tostring(json.kind(node)))
  end
  local kind = r:word(node, "type")
  local count = kind and 3 or 2
  kind = kind or "function"
  local key = CALLS[kind]
  if not key then
    return r:wrong(r:where("type"), ("is %q, which is neither function nor custom"):format(kind))
  end
  local part = { kind = "tool_call", turn = r.turn, list = r.list, index = r.index }
  part.custom = kind == "custom" or nil
  part.id = r:name(node, "id")
  local inner = r:node(node, kind, "object")
  if #node > count then
    r:unknown(node, KNOWN_CALL)
  end
  if not inner then
    return r:wrong(r:where(kind), "is missing")
  end
  r.inside = kind
  local found = named(r, inner, key, part)
  r.inside = nil
  return part.id and found
end

-- A call of a function with nothing unusual about it, as most are; nil where there is.
local function plain_call(r, members, id, kind, inner, i)
  if members ~= 3 or kind ~= '"function"' or type(id) ~= "string" or #id == 2 then
    return nil
  end
  local count, name, arguments = json.members(inner, "name", "arguments")
  if count ~= 2 or type(name) ~= "string" or #name == 2 or type(arguments) ~= "string" then
    return nil
  end
  return { kind = "tool_call", turn = r.turn, list = "tool_calls", index = i - 1, id = literal.text(id),
    name = literal.text(name), arguments = arguments }
end

local function read_call_list(r, list, parts)
  r.list = "tool_calls"
  for i = 1, json.length(list) do
    r.index = i - 1
    local members, id, kind, inner = json.row(list, i, "id", "type", "function")
    parts[#parts + 1] = plain_call(r, members, id, kind, inner, i) or call(r, list[i]) or nil
  end
  r.list, r.index = nil, nil
end

local function read_calls(r, node, parts)
  local list = r:node(node, "tool_calls", "array")
  if list then
    read_call_list(r, list, parts)
  end
end

local function read_old_call(r, node, parts)
  local inner = r:node(node, "function_call", "object")
  if not inner then
    return
  end
  local part = { kind = "tool_call", turn = r.turn, list = "function_call", id = OLD_ID:format(r.turn) }
  r.inside = "function_call"
  if named(r, inner, "arguments", part) then
    parts[#parts + 1] = part
    r.old_calls[#r.old_calls + 1] = part
  end
  r.inside = nil
end

local THOUGHTS = { "reasoning_content", "reasoning" }

local function first_call(parts)
  for _, part in ipairs(parts) do
    if part.kind == "tool_call" then
      return part
    end
  end
end

-- What the model thought before, as it was kept under the turn's first call.
local function add_kept(r, parts)
  local first = first_call(parts)
  local kept = first and reasoning_cache.get(r.c.owner, first)
  for i, part in ipairs(kept or {}) do
    part.turn, part.list = r.turn, "reasoning_content"
    table.insert(parts, i, part)
  end
  return kept ~= nil
end

-- The same, or what the client tells of it.
local function read_reasoning(r, node, parts, found)
  if add_kept(r, parts) then
    return
  end
  for _, key in ipairs(THOUGHTS) do
    local shown = found[key] and r:literal(node, key)
    if shown and not literal.is_empty(shown) then
      return table.insert(parts, 1, { kind = "reasoning", text = shown, turn = r.turn, list = key })
    end
  end
end

-- What a message may have beside role and content, the most usual first.
local MEMBERS = { "tool_calls", "refusal", "annotations", "reasoning_content", "audio", "function_call", "name",
  "reasoning", "reasoning_details" }
local KNOWN_ASSISTANT = known(unpack(MEMBERS))

-- Which of them are there. Unknown ones are counted first: looking for them reads all, long texts, too.
local function members_of(r, node)
  local found, left = {}, #node - (json.node(node, "content") ~= nil and 2 or 1)
  for _, key in ipairs(MEMBERS) do
    if left == 0 then
      break
    elseif json.node(node, key) ~= nil then
      found[key], left = true, left - 1
    end
  end
  if left > 0 then
    r:unknown(node, KNOWN_ASSISTANT)
  end
  return found
end

local function drop_echo(r, node, key)
  local list = node[key]
  if json.present(list) and not (json.kind(list) == "array" and #list == 0) then
    r.ledger:drop(r:where(key), "it belongs to an earlier answer")
  end
end

-- In the order of their parts.
local READERS = {
  { "refusal", function(r, node, parts)
    local refusal = r:literal(node, "refusal")
    if not literal.is_empty(refusal) then
      parts[#parts + 1] = { kind = "refusal", text = refusal, turn = r.turn, list = "refusal" }
    end
  end },
  { "tool_calls", read_calls },
  { "function_call", read_old_call },
  { "audio", function(r, node)
    if json.present(node.audio) then
      r.ledger:refuse(r:where("audio"), "spoken answers belong to the provider that keeps them")
    end
  end },
  { "annotations", function(r, node) drop_echo(r, node, "annotations") end },
  { "reasoning_details", function(r, node) drop_echo(r, node, "reasoning_details") end },
}

local function assistant(r, node)
  local parts = parts_in.read(r, node, "assistant") or {}
  if #parts == 1 and not parts[1].index and literal.is_empty(parts[1].text) then
    parts = {}
  end
  local name
  if #node > 2 or node.content == nil then
    local found = members_of(r, node)
    for _, reader in ipairs(READERS) do
      if found[reader[1]] then
        reader[2](r, node, parts)
      end
    end
    read_reasoning(r, node, parts, found)
    name = found.name and r:literal(node, "name")
  end
  add(r, "assistant", parts, name or nil)
end

-- Results -------------------------------------------------------------------------------------------------------

local KNOWN_RESULT = known("tool_call_id")

local function tool(r, node)
  local part = { kind = "tool_result", turn = r.turn }
  part.id = r:name(node, "tool_call_id")
  part.content = content(r, node, "result")
  if #node > 3 then
    r:unknown(node, KNOWN_RESULT)
  end
  if part.id then
    r.c.turns[#r.c.turns + 1] = { role = "user", parts = { part }, index = r.turn }
  end
end

-- The result of the last call of a function of this name; of none, it says so where results are put in order.
local function old_result(r, node)
  local part = { kind = "tool_result", turn = r.turn, name = r:name(node, "name") }
  part.content = parts_in.read(r, node, "result") or {}
  r:unknown(node, KNOWN_PLAIN)
  part.id = part.name
  for i = #r.old_calls, 1, -1 do
    if r.old_calls[i].name == part.name then
      part.id = table.remove(r.old_calls, i).id
      break
    end
  end
  if part.name then
    r.c.turns[#r.c.turns + 1] = { role = "user", parts = { part }, index = r.turn }
  end
end

local ROLES = { system = system, developer = system, user = user, assistant = assistant, tool = tool,
  ["function"] = old_result }

local NAMES = "system, developer, user, assistant, tool, function"

local function message(r, node)
  if json.kind(node) ~= "object" then
    return r:wrong(r:where(), "must be an object, not " .. tostring(json.kind(node)))
  end
  local role = r:name(node, "role")
  local read = ROLES[role]
  if read then
    r.leading = r.leading and read == system
    read(r, node)
  elseif role then
    r:wrong(r:where("role"), ("is %q, which is none of %s"):format(role, NAMES))
  end
end

-- Messages of the usual members alone, as `json.members` reads them, by their roles; nil, and nothing was done, where
-- there is more to say.
local PLAIN = {}

PLAIN['"user"'] = function(r, members, said)
  local parts = members == 2 and parts_in.content(r, said, "user")
  if parts then
    r.leading = false
    add(r, "user", parts)
    return true
  end
end

PLAIN['"assistant"'] = function(r, members, said, calls)
  if type(said) ~= "string" or members ~= (calls and 3 or 2) or calls and not json.length(calls) then
    return nil
  end
  local parts = said ~= '""' and parts_in.content(r, said, "assistant") or {}
  if calls then
    read_call_list(r, calls, parts)
    add_kept(r, parts)
  end
  r.leading = false
  add(r, "assistant", parts)
  return true
end

PLAIN['"tool"'] = function(r, members, said, _, id)
  if members ~= 3 or type(id) ~= "string" or #id == 2 then
    return nil
  end
  local inner = parts_in.content(r, said, "result")
  if inner then
    r.leading = false
    add(r, "user", { { kind = "tool_result", turn = r.turn, id = literal.text(id), content = inner } })
    return true
  end
end

--- Reads `messages`.
---@param r cliproxy.openai_chat.Reader
---@param document cliproxy.json.Node
function M.read(r, document)
  local list = r:node(document, "messages", "array")
  r.old_calls = {}
  if list then
    r.base = nil
    for i, members, role, said, calls, id in json.rows(list, "role", "content", "tool_calls", "tool_call_id") do
      r.turn = i - 1
      local read = PLAIN[role]
      if not (read and read(r, members, said, calls, id)) then
        message(r, list[i])
      end
    end
    r.base = ""
  end
end

return M
