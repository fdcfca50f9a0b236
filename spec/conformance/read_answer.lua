--- Reads what a client got, whole or as a stream, the way a careful client does: { text, refusal, reasoning, state,
--- calls = { { id, name, input } }, stop, sequence, usage = { input, cached, output, reasoning }, model, echo,
--- failed }. `stop` is the dialect's own word; `input` is JSON text; `echo` what the client sends back of it in its
--- next request.
local frames = require("cliproxy.automata.frames")
local json = require("cliproxy.json")

local M = {}

local function number(value)
  return type(value) == "number" and value or nil
end

local function member(node, ...)
  for _, key in ipairs { ... } do
    if json.kind(node) ~= "object" and json.kind(node) ~= "array" then
      return nil
    end
    node = node[key]
  end
  if node == json.null then
    return nil
  end
  return node
end

local function new()
  return { text = "", refusal = "", reasoning = "", calls = {}, echo = {} }
end

-- Fragments are literals, since two of them may share a surrogate pair.
local function collect(list, node, key)
  local raw = json.raw(node, key)
  if raw and raw:sub(1, 1) == '"' then
    list[#list + 1] = raw:sub(2, -2)
  end
end

local function joined(list)
  return json.parse('"' .. table.concat(list) .. '"')
end

local function failure(document)
  local failed = member(document, "error")
  if json.kind(failed) == "object" then
    return { message = failed.message, type = member(failed, "type") or member(failed, "status"),
      code = member(failed, "code"), param = member(failed, "param") }
  end
end

-- Chat ------------------------------------------------------------------------------------------------------------

local function chat_usage(usage)
  return usage and {
    input = number(usage.prompt_tokens), output = number(usage.completion_tokens),
    cached = number(member(usage, "prompt_tokens_details", "cached_tokens")),
    reasoning = number(member(usage, "completion_tokens_details", "reasoning_tokens")),
  }
end

local whole = {}

function whole.openai_chat(document)
  local got, choice = new(), document.choices[1]
  local message = choice.message
  got.text, got.refusal = member(message, "content") or "", member(message, "refusal") or ""
  got.reasoning = member(message, "reasoning_content") or ""
  for i, call in json.each(member(message, "tool_calls") or json.parse("[]")) do
    local inner = call["function"] or call.custom
    got.calls[i] = { id = call.id, name = inner.name, input = inner.arguments or inner.input }
  end
  local old = member(message, "function_call")
  if old then
    got.calls[1] = { name = old.name, input = old.arguments }
  end
  got.stop, got.model, got.usage = choice.finish_reason, document.model, chat_usage(member(document, "usage"))
  return got
end

local function chat_stream(events)
  local got, text, refusal, reasoning, calls = new(), {}, {}, {}, {}
  for _, event in ipairs(events) do
    if event.data ~= "[DONE]" then
      local chunk = json.parse(event.data)
      got.failed = got.failed or failure(chunk)
      got.model = got.model or chunk.model
      got.usage = chat_usage(member(chunk, "usage")) or got.usage
      local delta = member(chunk, "choices", 1, "delta")
      if delta then
        collect(text, delta, "content")
        collect(refusal, delta, "refusal")
        collect(reasoning, delta, "reasoning_content")
        got.stop = member(chunk, "choices", 1, "finish_reason") or got.stop
        local old = member(delta, "function_call")
        if old then
          local known = calls.old or { pieces = {}, name = old.name }
          calls.old, got.calls[1] = known, known
          collect(known.pieces, old, "arguments")
        end
        for _, call in json.each(member(delta, "tool_calls") or json.parse("[]")) do
          local known = calls[call.index] or { pieces = {} }
          calls[call.index] = known
          local inner = call["function"] or call.custom
          if call.id then
            known.id, known.name = call.id, inner.name
            got.calls[#got.calls + 1] = known
          end
          collect(known.pieces, inner, inner.arguments and "arguments" or "input")
        end
      end
    end
  end
  got.text, got.refusal, got.reasoning = joined(text), joined(refusal), joined(reasoning)
  for _, call in ipairs(got.calls) do
    call.input, call.pieces = joined(call.pieces), nil
  end
  return got
end

-- Responses -------------------------------------------------------------------------------------------------------

function whole.openai_responses(document)
  local got = new()
  for i, item in json.each(document.output) do
    got.echo[i] = json.raw(item)
    if item.type == "message" then
      for _, part in json.each(item.content) do
        got.text = got.text .. (member(part, "text") or "")
        got.refusal = got.refusal .. (member(part, "refusal") or "")
      end
    elseif item.type == "reasoning" then
      for _, part in json.each(item.summary) do
        got.reasoning = got.reasoning .. part.text
      end
      got.state = member(item, "encrypted_content") or got.state
    elseif item.type == "function_call" or item.type == "custom_tool_call" then
      got.calls[#got.calls + 1] = { id = item.call_id, name = item.name, input = item.arguments or item.input }
    end
  end
  got.stop = member(document, "incomplete_details", "reason") or document.status
  got.model = document.model
  local usage = member(document, "usage")
  got.usage = usage and {
    input = usage.input_tokens, output = usage.output_tokens, cached = member(usage, "input_tokens_details",
      "cached_tokens"), reasoning = member(usage, "output_tokens_details", "reasoning_tokens"),
  }
  got.failed = failure(document)
  return got
end

-- The automaton holds what was streamed against the Response at the end; here the end counts, else what came so far.
local function responses_stream(events)
  local text, last, failed = {}, nil, nil
  for _, event in ipairs(events) do
    local document = json.parse(event.data)
    if event.type == "response.output_text.delta" then
      collect(text, document, "delta")
    end
    failed = failed or event.type == "error" and failure(document) or nil
    last = member(document, "response") or last
  end
  local got = last and whole.openai_responses(last) or new()
  got.failed = failed or got.failed
  if got.failed then
    got.text = joined(text)
  end
  return got
end

-- Anthropic -------------------------------------------------------------------------------------------------------

local function anthropic_usage(usage, got)
  local before = got.usage or {}
  local input = number(member(usage, "input_tokens"))
  local cached, written = number(member(usage, "cache_read_input_tokens")),
    number(member(usage, "cache_creation_input_tokens"))
  got.usage = {
    input = input and input + (cached or 0) + (written or 0) or before.input, cached = cached or before.cached,
    output = number(usage.output_tokens),
    reasoning = number(member(usage, "output_tokens_details", "thinking_tokens")) or before.reasoning,
  }
end

local function anthropic_block(got, block)
  if block.type == "text" then
    got.text = got.text .. block.text
  elseif block.type == "thinking" then
    got.reasoning = got.reasoning .. block.thinking
    got.state = block.signature ~= "" and block.signature or got.state
  elseif block.type == "redacted_thinking" then
    got.state = block.data
  elseif block.type == "tool_use" then
    got.calls[#got.calls + 1] = { id = block.id, name = block.name, input = json.raw(block, "input") }
  end
  got.echo[#got.echo + 1] = json.raw(block)
end

-- What says that it is a refusal, where there is no text of one.
local function anthropic_stop(got, delta)
  got.stop, got.sequence = member(delta, "stop_reason"), member(delta, "stop_sequence")
  got.explanation = member(delta, "stop_details", "explanation")
end

function whole.anthropic(document)
  local got = new()
  for _, block in json.each(document.content) do
    anthropic_block(got, block)
  end
  anthropic_stop(got, document)
  anthropic_usage(document.usage, got)
  got.model = document.model
  return got
end

local DELTAS = { text_delta = "text", thinking_delta = "thinking", signature_delta = "signature",
  input_json_delta = "partial_json" }

local function anthropic_close(got, block)
  local text, pieces = {}, block.pieces
  for key, list in pairs(pieces) do
    text[key] = '"' .. table.concat(list) .. '"'
  end
  local start = json.parse(block.start)
  if start.type == "text" then
    start.text = json.parse(text.text or '""')
  elseif start.type == "thinking" then
    start.thinking, start.signature = json.parse(text.thinking or '""'), json.parse(text.signature or '""')
  elseif start.type == "tool_use" then
    local input = json.parse(text.partial_json or '""')
    input = input ~= "" and input or "{}"
    got.calls[#got.calls + 1] = { id = start.id, name = start.name, input = input } -- cut or not
    got.echo[#got.echo + 1] = block.start:gsub('"input":{}', function()
      return '"input":' .. input
    end)
    return
  end
  anthropic_block(got, json.parse(json.encode(start)))
end

local function anthropic_stream(events)
  local got, open = new(), nil
  for _, event in ipairs(events) do
    local document = json.parse(event.data)
    if event.type == "message_start" then
      got.model = document.message.model
      anthropic_usage(document.message.usage, got)
    elseif event.type == "content_block_start" then
      open = { start = json.raw(document, "content_block"), pieces = {} }
    elseif event.type == "content_block_delta" then
      local key = DELTAS[document.delta.type]
      if key then
        open.pieces[key] = open.pieces[key] or {}
        collect(open.pieces[key], document.delta, key)
      end
    elseif event.type == "content_block_stop" then
      anthropic_close(got, open)
      open = nil
    elseif event.type == "message_delta" then
      anthropic_stop(got, document.delta)
      anthropic_usage(document.usage, got)
    elseif event.type == "error" then
      got.failed = failure(document)
    end
  end
  if open then
    anthropic_close(got, open)
  end
  return got
end

-- Gemini ----------------------------------------------------------------------------------------------------------

local function gemini_part(got, part, text)
  local call = member(part, "functionCall")
  if call then
    got.calls[#got.calls + 1] = { id = member(call, "id"), name = call.name, input = json.raw(call, "args") or "{}" }
  elseif member(part, "thought") then
    collect(got.thoughts, part, "text")
  else
    collect(text, part, "text")
  end
  got.state = member(part, "thoughtSignature") or got.state
  got.echo[#got.echo + 1] = json.raw(part)
end

local function gemini_chunk(got, document, text)
  got.failed = got.failed or failure(document)
  got.model = got.model or document.modelVersion
  got.stop = member(document, "candidates", 1, "finishReason") or member(document, "promptFeedback", "blockReason")
    or got.stop
  for _, part in json.each(member(document, "candidates", 1, "content", "parts") or json.parse("[]")) do
    gemini_part(got, part, text)
  end
  got.message = member(document, "candidates", 1, "finishMessage") or got.message
  local usage = member(document, "usageMetadata")
  if usage then
    got.usage = {
      input = (number(usage.promptTokenCount) or 0) + (number(usage.toolUsePromptTokenCount) or 0),
      cached = number(usage.cachedContentTokenCount),
      output = (number(usage.candidatesTokenCount) or 0) + (number(usage.thoughtsTokenCount) or 0),
      reasoning = number(usage.thoughtsTokenCount),
    }
  end
end

local function gemini_stream(events)
  local got, text = new(), {}
  got.thoughts = {}
  for _, event in ipairs(events) do
    gemini_chunk(got, json.parse(event.data), text)
  end
  got.text, got.reasoning, got.thoughts = joined(text), joined(got.thoughts), nil
  return got
end

function whole.gemini(document)
  return gemini_stream { { data = json.raw(document) } }
end

local stream = { openai_chat = chat_stream, openai_responses = responses_stream, anthropic = anthropic_stream,
  gemini = gemini_stream }

---@param dialect string
---@param body string
---@return table
function M.whole(dialect, body)
  local document = assert(json.parse(body))
  if document.error ~= nil and document.error ~= json.null and document.status == nil then
    return { failed = failure(document), calls = {}, echo = {} }
  end
  return whole[dialect](document)
end

---@param dialect string
---@param bytes string
---@param framing "sse"|"json_array"
---@return table
function M.stream(dialect, bytes, framing)
  local events = {}
  local function add(data, type)
    events[#events + 1] = { data = data, type = type }
  end
  local reader = frames[framing](add, function() end, "\n")
  reader.feed(bytes)
  reader.finish()
  return stream[dialect](events)
end

return M
