--- How many tokens a request has, estimated without asking anybody: for counts that a provider does not make, and for
--- fields of a stream that must be there before the provider has told. Texts are weighed by what they are made of
--- (`cliproxy.tokens`): weights were fitted to the published vocabularies o200k_base, Gemma's and Claude's over source
--- code, prose, JSON and many languages; what services add around texts, to what they reported for recorded requests.
--- spec/unit/lua/token_estimate_spec.lua measures both.
local media = require("cliproxy.token_media")
local tokens = require("cliproxy.tokens")

local M = {}

local COUNTS = tokens.COUNTS
local count = tokens.count

---@class cliproxy.TokenRules of one family
---@field text number[] weights in the order of `tokens.count`
---@field schema number[] the same for schemas, which services show their models in a form of their own
---@field request number around everything
---@field turn number around each turn
---@field system number around each text in front
---@field tool number around each tool
---@field call number around each call
---@field result number around each result
---@field format? number around a schema of answers; nil: the prompt does not show it
---@field state fun(characters: integer, model: string): number of opaque reasoning
---@field past_reasoning boolean reasoning before the last question counts
---@field tools fun(c: cliproxy.Conversation, model: string): number tokens that tools bring along
---@field image fun(part: cliproxy.Part, model: string): number
---@field page fun(bytes: number): number of a PDF with so many bytes a page
---@field second number of sound

-- Versions in names of models: "claude-opus-4-7", "gpt-5.2", "gemini-3-pro".
local function version_of(model, pattern)
  local major, minor = model:match(pattern)
  return major and tonumber(major) + (tonumber(minor) or 0) / 10
end

-- OpenAI --------------------------------------------------------------------------------------------------------

---@type cliproxy.TokenRules
local openai = {
  text = { 0.964, 0.066, 0.467, 0.186, 0, 1.028, 0.296, 0.023, 0.865, 1.517, 1.255, 0.857, 0.351, 0.533, 1.679, 0.724,
    0.68, 3.565 },
  -- Shown as types of TypeScript: quotes, braces and the names of keywords go.
  schema = { 0.73, 0.066, 0.467, 0.186, 0, 1.028, 0.296, 0, 0, 0, 0, 0.857, 0.351, 0.533, 1.679, 0.724, 0.68,
    3.565 },
  request = 3, turn = 4, system = 4, tool = 0, call = 6, result = 5, format = 10,
  past_reasoning = false, second = 10,
}

function openai.state(characters)
  return math.max(0, characters - 500) / 9
end

-- From GPT-5 on limits of how tools may be called stand in the prompt, some 85 tokens of instructions.
function openai.tools(c, model)
  local limited = c.parallel_tools == false or c.tool_choice and c.tool_choice.mode ~= "auto"
  return 18 + (limited and (version_of(model, "gpt%-(%d+)%.?(%d*)") or 0) >= 5 and 85 or 0)
end

function openai.image(part)
  local low = part.detail == '"low"'
  if low then
    return media.openai_image(nil, nil, true)
  end
  local width, height = media.image_size(part.data)
  return media.openai_image(width, height, false)
end

function openai.page(bytes)
  return 200 + math.min(1000, bytes / 20)
end

-- Anthropic -----------------------------------------------------------------------------------------------------

-- The prompt that comes with tools, by model and by whether a call is demanded: up to Claude 4.1 as the manual had it
-- ("Tool use": pricing), later as reported for recorded requests.
local TOOL_PROMPTS = {
  { "claude%-3%-opus", 530, 281 },
  { "claude%-3%-haiku", 264, 340 },
  { "claude%-3[-.]5%-haiku", 264, 340 },
  { "claude%-3", 346, 313 },
  { "claude%-%a+%-4%-20", 346, 313 },
  { "claude%-%a+%-4%-0", 346, 313 },
  { "claude%-%a+%-4[-.]1", 346, 313 },
  { "", 520, 586 },
}
-- Of the last row: what only several calls at a time need.
local PARALLEL = 178
local CITATIONS = 570
local THINKING = 28

---@type cliproxy.TokenRules
local anthropic = {
  text = { 1.01, 0.051, 0.99, 0.252, 0, 0.745, 0.493, 0, 1.11, 0.806, 0.686, 2.15, 0.634, 1.857, 1.886, 0.881, 1.169,
    3.88 },
  request = 4, turn = 4, system = 3, tool = 0, call = 12, result = 12, format = 100,
  past_reasoning = false, second = 0,
}
anthropic.schema = anthropic.text

