--- Who gets in and who is sent away: keys, forged requests of web pages, wrong paths,
--- methods and bodies, each in the path's dialect.
local cjson = require "cjson"
local daemon = require "spec.support.daemon"
local http = require "spec.support.http_client"
local raw = require "spec.support.raw"

local CHAT = '{"model":"demo","messages":[{"role":"user","content":"x"}]}'

local function message_of(answer)
  local ok, body = pcall(cjson.decode, answer.body)
  assert.is_true(ok, "not JSON: " .. answer.body)
  return body.error and body.error.message or error("no error in " .. answer.body)
end

describe("without keys", function()
  local proxy

  setup(function()
    proxy = daemon.start { config = daemon.config([[
  allowed_origins = { "app://mine" },
  body_limit = "2MB",
  providers = { demo = {} },
  http = { head_timeout = 0.5, body_timeout = 0.5, idle_timeout = 1 },
]]) }
  end)
  teardown(function() if proxy then proxy:stop() end end)

  -- name, request, status, what the message must hold (a pattern)
  local TABLE = {
    { "a foreign Host", { path = "/v1/models", host = "evil.example" }, 403, "allowed_hosts" },
    { "a rebound name with our port", { path = "/v1/models", host = "evil.example:8317" }, 403, "allowed_hosts" },
    { "localhost", { path = "/v1/models", host = "localhost:8317" }, 200 },
    { "a foreign Origin", { path = "/v1/models", headers = { origin = "https://evil.example" } }, 403,
      'a page at https://evil.example tried to use this proxy.*'
        .. 'allowed_origins = { "https://evil.example" }.*config.lua %(line %d+%)' },
    { "an Origin that is allowed", { path = "/v1/models", headers = { origin = "app://mine" } }, 200 },
    { "Origin null", { path = "/v1/models", headers = { origin = "null" } }, 403, "allowed_origins" },
    { "a cross-site page", { path = "/v1/models", headers = { ["sec-fetch-site"] = "cross-site" } }, 403,
      "page of another site" },
    { "an unknown path", { path = "/v2/nothing" }, 404, "/v2/nothing" },
    { "a path without /v1", { path = "/chat/completions", body = CHAT }, 404,
      "/chat/completions: set your client's base URL to http://.*/v1" },
    { "a doubled /v1", { path = "/v1/v1/chat/completions", body = CHAT }, 404, "base URL" },
    { "a slash at the end", { path = "/v1/chat/completions/", body = CHAT }, 404, "slash" },
    { "GET where POST belongs", { path = "/v1/messages" }, 405, "POST" },
    { "DELETE", { method = "DELETE", path = "/v1/chat/completions" }, 405, "POST" },
    { "OPTIONS of a stranger", { method = "OPTIONS", path = "/v1/chat/completions" }, 405, "POST" },
    { "a WebSocket", { path = "/v1/responses", headers = { upgrade = "websocket", connection = "Upgrade" } }, 426,
      "POST" },
    { "no body", { method = "POST", path = "/v1/chat/completions", headers = { ["content-length"] = "0" } }, 400,
      "no body" },
    { "a body that is not JSON", { path = "/v1/chat/completions", body = "model=demo" }, 400, "not JSON" },
    { "a body cut in the middle", { path = "/v1/messages", body = '{"model":"demo","messages":[' }, 400, "not JSON" },
    { "an array", { path = "/v1/responses", body = "[1]" }, 400, "object" },
    { "no model", { path = "/v1/chat/completions", body = '{"messages":[]}' }, 400, "model" },
    { "a model that is a number", { path = "/v1/chat/completions", body = '{"model":5}' }, 400, "string" },
    { "an unknown model", { path = "/v1/chat/completions", body = '{"model":"demmo","messages":[]}' }, 404,
      'no route for "demmo"%. Nearest: demo.*Configured providers: demo%.' },
    { "an unknown model of Gemini", { path = "/v1beta/models/gpt-5o:generateContent", body = '{"contents":[]}' }, 404,
      "gpt%-5o" },
    { "stream neither true nor false", { path = "/v1/chat/completions", body = '{"model":"demo","stream":"yes"}' },
      400, "stream" },
    { "an unknown content coding", { path = "/v1/chat/completions", body = CHAT,
      headers = { ["content-encoding"] = "br" } }, 415, "Content%-Encoding.*gzip, deflate, zstd" },
    { "a body that is not the gzip it says", { path = "/v1/chat/completions", body = CHAT,
      headers = { ["content-encoding"] = "gzip" } }, 400, "Content%-Encoding" },
    { "an unknown expectation", { path = "/v1/chat/completions", body = CHAT, headers = { expect = "200-ok" } }, 417,
      "100%-continue" },
  }

  for _, row in ipairs(TABLE) do
    local name, request, status, says = unpack(row)
    it(("answers %d to %s"):format(status, name), function()
      local answer = proxy:request(request)
      assert.equal(status, answer.status, answer.body)
      if says then assert.matches(says, message_of(answer)) end
      assert.is_truthy(answer.headers["x-cliproxy-request-id"], "no request id")
      if status == 405 then assert.equal("POST", answer.headers.allow) end
    end)
  end

  it("speaks the dialect of the path in errors", function()
    assert.equal("error", cjson.decode(proxy:post("/v1/messages", { model = "nothing" }).body).type)
    assert.equal("string", type(cjson.decode(proxy:post("/v1beta/models/nothing:generateContent",
      { contents = {} }).body).error.status))
    assert.equal("string", type(cjson.decode(proxy:post("/v1/chat/completions",
      { model = "nothing" }).body).error.type))
  end)

  it("answers 413 before it reads a body that is too large, and the client can read it", function()
    local connection = raw.connect(proxy.address)
    connection:send("POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3000000\r\n\r\n")
    local answer = http.read(connection)
    assert.equal(413, answer.status)
    assert.matches("2", message_of(answer))
    connection:close()
  end)

  it("answers 413 to a client that sends the large body without looking", function()
    local answer = proxy:request { path = "/v1/messages", body = ("x"):rep(3000000) }
    assert.equal(413, answer.status)
  end)

  it("answers 413 to a chunked body that grows too large", function()
    local connection = raw.connect(proxy.address)
    connection:send("POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n")
    local chunk = ("%x\r\n%s\r\n"):format(65536, ("x"):rep(65536))
    for _ = 1, 40 do
      if not connection:send(chunk) then break end
    end
    assert.equal(413, http.read(connection).status)
    connection:close()
  end)

  it("ends a head that takes too long with 408", function()
    local connection = raw.connect(proxy.address)
    connection:send("GET / HTTP/1.1\r\nhost: local")
    assert.equal(408, http.read(connection).status)
    connection:close()
  end)

  it("ends a body that stops coming with 408", function()
    local connection = raw.connect(proxy.address)
    connection:send("POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{")
    assert.equal(408, http.read(connection).status)
    connection:close()
  end)

  it("closes idle connections without a word", function()
    local connection = raw.connect(proxy.address)
    connection:send(http.bytes { path = "/v1/health" })
    assert.equal(200, http.read(connection).status)
    assert.is_true(connection:closes(5))
    connection:close()
  end)

  it("says 100 Continue to a client that waits for it", function()
    local connection = raw.connect(proxy.address)
    connection:send("POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\n")
    connection:send(("content-length: %d\r\n\r\n"):format(#CHAT))
    assert.equal("HTTP/1.1 100 Continue\r\n\r\n", connection:take_through("\r\n\r\n"))
    connection:send(CHAT)
    assert.equal(200, http.read(connection).status)
    connection:close()
  end)
end)

describe("with keys", function()
  local proxy

  setup(function()
    proxy = daemon.start { config = daemon.config([[
  api_keys = { "key-one", { name = "editor", key = "key-two" } },
  admin_key = "key-admin",
  providers = { demo = {} },
]]) }
  end)
  teardown(function() if proxy then proxy:stop() end end)

  local function status(headers, path)
    return proxy:request({ path = path or "/v1/models", headers = headers }).status
  end

  it("takes a key by each of its four carriers", function()
    assert.equal(200, status { authorization = "Bearer key-one" })
    assert.equal(200, status { ["x-api-key"] = "key-two" })
    assert.equal(200, status { ["x-goog-api-key"] = "key-one" })
    assert.equal(200, status(nil, "/v1/models?key=key-two"))
  end)

  it("answers 401 without a key and with a wrong one, and never logs it", function()
    local answer = proxy:request { path = "/v1/models" }
    assert.equal(401, answer.status)
    assert.matches("api_keys", message_of(answer))
    assert.equal(401, status { authorization = "Bearer wrong-secret-1" })
    assert.equal(401, status(nil, "/v1/models?key=wrong-secret-2"))
    assert.is_nil(proxy:log():find("wrong%-secret"))
    assert.is_nil(proxy:log():find("key%-one"))
  end)

  it("keeps the administrator's endpoints for the administrator", function()
    assert.equal(401, status({ authorization = "Bearer key-one" }, "/v1/health/deep"))
    assert.equal(200, status({ authorization = "Bearer key-admin" }, "/v1/health/deep"))
    assert.equal(200, status(nil, "/v1/health"))
  end)
end)

describe("a start that cannot be", function()
  local function ends_with(config, code, says, arguments)
    local proxy = daemon.launch { config = config, arguments = arguments }
    local got = proxy.process:wait(20)
    local log = proxy:log()
    proxy.process:kill()
    assert.equal(code, got, log)
    assert.matches(says, log)
  end

  it("refuses to listen to the world without keys", function()
    ends_with('return { listen = "0.0.0.0:0", providers = { demo = {} } }', 4, "api_keys")
  end)

  it("names the line of a mistake", function()
    ends_with('return {\n  listen = "127.0.0.1:0",\n  drain_timeout = "soon",\n  providers = { demo = {} },\n}', 4,
      'config%.lua:3: drain_timeout: expected a duration')
  end)

  it("says who holds the port", function()
    local first = daemon.start { config = daemon.config("  providers = { demo = {} },") }
    ends_with(('return { listen = %q, state_dir = "/tmp", providers = { demo = {} } }'):format(first.address), 1,
      "in use.*" .. first.process.pid)
    first:stop()
  end)
end)
