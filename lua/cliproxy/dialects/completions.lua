--- OpenAI's old text completions (POST /v1/completions) over a conversation: the client's side of a codec, as
--- docs/conversation.md describes it. A prompt becomes one user turn, so that a model answers it rather than going on
--- with it: services without an endpoint for bare prompts know nothing else. The length is the target's own where the
--- client sets none (the old endpoint stopped after 16 tokens).
local chat = require("cliproxy.dialects.openai_chat")
local conversation = require("cliproxy.conversation")
local errors = require("cliproxy.errors")
local json = require("cliproxy.json")
local literal = require("cliproxy.literal")
local text = require("cliproxy.text")
local titles = require("cliproxy.dialects.titles")

local M = { name = "completions", title = titles.completions }

local quote = text.quote

-- Requests ------------------------------------------------------------------------------------------------------

---@class cliproxy.completions.Reader
---@field c cliproxy.Conversation
---@field prompt? cliproxy.Literal
---@field message? string the first thing that is malformed
---@field param? string

local function wrong(r, path, message)
  if not r.message then
    r.message, r.param = path .. " " .. message, path
  end
end

local EXPECTED = { number = "a number", object = "an object", string = "a string", boolean = "true or false" }

-- JSON text of a member of that kind.
local function take(r, document, key, kind)
  local found = json.kind(json.node(document, key))
  if found == kind then
    return json.raw(document, key)
  end
  wrong(r, key, ("must be %s, not %s"):format(EXPECTED[kind], found))
end

local function carried(kind)
  return function(r, document, key)
    r.c[key] = take(r, document, key, kind)
  end
end

-- What a chat answer cannot give; `harmless(raw)`: a value that asks for nothing.
local function refused(kind, harmless, why)
  return function(r, document, key)
    local raw = take(r, document, key, kind)
    if raw and not harmless(raw) then
      r.c.ledger:refuse(key, why)
    end
  end
end

local function is_one(raw)
  return tonumber(raw) == 1
end

local FIELDS = {
  frequency_penalty = carried("number"),
  logit_bias = carried("object"),
  max_tokens = carried("number"),
  presence_penalty = carried("number"),
  seed = carried("number"),
  temperature = carried("number"),
  top_p = carried("number"),
  user = carried("string"),
  best_of = refused("number", is_one, "a chat model gives one answer"),
  echo = refused("boolean", function(raw) return raw == "false" end, "a chat answer does not repeat its prompt"),
  logprobs = refused("number", function() return false end,
    "log probabilities of a chat answer have another form than the old completions"),
  n = refused("number", is_one, "more than one answer does not cross dialects"),
  suffix = refused("string", literal.is_empty, "a chat model does not write what stands in front of a given text"),
}

local TOKENS = "ids of tokens belong to one model's tokenizer; send the prompt as text"

function FIELDS.prompt(r, document, key)
  local path, raw = key, json.node(document, key)
  local kind = json.kind(raw)
  if kind == "array" then
    local list = document[key]
    local first = json.kind(json.node(list, 1))
    if not first then
      return wrong(r, key, "is an empty list")
    elseif first == "number" or first == "array" then
      return r.c.ledger:refuse(key, TOKENS)
    elseif #list > 1 then
      return r.c.ledger:refuse(key, "a chat model takes one prompt a request")
    end
    path, raw, kind = key .. "[0]", json.node(list, 1), first
  end
  if kind ~= "string" then
    return wrong(r, path, "must be a string, not " .. kind)
  end
  local prompt = json.raw(raw)
  if literal.is_empty(prompt) then
    return wrong(r, path, "is empty: a chat model needs a text to answer")
  end
  r.prompt = prompt
end

function FIELDS.stop(r, document, key)
  local value = json.node(document, key)
  if json.kind(value) == "string" then
    r.c.stop = { json.raw(value) }
    return
  elseif json.kind(value) ~= "array" then
    return wrong(r, key, "must be a string or a list of strings, not " .. json.kind(value))
  end
  local out = {}
  for i = 1, #value do
    out[i] = literal.read(value, i)
    if not out[i] then
      return wrong(r, ("stop[%d]"):format(i - 1), "must be a string, not " .. json.kind(json.node(value, i)))
    end
  end
  r.c.stop = out
