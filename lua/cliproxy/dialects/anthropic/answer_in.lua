--- A provider's Message as an answer; also the words that its streams share with it.
---
--- Blocks of Anthropic's own tools cannot cross. Searches and fetches are left out where a text or a call follows, or
--- where the turn is only paused: that text and its citations say what was found. Code that ran, MCP servers that were
--- called, compactions and what is unknown are failures that name the block: the client would miss what they did.
local errors = require("cliproxy.errors")
local json = require("cliproxy.json")
local literal = require("cliproxy.literal")
local upstream_error = require("cliproxy.upstream_error")
local values = require("cliproxy.dialects.values")

local M = {}

local whole, word = values.whole, values.word

-- Failures ------------------------------------------------------------------------------------------------------

M.malformed, M.untranslatable = errors.malformed, errors.untranslatable

--- A failure that the service tells of: `{"type":"error","error":{…}}`.
---@param context cliproxy.Context
---@param document cliproxy.json.Node
---@return cliproxy.Failure
function M.failure(context, document)
  local failed = values.object(document.error)
  return upstream_error.of_event(context.target, failed and word(failed.message), failed and word(failed.type))
end

-- Words ---------------------------------------------------------------------------------------------------------

local COUNTS = { "input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens" }

--- Notes the counts that a `usage` has: they are cumulative, and later ones may be fewer.
---@param counts table<string, integer>
---@param usage any
function M.count(counts, usage)
  if json.kind(usage) ~= "object" then
    return
  end
  for _, key in ipairs(COUNTS) do
    counts[key] = whole(usage[key]) or counts[key]
  end
  local details = usage.output_tokens_details
  if json.kind(details) == "object" then
    counts.thinking_tokens = whole(details.thinking_tokens) or counts.thinking_tokens
  end
end

--- Counts as usage: Anthropic's input leaves out what the cache holds.
---@param counts table<string, integer>
---@return cliproxy.TokenUsage? usage nil: nothing was reported
function M.usage(counts)
  if next(counts) == nil then
    return nil
  end
  local read, written = counts.cache_read_input_tokens, counts.cache_creation_input_tokens
  return {
    input = counts.input_tokens and counts.input_tokens + (read or 0) + (written or 0),
    cached = read, cache_written = written, output = counts.output_tokens, reasoning = counts.thinking_tokens,
  }
end

--- The full name that the request gave a tool.
---@param context cliproxy.Context
---@param name string
---@return string
function M.tool_name(context, name)
  return context.conversation.names[name] or name
end

--- A source of a text.
---@param node any
---@return cliproxy.Citation?
function M.citation(node)
  if json.kind(node) ~= "object" then
    return nil
  end
  local quote = literal.read(node, "cited_text")
  local url = literal.read(node, "url") or node.type == "search_result_location" and literal.read(node, "source")
  if url then
    return { kind = "url", url = url, title = literal.read(node, "title"), quote = quote }
  end
  return { kind = "document", title = literal.read(node, "document_title"), quote = quote }
end

--- Searches and fetches of the service's own: what they found stands in the text that follows.
M.SEARCHES = {
  web_search = true, web_fetch = true, tool_search_tool_regex = true, tool_search_tool_bm25 = true,
  web_search_tool_result = true, web_fetch_tool_result = true, tool_search_tool_result = true,
}

--- Whether a block is one of them.
---@param block cliproxy.json.Node
---@return boolean
function M.is_search(block)
  local kind = block.type
  if kind == "server_tool_use" then
    kind = block.name
  end
  return type(kind) == "string" and M.SEARCHES[kind] or false
end

--- A block that nobody can carry.
---@param context cliproxy.Context
---@param block cliproxy.json.Node
---@return cliproxy.Failure
function M.foreign(context, block)
  local name = block.type == "server_tool_use" and word(block.name)
  return M.untranslatable(context, ("a block of type %q%s"):format(tostring(block.type),
    name and " (" .. name .. ")" or ""))
end

-- The end -------------------------------------------------------------------------------------------------------

local STOPS = {
  end_turn = "end", max_tokens = "length", model_context_window_exceeded = "length", stop_sequence = "stop_sequence",
  tool_use = "tool_calls", refusal = "refusal", pause_turn = "pause",
}

