--- A client's request as a conversation. Every member may be spelled in camelCase or in snake_case; contents,
--- generationConfig and tools have files of their own.
local contents_in = require("cliproxy.dialects.gemini.contents_in")
local conversation = require("cliproxy.conversation")
local generation_in = require("cliproxy.dialects.gemini.generation_in")
local json = require("cliproxy.json")
local reader = require("cliproxy.dialects.gemini.reader")
local spelling = require("cliproxy.dialects.gemini.spelling")
local tools_in = require("cliproxy.dialects.gemini.tools_in")

local M = {}

--- Members that mean nothing beyond what the path says already.
M.ignored = { model = true }

local function carried(field, kind)
  return function(r, document, key)
    r.c[field] = r[kind](r, document, key)
    r.c.where[field] = r:where(key)
  end
end

local function refused(why)
  return function(r, _, key)
    r.ledger:refuse(r:where(key), why)
  end
end

local FIELDS = spelling.both {
  model = false,
  contents = contents_in.read,
  systemInstruction = contents_in.read_system,
  generationConfig = generation_in.read,
  tools = tools_in.read,
  toolConfig = tools_in.read_config,
  cachedContent = refused("only Google has the contents that it cached; send them"),
  modelArmorConfig = refused("its filters are Google's own"),
  safetySettings = function(r, document, key)
    local list = document[key]
    if json.kind(list) ~= "array" and json.kind(list) ~= "object" then
      r:wrong(r:where(key), "must be a list, not " .. tostring(json.kind(list)))
    elseif #list > 0 then
      r.c.safety, r.c.where.safety = json.raw(document, key), r:where(key)
    end
  end,
  labels = function(r, document, key)
    local labels = r:object(document, key)
    if labels and #document[key] > 0 then
      r.c.metadata, r.c.where.metadata = labels, r:where(key)
    end
  end,
  serviceTier = function(r, document, key)
    local word = r:enum(document, key)
    if word == "STANDARD" then
      r.ledger:drop(r:where(key), "it is what holds anyway")
    elseif word then
      r.c.service_tier, r.c.where.service_tier = json.raw(document, key), r:where(key)
    end
  end,
  store = carried("store", "flag"),
}

-- A store is JSON text in a conversation.
local function settle_store(c)
  if c.store ~= nil then
    c.store = tostring(c.store)
  end
end

-- What a whole request says of its images holds for those that say nothing themselves.
local function settle_detail(r)
  if not r.media_detail then
    return
  end
  for _, turn in ipairs(r.c.turns) do
    for _, part in ipairs(turn.parts) do
      if part.kind == "image" then
        part.detail = part.detail or r.media_detail
      end
    end
  end
end

local function check_contents(r, document)
  local list = document.contents
  local kind = json.kind(list)
  if kind ~= "array" and kind ~= "object" or #list == 0 then
    r:wrong(r.prefix .. "contents", "is missing; it is the list of turns")
  end
end

-- A count may be asked for of a whole request.
local function inner_request(document)
  for _, key in ipairs { "generateContentRequest", "generate_content_request" } do
    if json.kind(document[key]) == "object" then
      return document[key], key .. "."
    end
  end
  return document, ""
end

--- Reads a request; `nil, message, param` where it is malformed.
---@param document cliproxy.json.Node
---@param head { model: string, stream: boolean, operation?: string }
---@return cliproxy.Conversation?
---@return string? message
---@return string? param
function M.decode(document, head)
  if json.kind(document) ~= "object" then
    return nil, "the request must be an object, not " .. tostring(json.kind(document))
  end
  local prefix = ""
  if head.operation == "count" then
    document, prefix = inner_request(document)
  end
  local c = conversation.new("gemini", head, { turns = prefix .. "contents", parts = "parts",
    system = prefix .. "systemInstruction.parts", tools = prefix .. "tools" })
  local r = reader.new(c)
  r.prefix = prefix
  check_contents(r, document)
  r:members(document, FIELDS)
  settle_store(c)
  settle_detail(r)
  if r.message then
    return nil, r.message, r.param
  end
  return c
end

return M
