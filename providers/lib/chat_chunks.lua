--- Builds Chat Completions answers: the events of a stream in their order, or one whole answer.
---
---     local chunks = chat_chunks.new { id = "chatcmpl-1", model = "llama3", created = 1700000000, usage = true }
---     chunks:text("Hi")                      -- each call returns a list of events for the client
---     chunks:tool_call("call_1", "add", '{"a":1}')
---     chunks:finish("stop", { prompt_tokens = 3, completion_tokens = 1 })
local json = require("cliproxy.json")
local ordered = require("lib.ordered")

local M = {}
M.__index = M

---@param options { id: string, model: string, created: integer, usage?: boolean } usage: the client asked for its chunk
function M.new(options)
  return setmetatable({ options = options, calls = 0, opened = false }, M)
end

function M:event(choices, usage)
  local options = self.options
  return { data = json.encode(ordered(
    "id", options.id,
    "object", "chat.completion.chunk",
    "created", options.created,
    "model", options.model,
    "choices", choices,
    "usage", options.usage and (usage or json.null) or nil
  )) }
end

function M:chunk(delta, finish)
  return self:event(json.array { ordered("index", 0, "delta", delta, "logprobs", json.null,
    "finish_reason", finish or json.null) })
end

-- The first chunk carries the role, whatever comes first.
function M:open(content)
  if self.opened then
    return {}
  end
  self.opened = true
  return { self:chunk(ordered("role", "assistant", "content", content, "refusal", json.null)) }
end

function M:text(text)
  local events = self:open("")
  if text ~= "" then
    table.insert(events, self:chunk(ordered("content", text)))
  end
  return events
end

--- What the model thinks, as compatible servers send it beside the content.
function M:reasoning(text)
  local events = self:open("")
  table.insert(events, self:chunk(ordered("reasoning_content", text)))
  return events
end

--- `arguments`: JSON text, or its pieces. `custom`: a tool that takes free text; `arguments` is that.
function M:tool_call(id, name, arguments, custom)
  local events, index = self:open(json.null), self.calls
  self.calls = index + 1
  local function add(call)
    table.insert(events, self:chunk(ordered("tool_calls", json.array { call })))
  end
  local kind, key = custom and "custom" or "function", custom and "input" or "arguments"
  add(ordered("index", index, "id", id, "type", kind, kind, ordered("name", name, key, "")))
  for _, piece in ipairs(type(arguments) == "table" and arguments or { arguments }) do
    add(ordered("index", index, kind, ordered(key, piece)))
  end
  return events
end

--- The last events.
function M:finish(reason, usage)
  local events = self:open("")
  table.insert(events, self:chunk(ordered(), self.calls > 0 and reason == "stop" and "tool_calls" or reason))
  if self.options.usage and usage then
    table.insert(events, self:event(json.array {}, M.usage(usage)))
  end
  table.insert(events, { data = "[DONE]" })
  return events
end

function M.usage(usage)
  local prompt, completion = usage.prompt_tokens or 0, usage.completion_tokens or 0
  return ordered("prompt_tokens", prompt, "completion_tokens", completion, "total_tokens", prompt + completion)
end

--- One call of a whole answer. `custom`: of a tool that takes free text.
function M.tool_call_object(id, name, arguments, custom)
  local kind = custom and "custom" or "function"
  return ordered("id", id, "type", kind, kind, ordered("name", name, custom and "input" or "arguments", arguments))
end

--- A whole answer. `calls`: list of tool_call_object. `reasoning`: text, or nil.
function M.whole(options, text, calls, reason, usage, reasoning)
  local message = ordered(
    "role", "assistant",
    "content", #calls > 0 and text == "" and json.null or text,
    "refusal", json.null,
    "reasoning_content", reasoning,
    "tool_calls", #calls > 0 and json.array(calls) or nil,
    "annotations", json.array {}
  )
  return ordered(
    "id", options.id,
    "object", "chat.completion",
    "created", options.created,
    "model", options.model,
    "choices", json.array { ordered("index", 0, "message", message, "logprobs", json.null, "finish_reason",
      #calls > 0 and reason == "stop" and "tool_calls" or reason) },
    "usage", M.usage(usage)
  )
end

return M
