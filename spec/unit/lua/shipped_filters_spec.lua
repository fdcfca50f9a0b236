local filters = require("cliproxy.filters")
local findings_of = require("cliproxy.findings")
local folder_of = require("spec.support.folder")
local json = require("cliproxy.json")
local live = require("cliproxy.live")
local snapshot = require("cliproxy.snapshot")
local system = require("cliproxy.system")

local folder

before_each(function()
  folder = folder_of.new({ ["providers/p.lua"] = folder_of.provider("p", 'auth = "none",') })
end)
after_each(function()
  folder:remove()
end)

--- Runs a listed filter over a request; the document, the failure, the warnings.
local function run(item, dialect, text, operation)
  folder:write("config.lua", ("return { providers = { p = {} }, filters = { %s } }"):format(item))
  local built, messages = snapshot.build({ path = folder.path .. "/config.lua" })
  assert(built, messages[1] and findings_of.text(messages[1]))
  live.publish(built)
  local work = { id = "req_1", snapshot = built, live = live.current(), dialect = dialect, exchange = {},
    operation = operation or "generate", model = "m", stream = false, document = json.parse(text),
    target = { instance = built.instances.p, model = "m" } }
  local failure = filters.request(work, work.target)
  return json.encode(work.document), failure, work.warnings
end

local function chat(words)
  return json.encode({ messages = { { role = "user", content = words } } })
end

local function redacted(words, options)
  local text, failure, warnings = run(('{ "redact", %s }'):format(options or ""), "openai_chat", chat(words))
  assert.is_nil(failure and failure.text)
  return json.parse(text).messages[1].content, warnings
end

local A = ("a1B2"):rep(12)

