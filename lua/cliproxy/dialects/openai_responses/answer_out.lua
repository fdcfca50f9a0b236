--- A whole answer as the client's Response.
local conversation = require("cliproxy.conversation")
local errors = require("cliproxy.errors")
local items_out = require("cliproxy.dialects.openai_responses.items_out")
local literal = require("cliproxy.literal")
local opaque = require("cliproxy.opaque")
local response_object = require("cliproxy.dialects.openai_responses.response_object")

local M = {}

--- An answer that stopped with "pause", which no Response can say.
---@param context cliproxy.Context
---@return cliproxy.Failure
function M.paused(context)
  return errors.untranslatable(context, "it paused in the middle, to be asked to go on")
end

--- Characters of a text.
---@param shown cliproxy.Literal
---@return integer
function M.length(shown)
  local _, continued = literal.text(shown):gsub("[^\128-\191]", "")
  return continued
end

-- Collects items; parts of a message wait until something else follows.
---@class cliproxy.responses.Builder
local Builder = {}
Builder.__index = Builder

function Builder:id(prefix)
  return prefix .. "_" .. self.stem .. "_" .. (#self.items + #self.open)
end

function Builder:flush(status)
  if self.parts then
    local item = items_out.message(self:id("msg"), status, self.parts)
    self.items[#self.items + 1], self.parts = item, nil
  end
  local open = self.open[1]
  if open then
    self.items[#self.items + 1], self.open[1] = open(status), nil
  end
end

local ADD = {}

function ADD.text(self, part)
  if literal.is_empty(part.text) then
    return
  end
  local annotations, at = {}, part.citations and M.length(part.text)
  for _, citation in ipairs(part.citations or {}) do
    annotations[#annotations + 1] = items_out.annotation(citation, at)
  end
  self:message(items_out.text_part(part.text, annotations))
end

function ADD.refusal(self, part)
  if not literal.is_empty(part.text) then
    self.refused = true
    self:message(items_out.refusal_part(part.text))
  end
end

function ADD.reasoning(self, part)
  local shown = not literal.is_empty(part.text) and part.text or nil
  local sealed = part.state and self.context.conversation.wants_state
    and opaque.seal(part.state, self.context.target) or nil
  if shown or sealed then
    self:flush("completed")
    self.items[#self.items + 1] = items_out.reasoning(self:id("rs"), shown, sealed)
  end
end

function ADD.tool_call(self, part)
  self:flush("completed")
  local item_id = self:id(part.custom and "ctc" or "fc")
  local call = { item_id = item_id, id = part.id, name = part.name, custom = part.custom }
  self.open[1] = function(status)
    return items_out.call(self.context.conversation, call, status, conversation.arguments_of(part))
  end
end

function Builder:message(text)
  if self.open[1] then
    self:flush("completed")
  end
  self.parts = self.parts or {}
  self.parts[#self.parts + 1] = text
end

--- The body; nil and a failure where the answer has something that a Response cannot hold.
---@param answer cliproxy.Answer
---@param context cliproxy.Context
---@return string? body
---@return cliproxy.Failure? failure
function M.encode(answer, context)
  if answer.stop == "pause" then
    return nil, M.paused(context)
  end
  local self = setmetatable({ context = context, stem = response_object.stem(context), items = {}, open = {} },
    Builder)
  for _, part in ipairs(answer.parts) do
    local add = ADD[part.kind]
    if not add then
      return nil, errors.untranslatable(context, "a part of kind " .. tostring(part.kind))
    end
    add(self, part)
  end
  if answer.stop == "refusal" and answer.explanation and not self.refused then
    ADD.refusal(self, { text = answer.explanation })
  end
  local status, reason = response_object.outcome(answer.stop, self.refused)
  self:flush(status)
  return response_object.text(response_object.frame(context, answer),
    { status = status, reason = reason, output = self.items, usage = answer.usage })
end

return M
