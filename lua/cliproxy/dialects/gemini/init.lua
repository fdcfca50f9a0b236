--- Gemini generateContent (v1beta).
local json = require("cliproxy.json")
local text = require("cliproxy.text")

local M = { name = "gemini", title = "Gemini generateContent", main_path = "/v1beta/models/MODEL:generateContent" }

local VERBS = { generate = "generateContent", count = "countTokens", embed = "embedContent",
  embed_batch = "batchEmbedContents" }

local STATUSES = {
  [400] = "INVALID_ARGUMENT",
  [401] = "UNAUTHENTICATED",
  [403] = "PERMISSION_DENIED",
  [404] = "NOT_FOUND",
  [409] = "ABORTED",
  [429] = "RESOURCE_EXHAUSTED",
  [499] = "CANCELLED",
  [502] = "UNAVAILABLE",
  [503] = "UNAVAILABLE",
  [504] = "DEADLINE_EXCEEDED",
}

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

local function object(failure)
  local status = STATUSES[failure.status] or (failure.status < 500 and "INVALID_ARGUMENT" or "INTERNAL")
  return '{"error":{"code":' .. failure.status .. ',"message":' .. text.quote(failure.text) .. ',"status":"' .. status
    .. '","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":' .. text.quote(failure.code:upper())
    .. ',"domain":"cliproxy"}]}}'
end

M.envelope = object

function M.stream_error(failure, _, framing)
  if framing == "sse" then
    return "\r\n\r\ndata: " .. object(failure) .. "\r\n\r\n"
  end
  return ",\r\n" .. object(failure) .. "]"
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
