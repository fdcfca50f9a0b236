local async = require("spec.support.async")
local cli = require("cliproxy.cli")
local clients = require("cliproxy.clients")
local config = require("cliproxy.config")
local http = require("cliproxy.http")
local json = require("cliproxy.json")
local system = require("cliproxy.system")

local DIALECTS = { openai_chat = true, openai_responses = true, anthropic = true, gemini = true }

local function facts(more)
  local all = { root = "http://h:1", context = 1000 }
  for name, value in pairs(more or {}) do
    all[name] = value
  end
  return all
end

describe("the table of clients", function()
  it("has rows that are whole", function()
    local seen = {}
    for _, row in ipairs(clients.rows) do
      assert.is_nil(seen[row.name], row.name)
      seen[row.name] = true
      assert.matches("^[%l-]+$", row.name)
      assert.is_true(DIALECTS[row.dialect], row.name)
      assert.is_truthy(row.env or row.file or row.steps, row.name)
      assert.is_true(#row.notes > 0, row.name)
      assert.is_true(not row.config_folder or row.file ~= nil, row.name)
    end
  end)

  it("leads each client to the proxy, in whatever it reads", function()
    for _, row in ipairs(clients.rows) do
      local texts = { row.file and row.file.text or "" }
      for _, entry in ipairs(row.env or {}) do
        texts[#texts + 1] = entry[2]
      end
      for _, step in ipairs(row.steps or {}) do
        texts[#texts + 1] = step
      end
      for _, entry in ipairs(row.args or {}) do
        texts[#texts + 1] = entry[1]
      end
      local all = clients.fill(table.concat(texts, "\n"), facts({ model = "m-1", key = "k" }))
      assert.is_truthy(all:find("http://h:1", 1, true), row.name)
      assert.is_truthy(all:find("m-1", 1, true) or row.name:find("sdk"), row.name)
      assert.is_nil(all:find("{root}", 1, true) or all:find("{model", 1, true) or all:find("{key", 1, true), row.name)
    end
  end)

  it("makes files that parse, with a model and a key or without", function()
    for _, row in ipairs(clients.rows) do
      for _, more in ipairs { {}, { model = "m" }, { model = "a/b:c", key = "k" } } do
        local text = row.file and clients.fill(row.file.text, facts(more))
        if text and row.file.path:find("%.json$") then
          local document, message = json.parse(text)
          assert.is_truthy(document, ("%s: %s"):format(row.name, tostring(message)))
          json.close(document)
        end
        assert.is_nil(text and text:find("?}", 1, true), row.name)
      end
    end
  end)

  it("leaves out what is not known", function()
    local codex = clients.find("codex")
    assert.same({}, clients.variables(codex, facts()))
    assert.same({ { "CLIPROXY_KEY", "k" } }, clients.variables(codex, facts({ key = "k" })))
    local bare = table.concat(clients.arguments(codex, facts()), " ")
    assert.is_nil(bare:find("env_key") or bare:find("-m", 1, true))
    assert.is_truthy(bare:find('model_providers.cliproxy.base_url="http://h:1/v1"', 1, true))
    local full = table.concat(clients.arguments(codex, facts({ key = "k", model = "m" })), " ")
    assert.matches('env_key="CLIPROXY_KEY" %-c model_context_window=1000 %-m m$', full)
    assert.is_nil(clients.fill(codex.file.text, facts()):find("env_key"))
    assert.matches('^model = "m"\nmodel_context_window = 1000\nmodel_provider',
      clients.fill(codex.file.text, facts({ model = "m" })))
  end)

  it("gives a client that insists on a key some text where there is none", function()
    local claude = clients.find("claude-code")
    assert.same({ "ANTHROPIC_AUTH_TOKEN", "cliproxy" }, clients.variables(claude, facts())[2])
    assert.same({ "ANTHROPIC_AUTH_TOKEN", "k" }, clients.variables(claude, facts({ key = "k" }))[2])
  end)

  it("finds a client by its name and by its program's, and no other", function()
    assert.equal(clients.find("gemini-cli"), clients.find("gemini"))
    assert.is_nil(clients.find("emacs"))
    assert.is_nil(clients.find(""))
  end)
end)

describe("cliproxy env and run", function()
  local printed, complained, saved, loaded

  before_each(function()
    printed, complained = "", ""
    saved = { print = system.print, print_error = system.print_error, getenv = system.getenv, exec = system.exec }
    saved.load, saved.request = config.load, http.request
    system.print = function(text)
      printed = printed .. text
      return true
    end
    system.print_error = function(text)
      complained = complained .. text
      return true
    end
    loaded = { listen = { "127.0.0.1:8317" }, api_keys = {}, file = "config.lua" }
    config.load = function() return loaded end
    system.getenv = function(name)
      return not name:find("^CLIPROXY_") and saved.getenv(name) or nil
    end
  end)

  after_each(function()
    for _, name in ipairs { "print", "print_error", "getenv", "exec" } do
      system[name] = saved[name]
    end
    config.load, http.request = saved.load, saved.request
  end)

  local function env(...)
    printed, complained = "", ""
    return cli.main { "env", ... }
  end

  it("lists all clients", function()
    assert.equal(cli.codes.ok, env())
    for _, row in ipairs(clients.rows) do
      assert.is_truthy(printed:find("  " .. row.name .. " ", 1, true), row.name)
    end
  end)

  it("prints what docs/clients.md shows, client by client", function()
    local page = assert(system.read(system.root .. "/docs/clients.md"))
    local count = 0
    for arguments, block in page:gmatch("\n    cliproxy env ([^\n]+)\n\n```text\n(.-)```\n") do
      local words = {}
      for word in arguments:gmatch("%S+") do
        words[#words + 1] = word
      end
      assert.equal(cli.codes.ok, env(unpack(words)))
      assert.equal(printed, block, arguments)
      count = count + 1
    end
    assert.is_true(count >= #clients.rows)
    for _, row in ipairs(clients.rows) do
      assert.is_truthy(page:find("\n    cliproxy env " .. row.name .. " ", 1, true), row.name .. " is not documented")
    end
  end)

  it("quotes for each shell", function()
    loaded.listen = { "unix:/x", "[::]:1" }
    env("openai-sdk")
    assert.matches("export OPENAI_BASE_URL='http://%[::1%]:1/v1'\n", printed)
    env("openai-sdk", "--shell", "fish")
    assert.matches("set %-gx OPENAI_API_KEY 'cliproxy'\n", printed)
    env("claude-code", "--shell", "powershell")
    assert.matches("Remove%-Item Env:ANTHROPIC_API_KEY %-ErrorAction SilentlyContinue\n", printed)
    assert.matches("%$env:ANTHROPIC_BASE_URL = 'http://%[::1%]:1'\n", printed)
    loaded.api_keys = { { name = "a", key = "it's" } }
    env("openai-sdk", "--show-key")
    assert.is_truthy(printed:find([[OPENAI_API_KEY='it'\''s']], 1, true))
  end)

  it("never shows a key that nobody asked to see", function()
    loaded.api_keys = { { name = "a", key = "sekret-key" } }
    for _, row in ipairs(clients.rows) do
      for _, flag in ipairs { "--model", "--file" } do
        local words = { row.name, "--model", "m" }
        words[4] = flag == "--file" and row.file and "--file" or nil
        assert.equal(cli.codes.ok, env(unpack(words)))
        assert.is_nil((printed .. complained):find("sekret", 1, true), row.name)
      end
    end
    env("claude-code")
    assert.matches('export ANTHROPIC_AUTH_TOKEN="%$CLIPROXY_KEY"\n', printed)
    env("claude-code", "--shell", "powershell")
    assert.matches("%$env:ANTHROPIC_AUTH_TOKEN = %$env:CLIPROXY_KEY\n", printed)
    env("cline")
    assert.matches("API Key: YOUR%-CLIENT%-KEY\n", printed)
    env("claude-code", "--show-key", "--file")
    assert.matches('"ANTHROPIC_AUTH_TOKEN": "sekret%-key"', printed)
  end)

  it("takes --url, the window of the model, and a certificate of one's own", function()
    loaded.models = { m = { context = 4321 } }
    env("zed", "--model", "m", "--url", "https://box:9/")
    assert.matches('"api_url": "https://box:9/v1"', printed)
    assert.matches('"max_tokens": 4321 ', printed)
    loaded.tls = { cert = "/c.pem" }
    env("claude-code")
    assert.matches("ANTHROPIC_BASE_URL='https://127.0.0.1:8317'\n", printed)
    assert.matches("export NODE_EXTRA_CA_CERTS='/c.pem'\n", printed)
  end)

  it("says what is wrong", function()
    for text, words in pairs {
      ["no client is called 'codxe'; did you mean codex? `cliproxy env` lists them"] = { "codxe" },
      ["OpenCode must be told which model to use: add --model MODEL"] = { "opencode" },
      ["'a\"b' is no name of a model"] = { "aider", "--model", 'a"b' },
      ["Aider has no file for this: leave --file out"] = { "aider", "--file" },
    } do
      assert.equal(cli.codes.usage, env(unpack(words)))
      assert.is_truthy(complained:find(text, 1, true), complained)
      assert.equal("", printed)
    end
    loaded.listen = { "unix:/x" }
    assert.equal(cli.codes.config, env("codex"))
    assert.matches("clients cannot use a Unix socket", complained)
    config.load = function() return nil, "config.lua:1: broken" end
    assert.equal(cli.codes.config, env("codex"))
    assert.matches("config.lua:1: broken", complained)
  end)

  describe("run", function()
    local started

    before_each(function()
      started = nil
      http.request = function() return { status = 200, headers = {}, body = "{}" } end
      system.exec = function(args, variables)
        started = { args = args, env = variables }
        return nil, "cannot start " .. args[1] .. ": No such file or directory", "not_found"
      end
    end)

    it("becomes the client, with its variables and the user's arguments", function()
      loaded.api_keys = { { name = "a", key = "k-1" } }
      assert.equal(cli.codes.failed, cli.main { "run", "--model", "m", "--", "claude-code", "-p", "--model", "x" })
      assert.same({ "claude", "-p", "--model", "x" }, started.args)
      assert.same({ "http://127.0.0.1:8317", "k-1", "m", false }, { started.env.ANTHROPIC_BASE_URL,
        started.env.ANTHROPIC_AUTH_TOKEN, started.env.ANTHROPIC_MODEL, started.env.ANTHROPIC_API_KEY })
      assert.equal("cliproxy: cannot start claude: No such file or directory: is Claude Code installed?\n", complained)
    end)

    it("puts its own options before the user's", function()
      cli.main { "run", "--", "codex", "exec" }
      assert.same({ "codex", "-c", 'model_provider="cliproxy"' }, { unpack(started.args, 1, 3) })
      assert.equal("exec", started.args[#started.args])
      assert.same({}, started.env)
    end)

    it("keeps a file for a client that needs one, and no key in it", function()
      local folder = os.tmpname()
      os.remove(folder)
      loaded.state_dir, loaded.api_keys = folder, { { name = "a", key = "k-1" } }
      cli.main { "run", "--model", "m", "--", "crush" }
      assert.same({ CLIPROXY_KEY = "k-1", CRUSH_GLOBAL_CONFIG = folder .. "/clients/crush" }, started.env)
      local text = assert(system.read(folder .. "/clients/crush/crush.json"))
      assert.is_nil(text:find("k-1", 1, true))
      assert.is_truthy(text:find('"base_url": "http://127.0.0.1:8317/v1"', 1, true))
      assert.equal(384, system.stat(folder .. "/clients/crush/crush.json").mode) -- 0600
      os.execute("rm -r '" .. folder .. "'")
    end)

    it("starts nothing where the proxy does not answer, or the client is none to start", function()
      http.request = function() return nil, "refused" end
      assert.equal(cli.codes.unreachable, cli.main { "run", "--", "claude-code" })
      assert.matches("no proxy answers at http://127.0.0.1:8317 %(refused%)", complained)
      assert.equal(cli.codes.usage, cli.main { "run", "--", "cline" })
      assert.matches("Cline is not started from here", complained)
      assert.equal(cli.codes.usage, cli.main { "run", "--", "emacs" })
      assert.equal(cli.codes.usage, cli.main { "run" })
      assert.is_nil(started)
    end)
  end)
end)

describe("cliproxy models NAME", function()
  local printed, complained, print_, print_error, folder

  before_each(function()
    printed, complained, print_, print_error = "", "", system.print, system.print_error
    system.print = function(text) printed = printed .. text end
    system.print_error = function(text) complained = complained .. text end
    folder = require("spec.support.folder").new()
  end)

  after_each(function()
    system.print, system.print_error = print_, print_error
    folder:remove()
  end)

  local function models(text, ...)
    folder:write("config.lua", text)
    printed, complained = "", ""
    local words = { "models", "--config", folder.path .. "/config.lua", ... }
    return async(function() return cli.main(words) end)
  end

  it("shows the row, what changed it, and where the model goes", function()
    local code = models([[return { providers = { demo = { caps = { pdf = true } } },
      models = { ["demo*"] = { context = 777 } }, routes = { { model = "hello", to = "demo/demo-fast" } } }]], "hello")
    assert.equal(0, code, complained)
    assert.matches("^hello\n  row       demo%*: the built%-in provider\n  provider  demo, as demo%-fast\n", printed)
    assert.matches('\n  context +777 +models%["demo%*"%] of the configuration\n', printed)
    assert.matches("\n  pdf +true +the provider\n", printed)
    assert.matches("\n  images +true +the provider\n", printed)
    assert.matches("\n  stream_usage +true +the dialect\n", printed)
  end)

  it("prints JSON", function()
    assert.equal(0, models("return {}", "gpt-4o", "--json", "--dialect", "anthropic"))
    local document = json.parse(printed)
    assert.same({ "gpt-4o", "anthropic", 128000, "the dialect" }, { document.model, document.dialect,
      document.caps.context, document.sources.json_object })
    assert.matches("^gpt%-4o%*: ", document.sources.images)
    assert.is_nil(document.provider)
    json.close(document)
  end)

  it("knows models that lead nowhere, too, and tells a broken configuration", function()
    assert.equal(0, models("return {}", "claude-opus-5-5"))
    assert.matches("provider  none: no rule and no pattern leads there\n", printed)
    assert.matches("price +cache_written 5, cached 0.2, input 4, output 20 ", printed)
    assert.equal(4, models("return { nonsense = 1 }", "x"))
    assert.matches("config.lua:1: nonsense: unknown option", complained)
  end)
end)
