--- Between whole answers and streams: plays an answer into a sink, and collects a sink's calls into an answer. For
--- providers that answer in the other way than they were asked.
local conversation = require("cliproxy.conversation")
local literal = require("cliproxy.literal")

local M = {}

local function play_call(sink, i, part)
  sink.tool_start(i, { id = part.id, name = part.name, custom = part.custom })
  local arguments = conversation.arguments_of(part)
  if not literal.is_empty(arguments) then
    sink.tool_delta(i, arguments)
  end
  sink.tool_end(i)
end

--- Calls a sink as the stream of this answer would have.
---@param answer cliproxy.Answer
---@param sink cliproxy.Sink
function M.play(answer, sink)
  sink.start { id = answer.id, model = answer.model, created = answer.created, usage = answer.usage }
  local calls = 0
  for _, part in ipairs(answer.parts) do
    if part.kind == "tool_call" then
      calls = calls + 1
      play_call(sink, calls, part)
    elseif part.kind == "reasoning" then
      if not literal.is_empty(part.text) then
        sink.reasoning(part.text)
      end
      if part.state then
        sink.state(part.state)
      end
    else
      sink[part.kind](part.text)
      for _, citation in ipairs(part.citations or {}) do
        sink.citation(citation)
      end
    end
  end
  if answer.usage then
    sink.usage(answer.usage)
  end
  sink.stop(answer.stop, { sequence = answer.stop_sequence, explanation = answer.explanation })
  sink.finish()
end

-- The fragments of a part as its text.
local function close(part)
  if part and part.fragments then
    local text = literal.concat(part.fragments)
    if part.kind == "tool_call" then
      part.arguments = text
    else
      part.text = text
    end
    part.fragments = nil
  end
end

--- A sink that collects, and the answer that it fills. `answer.failure` is set where the stream failed,
--- `answer.finished` at its proper end.
---@return cliproxy.Sink sink
---@return table answer a cliproxy.Answer once it is finished
function M.collector()
  local answer = { parts = {}, stop = "end" }
  local parts, calls, open = answer.parts, {}, nil

  local function part_of(kind)
    if not open or open.kind ~= kind or open.state then
      open = { kind = kind, fragments = {} }
      parts[#parts + 1] = open
    end
    return open
  end
  local function fragment(kind)
    return function(text)
      local list = part_of(kind).fragments
      list[#list + 1] = text
    end
  end

  local sink = { text = fragment("text"), refusal = fragment("refusal"), reasoning = fragment("reasoning") }
  function sink.start(head)
    answer.id, answer.model, answer.created, answer.usage = head.id, head.model, head.created, head.usage
  end
  function sink.state(state)
    if not open or open.kind ~= "reasoning" or open.state then
      open = { kind = "reasoning" }
      parts[#parts + 1] = open
    end
    open.state = state
  end
  function sink.citation(citation)
    local last = parts[#parts]
    if last and last.kind == "text" then
      last.citations = last.citations or {}
      last.citations[#last.citations + 1] = citation
    end
  end
  function sink.tool_start(i, call)
    open = nil
    calls[i] = { kind = "tool_call", id = call.id, name = call.name, custom = call.custom, fragments = { '""' } }
    parts[#parts + 1] = calls[i]
  end
  function sink.tool_delta(i, text)
    local list = calls[i].fragments
    list[#list + 1] = text
  end
  function sink.tool_end() end
  function sink.usage(usage)
    answer.usage = usage
  end
  function sink.stop(stop, detail)
    answer.stop = stop
    answer.stop_sequence, answer.explanation = detail and detail.sequence, detail and detail.explanation
  end
  function sink.finish()
    for _, part in ipairs(parts) do
      close(part)
    end
    answer.finished = true
  end
  function sink.fail(failure)
    answer.failure = failure
  end
  return sink, answer
end

return M
