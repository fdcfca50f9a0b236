--- What Chat Completions gives: whole answers, streams, errors.
local json = require("cliproxy.json")
local shape = require("cliproxy.automata.shape")
local shapes = require("cliproxy.automata.openai_chat_shapes")
local stream = require("cliproxy.automata.openai_chat_stream")

local M = { ending = "\n", typed = false, sentinel = "[DONE]" }

local child, check, members, object = shape.child, shape.check, shape.members, shape.object

local CALLS = shape.typed({
  ["function"] = { id = "text", ["function"] = { "object", object { name = "text", arguments = "text" } } },
  custom = { id = "text", custom = { "object", object { name = "text", input = "string" } } },
}, "call")

local MESSAGE = members {
  role = { "string", { "assistant" } }, content = "string|null", refusal = "string|null",
  tool_calls = { "array?", shape.each(CALLS) }, annotations = { "array?", shapes.ANNOTATIONS },
  reasoning_content = "text?",
  -- Of clients that send `functions` instead of tools.
  function_call = { "object?", object { name = "text", arguments = "text" } },
}

local function check_calls(report, calls, where, finish)
  if #calls == 0 then
    report:say(where, "an empty list of calls")
  end
  local ids = {}
  for i, call in json.each(calls) do
    local at = ("%s[%d]"):format(where, i - 1)
    local id, fn = child(call, "id", "string"), child(call, "function", "object")
    if id and ids[id] then
      report:say(at .. ".id", "two calls have it")
    elseif id then
      ids[id] = true
    end
    local arguments = fn and child(fn, "arguments", "string")
    if arguments and (finish == "tool_calls" or finish == "stop") and not shape.is_input(report, arguments) then
      report:say(at .. ".function.arguments", "they are no JSON object")
    end
  end
end

local function check_message(report, message, where, finish)
  if not check(report, message, where, MESSAGE) then
    return
  end
  local calls = child(message, "tool_calls", "array")
  if calls then
    check_calls(report, calls, where .. ".tool_calls", finish)
  elseif finish == "tool_calls" then
    report:say(where, "finish_reason is tool_calls and there is none")
  elseif message.function_call ~= nil then
    local arguments = child(message.function_call, "arguments", "string")
    if finish == "function_call" and arguments and not shape.is_input(report, arguments) then
      report:say(where .. ".function_call.arguments", "they are no JSON object")
    end
  elseif finish == "function_call" then
    report:say(where, "finish_reason is function_call and there is none")
  elseif message.content == json.null and message.refusal == json.null and finish ~= "content_filter" then
    report:say(where .. ".content", "null without calls or a refusal")
  end
end

local CHOICE = members {
  index = "count", message = "object", finish_reason = { "string", shapes.FINISH }, logprobs = "object|null?",
}

local WHOLE = members {
  id = "text", object = { "string", { "chat.completion" } }, created = "count", model = "text",
  choices = { "array", function(report, choices, where)
    if #choices == 0 then
      report:say(where, "an empty list")
    end
    for i, choice in json.each(choices) do
      local at = ("%s[%d]"):format(where, i - 1)
      if check(report, choice, at, CHOICE) then
        if choice.index ~= i - 1 then
          report:say(at .. ".index", "it is not its place")
        end
        check_message(report, choice.message, at .. ".message", choice.finish_reason)
      end
    end
  end },
  usage = { "object?", shapes.check_usage }, service_tier = "string|null?", system_fingerprint = "string|null?",
}

---@param report cliproxy.automata.Report
---@param document cliproxy.json.Node
function M.whole(report, document)
  check(report, document, "", WHOLE)
end

M.error = shapes.check_error
M.stream = stream.new

return M
