--- A client's request as a conversation, for both versions of the API: fields one by one in `FIELDS`; blocks and tools
--- have files of their own.
local blocks_in = require("cliproxy.dialects.anthropic.blocks_in")
local changes_in = require("cliproxy.dialects.anthropic.changes_in")
local conversation = require("cliproxy.conversation")
local json = require("cliproxy.json")
local reader = require("cliproxy.dialects.anthropic.reader")
local tools_in = require("cliproxy.dialects.anthropic.tools_in")

local M = {}

--- Fields that mean nothing beyond what `head` says already, and words for Anthropic's transport.
M.ignored = { model = true, stream = true, betas = true, anthropic_beta = true, anthropic_version = true }

local PATHS = { turns = "messages", parts = "content", system = "system", tools = "tools" }

-- The narrow API has no such member.
local function sampling(field)
  return function(r, document, key, value)
    if r.strict_version then
      return r:wrong(key, "is not permitted in this version of the API: Extra inputs are not permitted")
    end
    r.c[field] = r:number(document, key, value)
  end
end

-- Features of the service alone. Empty ones ask for nothing.
local function refused(why)
  return function(r, document, key)
    local value = document[key]
    local kind = json.kind(value)
    if (kind == "array" or kind == "object") and #value == 0 then
      return r.ledger:drop(key, "it is empty")
    end
    r.ledger:refuse(key, why)
  end
end

local function hint(why)
  return function(r, _, key)
    r.ledger:warn(key, why)
  end
end

local FIELDS = {
  temperature = sampling("temperature"),
  top_p = sampling("top_p"),
  top_k = sampling("top_k"),
  tools = tools_in.read,
  tool_choice = tools_in.read_choice,
  container = refused("only Anthropic keeps containers"),
  mcp_servers = refused("only Anthropic calls MCP servers; offer their tools as tools"),
  thread = refused("cliproxy keeps no threads; send the whole conversation as messages"),
  -- A demand of where data may go, which no other service reads.
  inference_geo = function(r, document, key)
    local place = r:word(document, key)
    if place == "global" then
      return r.ledger:drop(key, "it asks for no place")
    end
    r.ledger:refuse(key, "only Anthropic keeps inference in a place of its list")
  end,
  diagnostics = hint("it gives no diagnostics of its cache"),
  user_profile_id = hint("profiles of users are Anthropic's own"),
  workspace_id = hint("workspaces are Anthropic's own"),
  fallbacks = hint("other models are for cliproxy's routes to choose"),
}

function FIELDS.max_tokens(r, document, key, value)
  if value == 0 then
    return r.ledger:refuse(key, "0 warms Anthropic's cache and asks for no answer")
  end
  r.c.max_tokens = r:number(document, key, value)
end

