--- What system messages change further down a client's conversation: the effort, the tools that are offered, and how
--- long they themselves are shown. ("Per-message effort", "Mid-conversation system messages and tool changes" at
--- platform.claude.com.)
local conversation = require("cliproxy.conversation")
local literal = require("cliproxy.literal")
local reasoning = require("cliproxy.reasoning")
local tools_in = require("cliproxy.dialects.anthropic.tools_in")

local M = {}

-- Effort --------------------------------------------------------------------------------------------------------

local CONFIG = { effort = true }

--- A word of effort, malformed where it is none.
---@param r cliproxy.anthropic.Reader
---@param node cliproxy.json.Node with `effort`
---@return string?
function M.effort(r, node)
  local word = r:word(node, "effort")
  if word and (not reasoning.is_effort(word) or word == "none") then
    r:wrong(r:where("effort"), ("is %q, which is none of low, medium, high, xhigh, max"):format(word))
  end
  return word
end

-- Right after what a user says it is that turn's; elsewhere it waits for the next one.
local function change_effort(r, node)
  local config = r:node(node, "output_config", "object")
  if not config then
    return
  end
  r.base = r:where("output_config")
  local word = M.effort(r, config)
  r:unknown(config, CONFIG)
  r.base = nil
  if word and r.fresh then
    r.turn_effort = word
  else
    r.next_effort = word or r.next_effort
  end
end

-- Messages ------------------------------------------------------------------------------------------------------

-- A message for one turn of the user is gone once the next one has begun.
local function clear(r)
  local turns = r.c.turns
  for i = #turns, 1, -1 do
    if r.passing[turns[i]] then
      r.ledger:drop(conversation.path(r.c, turns[i]), "it was there until the next message of the user")
      table.remove(turns, i)
    end
  end
  r.passing = false
end

--- A turn of the user or the assistant has been read.
---@param r cliproxy.anthropic.Reader
---@param turn cliproxy.Turn not yet in the conversation
function M.turn(r, turn)
  if turn.role ~= "user" then
    r.fresh = false
    return
  elseif r.passing then
    clear(r)
  end
  local parts = turn.parts
  local last = parts[#parts]
  -- Results come first: a turn of them alone is no new input.
  r.fresh = last ~= nil and last.kind ~= "tool_result"
  if r.fresh and r.next_effort then
    r.turn_effort, r.next_effort = r.next_effort, false
  end
end

--- The settings of a system message.
---@param r cliproxy.anthropic.Reader
---@param node cliproxy.json.Node
---@param turn cliproxy.Turn of that message
function M.settings(r, node, turn)
  change_effort(r, node)
  local word = r:word(node, "clear_at")
  if word == "next_user_message" then
    r.passing = r.passing or {}
    r.passing[turn] = true
  elseif word and word ~= "never" then
    r:wrong(r:where("clear_at"), ("is %q, which is neither next_user_message nor never"):format(word))
  end
end

-- Tools ---------------------------------------------------------------------------------------------------------

local KNOWN = { type = true, tool = true, cache_control = true }
local REFERENCE = { type = true, name = true }
local DEFINITION = { type = true, definition = true }

local function defined(r, node)
  local definition = r:node(node, "definition", "object")
  r:unknown(node, DEFINITION)
  if not definition then
    return r:wrong(r:where("definition"), "is missing")
  end
  r.base = r:where("definition")
  r.added_tools = r.added_tools or {}
  r.added_tools[#r.added_tools + 1] = { node = definition, path = r.base }
  return r:name(definition, "name")
end

local function referred(r, node)
  r:unknown(node, REFERENCE)
  return r:name(node, "name")
end

local TOOLS = { tool_reference = referred, tool_definition = defined }

local function tool_of(r, node)
  local kind = r:name(node, "type")
  if TOOLS[kind] then
    return TOOLS[kind](r, node)
  elseif kind then
    r.ledger:refuse(r:where("type"), ("%s is of a server of tools that Anthropic itself asks"):format(kind))
  end
end

--- A tool offered from here on, or no more. Others are given all tools at once: the model is told which count.
---@param r cliproxy.anthropic.Reader
---@param node cliproxy.json.Node a block
---@param out cliproxy.Part[]
function M.tool_change(r, node, out)
  local added, path = node.type == "tool_addition", r:where()
  local part, tool = r:part("text"), r:node(node, "tool", "object")
  r:unknown(node, KNOWN)
  if not tool then
    return r:wrong(r:where("tool"), "is missing")
  end
  r.base = path .. ".tool"
  local name = tool_of(r, tool)
  r.base = nil
  if name then
    r.withdrawn = r.withdrawn or {}
    r.withdrawn[name] = not added or nil
    r.ledger:change(path, "a change of the tools becomes a text that tells it")
    part.text = literal.of(("The tool %s is %s."):format(name, added and "available" or "no longer available"))
    out[#out + 1] = part
  end
end

--- Tools as they are at the end of the conversation. After all messages and `tools`.
---@param r cliproxy.anthropic.Reader
function M.settle_tools(r)
  if r.added_tools then
    for _, added in ipairs(r.added_tools) do
      tools_in.add(r, added.node, added.path)
    end
  end
  if r.withdrawn and next(r.withdrawn) then
    local kept = {}
    for _, tool in ipairs(r.c.tools) do
      if r.withdrawn[tool.name] then
        r.ledger:drop(conversation.tool_path(r.c, tool), "a message withdraws the tool")
      else
        kept[#kept + 1] = tool
      end
    end
    r.c.tools = kept
  end
end

return M
