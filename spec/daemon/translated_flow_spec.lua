--- Translated streams through the real binary where one side is faster than the other, or ends later.
local daemon = require "spec.support.daemon"
local http = require "spec.support.http_client"
local mock_upstream = require "spec.support.mock_upstream"
local process = require "spec.support.process"
local raw = require "spec.support.raw"
local socket = require "socket"

local CHUNKS = 8000

-- Small chunks of one long model: each becomes an event many times its size, since Gemini's name the model. In pieces
-- of 16 KB, of which each makes more than a client may have pending.
local function answer()
  local chunk = 'data: {"choices":[{"index":0,"delta":{"content":"x"}}]}\n\n'
  return ('data: {"id":"c","model":"%s","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n'):format(
    ("m"):rep(1000)) .. chunk:rep(CHUNKS)
    .. 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
end

describe("a translated stream #both", function()
  local folder, mock, proxy

  setup(function()
    folder = process.folder()
    process.write(folder .. "/answer.sse", answer())
    mock = mock_upstream.start { files = folder }
    proxy = daemon.start { config = daemon.config(([[
  providers = { up = { script = "openai_compatible", base_url = "%s/v1", api_key = "sk-spec" } },
]]):format(mock.url)) }
  end)

  teardown(function()
    if mock then mock:stop() end
    if proxy then proxy:stop() end
    process.remove(folder)
  end)

  it("that grows on its way arrives whole, as fast as it comes", function()
    for _ = 1, 5 do
      local reply = proxy:request { path = "/v1beta/models/up%2Fm:streamGenerateContent?alt=sse", seconds = 30,
        body = '{"contents":[{"parts":[{"text":"Go on."}]}]}',
        headers = { ["idempotency-key"] = "mock:file=answer.sse,status=200,type=text/event-stream,split=16384" } }
      local _, count = reply.body:gsub('{"text":"x"}', "")
      assert.equal(200, reply.status)
      assert.truthy(reply.whole)
      assert.equal(CHUNKS, count, reply.body:sub(-400))
      assert.truthy(reply.body:find('"finishReason":"STOP"', 1, true))
    end
  end)
end)

-- The stream of a provider: all but the end of its HTTP message, which is "0\r\n\r\n".
local HEAD = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
local BEGIN = 'event: message_start\ndata: {"type":"message_start","message":{"id":"m","type":"message",'
  .. '"role":"assistant","model":"m","content":[],"usage":{"input_tokens":1,"output_tokens":1}}}\n\n'
  .. 'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text",'
  .. '"text":""}}\n\nevent: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":'
  .. '{"type":"text_delta","text":"Hi."}}\n\n'
local STOP = 'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
  .. 'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":'
  .. '{"output_tokens":2}}\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n'

