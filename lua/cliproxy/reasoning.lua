--- How much to think: words of effort and budgets of tokens, and the way between them (docs/conversation.md shows the
--- table).
local M = {}

--- From least to most.
M.EFFORTS = { "none", "minimal", "low", "medium", "high", "xhigh", "max" }

--- Tokens that stand for a word.
M.BUDGETS = { minimal = 1024, low = 4096, medium = 8192, high = 16384, xhigh = 24576, max = 32768 }

-- From a budget back to a word: the first row that it is below.
local BUCKETS = { { 2000, "low" }, { 8000, "medium" }, { 24000, "high" } }

local rank = {}
for i, word in ipairs(M.EFFORTS) do
  rank[word] = i
end

---@class cliproxy.Reasoning what a request asks for
---@field off? boolean no reasoning
---@field effort? "minimal"|"low"|"medium"|"high"|"xhigh"|"max"
---@field budget? integer tokens
---@field visible? boolean whether the client wants to read it; nil: not said
---@field summary? "auto"|"concise"|"detailed" how it is to be told (Responses)
---@field where string the request's field

---@param word any
---@return boolean
function M.is_effort(word)
  return rank[word] ~= nil
end

---@param budget number
---@return string
function M.effort_of(budget)
  for _, row in ipairs(BUCKETS) do
    if budget < row[1] then
      return row[2]
    end
  end
  return "xhigh"
end

--- The word for a target that knows only some: the nearest one, the lower of two that are as near.
---@param asked cliproxy.Reasoning
---@param known string[]? the target's words; nil: all
---@return string? word nil: nothing was asked for
---@return boolean exact
function M.effort(asked, known)
  local word = asked.effort or asked.budget and M.effort_of(asked.budget)
  if not word or not known then
    return word, true
  end
  local best, distance
  for _, candidate in ipairs(known) do
    local d = math.abs((rank[candidate] or 99) - rank[word])
    if candidate ~= "none" and (not distance or d < distance or d == distance and rank[candidate] < rank[best]) then
      best, distance = candidate, d
    end
  end
  return best, distance == 0
end

--- Enters that a model does not reason: a warning where something was asked for.
---@param asked cliproxy.Reasoning
---@param ledger cliproxy.Ledger
function M.settle_none(asked, ledger)
  if not asked.off and (asked.effort or asked.budget or asked.visible or asked.summary) then
    ledger:warn(asked.where, "it does not reason")
  else
    ledger:drop(asked.where, "it does not reason")
  end
end

--- The budget in tokens; nil: nothing was asked for.
---@param asked cliproxy.Reasoning
---@return integer?
function M.budget(asked)
  return asked.budget or asked.effort and M.BUDGETS[asked.effort]
end

return M
