--- One line a request in the log, and the live events.
local events = require("cliproxy.events")
local json = require("cliproxy.json")
local log = require("cliproxy.log")
local system = require("cliproxy.system")
local text = require("cliproxy.text")

local M = {}

local format = string.format

local function milliseconds(seconds)
  if not seconds then
    return "-"
  end
  return seconds < 0.1 and format("%.1fms", seconds * 1000) or format("%.0fms", seconds * 1000)
end

local function models(work)
  local target = work.target
  if not target then
    return work.model or "-"
  end
  local used = target.instance.name .. "/" .. target.model
  return (work.model == target.model or work.model == used) and used or (work.model or "-") .. " > " .. used
end

local function tokens(usage)
  if not usage or not (usage.input or usage.output) then
    return ""
  end
  local cached = usage.cached and usage.cached > 0 and format(" cached %d", usage.cached) or ""
  return format(" in %s%s out %s", usage.input or "?", cached, usage.output or "?")
end

--- The line for people. Bodies, queries, headers and keys are never part of it.
---@param work cliproxy.Work
---@return string
function M.line(work)
  local exchange = work.exchange
  local note = work.note
  return format("%s %s %s%s %s %d %s %s%s %dB%s", exchange.method, exchange.path,
    work.key ~= "" and work.key and "key " .. work.key .. " " or "", models(work), work.stream and "stream" or "whole",
    work.status or 0, milliseconds(work.first_at), milliseconds(work.ended_at), tokens(work.usage), exchange.written,
    note and ": " .. note or "")
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
  local exchange, target, usage = work.exchange, work.target, work.usage or {}
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
    first_byte_ms = work.first_at and math.floor(work.first_at * 1e6) / 1e3,
    total_ms = math.floor(work.ended_at * 1e6) / 1e3,
    tokens_in = usage.input,
    tokens_out = usage.output,
    tokens_cached = usage.cached,
    bytes = exchange.written,
    generation = work.snapshot.generation,
    warnings = work.warnings and table.concat(work.warnings, "; ") or nil,
    error = work.note,
  }
end

-- Health is asked for every few seconds by whoever watches over the process.
local function level_of(work)
  if (work.status or 0) >= 500 then
    return log.warn
  end
  return work.operation == "health" and log.debug or log.info
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
  local listened = events.wanted()
  local facts = (listened or work.snapshot.config.log.format == "json") and M.facts(work) or nil
  level_of(work)(work.id .. " " .. M.line(work), facts)
  if listened then
    publish(facts)
  end
end

return M
