--- Tools of a client's request, and which of them may be called. Namespaces are flattened: a tool of one is called
--- NAMESPACE__NAME on its way, and both parts come back in the answer.
local conversation = require("cliproxy.conversation")
local json = require("cliproxy.json")
local literal = require("cliproxy.literal")
local web_search = require("cliproxy.web_search")

local M = {}

-- Tools that OpenAI runs, or that its own models alone know how to use; items are called after them.
local HOSTED = {
  "web_search", "file_search", "code_interpreter", "image_generation", "mcp", "computer", "local_shell", "shell",
  "apply_patch", "tool_search", "programmatic_tool_calling", "program",
}

--- Whether a tool or an item is of the service's own: "web_search_preview_2025_03_11", "mcp_approval_request".
---@param kind string
---@return boolean
function M.is_hosted(kind)
  for _, name in ipairs(HOSTED) do
    if kind:sub(1, #name) == name then
      return true
    end
  end
  return false
end

--- The name of a tool as it goes to other dialects; its parts are kept for the answer.
---@param r cliproxy.responses.Reader
---@param namespace? string
---@param name string
---@return string
function M.full_name(r, namespace, name)
  if not namespace or namespace == "" then
    return name
  end
  local full = namespace .. (namespace:sub(-2) == "__" and "" or "__") .. name
  local c = r.c
  c.namespaces = c.namespaces or {}
  c.namespaces[full] = c.namespaces[full] or { namespace = namespace, name = name }
  return full
end

local function add(r, tool)
  local tools, places = r.c.tools, r.tool_places
  local place = places[tool.name]
  if place and not r.adding then
    return r.ledger:refuse(r:where("name"), ("two tools are called %q"):format(tool.name))
  elseif place then
    r.ledger:drop(conversation.tool_path(r.c, tools[place]), "the definition further down counts")
  end
  places[tool.name] = place or #tools + 1
  tools[places[tool.name]] = tool
end

local KNOWN = { type = true, name = true, description = true, parameters = true, strict = true, format = true,
  defer_loading = true }

-- `strict` stays nil where it is absent: the service then makes a strict schema of one that is not, which others
-- would refuse.
local function read_function(r, node, tool)
  tool.schema = r:object(node, "parameters")
  tool.strict = r:flag(node, "strict")
end

local function read_custom(r, node, tool)
  tool.custom = true
  tool.grammar = r:object(node, "format")
end

local READERS = { ["function"] = read_function, custom = read_custom }

local KNOWN_SEARCH = { type = true, filters = true, search_context_size = true, user_location = true,
  external_web_access = true }
local KNOWN_FILTERS = { allowed_domains = true, blocked_domains = true }

local function read_search(r, node)
  local path = r:where()
  local search = web_search.add(r.c, path, true)
  if not search then
    return
  end
  web_search.take(r, search, node, "search_context_size", "context_size", "literal")
  if r:flag(node, "external_web_access") == false then
    r.ledger:warn(r:where("external_web_access"), "it searches the web as it is now")
  end
  r:unknown(node, KNOWN_SEARCH)
  local location, filters = r:node(node, "user_location", "object"), r:node(node, "filters", "object")
  if location then
    web_search.place(r, search, location, r:where("user_location"))
  end
  if filters then
    r.base = r:where("filters")
    web_search.domains(r, search, filters, "allowed_domains")
    web_search.domains(r, search, filters, "blocked_domains")
    r:unknown(filters, KNOWN_FILTERS)
    r.base = path
  end
end

local function one(r, node, index, namespace)
  if json.kind(node) ~= "object" then
    return r:wrong(r:where(), "must be an object, not " .. tostring(json.kind(node)))
  end
  local kind = r:name(node, "type")
  local read = READERS[kind]
  if not read then
    if not kind then
      return
    elseif kind:find("^web_search") then
      return read_search(r, node)
    end
    local why = M.is_hosted(kind) and "%s is a tool that OpenAI runs or its models alone know; take it out of tools"
      or "tools of type %q are unknown to cliproxy"
    return r.ledger:refuse(r:where("type"), why:format(kind))
  end
  local name = r:name(node, "name")
  if not name then
    return
  end
  local tool = { name = M.full_name(r, namespace, name), index = index,
    path = (namespace or r.adding) and r:where() or nil }
  tool.description = r:literal(node, "description")
  read(r, node, tool)
  if r:flag(node, "defer_loading") then
    r.ledger:warn(r:where("defer_loading"), "it is given all tools at once")
  end
  r:unknown(node, KNOWN)
  add(r, tool)
end

local KNOWN_NAMESPACE = { type = true, name = true, description = true, tools = true }

local function namespace(r, node, index)
  local path = r:where()
  local name, list = r:name(node, "name"), r:node(node, "tools", "array")
  if json.present(node.description) then
    r.ledger:drop(r:where("description"), "the tools of a namespace are sent one by one")
  end
  r:unknown(node, KNOWN_NAMESPACE)
  if not list then
    return r:wrong(r:where("tools"), "is missing")
  elseif name then
    for i, tool in json.each(list) do
      r.base = ("%s.tools[%d]"):format(path, i - 1)
      one(r, tool, index, name)
    end
  end
end

local function any(r, node, index)
  if json.kind(node) == "object" and node.type == "namespace" then
    namespace(r, node, index)
  else
    one(r, node, index)
  end
end

-- A function of the usual members alone, as most are; nil where there is more to it.
local function plain_tool(members, name, description, schema, strict)
  if members == (strict ~= nil and 5 or 4) and (strict == nil or type(strict) == "boolean")
    and type(name) == "string" and #name > 2 and type(description) == "string" and json.kind(schema) == "object" then
    return { name = literal.text(name), description = description, schema = json.raw(schema), strict = strict }
  end
end

local function read(r, list, base)
  for i, members, kind, name, description, schema, strict in json.rows(list, "type", "name", "description",
    "parameters", "strict") do
    local tool = kind == '"function"' and not r.adding and plain_tool(members, name, description, schema, strict)
    if tool and not r.tool_places[tool.name] then
      tool.index = i - 1
      add(r, tool)
    else
      r.base = ("%s[%d]"):format(base, i - 1)
      any(r, list[i], i - 1)
    end
  end
  r.base = ""
end

--- Reads `tools`.
---@param r cliproxy.responses.Reader
---@param document cliproxy.json.Node
function M.read(r, document)
  local list = r:node(document, "tools", "array")
  if list then
    read(r, list, "tools")
  end
end

--- Reads the tools that items of the input add: others are given all of them from the start. After `read`.
---@param r cliproxy.responses.Reader
function M.read_added(r)
  r.adding = true
  for _, added in ipairs(r.added_tools) do
    read(r, added.list, added.path)
  end
end

-- The choice ----------------------------------------------------------------------------------------------------

local MODES = { auto = "auto", required = "required", none = "none" }

-- The name in { type = "function", name = … }; nil for tools that are refused.
local function chosen(r, node)
  local kind = r:name(node, "type")
  if READERS[kind] then
    local name = r:name(node, "name")
    return name and M.full_name(r, r:word(node, "namespace"), name)
  elseif kind then
    r.ledger:refuse(r:where("type"), ("a tool of type %q cannot be chosen"):format(kind))
  end
end

local function allowed(r, node)
  local mode = MODES[r:name(node, "mode")]
  local list = r:node(node, "tools", "array")
  if not mode or mode == "none" or not list then
    return r:wrong(r:where(), 'must have a mode, "auto" or "required", and a list of tools')
  end
  local names = {}
  for i, tool in json.each(list) do
    r.base = ("tool_choice.tools[%d]"):format(i - 1)
    if json.kind(tool) == "object" then
      names[#names + 1] = chosen(r, tool)
    else
      r:wrong(r:where(), "must be an object, not " .. tostring(json.kind(tool)))
    end
  end
  return { mode = mode, names = names, where = "tool_choice" }
end

--- Reads `tool_choice`.
---@param r cliproxy.responses.Reader
---@param document cliproxy.json.Node
function M.read_choice(r, document)
  local choice = document.tool_choice
  if type(choice) == "string" then
    if MODES[choice] then
      r.c.tool_choice = { mode = MODES[choice], where = "tool_choice" }
    else
      r:wrong("tool_choice", ("is %q, which is none of auto, required, none"):format(choice))
    end
    return
  elseif json.kind(choice) ~= "object" then
    return r:wrong("tool_choice", "must be a string or an object, not " .. tostring(json.kind(choice)))
  end
  r.base = "tool_choice"
  if choice.type == "allowed_tools" then
    r.c.tool_choice = allowed(r, choice)
  else
    local name = chosen(r, choice)
    r.c.tool_choice = name and { mode = "required", names = { name }, where = "tool_choice" }
  end
  r.base = ""
end

return M
