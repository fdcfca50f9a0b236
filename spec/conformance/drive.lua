--- Sends a request through the core's own way (door, route, translation, answer) to a service that is played here.
--- Required before anything of the core: it takes the place of what sends, and of the log.
local async = require("spec.support.async")
local fakes = require("spec.support.fakes_core")
local json = require("cliproxy.json")

local M = {}

local upstream = {}
package.loaded["cliproxy.reply"] = {
  send = function(call)
    upstream.call = call
    upstream.body = type(call.body) == "string" and call.body or type(call.body) == "table" and table.concat(call.body)
      or json.encode(call.body)
    return upstream.reply
  end,
  execute = function()
    error("no provider of this suite has a transport of its own")
  end,
  counts = function()
    return {}
  end,
}
local lines = {}
package.loaded["cliproxy.log"] = setmetatable({ enabled = function()
  return true
end }, { __index = function(_, level)
  return function(text)
    lines[#lines + 1] = level .. ": " .. text
  end
end })

local live = require("cliproxy.live")
local pipeline = require("cliproxy.pipeline")

-- As the shipped providers have them.
local PROVIDERS = {
  openai_chat = { base_url = "https://api.openai.com/v1", caps = {
    developer_role = true, max_tokens_field = "max_completion_tokens", stream_usage = true, strict = true,
    parallel_tool_calls = true, tool_choice_required = true, custom_tools = true, allowed_tools = true,
    content_parts = true, reasoning_field = "reasoning_content",
  } },
  openai_responses = { base_url = "https://api.openai.com/v1", caps = { strict = true } },
  anthropic = { base_url = "https://api.anthropic.com", caps = {} },
  gemini = { base_url = "https://generativelanguage.googleapis.com", caps = {} },
}

-- Events that do not commit a stream, as src/http/tap.c has them.
local WAITS = { message_start = true, ping = true, ["response.created"] = true, ["response.queued"] = true,
  ["response.in_progress"] = true }

local function first_event(events)
  for _, event in ipairs(events) do
    if not WAITS[event.type] then
      return event
    end
  end
end

local function classify(reply)
  if reply.status == 400 and reply.body:find("API_KEY_INVALID", 1, true) then
    return "auth"
  end
end

local function caps_of(row, more)
  if not more then
    return row.caps
  end
  local caps = {}
  for _, list in ipairs { row.caps, more } do
    for field, value in pairs(list) do
      caps[field] = value
    end
  end
  return caps
end

---@class spec.conformance.Run
---@field client string
---@field upstream string dialect
---@field model string
---@field request table for `fakes.exchange`
---@field caps? table over those of the service
---@field reply { status?: integer, body?: string, headers?: table, events?: table[], broken?: string }

--- One request.
---@param run spec.conformance.Run
---@return cliproxy.Exchange exchange
---@return string? sent the body that the service got
---@return cliproxy.Call? call
---@return string[] lines of the log
function M.run(run)
  local row = PROVIDERS[run.upstream]
  local reply = run.reply
  local copy = reply.events and { unpack(reply.events) }
  upstream.call, upstream.body, lines = nil, nil, {}
  upstream.reply = fakes.reply { status = reply.status, body = reply.body, headers = reply.headers, events = copy,
    broken = reply.broken }
  upstream.reply.first_event = copy and first_event(copy)
  local instance = fakes.instance("up", { dialects = { run.upstream },
    classify = run.upstream == "gemini" and classify or nil }, {
    options = { base_url = row.base_url }, caps = caps_of(row, run.caps), speaks = { run.upstream },
  })
  local snapshot = fakes.snapshot(instance)
  live.publish(snapshot)
  live.publish(snapshot)
  local exchange = fakes.exchange(run.request)
  async(function()
    pipeline.run(exchange)
  end)
  return exchange, upstream.body, upstream.call, lines
end

return M
