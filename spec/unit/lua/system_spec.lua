--- cliproxy.system: files, child processes, watching, signals, locks.
local async = require "spec.support.async"
local system = require "cliproxy.system"
local timer = require "cliproxy.timer"

local function temporary_folder()
  local path = os.tmpname()
  os.remove(path)
  assert(system.mkdir(path, 448))
  return path
end

local function remove_folder(path)
  for _, name in ipairs(system.list(path) or {}) do system.remove(path .. "/" .. name) end
  system.remove(path)
end

describe("system", function()
  local folder
  before_each(function() folder = temporary_folder() end)
  after_each(function() remove_folder(folder) end)

  describe("files", function()
    it("writes through a rename and reads the same bytes back", function()
      local bytes = "a\0b\r\n\255"
      assert.is_true(system.write(folder .. "/x", bytes))
      assert.equal(bytes, system.read(folder .. "/x"))
      assert.same({ "x" }, system.list(folder))
      assert.equal(384, system.stat(folder .. "/x").mode) -- 0600
    end)

    it("names the file that is missing", function()
      local bytes, message, code = system.read(folder .. "/none")
      assert.is_nil(bytes)
      assert.matches("cannot read " .. folder:gsub("%p", "%%%0") .. "/none: No such file", message)
      assert.equal("not_found", code)
    end)

    it("refuses a file above the limit, and what is no file", function()
      system.write(folder .. "/big", ("x"):rep(100))
      local bytes, message, code = system.read(folder .. "/big", 99)
      assert.is_nil(bytes)
      assert.matches("larger than 99 bytes", message)
      assert.equal("too_big", code)
      assert.equal(100, #system.read(folder .. "/big", 100))
      bytes, message = system.read(folder)
      assert.is_nil(bytes)
      assert.matches("not a regular file", message)
    end)

    it("lists names in order and tells types", function()
      for _, name in ipairs { "b", "a", ".c" } do system.write(folder .. "/" .. name, "") end
      assert.same({ ".c", "a", "b" }, system.list(folder))
      assert.equal("directory", system.stat(folder).type)
      assert.equal("file", system.stat(folder .. "/a").type)
      assert.is_nil(system.stat(folder .. "/none"))
      assert.is_nil(system.list(folder .. "/none"))
    end)

    it("knows its cwd and real paths", function()
      assert.equal(system.realpath("."), system.cwd())
      assert.is_nil(system.realpath(folder .. "/none"))
      assert.is_string(system.root)
      assert.is_string(system.executable)
      assert.matches("^%d+%.%d+%.%d+$", system.version)
    end)
  end)

  describe("clocks and this process", function()
    it("move forward", function()
      local now, time, cpu = system.now(), system.time(), system.cpu()
      assert.is_true(system.now() >= now)
      assert.is_true(math.abs(time - os.time()) < 2)
      for _ = 1, 1e5 do cpu = cpu + 0 end
      assert.is_true(system.cpu() >= cpu)
      assert.is_true(system.usage().rss > 1e6)
      assert.is_true(system.usage().fds > 0)
      assert.is_true(system.pid() > 1)
      assert.is_true(system.lag() >= 0)
    end)

    it("reads the environment", function()
      assert.equal(os.getenv("PATH"), system.getenv("PATH"))
      assert.is_nil(system.getenv("CLIPROXY_NO_SUCH_VARIABLE"))
    end)
  end)

  describe("run", function()
    it("gives input, output, errors and the exit code", function()
      local result = async(function()
        return system.run { args = { "sh", "-c", "cat; echo problem >&2; exit 3" }, input = "hello" }
      end)
      assert.same({ code = 3, signal = 0, output = "hello", errors = "problem\n" }, result)
    end)

    it("hands large output over whole and stops at its limit", function()
      local result = async(function()
        return system.run { args = { "head", "-c", "1000000", "/dev/zero" } }
      end)
      assert.equal(1000000, #result.output)
      local none, message = async(function()
        return system.run { args = { "head", "-c", "1000000", "/dev/zero" }, max = 1000 }
      end)
      assert.is_nil(none)
      assert.matches("too large", message)
    end)

    it("kills what does not end in time", function()
      local none, message = async(function()
        return system.run { args = { "sleep", "60" }, timeout = 0.05 }
      end)
      assert.is_nil(none)
      assert.matches("did not end in time", message)
    end)

    it("says which program could not be started", function()
      local none, message = async(function()
        return system.run { args = { "/no/such/program" } }
      end)
      assert.is_nil(none)
      assert.matches("cannot start /no/such/program: no such file", message)
    end)

    it("replaces the environment when told", function()
      local result = async(function()
        return system.run { args = { "/usr/bin/env" }, env = { "ONLY=this" } }
      end)
      assert.equal("ONLY=this\n", result.output)
    end)

    it("refuses to be called outside a task", function()
      assert.has_error(function() system.run { args = { "true" } } end)
    end)
  end)

  describe("exec", function()
    -- In a process of its own: this one is still needed.
    local function exec(code, env)
      return async(function()
        return system.run { args = { system.executable, "-e", 'local system = require "cliproxy.system" ' .. code },
          env = env }
      end)
    end

    it("becomes the program, with its output and its exit code", function()
      local result = exec [[io.write("before ") system.exec({ "sh", "-c", "echo $0 $1; exit 5", "a b", "c" })]]
      assert.same({ 5, "before a b c\n", "" }, { result.code, result.output, result.errors })
    end)

    it("changes variables, and the inherited rest stays", function()
      local result = exec([[system.exec({ "/usr/bin/env" }, { NEW = "x=y", GONE = false })]],
        { "GONE=1", "KEPT=2" })
      assert.equal("KEPT=2\nNEW=x=y\n", result.output)
    end)

    it("leaves no signal ignored", function()
      local result = exec [[system.exec({ "sh", "-c", "kill -PIPE $$" })]]
      assert.equal(13, result.signal)
    end)

    it("says which program there is not, and goes on", function()
      local result = exec [[print(system.exec({ "no-such-program" }))]]
      assert.equal("nil\tcannot start no-such-program: No such file or directory\tnot_found\n", result.output)
      local bad = { "{}", "{ 5 }", "5", '{ "true" }, { 1 }', '{ "true" }, 5', '{ "true" }, { ["a=b"] = "c" }' }
      for _, arguments in ipairs(bad) do
        local called = exec("print(pcall(system.exec, " .. arguments .. "))")
        assert.is_truthy(called.output:find("^false\t"), arguments .. ": " .. called.output)
      end
    end)
  end)

  describe("watch", function()
    it("calls once after a burst of changes, and again after the next", function()
      local calls = 0
      system.watch({ folder }, function() calls = calls + 1 end)
      async(function()
        for i = 1, 5 do system.write(folder .. "/a.lua", tostring(i)) end
        local limit = timer.now() + 3
        while calls == 0 and timer.now() < limit do timer.sleep(0.005) end
        assert.equal(1, calls)
        system.remove(folder .. "/a.lua")
        while calls == 1 and timer.now() < limit do timer.sleep(0.005) end
        assert.is_true(calls >= 2)
      end)
      system.watch({}, function() end)
    end)

    it("looks past files that no configuration is made of", function()
      local calls = 0
      system.watch({ folder }, function() calls = calls + 1 end)
      async(function()
        system.write(folder .. "/editor.swp", "x")
        timer.sleep(0.1)
      end)
      assert.equal(0, calls)
      system.watch({}, function() end)
    end)
  end)

  it("starts a task at a signal", function()
    local got = false
    system.on_signal("usr1", function() got = true end)
    async(function()
      system.run { args = { "kill", "-USR1", tostring(system.pid()) } }
      local limit = timer.now() + 3
      while not got and timer.now() < limit do timer.sleep(0.005) end
    end)
    assert.is_true(got)
    assert.has_error(function() system.on_signal("kill", function() end) end)
  end)

  it("wait_stop waits until stop says how to end", function()
    local code
    async(function()
      require("cliproxy.task").spawn(function()
        timer.sleep(0.005)
        system.stop(7)
        system.stop(8)
      end)
      code = system.wait_stop()
    end)
    assert.equal(7, code)
  end)

  it("locks a file for this process and tells another who holds it", function()
    local path = folder .. "/lock"
    assert.is_true(system.lock(path))
    local held, pid = system.lock(path)
    assert.is_nil(held)
    assert.equal(system.pid(), pid)
  end)
end)
