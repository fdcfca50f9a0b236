local async = require "spec.support.async"
local json = require "cliproxy.json"
local loopback = require "spec.support.loopback"
local reply_api = require "cliproxy.reply"
local server = require "cliproxy.server"
local socket = require "socket"
local task = require "cliproxy.task"
local test = require "cliproxy_test"
local timer = require "cliproxy.timer"

local eventually = loopback.eventually

--- A call to a handler that plays the provider.
local function send(handler, more)
  local call = { method = "POST", url = loopback.url(handler), headers = {}, body = "{}", stream = false,
    dialect = "openai_chat" }
  for name, value in pairs(more or {}) do call[name] = value end
  return assert(reply_api.send(call))
end

local SSE = { ["content-type"] = "text/event-stream" }

--- A provider that sends these pieces, each in a turn of its own.
local function streams(pieces, options)
  options = options or {}
  return function(exchange)
    exchange:start(200, SSE)
    for _, piece in ipairs(pieces) do
      if not exchange:write(piece) then return end
      timer.sleep(0.001)
    end
    if options.breaks then return exchange:abort() end
    if options.waits then timer.sleep(60) end
    exchange:finish()
  end
end

local function chunk(text, more)
  local form = 'data: {"id":"c1","model":"gpt-x","choices":[{"index":0,"delta":{"content":"%s"}%s}]}\n\n'
  return form:format(text, more or "")
end

local CHAT = { ": ping\n\n", chunk "Hel", chunk "lo", chunk("", ',"finish_reason":"stop"'),
  'data: {"id":"c1","model":"gpt-x","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2}}\n\n',
  "data: [DONE]\n\n" }

--- A client's request that is answered by relaying what `handler` sends: the client, and a table that gets `how`.
local function relayed(handler, more, then_)
  local seen = {}
  local client = loopback.start(function(exchange)
    local call = { stream = true }
    for name, value in pairs(more or {}) do call[name] = value end
    local reply = send(handler, call)
    exchange:start(reply.status, { ["content-type"] = reply:header("content-type") })
    local how = reply:relay(exchange)
    seen.reply, seen.how = reply, how
    if then_ then then_(exchange, reply, how) end
  end)
  return client, seen
end