end

local STREAM_OPTIONS = {
  include_usage = function(r, value) r.c.wants_usage = value end,
  include_obfuscation = function(r, value, path)
    if value then
      r.c.ledger:drop(path, "no padding is added")
    end
  end,
}

function FIELDS.stream_options(r, document, key)
  local options = document[key]
  if json.kind(options) ~= "object" then
    return wrong(r, key, "must be an object, not " .. tostring(json.kind(options)))
  end
  for name, value in json.each(options) do
    local option, path = STREAM_OPTIONS[name], key .. "." .. name
    if not option then
      r.c.ledger:warn(path, "unknown to cliproxy")
    elseif type(value) == "boolean" then
      option(r, value, path)
    elseif value ~= json.null then
      wrong(r, path, "must be true or false, not " .. tostring(json.kind(value)))
    end
  end
end

--- Fields that mean nothing beyond what `head` says already.
M.ignored = { model = true, stream = true }

--- Reads a request; `nil, message, param` where it is malformed.
---@param document cliproxy.json.Node
---@param head { model: string, stream: boolean }
---@return cliproxy.Conversation? conversation
---@return string? message
---@return string? param
function M.decode_request(document, head)
  if json.kind(document) ~= "object" then
    return nil, "the request must be an object, not " .. tostring(json.kind(document))
  end
  local c = conversation.new(M.name, head, { turns = "prompt", parts = "content", system = "prompt", tools = "tools" })
  local r = { c = c }
  for key, value in json.each(document) do
    local field = FIELDS[key]
    if field and value ~= json.null then
      field(r, document, key)
    elseif not field and not M.ignored[key] then
      c.ledger:warn(key --[[@as string]], "unknown to cliproxy")
    end
  end
  if not json.present(document.prompt) then
    wrong(r, "prompt", "is missing")
  end
  if r.message then
    return nil, r.message, r.param
  end
  -- One that is refused is encoded all the same: an encoder finds a turn as in any other.
  c.turns[1] = { role = "user", index = 0, parts = { { kind = "text", text = r.prompt or '""', turn = 0 } } }
  return c
end

-- Answers -------------------------------------------------------------------------------------------------------

-- Towards the client nothing but text and why it ended.
local REASONS = {
  ["end"] = "stop", stop_sequence = "stop", tool_calls = "stop", length = "length", refusal = "content_filter",
  filter = "content_filter",
}

local function untranslatable(context, why)
  return errors.new("upstream_untranslatable", { provider = context.target.provider, title = M.title, text = why })
end

local CALL = "it calls a tool that nobody offered"
local PAUSE = "it pauses to go on later"

local function detail(name, field, value)
  return value and (',"%s":{"%s":%d}'):format(name, field, value) or ""
end

---@param usage cliproxy.TokenUsage?
---@return string? text nil: nothing is known
local function usage_text(usage)
  if not usage or not usage.input or not usage.output then
    return nil
  end
  return ('{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d%s%s}'):format(usage.input, usage.output,
    usage.input + usage.output, detail("prompt_tokens_details", "cached_tokens", usage.cached),
    detail("completion_tokens_details", "reasoning_tokens", usage.reasoning))
end

-- What stands in front of the choices, and behind them.
local function frame(context, head)
  return '{"id":' .. quote((context.id:gsub("^req_", "cmpl-"))) .. ',"object":"text_completion","created":'
    .. ("%d"):format(head.created or os.time()) .. ',"choices":[',
    '],"model":' .. quote(head.model or context.target.model)
end

local function choice(fragment, reason)
  return '{"text":' .. fragment .. ',"index":0,"logprobs":null,"finish_reason":' .. reason .. "}"
end

