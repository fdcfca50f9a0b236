--- The error envelope that Chat Completions, Responses, embeddings and models share.
local json = require("cliproxy.json")
local text = require("cliproxy.text")

local M = {}

local TYPES = { [408] = "timeout_error", [429] = "rate_limit_exceeded", [503] = "server_error" }
-- Codes that clients know by OpenAI's names.
local CODES = {
  no_route = "model_not_found",
  key_missing = "invalid_api_key",
  key_wrong = "invalid_api_key",
  context_length = "context_length_exceeded",
  upstream_no_model = "model_not_found",
  upstream_limited = "rate_limit_exceeded",
  upstream_billing = "insufficient_quota",
}

--- OpenAI's names for a failure.
---@param failure cliproxy.Failure
---@return string type, string code
function M.names(failure)
  local code = failure.hint or CODES[failure.code] or failure.code
  if code == "insufficient_quota" then
    return code, code
  end
  return TYPES[failure.status] or (failure.status >= 500 and "server_error" or "invalid_request_error"), code
end

--- `{"message","type","param","code"}`.
---@param failure cliproxy.Failure
---@return string
function M.object(failure)
  local kind, code = M.names(failure)
  return '{"message":' .. text.quote(failure.text) .. ',"type":"' .. kind .. '","param":'
    .. (failure.param and text.quote(failure.param) or "null") .. ',"code":' .. text.quote(code) .. "}"
end

---@param failure cliproxy.Failure
---@return string
function M.envelope(failure)
  return '{"error":' .. M.object(failure) .. "}"
end

--- Message and code of a body `{"error":{"message"…}}`; nil for anything else.
---@param document any
---@return string? message, string? code
function M.own_error(document)
  local failed = json.kind(document) == "object" and document.error
  if not failed or json.kind(failed) ~= "object" or type(failed.message) ~= "string" then
    return nil
  end
  local code = failed.code
  return failed.message, type(code) == "string" and code or nil
end

return M
