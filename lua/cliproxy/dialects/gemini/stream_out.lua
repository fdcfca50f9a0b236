--- A stream for the client: server-sent events with CRLF, or the elements of one array. Each chunk is complete in
--- itself: usage, model and id stand in all of them, so that a fragment of text is a prefix, its literal and a suffix.
--- Calls come whole, in the order in which they began. The last chunk alone says why the answer ended.
local answer_out = require("cliproxy.dialects.gemini.answer_out")
local envelope = require("cliproxy.dialects.gemini.envelope")
local literal = require("cliproxy.literal")

local M = {}

local OPEN = '"candidates":[{"content":{"parts":['
local CLOSE = '],"role":"model"}'

local FRAMINGS = {
  sse = { first = "data: {", next = "data: {", tail = "}\r\n\r\n", fail = "data: ", fail_tail = "\r\n\r\n", last = "" },
  json_array = { first = "[{", next = ",\r\n{", tail = "}", last = "]" },
}

---@class cliproxy.gemini.StreamOut
---@field context cliproxy.Context
---@field write fun(bytes: string)
---@field framing table a row of FRAMINGS
---@field any boolean a chunk was written
---@field usage string `,"usageMetadata":…` or ""
---@field identity string
---@field text_head string in front of a fragment of text
---@field thought_tail string behind a fragment of a thought
---@field text_tail string behind a fragment of text
---@field waiting? string signature for the next part, JSON text
---@field plain boolean a fragment needs nothing but prefix and suffix
---@field shown boolean thoughts are told
---@field calls table[] that are not written, in order: { id, name, fragments, signature, ended }
---@field by_number table<integer, table>
---@field broken? table a call whose arguments are no object
---@field stop? cliproxy.Stop
---@field citations cliproxy.Citation[]

local function nothing() end

-- Makes prefix and suffixes anew after what they hold has changed.
local function prepare(self)
  local row = self.framing
  local behind = ',"index":0}]' .. self.usage .. self.identity .. row.tail
  self.behind = behind
  self.text_head = (self.any and row.next or row.first) .. OPEN .. '{"text":'
  self.text_tail = "}" .. CLOSE .. behind
  self.thought_tail = ',"thought":true}' .. CLOSE .. behind
  self.plain = not self.waiting and (self.any or row.first == row.next)
end

-- One chunk; `more` are members of the candidate behind its content.
local function chunk(self, part, more)
  local row = self.framing
  self.write((self.any and row.next or row.first) .. OPEN .. part .. CLOSE .. (more or "") .. self.behind)
  self.any = true
  prepare(self)
end

-- The signature that waits, for the part that comes.
local function take_signature(self)
  local signature = self.waiting
  if signature then
    self.waiting = nil
    prepare(self)
  end
  return signature
end

local function fail(self, failure)
  local row = self.framing
  local object = envelope.object(failure)
  if row.fail then
    self.write(row.fail .. object .. row.fail_tail)
  else
    self.write((self.any and ",\r\n" or "[") .. object .. "]")
  end
  self.write = nothing
end

-- Writes the calls that have ended and have none in front of them that has not. One that cannot be told stays, until
-- it is known why the answer ended.
local function flush_calls(self)
  local calls = self.calls
  while calls[1] and calls[1].ended and not self.broken do
    local call = calls[1]
    call.arguments = call.fragments[1] and literal.concat(call.fragments) or '""'
    local part = answer_out.call_part(call, call.signature)
    if not part then
      self.broken = call
      return
    end
    table.remove(calls, 1)
    -- A model's own JSON may have line breaks, which end lines of an event. None stands inside a string.
    chunk(self, part:find("[\r\n]") and part:gsub("[\r\n]", "") or part)
  end
end

local function finish(self)
  for _, call in ipairs(self.calls) do
    call.ended = true
  end
  flush_calls(self)
  if self.broken then
    return self.sink.fail(answer_out.broken_call(self.broken, self.stop, self.context))
  end
  local more = answer_out.finish(self.stop or "end", self.explanation)
  local grounding = answer_out.grounding(self.citations)
  local part = answer_out.text_part('""', take_signature(self))
  self.behind = ',"index":0' .. grounding .. "}]" .. self.usage .. self.identity .. self.framing.tail
    .. self.framing.last
  chunk(self, part, more)
  self.write = nothing
end

-- The way of every fragment.
local function add_texts(self, sink)
  local function text(fragment)
    if fragment == '""' then
      return
    elseif self.plain then
      self.write(self.text_head .. fragment .. self.text_tail)
    else
      chunk(self, answer_out.text_part(fragment, take_signature(self)))
    end
  end
  sink.text, sink.refusal = text, text
  function sink.reasoning(fragment)
    if not self.shown or fragment == '""' then
      return
    elseif self.any or self.framing.first == self.framing.next then
      self.write(self.text_head .. fragment .. self.thought_tail)
    else
      chunk(self, answer_out.thought_part(fragment))
    end
  end
  -- Fragments that were made elsewhere leave nothing behind here.
  sink.absorb = nothing
end

local function add_calls(self, sink)
  function sink.tool_start(i, call)
    local entry = { id = call.id, name = call.name, fragments = {}, signature = take_signature(self), ended = false }
    self.calls[#self.calls + 1], self.by_number[i] = entry, entry
  end
  function sink.tool_delta(i, fragment)
    local fragments = self.by_number[i].fragments
    fragments[#fragments + 1] = fragment
  end
  function sink.tool_end(i)
    self.by_number[i].ended = true
    flush_calls(self)
  end
end

local function add_rest(self, sink)
  function sink.start(head)
    self.identity, self.usage = answer_out.identity(head, self.context), answer_out.usage(head.usage)
    prepare(self)
  end
  function sink.state(state)
    if self.waiting then
      chunk(self, answer_out.text_part('""', take_signature(self)))
    end
    self.waiting = answer_out.signature(state, self.context)
    prepare(self)
  end
  function sink.citation(citation)
    self.citations[#self.citations + 1] = citation
  end
  function sink.usage(usage)
    self.usage = answer_out.usage(usage)
    prepare(self)
  end
  function sink.stop(stop, detail)
    if stop == "pause" then
      return self.sink.fail(answer_out.paused(self.context))
    end
    self.stop, self.explanation = stop, detail and detail.explanation
    if self.broken then
      self.sink.fail(answer_out.broken_call(self.broken, stop, self.context))
    end
  end
  function sink.finish()
    finish(self)
  end
  function sink.fail(failure)
    fail(self, failure)
  end
end

--- A sink that writes the client's stream; see docs/conversation.md.
---@param context cliproxy.Context
---@param write fun(bytes: string)
---@return cliproxy.Sink
function M.encoder(context, write)
  local sink = {}
  local self = {
    context = context, write = write, sink = sink, framing = FRAMINGS[context.framing] or FRAMINGS.sse, any = false,
    usage = "", identity = answer_out.identity({}, context), shown = answer_out.shows_thoughts(context), calls = {},
    by_number = {}, citations = {},
  }
  prepare(self)
  add_texts(self, sink)
  add_calls(self, sink)
  add_rest(self, sink)
  return sink
end

return M
