local glob = require("cliproxy.glob")
local nearest = require("cliproxy.nearest")
local units = require("cliproxy.units")

describe("units", function()
  it("reads durations as seconds", function()
    local good = { ["5s"] = 5, ["250ms"] = 0.25, ["1m30s"] = 90, ["1.5h"] = 5400, ["2d"] = 172800, [7] = 7,
      [0.5] = 0.5 }
    for text, seconds in pairs(good) do
      assert.equal(seconds, units.duration(text))
    end
    for _, bad in ipairs({ "soon", "", "5", "5 s", "-1s", "5s1m", "1s1s", "5x", -1, 0 / 0, math.huge, true, {} }) do
      assert.is_nil(units.duration(bad), tostring(bad))
    end
  end)

  it("reads sizes as bytes", function()
    for text, bytes in pairs({ ["64MB"] = 67108864, ["1 kb"] = 1024, ["0.5GB"] = 2 ^ 29, ["12"] = 12, [100] = 100 }) do
      assert.equal(bytes, units.size(text))
    end
    for _, bad in ipairs({ "big", "", "-1MB", "1.3B", "5TB5", 1.5, -1, 0 / 0, math.huge, false }) do
      assert.is_nil(units.size(bad), tostring(bad))
    end
  end)

  it("writes both as people do", function()
    assert.equal("5s 1m 250ms 2h 0s", table.concat({
      units.duration_text(5),
      units.duration_text(60),
      units.duration_text(0.25),
      units.duration_text(7200),
      units.duration_text(0),
    }, " "))
    assert.equal("64MB 1KB 1500", table.concat({ units.size_text(2 ^ 26), units.size_text(1024),
      units.size_text(1500) }, " "))
  end)
end)

describe("glob", function()
  it("matches runs of characters with * and takes everything else for itself", function()
    for pattern, texts in pairs({ ["gpt-*"] = { "gpt-", "gpt-5" }, ["*-mini"] = { "a-mini" }, ["a*b*c"] = { "abc",
      "axbxbxc" }, ["*"] = { "", "x" } }) do
      for _, text in ipairs(texts) do
        assert.is_true(glob.match(pattern, text), pattern .. " " .. text)
      end
    end
    for pattern, text in pairs({ ["gpt-*"] = "gpt", ["a.c"] = "abc", ["a*b"] = "abc", ["%w*"] = "ab", [""] = "a" }) do
      assert.is_false(glob.match(pattern, text), pattern)
    end
  end)

  it("stays quick on patterns of many stars", function()
    local started = os.clock()
    glob.match(("*a"):rep(50) .. "b", ("a"):rep(5000))
    assert.is_true(os.clock() - started < 0.5)
  end)

  it("tells which patterns share a name and which covers which", function()
    assert.is_true(glob.intersect("gpt-*", "*-mini"))
    assert.is_true(glob.intersect("a*c", "ab*"))
    assert.is_true(glob.intersect("gpt-5", "gpt-*"))
    assert.is_false(glob.intersect("gpt-*", "claude-*"))
    assert.is_false(glob.intersect("gpt-5", "gpt-4"))
    assert.is_true(glob.covers("gpt-*", "gpt-5*"))
    assert.is_false(glob.covers("gpt-5*", "gpt-*"))
  end)
end)

describe("nearest", function()
  it("finds slips of the fingers, best first", function()
    local ids = { "gpt-4o", "gpt-5", "claude-opus-4", "demo" }
    assert.same({ "gpt-5", "gpt-4o" }, nearest.find("gpt-5o", ids, 3))
    assert.same({ "demo" }, nearest.find("dmeo", ids, 3))
    assert.same({}, nearest.find("mistral-large", ids, 3))
  end)

  it("is not held up by long names or many candidates", function()
    local started, many = os.clock(), {}
    for i = 1, 5000 do
      many[i] = ("model-%d-%s"):format(i, ("x"):rep(40))
    end
    nearest.find(("y"):rep(80), many, 3)
    assert.same({}, nearest.find(("y"):rep(1e6), many, 3))
    assert.is_true(os.clock() - started < 1)
  end)
end)
