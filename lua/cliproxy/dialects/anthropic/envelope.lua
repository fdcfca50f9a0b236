--- Errors in Anthropic's words.
local text = require("cliproxy.text")

local M = {}

local TYPES = {
  [400] = "invalid_request_error",
  [401] = "authentication_error",
  [402] = "billing_error",
  [403] = "permission_error",
  [404] = "not_found_error",
  [409] = "conflict_error",
  [413] = "request_too_large",
  [429] = "rate_limit_error",
  [504] = "timeout_error",
  [529] = "overloaded_error",
}

-- What tells Anthropic's SDKs to send the whole conversation instead of a thread; by the field that was refused.
local DETAILS = { thread = ',"details":{"error_code":"thread_unsupported_request","unsupported":["thread"]}' }

---@param failure cliproxy.Failure
---@param id string of the request
---@return string
function M.of(failure, id)
  local kind = TYPES[failure.status] or (failure.status < 500 and "invalid_request_error" or "api_error")
  local details = failure.code == "not_expressible" and DETAILS[failure.param] or ""
  return '{"type":"error","error":{"type":"' .. kind .. '","message":' .. text.quote(failure.text) .. details
    .. '},"request_id":' .. text.quote(id) .. "}"
end

return M
