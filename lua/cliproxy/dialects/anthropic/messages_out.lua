--- The history of a conversation as a provider takes it: `system` blocks, and messages of users and the model in turn.
local blocks_out = require("cliproxy.dialects.anthropic.blocks_out")
local conversation = require("cliproxy.conversation")
local literal = require("cliproxy.literal")

local M = {}

---@class cliproxy.anthropic.Message
---@field role "user"|"assistant"|"system"
---@field blocks cliproxy.anthropic.Block[]
---@field texts? cliproxy.Literal[] of a system message
---@field turn cliproxy.Turn its first
---@field results? boolean it answers calls
---@field thinks? boolean it begins with thinking

-- Assistants ----------------------------------------------------------------------------------------------------

-- Calls without a result are refused by the service; here with their place.
local function check_answered(e)
  for _, part in ipairs(e.waiting) do
    if not e.answered[part.id] then
      e.ledger:refuse(conversation.path(e.c, part), ("the call %q has no result"):format(tostring(part.id)))
    end
  end
end

local function begin_calls(e)
  if e.waiting[1] then
    check_answered(e)
    e.ids, e.waiting, e.answered = {}, {}, {}
  end
end

-- Thinking leads a message; where it was told later, it moves to the front.
local function ordered(blocks, thinking)
  if not thinking or thinking[1] == blocks[1] then
    return blocks
  end
  local out, moved = {}, {}
  for i, block in ipairs(thinking) do
    out[i], moved[block] = block, true
  end
  for _, block in ipairs(blocks) do
    if not moved[block] then
      out[#out + 1] = block
    end
  end
  return out
end

local function assistant(e, turn)
  begin_calls(e)
  local blocks, n, thinking = {}, 0, nil
  local parts = turn.parts
  for i = 1, #parts do
    local part = parts[i]
    local encode = blocks_out.ASSISTANT[part.kind]
    local block = (encode or blocks_out.impossible)(e, part, "assistant")
    if block then
      n = n + 1
      blocks[n] = block
      if part.kind == "reasoning" then
        thinking = thinking or {}
        thinking[#thinking + 1] = block
      end
    end
  end
  return { role = "assistant", blocks = ordered(blocks, thinking), turn = turn, thinks = thinking ~= nil }
end

-- Users and systems ---------------------------------------------------------------------------------------------

local function user(e, turn)
  local blocks, parts = {}, turn.parts
  for i = 1, #parts do
    local part = parts[i]
    local encode = blocks_out.USER[part.kind]
    blocks[#blocks + 1] = (encode or blocks_out.impossible)(e, part, "user")
  end
  return { role = "user", blocks = blocks, turn = turn, results = turn.results }
end

local function system(e, turn)
  local message = { role = "system", blocks = {}, texts = {}, turn = turn }
  for _, part in ipairs(turn.parts) do
    local block = part.kind == "text" and blocks_out.USER.text(e, part)
    if block then
      message.blocks[#message.blocks + 1] = block
      message.texts[#message.texts + 1] = part.text
    elseif part.kind ~= "text" then
      e.ledger:refuse(conversation.path(e.c, part), "Anthropic takes texts alone in a system message")
    end
  end
  return message
end

local ENCODERS = { assistant = assistant, user = user, system = system }

-- The shape of the history --------------------------------------------------------------------------------------

local function append(into, list)
  for i = 1, #(list or {}) do
    into[#into + 1] = list[i]
  end
end

-- Adds a message, to the last one where both have a role.
local function add(messages, message)
  local last = messages[#messages]
  if not message.blocks[1] then
    return
  elseif last and last.role == message.role then
    append(last.blocks, message.blocks)
    if last.texts then
      append(last.texts, message.texts)
    end
    last.results = last.results or message.results
  else
    messages[#messages + 1] = message
  end
end

-- A system message may stand behind a user's, at the end or before the model's.
local function may_stay(e, messages, i)
  local before, after = messages[i - 1], messages[i + 1]
  return e.caps.system_in_messages and before ~= nil and before.role == "user"
    and (after == nil or after.role == "assistant")
end

-- Others become a reminder in the user's words, as agents write them.
local function reminder(e, message)
  e.ledger:change(conversation.path(e.c, message.turn), "a system message here becomes a reminder in a user message")
  local inner = literal.concat(message.texts, "\\n\\n")
  return {
    role = "user", turn = message.turn,
    blocks = { '{"type":"text","text":"<system-reminder>\\n' .. inner:sub(2, -2) .. '\\n</system-reminder>"}' },
  }
end

local function has_system(messages)
  for i = 1, #messages do
    if messages[i].role == "system" then
      return true
    end
  end
  return false
end

local function place_systems(e, messages)
  if not has_system(messages) then
    return messages
  end
  local out = {}
  for i, message in ipairs(messages) do
    if message.role == "system" and not may_stay(e, messages, i) then
      message = reminder(e, message)
    end
    add(out, message)
  end
  return out
end

-- A turn of the model at the end ---------------------------------------------------------------------------------

local function has_call(turn)
  for _, part in ipairs(turn.parts) do
    if part.kind == "tool_call" then
      return true
    end
  end
  return false
end

-- Its last text without white space at its end, which the service refuses. nil: nothing is left of it.
local function trimmed(e, turn)
  local parts = {}
  append(parts, turn.parts)
  while parts[1] do
    local last = parts[#parts]
    if last.kind == "text" and not literal.is_blank(last.text) then
      local whole = literal.text(last.text)
      local short = whole:match("^(.-)%s*$")
      if short ~= whole then
        last = setmetatable({ text = literal.again(short) }, { __index = last })
        parts[#parts] = last
        e.ledger:change(conversation.path(e.c, last), "white space at the end of the assistant's turn is cut off")
      end
      return { role = "assistant", parts = parts, index = turn.index }
    end
    parts[#parts] = nil
  end
end

-- The model goes on where an assistant's turn at the end stops, if it can.
local function settle_prefill(e, turns)
  local last = turns[#turns]
  if not last or last.role ~= "assistant" or has_call(last) then
    return
  end
  -- Structured output begins anew.
  turns[#turns] = e.caps.prefill and not e.c.format and trimmed(e, last) or nil
  if turns[#turns] and turns[#turns].role == "assistant" then
    e.prefill = true
  else
    e.ledger:warn(conversation.path(e.c, last), "the model does not continue an assistant's turn")
  end
end

-- The whole -----------------------------------------------------------------------------------------------------

-- System messages in front of all others belong to `system`.
local function leading_systems(e, turns)
  local first = 1
  while turns[first] and turns[first].role == "system" do
    append(e.leading, turns[first].parts)
    first = first + 1
  end
  return first
end

local function note_turn(e, turn)
  e.ledger:warn(conversation.path(e.c, turn, "name"), "Anthropic's messages have no names")
end

local function check_first(e, messages)
  local first = messages[1]
  if not first then
    e.ledger:refuse(e.c.paths.turns, "it has no message of a user, and Anthropic needs one")
  elseif first.role ~= "user" then
    e.ledger:refuse(conversation.path(e.c, first.turn), "with Anthropic the first message must be a user's")
  end
end

-- Whether the results at the end answer calls that were made without thinking: then the model may not begin to think.
local function unthought(messages)
  local last = #messages
  if last > 0 and messages[last].role == "system" then
    last = last - 1
  end
  local results, calls = messages[last], messages[last - 1]
  return results ~= nil and results.results == true and calls ~= nil and not calls.thinks
end

--- The messages. Sets `prefill` and `unthought` of the encoding, and moves leading system turns to `leading`.
---@param e cliproxy.anthropic.Encoding
---@return cliproxy.anthropic.Message[]
function M.read(e)
  conversation.drop_phases(e.c)
  local turns = conversation.joined(e.c)
  local first = leading_systems(e, turns)
  settle_prefill(e, turns)
  local messages = {}
  for i = first, #turns do
    local turn = turns[i]
    if turn.name then
      note_turn(e, turn)
    end
    add(messages, ENCODERS[turn.role](e, turn))
  end
  check_answered(e)
  messages = place_systems(e, messages)
  check_first(e, messages)
  e.unthought = unthought(messages)
  return messages
end

local function put_list(out, blocks)
  for i = 1, #blocks do
    if i > 1 then
      out[#out + 1] = ","
    end
    blocks_out.put(out, blocks[i])
  end
  out[#out + 1] = "]"
end

local OPEN = {}
for _, role in ipairs { "user", "assistant", "system" } do
  OPEN[role] = '{"role":"' .. role .. '","content":['
end

--- Appends `messages` to the pieces of a body.
---@param messages cliproxy.anthropic.Message[]
---@param out string[]
function M.write(messages, out)
  out[#out + 1] = ',"messages":['
  for i = 1, #messages do
    local message = messages[i]
    out[#out + 1] = i > 1 and "}," or nil
    out[#out + 1] = OPEN[message.role]
    put_list(out, message.blocks)
  end
  out[#out + 1] = messages[1] and "}]" or "]"
end

--- Appends `system`, where something is said. After `read`.
---@param e cliproxy.anthropic.Encoding
---@param out string[] pieces of the body
function M.system(e, out)
  local blocks = {}
  for _, list in ipairs { e.c.system, e.leading } do
    for _, part in ipairs(list) do
      if part.kind == "text" then
        blocks[#blocks + 1] = blocks_out.USER.text(e, part)
      else
        e.ledger:refuse(conversation.path(e.c, part), "Anthropic takes texts alone as its system prompt")
      end
    end
  end
  if blocks[1] then
    out[#out + 1] = ',"system":['
    put_list(out, blocks)
  end
end

return M
