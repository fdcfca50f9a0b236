--- The grammar of the Responses API's streams: `response.created`, `response.in_progress`, items one after another,
--- one terminal event.
local items = require("cliproxy.automata.openai_responses_items")
local json = require("cliproxy.json")
local shape = require("cliproxy.automata.shape")
local shapes = require("cliproxy.automata.openai_responses_shapes")

local M = {}

local child, check, same = shape.child, shape.check, shape.same

local FIXED = { "id", "created_at", "model" }

-- Responses -----------------------------------------------------------------------------------------------------

local function response_event(self, report, document, status)
  local response = document.response
  if not shapes.check_response(report, response, "response", status) then
    return nil
  end
  for _, name in ipairs(FIXED) do
    local value = tostring(response[name])
    self.fixed[name] = self.fixed[name] or value
    if value ~= self.fixed[name] then
      report:say("response." .. name, "it was " .. self.fixed[name] .. " before")
    end
  end
  return response
end

local function check_output(self, report, response)
  local output = child(response, "output", "array")
  if not output then
    return
  elseif #output ~= #self.items then
    report:say("response.output", ("%d items, %d were streamed"):format(#output, #self.items))
  end
  for i, item in ipairs(self.items) do
    if output[i] ~= nil and not same(output[i], item) then
      report:say(("response.output[%d]"):format(i - 1), "it is not the item that was streamed")
    end
  end
end

local function ends(status)
  return function(self, report, document)
    self.how = "clean"
    if self.item then
      report:say("", "an item is still open")
    end
    local response = response_event(self, report, document, status)
    if response then
      check_output(self, report, response)
    end
    for _, at in ipairs(self.cut) do
      if status == "completed" then
        report:say(("response.output[%d]"):format(at), "an item that is not completed in an answer that is")
      end
    end
  end
end

-- Errors --------------------------------------------------------------------------------------------------------

local check_error = shape.object(shapes.ERROR)

local function error_event(self, report)
  if self.how then
    report:say("", "a second end")
  end
  self.how = "error"
end

local function failed_event(self, report, document)
  self.how, self.failed = "error", true
  response_event(self, report, document, "failed")
end

-- All events ----------------------------------------------------------------------------------------------------

local fields = items.fields
local RESPONSE_FIELDS = fields { response = "object" }

---@type table<string, { [1]: table, [2]: fun(self: table, report: cliproxy.automata.Report, document: any) }>
local EVENTS = {
  ["response.completed"] = { RESPONSE_FIELDS, ends("completed") },
  ["response.incomplete"] = { RESPONSE_FIELDS, ends("incomplete") },
  ["response.failed"] = { RESPONSE_FIELDS, failed_event },
  error = { fields { error = { "object", check_error }, code = "text|null?", message = "text?",
    param = "text|null?" }, error_event },
}
for kind, row in pairs(items.EVENTS) do
  EVENTS[kind] = row
end

-- The start: each of these at most once, in this order.
local START = { ["response.created"] = 1, ["response.queued"] = 2, ["response.in_progress"] = 3 }

local function start_event(self, report, document)
  local at = START[document.type]
  if at <= self.started or at == 1 and self.started > 0 then
    report:say("", "it comes too late")
  elseif at > 1 and self.started == 0 then
    report:say("", "response.created comes first")
  end
  self.started = math.max(at, self.started)
  check(report, document, "", RESPONSE_FIELDS)
  local queued = document.type == "response.queued"
    or at == 1 and json.kind(document.response) == "object" and document.response.status == "queued"
  response_event(self, report, document, queued and "queued" or "in_progress")
end

local function event(self, report, document)
  local kind = document.type
  if document.sequence_number ~= self.sequence then
    report:say("sequence_number", ("%d expected, got %s"):format(self.sequence, tostring(document.sequence_number)))
  end
  self.sequence = self.sequence + 1
  if START[kind] then
    return start_event(self, report, document)
  end
  local row = EVENTS[kind]
  if not row then
    return report:say("", "no event has the type " .. tostring(kind))
  elseif self.started < 3 and kind ~= "error" and kind ~= "response.failed" then
    report:say("", "it comes before response.in_progress")
  end
  check(report, document, "", row[1])
  row[2](self, report, document)
end

---@return cliproxy.automata.Machine
function M.new()
  local self = { sequence = 0, started = 0, fixed = {}, items = {}, ids = {}, cut = {}, kept = {} }
  return {
    event = function(report, document)
      event(self, report, document)
    end,
    may_follow = function(type)
      return self.how == "error" and not self.failed and type == "response.failed"
    end,
    ended = function()
      return self.how
    end,
    finish = function(report)
      if self.how == "error" and not self.failed then
        report:say("", "response.failed is missing behind the error")
      end
      for _, document in ipairs(self.kept) do
        json.close(document)
      end
      self.kept = {}
    end,
  }
end

return M
