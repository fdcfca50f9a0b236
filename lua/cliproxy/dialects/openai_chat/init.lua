--- OpenAI Chat Completions, with the endpoints that share its errors: completions, embeddings, models. Its codec
--- (docs/conversation.md): requests are read by `request_in` and written by `request_out`, whole answers by `answer_in`
--- and `answer_out`, streams by `stream_in` and `stream_out`.
local answer_in = require("cliproxy.dialects.openai_chat.answer_in")
local answer_out = require("cliproxy.dialects.openai_chat.answer_out")
local request_in = require("cliproxy.dialects.openai_chat.request_in")
local request_out = require("cliproxy.dialects.openai_chat.request_out")
local shared = require("cliproxy.dialects.openai.errors")
local stream_in = require("cliproxy.dialects.openai_chat.stream_in")
local stream_out = require("cliproxy.dialects.openai_chat.stream_out")
local titles = require("cliproxy.dialects.titles")

local M = { name = "openai_chat", title = titles.openai_chat, main_path = "/v1/chat/completions" }

M.decode_request = request_in.decode
M.encode_request = request_out.encode
M.encode_pieces = request_out.pieces
M.decode_response = answer_in.decode
M.encode_response = answer_out.encode
M.stream_decoder = stream_in.decoder
M.stream_encoder = stream_out.encoder
--- Members of a request that mean nothing beyond its head.
M.ignored = request_in.ignored

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
