--- Answers of Gemini generateContent, built after recordings; the codecs are unknown here.
local shared = require("spec.conformance.services.shared")

local M = {}

local join, plain = shared.join, shared.plain
local concat = table.concat
local USAGE = shared.USAGE

local GEMINI_STOPS = { ["end"] = "STOP", length = "MAX_TOKENS", tool_calls = "STOP", stop_sequence = "STOP",
  refusal = "SAFETY" }

local function gemini_usage(usage)
  return ('{"promptTokenCount":%d,"candidatesTokenCount":%d,"totalTokenCount":%d,"cachedContentTokenCount":%d,'
    .. '"promptTokensDetails":[{"modality":"TEXT","tokenCount":%d}],"thoughtsTokenCount":%d}'):format(usage.input,
    usage.output - usage.reasoning, usage.input + usage.output, usage.cached, usage.input, usage.reasoning)
end

-- The state stands on the first call. A stream has a part for each fragment.
local function gemini_parts(answer, is_whole)
  local out, state = {}, nil
  local function pieces(fragments)
    return is_whole and { join(fragments) } or fragments
  end
  for _, part in ipairs(answer.parts) do
    if part.reasoning then
      state = part.state and ',"thoughtSignature":"' .. shared.STATES.gemini .. '"' or nil
      for _, literal in ipairs(pieces(part.reasoning)) do
        out[#out + 1] = '{"text":' .. literal .. ',"thought":true}'
      end
    elseif part.call then
      local input = plain(join(part.input))
      out[#out + 1] = ('{"functionCall":{"name":"%s"%s}%s}'):format(part.call,
        input ~= "" and ',"args":' .. input or "", state or "")
      state = nil
    elseif part.text then
      for _, literal in ipairs(pieces(part.text)) do
        out[#out + 1] = '{"text":' .. literal .. "}"
      end
    end
  end
  return out
end

local function gemini_chunk(parts, usage, model, finish)
  return ('{"candidates":[{"content":{%s"role":"model"}%s,"index":0}],"usageMetadata":%s,"modelVersion":"%s",'
    .. '"responseId":"gemini-up"}'):format(parts and '"parts":[' .. parts .. "]," or "",
    finish and ',"finishReason":"' .. finish .. '"' or "", usage, model)
end

---@param answer table
---@param model string
---@return string
function M.whole(answer, model)
  local parts = gemini_parts(answer, true)
  return gemini_chunk(parts[1] and concat(parts, ","), gemini_usage(answer.usage or USAGE), model,
    GEMINI_STOPS[answer.stop])
end

---@param answer table
---@param model string
---@return table[] events { type, data }
function M.stream(answer, model)
  local events, parts = {}, gemini_parts(answer, false)
  local usage = answer.usage or USAGE
  for i, part in ipairs(parts) do
    events[#events + 1] = { type = "", data = gemini_chunk(part, gemini_usage(usage), model,
      i == #parts and GEMINI_STOPS[answer.stop] or nil) }
  end
  if not parts[1] then
    events[1] = { type = "", data = gemini_chunk('{"text":""}', gemini_usage(usage), model, GEMINI_STOPS[answer.stop]) }
  end
  return events
end

return M
