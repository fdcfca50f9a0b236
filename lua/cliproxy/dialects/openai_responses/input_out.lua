--- A conversation's turns as the items of `input`. Messages, calls and results go without ids of their own: an id that
--- the provider does not know is an error there.
local conversation = require("cliproxy.conversation")
local crypto = require("cliproxy.crypto")
local items_out = require("cliproxy.dialects.openai_responses.items_out")
local literal = require("cliproxy.literal")
local media = require("cliproxy.dialects.openai_responses.media")
local opaque = require("cliproxy.opaque")
local text = require("cliproxy.text")
local tool_names = require("cliproxy.tool_names")
local tools_out = require("cliproxy.dialects.openai_responses.tools_out")

local M = {}

local ID_RULE = tool_names.ID_RULES.openai_responses

---@class cliproxy.responses.Input
---@field c cliproxy.Conversation
---@field target cliproxy.Target
---@field caps cliproxy.Caps
---@field items string[] JSON texts
---@field custom table<string, boolean> ids of calls of custom tools
---@field ids table<string, string> ids of calls as the target has them

-- Parts ---------------------------------------------------------------------------------------------------------

local PART = {}

function PART.text(_, part)
  return '{"type":"input_text","text":' .. part.text .. "}"
end

PART.refusal = PART.text

-- What belongs to one provider, or what the model cannot read.
local function refused(self, part, can, what)
  if part.file_id then
    self.c.ledger:refuse(conversation.path(self.c, part, "file_id"), "a file belongs to the provider that keeps it")
    return true
  elseif can == false then
    self.c.ledger:refuse(conversation.path(self.c, part), "it reads no " .. what)
    return true
  end
end

function PART.image(self, part)
  if refused(self, part, self.caps.images, "images") then
    return nil
  end
  local url = part.data and media.to_url(part.media_type or "image/png", part.data) or part.url
  return '{"type":"input_image","image_url":' .. url .. (part.detail and ',"detail":' .. part.detail or "") .. "}"
end

local NAMES = { ["application/pdf"] = "document.pdf", ["text/plain"] = "document.txt" }

local function filename(self, part)
  local name = part.filename or part.title
  if name then
    return name
  end
  name = NAMES[part.media_type or "text/plain"] or "document"
  self.c.ledger:invent("input.filename", "a file must have a name: " .. name)
  return text.quote(name)
end

function PART.document(self, part)
  local is_pdf = part.media_type == "application/pdf"
  if refused(self, part, not is_pdf or self.caps.pdf, "PDF files") then
    return nil
  end
  if part.context then
    self.c.ledger:warn(conversation.path(self.c, part, "context"), "its files have no context")
  end
  if part.wants_citations then
    self.c.ledger:warn(conversation.path(self.c, part, "citations"), "it does not cite documents")
  end
  if part.url and not part.data then
    return '{"type":"input_file","file_url":' .. part.url .. "}"
  end
  local data = part.data
  if not data then
    data = '"' .. crypto.base64_encode(literal.text(part.text)) .. '"'
  end
  return '{"type":"input_file","filename":' .. filename(self, part) .. ',"file_data":'
    .. media.to_url(part.media_type or "text/plain", data) .. "}"
end

function PART.audio(self, part)
  self.c.ledger:refuse(conversation.path(self.c, part), "it takes no audio")
end

local function part_text(self, part)
  if part.cache then
    self.c.ledger:drop(conversation.path(self.c, part, "cache_control"), "it caches by itself")
  end
  local write = PART[part.kind]
  if write then
    return write(self, part)
  end
  self.c.ledger:refuse(conversation.path(self.c, part), ("a part of kind %q cannot stand here"):format(part.kind))
end

-- Calls and results ---------------------------------------------------------------------------------------------

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

local function call_item(self, part)
  local head = ',"call_id":' .. call_id(self, part) .. ',"name":'
    .. text.quote(tools_out.name(self.c, self.caps, part.name))
  if part.custom then
    self.custom[part.id] = true
    return '{"type":"custom_tool_call"' .. head .. ',"input":' .. conversation.arguments_of(part) .. "}"
  end
  return '{"type":"function_call"' .. head .. ',"arguments":' .. conversation.arguments_of(part) .. "}"
end

-- The flag of an error has no member here: its text says it.
local function mark_error(self, part, first)
  if not part.is_error or first and first:find('^"[Ee]rror') then
    return first
  end
  self.c.ledger:change(conversation.path(self.c, part, "is_error"), 'told by "Error: " in front of the text')
  return first and '"Error: ' .. first:sub(2) or '"Error"'
