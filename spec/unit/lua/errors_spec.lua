local dialects = require("cliproxy.dialects")
local errors = require("cliproxy.errors")
local json = require("cliproxy.json")

local function read(path)
  local file = assert(io.open(path))
  local text = file:read("*a")
  file:close()
  return text
end

local function shown(template)
  return template == "{text}" and "(says what exactly)" or (template:gsub("{{", "{"):gsub("}}", "}"))
end

describe("errors", function()
  it("and docs/errors.md list the same codes, statuses and texts", function()
    local documented = {}
    for code, status, text, cause,
      cure in read("docs/errors.md"):gmatch("\n| `([%w_]+)` | (%d+) | (.-) | (.-) | ([^\n]-) |%f[\n]") do
      documented[code] = { tonumber(status), text }
      assert.is_true(#cause > 5 and #cure > 3, code .. " has no cause or no cure")
    end
    for code, row in pairs(errors.rows) do
      assert.same({ row[1], shown(row[2]) }, documented[code], code .. " differs from docs/errors.md")
    end
    for code in pairs(documented) do
      assert.is_table(errors.rows[code], code .. " stands in docs/errors.md alone")
    end
  end)

  it("know every word of the HTTP layer", function()
    local text = read("src/http/faults.h")
    local count = 0
    for status, code in text:gmatch('X%([%u_]+, (%d+), "([%w_]+)"') do
      count = count + 1
      assert.is_table(errors.rows[code], code)
      assert.equal(tonumber(status), errors.rows[code][1], code)
    end
    assert.is_true(count > 20)
  end)

  it("fill in what the text names", function()
    local failure = errors.new("foreign_origin", { origin = "app://x", quoted = '"app://x"',
      where = "config.lua (line 12)" })
    assert.equal('a page at app://x tried to use this proxy. If it is yours, add allowed_origins = { "app://x" } to '
      .. "config.lua (line 12).", failure.text)
    assert.equal(403, failure.status)
  end)

  it("never fill in twice: a value with braces stays as it is", function()
    assert.equal("/{file}: {cure}", errors.new("near_miss", { path = "/{file}", cure = "{cure}" }).text)
  end)

  it("refuse unknown codes", function()
    assert.has_error(function()
      errors.new("no_such_code")
    end, "no error no_such_code")
  end)

  local failure = { status = 404, code = "no_route", text = 'no route for "gpt-5o".\n', param = "model" }

  it("have OpenAI's envelope, with its names", function()
    for _, dialect in ipairs { "openai_chat", "openai_responses" } do
      assert.equal('{"error":{"message":"no route for \\"gpt-5o\\".\\n","type":"invalid_request_error","param":"model",'
        .. '"code":"model_not_found"}}', dialects.of(dialect).envelope(failure, "req_1"))
    end
  end)

  it("have Anthropic's envelope", function()
    assert.equal('{"type":"error","error":{"type":"not_found_error","message":"no route for \\"gpt-5o\\".\\n"},'
      .. '"request_id":"req_1"}', dialects.of("anthropic").envelope(failure, "req_1"))
  end)

  it("have Gemini's envelope", function()
    local body = json.parse(dialects.of("gemini").envelope(failure, "req_1"))
    assert.equal(404, body.error.code)
    assert.equal("NOT_FOUND", body.error.status)
    assert.equal("NO_ROUTE", body.error.details[1].reason)
  end)

  it("map statuses to each dialect's words", function()
    local expected = {
      [400] = { "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT" },
      [401] = { "invalid_request_error", "authentication_error", "UNAUTHENTICATED" },
      [403] = { "invalid_request_error", "permission_error", "PERMISSION_DENIED" },
      [413] = { "invalid_request_error", "request_too_large", "INVALID_ARGUMENT" },
      [429] = { "rate_limit_exceeded", "rate_limit_error", "RESOURCE_EXHAUSTED" },
      [500] = { "server_error", "api_error", "INTERNAL" },
      [502] = { "server_error", "api_error", "UNAVAILABLE" },
      [504] = { "server_error", "timeout_error", "DEADLINE_EXCEEDED" },
    }
    for status, words in pairs(expected) do
      local one = { status = status, code = "x", text = "t" }
      assert.equal(words[1], json.parse(dialects.of("openai_chat").envelope(one, "r")).error.type)
      assert.equal(words[2], json.parse(dialects.of("anthropic").envelope(one, "r")).error.type)
      assert.equal(words[3], json.parse(dialects.of("gemini").envelope(one, "r")).error.status)
    end
  end)

  it("are JSON whatever bytes they carry", function()
    local nasty = { status = 500, code = "internal", text = 'a"\\\0\1\127\255\192\128\237\160\128 ü €\n' }
    for _, dialect in ipairs { "openai_chat", "openai_responses", "anthropic", "gemini" } do
      assert(json.parse(dialects.of(dialect).envelope(nasty, "r")))
      for line in dialects.of(dialect).stream_error(nasty, "r", "sse"):gmatch("data: ([^\r\n]+)") do
        assert(json.parse(line))
      end
    end
  end)
end)
