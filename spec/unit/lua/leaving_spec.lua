--- Clients and providers that leave at any moment, in every way of answering at once: nothing is lost, nothing stays.
local async = require "spec.support.async"
local http = require "cliproxy.http"
local json = require "cliproxy.json"
local loopback = require "spec.support.loopback"
local reply_api = require "cliproxy.reply"
local server = require "cliproxy.server"
local task = require "cliproxy.task"
local test = require "cliproxy_test"
local timer = require "cliproxy.timer"

local seed = tonumber(os.getenv("CPX_SEED")) or os.time()
local random = math.random

local SSE = { ["content-type"] = "text/event-stream" }

local function pause()
  if random() < 0.5 then timer.sleep(random(0, 4) / 1000) end
end

--- A provider that streams, stalls, floods, breaks off or answers whole.
local function provider(exchange)
  local way = random(6)
  pause()
  if way == 1 then return exchange:respond(200, {}, exchange:body()) end
  if way == 2 then return exchange:respond(500, {}, ("x"):rep(random(100000))) end
  if way == 3 then return exchange:abort() end
  exchange:start(200, SSE)
  for i = 1, random(20) do
    local text = ("x"):rep(random(way == 4 and 60000 or 100))
    if not exchange:write(('data: {"n":%d,"x":"%s"}\n\n'):format(i, text)) then return end
    pause()
  end
  if way == 5 then return exchange:abort() end
  exchange:finish()
end

local function producer(writer)
  if random() < 0.1 then error("no wish to") end
  writer.head(200, SSE)
  for _ = 1, random(20) do
    writer.write("data: " .. ("x"):rep(random(30000)) .. "\n\n")
    pause()
  end
  if random() < 0.2 then writer.fail("upstream", "it broke") end
  if random() < 0.8 then writer.finish() end
end

local url

local function call(exchange)
  return reply_api.send { method = "POST", url = url, headers = {}, body = exchange:document(), stream = random() < 0.7,
    dialect = random() < 0.5 and "other" or "openai_chat", timeouts = { idle = 0.5 } }
end

local function pump(exchange, reply)
  exchange:start(200, SSE)
  for event in function() return reply:next_event() end do
    if not exchange:write(event.raw) then return end
    if random() < 0.1 then pause() end
  end
  exchange:finish()
end

local handlers = {
  function(exchange)
    local reply = call(exchange)
    exchange:start(200, SSE)
    if reply.status ~= 0 then reply:relay(exchange) end
  end,
  function(exchange)
    local reply = call(exchange)
    if reply.status == 0 then return exchange:respond(502, {}) end
    pump(exchange, reply)
  end,
  function(exchange)
    local reply = call(exchange)
    exchange:respond(200, {}, reply.status ~= 0 and reply:document() or "none")
  end,
  function(exchange)
    local reply = reply_api.execute({ stream = true, dialect = "other" }, producer)
    exchange:start(200, SSE)
    if reply.status ~= 0 then reply:relay(exchange) end
  end,
  function(exchange)
    local reply = reply_api.execute({ stream = true, dialect = "other" }, function(writer)
      local answer = http.request { url = url, json = { 1 }, timeout = 0.5 }
      writer.head(200, SSE)
      writer.write("data: " .. (answer and answer.status or 0) .. "\n\n")
      writer.finish()
    end)
    pump(exchange, reply)
  end,
  function(exchange)
    local document = exchange:document()
    local done = task.all {
      function() return http.request { url = url, body = document, timeout = 0.5 } or false end,
      function() return call(exchange).status end,
    }
    exchange:respond(200, {}, json.encode { done ~= nil })
  end,
  function(exchange)
    if random() < 0.5 then exchange:on_gone(function() return true end) end
    local reply = call(exchange)
    task.spawn(function()
      pause()
      reply:close()
    end)
    exchange:start(200, SSE)
    pcall(reply.relay, reply, exchange)
  end,
}

describe("leaving at any moment", function()
  it("leaves nothing behind (CPX_SEED=" .. seed .. " repeats it)", function()
    math.randomseed(seed)
    async(function()
      url = loopback.url(provider)
      local paths = {}
      for i, handler in ipairs(handlers) do paths[i] = loopback.on(handler) end
      local function client()
        local body = ('{"a":"%s"}'):format(("x"):rep(random() < 0.1 and 300000 or random(100)))
        local one = loopback.connect():send(loopback.bytes(paths[random(#paths)], body))
        local until_ = timer.now() + random(0, 20) / 1000 + (random() < 0.3 and 0.2 or 0)
        while timer.now() < until_ and not one.closed do
          if random() < 0.8 then one:pump() end
          if one:text():find("\r\n0\r\n\r\n", 1, true) then break end
          timer.sleep(0.002)
        end
        if random() < 0.3 then one.socket:setoption("linger", { on = true, timeout = 0 }) end
        one:close()
        return true
      end
      for _ = 1, 12 do
        local crowd = {}
        for i = 1, 20 do crowd[i] = client end
        assert(task.all(crowd))
      end
      loopback.eventually("all tasks end", function() return test.tasks() == 1 end, 10)
      loopback.eventually("all is given back", function()
        local counts = server.counts()
        return counts.connections - reply_api.counts().kept <= 0 and counts.active == 0 and counts.body_bytes == 0
          and reply_api.counts().running == 0
      end, 10)
    end, 100)
  end)
end)
