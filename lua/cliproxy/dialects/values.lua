--- Values of a provider's answer, taken only as what they should be: answers of servers are read leniently, and what a
--- member should not be is as if it were not there.
local json = require("cliproxy.json")

local M = {}

local floor, kind_of, type = math.floor, json.kind, type

---@param value any
---@return cliproxy.json.Node? object nil: anything else
function M.object(value)
  return kind_of(value) == "object" and value or nil
end

---@param value any
---@return cliproxy.json.Node? array nil: anything else
function M.list(value)
  return kind_of(value) == "array" and value or nil
end

--- A string that is not empty.
---@param value any
---@return string?
function M.word(value)
  return type(value) == "string" and value ~= "" and value or nil
end

--- A count: what is below 0, or more than a double tells apart, is none.
---@param value any
---@return integer?
function M.whole(value)
  if type(value) == "number" and value >= 0 and value < 2 ^ 53 then
    return floor(value)
  end
end

return M