describe("redact", function()
  it("replaces secrets of every kind that it knows", function()
    local pem = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n" .. A .. "\n-----END RSA PRIVATE KEY-----"
    local cases = {
      { "sk-proj-" .. A, "API key" }, { "sk-ant-api03-" .. A .. "_x-y", "API key" }, { "gsk_" .. A, "API key" },
      { "xai-" .. A, "API key" }, { "AIza" .. A:sub(1, 35), "API key" }, { "sk_live_" .. A, "API key" },
      { "AKIAIOSFODNN7EXAMPLE", "AWS key" }, { "ghp_" .. A:sub(1, 36), "GitHub token" },
      { "github_pat_" .. A, "GitHub token" }, { "glpat-" .. A:sub(1, 20), "GitLab token" },
      { "xoxb-1234567890-" .. A, "Slack token" }, { "npm_" .. A:sub(1, 36), "npm token" },
      { "hf_" .. A:sub(1, 34), "Hugging Face token" }, { "eyJhbGciOiJ9.eyJzdWIiOiIx" .. A .. "." .. A, "signed token" },
      { pem, "private key" }, { (pem:gsub("RSA ", "")), "private key" },
    }
    for _, case in ipairs(cases) do
      local text, warnings = redacted("before " .. case[1] .. " after")
      assert.equal("before [redacted " .. case[2] .. "] after", text)
      assert.same({ "filters.redact;1 secret replaced" }, warnings)
    end
    assert.equal("postgres://me:[redacted password]@db/x", (redacted("postgres://me:hunter2@db/x")))
    assert.equal("a [redacted private key]", (redacted("a -----BEGIN PRIVATE KEY-----\n" .. A .. "\n")))
    assert.equal("[redacted AWS key] and [redacted AWS key]",
      (redacted("AKIAIOSFODNN7EXAMPLE and ASIAIOSFODNN7EXAMPLE")))
  end)

  it("leaves alone what only looks alike", function()
    for _, words in ipairs({ "sk-learn is a library", "task-" .. A, "AKIA", "ghp_short", "http://host:8080/a@b",
      "https://user@host/", "BEGIN PRIVATE KEY", "me@example.com", "100% sure: eyJ.eyJ.x", "a:b@c" }) do
      local text, warnings = redacted(words)
      assert.equal(words, text)
      assert.is_nil(warnings)
    end
  end)

  it("takes e-mail addresses, words and patterns as configured", function()
    assert.equal("[redacted e-mail address], <[redacted e-mail address]>.",
      (redacted("me@example.com, <a.b+c@x-y.co.uk>.", "emails = true")))
    assert.equal("[redacted secret] [redacted secret]%d", (redacted("pa.s%w INT-5%d", 'words = { "pa.s%w" }, '
      .. 'patterns = { "INT%-%d" }')))
    assert.equal("pa-s***", (redacted("pa-spa.s", 'words = { "pa.s" }, replacement = "***"')))
  end)

  it("answers with 400 where that is wanted", function()
    local text, failure = run('{ "redact", refuse = true }', "openai_chat", chat("AKIAIOSFODNN7EXAMPLE"))
    assert.same({ 400, "the request holds 1 secret, which may not leave this machine" },
      { failure.status, failure.text })
    assert.is_nil(failure.text:find("AKIA"))
    assert.is_string(text)
    assert.is_nil(select(2, run('{ "redact", refuse = true }', "openai_chat", chat("fine"))))
  end)

  it("looks at everything that a model reads, in every dialect, and at nothing else", function()
    local K = "AKIAIOSFODNN7EXAMPLE"
    local bodies = {
      openai_chat = [[{"user":"K","messages":[{"role":"system","content":"K"},{"role":"user","content":[
        {"type":"text","text":"K"},{"type":"image_url","image_url":{"url":"data:K"}}]},{"role":"assistant",
        "tool_calls":[{"id":"K","function":{"name":"f","arguments":"{\"a\":\"K\",\"n\":1.0}"}}]},
        {"role":"tool","content":"K"}],"tools":[{"type":"function","function":{"name":"f","description":"K"}}]}]],
      openai_responses = [[{"instructions":"K","input":[{"role":"user","content":"K"},{"type":"function_call",
        "call_id":"K","arguments":"{\"a\":[\"K\"]}"},{"type":"function_call_output","output":[{"type":"input_text",
        "text":"K"}]},{"type":"shell_call_output","output":[{"stdout":"K"}]}],"tools":[{"type":"function",
        "name":"f","description":"K"}]}]],
      anthropic = [[{"system":[{"type":"text","text":"K"}],"messages":[{"role":"user","content":"K"},{"role":
        "assistant","content":[{"type":"thinking","thinking":"K","signature":"K"},{"type":"tool_use","id":"K",
        "name":"f","input":{"data":"K","n":[1.0,"K"]}}]},{"role":"user","content":[{"type":"tool_result",
        "tool_use_id":"K","content":[{"type":"text","text":"K"}]}]}]}]],
      gemini = [[{"system_instruction":{"parts":[{"text":"K"}]},"contents":[{"parts":[{"text":"K"}]},{"role":"model",
        "parts":[{"thoughtSignature":"K","functionCall":{"name":"f","args":{"a":"K"}}}]},{"parts":[
        {"functionResponse":{"name":"f","response":{"out":{"text":"K"}}}},{"inlineData":{"mimeType":"text/plain",
        "data":"K"}}]}]}]],
    }
    local left = { openai_chat = 3, openai_responses = 1, anthropic = 4, gemini = 2 }
    for dialect, body in pairs(bodies) do
      local text, failure = run('"redact"', dialect, (body:gsub("K", K)))
      assert.is_nil(failure)
      local back, kept = text:gsub(K, "K"):gsub("%[redacted AWS key%]", "K"), select(2, text:gsub(K, ""))
      assert.equal(body, back)
      assert.equal(left[dialect], kept, dialect)
    end
    local text = run('"redact"', "openai_chat", '{"input":["' .. K .. '","x"]}', "embed")
    assert.equal('{"input":["[redacted AWS key]","x"]}', text)
  end)

  it("says where a pattern of the configuration is none", function()
    local _, failure = run('{ "redact", patterns = { "[a" } }', "openai_chat", chat("x"))
    assert.equal("script_error", failure.code)
    assert.matches("^providers/filters/redact.lua:%d+: request%(%): malformed pattern", failure.text)
  end)

  it("looks through a large request well within its budget", function()
    local messages = {}
    for i = 1, 400 do
      messages[i] = { role = "user", content = ("line of source code, %d = f(x)\n"):rep(40) }
    end
    messages[401] = { role = "user", content = "AKIAIOSFODNN7EXAMPLE" }
    local body = json.encode({ messages = messages })
    assert.is_true(#body > 450000)
    local started = system.now()
    local text, failure = run('"redact"', "openai_chat", body)
    assert.is_nil(failure and failure.text)
    assert.equal((body:gsub("AKIAIOSFODNN7EXAMPLE", "[redacted AWS key]")), text)
    assert.is_true(system.now() - started < 0.5)
  end)
end)

--- An agent's conversation in Anthropic's dialect: turns of a question, calls with results, and an answer.
local function agent(turns, calls, size)
  local messages = {}
  local function add(role, content)
    messages[#messages + 1] = { role = role, content = content }
  end
  for turn = 1, turns do
    add("user", "question " .. turn)
    for call = 1, calls do
      local id = ("c%d_%d"):format(turn, call)
      add("assistant", { { type = "tool_use", id = id, name = "f", input = json.object({}) } })
      add("user", { { type = "tool_result", tool_use_id = id, content = id .. (" ä"):rep(size) } })
    end
    add("assistant", "answer " .. turn)
  end
  return json.encode({ messages = messages })
end

local function results_of(text)
  local out = {}
  for _, message in json.each(json.parse(text).messages) do
    if json.kind(message.content) == "array" and message.content[1].type == "tool_result" then
      out[#out + 1] = message.content[1].content
    end
  end
  return out
end

describe("trim", function()
  it("shortens old results, in steps, in whole characters", function()
    local body = agent(3, 10, 500)
    local text, failure, warnings = run('{ "trim", results = 5, step = 10, shorten_to = 100 }', "anthropic", body)
    assert.is_nil(failure and failure.text)
    local results = results_of(text)
    assert.equal(30, #results)
    for i, result in ipairs(results) do
      if i <= 20 then
        assert.matches("^c%d_%d+ ä.*ä \n%[14%d%d bytes of this result were left out%]$", result)
        assert.is_true(#result < 160)
      else
        assert.is_true(#result > 1500)
      end
    end
    assert.same({ "filters.trim;20 results of tools shortened" }, warnings)
  end)

  it("begins two prompts of one step with the same bytes", function()
    local function prefix(calls)
      local text = run('{ "trim", results = 5, step = 10, shorten_to = 100 }', "anthropic", agent(1, calls, 500))
      return text:sub(1, 5000)
    end
    assert.equal(prefix(15), prefix(24))
    assert.not_equal(prefix(24), prefix(25))
  end)

  it("leaves short conversations byte for byte", function()
    local body = agent(2, 5, 500)
    local text, _, warnings = run('"trim"', "anthropic", body)
    assert.equal(body, text)
    assert.is_nil(warnings)
  end)

  it("leaves out old turns with their calls and results, and keeps the first words", function()
    local body = agent(5, 2, 1)
    local function texts(options)
      local text, _, warnings = run('{ "trim", ' .. options .. " }", "anthropic", body)
      local out, open = {}, {}
      for _, message in json.each(json.parse(text).messages) do
        if type(message.content) == "string" then
          out[#out + 1] = message.content
        elseif message.content[1].type == "tool_use" then
          open[message.content[1].id] = true
        else
          assert.is_true(open[message.content[1].tool_use_id])
        end
      end
      return out, warnings
    end
    local out, warnings = texts("turns = 2")
    assert.same({ "question 1", "question 4", "answer 4", "question 5", "answer 5" }, out)
    assert.same({ "filters.trim;3 turns left out" }, warnings)
    assert.same({ "question 5", "answer 5" }, (texts("turns = 1, keep_first = false")))
    assert.equal(10, #texts("turns = 5"))
  end)

  it("does the same in the other dialects", function()
    local chat_body = [[{"messages":[{"role":"system","content":"s"},{"role":"user","content":"1"},{"role":"assistant",
      "tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"a",
      "content":"LONG"},{"role":"assistant","content":"A"},{"role":"user","content":"2"}]}]]
    local long = ("x"):rep(50)
    local text = run('{ "trim", results = 0, step = 1, shorten_to = 3 }', "openai_chat", (chat_body:gsub("LONG", long)))
    assert.equal((chat_body:gsub("LONG", "xxx\\n[47 bytes of this result were left out]")), text)
    text = run('{ "trim", turns = 1, keep_first = false }', "openai_chat", chat_body)
    assert.equal('{"messages":[{"role":"system","content":"s"},{"role":"user","content":"2"}]}', text)
    text = run('{ "trim", turns = 1, keep_first = false }', "openai_responses", [[{"input":[{"role":"user",
      "content":"1"},{"type":"reasoning","id":"r","summary":[]},{"type":"function_call","call_id":"a"},
      {"type":"function_call_output","call_id":"a","output":"x"},{"role":"user","content":"2"}]}]])
    assert.equal('{"input":[{"role":"user","content":"2"}]}', text)
    text = run('{ "trim", results = 0, step = 1, shorten_to = 3 }', "gemini",
      '{"contents":[{"parts":[{"functionResponse":{"name":"f","response":{"output":"' .. long .. '"}}}]}]}')
    assert.equal('{"contents":[{"parts":[{"functionResponse":{"name":"f","response":{"output":"xxx\\n[47 bytes of this '
      .. 'result were left out]"}}}]}]}', text)
    text = run('"trim"', "openai_responses", '{"input":"one"}')
    assert.equal('{"input":"one"}', text)
  end)
end)

describe("docs/filters.md", function()
  local scripts = {}
  for block in assert(system.read(system.root .. "/docs/filters.md")):gmatch("```lua\n(.-)```") do
    local name = block:match('%-%-%-@type cliproxy.FilterScript\nreturn {\n  name = "([%l_]+)"')
    scripts[name or ""] = name and block or nil
  end

  before_each(function()
    for name, text in pairs(scripts) do
      folder:write("providers/filters/" .. name .. ".lua", text)
    end
  end)

  it("has a filter of house rules that works", function()
    local item = '{ "house_rules", text = "Rule.", max_tokens = 50 }'
    assert.equal('{"messages":[],"system":"Rule.","max_tokens":50}', (run(item, "anthropic", '{"messages":[]}')))
    assert.equal('{"system":"S.\\nRule.","max_tokens":5}', (run(item, "anthropic", '{"system":"S.","max_tokens":5}')))
    assert.equal('{"system":"S."}', (run(item, "anthropic", '{"system":"S."}', "count")))
  end)

  it("has a filter against shells that works", function()
    local text, failure, warnings = run('"no_shell"', "anthropic",
      '{"tools":[{"name":"bash"},{"name":"ls"}],"messages":[]}')
    assert.is_nil(failure)
    assert.equal('{"tools":[{"name":"ls"}],"messages":[]}', text)
    assert.same({ "filters.no_shell;bash was taken out of the tools" }, warnings)
    failure = select(2, run('"no_shell"', "anthropic",
      '{"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"bash","input":{}}]}]}'))
    assert.same({ 400, "this conversation has called bash before; start a new one" }, { failure.status, failure.text })
  end)

  it("names every option of the shipped filters", function()
    local page = system.read(system.root .. "/docs/filters.md")
    folder:write("config.lua", 'return { filters = { "redact", "trim" } }')
    local built = assert(snapshot.build({ path = folder.path .. "/config.lua" }))
    for _, filter in ipairs(built.filters) do
      for name in pairs(filter.filter.options) do
        assert.is_truthy(page:find("| `" .. name .. "` |", 1, true), name)
      end
    end
  end)
end)
