--- `contents` and `systemInstruction` of a client's request as turns and parts.
local calls_in = require("cliproxy.dialects.gemini.calls_in")
local json = require("cliproxy.json")
local literal = require("cliproxy.literal")
local media = require("cliproxy.dialects.gemini.media")
local opaque = require("cliproxy.opaque")
local spelling = require("cliproxy.dialects.gemini.spelling")

local M = {}

-- What clients put where a signature belongs and they have none; also in the base64 that SDKs make of it.
local NO_SIGNATURE = {
  skip_thought_signature_validator = true, context_engineering_is_the_way_to_go = true,
  ["c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="] = true,
  ["Y29udGV4dF9lbmdpbmVlcmluZ19pc190aGVfd2F5X3RvX2dv"] = true,
}

local function own(what)
  return function(r, _, key, found)
    r.ledger:refuse(r:where(key), what .. " of Google's own tools cannot cross")
    found.payload = true
  end
end

local function payload(read, how)
  return function(r, node, key, found)
    found.part, found.payload = read(r, node, key, how), true
  end
end

-- "MEDIA_RESOLUTION_LOW", by itself or as { level }.
local DETAILS = { LOW = '"low"', HIGH = '"high"', ULTRA_HIGH = '"high"' }

--- The detail of a resolution's word.
---@param word? string in capitals
---@return cliproxy.Literal?
function M.detail(word)
  return word and DETAILS[(word:gsub("^MEDIA_RESOLUTION_", ""))]
end

local function resolution(r, node, key, found)
  if json.kind(node[key]) == "object" then
    node, key = node[key], "level"
  end
  found.detail = M.detail(r:enum(node, key))
end

-- Members of a part: what each leaves in `found`.
local PART = spelling.both {
  text = function(r, node, key, found)
    found.text, found.payload = r:literal(node, key), true
  end,
  thought = function(r, node, key, found)
    found.thought = r:flag(node, key)
  end,
  thoughtSignature = function(r, node, key, found)
    local signature = r:word(node, key)
    if signature and signature ~= "" and not NO_SIGNATURE[signature] then
      found.state = opaque.open((signature:gsub("[-_]", { ["-"] = "+", _ = "/" })), "thought")
    end
    found.signed = signature ~= nil
  end,
  inlineData = payload(media.read, "data"),
  fileData = payload(media.read, "url"),
  functionCall = payload(calls_in.call),
  functionResponse = payload(calls_in.response),
  executableCode = own("code"), codeExecutionResult = own("results"), toolCall = own("calls"),
  toolResponse = own("results"),
  mediaResolution = resolution,
  partMetadata = function(r, _, key)
    r.ledger:drop(r:where(key), "notes of the client's own")
  end,
  videoMetadata = function(r, _, key)
    r.ledger:warn(r:where(key), "only Gemini takes video")
  end,
}

