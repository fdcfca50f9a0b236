--- A stream of events for the client, as the service sends it: one block is open at a time, indexes count from 0. What
--- comes while the call of a tool is open, and is not of it, waits until that call ends.
local answer_out = require("cliproxy.dialects.anthropic.answer_out")
local envelope = require("cliproxy.dialects.anthropic.envelope")
local text = require("cliproxy.text")

local M = {}

---@class cliproxy.anthropic.OutBlock
---@field kind "text"|"thinking"|"tool_use"|"redacted_thinking"
---@field start string its content_block, as JSON
---@field index? integer once it is open
---@field pending? string[] deltas that wait
---@field state? cliproxy.State of thinking
---@field cited? boolean a text that is complete: what follows is a block of its own
---@field ended? boolean

local TEXT = '{"type":"text","text":""}'
local THINKING = '{"type":"thinking","thinking":"","signature":""}'

-- What stands in front of a fragment.
local DELTA = {
  text = '"delta":{"type":"text_delta","text":',
  thinking = '"delta":{"type":"thinking_delta","thinking":',
  tool_use = '"delta":{"type":"input_json_delta","partial_json":',
}
local DELTA_END = "}}\n\n"

local function event(kind, rest)
  return "event: " .. kind .. '\ndata: {"type":"' .. kind .. '"' .. rest .. "}\n\n"
end

-- The begin of a delta's event, up to its own members.
local function delta_head(index)
  return 'event: content_block_delta\ndata: {"type":"content_block_delta","index":' .. index .. ","
end

local function message_start(context, head)
  local usage = head.usage
  local input = not (usage and usage.input) and context.estimate() or nil
  return event("message_start", table.concat {
    ',"message":{"model":', text.quote(head.model or context.target.model), ',"id":',
    text.quote(answer_out.id(context, head.id)),
    ',"type":"message","role":"assistant","content":[],"stop_reason":null,"stop_sequence":null,"stop_details":null,',
    '"usage":', answer_out.usage(usage, input, 1), "}",
  })
end

-- Blocks --------------------------------------------------------------------------------------------------------

---@class cliproxy.anthropic.StreamOut
---@field context cliproxy.Context
---@field write fun(bytes: string)
---@field next_index integer
---@field open? cliproxy.anthropic.OutBlock
---@field waiting cliproxy.anthropic.OutBlock[] behind it
---@field flowing? string kind of the open block while nothing waits and it takes fragments: the short way
---@field prefix string in front of its fragments
---@field calls table<integer, cliproxy.anthropic.OutBlock>
local Out = {}
Out.__index = Out

function Out:begin_open(block)
  block.index = self.next_index
  self.next_index = block.index + 1
  self.open = block
  self.prefix = delta_head(block.index) .. (DELTA[block.kind] or "")
  self.write(event("content_block_start", ',"index":' .. block.index .. ',"content_block":' .. block.start))
end

function Out:close_open()
  local block = self.open
  if block.kind == "thinking" then
    self.write(delta_head(block.index) .. '"delta":{"type":"signature_delta","signature":'
      .. answer_out.sealed(self.context, block.state) .. DELTA_END)
  end
  self.write(event("content_block_stop", ',"index":' .. block.index))
  self.open = nil
end

-- Whether the open block may be closed for others: calls end by themselves.
local function may_close(block)
  return block.ended or block.kind ~= "tool_use"
end

-- Opens what waits, as far as it goes.
function Out:advance()
  while self.waiting[1] and (not self.open or may_close(self.open)) do
    if self.open then
      self:close_open()
    end
    local block = table.remove(self.waiting, 1)
    self:begin_open(block)
    for _, fragment in ipairs(block.pending) do
      self.write(delta_head(block.index) .. fragment)
    end
    block.pending = nil
  end
  if self.open and self.open.ended then
    self:close_open()
  end
  local open = self.open
  self.flowing = open and not self.waiting[1] and not open.cited and open.kind or nil
end

