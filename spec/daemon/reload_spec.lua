--- Saved scripts and configurations take effect, broken ones do not, and nobody notices but by what changed. #both
local cjson = require "cjson"
local daemon = require "spec.support.daemon"
local mock_upstream = require "spec.support.mock_upstream"
local process = require "spec.support.process"
local signal = require "posix.signal"

local sanitized = os.getenv("CPX_SANITIZED") ~= nil

--- A provider without a network whose answer is `text`.
local function script(text)
  return ([[
local json = require "cliproxy.json"
local timer = require "cliproxy.timer"
return {
  name = "echo", contract = 1,
  dialects = { "openai_chat" },
  auth = "none",
  models = { "echo" },
  execute = function(call, reply)
    local text = %q
    if not call.stream then
      reply.head(200, { ["content-type"] = "application/json" })
      reply.write('{"id":"1","object":"chat.completion","model":"echo","choices":[{"index":0,'
        .. '"message":{"role":"assistant","content":' .. json.encode(text) .. '},"finish_reason":"stop"}]}')
      return reply.finish()
    end
    reply.head(200, { ["content-type"] = "text/event-stream" })
    reply.write("data: [DONE]\n\n")
    reply.finish()
  end,
}
]]):format(text)
end

local CONFIG = daemon.config [[
  providers = { echo = {}, demo = {} },
]]

local BROKEN = {
  { "a syntax error", "return {\n  name = = 1\n}", "providers/echo%.lua:2: " },
  { "a nil index at the top", 'local x = nil\nreturn { name = x.y }', "providers/echo%.lua:2: " },
  { "no table", "return 5", "providers/echo%.lua" },
  { "a hook that is no function",
    'return { name = "echo", contract = 1, dialects = { "openai_chat" }, auth = "none", shape = 3 }',
    "providers/echo%.lua.*shape" },
  { "an unknown field",
    'return { name = "echo", contract = 1, dialects = { "openai_chat" }, auth = "none", shapes = function() end }',
    "providers/echo%.lua.*shapes" },
  { "another contract", 'return { name = "echo", contract = 99, dialects = { "openai_chat" } }',
    "providers/echo%.lua.*contract" },
  { "an endless loop at the top", "while true do end", "providers/echo%.lua.*50 ms" },
  { "a gigabyte table at the top", "local t = {}\nfor i = 1, 1e9 do t[i] = { i } end\nreturn t",
    "providers/echo%.lua" },
  { "an endless recursion at the top", "local function f() return 1 + f() end\nreturn f()", "providers/echo%.lua" },
  { "a string without end at the top", 'return ("a"):rep(2e9)', "providers/echo%.lua" },
  { "an empty file", "", "providers/echo%.lua" },
  { "bytecode", "\27LJ\2\0", "providers/echo%.lua" },
}

