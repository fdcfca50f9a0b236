--- The items of the Responses API's streams, one after another: each is added, told in parts or fragments, and done.
local json = require("cliproxy.json")
local literal = require("cliproxy.literal")
local shape = require("cliproxy.automata.shape")
local shapes = require("cliproxy.automata.openai_responses_shapes")

local M = {}

local child, same = shape.child, shape.same

---@class cliproxy.automata.OpenItem
---@field id string
---@field type string
---@field index integer
---@field added any a document of the item as it was added
---@field parts table[] finished: { kind, text, annotations }
---@field part? table open: { kind, index, fragments, annotations, done }
---@field fragments string[] of arguments or input
---@field done? boolean arguments or input are told

--- Fields of an event beside type and sequence_number.
---@param more table<string, any>
---@return table members
function M.fields(more)
  return shape.members(shape.with(more, { type = "string", sequence_number = "count" }))
end

local OF_ITEM = { item_id = "text", output_index = "count" }

local function item_fields(more)
  return M.fields(shape.with(OF_ITEM, more))
end

local function content_fields(more)
  return item_fields(shape.with({ content_index = "count" }, more))
end

local function summary_fields(more)
  return item_fields(shape.with({ summary_index = "count" }, more))
end

-- Documents that outlive their event: what is compared later.
local function keep(self, node)
  local copy = json.parse(json.raw(node))
  self.kept[#self.kept + 1] = copy
  return copy
end

local function holds_something(value)
  local kind = json.kind(value)
  return (kind == "string" or kind == "array") and #value > 0
end

-- Items ---------------------------------------------------------------------------------------------------------

local function item_added(self, report, document)
  local item = child(document, "item", "object")
  if self.item then
    report:say("", "the item before it is still open")
  end
  if document.output_index ~= #self.items then
    report:say("output_index", ("%d expected, got %s"):format(#self.items, tostring(document.output_index)))
  end
  shapes.check_item(report, document.item, "item")
  if not item then
    return
  elseif self.ids[item.id or 0] then
    report:say("item.id", "an item before had it")
  end
  self.ids[item.id or 0] = true
  if item.status ~= nil and item.status ~= json.null and item.status ~= "in_progress" then
    report:say("item.status", "an item begins as " .. tostring(item.status))
  end
  for _, name in ipairs { "content", "summary", "arguments", "input" } do
    if holds_something(item[name]) then
      report:say("item." .. name, "it is not empty at the start")
    end
  end
  self.item = { id = item.id, type = item.type, index = document.output_index, added = keep(self, item), parts = {},
    summaries = {}, fragments = {} }
end

-- What of an item is told before its end must stand in it at its end.
local function compare_parts(report, list, parts, where)
  if #(list or "") ~= #parts then
    report:say(where, ("%d parts, %d were streamed"):format(#(list or ""), #parts))
    return
  end
  for i, part in ipairs(parts) do
    if not same(list[i], part) then
      report:say(("%s[%d]"):format(where, i - 1), "it is not the part that was streamed")
    end
  end
end

local COMPLETE = {
  message = function(report, item, open)
    compare_parts(report, child(item, "content", "array"), open.parts, "item.content")
  end,
  reasoning = function(report, item, open)
    compare_parts(report, child(item, "summary", "array"), open.summaries, "item.summary")
    compare_parts(report, child(item, "content", "array"), open.parts, "item.content")
  end,
  function_call = function(report, item, open)
    if not open.done then
      report:say("", "it comes before response.function_call_arguments.done")
    elseif item.arguments ~= shape.text_of(open.fragments) then
      report:say("item.arguments", "they are not those that were streamed")
    end
  end,
  custom_tool_call = function(report, item, open)
    if not open.done then
      report:say("", "it comes before response.custom_tool_call_input.done")
    elseif item.input ~= shape.text_of(open.fragments) then
      report:say("item.input", "it is not the one that was streamed")
    end
  end,
}

local function item_done(self, report, document)
  local open, item = self.item, child(document, "item", "object")
  shapes.check_item(report, document.item, "item")
  if not open then
    return report:say("", "no item is open")
  elseif document.output_index ~= open.index then
    report:say("output_index", ("%s expected, got %s"):format(tostring(open.index), tostring(document.output_index)))
  end
  self.item = nil
  if not item then
    return
  elseif open.part then
    report:say("", "a part of it is still open")
  end
  for _, name in ipairs { "id", "type", "call_id", "name", "role", "namespace" } do
    if item[name] ~= open.added[name] then
      report:say("item." .. name, ("it was %s before"):format(tostring(open.added[name])))
    end
  end
  shapes.check_done(report, item, "item", true)
  if item.status == "incomplete" then
    self.cut[#self.cut + 1] = #self.items
  elseif item.type == "function_call" and not shape.is_input(report, child(item, "arguments", "string") or "") then
    report:say("item.arguments", "they are no JSON object")
  end
  if COMPLETE[item.type] then
    COMPLETE[item.type](report, item, open)
  end
  self.items[#self.items + 1] = keep(self, item)
end

-- The open item that an event is about; nil and a violation where it is about none.
local function item_of(self, report, document, types)
  local open = self.item
  if not open then
    return report:say("item_id", "no item is open")
  elseif document.item_id ~= open.id then
    return report:say("item_id", ("the open item is %s"):format(tostring(open.id)))
  elseif not types[open.type] then
    return report:say("", "the open item is a " .. tostring(open.type))
  elseif document.output_index ~= open.index then
    report:say("output_index", ("%s expected, got %s"):format(tostring(open.index), tostring(document.output_index)))
  end
  return open
end

-- Parts of content and summaries --------------------------------------------------------------------------------

local HOLDERS = {
  output_text = { message = true }, refusal = { message = true }, reasoning_text = { reasoning = true },
  summary_text = { reasoning = true },
}
local ANY_HOLDER = { message = true, reasoning = true }

local function part_added(list, index_field, check_part)
  return function(self, report, document)
    local open, part = item_of(self, report, document, ANY_HOLDER), child(document, "part", "object")
    check_part(report, document.part, "part")
    if not open or not part then
      return
    elseif open.part then
      report:say("", "the part before it is still open")
    end
    if not (HOLDERS[part.type] or {})[open.type] then
      report:say("part.type", ("a %s has none of it"):format(tostring(open.type)))
    end
    if document[index_field] ~= #open[list] then
      report:say(index_field, ("%d expected, got %s"):format(#open[list], tostring(document[index_field])))
    end
    for _, name in ipairs { "text", "refusal", "annotations" } do
      if holds_something(part[name]) then
        report:say("part." .. name, "it is not empty at the start")
      end
    end
    open.part = { kind = part.type, index = document[index_field], list = list, fragments = {}, annotations = {} }
  end
end

-- The open part that an event is about.
local function part_of(self, report, document, kind, index_field)
  local open = item_of(self, report, document, ANY_HOLDER)
  local part = open and open.part
  if not open then
    return nil
  elseif not part or part.kind ~= kind then
    return report:say("", ("no part of the type %s is open"):format(kind))
  elseif document[index_field] ~= part.index then
    report:say(index_field, ("%s expected, got %s"):format(tostring(part.index), tostring(document[index_field])))
  end
  return part
end

local function fragment(self, report, document, into)
  local raw = literal.read(document, "delta")
  if raw == '""' then
    report:say("delta", "an empty fragment")
  end
  if into.done then
    report:say("", "a fragment behind the end of its text")
  end
  into.fragments[#into.fragments + 1] = raw
end

local function part_delta(kind, index_field)
  return function(self, report, document)
    local part = part_of(self, report, document, kind, index_field)
    if part then
      fragment(self, report, document, part)
    end
  end
end

local function text_done(kind, index_field, field)
  return function(self, report, document)
    local part = part_of(self, report, document, kind, index_field)
    if not part then
      return
    elseif part.done then
      report:say("", "the text has ended before")
    end
    part.done = true
    if document[field] ~= shape.text_of(part.fragments) then
      report:say(field, "it is not the text of the deltas")
    end
  end
end

local function part_done(list, index_field, check_part)
  return function(self, report, document)
    check_part(report, document.part, "part")
    local part = child(document, "part", "object")
    local open = part and part_of(self, report, document, part.type, index_field)
    if not open then
      return
    elseif not open.done then
      report:say("", "it comes before the end of its text")
    end
    local text = part[part.type == "refusal" and "refusal" or "text"]
    if text ~= shape.text_of(open.fragments) then
      report:say("part", "its text is not that of the deltas")
    end
    if part.type == "output_text" then
      compare_parts(report, child(part, "annotations", "array"), open.annotations, "part.annotations")
    end
    local item = self.item
    item[list][#item[list] + 1] = keep(self, part)
    item.part = nil
  end
end

local function annotation_added(self, report, document)
  shapes.check_annotation(report, document.annotation, "annotation")
  local part = part_of(self, report, document, "output_text", "content_index")
  if part and json.kind(document.annotation) == "object" then
    if document.annotation_index ~= #part.annotations then
      report:say("annotation_index", ("%d expected, got %s"):format(#part.annotations,
        tostring(document.annotation_index)))
    end
    part.annotations[#part.annotations + 1] = keep(self, document.annotation)
  end
end

-- Calls ---------------------------------------------------------------------------------------------------------

local function call_delta(type)
  local types = { [type] = true }
  return function(self, report, document)
    local open = item_of(self, report, document, types)
    if open then
      fragment(self, report, document, open)
    end
  end
end

local function call_done(type, field)
  local types = { [type] = true }
  return function(self, report, document)
    local open = item_of(self, report, document, types)
    if not open then
      return
    elseif open.done then
      report:say("", "the text has ended before")
    end
    open.done = true
    if document[field] ~= shape.text_of(open.fragments) then
      report:say(field, "it is not the text of the deltas")
    end
  end
end

-- All events ----------------------------------------------------------------------------------------------------

---@type table<string, { [1]: table, [2]: fun(self: table, report: cliproxy.automata.Report, document: any) }>
M.EVENTS = {
  ["response.output_item.added"] = { M.fields { output_index = "count", item = "object" }, item_added },
  ["response.output_item.done"] = { M.fields { output_index = "count", item = "object" }, item_done },
  ["response.content_part.added"] = { content_fields { part = "object" },
    part_added("parts", "content_index", shapes.check_part) },
  ["response.content_part.done"] = { content_fields { part = "object" },
    part_done("parts", "content_index", shapes.check_part) },
  ["response.output_text.delta"] = { content_fields { delta = "string", logprobs = "array?", obfuscation = "string?" },
    part_delta("output_text", "content_index") },
  ["response.output_text.done"] = { content_fields { text = "string", logprobs = "array?" },
    text_done("output_text", "content_index", "text") },
  ["response.output_text.annotation.added"] = {
    content_fields { annotation_index = "count", annotation = "object" }, annotation_added },
  ["response.refusal.delta"] = { content_fields { delta = "string", obfuscation = "string?" },
    part_delta("refusal", "content_index") },
  ["response.refusal.done"] = { content_fields { refusal = "string" },
    text_done("refusal", "content_index", "refusal") },
  ["response.reasoning_text.delta"] = { content_fields { delta = "string", obfuscation = "string?" },
    part_delta("reasoning_text", "content_index") },
  ["response.reasoning_text.done"] = { content_fields { text = "string" },
    text_done("reasoning_text", "content_index", "text") },
  ["response.reasoning_summary_part.added"] = { summary_fields { part = "object" },
    part_added("summaries", "summary_index", shapes.check_summary) },
  ["response.reasoning_summary_part.done"] = { summary_fields { part = "object" },
    part_done("summaries", "summary_index", shapes.check_summary) },
  ["response.reasoning_summary_text.delta"] = { summary_fields { delta = "string", obfuscation = "string?" },
    part_delta("summary_text", "summary_index") },
  ["response.reasoning_summary_text.done"] = { summary_fields { text = "string" },
    text_done("summary_text", "summary_index", "text") },
  ["response.function_call_arguments.delta"] = { item_fields { delta = "string", obfuscation = "string?" },
    call_delta("function_call") },
  ["response.function_call_arguments.done"] = { item_fields { arguments = "string", name = "string?" },
    call_done("function_call", "arguments") },
  ["response.custom_tool_call_input.delta"] = { item_fields { delta = "string", obfuscation = "string?" },
    call_delta("custom_tool_call") },
  ["response.custom_tool_call_input.done"] = { item_fields { input = "string" },
    call_done("custom_tool_call", "input") },
}

return M
