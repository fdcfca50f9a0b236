--- demo's other operations: counting, embeddings, legacy completions, and its list of models.
local chat = require("lib.demo_openai_chat")
local content = require("lib.demo_content")
local crypto = require("cliproxy.crypto")
local float32 = require("lib.float32")
local json = require("cliproxy.json")
local ordered = require("lib.ordered")

local M = {}

local DIMENSIONS, DIMENSIONS_MAX = 64, 4096

--- The text of whatever is to be counted or embedded, in any dialect: all strings below keys that hold text.
local function text_of(body)
  local out = {}
  local function walk(value, key, depth)
    if type(value) == "string" then
      if key ~= "model" and key ~= "role" and key ~= "type" then
        table.insert(out, value)
      end
    elseif depth < 12 and (json.kind(value) == "object" or json.kind(value) == "array") then
      for name, child in json.each(value) do
        walk(child, name, depth + 1)
      end
    end
  end
  walk(body, nil, 0)
  return table.concat(out, "\n")
end

function M.count(call)
  local tokens = content.tokens_of(text_of(call.body))
  if call.dialect == "gemini" then
    return ordered("totalTokens", tokens,
      "promptTokensDetails", json.array { ordered("modality", "TEXT", "tokenCount", tokens) })
  elseif call.dialect == "openai_responses" then
    return ordered("object", "response.input_tokens", "input_tokens", tokens)
  end
  return ordered("input_tokens", tokens)
end

--- Numbers of -1 to 1, always the same for the same text; multiples of 1/128, so that they are exact as 32-bit floats.
local function vector(text, dimensions)
  local out = json.array {}
  for block = 0, math.ceil(dimensions / 32) - 1 do
    local digest = crypto.sha256(block .. ":" .. text)
    for i = 1, math.min(32, dimensions - block * 32) do
      out[#out + 1] = (digest:byte(i) - 128) / 128
    end
  end
  return out
end

local function dimensions_of(value)
  return type(value) == "number" and math.max(1, math.min(DIMENSIONS_MAX, math.floor(value))) or DIMENSIONS
end

local function inputs_of(input)
  local out = {}
  if type(input) == "string" then
    return { input }
  elseif json.kind(input) ~= "array" then
    return { "" }
  elseif type(input[1]) == "number" then
    return { json.encode(input) }
  end
  for i, one in json.each(input) do
    out[i] = type(one) == "string" and one or json.encode(one)
  end
  return out
end

local function embed_openai(call)
  local data, tokens = json.array {}, 0
  for i, text in ipairs(inputs_of(call.body.input)) do
    local values = vector(text, dimensions_of(call.body.dimensions))
    local shown = call.body.encoding_format == "base64" and crypto.base64_encode(float32.pack(values)) or values
    data[i] = ordered("object", "embedding", "index", i - 1, "embedding", shown)
    tokens = tokens + content.tokens_of(text)
  end
  return ordered("object", "list", "data", data, "model", call.model, "usage",
    ordered("prompt_tokens", tokens, "total_tokens", tokens))
end

local function embed_gemini(body)
  return ordered("values", vector(text_of(body.content), dimensions_of(body.outputDimensionality)))
end

function M.embed(call)
  if call.dialect ~= "gemini" then
    return embed_openai(call)
  elseif json.kind(call.body.requests) ~= "array" then
    return ordered("embedding", embed_gemini(call.body))
  end
  local all = json.array {}
  for i, request in json.each(call.body.requests) do
    all[i] = embed_gemini(request)
  end
  return ordered("embeddings", all)
end

--- The legacy text completions, with Chat's errors.
M.completions = { error = chat.error, error_event = chat.error_event }

local function completion(answer, text, reason, usage)
  return ordered(
    "id", "cmpl-" .. answer.id, "object", "text_completion", "created", answer.created, "model", answer.model,
    "choices", json.array { ordered("text", text, "index", 0, "logprobs", json.null,
      "finish_reason", reason or json.null) },
    "usage", usage and ordered("prompt_tokens", answer.usage.input, "completion_tokens", answer.usage.output,
      "total_tokens", answer.usage.input + answer.usage.output) or nil
  )
end

function M.completions.whole(answer)
  return completion(answer, answer.text, answer.stop, true)
end

function M.completions.events(answer)
  local events = {}
  for _, piece in ipairs(answer.pieces) do
    table.insert(events, { data = json.encode(completion(answer, piece)) })
  end
  table.insert(events, { data = json.encode(completion(answer, "", answer.stop)) })
  table.insert(events, { data = "[DONE]" })
  return events
end

return M
