local async = require "spec.support.async"
local http = require "cliproxy.http"
local json = require "cliproxy.json"
local loopback = require "spec.support.loopback"
local timer = require "cliproxy.timer"

local function echo(exchange)
  exchange:respond(200, { ["x-method"] = exchange.method, ["x-type"] = exchange:header("content-type"),
    ["x-mine"] = exchange:header("x-mine"), ["X-Two"] = { "a", "b" } }, exchange:body())
end

describe("http.request", function()
  it("gets status, headers in lower case, and the whole body", function()
    async(function()
      local answer = http.request { url = loopback.url(echo), headers = { ["X-Mine"] = "1" } }
      assert.equal(200, answer.status)
      assert.equal("GET", answer.headers["x-method"])
      assert.equal("1", answer.headers["x-mine"])
      assert.equal("a, b", answer.headers["x-two"])
      assert.equal("", answer.body)
      answer = http.request { url = loopback.url(function(exchange) exchange:respond(503, {}, "busy") end) }
      assert.same({ 503, "busy" }, { answer.status, answer.body })
    end)
  end)

  it("posts bytes, documents and values", function()
    async(function()
      local url = loopback.url(echo)
      local answer = http.request { url = url, body = "bytes", headers = { ["Content-Type"] = "text/plain" } }
      assert.same({ "POST", "text/plain", "bytes" }, { answer.headers["x-method"], answer.headers["x-type"],
        answer.body })
      answer = http.request { url = url, method = "PUT", body = json.parse '{ "a":1 }' }
      assert.same({ "PUT", '{ "a":1 }' }, { answer.headers["x-method"], answer.body })
      answer = http.request { url = url, json = { list = json.array {}, n = 1 } }
      assert.equal("application/json", answer.headers["x-type"])
      assert.equal(1, json.parse(answer.body).n)
      answer = http.request { url = url, json = json.null, headers = { ["content-type"] = "application/x" } }
      assert.same({ "null", "application/x" }, { answer.body, answer.headers["x-type"] })
    end)
  end)

  it("returns nil, message and code where there is no whole answer", function()
    async(function()
      local function code(request)
        local answer, message, got = http.request(request)
        assert.is_nil(answer)
        assert.is_string(message)
        return got
      end
      assert.equal("connect", code { url = "http://127.0.0.1:1/" })
      assert.equal("invalid", code { url = "gopher://x/" })
      assert.equal("timeout", code { url = loopback.url(function() timer.sleep(60) end), timeout = 0.05 })
      assert.equal("too_big", code { url = loopback.url(function(e) e:respond(200, {}, ("x"):rep(5000)) end),
        max = 4999 })
      assert.equal("eof", code { url = loopback.url(function(e)
        e:start(200, {}, 10)
        e:write("part")
        timer.sleep(0.005)
        e:abort()
      end) })
    end)
  end)

  it("raises on misuse, in the caller's line", function()
    async(function()
      for _, request in ipairs { { n = 1 }, { url = 5 } } do
        local ok, message = pcall(function() http.request(request) end)
        assert.is_false(ok)
        assert.matches("http_spec.lua:%d+: http.request: a table with url", message)
      end
      assert.has_error(function() http.request "http://x/" end)
      assert.has_error(function() http.request { url = "http://x/", json = function() end } end)
    end)
  end)
end)
