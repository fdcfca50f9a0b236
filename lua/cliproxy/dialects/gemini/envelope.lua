--- Errors in Gemini's words.
local text = require("cliproxy.text")

local M = {}

local STATUSES = {
  [400] = "INVALID_ARGUMENT",
  [401] = "UNAUTHENTICATED",
  [403] = "PERMISSION_DENIED",
  [404] = "NOT_FOUND",
  [409] = "ABORTED",
  [429] = "RESOURCE_EXHAUSTED",
  [499] = "CANCELLED",
  [502] = "UNAVAILABLE",
  [503] = "UNAVAILABLE",
  [504] = "DEADLINE_EXCEEDED",
}

---@param failure cliproxy.Failure
---@return string
function M.object(failure)
  local status = STATUSES[failure.status] or (failure.status < 500 and "INVALID_ARGUMENT" or "INTERNAL")
  return '{"error":{"code":' .. failure.status .. ',"message":' .. text.quote(failure.text) .. ',"status":"' .. status
    .. '","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":' .. text.quote(failure.code:upper())
    .. ',"domain":"cliproxy"}]}}'
end

return M
