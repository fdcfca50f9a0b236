--- The way of one request: door → route → attempt → decide → relay → record.
local access = require("cliproxy.access")
local answer = require("cliproxy.answer")
local attempt = require("cliproxy.attempt")
local budget = require("cliproxy.budget")
local decide = require("cliproxy.decide")
local dialects = require("cliproxy.dialects")
local endpoints = require("cliproxy.endpoints")
local errors = require("cliproxy.errors")
local guard = require("cliproxy.guard")
local json = require("cliproxy.json")
local live = require("cliproxy.live")
local log = require("cliproxy.log")
local pages = require("cliproxy.pages")
local record = require("cliproxy.record")
local request_id = require("cliproxy.request_id")
local request_view = require("cliproxy.request_view")
local rollback = require("cliproxy.rollback")
local translate = require("cliproxy.translate")

local M = {}

---@class cliproxy.Work everything about one request under way
---@field exchange cliproxy.Exchange
---@field id string
---@field live cliproxy.Live
---@field snapshot cliproxy.Snapshot
---@field endpoint? cliproxy.Endpoint
---@field dialect string the client's
---@field operation? string
---@field model? string as asked for
---@field model_in_body boolean
---@field stream boolean
---@field framing string
---@field document? cliproxy.json.Node
---@field key? string the client key's name
---@field target? cliproxy.Target
---@field account? cliproxy.Account
---@field attempts integer
---@field filters? cliproxy.ActiveFilter[] those that apply
---@field failed_script? string the filter's that failed
---@field call? cliproxy.Call
---@field translation? cliproxy.Translation nil: the request passes in its own dialect
---@field ledger? cliproxy.Ledger of the translation
---@field estimated? integer tokens that were counted here
---@field withhold_usage? boolean
---@field cors? table<string, string>
---@field warnings? string[]
---@field relaying? boolean
---@field completed? boolean the terminal event is out
---@field status? integer of the answer
---@field first_at? number
---@field ended_at? number
---@field tokens_in? integer
---@field tokens_out? integer
---@field tokens_cached? integer
---@field method string
---@field path string
---@field query string
---@field fault? cliproxy.Fault
---@field gone fun(work: cliproxy.Work): boolean? for `exchange:on_gone`
---@field note? string for the log
---@field script_error? string
---@field past_scripts? fun() told when a head goes out: no script can fail this request any more as a whole
---@field finished? boolean

--- Endpoints that are answered here: operation → function(work, headers). Filled by `service`, which knows them all.
---@type table<string, fun(work: cliproxy.Work, headers: table<string, string>)>
M.local_endpoints = {}

local function headers_of(work)
  local headers = { ["x-cliproxy-request-id"] = work.id }
  for name, value in pairs(work.cors or {}) do
    headers[name] = value
  end
  return headers
end

--- Ends the request's books: once, whatever happened.
local function finish(work)
  if work.finished then
    return
  end
  work.finished = true
  work.ended_at = work.exchange.age
  work.snapshot = work.snapshot or live.current().snapshot
  record.write(work)
  if work.live then
    live.release(work.live)
  end
end

---@param work cliproxy.Work
---@param failure cliproxy.Failure
local function refuse(work, failure)
  work.status, work.first_at = failure.status, work.exchange.age
  work.note = failure.text
  if work.script_error then
    log.error(work.id .. " " .. work.script_error)
  end
  local headers = { ["content-type"] = "application/json", ["x-cliproxy-request-id"] = work.id }
  for _, more in ipairs { failure.headers or {}, work.cors or {} } do
    for name, value in pairs(more) do
      headers[name] = value
    end
  end
  local body = dialects.of(work.dialect).envelope(failure, work.id)
  return work.exchange:respond(failure.status, headers, body)
end

local function unknown_path(work)
  local exchange = work.exchange
  local cure = endpoints.near_miss(exchange.path, pages.base_url(exchange, work.snapshot.config))
  if cure then
    return errors.new("near_miss", { path = exchange.path, cure = cure })
  end
  return errors.new("unknown_path", { path = exchange.path,
    paths = "/v1/chat/completions, /v1/responses, /v1/messages, /v1beta/models/…, /v1/models and /v1/health" })
