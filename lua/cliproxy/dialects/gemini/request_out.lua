--- A conversation as a request to a provider.
local contents_out = require("cliproxy.dialects.gemini.contents_out")
local conversation = require("cliproxy.conversation")
local generation_out = require("cliproxy.dialects.gemini.generation_out")
local literal = require("cliproxy.literal")
local text = require("cliproxy.text")
local tools_out = require("cliproxy.dialects.gemini.tools_out")

local M = {}

local function system(c)
  local parts = {}
  for _, part in ipairs(c.system) do
    if part.cache then
      c.ledger:drop(conversation.path(c, part, "cache_control"), "it caches by itself")
    end
    if not literal.is_empty(part.text) then
      parts[#parts + 1] = '{"text":' .. part.text .. "}"
    end
  end
  return parts[1] and '{"parts":[' .. table.concat(parts, ",") .. "]}"
end

-- Members stand behind the contents, but for the instruction.
local function put(out, key, value)
  if value then
    out[#out + 1] = ',"' .. key .. '":' .. value
  end
end

--- The body as text; what it cannot carry is in `c.ledger`.
---@param c cliproxy.Conversation
---@param target cliproxy.Target
---@return string[] pieces of the body, in order
function M.pieces(c, target)
  local caps = target.caps or {}
  local is_count = c.operation == "count"
  local out = { "{" }
  if is_count then
    -- Only so does a count have more than contents.
    local model = target.model:find("/", 1, true) and target.model or "models/" .. target.model
    out[1] = '{"generateContentRequest":{"model":' .. text.quote(model) .. ","
  end
  local instruction = system(c)
  out[2] = instruction and '"systemInstruction":' .. instruction .. ',"contents":' or '"contents":'
  ---@type cliproxy.gemini.Writer
  local w = {
    c = c, target = target, caps = caps, name = tools_out.namer(c, caps), out = out, contents = 0, parts = 0,
    results = false, names = {}, ids = {},
  }
  contents_out.encode(w)
  put(out, "tools", tools_out.tools(w))
  put(out, "toolConfig", tools_out.choice(w))
  put(out, "safetySettings", c.safety)
  put(out, "generationConfig", generation_out.encode(w))
  conversation.settle(c, generation_out.carries(caps))
  out[#out + 1] = is_count and "}}" or "}"
  return out
end

--- The same as one text.
---@param c cliproxy.Conversation
---@param target cliproxy.Target
---@return string
function M.encode(c, target)
  return table.concat(M.pieces(c, target))
end

return M
