--- Events of a Response for the client, made of what a decoder tells. One item is open at a time, as the service does
--- it: while a call is open, everything else waits until it ends. Whatever happens per fragment is one concatenation.
local answer_out = require("cliproxy.dialects.openai_responses.answer_out")
local items_out = require("cliproxy.dialects.openai_responses.items_out")
local literal = require("cliproxy.literal")
local opaque = require("cliproxy.opaque")
local response_object = require("cliproxy.dialects.openai_responses.response_object")
local shared = require("cliproxy.dialects.openai.errors")
local text = require("cliproxy.text")

local M = {}

local quote = text.quote

---@class cliproxy.responses.StreamOut
---@field context cliproxy.Context
---@field write fun(bytes: string)
---@field stem string
---@field frame? cliproxy.responses.Frame nil: not started
---@field seq integer of the next event
---@field items string[] JSON texts of the items that ended
---@field item? "message"|"reasoning"|"call" the open one
---@field item_id string
---@field part? "text"|"refusal" the open part of the message
---@field parts string[] JSON texts of its parts that ended
---@field fragments cliproxy.Literal[] of the open part, summary or call
---@field count integer of fragments
---@field length integer characters of the first `length_of` of them
---@field length_of integer
---@field delta string the open delta event up to its sequence number
---@field middle string from there to the fragment
---@field tail string behind the fragment
---@field citations? string[] annotations of the open part
---@field call? cliproxy.responses.Call the open one
---@field calling? integer its number
---@field called boolean it has ended, but for its last event
---@field waiting table[] { method, argument, argument } that come when the open call has ended
---@field refused boolean
---@field ending? cliproxy.Stop
---@field tokens? cliproxy.TokenUsage
---@field sink cliproxy.Sink
local Out = {}
Out.__index = Out

-- Events --------------------------------------------------------------------------------------------------------

-- The bytes of one event; `members` follow its number.
function Out:event(kind, members)
  local seq = self.seq
  self.seq = seq + 1
  return "event: " .. kind .. '\ndata: {"type":"' .. kind .. '","sequence_number":' .. seq .. members .. "}\n\n"
end

-- ,"item_id":…,"output_index":… of the open item.
function Out:place()
  return ',"item_id":"' .. self.item_id .. '","output_index":' .. #self.items
end

-- Makes the delta events of the open part: `kind` with `more` members in front of the fragment, `tail` behind it.
function Out:deltas(kind, more, tail)
  self.delta = "event: " .. kind .. '\ndata: {"type":"' .. kind .. '","sequence_number":'
  self.middle = self:place() .. (more or "") .. ',"delta":'
  self.tail = (tail or "") .. "}\n\n"
  self.fragments, self.count = {}, 0
  self.length, self.length_of = 0, 0
end

-- The way of every fragment.
local function fragment(self, piece)
  local n, seq = self.count + 1, self.seq
  self.count, self.seq = n, seq + 1
  self.fragments[n] = piece
  self.write(self.delta .. seq .. self.middle .. piece .. self.tail)
end

