---@meta cliproxy.timer
--- Time. Written in C: src/lua/api_timer.c.
local timer = {}

--- Waits. `0` gives way to everything else that is ready and goes on in the next turn of the loop.
---@param seconds number 0 to 30 days; 1 ms is the smallest step
function timer.sleep(seconds) end

--- A clock that only goes forward; its zero means nothing: use differences.
---@return number seconds
function timer.now() end

return timer
