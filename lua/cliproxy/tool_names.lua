--- Names and ids of tools for a target that does not take them as they are: shortened with a hash, the same each
--- time, and restored on the way back.
local crypto = require("cliproxy.crypto")

local M = {}

local find = string.find

---@class cliproxy.NameRule
---@field max integer characters
---@field allowed string Lua pattern class of what may stand in it: "[%w_-]"
---@field first? string class of the first character

--- By dialect, as the services enforce them.
---@type table<string, cliproxy.NameRule>
M.RULES = {
  openai_chat = { max = 64, allowed = "[%w_-]" },
  openai_responses = { max = 64, allowed = "[%w_-]" },
  anthropic = { max = 128, allowed = "[%w_-]" },
  gemini = { max = 64, allowed = "[%w_.:-]", first = "[%a_]" },
}

---@type table<string, cliproxy.NameRule>
M.ID_RULES = {
  openai_chat = { max = 256, allowed = "[%w_.:|-]" },
  openai_responses = { max = 64, allowed = "[%w_-]" },
  anthropic = { max = 256, allowed = "[%w_-]" },
  gemini = { max = 256, allowed = "[%w_.:|-]" },
}

--- What a refusal of a tool of free text ends with.
M.AS_FUNCTIONS = "; caps.custom_tools_as_functions lets them go as functions"

local HASH_CHARS = 8

-- Patterns of a class that were made before: of what stands outside it.
local outside = setmetatable({}, { __index = function(made, allowed)
  local pattern = allowed:gsub("^%[", "[^")
  made[allowed] = pattern
  return pattern
end })

local function obeys(name, rule)
  local length = #name
  return length > 0 and length <= rule.max and not find(name, outside[rule.allowed])
    and (not rule.first or find(name, "^" .. rule.first) ~= nil)
end

local function hash(name)
  return crypto.hex_encode(crypto.sha256(name))
end

--- A name that obeys the rule: the same one where it does already, else the start of it and a hash of the whole.
---@param name string
---@param rule cliproxy.NameRule
---@return string
function M.fit(name, rule)
  if obeys(name, rule) then
    return name
  end
  local clean = name:gsub(outside[rule.allowed], "_")
  if rule.first and not clean:find("^" .. rule.first) then
    clean = "_" .. clean
  end
  return clean:sub(1, rule.max - HASH_CHARS - 1) .. "_" .. hash(name):sub(1, HASH_CHARS)
end

--- The same for the id of a call. `exact`: the length that a server demands of letters and digits (Mistral: 9).
---@param id string
---@param rule cliproxy.NameRule
---@param exact? integer
---@return string
function M.fit_id(id, rule, exact)
  if exact then
    return #id == exact and not id:find("[^%w]") and id or hash(id):sub(1, exact)
  end
  return obeys(id, rule) and id or "call_" .. hash(id):sub(1, 32)
end

--- The id of a call of an answer: one of our own where the server gives none, as no other request has it; one with a
--- number behind it where another call of the answer has the same.
---@param taken table<string, integer> of the calls before it; it is added
---@param id? string as the server gave it
---@param request string id of the request: "req_…"
---@param i integer its place among the calls, from 1
---@return string
function M.unique_id(taken, id, request, i)
  if not id or id == "" then
    id = "call_" .. request:gsub("^req_", "") .. "_" .. i
  end
  local given, n = id, taken[id]
  while n and taken[id] do
    n = n + 1
    id = given .. "_" .. n
  end
  taken[given], taken[id] = n or 1, taken[id] or 1
  return id
end

return M
