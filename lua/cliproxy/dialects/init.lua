--- The four wire dialects: where their endpoints are, how their errors look, how their streams end.
---
--- A dialect is a table: `name`, `title`, `path(operation, model, stream)` below a provider's base URL,
--- `framing(query)`, `envelope(failure, id)`, `stream_error(failure, id, framing)`, `is_terminal(event)`,
--- `own_error(document)`.
local late = require("cliproxy.dialects.late")

local M = {}

---@class cliproxy.Dialect
---@field name string
---@field title string for people
---@field main_path string the endpoint that speaks it
---@field path fun(operation: string, model: string, stream: boolean): string?
---@field framing fun(query: string): string
---@field envelope fun(failure: cliproxy.Failure, id: string): string
---@field stream_error fun(failure: cliproxy.Failure, id: string, framing: string): string
---@field is_terminal fun(event: cliproxy.Event): boolean
---@field own_error fun(document: any): string?, string? message and code of the dialect's own error body

M.names = { "openai_chat", "openai_responses", "anthropic", "gemini" }

---@type table<string, cliproxy.Dialect>
local by_name = {}
for _, name in ipairs(M.names) do
  by_name[name] = require("cliproxy.dialects." .. name)
end

---@param name string
---@return cliproxy.Dialect
function M.of(name)
  return by_name[name] or error("no dialect " .. tostring(name), 2)
end

--- Loads what of a dialect is loaded late.
---@param name string
function M.load(name)
  late.load(M.of(name))
end

return M
