--- One line a request in the log, and the live events.
local events = require "cliproxy.events"
local log = require "cliproxy.log"
local text = require "cliproxy.text"

local M = {}

local format, quote = string.format, text.quote

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
  return work.model == target.model and used or (work.model or "-") .. " > " .. used
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

local function member(out, name, value)
  if value == nil or value == "" then
    return
  end
  if type(value) == "number" then
    value = format(value % 1 == 0 and "%d" or "%.3f", value)
  else
    value = quote(tostring(value))
  end
  out[#out + 1] = '"' .. name .. '":' .. value
end

--- The members of the JSON object of a request, without braces.
---@param work cliproxy.Work
---@return string
function M.fields(work)
  local exchange, target, usage = work.exchange, work.target, work.usage or {}
  local out = {}
  member(out, "id", work.id)
  member(out, "peer", exchange.peer)
  member(out, "key", work.key)
  member(out, "method", exchange.method)
  member(out, "path", exchange.path)
  member(out, "dialect", work.dialect)
  member(out, "model", work.model)
  member(out, "provider", target and target.instance.name)
  member(out, "used", target and target.model)
  member(out, "account", work.account and work.account.name)
  member(out, "status", work.status)
  member(out, "first_ms", work.first_at and work.first_at * 1000)
  member(out, "ms", work.ended_at and work.ended_at * 1000)
  member(out, "input", usage.input)
  member(out, "output", usage.output)
  member(out, "cached", usage.cached)
  member(out, "bytes", exchange.written)
  member(out, "generation", work.snapshot and work.snapshot.generation)
  member(out, "warnings", work.warnings and table.concat(work.warnings, "; "))
  member(out, "note", work.note)
  return table.concat(out, ",")
end

--- Writes the line and tells the readers of the live feed. `work.status`, `first_at`, `ended_at`, `usage`, `note` are set.
---@param work cliproxy.Work
function M.write(work)
  local as_json = work.snapshot.config.log.format == "json"
  local listened = events.wanted()
  local fields = (as_json or listened) and M.fields(work) or ""
  local level = (work.status or 0) >= 500 and log.warn or log.info
  level(work.id .. " " .. M.line(work), fields)
  if listened then
    events.publish('{"time":' .. format("%.3f", require("cliproxy.system").time()) .. "," .. fields .. "}")
  end
end

return M
