--- The generation that serves, and those that requests under way still hold.
local access = require("cliproxy.access")
local guard = require("cliproxy.guard")

local M = {}

---@class cliproxy.Live
---@field snapshot cliproxy.Snapshot
---@field door cliproxy.Door
---@field keys cliproxy.Keys
---@field holders integer requests under way
---@field before? cliproxy.Live the generation that it replaced: a script that fails live is rolled back to it

---@type cliproxy.Live?
local current
---@type table<cliproxy.Live, boolean>
local lives = {}

--- Makes a snapshot the one that serves new requests.
---@param snapshot cliproxy.Snapshot
function M.publish(snapshot)
  local former = current
  current = {
    snapshot = snapshot,
    door = guard.door(snapshot.config),
    keys = access.keys(snapshot.config),
    holders = 0,
  }
  lives[current] = true
  if former then
    former.before = nil -- one step back is enough, and memory stays bounded
    current.before = former
    if former.holders == 0 then
      lives[former] = nil
    end
  end
end

--- Takes the current generation off: the one before it serves again. Other requests that hold the failed one still
--- find what was before it.
---@param failed cliproxy.Live ignored where it no longer is the current one
---@return boolean done
function M.roll_back(failed)
  local before = failed.before
  if failed ~= current or not before then
    return false
  end
  current = before
  lives[before] = true
  if failed.holders == 0 then
    lives[failed] = nil
  end
  return true
end

---@return cliproxy.Live?
function M.current()
  return current
end

--- Holds the current generation for a request; `release` it at its end.
---@return cliproxy.Live
function M.hold()
  current.holders = current.holders + 1
  return current
end

--- Moves a request to the generation before its own.
---@param held cliproxy.Live
---@param before cliproxy.Live
function M.move(held, before)
  before.holders = before.holders + 1
  lives[before] = true
  M.release(held)
end

---@param held cliproxy.Live
function M.release(held)
  held.holders = held.holders - 1
  if held.holders == 0 and held ~= current then
    lives[held] = nil
  end
end

--- Generations that are held or serve, lowest first.
---@return { generation: integer, requests: integer }[]
function M.list()
  local out = {}
  for held in pairs(lives) do
    out[#out + 1] = { generation = held.snapshot.generation, requests = held.holders }
  end
  table.sort(out, function(a, b)
    return a.generation < b.generation
  end)
  return out
end

--- For messages about a script that failed under `held`.
---@param held cliproxy.Live
---@return string
function M.situation(held)
  local number = current.snapshot.generation
  return ("Generation %d still serves new requests."):format(number)
end

return M
