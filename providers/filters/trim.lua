--- Keeps long conversations small: shortens old results of tools, and leaves out old turns. Calls and their results
--- stay together, so that every service still takes the conversation.
---
---     filters = { { "trim", results = 20, shorten_to = "1KB", turns = 30, when = { client = "anthropic" } } }

-- Whole characters only.
local function beginning(text, bytes)
  return (text:sub(1, bytes):gsub("[\192-\255][\128-\191]*$", ""))
end

local function results_of(view)
  local results = {}
  for _, message in ipairs(view.messages) do
    for _, part in ipairs(message.parts) do
      if part.kind == "tool_result" then
        table.insert(results, part)
      end
    end
  end
  return results
end

-- All but the latest results lose their ends. The border moves in steps: between two steps a prompt begins as it began
-- before, and the provider's cache hits.
local function shorten(view, options)
  local results, shortened = results_of(view), 0
  local old = #results - options.results
  old = old - old % options.step
  for i = 1, old do
    local part = results[i]
    local text = part.text
    if #text > options.shorten_to then
      local kept = beginning(text, options.shorten_to)
      part.text = ("%s\n[%d bytes of this result were left out]"):format(kept, #text - #kept)
      shortened = shortened + 1
    end
  end
  return shortened
end

-- A turn begins with a message of the user's that brings no results: nothing before it waits for what comes after it.
local function begins_turn(message)
  if message.role ~= "user" then
    return false
  end
  for _, part in ipairs(message.parts) do
    if part.kind == "tool_result" then
      return false
    end
  end
  return true
end

-- Where turns begin: neighbouring messages of the user's are one turn.
local function turns_of(view)
  local begins, before = {}, false
  for i, message in ipairs(view.messages) do
    local first = begins_turn(message)
    if first and not before then
      table.insert(begins, i)
    end
    before = first
  end
  return begins
end

-- Takes out the oldest turns; of the first one the user's words may stay, since they often say what it is all about.
local function drop(view, options, context)
  local begins = turns_of(view)
  local gone = #begins - options.turns
  if gone <= 0 then
    return 0
  end
  local last, first = begins[gone + 1] - 1, 1
  if options.keep_first then
    first = begins[1]
    while first <= last and begins_turn(view.messages[first]) do
      first = first + 1
    end
  end
  for i = last, first, -1 do
    context.remove(view.messages[i])
  end
  return gone
end

---@type cliproxy.FilterScript
return {
  name = "trim",
  contract = 1,

  options = {
    results = { type = "integer", min = 0, default = 20, about = "the latest results of tools that stay whole" },
    shorten_to = { type = "size", min = 0, default = "1KB", about = "what stays of older ones" },
    step = { type = "integer", min = 1, default = 10, about = "results that lose their ends at once" },
    turns = { type = "integer", min = 1, about = "the latest turns that stay; all by default" },
    keep_first = { type = "boolean", default = true, about = "the user's first message stays, whatever turn it is" },
  },

  request = function(view, context)
    local options = context.options
    local dropped = options.turns and drop(view, options, context) or 0
    local shortened = shorten(view, options)
    if dropped > 0 then
      context.warn(("%d turn%s left out"):format(dropped, dropped == 1 and "" or "s"))
    end
    if shortened > 0 then
      context.warn(("%d result%s of tools shortened"):format(shortened, shortened == 1 and "" or "s"))
    end
  end,
}
