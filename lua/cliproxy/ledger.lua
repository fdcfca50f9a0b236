--- What a translation did to a request beside carrying it: dropped, changed, invented, refused. Paths are those of the
--- client's own request ("messages[2].content[0].detail", from 0), so that its author finds the place.
local M = {}

---@class cliproxy.LedgerEntry
---@field path string
---@field action "dropped"|"changed"|"invented"
---@field why string
---@field warn boolean told to the client in x-cliproxy-warnings

---@class cliproxy.Ledger
---@field entries cliproxy.LedgerEntry[]
---@field refused? { path: string, why: string } the first thing that must not go on
local Ledger = {}
Ledger.__index = Ledger

---@return cliproxy.Ledger
function M.new()
  return setmetatable({ entries = {} }, Ledger)
end

local function note(self, path, action, why, warn)
  local entries = self.entries
  entries[#entries + 1] = { path = path, action = action, why = why, warn = warn }
end

--- Left out without a word to the client: transport and cache hints.
---@param path string
---@param why string
function Ledger:drop(path, why)
  note(self, path, "dropped", why, false)
end

--- Left out or weakened: a hint that the target cannot take. The client is told; with `strict = true` it is refused.
---@param path string
---@param why string a few words: "anthropic has no seed"
function Ledger:warn(path, why)
  note(self, path, "dropped", why, true)
end

--- Carried in another form: a name shortened, an id mapped, a role replaced.
---@param path string
---@param why string
---@param warn? boolean where the client should know
function Ledger:change(path, why, warn)
  note(self, path, "changed", why, warn or false)
end

--- Added because the target demands it.
---@param path string of the *target's* field
---@param why string
function Ledger:invent(path, why)
  note(self, path, "invented", why, false)
end

--- Must not go on: meaning, billing or a field that the client reads would change. The first one counts.
---@param path string
---@param why string completes "PATH cannot be sent to TARGET: …"
function Ledger:refuse(path, why)
  self.refused = self.refused or { path = path, why = why }
end

--- The warnings as the header has them: "field;reason".
---@return string[]
function Ledger:warnings()
  local out, seen = {}, {}
  for _, entry in ipairs(self.entries) do
    local line = entry.path .. ";" .. entry.why
    if entry.warn and not seen[line] then
      seen[line] = true
      out[#out + 1] = line
    end
  end
  return out
end

return M
