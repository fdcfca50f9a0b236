--- What a client sees of a script that raised, and what the log does.
local budget = require("cliproxy.budget")
local errors = require("cliproxy.errors")
local live = require("cliproxy.live")

local M = {}

--- A hook that raised, as the failure that the client sees. The log gets `work.script_error`.
---@param work cliproxy.Work
---@param hook string
---@param message any as `budget.call` gave it
---@return cliproxy.Failure
function M.of(work, hook, message)
  message = tostring(message)
  if not message:find(hook .. "()", 1, true) then
    local place, rest = message:match("^([^:]+:%d+): (.*)$")
    message = place and ("%s: %s(): %s"):format(place, hook, rest) or ("%s(): %s"):format(hook, message)
  end
  work.script_error = message
  if message:find("new memory", 1, true) then
    budget.collect() -- the garbage of this script goes before the next one adds its own
  end
  return errors.new("script_error", { text = (message:gsub("%.$", "")) .. ".", situation = live.situation(work.live) })
end

return M
