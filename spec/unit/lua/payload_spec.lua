local findings_of = require("cliproxy.findings")
local folder_of = require("spec.support.folder")
local json = require("cliproxy.json")
local payload = require("cliproxy.payload")
local payload_rules = require("cliproxy.payload_rules")
local snapshot = require("cliproxy.snapshot")

local FACTS = { model = "gpt-5", dialect = "openai_chat", provider = "openai" }

--- Compiles rules as config.lua would hold them; raises what is wrong.
local function compile(raw)
  local findings = findings_of.new()
  local rules = payload_rules.compile(raw, findings:scope("config.lua"), { openai = { provider = {} },
    ollama = { own = true, provider = { name = "ollama" } } })
  if findings.failed then
    error(findings_of.text(findings.messages[1]), 0)
  end
  return rules
end

local function apply(raw, text, facts)
  local document = json.parse(text)
  local changed = payload.apply(compile(raw), document, facts or FACTS)
  return json.encode(document), changed
end

describe("payload rules", function()
  it("fill in defaults, also where null stands, and make what holds them", function()
    local rule = { { defaults = { reasoning_effort = "low", ["stream_options.include_usage"] = true, top_p = 0.5 } } }
    assert.equal('{"a":1.0,"top_p":1,"reasoning_effort":"low","stream_options":{"include_usage":true}}',
      (apply(rule, '{"a":1.0,"top_p":1,"reasoning_effort":null}')))
    local text, changed = apply(rule, '{"reasoning_effort":"high","stream_options":{"include_usage":false},"top_p":0}')
    assert.equal('{"reasoning_effort":"high","stream_options":{"include_usage":false},"top_p":0}', text)
    assert.is_false(changed)
  end)

  it("override, with values of any kind", function()
    local rule = { { overrides = { temperature = 1, ["text.format"] = { type = "text", list = json.array({}) },
      store = false, user = json.null, seed = 5 } } }
    local want = '{"temperature":1,"store":false,"user":null,"seed":5,"text":{"format":{"list":[],"type":"text"}}}'
    local text, changed = apply(rule, '{"temperature":0.2,"store":true,"user":"x"}')
    assert.equal(want, text)
    assert.is_true(changed)
    text, changed = apply(rule, text)
    assert.is_false(changed)
    assert.equal(want, text)
  end)

  it("remove members and elements", function()
    local text = '{"metadata":{"a":1},"tools":[{"strict":true,"n":1.0},{"n":2},5,{"strict":null}],"stop":["a","b","c"]}'
    assert.equal('{"tools":[{"n":1.0},{"n":2},5,{}],"stop":["a","c"]}',
      apply({ { remove = { "metadata", "tools[*].strict", "stop[1]", "nothing.here[3].at", "tools.strict" } } }, text))
    assert.equal('{"stop":[]}', apply({ { remove = "stop[*]" } }, '{"stop":["a","b","c"]}'))
  end)

  it("reach through lists by place or all of them, and make no lists", function()
    local text = '{"m":[{"c":[{"x":1},{"x":2}]},{"c":[]},{}]}'
    assert.equal('{"m":[{"c":[{"x":0},{"x":0}]},{"c":[]},{}]}',
      apply({ { overrides = { ["m[*].c[*].x"] = 0 } } }, text))
    assert.equal('{"m":[{"c":[{"x":1},9]},{"c":[]},{}]}', apply({ { overrides = { ["m[0].c[1]"] = 9 } } }, text))
    assert.equal('{"m":[{"c":[{"x":1},{"x":2}],"d":{"e":1}},{"c":[],"d":{"e":1}},{"d":{"e":1}}]}',
      apply({ { defaults = { ["m[*].d.e"] = 1 } } }, text))
    assert.equal(text, apply({ { overrides = { ["n[0].x"] = 1, ["m[7].x"] = 1, ["o.p[*].q"] = 1 } } }, text))
  end)

  it("leave alone what is of another kind than the path says", function()
    local text = '{"tool_choice":"auto","a":[1],"n":5}'
    assert.equal(text, apply({ { overrides = { ["tool_choice.x"] = 1, ["a.b"] = 1, ["n[0]"] = 1, ["n.m"] = 1 },
      remove = { "tool_choice[0]", "a.b" } } }, text))
    assert.equal('{"a":{"b":1}}', apply({ { overrides = { ["a.b"] = 1 } } }, '{"a":null}'))
  end)

  it("keep every byte that they do not touch", function()
    local text = '{ "n": 12345678901234567890, "e":[ ], "s":"\\u00e4", "x" : 1 , "z":1.0 }'
    assert.equal('{ "n": 12345678901234567890, "e":[ ], "s":"\\u00e4", "x" : 2 , "z":1.0 }',
      apply({ { overrides = { x = 2 } } }, text))
  end)

  it("hold for the models, dialects, providers and operations that they name", function()
    local function hits(rule, facts)
      rule.remove = "a"
      return apply({ rule }, '{"a":1}', facts) == "{}"
    end
    assert.is_true(hits({}, FACTS))
    assert.is_true(hits({ model = "gpt-*", dialect = "openai_chat", provider = { "openai", "ollama" } }, FACTS))
    assert.is_true(hits({ model = { "o3", "gpt-5" } }, FACTS))
    assert.is_false(hits({ model = "gpt-4*" }, FACTS))
    assert.is_false(hits({ dialect = "anthropic" }, FACTS))
    assert.is_false(hits({ provider = "ollama" }, FACTS))
    assert.is_true(hits({ dialect = "ollama" }, { model = "x", dialect = "ollama", provider = "ollama" }))
    local count = { model = "gpt-5", dialect = "openai_chat", provider = "openai", operation = "count" }
    assert.is_false(hits({}, count))
    assert.is_true(hits({ operation = { "count", "generate" } }, count))
  end)

  it("come one after the other; within one defaults, overrides, removals", function()
    assert.equal('{"c":3,"b":2}', apply({
      { defaults = { a = 1, c = 3 }, overrides = { b = 1 }, remove = "a" },
      { defaults = { b = 5, c = 5 }, overrides = { b = 2 } },
    }, "{}"))
  end)

  it("take keys with dots and brackets in quotes", function()
    assert.equal('{"a.b":{"c[0]":1}}', apply({ { overrides = { ['["a.b"]["c[0]"]'] = 1 } } }, "{}"))
    assert.equal('{"a":{"b.c":1}}', apply({ { overrides = { ['a["b.c"]'] = 1 } } }, "{}"))
    assert.equal('{"größe-x":1}', apply({ { overrides = { ["größe-x"] = 1 } } }, "{}"))
  end)

  it("take bodies as text, and parse none for nothing", function()
    local rules = compile({ { model = "gpt-*", remove = "a" } })
    local body, changed = payload.body(rules, '{"a":1, "b":2}', FACTS)
    assert.same({ '{"b":2}', true }, { body, changed })
    for _, text in ipairs({ "no json", "[1]", "5", '{"b" : 2}' }) do
      body, changed = payload.body(rules, text, FACTS)
      assert.same({ text, false }, { body, changed })
    end
    body = payload.body(rules, '{"a":1}', { model = "o3", dialect = "openai_chat", provider = "openai" })
    assert.equal('{"a":1}', body)
    assert.is_nil(payload.select(nil, FACTS))
    assert.is_false(payload.apply(nil, json.parse("{}"), FACTS))
    assert.is_nil(compile(nil))
    assert.is_nil(compile({}))
  end)

  it("do not alter their values from one request to the next", function()
    local rules = compile({ { defaults = { a = { b = 1 } } } })
    local one, two = json.parse("{}"), json.parse("{}")
    payload.apply(rules, one, FACTS)
    one.a.b = 2
    json.close(one)
    payload.apply(rules, two, FACTS)
    assert.equal('{"a":{"b":1}}', json.encode(two))
  end)
end)

