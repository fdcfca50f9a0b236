--- Proto-JSON: every member may be spelled in camelCase or in snake_case, words of enumerations in any case.
local M = {}

---@param camel string
---@return string
function M.snake(camel)
  return (camel:gsub("%u", function(letter)
    return "_" .. letter:lower()
  end))
end

--- A table by members' names, with each name in both spellings.
---@generic V
---@param by_name table<string, V>
---@return table<string, V>
function M.both(by_name)
  local out = {}
  for name, value in pairs(by_name) do
    out[name], out[M.snake(name)] = value, value
  end
  return out
end

--- Both spellings of each name → the one in camelCase.
---@param names string[]
---@return table<string, string>
function M.names(names)
  local out = {}
  for _, name in ipairs(names) do
    out[name], out[M.snake(name)] = name, name
  end
  return out
end

return M
