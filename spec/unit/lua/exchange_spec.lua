local async = require "spec.support.async"
local json = require "cliproxy.json"
local loopback = require "spec.support.loopback"
local server = require "cliproxy.server"
local task = require "cliproxy.task"
local test = require "cliproxy_test"
local timer = require "cliproxy.timer"

local eventually = loopback.eventually

--- Runs `look` in a request's handler and gives its results; the request is answered with 204.
local function inside(look, body, more, method)
  local results, n
  local function keep(...) results, n = { ... }, select("#", ...) end
  async(function()
    loopback.ask(function(exchange)
      keep(pcall(look, exchange))
      exchange:respond(204, {})
    end, body, more, method)
  end)
  if not results[1] then error(results[2], 0) end
  return unpack(results, 2, n)
end

describe("an exchange's request", function()
  it("has method, path, query, peer, size and ages", function()
    local path
    async(function()
      path = loopback.on(function(exchange)
        exchange:respond(200, {}, json.encode {
          exchange.method, exchange.path, exchange.query, exchange.peer, exchange.is_local, exchange.size,
          exchange.age >= 0 and exchange.age < 2, exchange.gone, exchange.fault == nil, exchange.nothing == nil,
        })
      end)
      local client = loopback.connect():send(loopback.bytes(path .. "?a=1&b=%20", "12345"))
      local seen = json.parse(client:answer().body)
      assert.equal("POST", seen[1])
      assert.equal(path, seen[2])
      assert.equal("a=1&b=%20", seen[3])
      assert.matches("^127%.0%.0%.1:%d+$", seen[4])
      assert.same({ true, 5, true, false, true, true }, { seen[5], seen[6], seen[7], seen[8], seen[9], seen[10] })
      client:close()
    end)
  end)

  it("has large bodies whole, whatever comes behind them, one after another", function()
    local bodies, seen = {}, {}
    for i, size in ipairs { 700000, 65536, 65537, 200000, 3 } do
      bodies[i] = (("%d,"):format(i)):rep(size):sub(1, size)
    end
    async(function()
      local path = loopback.on(function(exchange)
        seen[#seen + 1] = exchange:body()
        exchange:respond(200, {}, tostring(#seen))
      end)
      local all = {}
      for i, body in ipairs(bodies) do all[i] = loopback.bytes(path, body) end
      local client = loopback.connect():send(table.concat(all))
      for i in ipairs(bodies) do assert.equal(tostring(i), client:answer().body) end
      client:close()
    end, 10)
    for i, body in ipairs(bodies) do assert.is_true(body == seen[i], "body " .. i .. " arrived damaged") end
  end)

  it("has headers by name in any case, and all of them in lower case, joined", function()
    inside(function(exchange)
      assert.equal("one", exchange:header("x-first"))
      assert.equal("one", exchange:header("X-FIRST"))
      assert.is_nil(exchange:header("x-none"))
      assert.same({ host = "localhost", ["x-first"] = "one", ["x-two"] = "a, b", ["x-empty"] = "" }, exchange:headers())
    end, nil, "X-First: one\r\nX-Two: a\r\nx-two: b\r\nX-Empty:\r\n")
  end)

  it("hands out the headers of a set of names alone", function()
    local names = server.header_names { "x-first", "openai-*" }
    local picked = inside(function(exchange)
      local into = { kept = "before" }
      exchange:pick(names, into)
      return into
    end, nil, table.concat({ "X-First: one", "X-Firsts: no", "OpenAI-Beta: a", "openai-beta: b", "OpenAI-: c",
      "openai: no", "Cookie: no", "" }, "\r\n"))
    assert.same({ kept = "before", ["x-first"] = "one", ["openai-beta"] = "a, b", ["openai-"] = "c" }, picked)
  end)

  it("hands out a table of its own where none is given", function()
    local picked = inside(function(exchange) return exchange:pick(server.header_names { "x-first" }) end, nil,
      "X-First: one\r\n")
    assert.same({ ["x-first"] = "one" }, picked)
  end)

  it("tells several headers in one call, absent ones too", function()
    local values = inside(function(exchange)
      return { n = select("#", exchange:header("x-none", "x-first", "X-Two", "x-none")),
        exchange:header("x-none", "x-first", "X-Two") }
    end, nil, "X-First: one\r\nX-Two: a\r\nx-two: b\r\n")
    assert.same({ n = 4, nil, "one", "a" }, values)
  end)

  it("tells what every request is asked first in one call", function()
    inside(function(exchange)
      local method, path, query, size, fault = exchange:request()
      assert.same({ exchange.method, exchange.path, exchange.query, 5 }, { method, path, query, size })
      assert.is_nil(fault)
    end, "12345")
  end)

  it("keeps names of any length apart", function()
    local long = ("n"):rep(400)
    local all = inside(function(exchange) return exchange:headers() end, nil, long .. "A: 1\r\n" .. long .. "b: 2\r\n")
    assert.equal("1", all[long .. "a"])
    assert.equal("2", all[long .. "b"])
  end)

  it("has its body as bytes and as a document that is the same at every call", function()
    local body = ' {"model":"m", "n":12345678901234567890, "list":[]} '
    inside(function(exchange)
      assert.equal(body, exchange:body())
      local document = exchange:document()
      assert.equal("m", document.model)
      document.model = "other"
      assert.equal("other", exchange:document().model)
      assert.equal(body:gsub('"m"', '"other"'), json.encode(document))
      assert.equal(body, exchange:body())
    end, body)
  end)

  for _, case in ipairs {
    { '{"a":', "syntax" }, { "", "syntax" }, { '"\255"', "utf8" }, { '{"a":1,"a":2}', "duplicate" },
    { ("["):rep(600) .. ("]"):rep(600), "depth" },
  } do
    it(("says what is wrong with a body: %s"):format(case[2]), function()
      local document, message, code = inside(function(exchange) return exchange:document() end, case[1])
      assert.is_nil(document)
      assert.matches("line 1, column %d+", message)
      assert.equal(case[2], code)
    end)
  end

  it("has a fault where it broke the rules of HTTP", function()
    local former, fault = nil, nil
    async(function()
      loopback.address()
      server.handle(function(exchange)
        fault = exchange.fault
        exchange:respond(fault.status, {}, fault.code)
      end)
      local client = loopback.connect():send("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
      former = client:answer()
      assert.equal("", client:take_all())
      loopback.address(true)
    end)
    assert.equal(400, former.status)
    assert.equal(400, fault.status)
    assert.equal(former.body, fault.code)
    assert.matches("Host", fault.text)
  end)

  it("closes its document at its end", function()
    local kept, exchange_kept
    async(function()
      loopback.ask(function(exchange)
        kept, exchange_kept = exchange:document(), exchange
        exchange:respond(204, {})
      end, '{"a":{"b":1}}')
    end)
    assert.has_error(function() return kept.a end)
    for _, use in ipairs {
      function() return exchange_kept.path end, function() return exchange_kept:header("host") end,
      function() return exchange_kept:headers() end, function() return exchange_kept:body() end,
      function() return exchange_kept:document() end, function() return exchange_kept:respond(200, {}) end,
      function() return exchange_kept:start(200, {}) end, function() return exchange_kept:write("x") end,
      function() return exchange_kept:finish() end, function() return exchange_kept:abort() end,
      function() return exchange_kept:mark_complete() end, function() return exchange_kept:on_gone(print) end,
    } do
      local ok, message = pcall(use)
      assert.is_false(ok)
      assert.matches("the exchange has ended", message)
    end
  end)

  it("cannot be forged", function()
    inside(function(exchange)
      assert.equal("exchange", getmetatable(exchange))
      assert.has_error(function() exchange.header({}, "host") end)
      assert.has_error(function() exchange.header(io.stdout, "host") end)
      assert.has_error(function() exchange.path = "/other" end)
    end)
  end)
end)

describe("an exchange's answer", function()
  it("is whole: bytes, a document, or nothing", function()
    async(function()
      local answer = loopback.ask(function(exchange)
        assert.is_true(exchange:respond(201, { ["x-one"] = "1", ["x-list"] = { "a", "b" } }, "hello"))
        assert.is_true(exchange.head_sent)
        assert.is_true(exchange.ended)
        assert.equal(5, exchange.written)
      end)
      assert.same({ 201, "hello", "1", "5" },
        { answer.status, answer.body, answer.headers["x-one"], answer.headers["content-length"] })
      answer = loopback.ask(function(exchange)
        local document = exchange:document()
        document.a = "changed"
        exchange:respond(200, { ["content-type"] = "application/json" }, document)
      end, '{ "a" : 1, "b" : [1.50, 2] }')
      assert.equal('{ "a" : "changed", "b" : [1.50, 2] }', answer.body)
      answer = loopback.ask(function(exchange) exchange:respond(200, {}) end)
      assert.same({ "", "0" }, { answer.body, answer.headers["content-length"] })
      answer = loopback.ask(function(exchange) exchange:respond(200, {}, "four") end, nil, nil, "HEAD")
      assert.same({ "", "4" }, { answer.body, answer.headers["content-length"] })
    end)
  end)

  it("can be given once", function()
    async(function()
      local second, third
      loopback.ask(function(exchange)
        exchange:respond(200, {}, "first")
        second = { exchange:respond(200, {}, "second") }
        third = { exchange:write("third") }
      end)
      assert.same({ nil, "gone" }, second)
      assert.same({ nil, "gone" }, third)
    end)
  end)

  it("is streamed in chunks, or up to a promised length", function()
    async(function()
      local answer = loopback.ask(function(exchange)
        exchange:start(200, { ["content-type"] = "text/plain" })
        for i = 1, 3 do
          assert.is_true(exchange:write("part " .. i .. "\n"))
          timer.sleep(0.001)
        end
        exchange:finish()
      end)
      assert.equal("part 1\npart 2\npart 3\n", answer.body)
      local beyond
      answer = loopback.ask(function(exchange)
        exchange:start(200, {}, 4)
        exchange:write("four")
        beyond = { exchange:write("more") }
        exchange:finish()
      end)
      assert.equal("four", answer.body)
      assert.is_nil(beyond[1])
      assert.is_string(beyond[2])
    end)
  end)

  it("is 500 where the handler raised or forgot it, and cut where it was left half done", function()
    async(function()
      local log = require "cliproxy.log"
      log.configure("error", "text")
      for _, handler in ipairs { function() error("the handler's own fault") end, function() end } do
        local answer = loopback.ask(handler)
        assert.equal(500, answer.status)
        assert.equal("internal_error", json.parse(answer.body).error.code)
        assert.is_nil(answer.body:find("own fault", 1, true))
      end
      local client = loopback.start(function(exchange)
        exchange:start(200, {})
        exchange:write("half")
        timer.sleep(0.002)
      end)
      local all = client:take_all()
      assert.matches("half", all)
      assert.is_nil(all:find("\r\n0\r\n\r\n", 1, true))
    end)
  end)

  it("can be cut on purpose", function()
    async(function()
      local all = loopback.start(function(exchange)
        exchange:start(200, {})
        exchange:write("half")
        timer.sleep(0.002)
        exchange:abort()
        assert.is_true(exchange.ended)
        assert.same({ nil, "gone" }, { exchange:write("more") })
      end):take_all()
      assert.is_nil(all:find("\r\n0\r\n\r\n", 1, true))
    end)
  end)

  it("refuses headers and bodies that are none", function()
    inside(function(exchange)
      for _, case in ipairs {
        { { [1] = "x" }, "header names must be strings" }, { { x = 5 }, "header x: string expected, got number" },
        { { x = { "a", {} } }, "header x: string expected" }, { "no", "table expected" },
      } do
        local ok, message = pcall(exchange.respond, exchange, 200, case[1], "")
        assert.is_false(ok)
        assert.matches(case[2], message)
      end
      local many = {}
      for i = 1, 129 do many["x-" .. i] = "v" end
      assert.has_error(function() exchange:respond(200, many) end, "more than 128 headers")
      assert.has_error(function() exchange:respond(200, {}, {}) end)
      assert.is_nil((exchange:respond(99, {}, "")))
      assert.is_false(exchange.head_sent)
    end)
  end)
end)

describe("exchange:write", function()
  local PIECE, PIECES = ("x"):rep(64 * 1024), 400

  it("waits while the client is slow, so that memory stays bounded", function()
    async(function()
      local written, finished = 0, false
      local path = loopback.on(function(exchange)
        exchange:start(200, {}, #PIECE * PIECES)
        for _ = 1, PIECES do
          assert.is_true(exchange:write(PIECE))
          written = exchange.written
        end
        exchange:finish()
        finished = true
      end)
      local client = loopback.connect(nil, { receive_buffer = 65536 }):send(loopback.bytes(path))
      client:take_through("\r\n\r\n")
      local before
      eventually("the writer stops", function()
        local same = before == written and written > 0
        before = written
        timer.sleep(0.05)
        return same
      end)
      assert.is_true(written < 12 * 2 ^ 20, written .. " bytes were taken for a client that does not read")
      assert.is_false(finished)
      local got = #client:text()
      client.buffer = ""
      eventually("all arrives", function()
        while client:pump() and not client.closed do end
        got = got + #client:text()
        client.buffer = ""
        return got >= #PIECE * PIECES
      end, 20)
      assert.equal(#PIECE * PIECES, got)
      eventually("the writer ends", function() return finished end)
      client:close()
    end, 40)
  end)

  --- A client that reads nothing, and a handler whose writer waits.
  local function stuck(on_stuck)
    return loopback.start(function(exchange)
      exchange:start(200, {})
      local writer = loopback.beside(function()
        while true do
          local ok, message = exchange:write(PIECE)
          if not ok then return message end
        end
      end)
      local before
      eventually("the writer waits", function()
        local same = before == exchange.written and exchange.written > 0
        before = exchange.written
        timer.sleep(0.02)
        return same
      end)
      on_stuck(exchange, writer)
    end)
  end

  it("lets one task write at a time, and tells it when another aborts", function()
    async(function()
      local seen
      local client = stuck(function(exchange, writer)
        local ok, message = pcall(exchange.write, exchange, "me too")
        exchange:abort()
        eventually("the writer is told", function() return writer.done end)
        seen = { ok, message, writer.ok, writer.values[1] }
      end)
      eventually("the handler ends", function() return seen end, 10)
      assert.is_false(seen[1])
      assert.matches("another task is writing", seen[2])
      assert.is_true(seen[3])
      client:close()
    end, 20)
  end)

  it("ends in a task of its own when the request ends, or the client leaves", function()
    async(function()
      local writer
      local client = stuck(function(_, its) writer = its end)
      eventually("the writer is told", function() return writer and writer.done end, 10)
      assert.same({ true, "gone" }, { writer.ok, writer.values[1] })
      client:close()
      local second
      client = stuck(function(_, its)
        second = its
        timer.sleep(60)
      end)
      eventually("the writer waits", function() return second end, 10)
      client:close()
      eventually("the writer is told", function() return second.done end, 10)
      assert.equal("gone", second.values[1])
    end, 40)
    assert.equal(0, test.tasks())
  end)

  it("says no inside callbacks where it cannot wait", function()
    async(function()
      local raised
      local client = loopback.start(function(exchange)
        exchange:start(200, {})
        local ok, message = true, nil
        while ok do
          ok, message = pcall(string.gsub, "x", ".", function() exchange:write(PIECE) end)
        end
        raised = message
        timer.sleep(0.01)
        exchange:abort()
      end)
      eventually("it raises", function() return raised end)
      assert.matches("not possible here", raised)
      client:close()
    end)
  end)
end)

describe("a client that leaves", function()
  it("cancels the request's task, at once, and on_gone is told before", function()
    local told, went_on, fields
    async(function()
      local client = loopback.start(function(exchange)
        exchange:on_gone(function()
          told = (told or 0) + 1
          fields = { exchange.gone, exchange.ended, exchange:write("x") }
        end)
        timer.sleep(60)
        went_on = true
      end)
      timer.sleep(0.02)
      client:close()
      eventually("the task is cancelled", function() return test.tasks() == 1 end)
    end)
    assert.equal(1, told)
    assert.same({ true, false, nil, "gone" }, { fields[1], fields[2], fields[3], fields[4] })
    assert.is_nil(went_on)
  end)

  it("by ending its side only is gone, too", function()
    async(function()
      local gone
      local client = loopback.start(function(exchange)
        exchange:on_gone(function() gone = true end)
        timer.sleep(60)
      end)
      timer.sleep(0.02)
      client.socket:shutdown("send")
      eventually("gone", function() return gone end)
      client:close()
    end)
  end)

  it("asks a table's gone() with the table", function()
    local asked
    async(function()
      local ended = false
      local client = loopback.start(function(exchange)
        exchange:on_gone { name = "mine", gone = function(self) asked = self.name return true end }
        eventually("the client is gone", function() return exchange.gone end)
        eventually("the table is asked", function() return asked end)
        ended = true
      end)
      client:close()
      eventually("the task it kept ends by itself", function() return ended end)
    end)
    assert.equal("mine", asked)
  end)

  it("leaves a task that on_gone keeps by returning true", function()
    async(function()
      local result
      local client = loopback.start(function(exchange)
        exchange:on_gone(function() return true end)
        exchange:start(200, {})
        eventually("gone", function() return exchange.gone end)
        result = { exchange:write("too late") }
      end)
      timer.sleep(0.02)
      client:close()
      eventually("the task went on", function() return result end)
      assert.same({ nil, "gone" }, result)
    end)
  end)

  it("is no trouble behind the terminal event, nor where on_gone raises or is set twice", function()
    async(function()
      local order = {}
      local client = loopback.start(function(exchange)
        exchange:start(200, {})
        exchange:write("the end")
        exchange:mark_complete()
        exchange:on_gone(function() order[#order + 1] = "replaced" end)
        exchange:on_gone(function()
          order[#order + 1] = "told"
          error(true)
        end)
        timer.sleep(60)
      end)
      client:take_through("the end")
      client:close()
      eventually("cancelled", function() return #order > 0 and test.tasks() == 1 end)
      assert.same({ "told" }, order)
    end)
  end)

  it("is noticed by a handler that sets on_gone late, and by tasks that it began", function()
    async(function()
      local told
      local client = loopback.start(function(exchange)
        local ok = pcall(task.all, { function()
          eventually("gone", function() return exchange.gone end)
          return true
        end })
        told = ok
      end)
      timer.sleep(0.02)
      client:close()
      eventually("all tasks end", function() return test.tasks() == 1 end)
      assert.is_nil(told)
    end)
  end)
end)
