--- Start and end: addresses, sockets, certificates, signals, file descriptors.
local daemon = require "spec.support.daemon"
local http = require "spec.support.http_client"
local mock_upstream = require "spec.support.mock_upstream"
local posix = require "posix"
local process = require "spec.support.process"
local raw = require "spec.support.raw"
local signal = require "posix.signal"

local DEMO = "  providers = { demo = {} },"
local STREAM = '{"model":"demo-slow-%d","stream":true,"messages":[{"role":"user","content":"x"}]}'

local function config(first, more)
  return ("return {\n  %s,\n  state_dir = \"$FOLDER/state\",\n%s\n}"):format(first, more or DEMO)
end

local function slow_stream(proxy, ms)
  local connection = raw.connect(proxy.address)
  connection:send(http.bytes { path = "/v1/chat/completions", body = STREAM:format(ms) })
  assert.is_truthy(connection:take_through("data:", 5))
  return connection
end

local function certificate(folder, name)
  local code, text = process.run { "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
    "ec_paramgen_curve:prime256v1", "-nodes",
    "-subj", "/CN=" .. name, "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-days", "2",
    "-keyout", folder .. "/key.pem", "-out", folder .. "/cert.pem" }
  assert(code == 0, text)
end

describe("a start", function()
  it("takes no configuration for one with demo alone, and says so", function()
    local proxy = daemon.start { config = "return {}", arguments = { "--listen", "127.0.0.1:0" } }
    assert.equal(200, proxy:request({ path = "/v1/health" }).status)
    proxy:stop()
  end)

  it("tells which providers are off, and after a reload only which are newly so", function()
    local off = '{ script = "openai_compatible", base_url = "http://127.0.0.1:1/v1", api_key = env "%s" },\n'
    local first = "  providers = { demo = {},\n    one = " .. off:format("CPX_NOT_SET_1") .. "%s  },"
    local listen = 'listen = "127.0.0.1:0"'
    local proxy = daemon.start { config = config(listen, first:format("")) }
    proxy:wait_log("provider one is off: CPX_NOT_SET_1 is not set (config.lua:5)")
    local second = config(listen, first:format("    two = " .. off:format("CPX_NOT_SET_2")))
    proxy:save("config.lua", (second:gsub("$FOLDER", function() return proxy.folder end)), "generation 2 serves")
    proxy:wait_log("provider two is off: CPX_NOT_SET_2 is not set (config.lua:6)")
    local _, told = proxy:log():gsub("provider one is off", "")
    assert.equal(1, told)
    proxy:stop()
  end)

  it("with closed standard streams keeps their numbers free of its own", function()
    local code = process.run { "sh", "-c", 'exec "$0" version <&- >&- 2>&-', daemon.binary }
    assert.equal(0, code)
  end)

  it("listens on IPv4 and IPv6", function()
    local proxy = daemon.start { config = config('listen = { "127.0.0.1:0", "[::1]:0" }') }
    local address = proxy:log():match("listening on http://(%[::1%]:%d+)")
    if address then
      assert.equal(200, http.request(address, { path = "/v1/health", host = "[::1]" }).status)
    else
      assert.is_truthy(proxy:log():find("not listening on", 1, true))
    end
    proxy:stop()
  end)

  it("listens on a Unix socket, replaces a stale one, and removes its own", function()
    local proxy = daemon.start { config = config('listen = "unix:$FOLDER/socket"') }
    local path = proxy.folder .. "/socket"
    assert.equal(200, http.request("unix:" .. path, { path = "/v1/health", host = "localhost" }).status)
    proxy.process:signal(signal.SIGKILL)
    proxy.process:wait(5)
    local text = process.read(proxy.folder .. "/config.lua")
    local second = daemon.launch { config = text }
    second:wait_log("listening on")
    assert.equal(200, http.request("unix:" .. path, { path = "/v1/health", host = "localhost" }).status)
    second:stop()
    assert.is_nil(posix.stat(path))
    process.remove(proxy.folder)
  end)

  it("serves TLS, and a new certificate once its files change", function()
    local folder = process.folder()
    certificate(folder, "first")
    local proxy = daemon.start { config = config('listen = "127.0.0.1:0"',
      ('  tls = { cert = "%s/cert.pem", key = "%s/key.pem" },\n%s'):format(folder, folder, DEMO)) }
    local function subject()
      local _, text = process.run { "sh", "-c",
        ("openssl s_client -connect %s </dev/null 2>/dev/null | openssl x509 -noout -subject"):format(proxy.address) }
      return text:match("CN ?= ?(%w+)")
    end
    assert.equal("first", subject())
    local code, text = process.run { "curl", "-sS", "--cacert", folder .. "/cert.pem",
      "https://" .. proxy.address .. "/v1/chat/completions",
      "-d", STREAM:format(1) }
    assert.equal(0, code, text)
    assert.is_truthy(text:find("[DONE]", 1, true))
    certificate(folder, "second")
    process.eventually("the new certificate is shown", function() return subject() == "second" end, 10)
    local plain = raw.connect(proxy.address)
    plain:send("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
    plain:take_all(5)
    plain:close()
    assert.equal("second", subject())
    proxy:stop()
    process.remove(folder)
  end)
end)

describe("an end", function()
  it("lets live streams end: SIGTERM drains", function()
    local proxy = daemon.start { config = daemon.config(DEMO) }
    local connection = slow_stream(proxy, 30)
    proxy.process:signal(signal.SIGTERM)
    proxy:wait_log("stopping; 1 request under way")
    assert.is_truthy(connection:take_through("[DONE]", 10))
    connection:close()
    proxy:finish()
  end)

  it("takes no new connections meanwhile", function()
    local proxy = daemon.start { config = daemon.config(DEMO) }
    local connection = slow_stream(proxy, 50)
    proxy.process:signal(signal.SIGTERM)
    proxy:wait_log("stopping")
    assert.is_false(pcall(raw.connect, proxy.address))
    connection:close()
    proxy:finish()
  end)

  it("cuts what outlasts drain_timeout", function()
    local proxy = daemon.start { config = (daemon.config(DEMO):gsub("drain_timeout = 3", "drain_timeout = 0.3")) }
    local connection = slow_stream(proxy, 900)
    proxy.process:signal(signal.SIGTERM)
    assert.is_nil(connection:take_through("[DONE]", 5))
    proxy:finish()
    connection:close()
  end)

  it("comes at once with a second SIGTERM", function()
    local proxy = daemon.start { config = (daemon.config(DEMO):gsub("drain_timeout = 3", "drain_timeout = 60")) }
    local connection = slow_stream(proxy, 900)
    proxy.process:signal(signal.SIGTERM)
    proxy:wait_log("stopping")
    proxy.process:signal(signal.SIGTERM)
    local code = proxy.process:wait(5)
    assert.is_truthy(code, "it did not end")
    assert.equal(143, code)
    connection:close()
    proxy.stopped = true
    process.remove(proxy.folder)
  end)

  it("is clean with idle connections open", function()
    local proxy = daemon.start { config = daemon.config(DEMO) }
    local open = {}
    for i = 1, 20 do
      open[i] = raw.connect(proxy.address)
      open[i]:send(http.bytes { path = "/v1/health" })
      http.read(open[i])
    end
    proxy:stop()
    for _, connection in ipairs(open) do connection:close() end
  end)
end)

describe("few file descriptors", function()
  it("stop accepting before they run out, say so, and recover", function()
    local proxy = daemon.start { config = daemon.config(DEMO), max_files = 160 }
    local open = {}
    for i = 1, 200 do open[i] = raw.connect(proxy.address) end
    proxy:wait_log("accepting stopped")
    local first = open[1]
    first:send(http.bytes { path = "/v1/health" })
    assert.equal(200, http.read(first).status)
    for _, connection in ipairs(open) do connection:close() end
    process.eventually("it accepts again", function()
      local ok, answer = pcall(proxy.request, proxy, { path = "/v1/health", seconds = 1 })
      return ok and answer.status == 200
    end)
    proxy:stop()
  end)
end)

describe("clients that leave in every state", function()
  it("leave nothing behind", function()
    local mock = mock_upstream.start()
    local proxy = daemon.start { config = daemon.config(([[
  providers = { openai = { base_url = "%s/v1", api_key = "k", models = { "mock*" } }, demo = {} },
]]):format(mock.url)) }
    local request = http.bytes { path = "/v1/chat/completions",
      body = '{"model":"mock-events=50,pace=5","stream":true,"messages":[]}' }
    local before = proxy:descriptors()
    for i = 1, 60 do
      local connection = raw.connect(proxy.address)
      connection:send(request:sub(1, math.floor(#request * i / 40)))
      if i % 3 == 0 then connection:more(0.02) end
      if i % 2 == 0 then connection:reset() else connection:close() end
    end
    process.eventually("all calls have ended", function() return mock:stats().active == 0 end, 10)
    process.eventually("all connections are closed", function() return proxy:descriptors() <= before + 12 end, 10)
    assert.equal(200, proxy:request({ path = "/v1/health" }).status)
    proxy:stop()
    mock:stop()
  end)
end)
