--- What answers of Anthropic Messages say; see `spec.support.answer_facts`.
local json = require("cliproxy.json")
local reading = require("spec.support.answer_facts.reading")

local M = {}

local at, each = reading.at, reading.each
local string_of, number, input_of_text = reading.string_of, reading.number, reading.input_of_text
local add, joined, new, close = reading.add, reading.joined, reading.new, reading.close

local STOPS = { end_turn = "end", max_tokens = "length", model_context_window_exceeded = "length",
  tool_use = "tool_calls", stop_sequence = "stop_sequence", refusal = "refusal", pause_turn = "pause" }

local function count(counts, usage)
  for _, key in ipairs { "input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens" } do
    counts[key] = number(at(usage, key)) or counts[key]
  end
  counts.thinking = number(at(usage, "output_tokens_details", "thinking_tokens")) or counts.thinking
end

local function add_block(facts, block)
  if block.type == "text" then
    add(facts.text, block, "text")
  elseif block.type == "thinking" then
    add(facts.reasoning, block, "thinking")
  elseif block.type == "tool_use" then
    facts.calls[#facts.calls + 1] = { name = block.name, input = reading.canonical(block.input) }
  end
end

local function finish(facts, ending, counts)
  facts.word, facts.sequence = at(ending, "stop_reason"), at(ending, "stop_sequence")
  facts.explanation = at(ending, "stop_details", "explanation")
  facts.common = STOPS[facts.word]
  if facts.common == "end" and #facts.calls > 0 then
    facts.common = "tool_calls"
  end
  local read, written = counts.cache_read_input_tokens, counts.cache_creation_input_tokens
  facts.usage = next(counts) and {
    input = counts.input_tokens and counts.input_tokens + (read or 0) + (written or 0), output = counts.output_tokens,
    cached = read, written = written, reasoning = counts.thinking,
  } or nil
  return close(facts)
end

---@param document any
---@return table facts
function M.whole(document)
  local facts, counts = new(), {}
  for _, block in each(at(document, "content")) do
    add_block(facts, block)
  end
  count(counts, at(document, "usage"))
  return finish(facts, document, counts)
end

---@param bytes string
---@return table facts
function M.stream(bytes)
  local facts, counts, ending, inputs = new(), {}, nil, {}
  for _, event in ipairs(reading.events(bytes)) do
    local e = json.parse(event.data)
    local kind, index = at(e, "type"), at(e, "index")
    if kind == "message_start" then
      count(counts, at(e, "message", "usage"))
    elseif kind == "content_block_start" then
      add_block(facts, e.content_block)
      if e.content_block.type == "tool_use" then
        inputs[index] = { call = facts.calls[#facts.calls], pieces = {} }
      end
    elseif kind == "content_block_delta" then
      add(facts.text, e.delta, "text")
      add(facts.reasoning, e.delta, "thinking")
      add(inputs[index] and inputs[index].pieces or {}, e.delta, "partial_json")
    elseif kind == "message_delta" then
      count(counts, at(e, "usage"))
      ending = at(e, "delta")
    elseif kind == "message_stop" then
      facts.ended = true
    elseif kind == "error" then
      facts.failed = string_of(at(e, "error", "message"))
    end
  end
  for _, input in pairs(inputs) do
    local text = joined(input.pieces)
    input.call.input = text ~= "" and input_of_text(text) or input.call.input
  end
  return finish(facts, ending, counts)
end

return M
