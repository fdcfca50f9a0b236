--- A conversation's turns as the items of `input`. Messages, calls and results go without ids of their own: an id that
--- the provider does not know is an error there.
local conversation = require("cliproxy.conversation")
local fields_out = require("cliproxy.dialects.openai.fields_out")
local items_out = require("cliproxy.dialects.openai_responses.items_out")
local literal = require("cliproxy.literal")
local opaque = require("cliproxy.opaque")
local parts_out = require("cliproxy.dialects.openai_responses.parts_out")
local text = require("cliproxy.text")
local tool_names = require("cliproxy.tool_names")
local tools_out = require("cliproxy.dialects.openai_responses.tools_out")

local M = {}

local ID_RULE = tool_names.ID_RULES.openai_responses

local emit = fields_out.emit

-- Begins an item.
local function begin(self, head)
  emit(self, self.items > 0 and "," .. head or head)
  self.items = self.items + 1
end

-- Calls and results ---------------------------------------------------------------------------------------------

local function call_id(self, part)
  local id = self.ids[part.id]
  if not id then
    local fit = tool_names.fit_id(part.id, ID_RULE, self.caps.tool_id_length)
    id = text.quote(fit)
    self.ids[part.id] = id
    if fit ~= part.id then
      self.c.ledger:change(conversation.path(self.c, part), "the id of the call is " .. fit)
    end
  end
  return id
end

local function put_call(self, part)
  local name = self.names[part.name]
  if not name then
    name = text.quote(tools_out.name(self.c, self.caps, part.name))
    self.names[part.name] = name
  end
  if part.custom then
    self.custom[part.id] = true
  end
  begin(self, (part.custom and '{"type":"custom_tool_call","call_id":' or '{"type":"function_call","call_id":')
    .. call_id(self, part) .. ',"name":' .. name .. (part.custom and ',"input":' or ',"arguments":'))
  emit(self, conversation.arguments_of(part), "}")
end

-- The flag of an error has no member here: its text says it.
local function mark_error(self, part, first)
  if not part.is_error or first and first:find('^"[Ee]rror') then
    return first
  end
  self.c.ledger:change(conversation.path(self.c, part, "is_error"), 'told by "Error: " in front of the text')
  return first and '"Error: ' .. first:sub(2) or '"Error"'
end

local function put_list(self, part)
  local content, first, comma = part.content, 1, ""
  local marked = mark_error(self, part, content[1].kind == "text" and content[1].text or nil)
  emit(self, "[")
  if marked then
    emit(self, '{"type":"input_text","text":', marked, "}")
    first, comma = content[1].kind == "text" and 2 or 1, ","
  end
  for i = first, #content do
    comma = parts_out.put(self, content[i], comma) and "," or comma
  end
  emit(self, "]")
end

local function put_result(self, part)
  local custom = part.custom or self.custom[part.id]
  begin(self, (custom and '{"type":"custom_tool_call_output","call_id":' or '{"type":"function_call_output","call_id":')
    .. call_id(self, part) .. ',"output":')
  local content = part.content or {}
  local only = content[1]
  if part.value then
    emit(self, mark_error(self, part, literal.again(part.value)))
  elseif not only or #content == 1 and only.kind == "text" then
    if only then
      fields_out.drop_cache(self.c, only)
    end
    emit(self, mark_error(self, part, only and only.text) or '""')
  else
    put_list(self, part)
  end
  emit(self, "}")
end

-- Turns ---------------------------------------------------------------------------------------------------------

local function note_speaker(self, turn)
  if turn.name then
    self.c.ledger:warn(conversation.path(self.c, turn, "name"), "it has no names of speakers")
  end
end

local HEADS = {
  user = '{"type":"message","role":"user","content":[', system = '{"type":"message","role":"developer","content":[',
}

-- Users and systems: results as items in front, the other parts in one message.
local function plain_turn(self, turn)
  local others = 0
  for _, part in ipairs(turn.parts) do
    if part.kind == "tool_result" then
      put_result(self, part)
    else
      others = others + 1
    end
  end
  if others == 0 then
    return
  end
  note_speaker(self, turn)
  begin(self, HEADS[turn.role])
  local comma = ""
  for _, part in ipairs(turn.parts) do
    if part.kind ~= "tool_result" then
      comma = parts_out.put(self, part, comma) and "," or comma
    end
  end
  emit(self, "]}")
