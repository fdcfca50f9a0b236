local crypto = require "cliproxy.crypto"

local function hex(s) return crypto.hex_encode(s) end

describe("cliproxy.crypto", function()
  it("digests as the standards say", function()
    assert.equals("a9993e364706816aba3e25717850c26c9cd0d89d", hex(crypto.sha1 "abc"))
    assert.equals("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", hex(crypto.sha256 "abc"))
    assert.equals("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", hex(crypto.sha256 ""))
    assert.equals("ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
      .. "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f", hex(crypto.sha512 "abc"))
  end)

  it("signs as RFC 2202 and 4231 say", function()
    local text = "what do ya want for nothing?"
    assert.equals("effcdf6ae5eb2fa2d27416d5f184df9c259a7c79", hex(crypto.hmac_sha1("Jefe", text)))
    assert.equals("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
      hex(crypto.hmac_sha256("Jefe", text)))
    assert.equals("164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
      .. "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737", hex(crypto.hmac_sha512("Jefe", text)))
    assert.equals(32, #crypto.hmac_sha256("", ""))
  end)

  it("makes randomness that does not repeat", function()
    assert.equals(32, #crypto.random(32))
    assert.equals("", crypto.random(0))
    assert.not_equals(crypto.random(16), crypto.random(16))
    for _, bad in ipairs { -1, 65537 } do assert.has_error(function() crypto.random(bad) end) end
    local id = crypto.uuid()
    assert.matches("^%x%x%x%x%x%x%x%x%-%x%x%x%x%-4%x%x%x%-[89ab]%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$", id)
    assert.not_equals(id, crypto.uuid())
  end)

  it("compares secrets", function()
    assert.is_true(crypto.equal("abc", "abc"))
    assert.is_true(crypto.equal("", ""))
    assert.is_false(crypto.equal("abc", "abd"))
    assert.is_false(crypto.equal("abc", "abcd"))
  end)

  it("encodes and decodes text of any length", function()
    for n = 0, 70 do
      local bytes = crypto.random(n)
      assert.equals(bytes, crypto.hex_decode(crypto.hex_encode(bytes)))
      assert.equals(bytes, crypto.base64_decode(crypto.base64_encode(bytes)))
      assert.equals(bytes, crypto.base64url_decode(crypto.base64url_encode(bytes)))
    end
    assert.equals("Zm9vYg==", crypto.base64_encode "foob")
    assert.equals("Zm9vYg", crypto.base64url_encode "foob")
    assert.equals("foob", crypto.base64url_decode "Zm9vYg==")
    assert.equals("-_-_", crypto.base64url_encode "\251\255\191")
  end)

  it("refuses damaged text", function()
    for _, bad in ipairs { "Zm9vYg", "Zm9vYg=", "Zm9v Yg==", "Zm9vYh==", "====", "=", "Zm9v\n", "-_-_" } do
      assert.same({ nil, "not valid base64", "syntax" }, { crypto.base64_decode(bad) })
    end
    for _, bad in ipairs { "Z", "Zm9vY", "+/+/", "Zm9vYh" } do
      assert.same({ nil, "not valid base64url", "syntax" }, { crypto.base64url_decode(bad) })
    end
    for _, bad in ipairs { "a", "zz", "0x" } do
      assert.same({ nil, "not valid hexadecimal", "syntax" }, { crypto.hex_decode(bad) })
    end
  end)

  describe("signatures of JSON Web Tokens", function()
    -- RFC 7515, appendix A.3.
    local x, y = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
    local input = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9p"
      .. "c19yb290Ijp0cnVlfQ"
    local signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
    local decode = crypto.base64url_decode

    it("are true, false, or of a key that is none", function()
      assert.is_true(crypto.verify_es256(decode(x), decode(y), input, decode(signature)))
      assert.is_false(crypto.verify_es256(decode(x), decode(y), input .. "x", decode(signature)))
      assert.is_false(crypto.verify_es256(decode(x), decode(y), input, ""))
      assert.same({ nil, "not a usable P-256 key", "invalid" },
        { crypto.verify_es256(decode(y), decode(y), input, decode(signature)) })
      assert.same({ nil, "not a usable RSA key", "invalid" },
        { crypto.verify_rs256(("\255"):rep(128), "\1\0\1", input, ("\1"):rep(128)) })
      assert.is_false(crypto.verify_rs256(("\255"):rep(256), "\1\0\1", input, ("\1"):rep(256)))
    end)
  end)
end)
