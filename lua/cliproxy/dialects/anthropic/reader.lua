--- What is known while a client's request is read.
local reader = require("cliproxy.dialects.reader")

local M = {}

---@class cliproxy.anthropic.Reader: cliproxy.Reader
---@field strict_version boolean the API of 2026-10-21 or later, which takes less
---@field deferred? boolean a tool asked to be loaded later
---@field search_name? string of the service's search, among the tools
---@field thinking false|cliproxy.Reasoning
---@field effort false|string of the request
---@field turn_effort false|string what a system message made of it
---@field next_effort false|string what one makes of it with the next turn of the user
---@field fresh boolean what came last was said by the user
---@field passing false|table<cliproxy.Turn, boolean> messages for one turn of the user
---@field added_tools false|{ node: cliproxy.json.Node, path: string }[] defined by messages
---@field withdrawn false|table<string, boolean> tools that are not offered at the end
local Reader = reader.class("messages")

--- The first version of the API without sampling parameters, documents of assistants and citations of users.
local NARROW = "2026-10-21"

--- Whether an API version takes no sampling parameters.
---@param version? string "2023-06-01"
---@return boolean
function M.is_narrow(version)
  return version ~= nil and version >= NARROW
end

---@param c cliproxy.Conversation
---@param version? string of the API, as the client's header has it
---@return cliproxy.anthropic.Reader
function M.new(c, version)
  -- All that is asked for in every request is there from the start: what is absent is looked for among the methods.
  return setmetatable({
    c = c, ledger = c.ledger, strict_version = version ~= nil and M.is_narrow(version), base = "", turn = -1,
    message = false, thinking = false, effort = false, turn_effort = false, next_effort = false, fresh = false,
    passing = false, added_tools = false, withdrawn = false,
  }, Reader)
end

--- A part of the block that is read.
---@param kind string
---@return cliproxy.Part
function Reader:part(kind)
  local list = self.list
  return { kind = kind, turn = self.turn, list = list ~= "content" and list or nil, index = self.index }
end

return M
