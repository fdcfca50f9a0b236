local findings_of = require("cliproxy.findings")
local folder_of = require("spec.support.folder")
local snapshot = require("cliproxy.snapshot")

describe("routes", function()
  local folder

  before_each(function()
    folder = folder_of.new()
    for _, name in ipairs({ "demo", "openai", "work" }) do
      folder:write(("providers/%s.lua"):format(name), folder_of.provider(name, 'auth = "none",'))
    end
  end)

  after_each(function()
    folder:remove()
  end)

  local PROVIDERS = [[
  providers = {
    demo = { models = { "demo", "demo-*" } },
    openai = { models = { "gpt-5", "gpt-4o", "gpt-*" } },
    work = { models = {}, accounts = { { name = "a", api_key = "1" }, { name = "b", api_key = "2" } } },
    off = { script = "demo", enabled = false, models = { "off-1" } },
  },
]]

  local function build(routes, providers)
    folder:write("config.lua", "return {\n" .. (providers or PROVIDERS) .. "  routes = " .. (routes or "{}")
      .. ",\n}\n")
    local built, messages = snapshot.build({ path = folder.path .. "/config.lua" })
    local texts = {}
    for i, message in ipairs(messages) do
      texts[i] = findings_of.text(message)
    end
    return built and built.routes, table.concat(texts, "\n")
  end

  --- "openai/gpt-5 work/x" for a plan, or the message and the code.
  local function plan(routes, request)
    if type(request) == "string" then
      request = { model = request }
    end
    local found, message, code = routes:plan(request)
    if not found then
      return message .. " (" .. code .. ")"
    end
    local texts = {}
    for i, target in ipairs(found) do
      texts[i] = target.instance.name .. "/" .. target.model
    end
    return table.concat(texts, " ") .. (found.rule and " by " .. found.rule or "")
  end

  local function refused(routes, expected)
    local compiled, messages = build(routes)
    assert.is_nil(compiled)
    assert.equal(expected, messages)
  end

  it("sends a model to the one instance whose models match", function()
    local routes = build()
    assert.equal("demo/demo", plan(routes, "demo"))
    assert.equal("demo/demo-slow", plan(routes, "demo-slow"))
    assert.equal("openai/gpt-99", plan(routes, "gpt-99"))
  end)

  it("takes instance/model from clients, the model with more slashes too", function()
    local routes = build()
    assert.equal("work/meta/llama-3", plan(routes, "work/meta/llama-3"))
    assert.equal('no route for "nobody/x". Configured providers: demo, off, openai, work. (no_route)', plan(routes,
      "nobody/x"))
    assert.matches("no route for \"work/\"", plan(routes, "work/"), 1, true)
  end)

  it("prefers a plain id to instance/model, and that to a pattern", function()
    local routes = build(nil, [[providers = { work = {}, demo = { models = { "work/x", "work/*" } } },]])
    assert.equal("demo/work/x", plan(routes, "work/x"))
    assert.equal("work/y", plan(routes, "work/y"))
  end)

  it("goes through the rules in order", function()
    local routes, messages = build([[{
    { model = "fast", to = "work/llama-3.3/70b" },
    { model = { "gpt-4*", "old" },
      to = { "work", { provider = "openai", as = "gpt-5", weight = 2, accounts = { "default" } } } },
    { model = "gpt-*", to = { provider = "work", accounts = { "b" } }, strategy = "failover" },
    { model = "*", to = "demo/demo" },
  }]])
    assert.equal("", messages)
    assert.equal("work/llama-3.3/70b by routes[1]", plan(routes, "fast"))
    assert.equal("work/gpt-4o openai/gpt-5 by routes[2]", plan(routes, "gpt-4o"))
    assert.equal("work/old openai/gpt-5 by routes[2]", plan(routes, "old"))
    assert.equal("work/gpt-5 by routes[3]", plan(routes, "gpt-5"))
    assert.equal("demo/demo by routes[4]", plan(routes, "anything"))
    assert.same({ "b" }, routes:plan({ model = "gpt-5" })[1].accounts)
    assert.equal(2, routes:plan({ model = "old" })[2].weight)
    assert.equal("failover", routes:plan({ model = "old" }).strategy)
  end)

  it("keeps plans, within a bound, and hands out the same one", function()
    local routes = build()
    assert.equal(routes:plan({ model = "demo" }), routes:plan({ model = "demo" }))
    for i = 1, 2500 do
      routes:plan({ model = "demo-" .. i })
      routes:plan({ model = "unknown-" .. i })
    end
    assert.is_true(routes.cached <= 1000)
  end)

  describe("a model that nobody serves", function()
    it("gets the nearest ids and the providers", function()
      local routes = build('{ { model = "gpt-5o", to = "demo/demo" } }',
        'providers = { demo = {}, openai = { models = { "gpt-5", "gpt-4o" } } },')
      assert.equal('no route for "gpt-5p". Nearest: gpt-5, gpt-5o, gpt-4o. Configured providers: demo, openai. '
        .. '(no_route)',
        plan(routes, "gpt-5p"))
      assert.equal('no route for "mistral". Configured providers: demo, openai. (no_route)', plan(routes, "mistral"))
    end)

    it("is shown cut and without control characters", function()
      local text = plan((build()), "x\n\27[31m" .. ("y"):rep(1e6))
      assert.is_nil(text:find("[%c]"))
      assert.is_true(#text < 300)
    end)

    it("says so where nothing is configured", function()
      assert.equal('no route for "x". Configured providers: none. (no_route)', plan((build(nil, "")), "x"))
    end)
  end)

  describe("an instance that is off", function()
    local reason = "provider off is off: enabled = false (config.lua:6) (provider_off)"

    it("answers with its reason", function()
      local routes = build('{ { model = "fast", to = "off/x" }, { model = "both", to = { "off/x", "demo/y" } } }')
      assert.equal(reason, plan(routes, "off-1"))
      assert.equal(reason, plan(routes, "off/anything"))
      assert.equal(reason, plan(routes, "fast"))
    end)

    it("is left out of a list", function()
      assert.equal("demo/y by routes[1]", plan((build('{ { model = "both", to = { "off/x", "demo/y" } } }')), "both"))
    end)
  end)

  describe("route functions", function()
    it("decide, or leave it to the next rule", function()
      local routes = build([[{
    function(request)
      if request.size > 400 then return "work/big" end
      if request.stream then return { "openai/a", { provider = "demo", as = "b" } } end
    end,
    { model = "demo", to = "openai/gpt-5" },
  }]])
      assert.equal(1, routes.functions)
      assert.equal("work/big by routes[1]", plan(routes, { model = "demo", size = 500 }))
      assert.equal("openai/a demo/b by routes[1]", plan(routes, { model = "demo", size = 5, stream = true }))
      assert.equal("openai/gpt-5 by routes[2]", plan(routes, { model = "demo", size = 5 }))
      assert.equal("work/big by routes[1]", plan(routes, { model = "demo", size = 500 }))
    end)

    it("are asked each time, also after a rule before them was kept", function()
      local routes = build([[{ { model = "demo", to = "demo" }, function(r) return r.size > 1 and "work/a"
        or "work/b" end }]])
      assert.equal("work/b by routes[2]", plan(routes, { model = "x", size = 1 }))
      assert.equal("demo/demo by routes[1]", plan(routes, { model = "demo", size = 1 }))
      assert.equal("work/a by routes[2]", plan(routes, { model = "x", size = 2 }))
    end)

    it("that fail are an error with file, line and rule", function()
      local routes = build("{ function(request)\n return request.nothing.x end }")
      local text = plan(routes, { model = "demo" })
      assert.matches("^config.lua:9: .*attempt to index", text)
      assert.matches("(route_error)", text, 1, true)
    end)

    it("that return nonsense are told what to return", function()
      for returned, expected in pairs({
        ["5"] = 'expected "instance", "instance/model", { provider = "instance", as = "model" }, or a list of '
          .. 'these, found 5',
        ['"opnai/x"'] = 'no provider is called "opnai"; did you mean openai?',
        ["{}"] = "found an empty list",
        ["{ provider = 5 }"] = "provider: expected a string, found 5",
        ['{ "demo", 7 }'] = "[2]: expected",
        ['{ provider = "work", accounts = { "zz" } }'] = 'provider work has no account "zz"',
      }) do
        local text = plan((build("{ function() return " .. returned .. " end }")), "demo")
        assert.matches("config.lua:8: routes[1](): returned a wrong target: ", text, 1, true)
        assert.matches(expected, text, 1, true)
      end
    end)

    it("are stopped when they run on, in what they return too", function()
      local text = plan((build("{ function() while true do end end }")), "demo")
      assert.matches("^config.lua:8: .*ran for 50 ms", text)
      local trap = "setmetatable({}, { __index = function() while true do end end })"
      text = plan((build("{ function() return " .. trap .. " end }")), "demo")
      assert.matches("^config.lua:8: .*ran for 50 ms", text)
    end)
  end)

  describe("refuses at load", function()
    it("targets that lead nowhere", function()
      refused('{\n { model = "x", to = "opnai/y" } }',
        'config.lua:9: routes[1].to: no provider is called "opnai"; did you mean openai?')
      refused('{\n { model = "x", to = { "demo",\n "zzz" } } }',
        'config.lua:10: routes[1].to[2]: no provider is called "zzz"; configured: demo, off, openai, work')
      refused('{\n { model = "x", to = { provider = "demo", sa = "y" } } }',
        "config.lua:9: routes[1].to.sa: unknown option; did you mean as?")
      refused('{\n { model = "x", to = { provider = "work", accounts = { "c" } } } }',
        'config.lua:9: routes[1].to: provider work has no account "c"')
      refused('{\n { model = "x", to = {} } }', 'config.lua:9: routes[1].to: expected "instance", "instance/model", '
        .. '{ provider = "instance", as = "model" }, or a list of these, found an empty list')
      refused('{\n { model = "x" } }', 'config.lua:9: routes[1].to: is required: where it goes, such as "openai/gpt-5"')
      refused('{\n { to = "demo" } }', 'config.lua:9: routes[1].model: is required: the model it is for, such '
        .. 'as "gpt-5" or "gpt-*"')
    end)

    it("rules that are none", function()
      refused('{ x = 1 }', 'config.lua:8: routes: expected a list such as { { model = "fast", to = '
        .. '"groq/llama-3.3" } }, '
        .. "found a table that is none")
      refused('{\n "demo" }', 'config.lua:9: routes[1]: expected { model =, to = } or a function, found "demo"')
      refused('{\n { model = "x", to = "demo", strategy = "random" } }',
        'config.lua:9: routes[1].strategy: expected one of "failover", found "random"')
      refused('{\n { model = 5, to = "demo" } }',
        'config.lua:9: routes[1].model[1]: expected a string, found 5')
    end)

    local function rivals(models_a, models_b, routes)
      return build(routes, ("providers = { demo = { models = { %s } },\n work = { models = { %s } } "
        .. "},"):format(models_a, models_b))
    end

    it("two instances that serve one model, naming both", function()
      local compiled, messages = rivals('"gpt-*"', '"gpt-5*"')
      assert.is_nil(compiled)
      assert.equal('config.lua:3: providers.work: models: "gpt-5*" is served by demo too ("gpt-*"); '
        .. 'route it with { model = "gpt-5*", to = "work" }, or give one of them models = { … }', messages)
      assert.is_nil((rivals('"a"', '"a"')))
    end)

    it("not where a rule decides, one is off, or a plain id stands against a pattern", function()
      assert.is_truthy((rivals('"gpt-*"', '"gpt-5*"', '{ { model = "gpt-5*", to = "work" } }')))
      assert.is_truthy((rivals('"a*"', '"b*"')))
      assert.is_truthy((build(nil, 'providers = { demo = { models = { "x" } }, work = { models = { "x" }, '
        .. 'enabled = false } },')))
      local routes = rivals('"gpt-*"', '"gpt-5"')
      assert.equal("work/gpt-5", plan(routes, "gpt-5"))
      assert.equal("demo/gpt-6", plan(routes, "gpt-6"))
    end)
  end)

  it("lists the ids that clients may ask for", function()
    local routes = build('{ function() while true do end end, { model = { "fast", "x-*" }, to = "work/llama" }, '
      .. '{ model = "gone", to = "off/x" } }')
    assert.same({
      { id = "demo", instance = "demo" },
      { id = "fast", instance = "work" },
      { id = "gpt-4o", instance = "openai" },
      { id = "gpt-5", instance = "openai" },
    }, routes:models())
  end)
end)
