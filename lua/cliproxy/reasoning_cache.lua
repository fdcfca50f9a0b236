--- Reasoning kept for clients that cannot carry it: Chat has no field for what a model signed or encrypted, but some
--- providers want it back with the results of its calls. It is remembered under the first call of the turn, which such
--- a client does send back, for as long as a session usually pauses. Ids may be guessed: what was kept for one client's
--- key is none of another's. Some servers count them anew in each answer: the call's name and arguments count, too.
local crypto = require("cliproxy.crypto")
local json = require("cliproxy.json")
local literal = require("cliproxy.literal")
local state = require("cliproxy.state")

local M = {}

local PREFIX = "reasoning:"
local ID_PREFIX = "reasoning-id:" -- of ids that something was kept for: only calls with those are digested
local KEY_MAX = 1000 -- bytes; a dictionary's keys have 1024
--- Seconds. After that a conversation goes on without its former reasoning, as every dialect allows.
M.TTL = 6 * 3600
--- Bytes of one turn's reasoning; larger ones are not kept.
M.MAX = 512 * 1024

---@class cliproxy.KeptCall the first call of a turn, as the client knows it
---@field id string
---@field name string
---@field arguments cliproxy.Literal

local function key_of(prefix, owner, rest)
  local key = prefix .. #owner .. ":" .. owner .. rest
  return #key <= KEY_MAX and key or nil
end

-- The same for all spellings of the same arguments: some clients read them and write them anew.
local function canonical(arguments)
  local document = json.parse(arguments)
  local kind = json.kind(document)
  if kind ~= "object" and kind ~= "array" then
    return arguments:find("%S") and arguments or "{}"
  end
  local ok, value = pcall(json.detach, document) -- a number may be none of Lua's
  json.close(document)
  return ok and json.encode(value) or arguments
end

local function digest(call)
  return crypto.sha256(#call.id .. ":" .. call.id .. #call.name .. ":" .. call.name
    .. canonical(literal.text(call.arguments)))
end

---@param owner string name of the client's key, "" without one
---@param call cliproxy.KeptCall
---@param parts cliproxy.Part[] of kind reasoning; states carry their origin
function M.put(owner, call, parts)
  local id_key, key, rows = key_of(ID_PREFIX, owner, call.id), key_of(PREFIX, owner, digest(call)), {}
  for i, part in ipairs(parts) do
    local at = part.state
    local origin = at and at.origin
    rows[i] = {
      text = part.text,
      kind = at and at.kind, data = at and at.data, id = at and at.id,
      dialect = origin and origin.dialect, provider = origin and origin.provider, model = origin and origin.model,
    }
  end
  local bytes = #rows > 0 and json.encode(rows)
  if bytes and #bytes <= M.MAX and key and id_key then
    state.set(key, bytes, M.TTL) -- where the dictionary is full nothing is kept
    state.set(id_key, true, M.TTL)
  end
end

local function part_of(row)
  local part = { kind = "reasoning", text = row.text }
  if row.kind then
    part.state = { kind = row.kind, data = row.data, id = row.id }
    if row.dialect then
      part.state.origin = { dialect = row.dialect, provider = row.provider, model = row.model }
    end
  end
  return part
end

--- What was kept for a call.
---@param owner string name of the client's key, "" without one
---@param call cliproxy.KeptCall
---@return cliproxy.Part[]?
function M.get(owner, call)
  local key = key_of(ID_PREFIX, owner, call.id)
  key = key and state.get(key) and key_of(PREFIX, owner, digest(call))
  local bytes = key and state.get(key)
  if not bytes then
    return nil
  end
  local rows, parts = json.parse(bytes), {}
  for i, row in json.each(rows) do
    parts[i] = part_of(row)
  end
  json.close(rows)
  return parts
end

return M
