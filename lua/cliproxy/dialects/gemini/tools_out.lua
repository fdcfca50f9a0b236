--- Tools, the choice among them, and the schemas of both tools and answers, for a provider.
local conversation = require("cliproxy.conversation")
local schema_out = require("cliproxy.dialects.gemini.schema_out")
local text = require("cliproxy.text")
local tool_names = require("cliproxy.tool_names")
local web_search = require("cliproxy.web_search")

local M = {}

local quote = text.quote

--- A function that gives a tool's name as the target takes it, and enters what it changed into `c.names`.
---@param c cliproxy.Conversation
---@param caps cliproxy.Caps
---@return fun(name: string): string
function M.namer(c, caps)
  local rule = tool_names.RULES.gemini
  if caps.tool_name_max then
    rule = { max = caps.tool_name_max, allowed = rule.allowed, first = rule.first }
  end
  local known = {}
  return function(name)
    local fitted = known[name]
    if not fitted then
      fitted = tool_names.fit(name, rule)
      known[name] = fitted
      if fitted ~= name then
        c.names[fitted] = name
      end
    end
    return fitted
  end
end

--- A schema as the target takes it; nil where it was refused.
---@param w cliproxy.gemini.Writer
---@param schema cliproxy.JsonText
---@param path string of its owner
---@return cliproxy.JsonText? text
---@return boolean is_openapi
function M.schema(w, schema, path)
  if w.caps.tool_schema ~= "openapi" then
    return schema, false
  end
  local out, words = schema_out.to_openapi(schema)
  if not out then
    w.c.ledger:refuse(path, words)
  elseif words ~= "" then
    w.c.ledger:change(path, "its schema went without " .. words)
  end
  return out, true
end

local function declaration(w, tool)
  local c = w.c
  local path = conversation.tool_path(c, tool)
  local name = w.name(tool.name)
  if name ~= tool.name then
    c.ledger:change(conversation.tool_path(c, tool, "name"), "as " .. name)
  end
  if tool.cache then
    c.ledger:drop(conversation.tool_path(c, tool, "cache_control"), "it caches by itself")
  end
  local out = '{"name":' .. quote(name) .. (tool.description and ',"description":' .. tool.description or "")
  if tool.custom then
    c.ledger:refuse(path, "it has no tools whose input is free text" .. tool_names.AS_FUNCTIONS)
  elseif tool.schema and not schema_out.is_empty(tool.schema) then
    local schema, is_openapi = M.schema(w, tool.schema, path)
    if schema and is_openapi and schema:find('^{"type":"OBJECT"') and not schema:find('^{"type":"OBJECT","prop') then
      c.ledger:change(path, "its schema, which names no arguments, is left out")
    elseif schema then
      out = out .. (is_openapi and ',"parameters":' or ',"parametersJsonSchema":') .. schema
    end
  end
  return out .. "}"
end

-- The service's own search, which has no options that others have. With functions beside it the service wants what it
-- did itself back in the next request, and no client of another dialect can keep that.
local function search_tool(w)
  local search = web_search.of(w.c, w.caps, {}, false)
  if search and w.c.tools[1] then
    w.c.ledger:refuse(search.where, "its model searches only where no functions are offered")
  end
  return search and '{"googleSearch":{}}'
end

--- `tools`; nil where there are none.
---@param w cliproxy.gemini.Writer
---@return string?
function M.tools(w)
  local list, strict = {}, nil
  for i, tool in ipairs(w.c.tools) do
    strict = strict or tool.strict and tool
    list[i] = declaration(w, tool)
  end
  if strict and not w.caps.strict then
    w.c.ledger:warn(conversation.tool_path(w.c, strict, "strict"), "calls may depart from their schema there")
  end
  local out = {}
  out[1] = list[1] and '{"functionDeclarations":[' .. table.concat(list, ",") .. "]}"
  out[#out + 1] = search_tool(w)
  return out[1] and "[" .. table.concat(out, ",") .. "]"
end

local MODES = { auto = "AUTO", required = "ANY", none = "NONE" }

--- `toolConfig`; nil where nothing is to be said.
---@param w cliproxy.gemini.Writer
---@return string?
function M.choice(w)
  local choice, c = w.c.tool_choice, w.c
  if not choice then
    return nil
  elseif not c.tools[1] then
    c.ledger:drop(choice.where, "there are no tools")
    return nil
  elseif choice.mode == "required" and w.caps.tool_choice_required == false then
    c.ledger:refuse(choice.where, "its model cannot be made to call a tool")
  end
  local mode, names = MODES[choice.mode], ""
  if choice.names and choice.mode ~= "none" then
    local list = {}
    for i, name in ipairs(choice.names) do
      list[i] = quote(w.name(name))
    end
    names = ',"allowedFunctionNames":[' .. table.concat(list, ",") .. "]"
    mode = mode == "AUTO" and "VALIDATED" or mode -- AUTO takes no names
  end
  return '{"functionCallingConfig":{"mode":"' .. mode .. '"' .. names .. "}}"
end

return M
