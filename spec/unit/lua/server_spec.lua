local async = require "spec.support.async"
local http = require "cliproxy.http"
local loopback = require "spec.support.loopback"
local server = require "cliproxy.server"
local test = require "cliproxy_test"
local timer = require "cliproxy.timer"

local eventually = loopback.eventually

local folder

local function make_folder()
  folder = folder or assert(io.popen("mktemp -d"):read("*l"))
  return folder
end

--- A certificate of its own for 127.0.0.1; the paths of both files.
local function certificate(name)
  local base = make_folder() .. "/" .. name
  assert(os.execute(("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=%s "
    .. "-addext subjectAltName=IP:127.0.0.1 -keyout %s.key -out %s.pem 2>/dev/null"):format(name, base, base)) == 0)
  return base .. ".pem", base .. ".key"
end

local function copy(from, to)
  local source, target = assert(io.open(from, "rb")), assert(io.open(to, "wb"))
  target:write((source:read("*a")))
  source:close()
  target:close()
end

after_each(function()
  if server.counts().active == 0 then server.set {} end
end)

teardown(function()
  if folder then os.execute("rm -r " .. folder) end
end)

describe("server.listen", function()
  it("tells the address it really bound, and refuses one that is taken", function()
    local address = assert(server.listen { address = "127.0.0.1:0" })
    assert.matches("^127%.0%.0%.1:%d+$", address)
    local nothing, message, code = server.listen { address = address }
    assert.same({ nil, "address_in_use" }, { nothing, code })
    assert.truthy(message:find(address, 1, true))
  end)

  it("listens on Unix sockets", function()
    local path = make_folder() .. "/socket"
    assert.equal("unix:" .. path, server.listen { address = "unix:" .. path })
    async(function()
      loopback.address()
      local seen
      local route = loopback.on(function(exchange)
        seen = { exchange.peer, exchange.is_local }
        exchange:respond(200, {}, "over a socket")
      end)
      local answer = assert(http.request { url = "http://localhost" .. route, unix_socket = path })
      assert.equal("over a socket", answer.body)
      assert.matches("^unix", seen[1])
      assert.is_true(seen[2])
    end)
  end)

  it("returns a message for addresses and certificates that are none", function()
    for _, options in ipairs {
      { address = "127.0.0.1:99999" }, { address = "nowhere" }, { address = "unix:" .. ("p"):rep(300) },
      { address = "127.0.0.1:0", tls = { cert = "/nowhere.pem", key = "/nowhere.key" } },
    } do
      local nothing, message, code = server.listen(options)
      assert.is_nil(nothing)
      assert.is_string(message)
      assert.is_string(code)
    end
  end)

  it("raises on misuse and names the field", function()
    local function message(options) return select(2, pcall(server.listen, options)) end
    assert.matches("table expected", message(nil))
    assert.matches("address: string expected, got nil", message {})
    assert.matches("tls: table expected, got boolean", message { address = "127.0.0.1:0", tls = true })
    assert.matches("key: string expected, got nil", message { address = "127.0.0.1:0", tls = { cert = "x" } })
  end)
end)

describe("server.check_address", function()
  it("tells local addresses from others, and what is none", function()
    assert.is_true(server.check_address("127.0.0.1:1"))
    assert.is_true(server.check_address("[::1]:1"))
    assert.is_true(server.check_address("unix:/tmp/x"))
    assert.is_false(server.check_address("0.0.0.0:1"))
    local nothing, message = server.check_address("127.0.0.1")
    assert.is_nil(nothing)
    assert.is_string(message)
    assert.has_error(function() server.check_address() end)
  end)
end)

describe("a TLS listener", function()
  it("serves, reads its certificate again, and keeps the old one where that fails", function()
    local cert, key = certificate("one")
    local other_cert, other_key = certificate("two")
    local used = { cert = make_folder() .. "/used.pem", key = make_folder() .. "/used.key" }
    copy(cert, used.cert)
    copy(key, used.key)
    local address = assert(server.listen { address = "127.0.0.1:0", tls = used })
    async(function()
      loopback.address()
      local url = "https://" .. address .. loopback.on(function(exchange) exchange:respond(200, {}, "secret") end)
      local function get(ca)
        local answer, _, code = http.request { url = url, ca_file = ca }
        require("cliproxy.reply").forget()
        return answer and answer.body or code
      end
      assert.equal("secret", get(cert))
      assert.equal("tls", get(other_cert))
      assert.equal("tls", get(nil))
      copy(other_cert, used.cert)
      local ok, message = server.reload_tls()
      assert.is_nil(ok)
      assert.is_string(message)
      assert.equal("secret", get(cert))
      copy(other_key, used.key)
      assert.is_true(server.reload_tls())
      assert.equal("secret", get(other_cert))
      assert.equal("tls", get(cert))
    end, 20)
  end)
end)

