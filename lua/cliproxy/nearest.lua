--- The names that somebody may have meant.
local M = {}

local WORD_MAX = 80
local CANDIDATES_MAX = 1000

--- Edits (insert, remove, replace, swap neighbours) that turn `a` into `b`;
--- `limit + 1` when there are more than `limit`.
---@param a string
---@param b string
---@param limit integer
---@return integer
function M.distance(a, b, limit)
  if math.abs(#a - #b) > limit then
    return limit + 1
  end
  local before, row = {}, {}
  for j = 0, #b do
    row[j] = j
  end
  for i = 1, #a do
    local current, least = { [0] = i }, i
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      local cost = math.min(row[j] + 1, current[j - 1] + 1, row[j - 1] + (same and 0 or 1))
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        cost = math.min(cost, before[j - 2] + 1)
      end
      current[j] = cost
      least = math.min(least, cost)
    end
    if least > limit then
      return limit + 1
    end
    before, row = row, current
  end
  return row[#b]
end

local function common_prefix(a, b)
  local n = 0
  while n < #a and a:byte(n + 1) == b:byte(n + 1) do
    n = n + 1
  end
  return n
end

--- The candidates that are near enough to be a slip of the fingers, best first.
---@param word string
---@param candidates string[]
---@param count? integer 1 by default
---@return string[]
function M.find(word, candidates, count)
  if #word > WORD_MAX then
    return {}
  end
  local lower = word:lower()
  local limit = math.max(1, math.min(4, math.floor(#word / 3)))
  local found = {}
  for i = 1, math.min(#candidates, CANDIDATES_MAX) do
    local candidate = candidates[i]
    local distance = M.distance(lower, candidate:lower(), limit)
    if distance <= limit then
      found[#found + 1] = { name = candidate, distance = distance, prefix = common_prefix(lower, candidate:lower()) }
    end
  end
  table.sort(found, function(x, y)
    if x.distance ~= y.distance then
      return x.distance < y.distance
    elseif x.prefix ~= y.prefix then
      return x.prefix > y.prefix
    end
    return x.name < y.name
  end)
  local names = {}
  for i = 1, math.min(#found, count or 1) do
    names[i] = found[i].name
  end
  return names
end

--- "; did you mean X?", or "" where nothing is near.
---@param word any
---@param candidates string[]
---@return string
function M.hint(word, candidates)
  local name = type(word) == "string" and M.find(word, candidates)[1]
  return name and ("; did you mean %s?"):format(name) or ""
end

return M
