--- The events of a provider's stream, told to a sink. `type` of the data decides, not `event:`; blocks are known by
--- their index.
local answer_in = require("cliproxy.dialects.anthropic.answer_in")
local errors = require("cliproxy.errors")
local json = require("cliproxy.json")
local literal = require("cliproxy.literal")
local text = require("cliproxy.text")
local values = require("cliproxy.dialects.values")

local M = {}

local byte = string.byte
local close, kind_of, parse, raw = json.close, json.kind, json.parse, json.raw

local QUOTE = byte('"')

---@class cliproxy.anthropic.StreamBlock
---@field kind string
---@field call? integer
---@field whole? cliproxy.JsonText an input that stood in its start
---@field told? boolean some of its input went out
---@field signature? string
---@field citations? cliproxy.Citation[] told when its text is complete
---@field ended? boolean

---@class cliproxy.anthropic.StreamIn
---@field context cliproxy.Context
---@field sink cliproxy.Sink
---@field blocks table<integer, cliproxy.anthropic.StreamBlock> by index
---@field order cliproxy.anthropic.StreamBlock[]
---@field counts table<string, integer> of usage
---@field calls integer
---@field started boolean
---@field stopped boolean
---@field done boolean
---@field searched? cliproxy.Failure what is to be said where nothing follows a search

local function fail(self, failure)
  if not self.done then
    self.done = true
    self.sink.fail(failure)
  end
end

local function start(self, message)
  if self.started then
    return
  end
  self.started = true
  self.sink.start {
    id = message and values.word(message.id), model = message and values.word(message.model),
    usage = answer_in.usage(self.counts),
  }
end

-- The begin of a block ------------------------------------------------------------------------------------------

local STARTS = {}

function STARTS.text(self, _, node)
  local first = literal.read(node, "text")
  if not literal.is_empty(first) then
    self.sink.text(first)
  end
  self.searched = nil
end

function STARTS.thinking(self, block, node)
  local first = literal.read(node, "thinking")
  if not literal.is_empty(first) then
    self.sink.reasoning(first)
  end
  block.signature = values.word(node.signature)
end

function STARTS.redacted_thinking(self, _, node)
  local data = values.word(node.data)
  if data then
    self.sink.state { kind = "redacted", data = data }
  end
end

-- `input` is a placeholder, unless it holds something.
function STARTS.tool_use(self, block, node)
  local name = values.word(node.name)
  if not name then
    return fail(self, answer_in.malformed(self.context, "a tool_use without a name"))
  end
  local input = node.input
  if kind_of(input) == "object" and #input > 0 then
    block.whole = raw(node, "input")
  end
  self.searched = nil
  self.calls = self.calls + 1
  block.call = self.calls
  self.sink.tool_start(block.call, { id = values.word(node.id), name = answer_in.tool_name(self.context, name) })
end

-- The end of a block --------------------------------------------------------------------------------------------

local function stop_block(self, block)
  block.ended = true
  if block.call then
    if block.whole and not block.told then
      self.sink.tool_delta(block.call, literal.again(block.whole))
    end
    self.sink.tool_end(block.call)
  elseif block.signature then
    self.sink.state { kind = "signature", data = block.signature }
  end
  for _, citation in ipairs(block.citations or {}) do
    self.sink.citation(citation)
  end
end

-- Deltas --------------------------------------------------------------------------------------------------------

local function block_of(self, document)
  local index = document.index
  return type(index) == "number" and self.blocks[index] or nil
end

local DELTAS = {}

-- A member that must be a string, as it stands; nil where it is empty or none.
local function fragment_of(self, delta, key)
  local fragment = raw(delta, key)
  if fragment == '""' then
    return nil
  elseif fragment and byte(fragment) == QUOTE then
    return fragment
  end
  fail(self, answer_in.malformed(self.context, ("a %s without %s"):format(delta.type, key)))
end

function DELTAS.text_delta(self, _, delta)
  local fragment = fragment_of(self, delta, "text")
  if fragment then
    self.sink.text(fragment)
  end
end

function DELTAS.thinking_delta(self, _, delta)
  local fragment = fragment_of(self, delta, "thinking")
  if fragment then
    self.sink.reasoning(fragment)
  end
end

function DELTAS.input_json_delta(self, document, delta)
  local block = block_of(self, document)
  local fragment = block and block.call and fragment_of(self, delta, "partial_json")
  if fragment then
    block.told = true
    self.sink.tool_delta(block.call, fragment)
  end
end

function DELTAS.signature_delta(self, document, delta)
  local block, more = block_of(self, document), values.word(delta.signature)
  if block and more then
    block.signature = (block.signature or "") .. more
  end
