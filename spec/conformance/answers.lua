--- What services answer: one description, built as each dialect's service gives it, whole and as a stream. The builders
--- are written after recordings and know nothing of the codecs.
---
--- A description: `parts`, a list of { text = fragments }, { refusal = fragments }, { reasoning = fragments, state =
--- true } and { call = NAME, id =, input = fragments }, where fragments are literals; `stop`: "end", "length",
--- "tool_calls", "stop_sequence", "refusal"; `sequence`, `usage` { input, cached, output, reasoning }.
local shared = require("spec.conformance.services.shared")

local M = { STATES = shared.STATES, USAGE = shared.USAGE, join = shared.join }

local services = {}
for _, dialect in ipairs { "openai_chat", "openai_responses", "anthropic", "gemini" } do
  services[dialect] = require("spec.conformance.services." .. dialect)
end

-- The bytes of an event as they come over the wire.
local function framed(dialect, events)
  local ending = dialect == "gemini" and "\r\n" or "\n"
  for _, event in ipairs(events) do
    event.raw = (event.type ~= "" and "event: " .. event.type .. ending or "") .. "data: " .. event.data .. ending
      .. ending
  end
  return events
end

--- The whole answer of a service.
---@param dialect string
---@param answer table
---@param model string
---@return string
function M.whole(dialect, answer, model)
  return services[dialect].whole(answer, model)
end

--- The events of its stream: { type, data, raw }.
---@param dialect string
---@param answer table
---@param model string
---@return table[]
function M.stream(dialect, answer, model)
  return framed(dialect, services[dialect].stream(answer, model))
end

-- Failures --------------------------------------------------------------------------------------------------------

local OPENAI = '{"error":{"message":"%s","type":"%s","param":null,"code":%s}}'
local ANTHROPIC = '{"type":"error","error":{"type":"%s","message":"%s"},"request_id":"req_up"}'
local GEMINI = '{"error":{"code":%d,"message":"%s","status":"%s","details":[%s]}}'

local function openai(message, kind, code)
  return OPENAI:format(message, kind, code and '"' .. code .. '"' or "null")
end

local KEY_INVALID = '{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID",'
  .. '"domain":"googleapis.com"}'
local RETRY = '{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"6.2s"}'

--- By kind of failure: what each service answers: { status, body, headers }.
---@type table<string, table<string, table>>
M.FAILURES = {
  bad_request = {
    openai_chat = { 400, openai("Bad value.", "invalid_request_error") },
    openai_responses = { 400, openai("Bad value.", "invalid_request_error") },
    anthropic = { 400, ANTHROPIC:format("invalid_request_error", "Bad value.") },
    gemini = { 400, GEMINI:format(400, "Bad value.", "INVALID_ARGUMENT", "") },
  },
  key = {
    openai_chat = { 401, openai("Bad key.", "invalid_request_error", "invalid_api_key") },
    openai_responses = { 401, openai("Bad key.", "invalid_request_error", "invalid_api_key") },
    anthropic = { 401, ANTHROPIC:format("authentication_error", "Bad key.") },
    gemini = { 400, GEMINI:format(400, "Bad key.", "INVALID_ARGUMENT", KEY_INVALID) },
  },
  no_model = {
    openai_chat = { 404, openai("No such model.", "invalid_request_error", "model_not_found") },
    openai_responses = { 404, openai("No such model.", "invalid_request_error", "model_not_found") },
    anthropic = { 404, ANTHROPIC:format("not_found_error", "No such model.") },
    gemini = { 404, GEMINI:format(404, "No such model.", "NOT_FOUND", "") },
  },
  limited = {
    openai_chat = { 429, openai("Slow down.", "tokens", "rate_limit_exceeded"), { ["retry-after"] = "7" } },
    openai_responses = { 429, openai("Slow down.", "tokens", "rate_limit_exceeded"), { ["retry-after"] = "7" } },
    anthropic = { 429, ANTHROPIC:format("rate_limit_error", "Slow down."), { ["retry-after"] = "7" } },
    gemini = { 429, GEMINI:format(429, "Slow down.", "RESOURCE_EXHAUSTED", RETRY) },
  },
  overloaded = {
    openai_chat = { 503, openai("Too busy.", "server_error", "server_error") },
    openai_responses = { 503, openai("Too busy.", "server_error", "server_error") },
    anthropic = { 529, ANTHROPIC:format("overloaded_error", "Too busy.") },
    gemini = { 503, GEMINI:format(503, "Too busy.", "UNAVAILABLE", "") },
  },
}

--- The events by which a stream of a service says that it is overloaded.
---@param dialect string
---@param at integer number of the event, from 0
---@param model string
---@return table[]
function M.stream_failure(dialect, at, model)
  local events
  if dialect == "openai_chat" then
    events = { { type = "", data = openai("Too busy.", "server_error", "server_error") } }
  elseif dialect == "anthropic" then
    events = { { type = "error", data = ANTHROPIC:format("overloaded_error", "Too busy.") } }
  elseif dialect == "gemini" then
    events = { { type = "", data = GEMINI:format(503, "Too busy.", "UNAVAILABLE", "") } }
  else
    events = {
      { type = "error", data = ('{"type":"error","sequence_number":%d,"error":{"type":"server_error","code":'
        .. '"server_error","message":"Too busy.","param":null}}'):format(at) },
      { type = "response.failed", data = ('{"type":"response.failed","sequence_number":%d,"response":'
        .. '%s}'):format(at + 1,
        services.openai_responses.response(model, "failed",
        "", nil, nil, '{"code":"server_error","message":"Too busy."}')) },
    }
  end
  return framed(dialect, events)
end

return M
