local config_source = require("cliproxy.config_source")

local function lines(text, paths)
  local source = config_source.parse(text)
  for path, expected in pairs(paths) do
    local line, exact = source:line(path)
    assert.equal(expected, line, path)
    assert.is_true(exact, path .. " has a line of its own")
  end
end

describe("config_source", function()
  it("maps nested keys, items and quoted keys to lines", function()
    lines(
      [==[
return {
  listen = "127.0.0.1:8317",
  providers = {
    groq = { base_url = "x", timeouts = {
      connect = "2s",
    } },
    ["my-key"] = { ['a b'] = 1 },
  },
  routes = {
    { model = "a",
      to = { "x",
        { provider = "y" } } },
    function(request) if request.size > 1 then return { a = 1, b = 2 } end end,
    { to = 1 },
  },
}
]==],
      {
        ["listen"] = 2,
        ["providers.groq.base_url"] = 4,
        ["providers.groq.timeouts.connect"] = 5,
        ['providers["my-key"]'] = 7,
        ['providers["my-key"]["a b"]'] = 7,
        ["routes[1].to"] = 11,
        ["routes[1].to[2].provider"] = 12,
        ["routes[2]"] = 13,
        ["routes[3].to"] = 14,
      }
    )
  end)

  it("is not fooled by strings, comments and functions that hold brackets and keys", function()
    lines(
      [==[
--[[ return { x = 1 } ]] -- }
#not a shebang
local function helper() return { z = 1 } end
return {
  a = "}\"{", -- b = 1
  b = [=[ ]] } c = 1
  ]=], c = '\'}',
  d = function(x) for i = 1, 2 do while x do x = nil end end repeat local y = { z = 1 } until true return x, "}" end,
  e = (function() return 1, 2 end)(), f = { 1, 2; 3 },
  g = -1 .. "x", h = a[1], ["i"] = 0x10,
}
]==],
      { a = 5, b = 6, c = 7, d = 8, e = 9, ["f[3]"] = 9, g = 10, h = 10, i = 10 }
    )
  end)

  it("follows a local table that is used by name", function()
    lines("local groq = {\n  base_url = 1,\n}\nreturn { providers = {\n groq = groq } }", {
      ["providers.groq"] = 5,
      ["providers.groq.base_url"] = 2,
    })
  end)

  it("gives a path that is not there the line of its nearest parent", function()
    local source = config_source.parse("\nreturn {\n  providers = {\n    groq = {} } }")
    for path, expected in pairs({ ["providers.groq.x.y"] = 4, ["providers.z"] = 3, nope = 2, ["routes[4]"] = 2,
      [""] = 2 }) do
      assert.equal(expected, (source:line(path)), path)
    end
  end)

  it("finds keys that stand twice in one table, and not those of different tables", function()
    local source = config_source.parse('return { a = 1,\n b = { a = 2 },\n ["a"] = 3, c = { { x = 1 }, { x = 1 } } }')
    assert.same({ { path = "a", line = 3, first = 1 } }, source.duplicates)
  end)

  it("survives any text", function()
    for _, text in ipairs({ "", "return", "return {", "return { a =", 'return { "', "return { a = [[", "return }",
      "= = {" }) do
      assert.equal(1, (config_source.parse(text):line("a.b[1]")))
    end
    math.randomseed(7)
    local pieces = { "{", "}", "a", "=", ",", "[[", "]]", "return ", "function ", "end " }
    for _, piece in ipairs({ "'", "\n", "--", "[", "]", "\\" }) do
      pieces[#pieces + 1] = piece
    end
    for _ = 1, 300 do
      local text = {}
      for i = 1, 30 do
        text[i] = pieces[math.random(#pieces)]
      end
      config_source.parse(table.concat(text)):line("a.a[1]")
    end
  end)

  it("takes linear time for large and deep files", function()
    local started = os.clock()
    config_source.parse("return {" .. ("k = { { x = 1 } },\n"):rep(20000) .. "}")
    config_source.parse("return {" .. ("{"):rep(100000))
    config_source.parse("local a = {" .. ("x = { a },"):rep(5000) .. "} return { a, a, a, a }")
    assert.is_true(os.clock() - started < 3, ("took %.1f s"):format(os.clock() - started))
  end)
end)
