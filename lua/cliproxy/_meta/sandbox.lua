---@meta cliproxy.sandbox
--- Core only: environments for scripts. Written in C and Lua: src/lua/sandbox.c, lua/cliproxy/sandbox_env.lua.
local sandbox = {}

--- A fresh environment: safe copies of the libraries with bounded string functions, no new globals, `require` given by
--- the caller; what it returns for a name "cliproxy.x" reaches the script as a copy, without the functions that are the
--- core's own. The metatable of strings holds the bounded functions in the whole state.
---@param extra table<string, any> more globals (`env`, `require`, `print`, …)
---@return table
function sandbox.environment(extra) end

--- Compiles text (never bytecode) with the given environment.
---@param text string
---@param chunkname string "providers/groq.lua": what messages show
---@param environment table
---@return function?, string? message "providers/groq.lua:3: unexpected symbol near '='"
function sandbox.compile(text, chunkname, environment) end

return sandbox
