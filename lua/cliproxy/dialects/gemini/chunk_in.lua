--- A provider's answer, read chunk by chunk: a whole answer is one chunk, a stream many. `M.read` calls a receiver
--- that streams hand on and whole answers collect.
---
--- A signature stands in front of the part that carries it; within a text under way it follows that fragment. Sources
--- are told by their address: their places are bytes of the text there, and are left out.
local errors = require("cliproxy.errors")
local json = require("cliproxy.json")
local literal = require("cliproxy.literal")
local partial_args = require("cliproxy.dialects.gemini.partial_args")
local text = require("cliproxy.text")
local upstream_error = require("cliproxy.upstream_error")
local values = require("cliproxy.dialects.values")

local M = {}

---@class cliproxy.gemini.Receiver
---@field text fun(fragment: cliproxy.Literal)
---@field reasoning fun(fragment: cliproxy.Literal)
---@field state fun(state: cliproxy.State)
---@field call fun(id: string?, name: string, input: cliproxy.JsonText)
---@field citation fun(citation: cliproxy.Citation)

---@class cliproxy.gemini.ChunkIn
---@field context cliproxy.Context
---@field out cliproxy.gemini.Receiver
---@field calls integer so far
---@field flowing boolean the last part was a text
---@field seen boolean a candidate came, or the prompt was blocked
---@field ending? cliproxy.Stop
---@field explanation? cliproxy.Literal
---@field usage? cliproxy.JsonText the last one: counts of the whole so far
---@field partial? table a call whose arguments come in pieces
---@field cited? table<string, boolean> addresses told already

---@param context cliproxy.Context
---@param out cliproxy.gemini.Receiver
---@return cliproxy.gemini.ChunkIn
function M.new(context, out)
  return { context = context, out = out, calls = 0, flowing = false, seen = false }
end

-- Failures ------------------------------------------------------------------------------------------------------

M.malformed = errors.malformed

local object, word = values.object, values.word

-- `error` of a chunk.
local function told_failure(context, failed)
  failed = object(failed)
  local message, status = failed and word(failed.message), failed and word(failed.status)
  local code = failed and failed.code
  return upstream_error.of_event(context.target, message, status or (type(code) == "number" and code) or nil)
end

-- Parts ---------------------------------------------------------------------------------------------------------

local function state(self, signature)
  self.out.state { kind = "thought", data = signature }
end

local function text_part(self, part, words, signature)
  local out, empty = self.out, words == '""'
  if part.thought == true then
    self.flowing = false
    if not empty then
      out.reasoning(words)
    end
    return signature and state(self, signature)
  end
  local first = signature and not self.flowing and not empty
  if first then
    state(self, signature)
  end
  if not empty then
    out.text(words)
    self.flowing = true
  end
  if signature and not first then
    self.flowing = false
    state(self, signature)
  end
end

-- Ids are optional.
local function tell_call(self, id, name, input)
  self.calls = self.calls + 1
  self.out.call(id, self.context.conversation.names[name] or name, input)
end

local function end_partial(self)
  local partial = self.partial
  if partial then
    self.partial = nil
    tell_call(self, partial.id, partial.name, partial_args.text(partial.root))
  end
end

local function add_pieces(self, call)
  local pieces = call.partialArgs
  if json.kind(pieces) ~= "array" then
    return
  end
  for _, piece in json.each(pieces) do
    if not partial_args.add(self.partial.root, piece) then
      return M.malformed(self.context, "a piece of a call's arguments has no place in it")
    end
  end
end

-- A call in pieces: its first has the name, its last does not say that more will come.
local function partial_call(self, call, name)
  if name then
    end_partial(self)
    self.partial = { id = word(call.id), name = name, root = partial_args.new() }
  end
  local failure = add_pieces(self, call)
  if not failure and call.willContinue ~= true then
    end_partial(self)
  end
  return failure
end

local function whole_call(self, call, name)
  end_partial(self)
  local args = json.raw(call, "args")
  if args == nil or args == "null" then
    args = "{}"
  elseif args:sub(1, 1) ~= "{" then
    return M.malformed(self.context, ("the arguments of a call of %s are no object"):format(text.excerpt(name, 64)))
  end
  tell_call(self, word(call.id), name, args)
end

local function call_part(self, call, signature)
  call = object(call)
  if not call then
    return M.malformed(self.context, "a call is no object")
  end
  self.flowing = false
  local name = word(call.name)
  if signature then
    end_partial(self)
    state(self, signature)
  end
  if call.willContinue == true or call.partialArgs ~= nil or not name and self.partial then
    if name or self.partial then
      return partial_call(self, call, name)
    end
  elseif name then
    return whole_call(self, call, name)
  elseif #call == 0 then
    return nil -- the end of a call that has ended
  end
  return M.malformed(self.context, "a call has no name")
end

-- Members of parts beside their contents.
local BESIDE = { text = true, thought = true, thoughtSignature = true, partMetadata = true, videoMetadata = true,
  mediaResolution = true, functionCall = true }

local FOREIGN = { inlineData = "an image or a sound", fileData = "a file", executableCode = "code that it ran itself",
  codeExecutionResult = "the result of code that it ran itself", toolCall = "a call of a tool of its own",
  toolResponse = "the result of a tool of its own" }

