--- A conversation as a request to a provider.
local conversation = require("cliproxy.conversation")
local fields_out = require("cliproxy.dialects.openai.fields_out")
local input_out = require("cliproxy.dialects.openai_responses.input_out")
local literal = require("cliproxy.literal")
local reasoning = require("cliproxy.reasoning")
local text = require("cliproxy.text")
local tools_out = require("cliproxy.dialects.openai_responses.tools_out")
local web_search = require("cliproxy.web_search")

local M = {}

local put = fields_out.put

local function instructions(c)
  local texts = {}
  for _, part in ipairs(c.system) do
    if not literal.is_empty(part.text) then
      texts[#texts + 1] = part.text
    end
    fields_out.drop_cache(c, part)
  end
  return texts[1] and literal.concat(texts, "\\n\\n")
end

-- Texts ---------------------------------------------------------------------------------------------------------

local function schema_format(c, format)
  local name = fields_out.schema_name(c, format, "text.format.name")
  return '{"type":"json_schema","name":' .. name .. ',"schema":' .. (format.schema or "{}")
    .. (format.description and ',"description":' .. format.description or "")
    .. ',"strict":' .. (format.strict or "false") .. "}"
end

local function format_text(c, caps)
  local format = c.format
  if not format then
    return nil
  elseif format.kind == "json" then
    if caps.json_object == false then
      c.ledger:refuse(format.where, "it has no JSON mode")
    end
    return '{"type":"json_object"}'
  elseif caps.json_schema == false then
    c.ledger:refuse(format.where, "it has no structured output")
  end
  return schema_format(c, format)
end

local function text_field(c, caps)
  local format = format_text(c, caps)
  local members = {}
  members[1] = format and '"format":' .. format
  members[#members + 1] = c.verbosity and '"verbosity":' .. c.verbosity
  return members[1] and "{" .. table.concat(members, ",") .. "}"
end

-- Reasoning -----------------------------------------------------------------------------------------------------

local function reasoning_field(c, caps)
  local asked = c.reasoning
  if not asked then
    return nil
  elseif caps.reasoning == "none" then
    return reasoning.settle_none(asked, c.ledger)
  end
  local word, members = fields_out.effort(c, caps), {}
  members[1] = word and '"effort":"' .. word .. '"'
  if not asked.off and (asked.summary or asked.visible) then
    members[#members + 1] = '"summary":"' .. (asked.summary or "auto") .. '"'
  end
  return members[1] and "{" .. table.concat(members, ",") .. "}"
end

-- The whole -----------------------------------------------------------------------------------------------------

-- The service refuses less.
local LEAST_TOKENS = 16

local function max_tokens(c, caps)
  local asked = c.max_tokens and fields_out.max_tokens(c, caps)
  if asked and (tonumber(asked) or LEAST_TOKENS) < LEAST_TOKENS then
    c.ledger:change(conversation.where(c, "max_tokens"), "at least " .. LEAST_TOKENS .. " tokens", true)
    return tostring(LEAST_TOKENS)
  end
  return asked
end

-- Fields that the conversation of the other OpenAI dialect has in the same words.
local FROM_CHAT = { user = true, service_tier = true }

local carries = conversation.carrier(function(caps, is_chat)
  local out = {
    temperature = caps.temperature ~= false, top_p = caps.top_p ~= false, parallel_tools = true, format = true,
    verbosity = true, metadata = true, cache_key = true,
  }
  for field in pairs(FROM_CHAT) do
    out[field] = is_chat
  end
  return out
end)

local SEARCH = { max_uses = true, allowed_domains = true, blocked_domains = true, location = true, context_size = true }

-- What decides how many tokens a request has.
local function put_counted(out, c, target)
  local caps = target.caps or {}
  put(out, "instructions", instructions(c))
  out[#out + 1] = ',"input":'
  input_out.put(out, c, target)
  local search = web_search.of(c, caps, SEARCH, true)
  if c.tools[1] or search then
    put(out, "tools", tools_out.tools(c, caps, search))
    put(out, "tool_choice", tools_out.choice(c, caps, search))
    fields_out.put_parallel(out, c, caps)
  end
  if search and c.operation ~= "count" then
    put(out, "max_tool_calls", search.max_uses) -- of the service's own tools: of the search
  end
  put(out, "text", text_field(c, caps))
  put(out, "reasoning", reasoning_field(c, caps))
end

local PLAIN = { { "temperature", "temperature" }, { "top_p", "top_p" }, { "metadata", "metadata" },
  { "user", "safety_identifier" }, { "service_tier", "service_tier" }, { "cache_key", "prompt_cache_key" } }

local function put_others(out, c, target)
  local caps = target.caps or {}
  local carried = carries(caps, c.dialect == "openai_chat")
  put(out, "max_output_tokens", max_tokens(c, caps))
  for _, row in ipairs(PLAIN) do
    put(out, row[2], carried[row[1]] and c[row[1]])
  end
  if caps.reasoning ~= "none" then
    -- Nothing is stored: without its state reasoning would be lost from turn to turn.
    put(out, "include", '["reasoning.encrypted_content"]')
  end
  put(out, "store", "false")
  put(out, "stream", c.stream and "true" or "false")
  conversation.settle(c, carried)
end

--- The body of a request.
---@param c cliproxy.Conversation
---@param target cliproxy.Target
---@return string[] pieces of the body, in order
function M.pieces(c, target)
  local out = { '{"model":' .. text.quote(target.model) }
  put_counted(out, c, target)
  if c.operation ~= "count" then
    put_others(out, c, target)
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