local function add_turn(r, role, parts)
  local turns, turn = r.c.turns, { role = role, parts = parts, index = r.turn }
  changes_in.turn(r, turn)
  turns[#turns + 1] = turn
end

-- Of most messages this is all: a role and content.
local PLAIN_ROLES = { ['"user"'] = "user", ['"assistant"'] = "assistant" }

function FIELDS.messages(r, document, key, value)
  local list = r:node(document, key, "array", value)
  if not list then
    return
  elseif #list == 0 then
    return r:wrong(key, "is empty: at least one message is required")
  end
  for i, members, role, content in json.rows(list, "role", "content") do
    r.base, r.turn, r.list, r.index = nil, i - 1, nil, nil
    role = members == 2 and content and PLAIN_ROLES[role]
    local parts = role and blocks_in.content(r, content, "content", role)
    if parts then
      add_turn(r, role, parts)
    else
      M.message(r, list[i])
    end
  end
  r.base = ""
end

local ROLES = { user = true, assistant = true, system = true }
local MESSAGE = { role = true, content = true }
local SYSTEM_MESSAGE = { role = true, content = true, output_config = true, clear_at = true }

local function system_message(r, node, turn)
  turn.parts = {}
  if json.present(node.content) or node.output_config == nil then
    turn.parts = blocks_in.read(r, node, "content", "instruction")
    r.list, r.index = nil, nil
  end
  if #node > 2 or #turn.parts == 0 then
    changes_in.settings(r, node, turn)
    r:unknown(node, SYSTEM_MESSAGE)
  end
  if #turn.parts > 0 then
    r.c.turns[#r.c.turns + 1] = turn
  end
end

--- One message as a turn.
---@param r cliproxy.anthropic.Reader
---@param node any
function M.message(r, node)
  if json.kind(node) ~= "object" then
    return r:wrong(r:where(), "must be an object, not " .. tostring(json.kind(node)))
  end
  local role = r:name(node, "role")
  if not ROLES[role] then
    return role and r:wrong(r:where("role"), ("is %q, which is none of user, assistant, system"):format(role))
  end
  if role == "system" then
    return system_message(r, node, { role = role, index = r.turn })
  elseif #node > 2 then
    r:unknown(node, MESSAGE)
  end
  add_turn(r, role, blocks_in.read(r, node, "content", role))
end

function FIELDS.system(r, document)
  blocks_in.read_system(r, document, r.c.system)
end

function FIELDS.stop_sequences(r, document, key)
  local list = r:node(document, key, "array")
  if not list or #list == 0 then
    return
  end
  local stop = {}
  for i in json.each(list) do
    r.base = ("%s[%d]"):format(key, i - 1)
    local raw = json.raw(list, i)
    if raw and raw:sub(1, 1) == '"' then
      stop[#stop + 1] = raw
    else
      r:wrong(r.base, "must be a string, not " .. tostring(json.kind(list[i])))
    end
  end
  r.base = ""
  r.c.stop, r.c.where.stop = stop, key
end

local METADATA = { user_id = true }

function FIELDS.metadata(r, document, key)
  local node = r:node(document, key, "object")
  if node then
    r.base = key
    r.c.user, r.c.where.user = r:literal(node, "user_id"), "metadata.user_id"
    r:unknown(node, METADATA)
    r.base = ""
  end
end

function FIELDS.service_tier(r, document, key)
  local tier = r:literal(document, key)
  if tier == '"auto"' then
    return r.ledger:drop(key, "it is what holds anyway")
  end
  r.c.service_tier = tier
end

function FIELDS.speed(r, document, key)
  local speed = r:word(document, key)
  if speed == "standard" then
    r.ledger:drop(key, "it is what holds anyway")
  elseif speed then
    r.ledger:warn(key, "it has no fast mode")
  end
end

function FIELDS.cache_control(r, document, key)
  r.c.cache, r.c.where.cache = r:object(document, key), key
end

-- Edits that forget old results or thinking keep a long conversation cheap: what is left out without them is nothing.
-- Compaction answers with a summary, which the client reads.
function FIELDS.context_management(r, document, key)
  local node = r:node(document, key, "object")
  local edits = node and r:node(node, "edits", "array")
  if not edits then
    return
  end
  for i, edit in json.each(edits) do
    local path = ("%s.edits[%d]"):format(key, i - 1)
    local kind = json.kind(edit) == "object" and edit.type
    if type(kind) == "string" and kind:find("^clear_") then
      r.ledger:warn(path, "it forgets nothing of a conversation")
    else
      r.ledger:refuse(path, ("only Anthropic edits a conversation by %s"):format(tostring(kind)))
    end
  end
end

-- Reasoning -----------------------------------------------------------------------------------------------------

local THINKING = { type = true, budget_tokens = true, display = true }
local DISPLAYS = { summarized = true, omitted = false }

local KINDS = {
  adaptive = function() end,
  disabled = function(_, _, out) out.off = true end,
}

function KINDS.enabled(r, node, out)
  local budget = tonumber(r:number(node, "budget_tokens") or nil)
  if not budget then
    r:wrong("thinking.budget_tokens", "is missing")
  else
    out.budget = math.floor(budget)
  end
  out.visible = true -- summarized is this type's default
end

function KINDS.between_tools(r, _, out)
  r.ledger:change("thinking.type", "thinking between tools alone becomes effort low")
  out.effort = "low"
end

function FIELDS.thinking(r, document, key)
  local node = r:node(document, key, "object")
  if not node then
    return
  end
  r.base = key
  local out = { where = key }
  local kind = r:name(node, "type")
  if kind and not KINDS[kind] then
    r:wrong("thinking.type", ("is %q, which is none of adaptive, enabled, disabled, between_tools"):format(kind))
  elseif kind then
    KINDS[kind](r, node, out)
  end
  local display = r:word(node, "display")
  if display and DISPLAYS[display] == nil then
    r:wrong("thinking.display", ("is %q, which is neither summarized nor omitted"):format(display))
  elseif display then
    out.visible = DISPLAYS[display]
  end
  r:unknown(node, THINKING)
  r.base = ""
  r.thinking = out
end

-- Effort and the shape of the answer ----------------------------------------------------------------------------

local FORMAT = { type = true, schema = true }

-- `path` of the format: output_config.format, formerly output_format.
local function format(r, node, path)
  r.base = path
  local kind = r:name(node, "type")
  if kind == "json_schema" then
    local schema = r:object(node, "schema")
    if not schema then
      r:wrong(path .. ".schema", "is missing")
    end
    r.c.format = { kind = "schema", schema = schema, where = path }
  elseif kind then
    r:wrong(path .. ".type", ("is %q, which is not json_schema"):format(kind))
  end
  r:unknown(node, FORMAT)
  r.base = ""
end

local OUTPUT = { effort = true, format = true, task_budget = true }

function FIELDS.output_config(r, document, key)
  local node = r:node(document, key, "object")
  if not node then
    return
  end
  r.base = key
  r.effort = changes_in.effort(r, node)
  if json.present(node.task_budget) then
    r.ledger:warn(key .. ".task_budget", "it has no budget for a task")
  end
  r:unknown(node, OUTPUT)
  local inner = r:node(node, "format", "object")
  if inner then
    format(r, inner, key .. ".format")
  end
  r.base = ""
end

-- The former name; the new one counts where both are there.
function FIELDS.output_format(r, document, key)
  local node = r:node(document, key, "object")
  local newer = json.kind(document.output_config) == "object" and document.output_config.format or nil
  if node and json.present(newer) then
    r.ledger:drop(key, "output_config.format counts")
  elseif node then
    format(r, node, key)
  end
end

-- Effort alone, thinking alone, or both.
local function settle_reasoning(r)
  local out, effort = r.thinking, r.turn_effort or r.effort
  if effort and not out then
    out = { where = "output_config.effort" }
  end
  if effort and not out.off then
    out.effort = effort
  elseif effort then
    r.ledger:drop("output_config.effort", "thinking is disabled")
  end
  r.c.reasoning = out or nil
end

-- The whole -----------------------------------------------------------------------------------------------------

--- Reads a request; `nil, message, param` where it is malformed.
---@param document cliproxy.json.Node
---@param head { model: string, stream: boolean, operation?: string, version?: string }
---@return cliproxy.Conversation?
---@return string? message
---@return string? param
function M.decode(document, head)
  if json.kind(document) ~= "object" then
    return nil, "the request must be an object, not " .. tostring(json.kind(document))
  end
  local c = conversation.new("anthropic", head, PATHS)
  local r = reader.new(c, head.version)
  for key, value in json.each(document) do
    local field = FIELDS[key]
    if field then
      if value ~= json.null then
        field(r, document, key, value)
      end
    elseif not M.ignored[key] and value ~= json.null then
      c.ledger:warn(key --[[@as string]], "unknown to cliproxy")
    end
  end
  if r.turn < 0 then
    r:wrong("messages", "is missing")
  end
  if r.thinking or r.effort or r.turn_effort then
    settle_reasoning(r)
  end
  changes_in.settle_tools(r)
  if c.tool_choice then
    tools_in.settle_choice(r)
  end
  if r.message then
    return nil, r.message, r.param
  end
  return c
end

return M