end

local function is_text(content)
  return #content == 0 or #content == 1 and content[1].kind == "text"
end

local function output(self, part)
  local content = part.content or {}
  if part.value then
    return mark_error(self, part, literal.again(part.value))
  elseif is_text(content) then
    if content[1] and content[1].cache then
      self.c.ledger:drop(conversation.path(self.c, content[1], "cache_control"), "it caches by itself")
    end
    return mark_error(self, part, content[1] and content[1].text) or '""'
  end
  local out = {}
  local marked = mark_error(self, part, content[1].kind == "text" and content[1].text or nil)
  for i, one in ipairs(content) do
    if i == 1 and marked then
      out[1] = '{"type":"input_text","text":' .. marked .. "}"
    end
    if not (i == 1 and one.kind == "text") then
      out[#out + 1] = part_text(self, one)
    end
  end
  return "[" .. table.concat(out, ",") .. "]"
end

local function result_item(self, part)
  local custom = part.custom or self.custom[part.id]
  return '{"type":"' .. (custom and "custom_tool_call_output" or "function_call_output") .. '","call_id":'
    .. call_id(self, part) .. ',"output":' .. output(self, part) .. "}"
end

-- Turns ---------------------------------------------------------------------------------------------------------

local function add(self, item)
  self.items[#self.items + 1] = item
end

local function message(self, role, content, phase)
  add(self, '{"type":"message","role":"' .. role .. '","content":' .. content .. (phase and ',"phase":' .. phase or "")
    .. "}")
end

local function speaker(self, turn)
  if turn.name then
    self.c.ledger:warn(conversation.path(self.c, turn, "name"), "it has no names of speakers")
  end
end

-- Users and systems: their parts in one message, results as items in front of it.
local function plain_turn(self, turn, role)
  local parts = {}
  for _, part in ipairs(turn.parts) do
    if part.kind == "tool_result" then
      add(self, result_item(self, part))
    else
      parts[#parts + 1] = part_text(self, part)
    end
  end
  if #parts > 0 then
    speaker(self, turn)
    message(self, role, "[" .. table.concat(parts, ",") .. "]")
  end
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
  for i, one in ipairs(held) do
    add(self, one.item)
    held[i] = nil
  end
end

local function annotations(part)
  local out = {}
  for _, citation in ipairs(part.citations or {}) do
    out[#out + 1] = items_out.annotation(citation, 0)
  end
  return table.concat(out, ",")
end

local SPOKEN = {
  text = function(part)
    return '{"type":"output_text","text":' .. part.text .. ',"annotations":[' .. annotations(part) .. "]}"
  end,
  refusal = function(part)
    return items_out.refusal_part(part.text)
  end,
}

local function assistant_turn(self, turn)
  local said, held = {}, {}
  local function flush()
    if said[1] then
      message(self, "assistant", "[" .. table.concat(said, ",") .. "]", turn.phase)
      said = {}
    end
  end
  for _, part in ipairs(turn.parts) do
    if SPOKEN[part.kind] then
      if part.cache then
        self.c.ledger:drop(conversation.path(self.c, part, "cache_control"), "it caches by itself")
      end
      if not literal.is_empty(part.text) then
        release(self, held)
        said[#said + 1] = SPOKEN[part.kind](part)
      end
    elseif part.kind == "tool_call" then
      flush()
      release(self, held)
      add(self, call_item(self, part))
    elseif part.kind == "reasoning" then
      flush()
      hold_reasoning(self, part, held)
    else
      self.c.ledger:refuse(conversation.path(self.c, part), ("an assistant cannot send a part of kind %q"):format(
        part.kind))
    end
  end
  flush()
  for _, one in ipairs(held) do
    self.c.ledger:drop(conversation.path(self.c, one.part), "nothing follows this reasoning")
  end
end

--- The value of `input`.
---@param c cliproxy.Conversation
---@param target cliproxy.Target
---@return cliproxy.JsonText
function M.encode(c, target)
  local self = { c = c, target = target, caps = target.caps or {}, items = {}, custom = {}, ids = {} }
  for _, turn in ipairs(conversation.joined(c)) do
    if turn.role == "assistant" then
      speaker(self, turn)
      assistant_turn(self, turn)
    else
      plain_turn(self, turn, turn.role == "system" and "developer" or "user")
    end
  end
  return "[" .. table.concat(self.items, ",") .. "]"
end

return M
