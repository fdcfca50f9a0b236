--- Every recorded answer through the real binary to clients of the three other dialects: however it was cut on its way,
--- the client gets the same bytes, and a proper end or an error. The sanitized binary also checks each stream it sends
--- against its dialect's automaton; the answers' content is compared in spec/unit/lua/recorded_answers_spec.lua.
local daemon = require "spec.support.daemon"
local fixtures = require "spec.support.fixtures"
local http = require "spec.support.http_client"
local mock_upstream = require "spec.support.mock_upstream"
local raw = require "spec.support.raw"

local CONFIG = [[
  providers = {
    openai_chat = { script = "openai", dialects = { "openai_chat" }, models = { "chat-*" }, base_url = "%s/v1",
      api_key = "sk-spec" },
    openai_responses = { script = "openai", dialects = { "openai_responses" }, models = { "responses-*" },
      base_url = "%s/v1", api_key = "sk-spec" },
    anthropic = { base_url = "%s", api_key = "sk-spec" },
    gemini = { base_url = "%s", api_key = "sk-spec" },
  },
]]

-- A plain request of each client, in several lines; %s: model, stream.
local REQUESTS = {
  openai_chat = { path = "/v1/chat/completions", body = [[{ "model": "%s", "stream": %s,
    "stream_options": { "include_usage": true },
    "messages": [ { "role": "user", "content": "Go on." } ] }]] },
  openai_responses = { path = "/v1/responses", body = [[{ "model": "%s", "stream": %s,
    "input": "Go on.",
    "tools": [
      { "type": "function", "name": "f", "strict": false,
        "parameters": { "type": "object", "properties": {} } } ] }]] },
  anthropic = { path = "/v1/messages", body = [[{ "model": "%s", "stream": %s,
    "max_tokens": 100,
    "messages": [ { "role": "user", "content": "Go on." } ] }]] },
  gemini = { path = "/v1beta/models/%s:%s", alt = "?alt=sse" },
  -- The same client, that wants one array.
  gemini_array = { path = "/v1beta/models/%s:%s", alt = "" },
}
local GEMINI_BODY = [[{ "contents": [ { "role": "user", "parts": [ { "text": "Go on." } ] } ],
  "generationConfig": { "thinkingConfig": { "includeThoughts": true } } }]]

-- How answers are cut on their way: bytes a piece (0: not at all) and seed. The sanitized binary is slow.
local CUTS = { { "0", 1 }, { "1", 1 }, { "rand", 7 }, { "rand", 8 } }
if os.getenv("CPX_SANITIZED") then
  CUTS = { { "0", 1 }, { "1", 1 } }
end

local DIALECT_OF = { ["openai-chat"] = "openai_chat", ["openai-responses"] = "openai_responses",
  ["anthropic-messages"] = "anthropic", gemini = "gemini" }

local function request_of(client, upstream, stream)
  local spec, model = REQUESTS[client], upstream .. "/m"
  if spec.alt then
    return spec.path:format(model, stream and "streamGenerateContent" .. spec.alt or "generateContent"), GEMINI_BODY
  end
  return spec.path, spec.body:format(model, tostring(stream))
end

local function escape(text)
  return (text:gsub("[,%%]", function(c) return ("%%%02X"):format(c:byte()) end))
end

-- What differs between two requests: ids made of the request's own, and the clock.
local function normalised(answer)
  local id = (answer.headers["x-cliproxy-request-id"] or ""):gsub("^req_", "")
  return answer.status .. " " .. answer.body:gsub(id, "ID"):gsub('"created":%d+', '"created":0')
    :gsub('"created_at":%d+', '"created_at":0'):gsub('"completed_at":%d+', '"completed_at":0')
end

local function first_difference(a, b)
  for i = 1, math.max(#a, #b) do
    if a:byte(i) ~= b:byte(i) then
      local from = math.max(1, i - 60)
      return ("from byte %d: %q and %q"):format(i, a:sub(from, i + 60), b:sub(from, i + 60))
    end
  end
end

describe("recorded answers, translated", function()
  local mock, proxy, list, connection

  setup(function()
    list = fixtures.answers()
    if not list then return end
    mock = mock_upstream.start { files = fixtures.folder }
    proxy = daemon.start { config = daemon.config(CONFIG:format(mock.url, mock.url, mock.url, mock.url)) }
  end)

  teardown(function()
    if connection then connection:close() end
    if mock then mock:stop() end
    if proxy then proxy:stop() end
  end)

  local function ask(fixture, client, upstream, stream, split, seed)
    if not connection or connection.eof then connection = raw.connect(proxy.address) end
    local plan = ("mock:file=%s,status=%d,type=%s,split=%s,seed=%d"):format(fixture.answer_file, fixture.status,
      escape(fixture.type), split, seed)
    local path, body = request_of(client, upstream, stream)
    local answer = http.request(proxy.address, {
      path = path, body = body, connection = connection, seconds = 20, headers = { ["idempotency-key"] = plan },
    })
    if answer.headers.connection == "close" or not answer.whole then
      connection:close()
      connection = nil
    end
    return answer
  end

  -- Every answer to every client; `other`: to one that asks for the form in which it did not come.
  local function each(cut, other, seen)
    local wrong = {}
    for _, fixture in ipairs(list) do
      local upstream = DIALECT_OF[fixture.dialect]
      for client in pairs(REQUESTS) do
        local name = fixture.name .. " to " .. client
        if upstream and client:gsub("_array$", "") ~= upstream then
          local answer = ask(fixture, client, upstream, fixture.stream ~= other, cut[1], cut[2])
          local text = normalised(answer)
          if answer.body:find("failed inside", 1, true) or not answer.whole then
            wrong[#wrong + 1] = name .. ": " .. text:sub(1, 300)
          elseif seen[name] and seen[name] ~= text then
            wrong[#wrong + 1] = name .. " differs " .. first_difference(seen[name], text)
          end
          seen[name] = seen[name] or text
        end
      end
    end
    return wrong
  end

  local function all_the_same(other)
    local seen, fine, all = {}, 0, 0
    for _, cut in ipairs(CUTS) do
      local wrong = each(cut, other, seen)
      assert(#wrong == 0, ("split=%s: %d wrong:\n%s"):format(cut[1], #wrong, table.concat(wrong, "\n", 1,
        math.min(#wrong, 20))))
    end
    for _, text in pairs(seen) do
      all, fine = all + 1, fine + (text:find("^200 ") and 1 or 0)
    end
    assert.is_true(all > 800 and fine / all > 0.75, ("%d of %d are answered"):format(fine, all))
  end

  it("arrive the same however they were cut #both", function()
    if not list then return pending("no recorded exchanges here") end
    all_the_same(false)
  end)

  it("arrive the same where the client asked for the other form #both", function()
    if not list then return pending("no recorded exchanges here") end
    all_the_same(true)
  end)
end)
