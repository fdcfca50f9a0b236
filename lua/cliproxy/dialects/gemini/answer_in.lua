--- A provider's whole answer; also the head and the usage that its streams read.
local chunk_in = require("cliproxy.dialects.gemini.chunk_in")
local json = require("cliproxy.json")
local values = require("cliproxy.dialects.values")

local M = {}

local word = values.word

-- Heads and usage -----------------------------------------------------------------------------------------------

---@param document cliproxy.json.Node
---@return { id?: string, model?: string }
function M.head(document)
  local id, model = json.pick(document, "responseId", "modelVersion")
  return { id = word(id), model = word(model) }
end

local function count(value)
  return values.whole(tonumber(value))
end

local function sum(a, b)
  return (a or b) and (a or 0) + (b or 0)
end

--- The counts of `usageMetadata`. Tokens of its own tools are outside the prompt there, thoughts outside the answer.
---@param raw? cliproxy.JsonText
---@return cliproxy.TokenUsage?
function M.usage(raw)
  local node = raw and json.parse(raw)
  if json.kind(node) ~= "object" then
    return nil
  end
  local thoughts, total, prompt, tool, candidates, cached = json.pick(node, "thoughtsTokenCount", "totalTokenCount",
    "promptTokenCount", "toolUsePromptTokenCount", "candidatesTokenCount", "cachedContentTokenCount")
  thoughts, total, prompt = count(thoughts), count(total), count(prompt)
  local input, output = prompt and sum(prompt, count(tool)), sum(count(candidates), thoughts)
  if not output and input and total and total >= input then
    output = total - input -- the total is the sum of them all
  end
  local usage = { input = input, cached = count(cached), output = output, reasoning = thoughts }
  json.close(node)
  return next(usage) and usage or nil
end

-- Whole answers -------------------------------------------------------------------------------------------------

local function collector(parts)
  local function push(part)
    parts[#parts + 1] = part
  end
  return {
    text = function(words)
      push { kind = "text", text = words }
    end,
    reasoning = function(words)
      push { kind = "reasoning", text = words }
    end,
    state = function(one)
      local last = parts[#parts]
      if last and last.kind == "reasoning" and not last.state then
        last.state = one
      else
        push { kind = "reasoning", state = one }
      end
    end,
    call = function(id, name, input)
      push { kind = "tool_call", id = id, name = name, input = input }
    end,
    citation = function(one)
      for i = #parts, 1, -1 do
        local part = parts[i]
        if part.kind == "text" then
          part.citations = part.citations or {}
          part.citations[#part.citations + 1] = one
          return
        end
      end
    end,
  }
end

-- A stream that was asked for without alt=sse is one array.
local function chunks(document)
  if json.kind(document) == "array" then
    local list = {}
    for i, one in json.each(document) do
      list[i] = one
    end
    return list
  end
  return { document }
end

--- A whole answer; nil and a failure where there is none.
---@param document any
---@param context cliproxy.Context
---@return cliproxy.Answer?
---@return cliproxy.Failure?
function M.decode(document, context)
  local answer = { parts = {} }
  local self = chunk_in.new(context, collector(answer.parts))
  for _, chunk in ipairs(chunks(document)) do
    if json.kind(chunk) ~= "object" then
      return nil, chunk_in.malformed(context, "it is no JSON object")
    end
    local failure = chunk_in.read(self, chunk)
    if failure then
      return nil, failure
    end
    local head = M.head(chunk)
    answer.id, answer.model = answer.id or head.id, answer.model or head.model
  end
  answer.stop = chunk_in.ending(self)
  if not answer.stop then
    return nil, chunk_in.malformed(context, "it has neither candidates nor a blocked prompt")
  end
  answer.explanation, answer.usage = self.explanation, M.usage(self.usage)
  return answer
end

return M
