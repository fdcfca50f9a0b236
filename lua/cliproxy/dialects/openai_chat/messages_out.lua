--- A conversation's turns as the messages of a request.
local conversation = require("cliproxy.conversation")
local fields_out = require("cliproxy.dialects.openai.fields_out")
local literal = require("cliproxy.literal")
local opaque = require("cliproxy.opaque")
local parts_out = require("cliproxy.dialects.openai_chat.parts_out")
local text = require("cliproxy.text")
local tool_names = require("cliproxy.tool_names")
local tools_out = require("cliproxy.dialects.openai_chat.tools_out")

local M = {}

local ID_RULE = tool_names.ID_RULES.openai_chat

local emit = fields_out.emit

local FIRST, OPEN = {}, {}
for _, role in ipairs { "developer", "system", "user", "assistant", "tool" } do
  FIRST[role] = '{"role":"' .. role .. '","content":'
  OPEN[role] = "," .. FIRST[role]
end

-- Begins a message; its content follows.
local function open(self, role, content)
  local first = self.first
  if first then
    self.first = false
  end
  emit(self, (first and FIRST or OPEN)[role], content)
end

local function close(self, turn)
  if turn and turn.name then
    emit(self, ',"name":', turn.name)
  end
  emit(self, "}")
end

-- As JSON. A call's is made once for itself and its result.
local function call_id(self, part)
  local known = self.ids[part.id]
  if not known then
    local id = tool_names.fit_id(part.id, ID_RULE, self.caps.tool_id_length)
    if id ~= part.id then
      self.c.ledger:change(conversation.path(self.c, part), "the id of the call is " .. id)
    end
    known = text.quote(id)
    self.ids[part.id] = known
  end
  return known
end

-- The text of parts that are one text and nothing beside.
local function only_text(parts)
  local part = parts[1]
  if part and not parts[2] and part.kind == "text" and not part.cache then
    return part.text
  end
end

-- System --------------------------------------------------------------------------------------------------------

-- One message with one string: some servers take no second one, and no list.
local function system(self, parts, turn)
  if not parts[1] then
    return
  end
  local texts = {}
  for _, part in ipairs(parts) do
    fields_out.drop_cache(self.c, part)
    local shown = parts_out.text_of(self, part)
    if not shown then
      self.c.ledger:refuse(conversation.path(self.c, part), "the system says texts alone")
    elseif not literal.is_empty(shown) then
      texts[#texts + 1] = shown
    end
  end
  if texts[1] then
    open(self, self.caps.developer_role and "developer" or "system", literal.concat(texts, "\\n\\n"))
    close(self, turn)
  end
end

-- Results -------------------------------------------------------------------------------------------------------

-- The flag of an error has no member here: its text says it.
local function mark_error(self, part, shown)
  if shown:find('^"[Ee]rror') then
    return shown
  end
  self.c.ledger:change(conversation.path(self.c, part, "is_error"), 'told by "Error: " in front of the text')
  return '"Error: ' .. shown:sub(2)
end

-- A tool's message holds text alone: what else is in the result waits in `media` for a message of the user.
local function result_text(self, part, media)
  local texts, rest = {}, {}
  for _, one in ipairs(part.content or {}) do
    fields_out.drop_cache(self.c, one)
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
  return shown
end

local function result(self, part, media)
  local shown = not part.value and part.content and only_text(part.content) or result_text(self, part, media)
  open(self, "tool", part.is_error and mark_error(self, part, shown) or shown)
  emit(self, ',"tool_call_id":', call_id(self, part), "}")
end

local function label(self, part)
  local name = part.name and " (" .. part.name .. ")" or ""
  return text.quote(("From the result of call %s%s:"):format(literal.text(call_id(self, part)), name))
end

local function send_media(self, media)
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
  local said = only_text(turn.parts)
  if said then
    open(self, "user", said)
    return close(self, turn)
  end
  local parts, media = {}, {}
  for _, part in ipairs(turn.parts) do
    if part.kind == "tool_result" then
      result(self, part, media)
    else
      parts[#parts + 1] = part
    end
  end
  if media[1] then
    send_media(self, media)
  end
  if parts[1] then
    open(self, "user")
    parts_out.content(self, parts)
    close(self, turn)
  end
end

-- Assistant -----------------------------------------------------------------------------------------------------

-- Texts of one message are one text; those of messages that were joined are not.
local function said(list)
  if not list or not list[2] then
    return list and list[1].text
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

-- As JSON; it is the same for every call of a tool.
local function tool_name(self, name)
  local known = self.names[name]
  if not known then
    known = text.quote(tools_out.name(self.c, self.caps, name))
    self.names[name] = known
  end
  return known
end

local function emit_call(self, part, is_first)
  emit(self, is_first and ',"tool_calls":[{"id":' or ',{"id":', call_id(self, part))
  if part.custom then
    emit(self, ',"type":"custom","custom":{"name":', tool_name(self, part.name), ',"input":')
  else
    emit(self, ',"type":"function","function":{"name":', tool_name(self, part.name), ',"arguments":')
  end
  emit(self, conversation.arguments_of(part), "}}")
end

-- Thoughts go back to a server that told them in the open and wants them; never those of another model.
local function takes_reasoning(self, part)
  return self.caps.reasoning_field and not literal.is_empty(part.text)
    and (not part.state or opaque.is_for(part.state, self.target))
end

-- Appends to one of the lists of a message, which has only those that it needs.
local function append(message, key, value)
  local list = message[key]
  if list then
    list[#list + 1] = value
  else
    message[key] = { value }
  end
end

local ADD = {}

function ADD.text(_, part, message)
  if not literal.is_empty(part.text) then
    append(message, "texts", part)
  end
end

function ADD.refusal(_, part, message)
  if not literal.is_empty(part.text) then
    append(message, "refusals", part)
  end
end

function ADD.reasoning(self, part, message)
  if takes_reasoning(self, part) then
    append(message, "thoughts", part.text)
  else
    self.c.ledger:drop(conversation.path(self.c, part), "reasoning of another model, or none that it takes back")
  end
end

function ADD.tool_call(_, part, message)
  append(message, "calls", part)
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

local function read_parts(self, turn)
  local message = {}
  for _, part in ipairs(turn.parts) do
    if part.cache then
      fields_out.drop_cache(self.c, part)
    end
    local read = ADD[part.kind]
    if read then
      read(self, part, message)
    else
      self.c.ledger:refuse(conversation.path(self.c, part), ("an assistant cannot send a part of kind %q"):format(
        tostring(part.kind)))
    end
  end
  return message
end

local function assistant(self, turn)
  local message = read_parts(self, turn)
  local content, calls = content_of(self, message), message.calls
  if not content and not calls then
    return
  end
  -- Not "": with calls beside it some servers would write their calls as text.
  open(self, "assistant", content or "null")
  if message.thoughts then
    emit(self, ',"' .. self.caps.reasoning_field .. '":', literal.concat(message.thoughts, "\\n\\n"))
  end
  if calls then
    for i, part in ipairs(calls) do
      emit_call(self, part, i == 1)
    end
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
  local self = { c = c, target = target, caps = target.caps or {}, out = out, n = #out, first = true, ids = {},
    names = {} }
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
