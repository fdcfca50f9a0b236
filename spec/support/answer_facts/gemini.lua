--- What answers of Gemini say; see `spec.support.answer_facts`.
local json = require("cliproxy.json")
local reading = require("spec.support.answer_facts.reading")

local M = {}

local at, each, string_of, add = reading.at, reading.each, reading.string_of, reading.add
local joined, new, close = reading.joined, reading.new, reading.close

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

local function add_call(facts, call)
  local name = at(call, "name")
  if name then
    local args = at(call, "args")
    facts.calls[#facts.calls + 1] = { name = name, input = args and reading.canonical(args) or "{}", root = {} }
  end
  local last = facts.calls[#facts.calls]
  if at(call, "partialArgs") then
    add_pieces(last.root, call)
    last.input = reading.canonical(json.parse(write(last.root)))
  end
end

local function add_chunk(facts, chunk)
  for _, part in each(at(chunk, "candidates", 1, "content", "parts")) do
    if at(part, "functionCall") then
      add_call(facts, part.functionCall)
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
local function finish(facts)
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
---@param document any
---@return table facts
function M.whole(document)
  local facts = new()
  if json.kind(document) == "object" then
    add_chunk(facts, document)
  end
  for _, chunk in each(document) do
    add_chunk(facts, chunk)
  end
  return finish(facts)
end

---@param bytes string
---@return table facts
function M.stream(bytes)
  local facts = new()
  for _, event in ipairs(reading.events(bytes)) do
    add_chunk(facts, json.parse(event.data))
  end
  return finish(facts)
end

return M
