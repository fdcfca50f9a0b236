--- A stream to a client: chunks in the order in which the service sends them. All of a chunk but its fragment is known
--- when the stream starts, so that each is two joins and one write.
local literal = require("cliproxy.literal")
local shared = require("cliproxy.dialects.openai.errors")
local text = require("cliproxy.text")
local words_out = require("cliproxy.dialects.openai_chat.words_out")

local M = {}

---@class cliproxy.openai_chat.StreamOut
---@field context cliproxy.Context
---@field write fun(bytes: string)
---@field sink cliproxy.Sink
---@field head string what every chunk begins with
---@field usage_member string ',"usage":null' where the client asked for counts
---@field before string what stands in a chunk before its delta
---@field after string and behind it
---@field calls table<integer, { before: string, after: string, empty: boolean, custom: boolean }>
---@field first_call? cliproxy.KeptCall
---@field first_arguments cliproxy.Literal[] its fragments
---@field usage? cliproxy.TokenUsage
---@field refused boolean
---@field reasoning cliproxy.Part[] with state or without
---@field thoughts? cliproxy.Literal[] of the last of them, while it is open
---@field failed boolean nothing is written any more

local function delta(self, members)
  if not self.failed then
    self.write(self.before .. members .. self.after)
  end
end

local ON = {}

function ON.fail(self, failure)
  if not self.failed then
    self.failed = true
    -- SDKs raise on `error`; no [DONE] follows.
    self.write("data: " .. shared.envelope(failure) .. "\n\n")
  end
end

-- What cannot be said fails the stream as a whole: its driver listens at the sink, too.
local function give_up(self, words)
  self.sink.fail(words_out.untranslatable(self.context, words))
end

local function start(self, head)
  local usage = self.context.conversation.wants_usage and ',"usage":null' or ""
  self.head = "data: {" .. words_out.head(self.context, "chat.completion.chunk", head)
  self.before = self.head .. ',"choices":[{"index":0,"delta":{'
  self.after = '},"logprobs":null,"finish_reason":null}]' .. usage .. "}\n\n"
  self.usage_member, self.usage = usage, head.usage
  delta(self, '"role":"assistant","content":"","refusal":null')
end

-- Reasoning -----------------------------------------------------------------------------------------------------

-- A state belongs to the thoughts that it follows, where nothing stands between.
local function close_thoughts(self)
  if self.thoughts then
    self.reasoning[#self.reasoning].text = literal.concat(self.thoughts)
    self.thoughts = nil
  end
end

local function keep_thought(self, fragment)
  if not self.thoughts then
    self.thoughts = {}
    self.reasoning[#self.reasoning + 1] = { kind = "reasoning" }
  end
  self.thoughts[#self.thoughts + 1] = fragment
end

function ON.state(self, state)
  if not self.thoughts then
    self.reasoning[#self.reasoning + 1] = { kind = "reasoning" }
  end
  close_thoughts(self)
  self.reasoning[#self.reasoning].state = state
end

-- Calls ---------------------------------------------------------------------------------------------------------

function ON.tool_start(self, i, call)
  local name, id = text.quote(call.name), text.quote(call.id)
  close_thoughts(self)
  self.first_call = self.first_call or { id = call.id, name = call.name, arguments = '""' }
  if self.context.conversation.old_functions then
    if i > 1 then
      return give_up(self, words_out.SECOND_CALL)
    end
    self.calls[i] = { before = self.before .. '"function_call":{"arguments":', after = "}" .. self.after, empty = true }
    return delta(self, '"function_call":{"name":' .. name .. ',"arguments":""}')
  end
  local kind, key = "function", "arguments"
  if call.custom then
    kind, key = "custom", "input"
  end
  local index = '"tool_calls":[{"index":' .. i - 1
  local inner = ',"' .. kind .. '":{"'
  self.calls[i] = { before = self.before .. index .. inner .. key .. '":', after = "}}]" .. self.after, empty = true,
    custom = call.custom }
  delta(self, index .. ',"id":' .. id .. ',"type":"' .. kind .. '"' .. inner .. 'name":' .. name .. ',"' .. key
    .. '":""}}]')
end

function ON.tool_delta(self, i, fragment)
  local call = self.calls[i]
  if fragment ~= '""' and call and not self.failed then
    call.empty = false
    if i == 1 then
      self.first_arguments[#self.first_arguments + 1] = fragment
    end
    self.write(call.before .. fragment .. call.after)
  end
end

-- A call without arguments has an object without members.
function ON.tool_end(self, i)
  local call = self.calls[i]
  if call and call.empty and not call.custom then
    ON.tool_delta(self, i, '"{}"')
  end
end

-- The rest ------------------------------------------------------------------------------------------------------

function ON.refusal(self, fragment)
  if fragment ~= '""' then
    self.refused = true
    delta(self, '"refusal":' .. fragment)
  end
end

function ON.citation(self, citation)
  local annotation = words_out.annotation(citation)
  if annotation then
    delta(self, '"annotations":[' .. annotation .. "]")
  end
end

function ON.usage(self, usage)
  self.usage = usage
end

-- The end -------------------------------------------------------------------------------------------------------

function ON.stop(self, reason, detail)
  local finish = words_out.finish_reason(self.context, reason)
  if not finish then
    return give_up(self, words_out.PAUSED)
  end
  local explanation = detail and detail.explanation
  if reason == "refusal" and not self.refused and not literal.is_empty(explanation) then
    delta(self, '"refusal":' .. explanation)
  end
  if not self.failed then
    self.write(self.before .. '},"logprobs":null,"finish_reason":"' .. finish .. '"}]' .. self.usage_member .. "}\n\n")
  end
end

function ON.finish(self)
  if self.failed then
    return
  end
  close_thoughts(self)
  if self.first_arguments[1] then
    self.first_call.arguments = literal.concat(self.first_arguments)
  end
  words_out.remember(self.context, self.first_call, self.reasoning)
  local usage = self.context.conversation.wants_usage and words_out.usage(self.context, self.usage)
  self.write((usage and self.head .. ',"choices":[],"usage":' .. usage .. "}\n\n" or "") .. "data: [DONE]\n\n")
end

--- Writes a stream; see docs/conversation.md. Its sink also has `absorb(kind, fragment)`, for fragments that went out
--- without it.
---@param context cliproxy.Context
---@param write fun(bytes: string)
---@return cliproxy.Sink
function M.encoder(context, write)
  local sink, before, after, thought_before = {}, "", "", ""
  local hides = words_out.hides_thoughts(context)
  ---@type cliproxy.openai_chat.StreamOut
  local self = { context = context, write = write, sink = sink, before = "", after = "", head = "", usage_member = "",
    calls = {}, first_arguments = {}, reasoning = {}, refused = false, failed = false }

  function sink.start(head)
    start(self, head)
    before, after, thought_before = self.before .. '"content":', self.after, self.before .. '"reasoning_content":'
  end
  -- By far the most calls of all.
  function sink.text(fragment)
    if fragment ~= '""' and not self.failed then
      if self.thoughts then
        close_thoughts(self)
      end
      write(before .. fragment .. after)
    end
  end
  function sink.reasoning(fragment)
    if fragment ~= '""' and not self.failed then
      keep_thought(self, fragment)
      if not hides then
        write(thought_before .. fragment .. after)
      end
    end
  end
  function sink.absorb(kind, fragment)
    if kind == "reasoning" then
      keep_thought(self, fragment)
    end
  end
  for name, fn in pairs(ON) do
    sink[name] = function(a, b)
      return fn(self, a, b)
    end
  end
  return sink
end

return M
