local check = require("cliproxy.check")
local folder_of = require("spec.support.folder")
local snapshot = require("cliproxy.snapshot")

describe("snapshot", function()
  local folder, path

  before_each(function()
    folder = folder_of.new({
      ["providers/lib/helper.lua"] = "return { n = 1 }",
      ["providers/a.lua"] = 'local h = require "lib.helper"\n' .. folder_of.provider("a",
        'auth = "none", caps = { context = h.n },'),
      ["providers/b.lua"] = folder_of.provider("b", 'auth = "none",'),
      ["config.lua"] = "return { providers = { a = {}, b = {} } }",
    })
    path = folder.path .. "/config.lua"
  end)

  after_each(function()
    folder:remove()
  end)

  local function next_of(previous)
    local built, messages = snapshot.build({ path = path, previous = previous })
    assert.same({}, messages)
    return built
  end

  it("counts generations and shares all that did not change", function()
    local one = next_of(nil)
    local two = next_of(one)
    assert.same({ 1, 2 }, { one.generation, two.generation })
    assert.equal(one.instances.a, two.instances.a)
    assert.equal(one.config, two.config)
    assert.equal(1, two.scripts["providers/a.lua"].generation)
  end)

  it("loads again what changed, and nothing else", function()
    local one = next_of(nil)
    folder:write("providers/b.lua", folder_of.provider("b", 'auth = "none", models = { "m" },'))
    local two = next_of(one)
    assert.equal(one.instances.a, two.instances.a)
    assert.not_equal(one.instances.b, two.instances.b)
    assert.same({ "m" }, two.instances.b.models)
    assert.same({ 1, 2 }, { two.scripts["providers/a.lua"].generation, two.scripts["providers/b.lua"].generation })
  end)

  it("loads the scripts again whose helper changed", function()
    local one = next_of(nil)
    folder:write("providers/lib/helper.lua", "return { n = 2 }")
    local two = next_of(one)
    assert.equal(2, two.instances.a.provider.caps.context)
    assert.equal(1, one.instances.a.provider.caps.context)
    assert.equal(one.instances.b, two.instances.b)
  end)

  it("reads the configuration again when .env changed", function()
    folder:write("config.lua", 'return { providers = { a = { api_key = env "SPEC_KEY" } } }')
    local one = next_of(nil)
    assert.is_truthy(one.instances.a.off)
    folder:write(".env", "SPEC_KEY=k\n")
    os.execute("chmod 600 " .. folder.path .. "/.env")
    local two = next_of(one)
    assert.is_nil(two.instances.a.off)
    assert.equal("k", two.instances.a.accounts[1].api_key)
  end)

  it("lists what was read by hash, also what was looked for and not there", function()
    local built = next_of(nil)
    assert.matches("^%x+$", built.files[path])
    assert.equal("", built.files[folder.path .. "/.env"])
    assert.is_string(built.files[folder.path .. "/providers/lib/helper.lua"])
  end)

  it("takes an override that appears, and the shipped script when it goes", function()
    folder:write("config.lua", "return { providers = { demo = {} } }")
    local one = next_of(nil)
    folder:write("providers/demo.lua", folder_of.provider("demo", 'auth = "none",'))
    local two = next_of(one)
    assert.equal(folder.path .. "/providers/demo.lua", two.scripts["providers/demo.lua"].file)
    folder:delete("providers/demo.lua")
    local three = next_of(two)
    assert.equal(one.scripts["providers/demo.lua"].file, three.scripts["providers/demo.lua"].file)
  end)

  it("gives messages and no generation where something is wrong", function()
    local one = next_of(nil)
    folder:write("providers/a.lua", "return {\n  name = }")
    local built, messages = snapshot.build({ path = path, previous = one })
    assert.is_nil(built)
    assert.same({ { file = "providers/a.lua", line = 2, message = "unexpected symbol near '}'" } }, messages)
  end)

  it("lets go of generations that nothing holds, however many there were", function()
    local current = next_of(nil)
    collectgarbage()
    local before
    for i = 1, 60 do
      folder:write("providers/lib/helper.lua", ("return { n = %d }"):format(i))
      folder:write("config.lua", ("-- %d\nreturn { providers = { a = {}, b = {} } }"):format(i))
      current = next_of(current)
      if i == 20 or i == 60 then
        collectgarbage()
        collectgarbage()
        before = before or collectgarbage("count")
      end
    end
    assert.equal(1, snapshot.alive())
    local grown = collectgarbage("count") - before
    assert.is_true(grown < 100, ("memory grew by %.0f KB in 40 generations"):format(grown))
    assert.equal(61, current.generation)
  end)

  describe("check", function()
    it("tells all messages and what was read, also through JSON", function()
      folder:write("config.lua", 'return {\n  listen = "0.0.0.0:1",\n  providers = { a = { x = 1 } } }')
      local report = check.run({ path = path })
      assert.is_false(report.ok)
      local read = check.decode(check.encode(report))
      assert.same(report.messages, read.messages)
      assert.same(report.files, read.files)
      assert.is_false(read.ok)
      assert.same({ "listen", "providers.a.x" }, { read.messages[1].path, read.messages[2].path })
      assert.matches("config.lua:3: providers.a.x: unknown option.*\n2 errors\n$", check.text(report))
    end)

    it("finds a good configuration good", function()
      local report = check.run({ path = path })
      assert.is_true(check.decode(check.encode(report)).ok)
      assert.equal("OK: " .. path .. "\n", check.text(report))
    end)

    it("checks single scripts and helpers", function()
      assert.is_true(check.run({ files = { folder.path .. "/providers/a.lua", folder.path
        .. "/providers/lib/helper.lua" } }).ok)
      folder:write("providers/c.lua", "return { name = 'c' }")
      folder:write("providers/lib/bad.lua", "return {")
      local report = check.run({ files = { folder.path .. "/providers/c.lua", folder.path .. "/providers/lib/bad.lua",
        path } })
      assert.is_false(report.ok)
      assert.matches("providers/c.lua:1: contract: is required", check.text(report), 1, true)
      assert.matches("providers/lib/bad.lua:1: unexpected symbol", check.text(report), 1, true)
    end)

    it("says so where a file is missing", function()
      assert.matches("/none.lua does not exist", check.text(check.run({ files = { folder.path .. "/none.lua" } })), 1,
        true)
      assert.matches("--config names ", check.text(check.run({ path = folder.path .. "/none.lua" })), 1, true)
    end)

    it("puts whatever a script raises into valid JSON", function()
      folder:write("providers/a.lua", 'error("\\255\\254 \\27[31m \\0 \\226\\130")')
      local report = check.run({ path = path })
      assert.same(report.messages, check.decode(check.encode(report)).messages)
    end)

    it("does not take anything else for a report", function()
      for _, text in ipairs({ "", "null", "[]", "{}", '{"ok":true}', '{"ok":true,"messages":{},"files":[]}' }) do
        assert.is_nil(check.decode(text))
      end
    end)
  end)
end)
