--- Every recorded exchange through the real binary, same dialect in and out: each answer arrives byte for byte,
--- however it was cut.
local daemon = require "spec.support.daemon"
local fixtures = require "spec.support.fixtures"
local http = require "spec.support.http_client"
local mock_upstream = require "spec.support.mock_upstream"
local raw = require "spec.support.raw"

local CONFIG = [[
  providers = {
    openai = { base_url = "%s/v1", api_key = "sk-spec" },
    anthropic = { base_url = "%s", api_key = "sk-spec" },
    gemini = { base_url = "%s", api_key = "sk-spec" },
  },
  routes = {
    function(request)
      local at = { anthropic = "anthropic", gemini = "gemini" }
      return at[request.dialect] or "openai"
    end,
  },
]]

-- FNV-1a, 64 bits, in two halves, as the mock computes it of the request that reached it.
local function fnv1a(text)
  local bit = require "bit"
  local high, low = 0xcbf29ce4, 0x84222325
  for i = 1, #text do
    low = bit.bxor(low, text:byte(i))
    if low < 0 then low = low + 2 ^ 32 end
    -- times 0x100000001b3: the low half times 0x1b3, the high half too, and the low half moved up by 40 bits
    local product = low * 0x1b3
    local carry = math.floor(product / 2 ^ 32)
    high = (high * 0x1b3 + carry + (low * 256) % 2 ^ 32) % 2 ^ 32
    low = product % 2 ^ 32
  end
  return ("%08x%08x-%d"):format(high, low, #text)
end

local function escape(text)
  return (text:gsub("[,%%]", function(c) return ("%%%02X"):format(c:byte()) end))
end

describe("recorded exchanges", function()
  local mock, proxy, list, connection

  setup(function()
    list = fixtures.all()
    if not list then return end
    mock = mock_upstream.start { files = fixtures.folder }
    proxy = daemon.start { config = daemon.config(CONFIG:format(mock.url, mock.url, mock.url)) }
  end)

  teardown(function()
    if connection then connection:close() end
    if mock then mock:stop() end
    if proxy then proxy:stop() end
  end)

  -- One keep-alive connection for all, made again where the proxy had a reason to close it.
  local function ask(fixture, split, seed)
    if not connection or connection.eof then connection = raw.connect(proxy.address) end
    local plan = ("mock:file=%s,status=%d,type=%s,split=%s,seed=%d,hash"):format(fixture.answer_file, fixture.status,
      escape(fixture.type), split, seed)
    local answer = http.request(proxy.address, {
      path = fixture.path, body = fixture.request, connection = connection, seconds = 20,
      headers = { ["idempotency-key"] = plan },
    })
    if answer.headers.connection == "close" or not answer.whole then
      connection:close()
      connection = nil
    end
    return answer
  end

  local function first_difference(a, b)
    for i = 1, math.max(#a, #b) do
      if a:byte(i) ~= b:byte(i) then return ("%d bytes instead of %d, different from byte %d"):format(#b, #a, i) end
    end
  end

  --- nil, or what is wrong with an answer.
  local function fault_of(fixture, answer)
    if fixture.status == 401 or fixture.status == 403 then
      -- The provider refused our own key: that is not the client's to mend.
      return answer.status ~= 502 and ("status %d instead of 502"):format(answer.status) or nil
    elseif answer.status ~= fixture.status then
      return ("status %d instead of %d: %s"):format(answer.status, fixture.status, answer.body:sub(1, 300))
    elseif not answer.whole then
      return "the answer was cut"
    elseif answer.body ~= fixture.answer then
      return first_difference(fixture.answer, answer.body)
    elseif answer.headers["x-request-id"] ~= fnv1a(fixture.request) then
      return ("the request's body changed on its way: %s"):format(answer.headers["x-request-id"] or "no id")
    end
  end

  local function replay(split)
    if not list then return pending("no recorded exchanges at " .. fixtures.folder) end
    local faults = {}
    for i, fixture in ipairs(list) do
      local fault = fault_of(fixture, ask(fixture, split, i))
      if fault then faults[#faults + 1] = ("%s: %s"):format(fixture.name, fault) end
    end
    assert(#faults == 0, ("%d of %d:\n%s"):format(#faults, #list, table.concat(faults, "\n")))
  end

  it("arrive byte for byte, sent whole", function() replay("0") end)
  it("arrive byte for byte, cut at random", function() replay("rand") end)
  it("arrive byte for byte, one byte at a time", function() replay("1") end)

  it("are nearly all served: the paths that have no place here are few", function()
    if not list then return pending("no recorded exchanges at " .. fixtures.folder) end
    local _, left_out = fixtures.all()
    assert.is_true(#list >= 220, ("only %d exchanges were found"):format(#list))
    assert.is_true(left_out <= 3, ("%d exchanges have a path that is not served"):format(left_out))
  end)
end)
