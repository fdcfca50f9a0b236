--- What demo says: text in pieces, JSON of a schema, or calls of tools with arguments made up from their schemas.
local crypto = require("cliproxy.crypto")
local json = require("cliproxy.json")
local ordered = require("lib.ordered")
local schema = require("lib.demo_schema")

local M = {}

local CREATED = 1767225600 -- always the same answer to the same request
local SAID_MAX, JSON_PIECE = 400, 12 -- bytes
local WORDS = { "lorem", "ipsum", "dolor", "sit", "amet", "consectetur", "adipiscing", "elit" }

---@class demo.Call
---@field id string
---@field name string
---@field arguments string JSON text; of a custom tool its free text
---@field custom? boolean
---@field namespace? string

---@class demo.Answer in no dialect yet
---@field id string
---@field created integer
---@field model string
---@field request cliproxy.json.Node
---@field text string
---@field pieces string[] of the text
---@field calls demo.Call[] either these or a text
---@field stop "stop"|"length"
---@field usage { input: integer, output: integer }
---@field include_usage? boolean

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

--- Pieces of `size` bytes, never through the middle of a character.
local function slices(text, size)
  local out, at = {}, 1
  while at <= #text do
    local last = math.min(at + size - 1, #text)
    while last < #text and text:find("^[\128-\191]", last + 1) do
      last = last + 1
    end
    out[#out + 1] = text:sub(at, last)
    at = last + 1
  end
  return out
end

local function says(asked)
  if asked.results then
    return "The tool answered: " .. table.concat(asked.results, " | "):sub(1, SAID_MAX)
  elseif asked.text == "" and #asked.media == 0 then
    return "Hello from cliproxy! You said nothing, so here is a greeting."
  end
  local showed = #asked.media > 0 and " You showed: " .. table.concat(asked.media, ", ") or ""
  return "Hello from cliproxy! You said: " .. asked.text:sub(1, SAID_MAX) .. showed
end

--- The text of an answer that must be JSON.
local function structured(asked)
  local form = asked.format.schema
  if not form then
    return json.encode(ordered("answer", says(asked)))
  end
  return schema.example(form, { text = asked.text, reply = says(asked) })
end

--- Whether the text names this tool, as it is written or with blanks; of "server__tool" the last part is enough.
local function names(text, name)
  name = name:lower()
  name = name:match(".*__(.+)$") or name
  local spoken = name:gsub("_", " ")
  return text:find(name, 1, true) or text:find(spoken, 1, true)
end

--- What the text dictates for a tool: "NAME with {…}" or "NAME tool with {…}".
local function dictated(text, name)
  for _, words in ipairs { " with {", " tool with {" } do
    local first, last = text:find(name .. words, 1, true)
    local input = first and text:find("^[^%w_-]", first - 1) and text:match("^%b{}", last)
    if input and json.kind(json.parse(input)) == "object" then
      return input
    end
  end
end

--- The same as the tool's arguments; a tool in a namespace is also called NAMESPACE__NAME, and the free text of one
--- that takes it stands in the member "input".
local function arguments_of(text, tool)
  local input = dictated(text, tool.name)
    or tool.namespace and dictated(text, tool.namespace .. "__" .. tool.name)
  if input and tool.custom then
    local free = json.parse(input).input
    return type(free) == "string" and free or nil
  end
  return input
end

--- Those of the tools for which the text dictates arguments: { tool, arguments }.
local function told(asked, tools)
  local chosen, text = {}, " " .. asked.text
  for _, tool in ipairs(tools) do
    local input = arguments_of(text, tool)
    if input then
      table.insert(chosen, { tool, input })
    end
  end
  return chosen
end

--- Those that it names.
local function named(asked, tools)
  local chosen, text = {}, asked.text:lower()
  for _, tool in ipairs(tools) do
    if names(text, tool.name) then
      table.insert(chosen, { tool })
    end
  end
  return chosen
end

--- The tools to call: those that the text dictates arguments for, and where there are none those that it names; where
--- it names none, the first one if the text speaks of a tool, or if one must be called.
local function choose(asked)
  local tools = {}
  if asked.results or asked.choice == "none" then
    return tools
  end
  for _, tool in ipairs(asked.tools) do
    if not asked.allowed or asked.allowed[tool.name] then
      table.insert(tools, tool)
    end
  end
  local chosen = told(asked, tools)
  if #chosen == 0 then
    chosen = named(asked, tools)
  end
  if #chosen == 0 and (asked.choice == "required" or asked.text:lower():find("%f[%a]tools?%f[%A]")) then
    chosen[1] = tools[1] and { tools[1] }
  end
  return asked.parallel == false and { chosen[1] } or chosen
end

local function call_of(chosen, asked, id)
  local tool, arguments = chosen[1], chosen[2]
  if not arguments then
    arguments = tool.custom and (asked.text ~= "" and asked.text:sub(1, SAID_MAX) or "example")
      or schema.arguments(tool.schema, { text = asked.text })
  end
  return { id = id, name = tool.name, arguments = arguments, custom = tool.custom, namespace = tool.namespace }
end

--- Cuts the answer after `max` tokens, as a model that runs into its limit.
local function limited(answer, max)
  if type(max) ~= "number" or max < 1 or answer.usage.output <= max or #answer.calls > 0 then
    return
  end
  for i = #answer.pieces, max + 1, -1 do
    answer.pieces[i] = nil
  end
  answer.text = table.concat(answer.pieces)
  answer.stop, answer.usage.output = "length", #answer.pieces
end

local function pieces(asked, how)
  if asked.format then
    return slices(structured(asked), JSON_PIECE)
  end
  return how.words and long(how.words) or pieces_of(says(asked))
end

---@param call cliproxy.Call
---@param asked demo.Asked
---@param how table see demo_behaviour
---@return demo.Answer
function M.answer(call, asked, how)
  local hash = crypto.hex_encode(crypto.sha256(json.encode(call.body))):sub(1, 24)
  local answer = { id = hash, created = CREATED, model = call.model, request = call.body, stop = "stop", calls = {} }
  local output = 0
  for i, chosen in ipairs(choose(asked)) do
    answer.calls[i] = call_of(chosen, asked, i == 1 and hash or hash .. "_" .. i)
    output = output + tokens_of(answer.calls[i].arguments)
  end
  answer.pieces = #answer.calls > 0 and {} or pieces(asked, how)
  answer.text = table.concat(answer.pieces)
  answer.usage = { input = tokens_of(asked.all), output = output + #answer.pieces }
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

return M