local function push(parts, r, kind, words)
  local part = { kind = kind, text = words, turn = r.turn, index = r.index }
  parts[#parts + 1] = part
  return part
end

-- State in front of a part ends the thought before it, as in the answer that it comes from.
local function state(r, parts, found)
  local last = parts[#parts]
  if last and last.kind == "reasoning" and not last.state then
    last.state = found.state
  else
    push(parts, r, "reasoning").state = found.state
  end
end

-- A thought: pieces of one thought, as a stream gave them, are one part.
local function thought(r, parts, found)
  local last = parts[#parts]
  if found.text == '""' then
    return found.state and state(r, parts, found)
  end
  if last and last.kind == "reasoning" and last.text and not last.state then
    last.text = literal.concat { last.text, found.text }
  else
    last = push(parts, r, "reasoning", found.text)
  end
  last.state = found.state
end

local function place(r, parts, found, role)
  local part = found.part
  if found.state then
    state(r, parts, found)
  end
  if found.text and found.text ~= '""' then
    push(parts, r, "text", found.text)
  elseif part and part.kind == "tool_result" and role == "assistant" then
    r:wrong(r:where(), "is a functionResponse in a turn of the model")
  elseif part and part.kind == "tool_call" and role == "user" then
    r:wrong(r:where(), "is a functionCall in a turn of the user")
  elseif part then
    part.detail = part.kind == "image" and found.detail or nil
    parts[#parts + 1] = part
  end
end

local function one_part(r, node, i, list, parts, role)
  r.index = i
  if type(node) == "string" then
    push(parts, r, "text", list and json.raw(list, i + 1) or literal.again(node))
    return
  elseif json.kind(node) ~= "object" then
    return r:wrong(r:where(), "must be an object, not " .. tostring(json.kind(node)))
  end
  local words = #node == 1 and literal.read(node, "text")
  if words then -- nearly all parts
    if words ~= '""' then
      push(parts, r, "text", words)
    end
    return
  end
  local found = {}
  r:members(node, PART, found)
  if not (found.payload or found.signed) then
    r:wrong(r:where(), "holds nothing: neither text nor inlineData, fileData, functionCall or functionResponse")
  elseif found.thought and found.text then
    thought(r, parts, found)
  else
    place(r, parts, found, role)
  end
end

local ROLES = { user = "user", ["function"] = "user", model = "assistant", [""] = "user" }

local function has_call(parts)
  if json.kind(parts) == "array" then
    for _, part in json.each(parts) do
      if json.kind(part) == "object" and (part.functionCall ~= nil or part.function_call ~= nil) then
        return true
      end
    end
  end
  return false
end

-- Without a role it is the user's, but for calls.
local function role_of(r, node)
  local word = r:word(node, "role")
  if not word then
    return has_call(node.parts) and "assistant" or "user"
  end
  local role = ROLES[word:lower()]
  if not role then
    r:wrong(r:where("role"), ("is %q, which is neither user nor model"):format(word))
  end
  return role or "user"
end

local CONTENT = { role = false, parts = false }

-- A turn begins.
local function enter(r, role)
  if role == "assistant" and r.last_role ~= role then
    r.open = {} -- what has no response by now gets none
  end
  r.last_role = role
end

local function add_turn(r, role, parts, i)
  if parts[1] then
    r.c.turns[#r.c.turns + 1] = { role = role, parts = parts, index = i }
  end
end

local function content(r, node, i)
  r.turn, r.index = i, nil
  if json.kind(node) ~= "object" then
    return r:wrong(r:where(), "must be an object with role and parts, not " .. tostring(json.kind(node)))
  end
  local role, parts = role_of(r, node), {}
  enter(r, role)
  r:members(node, CONTENT)
  r:each(node, "parts", function(_, child, k, list)
    one_part(r, child, k, list, parts, role)
  end)
  add_turn(r, role, parts, i)
end

-- A part that is a text, a call or a response alone, as most are; nil, and nothing was done, where there is more to it.
local function plain_part(r, role, members, text, call, response)
  if members ~= 1 then
    return nil
  elseif type(text) == "string" then
    return { kind = "text", text = text, turn = r.turn, index = r.index }
  elseif call and role == "assistant" then
    return calls_in.plain_call(r, call)
  elseif response and role == "user" then
    return calls_in.plain_response(r, response)
  end
end

local function read_parts(r, list, role, parts)
  local n = 0
  for i = 1, json.length(list) do
    r.index = i - 1
    local part = plain_part(r, role, json.row(list, i, "text", "functionCall", "functionResponse"))
    if not part then
      one_part(r, list[i], i - 1, list, parts, role)
      n = #parts
    elseif part.text ~= '""' then
      n = n + 1
      parts[n] = part
    end
  end
end

local PLAIN_ROLES = { ['"user"'] = "user", ['"model"'] = "assistant" }

local function read_list(r, list)
  for i, members, role, inner in json.rows(list, "role", "parts") do
    role = members == 2 and PLAIN_ROLES[role]
    if role and json.length(inner) then
      local parts = {}
      r.turn, r.index = i - 1, nil
      enter(r, role)
      read_parts(r, inner, role, parts)
      add_turn(r, role, parts, i - 1)
    else
      content(r, list[i], i - 1)
    end
  end
end

--- `contents`.
---@param r cliproxy.gemini.Reader
---@param document cliproxy.json.Node
---@param key string
function M.read(r, document, key)
  local base, list = r.base, document[key]
  r.base = nil
  if type(list) == "string" then
    r:wrong(r.prefix .. key, "must be a list, not a string")
  elseif json.length(list) then
    read_list(r, list)
  else
    r:each(document, key, content)
  end
  r.base, r.index = base, nil
end

local function system_part(r, node, i, list)
  local words
  if type(node) == "string" then
    words = list and json.raw(list, i + 1) or literal.again(node)
  elseif json.kind(node) == "object" then
    words = literal.read(node, "text")
    if not words then
      r.ledger:refuse(("%s.parts[%d]"):format(r:where(), i), "a system instruction holds only texts")
    end
  else
    r:wrong(("%s.parts[%d]"):format(r:where(), i), "must be an object, not " .. tostring(json.kind(node)))
  end
  if words and words ~= '""' then
    r.c.system[#r.c.system + 1] = { kind = "text", text = words, index = i }
  end
end

local SYSTEM = { role = false, parts = function(r, node, key)
  r:each(node, key, system_part)
end }

--- `systemInstruction`: a content, or a text alone.
---@param r cliproxy.gemini.Reader
---@param document cliproxy.json.Node
---@param key string
function M.read_system(r, document, key)
  local words = literal.read(document, key)
  if not words then
    r:inner(document, key, SYSTEM)
  elseif words ~= '""' then
    r.c.system[#r.c.system + 1] = { kind = "text", text = words }
  end
end

return M
