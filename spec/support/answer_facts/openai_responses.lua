--- What answers of the Responses API say; see `spec.support.answer_facts`.
local json = require("cliproxy.json")
local reading = require("spec.support.answer_facts.reading")

local M = {}

local at, each = reading.at, reading.each
local string_of, number, input_of_text = reading.string_of, reading.number, reading.input_of_text
local add, joined, new, close = reading.add, reading.joined, reading.new, reading.close

local function add_item(facts, item)
  if item.type == "message" then
    for _, part in each(at(item, "content")) do
      add(facts.text, part, "text")
      add(facts.refusal, part, "refusal")
    end
  elseif item.type == "reasoning" then
    -- Of thoughts and their summary one is told.
    local list = at(item, "summary", 1) and item.summary or at(item, "content")
    for _, part in each(list) do
      add(facts.reasoning, part, "text")
    end
  elseif item.type == "function_call" then
    facts.calls[#facts.calls + 1] = { name = item.name, input = input_of_text(string_of(item.arguments)) }
  elseif item.type == "custom_tool_call" then
    facts.calls[#facts.calls + 1] = { name = item.name, input = "text:" .. string_of(item.input) }
  end
end

local REASONS = { max_output_tokens = "length", content_filter = "filter" }

local function finish(facts, response)
  local reason, usage = at(response, "incomplete_details", "reason"), at(response, "usage")
  facts.word = reason or at(response, "status")
  facts.failed = facts.failed or at(response, "error") and string_of(at(response, "error", "message")) or nil
  facts.common = REASONS[reason] or facts.word == "completed" and (#facts.calls > 0 and "tool_calls"
    or joined(facts.refusal) ~= "" and "refusal" or "end") or nil
  facts.usage = usage and {
    input = number(usage.input_tokens), output = number(usage.output_tokens),
    cached = number(at(usage, "input_tokens_details", "cached_tokens")),
    written = number(at(usage, "input_tokens_details", "cache_write_tokens")),
    reasoning = number(at(usage, "output_tokens_details", "reasoning_tokens")),
  }
  return close(facts)
end

---@param response any
---@return table facts
function M.whole(response)
  local facts = new()
  for _, item in each(at(response, "output")) do
    add_item(facts, item)
  end
  return finish(facts, response)
end

-- Items as they were when done; the Response at the end has them, too, unless a server left it empty.
---@param bytes string
---@return table facts
function M.stream(bytes)
  local facts, last, done = new(), nil, {}
  for _, event in ipairs(reading.events(bytes)) do
    local document = json.parse(event.data)
    last = at(document, "response") or last
    if at(document, "type") == "response.output_item.done" then
      done[#done + 1] = document.item
    elseif at(document, "type") == "error" then
      facts.failed = string_of(at(document, "error", "message") or at(document, "message"))
    end
  end
  for _, item in ipairs(done) do
    add_item(facts, item)
  end
  if not done[1] then
    for _, item in each(at(last, "output")) do
      add_item(facts, item)
    end
  end
  return finish(facts, last)
end

return M
