--- OpenAI Responses.
local shared = require "cliproxy.dialects.openai_errors"
local text = require "cliproxy.text"

local M = { name = "openai_responses", title = "OpenAI Responses", main_path = "/v1/responses" }

local PATHS = {
  generate = "/responses",
  count = "/responses/input_tokens",
  models = "/models",
}

--- Below the provider's base URL, which ends in /v1.
function M.path(operation)
  return PATHS[operation]
end

function M.framing()
  return "sse"
end

M.own_error = shared.own_error

--- As Chat's, but an unknown model is a 400 here; the status stays 404, which every client understands.
M.envelope = shared.envelope

-- The recorded nested form with the flat keys of the SDK's type, then the terminal event. The numbers of the events before are
-- not known here: a same-dialect stream is not parsed.
function M.stream_error(failure, id)
  local _, code = shared.names(failure)
  local message = text.quote(failure.text)
  return "\n\nevent: error\ndata: {\"type\":\"error\",\"error\":" .. shared.object(failure) .. ",\"code\":" .. text.quote(code)
    .. ",\"message\":" .. message .. ",\"param\":null}\n\n"
    .. "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"id\":" .. text.quote("resp_" .. id)
    .. ",\"object\":\"response\",\"status\":\"failed\",\"error\":{\"code\":" .. text.quote(code) .. ",\"message\":" .. message
    .. "},\"output\":[]}}\n\n"
end

local TERMINAL = { ["response.completed"] = true, ["response.incomplete"] = true, ["response.failed"] = true }

function M.is_terminal(event)
  return TERMINAL[event.type] or false
end

return M
