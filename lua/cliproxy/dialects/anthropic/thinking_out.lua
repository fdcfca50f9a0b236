--- How much a provider's model is to think, and how long its answer may be: both share `max_tokens`.
local conversation = require("cliproxy.conversation")
local reasoning = require("cliproxy.reasoning")

local M = {}

--- Tokens of an answer where nobody says how many the model can give.
M.DEFAULT_OUTPUT = 8192
--- The service's least budget.
M.BUDGET_MIN = 1024

-- The longest answer ---------------------------------------------------------------------------------------------

-- The client's own limit, as an integer that the model can give; nil where it has none.
local function asked_limit(e)
  local c = e.c
  local count = c.max_tokens and tonumber(c.max_tokens)
  if not count then
    return nil
  end
  local path, whole = conversation.where(c, "max_tokens"), math.floor(count)
  if whole < 1 then
    e.ledger:refuse(path, "an answer has at least one token")
  elseif e.caps.output and whole > e.caps.output then
    e.ledger:change(path, ("the model gives at most %d tokens"):format(e.caps.output), true)
    whole = e.caps.output
  end
  return whole
end

--- Sets `limit` of the encoding, and `limited` where the client says it. A count has none.
---@param e cliproxy.anthropic.Encoding
function M.limit(e)
  if e.counting then
    e.limited, e.limit = true, math.huge
    return
  end
  local asked = asked_limit(e)
  e.limited, e.limit = asked ~= nil, asked or e.caps.output or M.DEFAULT_OUTPUT
  if not asked then
    e.ledger:invent("max_tokens", "Anthropic needs it: the most that the model gives")
  end
end

-- Thinking ------------------------------------------------------------------------------------------------------

local STYLES = {}

function STYLES.none(e, asked)
  if not asked.off and (asked.effort or asked.budget) then
    e.ledger:warn(asked.where, "the model does not think")
  end
end

local DISABLED = '{"type":"disabled"}'

-- Where thinking cannot be switched off, the least of it is asked for.
local function off(e, asked)
  if e.caps.reasoning_off ~= false then
    return DISABLED
  end
  e.ledger:warn(asked.where, "the model's thinking cannot be switched off")
  return nil, e.caps.efforts and e.caps.efforts[1] or "low"
end

function STYLES.adaptive(e, asked)
  if asked.off then
    return off(e, asked)
  end
  local word, exact = reasoning.effort(asked, e.caps.efforts)
  if word == "minimal" then -- a word that Anthropic has not
    word, exact = "low", false
  end
  if not exact then
    e.ledger:change(asked.where, ("the effort is %s"):format(word))
  end
  local display = asked.visible and "summarized" or asked.visible == false and "omitted"
  return '{"type":"adaptive"' .. (display and ',"display":"' .. display .. '"' or "") .. "}", word
end

-- A budget below the limit of the answer. Of a limit that the client set, a fifth is left for what it reads.
local function fit_budget(e, asked)
  local least = math.max(e.caps.budget_min or M.BUDGET_MIN, M.BUDGET_MIN)
  local budget = math.min(reasoning.budget(asked), e.caps.budget_max or math.huge)
  if not e.limited and not e.caps.output then
    e.limit = math.max(e.limit, budget + M.DEFAULT_OUTPUT)
  end
  if budget >= e.limit then
    budget = math.floor(e.limit * 0.8)
  end
  budget = math.max(budget, least)
  if budget >= e.limit then
    return nil
  end
  return budget
end

-- Why a model that thinks by a budget cannot think now.
local function obstacle(e)
  return e.forced and "the model does not think where it must call a tool"
    or e.prefill and "the model does not think where it continues an assistant's turn"
    or e.unthought and "the calls that are answered were made without its thinking"
end

function STYLES.budget(e, asked)
  if asked.off then
    return off(e, asked)
  elseif not reasoning.budget(asked) then
    return e.ledger:drop(asked.where, "no effort is asked for, and the model thinks only where one is")
  end
  local why = obstacle(e)
  if why then
    return e.ledger:warn(asked.where, why)
  end
  local budget = fit_budget(e, asked)
  if not budget then
    return e.ledger:warn(asked.where, ("thinking needs %d tokens below %s"):format(M.BUDGET_MIN,
      conversation.where(e.c, "max_tokens")))
  elseif budget ~= asked.budget then
    e.ledger:change(asked.where, ("the budget is %d tokens"):format(budget))
  end
  return ('{"type":"enabled","budget_tokens":%d}'):format(budget)
end

--- `thinking` as JSON, and the word of `output_config.effort`. Sets `thinks`. After `limit`, `messages` and `tools`.
---@param e cliproxy.anthropic.Encoding
---@return string? thinking
---@return string? effort
function M.encode(e)
  local asked = e.c.reasoning
  if not asked then
    return nil
  end
  local thinking, effort = (STYLES[e.caps.reasoning] or STYLES.none)(e, asked)
  e.thinks = thinking ~= nil and thinking ~= DISABLED
  return thinking, effort
end

return M
