--- The features: what is asked, what the service answers, and what must be seen on both sides.
local answers = require("spec.conformance.answers")
local requests = require("spec.conformance.requests")

local M = {}

local OPENAI, ANTHROPIC, GEMINI = "gpt-4.1", "claude-sonnet-4-6", "gemini-3.1-pro"

--- The model asked for at each service; rows of reasoning have OpenAI's that reasons.
M.MODELS = { openai_chat = OPENAI, openai_responses = OPENAI, anthropic = ANTHROPIC, gemini = GEMINI }
M.REASONING_MODELS = { openai_chat = "gpt-5.1", openai_responses = "gpt-5.1", anthropic = ANTHROPIC, gemini = GEMINI }

-- Checks ----------------------------------------------------------------------------------------------------------

local function show(value)
  return type(value) == "string" and ("%q"):format(value) or tostring(value)
end

local function equal(what, expected, got)
  if expected ~= got then
    error(("%s: %s expected, got %s"):format(what, show(expected), show(got)), 0)
  end
end

local function contains(what, text, words)
  if type(text) ~= "string" or not text:find(words, 1, true) then
    error(("%s: %s is not in %s"):format(what, show(words), show(text)), 0)
  end
end

M.equal, M.contains = equal, contains

-- Texts of the flow in this order, maybe with more around them.
local function in_order(seen, texts)
  local i = 1
  for _, one in ipairs(seen.flow) do
    if texts[i] and one.text:find(texts[i], 1, true) then
      i = i + 1
    end
  end
  if texts[i] then
    error(("%s is missing, or not in its place"):format(show(texts[i])), 0)
  end
end

local STOPS = {
  ["end"] = { openai_chat = "stop", openai_responses = "completed", anthropic = "end_turn", gemini = "STOP" },
  length = { openai_chat = "length", openai_responses = "max_output_tokens", anthropic = "max_tokens",
    gemini = "MAX_TOKENS" },
  tool_calls = { openai_chat = "tool_calls", openai_responses = "completed", anthropic = "tool_use", gemini = "STOP" },
}

local function stopped(stop)
  return function(got, cell)
    equal("stop", STOPS[stop][cell.client], got.stop)
  end
end

