local fakes = require("spec.support.fakes_core")
local record = require("cliproxy.record")

local function work(fields)
  local instance = fakes.instance("groq", {})
  local one = { exchange = fakes.exchange { query = "key=secret", headers = { ["user-agent"] = "sdk/1.2 x" } },
    id = "req_1", model = "fast",
    target = { instance = instance, model = "llama" }, account = instance.accounts[1], stream = true, status = 200,
      first_at = 0.0123,
    ended_at = 1.5, tokens_in = 10, tokens_out = 20, tokens_cached = 5, snapshot = { generation = 3,
      config = fakes.config() }, key = "" }
  for name, value in pairs(fields or {}) do
    one[name] = value
  end
  return one
end

describe("record", function()
  it("writes one line a request", function()
    assert.equal("POST /v1/chat/completions fast > groq/llama stream 200 12.3ms 1500ms in 10 cached 5 out 20 0B",
      record.line(work()))
  end)

  it("leaves out what is not known", function()
    assert.equal("POST /v1/chat/completions - whole 404 1.0ms 1.0ms 0B: no route", record.line(work { target = false,
      model = false,
      stream = false, status = 404, first_at = 0.001, ended_at = 0.001, tokens_in = false, tokens_out = false,
      note = "no route" }))
  end)

  it("names the client's key by its name, else the program", function()
    assert.matches("key editor fast", record.line(work { key = "editor" }))
    assert.equal("editor", record.facts(work { key = "editor" }).client)
    assert.equal("sdk", record.facts(work()).client)
  end)

  it("never holds queries or keys", function()
    local one = work()
    local all = record.line(one)
    for _, value in pairs(record.facts(one)) do
      all = all .. tostring(value)
    end
    assert.is_nil(all:find("secret", 1, true))
  end)

  it("has the fields of the live feed", function()
    local facts = record.facts(work { warnings = { "a", "b" } })
    assert.same({ 12.3, 1500, 10, 20, 5, "fast", "llama", "a; b", 3 }, { facts.first_byte_ms, facts.total_ms,
      facts.tokens_in,
      facts.tokens_out, facts.tokens_cached, facts.model_asked, facts.model, facts.warnings, facts.generation })
  end)
end)