end

--- nil, or why the request does not get past the door; "done" where it was answered there.
local function door(work, endpoint)
  local exchange, held, config = work.exchange, work.live, work.snapshot.config
  local failure = guard.check(held.door, config, exchange, endpoint)
  if failure then
    return failure
  end
  local cors = guard.cors(held.door, exchange)
  if cors then
    work.cors = cors
  end
  if not endpoint then
    return unknown_path(work)
  end
  local method = work.method
  if not endpoint.methods[method] then
    if method == "OPTIONS" and work.cors then
      work.status = 204
      guard.preflight(exchange, endpoint, headers_of(work))
      return "done"
    elseif method == "GET" and endpoint.path == "/v1/responses" and exchange:header("upgrade") then
      return errors.new("websocket_unsupported", { headers = { upgrade = "HTTP/1.1" } })
    end
    return errors.new("method_not_allowed", { path = exchange.path, allow = endpoint.allow, method = method,
      headers = { allow = endpoint.allow } })
  end
  if endpoint.open then
    return nil
  elseif endpoint.admin then
    return access.check_admin(held.keys, config, exchange)
  end
  work.key, failure = access.check(held.keys, config, exchange)
  return failure
end

local function read_model(work, document)
  if work.endpoint.model then
    work.model = work.endpoint.model
    return nil
  end
  local model = document.model
  if type(model) ~= "string" then
    if not json.present(model) then
      return errors.new("model_missing", { param = "model" })
    end
    return errors.new("model_not_string", { param = "model", kind = json.kind(model) })
  elseif model == "" then
    return errors.new("model_missing", { param = "model" })
  end
  work.model, work.model_in_body = model, true
end

local function read_stream(work, document)
  if work.endpoint.stream ~= nil then
    work.stream = work.endpoint.stream
    work.framing = work.stream and dialects.of(work.dialect).framing(work.exchange.query) or "sse"
    return nil
  end
  local stream = document.stream
  if stream == true then
    work.stream = true
  elseif stream and stream ~= json.null then
    return errors.new("stream_not_boolean", { param = "stream", kind = json.kind(stream) })
  end
end

--- The body as a document, and what of it decides the way.
local function read_request(work)
  local exchange = work.exchange
  if work.size == 0 then
    return errors.new("body_missing")
  end
  local document, message = exchange:document()
  if document == nil then
    return errors.new("body_not_json", { text = (message:gsub("%.$", "")) })
  elseif json.kind(document) ~= "object" then
    return errors.new("body_not_object", { kind = json.kind(document) })
  end
  work.document = document
  return read_model(work, document) or read_stream(work, document)
end

local function route(work)
  local routes = work.snapshot.routes
  local plan, message, code = routes:plan(routes.functions > 0 and request_view.of(work) or work)
  if not plan then
    return nil, errors.new(code or "no_route", { text = message, param = work.model_in_body and "model" or nil })
  end
  return plan
end

--- The attempts over the plan, until `decide` says that one answers.
---@return cliproxy.Reply? reply
---@return cliproxy.Failure? failure
---@return string? body of an answer that needs no provider
local function attempts(work)
  local plan, failure = route(work)
  local at = 1
  while plan do
    local reply, body
    reply, failure, body = attempt.run(work, plan[at])
    if not reply then
      return nil, failure, body
    end
    local verdict = decide.verdict(work, reply)
    if verdict == "answer" or verdict == "next" and not plan[at + 1] then
      return reply
    end
    reply:close()
    at = verdict == "next" and at + 1 or at
    work.document = json.original(work.document)
  end
  return nil, failure
end

-- Servers that are merely compatible have no such path; a model that is unknown is another matter.
local NOT_COUNTED = { [404] = true, [405] = true, [501] = true }

local function is_uncounted(work, reply)
  if work.operation ~= "count" or not NOT_COUNTED[reply.status] then
    return false
  end
  local held = reply.held:lower()
  return not (reply.status == 404 and held:find("model", 1, true))
