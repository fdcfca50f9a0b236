local async = require("spec.support.async")
local check = require("cliproxy.check")
local filters = require("cliproxy.filters")
local findings_of = require("cliproxy.findings")
local folder_of = require("spec.support.folder")
local json = require("cliproxy.json")
local live = require("cliproxy.live")
local rollback = require("cliproxy.rollback")
local snapshot = require("cliproxy.snapshot")

local BODIES = {
  openai_chat = '{"model":"m", "n":1.0,"messages":[{"role":"user","content":"Hi"}]}',
  openai_responses = '{"model":"m", "n":1.0,"input":"Hi"}',
  anthropic = '{"model":"m", "n":1.0,"messages":[{"role":"user","content":"Hi"}]}',
  gemini = '{"n":1.0, "contents":[{"role":"user","parts":[{"text":"Hi"}]}]}',
}

local folder, path

local function build(list, previous, config)
  folder:write("config.lua", ("return { providers = { p = {} }, %s filters = %s }"):format(config or "", list))
  local built, messages = snapshot.build({ path = path, previous = previous })
  local texts = {}
  for i, message in ipairs(messages) do
    texts[i] = findings_of.text(message)
  end
  return built, table.concat(texts, "\n")
end

local function script(name, body)
  folder:write(("providers/filters/%s.lua"):format(name), folder_of.filter(name, body))
end

--- A request under way, as an attempt has it.
local function work_of(built, dialect, more)
  live.publish(built)
  local work = {
    id = "req_1", snapshot = built, live = live.current(), dialect = dialect or "openai_chat", operation = "generate",
    model = "m", stream = false, framing = "sse", document = json.parse(BODIES[dialect or "openai_chat"]),
    target = { instance = built.instances.p, model = "upstream-m" }, exchange = {},
  }
  for name, value in pairs(more or {}) do
    work[name] = value
  end
  return work
end

--- Runs the request hooks of a filter with this body.
local function run(body, work_fields, list, dialect)
  script("f", body)
  local built, messages = build(list or '{ "f" }')
  assert.equal("", messages)
  local work = work_of(built, dialect, work_fields)
  return filters.request(work, work.target), work
end

before_each(function()
  folder = folder_of.new({ ["providers/p.lua"] = folder_of.provider("p", 'auth = "none",') })
  path = folder.path .. "/config.lua"
end)
after_each(function()
  folder:remove()
end)