end

-- It may come before the text that it belongs to.
function DELTAS.citations_delta(self, document, delta)
  local block = block_of(self, document)
  if block then
    block.citations = block.citations or {}
    block.citations[#block.citations + 1] = answer_in.citation(delta.citation)
  end
end

-- Events --------------------------------------------------------------------------------------------------------

local EVENTS = {}

-- Content begins a message without message_start, too; behind stop_reason there is none.
local function may_hold(self)
  if not self.started then
    start(self)
  elseif self.stopped then
    fail(self, answer_in.malformed(self.context, "content behind its stop_reason"))
    return false
  end
  return true
end

function EVENTS.content_block_delta(self, document)
  if (self.stopped or not self.started) and not may_hold(self) then
    return
  end
  local delta = document.delta
  local kind = kind_of(delta) == "object" and delta.type or nil
  local tell = kind and DELTAS[kind]
  if tell then -- else it is of a block that is left out
    tell(self, document, delta)
  end
end

-- Some gateways send it twice.
function EVENTS.message_start(self, document)
  local message = kind_of(document.message) == "object" and document.message or nil
  if message then
    answer_in.count(self.counts, message.usage)
  end
  start(self, message)
end

function EVENTS.content_block_start(self, document)
  local node, index = document.content_block, document.index
  if kind_of(node) ~= "object" or type(index) ~= "number" then
    return fail(self, answer_in.malformed(self.context, "a content_block_start without block and index"))
  elseif not may_hold(self) then
    return
  end
  local begin = node.type and STARTS[node.type]
  if begin then
    local block = { kind = node.type }
    self.blocks[index], self.order[#self.order + 1] = block, block
    begin(self, block, node)
  elseif answer_in.is_search(node) then
    self.blocks[index] = nil
    self.searched = answer_in.foreign(self.context, node)
  else
    fail(self, answer_in.foreign(self.context, node))
  end
end

function EVENTS.content_block_stop(self, document)
  local block = block_of(self, document)
  if block and not block.ended then
    stop_block(self, block)
  end
end

-- Why it ends; of a stream that does not say so, its calls or nothing.
local function stop(self, reason, delta)
  for _, block in ipairs(self.order) do
    if not block.ended then
      stop_block(self, block)
    end
  end
  self.stopped = true
  local word, failure = answer_in.stop(self.context, reason, self.calls > 0)
  if word and word ~= "pause" then
    failure = self.searched
  end
  if failure then
    return fail(self, failure)
  end
  self.sink.stop(word, {
    sequence = word == "stop_sequence" and delta and literal.read(delta, "stop_sequence") or nil,
    explanation = delta and answer_in.explanation(delta) or nil,
  })
end

function EVENTS.message_delta(self, document)
  start(self)
  answer_in.count(self.counts, document.usage)
  local usage = answer_in.usage(self.counts)
  if usage then
    self.sink.usage(usage)
  end
  local delta = kind_of(document.delta) == "object" and document.delta or nil
  local reason = delta and values.word(delta.stop_reason)
  if reason and not self.stopped then
    stop(self, reason, delta)
  end
end

function EVENTS.message_stop(self)
  start(self)
  if not self.stopped then
    stop(self, "end_turn")
  end
  if not self.done then
    self.done = true
    self.sink.finish()
  end
end

function EVENTS.error(self, document)
  fail(self, answer_in.failure(self.context, document))
end

-- The whole -----------------------------------------------------------------------------------------------------

local function unfinished(self)
  if not self.done then
    fail(self, errors.unfinished(self.context, "there was no message_stop"))
  end
end

local function read(self, event)
  local document = parse(event.data)
  if kind_of(document) ~= "object" then
    if event.data ~= "[DONE]" then
      fail(self, answer_in.malformed(self.context, "an event that is no JSON object: " .. text.excerpt(event.data, 80)))
    end
    return
  end
  local kind = document.type
  local tell = kind and EVENTS[kind]
  if tell then
    tell(self, document)
  end
  close(document)
end

--- A decoder of a stream: call it with each event, and with nil where the message ended cleanly.
---@param context cliproxy.Context
---@param sink cliproxy.Sink
---@return fun(event: cliproxy.Event?)
function M.decoder(context, sink)
  ---@type cliproxy.anthropic.StreamIn
  local self = {
    context = context, sink = sink, blocks = {}, order = {}, counts = {}, calls = 0, started = false, stopped = false,
    done = false,
  }
  return function(event)
    if not event then
      unfinished(self)
    elseif not self.done then
      read(self, event)
    end
  end
end

return M
