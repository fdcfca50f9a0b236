---@meta cliproxy.task
--- Doing several things at once. A child task runs on the budget of the script that started it.
--- Written in C: src/lua/api_task.c.
local task = {}

--- Runs all functions at the same time and waits for all. A function fails when it raises or returns `nil, message`:
--- then the rest are cancelled at once, and `all` returns that failure.
---@param fns (fun(): any)[] at most 256
---@return any[]? results the first value of each, in the order of `fns`; `true` for one that returned nothing
---@return string? message
---@return string? code of the function that failed; "task" when it raised
function task.all(fns) end

--- Runs all functions at the same time and waits for the first that succeeds; the rest are cancelled.
---@param fns (fun(): any)[] 1 to 256
---@return any ... what that function returned; when all failed, what the last one returned: `nil, message, code`
function task.any(fns) end

--- Starts a function as a task that nobody waits for: it first runs when the
--- caller waits or ends. What it raises is logged.
---@param fn fun(...: any)
---@param ... any
---@return cliproxy.Task
function task.spawn(fn, ...) end

---@class cliproxy.Task
local handle = {}

--- Ends the task where it waits; it is never resumed. Raises when a task cancels itself.
---@return boolean cancelled false: it had ended before
function handle:cancel() end

return task