describe("filters in config.lua", function()
  local function refused(list, expected, config)
    local built, messages = build(list, nil, config)
    assert.is_nil(built)
    assert.equal(expected, (messages:gsub(folder.path:gsub("%p", "%%%0"), "FOLDER")))
  end

  it("become an ordered list with their options", function()
    script("a", 'options = { n = { type = "integer", default = 3 } }, request = function() end,')
    script("b", "response = function() end,")
    local built, messages = build([[{ "b",
      { "a", n = 5, when = { client = "anthropic", model = { "x-*", "y" } } }, "a" }]])
    assert.equal("", messages)
    local names, options = {}, {}
    for i, filter in ipairs(built.filters) do
      names[i], options[i] = filter.name, filter.options.n or false
    end
    assert.same({ "b", "a", "a" }, names)
    assert.same({ false, 5, 3 }, options)
    assert.same({ client = { anthropic = true }, model = { "x-*", "y" } }, built.filters[2].when)
    assert.is_nil(build("{}").filters)
  end)

  it("name file, line and key path of what is wrong", function()
    script("a", 'options = { n = { type = "integer" } }, request = function() end,')
    refused('{\n "b" }', "config.lua:2: filters[1]: no script b.lua in FOLDER/providers/filters and "
      .. require("cliproxy.system").root .. "/providers/filters; did you mean a?")
    refused('{ { "a",\n n = "x" } }', 'config.lua:2: filters[1].n: expected an integer, found "x"')
    refused('{ { "a",\n nn = 1 } }', "config.lua:2: filters[1].nn: unknown option; did you mean n?")
    refused('{ { "a", "b" } }',
      "config.lua:1: filters[1][2]: options are written NAME = value; each filter is its own item")
    refused("{ { n = 1 } }", 'config.lua:1: filters[1]: expected "name" or { "name", when = { … }, options… }, found a '
      .. "table without a name in front")
    refused("{ 5 }", 'config.lua:1: filters[1]: expected "name" or { "name", when = { … }, options… }, found 5')
    refused('"a"', 'config.lua:1: filters: expected a list such as { "redact", { "trim", turns = 20 } }, found "a"')
    refused('{ { "a", when = {\n client = "antropic" } } }', "config.lua:2: filters[1].when.client[1]: expected one of "
      .. '"openai_chat", "openai_responses", "anthropic", "gemini", found "antropic"')
    refused('{ { "a", when = {\n key = "editr" } } }',
      'config.lua:2: filters[1].when.key[1]: no key of api_keys is called "editr"; did you mean editor?',
      'api_keys = { { name = "editor", key = "k" } },')
    refused('{ { "a", when = {\n provider = "q" } } }',
      'config.lua:2: filters[1].when.provider[1]: no provider is called "q"; did you mean p?')
    refused('{ { "a", when = { wen = 1 } } }', "config.lua:1: filters[1].when.wen: unknown option; known here: "
      .. "client, key, model, provider")
    refused('{ { "a", when = 5 } }', "config.lua:1: filters[1].when: expected a table such as { client = "
      .. '"anthropic", model = "claude-*" }, found 5')
    refused('{ "../a" }',
      "config.lua:1: filters[1]: a filter's name consists of letters, digits, _ and -, found \"../a\"")
  end)

  it("hold scripts to the contract", function()
    local function bad(body, expected)
      script("a", body)
      refused('{ "a" }', expected)
    end
    bad("", "providers/filters/a.lua:1: a filter needs one of request, response and event")
    bad("request = 5,", "providers/filters/a.lua:4: request: expected a function, found 5")
    bad("request = function() end, shape = 5,", "providers/filters/a.lua:4: shape: unknown option; known here: "
      .. "contract, event, name, options, request, response")
    bad('request = function() end, options = { when = { type = "string" } },',
      "providers/filters/a.lua:4: options.when: is an option that every filter has; choose another name")
    bad('request = function() end, options = { n = { type = "int" } },', "providers/filters/a.lua:4: options.n.type: "
      .. 'expected one of "boolean", "duration", "integer", "list", "map", "number", "secret", "size", "string", '
      .. '"table", "url", found "int"')
    folder:write("providers/filters/a.lua", 'return {\n name = "b", request = function() end }')
    refused('{ "a" }', 'providers/filters/a.lua:2: name: expected "a", as the file is called, found "b"\n'
      .. "providers/filters/a.lua:1: contract: is required: contract = 1")
    folder:write("providers/filters/a.lua", 'return {\n name = "a", contract = 2, request = function() end }')
    refused('{ "a" }', "providers/filters/a.lua:2: contract: this cliproxy speaks contract 1 of filters, the script "
      .. "asks for 2; use a script made for 1")
    folder:write("providers/filters/a.lua", "return {\n name = }")
    refused('{ "a" }', "providers/filters/a.lua:2: unexpected symbol near '}'")
    folder:write("providers/filters/a.lua", "return 5")
    refused('{ "a" }', "providers/filters/a.lua: expected `return { … }` at its end, found 5")
    folder:write("providers/filters/a.lua", "while true do end")
    local built, messages = build('{ "a" }')
    assert.is_nil(built)
    assert.matches("^providers/filters/a.lua:1: ran for %d+ ms without waiting$", messages)
  end)

  it("are loaded again when they or their helpers change, and checked alone", function()
    folder:write("providers/lib/h.lua", "return { n = 1 }")
    folder:write("providers/filters/a.lua", 'local h = require "lib.h"\n'
      .. folder_of.filter("a", "request = function() end, options = { n = { type = \"integer\", default = h.n } },"))
    local one = build('{ "a" }')
    local two = build('{ "a" }', one)
    assert.equal(one.filters[1].filter, two.filters[1].filter)
    folder:write("providers/lib/h.lua", "return { n = 2 }")
    local three = build('{ "a" }', two)
    assert.same({ 1, 2 }, { two.filters[1].options.n, three.filters[1].options.n })
    local report = check.run({ files = { folder.path .. "/providers/filters/a.lua" } })
    assert.is_true(report.ok, check.text(report))
    script("a", "request = 5,")
    report = check.run({ files = { folder.path .. "/providers/filters/a.lua" } })
    assert.equal("providers/filters/a.lua:4: request: expected a function, found 5\n1 error\n", check.text(report))
  end)
end)

