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
---@field done string[] contents so far
---@field role? string of the open one
---@field pieces string[]
---@field results boolean the open one holds responses

local function close(w)
  if w.role and w.pieces[1] then
    w.done[#w.done + 1] = '{"role":"' .. w.role .. '","parts":[' .. table.concat(w.pieces, ",") .. "]}"
  end
  w.role, w.pieces = nil, {}
end

local function add(w, role, piece, results)
  results = results or false
  if w.role ~= role or w.results ~= results then
    close(w)
    w.role, w.results = role, results
  end
  w.pieces[#w.pieces + 1] = piece
end

-- ,"thoughtSignature":… of the next piece.
local function signed(signature)
  return signature and ',"thoughtSignature":' .. quote(signature) or ""
end

-- Calls --------------------------------------------------------------------------------------------------------

-- Ids are optional: those that this codec made itself, for calls that had none, stay here.
local function id_member(id)
  if not id or id:find("^call_%w+_%d+x*$") then
    return ""
  end
  return ',"id":' .. quote(tool_names.fit_id(id, tool_names.ID_RULES.gemini))
end

local function call(w, part, signature)
  local input = conversation.input_of(part)
  if not input then
    w.c.ledger:refuse(conversation.path(w.c, part), ("the arguments of call %q are no JSON object"):format(
      tostring(part.id)))
    input = "{}"
  end
  add(w, "model", '{"functionCall":{"name":' .. quote(w.name(part.name)) .. ',"args":' .. input .. id_member(part.id)
    .. "}" .. signed(signature) .. "}")
end

-- Gemini 3 wants the first call of each step of the current turn signed.
local function foreign(w)
  local at = w.role == "model" and #w.pieces or 0
  w.c.ledger:invent(("contents[%d].parts[%d].thoughtSignature"):format(#w.done + (w.role == "model" and 0 or
    w.role and 1 or 0), at), "the call is another model's")
  return FOREIGN_CALL
end

-- Turns of the model -------------------------------------------------------------------------------------------

local function flush_signature(w, signature)
  if signature then
    add(w, "model", '{"text":""' .. signed(signature) .. "}")
  end
end

local function text_piece(w, role, words, signature)
  if not literal.is_empty(words) then
    add(w, role, '{"text":' .. words .. signed(signature) .. "}")
    return nil
  end
  return signature
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
    local piece = media_out.piece(w, part)
    if piece then
      add(w, role, piece)
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

-- Sorts what a tool gave: texts, bytes inside the response, and what has to follow it.
local function sort_content(w, part)
  local texts, inside, behind = {}, {}, {}
  for _, one in ipairs(part.content or {}) do
    note_cache(w, one)
    if one.kind == "text" or one.kind == "document" and one.text then
      texts[#texts + 1] = one.text
    elseif w.caps.function_response_parts and INSIDE[one.kind] and one.data then
      inside[#inside + 1] = media_out.piece(w, one)
    else
      behind[#behind + 1] = one
    end
  end
  return texts, inside, behind
end

local function result(w, part, moved)
  note_cache(w, part)
  local texts, inside, behind = sort_content(w, part)
  local name = part.name or ""
  local response = part.value or '{"' .. (part.is_error and "error" or "result") .. '":'
    .. (texts[1] and literal.concat(texts, "\\n") or '""') .. "}"
  add(w, "user", '{"functionResponse":{"name":' .. quote(w.name(name)) .. ',"response":' .. response
    .. id_member(part.id) .. (inside[1] and ',"parts":[' .. table.concat(inside, ",") .. "]" or "") .. "}}", true)
  for _, one in ipairs(behind) do
    moved[#moved + 1] = { one, name }
  end
end

-- What a response cannot hold, in a content behind it, with a word where it comes from.
local function give_moved(w, moved)
  for _, row in ipairs(moved) do
    local part, name = row[1], row[2]
    w.c.ledger:change(conversation.path(w.c, part), "it follows the result, which holds only text")
    add(w, "user", '{"text":' .. quote(("The %s that %s gave:"):format(part.kind, name)) .. "}")
    document_or_media(w, "user", part)
  end
end

local function user_turn(w, turn)
  local moved = {}
  for _, part in ipairs(turn.parts) do
    if part.kind == "tool_result" then
      result(w, part, moved)
    end
  end
  give_moved(w, moved)
  for _, part in ipairs(turn.parts) do
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
    add(w, "user", '{"text":' .. literal.concat({ '"<system-reminder>\\n"', literal.concat(texts, "\\n\\n"),
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

--- The list of contents as JSON text.
---@param w cliproxy.gemini.Writer
---@return string
function M.encode(w)
  note_turns(w)
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
  close(w)
  local first = w.done[1]
  if not first then
    w.c.ledger:refuse(w.c.paths.turns, "it takes no request without a message of the user")
  elseif first:find('^{"role":"model"') then
    w.c.ledger:refuse(w.c.paths.turns, "its first message must be the user's")
  end
  return "[" .. table.concat(w.done, ",") .. "]"
end

return M
