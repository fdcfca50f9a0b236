--- cliproxy.json as scripts see it: reading, editing, encoding, and what happens with wrong use.
local json = require "cliproxy.json"

local function check_raises(text, fn, ...)
  local ok, message = pcall(fn, ...)
  assert.is_false(ok, "did not raise; expected: " .. text)
  if not tostring(message):find(text, 1, true) then error(("raised %q, not %q"):format(tostring(message), text), 2) end
end

local function parse(text)
  return assert(json.parse(text))
end

describe("json.parse", function()
  it("reads values when asked for", function()
    local doc = parse '{"model":"m","n":[1,2.5,-0.1,1e3],"t":true,"f":false,"o":{"a":{"b":"c"}},"e":"a\\n\\u00e4"}'
    assert.equal("m", doc.model)
    assert.equal(1, doc.n[1])
    assert.equal(2.5, doc.n[2])
    assert.equal(-0.1, doc.n[3])
    assert.equal(1000, doc.n[4])
    assert.is_true(doc.t)
    assert.is_false(doc.f)
    assert.equal("c", doc.o.a.b)
    assert.equal("a\n\195\164", doc.e)
    assert.equal(6, #doc)
    assert.equal(4, #doc.n)
  end)

  it("gives scalars as plain values", function()
    assert.equal("x", json.parse '"x"')
    assert.equal(5, json.parse " 5 ")
    assert.is_false(json.parse "false")
    assert.equal(json.null, json.parse "null")
  end)

  it("answers bad input with nil, a message and a code", function()
    local cases = {
      { "", "the document is empty", "syntax" },
      { '{"a":1,}', "line 1, column 8: expected a key in double quotes", "syntax" },
      { "\239\187\191{}", "byte order mark", "syntax" },
      { "{} x", "unexpected bytes behind the value", "syntax" },
      { '["\255"]', "not valid UTF-8", "utf8" },
      { ("["):rep(600), "nested deeper than 512 levels", "depth" },
      { '{"a":1,"\\u0061":2}', "this key stands twice", "duplicate" },
    }
    for _, case in ipairs(cases) do
      local value, message, code = json.parse(case[1])
      assert.is_nil(value)
      assert.truthy(message:find(case[2], 1, true), message)
      assert.equal(case[3], code)
    end
  end)

  it("raises for what is no string", function()
    check_raises("string expected", json.parse, {})
    check_raises("string expected", json.parse)
  end)

  it("finds nothing under keys of the wrong kind", function()
    local doc = parse '{"a":[1,2],"1":"one"}'
    assert.is_nil(doc.missing)
    assert.is_nil(doc[1])
    assert.is_nil(doc.a.length)
    assert.is_nil(doc.a[0])
    assert.is_nil(doc.a[3])
    assert.is_nil(doc.a[1.5])
    assert.is_nil(doc.a[-1])
    assert.is_nil(doc.a[0 / 0])
    assert.is_nil(doc[true])
    assert.equal("one", doc["1"])
  end)

  it("never rounds a number", function()
    local text = '{"id":9007199254740993,"huge":1e400,"long":0.10000000000000000001}'
    local doc = parse(text)
    for key, value in pairs { id = "9007199254740993", huge = "1e400", long = "0.10000000000000000001" } do
      assert.equal("number", json.kind(doc[key]))
      assert.equal(value, tostring(doc[key]))
      assert.equal("userdata", type(doc[key]))
    end
    assert.equal(9007199254740992, json.value(doc.id))
    assert.equal(math.huge, json.value(doc.huge))
    local copy = parse "{}"
    copy.id = doc.id
    assert.equal('{"id":9007199254740993}', json.encode(copy))
    assert.equal('[9007199254740993]', json.encode { doc.id })
    check_raises("a number has no fields", function() return doc.id.x end)
  end)

  it("hands lone surrogates on as the escapes they were", function()
    local doc = parse '{"a":"\\ud83d","b":"\\ude00","c":""}'
    doc.d = doc.a
    doc.c = doc.a .. doc.b
    assert.equal('{"a":"\\ud83d","b":"\\ude00","c":"\\ud83d\\ude00","d":"\\ud83d"}', json.encode(doc))
  end)
end)

describe("json.null", function()
  it("is a value of its own", function()
    local doc = parse '{"a":null}'
    assert.equal(json.null, doc.a)
    assert.truthy(doc.a)
    assert.is_false(json.present(doc.a))
    assert.is_false(json.present(doc.b))
    assert.is_false(json.present(nil))
    assert.is_true(json.present(false))
    assert.equal("null", tostring(json.null))
    check_raises("json.null has no fields: ask json.present", function() return doc.a.x end)
    check_raises("json.null has no fields", function() doc.a.x = 1 end)
  end)
end)

describe("json.kind", function()
  it("names what a value is in JSON", function()
    local doc = parse '{"o":{},"a":[],"s":"x","n":1,"b":true,"z":null,"big":1e400}'
    local want = { o = "object", a = "array", s = "string", n = "number", b = "boolean", z = "null", big = "number" }
    for key, kind in pairs(want) do
      assert.equal(kind, json.kind(doc[key]), key)
      assert.equal(kind, json.kind(json.node(doc, key)), key)
    end
    assert.equal("array", json.kind { 1 })
    assert.equal("object", json.kind { a = 1 })
    assert.equal("array", json.kind(json.array {}))
    assert.equal("object", json.kind(json.object {}))
    assert.is_nil(json.kind {})
    assert.is_nil(json.kind(nil))
    assert.is_nil(json.kind(print))
  end)
end)

describe("an edited document", function()
  local text = '{ "model" : "old",\n  "messages": [ {"role":"user", "content":"h\\u00e4"} ],  "n": 1.0 }\n'

  it("keeps every byte that was not touched", function()
    local doc = parse(text)
    assert.equal(text, json.encode(doc))
    doc.model = "new"
    assert.equal((text:gsub('"old"', '"new"')), json.encode(doc))
    doc.messages[1].role = "system"
    assert.equal((text:gsub('"old"', '"new"'):gsub('"user"', '"system"')), json.encode(doc))
    assert.equal("system", doc.messages[1].role)
  end)

  it("adds and removes members", function()
    local doc = parse '{"a":1,"b":2,"c":3}'
    doc.b = nil
    doc.d = json.null
    doc.missing = nil
    assert.equal('{"a":1,"c":3,"d":null}', json.encode(doc))
    assert.equal(1, json.remove(doc, "a"))
    assert.is_nil(json.remove(doc, "a"))
    assert.equal('{"c":3,"d":null}', json.encode(doc))
  end)

  it("takes Lua tables, sorted, with nodes as the bytes they were", function()
    local doc = parse '{"tools":[{"z":1.0,"a":[ ]}]}'
    doc.list = { 1, "x", { b = true, a = { doc.tools[1], json.null } } }
    assert.equal('[1,"x",{"a":[{"z":1.0,"a":[ ]},null],"b":true}]', json.raw(doc, "list"))
    doc.list[3].a[1].z = 2
    assert.equal(1, doc.tools[1].z)
    assert.equal(2, doc.list[3].a[1].z)
    doc.empty = { json.array {}, json.object {} }
    assert.equal("[[],{}]", json.raw(doc.empty))
    doc.again = doc
    assert.equal("[[],{}]", json.raw(doc.again, "empty"))
    assert.is_nil(doc.again.again)
  end)

  it("appends to arrays, and says what to use for all else", function()
    local doc = parse '{"a":[1,2]}'
    local a = doc.a
    a[3] = 3
    a[1] = "one"
    assert.equal('["one",2,3]', json.raw(a))
    check_raises("index 5 is outside the array: 1 to 3, or 4 to append", function() a[5] = 1 end)
    check_raises("index 0 is outside", function() a[0] = 1 end)
    check_raises("index 1.5 is outside", function() a[1.5] = 1 end)
    check_raises("use json.remove(array, 2)", function() a[2] = nil end)
    check_raises("an array has no field 'x'", function() a.x = 1 end)
    check_raises("an object has string keys, not a number", function() doc[1] = 1 end)
    assert.equal('{"a":["one",2,3]}', json.encode(doc))
  end)

  it("refuses what JSON cannot hold, and stays as it was", function()
    local doc = parse '{"a":1}'
    local circle = {}
    circle[1] = circle
    check_raises("a function has no place in JSON", function() doc.x = print end)
    check_raises("NaN is not a JSON number", function() doc.x = 0 / 0 end)
    check_raises("infinity is not a JSON number", function() doc.x = math.huge end)
    check_raises("not valid UTF-8", function() doc.x = "\255" end)
    check_raises("not valid UTF-8", function() doc["\255"] = 1 end)
    check_raises("not valid UTF-8 at .y[2]", function() doc.x = { y = { 1, "\255" } } end)
    check_raises("contains itself", function() doc.x = circle end)
    check_raises("an empty table: say json.array{} or json.object{}", function() doc.x = {} end)
    check_raises("without holes", function() doc.x = { 1, nil, nil, 4, [7] = 1 } end)
    check_raises("without holes", function() doc.x = { [2.5] = 1 } end)
    check_raises("both a sequence and string keys", function() doc.x = { 1, a = 2 } end)
    check_raises("a userdata has no place", function() doc.x = io.stdout end)
    check_raises("at .b.c[1]", function() doc.x = { b = { c = { print } } } end)
    assert.equal('{"a":1}', json.encode(doc))
  end)

  it("bounds the depth", function()
    local doc = parse '{"a":[]}'
    check_raises("nested deeper than 512 levels", function()
      for _ = 1, 600 do doc.a = { doc.a } end
    end)
    assert.truthy(json.parse(json.encode(doc)))
  end)

  it("is not changed by edits of what was removed or copied from it", function()
    local doc = parse '{"a":{"x":1},"b":{}}'
    local a = json.remove(doc, "a")
    doc.b.copy = a
    a.x = 2
    assert.equal(2, a.x)
    assert.equal('{"b":{"copy":{"x":1}}}', json.encode(doc))
  end)

  it("has its original beside it", function()
    local doc = parse '{"a":1}'
    doc.a = 2
    local original = json.original(doc)
    json.close(doc)
    assert.equal('{"a":1}', json.encode(original))
  end)
end)

describe("json.insert and json.remove", function()
  it("work by position", function()
    local a = parse "[1, 2]"
    json.insert(a, 3)
    json.insert(a, 1, { zero = 0 })
    assert.equal('[{"zero":0}, 1, 2, 3]', json.encode(a))
    assert.equal(3, json.remove(a))
    assert.equal(0, json.remove(a, 1).zero)
    assert.equal("[1, 2]", json.encode(a))
    assert.is_nil(json.remove(a, 3))
    json.remove(a)
    json.remove(a)
    assert.is_nil(json.remove(a))
    assert.equal("[]", json.encode(a))
  end)

  it("raise for wrong use", function()
    local doc = parse '{"a":[1]}'
    check_raises("index from 1 to 2 expected", json.insert, doc.a, 4, 1)
    check_raises("an element cannot be nil", json.insert, doc.a, nil)
    check_raises("array of a document expected, got object", json.insert, doc, 1)
    check_raises("array of a document expected, got table", json.insert, {}, 1)
    check_raises("(array, value) or (array, index, value)", json.insert, doc.a)
    check_raises("index expected", json.remove, doc.a, "x")
    check_raises("key of a member expected", json.remove, doc, 1)
    check_raises("node of a document expected", json.remove, "x", 1)
  end)
end)

describe("iteration", function()
  it("follows the document's order", function()
    local doc = parse '{"z":1,"a":[10,null,30],"m\\n":true}'
    local seen = {}
    for key, value in json.each(doc) do seen[#seen + 1] = key .. "=" .. json.encode(value) end
    assert.same({ "z=1", "a=[10,null,30]", "m\n=true" }, seen)
    seen = {}
    for i, value in json.each(doc.a) do seen[i] = value end
    assert.same({ 10, json.null, 30 }, seen)
  end)

  it("takes edits of what was just seen", function()
    local doc = parse '{"a":1,"b":2,"c":3}'
    for key, value in json.each(doc) do
      doc[key] = value ~= 2 and value * 10 or nil
    end
    assert.equal('{"a":10,"c":30}', json.encode(doc))
  end)

  it("raises for what is no container", function()
    check_raises("node of a document expected, got table", json.each, {})
    check_raises("object or array expected", json.each, json.node(parse '["x"]', 1))
  end)

  it("is what ipairs and pairs of scripts do, with tables as ever", function()
    local doc = parse '{"a":["x","y"],"b":1}'
    local seen = {}
    for i, value in json.ipairs(doc.a) do seen[i] = value end
    for i, value in json.ipairs { "p", "q", "r", nil, "t" } do seen[i + 2] = value end
    assert.same({ "x", "y", "p", "q", "r" }, seen)
    seen = {}
    for key in json.pairs(doc) do seen[#seen + 1] = key end
    for key, value in json.pairs { c = 2 } do seen[#seen + 1] = key .. value end
    assert.same({ "a", "b", "c2" }, seen)
    check_raises("array of a document expected, got object", json.ipairs, doc)
    check_raises("table expected", json.pairs, 5)
    assert.equal(next, (json.pairs {}))
  end)

  it("has table.insert and table.remove of scripts beside it", function()
    local a, t = parse "[1]", { 1 }
    for _, target in ipairs { a, t } do
      json.table_insert(target, 2)
      json.table_insert(target, 1, 0)
      assert.equal(2, json.table_remove(target))
      assert.equal(0, json.table_remove(target, 1))
    end
    assert.equal("[1]", json.encode(a))
    assert.same({ 1 }, t)
    check_raises("array of a document expected, got object", json.table_remove, parse '{"a":1}', "a")
  end)
end)

describe("json.encode", function()
  it("writes plain values", function()
    assert.equal('"a\\"\\\\\\n\\u0001/"', json.encode 'a"\\\n\1/')
    assert.equal("0.1", json.encode(0.1))
    assert.equal("9007199254740992", json.encode(2 ^ 53))
    assert.equal("1e+100", json.encode(1e100))
    assert.equal("-0", json.encode(-0.0))
    assert.equal("true", json.encode(true))
    assert.equal("null", json.encode(json.null))
    assert.equal("[]", json.encode(json.array()))
    assert.equal("{}", json.encode(json.object()))
    assert.equal('{"a":{"b":[1,2]},"c":"d"}', json.encode { c = "d", a = { b = { 1, 2 } } })
  end)

  it("keeps the order of pairs", function()
    local value = json.object { { "type", "text" }, { "text", "hi" }, b = 1, a = 2 }
    assert.equal('{"type":"text","text":"hi","a":2,"b":1}', json.encode(value))
    check_raises('lists pairs: { "key", value } at [1]', json.encode, json.object { 1 })
    check_raises("lists pairs", json.encode, json.object { { "a" } })
    check_raises("a key that stands twice", json.encode, json.object { { "a", 1 }, a = 2 })
    check_raises("a key that stands twice", json.encode, json.object { { "a", 1 }, { "a", 2 } })
  end)

  it("raises for what is wrong", function()
    check_raises("json.encode: a nil has no place in JSON", json.encode, nil)
    check_raises("value expected", json.encode)
    check_raises("json.encode: a function has no place in JSON at [2]", json.encode, { 1, print })
  end)
end)

describe("json.node, json.raw and json.value", function()
  it("hand values on without reading them", function()
    local doc = parse '{"s":"a\\u0062","n":1.50,"o":{"x": 1}}'
    local node = json.node(doc, "s")
    assert.equal("string", json.kind(node))
    assert.equal('"a\\u0062"', json.raw(node))
    assert.equal('"a\\u0062"', json.raw(doc, "s"))
    assert.equal("ab", json.value(node))
    assert.equal("ab", tostring(node))
    assert.equal('["a\\u0062",1.50]', json.encode { node, json.node(doc, "n") })
    assert.equal('{"x": 1}', json.raw(doc.o))
    assert.equal("plain", json.value "plain")
    assert.is_nil(json.node(doc, "missing"))
    assert.is_nil(json.raw(doc, "missing"))
    check_raises("a string has no fields (json.value reads it)", function() return node.x end)
    check_raises("node of a document expected, got string", json.raw, "x")
  end)

  it("compare by place", function()
    local doc = parse '{"a":{},"b":{}}'
    assert.is_true(doc.a == doc.a)
    assert.is_false(doc.a == doc.b)
    assert.equal("json object (2 members)", tostring(doc))
    assert.equal("cliproxy.json", getmetatable(doc))
  end)
end)

-- What a call returned, with its nils.
local function results(...)
  return { n = select("#", ...), ... }
end

describe("json.pick", function()
  local doc = parse '{"a":"x\\n","b":{"c":[{"d":1},{"d":2.5}],"n":null},"t":true,"big":9007199254740993,"1":"one"}'

  it("reads several values by their paths", function()
    assert.same({ n = 5, "x\n", 1, 2.5, true, "one" }, results(json.pick(doc, "a", "b.c.1.d", "b.c.2.d", "t", "1")))
    assert.equal("array", json.kind((json.pick(doc, "b.c"))))
    assert.equal("9007199254740993", tostring((json.pick(doc, "big"))))
    assert.equal(2, (json.pick(doc.b, "c.2")).d * 0.8)
  end)

  it("reads nil for null, for what is absent, and beyond values that have no members", function()
    assert.same({ n = 8 }, results(json.pick(doc, "b.n", "x", "b.x.y", "a.b", "b.c.0", "b.c.3", "b.c.x", "")))
    assert.same({ n = 2 }, results(json.pick(doc, "b.c.1.", ".b")))
    assert.same({ n = 1 }, results(json.pick(doc, "b.c.99999999999999999999")))
    assert.same({ n = 2 }, results(json.pick("text", "a", "b")))
    assert.same({ n = 1 }, results(json.pick(json.null, "a")))
    assert.same({ n = 0 }, results(json.pick(doc)))
  end)

  it("sees edits", function()
    local edited = parse '{"a":{"b":1}}'
    edited.a.b = "new"
    edited.c = { 7 }
    assert.same({ n = 2, "new", 7 }, results(json.pick(edited, "a.b", "c.1")))
  end)

  it("raises for paths that are no strings, and for closed documents", function()
    check_raises("string expected", json.pick, doc, {})
    local closed = parse '{"a":1}'
    json.close(closed)
    check_raises("document closed", json.pick, closed, "a")
  end)
end)

describe("json.members and json.rows", function()
  it("read strings as their text, and all else as reading does", function()
    local doc = parse '{"s":"a\\u0062","n":1.50,"t":false,"z":null,"o":{"x":1},"l":[],"big":1e400}'
    local n, s, number, t, z, o, l, big, none = json.members(doc, "s", "n", "t", "z", "o", "l", "big", "none")
    assert.same({ n = 6, 7, '"a\\u0062"', 1.5, false }, results(n, s, number, t, z, none))
    assert.equal(1, o.x)
    assert.equal(0, #l)
    assert.equal("1e400", tostring(big))
  end)

  it("have nothing of what is no object", function()
    for _, value in ipairs { parse "[1]", "text", 5, true, json.null, {} } do
      assert.same({ n = 3 }, results(json.members(value, "a", "b")))
    end
    assert.same({ n = 3 }, results(json.members(nil, "a", "b")))
    assert.same({ n = 1, 0 }, results(json.members((parse "{}"))))
  end)

  it("take one element of an array", function()
    local list = parse '[{"a":"x","b":1},"text",{"b":"y"}]'
    assert.same({ n = 3, 2, '"x"', 1 }, results(json.row(list, 1, "a", "b")))
    assert.same({ n = 3, 1, nil, '"y"' }, results(json.row(list, 3, "a", "b")))
    assert.same({ n = 1, 2 }, results(json.row(list, 1)))
    for _, index in ipairs { 2, 0, 4, -1, 1.5, "1" } do
      assert.same({ n = 2 }, results(json.row(list, index, "a")))
    end
    assert.equal(3, json.length(list))
    assert.equal(0, json.length((parse "[]")))
    for _, value in ipairs { (parse "{}"), "text", 5, json.null, {} } do
      assert.is_nil(json.length(value))
    end
  end)

  it("find lists inside of lists again", function()
    local list = parse '[{"a":[{"b":1},{"b":2}]},{"a":[{"b":3}]},{"a":[{"b":4},{"b":5},{"b":6}]}]'
    local seen = {}
    for i = 1, 3 do
      local _, inner = json.row(list, i, "a")
      for k = 1, #inner do
        seen[#seen + 1] = select(2, json.row(inner, k, "b")) .. "@" .. inner[k].b .. "@" .. #list[i].a
      end
    end
    assert.same({ "1@1@2", "2@2@2", "3@3@1", "4@4@3", "5@5@3", "6@6@3" }, seen)
    assert.equal(2, list[1].a[2].b)
  end)

  it("go through an array", function()
    local list, seen = parse '[{"a":"x","b":1},"text",{"b":"y"},[],{}]', {}
    for i, n, a, b in json.rows(list, "a", "b") do
      seen[i] = results(n, a, b)
    end
    assert.same({ { n = 3, 2, '"x"', 1 }, { n = 3 }, { n = 3, 1, nil, '"y"' }, { n = 3 }, { n = 3, 0 } }, seen)
    for _ in json.rows(parse "[]", "a") do
      error("there is none")
    end
  end)

  it("see edits", function()
    local doc = parse '[{"a":"x"}]'
    doc[1].a = "y"
    doc[2] = { a = "z" }
    local seen = {}
    for i, n, a in json.rows(doc, "a") do
      seen[i] = n .. a
    end
    assert.same({ '1"y"', '1"z"' }, seen)
  end)

  it("raise for wrong use", function()
    local doc = parse '{"a":[]}'
    local many = {}
    for i = 1, 33 do
      many[i] = "k"
    end
    check_raises("no more than 32 keys", json.members, doc, unpack(many))
    check_raises("string expected", json.members, doc, {})
    check_raises("array of a document expected, got object", json.rows, doc, "a")
    check_raises("string expected", json.rows, doc.a, true)
    check_raises("array of a document expected, got object", json.row, doc, 1, "a")
    check_raises("string expected", json.row, doc.a, 1, {})
    local rows = json.rows(parse "[{}]", "a")
    assert.equal(1, (rows()))
    assert.is_nil(rows())
    local list = parse "[{}]"
    rows = json.rows(list, "a")
    json.close(list)
    check_raises("document closed", rows)
  end)
end)

describe("json.quoted", function()
  it("quotes what needs no escape", function()
    assert.equal('"call_1"', json.quoted "call_1")
    assert.equal('""', json.quoted "")
    assert.equal('" ~"', json.quoted " ~")
    assert.equal(258, #json.quoted(("x"):rep(256)))
    assert.equal('"5"', json.quoted(5))
  end)

  it("leaves all else", function()
    for _, value in ipairs { '"', "\\", "a\n", "\127", "\0", "\195\164", "\255", ("x"):rep(257) } do
      assert.is_nil(json.quoted(value))
    end
    check_raises("string expected", json.quoted, {})
  end)
end)

describe("json.unquoted and json.check", function()
  it("read a JSON text without a document", function()
    assert.equal("", json.unquoted '""')
    assert.equal('a"\n\195\164', json.unquoted '"a\\"\\n\\u00e4"')
    assert.equal("\237\160\189", json.unquoted '"\\ud83d"')
    assert.equal(("x"):rep(1000), json.unquoted('"' .. ("x"):rep(1000) .. '"'))
    local kinds = { object = ' {"a":1} ', array = "[]", string = '"x"', number = "1e400", boolean = "true",
      null = "null" }
    for kind, text in pairs(kinds) do
      assert.equal(kind, json.check(text))
    end
  end)

  it("find nothing in what is none", function()
    for _, text in ipairs { "", '"', "x", '"a', 'a"', '"a"b"', '"a" ', '"\\x"', '"\n"', '"\255"', "5", "{}" } do
      assert.is_nil(json.unquoted(text))
    end
    for _, text in ipairs { "", "{", '{"a":1,}', '{"a":1,"a":2}', "{} x", '["\255"]', ("["):rep(600) } do
      assert.is_nil(json.check(text))
    end
    check_raises("string expected", json.unquoted, {})
    check_raises("string expected", json.check)
  end)
end)

describe("json.detach", function()
  it("copies to plain values", function()
    local doc = parse '{"a":[1,{"b":"c"},[],null],"d":{}}'
    local copy = json.detach(doc)
    json.close(doc)
    assert.equal("table", type(copy.a))
    assert.equal("c", copy.a[2].b)
    assert.equal(json.null, copy.a[4])
    assert.equal('{"a":[1,{"b":"c"},[],null],"d":{}}', json.encode(copy))
    assert.equal("x", json.detach "x")
  end)

  it("raises rather than round", function()
    check_raises("9007199254740993 does not fit a Lua number", json.detach, parse '{"a":9007199254740993}')
  end)
end)

describe("json.close", function()
  it("ends every node of the document", function()
    local doc = parse '{"a":{"b":[1]}}'
    local b, step = doc.a.b, json.each(doc)
    json.close(b)
    json.close(doc)
    check_raises("document closed", function() return doc.a end)
    check_raises("document closed", function() doc.a = 1 end)
    check_raises("document closed", function() return #b end)
    check_raises("document closed", step)
    local names = { "encode", "raw", "each", "kind", "detach", "present", "insert", "remove", "original", "value" }
    for _, name in ipairs(names) do
      check_raises("document closed", json[name], b, 1)
    end
    check_raises("document closed", json.encode, { b })
    check_raises("document closed", function() parse("{}").x = b end)
    assert.equal("json node (document closed)", tostring(doc))
    assert.is_false(doc == b)
    check_raises("node expected", json.close, {})
  end)

  it("leaves a document to the nodes that are left of it", function()
    local kept = {}
    for i = 1, 100 do
      local doc = parse('{"a":{"b":[' .. i .. ',{}]}}')
      kept[i] = i % 2 == 0 and doc.a.b or doc.a.b[2]
      assert.is_true(doc.a == doc.a and doc ~= doc.a and doc.a ~= doc)
    end
    collectgarbage()
    collectgarbage()
    for i = 1, 100 do assert.equal(i % 2 == 0 and "[" .. i .. ",{}]" or "{}", json.encode(kept[i])) end
    local root = parse('{"a":{}}')
    local same = json.original(root)
    assert.is_true(same ~= root and root == root)
  end)

  it("is done by the collector for documents that nobody closed", function()
    local text = '{"a":"' .. ("x"):rep(1e6) .. '"}'
    for _ = 1, 1000 do assert(json.parse(text)) end
    local rss = tonumber(assert(io.open "/proc/self/statm"):read "*a":match "%d+ (%d+)") * 4 / 1024
    assert.is_true(rss < 500, ("%d MB are held after 1000 documents of 1 MB"):format(rss))
  end)
end)
