local config = require("cliproxy.config")
local env = require("cliproxy.env")
local findings_of = require("cliproxy.findings")
local folder_of = require("spec.support.folder")
local snapshot = require("cliproxy.snapshot")

describe("config", function()
  local folder

  before_each(function()
    folder = folder_of.new({ ["providers/demo.lua"] = folder_of.provider("demo",
      'auth = "none", models = { "demo" },') })
  end)

  after_each(function()
    folder:remove()
  end)

  --- Builds a configuration; gives the snapshot and the messages as text.
  local function build(text, listen)
    folder:write("config.lua", text)
    local built, messages = snapshot.build({ path = folder.path .. "/config.lua", listen = listen })
    local texts = {}
    for i, message in ipairs(messages) do
      texts[i] = findings_of.text(message)
    end
    return built, table.concat(texts, "\n")
  end

  local function refused(text, expected)
    local built, messages = build(text)
    assert.is_nil(built)
    assert.equal(expected, messages)
  end

  it("fills in the defaults", function()
    local built, messages = build("return { providers = { demo = {} } }")
    assert.equal("", messages)
    local c = built.config
    assert.same({ "127.0.0.1:8317", "[::1]:8317" }, c.listen)
    assert.is_true(c.listen_is_default)
    assert.same({ level = "info", format = "text" }, c.log)
    assert.same({ head_timeout = 10, body_timeout = 30, idle_timeout = 75, send_timeout = 60 }, c.http)
    assert.same({ connect = 10, first_byte = 300, idle = 120, total = 3600 }, c.timeouts)
    assert.same({ 67108864, 536870912, 30, 300 }, { c.body_limit, c.bodies_limit, c.drain_timeout, c.models_ttl })
    assert.same({ {}, {}, {} }, { c.api_keys, c.allowed_origins, c.allowed_hosts })
    assert.equal("config.lua", c.file)
    assert.matches("^/.*/%.cliproxy$", c.state_dir)
  end)

  it("reads what is set", function()
    local built, messages = build([[
return {
  listen = { "127.0.0.1:1", "unix:/tmp/x.sock" },
  api_keys = { "one", { name = "editor", key = "two" } },
  admin_key = "three",
  allowed_origins = { "app://X", "http://localhost:3000" },
  allowed_hosts = { "devbox.local" },
  providers = { demo = { timeouts = { idle = "7s" } } },
  log = { level = "debug", format = "json" },
  body_limit = "1MB", bodies_limit = "2MB", drain_timeout = 0,
  http = { head_timeout = "1s" },
  timeouts = { connect = "2s" },
  state_dir = "state",
}]])
    assert.equal("", messages)
    local c = built.config
    assert.same({ { name = "key-1", key = "one" }, { name = "editor", key = "two" } }, c.api_keys)
    assert.same({ "app://x", "http://localhost:3000" }, c.allowed_origins)
    assert.equal(folder.path .. "/state", c.state_dir)
    assert.same({ connect = 2, first_byte = 300, idle = 7, total = 3600 }, built.instances.demo.timeouts)
    assert.equal(5, c:line("allowed_origins"))
    assert.equal(7, c:line("providers.demo.timeouts.idle"))
  end)

  it("names file, line, key path, what was expected and what was found", function()
    refused(
      'return {\n  providers = {\n    demo = {\n      timeouts = { connect = "soon" } } } }',
      'config.lua:4: providers.demo.timeouts.connect: expected a duration such as "5s" from 10ms to 5m, found "soon"'
    )
    refused("return {\n listn = 1 }", "config.lua:2: listn: unknown option; did you mean listen?")
    refused("return { log = {\n levle = 1 } }", "config.lua:2: log.levle: unknown option; did you mean level?")
    refused("return {\n pipelines = {} }", "config.lua:2: pipelines: unknown option; known here: " .. table.concat({
      "admin_key, allowed_hosts, allowed_origins, api_keys, bodies_limit, body_limit, drain_timeout, filters, http, "
        .. "listen, log,",
      "models, models_ttl, payload, providers, routes, state_dir, strict, timeouts, tls",
    }, " "))
    refused("return {\n allowed_origins = { \"http://x/y\" } }",
      "config.lua:2: allowed_origins[1]: expected an origin such as "
      .. '"http://localhost:3000" or "app://x", found "http://x/y"')
    refused("return {\n body_limit = \"2MB\",\n bodies_limit = \"1MB\" }",
      "config.lua:3: bodies_limit: must not be below body_limit: it bounds all bodies together")
    refused("return {\n providers = {\n demo = {},\n demo = {} } }",
      "config.lua:4: providers.demo: stands twice: Lua would drop the one in line 3; keep one of them")
  end)

  it("tells all that is wrong at once", function()
    local _, messages = build("return {\n listen = 5,\n log = 7,\n providers = { demo = 1 },\n routes = { 1 } }")
    for _, line in ipairs({ "config.lua:2: listen", "config.lua:3: log", "config.lua:4: providers.demo",
      "config.lua:5: routes[1]" }) do
      assert.matches(line, messages, 1, true)
    end
  end)

  it("says what is wrong with a file that is none", function()
    refused("return {", "config.lua:1: unexpected symbol near '<eof>'")
    refused("listen = 1", "config.lua:1: global 'listen' is not declared; write local listen")
    refused("local x", "config.lua: expected `return { … }` at its end, found nothing")
    refused("return 5", "config.lua: expected `return { … }` at its end, found 5")
    refused("local t = {} t.t = t return t", "config.lua: the table it returns is nested too deeply, or in a circle")
    local _, messages = build("\nlocal x = nil\nreturn { listen = x.y }")
    assert.matches("^config.lua:3: attempt to index", messages)
  end)

  it("stops endless loops, endless recursion and huge tables at the top level", function()
    for text, expected in pairs({
      ["while true do end"] = { "ran for 50 ms" },
      ["local function f() return 1 + f() end f()"] = { "stack overflow" },
      -- On a busy machine the time may be over before the memory.
      ["local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(15e6 + i) end"] = { "64 MB", "ran for 50 ms" },
      ["local s = ('a'):rep(2e9)"] = { "config.lua:1: string.rep: the result would have 1907 MB" },
    }) do
      local built, messages = build(text)
      assert.is_nil(built)
      local found = messages:find(expected[1], 1, true) or messages:find(expected[2] or expected[1], 1, true)
      assert.is_truthy(found, text .. ": " .. messages)
    end
  end)

  it("does not run metamethods of the table while it reads it", function()
    local built, messages = build([[
return setmetatable({ providers = { demo = setmetatable({}, { __index = function() while true do end end }) } },
  { __index = function() while true do end end })]])
    assert.equal("", messages)
    assert.is_nil(built.instances.demo.off)
  end)

  describe("listening beyond loopback", function()
    local tail = " can be reached from other machines, and api_keys is not set: anybody could use your providers. "
      .. 'Add api_keys = { "…" }, or listen on 127.0.0.1'

    it("is refused without keys", function()
      refused('return {\n listen = "0.0.0.0:8317" }', "config.lua:2: listen: 0.0.0.0:8317" .. tail)
      refused('return { listen = { "127.0.0.1:1",\n "[::]:8317" } }', "config.lua:2: listen[2]: [::]:8317" .. tail)
    end)

    it("is fine with a key", function()
      assert.is_truthy((build('return { listen = "0.0.0.0:8317", api_keys = { "k" } }')))
    end)

    it("is refused on the command line too", function()
      local built, messages = build("return {}", { "0.0.0.0:1" })
      assert.is_nil(built)
      assert.equal("--listen: 0.0.0.0:1" .. tail, messages)
    end)

    it("says what an address looks like", function()
      local built, messages = build('return { listen = "8317" }')
      assert.is_nil(built)
      assert.matches('expected an address such as "127.0.0.1:8317", "[::1]:8317" or "unix:/path", found "8317"',
        messages, 1, true)
    end)
  end)

  it("checks client keys without showing them", function()
    refused('return {\n api_keys = { "hidden one" } }',
      "config.lua:2: api_keys[1]: expected visible ASCII characters without blanks, found a value that is not shown")
    refused('return {\n api_keys = { "a", "a" } }', "config.lua:2: api_keys[2]: this key stands in the list already")
    refused('return {\n api_keys = "hidden" }', "config.lua:2: api_keys: expected a list such as "
      .. '{ "…" } or { { name = "editor", key = "…" } }, found a value that is not shown')
    refused('return {\n api_keys = { { name = "x" } } }', "config.lua:2: api_keys[1].key: is required: a string")
  end)

  it("fails where a key's variable is unset, instead of opening the door", function()
    refused('return {\n api_keys = { env "CPX_SPEC_NOT_SET" } }',
      "config.lua:2: api_keys[1]: the environment variable CPX_SPEC_NOT_SET is not set; set it, or put "
        .. "CPX_SPEC_NOT_SET=… into .env beside config.lua")
    assert.is_nil((build('return { admin_key = env "CPX_SPEC_NOT_SET" }')))
  end)

  it("checks that certificates are there", function()
    local built, messages = build('return {\n tls = { cert = "no.pem" } }')
    assert.is_nil(built)
    assert.matches("config.lua:2: tls.cert: expected a PEM file, but " .. folder.path .. "/no.pem does not exist",
      messages, 1, true)
    assert.matches("config.lua:2: tls.key: is required: a string", messages, 1, true)
  end)

  describe("env", function()
    it("reads the process, then .env, then the default", function()
      folder:write(".env", 'export A=one\nB="two # \\"x\\"" # comment\n# '
        .. 'no\nC=\'three\'\nPATH=wrong\nEMPTY=\nbad line\n')
      os.execute("chmod 600 " .. folder.path .. "/.env")
      local built, messages = build([[
return { api_keys = { env "A", env "B":gsub("[# \"]", ""), env "C", env("D", "four"), env("EMPTY", "five") },
  state_dir = env "PATH" .. "/x" }]])
      assert.equal(".env:7: expected NAME=value or a comment; the line is skipped", messages)
      local keys = {}
      for i, entry in ipairs(built.config.api_keys) do
        keys[i] = entry.key
      end
      assert.same({ "one", "twox", "three", "four", "five" }, keys)
      assert.is_nil(built.config.state_dir:find("wrong", 1, true))
    end)

    it("warns where others can read .env", function()
      folder:write(".env", "A=1\n")
      os.execute("chmod 644 " .. folder.path .. "/.env")
      local built, messages = build("return {}")
      assert.is_truthy(built)
      assert.equal(".env: others can read this file with your keys in it; run: chmod 600 " .. folder.path .. "/.env",
        messages)
    end)

    it("turns an instance off where its variable is unset, with a line that says so", function()
      local built, messages = build('return { providers = {\n demo = {\n  api_key = "Bearer " .. env '
        .. '"CPX_SPEC_NOT_SET" } } }')
      assert.equal("", messages)
      assert.equal("provider demo is off: CPX_SPEC_NOT_SET is not set (config.lua:3)", built.instances.demo.off)
      local plan, message, code = built.routes:plan({ model = "demo" })
      assert.is_nil(plan)
      assert.same({ built.instances.demo.off, "provider_off" }, { message, code })
    end)

    it("parses every kind of line", function()
      local values, bad = env.parse('A=1\r\n B = two words  # c\nexport C="a\\nb"\nD=\'x # y\'\n\n#x\nnope\n2=3\nE=a#b')
      assert.same({ A = "1", B = "two words", C = "a\nb", D = "x # y", E = "a#b" }, values)
      assert.same({ 7, 8 }, bad)
    end)

    it("refuses what is no name", function()
      local _, messages = build("return {\n admin_key = env(5) }")
      assert.matches("config.lua:2: env: expected the name of a variable", messages, 1, true)
    end)
  end)

  describe("models and strict", function()
    it("are read", function()
      local built, messages = build([[return { strict = true, models = {
  ["llama-*"] = { context = 8192, price = { input = 0.5 } }, tune = { efforts = { "low" } } } }]])
      assert.equal("", messages)
      assert.is_true(built.config.strict)
      assert.same({ ["llama-*"] = { context = 8192, price = { input = 0.5 } }, tune = { efforts = { "low" } } },
        built.config.models)
      built = build("return {}")
      assert.same({ false, nil }, { built.config.strict, built.config.models })
    end)

    it("are refused by name and line where they are wrong", function()
      refused('return { models = {\n ["a*"] = {\n contxt = 1 } } }',
        'config.lua:3: models["a*"].contxt: unknown option; did you mean context?')
      refused('return { models = {\n ["a b"] = {} } }', 'config.lua:1: models: expected ids and patterns such as '
        .. '"gpt-*" as names, found "a b"')
      refused('return { models = {\n a = 1 } }', "config.lua:2: models.a: expected a table, found 1")
      refused('return { models = { a = {\n price = { input = -1 } } } }',
        "config.lua:2: models.a.price.input: expected a number from 0 to 1000000, found -1")
      refused('return { models = { a = {\n efforts = { "none" } } } }', 'config.lua:2: models.a.efforts[1]: expected '
        .. 'one of "minimal", "low", "medium", "high", "xhigh", "max", found "none"')
      refused('return {\n strict = "yes" }', 'config.lua:2: strict: expected true or false, found "yes"')
    end)
  end)

  describe("find", function()
    it("takes the file named, and says so where it is missing", function()
      folder:write("a.lua", "return {}")
      assert.equal(folder.path .. "/a.lua", config.find({ path = folder.path .. "/a.lua" }))
      local path, message = config.find({ path = folder.path .. "/none.lua" })
      assert.is_nil(path)
      assert.equal("--config names " .. folder.path .. "/none.lua, which does not exist", message)
      path, message = config.find({ path = folder.path })
      assert.is_nil(path)
      assert.matches("which is a folder", message, 1, true)
    end)
  end)

  it("has a built-in configuration with demo alone", function()
    local built, messages = snapshot.build({})
    assert.same({}, messages)
    assert.same({ "demo" }, built.names)
    assert.equal("(built-in)", built.config.file)
    assert.is_nil(built.config:line("listen"))
  end)

  it("loads for the command line without its providers", function()
    folder:write("config.lua", 'return { admin_key = "x", providers = { nosuch = {} } }')
    assert.equal("x", config.load({ path = folder.path .. "/config.lua" }).admin_key)
    folder:write("config.lua", "return {")
    local loaded, message = config.load({ path = folder.path .. "/config.lua" })
    assert.is_nil(loaded)
    assert.equal("config.lua:1: unexpected symbol near '<eof>'", message)
  end)
end)
