--- OpenAI Chat Completions, with the endpoints that share its errors: completions, embeddings, models.
local shared = require("cliproxy.dialects.openai_errors")

local M = { name = "openai_chat", title = "OpenAI Chat Completions", main_path = "/v1/chat/completions" }

local PATHS = {
  generate = "/chat/completions",
  complete = "/completions",
  embed = "/embeddings",
  models = "/models",
}

--- Below the provider's base URL, which ends in /v1.
function M.path(operation)
  return PATHS[operation]
end

function M.framing()
  return "sse"
end

M.envelope = shared.envelope
M.own_error = shared.own_error

-- The blank line in front ends an event that broke in the middle. SDKs raise on `error`; no [DONE] follows.
function M.stream_error(failure)
  return "\n\ndata: " .. shared.envelope(failure) .. "\n\n"
end

function M.is_terminal(event)
  return event.data == "[DONE]"
end

return M
