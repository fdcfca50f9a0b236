--- Tools for a provider, and which of them may be called.
local conversation = require("cliproxy.conversation")
local json = require("cliproxy.json")
local shared = require("cliproxy.dialects.openai.tools_out")
local text = require("cliproxy.text")
local tool_names = require("cliproxy.tool_names")

local M = {}

local RULE = tool_names.RULES.openai_chat

--- The name of a tool as the target takes it; a shortened one is remembered for the answer.
---@param c cliproxy.Conversation
---@param caps cliproxy.Caps
---@param name string
---@return string
function M.name(c, caps, name)
  return shared.name(c, caps, name, RULE)
end

local function described(tool)
  return tool.description and ',"description":' .. tool.description or ""
end

-- A function without a schema goes without one; it is only half of one that servers refuse.
local function function_tool(c, caps, tool, name)
  return '{"type":"function","function":{"name":' .. text.quote(name) .. described(tool)
    .. (tool.schema and ',"parameters":' .. shared.parameters(tool.schema) or "")
    .. (shared.strict(c, caps, tool) and ',"strict":true' or "") .. "}}"
end

-- Responses says a grammar flat: {"type":"grammar","syntax":…,"definition":…}.
local function nested(format)
  local document = json.parse(format)
  if json.kind(document) ~= "object" then
    return format
  elseif document.type == "grammar" and document.grammar == nil then
    format = '{"type":"grammar","grammar":{"definition":' .. (json.raw(document, "definition") or '""')
      .. ',"syntax":' .. (json.raw(document, "syntax") or '"lark"') .. "}}"
  end
  json.close(document)
  return format
end

local function custom_tool(c, caps, tool, name)
  if not caps.custom_tools then
    c.ledger:refuse(conversation.tool_path(c, tool), "its tools take objects, no free text" .. tool_names.AS_FUNCTIONS)
  end
  return '{"type":"custom","custom":{"name":' .. text.quote(name) .. described(tool)
    .. (tool.grammar and ',"format":' .. nested(tool.grammar) or "") .. "}}"
end

local function write(c, caps, tool, name)
  return (tool.custom and custom_tool or function_tool)(c, caps, tool, name)
end

--- The value of `tools`.
---@param c cliproxy.Conversation
---@param caps cliproxy.Caps
---@return cliproxy.JsonText
function M.tools(c, caps)
  local out = shared.list(c, caps, RULE, caps.allowed_tools == true, write)
  return "[" .. table.concat(out, ",") .. "]"
end

local function named(c, caps, name)
  local kind = "function"
  for _, tool in ipairs(c.tools) do
    kind = tool.custom and tool.name == name and "custom" or kind
  end
  return '{"type":"' .. kind .. '","' .. kind .. '":{"name":' .. text.quote(M.name(c, caps, name)) .. "}}"
end

local function allowed_tools(c, caps, choice)
  local list = {}
  for i, name in ipairs(choice.names) do
    list[i] = named(c, caps, name)
  end
  return '{"type":"allowed_tools","allowed_tools":{"mode":"' .. choice.mode .. '","tools":['
    .. table.concat(list, ",") .. "]}}"
end

--- The value of `tool_choice`; nil where there is nothing to be said.
---@param c cliproxy.Conversation
---@param caps cliproxy.Caps
---@return cliproxy.JsonText?
function M.choice(c, caps)
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
  elseif names and choice.mode ~= "none" and caps.allowed_tools then
    return allowed_tools(c, caps, choice)
  end
  return '"' .. choice.mode .. '"'
end

return M
