--- The codec over recorded exchanges, where a folder of them is there. What an answer says is counted here by itself,
--- with another JSON reader.
local automata = require("cliproxy.automata")
local chat = require("cliproxy.dialects.openai_chat")
local cjson = require("cjson")
local fixtures = require("spec.support.fixtures")
local json = require("cliproxy.json")
local literal = require("cliproxy.literal")
local models = require("cliproxy.models")
local process = require("spec.support.process")
local replay = require("cliproxy.replay")

local FOLDER = fixtures.folder .. "/openai-chat"

local function names()
  local out = {}
  for name in (process.read(fixtures.folder .. "/MANIFEST.tsv") or ""):gmatch("openai%-chat\t([%w_.-]+)\t") do
    out[#out + 1] = name
  end
  return out
end

local function target(model)
  return { dialect = "openai_chat", provider = "up", model = model, caps = models.caps(model, "openai_chat") }
end

local function context(client)
  return {
    id = "req_1", target = target("gpt-4o"), framing = "sse", remember = function() end,
    estimate = function() return 1 end,
    conversation = { dialect = client or "anthropic", names = {}, wants_usage = true },
  }
end

local function string_of(value)
  return type(value) == "string" and value or ""
end

local function table_of(value)
  return type(value) == "table" and value or {}
end

local function number_of(value)
  return type(value) == "number" and value or nil
end

-- Streams as their deltas, by lines alone.
local function events(bytes)
  local out, kind = {}, ""
  for line in (bytes:gsub("\r\n", "\n") .. "\n"):gmatch("(.-)\n") do
    if line:sub(1, 7) == "event: " then
      kind = line:sub(8)
    elseif line:sub(1, 5) == "data:" then
      out[#out + 1] = { type = kind, data = line:sub(6):gsub("^ ", "") }
      kind = ""
    end
  end
  return out
end

-- What is expected ------------------------------------------------------------------------------------------------

local function add_content(facts, content)
  facts.text = facts.text .. string_of(content)
  for _, part in ipairs(table_of(content)) do
    facts.text = facts.text .. string_of(part.text)
    for _, thought in ipairs(table_of(part.thinking)) do
      facts.reasoning = facts.reasoning .. thought.text
    end
  end
end

local function add_calls(facts, calls)
  for _, call in ipairs(table_of(calls)) do
    local inner, found = call["function"], nil
    for _, known in ipairs(facts.calls) do
      if call.index and known.index == call.index or not call.index and known.id == call.id then found = known end
    end
    if not found then
      found = { id = call.id, index = call.index, name = inner.name, text = "" }
      facts.calls[#facts.calls + 1] = found
    end
    found.text = found.text .. string_of(inner.arguments)
  end
end

local function add_message(facts, message)
  add_content(facts, message.content)
  facts.refusal = facts.refusal .. string_of(message.refusal)
  local thought = string_of(message.reasoning_content)
  facts.reasoning = facts.reasoning .. (thought ~= "" and thought or string_of(message.reasoning))
  add_calls(facts, message.tool_calls)
  local old = message.function_call
  if type(old) == "table" then
    facts.calls[#facts.calls + 1] = { name = old.name, text = old.arguments }
  end
end

local function add_usage(facts, usage)
  if type(usage) == "table" then
    local input, output = table_of(usage.prompt_tokens_details), table_of(usage.completion_tokens_details)
    facts.usage = {
      input = number_of(usage.prompt_tokens), output = usage.total_tokens - usage.prompt_tokens,
      cached = number_of(input.cached_tokens), reasoning = number_of(output.reasoning_tokens),
    }
  end
end

local STOPS = { stop = "end", length = "length", tool_calls = "end", function_call = "end", content_filter = "filter" }

local function settle(facts)
  local stop = STOPS[facts.finish]
  if stop == "end" then
    stop = facts.calls[1] and "tool_calls" or facts.refusal ~= "" and "refusal" or "end"
  end
  facts.stop = stop
  return facts
end

local function expected(documents)
  local facts = { text = "", refusal = "", reasoning = "", calls = {} }
  for _, document in ipairs(documents) do
    facts.failed = facts.failed or document.error and true
    for _, choice in ipairs(table_of(document.choices)) do
      if (choice.index or 0) == 0 then
        add_message(facts, choice.delta or choice.message)
        facts.finish = facts.finish or type(choice.finish_reason) == "string" and choice.finish_reason or nil
      end
    end
    add_usage(facts, document.usage)
  end
  return settle(facts)
end

-- What the codec says ---------------------------------------------------------------------------------------------

local function said(answer)
  local facts = { text = "", refusal = "", reasoning = "", calls = {}, stop = answer.stop, usage = answer.usage }
  for _, part in ipairs(answer.parts) do
    if part.kind == "tool_call" then
      facts.calls[#facts.calls + 1] = { id = part.id, name = part.name, text = literal.text(part.arguments) }
    else
      facts[part.kind] = facts[part.kind] .. literal.text(part.text)
    end
  end
  return facts
end

local function arguments_of(text)
  local ok, value = pcall(cjson.decode, text)
  return ok and value or text
end

local function compare(name, want, got)
  for _, field in ipairs { "text", "refusal", "reasoning", "stop" } do
    assert.equal(want[field], got[field], name .. " " .. field)
  end
  if want.usage then
    for field, value in pairs(want.usage) do
      assert.equal(value, got.usage[field], name .. " usage." .. field)
    end
  else
    assert.is_nil(got.usage, name)
  end
  assert.equal(#want.calls, #got.calls, name)
  for i, call in ipairs(want.calls) do
    assert.equal(call.name, got.calls[i].name, name)
    assert.equal(call.id or got.calls[i].id, got.calls[i].id, name)
    assert.same(arguments_of(call.text), arguments_of(got.calls[i].text), name)
  end
end

local function stream_facts(list)
  local sink, answer = replay.collector()
  local decoder = chat.stream_decoder(context(), sink)
  for _, event in ipairs(list) do
    decoder(event)
  end
  decoder(nil)
  return answer
end

local function check_stream(name, bytes)
  local list, documents = events(bytes), {}
  for _, event in ipairs(list) do
    local ok, document = pcall(cjson.decode, event.data)
    documents[#documents + 1] = ok and document or nil
  end
  local want, answer = expected(documents), stream_facts(list)
  if want.failed or not want.finish then
    assert.is_table(answer.failure, name)
    return
  end
  assert.is_nil(answer.failure, name .. ": " .. (answer.failure and answer.failure.text or ""))
  assert.is_true(answer.finished, name)
  compare(name, want, said(answer))
end

local function check_whole(name, bytes)
  local document = assert(json.parse(bytes))
  local want = expected { cjson.decode(bytes) }
  local answer, failure = chat.decode_response(document, context())
  json.close(document)
  if want.failed then
    assert.is_nil(answer, name)
    assert.is_true(failure.status >= 400, name)
    return
  end
  assert(answer, name .. ": " .. (failure and failure.text or ""))
  compare(name, want, said(answer))
end

describe("recorded Chat exchanges:", function()
  local list = names()

  local function each(what, fn)
    local n = 0
    for _, name in ipairs(list) do
      local bytes = process.read(FOLDER .. "/" .. name .. "/" .. what)
      if bytes then
        n = n + 1
        fn(name, bytes)
      end
    end
    if #list == 0 then return pending("no recorded exchanges here") end
    assert.is_true(n > 10)
  end

  it("whole answers say what they say", function()
    each("response.json", check_whole)
  end)

  it("streams say what they say", function()
    each("response.sse", check_stream)
  end)

  it("requests are read, but for those that the service refused", function()
    each("request.json", function(name, bytes)
      local meta = cjson.decode(process.read(FOLDER .. "/" .. name .. "/meta.json"))
      local document = assert(json.parse(bytes))
      local c, message = chat.decode_request(document, { model = "m", stream = document.stream == true })
      json.close(document)
      assert(c or meta.status == 400, name .. ": " .. tostring(message))
    end)
  end)

  it("requests come out again with the same texts, calls, tools and limits", function()
    each("request.json", function(name, bytes)
      local document, plain = assert(json.parse(bytes)), cjson.decode(bytes)
      local c = chat.decode_request(document, { model = "m", stream = document.stream == true })
      json.close(document)
      if c and not c.ledger.refused then
        local body = chat.encode_request(c, target("gpt-4o"))
        if not c.ledger.refused then
          local out = cjson.decode(body)
          assert.equal(#(plain.tools or plain.functions or {}), #(out.tools or {}), name)
          assert.equal(plain.temperature, out.temperature, name)
          assert.equal(plain.max_tokens or plain.max_completion_tokens, out.max_tokens, name)
          local last, found = plain.messages[#plain.messages], out.messages[#out.messages]
          if last and type(last.content) == "string" and last.content ~= "" and last.role ~= "system" then
            assert.equal(last.content, found.content, name)
          end
          for i, tool in ipairs(plain.tools or {}) do
            assert.equal(tool["function"].name, out.tools[i]["function"].name, name)
          end
        end
      end
    end)
  end)

  it("answers and streams come out in the service's own form", function()
    each("response.sse", function(name, bytes)
      local out = {}
      local sink = chat.stream_encoder(context("openai_chat"), function(piece) out[#out + 1] = piece end)
      local tool_start = sink.tool_start
      sink.tool_start = function(i, call)
        call.id = call.id or "none" -- some servers give none
        return tool_start(i, call)
      end
      local decoder = chat.stream_decoder(context(), sink)
      for _, event in ipairs(events(bytes)) do
        decoder(event)
      end
      decoder(nil)
      local whole = table.concat(out)
      local checker = automata.stream("openai_chat", { wants_usage = true })
      checker:feed(whole)
      local wrong, counted = {}, whole:find('"usage":{', 1, true)
      for _, line in ipairs(checker:finish()) do
        -- What nobody counted is not told.
        wrong[#wrong + 1] = (counted or not line:find("[DONE] without the usage", 1, true)) and line or nil
      end
      assert.same({}, wrong, name)
    end)
    each("response.json", function(name, bytes)
      local document = assert(json.parse(bytes))
      local answer = chat.decode_response(document, context())
      json.close(document)
      if answer then
        for _, part in ipairs(answer.parts) do
          part.id = part.id or "none"
        end
        local body = assert(chat.encode_response(answer, context("openai_chat")))
        assert.same({}, automata.whole("openai_chat", body), name)
      end
    end)
  end)
end)