describe("server.set", function()
  it("limits bodies", function()
    async(function()
      loopback.address()
      server.set { body_limit = 1000 }
      local fault
      server.handle(function(exchange)
        fault = exchange.fault
        exchange:respond(fault and fault.status or 200, {}, "x")
      end)
      local client = loopback.connect():send(loopback.bytes("/", ("x"):rep(1001)))
      assert.equal(413, client:answer().status)
      assert.equal(413, fault.status)
      client:close()
      assert.equal(200, loopback.connect():send(loopback.bytes("/", ("x"):rep(1000))):answer().status)
      server = loopback.address(true) and require "cliproxy.server"
    end)
  end)

  it("refuses numbers that are none", function()
    for _, options in ipairs { { body_limit = -1 }, { head_timeout = 0 / 0 }, { idle_timeout = 1 / 0 },
      { send_timeout = "x" } } do
      local ok, message = pcall(server.set, options)
      assert.is_false(ok)
      assert.matches("a number from 0 on expected", message)
    end
    assert.has_error(function() server.set(5) end)
    assert.has_error(function() server.handle(5) end)
  end)
end)

describe("server.counts", function()
  it("counts connections, requests and faults", function()
    async(function()
      loopback.address()
      local before = server.counts()
      local client = loopback.start(function(exchange)
        assert.equal(before.active + 1, server.counts().active)
        assert.is_true(server.counts().body_bytes >= 5)
        timer.sleep(0.01)
        exchange:respond(200, {}, "x")
      end, "12345")
      client:answer()
      local faulty = loopback.connect():send("NONSENSE\r\n\r\n")
      faulty:take_all()
      local after = server.counts()
      assert.equal(1, after.faults - before.faults)
      assert.is_true(after.requests > before.requests)
      assert.is_true(after.connections >= 1)
      client:close()
      eventually("all is given back", function()
        return server.counts().connections == 0 and server.counts().active == 0 and server.counts().body_bytes == 0
      end)
    end)
  end)
end)

describe("server.header_names", function()
  it("answers by name, in any case, and by beginnings", function()
    local names = server.header_names { "Accept", "openai-*" }
    for name, passes in pairs { accept = true, ACCEPT = true, accepts = false, accep = false, ["openai-"] = true,
      ["OpenAI-Beta"] = true, openai = false, [""] = false, ["\193ccept"] = false } do
      assert.equal(passes, names(name), name)
    end
    assert.is_false(server.header_names {}("accept"))
  end)

  it("refuses what is no list of names", function()
    local many = {}
    for i = 1, 65 do many[i] = "x-" .. i end
    for _, list in ipairs { { 5 }, { "" }, { "*" }, { {} }, many } do
      assert.has_error(function() server.header_names(list) end)
    end
    assert.has_error(function() server.header_names "accept" end)
    assert.has_error(function() server.header_names { "a" }(nil) end)
  end)
end)

describe("server.drain", function()
  after_each(function()
    async(function() server = loopback.address(true) and require "cliproxy.server" end)
  end)

  it("returns at once when nothing is under way, and accepts no more", function()
    async(function()
      local address = loopback.address(true)
      server = require "cliproxy.server"
      local idle = loopback.start(function(exchange) exchange:respond(200, {}, "x") end)
      idle:answer()
      assert.equal(0, server.drain(5))
      assert.equal("", idle:take_all())
      assert.is_false((pcall(loopback.connect, address)))
    end)
  end)

  it("lets live answers end", function()
    async(function()
      loopback.address(true)
      server = require "cliproxy.server"
      local client = loopback.start(function(exchange)
        exchange:start(200, {})
        exchange:write("first ")
        timer.sleep(0.1)
        exchange:write("last")
        exchange:finish()
      end)
      client:take_through("first ")
      local cut
      local beside = loopback.beside(function() cut = server.drain(5) end)
      assert.matches("last\r\n0\r\n\r\n$", client:take_all())
      eventually("the drain ends", function() return beside.done end)
      assert.equal(0, cut)
    end)
  end)

  it("cuts what does not end in time, and says how many", function()
    async(function()
      loopback.address(true)
      server = require "cliproxy.server"
      local handler = function(exchange)
        exchange:start(200, {})
        exchange:write("first ")
        timer.sleep(60)
      end
      local one, two = loopback.start(handler), loopback.start(handler)
      one:take_through("first ")
      two:take_through("first ")
      local start = timer.now()
      assert.equal(2, server.drain(0.05))
      assert.is_true(timer.now() - start < 2)
      for _, client in ipairs { one, two } do assert.is_nil(client:take_all():find("\r\n0\r\n", 1, true)) end
      eventually("the tasks end", function() return test.tasks() == 1 end)
    end)
  end)

  it("can be cancelled, and refuses a second one meanwhile", function()
    async(function()
      loopback.address(true)
      server = require "cliproxy.server"
      local client = loopback.start(function() timer.sleep(60) end)
      eventually("the request is under way", function() return server.counts().active == 1 end)
      local beside = loopback.beside(function() server.drain(60) end)
      timer.sleep(0.01)
      assert.matches("already draining", select(2, pcall(server.drain, 1)))
      assert.is_true(beside.handle:cancel())
      assert.equal(1, server.drain(0.01))
      for _, seconds in ipairs { -1, 0 / 0, 1 / 0 } do assert.has_error(function() server.drain(seconds) end) end
      client:close()
    end)
  end)
end)
