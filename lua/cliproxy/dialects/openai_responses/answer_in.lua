--- A provider's Response as an answer; also the words that its streams share with it.
---
--- Items of the service's own tools cannot cross. Searches are left out where a message follows: its text and its
--- citations say what was found. Anything else is a failure that names the item.
local errors = require("cliproxy.errors")
local json = require("cliproxy.json")
local literal = require("cliproxy.literal")
local upstream_error = require("cliproxy.upstream_error")
local values = require("cliproxy.dialects.values")

local M = {}

M.malformed, M.untranslatable = errors.malformed, errors.untranslatable

local pick = json.pick
local object, list, word, whole = values.object, values.list, values.word, values.whole

local function nothing()
end

--- The elements of a list; of anything else none.
local function each(value)
  if json.kind(value) == "array" then
    return json.each(value)
  end
  return nothing
end

-- Failures ------------------------------------------------------------------------------------------------------

--- A failure that the service tells of: `error` in a Response, or an event's.
---@param context cliproxy.Context
---@param failed any the object with message, code and maybe type
---@return cliproxy.Failure
function M.failure(context, failed)
  failed = object(failed)
  local message = failed and word(failed.message)
  local code, kind = failed and failed.code, failed and failed.type
  -- Codes say more than types, where they are known.
  if kind and upstream_error.status_of(code) == 502 and upstream_error.status_of(kind) ~= 502 then
    code = kind
  end
  return upstream_error.of_event(context.target, message, (type(code) == "string" or type(code) == "number") and code
    or nil)
end

-- Words ---------------------------------------------------------------------------------------------------------

---@param response cliproxy.json.Node
---@return cliproxy.TokenUsage?
function M.usage(response)
  local input, output, cached, written, reasoning = pick(response, "usage.input_tokens", "usage.output_tokens",
    "usage.input_tokens_details.cached_tokens", "usage.input_tokens_details.cache_write_tokens",
    "usage.output_tokens_details.reasoning_tokens")
  if input == nil and output == nil and not object(response.usage) then
    return nil
  end
  return {
    input = whole(input), output = whole(output), cached = cached and whole(cached),
    cache_written = written and whole(written), reasoning = reasoning and whole(reasoning),
  }
end

---@param response cliproxy.json.Node
---@return { id?: string, model?: string, created?: integer }
function M.head(response)
  local id, model, created = pick(response, "id", "model", "created_at")
  return { id = word(id), model = word(model), created = whole(created) }
end

--- The full name that the request gave a tool.
---@param context cliproxy.Context
---@param name string
---@return string
function M.tool_name(context, name)
  return context.conversation.names[name] or name
end

--- A source of a text; nil for files of the service's own.
---@param annotation any
---@return cliproxy.Citation?
function M.citation(annotation)
  if not object(annotation) or annotation.type ~= "url_citation" then
    return nil
  end
  local url = literal.read(annotation, "url")
  return url and {
    kind = "url", url = url, title = literal.read(annotation, "title"), from = whole(annotation.start_index),
    to = whole(annotation.end_index),
  }
end

