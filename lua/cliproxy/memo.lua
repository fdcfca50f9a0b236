--- Remembers what a function made of a text. Agents send the same tools with every request: their schemas are converted
--- once, and looked up by the text after that.
local M = {}

--- Texts of one function together; beyond it all are forgotten.
M.BYTES_MAX = 2 * 1024 * 1024

--- The same function, with a memory. It must be a function of its arguments alone.
---@param fn fun(text: string, flag?: boolean): any, any at most two results
---@return fun(text: string, flag?: boolean): any, any
function M.of(fn)
  local known, bytes = { [true] = {}, [false] = {} }, 0
  return function(text, flag)
    local of_flag = known[flag or false]
    local entry = of_flag[text]
    if entry then
      return entry[1], entry[2]
    end
    local first, second = fn(text, flag)
    bytes = bytes + #text + (type(first) == "string" and #first or 0) + 100
    if bytes > M.BYTES_MAX then
      known, bytes = { [true] = {}, [false] = {} }, #text
      of_flag = known[flag or false]
    end
    of_flag[text] = { first, second }
    return first, second
  end
end

return M