local function chunk(bytes)
  return ("%x\r\n%s\r\n"):format(#bytes, bytes)
end

describe("a translated stream whose HTTP message ends behind its last event #both", function()
  local listener, proxy, client, connection

  before_each(function()
    listener = assert(socket.bind("127.0.0.1", 0))
    listener:settimeout(10)
    local _, port = listener:getsockname()
    proxy = daemon.start { config = daemon.config(([[
  providers = { up = { script = "anthropic", base_url = "http://127.0.0.1:%d", api_key = "sk-spec" } },
]]):format(port)) }
  end)

  after_each(function()
    if client then client:close() end
    if connection then connection:close() end
    listener:close()
    client, connection = nil, nil
    proxy:stop()
  end)

  -- A client's request, and where the provider gets it: on `connection`, or on a new one.
  local function ask()
    client = raw.connect(proxy.address)
    client:send(http.bytes { path = "/v1/chat/completions",
      body = '{"model":"up/m","stream":true,"messages":[{"role":"user","content":"Go on."}]}' })
    connection = connection or raw.of(assert(listener:accept()))
    local head = assert(connection:take_through("\r\n\r\n"), "no request on this connection")
    assert(connection:take(tonumber(head:match("[Cc]ontent%-[Ll]ength: (%d+)"))))
  end

  local function take_answer()
    local got = http.read(client)
    assert.is_true(got.whole)
    assert.truthy(got.body:find("data: [DONE]\n\n", 1, true))
    client:close()
    client = nil
  end

  it("is given on at once, and its connection serves the next request", function()
    for _ = 1, 5 do
      ask()
      connection:send(HEAD .. chunk(BEGIN .. STOP))
      take_answer()
      connection:send("0\r\n\r\n")
      process.eventually("the call ends", function() return proxy:deep().upstream.running == 0 end)
    end
    local counts = proxy:deep().upstream
    assert.equal(5, counts.calls)
    assert.equal(4, counts.reused)
  end)

  it("is waited for no longer than a second, nor through many more bytes", function()
    ask()
    connection:send(HEAD .. chunk(BEGIN .. STOP))
    take_answer()
    assert.is_true(connection:closes(4))
    connection = nil
    ask()
    connection:send(HEAD .. chunk(BEGIN .. STOP))
    take_answer()
    local began = process.now()
    connection:send(chunk((": more\n"):rep(20000)))
    assert.is_true(connection:closes(4))
    assert.is_true(process.now() - began < 0.9)
  end)

  it("is not waited for when the client left before that event", function()
    ask()
    connection:send(HEAD .. chunk(BEGIN))
    assert(client:take_through("Hi."))
    local began = process.now()
    client:close()
    client = nil
    assert.is_true(connection:closes(4))
    assert.is_true(process.now() - began < 0.9)
  end)

  it("does not hold up the end of the process", function()
    ask()
    connection:send(HEAD .. chunk(BEGIN .. STOP))
    take_answer()
    assert.equal(1, proxy:deep().upstream.running)
    local began = process.now()
    proxy:stop()
    assert.is_true(process.now() - began < 0.9)
  end)
end)

-- Counts beside each text, and none beside the end.
local function counted(chunks)
  local out = {}
  for i = 1, chunks do
    out[i] = ('data: {"candidates":[{"content":{"parts":[{"text":"x%d "}],"role":"model"},"index":0}],'
      .. '"usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":%d,"totalTokenCount":%d},"modelVersion":"m"}'
      .. "\r\n\r\n"):format(i, i, 7 + i)
  end
  return table.concat(out) .. 'data: {"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},'
    .. '"finishReason":"STOP","index":0}],"modelVersion":"m"}\r\n\r\n'
end

-- The same provider, whose hook looks at every event: none takes the lane.
local LOOKS = [[
return {
  name = "looks", contract = 1, dialects = { "gemini" }, auth = "x-goog-api-key",
  options = { base_url = { type = "url", required = true } },
  event = function() end,
}
]]

describe("counts beside the texts of a stream that ends without any #both", function()
  local folder, mock, proxy

  setup(function()
    folder = process.folder()
    process.write(folder .. "/counted.sse", counted(50))
    mock = mock_upstream.start { files = folder }
    proxy = daemon.start { files = { ["providers/looks.lua"] = LOOKS }, config = daemon.config(([[
  providers = {
    up = { script = "gemini", base_url = "%s", api_key = "sk-spec" },
    looks = { base_url = "%s", api_key = "sk-spec" },
  },
]]):format(mock.url, mock.url)) }
  end)

  teardown(function()
    if mock then mock:stop() end
    if proxy then proxy:stop() end
    process.remove(folder)
  end)

  -- The answer to a client, without what differs between two requests.
  local function given(provider, path, body, split)
    local reply = proxy:request { path = path, body = body:format(provider), seconds = 30,
      headers = { ["idempotency-key"] = "mock:file=counted.sse,status=200,type=text/event-stream,split=" .. split } }
    assert.equal(200, reply.status, reply.body)
    return (reply.body:gsub(reply.headers["x-cliproxy-request-id"]:gsub("^req_", ""), "ID")
      :gsub('"created":%d+', '"created":0'):gsub('"(%a+_at)":%d+', '"%1":0'):gsub("looks/", "up/"))
  end

  for _, split in ipairs { 0, 500 } do
    it("reach every client, in pieces of " .. split, function()
      for path, case in pairs {
        ["/v1/chat/completions"] = { '{"model":"%s/m","stream":true,"stream_options":{"include_usage":true},'
          .. '"messages":[{"role":"user","content":"x"}]}', '"prompt_tokens":7,"completion_tokens":50,' },
        ["/v1/responses"] = { '{"model":"%s/m","stream":true,"input":"x"}', '"output_tokens":50,' },
        ["/v1/messages"] = { '{"model":"%s/m","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"x"}]}',
          '"output_tokens":50' },
      } do
        local got = given("up", path, case[1], split)
        assert.truthy(got:find(case[2], 1, true), got:sub(-600))
        assert.equal(given("looks", path, case[1], split), got)
      end
    end)
  end
end)
