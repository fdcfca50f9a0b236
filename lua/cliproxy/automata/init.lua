--- Checks of what goes out to clients: is a stream a sentence of its dialect's grammar, is a whole answer or an error
--- of the complete shape that the official service gives? Every spec of answers asks here, and debug builds ask about
--- live output. A violation is a line that names the event and what is wrong with it; no violations, no lines.
---
---     local checker = automata.stream("anthropic")
---     checker:feed(bytes)                          -- in any pieces
---     assert(#checker:finish() == 0 and checker:ended() == "clean")
local frames = require("cliproxy.automata.frames")
local json = require("cliproxy.json")
local shape = require("cliproxy.automata.shape")

local M = {}

---@class cliproxy.automata.Machine one stream of a dialect
---@field event fun(report: cliproxy.automata.Report, document: any, type: string?) a JSON event
---@field finish fun(report: cliproxy.automata.Report)
---@field ended fun(): "clean"|"error"|nil
---@field sentinel? fun(report: cliproxy.automata.Report)
---@field may_follow? fun(type: string?): boolean an event behind the one that ended it

---@class cliproxy.automata.Dialect
---@field stream fun(options: table): cliproxy.automata.Machine
---@field whole fun(report: cliproxy.automata.Report, document: any)
---@field error fun(report: cliproxy.automata.Report, document: any)
---@field ending "\n"|"\r\n" of the lines of its events
---@field typed boolean events have `event:` lines, which equal the `type` of the data
---@field sentinel? string data that is no JSON: "[DONE]"

---@type table<string, cliproxy.automata.Dialect>
local by_name = {}
for _, name in ipairs { "openai_chat", "openai_responses", "anthropic", "gemini" } do
  by_name[name] = require("cliproxy.automata." .. name)
end

local function of(dialect)
  return by_name[dialect] or error("no automaton of " .. tostring(dialect), 3)
end

local function close(document)
  local kind = json.kind(document)
  if kind == "object" or kind == "array" then
    json.close(document)
  end
end

---@class cliproxy.automata.Checker
local Checker = {}
Checker.__index = Checker

--- Bytes of the stream.
---@param bytes string
function Checker:feed(bytes)
  self.frames.feed(bytes)
end

--- The stream has ended, however it did.
---@return string[] violations
function Checker:finish()
  if not self.finished then
    self.finished = true
    self.frames.finish()
    local report = self.report
    report.place = "end"
    if not self.machine.ended() then
      report:say("", "the stream ends without its last event")
    else
      self.machine.finish(report)
    end
  end
  return self.report.list
end

--- How it ended: with the last event of its dialect, with an error, or with neither.
---@return "clean"|"error"|"cut"
function Checker:ended()
  return self.machine.ended() or "cut"
end

local function check_type(report, automaton, document, type)
  if not automaton.typed then
    if type then
      report:say("", "it has an event line, " .. type)
    end
  elseif not type then
    report:say("", "it has no event line")
  elseif json.kind(document) == "object" and document.type ~= type then
    report:say("", ("its event line says %s, its type is %s"):format(type, tostring(document.type)))
  end
end

local function on_event(self, automaton, data, type)
  local report, machine = self.report, self.machine
  self.n = self.n + 1
  report.place = "event " .. self.n .. (type and " (" .. type .. ")" or "")
  if machine.ended() and not (machine.may_follow and machine.may_follow(type)) then
    return report:say("", "it comes behind the end of the stream")
  elseif data == automaton.sentinel then
    return machine.sentinel(report)
  end
  local document, message = json.parse(data)
  if document == nil then
    return report:say("", "its data is no JSON: " .. message)
  elseif json.kind(document) ~= "object" then
    return report:say("", "its data is no object")
  end
  check_type(report, automaton, document, type)
  machine.event(report, document, type)
  close(document)
end

--- Checks a stream as it comes.
---@param dialect string
---@param options? { framing?: "sse"|"json_array", wants_usage?: boolean|"if_known", verbatim?: boolean }
--- `wants_usage`: whether the client asked for usage (Chat); "if_known": it did, but there may be none; nil: not
--- known, the first chunk tells. `verbatim`: calls have the arguments that the model wrote, which may be no JSON object
---@return cliproxy.automata.Checker
function M.stream(dialect, options)
  local automaton = of(dialect)
  options = options or {}
  local self = setmetatable({ n = 0, report = shape.report("event 0"), finished = false }, Checker)
  self.report.verbatim = options.verbatim
  self.machine = automaton.stream(options)
  local function event(data, type)
    on_event(self, automaton, data, type)
  end
  local function fault(what)
    self.report.place = "event " .. self.n + 1
    self.report:say("", what)
  end
  self.frames = options.framing == "json_array" and frames.json_array(event, fault)
    or frames.sse(event, fault, automaton.ending)
  return self
end

local function check_text(place, body, check)
  local report = shape.report(place)
  local document, message = json.parse(body)
  if document == nil then
    report:say("", "it is no JSON: " .. message)
  elseif json.kind(document) ~= "object" then
    report:say("", "it is no object")
  else
    check(report, document)
  end
  close(document)
  return report.list
end

--- Checks a whole answer.
---@param dialect string
---@param body string
---@return string[] violations
function M.whole(dialect, body)
  return check_text("answer", body, of(dialect).whole)
end

--- Checks the body of a failed answer.
---@param dialect string
---@param body string
---@return string[] violations
function M.error(dialect, body)
  return check_text("error", body, of(dialect).error)
end

return M
