--- Answers of Chat Completions, built after recordings; the codecs are unknown here.
local shared = require("spec.conformance.services.shared")

local M = {}

local join, parts_of = shared.join, shared.parts_of
local concat = table.concat
local USAGE = shared.USAGE

local CHAT_STOPS = { ["end"] = "stop", length = "length", tool_calls = "tool_calls", stop_sequence = "stop",
  refusal = "stop" }

local function chat_usage(usage)
  return ('{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d,"prompt_tokens_details":{"cached_tokens":%d,'
    .. '"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":%d,"audio_tokens":0,'
    .. '"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}'):format(usage.input, usage.output,
    usage.input + usage.output, usage.cached, usage.reasoning)
end

---@param answer table
---@param model string
---@return string
function M.whole(answer, model)
  local text, refusal, reasoning = parts_of(answer, "text")[1], parts_of(answer, "refusal")[1],
    parts_of(answer, "reasoning")[1]
  local calls = {}
  for i, part in ipairs(parts_of(answer, "call")) do
    calls[i] = ('{"id":"%s","type":"function","function":{"name":"%s","arguments":%s}}'):format(part.id, part.call,
      join(part.input))
  end
  local content = text and join(text.text) or (calls[1] or refusal) and "null" or '""'
  return ('{"id":"chatcmpl-up","object":"chat.completion","created":1700000000,"model":"%s","choices":[{"index":0,'
    .. '"message":{"role":"assistant","content":%s,"refusal":%s%s%s,"annotations":[]},"logprobs":null,'
    .. '"finish_reason":"%s"}],"usage":%s,"service_tier":"default","system_fingerprint":"fp_1"}'):format(model,
    content, refusal and join(refusal.refusal) or "null",
    reasoning and ',"reasoning_content":' .. join(reasoning.reasoning) or "",
    calls[1] and ',"tool_calls":[' .. concat(calls, ",") .. "]" or "", CHAT_STOPS[answer.stop],
    chat_usage(answer.usage or USAGE))
end

local function chat_deltas(answer)
  local out = { '"role":"assistant","content":"","refusal":null' }
  local function add(delta)
    out[#out + 1] = delta
  end
  local calls = 0
  for _, part in ipairs(answer.parts) do
    for _, name in ipairs { "text", "refusal", "reasoning" } do
      local field = name == "text" and "content" or name == "reasoning" and "reasoning_content" or name
      for _, literal in ipairs(part[name] or {}) do
        add('"' .. field .. '":' .. literal)
      end
    end
    if part.call then
      add(('"tool_calls":[{"index":%d,"id":"%s","type":"function","function":{"name":"%s","arguments":""}}]'):format(
        calls, part.id, part.call))
      for _, literal in ipairs(part.input) do
        add(('"tool_calls":[{"index":%d,"function":{"arguments":%s}}]'):format(calls, literal))
      end
      calls = calls + 1
    end
  end
  return out
end

---@param answer table
---@param model string
---@return table[] events { type, data }
function M.stream(answer, model)
  local events = {}
  local function chunk(choices, usage)
    events[#events + 1] = { type = "", data = ('{"id":"chatcmpl-up","object":"chat.completion.chunk","created":'
      .. '1700000000,'
      .. '"model":"%s","service_tier":"default","system_fingerprint":"fp_1","choices":[%s],"usage":%s,'
      .. '"obfuscation":"x"}'):format(model, choices, usage) }
  end
  for _, delta in ipairs(chat_deltas(answer)) do
    chunk('{"index":0,"delta":{' .. delta .. '},"logprobs":null,"finish_reason":null}', "null")
  end
  chunk('{"index":0,"delta":{},"logprobs":null,"finish_reason":"' .. CHAT_STOPS[answer.stop] .. '"}', "null")
  chunk("", chat_usage(answer.usage or USAGE))
  events[#events + 1] = { type = "", data = "[DONE]" }
  return events
end

return M
