--- A conversation as a request to a provider.
local conversation = require("cliproxy.conversation")
local crypto = require("cliproxy.crypto")
local literal = require("cliproxy.literal")
local messages_out = require("cliproxy.dialects.anthropic.messages_out")
local reader = require("cliproxy.dialects.anthropic.reader")
local schema_out = require("cliproxy.dialects.anthropic.schema_out")
local text = require("cliproxy.text")
local thinking_out = require("cliproxy.dialects.anthropic.thinking_out")
local tool_names = require("cliproxy.tool_names")
local tools_out = require("cliproxy.dialects.anthropic.tools_out")
local cache_out = require("cliproxy.dialects.anthropic.cache_out")

local M = {}

---@class cliproxy.anthropic.Encoding a request under way to a provider
---@field c cliproxy.Conversation
---@field target cliproxy.Target
---@field caps cliproxy.Caps
---@field ledger cliproxy.Ledger
---@field narrow boolean the API's version takes no sampling
---@field counting boolean it is the body of a count
---@field name_rule cliproxy.NameRule of tools
---@field breakpoints integer of the cache, so far
---@field leading cliproxy.Part[] of system turns in front
---@field ids table<string, cliproxy.Literal> of the calls of the last assistant's turn: the client's → the target's
---@field quoted table<string, cliproxy.Literal> names of called tools as the target has them
---@field used table<string, boolean> ids of the target
---@field waiting cliproxy.Part[] calls of that turn
---@field answered table<string, boolean>
---@field prefill? boolean the last message is the model's own, to be continued
---@field unthought? boolean the last results are of calls without thinking
---@field has_tools? boolean
---@field forced? boolean a tool must be called
---@field limit integer max_tokens
---@field limited boolean the client sets it
---@field thinks? boolean

local function new(c, target)
  local rule = tool_names.RULES.anthropic
  local max = target.caps.tool_name_max
  return {
    c = c, target = target, caps = target.caps, ledger = c.ledger, narrow = reader.is_narrow(target.version),
    counting = c.operation == "count",
    name_rule = max and { max = max, allowed = rule.allowed } or rule,
    breakpoints = 0, leading = {}, ids = {}, used = {}, waiting = {}, answered = {}, quoted = {},
  }
end

-- Sampling ------------------------------------------------------------------------------------------------------

-- Thinking leaves the temperature at 1, and of the likeliest tokens at least those of 95 %.
local FREE_OF_THINKING = {
  temperature = function(value) return value == 1 end,
  top_p = function(value) return value >= 0.95 and value <= 1 end,
  top_k = function() return false end,
}

-- Whether a parameter may be sent. Where it may not, `settle` enters it, or what is said here.
local function allowed(e, field)
  local value = e.c[field]
  if value == nil or e.narrow or e.caps[field] == false then
    return false
  elseif e.thinks and not FREE_OF_THINKING[field](tonumber(value)) then
    e.ledger:warn(conversation.where(e.c, field), "the model thinks, and then sets it itself")
    e.carries[field] = true
    return false
  end
  return true
end

local function add_temperature(e, add)
  if not allowed(e, "temperature") then
    return false
  end
  e.carries.temperature = true
  local value = e.c.temperature
  if tonumber(value) > 1 then
    e.ledger:change(conversation.where(e.c, "temperature"), "Anthropic's temperature ends at 1", true)
    value = "1"
  end
  add("temperature", value)
  return true
end

local function add_sampling(e, add)
  local has_temperature = add_temperature(e, add)
  if allowed(e, "top_p") then
    e.carries.top_p = true
    if not has_temperature or e.caps.sampling_together ~= false then
      add("top_p", e.c.top_p)
    elseif tonumber(e.c.top_p) ~= 1 then
      e.ledger:warn(conversation.where(e.c, "top_p"), "the model takes temperature or top_p, not both")
    else
      e.ledger:drop(conversation.where(e.c, "top_p"), "it is what holds anyway")
    end
  end
  if allowed(e, "top_k") then
    e.carries.top_k = true
    add("top_k", e.c.top_k)
  end
end

-- Other fields --------------------------------------------------------------------------------------------------

