--- Tools of a client's request and how they are to be chosen.
local json = require("cliproxy.json")

local M = {}

local KNOWN = {
  type = true, name = true, description = true, input_schema = true, strict = true, cache_control = true,
  defer_loading = true, eager_input_streaming = true, allowed_callers = true, input_examples = true,
}

-- Hints that a tool may carry.
local function hints(r, node)
  if r:flag(node, "defer_loading") then
    -- Agents defer dozens: one word to the client is enough.
    local note = r.deferred and r.ledger.drop or r.ledger.warn
    r.deferred = true
    note(r.ledger, r:where("defer_loading"), "all tools are sent at once")
  end
  if r:flag(node, "eager_input_streaming") then
    r.ledger:drop(r:where("eager_input_streaming"), "inputs come as they are made")
  end
  local examples = r:node(node, "input_examples", "array")
  if examples and #examples > 0 then
    r.ledger:warn(r:where("input_examples"), "it takes no examples of inputs")
  end
  local callers = r:node(node, "allowed_callers", "array")
  if callers and not (#callers == 1 and callers[1] == "direct") then
    r.ledger:warn(r:where("allowed_callers"), "only the model itself calls tools")
  end
end

local function custom(r, node, index)
  local tool = { index = index }
  tool.name = r:name(node, "name")
  tool.description = r:literal(node, "description")
  tool.schema = r:object(node, "input_schema")
  if #node > 3 then
    tool.strict = r:flag(node, "strict")
    tool.cache = r:object(node, "cache_control")
    hints(r, node)
    r:unknown(node, KNOWN)
  end
  if tool.name then
    r.c.tools[#r.c.tools + 1] = tool
  end
end

--- Reads `tools`. Those that Anthropic itself runs or defines have a dated type.
---@param r cliproxy.anthropic.Reader
---@param document cliproxy.json.Node
---@param key string
function M.read(r, document, key)
  local list = r:node(document, key, "array")
  if not list then
    return
  end
  for i, node in json.each(list) do
    r.base = ("tools[%d]"):format(i - 1)
    if json.kind(node) ~= "object" then
      r:wrong(r.base, "must be an object, not " .. tostring(json.kind(node)))
    else
      local kind = r:word(node, "type")
      if kind == nil or kind == "custom" then
        custom(r, node, i - 1)
      else
        r.ledger:refuse(r.base, ("%s is a tool of Anthropic's own"):format(kind))
      end
    end
  end
  r.base = ""
end

local MODES = { auto = "auto", any = "required", none = "none", tool = "required" }
local CHOICE = { type = true, name = true, disable_parallel_tool_use = true }

--- Reads `tool_choice`.
---@param r cliproxy.anthropic.Reader
---@param document cliproxy.json.Node
---@param key string
function M.read_choice(r, document, key)
  local node = r:node(document, key, "object")
  if not node then
    return
  end
  r.base = key
  local kind = r:name(node, "type")
  if kind and not MODES[kind] then
    r:wrong(r:where("type"), ("is %q, which is none of auto, any, tool, none"):format(kind))
  elseif kind then
    local name = kind == "tool" and r:name(node, "name") or nil
    r.c.tool_choice = { mode = MODES[kind], names = name and { name } or nil, where = key }
  end
  if r:flag(node, "disable_parallel_tool_use") then
    r.c.parallel_tools, r.c.where.parallel_tools = false, key .. ".disable_parallel_tool_use"
  end
  r:unknown(node, CHOICE)
  r.base = ""
end

return M
