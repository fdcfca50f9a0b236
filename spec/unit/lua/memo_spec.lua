local memo = require("cliproxy.memo")

describe("a function with a memory", function()
  it("is asked once for each text, and gives both results again", function()
    local calls = 0
    local fn = memo.of(function(text)
      calls = calls + 1
      return text ~= "none" and text .. "!" or nil, calls
    end)
    assert.same({ "a!", 1 }, { fn("a") })
    assert.same({ "a!", 1 }, { fn("a") })
    assert.same({ nil, 2 }, { fn("none") })
    assert.same({ nil, 2 }, { fn("none") })
    assert.equal(2, calls)
  end)

  it("forgets all when it holds too much", function()
    local calls = 0
    local fn = memo.of(function(text)
      calls = calls + 1
      return text
    end)
    local big = ("x"):rep(memo.BYTES_MAX / 4)
    fn("first")
    fn(big .. 1)
    fn(big .. 2)
    fn("first")
    assert.equal(4, calls)
    fn("first")
    assert.equal(4, calls)
  end)
end)
