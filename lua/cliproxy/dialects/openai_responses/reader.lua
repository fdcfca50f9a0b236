--- What is known while a client's request is read.
local reader = require("cliproxy.dialects.reader")

local M = {}

---@class cliproxy.responses.Reader: cliproxy.Reader
---@field leading boolean only system messages so far
---@field own_calls? cliproxy.JsonText of the service's own tools, at most
---@field tool_places table<string, integer> name of a tool → its place in `c.tools`
---@field added_tools { list: cliproxy.json.Node, path: string }[] of items that add tools
---@field adding? boolean those are read now
local Reader = reader.class("input")

---@param c cliproxy.Conversation
---@return cliproxy.responses.Reader
function M.new(c)
  return setmetatable({ c = c, ledger = c.ledger, base = "", turn = 0, leading = true, tool_places = {},
    added_tools = {} }, Reader)
end

--- How many of these members are there: short ones, whose values cost little.
---@param node cliproxy.json.Node
---@param a string
---@param b string
---@param c? string
---@return integer
function M.count(node, a, b, c)
  return (node[a] ~= nil and 1 or 0) + (node[b] ~= nil and 1 or 0) + (c and node[c] ~= nil and 1 or 0)
end

return M