---@param part cliproxy.json.Node
---@return cliproxy.Citation[]? citations nil: none
function M.citations(part)
  local out
  for _, annotation in each(part.annotations) do
    local citation = M.citation(annotation)
    if citation then
      out = out or {}
      out[#out + 1] = citation
    end
  end
  return out
end

local function texts(node)
  local out = {}
  for _, part in each(node) do
    local text = object(part) and literal.read(part, "text")
    if text and text ~= '""' then
      out[#out + 1] = text
    end
  end
  return out[1] and literal.concat(out, "\\n\\n") or nil
end

--- What a reasoning item shows: its summary, or else the thoughts of an open-weight model.
---@param item cliproxy.json.Node
---@return cliproxy.Literal?
function M.reasoning_text(item)
  return texts(item.summary) or texts(item.content)
end

---@param item cliproxy.json.Node
---@return cliproxy.State?
function M.state(item)
  local data, id = word(item.encrypted_content), word(item.id)
  return data and { kind = "encrypted", data = data, id = id and id:find("^rs_") and id or nil }
end

-- Items ---------------------------------------------------------------------------------------------------------

--- Searches of the service's own, told by the text that follows.
M.SEARCHES = { web_search_call = true, file_search_call = true }

--- Items that `READERS` and the decoder of streams know.
M.KNOWN = { message = true, function_call = true, custom_tool_call = true, reasoning = true }

local READERS = {}

function READERS.message(context, item, parts)
  local content = list(item.content)
  for i = 1, content and #content or 0 do
    local _, kind, shown, refusal, annotations = json.row(content, i, "type", "text", "refusal", "annotations")
    if kind == '"output_text"' then
      parts[#parts + 1] = { kind = "text", text = type(shown) == "string" and shown or '""',
        citations = annotations and M.citations(content[i]) or nil }
    elseif kind == '"refusal"' then
      parts[#parts + 1] = { kind = "refusal", text = type(refusal) == "string" and refusal or '""' }
    else
      return M.untranslatable(context, ("a part of type %q in a message"):format(
        tostring((object(content[i]) or {}).type)))
    end
  end
end

local function call(context, item, parts, key, custom)
  local name = word(item.name)
  if not name then
    return M.malformed(context, "a call without a name")
  end
  local part = { kind = "tool_call", id = word(item.call_id), name = M.tool_name(context, name), custom = custom }
  part.arguments = literal.read(item, key)
  if not part.arguments then
    -- Some servers give the object itself.
    part.input = object(item[key]) and json.raw(item, key) or nil
    part.arguments = not part.input and '""' or nil
  end
  parts[#parts + 1] = part
end

function READERS.function_call(context, item, parts)
  return call(context, item, parts, "arguments")
end

function READERS.custom_tool_call(context, item, parts)
  return call(context, item, parts, "input", true)
end

function READERS.reasoning(_, item, parts)
  local text, state = M.reasoning_text(item), M.state(item)
  if text or state then
    parts[#parts + 1] = { kind = "reasoning", text = text, state = state }
  end
end

--- An item that nobody can carry.
---@param context cliproxy.Context
---@param kind any
---@return cliproxy.Failure
function M.foreign(context, kind)
  return M.untranslatable(context, ("an output item of type %q"):format(tostring(kind)))
end

--- The parts of `output`; nil and a failure where one cannot cross.
---@param context cliproxy.Context
---@param output cliproxy.json.Node
---@return cliproxy.Part[]? parts
---@return cliproxy.Failure? failure
function M.parts(context, output)
  local parts, searched = {}, nil
  for _, item in json.each(output) do
    local kind = object(item) and item.type
    local read = READERS[kind]
    if read then
      local failure = read(context, item, parts)
      if failure then
        return nil, failure
      end
      searched = kind ~= "message" and searched or nil
    elseif M.SEARCHES[kind] then
      searched = kind
    else
      return nil, M.foreign(context, kind)
    end
  end
  if searched then
    return nil, M.foreign(context, searched)
  end
  return parts
end

-- The end -------------------------------------------------------------------------------------------------------

local REASONS = { max_output_tokens = "length", max_tokens = "length", content_filter = "filter" }

--- Why an incomplete Response ended.
---@param context cliproxy.Context
---@param response cliproxy.json.Node
---@return cliproxy.Stop? stop
---@return cliproxy.Failure? failure
function M.incomplete(context, response)
  local details = object(response.incomplete_details)
  local reason = details and details.reason
  if REASONS[reason] then
    return REASONS[reason]
  end
  return nil, M.untranslatable(context, ("an end with the reason %q"):format(tostring(reason)))
end

--- Why a complete one did.
---@param called boolean
---@param refused boolean
---@return cliproxy.Stop
function M.complete(called, refused)
  return called and "tool_calls" or refused and "refusal" or "end"
end

local function stop_of(context, response, status, parts)
  if status == "incomplete" then
    return M.incomplete(context, response)
  elseif status == "queued" or status == "in_progress" then
    return nil, errors.unfinished(context, "its answer is still " .. status)
  elseif status ~= "completed" and status ~= nil then
    return nil, M.failure(context, response.error)
  end
  local called, refused = false, false
  for _, part in ipairs(parts) do
    called = called or part.kind == "tool_call"
    refused = refused or part.kind == "refusal"
  end
  return M.complete(called, refused)
end

--- Reads a whole answer.
---@param document any
---@param context cliproxy.Context
---@return cliproxy.Answer? answer
---@return cliproxy.Failure? failure
function M.decode(document, context)
  if not object(document) then
    return nil, M.malformed(context, "it is no object")
  end
  local failed, status, output, id, model, created = pick(document, "error", "status", "output", "id", "model",
    "created_at")
  if status == "failed" or status == "cancelled" or failed and object(failed) then
    return nil, M.failure(context, failed)
  elseif not list(output) then
    return nil, M.malformed(context, "it has no output")
  end
  local parts, failure = M.parts(context, output)
  if not parts then
    return nil, failure
  end
  local stop
  stop, failure = stop_of(context, document, status, parts)
  if not stop then
    return nil, failure
  end
  return { id = word(id), model = word(model), created = created and whole(created), parts = parts, stop = stop,
    usage = M.usage(document) }
end

--- The count of a count operation.
---@param document any
---@return integer?
function M.count(document)
  return object(document) and whole(document.input_tokens) or nil
end

return M
