--- `generationConfig` for a provider.
local conversation = require("cliproxy.conversation")
local reasoning = require("cliproxy.reasoning")
local tools_out = require("cliproxy.dialects.gemini.tools_out")

local M = {}

local STOP_MAX = 5

local function put(out, key, value)
  if value then
    out[#out + 1] = '"' .. key .. '":' .. value
  end
end

-- Thinking ------------------------------------------------------------------------------------------------------

-- The service knows these; a model may know less.
local LEVELS = { "minimal", "low", "medium", "high" }

local function level(c, asked, caps)
  local known = caps.efforts or LEVELS
  if asked.off then
    local least = known[1] == "none" and known[2] or known[1]
    c.ledger:change(asked.where, "it cannot be switched off; the level is " .. least, true)
    return '"thinkingLevel":"' .. least:upper() .. '"'
  end
  local word, exact = reasoning.effort(asked, known)
  if not word then
    return nil
  elseif not exact then
    c.ledger:change(asked.where, "the level is " .. word, true)
  elseif asked.budget then
    c.ledger:change(asked.where, "the budget is told as the level " .. word)
  end
  return '"thinkingLevel":"' .. word:upper() .. '"'
end

local function budget(c, asked, caps)
  local least, most = caps.budget_min or 1, caps.budget_max or math.huge
  if asked.off then
    if caps.reasoning_off ~= false then
      return '"thinkingBudget":0'
    end
    c.ledger:change(asked.where, ("it cannot be switched off; the budget is %d tokens"):format(least), true)
    return '"thinkingBudget":' .. least
  end
  local wanted = reasoning.budget(asked)
  if not wanted then
    return nil
  end
  local tokens = math.max(least, math.min(most, wanted))
  if tokens ~= wanted then
    -- A word stands for about as much; a number was meant.
    c.ledger:change(asked.where, ("the budget is %d tokens"):format(tokens), asked.budget ~= nil)
  end
  return ('"thinkingBudget":%d'):format(tokens)
end

local function thinking(c, caps)
  local asked = c.reasoning
  if not asked then
    return nil
  elseif caps.reasoning ~= "level" and caps.reasoning ~= "budget" then
    return reasoning.settle_none(asked, c.ledger)
  end
  local members = {}
  members[1] = (caps.reasoning == "level" and level or budget)(c, asked, caps)
  if asked.visible and not asked.off then
    table.insert(members, 1, '"includeThoughts":true')
  end
  return members[1] and "{" .. table.concat(members, ",") .. "}"
end

-- Structured output ---------------------------------------------------------------------------------------------

local function format(w, out)
  local c, asked = w.c, w.c.format
  if not asked then
    return
  elseif w.caps.tools_with_schema == false and c.tools[1] then
    return c.ledger:refuse(asked.where, "the model takes no tools together with structured output")
  elseif asked.kind == "json" and w.caps.json_object == false
    or asked.kind == "schema" and w.caps.json_schema == false then
    return c.ledger:refuse(asked.where, "the model has no structured output")
  end
  put(out, "responseMimeType", '"application/json"')
  for _, field in ipairs { "name", "description" } do
    if asked[field] then
      c.ledger:drop(asked.where .. "." .. field, "its schemas have none")
    end
  end
  if asked.schema then
    local schema, is_openapi = tools_out.schema(w, asked.schema, asked.where)
    put(out, is_openapi and "responseSchema" or "responseJsonSchema", schema)
  end
end

-- The rest ------------------------------------------------------------------------------------------------------

local function max_tokens(c, caps)
  local asked, most = c.max_tokens, caps.output
  if asked and most and (tonumber(asked) or 0) > most then
    c.ledger:change(conversation.where(c, "max_tokens"), ("the model gives at most %d tokens"):format(most), true)
    return ("%d"):format(most)
  end
  return asked
end

local function stop(c, caps)
  local list = c.stop
  if not list or #list == 0 or caps.stop == false then
    return nil -- `settle` tells
  elseif #list > STOP_MAX then
    c.ledger:refuse(conversation.where(c, "stop"), ("it takes at most %d stop sequences, not %d"):format(STOP_MAX,
      #list))
  end
  return "[" .. table.concat(list, ",") .. "]"
end

-- The lowest or highest detail that all images agree on: there is one field for all of them.
local RESOLUTIONS = { ['"low"'] = "LOW", ['"high"'] = "HIGH" }

local function resolution(c)
  local found, mixed, first
  for _, turn in ipairs(c.turns) do
    for _, part in ipairs(turn.parts) do
      if part.kind == "image" then
        local word = RESOLUTIONS[part.detail] or "AUTO"
        first = first or RESOLUTIONS[part.detail] and part
        mixed = mixed or found and found ~= word
        found = word
      end
    end
  end
  if first and mixed then
    c.ledger:warn(conversation.path(c, first, "detail"), "there is one resolution for all images")
  elseif first then
    c.ledger:change(conversation.path(c, first, "detail"), "as mediaResolution")
    return '"MEDIA_RESOLUTION_' .. found .. '"'
  end
end

--- What `generationConfig` carries of a conversation, for `conversation.settle`.
---@type fun(caps: cliproxy.Caps): table<string, boolean>
M.carries = conversation.carrier(function(caps)
  return {
    temperature = caps.temperature ~= false, top_p = caps.top_p ~= false, top_k = caps.top_k ~= false, seed = true,
    presence_penalty = true, frequency_penalty = true, stop = caps.stop ~= false, format = true, safety = true,
  }
end)

--- `generationConfig`; nil where it would be empty.
---@param w cliproxy.gemini.Writer
---@return string?
function M.encode(w)
  local c, caps = w.c, w.caps
  local carries, out = M.carries(caps), {}
  put(out, "temperature", carries.temperature and c.temperature)
  put(out, "topP", carries.top_p and c.top_p)
  put(out, "topK", carries.top_k and c.top_k)
  put(out, "maxOutputTokens", max_tokens(c, caps))
  put(out, "stopSequences", stop(c, caps))
  put(out, "seed", c.seed)
  put(out, "presencePenalty", c.presence_penalty)
  put(out, "frequencyPenalty", c.frequency_penalty)
  put(out, "mediaResolution", resolution(c))
  put(out, "thinkingConfig", thinking(c, caps))
  format(w, out)
  return out[1] and "{" .. table.concat(out, ",") .. "}"
end

return M
