--- Patterns of model names: `*` stands for any run of characters, everything else for itself.
local M = {}

local STAR = 42

---@param pattern string
---@return boolean
function M.is_literal(pattern)
  return not pattern:find("*", 1, true)
end

--- Whether `pattern` matches `text`. Greedy with one step back: linear but for patterns of many stars.
--- A `*` in `text` is an ordinary character, so this also tells whether one pattern covers another.
---@param pattern string
---@param text string
---@return boolean
function M.match(pattern, text)
  local p, t, star, mark = 1, 1, nil, 1
  while t <= #text do
    local c = pattern:byte(p)
    if c == STAR then
      star, mark, p = p, t, p + 1
    elseif c == text:byte(t) then
      p, t = p + 1, t + 1
    elseif star then
      mark, p = mark + 1, star + 1
      t = mark
    else
      return false
    end
  end
  while pattern:byte(p) == STAR do
    p = p + 1
  end
  return p > #pattern
end

--- Whether every name that `narrow` matches is matched by `wide` too.
---@param wide string
---@param narrow string
---@return boolean
function M.covers(wide, narrow)
  return M.match(wide, narrow)
end

--- Whether some name is matched by both.
---@param a string
---@param b string
---@return boolean
function M.intersect(a, b)
  local row = { [0] = true }
  for j = 1, #b do
    row[j] = row[j - 1] and b:byte(j) == STAR
  end
  for i = 1, #a do
    local x = a:byte(i)
    local current = { [0] = row[0] and x == STAR }
    for j = 1, #b do
      local y = b:byte(j)
      if x == STAR or y == STAR then
        current[j] = row[j] or current[j - 1]
      else
        current[j] = row[j - 1] and x == y
      end
    end
    row = current
  end
  return row[#b]
end

return M
