--- The common form between the four dialects: what any of them says about one request, its answer, or a stream of it.
--- docs/conversation.md is the manual. Plain tables; texts are literals and subtrees JSON text (`cliproxy.literal`), so
--- that what nobody reads arrives byte for byte and nothing here depends on a document that may be closed.
local json = require("cliproxy.json")
local ledger = require("cliproxy.ledger")
local literal = require("cliproxy.literal")

local M = {}

-- The request ---------------------------------------------------------------------------------------------------

---@class cliproxy.Conversation
---@field dialect string the client's
---@field operation "generate"|"count"
---@field model string as asked for
---@field stream boolean
---@field system cliproxy.Part[] texts in front of everything, in order
---@field turns cliproxy.Turn[] one for each message or item of the source; see `M.joined`
---@field tools cliproxy.Tool[]
---@field tool_choice? cliproxy.ToolChoice
---@field web_search? cliproxy.WebSearch that the service itself runs: `web_search.of` says if it goes
---@field parallel_tools? boolean false: one call at a time
---@field format? cliproxy.Format structured output
---@field reasoning? cliproxy.Reasoning
---@field max_tokens? cliproxy.JsonText a number, as the client wrote it; so are those below
---@field temperature? cliproxy.JsonText
---@field top_p? cliproxy.JsonText
---@field top_k? cliproxy.JsonText
---@field seed? cliproxy.JsonText
---@field presence_penalty? cliproxy.JsonText
---@field frequency_penalty? cliproxy.JsonText
---@field n? cliproxy.JsonText answers to give
---@field logprobs? cliproxy.JsonText how many of the likeliest tokens (0: only the chosen one's)
---@field logit_bias? cliproxy.JsonText an object
---@field stop? cliproxy.Literal[]
---@field verbosity? cliproxy.Literal
---@field user? cliproxy.Literal whom the client asks for
---@field metadata? cliproxy.JsonText an object
---@field service_tier? cliproxy.Literal
---@field store? cliproxy.JsonText
---@field safety? cliproxy.JsonText Gemini's safetySettings
---@field cache? cliproxy.JsonText a hint for the whole request
---@field cache_key? cliproxy.Literal
---@field wants_usage? boolean the client asked for the usage of a stream (Chat)
---@field wants_state? boolean the client asked for opaque reasoning state (Responses); others carry it unasked
---@field namespaces? table<string, { namespace: string, name: string }> full name of a tool → its parts (Responses)
---@field custom_tools? table<string, boolean> tools whose input is free text
---@field old_functions? boolean the client sends `functions` of old: it knows one call a message and no ids (Chat)
---@field echo? table<string, cliproxy.JsonText> fields that the client's dialect repeats in its answers (Responses)
---@field names table<string, string> shortened name of a tool → the client's; filled in by `encode_request`
---@field paths { turns: string, parts: string, system: string, tools: string } words of the client's dialect
---@field where table<string, string> field above → the client's path of it, where it is called differently
---@field ledger cliproxy.Ledger

---@class cliproxy.Turn
---@field role "user"|"assistant"|"system"
---@field parts cliproxy.Part[]
---@field index integer place in the client's list, from 0
---@field name? cliproxy.Literal of the speaker (Chat)
---@field phase? cliproxy.Literal "commentary", "final_answer" (Responses)
---@field merged? boolean `joined` made it of several
---@field phases_differ? boolean of those

---@class cliproxy.Part
---@field kind "text"|"refusal"|"image"|"document"|"audio"|"tool_call"|"tool_result"|"reasoning"
---@field turn? integer where it stood: turn, list ("content" where nil: `paths.parts`) and place there, from 0; without
--- a turn it stood in `paths.system`
---@field index? integer nil: the text was a plain string
---@field list? string
---@field text? cliproxy.Literal text, refusal, reasoning; a document that is plain text
---@field cache? cliproxy.JsonText a breakpoint's hint: Anthropic's cache_control
---@field citations? cliproxy.Citation[] of a text
---@field media_type? string image, document, audio: "image/png"
---@field data? cliproxy.Literal base64
---@field url? cliproxy.Literal
---@field file_id? cliproxy.Literal belongs to one provider: never crosses
---@field detail? cliproxy.Literal "low", "high", "auto"
---@field filename? cliproxy.Literal
---@field title? cliproxy.Literal of a document
---@field context? cliproxy.Literal of a document
---@field wants_citations? boolean of a document
---@field id? string tool_call, tool_result: the call's
---@field name? string tool_call; tool_result where known (Gemini); full, see `namespaces`
---@field input? cliproxy.JsonText tool_call: an object; exactly one of input and arguments is there
---@field arguments? cliproxy.Literal tool_call: text, JSON or not; of a custom tool its free text
---@field custom? boolean tool_call, tool_result: of a custom tool
---@field content? cliproxy.Part[] tool_result: texts, images, documents
---@field value? cliproxy.JsonText tool_result: an object instead of content (Gemini's response)
---@field is_error? boolean tool_result
---@field state? cliproxy.State reasoning: what only its maker can read; with or without text

---@class cliproxy.Citation
---@field kind "url"|"document"
---@field url? cliproxy.Literal
---@field title? cliproxy.Literal
---@field quote? cliproxy.Literal the source's words
---@field from? integer first character of the answer's text, from 0
---@field to? integer behind the last one

---@class cliproxy.Tool
---@field name string full: NAMESPACE__NAME where the client has namespaces
---@field description? cliproxy.Literal
---@field schema? cliproxy.JsonText JSON Schema of the input; nil: none was given
---@field openapi? boolean `schema` is Gemini's OpenAPI subset (types may be in capitals)
---@field strict? boolean
---@field custom? boolean free text instead of an object
---@field grammar? cliproxy.JsonText a custom tool's format
---@field cache? cliproxy.JsonText
---@field index integer place in the client's list, from 0
---@field path? string where that is not `paths.tools[index]`

---@class cliproxy.ToolChoice
---@field mode "auto"|"required"|"none"
---@field names? string[] only these may be called (with "required" and one name: this one must be)
---@field where string

---@class cliproxy.Format
---@field kind "json"|"schema"
---@field name? cliproxy.Literal
---@field description? cliproxy.Literal
---@field schema? cliproxy.JsonText
---@field openapi? boolean
---@field strict? cliproxy.JsonText true, false, null
---@field where string

-- The answer ----------------------------------------------------------------------------------------------------

---@class cliproxy.Answer a whole one
---@field id? string the upstream's
---@field model? string the upstream's
---@field created? integer seconds since 1970
---@field parts cliproxy.Part[] text, refusal, reasoning, tool_call
---@field stop cliproxy.Stop
---@field stop_sequence? cliproxy.Literal which one
---@field explanation? cliproxy.Literal of a refusal
---@field usage? cliproxy.TokenUsage

--- Why it ended. "tool_calls" wherever a call is there and nothing worse happened; "filter" also where the prompt was
--- blocked; "pause" only of server tools.
---@alias cliproxy.Stop "end"|"length"|"stop_sequence"|"tool_calls"|"refusal"|"filter"|"pause"

---@class cliproxy.TokenUsage nil: not reported, which is not 0
---@field input? integer all of the prompt, with what was read from a cache and written to one
---@field cached? integer of input
---@field cache_written? integer of input
---@field output? integer with reasoning
---@field reasoning? integer of output

--- What an encoder of streams offers and a decoder calls, in this order: `start` once; then texts, reasoning, tools and
--- usage in the order of the upstream; `stop`; maybe `usage` again; `finish`. Or `fail`, at any time, which ends it.
--- Fragments are literals. Calls of tools may interleave: i is 1, 2, 3… in order of appearance for the whole answer.
---@class cliproxy.Sink
---@field start fun(head: { id?: string, model?: string, created?: integer, usage?: cliproxy.TokenUsage })
---@field text fun(fragment: cliproxy.Literal)
---@field refusal fun(fragment: cliproxy.Literal)
---@field reasoning fun(fragment: cliproxy.Literal)
---@field state fun(state: cliproxy.State) ends the reasoning before it, or belongs to what comes next
---@field citation fun(citation: cliproxy.Citation) of the text before it
---@field tool_start fun(i: integer, call: { id: string, name: string, custom?: boolean })
---@field tool_delta fun(i: integer, fragment: cliproxy.Literal)
---@field tool_end fun(i: integer) every call's, before `stop`
---@field usage fun(usage: cliproxy.TokenUsage) the whole so far; the last one counts
---@field stop fun(stop: cliproxy.Stop, detail?: { sequence?: cliproxy.Literal, explanation?: cliproxy.Literal })
---@field finish fun()
---@field fail fun(failure: cliproxy.Failure)

---@class cliproxy.Target where a request goes, as codecs see it
---@field dialect string
---@field provider string the instance's name
---@field model string the upstream's name
---@field version? string of the API (Anthropic)
---@field caps cliproxy.Caps

---@class cliproxy.Context of one answer
---@field id string of the request: "req_…"
---@field conversation cliproxy.Conversation
---@field target cliproxy.Target whose answer it is: the origin of its opaque state
---@field framing "sse"|"json_array" the client's
---@field remember fun(call_id: string, parts: cliproxy.Part[]) keeps reasoning for clients that cannot carry it (Chat)
---@field estimate fun(): integer the request's tokens, estimated; for a field that must be there before it is known

-- Reading -------------------------------------------------------------------------------------------------------

--- A conversation with nothing in it.
---@param dialect string
---@param head { model: string, stream: boolean, operation?: string }
---@param paths { turns: string, parts: string, system: string, tools: string }
---@return cliproxy.Conversation
function M.new(dialect, head, paths)
  return {
    dialect = dialect, operation = head.operation or "generate", model = head.model, stream = head.stream or false,
    system = {}, turns = {}, tools = {}, names = {}, paths = paths, where = {}, ledger = ledger.new(),
  }
end

--- The client's path of a turn or a part, or of a field in it: "messages[2].content[0].detail"; of a part without a
--- turn, which is the system's, "system[0].cache_control".
---@param c cliproxy.Conversation
---@param item cliproxy.Part|cliproxy.Turn
---@param field? string
---@return string
function M.path(c, item, field)
  local path
  if not item.role and not item.turn then
    path = c.paths.system .. (item.index and "[" .. item.index .. "]" or "")
  else
    path = c.paths.turns .. "[" .. (item.role and item.index or item.turn) .. "]"
  end
  if item.turn and (item.index or item.list) then
    path = path .. "." .. (item.list or c.paths.parts) .. (item.index and "[" .. item.index .. "]" or "")
  end
  return field and path .. "." .. field or path
end

--- Enters the phases of an assistant's messages, for dialects that have none.
---@param c cliproxy.Conversation
function M.drop_phases(c)
  for _, turn in ipairs(c.turns) do
    if turn.phase then
      c.ledger:drop(M.path(c, turn, "phase"), "its messages have no phases")
    end
  end
end

--- The client's path of a field of the conversation.
---@param c cliproxy.Conversation
---@param field string
---@return string
function M.where(c, field)
  return c.where[field] or field
end

---@param c cliproxy.Conversation
---@param tool cliproxy.Tool
---@param field? string
---@return string
function M.tool_path(c, tool, field)
  local path = tool.path or c.paths.tools .. "[" .. tool.index .. "]"
  return field and path .. "." .. field or path
end

-- The input of a call -------------------------------------------------------------------------------------------

--- A call's input as JSON text of an object, for dialects that have objects: "" is {}.
---@param part cliproxy.Part a tool_call
---@return cliproxy.JsonText? input nil where the text is no JSON object
function M.input_of(part)
  if part.input then
    return part.input
  end
  local text = literal.text(part.arguments)
  if not text:find("%S") then
    return "{}"
  end
  local document = json.parse(text)
  local is_object = json.kind(document) == "object"
  if is_object then
    json.close(document)
  elseif json.kind(document) == "array" then
    json.close(document)
  end
  return is_object and text or nil
end

--- A call's input as a literal, for dialects that have text.
---@param part cliproxy.Part a tool_call
---@return cliproxy.Literal
function M.arguments_of(part)
  if part.arguments then
    return part.arguments == '""' and not part.custom and '"{}"' or part.arguments
  end
  return literal.again(part.input)
end

-- The shape of a history ----------------------------------------------------------------------------------------

local function append(into, list)
  for i = 1, #list do
    into[#into + 1] = list[i]
  end
end

local function has(turn, kind)
  local parts = turn.parts
  for i = 1, #parts do
    if parts[i].kind == kind then
      return true
    end
  end
  return false
end

local function copy_of(turn)
  return { role = turn.role, parts = { unpack(turn.parts) }, index = turn.index, name = turn.name, phase = turn.phase,
    merged = true }
end

-- Neighbours of one role as one turn. The turns themselves stay as they are: a plan may encode them twice.
local function merge(turns, role)
  local out, n, last = {}, 0, nil
  for i = 1, #turns do
    local turn = turns[i]
    if turn.role ~= role or not last or last.role ~= role then
      n, last = n + 1, turn
    else
      last = last.merged and last or copy_of(last)
      if last.phase ~= turn.phase then
        last.phase, last.phases_differ = nil, true
      end
      append(last.parts, turn.parts)
    end
    out[n] = last
  end
  return out
end

-- Calls of a turn by their ids, and how many ids there are; nil: none.
local function calls_of(turn)
  local parts, ids, count = turn.parts, nil, 0
  for i = 1, #parts do
    local part = parts[i]
    if part.kind == "tool_call" then
      ids = ids or {}
      count = count + (ids[part.id] and 0 or 1)
      ids[part.id] = part
    end
  end
  return ids, count
end

-- Takes the results of calls out of a turn: what is left of it, nil where none is there, and how many it held.
local function without_results(turn, calls, found)
  local parts, kept, count = turn.parts, nil, 0
  for i = 1, #parts do
    local part = parts[i]
    if part.kind == "tool_result" and calls[part.id] and not found[part.id] then
      kept, count = kept or { unpack(parts, 1, i - 1) }, count + 1
      found[part.id] = part
    elseif kept then
      kept[#kept + 1] = part
    end
  end
  return kept and { role = "user", parts = kept, index = turn.index, name = turn.name }, count
end

-- Takes the results of the `left` calls of the turn at `at` out of those behind it, up to the next that calls.
local function take_results(turns, at, calls, left)
  local found = {}
  for i = at + 1, #turns do
    local turn = turns[i]
    if turn.role == "user" then
      local rest, count = without_results(turn, calls, found)
      turns[i], left = rest or turn, left - count
      if left == 0 then
        break
      end
    elseif turn.role == "assistant" and has(turn, "tool_call") then
      break
    end
  end
  return found
end

-- The turn of the results that answer the calls of the turn at `at`; nil where there are none.
local function results_turn(turns, at, calls, left)
  local found, turn, results = take_results(turns, at, calls, left), turns[at], {}
  for _, part in ipairs(turn.parts) do
    local result = part.kind == "tool_call" and found[part.id]
    if result then
      result.name = result.name or part.name
      results[#results + 1] = result
    end
  end
  return results[1] and { role = "user", parts = results, index = results[1].turn or turn.index, results = true }
end

local function refuse_strays(c, turn)
  for _, part in ipairs(turn.parts) do
    if part.kind == "tool_result" then
      c.ledger:refuse(M.path(c, part), ("it is the result of call %q, which no turn before it makes"):format(
        tostring(part.id)))
    end
  end
end

--- The turns in the order that every dialect accepts: neighbouring assistant turns are one; behind each turn with
--- calls stands one user turn that begins with their results, in the order of the calls, followed by what else its
--- user turns hold. With `users`, neighbouring user turns are one, too. Results without a call are left where they are
--- and refused: no target can take them. A result learns its tool's name.
---@param c cliproxy.Conversation
---@param users? boolean
---@return cliproxy.Turn[]
function M.joined(c, users)
  local turns, out, n = merge(c.turns, "assistant"), {}, 0
  for i = 1, #turns do
    local turn = turns[i] -- results that were taken are gone from it
    if turn.role == "user" then
      if has(turn, "tool_result") then
        refuse_strays(c, turn)
      end
      if turn.parts[1] then
        n = n + 1
        out[n] = turn
      end
    else
      n = n + 1
      out[n] = turn
      local calls, count
      if turn.role == "assistant" then
        calls, count = calls_of(turn)
      end
      local results = calls and results_turn(turns, i, calls, count)
      if results then
        n = n + 1
        out[n] = results
      end
    end
  end
  return users and merge(out, "user") or out
end

-- What a target lacks -------------------------------------------------------------------------------------------

--- Fields of a conversation that not every dialect has, and what happens where one is missing: "refuse", "warn", or
--- "quiet". An encoder lists those that it carries in `carries`; for the others `M.settle` does this.
---@type table<string, { [1]: "refuse"|"warn"|"quiet", [2]: string }>
M.FEATURES = {
  temperature = { "warn", "it sets its temperature itself" },
  top_p = { "warn", "it has no top_p" },
  top_k = { "warn", "it has no top_k" },
  seed = { "warn", "it has no seed" },
  presence_penalty = { "warn", "it has no presence penalty" },
  frequency_penalty = { "warn", "it has no frequency penalty" },
  n = { "refuse", "more than one answer does not cross dialects" },
  logprobs = { "refuse", "it gives no log probabilities" },
  logit_bias = { "refuse", "it has no token biases" },
  stop = { "refuse", "it has no stop sequences" },
  verbosity = { "warn", "it has no verbosity" },
  user = { "warn", "it takes no user id of this client" },
  metadata = { "warn", "it takes no metadata" },
  service_tier = { "warn", "tiers of service are the provider's own" },
  safety = { "warn", "it has no safety settings" },
  parallel_tools = { "warn", "it may call several tools at once" },
  format = { "refuse", "it has no structured output" },
  store = { "quiet", "nothing is stored" },
  cache = { "quiet", "it caches by itself" },
  cache_key = { "quiet", "it caches by itself" },
}

--- Values that say what holds anyway.
local DEFAULTS = {
  temperature = function(v) return tonumber(v) == 1 end,
  top_p = function(v) return tonumber(v) == 1 end,
  presence_penalty = function(v) return tonumber(v) == 0 end,
  frequency_penalty = function(v) return tonumber(v) == 0 end,
  n = function(v) return tonumber(v) == 1 end,
  parallel_tools = function(v) return v == true end,
  stop = function(v) return #v == 0 end,
  logit_bias = function(v) return v:find("^{%s*}$") ~= nil end,
}

-- What happens to a field that is not carried.
local function settle(c, field)
  local row, value, path = M.FEATURES[field], c[field], M.where(c, field)
  if row[1] == "quiet" or DEFAULTS[field] and DEFAULTS[field](value) then
    c.ledger:drop(path, row[2])
  elseif row[1] == "warn" then
    c.ledger:warn(path, row[2])
  else
    c.ledger:refuse(path, row[2])
  end
end

--- Enters what an encoder does not carry into the ledger, in the order of the names.
---@param c cliproxy.Conversation
---@param carries table<string, boolean>
---@return boolean any whether the conversation has any of those that are carried
function M.settle(c, carries)
  local features, left, any = M.FEATURES, nil, false
  for field in next, c do
    if features[field] then
      if carries[field] then
        any = true
      else
        left = left or {}
        left[#left + 1] = field
      end
    end
  end
  if left then
    table.sort(left)
    for _, field in ipairs(left) do
      settle(c, field)
    end
  end
  return any
end

return M
