--- Gemini generateContent (v1beta): paths, errors, ends, and the codec (docs/conversation.md).
local envelope = require("cliproxy.dialects.gemini.envelope")
local json = require("cliproxy.json")
local text = require("cliproxy.text")
local late = require("cliproxy.dialects.late")
local titles = require("cliproxy.dialects.titles")

local M = { name = "gemini", title = titles.gemini, main_path = "/v1beta/models/MODEL:generateContent" }

--- Tokens of a count; nil where there are none.
---@param document any
---@return integer?
function M.decode_count(document)
  local total = json.kind(document) == "object" and tonumber(document.totalTokens)
  return total and math.floor(total) or nil
end

---@param n integer
---@return string
function M.encode_count(n)
  return ('{"totalTokens":%d}'):format(n)
end

local VERBS = { generate = "generateContent", count = "countTokens", embed = "embedContent",
  embed_batch = "batchEmbedContents" }

--- Below the provider's base URL, which does not end in /v1beta.
function M.path(operation, model, stream)
  if operation == "models" then
    return "/v1beta/models"
  end
  local verb = operation == "generate" and stream and "streamGenerateContent" or VERBS[operation]
  return verb and "/v1beta/models/" .. model .. ":" .. verb
end

--- Without `alt=sse` a stream is one JSON array, sent piece by piece.
function M.framing(query)
  return text.query_value(query, "alt") == "sse" and "sse" or "json_array"
end

M.envelope = envelope.object

function M.stream_error(failure, _, framing)
  if framing == "sse" then
    return "\r\n\r\ndata: " .. envelope.object(failure) .. "\r\n\r\n"
  end
  return ",\r\n" .. envelope.object(failure) .. "]"
end

-- Nothing marks the end: it is the end of the message.
function M.is_terminal()
  return false
end

--- Message and reason of a body `{"error":{…}}`, also inside an array of one; nil for anything else.
function M.own_error(document)
  if json.kind(document) == "array" then
    document = document[1]
  end
  local failed = json.kind(document) == "object" and document.error
  if not failed or json.kind(failed) ~= "object" or type(failed.message) ~= "string" then
    return nil
  end
  local code = failed.status
  if json.kind(failed.details) == "array" then
    for _, detail in json.each(failed.details) do
      if json.kind(detail) == "object" and type(detail.reason) == "string" then
        code = detail.reason
      end
    end
  end
  return failed.message, type(code) == "string" and code or nil
end

-- The codec. `ignored`: members of a request that mean nothing beyond its head.
return late.parts(M, {
  ignored = function() return require("cliproxy.dialects.gemini.request_in").ignored end,
  decode_request = function() return require("cliproxy.dialects.gemini.request_in").decode end,
  encode_request = function() return require("cliproxy.dialects.gemini.request_out").encode end,
  encode_pieces = function() return require("cliproxy.dialects.gemini.request_out").pieces end,
  decode_response = function() return require("cliproxy.dialects.gemini.answer_in").decode end,
  encode_response = function() return require("cliproxy.dialects.gemini.answer_out").encode end,
  stream_decoder = function() return require("cliproxy.dialects.gemini.stream_in").decoder end,
  stream_encoder = function() return require("cliproxy.dialects.gemini.stream_out").encoder end,
})
