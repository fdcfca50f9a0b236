--- Remembers what a function made of a text. Agents send the same tools with every request: their schemas are converted
--- once, and looked up by the text after that.
local M = {}

--- Texts of one function together; beyond it all are forgotten.
M.BYTES_MAX = 2 * 1024 * 1024

--- The same function, with a memory. It must be a function of the text alone.
---@param fn fun(text: string): any, any at most two results
---@return fun(text: string): any, any
function M.of(fn)
  local known, bytes = {}, 0
  return function(text)
    local entry = known[text]
    if entry then
      return entry[1], entry[2]
    end
    local first, second = fn(text)
    bytes = bytes + #text + (type(first) == "string" and #first or 0) + 100
    if bytes > M.BYTES_MAX then
      known, bytes = {}, #text
    end
    known[text] = { first, second }
    return first, second
  end
end

return M