local function user_text(text)
  return function(seen)
    equal("turns", 1, #seen.flow)
    equal("role", "user", seen.flow[1].role)
    equal("text", text, seen.flow[1].text)
  end
end

local function says(text)
  return function(got, cell)
    equal("text", text, got.text)
    equal("calls", 0, #got.calls)
    stopped("end")(got, cell)
  end
end

-- Answers ---------------------------------------------------------------------------------------------------------

local HELLO = { parts = { { text = { '"Hel"', '"lo"', '" world"' } } }, stop = "end" }

local function quoted(text)
  return '"' .. text:gsub('"', '\\"') .. '"'
end

-- The input of a call in three fragments.
local INPUT = { quoted('{"city":"Par'), quoted('is","n":12345678901234567890,"list":[],'),
  quoted('"map":{},"x":1.0}') }

local CALL = { parts = { { call = "get_weather", id = "call_1", input = INPUT } }, stop = "tool_calls" }

local function called(got, cell)
  equal("calls", 1, #got.calls)
  equal("name", "get_weather", got.calls[1].name)
  equal("input", requests.INPUT, got.calls[1].input)
  if cell.client ~= "gemini" and not (got.calls[1].id or ""):find("^[%w_-]+$") then
    error("a call without an id", 0)
  end
  stopped("tool_calls")(got, cell)
end

-- Rows ------------------------------------------------------------------------------------------------------------

---@class spec.conformance.Row
---@field name string
---@field request string|table<string, string> of `requests`
---@field answer? table of `answers`; "Hello world" where nil
---@field failure? string of `answers.FAILURES`
---@field modes? string[] where not both
---@field reasoning? boolean needs models that reason
---@field caps? table what the operator says of the service
---@field absent? table<string, string> client dialects without words for it, and why
---@field sent? fun(seen: table, cell: table)
---@field got? fun(got: table, cell: table)
---@field own? fun(cell: table) runs the cell in a way of its own
M.list = {}

local function row(fields)
  fields.request = fields.request and requests[fields.request] or requests.text
  fields.answer = fields.answer or HELLO
  M.list[#M.list + 1] = fields
end

row { name = "text", answer = HELLO, no_usage = true, sent = user_text "Hello there", got = says "Hello world" }

row { name = "system in front", request = "system", answer = HELLO, got = says "Hello world",
  sent = function(seen, cell)
    equal("system", "Be brief.", table.concat(seen.system, "|"))
    user_text "Hello there"(seen, cell)
  end }

row { name = "system in mid-conversation", request = "system_later", answer = HELLO, got = says "Hello world",
  absent = { gemini = "Gemini has one systemInstruction, in front" },
  sent = function(seen, cell)
    in_order(seen, { "Hello there", "Hi", "More", "Speak French." })
    local last = seen.flow[#seen.flow]
    local native = cell.upstream == "openai_chat" or cell.upstream == "openai_responses"
    equal("role", native and "system" or "user", last.role)
    if not native then
      contains("reminder", last.text, "<system-reminder>")
    end
  end }

row { name = "several turns", request = "turns", answer = HELLO, got = says "Hello world", sent = function(seen)
  for i, text in ipairs { "One", "Two", "Three" } do
    equal("text", text, seen.flow[i] and seen.flow[i].text)
    equal("role", i == 2 and "assistant" or "user", seen.flow[i].role)
  end
  equal("turns", 3, #seen.flow)
end }

row { name = "one tool", request = "tool", answer = CALL, got = called, sent = function(seen)
  equal("tools", 1, #seen.tools)
  equal("name", "get_weather", seen.tools[1].name)
  equal("description", "About get_weather.", seen.tools[1].description)
  equal("schema", requests.SCHEMA, seen.tools[1].schema)
end }

row { name = "a text and a call", request = "tool", answer = { stop = "tool_calls", parts = {
  { text = { '"Let me"', '" see."' } }, { call = "get_weather", id = "call_1", input = INPUT },
} }, got = function(got, cell)
  equal("text", "Let me see.", got.text)
  called(got, cell)
end }

row { name = "parallel tools", request = "tools_parallel", answer = { stop = "tool_calls", parts = {
  { call = "get_weather", id = "call_1", input = INPUT }, { call = "get_time", id = "call_2", input = { '"{}"' } },
} }, sent = function(seen)
  equal("calls", 2, #seen.calls)
  equal("input", requests.INPUT, seen.calls[1].input)
  equal("second input", "{}", seen.calls[2].input)
  equal("results", 2, #seen.results)
  for i, expected in ipairs { { "get_weather", "sunny" }, { "get_time", "noon" } } do
    local call, result = seen.calls[i], nil
    for k, one in ipairs(seen.results) do
      -- By id; where there is none, by place.
      if one.id and one.id == call.id or not one.id and k == i then
        result = one
      end
    end
    equal("name", expected[1], call.name)
    contains("result of " .. call.name, result and result.text, expected[2])
  end
  equal("last words", "Go on", seen.flow[#seen.flow].text)
end, got = function(got, cell)
  equal("calls", 2, #got.calls)
  equal("name", "get_weather", got.calls[1].name)
  equal("input", requests.INPUT, got.calls[1].input)
  equal("second name", "get_time", got.calls[2].name)
  equal("second input", "{}", got.calls[2].input)
  if got.calls[1].id and got.calls[1].id == got.calls[2].id then
    error("two calls with one id", 0)
  end
  stopped("tool_calls")(got, cell)
end }

row { name = "tool result with an image", request = "tool_image", answer = HELLO, got = says "Hello world",
  absent = { openai_chat = "results of Chat's tools are texts" },
  sent = function(seen)
    contains("result", seen.results[1] and seen.results[1].text, "a map")
    local url = "data:image/png;base64," .. requests.PNG
    equal("image", url, seen.results[1].images[1] or seen.images[1])
  end }

row { name = "tool without arguments", request = "tool_without_arguments", odd_answer = true,
  answer = { parts = { { call = "ping", id = "call_1", input = {} } }, stop = "tool_calls" },
  sent = function(seen)
    equal("tools", 1, #seen.tools)
    equal("name", "ping", seen.tools[1].name)
  end, got = function(got, cell)
    equal("calls", 1, #got.calls)
    equal("name", "ping", got.calls[1].name)
    equal("input", "{}", got.calls[1].input)
    stopped("tool_calls")(got, cell)
  end }

row { name = "named tool", request = "tool_named", answer = CALL, got = called, sent = function(seen)
  equal("choice", "named get_weather", seen.choice)
  equal("tools", 2, #seen.tools)
end }

row { name = "forced tool", request = "tool_forced", answer = CALL, got = called, sent = function(seen)
  equal("choice", "required", seen.choice)
end }

local OLD = "it is Chat's way of old"
row { name = "functions of old", request = "functions", answer = CALL,
  absent = { openai_responses = OLD, anthropic = OLD, gemini = OLD },
  sent = function(seen)
    equal("schema", requests.SCHEMA, seen.tools[1] and seen.tools[1].schema)
  end, got = function(got)
    equal("calls", 1, #got.calls)
    equal("name", "get_weather", got.calls[1].name)
    equal("input", requests.INPUT, got.calls[1].input)
    equal("stop", "function_call", got.stop)
  end }

row { name = "no tool this time", request = "tool_forbidden", answer = HELLO, got = says "Hello world",
  sent = function(seen)
    equal("choice", "none", seen.choice)
    equal("tools", 1, #seen.tools)
  end }

row { name = "one call at a time", request = "tool_single", answer = CALL, got = called,
  absent = { gemini = "Gemini has no such switch" },
  sent = function(seen, cell)
    -- Gemini is told nothing, and the client is told so.
    equal("single", cell.upstream ~= "gemini", seen.single or false)
    equal("warning", cell.upstream == "gemini", cell.head["x-cliproxy-warnings"] ~= nil)
  end }

row { name = "tool result that failed", request = "tool_failed", answer = HELLO, got = says "Hello world",
  absent = { openai_chat = "Chat has no mark for it", openai_responses = "Responses has no mark for it" },
  sent = function(seen, cell)
    local result = seen.results[1]
    contains("result", result.text, "no such city")
    if cell.upstream == "anthropic" or cell.upstream == "gemini" then
      equal("failed", true, result.failed)
    else
      contains("result", result.text, "rror")
    end
  end }

row { name = "web search of the service", request = "web_search" }
row { name = "web search that the operator allows", request = "web_search", caps = { web_search = true },
  got = says "Hello world", sent = function(seen)
    equal("search", true, seen.search)
    equal("tools", 0, #seen.tools)
  end }

row { name = "image by data", request = "image", answer = HELLO, got = says "Hello world", sent = function(seen)
  equal("image", "data:image/png;base64," .. requests.PNG, seen.images[1])
  equal("text", "Look", seen.flow[1].text)
end }

row { name = "image by URL", request = "image_url", answer = HELLO, got = says "Hello world",
  absent = { gemini = "Gemini's fileData names files of Google's services" },
  sent = function(seen)
    equal("image", requests.URL, seen.images[1])
  end }

row { name = "PDF", request = "pdf", answer = HELLO, got = says "Hello world", sent = function(seen)
  equal("document", "data:application/pdf;base64," .. requests.PDF, seen.documents[1])
end }

row { name = "file by its id", request = "file_id" }

local THOUGHT = { parts = {
  { reasoning = { '"Let me"', '" think."' }, state = true }, { call = "get_weather", id = "call_1", input = INPUT },
}, stop = "tool_calls" }

-- Whether the second request gives the service its own state back.
local function comes_back(seen, cell)
  local state = answers.STATES[cell.upstream]
  if state then
    equal("state", state, seen.states[1])
  else
    equal("reasoning", "Let me think.", table.concat(seen.thoughts)) -- Chat has no state; some servers want the text
  end
  equal("calls", 1, #seen.calls)
  equal("results", 1, #seen.results)
  contains("result", seen.results[1].text, "sunny")
end

row { name = "reasoning and its state", request = "reasoning", answer = THOUGHT, reasoning = true,
  again = comes_back,
  sent = function(seen)
    equal("effort", "high", seen.effort)
  end, got = function(got, cell)
    called(got, cell)
    equal("reasoning", "Let me think.", got.reasoning)
  end }

local REFUSAL = "I cannot help with that."
-- Chat has a text of its own for it and ends as usual; Gemini's service gives no text at all.
local REFUSED = { openai_chat = { content_filter = true, stop = true },
  openai_responses = { completed = true, content_filter = true }, anthropic = { refusal = true },
  gemini = { SAFETY = true, PROHIBITED_CONTENT = true, OTHER = true } }

row { name = "refusal", answer = { parts = { { refusal = { '"I cannot help"', '" with that."' } } }, stop = "refusal" },
  got = function(got, cell)
    if not REFUSED[cell.client][got.stop] then
      error("stop: " .. show(got.stop) .. " is none of a refusal", 0)
    elseif cell.upstream ~= "gemini" then
      local words = { got.refusal, got.text, got.explanation or "", got.message or "" }
      contains("refusal", table.concat(words, "|"), REFUSAL)
    elseif got.stop == "stop" or got.stop == "completed" then
      error("a refusal without words looks like an answer", 0)
    end
  end }

row { name = "length", request = "length", answer = { parts = { { text = { '"Hel"', '"lo wor"' } } }, stop = "length" },
  sent = function(seen)
    equal("limit", 77, seen.max_tokens)
  end, got = function(got, cell)
    equal("text", "Hello wor", got.text)
    stopped("length")(got, cell)
  end }

row { name = "stop sequence", request = "stop", answer = { parts = HELLO.parts, stop = "stop_sequence",
  sequence = '"END"' },
  absent = { openai_responses = "Responses has no stop sequences" },
  sent = function(seen)
    equal("stop", "END", seen.stop)
  end, got = function(got, cell)
    equal("text", "Hello world", got.text)
    local known = cell.client == "anthropic" and cell.upstream == "anthropic"
    equal("stop", known and "stop_sequence" or STOPS["end"][cell.client], got.stop)
  end }

row { name = "structured output", request = "structured",
  answer = { parts = { { text = { '"{\\"ok\\":"', '"true}"' } } }, stop = "end" }, got = says '{"ok":true}',
  sent = function(seen)
    equal("schema", requests.FORMAT, seen.format)
  end }

row { name = "JSON without a schema", request = "json_object", got = says '{"ok":true}',
  answer = { parts = { { text = { '"{\\"ok\\":"', '"true}"' } } }, stop = "end" },
  absent = { anthropic = "Anthropic has schemas alone" },
  sent = function(seen)
    equal("json", true, seen.json)
  end }

row { name = "temperature", request = "temperature", answer = HELLO, got = says "Hello world", sent = function(seen)
  equal("temperature", requests.TEMPERATURE, seen.temperature)
end }

row { name = "several answers", request = "several",
  absent = { openai_responses = "Responses gives one answer", anthropic = "Anthropic gives one answer" } }
row { name = "log probabilities", request = "logprobs", absent = { anthropic = "Anthropic has none" } }
row { name = "state kept by the service", request = "stored",
  absent = { openai_chat = "it is a feature of Responses", anthropic = "it is a feature of Responses",
    gemini = "it is a feature of Responses" } }

row { name = "cached usage", answer = { parts = HELLO.parts, stop = "end",
  usage = { input = 1000, cached = 900, output = 50, reasoning = 30 } }, sent = function(seen, cell)
  if cell.mode == "stream" and cell.upstream == "openai_chat" then
    equal("usage asked for", true, seen.asks_usage)
  end
end, got = says "Hello world" }

row { name = "empty content", answer = { parts = {}, stop = "end" }, got = says "", odd_answer = true }

local SURROGATES = { '"pair \\ud83d"', '"\\ude00 \\u00e9 \\/ lone \\udead"', '" end"' }
row { name = "unicode and lone surrogates", request = "unicode",
  answer = { parts = { { text = SURROGATES } }, stop = "end" },
  sent = function(_, cell)
    -- Escapes and all.
    contains("text", cell.sent, requests.UNICODE:sub(2, -2))
  end, got = function(got, cell)
    says(require("cliproxy.json").parse(answers.join(SURROGATES)))(got, cell)
  end }

-- Failures --------------------------------------------------------------------------------------------------------

local FAILED = {
  { "400", "bad_request", 400, "Bad value" }, { "401", "key", 502, "refused cliproxy's key" },
  { "404", "no_model", 404, "No such model" }, { "429 with Retry-After", "limited", 429, "Slow down" },
  { "529 or 503", "overloaded", 503, "Too busy" },
}
for _, fields in ipairs(FAILED) do
  row { name = fields[1], failure = fields[2], status = fields[3], words = fields[4] }
end

row { name = "error as first event", broken = "first", modes = { "stream" }, answer = HELLO }
row { name = "error in mid-stream", broken = "error", modes = { "stream" }, answer = HELLO }
row { name = "stream that is cut", broken = "cut", modes = { "stream" }, answer = HELLO }
row { name = "stream without its end", broken = "unfinished", modes = { "stream" }, answer = HELLO }

return M
