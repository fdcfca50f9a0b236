---@meta cliproxy.state
--- A dictionary of the worker that outlives reloads: counters, limits, cooldowns. Never waits. Holds strings, numbers
--- and booleans, at most 100,000 keys and 32 MB; nothing survives a restart. Prefix your keys with your script's name.
--- Written in C: src/lua/api_state.c.
local state = {}

---@alias cliproxy.StateValue string|number|boolean

---@param key string 1 to 1,024 bytes
---@return cliproxy.StateValue? value nil: never set, deleted or expired
function state.get(key) end

--- Sets the value and the time it lives; without `ttl` it stays.
---@param key string
---@param value cliproxy.StateValue
---@param ttl? number seconds, above 0
---@return true?
---@return string? message
---@return string? code "full", "too_big"
function state.set(key, value, ttl) end

--- Sets the value only where there is none: true for the one who came first.
---@param key string
---@param value cliproxy.StateValue
---@param ttl? number
---@return boolean? added
---@return string? message
---@return string? code "full", "too_big"
function state.add(key, value, ttl) end

--- Adds to a number; a missing one counts as 0 and then lives `ttl`, which later calls do not prolong. Raises when the
--- value is no number.
---@param key string
---@param by? number 1 by default
---@param ttl? number
---@return number? value after the addition
---@return string? message
---@return string? code "full"
function state.incr(key, by, ttl) end

---@param key string
---@return boolean deleted false: there was none
function state.delete(key) end

--- The keys that begin with `prefix`, sorted; looks at every key: not for a request's way.
---@param prefix? string
---@return string[]
function state.keys(prefix) end

---@return { keys: integer, bytes: integer }
function state.counts() end

return state
