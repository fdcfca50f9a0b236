--- What goes to standard error is read from a child interpreter.
local function logged(code)
  local command = ("%s -e %s 2>&1"):format(require("cliproxy_test").interpreter, "'" .. code:gsub("'", [['\'']]) .. "'")
  local pipe = assert(io.popen(command))
  local text = pipe:read("*a")
  pipe:close()
  return text
end

describe("cliproxy.log", function()
  it("writes a line with time and level", function()
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%d info  hello\n$",
      logged 'require("cliproxy.log").info("hello", { n = 1 })')
  end)

  it("keeps a message on one line", function()
    assert.matches("a\\u000ab", logged 'require("cliproxy.log").warn("a\\nb")', 1, true)
  end)

  it("writes JSON with sorted fields", function()
    local line = logged [[local log = require("cliproxy.log") log.configure("debug", "json")
      log.debug("x", { b = 1, a = "q\"", c = true, d = 1.5, e = 0/0 })]]
    assert.matches('"level":"debug","message":"x","a":"q\\"","b":1,"c":true,"d":1.5,"e":null}', line, 1, true)
  end)

  it("leaves lower levels out and tells so", function()
    assert.equals("", logged 'require("cliproxy.log").debug("x")')
    assert.equals("false true", logged [[local log = require("cliproxy.log")
      io.stderr:write(tostring(log.enabled("debug")), " ", tostring(log.enabled("error")))]])
  end)

  it("refuses wrong arguments", function()
    local log = require "cliproxy.log"
    assert.has_error(function() log.info() end)
    assert.has_error(function() log.info("x", 5) end)
    assert.has_error(function() log.enabled("loud") end)
    assert.has_error(function() log.configure("loud") end)
    assert.has_error(function() log.configure("info", "xml") end)
  end)

  it("is what print becomes in scripts, with the owner's name", function()
    local line = logged [[local sandbox, budget = require("cliproxy.sandbox"), require("cliproxy.budget")
      local fn = sandbox.compile("print(1, nil, {} ~= nil)", "p.lua", sandbox.environment({}))
      budget.call({ name = "p.lua: shape()" }, fn)]]
    assert.matches("p.lua: shape(): 1 nil true", line, 1, true)
  end)
end)