describe("a filter's request hook", function()
  it("edits the client's document in its dialect", function()
    for dialect, text in pairs(BODIES) do
      local failure, work = run([[request = function(view)
        for _, message in ipairs(view.messages) do
          message.text = message.text .. "!"
        end
      end,]], nil, nil, dialect)
      assert.is_nil(failure)
      assert.equal((text:gsub("Hi", "Hi!")), json.encode(work.document))
    end
  end)

  it("leaves the bytes alone where it changes nothing", function()
    for dialect, text in pairs(BODIES) do
      local _, work = run([[request = function(view, context)
        local system = view.system
        for _, message in ipairs(view.messages) do message.text = message.text end
        context.each_text(function(text) return text end)
      end,]], nil, nil, dialect)
      assert.equal(text, json.encode(work.document))
    end
  end)

  it("is told what it is about", function()
    local _, work = run([[options = { word = { type = "string" } }, request = function(view, context)
      local c = context
      view.messages[1].text = table.concat({ c.dialect, c.operation, c.model, c.target, c.provider, c.key, c.id,
        c.options.word, tostring(c.stream), c.raw.messages[1].content, view.model }, " ")
    end,]], { key = "editor", model = "asked" }, '{ { "f", word = "w" } }')
    assert.equal("openai_chat generate asked upstream-m p editor req_1 w false Hi asked",
      work.document.messages[1].content)
  end)

  it("runs only where its conditions hold, in the order of the list", function()
    local config = 'api_keys = { { name = "editor", key = "k" } },'
    for name, letter in pairs({ a = "a", b = "b" }) do
      local body = 'request = function(view) view.messages[1].text = view.messages[1].text .. "%s" end,'
      script(name, body:format(letter))
    end
    local function text(list, fields, dialect)
      local built, messages = build(list, nil, config)
      assert.equal("", messages)
      local work = work_of(built, dialect, fields)
      assert.is_nil(filters.request(work, work.target))
      return work.document.messages[1].content, work.filters
    end
    assert.equal("Hiba", (text('{ "b", "a" }')))
    assert.equal("Hia", (text('{ { "b", when = { client = "anthropic" } }, "a" }')))
    assert.equal("Hib", (text('{ { "b", when = { client = { "gemini", "anthropic" } } } }', nil, "anthropic")))
    local same, none = text('{ { "b", when = { model = "claude-*" } } }')
    assert.same({ "Hi" }, { same, none })
    assert.equal("Hib", (text('{ { "b", when = { model = { "gpt-4", "claude-*" } } } }', { model = "claude-x" })))
    assert.equal("Hi", (text('{ { "b", when = { key = "editor" } } }')))
    assert.equal("Hib", (text('{ { "b", when = { key = "editor", provider = "p" } } }', { key = "editor" })))
  end)

  it("refuses in words of its own", function()
    local failure = run('request = function(view, context) return context.refuse(422, "not this") end,')
    assert.same({ 422, "script_refused", "not this" }, { failure.status, failure.code, failure.text })
    for _, call in ipairs({ "200, 'x'", "400", "'400', 'x'", "400, ''", "400.5, 'x'" }) do
      local bad, work = run(("request = function(_, context) local r = context.refuse(%s) return r end,"):format(call))
      assert.equal("script_error", bad.code, call)
      assert.matches("^providers/filters/f.lua:4: request%(%): context.refuse: expected a ", work.script_error)
    end
  end)

  it("warns once for one thing, in what a header can hold", function()
    local _, work = run([[request = function(view, context)
      context.warn("zwölf\n") context.warn("zwölf\n") context.warn(("x"):rep(900))
      for i = 1, 100 do context.warn("w" .. i) end
    end,]])
    assert.equal("filters.f;zw??lf?", work.warnings[1])
    assert.same({ 200, 20 }, { #work.warnings[2], #work.warnings })
  end)

  it("fails with file, line and hook", function()
    local failure, work = run("request = function(view)\n local x = view.messages[7].text end,")
    assert.equal("script_error", failure.code)
    assert.matches("^providers/filters/f.lua:5: request%(%): attempt to index ", work.script_error)
    assert.equal("providers/filters/f.lua", work.failed_script)
    failure = run("request = function(view)\n view.messages[1].txt = 1 end,")
    assert.matches("^providers/filters/f.lua:5: request%(%): a message has no field 'txt'; it has parts, raw, role, "
      .. "text. ", failure.text)
    failure = run("request = function(view)\n view.max_tokens = 'x' end,")
    assert.matches("^providers/filters/f.lua:5: request%(%): view.max_tokens: expected a number, found string. ",
      failure.text)
    failure = run("request = function() return 5 end,")
    assert.equal("providers/filters/f.lua: request() returned number; expected nil, or what context.refuse returned.",
      failure.text)
    failure = run("request = function(view) table.remove(view.messages) end,")
    assert.matches("^providers/filters/f.lua: request%(%): view.messages was changed as a table; use context.insert",
      failure.text)
    failure = run("request = function() io.open('x') end,")
    assert.matches("'io' is not available in scripts", failure.text, 1, true)
  end)

  it("ends with its budget", function()
    local failure = run("request = function() while true do end end,")
    assert.equal("script_error", failure.code)
    assert.matches("^providers/filters/f.lua:4: request%(%): ran for %d+ ms without waiting", failure.text)
    failure = run([[request = function(view, context) while true do
      pcall(context.each_text, function() return "x" end) end end,]])
    assert.matches("ran for %d+ ms without waiting", failure.text)
  end)

  it("stops the filters behind it", function()
    script("g", "request = function() error('never') end,")
    local failure = run('request = function(_, context) return context.refuse(400, "no") end,', nil, '{ "f", "g" }')
    assert.equal("no", failure.text)
  end)

  it("sees each attempt anew", function()
    script("f", 'request = function(view, context) context.warn("seen") view.messages[1].text = "x" end,')
    local work = work_of((build('{ "f" }')))
    filters.request(work, work.target)
    work.document = json.original(work.document)
    filters.request(work, work.target)
    assert.equal((BODIES.openai_chat:gsub("Hi", "x")), json.encode(work.document))
    assert.same({ "filters.f;seen" }, work.warnings)
  end)
end)

describe("answers", function()
  local function started(body, list)
    local failure, work = run(body, { stream = true }, list)
    assert.is_nil(failure)
    return work
  end

  it("pass by filters without hooks for them", function()
    local work = started("request = function() end,")
    assert.is_false(filters.has_answer_hooks(work, "response"))
    assert.is_false(filters.has_answer_hooks(work, "event"))
    local function map()
      return true
    end
    assert.equal(map, filters.mapper(work, map))
    assert.equal('{"a" :1}', filters.response(work, '{"a" :1}'))
    assert.is_false(filters.has_answer_hooks({}, "event"))
    assert.is_nil(filters.request(work_of((build("{}"))), {}))
  end)

  it("are changed, replaced or refused as a whole", function()
    local function answer(body, text)
      local work = started(body)
      assert.is_true(filters.has_answer_hooks(work, "response"))
      return filters.response(work, text or '{"a": 1.0,"b":[ ]}')
    end
    assert.equal('{"a": 1.0,"b":[ ]}', answer("response = function() end,"))
    assert.equal('{"a": 2,"b":[ ]}', answer("response = function(context, document) document.a = 2 end,"))
    assert.equal('{"x":1}', answer("response = function() return { x = 1 } end,"))
    assert.equal('[ ]', answer("response = function(_, document) return document.b end,"))
    assert.equal("no json", answer("response = function() error('never') end,", "no json"))
    local body, failure = answer('response = function(context) return context.refuse(451, "no") end,')
    assert.same({ nil, 451, "no" }, { body, failure.status, failure.text })
    body, failure = answer("response = function() return 5 end,")
    assert.is_nil(body)
    assert.equal("providers/filters/f.lua: response() returned number; expected nil, a document or a table.",
      failure.text)
    body, failure = answer("response = function() return { f = print } end,")
    assert.is_nil(body)
    assert.matches("returned a table that is no JSON", failure.text, 1, true)
    body, failure = answer("response = function()\n error('oh') end,")
    assert.is_nil(body)
    assert.matches("^providers/filters/f.lua:5: response%(%): oh", failure.text)
  end)

  it("stay documents where they are handed in as such", function()
    local work = started("response = function(_, document) document.a = 2 end,")
    local document = json.parse('{"a":1}')
    assert.equal(document, (filters.response(work, document)))
    assert.equal('{"a":2}', json.encode(document))
  end)

  it("are seen event by event, by one filter after the other", function()
    script("g", [[event = function(_, event)
      if event.data == "two" then return { { data = "2a" }, { data = { b = 2 } } } end
      if event.data == "drop" then return false end
    end,]])
    local work = started([[event = function(context, event)
      context.state.count = (context.state.count or 0) + 1
      if event.data == "n" then return { type = "t", data = tostring(context.state.count) } end
      if event.data == "split" then return { { data = "two" }, { data = "drop" }, event } end
      if event.data == "gone" then return false end
      if event.data == "none" then return {} end
    end,]], '{ "f", "g" }')
    local function event(data)
      return filters.event(work, { type = "", data = data, raw = data })
    end
    assert.is_nil(event("keep"))
    assert.is_false(event("drop"))
    assert.is_false(event("gone"))
    assert.is_false(event("none"))
    assert.same({ type = "t", data = "5" }, event("n"))
    assert.same({ { data = "2a" }, { data = '{"b":2}' }, { type = "", data = "split", raw = "split" } }, event("split"))
  end)

  it("break with file, line and hook where an event hook fails", function()
    local function fails(body)
      local result, failure = filters.event(started(body), { type = "", data = "x" })
      assert.is_nil(result)
      return failure.text
    end
    assert.matches("^providers/filters/f.lua:5: event%(%): oh", fails("event = function()\n error('oh') end,"))
    local expected = "providers/filters/f.lua: event() returned %s; expected nil, false, an event { type, data } or a "
      .. "list of events."
    assert.equal(expected:format("number"), fails("event = function() return 5 end,"))
    assert.equal(expected:format("a table without data"), fails("event = function() return { {} } end,"))
    assert.equal(expected:format("string"), fails("event = function() return { 'x' } end,"))
    assert.equal("no", fails('event = function(context) return context.refuse(400, "no") end,'))
  end)

  it("go through a mapper behind the provider's", function()
    local work = started([[event = function(_, event)
      if event.data == "b" then return { data = "B" } end
      if event.data == "x" then error("oh") end
    end,]])
    local results = { a = nil, b = nil, off = false, list = { { data = "a" }, { data = "b" }, { data = { n = 1 } } },
      bad = 5, one = { data = "b" } }
    local map = filters.mapper(work, function(event)
      if event and event.data == "failed" then
        return false, "failure"
      end
      return true, event and results[event.data]
    end)
    local function mapped(data)
      return { map({ type = "", data = data }) }
    end
    assert.same({ true }, mapped("a"))
    assert.same({ true, { data = "B" } }, { true, mapped("b")[2][1] })
    assert.same({ true, false }, mapped("off"))
    assert.same({ { data = "a" }, { data = "B" }, { data = '{"n":1}' } }, mapped("list")[2])
    assert.same({ { data = "B" } }, mapped("one")[2])
    assert.same({ true, 5 }, mapped("bad"))
    assert.same({ false, "failure" }, mapped("failed"))
    assert.same({ true }, { map(nil) })
    assert.is_false(mapped("x")[1])
    assert.equal("script_error", mapped("x")[2].code)
  end)

  it("go through as bytes of events", function()
    local work = started([[event = function(_, event)
      if event.type == "drop" then return false end
      if event.data:find("hi") then return { type = event.type, data = (event.data:gsub("hi", "HI")) } end
    end,]])
    local bytes = ": note\n\nevent: a\ndata: hi\n\nevent: drop\ndata: x\n\ndata: 1\ndata: 2\n\n"
    assert.equal(": note\n\nevent: a\ndata: HI\n\ndata: 1\ndata: 2\n\n", filters.bytes(work, bytes, false))
    work.framing = "json_array"
    assert.equal('[{"a":1},\r\n{"b":2}', filters.bytes(work, 'data: {"a":1}\n\ndata: {"b":2}\n\n', false))
    assert.equal(',\r\n{"a":1}', filters.bytes(work, 'data: {"a":1}\r\n\r\n', true))
    work = started('event = function(context) return context.refuse(400, "no") end,')
    local nothing, failure = filters.bytes(work, "data: x\n\n", true)
    assert.same({ nil, "no" }, { nothing, failure.text })
  end)

  it("may wait in response hooks", function()
    folder:write("providers/filters/f.lua", 'local timer = require "cliproxy.timer"\n' .. folder_of.filter("f",
      "response = function(_, document) timer.sleep(0.001) document.a = 2 end,"))
    async(function()
      local again = work_of((build('{ "f" }')))
      filters.request(again, again.target)
      assert.equal('{"a":2}', filters.response(again, '{"a":1}'))
    end)
  end)
end)

describe("rollback of a filter", function()
  local function generations(first, second, list_before)
    script("f", first)
    local one = build(list_before or '{ "f" }')
    script("f", second)
    local two, messages = build('{ "f" }', one)
    assert.equal("", messages)
    live.publish(one)
    local work = work_of(two)
    return filters.request(work, work.target), work
  end

  it("goes back to the version that worked", function()
    local failure, work = generations("request = function() end,", "request = function() error('oh') end,")
    local before = rollback.candidate(work, failure)
    assert.equal(1, before.snapshot.generation)
    assert.equal("providers/filters/f.lua", rollback.script_of(work))
    work.live.holders = 1
    rollback.rewind(work, before)
    assert.same({}, { work.filters, work.failed_script })
    assert.is_nil(filters.request(work, { instance = work.snapshot.instances.p, model = "m" }))
  end)

  it("does not go back to where the filter was not active: nothing passes without it", function()
    local failure, work = generations("request = function() end,", "request = function() error('oh') end,", "{}")
    assert.is_nil(rollback.candidate(work, failure))
  end)

  it("stays where the script is the same", function()
    local failure, work = generations("request = function() error('oh') end,", "request = function() error('oh') end,")
    assert.is_nil(rollback.candidate(work, failure))
  end)
end)
