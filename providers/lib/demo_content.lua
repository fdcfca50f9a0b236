--- What demo says: text in pieces, or a tool call with arguments made up from the tool's schema.
local crypto = require("cliproxy.crypto")
local json = require("cliproxy.json")
local schema = require("lib.demo_schema")

local M = {}

local CREATED = 1767225600 -- always the same answer to the same request
local WORDS = { "lorem", "ipsum", "dolor", "sit", "amet", "consectetur", "adipiscing", "elit" }

local function tokens_of(text)
  return math.max(1, math.ceil(#text / 4))
end
M.tokens_of = tokens_of

local function long(words)
  local out = {}
  for i = 1, words do
    out[i] = WORDS[(i - 1) % #WORDS + 1] .. (i < words and " " or ".")
  end
  return out
end

--- Words with the blanks behind them.
local function pieces_of(text)
  local out = {}
  for piece in text:gmatch("%s*%S+%s?") do
    out[#out + 1] = piece
  end
  return out
end

local function says(asked)
  if asked.result then
    return "The tool answered: " .. asked.result:sub(1, 400)
  elseif asked.text == "" then
    return "Hello from cliproxy! You said nothing, so here is a greeting."
  end
  return "Hello from cliproxy! You said: " .. asked.text:sub(1, 400)
end

--- Whether the text asks for this tool: by name, or by the word "tool".
local function mentions(text, name)
  text = text:lower()
  return text:find(name:lower(), 1, true) or text:find(name:lower():gsub("_", " "), 1, true)
    or text:find("%f[%a]tool%f[%A]")
end

local function choose(asked)
  if asked.result or asked.choice == "none" or #asked.tools == 0 then
    return nil
  end
  for _, tool in ipairs(asked.tools) do
    if tool.name == asked.forced then
      return tool
    end
  end
  for _, tool in ipairs(asked.tools) do
    if asked.text:lower():find(tool.name:lower(), 1, true) then
      return tool
    end
  end
  local first = asked.tools[1]
  return (asked.choice == "required" or mentions(asked.text, first.name)) and first or nil
end

--- Cuts the answer after `max` tokens, as a model that runs into its limit.
local function limited(answer, max)
  if type(max) ~= "number" or max < 1 or answer.usage.output <= max or answer.tool then
    return
  end
  for i = #answer.pieces, max + 1, -1 do
    answer.pieces[i] = nil
  end
  answer.text = table.concat(answer.pieces)
  answer.stop, answer.usage.output = "length", #answer.pieces
end

--- The answer, in no dialect yet.
function M.answer(call, asked, how)
  local bytes = json.encode(call.body)
  local hash = crypto.hex_encode(crypto.sha256(bytes)):sub(1, 24)
  local answer = { id = hash, created = CREATED, model = call.model, request = call.body, stop = "stop" }
  local tool = choose(asked)
  if tool then
    answer.tool = { id = hash, name = tool.name, arguments = schema.example(tool.schema, asked.text) }
    answer.text, answer.pieces = "", {}
  else
    answer.pieces = how.words and long(how.words) or pieces_of(says(asked))
    answer.text = table.concat(answer.pieces)
  end
  local output = tool and tokens_of(answer.tool.arguments) or #answer.pieces
  answer.usage = { input = tokens_of(asked.all), output = output }
  answer.include_usage = asked.include_usage
  limited(answer, asked.max_tokens)
  return answer
end

--- JSON text in two pieces, as models send arguments.
function M.halves(text)
  local middle = math.floor(#text / 2)
  -- Not through the middle of a character or an escape.
  while middle > 0 and (text:sub(middle, middle + 1):find("[\128-\255\\]")) do
    middle = middle - 1
  end
  return middle > 0 and { text:sub(1, middle), text:sub(middle + 1) } or { text }
end

--- The first events, then those of the error, then nothing. `make(after)` gives the latter.
function M.with_error(events, make)
  local out, first = {}, math.min(4, #events - 1)
  for i = 1, first do
    out[i] = events[i]
  end
  for _, event in ipairs(make(first)) do
    table.insert(out, event)
  end
  return out
end

--- All text of a message's content: a string, or parts with `text`.
function M.text_of(parts)
  if type(parts) == "string" then
    return parts
  elseif json.kind(parts) ~= "array" then
    return ""
  end
  local out = {}
  for _, part in json.each(parts) do
    if json.kind(part) == "object" and type(part.text) == "string" then
      table.insert(out, part.text)
    end
  end
  return table.concat(out, " ")
end

return M
