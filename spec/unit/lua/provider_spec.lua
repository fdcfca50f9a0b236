local findings_of = require("cliproxy.findings")
local folder_of = require("spec.support.folder")
local snapshot = require("cliproxy.snapshot")

describe("provider", function()
  local folder

  before_each(function()
    folder = folder_of.new()
  end)

  after_each(function()
    folder:remove()
  end)

  local function build(instance)
    folder:write("config.lua", "return { providers = {\n p = " .. (instance or "{}") .. " } }")
    local built, messages = snapshot.build({ path = folder.path .. "/config.lua" })
    local texts = {}
    for i, message in ipairs(messages) do
      texts[i] = findings_of.text(message)
    end
    return built and built.instances.p, table.concat(texts, "\n"), built
  end

  --- A script of these fields instead of the good ones.
  local function refused(fields, expected, instance)
    local good = {
      name = '"p"',
      contract = "1",
      dialects = '{ "openai_chat" }',
      auth = '"none"',
      options = '{ base_url = { type = "url", default = "http://127.0.0.1:9/v1" } }',
    }
    for name, text in pairs(fields) do
      good[name] = text or nil
    end
    local lines = {}
    for name, text in pairs(good) do
      lines[#lines + 1] = ("  %s = %s,"):format(name, text)
    end
    table.sort(lines)
    folder:write("providers/p.lua", "return {\n" .. table.concat(lines, "\n") .. "\n}\n")
    local made, messages = build(instance)
    assert.is_nil(made)
    assert.equal(expected, messages)
  end

  it("makes an instance with all that requests need", function()
    folder:write("providers/p.lua", [[
return {
  name = "p", contract = 1,
  dialects = { "anthropic", "openai_chat" },
  auth = "x-api-key",
  options = {
    base_url = { type = "url", default = "https://api.example.com/" },
    version = { type = "string", default = "1" },
    organization = { type = "string", account = true },
  },
  models = { "claude-*", "claude" },
  shape = function() end,
}]])
    local made, messages = build([[{
      accounts = { { name = "a", api_key = "one", organization = "org" }, { api_key = "two", weight = 2 } },
      organization = "all", headers = { ["X-Title"] = "t" }, proxy_url = "socks5://u:p@127.0.0.1:1080",
      timeouts = { connect = 1 }, models_ttl = "1h", usage = "ask", http2 = true, unix_socket = "x.sock" }]])
    assert.equal("", messages)
    assert.same({ base_url = "https://api.example.com", version = "1", organization = "all" }, made.options)
    assert.same({
      { name = "a", api_key = "one", organization = "org", weight = 1 },
      { name = "account-2", api_key = "two", organization = "all", weight = 2 },
    }, made.accounts)
    assert.same({ anthropic = true, openai_chat = true }, made.dialects)
    assert.same({ connect = 1, first_byte = 300, idle = 120, total = 3600 }, made.timeouts)
    assert.same({ ["x-title"] = "t" }, made.headers)
    assert.same({ "claude" }, made.literals)
    assert.same({ name = "providers/p.lua: shape()", script = "providers/p.lua" }, made.owners.shape)
    assert.same({ true, false, "x-api-key", 3600, "ask", true }, { made.hooks, made.own, made.auth, made.models_ttl,
      made.usage, made.http2 })
    assert.equal(folder.path .. "/x.sock", made.unix_socket)
    assert.equal("providers/p.lua", made.script)
  end)

  describe("caps and dialects", function()
    local SCRIPT = [[
return {
  name = "p", contract = 1,
  dialects = { "openai_responses", "openai_chat", "anthropic" },
  auth = "none",
  options = { base_url = { type = "url", default = "http://x" } },
  caps = { images = false, efforts = { "low", "high" } },
}]]

    it("are the script's where config.lua says nothing", function()
      folder:write("providers/p.lua", SCRIPT)
      local made = build("{}")
      assert.same({ images = false, efforts = { "low", "high" } }, made.caps)
      assert.same({ "openai_responses", "openai_chat", "anthropic" }, made.speaks)
      assert.same({ openai_responses = true, openai_chat = true, anthropic = true }, made.dialects)
    end)

    it("are changed by config.lua, field by field", function()
      folder:write("providers/p.lua", SCRIPT)
      local made, messages = build('{ caps = { efforts = { "max" }, pdf = true }, '
        .. 'dialects = { "anthropic", "openai_chat", "anthropic" } }')
      assert.equal("", messages)
      assert.same({ images = false, efforts = { "max" }, pdf = true }, made.caps)
      assert.same({ "anthropic", "openai_chat" }, made.speaks)
      assert.same({ anthropic = true, openai_chat = true }, made.dialects)
    end)

    it("are none where nobody says anything", function()
      folder:write("providers/p.lua", folder_of.provider("p", 'auth = "none",'))
      local made = build("{}")
      assert.is_nil(made.caps)
      assert.same({ "openai_chat" }, made.speaks)
    end)

    it("are refused by name and line where they are wrong", function()
      refused({ caps = "{ imgaes = true }" }, "providers/p.lua:3: caps.imgaes: unknown option; did you mean images?")
      refused({ caps = '{ reasoning = "hard" }' }, 'providers/p.lua:3: caps.reasoning: expected one of "none", '
        .. '"effort", "budget", "adaptive", "level", found "hard"')
      refused({ caps = "5" }, "providers/p.lua:3: caps: expected a table, found 5")
      refused({}, 'config.lua:2: providers.p.dialects[1]: the script does not speak "gemini"; it speaks "openai_chat"',
        '{ dialects = { "gemini" } }')
      refused({}, 'config.lua:2: providers.p.dialects[1]: expected one of "openai_chat", "openai_responses", '
        .. '"anthropic", "gemini", found "openai"', '{ dialects = { "openai" } }')
      refused({}, "config.lua:2: providers.p.dialects: expected at least 1 item, found 0", "{ dialects = {} }")
      refused({}, 'config.lua:2: providers.p.caps.context: expected an integer from 1 to 1000000000, found "200k"',
        '{ caps = { context = "200k" } }')
    end)
  end)

  it("makes api_key one account called default", function()
    folder:write("providers/p.lua", folder_of.provider("p"))
    local made = build('{ api_key = "k" }')
    assert.same({ { name = "default", api_key = "k", weight = 1 } }, made.accounts)
    assert.is_nil(made.options.api_key)
  end)

  it("takes a script that says its key is optional without one", function()
    folder:write("providers/p.lua", (folder_of.provider("p"):gsub("options = {",
      'options = { api_key = { type = "secret" },')))
    local made, messages = build("{}")
    assert.equal("", messages)
    assert.same({ { name = "default", weight = 1 } }, made.accounts)
  end)

  describe("refuses", function()
    it("wrong fields, by line and name", function()
      refused({ contract = "2" },
        "providers/p.lua:3: contract: this cliproxy speaks contract 1, the script asks for 2; use a script made for 1")
      refused({ contract = false }, "providers/p.lua:1: contract: is required: contract = 1")
      refused({ name = '"q"' }, 'providers/p.lua:5: name: expected "p", as the file is called, found "q"')
      refused({ dialects = '{ "openai" }' }, "providers/p.lua:4: dialects[1]: expected one of "
        .. '"openai_chat", "openai_responses", "anthropic", "gemini", found "openai"')
      refused({ dialects = false }, "providers/p.lua:1: dialects: expected a list of what it speaks, best first: "
        .. '"openai_chat", "openai_responses", "anthropic", "gemini"')
      refused({ auth = '"baerer"' }, "providers/p.lua:2: auth: expected one of "
        .. '"bearer", "x-api-key", "x-goog-api-key", "none", found "baerer"')
      refused({ auth = false }, "providers/p.lua:1: auth: expected one of "
        .. '"bearer", "x-api-key", "x-goog-api-key", "none", or an authorize hook')
      refused({ shape = '"x"' }, 'providers/p.lua:7: shape: expected a function, found "x"')
      refused({ shpae = "function() end" }, "providers/p.lua:7: shpae: unknown option; did you mean shape?")
      refused({ models = '{ "a b" }' },
        'providers/p.lua:5: models[1]: expected a model id such as "gpt-5" or a pattern such as "gpt-*", found "a b"')
      refused({ options = false }, "providers/p.lua:1: options.base_url: is required where there is no execute hook: "
        .. 'base_url = { type = "url", default = "https://…" }')
      refused({ options = '{ base_url = { type = "url" }, script = { type = "string" } }' },
        "providers/p.lua:6: options.script: is an option that every provider has; choose another name")
    end)

    it("half a dialect of its own", function()
      refused({ encode_request = "function() end" },
        "providers/p.lua:1: decode_response: is required: a dialect of its own needs encode_request, "
          .. "decode_response and stream_decoder\n"
          .. "providers/p.lua:1: stream_decoder: is required: a dialect of its own needs encode_request, "
            .. "decode_response and stream_decoder")
    end)

    it("framing without a dialect of its own", function()
      refused({ framing = '"ndjson"' }, "providers/p.lua:5: framing: belongs to a dialect of its own "
        .. "(encode_request, …) or "
        .. "to execute; named dialects have theirs")
    end)

    it("options of config.lua that it does not declare", function()
      refused({}, "config.lua:2: providers.p.base_ulr: unknown option; did you mean base_url?", '{ base_ulr = "x" }')
    end)

    it("headers that belong to the connection", function()
      refused({}, "config.lua:2: providers.p.headers: the header host belongs to the connection and cannot be set",
        '{ headers = { Host = "x" } }')
      refused({}, 'config.lua:2: providers.p.headers: expected names of headers, found "a b"',
        '{ headers = { ["a b"] = "x" } }')
      refused({}, "config.lua:2: providers.p.headers.x: expected a string, found a value that is not shown",
        '{ headers = { x = "a\\r\\nb: c" } }')
    end)
  end)

  it("wants a key where its auth sends one", function()
    folder:write("providers/p.lua", folder_of.provider("p"))
    local made, messages = build("{}")
    assert.is_nil(made)
    assert.equal('config.lua:2: providers.p: needs an api_key, such as api_key = env "NAME", or accounts = { … }',
      messages)
    made, messages = build('{ accounts = { { name = "a" } } }')
    assert.is_nil(made)
    assert.equal('config.lua:2: providers.p.accounts[1]: needs an api_key, such as api_key = env "NAME"', messages)
    made, messages = build('{ accounts = { { name = "a", api_key = "1" }, { name = "a", api_key = "2" } } }')
    assert.is_nil(made)
    assert.equal('config.lua:2: providers.p.accounts[2].name: an account "a" stands above already', messages)
    made, messages = build('{ api_key = "1", accounts = { { name = "a", api_key = "1" } } }')
    assert.is_nil(made)
    assert.matches("stands for one account; with accounts = { … } it belongs there", messages, 1, true)
    made, messages = build('{ accounts = {} }')
    assert.is_nil(made)
    assert.matches("accounts: expected a list such as", messages, 1, true)
  end)

  it("is off, not wrong, with enabled = false or an unset variable in an account", function()
    folder:write("providers/p.lua", folder_of.provider("p"))
    local made, messages = build('{ api_key = env "CPX_SPEC_NOT_SET",\n enabled = false }')
    assert.equal("", messages)
    assert.equal("provider p is off: enabled = false (config.lua:3)", made.off)
    made, messages = build('{ accounts = { { api_key = "1" },\n { api_key = env "CPX_SPEC_NOT_SET" } } }')
    assert.equal("", messages)
    assert.equal("provider p is off: CPX_SPEC_NOT_SET is not set (config.lua:3)", made.off)
  end)

  it("tells what to do about a script that is not there", function()
    local made, messages = build("{}")
    assert.is_nil(made)
    assert.matches("^config.lua:2: providers.p: no script p.lua in " .. folder.path .. "/providers and /", messages)
    assert.matches('for a server that speaks OpenAI\'s dialect add script = "openai_compatible"', messages, 1, true)
    folder:write("providers/groq.lua", folder_of.provider("groq"))
    made, messages = build('{ script = "grok" }')
    assert.is_nil(made)
    assert.matches("config.lua:2: providers.p.script: no script grok.lua in ", messages, 1, true)
    assert.matches("; did you mean groq?", messages, 1, true)
    made, messages = build('{ script = "../x" }')
    assert.is_nil(made)
    assert.equal('config.lua:2: providers.p.script: expected a script\'s name without folder and .lua, found "../x"',
      messages)
  end)

  it("prefers the configuration's script to a shipped one of the same name", function()
    folder:write("providers/demo.lua", folder_of.provider("demo", 'auth = "none",'):gsub("mine", ""))
    folder:write("config.lua", "return { providers = { demo = {} } }")
    local built = snapshot.build({ path = folder.path .. "/config.lua" })
    assert.equal(folder.path .. "/providers/demo.lua", built.scripts["providers/demo.lua"].file)
  end)

  it("says what is wrong with a script that does not load", function()
    for text, expected in pairs({
      ["return {"] = "^providers/p.lua:1: unexpected symbol near",
      ["\nlocal x = nil; return x.y"] = "^providers/p.lua:2: attempt to index",
      ["x = 1"] = "^providers/p.lua:1: global 'x'",
      ["return 5"] = "^providers/p.lua: expected `return { … }` at its end, found 5$",
      ["local x"] = "^providers/p.lua: returned nothing; a script ends with `return { … }`$",
      ["while true do end"] = "^providers/p.lua:1: .*ran for 50 ms",
      ["error({})"] = "^providers/p.lua",
      ["\27LJ"] = "^providers/p.lua",
      ['require "io"'] = "^providers/p.lua:1: require \"io\": scripts may require their helpers",
      ['require "cliproxy.system"'] = "^providers/p.lua:1: require \"cliproxy.system\": scripts may require",
      ['require "lib.none"'] = "^providers/lib/none.lua: no such script in ",
      ['require "cliproxy.timer".sleep(0.01)'] = "^providers/p.lua:1: ",
    }) do
      folder:write("providers/p.lua", text)
      local made, messages = build("{}")
      assert.is_nil(made)
      assert.matches(expected, messages)
    end
  end)

  it("gives helpers and the public modules to scripts, each script its own copy", function()
    folder:write(".env", "SPEC_VALUE=x\n")
    folder:write("providers/lib/deep.lua", "return { n = 1 }")
    folder:write("providers/lib/helper.lua", 'local deep = require "lib.deep" return { n = deep.n + 1 }')
    folder:write("providers/p.lua", [[
local json, env = require "cliproxy.json", require "cliproxy.env"
json.parse = "spoilt"
local helper = require "lib.helper"
return { name = "p", contract = 1, dialects = { "openai_chat" }, auth = "none",
  models = { "n" .. helper.n, env.get("SPEC_VALUE") },
  options = { base_url = { type = "url", default = "http://x" } } }]])
    local made, messages, built = build("{}")
    assert.matches("^%.env: others can read", messages)
    assert.same({ "n2", "x" }, made.models)
    assert.is_function(require("cliproxy.json").parse)
    assert.is_truthy(built.scripts["providers/lib/deep.lua"])
  end)

  it("tells circles of helpers, and errors in them by their own line", function()
    folder:write("providers/lib/a.lua", 'return require "lib.b"')
    folder:write("providers/lib/b.lua", '\nreturn require "lib.a"')
    folder:write("providers/p.lua", 'require "lib.a"')
    local made, messages = build("{}")
    assert.is_nil(made)
    assert.equal("providers/lib/a.lua: requires itself: providers/lib/a.lua → providers/lib/b.lua → "
      .. "providers/lib/a.lua", messages)
    folder:write("providers/lib/a.lua", "\n\nlocal x = nil\nreturn x.y")
    made, messages = build("{}")
    assert.is_nil(made)
    assert.matches("^providers/lib/a.lua:4: attempt to index", messages)
  end)

  it("lets nothing be loaded once the generation is built", function()
    folder:write("providers/lib/late.lua", "return {}")
    folder:write("providers/p.lua", folder_of.provider("p",
      'shape = function() return require "lib.late" end, auth = "none",'))
    local made = build("{}")
    local ok, message = pcall(made.provider.shape)
    assert.is_false(ok)
    assert.matches('require "lib.late": only at the top level of a script', message, 1, true)
  end)
end)
