--- Tools of free text for providers that have none: each becomes a function with one member, `input`, and its calls
--- become free text again on the way back. A grammar is told in the description; nobody enforces it. So this is only
--- done where the operator wants it (`caps.custom_tools_as_functions`).
local json = require("cliproxy.json")
local literal = require("cliproxy.literal")

local M = {}

local SCHEMA = '{"type":"object","properties":{"input":{"type":"string","description":"the input as it is, without '
  .. 'quotes or escapes of its own"}},"required":["input"],"additionalProperties":false}'

-- The grammar of a tool, in either of OpenAI's forms.
local function grammar_of(tool)
  local document = tool.grammar and json.parse(tool.grammar)
  if json.kind(document) ~= "object" then
    return nil
  end
  local inner = json.kind(document.grammar) == "object" and document.grammar or document
  local definition = literal.read(inner, "definition")
  json.close(document)
  return definition
end

local function description_of(tool)
  local texts = { tool.description, '"The input is free text."' }
  local grammar = grammar_of(tool)
  if grammar then
    texts[#texts + 1] = '"It must follow this grammar:"'
    texts[#texts + 1] = grammar
  end
  if not tool.description then
    table.remove(texts, 1)
  end
  return literal.concat(texts, "\\n\\n")
end

local function lower_tool(c, tool)
  local path = tool.path or c.paths.tools .. "[" .. tool.index .. "]"
  c.ledger:change(path, "a tool of free text goes as a function with the member input", tool.grammar ~= nil)
  tool.custom, tool.description, tool.grammar, tool.schema = nil, description_of(tool), nil, SCHEMA
end

-- A call of history, as its function would have been called.
local function lower_call(part)
  if part.custom and part.kind == "tool_call" then
    part.custom, part.input, part.arguments = nil, '{"input":' .. (part.arguments or '""') .. "}", nil
  elseif part.custom then
    part.custom = nil
  end
end

--- Turns the tools of free text of a conversation, and their calls so far, into functions.
---@param c cliproxy.Conversation
---@return table<string, boolean>? lowered by name; nil: it has none
function M.lower(c)
  local lowered
  for _, tool in ipairs(c.tools) do
    if tool.custom then
      lowered = lowered or {}
      lowered[tool.name] = true
      lower_tool(c, tool)
    end
  end
  for _, turn in ipairs(c.turns) do
    for _, part in ipairs(turn.parts) do
      lower_call(part)
    end
  end
  return lowered
end

-- The text in a call's arguments; arguments of another shape are the text themselves.
local function free_text(arguments)
  local text = literal.text(arguments)
  local document = json.parse(text)
  local inner = json.kind(document) == "object" and literal.read(document, "input") or nil
  if json.kind(document) == "object" or json.kind(document) == "array" then
    json.close(document)
  end
  return inner or arguments
end

--- The calls of a whole answer, as the client knows them.
---@param answer cliproxy.Answer
---@param lowered table<string, boolean>
function M.raise(answer, lowered)
  for _, part in ipairs(answer.parts) do
    if part.kind == "tool_call" and lowered[part.name] then
      part.custom, part.arguments = true, free_text(part.arguments or literal.again(part.input))
      part.input = nil
    end
  end
end

--- A sink in front of another one: fragments of such calls are kept until the call ends, since only then it is known
--- what of them is the text.
---@param sink cliproxy.Sink edited
---@param lowered table<string, boolean>
---@return cliproxy.Sink
function M.raising(sink, lowered)
  local tool_start, tool_delta, tool_end = sink.tool_start, sink.tool_delta, sink.tool_end
  local kept = {}
  function sink.tool_start(i, call)
    if lowered[call.name] then
      kept[i], call.custom = {}, true
    end
    return tool_start(i, call)
  end
  function sink.tool_delta(i, fragment)
    local fragments = kept[i]
    if not fragments then
      return tool_delta(i, fragment)
    end
    fragments[#fragments + 1] = fragment
  end
  function sink.tool_end(i)
    local fragments = kept[i]
    if fragments and fragments[1] then
      kept[i] = nil
      tool_delta(i, free_text(literal.concat(fragments)))
    end
    return tool_end(i)
  end
  return sink
end

return M
