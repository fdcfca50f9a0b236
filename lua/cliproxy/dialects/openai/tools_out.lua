--- What Chat and Responses write alike of tools.
local conversation = require("cliproxy.conversation")
local json = require("cliproxy.json")
local memo = require("cliproxy.memo")
local tool_names = require("cliproxy.tool_names")

local M = {}

local NOTHING = '{"type":"object","properties":{}}'

local ELSEWHERE = { "$ref", "anyOf", "oneOf", "allOf" }

-- The services refuse a tool's schema without type or properties. `text` is `node`'s.
local function completed(node, text)
  if #node == 0 then
    return NOTHING
  end
  for _, key in ipairs(ELSEWHERE) do
    if node[key] ~= nil then
      return text
    end
  end
  local more = (node.type == nil and '"type":"object",' or "") .. (node.properties == nil and '"properties":{},' or "")
  return more == "" and text or "{" .. more .. text:sub(2)
end

local complete = memo.of(function(schema)
  local document = json.parse(schema)
  if json.kind(document) ~= "object" then
    return schema
  end
  local out = completed(document, schema)
  json.close(document)
  return out
end)

--- The schema of a tool's input: of type "object", with properties. One that has all that stays byte for byte.
---@param schema? cliproxy.JsonText
---@return cliproxy.JsonText
function M.parameters(schema)
  return schema and complete(schema) or NOTHING
end

--- The name of a tool as the target takes it; a shortened one is remembered for the answer.
---@param c cliproxy.Conversation
---@param caps cliproxy.Caps
---@param name string
---@param rule cliproxy.NameRule of the dialect
---@return string
function M.name(c, caps, name, rule)
  if caps.tool_name_max and caps.tool_name_max ~= rule.max then
    rule = { max = caps.tool_name_max, allowed = rule.allowed, first = rule.first }
  end
  local short = tool_names.fit(name, rule)
  if short ~= name then
    c.names[short] = name
  end
  return short
end

--- Whether a function is to be strict.
---@param c cliproxy.Conversation
---@param caps cliproxy.Caps
---@param tool cliproxy.Tool
---@return boolean
function M.strict(c, caps, tool)
  if tool.strict and caps.strict == false then
    c.ledger:warn(conversation.tool_path(c, tool, "strict"), "its tools are not strict")
    return false
  end
  return tool.strict or false
end

-- The tools that may be called, for servers that cannot be told which: they get only those. nil: all.
local function only_allowed(c, can_tell)
  local choice = c.tool_choice
  local names = choice and choice.names
  if not names or can_tell or choice.mode == "none" or choice.mode == "required" and #names == 1 then
    return nil
  end
  c.ledger:change(choice.where, "only the tools that may be called are sent", true)
  local set = {}
  for _, name in ipairs(names) do
    set[name] = true
  end
  return set
end

--- The tools that are sent, each written by `write`.
---@param c cliproxy.Conversation
---@param caps cliproxy.Caps
---@param rule cliproxy.NameRule
---@param can_tell boolean the target can be told which of them may be called
---@param write fun(c: cliproxy.Conversation, caps: cliproxy.Caps, tool: cliproxy.Tool, name: string): cliproxy.JsonText
---@return cliproxy.JsonText[]
function M.list(c, caps, rule, can_tell, write)
  local out, allowed = {}, only_allowed(c, can_tell)
  for _, tool in ipairs(c.tools) do
    if not allowed or allowed[tool.name] then
      local name = M.name(c, caps, tool.name, rule)
      if name ~= tool.name then
        c.ledger:change(conversation.tool_path(c, tool, "name"), "shortened to " .. name)
      end
      if tool.cache then
        c.ledger:drop(conversation.tool_path(c, tool, "cache_control"), "it caches by itself")
      end
      out[#out + 1] = write(c, caps, tool, name)
    end
  end
  return out
end

return M
