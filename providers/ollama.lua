--- Ollama's native API: /api/chat, one JSON object a line. Serves clients of OpenAI Chat Completions,
--- and shows how a provider carries a dialect of its own.
local chat_chunks = require("lib.chat_chunks")
local discover = require("lib.discover")
local json = require("cliproxy.json")
local request = require("lib.ollama_request")

local REASONS = { stop = "stop", length = "length", load = "stop" }

local function seconds_of(created_at)
  local y, mo, d, h, mi, s = tostring(created_at):match("^(%d+)-(%d+)-(%d+)T(%d+):(%d+):(%d+)")
  return y and os.time { year = y, month = mo, day = d, hour = h, min = mi, sec = s, isdst = false } or 0
end

local function usage_of(answer)
  return { prompt_tokens = answer.prompt_eval_count, completion_tokens = answer.eval_count }
end

local function options_of(call, answer)
  return {
    id = "chatcmpl-" .. call.request.id:gsub("^req_", ""),
    model = answer.model or call.model,
    created = seconds_of(answer.created_at),
    usage = call.wants_usage,
  }
end

local function call_id(call, i)
  return "call_" .. call.request.id:gsub("^req_", "") .. i
end

local function arguments_of(tool_call)
  local arguments = tool_call["function"].arguments
  return type(arguments) == "string" and arguments or json.present(arguments) and json.encode(arguments) or "{}"
end

-- What the model thought, where there is anything.
local function thinking_of(message)
  local text = message.thinking
  return type(text) == "string" and text ~= "" and text or nil
end

local function each_call(message, fn)
  if json.kind(message.tool_calls) == "array" then
    for i, tool_call in json.each(message.tool_calls) do
      fn(i, tool_call["function"].name, arguments_of(tool_call))
    end
  end
end

local function append(list, more)
  for _, item in ipairs(more) do
    table.insert(list, item)
  end
end

-- Chat's error in the middle of a stream.
local function failure(message)
  message = type(message) == "string" and message or "ollama failed in the middle of its answer"
  return { data = json.encode { error = { message = message, type = "server_error" } } }
end

local function events_of(call, chunks, message)
  local events = {}
  if json.kind(message) == "object" then
    local thinking = thinking_of(message)
    if thinking then
      append(events, chunks:reasoning(thinking))
    end
    if type(message.content) == "string" and message.content ~= "" then
      append(events, chunks:text(message.content))
    end
    each_call(message, function(_, name, arguments)
      append(events, chunks:tool_call(call_id(call, chunks.calls + 1), name, arguments))
    end)
  end
  return events
end

---@type cliproxy.Provider
return {
  name = "ollama",
  contract = 1,
  dialects = { "openai_chat" },
  auth = "bearer",
  options = {
    base_url = { type = "url", default = "http://127.0.0.1:11434" },
    api_key = { type = "string", secret = true, account = true },
    keep_alive = { type = "string" },
  },
  caps = { completions = false },
  framing = "ndjson",

  endpoint = function()
    return "POST", "/api/chat"
  end,

  encode_request = request.encode,

  decode_response = function(answer, call)
    local calls = {}
    each_call(answer.message, function(i, name, arguments)
      calls[i] = chat_chunks.tool_call_object(call_id(call, i), name, arguments)
    end)
    local reason = REASONS[answer.done_reason] or "stop"
    return chat_chunks.whole(options_of(call, answer), answer.message.content or "", calls, reason, usage_of(answer),
      thinking_of(answer.message))
  end,

  -- One function a stream: gets each line, returns the client's events; nil at the end of the stream.
  stream_decoder = function(call)
    local chunks, ended
    return function(event)
      if not event then
        return not ended and failure("ollama ended its answer without a last line") or nil
      end
      local line = json.parse(event.data)
      if json.kind(line) ~= "object" or json.present(line.error) then
        ended = true
        return failure(line and line.error or "ollama sent a line that is no JSON object")
      end
      chunks = chunks or chat_chunks.new(options_of(call, line))
      local events = events_of(call, chunks, line.message)
      if line.done == true then
        ended = true
        append(events, chunks:finish(REASONS[line.done_reason] or "stop", usage_of(line)))
      end
      json.close(line)
      return events
    end
  end,

  decode_error = function(_, body)
    return type(body) ~= "string" and type(body.error) == "string" and body.error or nil
  end,

  discover = function(call)
    call.url = call.options.base_url .. "/v1/models"
    return discover.openai(call)
  end,
}
