local crypto = require("cliproxy.crypto")
local floats = require("cliproxy.floats")

local function hex(numbers)
  return crypto.hex_encode(crypto.base64_decode(assert(floats.pack(numbers))))
end

describe("vectors as base64", function()
  it("are little-endian 32-bit floats", function()
    assert.equal("0000803f000000c00000000000000080cdcccc3d", hex("[1, -2.0,\n0,-0.0 ,1e-1]"))
    assert.equal("", hex("[ ]"))
  end)

  it("are the nearest floats", function()
    -- Halfway between 1 and the next float, and a digit more.
    assert.equal("0000803f0100803f", hex("[1.00000005960464477539062,1.00000005960464477539063]"))
    assert.equal("01000000", hex("[1e-45]"))
    assert.equal("00000000", hex("[1e-60]"))
  end)

  for text, why in pairs({
    ["{}"] = "no list", [""] = "no list", ["[1"] = "no number", ["[1,]"] = "no number", ["[,1]"] = "no number",
    ['["1"]'] = "no number", ["[null]"] = "no number", ["[[1]]"] = "no number", ["[nan]"] = "no number",
    ["[inf]"] = "no number", ["[0x10]"] = "no number", ["[1 2]"] = "no number", ["[1e39]"] = "beyond 32 bits",
    ["[1]x"] = "follows", ["[]]"] = "follows", ["[1]\0"] = "zero byte",
  }) do
    it("are not made of " .. text:gsub("%z", "\\0"), function()
      local bytes, message = floats.pack(text)
      assert.is_nil(bytes)
      assert.truthy(message:find(why, 1, true), message)
    end)
  end
end)

describe("vectors as numbers", function()
  it("are the shortest that read back the same", function()
    local text = "[1,-2,0,-0,0.1,0.33333334,16777216,3.4028235e+38,1e-45,0.008279107,-0.026522232]"
    assert.equal(text, floats.unpack(assert(floats.pack(text))))
    assert.equal("[]", floats.unpack(""))
  end)

  for text, why in pairs({
    ["AAAA"] = "four bytes", ["AAA"] = "valid base64", ["AACAfw=="] = "JSON does not have",
    ["AADAfw=="] = "JSON does not have", ["!!!!"] = "valid base64",
  }) do
    it("are not made of " .. text, function()
      local numbers, message = floats.unpack(text)
      assert.is_nil(numbers)
      assert.truthy(message:find(why, 1, true), message)
    end)
  end

  it("are of a bounded number", function()
    local long = "[" .. ("0,"):rep(1000000) .. "0]"
    assert.is_nil((floats.pack(long)))
    assert.is_nil((floats.unpack(("AAAA"):rep(4 * 400000))))
  end)
end)
