local access = require("cliproxy.access")
local async = require("spec.support.async")
local fakes = require("spec.support.fakes_core")
local timer = require("cliproxy.timer")

local config = fakes.config { api_keys = { { name = "editor", key = "key-one" }, { name = "agent", key = "key-two" } } }
local keys = access.keys(config)
local peer = 0

local function check(headers, query)
  peer = peer + 1 -- guesses are counted by address
  return async(function()
    local name, failure = access.check(keys, config, fakes.exchange { headers = headers, query = query, peer = "10.0.0."
      .. peer .. ":1" })
    return { name = name, failure = failure }
  end)
end

describe("access", function()
  it("asks nobody where there are no keys", function()
    local open = fakes.config()
    assert.equal("", access.check(access.keys(open), open, fakes.exchange {}))
  end)

  it("takes a key by four carriers and tells its name", function()
    assert.equal("editor", check({ authorization = "Bearer key-one" }).name)
    assert.equal("editor", check({ authorization = "bearer   key-one " }).name)
    assert.equal("agent", check({ ["x-api-key"] = "key-two" }).name)
    assert.equal("agent", check({ ["x-goog-api-key"] = "key-two" }).name)
    assert.equal("editor", check({}, "alt=sse&key=key%2Done").name)
  end)

  it("takes the right one of several", function()
    assert.equal("agent", check({ authorization = "Bearer something-else", ["x-api-key"] = "key-two" }).name)
  end)

  it("refuses a missing key, saying where to send one", function()
    local failure = check({}).failure
    assert.equal("key_missing", failure.code)
    assert.equal(401, failure.status)
    assert.equal("Bearer", failure.headers["www-authenticate"])
  end)

  for _, wrong in ipairs { "key-on", "key-one1", "KEY-ONE", "", "editor" } do
    it("refuses the wrong key '" .. wrong .. "' without repeating it", function()
      local failure = check({ ["x-api-key"] = wrong }).failure
      assert.equal("key_wrong", failure.code)
      assert.is_nil(failure.text:find("key-one", 1, true))
    end)
  end

  it("keeps no key, only digests", function()
    for _, entry in ipairs(keys) do
      assert.equal(32, #entry.digest)
      assert.is_nil(entry.key)
    end
  end)

  it("slows guesses down, and right keys never", function()
    local waited, right = async(function()
      local exchange = fakes.exchange { headers = { ["x-api-key"] = "guess" }, peer = "192.0.2.1:1" }
      local started = timer.now()
      for _ = 1, 3 do
        access.check(keys, config, exchange)
      end
      local between = timer.now()
      access.check(keys, config, fakes.exchange { headers = { ["x-api-key"] = "key-one" }, peer = "192.0.2.1:2" })
      return between - started, timer.now() - between
    end)
    assert.is_true(waited >= 0.3, "three guesses took " .. waited .. " s")
    assert.is_true(right < 0.04, "a right key took " .. right .. " s")
  end)

  it("asks for admin_key where there is one, else for this machine", function()
    local open, closed = fakes.config(), fakes.config { admin_key = "adm" }
    assert.is_nil(access.check_admin(access.keys(open), open, fakes.exchange {}))
    assert.equal("admin_local_only", access.check_admin(access.keys(open), open,
      fakes.exchange { is_local = false }).code)
    local set = access.keys(closed)
    assert.equal("admin_key_wrong", access.check_admin(set, closed, fakes.exchange {}).code)
    assert.is_nil(access.check_admin(set, closed, fakes.exchange { headers = { authorization = "Bearer adm" },
      is_local = false }))
    async(function()
      assert.equal("admin_key_wrong",
        access.check_admin(set, closed, fakes.exchange { headers = { authorization = "Bearer adn" },
          peer = "192.0.2.9:1" }).code)
    end)
  end)
end)
