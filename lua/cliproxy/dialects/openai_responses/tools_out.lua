--- Tools for a provider, and which of them may be called.
local conversation = require("cliproxy.conversation")
local json = require("cliproxy.json")
local shared = require("cliproxy.dialects.openai.tools_out")
local text = require("cliproxy.text")
local tool_names = require("cliproxy.tool_names")

local M = {}

local RULE = tool_names.RULES.openai_responses

--- The name of a tool as the target takes it; a shortened one is remembered for the answer.
---@param c cliproxy.Conversation
---@param caps cliproxy.Caps
---@param name string
---@return string
function M.name(c, caps, name)
  return shared.name(c, caps, name, RULE)
end

-- `strict` is always said: the service takes true where it is absent, which other dialects do not mean.
local function function_tool(c, caps, tool, name)
  return '{"type":"function","name":' .. text.quote(name)
    .. (tool.description and ',"description":' .. tool.description or "")
    .. ',"parameters":' .. shared.parameters(tool.schema)
    .. ',"strict":' .. tostring(shared.strict(c, caps, tool)) .. "}"
end

-- Chat nests what a grammar says: {"type":"grammar","grammar":{"syntax":…,"definition":…}}.
local function grammar(format)
  local document = json.parse(format)
  if json.kind(document) ~= "object" then
    return format
  end
  local inner = document.grammar
  if json.kind(inner) == "object" then
    local members = json.raw(inner):match("^{%s*(.-)%s*}$")
    format = '{"type":"grammar"' .. (members ~= "" and "," .. members or "") .. "}"
  end
  json.close(document)
  return format
end

local function custom_tool(c, caps, tool, name)
  if caps.custom_tools == false then
    c.ledger:refuse(conversation.tool_path(c, tool), "its tools take objects, no free text" .. tool_names.AS_FUNCTIONS)
  end
  return '{"type":"custom","name":' .. text.quote(name)
    .. (tool.description and ',"description":' .. tool.description or "")
    .. (tool.grammar and ',"format":' .. grammar(tool.grammar) or "") .. "}"
end

local function write(c, caps, tool, name)
  return (tool.custom and custom_tool or function_tool)(c, caps, tool, name)
end

local function search_tool(search)
  local filters = {}
  filters[1] = search.allowed_domains and '"allowed_domains":' .. search.allowed_domains
  filters[#filters + 1] = search.blocked_domains and '"blocked_domains":' .. search.blocked_domains
  return '{"type":"web_search"' .. (filters[1] and ',"filters":{' .. table.concat(filters, ",") .. "}" or "")
    .. (search.location and ',"user_location":{"type":"approximate",' .. search.location .. "}" or "")
    .. (search.context_size and ',"search_context_size":' .. search.context_size or "") .. "}"
end

--- The value of `tools`.
---@param c cliproxy.Conversation
---@param caps cliproxy.Caps
---@param search? cliproxy.WebSearch
---@return cliproxy.JsonText
function M.tools(c, caps, search)
  local out = shared.list(c, caps, RULE, caps.allowed_tools ~= false, write)
  out[#out + 1] = search and search_tool(search)
  return "[" .. table.concat(out, ",") .. "]"
end

local function named(c, caps, name)
  local custom = false
  for _, tool in ipairs(c.tools) do
    custom = custom or tool.custom and tool.name == name
  end
  return '{"type":"' .. (custom and "custom" or "function") .. '","name":' .. text.quote(M.name(c, caps, name)) .. "}"
end

--- The value of `tool_choice`; nil where there is nothing to be said.
---@param c cliproxy.Conversation
---@param caps cliproxy.Caps
---@param search? cliproxy.WebSearch
---@return cliproxy.JsonText?
function M.choice(c, caps, search)
  local choice = c.tool_choice
  if not choice then
    return nil
  end
  local names = choice.names
  if choice.mode == "required" and caps.tool_choice_required == false then
    c.ledger:warn(choice.where, "its tools cannot be forced")
    return '"auto"'
  elseif names and choice.mode == "required" and #names == 1 then
    return named(c, caps, names[1])
  elseif not names or choice.mode == "none" or caps.allowed_tools == false then
    return '"' .. choice.mode .. '"'
  end
  local list = {}
  for i, name in ipairs(names) do
    list[i] = named(c, caps, name)
  end
  list[#list + 1] = search and '{"type":"web_search"}'
  return '{"type":"allowed_tools","mode":"' .. choice.mode .. '","tools":[' .. table.concat(list, ",") .. "]}"
end

return M
