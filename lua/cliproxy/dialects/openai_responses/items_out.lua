--- Output items and their parts as JSON text, the same in whole answers and in streams.
local text = require("cliproxy.text")

local M = {}

local quote = text.quote

--- The content part of a text. `citations`: JSON texts of annotations.
---@param literal cliproxy.Literal
---@param citations? string[]
---@return string
function M.text_part(literal, citations)
  return '{"type":"output_text","annotations":[' .. (citations and table.concat(citations, ",") or "")
    .. '],"logprobs":[],"text":' .. literal .. "}"
end

---@param literal cliproxy.Literal
---@return string
function M.refusal_part(literal)
  return '{"type":"refusal","refusal":' .. literal .. "}"
end

---@param id string
---@param status string
---@param parts string[] JSON texts
---@return string
function M.message(id, status, parts)
  return '{"id":"' .. id .. '","type":"message","status":"' .. status .. '","content":['
    .. table.concat(parts, ",") .. '],"role":"assistant"}'
end

---@param literal cliproxy.Literal
---@return string
function M.summary_part(literal)
  return '{"type":"summary_text","text":' .. literal .. "}"
end

---@param id string
---@param shown? cliproxy.Literal
---@param sealed? string the field that the client echoes
---@return string
function M.reasoning(id, shown, sealed)
  return '{"id":"' .. id .. '","type":"reasoning","summary":[' .. (shown and M.summary_part(shown) or "") .. "]"
    .. (sealed and ',"encrypted_content":' .. quote(sealed) or "") .. "}"
end

--- The name that the client gave a tool, without its namespace.
---@param conversation cliproxy.Conversation
---@param name string full
---@return cliproxy.Literal
function M.name(conversation, name)
  local parts = conversation.namespaces and conversation.namespaces[name]
  return quote(parts and parts.name or name)
end

-- With its namespace.
local function named(conversation, name)
  local parts = conversation.namespaces and conversation.namespaces[name]
  if parts then
    return quote(parts.name) .. ',"namespace":' .. quote(parts.namespace)
  end
  return quote(name)
end

---@class cliproxy.responses.Call
---@field item_id string "fc_…" or "ctc_…"
---@field id string
---@field name string full
---@field custom? boolean

---@param conversation cliproxy.Conversation
---@param call cliproxy.responses.Call
---@param status string
---@param arguments cliproxy.Literal
---@return string
function M.call(conversation, call, status, arguments)
  local kind, key = "function_call", "arguments"
  if call.custom then
    kind, key = "custom_tool_call", "input"
  end
  return '{"id":"' .. call.item_id .. '","type":"' .. kind .. '","status":"' .. status .. '","' .. key .. '":'
    .. arguments .. ',"call_id":' .. quote(call.id) .. ',"name":' .. named(conversation, call.name) .. "}"
end

--- A source on the web as an annotation; nil for others: the service has none for documents in the request.
--- Without a place in the text it is `at`.
---@param citation cliproxy.Citation
---@param at integer characters of the text so far
---@return string?
function M.annotation(citation, at)
  if citation.kind ~= "url" or not citation.url then
    return nil
  end
  return ('{"type":"url_citation","start_index":%d,"end_index":%d,"title":%s,"url":%s}'):format(
    citation.from or citation.to or at, citation.to or at, citation.title or '""', citation.url)
end

return M
