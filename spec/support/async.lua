--- Runs a function as a task of the VM and turns the loop until it ends: how specs call what waits.
---
---     local async = require "spec.support.async"
---     it("sleeps", function()
---       async(function() timer.sleep(0.01) end)
---     end)
local test = require "cliproxy_test"

local function finish(ok, ...)
  if ok then return ... end
  error((...), 0)
end

--- Returns what `fn` returns and raises what it raises, assertion failures of luassert included.
---@param fn fun(): any
---@param seconds? number 5 by default; then the task is cancelled and this raises
---@return any ...
return function(fn, seconds)
  return finish(test.run(fn, seconds))
end
