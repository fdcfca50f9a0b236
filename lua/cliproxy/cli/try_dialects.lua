--- What `cliproxy try` needs to know of each dialect: how to ask, and where the text of an answer stands.
local json = require("cliproxy.json")

local M = {}

--- A member of an object; nil where there is none, or no object.
local function get(node, name)
  if json.kind(node) ~= "object" then return nil end
  local value = node[name]
  return json.present(value) and value or nil
end

--- The first element of an array; nil where there is none.
local function first(node)
  return json.kind(node) == "array" and #node > 0 and node[1] or nil
end

local function text(value)
  return type(value) == "string" and value or ""
end

--- Joins what `pick` finds in each element of an array node.
local function join(array, pick)
  local out = {}
  if json.kind(array) == "array" then
    for _, element in json.ipairs(array) do out[#out + 1] = pick(element) end
  end
  return table.concat(out)
end

local function call_text(name, arguments)
  if type(arguments) ~= "string" then arguments = arguments ~= nil and json.encode(arguments) or "" end
  return ("\n[calls %s %s]"):format(text(name), arguments)
end

local function chat_call(call)
  local fn = get(call, "function")
  return call_text(get(fn, "name"), get(fn, "arguments"))
end

-- In a stream the name comes first, then its arguments in pieces.
local function chat_call_piece(call)
  local fn = get(call, "function")
  local name = get(fn, "name")
  return (name and "\n[calls " .. text(name) .. "] " or "") .. text(get(fn, "arguments"))
end

local function responses_item(item)
  if get(item, "type") == "function_call" then return call_text(get(item, "name"), get(item, "arguments")) end
  return join(get(item, "content"), function(part) return text(get(part, "text")) end)
end

local function anthropic_block(block)
  if get(block, "type") == "tool_use" then return call_text(get(block, "name"), get(block, "input")) end
  return text(get(block, "text"))
end

local function gemini_part(part)
  local call = get(part, "functionCall")
  if call then return call_text(get(call, "name"), get(call, "args")) end
  return text(get(part, "text"))
end

local function gemini_text(document)
  return join(get(get(first(get(document, "candidates")), "content"), "parts"), gemini_part)
end

local function chat_piece(document)
  local delta = get(first(get(document, "choices")), "delta")
  return text(get(delta, "content")) .. join(get(delta, "tool_calls"), chat_call_piece)
end

local function responses_piece(document)
  local kind, item = get(document, "type"), get(document, "item")
  if kind == "response.output_item.done" and get(item, "type") == "function_call" then return responses_item(item) end
  return kind == "response.output_text.delta" and text(get(document, "delta")) or ""
end

local function anthropic_piece(document)
  local block = get(document, "content_block")
  if get(block, "type") == "tool_use" then return "\n[calls " .. text(get(block, "name")) .. "] " end
  local delta = get(document, "delta")
  return text(get(delta, "text")) .. text(get(delta, "partial_json"))
end

local function escape(model)
  return (model:gsub("[^%w%-._~/:@]", function(c) return ("%%%02X"):format(c:byte()) end))
end

---@class cliproxy.TryDialect
---@field path fun(model: string, stream: boolean): string
---@field body fun(model: string, said: string, stream: boolean): table
---@field headers? table<string, string>
---@field whole fun(document: any): string the text of a whole answer
---@field piece fun(document: any): string the text of one stream event

---@type table<string, cliproxy.TryDialect>
M.by_name = {
  openai_chat = {
    path = function() return "/v1/chat/completions" end,
    body = function(model, said, stream)
      return { model = model, messages = { { role = "user", content = said } }, stream = stream,
        stream_options = stream and { include_usage = true } or nil }
    end,
    whole = function(document)
      local message = get(first(get(document, "choices")), "message")
      return text(get(message, "content")) .. join(get(message, "tool_calls"), chat_call)
    end,
    piece = chat_piece,
  },
  openai_responses = {
    path = function() return "/v1/responses" end,
    body = function(model, said, stream) return { model = model, input = said, stream = stream } end,
    whole = function(document) return join(get(document, "output"), responses_item) end,
    piece = responses_piece,
  },
  anthropic = {
    path = function() return "/v1/messages" end,
    headers = { ["anthropic-version"] = "2023-06-01" },
    body = function(model, said, stream)
      return { model = model, max_tokens = 1024, messages = { { role = "user", content = said } }, stream = stream }
    end,
    whole = function(document) return join(get(document, "content"), anthropic_block) end,
    piece = anthropic_piece,
  },
  gemini = {
    path = function(model, stream)
      local method = stream and "streamGenerateContent?alt=sse" or "generateContent"
      return ("/v1beta/models/%s:%s"):format(escape(model), method)
    end,
    body = function(_, said) return { contents = { { role = "user", parts = { { text = said } } } } } end,
    whole = gemini_text,
    piece = gemini_text,
  },
}

return M