describe("reply.send", function()
  it("gives status, headers, times and what is held", function()
    async(function()
      local got
      local reply = send(function(exchange)
        got = { exchange.method, exchange:header("x-mine"), exchange:headers()["x-list"], exchange:body(),
          exchange:header("expect"), exchange:header("accept-encoding") }
        exchange:respond(429, { ["Retry-After"] = "7", ["x-two"] = { "a", "b" },
          ["content-type"] = "application/json" },
          '{"error":{"message":"slow down"}}')
      end, { method = "PUT", headers = { ["X-Mine"] = "1", ["x-list"] = { "a", "b" } }, body = "bytes" })
      assert.same({ "PUT", "1", "a, b", "bytes" }, got) -- and nothing that libcurl adds by itself
      assert.equal(429, reply.status)
      assert.equal("7", reply:header("retry-after"))
      assert.is_nil(reply:header("x-none"))
      assert.equal("a, b", reply:headers()["x-two"])
      assert.is_nil(reply:headers()["connection"])
      send(function(exchange)
        got = exchange:body()
        exchange:respond(200, {}, "")
      end, { body = { "a", 1, "", "b" } })
      assert.equal("a1b", got)
      local into = { kept = "1" }
      reply:pick(server.header_names { "retry-*", "x-two" }, into)
      assert.same({ kept = "1", ["retry-after"] = "7", ["x-two"] = "a, b" }, into)
      assert.equal('{"error":{"message":"slow down"}}', reply.held)
      assert.equal(33, reply.length)
      assert.is_false(reply.is_stream)
      assert.same({ n = 4, 429, false, reply.length, "application/json" },
        { n = select("#", reply:head()), reply:head() })
      assert.is_true(reply.committed)
      assert.is_true(reply.head_seconds > 0 and reply.head_seconds <= reply.first_seconds and reply.first_seconds < 5)
      assert.same({}, { reply.code, reply.message, reply.kind, reply.first_event, reply.no_such_field })
      assert.equal(0, reply.events)
      assert.is_false(reply.script_failed)
      assert.equal("reply", getmetatable(reply))
      reply:close()
    end)
  end)

  it("gives a reply with status 0 where no answer came", function()
    local closed = assert(socket.bind("127.0.0.1", 0))
    local _, port = closed:getsockname()
    closed:close()
    async(function()
      local reply = assert(reply_api.send { method = "GET", url = "http://127.0.0.1:" .. port .. "/", headers = {},
        stream = false, dialect = "other" })
      assert.equal(0, reply.status)
      assert.equal("connect", reply.code)
      assert.matches("127%.0%.0%.1:" .. port, reply.message)
      assert.is_false(reply.committed)
      assert.same({}, { reply.head_seconds, reply.first_seconds })
      assert.same({}, reply:headers())
      reply:close()
      reply = send(function(exchange) exchange:abort() end)
      assert.same({ 0, "eof", true }, { reply.status, reply.code, reply.committed })
      reply:close()
      reply = send(function() timer.sleep(60) end, { timeouts = { first_byte = 0.05 } })
      assert.same({ 0, "timeout" }, { reply.status, reply.code })
      assert.matches("no first byte", reply.message)
      reply:close()
    end)
  end)

  it("returns nil, message and code for a call that cannot be made", function()
    async(function()
      for _, call in ipairs {
        { method = "GET", url = "ftp://x/" }, { method = "G T", url = "http://x/" },
        { method = "GET", url = "http://x/", headers = { ["x-a"] = "a\r\nb" } },
        { method = "GET", url = "http://x/", unix_socket = ("p"):rep(200) },
        { method = "POST", url = "http://x/", body = "text", ca_file = "/nowhere/ca.pem" },
      } do
        local reply, message, code = reply_api.send(call)
        assert.is_nil(reply)
        assert.is_string(message)
        assert.equal("invalid", code)
      end
    end)
  end)

  it("raises on misuse and names the field", function()
    async(function()
      local function message(call)
        local ok, text = pcall(reply_api.send, call)
        assert.is_false(ok)
        return text
      end
      local url = "http://127.0.0.1:1/"
      assert.matches("method: string expected, got nil", message { url = url })
      assert.matches("url: string expected, got number", message { method = "GET", url = 5 })
      assert.matches("proxy_url: string expected, got boolean", message { method = "GET", url = url, proxy_url = true })
      assert.matches("timeouts: table expected", message { method = "GET", url = url, timeouts = 5 })
      assert.matches("timeouts.idle: seconds", message { method = "GET", url = url, timeouts = { idle = -1 } })
      assert.matches("timeouts.total: seconds", message { method = "GET", url = url, timeouts = { total = "long" } })
      assert.matches("framing: sse, ndjson", message { method = "GET", url = url, framing = "lines" })
      assert.matches("body: string, list of strings or document expected, got boolean",
        message { method = "GET", url = url, body = true })
      assert.matches("got a table without any", message { method = "GET", url = url, body = {} })
      assert.matches("body: a list of strings expected, got table in it", message { method = "GET", url = url,
        body = { "a", {} } })
      assert.matches("header x%-a: string expected", message { method = "GET", url = url, headers = { ["x-a"] = 1 } })
      local document = json.parse('{"a":1}')
      json.close(document)
      assert.matches("closed", message { method = "GET", url = url, body = document })
      assert.matches("a coroutine of your own", select(2, coroutine.resume(coroutine.create(function()
        reply_api.send { method = "GET", url = url }
      end))))
    end)
    assert.matches("only a task can", select(2, pcall(reply_api.send, { method = "GET", url = "http://x/" })))
  end)

  it("sends a document with its edits, every other byte as it came", function()
    async(function()
      local got
      local body = '{ "model" : "a",\n "big": 12345678901234567890, "list":[ ], "text": "' .. ("x"):rep(100000) .. '" }'
      local answer = loopback.ask(function(exchange)
        local document = exchange:document()
        document.model = "b"
        document.stream = false
        local reply = send(function(up)
          got = up:body()
          up:respond(200, {}, "{}")
        end, { body = document })
        exchange:respond(reply.status, {}, reply:body())
      end, body)
      assert.equal("{}", answer.body)
      assert.equal((body:gsub('"a"', '"b"', 1):gsub(' }$', ', "stream":false }')):gsub("%s", ""), (got:gsub("%s", "")))
      assert.truthy(got:find('{ "model" : "b",\n "big": 12345678901234567890, "list":[ ], "text": "xxx', 1, true))
    end)
  end)

  --- A provider that answers at once and does not read the rest of the request; `fn` gets its URL.
  local function early(fn)
    local listener = assert(socket.bind("127.0.0.1", 0))
    listener:settimeout(0)
    local _, port = listener:getsockname()
    local peer
    local beside = loopback.beside(function()
      peer = eventually("a call", function() return (listener:accept()) end)
      peer:settimeout(0)
      eventually("its head", function() return select(3, peer:receive(4096)) ~= "" end)
      peer:send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
    end)
    fn("http://127.0.0.1:" .. port .. "/")
    eventually("the provider ends", function() return beside.done end)
    if peer then peer:close() end
    listener:close()
    assert.is_true(beside.ok, beside.values[1])
  end

  it("holds the request's bytes as long as they are being sent, even past the request's end", function()
    async(function()
      for _, as_document in ipairs { true, false } do
        early(function(url)
          local body = '{"text":"' .. ("x"):rep(8 * 2 ^ 20) .. '"}'
          local answer = loopback.ask(function(exchange)
            -- From a task of its own, as a script's transport would.
            local results = task.all { function()
              return send(print, { url = url, body = as_document and exchange:document() or exchange:body() })
            end }
            exchange:respond(results[1].status, {}, results[1].held)
          end, body)
          assert.equal("{}", answer.body)
          collectgarbage()
          collectgarbage()
          timer.sleep(0.01)
        end)
      end
    end, 20)
  end)

  it("is cancelled with its task, and the provider notices at once", function()
    async(function()
      for _, way in ipairs { "send", "relay", "next_event", "body", "document" } do
        local gone, reached
        local function provider(exchange)
          exchange:on_gone(function() gone = timer.now() end)
          if way ~= "send" then
            exchange:start(200, SSE)
            exchange:write(chunk "x")
          end
          reached = true
          timer.sleep(60)
        end
        local client = loopback.start(function(exchange)
          local reply = send(provider, { stream = way ~= "body" and way ~= "document" })
          if way == "relay" then
            exchange:start(200, SSE)
            reply:relay(exchange)
          elseif way == "next_event" then
            while reply:next_event() do end
          else
            reply[way](reply)
          end
        end)
        eventually("the provider is asked", function() return reached end)
        timer.sleep(0.01)
        local left = timer.now()
        client:close()
        eventually(way .. ": the provider's client left", function() return gone end)
        assert.is_true(gone - left < 0.5, way)
        eventually("all tasks end", function() return test.tasks() == 1 end)
      end
    end, 30)
  end)
end)

