--- `cliproxy check [F…] [--json]`
local check = require("cliproxy.check")
local system = require("cliproxy.system")

local M = {}

---@param arguments { files: string[], json?: boolean, config?: string }
---@param codes table<string, integer>
---@return integer
function M.run(arguments, codes)
  local report = check.run({ path = arguments.config, files = arguments.files })
  system.print(arguments.json and check.encode(report) .. "\n" or check.text(report))
  return report.ok and codes.ok or codes.failed
end

return M
