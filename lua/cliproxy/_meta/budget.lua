---@meta cliproxy.budget
--- Core only: the CPU and memory budget of user code. Written in C: src/lua/budget.c.
local budget = {}

--- Who is running: shown in messages, and where a failure is counted.
---@class cliproxy.Owner
---@field name string "providers/groq.lua: shape()"
---@field script? string "providers/groq.lua"

--- Calls user code as a slice. A failure is `false, message`, message with "file:line: " where the script raised (its own path
--- relative to the configuration), without a traceback; "…: ran for 50 ms without waiting", "…: more than 64 MB of new memory",
--- "…: stack overflow". The code may wait; each resume is a new slice of the same owner.
---@param owner cliproxy.Owner
---@param fn function
---@return boolean ok, any ...
function budget.call(owner, fn, ...) end

---@return { slices: integer, overruns: integer }
function budget.counts() end

--- Lua's memory in bytes, and whether it is over the soft ceiling.
---@return integer bytes, boolean over
function budget.memory() end

--- Collects garbage in steps of about 1 ms; full when `full`.
---@param full? boolean
function budget.collect(full) end

return budget