end

-- Reasoning goes to the service only as the service made it, in front of what followed it.
local function hold_reasoning(self, part, held)
  local state = part.state
  if not state or state.kind ~= "encrypted" or not opaque.is_for(state, self.target) then
    self.c.ledger:drop(conversation.path(self.c, part), "only the model that made this reasoning can read it")
    return
  end
  local id = state.id and state.id:find("^rs_") and '"id":' .. text.quote(state.id) .. "," or ""
  local shown = not literal.is_empty(part.text) and items_out.summary_part(part.text) or ""
  held[#held + 1] = { part = part, item = '{"type":"reasoning",' .. id .. '"summary":[' .. shown
    .. '],"encrypted_content":' .. text.quote(state.data) .. "}" }
end

local function release(self, held)
  for i = 1, #held do
    begin(self, held[i].item)
    held[i] = nil
  end
end

local function annotations(part)
  local out = {}
  for _, citation in ipairs(part.citations or {}) do
    out[#out + 1] = items_out.annotation(citation, 0)
  end
  return ',"annotations":[' .. table.concat(out, ",") .. "]}"
end

local SPEAKS = '{"type":"message","role":"assistant","content":'

-- Ends the message that an assistant has under way. One text is a string: the SDKs' types want parts to be those of a
-- stored answer, with its ids.
local function end_message(self, turn)
  if self.speaking then
    if self.alone then
      begin(self, SPEAKS)
      emit(self, self.alone)
    else
      emit(self, "]")
    end
    emit(self, turn.phase and ',"phase":' .. turn.phase .. "}" or "}")
    self.speaking, self.alone = false, nil
  end
end

local function say(self, part, held)
  fields_out.drop_cache(self.c, part)
  if literal.is_empty(part.text) then
    return
  end
  local comma = self.speaking and "," or ""
  if not self.speaking then
    release(self, held)
    self.speaking = true
    if part.kind == "text" and not part.citations then
      self.alone = part.text
      return
    end
    begin(self, SPEAKS .. "[")
  elseif self.alone then
    begin(self, SPEAKS .. '[{"type":"output_text","text":')
    emit(self, self.alone, ',"annotations":[]}')
    self.alone = nil
  end
  if part.kind == "text" then
    emit(self, comma .. '{"type":"output_text","text":', part.text, annotations(part))
  else
    emit(self, comma .. '{"type":"refusal","refusal":', part.text, "}")
  end
end

local function assistant_turn(self, turn)
  local held = {}
  note_speaker(self, turn)
  if turn.phases_differ then
    self.c.ledger:drop(conversation.path(self.c, turn, "phase"), "it became one message with others of another phase")
  end
  for _, part in ipairs(turn.parts) do
    local kind = part.kind
    if kind == "text" or kind == "refusal" then
      say(self, part, held)
    else
      end_message(self, turn)
      if kind == "tool_call" then
        release(self, held)
        put_call(self, part)
      elseif kind == "reasoning" then
        hold_reasoning(self, part, held)
      else
        self.c.ledger:refuse(conversation.path(self.c, part),
          ("an assistant cannot send a part of kind %q"):format(kind))
      end
    end
  end
  end_message(self, turn)
  for _, one in ipairs(held) do
    self.c.ledger:drop(conversation.path(self.c, one.part), "nothing follows this reasoning")
  end
end

--- Appends the value of `input`.
---@param out string[] pieces of the body
---@param c cliproxy.Conversation
---@param target cliproxy.Target
function M.put(out, c, target)
  local self = {
    c = c, target = target, caps = target.caps or {}, out = out, n = #out, items = 0, custom = {}, ids = {}, names = {},
    speaking = false,
  }
  emit(self, "[")
  for _, turn in ipairs(conversation.joined(c)) do
    if turn.role == "assistant" then
      assistant_turn(self, turn)
    else
      plain_turn(self, turn)
    end
  end
  emit(self, "]")
end

return M
