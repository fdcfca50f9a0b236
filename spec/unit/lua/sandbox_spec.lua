local sandbox = require "cliproxy.sandbox"

local function compile(text, extra)
  return sandbox.compile(text, "providers/x.lua", sandbox.environment(extra or {}))
end

local function run(text, extra)
  return assert(compile(text, extra))()
end

local function failure(text, extra)
  local fn, message = compile(text, extra)
  if not fn then return message end
  local ok, raised = pcall(fn)
  assert.is_false(ok, "no error from: " .. text)
  return raised
end

describe("sandbox.compile", function()
  it("names file and line of a syntax error", function()
    assert.matches("^providers/x.lua:2: ", failure "local a\nlocal = 5")
  end)

  it("takes a byte order mark and a #! line", function()
    assert.equals(1, run "\239\187\191return 1")
    assert.equals(2, run "#!/usr/bin/env lua\nreturn 2")
  end)

  it("refuses bytecode and files beyond 1 MB", function()
    assert.equals("providers/x.lua: is bytecode; a script must be text", failure(string.dump(function() end)))
    assert.matches("larger than 1 MB", failure(("-"):rep(1024 * 1024 + 1)))
    assert.matches("providers/x.lua", failure(("("):rep(100000)))
  end)
end)

describe("the environment", function()
  it("lacks what could hurt, and says what to use instead", function()
    for _, name in ipairs { "io", "debug", "package", "ffi", "jit", "load", "loadstring", "loadfile", "dofile",
      "module", "newproxy", "getfenv", "setfenv", "collectgarbage", "coroutine", "_G", "require" } do
      local expected = "providers/x.lua:1: '" .. name .. "' is not available in scripts: "
      assert.matches(expected, failure("return " .. name), 1, true)
    end
    assert.matches('os.getenv is not available in scripts: write env "NAME"', failure "return os.getenv('X')")
    assert.matches("only clock, date and time are", failure "os.remove('x')")
    assert.is_nil(run "return string.dump")
    assert.is_nil(run "return math.randomseed")
  end)

  it("has no undeclared globals, to read or to write", function()
    assert.equals("providers/x.lua:1: global 'cuont' is not defined; "
      .. "if it should be a variable, write local cuont before its first use", failure "return cuont + 1")
    assert.equals("providers/x.lua:2: global 'n' is not declared; write local n", failure "\nn = 1")
    assert.matches("global 'helper' is not declared", failure "function helper() end")
  end)

  it("is its own: changed libraries stay inside", function()
    run "string.format = nil table.concat = nil math.floor = nil"
    assert.equals("1,2 3", run "return string.format('%s', table.concat({1, 2}, ',')) .. ' ' .. math.floor(3.5)")
    assert.is_function(string.format)
  end)

  it("locks the metatable of strings and its own", function()
    assert.is_false(run "return getmetatable('')")
    assert.matches("table expected", failure "setmetatable('', {})")
    assert.matches("attempt to index a boolean", failure "getmetatable('').__index = nil")
  end)

  it("hands out copies of the public modules, without the core's part", function()
    local log = require "cliproxy.log"
    local extra = { require = require }
    assert.is_nil(run('return require("cliproxy.log").configure', extra))
    run('local log = require "cliproxy.log" log.info = nil', extra)
    assert.is_function(log.info)
    assert.is_true(run('return require("cliproxy.log") == require("cliproxy.log")', extra))
  end)

  it("has time, dates and bits", function()
    assert.is_number(run "return os.time() + os.clock()")
    assert.equals("1970", run "return os.date('!%Y', 0)")
    assert.equals(1970, run("return os.date('!*t', 0)").year)
    assert.is_string(run "return os.date()")
    assert.matches("the format is too long", failure "return os.date(('%c'):rep(501))")
    assert.equals(4, run "return bit.band(6, 12)")
  end)

  it("has pcall and xpcall as Lua has them", function()
    assert.same({ false, "x" }, { run "return pcall(error, 'x')" })
    assert.same({ true, 1, 2 }, { run "return pcall(function(...) return ... end, 1, 2)" })
    assert.same({ false, "handled x" }, { run "return xpcall(error, function(e) return 'handled ' .. e end, 'x')" })
    assert.same({ true, 7 }, { run "return xpcall(function(a) return a end, print, 7)" })
    assert.is_false((run "return pcall()"))
  end)

  it("adds the globals it is given", function()
    assert.equals("v", run("return env 'X'", { env = function() return "v" end }))
  end)
end)