-- Encrypted text, where it is not the signature of a plain one.
function anthropic.state(characters)
  return characters / 9
end

function anthropic.tools(c, model)
  local choice = c.tool_choice and c.tool_choice.mode
  for i, row in ipairs(TOOL_PROMPTS) do
    if model:find(row[1]) then
      local newest = i == #TOOL_PROMPTS
      return row[choice == "required" and 3 or 2] - (newest and c.parallel_tools == false and PARALLEL or 0)
    end
  end
end

-- Opus 4.7 and the generation of Claude 5.
local function is_newer_claude(model)
  return (version_of(model, "claude%-%a+%-(%d)[-.]?(%d?)%f[%D]") or 0) >= 4.7
end

function anthropic.image(part, model)
  local width, height = media.image_size(part.data)
  return media.anthropic_image(width, height, is_newer_claude(model))
end

-- A page is an image and its text.
function anthropic.page(bytes)
  return 1560 + math.min(1500, bytes / 20)
end

-- Gemini --------------------------------------------------------------------------------------------------------

---@type cliproxy.TokenRules
local gemini = {
  text = { 0.953, 0.036, 0.374, 0.206, 0.608, 0.509, 0.527, 0, 1.138, 1.144, 1.767, 0.591, 0.34, 0.6, 1.614, 0.523,
    0.743, 2.029 },
  schema = { 0.95, 0.036, 0.374, 0.206, 0.608, 0.509, 0.527, 0, 0.5, 0, 0, 0.591, 0.34, 0.6, 1.614, 0.523, 0.743,
    2.029 },
  request = 0, turn = 0, system = 0, tool = 8, call = 3, result = 3, past_reasoning = true, second = 32,
}

-- Names without a number are those of the newest ("gemini-flash-latest").
local function is_newer_gemini(model)
  return (version_of(model, "gemini%-(%d)%.?(%d?)") or 3) >= 3
end

-- Gemini 2.5 leaves the signatures of its thoughts out.
function gemini.state(characters, model)
  return is_newer_gemini(model) and characters / 9 or 0
end

-- Gemini 3 is told how to call.
function gemini.tools(_, model)
  return is_newer_gemini(model) and 40 or 0
end

function gemini.image(part, model)
  local width, height = media.image_size(part.data)
  return media.gemini_image(width, height, is_newer_gemini(model))
end

function gemini.page()
  return 258
end

-- Families ------------------------------------------------------------------------------------------------------

---@type table<string, cliproxy.TokenRules>
local FAMILIES = { openai = openai, anthropic = anthropic, gemini = gemini }

-- The vocabulary of Opus 4.7 and later gives up to 1.35 times as many tokens ("Migrating to Claude Opus 4.7").
local NEWER_CLAUDE = 1.2

local DIALECTS = { openai_chat = "openai", openai_responses = "openai", anthropic = "anthropic", gemini = "gemini" }
local MODELS = {
  { "claude", "anthropic" }, { "gemini", "gemini" }, { "gemma", "gemini" }, { "gpt", "openai" }, { "^o%d", "openai" },
}

-- Routers put a vendor's name in front: "anthropic/claude-opus-4.6".
local function plain_name(model)
  return (model:lower():gsub("^.*/", ""))
end

local function of_model(model)
  local name = plain_name(model)
  for _, row in ipairs(MODELS) do
    if name:find(row[1]) then
      return row[2]
    end
  end
end

--- The family of tokenizers of a model or dialect; OpenAI's for what nobody knows.
---@param name string "gpt-5", "anthropic/claude-opus-4.6", "openai_chat", "gemini"
---@return "openai"|"anthropic"|"gemini"
function M.family(name)
  if FAMILIES[name] or DIALECTS[name] then
    return FAMILIES[name] and name or DIALECTS[name]
  end
  return of_model(name) or "openai"
end

local function weigh(counts, weights)
  local sum = 0
  for i = 1, COUNTS do
    sum = sum + counts[i] * weights[i]
  end
  return sum
end

local function blank()
  local counts = {}
  for i = 1, COUNTS do
    counts[i] = 0
  end
  return counts
end

local function scale_of(rules, model)
  return rules == anthropic and is_newer_claude(model) and NEWER_CLAUDE or 1
end

--- Tokens of one text.
---@param text string a literal, JSON text or bytes
---@param name string family, dialect or model
---@return number
function M.text(text, name)
  local counts = blank()
  count(text, counts)
  local rules = FAMILIES[M.family(name)]
  return weigh(counts, rules.text) * scale_of(rules, plain_name(name))
