--- `tools` and `toolConfig` of a client's request.
local json = require("cliproxy.json")
local schema_in = require("cliproxy.dialects.gemini.schema_in")
local spelling = require("cliproxy.dialects.gemini.spelling")
local web_search = require("cliproxy.web_search")

local M = {}

local function dropped(why)
  return function(r, _, key)
    r.ledger:drop(r:where(key), why)
  end
end

local DECLARATION = spelling.both {
  name = function(r, node, key, tool)
    tool.name = r:word(node, key)
  end,
  description = function(r, node, key, tool)
    tool.description = r:literal(node, key)
  end,
  parameters = function(r, node, key, tool)
    local schema = r:object(node, key)
    tool.schema = schema and schema_in.to_json_schema(schema) or tool.schema
  end,
  parametersJsonSchema = function(r, node, key, tool)
    tool.schema = r:object(node, key) or tool.schema
  end,
  response = dropped("results of functions are not described elsewhere"),
  responseJsonSchema = dropped("results of functions are not described elsewhere"),
  behavior = dropped("it says how a live session waits"),
}

local function declaration(r, node, path)
  r.base = path
  if json.kind(node) ~= "object" then
    return r:wrong(path, "must be an object, not " .. tostring(json.kind(node)))
  end
  local tools = r.c.tools
  local tool = { index = #tools, path = path }
  r:members(node, DECLARATION, tool)
  if tool.name and tool.name ~= "" then
    tools[#tools + 1] = tool
  else
    r:wrong(path .. ".name", "is missing")
  end
end

-- Its options are about what Google's own search finds.
local function search(r, node, key)
  local where = r:where(key)
  local options = r:node(node, key)
  if options and web_search.add(r.c, where, false) then
    for name, value in json.each(options) do
      if value ~= json.null then
        r.ledger:warn(where .. "." .. name, "it has no such filter")
      end
    end
  end
end

local function tool_object(r, node, i)
  local path = ("%stools[%d]"):format(r.prefix, i)
  if json.kind(node) ~= "object" then
    return r:wrong(path, "must be an object, not " .. tostring(json.kind(node)))
  end
  for key, value in json.each(node) do
    r.base = path
    if key == "functionDeclarations" or key == "function_declarations" then
      r:each(node, key, function(_, child, k)
        declaration(r, child, ("%s.%s[%d]"):format(path, key, k))
      end)
    elseif key == "googleSearch" or key == "google_search" then
      search(r, node, key)
    elseif value ~= json.null then
      r.ledger:refuse(r:where(key), "it is a tool of Google's own services")
    end
  end
end

--- `tools`.
---@param r cliproxy.gemini.Reader
---@param document cliproxy.json.Node
---@param key string
function M.read(r, document, key)
  local base = r.base
  r:each(document, key, tool_object)
  r.base = base
end

-- VALIDATED leaves the choice to the model and has its arguments checked.
local MODES = { AUTO = "auto", ANY = "required", NONE = "none", VALIDATED = "auto" }

local CALLING = spelling.both {
  mode = function(r, node, key, choice)
    local word = r:enum(node, key)
    if not word then
      return
    end
    choice.mode = MODES[word]
    if not choice.mode then
      r:wrong(r:where(key), ("is %q, which is none of AUTO, ANY, NONE, VALIDATED"):format(word))
    elseif word == "VALIDATED" then
      r.ledger:change(r:where(key), "as AUTO")
    end
  end,
  allowedFunctionNames = function(r, node, key, choice)
    local names = {}
    r:each(node, key, function(_, name, i)
      if type(name) == "string" then
        names[#names + 1] = name
      else
        r:wrong(("%s[%d]"):format(r:where(key), i), "must be a string, not " .. tostring(json.kind(name)))
      end
    end)
    choice.names = #names > 0 and names or nil
  end,
  streamFunctionCallArguments = dropped("the arguments of a call come as a whole"),
}

local CONFIG = spelling.both {
  functionCallingConfig = function(r, node, key)
    local choice = { where = r:where(key) }
    r:inner(node, key, CALLING, choice)
    if choice.mode or choice.names then
      choice.mode = choice.mode or "auto"
      r.c.tool_choice = choice
    end
  end,
  retrievalConfig = function(r, _, key)
    r.ledger:warn(r:where(key), "it is about tools of Google's own services")
  end,
  includeServerSideToolInvocations = dropped("it is about tools of Google's own services"),
}

--- `toolConfig`.
---@param r cliproxy.gemini.Reader
---@param document cliproxy.json.Node
---@param key string
function M.read_config(r, document, key)
  r:inner(document, key, CONFIG)
end

return M
