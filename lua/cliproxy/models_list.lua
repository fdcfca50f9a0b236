--- GET /v1/models and /v1beta/models: plain ids of routes and instances, and what
--- `discover` hooks find; shaped by the caller.
local attempt = require("cliproxy.attempt")
local budget = require("cliproxy.budget")
local errors = require("cliproxy.errors")
local log = require("cliproxy.log")
local system = require("cliproxy.system")
local task = require("cliproxy.task")
local text = require("cliproxy.text")

local M = {}

local DISCOVER_S, RETRY_S, MODELS_MAX = 10, 30, 5000
local CREATED = 1767225600 -- 2026-01-01: clients want a number; nobody told us a truer one
local CREATED_TEXT = "2026-01-01T00:00:00Z"

---@class cliproxy.Discovered
---@field ids string[]
---@field at number when it was asked
---@field failed? string

-- By instance: collected with its generation.
---@type table<cliproxy.Instance, cliproxy.Discovered>
local found = setmetatable({}, { __mode = "k" })

local function valid(ids)
  if type(ids) ~= "table" then
    return nil, "returned " .. type(ids) .. "; expected a list of model ids"
  end
  local out = {}
  for i, id in ipairs(ids) do
    if type(id) ~= "string" or id == "" then
      return nil, "returned a list with " .. type(id) .. " in it; expected model ids"
    elseif i > MODELS_MAX then
      break
    end
    out[#out + 1] = id
  end
  return out
end

--- Asks a provider; what was known before stays where that fails.
local function ask(instance, former)
  local call = attempt.discover_call(instance)
  call.timeouts = { connect = 3, first_byte = DISCOVER_S, idle = DISCOVER_S, total = DISCOVER_S }
  local ok, ids, message = budget.call(instance.owners.discover, instance.provider.discover, call)
  local wrong
  if not ok then
    wrong = tostring(ids)
  elseif ids == nil and message then
    wrong = tostring(message)
  else
    ids, wrong = valid(ids)
  end
  if wrong then
    log.warn(("provider %s: discover() %s"):format(instance.name, wrong))
    return { ids = former and former.ids or {}, at = system.now(), failed = wrong }
  end
  return { ids = ids, at = system.now() }
end

local function is_fresh(entry, instance)
  local ttl = entry.failed and math.min(RETRY_S, instance.models_ttl) or instance.models_ttl
  return system.now() - entry.at < ttl
end

--- Brings every discovery up to date; providers are asked side by side.
local function refresh(snapshot)
  local jobs = {}
  for _, name in ipairs(snapshot.names) do
    local instance = snapshot.instances[name]
    local entry = found[instance]
    local asks = instance.provider and instance.provider.discover and not instance.off
    if asks and not (entry and is_fresh(entry, instance)) then
      jobs[#jobs + 1] = function()
        found[instance] = ask(instance, entry)
      end
    end
  end
  if #jobs > 0 then
    task.all(jobs)
  end
end

--- All models of a snapshot: id and instance, each id once, sorted. May wait.
---@param snapshot cliproxy.Snapshot
---@return { id: string, instance: string }[]
function M.all(snapshot)
  refresh(snapshot)
  local out, seen = {}, {}
  for _, model in ipairs(snapshot.routes:models()) do
    if not seen[model.id] then
      seen[model.id] = true
      out[#out + 1] = model
    end
  end
  for _, name in ipairs(snapshot.names) do
    local entry = found[snapshot.instances[name]]
    for _, id in ipairs(entry and not snapshot.instances[name].off and entry.ids or {}) do
      -- Without a route or a pattern of its own an id is reached through its instance's name.
      local plan = snapshot.routes.functions == 0 and snapshot.routes:plan { model = id }
      local asked = plan and plan[1].instance.name == name and id or name .. "/" .. id
      if not seen[asked] then
        seen[asked] = true
        out[#out + 1] = { id = asked, instance = name }
      end
    end
  end
  table.sort(out, function(a, b)
    return a.id < b.id
  end)
  return out
end

local shapes = {}

function shapes.openai(model)
  return '{"id":' .. text.quote(model.id) .. ',"object":"model","created":' .. CREATED .. ',"owned_by":'
    .. text.quote(model.instance) .. "}"
end

function shapes.anthropic(model)
  return '{"type":"model","id":' .. text.quote(model.id) .. ',"display_name":' .. text.quote(model.id)
    .. ',"created_at":"' .. CREATED_TEXT .. '"}'
end

function shapes.gemini(model)
  return '{"name":' .. text.quote("models/" .. model.id) .. ',"version":"001","displayName":' .. text.quote(model.id)
    .. ',"supportedGenerationMethods":["generateContent","countTokens"]}'
end

local lists = {}

function lists.openai(rows)
  return '{"object":"list","data":[' .. table.concat(rows, ",") .. "]}"
end

function lists.anthropic(rows, models)
  local first, last = models[1], models[#models]
  return '{"data":[' .. table.concat(rows, ",") .. '],"has_more":false,"first_id":'
    .. (first and text.quote(first.id) or "null") .. ',"last_id":' .. (last and text.quote(last.id) or "null") .. "}"
end

function lists.gemini(rows)
  return '{"models":[' .. table.concat(rows, ",") .. "]}"
end

--- OpenAI and Anthropic share the path: their headers tell them apart.
---@param exchange cliproxy.Exchange
---@param endpoint cliproxy.Endpoint
---@return string
function M.shape_of(exchange, endpoint)
  if endpoint.dialect == "gemini" then
    return "gemini"
  elseif exchange:header("anthropic-version") or exchange:header("x-api-key") then
    return "anthropic"
  end
  return "openai"
end

-- Route functions want a whole request: they are not asked.
local function unknown(routes, id)
  local plan, message
  if routes.functions == 0 then
    plan, message = routes:plan { model = id }
  end
  return not plan and message or ('model "%s" is not listed; a route may still take it.'):format(text.excerpt(id, 80))
end

---@param work cliproxy.Work
---@param headers table<string, string>
---@return cliproxy.Failure?
function M.serve(work, headers)
  local shape = M.shape_of(work.exchange, work.endpoint)
  work.dialect = shape == "openai" and "openai_chat" or shape
  local models, wanted = M.all(work.snapshot), work.endpoint.model
  headers["content-type"] = "application/json"
  if wanted then
    for _, model in ipairs(models) do
      if model.id == wanted then
        work.exchange:respond(200, headers, shapes[shape](model))
        return nil
      end
    end
    return errors.new("no_route", { text = unknown(work.snapshot.routes, wanted), param = "model" })
  end
  local rows = {}
  for i, model in ipairs(models) do
    rows[i] = shapes[shape](model)
  end
  work.exchange:respond(200, headers, lists[shape](rows, models))
end

return M
