---@meta cliproxy.log
--- One line a message. No secrets: mask them first. Written in C: src/lua/api_log.c over base/log.h.
local log = {}

--- `fields` appear only when the log is JSON: members beside "time", "level" and "message", in the order of their
--- names. Strings, numbers and booleans; at most 64.
---@alias cliproxy.LogFields table<string, string|number|boolean>

---@param text string control characters are shown as escapes; cut at 16 KB
---@param fields? cliproxy.LogFields
function log.debug(text, fields) end
---@param text string
---@param fields? cliproxy.LogFields
function log.info(text, fields) end
---@param text string
---@param fields? cliproxy.LogFields
function log.warn(text, fields) end
---@param text string
---@param fields? cliproxy.LogFields
function log.error(text, fields) end

--- Whether lines of this level are written: to skip the making of costly ones.
---@param level "debug"|"info"|"warn"|"error"
---@return boolean
function log.enabled(level) end

--- Core only (scripts do not see it): what is written from now on, and how.
---@param level "debug"|"info"|"warn"|"error"
---@param format? "text"|"json"
function log.configure(level, format) end

return log
