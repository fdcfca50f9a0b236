--- Tools of a client's request, and which of them may be called; also in the words of the time before tools:
--- `functions` and `function_call`.
local json = require("cliproxy.json")
local literal = require("cliproxy.literal")

local M = {}

local KNOWN_TOOL = { type = true, ["function"] = true, custom = true, cache_control = true }
local KNOWN_FUNCTION = { name = true, description = true, parameters = true, strict = true }
local KNOWN_CUSTOM = { name = true, description = true, format = true }

local function add(r, tool)
  if r.tool_names[tool.name] then
    r.ledger:refuse(r:where("name"), ("two tools are called %q"):format(tool.name))
  end
  r.tool_names[tool.name] = true
  r.c.tools[#r.c.tools + 1] = tool
end

-- The members of a function, in a tool or by itself.
local function read_function(r, node, tool)
  tool.name = r:name(node, "name")
  tool.description = r:literal(node, "description")
  tool.schema = r:object(node, "parameters")
  tool.strict = r:flag(node, "strict")
  r:unknown(node, KNOWN_FUNCTION)
end

local function read_custom(r, node, tool)
  tool.name = r:name(node, "name")
  tool.description = r:literal(node, "description")
  tool.custom = true
  tool.grammar = r:object(node, "format")
  r:unknown(node, KNOWN_CUSTOM)
end

local READERS = { ["function"] = read_function, custom = read_custom }

local function one(r, node, index)
  if json.kind(node) ~= "object" then
    return r:wrong(r:where(), "must be an object, not " .. tostring(json.kind(node)))
  end
  local kind = r:name(node, "type")
  local read = READERS[kind]
  if not read then
    if kind then
      r.ledger:refuse(r:where("type"), ("tools of type %q are unknown to cliproxy"):format(kind))
    end
    return
  end
  local inner = r:node(node, kind, "object")
  if not inner then
    return r:wrong(r:where(kind), "is missing")
  end
  local tool = { index = index, cache = r:object(node, "cache_control") }
  r:unknown(node, KNOWN_TOOL)
  r.base = r:where(kind)
  read(r, inner, tool)
  if tool.name then
    add(r, tool)
  end
end

local function each(r, document, key, fn)
  local list = r:node(document, key, "array")
  if list then
    for i, node in json.each(list) do
      r.base = ("%s[%d]"):format(key, i - 1)
      fn(r, node, i - 1)
    end
    r.base = ""
  end
  return list
end

-- A function of a name, a description and a schema alone, as most are; nil where there is more to it.
local function plain_tool(inner)
  local members, name, description, schema, strict = json.members(inner, "name", "description", "parameters", "strict")
  if members == (strict ~= nil and 4 or 3) and (strict == nil or type(strict) == "boolean")
    and type(name) == "string" and #name > 2 and type(description) == "string" and json.kind(schema) == "object" then
    return { name = literal.text(name), description = description, schema = json.raw(schema), strict = strict }
  end
end

--- Reads `tools`.
---@param r cliproxy.openai_chat.Reader
---@param document cliproxy.json.Node
function M.read(r, document)
  local list = r:node(document, "tools", "array")
  if not list then
    return
  end
  for i, members, kind, inner in json.rows(list, "type", "function") do
    local tool = members == 2 and kind == '"function"' and plain_tool(inner)
    if tool and not r.tool_names[tool.name] then
      tool.index = i - 1
      add(r, tool)
    else
      r.base = ("tools[%d]"):format(i - 1)
      one(r, list[i], i - 1)
    end
  end
  r.base = ""
end

local function old_one(r, node, index)
  if json.kind(node) ~= "object" then
    return r:wrong(r:where(), "must be an object, not " .. tostring(json.kind(node)))
  end
  local tool = { index = index, path = r:where() }
  read_function(r, node, tool)
  if tool.name then
    add(r, tool)
  end
end

--- Reads `functions`. Such a client knows one call a message, and wants it back in that form.
---@param r cliproxy.openai_chat.Reader
---@param document cliproxy.json.Node
function M.read_functions(r, document)
  local list = each(r, document, "functions", old_one)
  if list and not json.present(document.tools) then
    r.c.old_functions = true
    if #list > 0 then
      r.c.parallel_tools, r.c.where.parallel_tools = false, "functions"
    end
  end
end

-- The choice ----------------------------------------------------------------------------------------------------

local MODES = { auto = "auto", required = "required", none = "none" }

-- The name in {"type":"function","function":{"name":…}}.
local function chosen(r, node)
  local kind = r:name(node, "type")
  if not READERS[kind] then
    return kind and r:wrong(r:where("type"), ("is %q, which is neither function nor custom"):format(kind))
  end
  local inner = r:node(node, kind, "object")
  if not inner then
    return r:wrong(r:where(kind), "is missing")
  end
  local base = r.base
  r.base = r:where(kind)
  local name = r:name(inner, "name")
  r.base = base
  return name
end

local function allowed(r, node)
  local inner = r:node(node, "allowed_tools", "object")
  local mode = inner and MODES[inner.mode]
  r.base = "tool_choice.allowed_tools"
  local list = inner and r:node(inner, "tools", "array")
  if not mode or mode == "none" or not list then
    return r:wrong("tool_choice.allowed_tools", 'must have a mode, "auto" or "required", and a list of tools')
  end
  local names = {}
  for i, tool in json.each(list) do
    r.base = ("tool_choice.allowed_tools.tools[%d]"):format(i - 1)
    if json.kind(tool) == "object" then
      names[#names + 1] = chosen(r, tool)
    else
      r:wrong(r:where(), "must be an object, not " .. tostring(json.kind(tool)))
    end
  end
  return { mode = mode, names = names, where = "tool_choice" }
end

local function word_choice(r, key, word)
  if MODES[word] then
    return { mode = MODES[word], where = key }
  end
  r:wrong(key, ("is %q, which is none of auto, required, none"):format(word))
end

--- Reads `tool_choice`.
---@param r cliproxy.openai_chat.Reader
---@param document cliproxy.json.Node
---@param key string
function M.read_choice(r, document, key)
  local choice = document[key]
  if type(choice) == "string" then
    r.c.tool_choice = word_choice(r, key, choice)
    return
  elseif json.kind(choice) ~= "object" then
    return r:wrong(key, "must be a string or an object, not " .. tostring(json.kind(choice)))
  end
  r.base = key
  if choice.type == "allowed_tools" then
    r.c.tool_choice = allowed(r, choice)
  else
    local name = chosen(r, choice)
    r.c.tool_choice = name and { mode = "required", names = { name }, where = key }
  end
  r.base = ""
end

--- Reads `function_call`: a word or {"name":…}.
---@param r cliproxy.openai_chat.Reader
---@param document cliproxy.json.Node
---@param key string
function M.read_function_choice(r, document, key)
  if json.present(document.tool_choice) then
    return r.ledger:drop(key, "tool_choice stands for it")
  end
  local choice = document[key]
  if type(choice) == "string" then
    r.c.tool_choice = word_choice(r, key, choice)
  elseif json.kind(choice) == "object" then
    r.base = key
    local name = r:name(choice, "name")
    r.c.tool_choice = name and { mode = "required", names = { name }, where = key }
    r.base = ""
  else
    r:wrong(key, "must be a string or an object, not " .. tostring(json.kind(choice)))
  end
end

return M
