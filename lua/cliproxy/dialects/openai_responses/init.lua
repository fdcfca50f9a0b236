--- OpenAI Responses: its codec (docs/conversation.md). Requests are read by `request_in` and written by `request_out`,
--- whole answers by `answer_in` and `answer_out`, streams by `stream_in` and `stream_out`.
local shared = require("cliproxy.dialects.openai.errors")
local text = require("cliproxy.text")
local late = require("cliproxy.dialects.late")
local titles = require("cliproxy.dialects.titles")

local M = { name = "openai_responses", title = titles.openai_responses, main_path = "/v1/responses" }

--- The answer to a count.
---@param count integer
---@return string
function M.encode_count(count)
  return ('{"object":"response.input_tokens","input_tokens":%d}'):format(count)
end

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

-- The recorded nested form with the flat keys of the SDK's type, then the terminal event. Numbers of events are left
-- out: a same-dialect stream is not parsed, so that those before are not known.
function M.stream_error(failure, id)
  local _, word = shared.names(failure)
  local code, message = text.quote(word), text.quote(failure.text)
  local failed = '{"type":"error","error":%s,"code":%s,"message":%s,"param":null}'
  local ended = '{"type":"response.failed","response":{"id":%s,"object":"response","status":"failed",'
    .. '"error":{"code":%s,"message":%s},"output":[]}}'
  return "\n\nevent: error\ndata: " .. failed:format(shared.object(failure), code, message)
    .. "\n\nevent: response.failed\ndata: " .. ended:format(text.quote("resp_" .. id), code, message) .. "\n\n"
end

local TERMINAL = { ["response.completed"] = true, ["response.incomplete"] = true, ["response.failed"] = true }

function M.is_terminal(event)
  return TERMINAL[event.type] or false
end

-- The codec. `ignored`: members of a request that mean nothing beyond its head.
return late.parts(M, {
  decode_request = function() return require("cliproxy.dialects.openai_responses.request_in").decode end,
  encode_request = function() return require("cliproxy.dialects.openai_responses.request_out").encode end,
  encode_pieces = function() return require("cliproxy.dialects.openai_responses.request_out").pieces end,
  decode_response = function() return require("cliproxy.dialects.openai_responses.answer_in").decode end,
  encode_response = function() return require("cliproxy.dialects.openai_responses.answer_out").encode end,
  stream_decoder = function() return require("cliproxy.dialects.openai_responses.stream_in").decoder end,
  stream_encoder = function() return require("cliproxy.dialects.openai_responses.stream_out").encoder end,
  decode_count = function() return require("cliproxy.dialects.openai_responses.answer_in").count end,
  ignored = function() return require("cliproxy.dialects.openai_responses.request_in").ignored end,
})