local function foreign_part(self, part)
  for key, value in json.each(part) do
    if value ~= json.null and not BESIDE[key] then
      return errors.untranslatable(self.context, FOREIGN[key] or ("a part with %s"):format(text.excerpt(key, 64)))
    end
  end
end

local function one_part(self, part)
  if json.kind(part) ~= "object" then
    return M.malformed(self.context, "a part is no object")
  end
  local words = literal.read(part, "text")
  local failure = foreign_part(self, part)
  if failure then
    return failure
  end
  local signature = word(part.thoughtSignature)
  local call = part.functionCall
  if json.present(call) then
    return call_part(self, call, signature)
  elseif words then
    text_part(self, part, words, signature)
  elseif signature then
    self.flowing = false
    state(self, signature)
  end
end

-- Sources -------------------------------------------------------------------------------------------------------

local function cite(self, url, title)
  self.cited = self.cited or {}
  if url and url ~= '""' and not self.cited[url] then
    self.cited[url] = true
    self.out.citation { kind = "url", url = url, title = title }
  end
end

local function each_object(list, fn, self)
  if json.kind(list) == "array" then
    for _, one in json.each(list) do
      if object(one) then
        fn(self, one)
      end
    end
  end
end

local function citation(self, source)
  cite(self, literal.read(source, "uri"), literal.read(source, "title"))
end

-- The key says where it was found: web, retrievedContext, maps.
local function chunk_of_ground(self, chunk)
  for _, inner in json.each(chunk) do
    if object(inner) then
      citation(self, inner)
    end
  end
end

local function sources(self, candidate)
  local citations, grounding = object(candidate.citationMetadata), object(candidate.groundingMetadata)
  if citations then
    each_object(citations.citationSources, citation, self)
    each_object(citations.citations, citation, self)
  end
  if grounding then
    each_object(grounding.groundingChunks, chunk_of_ground, self)
  end
end

-- Ends ----------------------------------------------------------------------------------------------------------

-- Also as numbers of the enumeration, those in which the two services of it agree.
local ENDS = { STOP = "end", MAX_TOKENS = "length", "end", "length", "filter", "filter" }
for _, reason in ipairs { "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII",
  "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "MODEL_ARMOR" } do
  ENDS[reason] = "filter"
end

-- All others are failures of the model: a call that it could not write, a tool that is not there, and what is new.
local function finish(self, candidate, reason)
  local ending = ENDS[reason]
  if ending then
    self.ending = ending
    self.explanation = ending == "filter" and literal.read(candidate, "finishMessage") or nil
    end_partial(self)
    return nil
  end
  local message = word(candidate.finishMessage)
  return errors.new("upstream_failed", { provider = self.context.target.provider,
    text = ("its model stopped with %s%s"):format(text.excerpt(tostring(reason), 64),
      message and ": " .. text.excerpt(message, 300):gsub("%.$", "") or "") })
end

local function one_candidate(self, candidate)
  self.seen = true
  local content = object(candidate.content)
  local parts = content and content.parts
  if json.kind(parts) == "array" then
    for i = 1, #parts do
      local n, words = json.row(parts, i, "text")
      local failure
      if n == 1 and type(words) == "string" then -- nearly all parts
        if words ~= '""' then
          self.flowing = true
          self.out.text(words)
        end
      else
        failure = one_part(self, parts[i])
      end
      if failure then
        return failure
      end
    end
  end
  local members = #candidate
  if content and (members == 1 or members == 2 and candidate.index ~= nil) then
    return nil -- nothing but content and index: nearly all chunks
  end
  sources(self, candidate)
  local reason = candidate.finishReason
  if json.present(reason) and reason ~= "FINISH_REASON_UNSPECIFIED" and reason ~= 0 then
    return finish(self, candidate, reason)
  end
end

local function blocked(self, feedback)
  if json.present(feedback.blockReason) and feedback.blockReason ~= "BLOCK_REASON_UNSPECIFIED" then
    self.seen, self.ending = true, "filter"
    self.explanation = literal.read(feedback, "blockReasonMessage")
      or text.quote("The prompt was blocked: " .. tostring(feedback.blockReason))
  end
end

--- Reads one chunk.
---@param self cliproxy.gemini.ChunkIn
---@param document cliproxy.json.Node an object
---@return cliproxy.Failure?
function M.read(self, document)
  local usage = json.raw(document, "usageMetadata")
  if usage and usage ~= "null" then
    self.usage = usage
  end
  local candidates = document.candidates
  local candidate = json.length(candidates) and object(candidates[1])
  if candidate then
    return one_candidate(self, candidate)
  end
  if json.present(document.error) then
    return told_failure(self.context, document.error)
  end
  local feedback = object(document.promptFeedback)
  if feedback then
    blocked(self, feedback)
  end
end

--- Why it ended, when nothing more comes: a call wins over an end that nothing disturbed.
---@param self cliproxy.gemini.ChunkIn
---@return cliproxy.Stop? stop nil: nothing came
function M.ending(self)
  if not self.seen then
    return nil
  end
  end_partial(self)
  local ending = self.ending or "end"
  return ending == "end" and self.calls > 0 and "tool_calls" or ending
end

return M
