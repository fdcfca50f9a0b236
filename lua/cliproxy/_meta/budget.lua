---@meta cliproxy.budget
--- Core only: the CPU and memory budget of user code. Written in C: src/lua/budget.c.
local budget = {}

--- Who is running: shown in messages, and where a failure is counted.
---@class cliproxy.Owner
---@field name string "providers/groq.lua: shape()"
---@field script? string "providers/groq.lua"

--- Calls user code as a slice. A failure is `false, message`: "providers/groq.lua:14: shape(): attempt to index …",
--- with the line where the script raised and what the owner's name says beyond the script, without a traceback; an
--- error without a position is "providers/groq.lua: shape(): …". The budget's own: "…: ran for 50 ms without
--- waiting", "…: more than 64 MB of new memory", and Lua's "…: stack overflow". The code may wait; each resume is a
--- new slice of the same owner. A call inside a slice spends the outer one's budget; when that is used up, both fail.
---@param owner cliproxy.Owner
---@param fn function
---@return boolean ok, any ...
function budget.call(owner, fn, ...) end

--- The owner of the innermost slice that runs now.
---@return cliproxy.Owner?
function budget.owner() end

---@return { slices: integer, overruns: integer }
function budget.counts() end

--- Lua's memory in bytes, and whether it is over the soft ceiling.
---@return integer bytes, boolean over
function budget.memory() end

--- Collects all garbage: at once when `full`, else in steps of about 1 ms, one a turn of the loop.
---@param full? boolean
function budget.collect(full) end

return budget
