--- Calls and their responses in a client's history. Ids are optional in Gemini: a call without one gets an id made of
--- its place, the same in every request, and a response without one belongs to the first open call of its name.
local json = require("cliproxy.json")
local literal = require("cliproxy.literal")
local media = require("cliproxy.dialects.gemini.media")
local spelling = require("cliproxy.dialects.gemini.spelling")

local M = {}

-- An id for what stands here, that no other call has.
local function mint(r)
  local id = "call_" .. r.turn .. "_" .. (r.index or 0)
  while r.ids[id] do
    id = id .. "x"
  end
  return id
end

local function name(r, node, key, out)
  out.name = r:word(node, key)
end

local function id(r, node, key, out)
  local given = r:word(node, key)
  out.given = given ~= "" and given or nil
end

local CALL = spelling.both {
  name = name, id = id,
  args = function(r, node, key, out)
    out.input = r:object(node, key)
  end,
}

-- Reads the object below a part into `out`; true where it has a name.
local function read(r, node, key, fields, out)
  local child = r:node(node, key)
  if not child then
    return false
  end
  r.inside = key
  r:members(child, fields, out)
  if not out.name or out.name == "" then
    r:wrong(r:where("name"), "is missing")
    out.name = nil
  end
  r.inside = nil
  return out.name ~= nil
end

local function call_part(r, called, given, input)
  local call = { id = given and not r.ids[given] and given or mint(r), given = given, name = called }
  r.ids[call.id] = true
  r.open[#r.open + 1] = call
  return { kind = "tool_call", turn = r.turn, index = r.index, id = call.id, name = called, input = input }
end

--- A `functionCall`.
---@param r cliproxy.gemini.Reader
---@param node cliproxy.json.Node the part
---@param key string
---@return cliproxy.Part?
function M.call(r, node, key)
  local out = {}
  return read(r, node, key, CALL, out) and call_part(r, out.name, out.given, out.input or "{}") or nil
end

local function is_word(value)
  return type(value) == "string" and #value > 2
end

--- One of a name, arguments and maybe an id alone; nil, and nothing was done, where there is more to it.
---@param r cliproxy.gemini.Reader
---@param child cliproxy.json.Node the call itself
---@return cliproxy.Part?
function M.plain_call(r, child)
  local members, word, given, input = json.members(child, "name", "id", "args")
  if members == (given and 3 or 2) and is_word(word) and (given == nil or is_word(given))
    and json.kind(input) == "object" then
    return call_part(r, literal.text(word), given and literal.text(given), json.raw(input))
  end
end

local function take(open, key, value)
  for i = 1, #open do
    if open[i][key] == value then
      return table.remove(open, i)
    end
  end
end

-- The call that a response belongs to, taken from the open ones.
local function answered(r, out)
  return out.given and take(r.open, "given", out.given) or out.name and take(r.open, "name", out.name)
end

-- Documented: "output" holds what a function gave, "error" why it failed; SDKs write "result". A text alone under one
-- of them is the result's content; anything else stays the object that it is.
local SOLE = { output = true, result = true, error = true }

local function response(r, node, key, out)
  local child = r:node(node, key)
  if not child then
    return
  end
  local sole
  if #child == 1 then
    for member in json.each(child) do
      sole = SOLE[member] and member
    end
  end
  out.is_error = sole == "error" or nil
  local words = sole and literal.read(child, sole)
  if words then
    out.text = words
  else
    out.value = json.raw(child)
  end
end

local PARTS = spelling.both {
  inlineData = function(r, node, key, list)
    list[#list + 1] = media.read(r, node, key, "data")
  end,
  fileData = function(r, node, key, list)
    list[#list + 1] = media.read(r, node, key, "url")
  end,
}

local function parts(r, node, key, out)
  local list = {}
  local inside = r.inside
  r:each(node, key, function(_, child, i)
    r.inside = inside .. "." .. key .. "[" .. i .. "]"
    if json.kind(child) == "object" then
      r:members(child, PARTS, list)
    else
      r:wrong(r:where(), "must be an object")
    end
  end)
  r.inside = inside
  out.media = #list > 0 and list or nil
end

local function later(r, node, key)
  if r:flag(node, key) then
    r.ledger:refuse(r:where(key), "only Gemini takes the result of a call in several responses")
  end
end

local function when(r, _, key)
  r.ledger:drop(r:where(key), "it says when a live session reads the result")
end

local RESPONSE = spelling.both {
  name = name, id = id, response = response, parts = parts, willContinue = later, scheduling = when,
}

local function response_part(r, out)
  local call = answered(r, out)
  return { kind = "tool_result", turn = r.turn, index = r.index, id = call and call.id or out.given or mint(r),
    name = out.name, is_error = out.is_error }
end

--- A `functionResponse`.
---@param r cliproxy.gemini.Reader
---@param node cliproxy.json.Node the part
---@param key string
---@return cliproxy.Part?
function M.response(r, node, key)
  local out = {}
  if not read(r, node, key, RESPONSE, out) then
    return nil
  end
  local part = response_part(r, out)
  if out.value and not out.media then
    part.value = out.value
    return part
  end
  local words = out.text or out.value and literal.again(out.value)
  part.content = { words and { kind = "text", text = words, turn = r.turn, index = r.index } or nil }
  for _, one in ipairs(out.media or {}) do
    part.content[#part.content + 1] = one
  end
  return part
end

--- One of a name, a text and maybe an id alone; nil, and nothing was done, where there is more to it.
---@param r cliproxy.gemini.Reader
---@param child cliproxy.json.Node the response itself
---@return cliproxy.Part?
function M.plain_response(r, child)
  local members, word, given, inner = json.members(child, "name", "id", "response")
  if members ~= (given and 3 or 2) or not is_word(word) or given ~= nil and not is_word(given) then
    return nil
  end
  local count, output, result, failed = json.members(inner, "output", "result", "error")
  local words = output or result or failed
  if count == 1 and type(words) == "string" then
    local part = response_part(r, { name = literal.text(word), given = given and literal.text(given),
      is_error = words == failed or nil })
    part.content = { { kind = "text", text = words, turn = r.turn, index = r.index } }
    return part
  end
end

return M
