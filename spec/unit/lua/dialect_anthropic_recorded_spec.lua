--- The codec over recorded exchanges, where a folder of them is there. What an answer says is counted here by itself.
local anthropic = require("cliproxy.dialects.anthropic")
local automata = require("cliproxy.automata")
local cjson = require("cjson")
local fixtures = require("spec.support.fixtures")
local json = require("cliproxy.json")
local literal = require("cliproxy.literal")
local process = require("spec.support.process")
local replay = require("cliproxy.replay")

local FOLDER = fixtures.folder .. "/anthropic-messages"
local TARGET = { dialect = "anthropic", provider = "up", model = "claude", caps = {} }

local STOPS = { end_turn = "end", max_tokens = "length", model_context_window_exceeded = "length", refusal = "refusal",
  stop_sequence = "stop_sequence", tool_use = "tool_calls", pause_turn = "pause" }
local SEARCHES = { web_search = true, web_fetch = true, tool_search_tool_regex = true, tool_search_tool_bm25 = true,
  web_search_tool_result = true, web_fetch_tool_result = true, tool_search_tool_result = true }
local OWN = { text = true, thinking = true, redacted_thinking = true, tool_use = true }

local function names()
  local out = {}
  for name in (process.read(fixtures.folder .. "/MANIFEST.tsv") or ""):gmatch("anthropic%-messages\t([%w_.-]+)\t") do
    out[#out + 1] = name
  end
  return out
end

local function context()
  return { id = "req_1", conversation = { dialect = "openai_chat", names = {} }, target = TARGET, framing = "sse",
    estimate = function() return 1 end }
end

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

local function add(usage, more)
  for key, value in pairs(type(more) == "table" and more or {}) do
    usage[key] = type(value) == "number" and value or usage[key]
  end
end

-- A stream put together as a Message, by the letter of its events.
local function assemble(list)
  local message, inputs = { content = {}, usage = {} }, {}
  for _, event in ipairs(list) do
    local e = cjson.decode(event.data)
    local block = e.index and message.content[e.index + 1]
    if e.type == "message_start" then
      add(message.usage, e.message.usage)
    elseif e.type == "content_block_start" then
      message.content[e.index + 1], inputs[e.index + 1] = e.content_block, ""
    elseif e.type == "content_block_delta" then
      local delta = e.delta
      block.text = delta.text and block.text .. delta.text or block.text
      block.thinking = delta.thinking and block.thinking .. delta.thinking or block.thinking
      block.signature = delta.signature or block.signature
      inputs[e.index + 1] = inputs[e.index + 1] .. (delta.partial_json or "")
    elseif e.type == "message_delta" then
      message.stop_reason, message.stop_sequence = e.delta.stop_reason, e.delta.stop_sequence
      add(message.usage, e.usage)
    elseif e.type == "error" then
      message.error = e.error
    elseif e.type == "message_stop" then
      message.done = true
    end
  end
  for i, input in pairs(inputs) do
    if input ~= "" then
      message.content[i].raw = input
    end
  end
  return message
end

-- What a Message says, in one form; `foreign`: it holds what cannot cross.
local function facts(message)
  local out = { text = "", thinking = "", states = {}, calls = {} }
  for _, block in ipairs(message.content) do
    local kind = block.type == "server_tool_use" and block.name or block.type
    out.foreign = out.foreign or not OWN[block.type] and not SEARCHES[kind] or nil
    if block.type == "text" then
      out.text = out.text .. block.text
    elseif block.type == "thinking" then
      out.thinking = out.thinking .. block.thinking
      out.states[#out.states + 1] = block.signature
    elseif block.type == "redacted_thinking" then
      out.states[#out.states + 1] = block.data
    elseif block.type == "tool_use" then
      local ok, input = pcall(cjson.decode, block.raw or "")
      out.calls[#out.calls + 1] = { block.id, block.name, block.raw and (ok and input or block.raw) or block.input }
    end
  end
  out.stop = STOPS[message.stop_reason]
  local usage = message.usage
  local read, written = usage.cache_read_input_tokens, usage.cache_creation_input_tokens
  out.usage = { (usage.input_tokens or 0) + (read or 0) + (written or 0), read or false, written or false,
    usage.output_tokens }
  return out
end

-- An answer of ours, in the same form.
local function told(answer)
  local out = { text = "", thinking = "", states = {}, calls = {}, stop = answer.stop }
  for _, part in ipairs(answer.parts) do
    local words = part.text and json.parse(part.text) or ""
    if part.kind == "text" then
      out.text = out.text .. words
    elseif part.kind == "reasoning" then
      out.thinking = out.thinking .. words
      out.states[#out.states + 1] = part.state and part.state.data
    else
      local text = part.input or literal.text(part.arguments)
      local ok, input = pcall(cjson.decode, text == "" and "{}" or text)
      out.calls[#out.calls + 1] = { part.id, part.name, ok and input or text }
    end
  end
  local usage = answer.usage
  out.usage = { usage.input, usage.cached or false, usage.cache_written or false, usage.output }
  return out
end

local function check_whole(name, body)
  local document = json.parse(body)
  local message = cjson.decode(body)
  local answer, failure = anthropic.decode_response(document, context())
  if message.type ~= "message" then
    assert.is_nil(answer, name)
    return failure.code
  end
  message.content = message.content or {}
  local expected = facts(message)
  if expected.foreign then
    assert.equal("upstream_untranslatable", failure and failure.code, name)
    return "foreign"
  end
  assert(answer, failure and failure.text)
  assert.same(expected, told(answer))
  local again = anthropic.encode_response(answer, context())
  assert.same({}, automata.whole("anthropic", again), name)
  return "whole"
end

local function check_stream(bytes)
  local list = events(bytes)
  local sink, answer = replay.collector()
  local out = {}
  local encoder = anthropic.stream_encoder(context(), function(piece) out[#out + 1] = piece end)
  local both = setmetatable({}, { __index = function(_, key)
    return function(...)
      sink[key](...)
      encoder[key](...)
    end
  end })
  local feed = anthropic.stream_decoder(context(), both)
  for _, event in ipairs(list) do
    feed(event)
  end
  feed(nil)
  local message = assemble(list)
  local expected = facts(message)
  local checker = automata.stream("anthropic")
  checker:feed(table.concat(out))
  local violations = checker:finish()
  if message.error or expected.foreign or not message.done then
    assert.truthy(answer.failure)
    assert.equal("error", checker:ended())
    return "failed"
  end
  assert.is_nil(answer.failure)
  assert.same(expected, told(answer))
  assert.same({}, violations)
  return "stream"
end

describe("recorded exchanges of Anthropic Messages", function()
  local list = names()
  if not list[1] then
    return pending("no folder of recorded exchanges")
  end
  local seen = {}
  for _, name in ipairs(list) do
    local folder = FOLDER .. "/" .. name
    local request, whole = process.read(folder .. "/request.json"), process.read(folder .. "/response.json")
    local stream = process.read(folder .. "/response.sse")

    it("are understood: " .. name, function()
      local function note(what)
        seen[what] = (seen[what] or 0) + 1
      end
      if request then
        local document = json.parse(request)
        local status = cjson.decode(process.read(folder .. "/meta.json") or "{}").status or 200
        if json.kind(document) == "object" then
          local c, message, param = anthropic.decode_request(document, { model = "m", stream = stream ~= nil,
            version = "2023-06-01" })
          assert.truthy(c or status >= 400 and message and param, message)
          note(c and (c.ledger.refused and "refused" or "asked") or "malformed")
        end
      end
      local counted = whole and json.kind(json.parse(whole)) == "object" and json.parse(whole).input_tokens
      if counted then
        assert.equal(counted, anthropic.decode_count(json.parse(whole)))
        note("count")
      elseif whole then
        note(check_whole(name, whole))
      elseif stream then
        note(check_stream(stream))
      end
    end)
  end

  it("are of every sort", function()
    for _, what in ipairs { "asked", "refused", "whole", "stream", "foreign", "failed", "count" } do
      assert.truthy((seen[what] or 0) > 0, what)
    end
  end)
end)
