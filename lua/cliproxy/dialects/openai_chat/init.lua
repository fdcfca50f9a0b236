--- OpenAI Chat Completions, with the endpoints that share its errors: completions, embeddings, models. Its codec
--- (docs/conversation.md): requests are read by `request_in` and written by `request_out`, whole answers by `answer_in`
--- and `answer_out`, streams by `stream_in` and `stream_out`.
local shared = require("cliproxy.dialects.openai.errors")
local late = require("cliproxy.dialects.late")
local titles = require("cliproxy.dialects.titles")

local M = { name = "openai_chat", title = titles.openai_chat, main_path = "/v1/chat/completions" }

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

-- The codec. `ignored`: members of a request that mean nothing beyond its head.
return late.parts(M, {
  decode_request = function() return require("cliproxy.dialects.openai_chat.request_in").decode end,
  encode_request = function() return require("cliproxy.dialects.openai_chat.request_out").encode end,
  encode_pieces = function() return require("cliproxy.dialects.openai_chat.request_out").pieces end,
  decode_response = function() return require("cliproxy.dialects.openai_chat.answer_in").decode end,
  encode_response = function() return require("cliproxy.dialects.openai_chat.answer_out").encode end,
  stream_decoder = function() return require("cliproxy.dialects.openai_chat.stream_in").decoder end,
  stream_encoder = function() return require("cliproxy.dialects.openai_chat.stream_out").encoder end,
  ignored = function() return require("cliproxy.dialects.openai_chat.request_in").ignored end,
})
