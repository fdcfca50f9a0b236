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

--- A `functionCall`.
---@param r cliproxy.gemini.Reader
---@param node cliproxy.json.Node the part
---@param key string
---@return cliproxy.Part?
function M.call(r, node, key)
  local out = {}
  if not read(r, node, key, CALL, out) then
    return nil
  end
  local given = out.given
  local call = { id = given and not r.ids[given] and given or mint(r), given = given, name = out.name }
  r.ids[call.id] = true
  r.open[#r.open + 1] = call
  return { kind = "tool_call", turn = r.turn, index = r.index, id = call.id, name = out.name,
    input = out.input or "{}" }
end

-- The call that a response belongs to, taken from the open ones.
local function answered(r, out)
  local open = r.open
  for _, key in ipairs { "given", "name" } do
    for i, call in ipairs(open) do
      if out[key] and call[key] == out[key] then
        return table.remove(open, i)
      end
    end
  end
end

-- Documented: "output" holds what a function gave, "error" why it failed; SDKs write "result". A text alone under one
-- of them is the result's content; anything else stays the object that it is.
local SOLE = { output = true, result = true, error = true }

local function response(r, node, key, out)
  local raw = r:object(node, key)
  local child = raw and node[key]
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
    out.value = raw
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
  local call = answered(r, out)
  local part = { kind = "tool_result", turn = r.turn, index = r.index, id = call and call.id or out.given or mint(r),
    name = out.name, is_error = out.is_error }
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

return M
