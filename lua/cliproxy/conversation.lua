--- What codecs do with the common form between the four dialects; its types are in `_meta/conversation.lua`, and
--- docs/conversation.md is the manual.
local json = require("cliproxy.json")
local ledger = require("cliproxy.ledger")
local literal = require("cliproxy.literal")

local M = {}

-- Reading -------------------------------------------------------------------------------------------------------

--- A conversation with nothing in it.
---@param dialect string
---@param head { model: string, stream: boolean, operation?: string, owner?: string }
---@param paths { turns: string, parts: string, system: string, tools: string }
---@return cliproxy.Conversation
function M.new(dialect, head, paths)
  return {
    dialect = dialect, operation = head.operation or "generate", model = head.model, stream = head.stream or false,
    owner = head.owner or "",
    system = {}, turns = {}, tools = {}, names = {}, paths = paths, where = {}, ledger = ledger.new(),
  }
end

--- The client's path of a turn or a part, or of a field in it: "messages[2].content[0].detail"; of a part without a
--- turn, which is the system's, "system[0].cache_control".
---@param c cliproxy.Conversation
---@param item cliproxy.Part|cliproxy.Turn
---@param field? string
---@return string
function M.path(c, item, field)
  local path
  if not item.role and not item.turn then
    path = c.paths.system .. (item.index and "[" .. item.index .. "]" or "")
  else
    path = c.paths.turns .. "[" .. (item.role and item.index or item.turn) .. "]"
  end
  if item.turn and (item.index or item.list) then
    path = path .. "." .. (item.list or c.paths.parts) .. (item.index and "[" .. item.index .. "]" or "")
  end
  return field and path .. "." .. field or path
end

--- Enters the phases of an assistant's messages, for dialects that have none.
---@param c cliproxy.Conversation
function M.drop_phases(c)
  for _, turn in ipairs(c.turns) do
    if turn.phase then
      c.ledger:drop(M.path(c, turn, "phase"), "its messages have no phases")
    end
  end
end

--- The client's path of a field of the conversation.
---@param c cliproxy.Conversation
---@param field string
---@return string
function M.where(c, field)
  return c.where[field] or field
end

---@param c cliproxy.Conversation
---@param tool cliproxy.Tool
---@param field? string
---@return string
function M.tool_path(c, tool, field)
  local path = tool.path or c.paths.tools .. "[" .. tool.index .. "]"
  return field and path .. "." .. field or path
end

-- The input of a call -------------------------------------------------------------------------------------------

--- A call's input as JSON text of an object, for dialects that have objects: "" is {}.
---@param part cliproxy.Part a tool_call
---@return cliproxy.JsonText? input nil where the text is no JSON object
function M.input_of(part)
  if part.input then
    return part.input
  end
  local text = literal.text(part.arguments)
  if json.check(text) == "object" then
    return text
  end
  return not text:find("%S") and "{}" or nil
end

--- A call's input as a literal, for dialects that have text.
---@param part cliproxy.Part a tool_call
---@return cliproxy.Literal
function M.arguments_of(part)
  if part.arguments then
    return part.arguments == '""' and not part.custom and '"{}"' or part.arguments
  end
  return literal.again(part.input)
end

-- The shape of a history ----------------------------------------------------------------------------------------

