--- Runs the active filters: over a request before it is shaped, over an answer when it is in the client's dialect.
--- Without filters nothing here is called; without `response` and `event` hooks answers do not pass here.
local budget = require("cliproxy.budget")
local errors = require("cliproxy.errors")
local filter_of = require("cliproxy.filter")
local json = require("cliproxy.json")
local reframe = require("cliproxy.reframe")
local request_view = require("cliproxy.request_view")
local script_failure_of = require("cliproxy.script_failure")
local view_of = require("cliproxy.view")

local M = {}

local WARNINGS_MAX, WARNING_MAX = 20, 200

---@class cliproxy.ActiveFilter of one attempt
---@field filter cliproxy.Filter
---@field context cliproxy.FilterContext

-- What `context.refuse` returned: a hook can hand back nothing else that refuses.
local refusals = setmetatable({}, { __mode = "k" })

local function refuse(status, text)
  if type(status) ~= "number" or status % 1 ~= 0 or status < 400 or status > 599 then
    error("context.refuse: expected a status from 400 to 599 and a text, found " .. tostring(status), 2)
  elseif type(text) ~= "string" or text == "" then
    error("context.refuse: expected a text that says why", 2)
  end
  local refusal = { status = status, text = text }
  refusals[refusal] = true
  return refusal
end

