--- What an answer says, read by the letter of its dialect alone: nothing of the codecs is used here, so that their
--- output can be compared with what a provider sent. Whole answers and streams of all four dialects.
---
--- Facts: { text, refusal, reasoning, calls = { { name, input } }, word, common, usage, failed, sequence,
--- explanation }. `word` is the dialect's own reason for the end, `common` the same in words that all share; an `input`
--- is JSON in one spelling (see `canonical`) or, where it is no JSON, its bytes behind "text:". `usage` has input,
--- output, cached, written, reasoning; what was not reported is nil. `failed` is the message of an error.
local json = require("cliproxy.json")
local reading = require("spec.support.answer_facts.reading")

local M = { canonical = reading.canonical, events = reading.events }

local READERS = {}
for _, dialect in ipairs { "openai_chat", "openai_responses", "anthropic", "gemini" } do
  READERS[dialect] = require("spec.support.answer_facts." .. dialect)
end

---@param dialect string
---@param body string
---@return table facts
function M.whole(dialect, body)
  return READERS[dialect].whole(assert(json.parse(body)))
end

---@param dialect string
---@param bytes string
---@param framing? "sse"|"json_array"
---@return table facts
function M.stream(dialect, bytes, framing)
  if framing == "json_array" then
    return M.whole(dialect, bytes)
  end
  return READERS[dialect].stream(bytes)
end

return M
