--- Copies of tables that scripts return: without metatables, circles and depth, so that nothing of the script runs
--- while the core reads them.
local env = require("cliproxy.env")
local json = require("cliproxy.json")

local M = {}

local MARKED = "cliproxy.json" -- what `json.array{}` and `json.object{}` are is kept
local DEPTH_MAX = 20
local VALUES_MAX = 20000

local function copy(value, state, depth)
  if type(value) ~= "table" or env.is_missing(value) then
    return value
  end
  state.count = state.count + 1
  if depth > DEPTH_MAX or state.count > VALUES_MAX then
    error(state)
  end
  local plain = {}
  for key, item in next, value do
    plain[key] = copy(item, state, depth + 1)
  end
  if getmetatable(value) == MARKED then
    local mark = json[json.kind(value)]
    return mark and mark(plain) or plain
  end
  return plain
end

--- The copy; functions and what stands for unset variables are kept. nil where
--- the table is too deep, too large or a circle.
---@param value any
---@return any copy
---@return string? message
function M.copy(value)
  local ok, result = pcall(copy, value, { count = 0 }, 1)
  if ok then
    return result
  end
  return nil, "the table it returns is nested too deeply, or in a circle"
end

return M
