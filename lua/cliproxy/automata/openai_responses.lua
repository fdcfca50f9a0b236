--- What the Responses API gives: whole answers, errors, streams.
local json = require("cliproxy.json")
local shape = require("cliproxy.automata.shape")
local shapes = require("cliproxy.automata.openai_responses_shapes")
local stream = require("cliproxy.automata.openai_responses_stream")

local M = { ending = "\n", typed = true }

local child = shape.child

---@param report cliproxy.automata.Report
---@param document cliproxy.json.Node
function M.whole(report, document)
  local status = document.status
  if not shapes.check_response(report, document, "", shapes.STATUSES[status] and status or "completed") then
    return
  end
  local ids, output = {}, child(document, "output", "array")
  for i = 1, output and #output or 0 do
    local item = output[i]
    local where = ("output[%d]"):format(i - 1)
    if json.kind(item) == "object" then
      shapes.check_done(report, item, where, status ~= "completed")
      if ids[item.id or 0] then
        report:say(where .. ".id", "two items have it")
      end
      ids[item.id or 0] = true
    end
  end
end

local ENVELOPE = shape.members { error = { "object", shape.object(shapes.ERROR) } }

---@param report cliproxy.automata.Report
---@param document cliproxy.json.Node
function M.error(report, document)
  shape.check(report, document, "", ENVELOPE)
end

M.stream = stream.new

return M
