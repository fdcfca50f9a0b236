--- A conversation's turns as the messages of a request.
local conversation = require("cliproxy.conversation")
local literal = require("cliproxy.literal")
local opaque = require("cliproxy.opaque")
local parts_out = require("cliproxy.dialects.openai_chat.parts_out")
local text = require("cliproxy.text")
local tool_names = require("cliproxy.tool_names")
local tools_out = require("cliproxy.dialects.openai_chat.tools_out")

local M = {}

local ID_RULE = tool_names.ID_RULES.openai_chat

local emit = parts_out.emit

local OPEN = {}
for _, role in ipairs { "developer", "system", "user", "assistant", "tool" } do
  OPEN[role] = ',{"role":"' .. role .. '","content":'
end

-- Begins a message; its content follows.
local function open(self, role)
  emit(self, self.messages == 0 and OPEN[role]:sub(2) or OPEN[role])
  self.messages = self.messages + 1
end

local function close(self, turn)
  if turn and turn.name then
    emit(self, ',"name":', turn.name)
  end
  emit(self, "}")
end

local function call_id(self, part)
  local id = self.ids[part.id]
  if not id then
    id = tool_names.fit_id(part.id, ID_RULE, self.caps.tool_id_length)
    self.ids[part.id] = id
    if id ~= part.id then
      self.c.ledger:change(conversation.path(self.c, part), "the id of the call is " .. id)
    end
  end
  return text.quote(id)
end

-- System --------------------------------------------------------------------------------------------------------

