--- GET /v1/models and /v1beta/models: plain ids of routes and instances, and what `discover` hooks find, with the
--- sizes that `models` knows; shaped by the caller, in pages where it asks for them.
local call_api = require("cliproxy.call")
local budget = require("cliproxy.budget")
local crypto = require("cliproxy.crypto")
local errors = require("cliproxy.errors")
local log = require("cliproxy.log")
local models = require("cliproxy.models")
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
  local call = call_api.discover(instance)
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

-- What is known of a listed model: of the one that its route goes to. Route functions want a whole request.
local function caps_of(snapshot, model)
  local instance, id = snapshot.instances[model.instance], model.id
  local plan = snapshot.routes.functions == 0 and snapshot.routes:plan { model = id }
  if plan then
    instance, id = plan[1].instance, plan[1].model
  end
  return (models.caps(id, nil, instance and instance.caps, snapshot.config.models))
end

local shapes = {}

function shapes.openai(model)
  return '{"id":' .. text.quote(model.id) .. ',"object":"model","created":' .. CREATED .. ',"owned_by":'
    .. text.quote(model.instance) .. "}"
end

local function number(value)
  return value and ("%d"):format(value) or "null"
end

-- As the SDK's type ModelInfo has it.
function shapes.anthropic(model, caps)
  return '{"type":"model","id":' .. text.quote(model.id) .. ',"display_name":' .. text.quote(model.id)
    .. ',"created_at":"' .. CREATED_TEXT .. '","max_input_tokens":' .. number(caps.context) .. ',"max_tokens":'
    .. number(caps.output) .. ',"capabilities":null,"lifecycle":"active","line":null,"deprecated_at":null,'
    .. '"retires_at":null}'
end

function shapes.gemini(model, caps)
  return '{"name":' .. text.quote("models/" .. model.id) .. ',"version":"001","displayName":' .. text.quote(model.id)
    .. (caps.context and ',"inputTokenLimit":' .. number(caps.context) or "")
    .. (caps.output and ',"outputTokenLimit":' .. number(caps.output) or "")
    .. ',"supportedGenerationMethods":["generateContent","countTokens"]'
    .. (caps.reasoning and caps.reasoning ~= "none" and ',"thinking":true' or "") .. "}"
end

local lists = {}

function lists.openai(rows)
  return '{"object":"list","data":[' .. table.concat(rows, ",") .. "]}"
end

function lists.anthropic(rows, page)
  local first, last = page[1], page[#page]
  return '{"data":[' .. table.concat(rows, ",") .. '],"has_more":' .. tostring(page.more) .. ',"first_id":'
    .. (first and text.quote(first.id) or "null") .. ',"last_id":' .. (last and text.quote(last.id) or "null") .. "}"
end

function lists.gemini(rows, page)
  local token = page.more and ',"nextPageToken":' .. text.quote(crypto.base64url_encode(page[#page].id)) or ""
  return '{"models":[' .. table.concat(rows, ",") .. "]" .. token .. "}"
end

-- Pages ---------------------------------------------------------------------------------------------------------

local PAGE_MAX = 1000

local function wrong(name, value, must)
  return errors.new("request_malformed", { param = name,
    text = ("%s is %s; it must be %s."):format(name, text.quote(text.excerpt(value, 80)), must) })
end

-- A member of the query that tells how many; nil: all.
local function size_of(query, name)
  local value = text.query_value(query, name)
  local size = value and value:find("^%d+$") and tonumber(value)
  if value and not (size and size >= 1 and size <= PAGE_MAX) then
    return nil, wrong(name, value, "a whole number from 1 to " .. PAGE_MAX)
  end
  return size
end

-- The place of a listed id that a member of the query names.
local function place_of(all, query, name, decode)
  local value = text.query_value(query, name)
  if not value then
    return nil
  end
  local id = decode and decode(value) or not decode and value
  for i, model in ipairs(all) do
    if model.id == id then
      return i
    end
  end
  return nil, wrong(name, value, decode and "the nextPageToken of an earlier page" or "the id of a listed model")
end

local function slice(all, from, to)
  local page = {}
  for i = math.max(from, 1), math.min(to, #all) do
    page[#page + 1] = all[i]
  end
  return page
end

local function after(all, place, size)
  local from = (place or 0) + 1
  local to = size and from + size - 1 or #all
  local page = slice(all, from, to)
  page.more = to < #all and #page > 0
  return page
end

---@type table<string, fun(all: table[], query: string): table?, cliproxy.Failure?>
local paged = {}

function paged.openai(all)
  return after(all)
end

function paged.anthropic(all, query)
  local size, failure = size_of(query, "limit")
  local next_to, before
  if not failure then
    next_to, failure = place_of(all, query, "after_id")
  end
  if not failure then
    before, failure = place_of(all, query, "before_id")
  end
  if failure then
    return nil, failure
  elseif next_to and before then
    return nil, errors.new("request_malformed", { param = "before_id",
      text = "after_id and before_id cannot be given together." })
  elseif not before then
    return after(all, next_to, size)
  end
  local from = size and before - size or 1
  local page = slice(all, from, before - 1)
  page.more = from > 1
  return page
end

-- 0 stands for none; what is more than the most counts as that, as the service does it.
function paged.gemini(all, query)
  local size, failure, place
  local asked = text.query_value(query, "pageSize")
  local digits = asked and asked:match("^%d+$")
  if digits then
    size = tonumber(digits) > 0 and math.min(tonumber(digits), PAGE_MAX) or nil
  elseif asked then
    failure = wrong("pageSize", asked, "a whole number")
  end
  if not failure then
    place, failure = place_of(all, query, "pageToken", crypto.base64url_decode)
  end
  if failure then
    return nil, failure
  end
  return after(all, place, size)
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
  local all, wanted = M.all(work.snapshot), work.endpoint.model
  headers["content-type"] = "application/json"
  if wanted then
    for _, model in ipairs(all) do
      if model.id == wanted then
        work.exchange:respond(200, headers, shapes[shape](model, caps_of(work.snapshot, model)))
        return nil
      end
    end
    return errors.new("no_route", { text = unknown(work.snapshot.routes, wanted), param = "model" })
  end
  local page, failure = paged[shape](all, work.query or "")
  if not page then
    return failure
  end
  local rows = {}
  for i, model in ipairs(page) do
    rows[i] = shapes[shape](model, caps_of(work.snapshot, model))
  end
  work.exchange:respond(200, headers, lists[shape](rows, page))
end

return M