--- Why an answer ended.
---@param context cliproxy.Context
---@param reason string
---@param has_calls boolean
---@return cliproxy.Stop? stop
---@return cliproxy.Failure? failure
function M.stop(context, reason, has_calls)
  local stop = STOPS[reason]
  if not stop then
    return nil, M.untranslatable(context, ("it ended with stop_reason %q"):format(reason))
  elseif stop == "end" and has_calls then
    return "tool_calls"
  elseif stop == "tool_calls" and not has_calls then
    return "end"
  end
  return stop
end

--- The text of `stop_details`.
---@param holder cliproxy.json.Node a Message or a delta
---@return cliproxy.Literal?
function M.explanation(holder)
  local details = holder.stop_details
  return json.kind(details) == "object" and literal.read(details, "explanation") or nil
end

-- Blocks --------------------------------------------------------------------------------------------------------

local READERS = {}

function READERS.text(_, block, parts)
  local text = literal.read(block, "text")
  if literal.is_empty(text) then
    return nil
  end
  local part = { kind = "text", text = text }
  if json.kind(block.citations) == "array" then
    for _, node in json.each(block.citations) do
      part.citations = part.citations or {}
      part.citations[#part.citations + 1] = M.citation(node)
    end
  end
  parts[#parts + 1] = part
end

function READERS.thinking(_, block, parts)
  local text, signature = literal.read(block, "thinking"), word(block.signature)
  local part = { kind = "reasoning", text = not literal.is_empty(text) and text or nil }
  part.state = signature and { kind = "signature", data = signature } or nil
  if part.text or part.state then
    parts[#parts + 1] = part
  end
end

function READERS.redacted_thinking(_, block, parts)
  local data = word(block.data)
  if data then
    parts[#parts + 1] = { kind = "reasoning", state = { kind = "redacted", data = data } }
  end
end

function READERS.tool_use(context, block, parts)
  local name = word(block.name)
  local input = json.present(block.input) and json.raw(block, "input") or "{}"
  if not name then
    return M.malformed(context, "a tool_use without a name")
  elseif input:sub(1, 1) ~= "{" then
    return M.malformed(context, "the input of a tool_use is no object")
  end
  parts[#parts + 1] = { kind = "tool_call", id = word(block.id), name = M.tool_name(context, name), input = input }
end

-- The parts of `content`, whether calls are among them, and the last search that nothing followed; or a failure.
local function parts_of(context, content)
  local parts, has_calls, searched = {}, false, nil
  for _, block in json.each(content) do
    if json.kind(block) ~= "object" then
      return nil, nil, nil, M.malformed(context, "a block that is no object")
    end
    local kind = block.type
    local read, failure = kind and READERS[kind], nil
    if read then
      failure = read(context, block, parts)
      has_calls = has_calls or kind == "tool_use"
      if kind == "text" or kind == "tool_use" then
        searched = nil
      end
    elseif M.is_search(block) then
      searched = block
    else
      failure = M.foreign(context, block)
    end
    if failure then
      return nil, nil, nil, failure
    end
  end
  return parts, has_calls, searched
end

--- Reads a whole answer.
---@param document cliproxy.json.Node
---@param context cliproxy.Context
---@return cliproxy.Answer? answer
---@return cliproxy.Failure? failure
function M.decode(document, context)
  if json.kind(document) ~= "object" then
    return nil, M.malformed(context, "it is " .. tostring(json.kind(document)))
  elseif document.type == "error" then
    return nil, M.failure(context, document)
  elseif json.kind(document.content) ~= "array" then
    return nil, M.malformed(context, "it has no list of content")
  end
  local parts, has_calls, searched, failure = parts_of(context, document.content)
  if not parts then
    return nil, failure
  end
  local reason = word(document.stop_reason)
  if not reason then
    return nil, errors.unfinished(context, "the message has no stop_reason")
  end
  local stop
  stop, failure = M.stop(context, reason, has_calls)
  if searched and stop and stop ~= "pause" then
    stop, failure = nil, M.foreign(context, searched)
  end
  if not stop then
    return nil, failure
  end
  local counts = {}
  M.count(counts, document.usage)
  return {
    id = word(document.id), model = word(document.model), parts = parts, stop = stop,
    stop_sequence = stop == "stop_sequence" and literal.read(document, "stop_sequence") or nil,
    explanation = M.explanation(document), usage = M.usage(counts),
  }
end

return M
