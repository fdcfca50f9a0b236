--- Rollback: a script that fails live, in a version newer than one that served before, goes back to that one, and its
--- request, as long as nothing of an answer was sent, runs again there.
local errors = require("cliproxy.errors")
local json = require("cliproxy.json")
local live = require("cliproxy.live")
local log = require("cliproxy.log")

local M = {}

--- Told after each rollback: the generation that failed, the one that serves again, what happened. Set by `service`.
---@type fun(failed: cliproxy.Snapshot, serving: cliproxy.Snapshot, script: string, message: string)?
M.on_rollback = nil

local SCRIPT_FAULTS = { script_error = true, script_result = true, route_error = true, call_invalid = true }

--- Whether a script or a route function is to blame.
---@param failure cliproxy.Failure
---@return boolean
function M.is_fault(failure)
  return SCRIPT_FAULTS[failure.code] or false
end

-- A filter that was not active before is no reason to go back: requests must not pass without it.
local function filter_was_changed(script, now, former)
  for _, filter in ipairs(former.filters or {}) do
    if filter.script == script then
      return former.scripts[script] ~= now.scripts[script]
    end
  end
  return false
end

--- Whether the code that failed is another one in the generation before.
local function was_changed(work, before)
  local now, former = work.snapshot, before.snapshot
  if work.failed_script then
    return filter_was_changed(work.failed_script, now, former)
  elseif not work.target then -- a route function
    local path = now.config.path
    return path ~= nil and now.files[path] ~= former.files[path]
  end
  local name = work.target.instance.name
  local instance = former.instances[name]
  return instance ~= nil and not instance.off and instance.provider ~= work.target.instance.provider
end

--- The generation to run this failed request again on; nil where that cannot help.
---@param work cliproxy.Work
---@param failure cliproxy.Failure
---@return cliproxy.Live?
function M.candidate(work, failure)
  local before = work.live.before
  local exchange = work.exchange
  if not M.is_fault(failure) or not before or exchange.head_sent or exchange.gone then
    return nil
  end
  return was_changed(work, before) and before or nil
end

--- Puts the request back to where it was before its first attempt, on another generation.
---@param work cliproxy.Work
---@param before cliproxy.Live
function M.rewind(work, before)
  live.move(work.live, before)
  work.live, work.snapshot = before, before.snapshot
  work.document = json.original(work.document)
  work.target, work.account, work.call = nil, nil, nil
  work.filters, work.failed_script = nil, nil
  work.script_error, work.note, work.warnings, work.withhold_usage = nil, nil, nil, nil
end

--- The request got past the place of its failure on the older generation: that one serves again.
---@param failed cliproxy.Live
---@param script string
---@param message string
function M.settle(failed, script, message)
  local before = failed.before
  if not live.roll_back(failed) then
    return
  end
  log.error(("%s. Generation %d is rolled back; generation %d serves again until a corrected script is saved."):format(
    message:gsub("%.$", ""), failed.snapshot.generation, before.snapshot.generation))
  if M.on_rollback then
    M.on_rollback(failed.snapshot, before.snapshot, script, message)
  end
end

--- Whether the script used up its budget. Such a request does not run again: everybody else would wait for a second
--- budget right behind the first.
---@param work cliproxy.Work
---@param failure cliproxy.Failure
---@return boolean
function M.was_overrun(work, failure)
  local message = work.script_error or failure.text
  return message:find("ran for %d+ ms") ~= nil or message:find("of new memory", 1, true) ~= nil
end

--- Which script failed: a filter, the provider's, or the configuration with its route functions.
---@param work cliproxy.Work
---@return string
function M.script_of(work)
  return work.failed_script or work.target and work.target.instance.script or work.snapshot.config.file
end

--- Goes back for the requests to come; this one keeps its failure.
---@param work cliproxy.Work
---@param failure cliproxy.Failure
---@return cliproxy.Failure
function M.without_again(work, failure)
  local message = work.script_error or failure.text
  M.settle(work.live, M.script_of(work), message)
  return errors.new("script_error", { text = (message:gsub("%.$", "")) .. ".", situation = live.situation(work.live) })
end

return M
