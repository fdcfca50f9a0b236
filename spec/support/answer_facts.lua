--- What an answer says, read by the letter of its dialect alone: nothing of the codecs is used here, so that their
--- output can be compared with what a provider sent. Whole answers and streams of all four dialects.
---
--- Facts: { text, refusal, reasoning, calls = { { name, input } }, word, common, usage, failed, sequence,
--- explanation }. `word` is the dialect's own reason for the end, `common` the same in words that all share; an `input`
--- is JSON in one spelling (see `canonical`) or, where it is no JSON, its bytes behind "text:". `usage` has input,
--- output, cached, written, reasoning; what was not reported is nil. `failed` is the message of an error.
local json = require("cliproxy.json")

local M = {}

local NOTHING = {}

-- Reading ---------------------------------------------------------------------------------------------------------

local function at(node, ...)
  for i = 1, select("#", ...) do
    local kind = json.kind(node)
    if kind ~= "object" and kind ~= "array" then
      return nil
    end
    node = node[select(i, ...)]
  end
  if node == json.null then
    return nil
  end
  return node
end

local function each(node)
  if json.kind(node) == "array" then
    return json.each(node)
  end
  return next, NOTHING
end

local function string_of(value)
  return type(value) == "string" and value or ""
end

local function number(value)
  return type(value) == "number" and value or nil
end

