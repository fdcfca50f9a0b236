--- `cliproxy models [NAME]`
local client = require("cliproxy.cli.client")
local json = require("cliproxy.json")
local system = require("cliproxy.system")

local M = {}

local function show(document)
  local rows, width = {}, 5
  for _, entry in json.ipairs(document.data) do
    rows[#rows + 1] = { entry.id, json.present(entry.owned_by) and entry.owned_by or "" }
    width = math.max(width, #entry.id)
  end
  if #rows == 0 then
    system.print("No models are listed. Providers list plain ids of their `models`, and what `discover` finds.\n")
  end
  for _, row in ipairs(rows) do system.print(("%-" .. width .. "s  %s\n"):format(row[1], row[2])) end
end

---@param arguments table
---@param codes table<string, integer>
---@return integer
function M.run(arguments, codes)
  if arguments.model then return require("cliproxy.cli.model_facts").run(arguments, codes) end
  local target, message = client.find(arguments)
  if not target then
    system.print_error(("cliproxy: %s\n"):format(message))
    return codes.config
  end
  local answer
  answer, message = client.get(target, "/v1/models")
  if not answer then
    system.print_error(client.unreachable(target, message))
    return codes.unreachable
  end
  if answer.status ~= 200 then
    system.print_error(("cliproxy: %d %s\n"):format(answer.status, client.error_text(answer.body)))
    return codes.failed
  end
  if arguments.json then
    system.print(answer.body .. "\n")
    return codes.ok
  end
  show(json.parse(answer.body))
  return codes.ok
end

return M