end

--- Attempts and answer. Nil: answered.
---@return cliproxy.Failure?
local function attempt_and_answer(work)
  local reply, failure, body = attempts(work)
  if reply and is_uncounted(work, reply) then
    reply:close()
    reply = nil
    body, failure = translate.estimate(work)
  end
  if reply then
    failure = answer.give(work, reply)
    reply:close()
  elseif body then
    answer.give_own(work, body)
  end
  return failure
end

--- A changed script failed before anything was sent: once more on the generation before.
local function on_the_former(work, failure, before)
  local failed, message = work.live, work.script_error or failure.text
  local script = rollback.script_of(work)
  rollback.rewind(work, before)
  work.past_scripts = function()
    work.past_scripts = nil
    rollback.settle(failed, script, message)
  end
  local again = attempt_and_answer(work)
  if work.past_scripts and not (again and rollback.is_fault(again)) then
    work.past_scripts()
  end
  return again
end

local function proxy(work)
  local _, over = budget.memory()
  if over then
    return refuse(work, errors.new("memory_full", { headers = { ["retry-after"] = "1" } }))
  end
  local failure = read_request(work) or attempt_and_answer(work)
  local before = failure and rollback.candidate(work, failure)
  if before and rollback.was_overrun(work, failure) then
    failure = rollback.without_again(work, failure)
  elseif before then
    failure = on_the_former(work, failure, before)
  end
  if failure then
    refuse(work, failure)
  end
end

local function serve(work)
  if work.fault then
    return refuse(work, errors.of_fault(work.fault))
  end
  local endpoint = work.endpoint
  local failure = door(work, endpoint)
  if failure then
    return failure ~= "done" and refuse(work, failure)
  end
  if endpoint.proxied then
    return proxy(work)
  end
  work.status = 200
  local refused = M.local_endpoints[endpoint.operation](work, headers_of(work))
  if refused then
    refuse(work, refused)
  end
end

--- What no rule foresaw: told to the client as little as possible, to the log in full.
local function failed_inside(work, trace)
  log.error(work.id .. " internal error: " .. tostring(trace))
  local exchange = work.exchange
  if exchange.ended or exchange.gone then
    return
  elseif exchange.head_sent then
    work.note = "internal error"
    return exchange:abort()
  end
  return refuse(work, errors.new("internal", { id = work.id }))
end

local function on_gone(work)
  if work.relaying then
    return true
  end
  if not work.completed then
    work.status = 499
    work.note = work.first_at and "the client left in the middle of the answer" or "the client left before the answer"
  end
  finish(work)
end

-- Of what comes later the fields are named, too, so that the table never grows.
---@param exchange cliproxy.Exchange
---@return cliproxy.Work
local function begin(exchange)
  local held = live.hold()
  local method, path, query, size, fault = exchange:request()
  local endpoint = endpoints.find(path)
  local later = nil
  return {
    exchange = exchange,
    id = request_id.next(),
    live = held,
    snapshot = held.snapshot,
    endpoint = endpoint,
    dialect = endpoint and endpoint.dialect or endpoints.dialect_of(path),
    operation = endpoint and endpoint.operation,
    size = size,
    method = method,
    path = path,
    query = query,
    fault = fault,
    gone = on_gone,
    framing = "sse",
    stream = false,
    attempts = 0,
    model_in_body = false,
    relaying = false,
    finished = false,
    document = later,
    model = later,
    key = later,
    target = later,
    account = later,
    call = later,
    status = later,
    first_at = later,
    ended_at = later,
    tokens_in = later,
    tokens_out = later,
    tokens_cached = later,
    note = later,
  }
end

--- Answers one request: the handler of `server.handle`.
---@param exchange cliproxy.Exchange
function M.run(exchange)
  local work = begin(exchange)
  exchange:on_gone(work)
  local ok, trace = xpcall(serve, debug.traceback, work)
  if not ok then
    failed_inside(work, trace)
  end
  finish(work)
end

return M
