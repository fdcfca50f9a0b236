--- One cell of the table: a feature, a client's dialect, a service's dialect, whole or streamed.
local answers = require("spec.conformance.answers")
local automata = require("cliproxy.automata")
local drive = require("spec.conformance.drive")
local read_answer = require("spec.conformance.read_answer")
local read_request = require("spec.conformance.read_request")
local refusals = require("spec.conformance.refusals")
local requests = require("spec.conformance.requests")
local rows = require("spec.conformance.rows")
local valid = require("spec.conformance.valid")

local M = {}

local equal, contains = rows.equal, rows.contains

M.DIALECTS = { "openai_chat", "openai_responses", "anthropic", "gemini" }

local function fine(what, violations)
  if #violations > 0 then
    error(what .. ":\n  " .. table.concat(violations, "\n  "), 0)
  end
end

-- Answers of the service ------------------------------------------------------------------------------------------

local function join_raw(events)
  local out = {}
  for i, event in ipairs(events) do
    out[i] = event.raw
  end
  return table.concat(out)
end

-- The events up to the one that holds the second fragment of "Hello".
local function first_events(events)
  local out = {}
  for _, event in ipairs(events) do
    out[#out + 1] = event
    if event.data:find('"lo"', 1, true) then
      break
    end
  end
  return out
end

local function opening(events)
  local out = {}
  for _, event in ipairs(events) do
    if event.type ~= "message_start" and event.type ~= "response.created" and event.type ~= "response.in_progress" then
      break
    end
    out[#out + 1] = event
  end
  return out
end

local function append(list, more)
  for _, one in ipairs(more) do
    list[#list + 1] = one
  end
  return list
end

local function broken_reply(cell, events)
  local kind, upstream = cell.row.broken, cell.upstream
  local kept = kind == "first" and opening(events) or first_events(events)
  if kind == "first" or kind == "error" then
    append(kept, answers.stream_failure(upstream, #kept, cell.model))
  end
  return { events = kept, broken = kind == "cut" and "eof" or nil }
end

local function reply_of(cell)
  local row, upstream = cell.row, cell.upstream
  if row.failure then
    local failed = answers.FAILURES[row.failure][upstream]
    local headers = { ["content-type"] = "application/json" }
    for name, value in pairs(failed[3] or {}) do
      headers[name] = value
    end
    return { status = failed[1], body = failed[2], headers = headers }
  elseif cell.mode == "whole" then
    return { body = answers.whole(upstream, row.answer, cell.model) }
  end
  local events = answers.stream(upstream, row.answer, cell.model)
  return row.broken and broken_reply(cell, events) or { events = events }
end

--- The service's own answer of a cell, in its bytes: what the automata must accept.
---@param row table
---@param upstream string
---@param mode string
---@return string[] violations
function M.check_service(row, upstream, mode)
  local cell = { row = row, upstream = upstream, mode = mode, model = rows.MODELS[upstream] }
  local reply = reply_of(cell)
  if row.failure then
    return automata.error(upstream, reply.body)
  elseif mode == "whole" then
    return automata.whole(upstream, reply.body)
  end
  local checker = automata.stream(upstream, { wants_usage = true })
  checker:feed(join_raw(reply.events))
  return checker:finish()
end

-- What the client got ---------------------------------------------------------------------------------------------

local function check_stream(cell, bytes, expected)
  local checker = automata.stream(cell.client, { framing = cell.framing, wants_usage = cell.wants_usage })
  checker:feed(bytes)
  fine("the client's stream", checker:finish())
  equal("the end of the stream", expected, checker:ended())
  return read_answer.stream(cell.client, bytes, cell.framing)
end

local function check_usage(cell, got)
  local usage = cell.row.answer.usage or answers.USAGE
  if cell.client == "openai_chat" and cell.mode == "stream" and not cell.wants_usage then
    return equal("usage", nil, got.usage)
  end
  for name, value in pairs(usage) do
    equal("usage " .. name, value, got.usage and got.usage[name])
  end
end

local function check_head(cell, exchange)
  equal("status", 200, exchange.status)
  local kind = cell.mode == "stream" and cell.framing == "sse" and "text/event-stream" or "application/json"
  contains("content type", exchange.headers_sent["content-type"], kind)
  equal("cut off", false, exchange.aborted)
  equal("ended", true, exchange.ended)
end

local function check_answer(cell, exchange)
  check_head(cell, exchange)
  local got
  if cell.mode == "stream" then
    got = check_stream(cell, exchange:output(), "clean")
  else
    fine("the client's answer", automata.whole(cell.client, exchange:output()))
    got = read_answer.whole(cell.client, exchange:output())
  end
  equal("model", cell.model, got.model)
  cell.row.got(got, cell)
  check_usage(cell, got)
  return got
end

local OPENAI_CODES = { no_model = "model_not_found", limited = "rate_limit_exceeded" }

-- The error of a failed answer, in the client's envelope.
local function check_envelope(cell, exchange, status, words)
  if cell.client == "anthropic" and status == 503 then
    status = 529
  end
  equal("status", status, exchange.status)
  fine("the client's error", automata.error(cell.client, exchange:output()))
  local failed = read_answer.whole(cell.client, exchange:output()).failed
  contains("message", failed.message, words)
  return failed
end

local function check_failure(cell, exchange)
  local row = cell.row
  local failed = check_envelope(cell, exchange, row.status, row.words)
  if row.failure == "limited" then
    equal("retry-after", "7", exchange.headers_sent["retry-after"])
  end
  local code = OPENAI_CODES[row.failure]
  if code and (cell.client == "openai_chat" or cell.client == "openai_responses") then
    equal("code", code, failed.code)
  end
end

-- The status that a service would have given to the error in its stream.
local STREAM_STATUS = { openai_chat = 500, openai_responses = 500, anthropic = 503, gemini = 503 }
local BROKEN_WORDS = { error = "Too busy", cut = "closed the connection", unfinished = "ended its stream without" }

local function check_broken(cell, exchange)
  local kind = cell.row.broken
  if kind == "first" then
    return check_envelope(cell, exchange, STREAM_STATUS[cell.upstream], "Too busy")
  end
  check_head(cell, exchange)
  -- A stream of Gemini's has no last event: the end of the message is one.
  local clean = kind == "unfinished" and cell.upstream == "gemini"
  local got = check_stream(cell, exchange:output(), clean and "clean" or "error")
  equal("text", "Hello", got.text)
  if not clean then
    contains("message", got.failed and got.failed.message, BROKEN_WORDS[kind])
  end
end

-- Same dialect ----------------------------------------------------------------------------------------------------

local function check_untouched(cell, exchange, sent, request, reply)
  equal("request", request.body, sent)
  if cell.row.failure == "key" then
    return check_failure(cell, exchange) -- our key is not the client's affair
  end
  local bytes = reply.events and join_raw(reply.events) or reply.body
  if cell.row.broken == "cut" then
    equal("answer", bytes, exchange:output():sub(1, #bytes))
    return contains("the end", exchange:output():sub(#bytes + 1), "closed the connection")
  end
  equal("status", reply.status or 200, exchange.status)
  equal("answer", bytes, exchange:output())
end

-- Cells -----------------------------------------------------------------------------------------------------------

local function check_refused(cell, exchange, sent, entry)
  equal("bytes sent upstream", nil, sent)
  local failed = check_envelope(cell, exchange, 400, "cannot be sent to provider up")
  contains("message", failed.message, entry.words)
  if cell.client == "openai_chat" or cell.client == "openai_responses" then
    equal("code", "not_expressible", failed.code)
    contains("message", failed.message, failed.param or "a param")
  end
end

-- A second request with what the client got in it.
local function check_again(cell, got)
  local text = requests.after_call(cell.client, got)
  local request = requests.send(cell.client, text, cell.model, false, false)
  local exchange, sent = drive.run { client = cell.client, upstream = cell.upstream, model = cell.model,
    request = request, reply = { body = answers.whole(cell.upstream, rows.list[1].answer, cell.model) } }
  equal("status of the second request", 200, exchange.status)
  fine("the second request", valid.request(cell.upstream, sent))
  cell.row.again(read_request.read(cell.upstream, sent), cell)
end

local function run(cell)
  local row = cell.row
  local request = requests.send(cell.client, row.request[cell.client], cell.model, cell.mode == "stream",
    cell.wants_usage)
  if cell.framing == "json_array" then
    request.query = ""
  end
  local reply = reply_of(cell)
  local exchange, sent, _, lines = drive.run { client = cell.client, upstream = cell.upstream, model = cell.model,
    request = request, reply = reply, caps = row.caps }
  cell.lines, cell.sent, cell.head = lines, sent, exchange.headers_sent
  local entry = refusals.of(row.name, cell.client, cell.upstream)
  if entry then
    return check_refused(cell, exchange, sent, entry)
  elseif not sent then
    error("refused: " .. exchange:output(), 0)
  elseif cell.client == cell.upstream then
    return check_untouched(cell, exchange, sent, request, reply)
  end
  fine("what was sent", valid.request(cell.upstream, sent))
  local seen = read_request.read(cell.upstream, sent)
  if cell.upstream ~= "gemini" then
    equal("model sent", cell.model, seen.model)
    equal("stream asked for", cell.mode == "stream", seen.stream or false)
  end
  if row.sent then
    row.sent(seen, cell)
  end
  if row.failure then
    return check_failure(cell, exchange)
  elseif row.broken then
    return check_broken(cell, exchange)
  end
  local got = check_answer(cell, exchange)
  if row.again then
    check_again(cell, got)
  end
end

local function outcome(row, client, upstream, mode, framing)
  local models = row.reasoning and rows.REASONING_MODELS or rows.MODELS
  local cell = { row = row, client = client, upstream = upstream, mode = mode, framing = framing,
    model = models[upstream], wants_usage = not row.no_usage }
  local ok, message = xpcall(run, function(problem)
    return type(problem) == "string" and problem:find("%.lua:%d+:") and debug.traceback(problem) or problem
  end, cell)
  if ok then
    return refusals.of(row.name, client, upstream) and "refused" or "pass"
  end
  local log = cell.lines and table.concat(cell.lines, "\n") or ""
  return "fail", ("%s, %s to %s, %s%s: %s%s"):format(row.name, client, upstream, mode,
    framing == "json_array" and " as an array" or "", tostring(message),
    log:find("internal error", 1, true) and "\n" .. log or "")
end

--- Runs a cell anew.
---@param name string of the row
---@param client string
---@param upstream string
---@param mode "whole"|"stream"
---@return "pass"|"refused"|"fail" result
---@return string? why it failed
function M.try(name, client, upstream, mode)
  for _, row in ipairs(rows.list) do
    if row.name == name then
      return outcome(row, client, upstream, mode, "sse")
    end
  end
  error("no row " .. name)
end

local done = {}

--- Runs a cell, once.
---@param row table
---@param client string
---@param upstream string
---@param mode "whole"|"stream"
---@return "pass"|"refused"|"fail"|"absent"|"none" result "absent": the client's dialect has no words for it; "none":
--- not in this mode
---@return string? why it failed
function M.run(row, client, upstream, mode)
  if row.absent and row.absent[client] then
    return "absent"
  elseif row.modes and row.modes[1] ~= mode then
    return "none"
  end
  local key = table.concat({ row.name, client, upstream, mode }, "\1")
  if not done[key] then
    local result, why = outcome(row, client, upstream, mode, "sse")
    if result ~= "fail" and client == "gemini" and mode == "stream" and upstream ~= "gemini" then
      result, why = outcome(row, client, upstream, mode, "json_array")
    end
    done[key] = { result, why }
  end
  return done[key][1], done[key][2]
end

return M