-- "filters.trim;3 turns left out", as the header has warnings: each once, in visible ASCII.
local function warner(work, filter)
  return function(text)
    if type(text) ~= "string" then
      error("context.warn: expected a text, found " .. (json.kind(text) or type(text)), 2)
    end
    local line = ("filters.%s;%s"):format(filter.name, text):gsub("[^\32-\126]", "?"):sub(1, WARNING_MAX)
    local warnings = work.warnings or {}
    for _, other in ipairs(warnings) do
      if other == line then
        return
      end
    end
    if #warnings < WARNINGS_MAX then
      warnings[#warnings + 1] = line
    end
    work.warnings = warnings
  end
end

local function context_of(work, target, filter, view)
  return {
    raw = work.document,
    dialect = work.dialect,
    operation = work.operation,
    stream = work.stream,
    model = work.model,
    target = target.model,
    provider = target.instance.name,
    key = work.key,
    id = work.id,
    request = request_view.of(work),
    options = filter.options,
    state = {},
    warn = warner(work, filter),
    refuse = refuse,
    insert = view_of.insert,
    remove = view_of.remove,
    each_text = function(fn)
      return view_of.each_text(view, fn)
    end,
  }
end

-- A failure of a script: the generation before may have a version that works.
local function script_failure(work, filter, hook, message)
  work.failed_script = filter.script
  return script_failure_of.of(work, hook, message)
end

local function wrong_result(work, filter, hook, found, expected)
  work.failed_script = filter.script
  return errors.new("script_result", { hook = filter.owners[hook].name, found = found, expected = expected })
end

local function refused(refusal)
  local failure = errors.new("script_refused", { text = refusal.text })
  failure.status = refusal.status
  return failure
end

--- One hook. The failure is the second result, whether the script raised or refused.
local function run(work, active, hook, ...)
  local filter = active.filter
  local ok, result = budget.call(filter.owners[hook], filter.filter[hook], ...)
  if not ok then
    return nil, script_failure(work, filter, hook, result)
  elseif type(result) == "table" and refusals[result] then
    return nil, refused(result)
  end
  return result
end

--- The filters whose conditions hold; nil where there is none.
---@param work cliproxy.Work
---@param target cliproxy.Target
---@return cliproxy.ActiveFilter[]?
local function active_of(work, target)
  local list
  for _, filter in ipairs(work.snapshot.filters or {}) do
    if filter_of.applies(filter, work, target) then
      list = list or {}
      list[#list + 1] = { filter = filter }
    end
  end
  return list
end

--- Before a request is shaped: runs the `request` hooks over `work.document`. Once an attempt, before translation.
---@param work cliproxy.Work
---@param target cliproxy.Target
---@return cliproxy.Failure? failure that answers the request
function M.request(work, target)
  work.failed_script = nil
  local list = active_of(work, target)
  work.filters = list
  for _, active in ipairs(list or {}) do
    local filter = active.filter
    local view = view_of.of(work.document, work)
    active.context = context_of(work, target, filter, view)
    if filter.filter.request then
      local result, failure = run(work, active, "request", view, active.context)
      if failure then
        return failure
      elseif result ~= nil then
        return wrong_result(work, filter, "request", json.kind(result) or type(result),
          "nil, or what context.refuse returned")
      end
      local problem = view_of.problem(view)
      if problem then
        return script_failure(work, filter, "request", ("%s: request(): %s"):format(filter.script, problem))
      end
    end
  end
end

--- Whether answers of this attempt pass through filters.
---@param work cliproxy.Work
---@param hook "response"|"event"
---@return boolean
function M.has_answer_hooks(work, hook)
  local list = work.filters
  if list then
    for _, active in ipairs(list) do
      if active.filter.filter[hook] then
        return true
      end
    end
  end
  return false
end

-- A hook's document: a node, or a table as the node of its text; nil and what was found where it is none.
local function document_of(result)
  if type(result) == "userdata" then
    local kind = json.kind(result)
    return (kind == "object" or kind == "array") and result or nil, kind
  elseif type(result) ~= "table" then
    return nil, type(result)
  end
  local ok, text = pcall(json.encode, result)
  local document = ok and json.parse(text)
  if type(document) == "userdata" then
    return document
  end
  return nil, "a table that is no JSON (" .. tostring(text) .. ")"
end

--- A whole answer in the client's dialect through the `response` hooks.
---@param work cliproxy.Work
---@param body string|cliproxy.json.Node
---@return string|cliproxy.json.Node? body in the form it came; what is no JSON object stays as it is
---@return cliproxy.Failure? failure
function M.response(work, body)
  local given = body
  local document = type(body) == "userdata" and body or json.parse(body)
  if type(document) ~= "userdata" or json.kind(document) ~= "object" and json.kind(document) ~= "array" then
    return body
  end
  local current = document
  for _, active in ipairs(work.filters or {}) do
    if active.filter.filter.response then
      local result, failure = run(work, active, "response", active.context, current)
      if failure then
        return nil, failure
      elseif result ~= nil then
        local made, found = document_of(result)
        if not made then
          return nil, wrong_result(work, active.filter, "response", found, "nil, a document or a table")
        end
        current = made
      end
    end
  end
  if type(given) == "userdata" then
    return current
  end
  local text = json.encode(current)
  json.close(document)
  return text
end

-- An event for the next hook and for the wire: its data is text. nil and what was found where it is none.
local function event_of(one)
  if type(one) ~= "table" or one.data == nil then
    return nil, type(one) == "table" and "a table without data" or type(one)
  elseif type(one.data) == "string" then
    return one
  end
  local ok, data = pcall(json.encode, one.data)
  if not ok then
    return nil, "an event whose data is no JSON (" .. tostring(data) .. ")"
  end
  return { type = one.type, data = data }
end

-- Appends what a hook returned for an event; what was found where it is nonsense.
local function append(out, event, result)
  if result == nil then
    out[#out + 1] = event
    return nil
  elseif result == false then
    return nil
  elseif type(result) ~= "table" then
    return json.kind(result) or type(result)
  elseif result.data ~= nil then
    result = { result }
  end
  for _, one in ipairs(result) do
    local made, found = event_of(one)
    if not made then
      return found
    end
    out[#out + 1] = made
  end
end

--- One event of a stream in the client's dialect through the `event` hooks.
---@param work cliproxy.Work
---@param event cliproxy.Event
---@return nil|false|cliproxy.Event|cliproxy.Event[] result nil: as it is; false: dropped
---@return cliproxy.Failure? failure
function M.event(work, event)
  local list = { event }
  for _, active in ipairs(work.filters or {}) do
    if active.filter.filter.event then
      local out = {}
      for _, one in ipairs(list) do
        local result, failure = run(work, active, "event", active.context, one)
        local found = not failure and append(out, one, result)
        if failure or found then
          return nil, failure or wrong_result(work, active.filter, "event", found,
            "nil, false, an event { type, data } or a list of events")
        end
      end
      list = out
    end
  end
  if #list == 1 then
    if list[1] == event then
      return nil
    end
    return list[1]
  end
  return #list > 0 and list
end

--- A mapper of `pump` with the filters behind it.
---@param work cliproxy.Work
---@param map fun(event?: cliproxy.Event): boolean, any
---@return fun(event?: cliproxy.Event): boolean, any
function M.mapper(work, map)
  if not M.has_answer_hooks(work, "event") then
    return map
  end
  return function(event)
    local ok, result = map(event)
    if not ok or result == false or event == nil and result == nil then
      return ok, result
    end
    local before, out = {}, {}
    if append(before, event, result) then
      return ok, result -- nonsense of the provider's script: told where events are written
    end
    for _, one in ipairs(before) do
      local filtered, failure = M.event(work, one)
      if failure then
        return false, failure
      end
      append(out, one, filtered)
    end
    if #out == 1 and out[1] == event then
      return true, nil
    end
    return true, #out > 0 and out
  end
end

-- One event of our own making: lines as encoders write them.
local function parsed(block)
  local data, kind = {}, ""
  for line in block:gmatch("[^\r\n]+") do
    local name, value = line:match("^(%l+): ?(.*)$")
    if name == "data" then
      data[#data + 1] = value
    elseif name == "event" then
      kind = value
    end
  end
  return #data > 0 and { type = kind, data = table.concat(data, "\n"), raw = block } or nil
end

--- Whole server-sent events, as an encoder made them, through the `event` hooks.
---@param work cliproxy.Work
---@param bytes string
---@param started boolean an event went out before
---@return string? bytes in the client's framing
---@return cliproxy.Failure? failure
function M.bytes(work, bytes, started)
  local out, at = {}, 1
  while at <= #bytes do
    local _, last = bytes:find("\n\r?\n", at)
    local block = bytes:sub(at, last or #bytes)
    at = at + #block
    local event = parsed(block)
    local events = { event }
    if event then
      local result, failure = M.event(work, event)
      if failure then
        return nil, failure
      end
      events = {}
      append(events, event, result)
    else
      out[#out + 1] = work.framing == "sse" and block or nil -- a comment
    end
    for _, one in ipairs(events) do
      local same = one == event and work.framing == "sse"
      out[#out + 1] = same and block or reframe.event(one.type or "", one.data, work.framing, started)
      started = true
    end
  end
  return table.concat(out)
end

return M
