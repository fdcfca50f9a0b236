--- The grammar of Chat Completions' streams: chunks of a choice up to its finish_reason, the usage, `[DONE]`.
local json = require("cliproxy.json")
local shape = require("cliproxy.automata.shape")
local shapes = require("cliproxy.automata.openai_chat_shapes")

local M = {}

local child, check, members, object = shape.child, shape.check, shape.members, shape.object

local CHUNK = members {
  id = "text", object = { "string", { "chat.completion.chunk" } }, created = "count", model = "text",
  choices = "array", usage = "object|null?", service_tier = "string|null?", system_fingerprint = "string|null?",
  obfuscation = "string?",
}

local CHUNK_CHOICE = members {
  index = "count", delta = "object", logprobs = "object|null?", finish_reason = { "string|null", shapes.FINISH },
}

local DELTA = members {
  role = { "string?", { "assistant" } }, content = "string|null?", refusal = "string|null?", tool_calls = "array?",
  reasoning_content = "text?", annotations = { "array?", shapes.ANNOTATIONS },
  function_call = "object?",
}

local FRAGMENT = object { arguments = "string" }
local OPENING = object { name = "text", arguments = "string" }
local CALL_OPENS = {
  ["function"] = members { index = "count", id = "text", type = "string", ["function"] = { "object", OPENING } },
  custom = members {
    index = "count", id = "text", type = "string", custom = { "object", object { name = "text", input = "string" } },
  },
}
local CALL_GOES_ON = {
  ["function"] = members { index = "count", ["function"] = { "object", FRAGMENT } },
  custom = members { index = "count", custom = { "object", object { input = "string" } } },
}

local FIXED = { "id", "created", "model" }

local Machine = {}
Machine.__index = Machine

