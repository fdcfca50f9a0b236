--- What answers of Chat Completions say; see `spec.support.answer_facts`.
local json = require("cliproxy.json")
local reading = require("spec.support.answer_facts.reading")

local M = {}

local at, each = reading.at, reading.each
local string_of, number, input_of_text = reading.string_of, reading.number, reading.input_of_text
local add, joined, new, close = reading.add, reading.joined, reading.new, reading.close

local function usage_of(usage)
  if json.kind(usage) ~= "object" then
    return nil
  end
  local prompt, completion, total = number(usage.prompt_tokens), number(usage.completion_tokens),
    number(usage.total_tokens)
  if total and prompt and completion and total > prompt + completion then
    completion = total - prompt -- servers that count thoughts beside the completion
  end
  return {
    input = prompt, output = completion, reasoning = number(at(usage, "completion_tokens_details", "reasoning_tokens")),
    cached = number(at(usage, "prompt_tokens_details", "cached_tokens")) or number(usage.prompt_cache_hit_tokens),
    written = number(at(usage, "prompt_tokens_details", "cache_write_tokens")),
  }
end

local function add_content(facts, message)
  local content = at(message, "content")
  for _, part in each(content) do
    add(facts.text, part, "text")
    add(facts.refusal, part, "refusal")
    local thinking = at(part, "thinking")
    for _, thought in each(thinking) do
      add(facts.reasoning, thought, "text")
    end
  end
  add(facts.text, message, "content")
  add(facts.refusal, message, "refusal")
  if string_of(at(message, "reasoning_content")) ~= "" then
    add(facts.reasoning, message, "reasoning_content")
  else
    add(facts.reasoning, message, "reasoning")
  end
end

local function finish(facts)
  local called = #facts.calls > 0
  local word = facts.word or facts.whole and "stop"
  facts.common = word == "length" and "length" or word == "content_filter" and "filter"
    or word and (called and "tool_calls" or facts.refusal[1] and joined(facts.refusal) ~= "" and "refusal" or "end")
  return close(facts)
end

local function add_call(facts, call)
  local custom = at(call, "custom")
  local inner = custom or at(call, "function")
  local text = string_of(at(inner, custom and "input" or "arguments"))
  facts.calls[#facts.calls + 1] = { name = at(inner, "name"),
    input = custom and "text:" .. text or input_of_text(text) }
end

---@param document any
---@return table facts
function M.whole(document)
  local facts, choice = new(), nil
  for _, one in each(at(document, "choices")) do
    choice = choice or one.index == 0 and one or nil
  end
  facts.whole = true
  local message = at(choice, "message")
  add_content(facts, message)
  for _, call in each(at(message, "tool_calls")) do
    add_call(facts, call)
  end
  local old = at(message, "function_call")
  if old then
    facts.calls[1] = { name = old.name, input = input_of_text(old.arguments) }
  end
  facts.word, facts.usage = at(choice, "finish_reason"), usage_of(at(document, "usage"))
  return finish(facts)
end

-- Calls by index, or by id where there is none.
local function deltas(calls, delta)
  for _, call in each(at(delta, "tool_calls")) do
    local inner = at(call, "custom") or at(call, "function")
    local index = at(call, "index") or at(call, "id") or #calls
    local known = calls[index]
    if not known or at(call, "id") and at(inner, "name") and known.id ~= call.id then
      known = { pieces = {}, id = at(call, "id"), custom = at(call, "custom") ~= nil }
      calls[index] = known
      calls.order[#calls.order + 1] = known
    end
    known.name = known.name or at(inner, "name")
    add(known.pieces, inner, known.custom and "input" or "arguments")
  end
end

---@param bytes string
---@return table facts
function M.stream(bytes)
  local facts, calls = new(), { order = {} }
  for _, event in ipairs(reading.events(bytes)) do
    local chunk = json.parse(event.data)
    local choice = at(chunk, "choices", 1)
    if at(choice, "index") == 0 or choice and at(choice, "index") == nil then
      add_content(facts, at(choice, "delta"))
      deltas(calls, at(choice, "delta"))
      facts.word = at(choice, "finish_reason") or facts.word
    end
    facts.usage = usage_of(at(chunk, "usage") or at(chunk, "x_groq", "usage")) or facts.usage
    facts.failed = facts.failed or at(chunk, "error") and string_of(at(chunk, "error", "message")) or nil
  end
  for i, call in ipairs(calls.order) do
    local text = joined(call.pieces)
    facts.calls[i] = { name = call.name, input = call.custom and "text:" .. text or input_of_text(text) }
  end
  return finish(facts)
end

return M
