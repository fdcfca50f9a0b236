local crypto = require "cliproxy.crypto"
local json = require "cliproxy.json"
local jwt = require "cliproxy.jwt"

local function part(value)
  if type(value) == "table" then
    value = next(value) == nil and "{}" or json.encode(value)
  end
  return crypto.base64url_encode(value)
end

local function token(header, claims, signature)
  return part(header) .. "." .. part(claims) .. "." .. part(signature or "signature")
end

-- RFC 7515, appendices A.2 and A.3.
local CLAIMS = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
local ES256 = "eyJhbGciOiJFUzI1NiJ9." .. CLAIMS
  .. ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
local RS256 = "eyJhbGciOiJSUzI1NiJ9." .. CLAIMS
  .. ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CU"
  .. "Ar7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--"
  .. "xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_Ioy"
  .. "pGlUPQGe77Rw"
local EC_KEY = { kty = "EC", crv = "P-256", x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
  y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" }
local RSA_KEY = { kty = "RSA", e = "AQAB",
  n = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-"
  .. "pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2Cap"
  .. "Hg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h"
  .. "4FRWyuXpoQ" }

local function with(key, more)
  local out = {}
  for name, value in pairs(key) do out[name] = value end
  for name, value in pairs(more) do out[name] = value end
  return out
end

local function keys(...)
  return assert(jwt.read_keys(json.encode { keys = json.array { ... } }))
end

describe("cliproxy.jwt", function()
  it("takes a token apart", function()
    local parsed = assert(jwt.parse("  " .. ES256 .. "\n"))
    assert.equals("ES256", parsed.header.alg)
    assert.equals("joe", parsed.claims.iss)
    assert.equals(1300819380, parsed.claims.exp)
    assert.equals(64, #parsed.signature)
  end)

  it("refuses what is none, without repeating it", function()
    local good = { alg = "RS256" }
    local huge = json.encode { a = json.array {} }:gsub("%[%]", "[" .. ("1,"):rep(500) .. "1]")
    for _, case in ipairs {
      { "", "malformed" },
      { "secret", "malformed" },
      { "secret.secret", "malformed" },
      { "sec ret.a.b", "malformed" },
      { part(good) .. "." .. part({}) .. ".", "malformed" },
      { part(good) .. "." .. part({}), "malformed" },
      { part(good) .. ".secret!.c2ln", "malformed" },
      { part(good) .. "." .. part("[1]") .. ".c2ln", "malformed" },
      { part(good) .. "." .. part('{"a":1,"a":2}') .. ".c2ln", "malformed" },
      { part(good) .. "." .. part('{"exp":123456789012345678901234567890}') .. ".c2ln", "malformed" },
      { part("no json") .. "." .. part({}) .. ".c2ln", "malformed" },
      { token({ alg = "none" }, {}), "algorithm" },
      { part({ alg = "none" }) .. "." .. part({}) .. ".", "algorithm" },
      { token({ alg = "None" }, {}), "algorithm" },
      { token({ alg = "HS256" }, {}), "algorithm" },
      { token({}, {}), "algorithm" },
      { token('{"alg":["RS256"]}', {}), "algorithm" },
      { token('{"alg":"RS256","crit":["exp"]}', {}), "algorithm" },
      { token('{"alg":"RS256","kid":7}', {}), "malformed" },
      { token(good, { a = ("x"):rep(1024 * 1024) }), "too_big" },
    } do
      local parsed, message, code = jwt.parse(case[1])
      assert.is_nil(parsed)
      assert.equals(case[2], code, message)
      assert.is_nil(message:find("secret", 1, true))
    end
    assert.is_table(jwt.parse(token(good, huge)))
  end)

  it("takes no time over blanks", function()
    local started = os.clock()
    for _, blanks in ipairs { (" "):rep(jwt.MAX), "x" .. (" "):rep(jwt.MAX - 2) .. "y", (" "):rep(9000) .. "x" } do
      assert.equals("malformed", select(3, jwt.parse(blanks)))
    end
    assert.equals("too_big", select(3, jwt.parse("x" .. (" "):rep(1e6) .. "y")))
    assert.is_true(os.clock() - started < 0.2, ("took %.2f s"):format(os.clock() - started))
  end)

  it("holds a token to its times, with a minute for clocks that differ", function()
    local function check(claims)
      return select(3, jwt.check_times(claims, 1000000))
    end
    assert.is_nil(check { exp = 1000001 })
    assert.is_nil(check { exp = 999941 })
    assert.equals("expired", check { exp = 999940 })
    assert.equals("expired", check { exp = 0 })
    assert.is_nil(check { exp = 2000000, nbf = 1000060, iat = 1000060 })
    assert.equals("not_yet", check { exp = 2000000, nbf = 1000061 })
    assert.equals("not_yet", check { exp = 2000000, iat = 1000061 })
    assert.equals("malformed", check {})
    assert.equals("malformed", check { exp = "2000000" })
    assert.equals("malformed", check { exp = 2000000, nbf = json.null })
    assert.equals("malformed", check { exp = -1 })
    assert.equals("malformed", check { exp = 1e300 })
    local _, message = jwt.check_times({ exp = 86400 }, 1000000)
    assert.equals("the token expired on 1970-01-02 00:00:00 UTC", message)
  end)

  it("asks for claims by name", function()
    assert.is_true(jwt.require_claims({ sub = "a", rotating_token = "b" }, { "sub", "rotating_token" }))
    for _, wrong in ipairs { false, 5, "" } do
      local ok, message, code = jwt.require_claims({ sub = wrong or nil }, { "sub" })
      assert.same({ nil, "the token has no claim sub", "malformed" }, { ok, message, code })
    end
  end)

  it("verifies RS256 and ES256", function()
    assert.is_true(jwt.verify(assert(jwt.parse(ES256)), keys(EC_KEY)))
    assert.is_true(jwt.verify(assert(jwt.parse(RS256)), keys(RSA_KEY)))
    assert.is_true(jwt.verify(assert(jwt.parse(RS256)), keys(EC_KEY, RSA_KEY)))
    local forged = assert(jwt.parse(RS256))
    forged.signed = forged.signed .. "x"
    assert.equals("signature", select(3, jwt.verify(forged, keys(RSA_KEY))))
    assert.equals("no_key", select(3, jwt.verify(assert(jwt.parse(RS256)), keys(EC_KEY))))
    -- A key of one algorithm is never used for the other.
    local mixed = assert(jwt.parse(ES256))
    mixed.header.alg = "RS256"
    assert.equals("signature", select(3, jwt.verify(mixed, keys(RSA_KEY, EC_KEY))))
  end)

  it("takes the key that the token names", function()
    local named = assert(jwt.parse(ES256))
    named.header.kid = "b"
    local other = with(RSA_KEY, { kid = "b" })
    assert.is_true(jwt.verify(named, keys(with(EC_KEY, { kid = "b" }), other)))
    assert.equals("no_key", select(3, jwt.verify(named, keys(with(EC_KEY, { kid = "a" }), other))))
    named.header.kid = nil
    assert.is_true(jwt.verify(named, keys(with(EC_KEY, { kid = "a" }))))
  end)

  it("reads key sets, and leaves out keys for other things", function()
    local read = jwt.read_keys(json.encode { keys = json.array {
      with(RSA_KEY, { use = "enc" }), with(RSA_KEY, { alg = "RS512" }), { kty = "oct", k = "c2VjcmV0" },
      with(EC_KEY, { crv = "P-384" }), { kty = "RSA", n = 5, e = "AQAB" }, "no key", with(EC_KEY, { use = "sig" }),
    } })
    assert.equals(1, #read)
    assert.equals("ES256", read[1].alg)
    for _, text in ipairs { "", "<html>", "[]", "{}", '{"keys":{}}', '{"keys":[]}', '{"keys":[{"kty":"oct"}]}' } do
      local none, message = jwt.read_keys(text)
      assert.is_nil(none)
      assert.matches("key", message, 1, true)
    end
  end)

  it("says of an unusable key that it did not sign", function()
    local short = crypto.base64url_encode(("\255"):rep(64))
    assert.equals("signature", select(3, jwt.verify(assert(jwt.parse(RS256)), keys(with(RSA_KEY, { n = short })))))
  end)
end)
