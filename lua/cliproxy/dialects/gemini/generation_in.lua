--- `generationConfig` of a client's request.
local contents_in = require("cliproxy.dialects.gemini.contents_in")
local json = require("cliproxy.json")
local literal = require("cliproxy.literal")
local reasoning = require("cliproxy.reasoning")
local schema_in = require("cliproxy.dialects.gemini.schema_in")
local spelling = require("cliproxy.dialects.gemini.spelling")

local M = {}

local function number(field)
  return function(r, node, key)
    r.c[field] = r:number(node, key)
    r.c.where[field] = r:where(key)
  end
end

local function refused(why)
  return function(r, _, key)
    r.ledger:refuse(r:where(key), why)
  end
end

-- Thinking ------------------------------------------------------------------------------------------------------

local THINKING = spelling.both {
  includeThoughts = function(r, node, key, out)
    out.visible = r:flag(node, key) or false
  end,
  thinkingBudget = function(r, node, key, out)
    local budget = tonumber(r:number(node, key))
    if budget == 0 then
      out.off = true
    elseif budget and budget > 0 then
      out.budget = math.floor(budget)
    end -- -1: as much as it likes, which is what holds anyway
  end,
  thinkingLevel = function(r, node, key, out)
    local word = r:enum(node, key)
    word = word and word:lower()
    if word and not reasoning.is_effort(word) then
      r:wrong(r:where(key), ("is %q, which is none of minimal, low, medium, high"):format(word))
    elseif word == "none" then
      out.off = true
    else
      out.effort = word
    end
  end,
}

local function thinking(r, node, key)
  local out = { where = r:where(key), visible = false }
  if r:inner(node, key, THINKING, out) then
    r.c.reasoning = out
  end
end

-- Structured output ---------------------------------------------------------------------------------------------

local function mime_type(r, node, key, out)
  local word = r:word(node, key)
  word = word and word:lower()
  if word == "application/json" then
    out.json, out.where = true, r:where(key)
  elseif word and word ~= "" and word ~= "text/plain" then
    r.ledger:refuse(r:where(key), ("answers of type %q do not cross dialects"):format(word))
  end
end

local function schema(is_openapi)
  return function(r, node, key, out)
    local text = r:object(node, key)
    if text then
      out.schema, out.schema_where = is_openapi and schema_in.to_json_schema(text) or text, r:where(key)
    end
  end
end

-- The rest ------------------------------------------------------------------------------------------------------

local function stop_sequences(r, node, key)
  local list = {}
  r:each(node, key, function(_, one, i, parent)
    local words = parent and literal.read(parent, i + 1)
    if words then
      list[#list + 1] = words
    else
      r:wrong(("%s[%d]"):format(r:where(key), i), "must be a string, not " .. tostring(json.kind(one)))
    end
  end)
  if #list > 0 then
    r.c.stop, r.c.where.stop = list, r:where(key)
  end
end

local function modalities(r, node, key)
  r:each(node, key, function(_, one, i)
    local word = type(one) == "string" and one:upper() or ""
    if word ~= "TEXT" and word ~= "MODALITY_UNSPECIFIED" then
      r.ledger:refuse(("%s[%d]"):format(r:where(key), i), "only texts cross dialects")
    end
  end)
end

local FIELDS = spelling.both {
  temperature = number("temperature"), topP = number("top_p"), topK = number("top_k"), candidateCount = number("n"),
  maxOutputTokens = number("max_tokens"), seed = number("seed"), presencePenalty = number("presence_penalty"),
  frequencyPenalty = number("frequency_penalty"),
  stopSequences = stop_sequences, responseModalities = modalities, thinkingConfig = thinking,
  responseMimeType = mime_type, responseSchema = schema(true), responseJsonSchema = schema(false),
  speechConfig = refused("only texts cross dialects"), imageConfig = refused("only texts cross dialects"),
  responseLogprobs = function(r, node, key, out)
    out.wants_logprobs, out.logprobs_where = r:flag(node, key), r:where(key)
  end,
  logprobs = function(r, node, key, out)
    out.logprobs = r:number(node, key)
  end,
  mediaResolution = function(r, node, key)
    local word = r:enum(node, key)
    r.media_detail = contents_in.detail(word)
    if word and not r.media_detail then
      r.ledger:drop(r:where(key), "it is what holds anyway")
    end
  end,
}

local function format_of(out)
  if out.schema then
    return { kind = "schema", schema = out.schema, where = out.schema_where }
  elseif out.json then
    return { kind = "json", where = out.where }
  end
end

--- `generationConfig`.
---@param r cliproxy.gemini.Reader
---@param document cliproxy.json.Node
---@param key string
function M.read(r, document, key)
  local out = {}
  r:inner(document, key, FIELDS, out)
  r.c.format = format_of(out)
  if out.wants_logprobs then
    r.c.logprobs, r.c.where.logprobs = out.logprobs or "0", out.logprobs_where
  end
end

return M
