local memo = require("cliproxy.memo")

describe("a function with a memory", function()
  it("is asked once for each text and flag", function()
    local calls = 0
    local fn = memo.of(function(text, flag)
      calls = calls + 1
      return text .. tostring(flag), calls
    end)
    assert.same({ "atrue", 1 }, { fn("a", true) })
    assert.same({ "atrue", 1 }, { fn("a", true) })
    assert.same({ "anil", 2 }, { fn("a") })
    assert.same({ "anil", 2 }, { fn("a") })
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
