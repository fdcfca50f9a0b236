--- Tools for a provider, and how they are to be chosen.
local cache_out = require("cliproxy.dialects.anthropic.cache_out")
local conversation = require("cliproxy.conversation")
local schema_out = require("cliproxy.dialects.anthropic.schema_out")
local text = require("cliproxy.text")
local tool_names = require("cliproxy.tool_names")
local web_search = require("cliproxy.web_search")

local M = {}

--- A tool's name as the target takes it; what it stands for is kept for the answer.
---@param e cliproxy.anthropic.Encoding
---@param name string
---@param path string of the client's
---@return string
function M.name(e, name, path)
  local fit = tool_names.fit(name, e.name_rule)
  if fit ~= name then
    e.c.names[fit] = name
    e.ledger:change(path, "the name is shortened to what Anthropic takes")
  end
  return fit
end

--- The same of a call, as JSON. One that stays as it is, is made once for all calls of the tool.
---@param e cliproxy.anthropic.Encoding
---@param part cliproxy.Part
---@return string
function M.quoted_name(e, part)
  local name = part.name
  local known = e.quoted[name]
  if not known then
    local fit = M.name(e, name, conversation.path(e.c, part, "name"))
    known = text.quote(fit)
    e.quoted[name] = fit == name and known or nil
  end
  return known
end

local function one(e, tool)
  local c, path = e.c, conversation.tool_path(e.c, tool)
  if tool.custom then
    return e.ledger:refuse(path, "Anthropic has no tools whose input is free text" .. tool_names.AS_FUNCTIONS)
  end
  local schema, changed = schema_out.of_input(tool.schema)
  if not schema then
    return e.ledger:refuse(path, "the schema of a tool's input must be one of an object")
  elseif changed then
    e.ledger:change(path, "the schema of the input must say that it is an object")
  end
  local out = { '{"name":', text.quote(M.name(e, tool.name, conversation.tool_path(c, tool, "name"))) }
  if tool.description then
    out[#out + 1] = ',"description":' .. tool.description
  end
  out[#out + 1] = ',"input_schema":' .. schema
  if tool.strict and e.caps.strict then
    out[#out + 1] = ',"strict":true'
  elseif tool.strict then
    e.ledger:warn(conversation.tool_path(c, tool, "strict"), "the model has no strict tools")
  end
  out[#out + 1] = cache_out.hint(e, tool.cache, path) .. "}"
  return table.concat(out)
end

local function set_of(list)
  local out, count = {}, 0
  for _, name in ipairs(list) do
    count = out[name] and count or count + 1
    out[name] = true
  end
  return out, count
end

-- The names that the choice leaves, where that is a part of them; nil: all.
local function subset(e, choice)
  if not choice or not choice.names or choice.mode == "none" then
    return nil
  end
  local known = {}
  for _, tool in ipairs(e.c.tools) do
    known[tool.name] = true
  end
  for _, name in ipairs(choice.names) do
    if not known[name] then
      e.ledger:refuse(choice.where, ("it names %q, which is not among the tools"):format(name))
    end
  end
  local only, count = set_of(choice.names)
  if choice.mode == "required" and #choice.names == 1 or count >= #e.c.tools then
    return nil
  end
  e.ledger:warn(choice.where, "the other tools are left out of this request")
  return only
end

local SEARCH = { max_uses = true, allowed_domains = true, blocked_domains = true, location = true }
local SEARCH_NAME = "web_search"

-- The service's own search. It takes domains that are allowed or domains that are not.
local function add_search(e, out)
  local search = web_search.of(e.c, e.caps, SEARCH, true)
  if not search then
    return
  end
  for _, tool in ipairs(e.c.tools) do
    if tool.name == SEARCH_NAME then
      e.ledger:refuse(conversation.tool_path(e.c, tool, "name"), "Anthropic's search has this name already")
    end
  end
  local blocked = search.blocked_domains
  if blocked and search.allowed_domains then
    e.ledger:warn(search.paths.blocked_domains, "Anthropic takes domains that are allowed or that are blocked")
    blocked = nil
  end
  out[#out + 1] = '{"type":"web_search_20250305","name":"' .. SEARCH_NAME .. '"'
    .. (search.max_uses and ',"max_uses":' .. search.max_uses or "")
    .. (search.allowed_domains and ',"allowed_domains":' .. search.allowed_domains or "")
    .. (blocked and ',"blocked_domains":' .. blocked or "")
    .. (search.location and ',"user_location":{"type":"approximate",' .. search.location .. "}" or "") .. "}"
end

--- `tools`, as JSON; nil where there are none.
---@param e cliproxy.anthropic.Encoding
---@return string?
function M.list(e)
  local only = subset(e, e.c.tool_choice)
  local out = {}
  for _, tool in ipairs(e.c.tools) do
    if not only or only[tool.name] then
      out[#out + 1] = one(e, tool)
    end
  end
  add_search(e, out)
  e.has_tools = out[1] ~= nil
  return out[1] and "[" .. table.concat(out, ",") .. "]" or nil
end

local function forced(e, choice)
  if e.caps.tool_choice_required == false then
    e.ledger:refuse(choice.where, "the model cannot be made to call a tool")
  end
  e.forced = true
  if choice.names and #choice.names == 1 then
    return '{"type":"tool","name":' .. text.quote(tool_names.fit(choice.names[1], e.name_rule))
  end
  return '{"type":"any"'
end

--- `tool_choice`, as JSON; nil where nothing is to be said. After `list`.
---@param e cliproxy.anthropic.Encoding
---@return string?
function M.choice(e)
  local choice, one_at_a_time = e.c.tool_choice, e.c.parallel_tools == false
  local mode = choice and choice.mode
  if not e.has_tools then
    if mode == "required" then
      e.ledger:refuse(choice.where, "there is no tool to call")
    end
    return nil
  elseif mode == "none" then
    return '{"type":"none"}' -- the tools stay: the history has calls of them
  elseif mode == "required" then
    return forced(e, choice) .. (one_at_a_time and ',"disable_parallel_tool_use":true}' or "}")
  elseif one_at_a_time then
    return '{"type":"auto","disable_parallel_tool_use":true}'
  end
  return mode and '{"type":"auto"}' or nil
end

return M