--- JSON in one spelling: members sorted, no white space, strings escaped alike, numbers as they were written.
---@param value any
---@param holder? any
---@param key? any
---@return string
function M.canonical(value, holder, key)
  local kind = json.kind(value)
  if kind == "object" then
    local members = {}
    for name, member in json.each(value) do
      members[#members + 1] = json.encode(name) .. ":" .. M.canonical(member, value, name)
    end
    table.sort(members)
    return "{" .. table.concat(members, ",") .. "}"
  elseif kind == "array" then
    local out = {}
    for i, element in json.each(value) do
      out[i] = M.canonical(element, value, i)
    end
    return "[" .. table.concat(out, ",") .. "]"
  elseif kind == "number" and holder then
    return json.raw(holder, key)
  end
  return json.encode(value)
end

local function input_of_text(text)
  if text == "" then
    return "{}"
  end
  local document = json.parse(text)
  return document ~= nil and M.canonical(document) or "text:" .. text
end

-- Fragments may share a surrogate pair: they are joined as JSON text.
local function add(list, node, key)
  local raw = json.kind(node) == "object" and json.raw(node, key)
  if raw and raw:sub(1, 1) == '"' then
    list[#list + 1] = raw:sub(2, -2)
  end
end

local function joined(list)
  return json.parse('"' .. table.concat(list) .. '"')
end

local function new()
  return { text = {}, refusal = {}, reasoning = {}, calls = {} }
end

local function close(facts)
  for _, key in ipairs { "text", "refusal", "reasoning" } do
    facts[key] = joined(facts[key])
  end
  return facts
end

--- The events of server-sent events: { type, data }. A block without fields that is JSON is an event, too.
---@param bytes string
---@return { type: string, data: string }[]
function M.events(bytes)
  local out, kind, data = {}, "", {}
  for line in (bytes:gsub("\r\n", "\n") .. "\n\n"):gmatch("(.-)\n") do
    local field, value = line:match("^(%a+): ?(.*)$")
    if field == "event" then
      kind = value
    elseif field == "data" then
      data[#data + 1] = value
    elseif line == "" and data[1] then
      out[#out + 1] = { type = kind, data = table.concat(data, "\n") }
      kind, data = "", {}
    end
  end
  return out
end

-- Chat ------------------------------------------------------------------------------------------------------------

local function chat_usage(usage)
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

local function chat_content(facts, message)
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

local function chat_end(facts)
  local called = #facts.calls > 0
  local word = facts.word or facts.whole and "stop"
  facts.common = word == "length" and "length" or word == "content_filter" and "filter"
    or word and (called and "tool_calls" or facts.refusal[1] and joined(facts.refusal) ~= "" and "refusal" or "end")
  return close(facts)
end

local function chat_call(facts, call)
  local custom = at(call, "custom")
  local inner = custom or at(call, "function")
  local text = string_of(at(inner, custom and "input" or "arguments"))
  facts.calls[#facts.calls + 1] = { name = at(inner, "name"),
    input = custom and "text:" .. text or input_of_text(text) }
end

local function chat_whole(document)
  local facts, choice = new(), nil
  for _, one in each(at(document, "choices")) do
    choice = choice or one.index == 0 and one or nil
  end
  facts.whole = true
  local message = at(choice, "message")
  chat_content(facts, message)
  for _, call in each(at(message, "tool_calls")) do
    chat_call(facts, call)
  end
  local old = at(message, "function_call")
  if old then
    facts.calls[1] = { name = old.name, input = input_of_text(old.arguments) }
  end
  facts.word, facts.usage = at(choice, "finish_reason"), chat_usage(at(document, "usage"))
  return chat_end(facts)
end

-- Calls by index, or by id where there is none.
local function chat_deltas(calls, delta)
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

local function chat_stream(bytes)
  local facts, calls = new(), { order = {} }
  for _, event in ipairs(M.events(bytes)) do
    local chunk = json.parse(event.data)
    local choice = at(chunk, "choices", 1)
    if at(choice, "index") == 0 or choice and at(choice, "index") == nil then
      chat_content(facts, at(choice, "delta"))
      chat_deltas(calls, at(choice, "delta"))
      facts.word = at(choice, "finish_reason") or facts.word
    end
    facts.usage = chat_usage(at(chunk, "usage") or at(chunk, "x_groq", "usage")) or facts.usage
    facts.failed = facts.failed or at(chunk, "error") and string_of(at(chunk, "error", "message")) or nil
  end
  for i, call in ipairs(calls.order) do
    local text = joined(call.pieces)
    facts.calls[i] = { name = call.name, input = call.custom and "text:" .. text or input_of_text(text) }
  end
  return chat_end(facts)
end

-- Responses -------------------------------------------------------------------------------------------------------

local function responses_item(facts, item)
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

local function responses_end(facts, response)
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

local function responses_whole(response)
  local facts = new()
  for _, item in each(at(response, "output")) do
    responses_item(facts, item)
  end
  return responses_end(facts, response)
end

-- Items as they were when done; the Response at the end has them, too, unless a server left it empty.
local function responses_stream(bytes)
  local facts, last, done = new(), nil, {}
  for _, event in ipairs(M.events(bytes)) do
    local document = json.parse(event.data)
    last = at(document, "response") or last
    if at(document, "type") == "response.output_item.done" then
      done[#done + 1] = document.item
    elseif at(document, "type") == "error" then
      facts.failed = string_of(at(document, "error", "message") or at(document, "message"))
    end
  end
  for _, item in ipairs(done) do
    responses_item(facts, item)
  end
  if not done[1] then
    for _, item in each(at(last, "output")) do
      responses_item(facts, item)
    end
  end
  return responses_end(facts, last)
end

-- Anthropic -------------------------------------------------------------------------------------------------------

local STOPS = { end_turn = "end", max_tokens = "length", model_context_window_exceeded = "length",
  tool_use = "tool_calls", stop_sequence = "stop_sequence", refusal = "refusal", pause_turn = "pause" }

local function anthropic_count(counts, usage)
  for _, key in ipairs { "input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens" } do
    counts[key] = number(at(usage, key)) or counts[key]
  end
  counts.thinking = number(at(usage, "output_tokens_details", "thinking_tokens")) or counts.thinking
end

local function anthropic_block(facts, block)
  if block.type == "text" then
    add(facts.text, block, "text")
  elseif block.type == "thinking" then
    add(facts.reasoning, block, "thinking")
  elseif block.type == "tool_use" then
    facts.calls[#facts.calls + 1] = { name = block.name, input = M.canonical(block.input) }
  end
end

local function anthropic_end(facts, ending, counts)
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

local function anthropic_whole(document)
  local facts, counts = new(), {}
  for _, block in each(at(document, "content")) do
    anthropic_block(facts, block)
  end
  anthropic_count(counts, at(document, "usage"))
  return anthropic_end(facts, document, counts)
end

local function anthropic_stream(bytes)
  local facts, counts, ending, inputs = new(), {}, nil, {}
  for _, event in ipairs(M.events(bytes)) do
    local e = json.parse(event.data)
    local kind, index = at(e, "type"), at(e, "index")
    if kind == "message_start" then
      anthropic_count(counts, at(e, "message", "usage"))
    elseif kind == "content_block_start" then
      anthropic_block(facts, e.content_block)
      if e.content_block.type == "tool_use" then
        inputs[index] = { call = facts.calls[#facts.calls], pieces = {} }
      end
    elseif kind == "content_block_delta" then
      add(facts.text, e.delta, "text")
      add(facts.reasoning, e.delta, "thinking")
      add(inputs[index] and inputs[index].pieces or {}, e.delta, "partial_json")
    elseif kind == "message_delta" then
      anthropic_count(counts, at(e, "usage"))
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
  return anthropic_end(facts, ending, counts)
end

-- Gemini ----------------------------------------------------------------------------------------------------------

-- Enumerations may be numbers.
local FINISHES = { STOP = "end", MAX_TOKENS = "length", SAFETY = "filter", RECITATION = "filter", BLOCKLIST = "filter",
  PROHIBITED_CONTENT = "filter", SPII = "filter", IMAGE_SAFETY = "filter", [1] = "end", [2] = "length", [3] = "filter" }

-- Arguments in pieces: a tree of { kind, keys, members | text }, filled in by path.
local function place_of(root, path)
  local node = root
  for key, index in path:sub(2):gmatch("%.?([^.%[%]]*)%[?(%d*)%]?") do
    for _, step in ipairs { key ~= "" and key or false, tonumber(index) or false } do
      if step then
        node.kind = type(step) == "number" and "array" or "object"
        node.members, node.keys = node.members or {}, node.keys or {}
        if not node.members[step] then
          node.members[step] = {}
          node.keys[#node.keys + 1] = step
        end
        node = node.members[step]
      end
    end
  end
  return node
end

local function write(node)
  if not node.kind then
    return node.pieces and json.encode(joined(node.pieces)) or node.text or "{}"
  end
  local out = {}
  for i, key in ipairs(node.keys) do
    out[i] = (node.kind == "object" and json.encode(key) .. ":" or "") .. write(node.members[key])
  end
  local text = table.concat(out, ",")
  return node.kind == "object" and "{" .. text .. "}" or "[" .. text .. "]"
end

local function add_pieces(root, call)
  for _, piece in each(at(call, "partialArgs")) do
    local node = place_of(root, piece.jsonPath)
    if json.raw(piece, "stringValue") then
      node.pieces = node.pieces or {}
      add(node.pieces, piece, "stringValue")
    elseif json.raw(piece, "nullValue") then
      node.text = "null"
    else
      node.text = json.raw(piece, "numberValue") or json.raw(piece, "boolValue") or node.text
    end
  end
end

local function gemini_call(facts, call)
  local name = at(call, "name")
  if name then
    local args = at(call, "args")
    facts.calls[#facts.calls + 1] = { name = name, input = args and M.canonical(args) or "{}", root = {} }
  end
  local last = facts.calls[#facts.calls]
  if at(call, "partialArgs") then
    add_pieces(last.root, call)
    last.input = M.canonical(json.parse(write(last.root)))
  end
end

local function gemini_chunk(facts, chunk)
  for _, part in each(at(chunk, "candidates", 1, "content", "parts")) do
    if at(part, "functionCall") then
      gemini_call(facts, part.functionCall)
    else
      add(at(part, "thought") and facts.reasoning or facts.text, part, "text")
    end
  end
  local reason, blocked = at(chunk, "candidates", 1, "finishReason"), at(chunk, "promptFeedback", "blockReason")
  facts.word = reason or blocked or facts.word
  facts.seen = facts.seen or at(chunk, "candidates", 1) ~= nil or blocked ~= nil
  facts.blocked = facts.blocked or blocked
  facts.explanation = at(chunk, "candidates", 1, "finishMessage") or at(chunk, "promptFeedback", "blockReasonMessage")
    or facts.explanation
  facts.failed = facts.failed or at(chunk, "error") and string_of(at(chunk, "error", "message")) or nil
  local usage = at(chunk, "usageMetadata")
  if usage then
    local function count(key)
      return tonumber(at(usage, key))
    end
    local prompt, tools, thoughts = count("promptTokenCount"), count("toolUsePromptTokenCount"), count(
      "thoughtsTokenCount")
    local input, candidates = prompt and prompt + (tools or 0), count("candidatesTokenCount")
    local total = count("totalTokenCount")
    facts.usage = {
      input = input, cached = count("cachedContentTokenCount"), reasoning = thoughts,
      output = (candidates or thoughts) and (candidates or 0) + (thoughts or 0)
        or input and total and total >= input and total - input or nil,
    }
  end
end

-- Old models and trimmed recordings have no reason: a clean end behind a candidate is one.
local function gemini_end(facts)
  facts.common = facts.blocked and "filter" or facts.word == nil and facts.seen and "end" or FINISHES[facts.word]
  if facts.common == "end" and #facts.calls > 0 then
    facts.common = "tool_calls"
  end
  for _, call in ipairs(facts.calls) do
    call.root = nil
  end
  return close(facts)
end

-- A stream that was asked for without alt=sse is one array.
local function gemini_whole(document)
  local facts = new()
  if json.kind(document) == "object" then
    gemini_chunk(facts, document)
  end
  for _, chunk in each(document) do
    gemini_chunk(facts, chunk)
  end
  return gemini_end(facts)
end

local function gemini_stream(bytes)
  local facts = new()
  for _, event in ipairs(M.events(bytes)) do
    gemini_chunk(facts, json.parse(event.data))
  end
  return gemini_end(facts)
end

-- All -------------------------------------------------------------------------------------------------------------

local WHOLES = { openai_chat = chat_whole, openai_responses = responses_whole, anthropic = anthropic_whole,
  gemini = gemini_whole }
local STREAMS = { openai_chat = chat_stream, openai_responses = responses_stream, anthropic = anthropic_stream,
  gemini = gemini_stream }

---@param dialect string
---@param body string
---@return table facts
function M.whole(dialect, body)
  return WHOLES[dialect](assert(json.parse(body)))
end

---@param dialect string
---@param bytes string
---@param framing? "sse"|"json_array"
---@return table facts
function M.stream(dialect, bytes, framing)
  if framing == "json_array" then
    return M.whole(dialect, bytes)
  end
  return STREAMS[dialect](bytes)
end

return M