-- Words of a refusal stand in the text: there is no other place for them.
local function words(answer)
  local list, apologised = {}, false
  for _, part in ipairs(answer.parts) do
    if part.kind == "tool_call" then
      return nil
    elseif part.text and part.kind ~= "reasoning" then
      list[#list + 1] = part.text
      apologised = apologised or part.kind == "refusal"
    end
  end
  if answer.stop == "refusal" and not apologised and answer.explanation then
    list[#list + 1] = answer.explanation
  end
  return list[1] and literal.concat(list) or '""'
end

--- A whole answer as the client's body; reasoning is left out.
---@param answer cliproxy.Answer
---@param context cliproxy.Context
---@return string? body
---@return cliproxy.Failure? failure
function M.encode_response(answer, context)
  local said = words(answer)
  if not said then
    return nil, untranslatable(context, CALL)
  elseif answer.stop == "pause" then
    return nil, untranslatable(context, PAUSE)
  end
  local front, behind = frame(context, answer)
  local usage = usage_text(answer.usage)
  return front .. choice(said, '"' .. REASONS[answer.stop] .. '"') .. behind .. (usage and ',"usage":' .. usage or "")
    .. "}"
end

-- Streams -------------------------------------------------------------------------------------------------------

---@class cliproxy.completions.Stream
---@field context cliproxy.Context
---@field write fun(bytes: string)
---@field sink cliproxy.Sink
---@field front string an event up to its choices
---@field behind string an event from there on, where it tells the usage
---@field rest string where it does not
---@field before string an event up to its fragment
---@field after string
---@field tokens? cliproxy.TokenUsage
---@field refused boolean
---@field over boolean it failed: nothing follows

local ON = {}

function ON.start(self, head)
  self.front, self.behind = frame(self.context, head)
  self.front = "data: " .. self.front
  local wants_usage = self.context.conversation.wants_usage
  self.rest = self.behind .. (wants_usage and ',"usage":null' or "") .. "}\n\n"
  local around = choice("\1", "null")
  self.before, self.after = around:match("^(.*)\1(.*)$")
  self.before, self.after = self.front .. self.before, self.after .. self.rest
end

function ON.text(self, fragment)
  if fragment ~= '""' and not self.over then
    self.write(self.before .. fragment .. self.after)
  end
end

function ON.refusal(self, fragment)
  self.refused = true
  ON.text(self, fragment)
end

-- Fragments that went out in events that this encoder did not make: nothing of them is needed later.
function ON.absorb() end

function ON.reasoning() end
function ON.state() end
function ON.citation() end
function ON.tool_delta() end
function ON.tool_end() end

function ON.tool_start(self)
  self.sink.fail(untranslatable(self.context, CALL))
end

function ON.usage(self, usage)
  self.tokens = usage
end

function ON.stop(self, stop, why)
  if stop == "pause" then
    return self.sink.fail(untranslatable(self.context, PAUSE))
  elseif stop == "refusal" and not self.refused and why and why.explanation then
    ON.text(self, why.explanation)
  end
  if not self.over then
    self.write(self.front .. choice('""', '"' .. REASONS[stop] .. '"') .. self.rest)
  end
end

function ON.finish(self)
  if self.over then
    return
  end
  local usage = self.context.conversation.wants_usage and usage_text(self.tokens)
  self.write((usage and self.front .. self.behind .. ',"usage":' .. usage .. "}\n\n" or "") .. "data: [DONE]\n\n")
end

function ON.fail(self, failure)
  if not self.over then
    self.over = true
    self.write(chat.stream_error(failure))
  end
end

--- A sink that writes the chunks of the client's stream.
---@param context cliproxy.Context
---@param write fun(bytes: string)
---@return cliproxy.Sink
function M.stream_encoder(context, write)
  local self = { context = context, write = write, sink = {}, refused = false, over = false }
  for name, on in pairs(ON) do
    self.sink[name] = function(...)
      return on(self, ...)
    end
  end
  return self.sink
end

return M