-- One call's delta.
local function call_delta(report, choice, call, where)
  local index = child(call, "index", "number")
  local known = choice.calls[index or -1]
  if not known then
    local kind = child(call, "type", "string")
    if not CALL_OPENS[kind] then
      return report:say(where, "a call's first delta has no type that is known")
    elseif not check(report, call, where, CALL_OPENS[kind]) then
      return
    elseif index ~= #choice.calls_list then
      report:say(where .. ".index", ("%s expected, got %s"):format(#choice.calls_list, tostring(index)))
    end
    if choice.ids[call.id] then
      report:say(where .. ".id", "two calls have it")
    end
    choice.ids[call.id or ""] = true
    known = { kind = kind, fragments = {} }
    choice.calls[index or -1] = known
    choice.calls_list[#choice.calls_list + 1] = known
  elseif not check(report, call, where, CALL_GOES_ON[known.kind]) then
    return
  end
  local inner = child(call, known.kind, "object")
  local field = known.kind == "custom" and "input" or "arguments"
  if inner and child(inner, field, "string") then
    known.fragments[#known.fragments + 1] = json.raw(inner, field)
  end
end

local OLD_OPENS = members { name = "text", arguments = "string" }
local OLD_GOES_ON = members { arguments = "string" }

-- The one call of a client that sends `functions`.
local function old_call(report, choice, call, where)
  if not check(report, call, where, choice.old and OLD_GOES_ON or OLD_OPENS) then
    return
  end
  choice.old = choice.old or {}
  if child(call, "arguments", "string") then
    choice.old[#choice.old + 1] = json.raw(call, "arguments")
  end
end

local function delta_kinds(delta)
  local n = 0
  for _, name in ipairs { "content", "refusal", "tool_calls", "reasoning_content", "annotations", "function_call" } do
    if json.present(delta[name]) then
      n = n + 1
    end
  end
  return n
end

local function first_delta(report, delta, where)
  if delta.role == nil then
    report:say(where .. ".role", "it is missing in the first delta")
  end
  if delta.content == nil then
    report:say(where .. ".content", "it is missing in the first delta")
  end
end

local function next_delta(report, delta, where, finish)
  if delta.role ~= nil then
    report:say(where .. ".role", "it comes a second time")
  end
  local n = delta_kinds(delta)
  if n > 1 then
    report:say(where, "it holds more than one kind of fragment")
  elseif n == 0 and finish == json.null then
    report:say(where, "it holds nothing")
  end
  for _, name in ipairs { "content", "refusal" } do
    if delta[name] == json.null then
      report:say(where .. "." .. name, "null behind the first delta")
    elseif delta[name] == "" and finish == json.null then
      report:say(where .. "." .. name, "an empty fragment")
    end
  end
end

local function finish_choice(report, choice, finish, where)
  choice.finish = finish
  if #choice.calls_list == 0 and finish == "tool_calls" then
    report:say(where .. ".finish_reason", "it is tool_calls and there is none")
  elseif finish == "function_call" and not shape.is_input(report, shape.text_of(choice.old or {})) then
    report:say(where .. ".finish_reason", "it is function_call, and there is none whose arguments are an object")
  end
  for i, call in ipairs(choice.calls_list) do
    if call.kind == "function" and (finish == "tool_calls" or finish == "stop")
      and not shape.is_input(report, shape.text_of(call.fragments)) then
      report:say(where, ("the arguments of call %d are no JSON object"):format(i - 1))
    end
  end
end

local function choice_event(self, report, node, where)
  if not check(report, node, where, CHUNK_CHOICE) then
    return
  end
  local index = type(node.index) == "number" and node.index or 0
  local choice = self.choices[index]
  local delta = child(node, "delta", "object")
  local finish = node.finish_reason
  if not delta or not check(report, delta, where .. ".delta", DELTA) then
    return
  elseif not choice then
    choice = { calls = {}, calls_list = {}, ids = {} }
    self.choices[index] = choice
    self.count = self.count + 1
    if index ~= self.count - 1 then
      report:say(where .. ".index", "choices are to begin in their order")
    end
    first_delta(report, delta, where .. ".delta")
  elseif choice.finish then
    return report:say(where, "a delta behind finish_reason")
  else
    next_delta(report, delta, where .. ".delta", finish)
  end
  local calls = child(delta, "tool_calls", "array")
  if calls then
    if #calls == 0 then
      report:say(where .. ".delta.tool_calls", "an empty list")
    end
    for i, call in json.each(calls) do
      call_delta(report, choice, call, ("%s.delta.tool_calls[%d]"):format(where, i - 1))
    end
  end
  if delta.function_call ~= nil then
    old_call(report, choice, delta.function_call, where .. ".delta.function_call")
  end
  if type(finish) == "string" then
    finish_choice(report, choice, finish, where)
  end
end

function Machine:all_finished()
  for _, choice in pairs(self.choices) do
    if not choice.finish then
      return false
    end
  end
  return self.count > 0
end

-- With usage asked for every chunk says null, until one without choices has it; else no chunk says anything.
function Machine:usage_rule(report, document)
  local usage = document.usage
  if self.wants_usage == nil then
    self.wants_usage = usage ~= nil
  end
  local is_last = #document.choices == 0
  if not self.wants_usage then
    if usage ~= nil then
      report:say("usage", "nobody asked for it")
    end
    if is_last then
      report:say("choices", "an empty list")
    end
  elseif usage == nil then
    report:say("usage", "it is missing: null until the last chunk")
  elseif is_last then
    if usage == json.null then
      report:say("usage", "null in the chunk that is there for it")
    else
      shapes.check_usage(report, usage, "usage")
    end
    self.usage_seen = true
    if not self:all_finished() then
      report:say("usage", "it comes before finish_reason")
    end
  elseif usage ~= json.null then
    report:say("usage", "it comes before the last chunk")
  end
end

function Machine.event(report, document, self)
  if document.error ~= nil then
    shapes.check_error(report, document)
    self.how = "error"
    return
  elseif not check(report, document, "", CHUNK) or not child(document, "choices", "array") then
    return
  end
  for _, name in ipairs(FIXED) do
    self.fixed[name] = self.fixed[name] or document[name]
    if document[name] ~= self.fixed[name] then
      report:say(name, ("it was %s before"):format(tostring(self.fixed[name])))
    end
  end
  if self.usage_seen then
    report:say("", "a chunk behind the one with the usage")
  end
  self:usage_rule(report, document)
  if #document.choices > 1 then
    report:say("choices", "more than one in a chunk")
  end
  for i, choice in json.each(document.choices) do
    choice_event(self, report, choice, ("choices[%d]"):format(i - 1))
  end
end

function Machine.sentinel(report, self)
  self.how = "clean"
  if not self:all_finished() then
    report:say("", "[DONE] without a finish_reason")
  end
  if self.wants_usage and self.wants_usage ~= "if_known" and not self.usage_seen then
    report:say("", "[DONE] without the usage")
  end
end

---@param options { wants_usage?: boolean|"if_known" }
---@return cliproxy.automata.Machine
function M.new(options)
  local self = setmetatable({ wants_usage = options.wants_usage, fixed = {}, choices = {}, count = 0 }, Machine)
  return {
    event = function(report, document)
      Machine.event(report, document, self)
    end,
    sentinel = function(report)
      Machine.sentinel(report, self)
    end,
    ended = function()
      return self.how
    end,
    finish = function() end,
  }
end

return M
