--- Web search that the service itself runs: every dialect has a word for it. It crosses only where the operator allows
--- the provider's own (`caps.web_search`): who searches, what it costs and where the question goes change with it.
local json = require("cliproxy.json")

local M = {}

---@class cliproxy.WebSearch
---@field where string the client's path of it
---@field is_tool boolean the choice of a tool is about it, too
---@field max_uses? cliproxy.JsonText a number
---@field allowed_domains? cliproxy.JsonText a list of strings
---@field blocked_domains? cliproxy.JsonText
---@field location? string where the user is: members of an object, `"city":"Paris","country":"FR"`
---@field context_size? cliproxy.Literal how much of what it finds it reads: "low", "medium", "high"
---@field paths table<string, string> the client's path of each of these

--- What is lost with an option that a target has no word for, in the order in which that is told.
local LOSSES = {
  { "max_uses", "its searches are not limited" },
  { "allowed_domains", "it searches everywhere" },
  { "blocked_domains", "it searches everywhere" },
  { "location", "it takes no place of the user" },
  { "context_size", "it reads as much of what it finds as it likes" },
}

local REFUSED = "a search runs at one service alone: leave it out, or let the provider search instead, with "
  .. "caps = { web_search = true } of the provider"

-- Reading -------------------------------------------------------------------------------------------------------

--- A search that a client asks for. Only the first one counts.
---@param c cliproxy.Conversation
---@param where string
---@param is_tool boolean
---@return cliproxy.WebSearch? search nil: there is one already
function M.add(c, where, is_tool)
  if c.web_search then
    c.ledger:warn(where, "it searches already")
    return nil
  end
  c.web_search = { where = where, is_tool = is_tool, paths = {} }
  return c.web_search
end

--- A member that goes into the search as it is.
---@param r cliproxy.Reader
---@param search cliproxy.WebSearch
---@param node cliproxy.json.Node
---@param key string
---@param field string
---@param kind "number"|"literal"
function M.take(r, search, node, key, field, kind)
  local value = r[kind](r, node, key)
  if value then
    search[field], search.paths[field] = value, r:where(key)
  end
end

--- A list of domains; an empty one says nothing.
---@param r cliproxy.Reader
---@param search cliproxy.WebSearch
---@param node cliproxy.json.Node
---@param key "allowed_domains"|"blocked_domains"
function M.domains(r, search, node, key)
  local list = r:node(node, key, "array")
  if not list or #list == 0 then
    return
  end
  for i, domain in json.each(list) do
    if type(domain) ~= "string" then
      return r:wrong(("%s[%d]"):format(r:where(key), i - 1), "must be a string, not " .. tostring(json.kind(domain)))
    end
  end
  search[key], search.paths[key] = json.raw(node, key), r:where(key)
end

local PLACE = { "city", "country", "region", "timezone" }
local KNOWN_PLACE = { type = true, city = true, country = true, region = true, timezone = true }

--- Where the user is, from an object with city, country, region and timezone.
---@param r cliproxy.Reader
---@param search cliproxy.WebSearch
---@param node cliproxy.json.Node the object
---@param path string its own
function M.place(r, search, node, path)
  local base, members = r.base, {}
  r.base = path
  for _, key in ipairs(PLACE) do
    local value = r:literal(node, key)
    members[#members + 1] = value and '"' .. key .. '":' .. value
  end
  r:unknown(node, KNOWN_PLACE)
  r.base = base
  if members[1] then
    search.location, search.paths.location = table.concat(members, ","), path
  end
end

-- Writing -------------------------------------------------------------------------------------------------------

-- The choice of tools is about a search that is a tool, and about none that is not. Where it becomes one, "none" would
-- forbid it.
local function settle_choice(c, search, becomes_tool)
  local choice = c.tool_choice
  if not choice then
    return true
  elseif search.is_tool then
    if choice.mode ~= "none" and not choice.names then
      return true
    end
    c.ledger:drop(search.where, "the choice of tools leaves it out")
    return false
  elseif becomes_tool and choice.mode == "none" then
    if c.tools[1] then
      c.ledger:refuse(choice.where, "the provider's search is a tool, and would not be used either")
    else
      c.ledger:drop(choice.where, "there are no tools that it is about")
      c.tool_choice = nil
    end
  end
  return true
end

--- The search that a request to a target has: nil where none is asked for, the choice of tools leaves it out, or it is
--- refused. Each encoder asks once, before it writes tools and their choice.
---@param c cliproxy.Conversation
---@param caps cliproxy.Caps
---@param carries table<string, boolean> options that the target has words for
---@param becomes_tool boolean the target's is one of its tools
---@return cliproxy.WebSearch?
function M.of(c, caps, carries, becomes_tool)
  local search = c.web_search
  if not search or not settle_choice(c, search, becomes_tool) then
    return nil
  elseif caps.web_search ~= true then
    c.ledger:refuse(search.where, REFUSED)
    return nil
  end
  for _, row in ipairs(LOSSES) do
    if search[row[1]] and not carries[row[1]] then
      c.ledger:warn(search.paths[row[1]], row[2])
    end
  end
  return search
end

return M
