local async = require "spec.support.async"
local budget = require "cliproxy.budget"
local loopback = require "spec.support.loopback"
local reply_api = require "cliproxy.reply"
local task = require "cliproxy.task"
local test = require "cliproxy_test"
local timer = require "cliproxy.timer"

local eventually = loopback.eventually

local SPEC = { stream = true, dialect = "other", framing = "sse" }

local function execute(fn, spec, owner)
  return reply_api.execute(spec or SPEC, fn, owner)
end

describe("reply.execute", function()
  it("makes a reply of what the function writes", function()
    async(function()
      local reply = execute(function(writer)
        writer.head(201, { ["Content-Type"] = "application/json", ["X-List"] = { "a", "b" } })
        writer.write('{"a":')
        writer.write("")
        timer.sleep(0.002)
        writer.write("1}")
        writer.finish()
      end, { stream = false, dialect = "other" })
      assert.equal(201, reply.status)
      assert.equal("application/json", reply:header("content-type"))
      assert.equal("a, b", reply:headers()["x-list"])
      assert.equal(-1, reply.length)
      assert.is_false(reply.is_stream)
      assert.equal(1, reply:document().a)
      reply:close()
    end)
    assert.equal(0, test.tasks())
  end)

  it("streams to a client like any provider", function()
    async(function()
      local how
      local answer = loopback.ask(function(exchange)
        local reply = execute(function(writer)
          writer.head(200, { ["content-type"] = "text/event-stream" })
          for i = 1, 3 do
            writer.write("data: " .. i .. "\n\n")
            timer.sleep(0.001)
          end
          writer.finish()
        end)
        assert.is_true(reply.is_stream)
        assert.equal("1", reply.first_event.data)
        exchange:start(reply.status, reply:headers())
        how = reply:relay(exchange)
      end)
      assert.equal("data: 1\n\ndata: 2\n\ndata: 3\n\n", answer.body)
      eventually("the relay ends", function() return how end)
      assert.equal(27, how.bytes)
    end)
  end)

  it("fails before any byte as a reply without status, with the kind", function()
    async(function()
      for kind, code in pairs { overloaded = "io", timeout = "timeout" } do
        local reply = execute(function(writer) writer.fail(kind, "no more") end)
        assert.same({ 0, code, "no more", kind, false },
          { reply.status, reply.code, reply.message, reply.kind, reply.script_failed })
        reply:close()
      end
    end)
  end)

  it("fails later as a stream that breaks", function()
    async(function()
      local reply = execute(function(writer)
        writer.head(200, {})
        writer.write("data: 1\n\n")
        timer.sleep(0.002)
        writer.fail("upstream", "it fell over")
      end)
      assert.equal("1", reply:next_event().data)
      local event, message, code = reply:next_event()
      assert.same({ nil, "it fell over", "io", "upstream" }, { event, message, code, reply.kind })
      reply:close()
    end)
  end)

  it("tells a function that raises from a provider that fails", function()
    async(function()
      local reply = execute(function() error("my own fault") end)
      assert.equal(0, reply.status)
      assert.is_true(reply.script_failed)
      assert.matches("execute_spec.lua:%d+: my own fault", reply.message)
      reply:close()
      reply = execute(function(writer)
        writer.head(200)
        writer.write("data: 1\n\n")
        timer.sleep(0.002)
        error({})
      end)
      assert.equal("1", reply:next_event().data)
      local _, message = reply:next_event()
      assert.equal("execute() failed without a message", message)
      assert.is_true(reply.script_failed)
      reply:close()
      reply = execute(function(writer)
        writer.head(200)
        writer.write("data: 1\n\n")
        writer.finish()
        error("after the end")
      end)
      assert.equal("1", reply:next_event().data)
      assert.is_nil((reply:next_event()))
      assert.is_false(reply.script_failed)
      reply:close()
    end)
  end)

  it("runs on the owner's budget", function()
    async(function()
      local owner = budget.owner and budget.owner("providers/x.lua", "execute")
        or { script = "providers/x.lua", name = "providers/x.lua: execute()" }
      local reply = execute(function() while true do end end, SPEC, owner)
      assert.equal(0, reply.status)
      assert.is_true(reply.script_failed)
      assert.matches("50 ms", reply.message)
      reply:close()
      reply = execute(function(writer)
        timer.sleep(0.001)
        writer.head(204)
        writer.finish()
      end, { stream = false, dialect = "other" }, owner)
      assert.equal(204, reply.status)
      reply:close()
    end)
  end)

  it("is no end to return without one", function()
    async(function()
      local reply = execute(function(writer)
        writer.head(200)
        writer.write("data: 1\n\n")
      end)
      assert.equal("1", reply:next_event().data)
      local event, message, code = reply:next_event()
      assert.same({ nil, "eof" }, { event, code })
      assert.matches("without reply.finish", message)
      assert.is_false(reply.script_failed)
      reply:close()
      reply = execute(function() end)
      assert.same({ 0, "eof" }, { reply.status, reply.code })
      reply:close()
    end)
  end)

  it("raises when it is used out of order", function()
    async(function()
      local messages = {}
      local function try(name, fn, ...)
        messages[name] = select(2, pcall(fn, ...))
      end
      local kept
      local reply = execute(function(writer)
        kept = writer
        try("write", writer.write, "x")
        try("finish", writer.finish)
        try("status", writer.head, 99)
        try("interim", writer.head, 101)
        try("headers", writer.head, 200, { a = 1 })
        writer.head(200)
        try("twice", writer.head, 200)
        try("bytes", writer.write, {})
        try("fail", writer.fail, "upstream")
        writer.finish()
        try("late", writer.write, "x")
        try("again", writer.finish)
      end)
      assert.equal(200, reply.status)
      eventually("all is tried", function() return messages.again end)
      for name, text in pairs {
        write = "call reply.head", finish = "call reply.head", status = "status 200 to 599",
          interim = "status 200 to 599",
        headers = "header a: string expected", twice = "already given", bytes = "string expected",
          fail = "string expected",
        late = "already finished", again = "already finished",
      } do
        assert.matches(text, messages[name], 1, true)
      end
      reply:close()
      assert.matches("cancelled", select(2, pcall(kept.write, "x")))
      for _, arguments in ipairs { { 5, print }, { SPEC, 5 }, { { framing = "lines" }, print } } do
        assert.has_error(function() reply_api.execute(unpack(arguments)) end)
      end
    end)
    assert.matches("only a task can", select(2, pcall(reply_api.execute, SPEC, print)))
  end)

  it("makes a writer wait while the client is slow", function()
    async(function()
      local written, finished = 0, false
      local piece = "data: " .. ("x"):rep(32000) .. "\n\n"
      local client = loopback.start(function(exchange)
        local reply = execute(function(writer)
          writer.head(200, { ["content-type"] = "text/event-stream" })
          for _ = 1, 400 do
            writer.write(piece)
            written = written + #piece
          end
          writer.finish()
          finished = true
        end)
        exchange:start(200, reply:headers())
        reply:relay(exchange)
      end)
      local before
      eventually("the writer waits", function()
        local same = before == written and written > 0
        before = written
        timer.sleep(0.03)
        return same
      end, 10)
      assert.is_false(finished)
      assert.is_true(written < 300 * #piece, written)
      assert.equal(400 * #piece, #client:answer().body)
      eventually("the writer ends", function() return finished end)
      client:close()
    end, 30)
  end)

  it("makes a writer wait while nobody reads the reply yet", function()
    async(function()
      local written = 0
      local reply = execute(function(writer)
        writer.head(200)
        while true do
          writer.write(("data: %s\n\n"):format(("x"):rep(8000)))
          written = written + 1
        end
      end)
      timer.sleep(0.02)
      assert.is_true(written * 8000 < 200000, written)
      reply:close()
      timer.sleep(0.005)
      assert.is_true(written * 8000 < 200000, written)
    end)
    assert.equal(0, test.tasks())
  end)

  it("cancels the function where it waits when the reply is closed, or the client leaves", function()
    async(function()
      local left = 0
      local function endless(wait)
        return function(writer)
          writer.head(200, { ["content-type"] = "text/event-stream" })
          local ok = pcall(function()
            while true do
              writer.write("data: x\n\n")
              wait()
            end
          end)
          left = left + (ok and 0 or 100)
        end
      end
      local reply = execute(endless(function() timer.sleep(60) end))
      reply:close()
      eventually("the function is cancelled", function() return test.tasks() == 1 end)
      local client = loopback.start(function(exchange)
        local own = execute(endless(function() timer.sleep(0.001) end))
        exchange:start(200, own:headers())
        own:relay(exchange)
      end)
      client:take_through("data: x")
      client:close()
      eventually("all tasks end", function() return test.tasks() == 1 end)
      assert.equal(0, left)
    end)
  end)

  it("ends calls that the function has open", function()
    async(function()
      local gone
      local url = loopback.url(function(exchange)
        exchange:on_gone(function() gone = true end)
        timer.sleep(60)
      end)
      local client = loopback.start(function(exchange)
        local reply = execute(function(writer)
          require("cliproxy.http").request { url = url }
          writer.finish()
        end)
        exchange:respond(reply.status, {})
      end)
      timer.sleep(0.02)
      client:close()
      eventually("the inner call is cancelled", function() return gone end)
      eventually("all tasks end", function() return test.tasks() == 1 end)
    end)
  end)

  it("lets a child task write, and tells it when it is too late", function()
    async(function()
      local message
      local reply = execute(function(writer)
        writer.head(200)
        task.spawn(function()
          local ok
          ok, message = pcall(function()
            while true do writer.write(("x"):rep(16000)) end
          end)
          assert(not ok)
        end)
        timer.sleep(60)
      end)
      timer.sleep(0.02)
      assert.is_nil(message)
      reply:close()
      eventually("the child ends", function() return message end)
      assert.matches("cancelled", message)
      eventually("all tasks end", function() return test.tasks() == 1 end)
    end)
  end)

  it("survives a reply that nobody keeps", function()
    async(function()
      local ended
      execute(function(writer)
        writer.head(200)
        local ok = pcall(function()
          while true do
            writer.write("data: x\n\n")
            timer.sleep(0.001)
          end
        end)
        ended = not ok
      end)
      eventually("it is collected", function()
        collectgarbage()
        return ended or test.tasks() == 1
      end)
    end)
  end)
end)
