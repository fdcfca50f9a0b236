--- A provider's stream, event by event: chunks of the answer, as server-sent events or the elements of one array. No
--- event ends it; it ends with its HTTP message, after at least one candidate or a blocked prompt. So a finishReason is
--- kept until then: what follows it, usage and sources, still counts.
local answer_in = require("cliproxy.dialects.gemini.answer_in")
local chunk_in = require("cliproxy.dialects.gemini.chunk_in")
local errors = require("cliproxy.errors")
local json = require("cliproxy.json")
local literal = require("cliproxy.literal")

local M = {}

local function receiver(sink)
  local calls = 0
  return {
    text = sink.text, reasoning = sink.reasoning, state = sink.state, citation = sink.citation,
    call = function(id, name, input)
      calls = calls + 1
      sink.tool_start(calls, { id = id, name = name })
      sink.tool_delta(calls, literal.again(input))
      sink.tool_end(calls)
    end,
  }
end

local function fail(self, failure)
  self.ended = true
  self.sink.fail(failure)
end

local function chunk(self, document)
  if not self.started and not json.present(document.error) then
    self.started = true
    local head = answer_in.head(document)
    head.usage = answer_in.usage(json.raw(document, "usageMetadata"))
    self.sink.start(head)
  end
  local failure = chunk_in.read(self.answer, document)
  if failure then
    fail(self, failure)
  end
end

local function finish(self)
  local answer, sink = self.answer, self.sink
  local stop = chunk_in.ending(answer)
  if not stop then
    return fail(self, errors.unfinished(self.context, "neither a candidate came nor was the prompt blocked"))
  end
  self.ended = true
  local usage = answer_in.usage(answer.usage)
  if usage then
    sink.usage(usage)
  end
  sink.stop(stop, { explanation = answer.explanation })
  sink.finish()
end

-- An error may come as an array of one.
local function each_chunk(self, document)
  for _, one in json.each(document) do
    if not self.ended then
      if json.kind(one) == "object" then
        chunk(self, one)
      else
        fail(self, chunk_in.malformed(self.context, "an event is no JSON object"))
      end
    end
  end
end

--- Reads a stream of events; see docs/conversation.md.
---@param context cliproxy.Context
---@param sink cliproxy.Sink
---@return fun(event?: cliproxy.Event)
function M.decoder(context, sink)
  local self = {
    context = context, sink = sink, answer = chunk_in.new(context, receiver(sink)), started = false, ended = false,
  }
  return function(event)
    if self.ended then
      return
    elseif not event then
      return finish(self)
    end
    local document = json.parse(event.data)
    local kind = json.kind(document)
    if kind == "object" then
      chunk(self, document)
      json.close(document)
    elseif kind == "array" then
      each_chunk(self, document)
      json.close(document)
    elseif event.data:find("%S") and event.data ~= "[DONE]" then
      fail(self, chunk_in.malformed(context, "an event is no JSON object"))
    end
  end
end

return M
