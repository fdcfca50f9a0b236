--- Tools of a client's request and how they are to be chosen.
local json = require("cliproxy.json")
local literal = require("cliproxy.literal")
local web_search = require("cliproxy.web_search")

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

local function custom(r, node, index, path)
  local tool = { index = index, path = path }
  tool.name = r:name(node, "name")
  tool.description = r:literal(node, "description")
  tool.schema = r:object(node, "input_schema")
  if #node > 3 then
    tool.strict = r:flag(node, "strict")
    tool.cache = r:object(node, "cache_control")
    hints(r, node)
    r:unknown(node, KNOWN)
  end
  return tool.name and tool or nil
end

local KNOWN_SEARCH = { type = true, name = true, max_uses = true, allowed_domains = true, blocked_domains = true,
  user_location = true, cache_control = true, strict = true, defer_loading = true, allowed_callers = true,
  response_inclusion = true }

-- Its callers and what comes with its results are the service's own matters.
local function read_search(r, node)
  local search = web_search.add(r.c, r:where(), true)
  if not search then
    return
  end
  r.search_name = r:name(node, "name")
  web_search.take(r, search, node, "max_uses", "max_uses", "number")
  web_search.domains(r, search, node, "allowed_domains")
  web_search.domains(r, search, node, "blocked_domains")
  local location = r:node(node, "user_location", "object")
  if location then
    web_search.place(r, search, location, r:where("user_location"))
  end
  for _, key in ipairs { "cache_control", "strict", "defer_loading", "allowed_callers", "response_inclusion" } do
    if json.present(node[key]) then
      r.ledger:drop(r:where(key), "it is about Anthropic's own search")
    end
  end
  r:unknown(node, KNOWN_SEARCH)
end

-- Those that Anthropic itself runs or defines have a dated type.
local function one(r, node, index, path)
  if json.kind(node) ~= "object" then
    return r:wrong(r.base, "must be an object, not " .. tostring(json.kind(node)))
  end
  local kind = r:word(node, "type")
  if kind == nil or kind == "custom" then
    return custom(r, node, index, path)
  elseif kind:find("^web_search_%d+$") then
    return read_search(r, node)
  end
  r.ledger:refuse(r.base, ("%s is a tool of Anthropic's own"):format(kind))
end

-- A tool of a name, a description and a schema alone, as most are; nil where one of them is something else.
local function plain_tool(name, description, schema)
  if type(name) == "string" and #name > 2 and type(description) == "string" and json.kind(schema) == "object" then
    return { name = literal.text(name), description = description, schema = json.raw(schema) }
  end
end

--- Reads `tools`.
---@param r cliproxy.anthropic.Reader
---@param document cliproxy.json.Node
---@param key string
---@param value any what stands there
function M.read(r, document, key, value)
  local list, tools = r:node(document, key, "array", value), r.c.tools
  if not list then
    return
  end
  for i, members, name, description, schema in json.rows(list, "name", "description", "input_schema") do
    local tool = members == 3 and plain_tool(name, description, schema)
    if tool then
      tool.index = i - 1
    else
      r.base = ("tools[%d]"):format(i - 1)
      tool = one(r, list[i], i - 1)
    end
    tools[#tools + 1] = tool
  end
  r.base = ""
end

--- A tool that a message defines. It takes the place of one of that name.
---@param r cliproxy.anthropic.Reader
---@param node cliproxy.json.Node
---@param path string
function M.add(r, node, path)
  local tools = r.c.tools
  r.base = path
  local tool = one(r, node, #tools, path)
  r.base = ""
  if tool then
    local place = #tools + 1
    for i, known in ipairs(tools) do
      place = known.name == tool.name and i or place
    end
    tools[place] = tool
  end
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

--- A choice of the service's search: no other dialect can be told to search. After all of the request.
---@param r cliproxy.anthropic.Reader
function M.settle_choice(r)
  local choice = r.c.tool_choice
  local name = choice and choice.names and choice.names[1]
  if not name or name ~= r.search_name then
    return
  end
  for _, tool in ipairs(r.c.tools) do
    if tool.name == name then
      return
    end
  end
  r.ledger:refuse(choice.where, "a search that the service runs cannot be chosen")
end

return M
