--- Anthropic Messages, in both versions of its API.
local json = require("cliproxy.json")
local envelope = require("cliproxy.dialects.anthropic.envelope")
local late = require("cliproxy.dialects.late")
local titles = require("cliproxy.dialects.titles")

local M = { name = "anthropic", title = titles.anthropic, main_path = "/v1/messages" }

local PATHS = {
  generate = "/v1/messages",
  count = "/v1/messages/count_tokens",
  models = "/v1/models",
}

--- Below the provider's base URL, which does not end in /v1.
function M.path(operation)
  return PATHS[operation]
end

function M.framing()
  return "sse"
end

M.envelope = envelope.of

-- The blank line in front ends an event that broke in the middle; no message_stop follows.
function M.stream_error(failure, id)
  return "\n\nevent: error\ndata: " .. envelope.of(failure, id) .. "\n\n"
end

function M.is_terminal(event)
  return event.type == "message_stop"
end

--- Tokens of a provider's count; nil where it holds none.
---@param document any
---@return integer?
function M.decode_count(document)
  local count = json.kind(document) == "object" and document.input_tokens
  return type(count) == "number" and count >= 0 and math.floor(count) or nil
end

---@param count integer
---@return string
function M.encode_count(count)
  return ('{"input_tokens":%d}'):format(count)
end

--- Message and type of a body `{"type":"error","error":{…}}`; nil for anything else.
function M.own_error(document)
  local failed = json.kind(document) == "object" and document.type == "error" and document.error
  if not failed or json.kind(failed) ~= "object" or type(failed.message) ~= "string" then
    return nil
  end
  local kind = failed.type
  return failed.message, type(kind) == "string" and kind or nil
end

-- The codec. `ignored`: members of a request that mean nothing beyond its head.
return late.parts(M, {
  decode_request = function() return require("cliproxy.dialects.anthropic.request_in").decode end,
  encode_request = function() return require("cliproxy.dialects.anthropic.request_out").encode end,
  encode_pieces = function() return require("cliproxy.dialects.anthropic.request_out").pieces end,
  decode_response = function() return require("cliproxy.dialects.anthropic.answer_in").decode end,
  encode_response = function() return require("cliproxy.dialects.anthropic.answer_out").encode end,
  stream_decoder = function() return require("cliproxy.dialects.anthropic.stream_in").decoder end,
  stream_encoder = function() return require("cliproxy.dialects.anthropic.stream_out").encoder end,
  ignored = function() return require("cliproxy.dialects.anthropic.request_in").ignored end,
})
