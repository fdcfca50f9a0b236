--- One line a request in the log, and the live events.
local events = require("cliproxy.events")
local json = require("cliproxy.json")
local log = require("cliproxy.log")
local system = require("cliproxy.system")
local text = require("cliproxy.text")

local M = {}

local floor = math.floor

-- Joined of known pieces, not formatted: this runs for every request, and a format of this size costs five times as
-- much, most of it for numbers.
local WHOLE_MAX = 1000
local wholes, tenths = {}, {}
for i = 0, WHOLE_MAX do
  wholes[i], tenths[i] = tostring(i), ("%.1fms"):format(i / 10)
end

local function milliseconds(seconds)
  if not seconds then
    return "-"
  elseif seconds < 0.1 then
    return tenths[floor(seconds * 10000 + 0.5)]
  end
  return floor(seconds * 1000 + 0.5) .. "ms"
end

local function models(work)
  local target, asked = work.target, work.model
  if not target then
    return asked or "-"
  end
  local used = target.label or target.instance.name .. "/" .. target.model
  return (asked == target.model or asked == used) and used or (asked or "-") .. " > " .. used
end

local function tokens(work)
  local input, output, cached = work.tokens_in, work.tokens_out, work.tokens_cached
  if not (input or output) then
    return ""
  elseif cached and cached > 0 then
    return " in " .. (input or "?") .. " cached " .. cached .. " out " .. (output or "?")
  end
  return " in " .. (wholes[input] or input or "?") .. " out " .. (wholes[output] or output or "?")
end

local function line(before, work)
  local exchange, key, note = work.exchange, work.key, work.note
  local written = exchange.written
  return before .. (work.method or exchange.method) .. " " .. (work.path or exchange.path)
    .. (key and key ~= "" and " key " .. key .. " " or " ") .. models(work) .. (work.stream and " stream " or " whole ")
    .. (wholes[work.status] or "0") .. " " .. milliseconds(work.first_at) .. " " .. milliseconds(work.ended_at)
    .. tokens(work) .. " " .. (wholes[written] or written) .. (note and "B: " .. note or "B")
end

--- The line for people. Bodies, queries, headers and keys are never part of it.
---@param work cliproxy.Work
---@return string
function M.line(work)
  return line("", work)
end

--- Who asks, for the feed: the key's name, else the program's.
local function client_of(work)
  if work.key and work.key ~= "" then
    return work.key
  end
  local agent = work.exchange:header("user-agent")
  return agent and agent:match("^[^/%s]+") or nil
end

--- A request as named values.
---@param work cliproxy.Work
---@return table<string, string|number>
function M.facts(work)
  local exchange, target = work.exchange, work.target
  return {
    id = work.id,
    peer = exchange.peer,
    client = client_of(work),
    method = exchange.method,
    path = exchange.path,
    dialect = work.dialect,
    model_asked = work.model,
    provider = target and target.instance.name,
    model = target and target.model,
    account = work.account and work.account.name,
    status = work.status,
    stream = work.stream,
    first_byte_ms = work.first_at and floor(work.first_at * 1e6) / 1e3,
    total_ms = floor(work.ended_at * 1e6) / 1e3,
    tokens_in = work.tokens_in,
    tokens_out = work.tokens_out,
    tokens_cached = work.tokens_cached,
    bytes = exchange.written,
    generation = work.snapshot.generation,
    warnings = work.warnings and table.concat(work.warnings, "; ") or nil,
    error = work.note,
  }
end

-- Health is asked for every few seconds by whoever watches over the process.
local function level_of(work)
  if (work.status or 0) >= 500 then
    return "warn"
  end
  return work.operation == "health" and "debug" or "info"
end

local function publish(facts)
  facts.time = system.time()
  for name, value in pairs(facts) do
    if type(value) == "string" then
      facts[name] = text.utf8(value)
    end
  end
  events.publish(json.encode(facts))
end

--- Writes the line and tells the readers of the live feed. `work.status`,
--- `first_at`, `ended_at`, `usage`, `note` are set.
---@param work cliproxy.Work
function M.write(work)
  local listened, level = events.wanted(), level_of(work)
  local logged = log.enabled(level)
  if not (listened or logged) then
    return
  end
  local facts = (listened or work.snapshot.config.log.format == "json") and M.facts(work) or nil
  if logged then
    log[level](line(work.id .. " ", work), facts)
  end
  if listened then
    publish(facts)
  end
end

return M