function Out:begin(block)
  block.pending = {}
  self.waiting[#self.waiting + 1] = block
  self:advance()
  return block
end

-- The block that what comes next may belong to.
function Out:last()
  return self.waiting[#self.waiting] or self.open
end

function Out:fragment(block, fragment)
  local bytes = DELTA[block.kind] .. fragment .. DELTA_END
  if block.pending then
    block.pending[#block.pending + 1] = bytes
  else
    self.write(delta_head(block.index) .. bytes)
  end
end

-- A fragment that does not go the short way: it may begin a block.
function Out:slow(kind, start, fragment)
  local block = self:last()
  if not block or block.kind ~= kind or block.ended or block.cited then
    block = self:begin { kind = kind, start = start }
  end
  self:fragment(block, fragment)
end

function Out:finish_block(block)
  block.ended = true
  self:advance()
end

-- Thinking ends with its state; a state by itself is a block of its own.
function Out:state(state)
  local block = self:last()
  if state.kind == "redacted" then
    block = self:begin { kind = "redacted_thinking",
      start = '{"type":"redacted_thinking","data":' .. answer_out.sealed(self.context, state) .. "}" }
  elseif not block or block.kind ~= "thinking" or block.ended then
    block = self:begin { kind = "thinking", start = THINKING }
  end
  block.state = state
  self:finish_block(block)
end

function Out:citation(citation)
  local block, body = self:last(), answer_out.citation(citation)
  if not body or not block or block.kind ~= "text" or block.ended then
    return
  end
  local bytes = '"delta":{"type":"citations_delta","citation":' .. body .. DELTA_END
  if block.pending then
    block.pending[#block.pending + 1] = bytes
  else
    self.write(delta_head(block.index) .. bytes)
  end
  block.cited = true
  self.flowing = nil
end

-- Everything that is open or waits ends.
function Out:end_all()
  for _, block in ipairs(self.waiting) do
    block.ended = true
  end
  if self.open then
    self.open.ended = true
  end
  self:advance()
end

local function nothing() end

-- After an error nothing goes out any more.
function Out:silence()
  self.write, self.advance = nothing, nothing
  self.open, self.flowing = nil, nil
end

-- The sink ------------------------------------------------------------------------------------------------------

-- Fragments of texts, thinking and inputs: most events of a stream. `measure.bytes` grows for the estimate of tokens.
local function fragments(self, sink, measure)
  local write = self.write
  local function fragment_of(kind, start)
    return function(fragment)
      if #fragment == 2 then
        return
      end
      measure.bytes = measure.bytes + #fragment - 2
      if self.flowing == kind then
        return write(self.prefix .. fragment .. DELTA_END)
      end
      self:slow(kind, start, fragment)
    end
  end
  sink.text, sink.reasoning = fragment_of("text", TEXT), fragment_of("thinking", THINKING)
  function sink.refusal(fragment)
    measure.refused = measure.refused or #fragment > 2
    sink.text(fragment)
  end
  function sink.tool_delta(i, fragment)
    if #fragment == 2 then
      return
    end
    measure.bytes = measure.bytes + #fragment - 2
    local block = self.calls[i]
    if block == self.open then
      return write(self.prefix .. fragment .. DELTA_END)
    end
    self:fragment(block, fragment)
  end
  -- Fragments like the last one that were written past Lua.
  function sink.absorb(_, contents)
    measure.bytes = measure.bytes + #contents - 2
  end
end

local function blocks(self, sink)
  function sink.state(state)
    self:state(state)
  end
  function sink.citation(citation)
    self:citation(citation)
  end
  function sink.tool_start(i, call)
    if call.custom then
      sink.fail(answer_out.untranslatable(self.context, ("its call of %s has free text as input"):format(call.name)))
    end
    self.calls[i] = self:begin { kind = "tool_use", start = '{"type":"tool_use","id":' .. answer_out.call_id(call.id)
      .. ',"name":' .. text.quote(call.name) .. ',"input":{}}' }
  end
  function sink.tool_end(i)
    self:finish_block(self.calls[i])
  end
end

local function ends(self, sink, measure)
  local context, usage, ending = self.context, nil, nil
  function sink.start(head)
    usage = head.usage
    self.write(message_start(context, head))
  end
  function sink.usage(so_far)
    usage = so_far
  end
  function sink.stop(stop, detail)
    self:end_all()
    stop = stop == "end" and measure.refused and "refusal" or stop
    ending = answer_out.ending(context, stop, next(self.calls) ~= nil, detail and detail.sequence,
      detail and detail.explanation)
  end
  function sink.finish()
    self.write(event("message_delta", ',"delta":{' .. ending .. '},"usage":'
      .. answer_out.usage(usage, nil, answer_out.estimate(measure.bytes))) .. event("message_stop", ""))
  end
  function sink.fail(failure)
    self.write("event: error\ndata: " .. envelope.of(failure, context.id) .. "\n\n")
    self:silence()
  end
end

--- An encoder of a stream.
---@param context cliproxy.Context
---@param write fun(bytes: string)
---@return cliproxy.Sink
function M.encoder(context, write)
  local self = setmetatable({
    context = context, write = write, next_index = 0, waiting = {}, prefix = "", calls = {},
  }, Out)
  local sink, measure = {}, { bytes = 0, refused = false }
  fragments(self, sink, measure)
  blocks(self, sink)
  ends(self, sink, measure)
  return sink
end

return M
