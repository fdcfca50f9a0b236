local fakes = require("spec.support.fakes_core")
local guard = require("cliproxy.guard")

local page = { operation = "page", path = "/", methods = { GET = true } }

local function check(headers, fields, lines, endpoint)
  local config = fakes.config(fields, lines)
  local exchange = fakes.exchange { headers = headers, peer = fields and fields.peer }
  return guard.check(guard.door(config), config, exchange, endpoint)
end

describe("guard without client keys", function()
  for _, host in ipairs { "127.0.0.1:8317", "localhost", "LOCALHOST:1", "[::1]:8317", "[::1]" } do
    it("lets programs in that ask for " .. host, function()
      assert.is_nil(check { host = host })
    end)
  end

  for _, host in ipairs { "evil.example", "evil.example:8317", "localhost.evil.example", "127.0.0.1.evil.example",
    "[::2]:1", "" } do
    it("refuses the foreign host '" .. host .. "'", function()
      local failure = check { host = host }
      assert.equal("foreign_host", failure.code)
      assert.equal(403, failure.status)
      assert.truthy(failure.text:find("allowed_hosts = { ", 1, true))
    end)
  end

  it("lets configured names in", function()
    assert.is_nil(check({ host = "box.lan:8317" }, { allowed_hosts = { "box.lan" } }))
    assert.is_nil(check({ host = "127.0.0.2:8317" }, { listen = { "127.0.0.2:8317", "unix:/tmp/x" } }))
  end)

  it("names the page and the line that would let it in", function()
    local failure = check({ host = "localhost:8317", origin = "app://x" }, {}, { allowed_origins = 12 })
    assert.equal('a page at app://x tried to use this proxy. If it is yours, add allowed_origins = { "app://x" } to '
      .. "config.lua (line 12).", failure.text)
  end)

  it("refuses foreign origins, null among them, and takes its own and allowed ones", function()
    for _, origin in ipairs { "http://evil.example", "null", "http://localhost:3000",
      "https://127.0.0.1:8317.evil.example" } do
      assert.equal("foreign_origin", check({ host = "localhost:8317", origin = origin }).code, origin)
    end
    assert.is_nil(check { host = "localhost:8317", origin = "http://localhost:8317" })
    assert.is_nil(check({ host = "localhost:8317", origin = "http://localhost:3000" },
      { allowed_origins = { "http://localhost:3000" } }))
  end)

  it("refuses what a browser calls cross-site, but for following a link to the page", function()
    assert.equal("cross_site", check({ host = "localhost", ["sec-fetch-site"] = "cross-site" }).code)
    assert.equal("cross_site", check({ host = "localhost", ["sec-fetch-site"] = "same-site" }).code)
    assert.is_nil(check { host = "localhost", ["sec-fetch-site"] = "none" })
    assert.is_nil(check { host = "localhost", ["sec-fetch-site"] = "same-origin" })
    assert.is_nil(check({ host = "localhost", ["sec-fetch-site"] = "cross-site", ["sec-fetch-mode"] = "navigate" }, {},
      {}, page))
  end)

  it("cannot be made to write lines or quotes into its text", function()
    local failure = check { host = "localhost", origin = 'x"\n\\evil' }
    assert.is_nil(failure.text:find("\n", 1, true))
    assert.truthy(failure.text:find("x???evil", 1, true) or failure.text:find("x??%?evil"))
  end)
end)

describe("guard with client keys", function()
  it("leaves the door to the keys", function()
    assert.is_nil(check({ host = "evil.example", origin = "http://evil.example" }, { api_keys = { { name = "a",
      key = "k" } } }))
  end)

  it("gives CORS headers to allowed origins alone", function()
    local config = fakes.config { allowed_origins = { "http://a" } }
    local door = guard.door(config)
    assert.equal("http://a", guard.cors(door,
      fakes.exchange { headers = { origin = "http://a" } })["access-control-allow-origin"])
    assert.is_nil(guard.cors(door, fakes.exchange { headers = { origin = "http://b" } }))
    assert.is_nil(guard.cors(door, fakes.exchange { headers = {} }))
  end)
end)