end

-- Requests ------------------------------------------------------------------------------------------------------

---@class cliproxy.TokenSurvey of one request
---@field rules cliproxy.TokenRules
---@field model string
---@field texts number[] counts
---@field schemas number[]
---@field calls number[] of inputs and results: Gemini's are no JSON text, but objects
---@field extra number what is no text
---@field current boolean the parts belong to the last question
---@field cited? boolean a document is to be cited

local PARTS = {}

local function add_part(s, part)
  local add = PARTS[part.kind]
  if add then
    add(s, part)
  end
end

local function add_parts(s, parts)
  for i = 1, #parts do
    add_part(s, parts[i])
  end
end

function PARTS.text(s, part)
  if part.text then
    count(part.text, s.texts)
  end
end

PARTS.refusal = PARTS.text

-- What belongs to an answered question is left out by most services.
function PARTS.reasoning(s, part)
  if not (s.current or s.rules.past_reasoning) then
    return
  end
  PARTS.text(s, part)
  local state = part.state
  if state and state.kind ~= "signature" then
    s.extra = s.extra + s.rules.state(#state.data, s.model)
  end
end

function PARTS.image(s, part)
  s.extra = s.extra + s.rules.image(part, s.model)
end

function PARTS.document(s, part)
  for _, key in ipairs { "text", "title", "context" } do
    if part[key] then
      count(part[key], s.texts)
    end
  end
  if not part.text then
    local pages, bytes = media.pdf_pages(part.data)
    s.extra = s.extra + pages * s.rules.page(bytes)
  end
  s.cited = s.cited or part.wants_citations
end

function PARTS.audio(s, part)
  s.extra = s.extra + media.seconds(part.data) * s.rules.second
end

function PARTS.tool_call(s, part)
  s.extra = s.extra + s.rules.call
  count(part.name or "", s.texts)
  count(part.input or part.arguments or "", s.calls)
end

function PARTS.tool_result(s, part)
  s.extra = s.extra + s.rules.result
  if part.value then
    count(part.value, s.calls)
  end
  add_parts(s, part.content or {})
end

local function is_question(turn)
  for _, part in ipairs(turn.parts) do
    if part.kind ~= "tool_result" then
      return turn.role == "user"
    end
  end
  return false
end

local function add_turns(s, turns)
  local question = 0
  for i, turn in ipairs(turns) do
    if is_question(turn) then
      question = i
    end
  end
  for i, turn in ipairs(turns) do
    s.current = i >= question
    s.extra = s.extra + s.rules.turn
    add_parts(s, turn.parts)
  end
end

local function add_tools(s, c)
  if #c.tools == 0 then
    return
  end
  s.extra = s.extra + s.rules.tools(c, s.model) + s.rules.tool * #c.tools
  for _, tool in ipairs(c.tools) do
    count(tool.name, s.texts)
    count(tool.description or "", s.texts)
    count(tool.schema or tool.grammar or "", s.schemas)
  end
end

local function add_format(s, format)
  if format and format.schema and s.rules.format then
    s.extra = s.extra + s.rules.format
    count(format.schema, s.schemas)
  end
end

-- Without the target's model the client's name of it counts, where it fits the dialect.
local function choose(c, name, model)
  if model then
    return of_model(model) or M.family(name), plain_name(model)
  end
  local family = M.family(name)
  return family, of_model(c.model) == family and plain_name(c.model) or ""
end

--- Input tokens of a request.
---@param c cliproxy.Conversation
---@param name string the target's dialect, or a family
---@param model? string the target's model, where it is known: its family goes before the dialect's
---@return integer
function M.request(c, name, model)
  local family, plain = choose(c, name, model)
  local rules = FAMILIES[family]
  local texts, schemas = blank(), blank()
  local s = {
    rules = rules, model = plain, texts = texts, schemas = schemas, calls = rules == gemini and schemas or texts,
    extra = rules.request, current = true,
  }
  for _, part in ipairs(c.system) do
    s.extra = s.extra + rules.system
    add_part(s, part)
  end
  add_turns(s, c.turns)
  add_tools(s, c)
  add_format(s, c.format)
  if rules == anthropic then
    local thinks = c.reasoning and not c.reasoning.off
    s.extra = s.extra + (s.cited and CITATIONS or 0) + (thinks and THINKING or 0)
  end
  local weight = weigh(texts, rules.text) + weigh(schemas, rules.schema)
  return math.max(1, math.ceil(weight * scale_of(rules, plain) + s.extra))
end

return M
