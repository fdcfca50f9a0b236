--- Scripts that misbehave, in each place where they are entered: one clear error for their own
--- request, and the streams beside them go on without a gap. #both
local cjson = require "cjson"
local daemon = require "spec.support.daemon"
local mock_upstream = require "spec.support.mock_upstream"

local sanitized = os.getenv("CPX_SANITIZED") ~= nil
local GAP_MS = sanitized and 1500 or 100

--- CPU ticks of the whole machine so far, and those of `pids` with the children they waited for.
local function ticks(pids)
  local process, busy, ours, fields = require("spec.support.process"), 0, 0, {}
  for n in process.read("/proc/stat"):match("^cpu ([^\n]*)"):gmatch("%d+") do fields[#fields + 1] = tonumber(n) end
  for i, n in ipairs(fields) do
    if i ~= 4 and i ~= 5 then busy = busy + n end -- idle, waiting for disks
  end
  for _, pid in ipairs(pids) do
    local stat = process.read(("/proc/%d/stat"):format(pid)) or ""
    local user, system, children_user,
      children_system = stat:match("%) " .. ("%S+ "):rep(11) .. "(%d+) (%d+) (%d+) (%d+)")
    if user then ours = ours + user + system + children_user + children_system end
  end
  return busy - ours
end

local CRIMES = {
  loop = "while true do end",
  protected_loop = "while true do pcall(function() while true do end end) end",
  rep = 'local s = ("a"):rep(2e9) return #s',
  gigabyte = "local t = {} for i = 1, 1e9 do t[i] = { i } end",
  recursion = "local function f() return 1 + f() end f()",
  pattern = '(("a"):rep(100000)):find((".-"):rep(20) .. "b")',
  concat = 'local s = "x" for _ = 1, 40 do s = s .. s end',
  sort = "local t = {} for i = 1, 1e6 do t[i] = i end table.sort(t, function() return true end)",
  index = "local x = nil return x.y",
  raise = 'error("on purpose")',
  raise_table = "error({ code = 1 })",
  global = "counter = 1",
}

-- Where the crime is done: the provider's entry. %s is its code; the model asked for is "bad".
local PLACES = {
  shape = "shape = function(call) %s end",
  authorize = "authorize = function(call, account) %s end",
  ["authorize, after a wait"] = 'authorize = function(call, account) timer.sleep(0.01) %s end',
  event = "event = function(call, event) %s end",
  response = "response = function(call, document) %s end",
  classify = "classify = function(reply) %s end",
  execute = "execute = function(call, reply) %s end",
  ["execute, after its head"] = [[execute = function(call, reply)
    reply.head(200, { ["content-type"] = "text/event-stream" })
    reply.write('data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n') %s end]],
}

local function provider(place, crime)
  return ([[
local timer = require "cliproxy.timer"
return {
  name = "bad", contract = 1, dialects = { "openai_chat" }, auth = "none", models = { "bad*" },
  options = { base_url = { type = "url", required = true } },
  %s,
}
]]):format((PLACES[place]:gsub("%%s", function() return "do " .. CRIMES[crime] .. " end" end)))
end

local function config(url, crime)
  return daemon.config(([[
  providers = {
    openai = { base_url = "%s/v1", api_key = "k", models = { "mock*" } },
    bad = { base_url = "%s/v1" },
    demo = {},
  },
  routes = { function(request) if request.model == "route" then %s end end },
]]):format(url, url, "do " .. CRIMES[crime] .. " end"))
end

describe("a script that misbehaves #both", function()
  local mock

  setup(function() mock = mock_upstream.start() end)
  teardown(function() if mock then mock:stop() end end)

  --- Runs `crimes` against a proxy with 50 paced streams beside it.
  local function beside_streams(options, crimes)
    local proxy = daemon.start(options)
    local load = mock_upstream.load_start { "--to", proxy.address, "--connections", "50", "--requests", "50",
      "--contains", "[DONE]",
      "--data", '{"model":"mock-events=' .. (sanitized and 100 or 60) .. ',pace=20","stream":true,"messages":[]}' }
    require("spec.support.process").eventually("the streams run", function() return mock:stats().active >= 50 end)
    local pids = { proxy.process.pid, mock.process.pid, load.process.pid, require("posix").getpid("pid") }
    local began, others = require("spec.support.process").now(), ticks(pids)
    local ok, message = pcall(crimes, proxy)
    if not ok then message = tostring(message) .. "\nthe log ends:\n" .. proxy:log():sub(-2000) end
    others = (ticks(pids) - others) / 100 / (require("spec.support.process").now() - began)
    local report = load:finish(60)
    assert(not proxy.process:ended(), ("cliproxy ended with %s; %s; its log ends:\n%s"):format(tostring(
      proxy.process.code), tostring(message),
      proxy:log():sub(-2000)))
    local left = proxy:post("/v1/chat/completions", { model = "demo", messages = { { role = "user", content = "x" } } })
    proxy:stop()
    assert(ok, message)
    assert.equal(200, left.status, left.body)
    assert.equal(0, report.errors, report.first_error)
    -- 50 ms of CPU take as long as the machine lets them: on one that has no time
    -- to spare the limit would be its neighbours'.
    local limit = others < 0.1 and GAP_MS or 20 * GAP_MS
    assert.is_true(report.gap.max <= limit * 1000,
      ("a stream beside it had a gap of %.0f ms; other processes took %.0f %% of a CPU"):format(
      report.gap.max / 1000, others * 100))
  end

  --- One clear error, in the client's envelope or as a broken stream; never a clean answer.
  local function assert_refused(answer, stream)
    if answer.status == 200 then
      assert.is_true(stream, "a clean answer: " .. answer.body)
      assert.is_nil(answer.body:find("[DONE]", 1, true), "a clean end")
      return
    end
    assert.is_true(answer.status >= 500, answer.body)
    assert.is_truthy(cjson.decode(answer.body).error.message)
  end

  local function ask(proxy, model, stream, plan)
    return proxy:post("/v1/chat/completions", { model = model, stream = stream, messages = {} },
      plan and { ["idempotency-key"] = "mock:" .. plan })
  end

  for crime in pairs(CRIMES) do
    it(("with %s in a route function gets a 500 that names it"):format(crime), function()
      beside_streams({ config = config(mock.url, crime), files = { ["providers/bad.lua"] = provider("shape",
        "raise") } }, function(proxy)
        local answer = ask(proxy, "route")
        assert.equal(500, answer.status, answer.body)
        assert.matches("config%.lua", cjson.decode(answer.body).error.message)
      end)
    end)
  end

  for place in pairs(PLACES) do
    it(("in %s never answers cleanly and hurts nobody else"):format(place), function()
      local options = { config = config(mock.url, "raise"), files = { ["providers/bad.lua"] = provider(place,
        "loop") } }
      beside_streams(options, function(proxy)
        for crime in pairs(CRIMES) do
          if crime ~= "loop" then proxy:save("providers/bad.lua", provider(place, crime)) end
          local stream = place == "event" or place == "execute, after its head"
          local answer = ask(proxy, "bad", stream, place == "classify" and "status=500" or nil)
          if place == "classify" then assert.is_true(answer.status >= 500) else assert_refused(answer, stream) end
          if answer.status == 500 and place ~= "classify" then
            assert.matches("providers/bad%.lua", cjson.decode(answer.body).error.message)
          end
        end
      end)
    end)
  end

  it("cannot make the proxy grow without end", function()
    local proxy = daemon.start { config = config(mock.url, "gigabyte"),
      files = { ["providers/bad.lua"] = provider("shape", "gigabyte") } }
    for _ = 1, 25 do ask(proxy, "bad") end
    -- Each may take 64 MB, and what they leave is collected in steps.
    local rss = proxy:rss()
    assert.is_true(sanitized or rss < 300e6, ("%.1f MB"):format(rss / 1e6))
    proxy:stop()
  end)
end)
