--- Opaque reasoning state on its way through a client of another dialect. What one provider's model signed or
--- encrypted is worth something to that provider and model alone; a client of another dialect carries it in the
--- field that it echoes (signature, encrypted_content, thoughtSignature) inside an envelope that names its maker.
---
--- An envelope is base64, since some SDKs decode such fields into bytes; it begins with MARK.
local crypto = require("cliproxy.crypto")
local json = require("cliproxy.json")

local M = {}

local HEAD = "cliproxy:st1" -- 12 bytes: 16 base64 characters that no other text starts with
--- What every envelope begins with.
M.MARK = crypto.base64_encode(HEAD)

---@class cliproxy.Origin who made a state
---@field dialect string
---@field provider string the instance's name
---@field model string

---@class cliproxy.State
---@field kind "signature"|"redacted"|"encrypted"|"thought" of Anthropic (two), Responses, Gemini
---@field data string as its maker wrote it
---@field id? string of a Responses item: "rs_…"
---@field origin? cliproxy.Origin nil: native to the dialect of the message that it stands in

--- The envelope for a client's field.
---@param state cliproxy.State
---@param origin cliproxy.Origin
---@return string
function M.seal(state, origin)
  local at = state.origin or origin
  return crypto.base64_encode(HEAD .. json.encode {
    d = at.dialect, p = at.provider, m = at.model, k = state.kind, s = state.data, i = state.id,
  })
end

--- A field that a client echoes, read: an opened envelope, or native state of the client's own dialect.
---@param field string
---@param kind "signature"|"redacted"|"encrypted"|"thought" what the field is by itself
---@return cliproxy.State
function M.open(field, kind)
  if field:sub(1, #M.MARK) == M.MARK then
    local bytes = crypto.base64_decode(field)
    local document = bytes and json.parse(bytes:sub(#HEAD + 1))
    if json.kind(document) == "object" then
      local state = {
        kind = document.k, data = document.s, id = document.i,
        origin = { dialect = document.d, provider = document.p, model = document.m },
      }
      json.close(document)
      if type(state.kind) == "string" and type(state.data) == "string" then
        return state
      end
    end
    return { kind = kind, data = "", origin = { dialect = "?", provider = "?", model = "?" } } -- damaged: of nobody
  end
  return { kind = kind, data = field }
end

--- Whether a state may go to a target: only its maker can read it.
---@param state cliproxy.State
---@param target cliproxy.Origin
---@return boolean
function M.is_for(state, target)
  local origin = state.origin
  return origin ~= nil and origin.dialect == target.dialect and origin.provider == target.provider
    and origin.model == target.model
end

return M
