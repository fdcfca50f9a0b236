--- The codec over recorded exchanges, where a folder of them is there. What an answer says is counted here by itself:
--- from the finished Response, never from the deltas.
local automata = require("cliproxy.automata")
local cjson = require("cjson")
local fixtures = require("spec.support.fixtures")
local json = require("cliproxy.json")
local literal = require("cliproxy.literal")
local process = require("spec.support.process")
local replay = require("cliproxy.replay")
local responses = require("cliproxy.dialects.openai_responses")

local FOLDER = fixtures.folder .. "/openai-responses"
-- Items that cannot cross.
local FOREIGN = { code_interpreter_call = true, mcp_list_tools = true, mcp_call = true, apply_patch_call = true,
  tool_search_call = true, compaction = true, some_future_type = true }

local function names()
  local out = {}
  for name in (process.read(fixtures.folder .. "/MANIFEST.tsv") or ""):gmatch("openai%-responses\t([%w_.-]+)\t") do
    out[#out + 1] = name
  end
  return out
end

local function target()
  return { dialect = "openai_responses", provider = "up", model = "gpt", caps = {} }
end

local function context()
  return { id = "req_1", conversation = { dialect = "openai_chat", names = {} }, target = target(), framing = "sse" }
end

-- The events of a stream, by lines alone.
local function events(bytes)
  local out, kind = {}, ""
  for line in (bytes:gsub("\r\n", "\n") .. "\n"):gmatch("(.-)\n") do
    if line:sub(1, 7) == "event: " then
      kind = line:sub(8)
    elseif line:sub(1, 6) == "data: " then
      out[#out + 1] = { type = kind, data = line:sub(7) }
      kind = ""
    end
  end
  return out
end

-- The last Response of a stream, and an error event.
local function final(list)
  local response, failed
  for _, event in ipairs(list) do
    local ok, document = pcall(cjson.decode, event.data)
    if ok and type(document) == "table" then
      response = document.response or response
      failed = failed or document.type == "error" and document
    end
  end
  return response, failed
end

local function items(response)
  return type(response.output) == "table" and response.output or {}
end

local function string_of(value)
  return type(value) == "string" and value or ""
end

-- What a Response says, told in one form.
local function facts(response)
  local out = { text = "", refusal = "", calls = {}, reasoning = {} }
  for _, item in ipairs(items(response)) do
    for _, part in ipairs(item.type == "message" and item.content or {}) do
      out.text = out.text .. string_of(part.text)
      out.refusal = out.refusal .. string_of(part.refusal)
    end
    if item.type == "function_call" then
      out.calls[#out.calls + 1] = { item.call_id, item.name, cjson.decode(item.arguments) }
    elseif item.type == "custom_tool_call" then
      out.calls[#out.calls + 1] = { item.call_id, item.name, item.input }
    elseif item.type == "reasoning" then
      -- Of thoughts and their summary one is told.
      local list = #item.summary > 0 and item.summary or type(item.content) == "table" and item.content or {}
      for _, part in ipairs(list) do
        out.reasoning[#out.reasoning + 1] = part.text
      end
    end
  end
  local usage = response.usage
  out.input, out.output = usage.input_tokens, usage.output_tokens
  local details = response.incomplete_details
  local cut = type(details) == "table" and details.reason == "max_output_tokens"
  out.stop = cut and "length" or out.calls[1] and "tool_calls" or out.refusal ~= "" and "refusal" or "end"
  out.reasoning = table.concat(out.reasoning)
  return out
end

-- The same of an answer.
local function told(answer)
  local out = { text = "", refusal = "", calls = {}, reasoning = "" }
  for _, part in ipairs(answer.parts) do
    if part.kind == "tool_call" then
      local arguments = literal.text(part.arguments)
      out.calls[#out.calls + 1] = { part.id, part.name, part.custom and arguments or cjson.decode(arguments) }
    elseif part.text then
      out[part.kind] = out[part.kind] .. literal.text(part.text)
    end
  end
  out.input, out.output, out.stop = answer.usage.input, answer.usage.output, answer.stop
  out.reasoning = out.reasoning:gsub("\n\n", "")
  return out
end

local function foreign(response)
  for _, item in ipairs(items(response)) do
    if FOREIGN[item.type] then
      return item.type
    end
  end
end

local function check(name, response, answer, failure)
  local kind = foreign(response)
  if kind then
    assert.equal("upstream_untranslatable", failure and failure.code, name)
    -- A compaction tells of itself by the first thing that no answer has.
    assert.matches(kind == "compaction" and "input_text" or kind, failure.text, 1, true)
    return
  end
  assert(answer, name .. ": " .. tostring(failure and failure.text))
  local expected = facts(response)
  expected.reasoning = expected.reasoning:gsub("\n\n", "")
  assert.same(expected, told(answer), name)
end

local function collect(list)
  local sink, answer = replay.collector()
  local feed = responses.stream_decoder(context(), sink)
  for _, event in ipairs(list) do
    feed(event)
  end
  feed(nil)
  return answer
end

-- The client's stream made of a recorded one.
local function through(list)
  local asked = json.parse('{"model":"m","input":"x","include":["reasoning.encrypted_content"]}')
  local client = context()
  client.conversation = assert(responses.decode_request(asked, { model = "m", stream = true }))
  local out = {}
  local sink = responses.stream_encoder(client, function(bytes)
    out[#out + 1] = bytes
  end)
  local feed = responses.stream_decoder(context(), sink)
  for _, event in ipairs(list) do
    feed(event)
  end
  feed(nil)
  return table.concat(out)
end

local cases = names()
if #cases == 0 then
  describe("recorded exchanges of Responses", function()
    pending("there is no folder of them at " .. FOLDER)
  end)
  return
end

describe("recorded exchanges of Responses:", function()
  local requests, whole, streams = 0, 0, 0
  for _, name in ipairs(cases) do
    local folder = FOLDER .. "/" .. name
    local request = process.read(folder .. "/request.json")
    local body, stream = process.read(folder .. "/response.json"), process.read(folder .. "/response.sse")

    if request then
      it(name .. ": the request is read", function()
        requests = requests + 1
        local document = assert(json.parse(request))
        local c, message = responses.decode_request(document, { model = "m", stream = false })
        assert(c, message)
        json.close(document)
        if not c.ledger.refused then
          local again = responses.encode_request(c, target())
          json.close(assert(json.parse(again)))
        end
      end)
    end

    if body then
      it(name .. ": the answer is read", function()
        whole = whole + 1
        local response, document = cjson.decode(body), json.parse(body)
        if response.object == "response.input_tokens" then
          assert.equal(response.input_tokens, responses.decode_count(document))
          return
        end
        local answer, failure = responses.decode_response(document, context())
        if type(response.error) == "table" then
          assert.is_nil(answer)
          assert.matches(response.error.message:sub(1, 20), failure.text, 1, true)
        else
          check(name, response, answer, failure)
        end
        if answer then
          local encoded = assert(responses.encode_response(answer, context()))
          assert.same({}, automata.whole("openai_responses", encoded))
        end
      end)
    end

    if stream then
      it(name .. ": the stream is read, and written again", function()
        streams = streams + 1
        local list = events(stream)
        local response, failed = final(list)
        local answer = collect(list)
        if failed or response.status == "failed" then
          local said = (failed and failed.error or response.error).message
          assert.matches(said:sub(1, 20), answer.failure.text, 1, true)
        else
          check(name, response, not answer.failure and answer, answer.failure)
        end
        local bytes = through(list)
        local checker = automata.stream("openai_responses")
        checker:feed(bytes)
        assert.same({}, checker:finish())
        assert.equal(answer.failure and "error" or "clean", checker:ended())
        if not answer.failure then
          check(name, final(events(bytes)), answer)
        end
      end)
    end
  end

  it("are many", function()
    assert.is_true(requests > 30 and whole > 20 and streams > 20)
  end)
end)
