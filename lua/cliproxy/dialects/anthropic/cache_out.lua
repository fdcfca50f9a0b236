--- Breakpoints of the prompt cache.
local find, match = string.find, string.match

local M = {}

--- As the service allows in one request.
M.MAX = 4

--- The member `cache_control` of a block, with a comma in front; "" where there is none. Only type and ttl go on:
--- servers that are merely compatible refuse what some clients add.
---@param e cliproxy.anthropic.Encoding
---@param cache? cliproxy.JsonText
---@param path string of the client's
---@return string
function M.hint(e, cache, path)
  if not cache then
    return ""
  elseif not find(cache, '"ephemeral"', 1, true) then
    e.ledger:drop(path, "a hint for another service's cache")
    return ""
  elseif e.breakpoints >= M.MAX then
    e.ledger:drop(path, "Anthropic's cache has four breakpoints")
    return ""
  end
  e.breakpoints = e.breakpoints + 1
  local ttl = match(cache, '"ttl"%s*:%s*"(%d+[mh])"')
  return ',"cache_control":{"type":"ephemeral"' .. (ttl and ',"ttl":"' .. ttl .. '"' or "") .. "}"
end

return M
