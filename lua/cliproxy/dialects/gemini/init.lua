--- Gemini generateContent (v1beta): paths, errors, ends, and the codec (docs/conversation.md).
local answer_in = require("cliproxy.dialects.gemini.answer_in")
local answer_out = require("cliproxy.dialects.gemini.answer_out")
local envelope = require("cliproxy.dialects.gemini.envelope")
local json = require("cliproxy.json")
local request_in = require("cliproxy.dialects.gemini.request_in")
local request_out = require("cliproxy.dialects.gemini.request_out")
local stream_in = require("cliproxy.dialects.gemini.stream_in")
local stream_out = require("cliproxy.dialects.gemini.stream_out")
local text = require("cliproxy.text")
local titles = require("cliproxy.dialects.titles")

local M = { name = "gemini", title = titles.gemini, main_path = "/v1beta/models/MODEL:generateContent" }

M.ignored = request_in.ignored
M.decode_request = request_in.decode
M.encode_request = request_out.encode
M.encode_pieces = request_out.pieces
M.decode_response = answer_in.decode
M.encode_response = answer_out.encode
M.stream_decoder = stream_in.decoder
M.stream_encoder = stream_out.encoder

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

return M
