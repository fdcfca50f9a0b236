--- What demo's dialects share in reading a request, whatever its shape.
local json = require("cliproxy.json")

local M = {}

---@class demo.Tool
---@field name string
---@field schema? cliproxy.json.Node
---@field custom? boolean takes free text
---@field namespace? string (Responses)

---@class demo.Asked a request in no dialect
---@field text string of the last user turn
---@field media string[] what that turn shows, each in words
---@field all string every text, for counting
---@field tools demo.Tool[]
---@field choice? string "required", "none"; whatever else means as the model likes
---@field allowed? table<string, boolean> only these tools may be called
---@field parallel? boolean false: one call at a time
---@field results? string[] the conversation ends with these results of tools
---@field format? { schema?: cliproxy.json.Node } structured output
---@field max_tokens? any
---@field include_usage? boolean (Chat)

---@return demo.Asked
function M.asked()
  return { text = "", all = "", tools = {}, media = {} }
end

function M.is_object(value)
  return json.kind(value) == "object"
end

--- ipairs over what is a list, and over nothing else.
function M.items(list)
  return ipairs(json.kind(list) == "array" and list or {})
end

--- All text of a message's content: a string, or parts with `text`.
function M.text_of(parts)
  if type(parts) == "string" then
    return parts
  end
  local out = {}
  for _, part in M.items(parts) do
    if M.is_object(part) and type(part.text) == "string" then
      table.insert(out, part.text)
    end
  end
  return table.concat(out, " ")
end

--- base64 in words: "image/png (70 bytes)"; nil where it is no text.
function M.data(kind, base64)
  if type(base64) ~= "string" then
    return nil
  end
  local padding = #base64:sub(-2):match("=*$")
  return ("%s (%d bytes)"):format(type(kind) == "string" and kind or "data", math.floor(#base64 * 3 / 4) - padding)
end

--- The same of a data URL; of another one the URL itself.
function M.url(url)
  if type(url) ~= "string" then
    return nil
  end
  local kind, base64 = url:match("^data:([^;,]*);base64,(.*)$")
  return kind and M.data(kind, base64) or url:sub(1, 200)
end

--- What a message's parts show. `seen(part)` puts one into words, or gives nil.
function M.media_of(parts, seen)
  local out = {}
  for _, part in M.items(parts) do
    local words = M.is_object(part) and seen(part)
    if words then
      table.insert(out, words)
    end
  end
  return out
end

--- A user turn: the last one that says or shows something counts.
function M.heard(asked, text, media)
  if text ~= "" or #media > 0 then
    asked.text, asked.media = text, media
  end
end

--- One more result at the end of the conversation.
function M.result(asked, text, media)
  if text ~= "" or #media == 0 then
    table.insert(media, 1, text)
  end
  asked.results = asked.results or {}
  table.insert(asked.results, table.concat(media, " "))
end

--- Only these tools may be called. `name_of(entry)` reads a name out of a list's entry.
function M.allow(asked, list, name_of)
  asked.allowed = {}
  for _, entry in M.items(list) do
    local name = name_of(entry)
    if type(name) == "string" then
      asked.allowed[name] = true
    end
  end
end

return M