describe("reply:relay", function()
  it("passes a stream on byte for byte, in any pieces", function()
    async(function()
      local whole = table.concat(CHAT)
      local bytes = {}
      for i = 1, #whole do bytes[i] = whole:sub(i, i) end
      local odd, at = {}, 1
      while at <= #whole do
        local n = (at * 7) % 41 + 1
        odd[#odd + 1] = whole:sub(at, at + n - 1)
        at = at + n
      end
      for _, pieces in ipairs { CHAT, { whole }, odd, bytes } do
        local usage, facts
        local client, seen = relayed(streams(pieces), nil, function(_, reply) usage, facts = reply:tapped() end)
        local answer = client:answer()
        assert.equal(whole, answer.body)
        eventually("the relay ends", function() return facts end)
        assert.same({ ok = true, complete = true, client_gone = false, bytes = #whole }, seen.how)
        assert.same({ input = 7, output = 2 }, { input = usage.input, output = usage.output })
        assert.same({ "gpt-x", "stop", "c1", true }, { facts.model, facts.stop, facts.id, facts.terminal })
        client:close()
      end
    end, 20)
  end)

  it("is brief where all went well, and only there, when told so", function()
    async(function()
      local names = server.header_names { "content-type", "x-kept", "x-ours" }
      for _, pieces in ipairs { CHAT, { CHAT[2] } } do
        local how, tokens
        local client = loopback.start(function(exchange)
          local reply = send(function(upstream)
            upstream:start(200, { ["content-type"] = "text/event-stream", ["x-kept"] = "a", ["x-ours"] = "no",
              ["x-other"] = "no" })
            for _, piece in ipairs(pieces) do upstream:write(piece) end
            upstream:finish()
          end, { stream = true })
          exchange:start(reply.status, { ["x-ours"] = "yes" }, nil, reply, names)
          how = reply:relay(exchange, true)
          tokens = { reply:tokens() }
        end)
        local answer = client:answer()
        assert.equal("text/event-stream", answer.headers["content-type"])
        assert.same({ "a", "yes" }, { answer.headers["x-kept"], answer.headers["x-ours"] })
        assert.is_nil(answer.headers["x-other"])
        eventually("the relay ends", function() return tokens end)
        if pieces == CHAT then
          assert.is_true(how)
          assert.same({ 7, 2 }, tokens)
        else
          assert.is_false(how.ok)
          assert.same({}, tokens)
        end
        client:close()
      end
    end, 20)
  end)

  it("tells the first event that commits", function()
    async(function()
      local reply = send(streams(CHAT), { stream = true })
      assert.is_true(reply.is_stream)
      assert.equal((CHAT[2]:gsub("^data: ", ""):gsub("\n\n$", "")), reply.first_event.data)
      assert.equal("", reply.first_event.type)
      assert.equal(CHAT[2], reply.first_event.raw)
      assert.is_true(reply.events >= 1)
      reply:close()
    end)
  end)

  it("tells a stream that ended cleanly without its last event", function()
    async(function()
      local client, seen = relayed(streams { CHAT[2], CHAT[3] })
      assert.equal(CHAT[2] .. CHAT[3], client:answer().body)
      eventually("the relay ends", function() return seen.how end)
      assert.same({ false, false, nil, false }, { seen.how.ok, seen.how.complete, seen.how.code, seen.how.client_gone })
      client:close()
    end)
  end)

  it("leaves the answer open for an error event when the provider breaks off", function()
    async(function()
      local client, seen = relayed(streams({ CHAT[2], CHAT[3] }, { breaks = true }), nil, function(exchange, _, how)
        assert.is_false(exchange.ended)
        exchange:write("data: " .. how.code .. "\n\n")
        exchange:finish()
      end)
      assert.equal(CHAT[2] .. CHAT[3] .. "data: eof\n\n", client:answer().body)
      assert.is_false(seen.how.ok)
      assert.matches("127%.0%.0%.1", seen.how.message)
      client:close()
    end)
  end)

  it("pauses the provider while the client is slow", function()
    async(function()
      local piece = "data: " .. ("x"):rep(32000) .. "\n\n"
      local total, sent = 400, 0
      local client, seen = relayed(function(exchange)
        exchange:start(200, SSE)
        for _ = 1, total do
          exchange:write(piece)
          sent = exchange.written
        end
        exchange:finish()
      end, { dialect = "other" })
      local before
      eventually("the provider waits", function()
        local same = before == sent and sent > 0
        before = sent
        timer.sleep(0.05)
        return same
      end, 10)
      assert.is_true(sent < total * #piece * 0.8, sent)
      assert.equal(total * #piece, #client:answer().body)
      eventually("the relay ends", function() return seen.how end)
      assert.equal(total * #piece, seen.how.bytes)
      client:close()
    end, 30)
  end)

  it("cancels the provider at once when the client leaves, and says so to a task that stays", function()
    async(function()
      local gone
      local seen = {}
      local client = loopback.start(function(exchange)
        exchange:on_gone(function() return true end)
        local reply = send(function(up)
          up:on_gone(function() gone = true end)
          streams({ CHAT[2] }, { waits = true })(up)
        end, { stream = true })
        exchange:start(200, SSE)
        seen.how = reply:relay(exchange)
      end)
      client:take_through("Hel")
      client:close()
      eventually("the provider is cancelled", function() return gone end)
      eventually("the relay ends", function() return seen.how end)
      assert.same({ false, false, true, "cancelled" },
        { seen.how.ok, seen.how.complete, seen.how.client_gone, seen.how.code })
    end)
  end)

  it("says so where the client left before the head", function()
    async(function()
      local how
      local client = loopback.start(function(exchange)
        exchange:on_gone(function() return true end)
        local reply = send(streams(CHAT, { waits = true }), { stream = true })
        eventually("gone", function() return exchange.gone end)
        assert.is_nil((exchange:start(200, SSE)))
        how = reply:relay(exchange)
        reply:close()
      end)
      timer.sleep(0.02)
      client:close()
      eventually("the relay ends", function() return how end)
      assert.same({ false, true, 0 }, { how.ok, how.client_gone, how.bytes })
    end)
  end)

  it("raises before the head, on a second reading, and on what is no exchange", function()
    async(function()
      local messages = {}
      local answer = loopback.ask(function(exchange)
        local reply = send(function(up) up:respond(200, {}, "x") end)
        messages[1] = select(2, pcall(reply.relay, reply, exchange))
        messages[2] = select(2, pcall(reply.relay, reply, {}))
        exchange:start(200, {})
        reply:relay(exchange)
        messages[3] = select(2, pcall(reply.relay, reply, exchange))
        messages[4] = select(2, pcall(reply.body, reply))
        messages[5] = select(2, pcall(reply.next_event, reply))
      end)
      assert.equal("x", answer.body)
      eventually("all is tried", function() return messages[5] end)
      assert.matches("call exchange:start first", messages[1])
      assert.matches("Exchange expected", messages[2])
      for i = 3, 5 do assert.matches("read, in another way", messages[i]) end
    end)
  end)

  it("in a task of its own ends with the request", function()
    async(function()
      local beside, gone
      local client = loopback.start(function(exchange)
        exchange:start(200, SSE)
        beside = loopback.beside(function()
          local reply = send(function(up)
            up:on_gone(function() gone = true end)
            streams({ CHAT[2] }, { waits = true })(up)
          end, { stream = true })
          return reply:relay(exchange)
        end)
        eventually("something is relayed", function() return exchange.written > 0 end)
      end)
      eventually("the relay ends", function() return beside and beside.done end)
      assert.same({ false, "closed" }, { beside.values[1].ok, beside.values[1].code })
      eventually("the provider is cancelled", function() return gone end)
      client:close()
    end)
  end)
end)

describe("reply:next_event", function()
  it("gives each event, then nil", function()
    async(function()
      local reply = send(streams { "event: a\ndata: 1\n\n", ": note\n\ndata: 2\ndata: 3\n\n", "data: last" },
        { stream = true, dialect = "other" })
      local seen, raws = {}, {}
      for event in function() return reply:next_event() end do
        raws[#raws + 1] = event.raw
        if event.data ~= "" then seen[#seen + 1] = event.type .. ":" .. event.data end
      end
      assert.same({ "a:1", ":2\n3", ":last" }, seen)
      assert.equal("event: a\ndata: 1\n\n: note\n\ndata: 2\ndata: 3\n\ndata: last", table.concat(raws))
      assert.is_nil((reply:next_event()))
      reply:close()
    end)
  end)

  it("reads other framings", function()
    async(function()
      for framing, case in pairs {
        ndjson = { '{"a":1}\n{"b":2}\n', { '{"a":1}', '{"b":2}' } },
        json_array = { '[{"a":1},\n{"b":2}]', { '{"a":1}', '{"b":2}' } },
        raw = { "anything", { "anything" } },
      } do
        local reply = send(function(exchange) exchange:respond(200, {}, case[1]) end,
          { stream = true, dialect = "other", framing = framing })
        local seen = {}
        for event in function() return reply:next_event() end do
          if event.data ~= "" then seen[#seen + 1] = event.data end
        end
        assert.same(case[2], seen, framing)
        reply:close()
      end
    end)
  end)

  it("tells a stream that breaks, and goes on telling", function()
    async(function()
      local reply = send(streams({ chunk "x" }, { breaks = true }), { stream = true })
      assert.matches("x", reply:next_event().data)
      for _ = 1, 2 do
        local event, message, code = reply:next_event()
        assert.same({ nil, "eof" }, { event, code })
        assert.is_string(message)
      end
      assert.equal("eof", reply.code)
      reply:close()
    end)
  end)

  it("lets others have a turn after 64 KB or a millisecond of work", function()
    async(function()
      local busy, turns, others = 20, 0, 0
      local small = ("data: " .. ("x"):rep(1000) .. "\n\n"):rep(300)
      local reply = send(function(exchange) exchange:respond(200, SSE, small) end, { stream = true, dialect = "other" })
      timer.sleep(0.02) -- all of it is queued: nothing is left to wait for but the turns
      local stop = false
      local beside = loopback.beside(function()
        while not stop do
          others = others + 1
          timer.sleep(0)
        end
      end)
      timer.sleep(0)
      local before, count = others, 0
      for _ in function() return reply:next_event() end do
        count = count + 1
        if others > before then turns, before = turns + 1, others end
      end
      assert.equal(300, count)
      assert.is_true(turns >= 3, turns .. " turns for others in 300 KB of events")
      reply:close()
      reply = send(function(exchange) exchange:respond(200, SSE, ("data: x\n\n"):rep(busy)) end,
        { stream = true, dialect = "other" })
      timer.sleep(0.02)
      turns, before = 0, others
      for _ in function() return reply:next_event() end do
        if others > before then turns, before = turns + 1, others end
        local limit = timer.now() + 0.0011
        while timer.now() < limit do end
      end
      assert.is_true(turns >= busy - 3, turns .. " turns in " .. busy .. " slow events")
      stop = true
      eventually("it stops", function() return beside.done end)
      reply:close()
    end, 10)
  end)
end)

describe("reply:body and reply:document", function()
  it("give the whole answer", function()
    async(function()
      local reply = send(function(exchange) exchange:respond(200, {}, ("ab"):rep(100000)) end)
      assert.equal(("ab"):rep(100000), reply:body())
      reply:close()
      reply = send(function(exchange) exchange:respond(200, {}) end)
      assert.equal("", reply:body())
      reply:close()
      reply = send(function(exchange) exchange:respond(200, {}, '{"a":[1,2]}') end)
      local document = reply:document()
      assert.equal(2, document.a[2])
      assert.has_error(function() reply:document() end)
      reply:close()
      assert.has_error(function() return document.a end)
      reply = send(function(exchange) exchange:respond(500, {}, "failed") end)
      assert.equal("failed", reply:body())
      reply:close()
    end)
  end)

  it("say what is no JSON", function()
    async(function()
      for body, code in pairs { ["<html>"] = "syntax", [""] = "syntax", ['"\255"'] = "utf8" } do
        local reply = send(function(exchange) exchange:respond(200, {}, body) end)
        local document, message, got = reply:document()
        assert.same({ nil, code }, { document, got })
        assert.matches("line 1, column", message)
        reply:close()
      end
    end)
  end)

  it("stop at their limits and at a broken answer", function()
    async(function()
      local reply = send(function(exchange) exchange:respond(200, {}, ("x"):rep(1001)) end)
      local body, message, code = reply:body(1000)
      assert.same({ nil, "too_big" }, { body, code })
      assert.is_string(message)
      reply:close()
      reply = send(function(exchange) exchange:respond(200, {}, ("x"):rep(1000)) end)
      assert.equal(1000, #reply:body(1000))
      reply:close()
      reply = send(function(exchange)
        exchange:start(200, {}, 100)
        exchange:write("some")
        timer.sleep(0.01)
        exchange:abort()
      end)
      body, message, code = reply:body()
      assert.same({ nil, "eof" }, { body, code })
      assert.is_string(message)
      reply:close()
      for _, max in ipairs { -1, 0 / 0, 2 ^ 40 } do
        reply = send(function(exchange) exchange:respond(200, {}, "x") end)
        assert.has_error(function() reply:body(max) end)
        reply:close()
      end
    end)
  end)

  it("take 64 MB and no more", function()
    async(function()
      local piece = ("x"):rep(2 ^ 20)
      for _, case in ipairs { { 64 }, { 65, "too_big" } } do
        local gone = false
        local reply = send(function(exchange)
          exchange:on_gone(function() gone = true end)
          exchange:start(200, {})
          for _ = 1, case[1] do
            if not exchange:write(piece) then return end
          end
          exchange:finish()
        end)
        local body, _, code = reply:body()
        assert.equal(case[2], code)
        assert.equal(not case[2] and 64 * 2 ^ 20 or nil, body and #body)
        reply:close()
        if case[2] then eventually("the provider is cancelled", function() return gone or test.tasks() == 1 end) end
      end
    end, 60)
  end)
end)

describe("reply:close", function()
  it("cancels the call at once, may be called twice, and ends all use", function()
    async(function()
      local gone
      local reply = send(function(exchange)
        exchange:on_gone(function() gone = true end)
        streams({ chunk "x" }, { waits = true })(exchange)
      end, { stream = true })
      reply:close()
      reply:close()
      eventually("the provider is cancelled", function() return gone end)
      for _, use in ipairs {
        function() return reply.status end, function() return reply:header("a") end,
          function() return reply:headers() end,
        function() return reply:pick(server.header_names {}, {}) end, function() return reply:next_event() end,
        function() return reply:body() end, function() return reply:document() end,
          function() return reply:tapped() end,
        function() return reply:relay() end,
      } do
        local ok, message = pcall(use)
        assert.is_false(ok)
        assert.matches("the reply is closed", message)
      end
      assert.has_error(function() reply.close({}) end)
    end)
  end)

  it("ends the wait of another task", function()
    async(function()
      for _, way in ipairs { "next_event", "body", "document" } do
        local reply = send(streams({ chunk "x" }, { waits = true }), { stream = true })
        local beside = loopback.beside(function()
          local event, message, code
          repeat event, message, code = reply[way](reply) until not event
          return message, code
        end)
        timer.sleep(0.01)
        local ok, message = pcall(reply[way], reply)
        assert.is_false(ok)
        assert.matches("another task is waiting", message)
        reply:close()
        eventually(way .. " ends", function() return beside.done end)
        assert.same({ true, "the reply was closed", "closed" }, { beside.ok, beside.values[1], beside.values[2] })
      end
    end)
  end)

  it("happens to what is collected, and not while somebody waits", function()
    async(function()
      local gone = 0
      local function provider(exchange)
        exchange:on_gone(function() gone = gone + 1 end)
        streams({ chunk "x" }, { waits = true })(exchange)
      end
      send(provider, { stream = true })
      eventually("the collector ends the call", function()
        collectgarbage()
        return gone == 1
      end)
      local beside = loopback.beside(function()
        return send(function(exchange)
          exchange:start(200, SSE)
          exchange:write("data: " .. ("x"):rep(70000) .. "\n\n")
          timer.sleep(0.05)
          exchange:finish()
        end, { stream = true }):body()
      end)
      while not beside.done do
        collectgarbage()
        timer.sleep(0.001)
      end
      assert.equal(70008, #beside.values[1])
    end)
  end)
end)

describe("reply.counts and reply.forget", function()
  it("count calls, and close kept connections", function()
    async(function()
      local before = reply_api.counts()
      for _ = 1, 3 do
        local reply = send(function(exchange) exchange:respond(200, {}, "x") end)
        reply:body()
        reply:close()
      end
      local after = reply_api.counts()
      assert.equal(3, after.calls - before.calls)
      assert.is_true(after.reused - before.reused >= 2)
      assert.equal(0, after.running)
      assert.is_true(after.kept >= 1)
      assert.equal("number", type(after.resent))
      reply_api.forget()
      eventually("none is kept", function() return reply_api.counts().kept == 0 end)
    end)
  end)
end)