local function add_stop(e, add)
  local stop = e.c.stop
  if not stop or e.caps.stop == false then
    return
  end
  e.carries.stop = true
  for i, one in ipairs(stop) do
    if literal.is_blank(one) then
      e.ledger:refuse(("%s[%d]"):format(conversation.where(e.c, "stop"), i - 1),
        "Anthropic takes no stop sequence of white space alone")
    end
  end
  if stop[1] then
    add("stop_sequences", "[" .. table.concat(stop, ",") .. "]")
  end
end

-- The service's limit, in characters.
local USER_MAX = 256

-- Addresses never leave the house: what stands for them is the same each time.
local function add_user(e, add)
  local user = e.c.user
  if not user or literal.is_empty(user) then
    return
  end
  local plain = literal.text(user)
  if plain:find("[^%s@]@[^%s@]+%.%a") or #plain > USER_MAX then
    e.ledger:change(conversation.where(e.c, "user"), "a hash of it is sent")
    user = text.quote(crypto.hex_encode(crypto.sha256(plain)))
  end
  add("metadata", '{"user_id":' .. user .. "}")
end

-- Always strict; a name and a description have no place.
local function format_of(e)
  local format = e.c.format
  if not format then
    return nil
  elseif format.kind ~= "schema" then
    return e.ledger:refuse(format.where, "Anthropic has no JSON mode: give a JSON schema instead")
  elseif not e.caps.json_schema then
    return e.ledger:refuse(format.where, "the model has no structured output")
  elseif not format.schema then
    return e.ledger:refuse(format.where, "it has no schema")
  end
  local schema, changed = schema_out.of_format(format.schema)
  if not schema then
    return e.ledger:refuse(format.where .. ".schema",
      "Anthropic demands additionalProperties: false of every object in it")
  elseif changed then
    e.ledger:change(format.where .. ".schema", "its objects must say additionalProperties: false")
  end
  return '{"type":"json_schema","schema":' .. schema .. "}"
end

local function add_output(e, add, effort)
  local format, members = format_of(e), {}
  if effort then
    members[1] = '"effort":"' .. effort .. '"'
  end
  if format then
    members[#members + 1] = '"format":' .. format
  end
  if members[1] then
    add("output_config", "{" .. table.concat(members, ",") .. "}")
  end
end

-- What holds anyway is no wish.
local function note_tier(e)
  local tier = e.c.service_tier
  if tier == '"auto"' or tier == '"default"' then
    e.carries.service_tier = true
  end
end

-- The whole -----------------------------------------------------------------------------------------------------

local function add_history(e, add, out)
  local messages = messages_out.read(e)
  messages_out.system(e, out)
  messages_out.write(messages, out)
  local tools = tools_out.list(e)
  if tools then
    add("tools", tools)
  end
  local choice = tools_out.choice(e)
  if choice then
    add("tool_choice", choice)
  end
end

-- Of a request for an answer alone: a count takes none of these, and they change nothing in it.
local function add_generation(e, add)
  add_sampling(e, add)
  add_stop(e, add)
  add_user(e, add)
  note_tier(e)
  if e.c.stream then
    add("stream", "true")
  end
  conversation.settle(e.c, e.carries)
end

--- The request's body. What it cannot carry goes into the conversation's ledger.
---@param c cliproxy.Conversation
---@param target cliproxy.Target
---@return string[] pieces of the body, in order
function M.pieces(c, target)
  local e = new(c, target)
  e.carries = { format = true, parallel_tools = true, user = true, cache = true }
  local out = { '{"model":' .. text.quote(target.model) }
  local function add(key, value)
    out[#out + 1] = ',"' .. key .. '":' .. value
  end
  thinking_out.limit(e)
  local at_limit = #out + 1
  out[at_limit] = "" -- known when the budget of thinking is
  add_history(e, add, out)
  local thinking, effort = thinking_out.encode(e)
  if thinking then
    add("thinking", thinking)
  end
  add_output(e, add, effort)
  local cache = cache_out.hint(e, c.cache, conversation.where(c, "cache"))
  out[#out + 1] = cache ~= "" and cache or nil
  if not e.counting then
    out[at_limit] = (',"max_tokens":%d'):format(e.limit)
    add_generation(e, add)
  end
  out[#out + 1] = "}"
  return out
end

--- The same as one text.
---@param c cliproxy.Conversation
---@param target cliproxy.Target
---@return string
function M.encode(c, target)
  return table.concat(M.pieces(c, target))
end

return M