function Out:added(item)
  return self:event("response.output_item.added", ',"output_index":' .. #self.items .. ',"item":' .. item)
end

-- The last event of the open item.
function Out:done(item)
  local bytes = self:event("response.output_item.done", ',"output_index":' .. #self.items .. ',"item":' .. item)
  self.items[#self.items + 1] = item
  self.item = nil
  return bytes
end

function Out:whole()
  return self.count == 0 and '""' or literal.concat(self.fragments)
end

-- Messages ------------------------------------------------------------------------------------------------------

local PARTS = {
  text = { part = items_out.text_part, kind = "output_text", key = "text", tail = ',"logprobs":[]' },
  refusal = { part = items_out.refusal_part, kind = "refusal", key = "refusal" },
}

local function close_part(self)
  local row = PARTS[self.part]
  local whole, place = self:whole(), self:place() .. ',"content_index":' .. #self.parts
  local part = row.part(whole, self.citations)
  self.part = nil
  self.parts[#self.parts + 1] = part
  return self:event("response." .. row.kind .. ".done", place .. ',"' .. row.key .. '":' .. whole .. (row.tail or ""))
    .. self:event("response.content_part.done", place .. ',"part":' .. part)
end

-- Opens a part of a message, and the message where none is open.
local function open_part(self, name)
  local bytes = ""
  if self.item ~= "message" then
    bytes = self:close("completed")
    self.item, self.item_id = "message", "msg_" .. self.stem .. "_" .. #self.items
    self.parts = {}
    bytes = bytes .. self:added(items_out.message(self.item_id, "in_progress", {}))
  elseif self.part then
    bytes = close_part(self)
  end
  local row, index = PARTS[name], ',"content_index":' .. #self.parts
  self.part, self.citations = name, {}
  self:deltas("response." .. row.kind .. ".delta", index, row.tail)
  self.write(bytes .. self:event("response.content_part.added", self:place() .. index .. ',"part":' .. row.part('""')))
end

-- Reasoning -----------------------------------------------------------------------------------------------------

local function open_reasoning(self)
  local bytes = self:close("completed")
  self.item, self.item_id = "reasoning", "rs_" .. self.stem .. "_" .. #self.items
  self:deltas("response.reasoning_summary_text.delta", ',"summary_index":0')
  self.write(bytes .. self:added(items_out.reasoning(self.item_id))
    .. self:event("response.reasoning_summary_part.added", self:place() .. ',"summary_index":0,"part":'
      .. items_out.summary_part('""')))
end

local function close_reasoning(self, sealed)
  local whole, place = self:whole(), self:place() .. ',"summary_index":0'
  return self:event("response.reasoning_summary_text.done", place .. ',"text":' .. whole)
    .. self:event("response.reasoning_summary_part.done", place .. ',"part":' .. items_out.summary_part(whole))
    .. self:done(items_out.reasoning(self.item_id, whole, sealed))
end

-- Calls ---------------------------------------------------------------------------------------------------------

local CALLS = {
  [false] = { prefix = "fc_", delta = "response.function_call_arguments.delta",
    done = "response.function_call_arguments.done", key = "arguments" },
  [true] = { prefix = "ctc_", delta = "response.custom_tool_call_input.delta",
    done = "response.custom_tool_call_input.done", key = "input" },
}

local function open_call(self, i, call)
  local bytes = self:close("completed")
  local row = CALLS[call.custom or false]
  self.item, self.item_id = "call", row.prefix .. self.stem .. "_" .. #self.items
  self.call = { item_id = self.item_id, id = call.id, name = call.name, custom = call.custom }
  self.calling, self.called = i, false
  self:deltas(row.delta)
  self.write(bytes .. self:added(items_out.call(self.context.conversation, self.call, "in_progress", '""')))
end

local function close_call(self, status)
  local call = self.call
  local row = CALLS[call.custom or false]
  if self.count == 0 and not call.custom then
    fragment(self, '"{}"')
  end
  local whole = self:whole()
  local name = call.custom and "" or ',"name":' .. items_out.name(self.context.conversation, call.name)
  self.calling = nil
  return self:event(row.done, self:place() .. ',"' .. row.key .. '":' .. whole .. name)
    .. self:done(items_out.call(self.context.conversation, call, status, whole))
end

-- Ends the open item; the bytes of its last events.
function Out:close(status)
  local item = self.item
  if item == "message" then
    local bytes = self.part and close_part(self) or ""
    return bytes .. self:done(items_out.message(self.item_id, status, self.parts))
  elseif item == "reasoning" then
    return close_reasoning(self)
  elseif item == "call" then
    return close_call(self, status)
  end
  return ""
end

-- What a decoder calls ------------------------------------------------------------------------------------------

-- Whether a call is open that has not ended: others wait for it. One that has ended is closed by whatever comes next,
-- since only then it is known that the answer was not cut in it.
local function busy(self)
  return self.calling and not self.called
end

local function wait(self, method, a, b)
  self.waiting[#self.waiting + 1] = { method, a, b }
end

local ON = {}

function ON.start(self, head)
  self.frame = response_object.frame(self.context, head)
  local response = ',"response":' .. response_object.text(self.frame, { status = "in_progress" })
  self.write(self:event("response.created", response) .. self:event("response.in_progress", response))
end

function ON.text(self, piece)
  if piece == '""' then
    return
  elseif self.part == "text" then
    return fragment(self, piece)
  elseif busy(self) then
    return wait(self, "text", piece)
  end
  open_part(self, "text")
  fragment(self, piece)
end

-- `count` fragments of the open part went out in events that this encoder did not make.
function ON.absorb(self, _, contents, count)
  local n = self.count + 1
  self.fragments[n], self.count, self.seq = contents, n, self.seq + count
end

function ON.refusal(self, piece)
  if piece == '""' then
    return
  elseif busy(self) then
    return wait(self, "refusal", piece)
  end
  self.refused = true
  if self.part ~= "refusal" then
    open_part(self, "refusal")
  end
  fragment(self, piece)
end

function ON.reasoning(self, piece)
  if piece == '""' then
    return
  elseif busy(self) then
    return wait(self, "reasoning", piece)
  end
  if self.item ~= "reasoning" then
    open_reasoning(self)
  end
  fragment(self, piece)
end

function ON.state(self, state)
  if busy(self) then
    return wait(self, "state", state)
  end
  local wanted = self.context.conversation.wants_state
  local sealed = wanted and opaque.seal(state, self.context.target) or nil
  if self.item == "reasoning" then
    self.write(close_reasoning(self, sealed))
  elseif sealed then
    local bytes = self:close("completed")
    local id = "rs_" .. self.stem .. "_" .. #self.items
    self.write(bytes .. self:added(items_out.reasoning(id)) .. self:done(items_out.reasoning(id, nil, sealed)))
  end
end

-- Characters of the open part so far. What was measured for a citation before is not read again.
local function measured(self)
  local fragments, length = {}, self.length
  for i = self.length_of + 1, self.count do
    fragments[#fragments + 1] = self.fragments[i]
  end
  if fragments[1] then
    length = length + answer_out.length(literal.concat(fragments))
    self.length, self.length_of = length, self.count
  end
  return length
end

function ON.citation(self, citation)
  if busy(self) then
    return wait(self, "citation", citation)
  elseif self.part ~= "text" then
    return
  end
  local at = not citation.to and measured(self) or 0
  local annotation = items_out.annotation(citation, at)
  if annotation then
    local index = #self.citations
    self.citations[index + 1] = annotation
    self.write(self:event("response.output_text.annotation.added", self:place() .. ',"content_index":' .. #self.parts
      .. ',"annotation_index":' .. index .. ',"annotation":' .. annotation))
  end
end

function ON.tool_start(self, i, call)
  if busy(self) then
    return wait(self, "tool_start", i, call)
  end
  open_call(self, i, call)
end

function ON.tool_delta(self, i, piece)
  if i ~= self.calling then
    return wait(self, "tool_delta", i, piece)
  elseif piece ~= '""' then
    fragment(self, piece)
  end
end

function ON.tool_end(self, i)
  if i ~= self.calling then
    return wait(self, "tool_end", i)
  end
  self.called = true
  local waiting = self.waiting
  if waiting[1] then
    self.waiting = {}
    for _, one in ipairs(waiting) do
      ON[one[1]](self, one[2], one[3])
    end
  end
end

function ON.usage(self, usage)
  self.tokens = usage
end

function ON.stop(self, stop, detail)
  if stop == "pause" then
    return self.sink.fail(answer_out.paused(self.context))
  elseif stop == "refusal" and not self.refused and detail and not literal.is_empty(detail.explanation) then
    ON.refusal(self, detail.explanation)
  end
  while busy(self) do
    ON.tool_end(self, self.calling)
  end
  self.ending = stop
  local status = response_object.outcome(stop, self.refused)
  local bytes = self:close(status)
  if bytes ~= "" then
    self.write(bytes)
  end
end

function ON.finish(self)
  local status, reason = response_object.outcome(self.ending or "end", self.refused)
  self.write(self:event("response." .. status, ',"response":' .. response_object.text(self.frame,
    { status = status, reason = reason, output = self.items, usage = self.tokens })))
end

-- The recorded nested form with the flat keys of the SDK's type, then the terminal event.
function ON.fail(self, failure)
  local _, word = shared.names(failure)
  local code, message = quote(word), quote(failure.text)
  local param = failure.param and quote(failure.param) or "null"
  self.frame = self.frame or response_object.frame(self.context, {})
  self.write(self:event("error", ',"error":' .. shared.object(failure) .. ',"code":' .. code .. ',"message":' .. message
    .. ',"param":' .. param) .. self:event("response.failed", ',"response":' .. response_object.text(self.frame,
    { status = "failed", failed = '{"code":' .. code .. ',"message":' .. message .. "}", output = self.items,
      usage = self.tokens })))
end

local METHODS = {
  "start", "text", "refusal", "reasoning", "state", "citation", "tool_start", "tool_delta", "tool_end", "usage", "stop",
  "finish", "fail", "absorb",
}

--- A sink that writes the events of the client's stream.
---@param context cliproxy.Context
---@param write fun(bytes: string)
---@return cliproxy.Sink
function M.encoder(context, write)
  local self = setmetatable({
    context = context, write = write, stem = response_object.stem(context), seq = 0, items = {}, parts = {},
    fragments = {}, count = 0, waiting = {}, called = false, refused = false, sink = {},
  }, Out)
  for _, name in ipairs(METHODS) do
    local on = ON[name]
    self.sink[name] = function(a, b, c)
      return on(self, a, b, c)
    end
  end
  return self.sink
end

return M
