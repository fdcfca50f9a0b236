--- /v1/admin/*: reload now, and the live feed of requests.
local errors = require("cliproxy.errors")
local events = require("cliproxy.events")
local json = require("cliproxy.json")
local live = require("cliproxy.live")

local M = {}

--- Set by `service`: reloads and waits; true and the generation, or false and messages.
---@type fun(): boolean, integer|cliproxy.Message[]
M.reload = nil

local function first_message(messages)
  local one = type(messages) == "table" and messages[1]
  if not one then
    return "the reload failed; the log says why"
  end
  return ("%s%s: %s"):format(one.file, one.line and ":" .. one.line or "", one.message)
end

---@param work cliproxy.Work
---@param headers table<string, string>
---@return cliproxy.Failure?
function M.serve_reload(work, headers)
  local ok, result = M.reload()
  if not ok then
    return errors.new("reload_failed", { text = first_message(result) })
  end
  headers["content-type"] = "application/json"
  work.exchange:respond(200, headers, json.encode { status = "ok", generation = result })
end

---@param work cliproxy.Work
---@param headers table<string, string>
---@return cliproxy.Failure?
function M.serve_events(work, headers)
  -- A feed may last for days: it must not keep the generation that it began with.
  live.release(work.live)
  work.live, work.snapshot = nil, nil
  if not events.serve(work.exchange, headers) then
    return errors.new("too_many_readers")
  end
end

return M
