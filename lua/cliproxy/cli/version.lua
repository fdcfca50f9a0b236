--- `cliproxy version`
local system = require("cliproxy.system")

local M = {}

---@param _ table
---@param codes table<string, integer>
---@return integer
function M.run(_, codes)
  system.print(("cliproxy %s\n"):format(system.version))
  return codes.ok
end

return M
