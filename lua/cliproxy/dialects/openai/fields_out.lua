--- Fields of requests, and pieces of their bodies, that Chat and Responses write alike.
local conversation = require("cliproxy.conversation")
local literal = require("cliproxy.literal")
local reasoning = require("cliproxy.reasoning")

local M = {}

--- Appends a member.
---@param out string[]
---@param key string
---@param value? cliproxy.JsonText nil, false: none
function M.put(out, key, value)
  if value then
    out[#out + 1] = ',"' .. key .. '":' .. value
  end
end

--- Appends pieces of messages or items.
---@param self { out: string[], n: integer }
---@param a string
---@param b? string
---@param c? string
function M.emit(self, a, b, c)
  local out, n = self.out, self.n + 1
  out[n] = a
  if b then
    n = n + 1
    out[n] = b
  end
  if c then
    n = n + 1
    out[n] = c
  end
  self.n = n
end

--- Notes that a hint for Anthropic's cache is left out.
---@param c cliproxy.Conversation
---@param part cliproxy.Part
function M.drop_cache(c, part)
  if part.cache then
    c.ledger:drop(conversation.path(c, part, "cache_control"), "it caches by itself")
  end
end

--- Whether calls may go side by side.
---@param out string[]
---@param c cliproxy.Conversation
---@param caps cliproxy.Caps
function M.put_parallel(out, c, caps)
  if c.parallel_tools ~= nil and caps.parallel_tool_calls ~= false then
    M.put(out, "parallel_tool_calls", tostring(c.parallel_tools))
  elseif c.parallel_tools == false then
    c.ledger:warn(conversation.where(c, "parallel_tools"), "it may call several tools at once")
  end
end

--- The name of a schema; one of our own where the client gave none.
---@param c cliproxy.Conversation
---@param format cliproxy.Format
---@param path string the target's
---@return cliproxy.Literal
function M.schema_name(c, format, path)
  if not literal.is_empty(format.name) then
    return format.name
  end
  c.ledger:invent(path, "a schema must have a name: response")
  return '"response"'
end

--- The limit of the answer. No model says more than it can: a limit above that is refused by some services and the same
--- to others.
---@param c cliproxy.Conversation `max_tokens` is set
---@param caps cliproxy.Caps
---@return cliproxy.JsonText
function M.max_tokens(c, caps)
  local asked = c.max_tokens
  if caps.output and (tonumber(asked) or 0) > caps.output then
    c.ledger:change(conversation.where(c, "max_tokens"), "the model's longest answer is " .. caps.output)
    return ("%d"):format(caps.output)
  end
  return asked
end

-- Switched off, or as little as there is.
local function off(c, caps)
  if caps.reasoning_off ~= false then
    return "none"
  end
  local least = caps.efforts and caps.efforts[1]
  c.ledger:change(c.reasoning.where, "it cannot be switched off; it is " .. (least or "left as it is"), true)
  return least
end

--- The word for how much to think.
---@param c cliproxy.Conversation `reasoning` is set
---@param caps cliproxy.Caps of a model that reasons
---@return string? word nil: nothing was asked for
function M.effort(c, caps)
  local asked = c.reasoning
  if asked.off then
    return off(c, caps)
  end
  local word, exact = reasoning.effort(asked, caps.efforts)
  if word and not exact then
    c.ledger:change(asked.where, "the effort is " .. word, true)
  elseif word and asked.budget then
    c.ledger:change(asked.where, "the budget is told as the effort " .. word)
  end
  return word
end

return M
