--- Translated streams through the real binary where one side is faster than the other.
local daemon = require "spec.support.daemon"
local mock_upstream = require "spec.support.mock_upstream"
local process = require "spec.support.process"

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
