--- What a provider's own error becomes for a client of another dialect: a failure with the status and the code that
--- the client's SDK knows, and the provider's words.
local errors = require("cliproxy.errors")
local text = require("cliproxy.text")

local M = {}

-- How the services say that the conversation is too long. Agents shorten theirs when they are told in their own words.
local OVERFLOW = {
  "prompt is too long", "maximum context length", "context_length_exceeded", "context window",
  "input token count", "exceeds the maximum number of tokens", "too many tokens",
}

-- Words of error events that have no status of their own.
local STATUS_OF = {
  invalid_request_error = 400, authentication_error = 401, billing_error = 402, permission_error = 403,
  not_found_error = 404, request_too_large = 413, rate_limit_error = 429, api_error = 500, timeout_error = 504,
  overloaded_error = 529,
  server_error = 500, rate_limit_exceeded = 429, insufficient_quota = 429, model_not_found = 404,
  context_length_exceeded = 400, invalid_prompt = 400, invalid_api_key = 401,
  INVALID_ARGUMENT = 400, FAILED_PRECONDITION = 400, UNAUTHENTICATED = 401, PERMISSION_DENIED = 403, NOT_FOUND = 404,
  RESOURCE_EXHAUSTED = 429, INTERNAL = 500, UNAVAILABLE = 503, DEADLINE_EXCEEDED = 504, CANCELLED = 499,
}

--- The HTTP status that an error event would have had.
---@param word? string|number its code, type or status
---@return integer
function M.status_of(word)
  local number = tonumber(word)
  if number and number >= 400 and number < 600 then
    return number
  end
  return STATUS_OF[word] or 502
end

---@param message string
---@param code? string
---@return boolean
function M.is_overflow(message, code)
  if code == "context_length_exceeded" then
    return true
  end
  local lower = message:lower()
  for _, words in ipairs(OVERFLOW) do
    if lower:find(words, 1, true) then
      return true
    end
  end
  return false
end

local function coded(code, target, status, words, hint)
  local failure = errors.new(code, { provider = target.provider, model = target.model, status = status, text = words })
  failure.hint = hint
  return failure
end

--- A failure from what a provider said: with the status of its answer, or of an event in a stream.
---@param target { provider: string, model: string }
---@param status integer
---@param message? string
---@param code? string the dialect's own word
---@return cliproxy.Failure
function M.failure(target, status, message, code)
  local words = message and message ~= "" and text.excerpt(message, 500):gsub("%.$", "") or "no message"
  if (status == 400 or status == 413) and M.is_overflow(words, code) then
    return coded("context_length", target, status, words)
  elseif status == 402 then
    return coded("upstream_billing", target, status, words)
  elseif status == 404 then
    return coded("upstream_no_model", target, status, words)
  elseif status == 429 then
    return coded("upstream_limited", target, status, words, code == "insufficient_quota" and code or nil)
  elseif status == 503 or status == 529 then
    return coded("upstream_overloaded", target, status, words)
  end
  local failure = coded("upstream_status", target, status, words)
  -- What is wrong with cliproxy's own key no other key of the client mends.
  failure.status = (status < 400 or status >= 600 or status == 401 or status == 403) and 502 or status
  return failure
end

--- The same for an error event in a stream.
---@param target { provider: string, model: string }
---@param message? string
---@param word? string|number its code, type or status
---@return cliproxy.Failure
function M.of_event(target, message, word)
  return M.failure(target, M.status_of(word), message, type(word) == "string" and word or nil)
end

return M
