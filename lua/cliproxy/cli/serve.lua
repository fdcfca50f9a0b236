--- `cliproxy serve`
local M = {}

---@param arguments { config?: string, listen: string[] }
---@param codes table<string, integer>
---@return integer
function M.run(arguments, codes)
  local listen = {}
  for i, address in ipairs(arguments.listen or {}) do listen[i] = address end
  local service = require("cliproxy.service")
  return service.run { config = arguments.config, listen = listen[1] and listen or nil, codes = codes }
end

return M
