--- Reasoning kept for clients that cannot carry it: Chat has no field for what a model signed or encrypted, but some
--- providers want it back with the results of its calls. It is remembered under the id of the first call of the turn,
--- which such a client does send back, for as long as a session usually pauses. Ids may be guessed, or be given twice:
--- what was kept for one client's key is none of another's.
local json = require("cliproxy.json")
local state = require("cliproxy.state")

local M = {}

local PREFIX = "reasoning:"
local KEY_MAX = 1000 -- bytes; a dictionary's keys have 1024
--- Seconds. After that a conversation goes on without its former reasoning, as every dialect allows.
M.TTL = 6 * 3600
--- Bytes of one turn's reasoning; larger ones are not kept.
M.MAX = 512 * 1024

local function key_of(owner, call_id)
  local key = PREFIX .. #owner .. ":" .. owner .. call_id
  return #key <= KEY_MAX and key or nil
end

---@param owner string name of the client's key, "" without one
---@param call_id string as the client knows it
---@param parts cliproxy.Part[] of kind reasoning; states carry their origin
function M.put(owner, call_id, parts)
  local key, rows = key_of(owner, call_id), {}
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
  if bytes and #bytes <= M.MAX and key then
    state.set(key, bytes, M.TTL) -- where the dictionary is full nothing is kept
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
---@param call_id string
---@return cliproxy.Part[]?
function M.get(owner, call_id)
  local key = key_of(owner, call_id)
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