describe("payload in config.lua", function()
  local folder

  before_each(function()
    folder = folder_of.new({ ["providers/p.lua"] = folder_of.provider("p", 'auth = "none",') })
  end)
  after_each(function()
    folder:remove()
  end)

  local function build(text)
    folder:write("config.lua", text)
    local built, messages = snapshot.build({ path = folder.path .. "/config.lua" })
    local texts = {}
    for i, message in ipairs(messages) do
      texts[i] = findings_of.text(message)
    end
    return built, table.concat(texts, "\n")
  end

  local function refused(rules, expected)
    local built, messages = build("return { providers = { p = {} }, payload = " .. rules .. " }")
    assert.is_nil(built)
    assert.equal(expected, messages)
  end

  it("is compiled with its generation", function()
    local built, messages = build([[
local json = require "cliproxy.json"
return { providers = { p = {} }, payload = {
  { provider = "p", overrides = { empty = json.array{}, none = json.null, o = json.object{} } } } }]])
    assert.equal("", messages)
    local document = json.parse("{}")
    assert.is_true(payload.apply(built.payload, document, { model = "m", dialect = "openai_chat", provider = "p" }))
    assert.equal('{"empty":[],"none":null,"o":{}}', json.encode(document))
    assert.is_nil(build("return { providers = { p = {} } }").payload)
  end)

  it("names file, line and key path of what is wrong", function()
    refused('{ {\n overrides = { ["a..b"] = 1 } } }', 'config.lua:2: payload[1].overrides["a..b"]: expected a path '
      .. 'such as "a.b", "tools[*].strict" or "stop[0]", found "a..b" (not clear from "..b")')
    refused('{ {\n remove = { "a[x]",\n "" } } }', 'config.lua:3: payload[1].remove[2]: expected a string, found ""\n'
      .. 'config.lua:2: payload[1].remove[1]: expected a path such as "a.b", "tools[*].strict" or "stop[0]", found '
      .. '"a[x]" (not clear from "[x]")')
    for _, path in ipairs({ "[0]", "a.", ".a", "a[-1]", "a[0]b", "a b", "a[*", 'a["b]' }) do
      local built, messages = build(("return { payload = { { remove = %q } } }"):format(path))
      assert.is_nil(built)
      assert.matches("payload[1].remove[1]: expected a path", messages, 1, true)
    end
    refused('{ { overrides = {\n model = "x" } } }', "config.lua:2: payload[1].overrides.model: the route decides "
      .. "this: { model = …, to = { provider = …, as = … } }")
    refused('{ { remove = "stream" } }', "config.lua:1: payload[1].remove[1]: the client decides whether it streams")
    refused('{ { defaults = {\n ["stop[0]"] = 1 } } }',
      'config.lua:2: payload[1].defaults["stop[0]"]: an element of a list has no default; use overrides')
    refused("{ { defaults = {\n a = {} } } }", "config.lua:2: payload[1].defaults.a: is no JSON: an empty table: say "
      .. "json.array{} or json.object{}")
    refused("{ { defaults = {\n a = function() end } } }",
      "config.lua:2: payload[1].defaults.a: is no JSON: a function has no place in JSON")
    refused("{ { defaults = { 5 } } }",
      'config.lua:1: payload[1].defaults[1]: expected a path in front: ["reasoning.effort"] = "low"')
    refused("{ { defaults = 5 } }",
      'config.lua:1: payload[1].defaults: expected a table such as { ["reasoning.effort"] = "low" }, found 5')
    refused("{ { } }", "config.lua:1: payload[1]: does nothing: it needs one of defaults, overrides and remove")
    refused('{ { provider = "q", dialect = "antropic", remove = "a" } }',
      'config.lua:1: payload[1].dialect[1]: no dialect is called "antropic"; did you mean anthropic?\n'
      .. 'config.lua:1: payload[1].provider[1]: no provider is called "q"; did you mean p?')
    refused("{ 5 }", "config.lua:1: payload[1]: expected a table with defaults, overrides or remove, found 5")
    refused("{ model = 1 }", 'config.lua:1: payload: expected a list such as { { model = "gpt-*", remove = '
      .. '"metadata" } }, found a table that is none')
  end)

  it("tells of variables that are not set", function()
    local built, messages = build('return { payload = { {\n overrides = { user = { env "NOBODY_SETS_THIS" } } } } }')
    assert.is_nil(built)
    assert.matches("config.lua:2: payload[1].overrides.user: the environment variable NOBODY_SETS_THIS is not set",
      messages, 1, true)
  end)
end)