local function append(into, list)
  for i = 1, #list do
    into[#into + 1] = list[i]
  end
end

local function has(turn, kind)
  local parts = turn.parts
  for i = 1, #parts do
    if parts[i].kind == kind then
      return true
    end
  end
  return false
end

-- Not by unpack: it gives up at some thousand parts.
local function first_parts(parts, n)
  local out = {}
  for i = 1, n do
    out[i] = parts[i]
  end
  return out
end

local function copy_of(turn)
  return { role = turn.role, parts = first_parts(turn.parts, #turn.parts), index = turn.index, name = turn.name,
    phase = turn.phase, merged = true }
end

-- Neighbours of one role as one turn. The turns themselves stay as they are: a plan may encode them twice.
local function merge(turns, role)
  local out, n, last = {}, 0, nil
  for i = 1, #turns do
    local turn = turns[i]
    if turn.role ~= role or not last or last.role ~= role then
      n, last = n + 1, turn
    else
      last = last.merged and last or copy_of(last)
      if last.phase ~= turn.phase then
        last.phase, last.phases_differ = nil, true
      end
      append(last.parts, turn.parts)
    end
    out[n] = last
  end
  return out
end

-- How many calls of a turn have each id (one, but for servers that gave an id twice), and how many calls there are;
-- nil: none.
local function calls_of(turn)
  local parts, ids, count = turn.parts, nil, 0
  for i = 1, #parts do
    local part = parts[i]
    if part.kind == "tool_call" then
      ids = ids or {}
      ids[part.id], count = (ids[part.id] or 0) + 1, count + 1
    end
  end
  return ids, count
end

-- Takes the results of calls out of a turn, one for each call of an id: what is left of it, nil where none is there,
-- and how many it held. `found` has lists of them by id.
local function without_results(turn, calls, found)
  local parts, kept, count = turn.parts, nil, 0
  for i = 1, #parts do
    local part = parts[i]
    local list = part.kind == "tool_result" and calls[part.id] and (found[part.id] or {})
    if list and #list < calls[part.id] then
      kept, count = kept or first_parts(parts, i - 1), count + 1
      found[part.id], list[#list + 1] = list, part
    elseif kept then
      kept[#kept + 1] = part
    end
  end
  return kept and { role = "user", parts = kept, index = turn.index, name = turn.name }, count
end

-- Takes the results of the `left` calls of the turn at `at` out of those behind it, up to the next that calls.
local function take_results(turns, at, calls, left)
  local found = {}
  for i = at + 1, #turns do
    local turn = turns[i]
    if turn.role == "user" then
      local rest, count = without_results(turn, calls, found)
      turns[i], left = rest or turn, left - count
      if left == 0 then
        break
      end
    elseif turn.role == "assistant" and has(turn, "tool_call") then
      break
    end
  end
  return found
end

-- The turn of the results that answer the calls of the turn at `at`; nil where there are none.
local function results_turn(turns, at, calls, left)
  local found, turn, results = take_results(turns, at, calls, left), turns[at], {}
  for _, part in ipairs(turn.parts) do
    local list = part.kind == "tool_call" and found[part.id]
    local result = list and table.remove(list, 1)
    if result then
      result.name = result.name or part.name
      results[#results + 1] = result
    end
  end
  return results[1] and { role = "user", parts = results, index = results[1].turn or turn.index, results = true }
end

local function refuse_strays(c, turn)
  for _, part in ipairs(turn.parts) do
    if part.kind == "tool_result" then
      c.ledger:refuse(M.path(c, part), ("it is the result of call %q, which no turn before it makes"):format(
        tostring(part.id)))
    end
  end
end

--- The turns in the order that every dialect accepts: neighbouring assistant turns are one; behind each turn with
--- calls stands one user turn that begins with their results, in the order of the calls, followed by what else its
--- user turns hold. With `users`, neighbouring user turns are one, too. Results without a call are left where they are
--- and refused: no target can take them. A result learns its tool's name.
---@param c cliproxy.Conversation
---@param users? boolean
---@return cliproxy.Turn[] turns one turn of the user alone is the conversation's own list: not to be changed
function M.joined(c, users)
  local first = c.turns[1]
  if first and not c.turns[2] and first.role == "user" and first.parts[1] and not has(first, "tool_result") then
    return c.turns
  end
  local turns, out, n = merge(c.turns, "assistant"), {}, 0
  for i = 1, #turns do
    local turn = turns[i] -- results that were taken are gone from it
    if turn.role == "user" then
      if has(turn, "tool_result") then
        refuse_strays(c, turn)
      end
      if turn.parts[1] then
        n = n + 1
        out[n] = turn
      end
    else
      n = n + 1
      out[n] = turn
      local calls, count
      if turn.role == "assistant" then
        calls, count = calls_of(turn)
      end
      local results = calls and results_turn(turns, i, calls, count)
      if results then
        n = n + 1
        out[n] = results
      end
    end
  end
  return users and merge(out, "user") or out
end

-- What a target lacks -------------------------------------------------------------------------------------------

--- Fields of a conversation that not every dialect has, and what happens where one is missing: "refuse", "warn", or
--- "quiet". An encoder lists those that it carries in `carries`; for the others `M.settle` does this.
---@type table<string, { [1]: "refuse"|"warn"|"quiet", [2]: string }>
M.FEATURES = {
  temperature = { "warn", "it sets its temperature itself" },
  top_p = { "warn", "it has no top_p" },
  top_k = { "warn", "it has no top_k" },
  seed = { "warn", "it has no seed" },
  presence_penalty = { "warn", "it has no presence penalty" },
  frequency_penalty = { "warn", "it has no frequency penalty" },
  n = { "refuse", "more than one answer does not cross dialects" },
  logprobs = { "refuse", "it gives no log probabilities" },
  logit_bias = { "refuse", "it has no token biases" },
  stop = { "refuse", "it has no stop sequences" },
  verbosity = { "warn", "it has no verbosity" },
  user = { "warn", "it takes no user id of this client" },
  metadata = { "warn", "it takes no metadata" },
  service_tier = { "warn", "tiers of service are the provider's own" },
  safety = { "warn", "it has no safety settings" },
  parallel_tools = { "warn", "it may call several tools at once" },
  format = { "refuse", "it has no structured output" },
  store = { "quiet", "nothing is stored" },
  cache = { "quiet", "it caches by itself" },
  cache_key = { "quiet", "it caches by itself" },
}

--- Values that say what holds anyway.
local DEFAULTS = {
  temperature = function(v) return tonumber(v) == 1 end,
  top_p = function(v) return tonumber(v) == 1 end,
  presence_penalty = function(v) return tonumber(v) == 0 end,
  frequency_penalty = function(v) return tonumber(v) == 0 end,
  n = function(v) return tonumber(v) == 1 end,
  parallel_tools = function(v) return v == true end,
  stop = function(v) return #v == 0 end,
  logit_bias = function(v) return v:find("^{%s*}$") ~= nil end,
}

-- What happens to a field that is not carried.
local function settle(c, field)
  local row, value, path = M.FEATURES[field], c[field], M.where(c, field)
  if row[1] == "quiet" or DEFAULTS[field] and DEFAULTS[field](value) then
    c.ledger:drop(path, row[2])
  elseif row[1] == "warn" then
    c.ledger:warn(path, row[2])
  else
    c.ledger:refuse(path, row[2])
  end
end

--- What an encoder carries, found once for each set of capabilities: nobody changes those.
---@param find fun(caps: cliproxy.Caps, kin: boolean): table<string, boolean>
---@return fun(caps: cliproxy.Caps, kin?: boolean): table<string, boolean> # `kin`: the client's dialect has fields
--- that only this one shares
function M.carrier(find)
  local known = setmetatable({}, { __mode = "k" })
  return function(caps, kin)
    local both = known[caps]
    if not both then
      both = { [true] = find(caps, true), [false] = find(caps, false) }
      known[caps] = both
    end
    return both[kin == true]
  end
end

--- Enters what an encoder does not carry into the ledger, in the order of the names.
---@param c cliproxy.Conversation
---@param carries table<string, boolean>
---@return boolean any whether the conversation has any of those that are carried
function M.settle(c, carries)
  local features, left, any = M.FEATURES, nil, false
  for field in next, c do
    if features[field] then
      if carries[field] then
        any = true
      else
        left = left or {}
        left[#left + 1] = field
      end
    end
  end
  if left then
    table.sort(left)
    for _, field in ipairs(left) do
      settle(c, field)
    end
  end
  return any
end

return M
