--- A conversation as a request to a provider: OpenAI's own servers and those that are compatible, as the target's
--- capabilities tell them apart.
local conversation = require("cliproxy.conversation")
local fields_out = require("cliproxy.dialects.openai.fields_out")
local messages_out = require("cliproxy.dialects.openai_chat.messages_out")
local reasoning = require("cliproxy.reasoning")
local text = require("cliproxy.text")
local tools_out = require("cliproxy.dialects.openai_chat.tools_out")
local web_search = require("cliproxy.web_search")

local M = {}

local put = fields_out.put

-- Tools ---------------------------------------------------------------------------------------------------------

-- Without tools the service refuses what is about them.
local function put_tools(out, c, caps)
  put(out, "tools", tools_out.tools(c, caps))
  put(out, "tool_choice", tools_out.choice(c, caps))
  fields_out.put_parallel(out, c, caps)
end

-- Its search has neither limits nor domains, and is no tool.
local SEARCH = { location = true, context_size = true }

local function search_options(c, caps)
  local search = web_search.of(c, caps, SEARCH, false)
  if not search then
    return nil
  elseif not c.tools[1] and c.tool_choice and c.tool_choice.mode == "required" then
    c.ledger:warn(c.tool_choice.where, "it searches where it sees a reason")
  end
  local members = {}
  members[1] = search.context_size and '"search_context_size":' .. search.context_size
  members[#members + 1] = search.location
    and '"user_location":{"type":"approximate","approximate":{' .. search.location .. "}}"
  return "{" .. table.concat(members, ",") .. "}"
end

-- Structured output ---------------------------------------------------------------------------------------------

local function schema_format(c, caps, format)
  local name, strict = fields_out.schema_name(c, format, "response_format.json_schema.name"), format.strict
  if strict == "true" and caps.strict == false then
    strict = nil
    c.ledger:drop(format.where .. ".strict", "its schemas are as strict as it makes them")
  end
  return '{"type":"json_schema","json_schema":{"name":' .. name
    .. (format.description and ',"description":' .. format.description or "")
    .. (format.schema and ',"schema":' .. format.schema or "")
    .. (strict and ',"strict":' .. strict or "") .. "}}"
end

local function response_format(c, caps)
  local format = c.format
  if c.tools[1] and caps.tools_with_schema == false then
    return c.ledger:refuse(format.where, "it has either tools or structured output")
  elseif format.kind == "json" then
    if caps.json_object == false then
      return c.ledger:refuse(format.where, "it has no JSON mode")
    end
    return '{"type":"json_object"}'
  elseif caps.json_schema == false then
    return c.ledger:refuse(format.where, caps.json_object and "it gives JSON, but not to a schema"
      or "it has no structured output")
  end
  return schema_format(c, caps, format)
end

-- Reasoning -----------------------------------------------------------------------------------------------------

local function effort(c, caps)
  if caps.reasoning == "none" then
    return reasoning.settle_none(c.reasoning, c.ledger)
  end
  return fields_out.effort(c, caps)
end

-- The rest ------------------------------------------------------------------------------------------------------

local STOPS_MAX = 4 -- as the service has it

local function stop(c, caps)
  if caps.stop == false or #c.stop == 0 then
    return nil
  elseif #c.stop > STOPS_MAX then
    return c.ledger:refuse(conversation.where(c, "stop"), "it takes no more than " .. STOPS_MAX .. " stop sequences")
  end
  return "[" .. table.concat(c.stop, ",") .. "]"
end

-- What the two dialects of OpenAI have in the same words.
local FROM_RESPONSES = { "user", "service_tier", "cache_key" }

-- What came to Chat late has no capability of its own: servers that know the role of developers have it.
-- Whether the client speaks Responses decides about what only the two have.
local carries_of = conversation.carrier(function(caps, is_responses)
  local recent = caps.developer_role == true
  local out = {
    temperature = caps.temperature ~= false, top_p = caps.top_p ~= false, top_k = caps.top_k == true, seed = true,
    presence_penalty = true, frequency_penalty = true, logit_bias = true, format = true, parallel_tools = true,
    stop = caps.stop ~= false, verbosity = recent,
  }
  for _, field in ipairs(FROM_RESPONSES) do
    out[field] = recent and is_responses
  end
  return out
end)

local function carries(c, caps)
  local carried = carries_of(caps, c.dialect == "openai_responses")
  if caps.sampling_together == false and c.temperature and c.top_p and carried.temperature then
    return setmetatable({ top_p = false }, { __index = carried })
  end
  return carried
end

local PLAIN = {
  { "temperature", "temperature" }, { "top_p", "top_p" }, { "top_k", "top_k" }, { "seed", "seed" },
  { "presence_penalty", "presence_penalty" }, { "frequency_penalty", "frequency_penalty" },
  { "logit_bias", "logit_bias" }, { "verbosity", "verbosity" }, { "user", "safety_identifier" },
  { "service_tier", "service_tier" }, { "cache_key", "prompt_cache_key" },
}

local function put_plain(out, c, caps)
  local carried = carries(c, caps)
  if conversation.settle(c, carried) then
    for _, row in ipairs(PLAIN) do
      put(out, row[2], carried[row[1]] and c[row[1]])
    end
  end
end

--- The body of a request.
---@param c cliproxy.Conversation
---@param target cliproxy.Target
---@return string[] pieces of the body, in order
function M.pieces(c, target)
  local caps = target.caps or {}
  local out = { '{"model":' .. text.quote(target.model) .. ',"messages":' }
  messages_out.encode(c, target, out)
  put(out, "web_search_options", search_options(c, caps))
  if c.tools[1] then
    put_tools(out, c, caps)
  end
  if c.format then
    put(out, "response_format", response_format(c, caps))
  end
  local word = c.reasoning and effort(c, caps)
  put(out, "reasoning_effort", word and '"' .. word .. '"')
  if c.max_tokens then
    put(out, caps.max_tokens_field or "max_tokens", fields_out.max_tokens(c, caps))
  end
  if c.stop then
    put(out, "stop", stop(c, caps))
  end
  put_plain(out, c, caps)
  if c.stream then
    put(out, "stream", "true")
    put(out, "stream_options", caps.stream_usage ~= false and '{"include_usage":true}')
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