-- One message with one string: some servers take no second one, and no list.
local function system(self, parts, turn)
  local texts = {}
  for _, part in ipairs(parts) do
    parts_out.drop_cache(self, part)
    local shown = parts_out.text_of(self, part)
    if not shown then
      self.c.ledger:refuse(conversation.path(self.c, part), "the system says texts alone")
    elseif not literal.is_empty(shown) then
      texts[#texts + 1] = shown
    end
  end
  if texts[1] then
    open(self, self.caps.developer_role and "developer" or "system")
    emit(self, literal.concat(texts, "\\n\\n"))
    close(self, turn)
  end
end

-- Results -------------------------------------------------------------------------------------------------------

-- The flag of an error has no member here: its text says it.
local function mark_error(self, part, shown)
  if not part.is_error or shown:find('^"[Ee]rror') then
    return shown
  end
  self.c.ledger:change(conversation.path(self.c, part, "is_error"), 'told by "Error: " in front of the text')
  return '"Error: ' .. shown:sub(2)
end

-- A tool's message holds text alone: what else is in the result waits in `media` for a message of the user.
local function result(self, part, media)
  local texts, rest = {}, {}
  for _, one in ipairs(part.content or {}) do
    parts_out.drop_cache(self, one)
    local shown = parts_out.text_of(self, one)
    if shown then
      texts[#texts + 1] = shown
    else
      rest[#rest + 1] = one
    end
  end
  local shown = part.value and literal.again(part.value) or literal.concat(texts, "\\n")
  if rest[1] then
    media[#media + 1] = { result = part, parts = rest }
    shown = literal.is_empty(shown) and '"The result follows in the next message of the user."' or shown
  end
  open(self, "tool")
  emit(self, mark_error(self, part, shown), ',"tool_call_id":', call_id(self, part))
  close(self)
end

local function label(self, part)
  local name = part.name and " (" .. part.name .. ")" or ""
  return text.quote(("From the result of call %s%s:"):format(self.ids[part.id] or part.id, name))
end

local function send_media(self, media)
  if not media[1] then
    return
  end
  open(self, "user")
  for i, entry in ipairs(media) do
    emit(self, (i == 1 and "[" or ",") .. '{"type":"text","text":', label(self, entry.result), "}")
    for _, part in ipairs(entry.parts) do
      self.c.ledger:change(conversation.path(self.c, part), "goes in a message of the user behind the results")
      emit(self, ",")
      parts_out.part(self, part)
    end
  end
  emit(self, "]")
  close(self)
end

local function user(self, turn)
  local parts, media = {}, {}
  for _, part in ipairs(turn.parts) do
    if part.kind == "tool_result" then
      result(self, part, media)
    else
      parts[#parts + 1] = part
    end
  end
  send_media(self, media)
  if parts[1] then
    open(self, "user")
    parts_out.content(self, parts)
    close(self, turn)
  end
end

-- Assistant -----------------------------------------------------------------------------------------------------

-- Texts of one message are one text; those of messages that were joined are not.
local function said(list)
  if not list[1] then
    return nil
  end
  local groups, last = {}, nil
  for _, part in ipairs(list) do
    if #groups == 0 or part.turn ~= last then
      groups[#groups + 1] = {}
    end
    local group = groups[#groups]
    group[#group + 1], last = part.text, part.turn
  end
  for i, group in ipairs(groups) do
    groups[i] = literal.concat(group)
  end
  return literal.concat(groups, "\\n\\n")
end

local function emit_call(self, part, separator)
  local name = text.quote(tools_out.name(self.c, self.caps, part.name))
  local kind, key = "function", "arguments"
  if part.custom then
    kind, key = "custom", "input"
  end
  emit(self, separator .. '{"id":', call_id(self, part))
  emit(self, ',"type":"' .. kind .. '","' .. kind .. '":{"name":', name, ',"' .. key .. '":')
  emit(self, conversation.arguments_of(part), "}}")
end

-- Thoughts go back to a server that told them in the open and wants them; never those of another model.
local function takes_reasoning(self, part)
  return self.caps.reasoning_field and not literal.is_empty(part.text)
    and (not part.state or opaque.is_for(part.state, self.target))
end

local ADD = {}

function ADD.text(_, part, message)
  if not literal.is_empty(part.text) then
    message.texts[#message.texts + 1] = part
  end
end

function ADD.refusal(_, part, message)
  if not literal.is_empty(part.text) then
    message.refusals[#message.refusals + 1] = part
  end
end

function ADD.reasoning(self, part, message)
  if takes_reasoning(self, part) then
    message.thoughts[#message.thoughts + 1] = part.text
  else
    self.c.ledger:drop(conversation.path(self.c, part), "reasoning of another model, or none that it takes back")
  end
end

function ADD.tool_call(_, part, message)
  message.calls[#message.calls + 1] = part
end

local function content_of(self, message)
  local shown, refusal = said(message.texts), said(message.refusals)
  if not refusal then
    return shown
  elseif self.caps.content_parts == false then
    return shown and literal.concat({ shown, refusal }, "\\n\\n") or refusal
  end
  local said_first = shown and '{"type":"text","text":' .. shown .. "}," or ""
  return "[" .. said_first .. '{"type":"refusal","refusal":' .. refusal .. "}]"
end

local function assistant(self, turn)
  local message = { texts = {}, refusals = {}, thoughts = {}, calls = {} }
  for _, part in ipairs(turn.parts) do
    parts_out.drop_cache(self, part)
    local read = ADD[part.kind]
    if read then
      read(self, part, message)
    else
      self.c.ledger:refuse(conversation.path(self.c, part), ("an assistant cannot send a part of kind %q"):format(
        tostring(part.kind)))
    end
  end
  local content, calls = content_of(self, message), message.calls
  if not content and not calls[1] then
    return
  end
  open(self, "assistant")
  -- Not "": with calls beside it some servers would write their calls as text.
  emit(self, content or "null")
  if message.thoughts[1] then
    emit(self, ',"' .. self.caps.reasoning_field .. '":', literal.concat(message.thoughts, "\\n\\n"))
  end
  for i, part in ipairs(calls) do
    emit_call(self, part, i == 1 and ',"tool_calls":[' or ",")
  end
  if calls[1] then
    emit(self, "]")
  end
  close(self, turn)
end

local TURN = { user = user, assistant = assistant }

function TURN.system(self, turn)
  system(self, turn.parts, turn)
end

local function note_prefill(self, turns)
  local last = turns[#turns]
  if last and last.role == "assistant" and not self.caps.prefill then
    self.c.ledger:warn(conversation.path(self.c, last), "it begins a new answer instead of going on with this one")
  end
end

--- Appends the value of `messages`.
---@param c cliproxy.Conversation
---@param target cliproxy.Target
---@param out string[] pieces of the body
function M.encode(c, target, out)
  ---@type cliproxy.openai_chat.Out
  local self = { c = c, target = target, caps = target.caps or {}, out = out, n = #out, messages = 0, ids = {} }
  emit(self, "[")
  system(self, c.system)
  conversation.drop_phases(c)
  local turns = conversation.joined(c)
  for _, turn in ipairs(turns) do
    TURN[turn.role](self, turn)
  end
  emit(self, "]")
  note_prefill(self, turns)
end

return M
