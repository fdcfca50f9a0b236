--- The turns of a conversation as `contents`. Neighbours of one role are one content, but for the responses of calls,
--- which stand by themselves, as many as the calls before them and in their order.
---
--- A text that a tool gave is `{"result": text}`, or `{"error": text}`, even where it looks like JSON: only what was an
--- object for the client is one for the service. Thoughts are not replayed as texts; what the model signed goes back
--- where it stood: on the next call or text of the turn, or on an empty text at its end.
local conversation = require("cliproxy.conversation")
local literal = require("cliproxy.literal")
local media_out = require("cliproxy.dialects.gemini.media_out")
local opaque = require("cliproxy.opaque")
local text = require("cliproxy.text")
local tool_names = require("cliproxy.tool_names")

local M = {}

local quote = text.quote

-- Documented for calls in the history that Gemini did not make.
local FOREIGN_CALL = "skip_thought_signature_validator"

---@class cliproxy.gemini.Writer
---@field c cliproxy.Conversation
---@field target cliproxy.Target
---@field caps cliproxy.Caps
---@field name fun(name: string): string a tool's name as the target takes it
---@field out string[] pieces of the body: no long text is copied before they are joined
---@field contents integer begun so far
---@field role? string of the open one
---@field parts integer in the open one
---@field results boolean the open one holds responses
---@field first? string role of the first one
---@field names table<string, cliproxy.Literal> of called tools, as the target has them
---@field ids table<string, string> id of a call → its member

local OPEN = { user = '{"role":"user","parts":[', model = '{"role":"model","parts":[' }

-- Begins a part in a content of that role, the open one or a new one, with its first pieces.
local function begin(w, role, results, a, b, c)
  local out = w.out
  local n = #out + 1
  if w.role == role and w.results == results then
    out[n] = ","
  else
    if w.role then
      out[n] = "]},"
      n = n + 1
    end
    out[n] = OPEN[role]
    w.role, w.results, w.parts, w.contents, w.first = role, results, 0, w.contents + 1, w.first or role
  end
  w.parts = w.parts + 1
  out[n + 1], out[n + 2], out[n + 3] = a, b, c
end

-- Appends pieces of a part.
local function emit(w, a, b, c)
  local out = w.out
  local n = #out
  out[n + 1], out[n + 2], out[n + 3] = a, b, c
end

-- ,"thoughtSignature":… of the next piece.
local function signed(signature)
  return signature and ',"thoughtSignature":' .. quote(signature) or ""
end

-- Calls --------------------------------------------------------------------------------------------------------

-- Ids are optional: those that this codec made itself, for calls that had none, stay here.
local function id_member(w, id)
  if not id then
    return ""
  end
  local known = w.ids[id]
  if not known then
    known = id:find("^call_%w+_%d+x*$") and ""
      or ',"id":' .. quote(tool_names.fit_id(id, tool_names.ID_RULES.gemini))
    w.ids[id] = known
  end
  return known
end

local function name_of(w, name)
  local known = w.names[name]
  if not known then
    known = quote(w.name(name))
    w.names[name] = known
  end
  return known
end

local function call(w, part, signature)
  local input = conversation.input_of(part)
  if not input then
    w.c.ledger:refuse(conversation.path(w.c, part), ("the arguments of call %q are no JSON object"):format(
      tostring(part.id)))
    input = "{}"
  end
  begin(w, "model", false, '{"functionCall":{"name":', name_of(w, part.name), ',"args":')
  emit(w, input, id_member(w, part.id), signature and "}" .. signed(signature) .. "}" or "}}")
end

-- Gemini 3 wants the first call of each step of the current turn signed.
local function foreign(w)
  local is_open = w.role == "model"
  w.c.ledger:invent(("contents[%d].parts[%d].thoughtSignature"):format(w.contents - (is_open and 1 or 0),
    is_open and w.parts or 0), "the call is another model's")
  return FOREIGN_CALL
end

-- Turns of the model -------------------------------------------------------------------------------------------

local function flush_signature(w, signature)
  if signature then
    begin(w, "model", false, '{"text":""' .. signed(signature) .. "}")
  end
end

local function text_piece(w, role, words, signature)
  if literal.is_empty(words) then
    return signature
  end
  begin(w, role, false, '{"text":', words, signature and signed(signature) .. "}" or "}")
  return nil
end

local function note_cache(w, part)
  if part.cache then
    w.c.ledger:drop(conversation.path(w.c, part, "cache_control"), "it caches by itself")
  end
end

-- The signature that waits for its part after this piece of reasoning.
local function reasoning(w, part, waiting)
  local state = part.state
  if state and state.kind == "thought" and opaque.is_for(state, w.target) then
    flush_signature(w, waiting)
    return state.data
  end
  w.c.ledger:drop(conversation.path(w.c, part), "thoughts of another model")
  return waiting
end

local function document_or_media(w, role, part)
  local heading = part.kind == "document" and media_out.heading(w, part)
  if heading then
    text_piece(w, role, heading)
  end
  if part.kind == "document" and part.text then
    text_piece(w, role, part.text)
  else
    local head, data, tail = media_out.piece(w, part)
    if head then
      begin(w, role, false, head, data, tail)
    end
  end
end

local function model_turn(w, turn, current)
  local signature, called
  for _, part in ipairs(turn.parts) do
    local kind = part.kind
    note_cache(w, part)
    if kind == "reasoning" then
      signature = reasoning(w, part, signature)
    elseif kind == "text" or kind == "refusal" then
      if part.citations then
        w.c.ledger:drop(conversation.path(w.c, part, "citations"), "sources of an earlier answer stay with it")
      end
      signature = text_piece(w, "model", part.text, signature)
    elseif kind == "tool_call" then
      if not signature and not called and current and w.caps.reasoning == "level" then
        signature = foreign(w)
      end
      call(w, part, signature)
      signature, called = nil, true
    else
      document_or_media(w, "model", part)
    end
  end
  flush_signature(w, signature)