describe("bounded functions", function()
  it("refuse results beyond 16 MB", function()
    assert.matches("string.rep: the result would have %d+ MB, more than 16 MB", failure "return ('a'):rep(2e9)")
    assert.matches("string.rep", failure "return string.rep('ab', 9e6, 'x')")
    assert.matches("string.rep", failure "return ('a'):rep(math.huge)")
    assert.matches("string.format", failure "local s = ('a'):rep(9e6) return ('%s%s'):format(s, s)")
    assert.matches("table.concat: the result is larger than 16 MB",
      failure "local s = ('a'):rep(9e6) return table.concat { s, s }")
    assert.matches("string.gsub", failure "return (('a'):rep(1e6):gsub('a', ('b'):rep(100)))")
  end)

  it("give up on patterns with too many ways", function()
    for _, text in ipairs {
      "return (('a'):rep(30)):find(('a*'):rep(30) .. 'b')",
      "return (('a'):rep(3000)):match('.-.-.-.-.-b')",
      "return (('a'):rep(3000)):gsub('.-.-.-.-.-b', '')",
      "for _ in (('a'):rep(3000)):gmatch('(a*)(a*)(a*)(a*)b') do end",
    } do
      local start = os.clock()
      assert.matches("pattern too complex", failure(text))
      assert.is_true(os.clock() - start < 0.6)
    end
    assert.matches("pattern too complex", failure "return (('x'):rep(300)):find(('x?'):rep(300) .. 'y')")
    assert.matches("missing '%]'", failure "return ('x'):find('[x')")
    assert.matches("ends with", failure "return ('x'):find('%')")
    assert.matches("missing arguments", failure "return ('x'):find('%b')")
    assert.matches("too many captures", failure "return ('x'):find(('()'):rep(33))")
    assert.matches("unfinished capture", failure "return ('x'):find('(x')")
    assert.matches("invalid pattern capture", failure "return ('x'):match('x)')")
    assert.matches("invalid capture index", failure "return ('x'):find('%1')")
    assert.matches("missing '%[' after '%%f'", failure "return ('x'):find('%fx')")
  end)

  it("sort whatever the order function says", function()
    for _, order in ipairs { "true", "false", "a > b or a < b", "math.random() < 0.5", "a <= b" } do
      local t = run(("local t = {} for i = 1, 200 do t[i] = i * 7919 %% 211 end "
        .. "table.sort(t, function(a, b) return %s end) return t"):format(order))
      local seen = {}
      for _, v in ipairs(t) do seen[v] = true end
      assert.equals(200, #t)
      for i = 1, 200 do assert.is_true(seen[i * 7919 % 211]) end
    end
    assert.matches("attempt to compare", failure "table.sort { 1, 'x', {} }")
    assert.matches("table expected", failure "table.sort()")
    assert.matches("function expected", failure "table.sort({}, 5)")
  end)

  it("insert only where a list has places", function()
    assert.matches("position out of bounds", failure "table.insert({}, -1e9, 1)")
    assert.matches("position out of bounds", failure "table.insert({}, 3, 1)")
    assert.same({ 1, 2, 3 }, run "local t = { 2 } table.insert(t, 1, 1) table.insert(t, 3) return t")
    assert.same({ 2 }, run "local t = { 1, 2 } table.remove(t, 1) return t")
  end)
end)

--- The same calls by LuaJIT's own library and by ours must agree.
describe("bounded functions agree with LuaJIT's", function()
  local bounded = sandbox.environment({}).string
  local subjects = { "", "a", "hello world from Lua", "key = value, other=thing", "  padded  ", "a.b-c+d",
    "THE (quick) fox", "f(a(b)c)d", "x\0y\0", "\228\246\252", "aaa", "[[x]]", "2024-01-31T10:00:00", "%d", "^$", "]" }
  local patterns = { "", ".", "a*", "a-", "a+", "a?", "^a", "a$", "^$", "%a+", "(%w+)=(%w+)", "(%w+)%s*=%s*(%w+)",
    "()", "(())", "%b()", "%f[%w]%w+", "%f[%z]", "[a-z]+", "[^a-z]+", "[%a_][%w_]*", "[]]", "[^]]", "[%]]", "[a-]",
    "[%-a]", "%s*$", "(a)(b)?", "(.)%1", "%d%d%d%d", "%x+", "%p", "%c", "%u", "%l+", "%z",
    "%Z", "%g+", "%S+", ".-b", "(.-)%.", "l+", "%%", "%$", "o w", "[%d%-T:]+", "^(%s*)(.-)(%s*)$" }

  local function outcome(fn, ...)
    local values = { n = select("#", pcall(fn, ...)), pcall(fn, ...) }
    if not values[1] then return { n = 1, false } end
    return values
  end

  it("in find, match, gsub and gmatch", function()
    local function all(gmatch, s, p)
      local found = {}
      for a, b in gmatch(s, p) do
        found[#found + 1] = { a, b }
        if #found > 50 then break end
      end
      return found
    end
    for _, s in ipairs(subjects) do
      for _, p in ipairs(patterns) do
        for _, init in ipairs { 1, 2, -1, 0, 100, -100 } do
          for _, name in ipairs { "find", "match" } do
            assert.same(outcome(string[name], s, p, init), outcome(bounded[name], s, p, init),
              ("%s %q %q %d"):format(name, s, p, init))
          end
        end
        assert.same(outcome(string.find, s, p, 1, true), outcome(bounded.find, s, p, 1, true))
        for _, with in ipairs { "<%0>", "%1", "x", "%%", { a = "A" }, string.upper, function() end } do
          local text = ("gsub %q %q"):format(s, p)
          assert.same(outcome(string.gsub, s, p, with), outcome(bounded.gsub, s, p, with), text)
          assert.same(outcome(string.gsub, s, p, with, 2), outcome(bounded.gsub, s, p, with, 2))
        end
        if p:sub(1, 1) ~= "^" then
          local text = ("gmatch %q %q"):format(s, p)
          assert.same(outcome(all, string.gmatch, s, p), outcome(all, bounded.gmatch, s, p), text)
        end
      end
    end
  end)

  it("in concat, rep, format and sort", function()
    local tables = sandbox.environment({}).table
    for _, args in ipairs { { {} }, { { 1, 2.5, "x" }, ", " }, { { "a", "b", "c" }, "-", 2 },
      { { "a", "b", "c" }, "-", 2, 3 }, { { "a" }, "-", 3 }, { { "a", {} } }, { { "a" }, "", 1, 2 }, { "x" } } do
      assert.same(outcome(table.concat, unpack(args)), outcome(tables.concat, unpack(args)))
    end
    assert.equals(("ab"):rep(3, "-"), "ab-ab-ab")
    assert.equals("", bounded.rep("x", -1))
    assert.equals("  x|007|3.50|\"q\\\"\"", bounded.format("%3s|%03d|%.2f|%q", "x", 7, 3.5, 'q"'))
    math.randomseed(42)
    for n = 0, 60 do
      local a, b = {}, {}
      for i = 1, n do
        a[i] = math.random(1, 40)
        b[i] = a[i]
      end
      table.sort(a)
      tables.sort(b)
      assert.same(a, b)
      table.sort(a, function(x, y) return x > y end)
      tables.sort(b, function(x, y) return x > y end)
      assert.same(a, b)
    end
  end)
end)
