--- What an upstream can do wrong, and the one clear answer that the client gets: never a clean end of a broken stream.
local cjson = require "cjson"
local daemon = require "spec.support.daemon"
local mock_upstream = require "spec.support.mock_upstream"
local process = require "spec.support.process"
local raw = require "spec.support.raw"
local http = require "spec.support.http_client"

local CONFIG = [[
  timeouts = { connect = 1, first_byte = 0.7, idle = 0.7 },
  providers = {
    openai = { base_url = "%s/v1", api_key = "sk-secret-1", models = { "mock*" } },
    claude = { script = "anthropic", base_url = "%s", api_key = "sk-secret-2", models = { "c-mock*" } },
    gone = { script = "openai_compatible", base_url = "http://127.0.0.1:1/v1", models = { "gone" } },
    nowhere = { script = "openai_compatible", base_url = "http://does-not-exist.invalid/v1", models = { "nowhere" } },
    plain = { script = "openai_compatible", base_url = "https://127.0.0.1:%d/v1", models = { "plain" } },
  },
]]

describe("an upstream that fails", function()
  local mock, proxy

  setup(function()
    mock = mock_upstream.start()
    proxy = daemon.start { config = daemon.config(CONFIG:format(mock.url, mock.url, mock.port)) }
  end)
  teardown(function()
    if mock then mock:stop() end
    if proxy then proxy:stop() end
  end)

  local function chat(model, stream)
    return proxy:post("/v1/chat/completions", { model = model, stream = stream, messages = { { role = "user",
      content = "x" } } })
  end

  local function messages(plan, stream)
    return proxy:post("/v1/messages", { model = "c-mock", stream = stream, max_tokens = 5, messages = {} },
      { ["idempotency-key"] = "mock:" .. plan })
  end

  local function text_of(answer)
    local ok, body = pcall(cjson.decode, answer.body)
    assert.is_true(ok, "not JSON: " .. answer.body)
    return body.error.message
  end

  -- model, status, what the message holds
  local TABLE = {
    { "refuses the connection", "gone", 502, "gone could not be reached" },
    { "has a name that does not resolve", "nowhere", 502, "nowhere.*resolved" },
    { "speaks no TLS", "plain", 502, "TLS" },
    { "never answers", "mock-never", 504, "openai.*too slow" },
    { "answers after the first-byte time-out", "mock-delay=3000", 504, "too slow" },
    { "resets at once", "mock-reset", 502, "openai" },
    { "is no HTTP server", "mock-garbage", 502, "openai" },
    { "answers HTML", "mock-html", 502, "text/html instead of JSON" },
    { "answers an HTML error page", "mock-status=502,html", 502, "502" },
    { "answers an error without a body", "mock-status=500,empty", nil, "500" },
    { "refuses our key", "mock-status=401", 502, "refused cliproxy's key" },
    { "redirects", "mock-status=302", 502, "redirect" },
  }
  for _, row in ipairs(TABLE) do
    it(("gets a clear answer when it %s"):format(row[1]), function()
      local answer = chat(row[2])
      if row[3] then assert.equal(row[3], answer.status, answer.body) end
      assert.matches(row[4], text_of(answer))
      assert.is_nil(answer.body:find("sk%-secret"))
    end)
  end

  it("has its own errors passed on as they are, retry-after too", function()
    local answer = chat("mock-status=429,retry=7")
    assert.equal(429, answer.status)
    assert.equal("7", answer.headers["retry-after"])
    assert.equal('{"error":{"message":"mock says 429","type":"mock_error","param":null,"code":"mock_code"}}',
      answer.body)
    assert.equal("99", answer.headers["x-ratelimit-remaining-requests"])
  end)

  it("cannot cut a whole answer short unseen, at any place", function()
    for _, plan in ipairs { "lie,size=200000", "lie,size=50", "cut=0,size=2000", "cut=1,size=2000",
      "cut=1500,size=2000" } do
      local ok, answer = pcall(chat, "mock-" .. plan)
      -- Either no answer at all, or one that HTTP tells to be cut, or ours.
      assert.is_true(not ok or not answer.whole or answer.status == 502, plan)
    end
  end)

  it("gets a 502 that says so when it ends before the first byte of its body", function()
    for _, plan in ipairs { "cut=0,size=2000", "cut=0,reset,size=2000" } do
      local answer = chat("mock-" .. plan)
      assert.equal(502, answer.status, plan)
      assert.matches("closed", text_of(answer))
    end
    local answer = chat("mock-events=5,cut=0", true)
    assert.equal(502, answer.status)
  end)

  local function broken_stream(answer, done)
    assert.is_nil(answer.body:find(done, 1, true), "a clean end: " .. answer.body:sub(-300))
    assert.is_true(not answer.whole or answer.body:find('"error"', 1, true) ~= nil,
      "it looks whole: " .. answer.body:sub(-300))
  end

  it("cannot end a cut stream cleanly: Chat", function()
    local answer = chat("mock-events=50,cut=5000", true)
    assert.equal(200, answer.status)
    broken_stream(answer, "[DONE]")
    assert.is_truthy(answer.body:find('"error"', 1, true), "no error event")
  end)

  it("cannot end a reset stream cleanly: Chat", function()
    broken_stream(chat("mock-events=50,pace=2,cut=10,reset", true), "[DONE]")
  end)

  it("cannot end a cut stream cleanly: Messages", function()
    local answer = messages("events=50,cut=5000", true)
    broken_stream(answer, "message_stop")
    assert.is_truthy(answer.body:find("event: error", 1, true), "no error event: " .. answer.body:sub(-300))
  end)

  it("gets a stream that stops coming ended with an error", function()
    local answer = chat("mock-events=5,pace=1500", true)
    assert.is_true(answer.status == 504 or answer.status == 200)
    if answer.status == 200 then broken_stream(answer, "[DONE]") end
  end)

  it("gets an over-long event refused, in bounded memory", function()
    local before = proxy:rss()
    local answer = chat("mock-big=40000000,events=1", true)
    assert.is_true(not answer.whole or answer.status == 502 or answer.body:find('"error"', 1, true) ~= nil)
    assert.is_true(proxy:rss() - before < 60e6 or os.getenv("CPX_SANITIZED") ~= nil)
  end)

  it("may send its events in any pieces", function()
    for _, split in ipairs { "1", "rand", "7" } do
      local answer = chat("mock-events=30,split=" .. split, true)
      assert.is_true(answer.whole)
      assert.equal("[DONE]", http.events(answer.body)[33])
    end
  end)

  it("is called with its own key and nothing of the client's", function()
    proxy:request { path = "/v1/chat/completions", body = '{"model":"mock","messages":[]}', headers = {
      authorization = "Bearer client-secret", cookie = "a=b", ["x-stainless-os"] = "x", ["user-agent"] = "sdk/1",
      ["accept-encoding"] = "zstd", ["openai-beta"] = "yes", traceparent = "00-1" } }
    local head = mock:last_head():lower()
    assert.is_truthy(head:find("authorization: bearer sk-secret-1", 1, true))
    assert.is_truthy(head:find("user%-agent: cliproxy/"))
    assert.is_truthy(head:find("openai-beta: yes", 1, true))
    assert.is_truthy(head:find("traceparent: 00-1", 1, true))
    for _, name in ipairs { "client-secret", "cookie", "x-stainless", "sdk/1", "zstd" } do
      assert.is_nil(head:find(name, 1, true), name .. " reached the provider:\n" .. head)
    end
  end)

  it("hears at once that the client has left", function()
    local before = mock:stats().aborted
    local connection = raw.connect(proxy.address)
    connection:send(http.bytes { path = "/v1/chat/completions",
      body = '{"model":"mock-events=1000,pace=20","stream":true,"messages":[]}' })
    assert.is_truthy(connection:take_through("data:", 5))
    connection:close()
    process.eventually("the upstream call ends", function() return mock:stats().aborted > before end, 3)
    process.eventually("the log says so", function() return proxy:log():find(" 499 ", 1, true) end, 3)
  end)

  it("hears it also before the first byte", function()
    local before = mock:stats().aborted
    local connection = raw.connect(proxy.address)
    connection:send(http.bytes { path = "/v1/chat/completions", body = '{"model":"mock-delay=600","messages":[]}' })
    process.eventually("the call arrives", function() return mock:stats().active > 0 end, 3)
    connection:close()
    process.eventually("the upstream call ends", function() return mock:stats().aborted > before end, 3)
  end)

  it("is paused by a client that does not read, and memory stays bounded", function()
    local before = proxy:rss()
    local connection = raw.connect(proxy.address)
    connection.socket:setoption("recv-buffer-size", 4096)
    connection:send(http.bytes { path = "/v1/chat/completions",
      body = '{"model":"mock-events=60000,size=800","stream":true,"messages":[]}' })
    process.eventually("something arrives", function() return connection:more(0.1) end)
    process.sleep(0.5)
    local grown = proxy:rss() - before
    connection:close()
    assert.is_true(grown < (os.getenv("CPX_SANITIZED") and 64e6 or 16e6),
      ("%.1f MB for one slow client"):format(grown / 1e6))
  end)

  it("leaves the proxy as it was", function()
    assert.equal(200, chat("mock").status)
    process.eventually("all calls have ended", function() return mock:stats().active == 0 end, 5)
  end)
end)
