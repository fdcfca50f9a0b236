local json = require("cliproxy.json")
local text = require("cliproxy.text")

describe("text", function()
  it("quotes anything as JSON", function()
    assert.equal('"a\\"\\\\\\n\\u0001\\u007f"', text.quote('a"\\\n\1\127'))
    for byte = 0, 255 do
      assert(json.parse(text.quote("x" .. string.char(byte) .. "y")), "byte " .. byte)
    end
    math.randomseed(7)
    for _ = 1, 300 do
      local bytes = {}
      for i = 1, 20 do
        bytes[i] = string.char(math.random(0, 255))
      end
      assert(json.parse(text.quote(table.concat(bytes))))
    end
  end)

  it("keeps good UTF-8 as it is", function()
    for _, good in ipairs({ "ü", "€", "😀", "\239\191\189", "\240\144\128\128", "\244\143\191\191" }) do
      assert.equal("a" .. good .. "b", text.utf8("a" .. good .. "b"))
    end
    for _, bad in ipairs({ "\192\128", "\237\160\128", "\244\144\128\128", "\224\128\128", "\128", "\240\159" }) do
      assert.matches("\239\191\189", text.utf8("a" .. bad .. "b"))
    end
  end)

  it("cuts excerpts on one line and not through characters", function()
    assert.equal("a b c", text.excerpt("  a\n\tb\r\n c "))
    assert.equal("aaa…", text.excerpt("aaaaaa", 3))
    assert.equal("a…", text.excerpt("a😀bcdef", 3))
  end)

  it("reads the words of a page", function()
    assert.equal("T 502 Bad", text.strip_tags("<html><style>x{}</style><title>T</title><h1>502</h1> <b>Bad</b>"))
  end)

  it("reads and takes members out of queries", function()
    assert.equal("a b&c", text.query_value("x=1&key=a+b%26c", "key"))
    assert.equal("", text.query_value("key", "key"))
    assert.is_nil(text.query_value("monkey=1", "key"))
    assert.equal("a=1&monkey=2", text.query_without("key=s&a=1&monkey=2&key=t", "key"))
    assert.equal("", text.query_without("key", "key"))
    assert.equal("a%zz", text.unescape("a%zz"))
  end)
end)
