--- Applies payload rules to the body that goes to a provider; `payload_rules` reads them, docs/configuration.md is the
--- manual.
local glob = require("cliproxy.glob")
local json = require("cliproxy.json")

local M = {}

---@class cliproxy.PayloadFacts where a body goes
---@field model string the provider's name of it
---@field dialect string of the body
---@field provider string the instance's name
---@field operation? string "generate" where nil

local function matches(rule, facts)
  if not rule.operations[facts.operation or "generate"] or rule.dialects and not rule.dialects[facts.dialect]
    or rule.providers and not rule.providers[facts.provider] then
    return false
  elseif not rule.models then
    return true
  end
  for _, pattern in ipairs(rule.models) do
    if glob.match(pattern, facts.model) then
      return true
    end
  end
  return false
end

--- The rules for a body; nil where there is none, so that nobody parses a body for nothing.
---@param rules? cliproxy.PayloadRule[]
---@param facts cliproxy.PayloadFacts
---@return cliproxy.PayloadRule[]?
function M.select(rules, facts)
  local found
  for _, rule in ipairs(rules or {}) do
    if matches(rule, facts) then
      found = found or {}
      found[#found + 1] = rule
    end
  end
  return found
end

local function is_container(value)
  local kind = type(value) == "userdata" and json.kind(value)
  return kind == "object" or kind == "array"
end

local walk

-- Descends into a member; with `create`, through objects that are not there yet.
local function descend(node, path, i, edit, visit, create)
  local key = path[i].key or path[i].index
  local child = node[key]
  if not is_container(child) and create and not json.present(child) and path.listed < i then
    node[key] = json.object({})
    child = node[key]
  end
  return is_container(child) and walk(child, path, i + 1, edit, visit, create)
end

function walk(node, path, i, edit, visit, create)
  local step, kind = path[i], json.kind(node)
  if step.key and kind ~= "object" or not step.key and kind ~= "array" or step.index and step.index > #node then
    return false
  elseif step.all then
    local changed = false
    for at = #node, 1, -1 do -- from the end: elements may go
      local done
      if i == #path then
        done = visit(node, at, edit)
      else
        local child = node[at]
        done = is_container(child) and walk(child, path, i + 1, edit, visit, create)
      end
      changed = done or changed
    end
    return changed
  elseif i == #path then
    return visit(node, step.key or step.index, edit)
  end
  return descend(node, path, i, edit, visit, create)
end

local function set_default(node, key, edit)
  local child = json.node(node, key)
  if child ~= nil and json.kind(child) ~= "null" then
    return false
  end
  node[key] = edit.value
  return true
end

local function set(node, key, edit)
  if json.raw(node, key) == edit.raw then
    return false
  end
  node[key] = edit.value
  return true
end

local function remove(node, key)
  return json.remove(node, key) ~= nil
end

local function run(rule, document)
  local changed = false
  for _, edit in ipairs(rule.defaults) do
    changed = walk(document, edit.path, 1, edit, set_default, true) or changed
  end
  for _, edit in ipairs(rule.overrides) do
    changed = walk(document, edit.path, 1, edit, set, true) or changed
  end
  for _, path in ipairs(rule.remove) do
    changed = walk(document, path, 1, nil, remove, false) or changed
  end
  return changed
end

--- Applies the rules to a body, in their order; within a rule defaults, overrides, removals.
---@param rules? cliproxy.PayloadRule[]
---@param document cliproxy.json.Node
---@param facts cliproxy.PayloadFacts
---@return boolean changed
function M.apply(rules, document, facts)
  local found, changed = M.select(rules, facts), false
  if found and json.kind(document) == "object" then
    for _, rule in ipairs(found) do
      changed = run(rule, document) or changed
    end
  end
  return changed
end

--- The same for a body that may be text; text without a rule, or that is no object, is given back as it is.
---@param rules? cliproxy.PayloadRule[]
---@param body string|cliproxy.json.Node
---@param facts cliproxy.PayloadFacts
---@return string|cliproxy.json.Node body
---@return boolean changed
function M.body(rules, body, facts)
  if type(body) ~= "string" then
    return body, M.apply(rules, body, facts)
  elseif not M.select(rules, facts) then
    return body, false
  end
  local document = json.parse(body)
  if type(document) ~= "userdata" then
    return body, false
  end
  local changed = M.apply(rules, document, facts)
  local text = changed and json.encode(document) or body
  json.close(document)
  return text, changed
end

return M