end

-- Turns of the user --------------------------------------------------------------------------------------------

local INSIDE = { image = true, document = true }

-- Sorts what a tool gave: texts, pieces of bytes inside the response, and what has to follow it.
local function sort_content(w, part)
  local texts, inside, behind = {}, {}, {}
  for _, one in ipairs(part.content or {}) do
    note_cache(w, one)
    if one.kind == "text" or one.kind == "document" and one.text then
      texts[#texts + 1] = one.text
    elseif w.caps.function_response_parts and INSIDE[one.kind] and one.data then
      local head, data, tail = media_out.piece(w, one)
      if head then
        inside[#inside + 1] = inside[1] and "," or nil
        inside[#inside + 1], inside[#inside + 2], inside[#inside + 3] = head, data, tail
      end
    else
      behind[#behind + 1] = one
    end
  end
  return texts, inside, behind
end

-- The text of a result that is one and nothing beside.
local function only_text(content)
  local one = content and content[1]
  if one and not content[2] and one.kind == "text" and not one.cache then
    return one.text
  end
end

local function result(w, part, moved)
  note_cache(w, part)
  local name = part.name or ""
  local said, inside, behind = only_text(part.content), nil, nil
  if not said then
    local texts
    texts, inside, behind = sort_content(w, part)
    said = texts[1] and literal.concat(texts, "\\n") or '""'
  end
  begin(w, "user", true, '{"functionResponse":{"name":', name_of(w, name), ',"response":')
  if part.value then
    emit(w, part.value)
  else
    emit(w, part.is_error and '{"error":' or '{"result":', said, "}")
  end
  emit(w, id_member(w, part.id))
  if inside and inside[1] then
    emit(w, ',"parts":[')
    for _, piece in ipairs(inside) do
      emit(w, piece)
    end
    emit(w, "]")
  end
  emit(w, "}}")
  for _, one in ipairs(behind or {}) do
    moved[#moved + 1] = { one, name }
  end
end

-- What a response cannot hold, in a content behind it, with a word where it comes from.
local function give_moved(w, moved)
  for _, row in ipairs(moved) do
    local part, name = row[1], row[2]
    w.c.ledger:change(conversation.path(w.c, part), "it follows the result, which holds only text")
    begin(w, "user", false, '{"text":' .. quote(("The %s that %s gave:"):format(part.kind, name)) .. "}")
    document_or_media(w, "user", part)
  end
end

local function user_turn(w, turn)
  local moved, others = {}, false
  for _, part in ipairs(turn.parts) do
    if part.kind == "tool_result" then
      result(w, part, moved)
    else
      others = true
    end
  end
  give_moved(w, moved)
  for _, part in ipairs(others and turn.parts or {}) do
    if part.kind == "text" or part.kind == "refusal" then
      note_cache(w, part)
      text_piece(w, "user", part.text)
    elseif part.kind ~= "tool_result" and part.kind ~= "reasoning" and part.kind ~= "tool_call" then
      note_cache(w, part)
      document_or_media(w, "user", part)
    end
  end
end

-- There is one instruction, in front of everything.
local function system_turn(w, turn)
  local texts = {}
  for _, part in ipairs(turn.parts) do
    note_cache(w, part)
    if part.kind == "text" and not literal.is_empty(part.text) then
      texts[#texts + 1] = part.text
    end
  end
  if texts[1] then
    w.c.ledger:change(conversation.path(w.c, turn), "a reminder to the model in a turn of the user")
    begin(w, "user", false, '{"text":' .. literal.concat({ '"<system-reminder>\\n"', literal.concat(texts, "\\n\\n"),
      '"\\n</system-reminder>"' }) .. "}")
  end
end

-- The whole ----------------------------------------------------------------------------------------------------

-- Where the current turn begins: behind the last turn of the user that is more than results.
local function current_from(turns)
  for i = #turns, 1, -1 do
    local turn = turns[i]
    if turn.role == "system" then
      return i
    elseif turn.role == "user" then
      for _, part in ipairs(turn.parts) do
        if part.kind ~= "tool_result" then
          return i
        end
      end
    end
  end
  return 0
end

local function note_turns(w)
  local c = w.c
  for _, turn in ipairs(c.turns) do
    if turn.name then
      c.ledger:warn(conversation.path(c, turn, "name"), "speakers have no names there")
    end
  end
  conversation.drop_phases(c)
  local last = c.turns[#c.turns]
  if last and last.role == "assistant" and w.caps.prefill == false then
    c.ledger:warn(conversation.path(c, last), "it does not continue what an answer begins with")
  end
end

--- Appends the list of contents.
---@param w cliproxy.gemini.Writer
function M.encode(w)
  note_turns(w)
  emit(w, "[")
  local turns = conversation.joined(w.c, true)
  local current = current_from(turns)
  for i, turn in ipairs(turns) do
    if turn.role == "assistant" then
      model_turn(w, turn, i > current)
    elseif turn.role == "system" then
      system_turn(w, turn)
    else
      user_turn(w, turn)
    end
  end
  emit(w, w.role and "]}]" or "]")
  if not w.first then
    w.c.ledger:refuse(w.c.paths.turns, "it takes no request without a message of the user")
  elseif w.first == "model" then
    w.c.ledger:refuse(w.c.paths.turns, "its first message must be the user's")
  end
end

return M