describe("a reload #both", function()
  local proxy

  before_each(function()
    proxy = daemon.start { config = CONFIG, files = { ["providers/echo.lua"] = script("one") } }
  end)
  after_each(function() if proxy then proxy:stop() end end)

  local function says()
    local answer = proxy:post("/v1/chat/completions", { model = "echo", messages = {} })
    assert.equal(200, answer.status, answer.body)
    return cjson.decode(answer.body).choices[1].message.content
  end

  it("serves what was saved", function()
    assert.equal("one", says())
    proxy:save("providers/echo.lua", script("two"))
    assert.equal("two", says())
  end)

  it("sees a file written in place, too", function()
    local from = #proxy:log() + 1
    process.write(proxy.folder .. "/providers/echo.lua", script("in place"))
    proxy:wait_log("serves, ", from)
    assert.equal("in place", says())
  end)

  it("keeps the old one where the new one is broken, and says file and line", function()
    for _, row in ipairs(BROKEN) do
      local from = #proxy:log() + 1
      proxy:save("providers/echo.lua", row[2], "still serves")
      assert.matches(row[3], proxy:log():sub(from), row[1])
      assert.equal("one", says(), row[1])
      local deep = proxy:deep()
      assert.equal("stale", deep.status, row[1])
      assert.is_false(deep.reload.ok)
    end
    proxy:save("providers/echo.lua", script("mended"))
    assert.equal("mended", says())
    assert.equal("ok", proxy:deep().status)
  end)

  it("takes changes of config.lua: a new route, a new provider", function()
    proxy:save("config.lua", daemon.config [[
  providers = { echo = {}, demo = {} },
  routes = { { model = "alias", to = "echo/echo" } },
]])
    local answer = proxy:post("/v1/chat/completions", { model = "alias", messages = {} })
    assert.equal(200, answer.status, answer.body)
    proxy:save("config.lua", "return { providers = { nothing = {} } }", "still serves")
    assert.equal(200, proxy:post("/v1/chat/completions", { model = "alias", messages = {} }).status)
  end)

  it("happens on SIGHUP", function()
    local from = #proxy:log() + 1
    proxy.process:signal(signal.SIGHUP)
    proxy:wait_log("serves, ", from)
    assert.equal("one", says())
  end)

  it("lets a stream end on the script it began with", function()
    proxy:save("providers/echo.lua", (script("old"):gsub('reply.write%("data: %[DONE%]\\n\\n"%)', function()
      return [[for i = 1, 20 do
      timer.sleep(0.02)
      reply.write('data: {"choices":[{"index":0,"delta":{"content":"' .. text .. '"}}]}\n\n')
    end
    reply.write("data: [DONE]\n\n")]]
    end)))
    local http = require "spec.support.http_client"
    local connection = require("spec.support.raw").connect(proxy.address)
    connection:send(http.bytes { path = "/v1/chat/completions", body = '{"model":"echo","stream":true,"messages":[]}' })
    assert.is_truthy(connection:take_through("old", 5))
    proxy:save("providers/echo.lua", script("new"))
    assert.equal("new", says())
    local rest = connection:take_through("[DONE]", 10)
    assert.is_truthy(rest, "the stream did not end")
    assert.is_nil(rest:find("new", 1, true))
    connection:close()
  end)
end)

describe("many reloads under load #both", function()
  local reloads = tonumber(os.getenv("CPX_RELOADS")) or (sanitized and 40 or 200)
  local streams = tonumber(os.getenv("CPX_STREAMS")) or 50

  local function rewrite(proxy, number)
    if number % 10 == 0 then
      proxy:save("providers/echo.lua", "return nonsense(" .. number, "still serves")
    elseif number % 2 == 0 then
      proxy:save("config.lua", CONFIG:gsub("drain_timeout = 3", "drain_timeout = " .. 3 + number % 5) .. "")
    else
      proxy:save("providers/echo.lua", script("number " .. number))
    end
  end

  it("fail no request, hold no memory, leave one generation", function()
    local proxy = daemon.start { config = CONFIG, files = { ["providers/echo.lua"] = script("one") } }
    local body = '{"model":"demo-slow-20","stream":true,"messages":[{"role":"user","content":"x"}]}'
    local seconds = reloads * (sanitized and 0.5 or 0.1) + 2
    local stream_load = mock_upstream.load_start { "--to", proxy.address, "--data", body, "--connections",
      tostring(streams),
      "--seconds", tostring(seconds), "--contains", "[DONE]", "--ramp", "2000" }
    local request_load = mock_upstream.load_start { "--to", proxy.address, "--data", '{"model":"echo","messages":[]}',
      "--connections", "2", "--think", "5", "--seconds", tostring(seconds) }
    local early
    local times = {}
    for number = 1, reloads do
      rewrite(proxy, number)
      times[number] = tonumber(proxy:log():match(".*, ([%d.]+) ms after the change"))
      if number == math.max(10, math.floor(reloads / 10)) then early = proxy:rss() end
    end
    local late = proxy:rss()
    local report, requests = stream_load:finish(seconds + 60), request_load:finish(seconds + 60)
    assert.equal(0, report.errors, "streams: " .. report.first_error)
    assert.equal(0, requests.errors, "requests: " .. requests.first_error)
    assert.is_true(report.requests >= streams and requests.requests > 50)
    proxy:save("providers/echo.lua", script("the end"))
    process.eventually("one generation is left", function() return #proxy:deep().generations == 1 end, 5)
    if not sanitized then
      assert.is_true(late - early <= 2 * 1024 * 1024, ("%.2f MB more at the end"):format((late - early) / 1048576))
      table.sort(times)
      local p99 = times[math.ceil(#times * 0.99)]
      -- bench/run.sh holds the mark of 100 ms; here the streams' clients share the CPUs.
      assert.is_true(p99 <= 300, ("%.0f ms from the change to serving (p99)"):format(p99))
    end
    proxy:stop()
  end)
end)
