--- What the builders of answers share.
local json = require("cliproxy.json")

local M = {}

--- What answers report where their description says nothing else.
M.USAGE = { input = 100, cached = 60, output = 20, reasoning = 5 }

--- The state that a service of each dialect gives with its reasoning.
M.STATES = { openai_responses = "gAAAAABencrypted==", anthropic = "EqQBCkYIsignature==", gemini = "CiwBjz1rthought==" }

--- Fragments (literals) as one literal.
---@param fragments string[]
---@return string
function M.join(fragments)
  local inner = {}
  for i, literal in ipairs(fragments) do
    inner[i] = literal:sub(2, -2)
  end
  return '"' .. table.concat(inner) .. '"'
end

--- The text that a literal of JSON stands for.
---@param literal string
---@return string
function M.plain(literal)
  return json.parse(literal)
end

--- Parts of a kind.
---@param answer table
---@param kind string
---@return table[]
function M.parts_of(answer, kind)
  local out = {}
  for _, part in ipairs(answer.parts) do
    if part[kind] then
      out[#out + 1] = part
    end
  end
  return out
end

return M
