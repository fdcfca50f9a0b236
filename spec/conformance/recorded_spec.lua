-- What the services really answered, given to clients of the other dialects: a sentence of the client's grammar, with
-- the same texts, calls and usage in it.
local drive = require("spec.conformance.drive") -- first: it takes the place of what sends
local automata = require("cliproxy.automata")
local cjson = require("cjson")
local fixtures = require("spec.support.fixtures")
local frames = require("cliproxy.automata.frames")
local process = require("spec.support.process")
local read_answer = require("spec.conformance.read_answer")
local requests = require("spec.conformance.requests")

local DIALECTS = { "openai_chat", "openai_responses", "anthropic", "gemini" }
local NAMES = { ["openai-chat"] = "openai_chat", ["openai-responses"] = "openai_responses",
  ["anthropic-messages"] = "anthropic", gemini = "gemini" }
local HOSTS = { ["api.openai.com"] = true, ["api.anthropic.com"] = true, ["generativelanguage.googleapis.com"] = true }

-- What no other dialect can carry (or the clients named cannot), with the words by which they are told: never an answer
-- without it.
local UNTRANSLATABLE = {
  ["anthropic-messages/code-execution"] = "server_tool_use",
  ["anthropic-messages/mcp-tool-use"] = "mcp_tool_use",
  ["anthropic-messages/pause-turn"] = "it paused in the middle",
  ["gemini/code-execution"] = "code that it ran itself",
  ["gemini/image-output"] = "an image or a sound",
  ["gemini/long-stream"] = "a call of a tool of its own",
  ["openai-responses/code-interpreter"] = "code_interpreter_call",
  ["openai-responses/compaction"] = "input_text",
  ["openai-responses/mcp"] = "mcp_list_tools",
  ["openai-responses/reasoning-encrypted"] = "code_interpreter_call",
  -- Input that is an object there is none here.
  ["openai-chat/length-in-tool-call"] = { gemini = "whose arguments are cut" },
  ["openai-responses/custom-tool"] = { anthropic = "are no JSON object", gemini = "are no JSON object" },
}

local function recorded()
  local manifest = process.read(fixtures.folder .. "/MANIFEST.tsv")
  if not manifest then
    return nil
  end
  local list = {}
  for folder, case in manifest:gmatch("\n([%w-]+)\t([%w_.-]+)") do
    local name = folder .. "/" .. case
    local meta = NAMES[folder] and process.read(fixtures.folder .. "/" .. name .. "/meta.json")
    meta = meta and cjson.decode(meta)
    local path = meta and tostring(meta.path) or ""
    if meta and HOSTS[meta.host] and meta.status == 200 and not path:find("[cC]ount_?[tT]okens")
      and not path:find("input_tokens") and not path:find("mbed") then
      local stream = process.read(fixtures.folder .. "/" .. name .. "/response.sse")
      local whole = process.read(fixtures.folder .. "/" .. name .. "/response.json")
      list[#list + 1] = { name = name, dialect = NAMES[folder], stream = stream or whole:find("^%s*%[") and whole,
        whole = whole, framing = stream and "sse" or "json_array" }
    end
  end
  return list
end

local function events_of(case)
  local events = {}
  local reader = frames[case.framing](function(data, type)
    events[#events + 1] = { type = type or "", data = data }
  end, function() end, "\n")
  reader.feed(case.stream)
  reader.finish()
  return events
end

local function give(case, client)
  local stream = case.stream and true or false
  local exchange, _, _, lines = drive.run {
    client = client, upstream = case.dialect, model = "m",
    request = requests.send(client, requests.text[client], "m", stream, true),
    reply = stream and { events = events_of(case) } or { body = case.whole },
  }
  return exchange, lines
end

local function got_of(case, client, exchange)
  local bytes = exchange:output()
  if exchange.status ~= 200 then
    return nil, exchange.status .. " " .. bytes
  elseif not case.stream then
    local violations = automata.whole(client, bytes)
    return read_answer.whole(client, bytes), table.concat(violations, "\n")
  end
  local checker = automata.stream(client, { wants_usage = true })
  checker:feed(bytes)
  local violations = checker:finish()
  local got = read_answer.stream(client, bytes, "sse")
  if checker:ended() ~= "clean" then
    violations[#violations + 1] = "it ends with " .. checker:ended() .. ": " .. tostring((got.failed or {}).message)
  end
  return got, table.concat(violations, "\n")
end

-- Chat and Responses tell a refusal apart from a text.
local function words(got)
  return (got.text or "") .. (got.refusal or "")
end

local function compare(original, got, client)
  assert.equal(words(original), words(got), client)
  assert.equal(#original.calls, #got.calls, client)
  for i, call in ipairs(original.calls) do
    assert.equal(call.name, got.calls[i].name)
    assert.equal(call.input, got.calls[i].input)
  end
  for _, name in ipairs { "input", "output", "cached" } do
    local count = original.usage and original.usage[name]
    if count and not (name == "cached" and count == 0) then
      assert.equal(count, got.usage and got.usage[name], client .. ": " .. name)
    end
  end
end

local function check(case, original, client)
  local exchange, lines = give(case, client)
  local got, wrong = got_of(case, client, exchange)
  local told = UNTRANSLATABLE[case.name]
  told = type(told) == "table" and told[client] or type(told) == "string" and told
  if told then
    assert(wrong:find(told, 1, true), client .. ": " .. wrong)
  else
    assert(wrong == "", client .. ": " .. wrong .. (exchange.status == 500 and table.concat(lines, "\n") or ""))
    compare(original, got, client)
  end
end

describe("a recorded answer", function()
  local list = recorded()
  if not list then
    return pending("reaches other clients: there is no folder of recorded exchanges")
  end
  for _, case in ipairs(list) do
    it("reaches the clients of other dialects: " .. case.name, function()
      local original = case.stream and read_answer.stream(case.dialect, case.stream, case.framing)
        or read_answer.whole(case.dialect, case.whole)
      for _, client in ipairs(DIALECTS) do
        if client ~= case.dialect then
          check(case, original, client)
        end
      end
    end)
  end
end)
