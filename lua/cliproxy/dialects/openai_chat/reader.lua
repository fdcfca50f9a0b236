--- What is known while a client's request is read.
local reader = require("cliproxy.dialects.reader")

local M = {}

---@class cliproxy.openai_chat.Reader: cliproxy.Reader
---@field leading boolean only system messages so far
---@field tool_names table<string, boolean> of tools and functions so far
---@field old_calls? cliproxy.Part[] of `function_call` that have no result yet
---@field thoughts? table<string, cliproxy.Reasoning> what each of the fields about reasoning asks for
---@field hide_thoughts? boolean
---@field hide_where? string the field that says so
local Reader = reader.class("messages")

---@param c cliproxy.Conversation
---@return cliproxy.openai_chat.Reader
function M.new(c)
  return setmetatable({ c = c, ledger = c.ledger, base = "", turn = 0, leading = true, tool_names = {} }, Reader)
end

return M
