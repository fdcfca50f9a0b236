--- The commands of the real binary: what they print, where, and with which exit code. #gc
local cjson = require "cjson"
local posix = require "posix"
local daemon = require "spec.support.daemon"
local process = require "spec.support.process"

local binary = daemon.binary:find("^/") and daemon.binary or posix.getcwd() .. "/" .. daemon.binary
local DIALECTS = { "openai_chat", "openai_responses", "anthropic", "gemini" }

local function lines(text)
  local list = {}
  for line in text:gmatch("[^\n]+") do list[#list + 1] = line end
  return list
end

--- Runs a command in `folder`; output and errors come together.
local function run(folder, arguments, env)
  local all = { binary }
  for _, argument in ipairs(arguments) do all[#all + 1] = argument end
  local environment = { CLIPROXY_CONFIG = false, CLIPROXY_URL = false, HOME = folder }
  for name, value in pairs(env or {}) do environment[name] = value end
  return process.run(all, { cwd = folder, env = environment, seconds = 60 })
end

describe("the command line alone #gc", function()
  local folder

  setup(function() folder = process.folder() end)
  teardown(function() process.remove(folder) end)

  it("tells its version", function()
    local code, text = run(folder, { "version" })
    assert.equal(0, code)
    assert.matches("^cliproxy %d+%.%d+%.%d+\n$", text)
  end)

  it("explains itself and each command, however it is asked", function()
    for _, arguments in ipairs { {}, { "help" }, { "--help" }, { "-h" } } do
      local code, text = run(folder, arguments)
      assert.equal(0, code)
      assert.matches("serve +run the proxy", text)
      assert.matches("Exit codes: 0 done; 1 ", text)
    end
    for _, name in ipairs { "serve", "check", "try", "tail", "models", "env", "run", "new", "version",
      "help" } do
      for _, arguments in ipairs { { "help", name }, { name, "--help" }, { name, "-h" } } do
        local code, text = run(folder, arguments)
        assert.equal(0, code)
        assert.matches("^Usage: cliproxy " .. name, text)
      end
    end
  end)

  it("says what is wrong with its arguments and ends with 2", function()
    for text, arguments in pairs {
      ["unknown command 'sevre'"] = { "sevre" }, ["missing argument 'model'"] = { "try" },
      ["missing argument 'text'"] = { "try", "demo" }, ["unknown option '%-%-fast'"] = { "try", "m", "hi", "--fast" },
      ["no command 'sevre'"] = { "help", "sevre" },
      ["'soon' is not a number above 0"] = { "try", "m", "t", "--timeout", "soon" },
      ["'%-1' is not a number above 0"] = { "tail", "--count=-1" },
      ["'%-%-dialect'"] = { "try", "m", "t", "--dialect", "french" },
      ["no name for a provider"] = { "new", "provider", "My-Own" }, ["must be one of 'provider', 'filter'"] = {
        "new", "gadget", "x" },
    } do
      local code, output = run(folder, arguments)
      assert.equal(2, code, output)
      assert.matches(text, output)
      assert.is_nil(output:find("stack traceback", 1, true))
    end
  end)

  it("shows what a model can, without a proxy", function()
    local code, text = run(folder, { "models", "claude-opus-5-5", "--dialect", "anthropic" })
    assert.equal(0, code, text)
    assert.matches("\n  context +1000000 +the row\n", text)
    assert.matches("\n  temperature +false +the row\n", text)
    code, text = run(folder, { "models", "demo", "--json" })
    assert.equal(0, code)
    assert.equal("demo", cjson.decode(text).provider)
  end)

  it("prints shell lines that a shell takes", function()
    for _, name in ipairs { "claude-code", "codex", "gemini-cli", "qwen-code", "aider", "opencode", "goose" } do
      local lines_of = ('eval "$(%s env %s --model m --url http://h:1)"; env'):format(binary, name)
      local code, text = process.run({ "bash", "-euc", lines_of }, { cwd = folder, env = { CLIPROXY_CONFIG = false,
        HOME = folder } })
      assert.equal(0, code, text)
      assert.truthy(name == "codex" or text:find("http://h:1", 1, true), text)
    end
  end)

  it("takes --root in both spellings, and says where it looked for a bad one", function()
    for _, arguments in ipairs { { "--root", "/nowhere", "version" }, { "--root=/nowhere", "version" } } do
      local code, text = run(folder, arguments)
      assert.equal(1, code)
      assert.matches("/nowhere/lua/cliproxy", text, 1, true)
    end
  end)

  it("ends with 3 where no proxy answers, and says how to start one", function()
    process.write(folder .. "/config.lua", 'return { listen = "127.0.0.1:1", providers = { demo = {} } }')
    local by_url = { "models", "--url", "http://127.0.0.1:1/" }
    for _, arguments in ipairs { { "models" }, { "tail" }, { "try", "demo", "hi" }, by_url } do
      local code, text = run(folder, arguments)
      assert.equal(3, code, text)
      assert.truthy(text:find("no proxy answers at http://127.0.0.1:1 ", 1, true), text)
      assert.truthy(text:find("./scripts/start.sh", 1, true))
    end
  end)

  it("ends with 4 where the configuration is broken", function()
    process.write(folder .. "/broken.lua", 'return { listen = "127.0.0.1:0", providers = { demo = {} }, nonsense = 1 }')
    for _, name in ipairs { "serve", "models", "tail" } do
      local code, text = run(folder, { name, "--config", folder .. "/broken.lua" })
      assert.equal(4, code, text)
      assert.matches("broken.lua:1:.*nonsense", text)
    end
    local code, text = run(folder, { "serve", "--config", folder .. "/none.lua" })
    assert.equal(4, code)
    assert.truthy(text:find("none.lua", 1, true))
  end)

  it("ends with 1 where the port is taken, and names who holds it", function()
    local proxy = daemon.start { config = daemon.config "  providers = { demo = {} }," }
    local env = { CLIPROXY_CONFIG = proxy.folder .. "/config.lua" }
    local code, text = run(folder, { "serve", "--listen", proxy.address }, env)
    proxy:stop()
    assert.equal(1, code)
    assert.truthy(text:find("cannot listen on " .. proxy.address, 1, true), text)
  end)
end)

describe("cliproxy check and new #gc", function()
  local folder

  setup(function()
    folder = process.folder()
    process.write(folder .. "/config.lua", 'return { providers = { demo = {} } }')
  end)
  teardown(function() process.remove(folder) end)

  it("find nothing wrong with a good configuration", function()
    local code, text = run(folder, { "check" })
    assert.equal(0, code)
    assert.matches("^OK: .*config.lua\n$", text)
    code, text = run(folder, { "check", "--json" })
    assert.equal(0, code)
    local report = cjson.decode(text)
    assert.is_true(report.ok)
    assert.equal("[]", text:match('"messages":(%[%])'))
  end)

  it("name file, line and what is wrong, and end with 1", function()
    process.write(folder .. "/bad.lua", 'return {\n  providers = { demo = {} },\n  nonsense = 5,\n}')
    local code, text = run(folder, { "check", "bad.lua" })
    assert.equal(1, code)
    assert.matches("bad.lua:3:.*nonsense", text)
    assert.matches("1 error\n$", text)
    code, text = run(folder, { "check", "--json", "bad.lua" })
    assert.equal(1, code)
    local report = cjson.decode(text)
    assert.is_false(report.ok)
    assert.equal(3, report.messages[1].line)
    code, text = run(folder, { "check", "absent.lua" })
    assert.equal(1, code)
    assert.matches("absent.lua does not exist", text)
  end)

  it("make a provider that passes, alone and in use, and never overwrite one", function()
    local code, text = run(folder, { "new", "provider", "acme" })
    assert.equal(0, code, text)
    assert.truthy(text:find(folder .. "/providers/acme.lua", 1, true))
    assert.equal(0, (run(folder, { "check", "providers/acme.lua" })))
    process.write(folder .. "/config.lua", 'return { providers = { acme = { api_key = "k" } } }')
    code, text = run(folder, { "check" })
    assert.equal(0, code, text)
    code, text = run(folder, { "new", "provider", "acme" })
    assert.equal(1, code)
    assert.matches("is there already", text)
    process.write(folder .. "/providers/acme.lua", "return {\n  name = acme.x,\n}")
    code, text = run(folder, { "check", "providers/acme.lua" })
    assert.equal(1, code)
    assert.matches("acme.lua:2:", text)
  end)
end)

describe("commands to a running proxy #gc", function()
  local proxy, env

  setup(function()
    local route = '  routes = { { model = "fast", to = "demo/demo-fast" } },'
    proxy = daemon.start { config = daemon.config("  providers = { demo = {} },\n" .. route) }
    env = { CLIPROXY_URL = "http://" .. proxy.address }
  end)
  teardown(function() if proxy then proxy:stop() end end)

  local function ask(arguments, more)
    local all = { CLIPROXY_URL = env.CLIPROXY_URL }
    for name, value in pairs(more or {}) do all[name] = value end
    return run(proxy.folder, arguments, all)
  end

  it("list the models", function()
    local code, text = ask { "models" }
    assert.equal(0, code)
    assert.matches("demo +demo\n", text)
    code, text = ask { "models", "--json" }
    assert.equal(0, code)
    assert.equal("list", cjson.decode(text).object)
  end)

  for _, dialect in ipairs(DIALECTS) do
    for _, stream in ipairs { false, true } do
      it(("try %s%s"):format(dialect, stream and ", streaming" or ""), function()
        local arguments = { "try", "demo", "Good morning", "--dialect", dialect }
        if stream then arguments[#arguments + 1] = "--stream" end
        local code, text = ask(arguments)
        assert.equal(0, code, text)
        assert.matches("You said: Good morning\n", text)
        assert.matches("200 · demo · first byte %d+ ms · total %d+ ms · %d+ in, %d+ out\n$", text)
        assert.is_nil(text:find("upstream:", 1, true))
        arguments[#arguments + 1] = "--show-upstream"
        code, text = ask(arguments)
        assert.equal(0, code, text)
        assert.matches("upstream: POST /[%w/:]+ %[.*content%-type: application/json.*%] %d+ bytes: {", text)
        assert.is_nil(text:find("the proxy did not say", 1, true))
      end)
    end
  end

  it("try shows refusals and broken streams, and ends with 1", function()
    local code, text = ask { "try", "gpt-none", "hi" }
    assert.equal(1, code)
    assert.matches('404 no route for "gpt%-none"', text)
    code, text = ask { "try", "demo-status-429", "hi", "--dialect", "anthropic" }
    assert.equal(1, code, text)
    assert.matches("^429 ", text)
    code, text = ask { "try", "demo-cut", "hi", "--stream" }
    assert.equal(1, code, text)
    assert.matches("broken off: ", text)
  end)

  it("run becomes the client, with its exit code, its output and its signals", function()
    local bin = process.folder()
    process.write(bin .. "/claude", '#!/bin/sh\necho "$ANTHROPIC_BASE_URL $ANTHROPIC_MODEL $*"\n'
      .. 'case "$1" in kill) kill -TERM $$;; esac\nexit 7\n')
    assert(os.execute("chmod +x '" .. bin .. "/claude'") == 0)
    local path = bin .. ":" .. os.getenv("PATH")
    local code, text = ask({ "run", "--model", "fast", "--", "claude-code", "-p", "a b" }, { PATH = path })
    assert.equal(7, code, text)
    assert.equal(env.CLIPROXY_URL .. " fast -p a b\n", text)
    code = ask({ "run", "--", "claude-code", "kill" }, { PATH = path })
    assert.equal(143, code)
    code, text = ask({ "run", "--", "gemini-cli" }, { PATH = "/nowhere" })
    assert.equal(1, code)
    assert.matches("cannot start gemini: .*is Gemini CLI installed", text)
    process.remove(bin)
  end)

  it("tail shows a line a request, or its JSON, and stops after --count", function()
    for _, form in ipairs { {}, { "--json" } } do
      local arguments = { "tail", "--count", "2", form[1] }
      local tail = { daemon.binary, unpack(arguments) }
      local folder = process.folder()
      local child = process.start(tail, { output = folder .. "/out", env = { CLIPROXY_URL = env.CLIPROXY_URL,
        CLIPROXY_CONFIG = proxy.folder .. "/config.lua" } })
      process.eventually("tail reads the feed", function()
        proxy:post("/v1/chat/completions", { model = "fast", messages = { { role = "user", content = "hi" } } },
          { ["user-agent"] = "spec/1.0" })
        return #lines(child:text()) >= 1
      end)
      proxy:post("/v1/chat/completions", { model = "none" })
      assert.equal(0, child:wait(10), child:text())
      local shown = lines(child:text())
      assert.equal(2, #shown)
      if form[1] then
        local event = cjson.decode(shown[1])
        assert.same({ "spec", "demo", "fast", 200 }, { event.client, event.provider, event.model_asked, event.status })
      else
        local pattern = "^%d%d:%d%d:%d%d  spec +demo +fast → demo%-fast +200  first %d+ ms  total %d+ ms  "
        assert.matches(pattern .. "%d+ in, %d+ out$", shown[1])
      end
      process.remove(folder)
    end
  end)

  it("tail ends with 1 when the proxy does", function()
    local other = daemon.start { config = daemon.config "  providers = { demo = {} },\n" }
    local folder = process.folder()
    local child = process.start({ daemon.binary, "tail", "--url", "http://" .. other.address },
      { output = folder .. "/out", env = { CLIPROXY_CONFIG = other.folder .. "/config.lua" } })
    process.eventually("tail shows a request", function()
      other:request { path = "/v1/health" }
      return #lines(child:text()) >= 1
    end)
    other:stop()
    local code = child:wait(20)
    local text = child:text()
    process.remove(folder)
    assert.equal(1, code, text)
    assert.matches("cliproxy: [^\n]+\n$", text)
  end)
end)

describe("commands to a proxy with keys, on a Unix socket #gc", function()
  it("take the address and the key from the configuration", function()
    local proxy = daemon.launch { config = [[
return {
  listen = "unix:$FOLDER/socket",
  state_dir = "$FOLDER/state",
  drain_timeout = 3,
  api_keys = { { name = "me", key = "secret-key-of-mine" } },
  admin_key = "the-admin-key",
  providers = { demo = {} },
}
]] }
    process.eventually("it listens", function() return proxy:log():find("listening on unix:", 1, true) end, 20)
    local env = { CLIPROXY_CONFIG = proxy.folder .. "/config.lua" }
    local code, text = run(proxy.folder, { "try", "demo", "hi", "--show-upstream" }, env)
    assert.equal(0, code, text)
    assert.matches("upstream: POST", text)
    code, text = run(proxy.folder, { "try", "demo", "hi", "--key", "wrong" }, env)
    assert.equal(1, code)
    assert.matches("^401 ", text)
    assert.is_nil(text:find("secret-key", 1, true))
    proxy:stop()
  end)
end)
