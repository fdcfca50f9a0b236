local async = require("spec.support.async")
local folder_of = require("spec.support.folder")
local reload_of = require("cliproxy.reload")
local snapshot = require("cliproxy.snapshot")
local system = require("cliproxy.system")
local timer = require("cliproxy.timer")

describe("reload", function()
  local folder, path, published, results, reload
  local child = { system.executable, system.cwd() .. "/spec/support/check_child.lua" }

  local function script(id)
    return folder_of.provider("p", ('auth = "none", models = { "%s" },'):format(id))
  end

  before_each(function()
    folder = folder_of.new({ ["providers/p.lua"] = script("one"),
      ["config.lua"] = "return { providers = { p = {} } }" })
    path = folder.path .. "/config.lua"
    published, results = {}, {}
  end)

  after_each(function()
    async(function()
      if reload then
        reload:stop()
      end
    end)
    reload = nil
    folder:remove()
  end)

  --- Starts watching; runs `fn` as a task.
  local function watching(fn, options)
    async(function()
      local all = {
        snapshot = assert(snapshot.build({ path = path })),
        path = path,
        command = child,
        on_publish = function(built)
          published[#published + 1] = built
        end,
        on_result = function(result)
          results[#results + 1] = result
        end,
      }
      for name, value in pairs(options or {}) do
        all[name] = value
      end
      reload = reload_of.start(all)
      all.snapshot = nil
      fn(reload)
    end, 30)
  end

  local function wait_for(what, seconds)
    local late = system.now() + (seconds or 5)
    while not what() do
      assert(system.now() < late, "it did not happen in time")
      timer.sleep(0.002)
    end
  end

  it("publishes a change soon after it was saved", function()
    watching(function()
      folder:write("providers/p.lua", script("two"))
      local saved = system.now()
      wait_for(function()
        return #published == 1
      end)
      assert.is_true(system.now() - saved < 2, ("took %.0f ms"):format((system.now() - saved) * 1000))
      assert.same({ "two" }, published[1].instances.p.models)
      assert.equal(2, published[1].generation)
      assert.same({ true, 2 }, { results[1].ok, results[1].generation })
    end)
  end)

  it("keeps what serves where a script is broken, says where, and takes the corrected one", function()
    watching(function(live)
      folder:write("providers/p.lua", "return {\n  name = }")
      wait_for(function()
        return #results == 1
      end)
      assert.same({}, published)
      assert.same({ false, 1 }, { results[1].ok, results[1].generation })
      assert.same({ { file = "providers/p.lua", line = 2, message = "unexpected symbol near '}'" } },
        results[1].messages)
      assert.equal(1, live.snapshot.generation)
      folder:write("providers/p.lua", script("three"))
      wait_for(function()
        return #published == 1
      end)
      assert.same({ "three" }, published[1].instances.p.models)
    end)
  end)

  it("watches filters: a changed one serves, a broken one does not", function()
    folder:write("config.lua", 'return { providers = { p = {} }, filters = { "f" } }')
    local function filter(status)
      return folder_of.filter("f", ("request = function(_, c) return c.refuse(%d, 'no') end,"):format(status))
    end
    folder:write("providers/filters/f.lua", filter(400))
    watching(function(live)
      local first = live.snapshot.filters[1].filter
      folder:write("providers/filters/f.lua", filter(403))
      wait_for(function()
        return #published == 1
      end)
      assert.not_equal(first, published[1].filters[1].filter)
      folder:write("providers/filters/f.lua", "return {")
      wait_for(function()
        return #results == 2
      end)
      assert.equal("providers/filters/f.lua", results[2].messages[1].file)
      assert.equal(2, live.snapshot.generation)
    end)
  end)

  it("does nothing where bytes are the same or a file is not in use", function()
    watching(function(live)
      folder:write("providers/p.lua", script("one"))
      folder:write("providers/unused.lua", "return {")
      folder:write("notes.lua", "x")
      timer.sleep(0.1)
      assert.is_true(live:now(true))
      assert.same({ {}, {} }, { published, results })
    end)
  end)

  it("notices a script that was missing, and one that overrides a shipped one", function()
    folder:write("config.lua", "return { providers = { demo = {} } }")
    watching(function()
      folder:write("providers/demo.lua", folder_of.provider("demo", 'auth = "none", models = { "mine" },'))
      wait_for(function()
        return #published == 1
      end)
      assert.same({ "mine" }, published[1].instances.demo.models)
    end)
  end)

  it("answers all that ask during a run, and covers what was saved before they asked", function()
    watching(function(live)
      folder:write("providers/p.lua", script("a"))
      local task = require("cliproxy.task")
      local waits = {}
      for i = 1, 5 do
        waits[i] = function()
          return live:now()
        end
      end
      local answers = { task.all(waits) }
      assert.is_truthy(answers[1])
      folder:write("providers/p.lua", script("b"))
      local ok, generation = live:now()
      assert.is_true(ok)
      assert.equal(live.snapshot.generation, generation)
      assert.same({ "b" }, live.snapshot.instances.p.models)
    end)
  end)

  it("says why where the check itself dies, hangs or talks nonsense", function()
    for mood, expected in pairs({
      garbage = "the check ended with code 7 and said: Segmentation fault",
      hang = "the check of the changed files failed: the program did not end in time and was killed",
      kill = "the check of the changed files died by signal 9",
    }) do
      watching(function(live)
        local ok, messages = live:now()
        assert.is_false(ok)
        assert.equal(expected, messages[1].message)
        assert.equal(1, live.snapshot.generation)
        live:stop()
      end, { command = { "/usr/bin/env", "CPX_SPEC_CHILD=" .. mood, unpack(child) }, check_timeout = mood == "hang"
        and 0.3 or 10 })
    end
    watching(function(live)
      local ok, messages = live:now()
      assert.is_false(ok)
      assert.matches("^the check ", messages[1].message)
    end, { command = { "/no/such/program" } })
  end)

  it("publishes only bytes that were checked", function()
    watching(function(live)
      folder:write("providers/p.lua", script("x"))
      local checked = 0
      local run = system.run
      finally(function()
        system.run = run
      end)
      system.run = function(spawn)
        local done, message = run(spawn)
        checked = checked + 1
        if checked == 1 then
          folder:write("providers/p.lua", script("y"))
        end
        return done, message
      end
      assert.is_true(live:now())
      assert.equal(2, checked)
      assert.same({ "y" }, live.snapshot.instances.p.models)
      assert.equal(1, #published)
    end)
  end)

  it("tells when a certificate file changed", function()
    folder:write("a.pem", "one")
    folder:write("config.lua", 'return { tls = { cert = "a.pem", key = "a.pem" }, providers = { p = {} } }')
    local told = 0
    watching(function()
      folder:write("a.pem", "another")
      wait_for(function()
        return told == 1
      end)
      assert.same({}, published)
    end, {
      on_certificates = function()
        told = told + 1
      end,
    })
  end)

  it("survives 100 saves, every fifth one broken", function()
    watching(function(live)
      for i = 1, 100 do
        folder:write("providers/p.lua", i % 5 == 0 and "return {" or script("m" .. i))
        local ok = live:now()
        assert.equal(i % 5 ~= 0, ok)
      end
      assert.equal(80, #published)
      published = {}
      collectgarbage()
      collectgarbage()
      assert.equal(1, snapshot.alive())
    end)
  end)
end)
