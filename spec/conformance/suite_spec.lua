-- That the suite of conformance can fail: codecs that lose or bend something make cells fail, and requests that no
-- service takes are seen.
local cells = require("spec.conformance.cells") -- first: its driver takes the place of what sends
local dialects = require("cliproxy.dialects")
local valid = require("spec.conformance.valid")

-- Puts something into a codec's place for one run.
local function with(dialect, name, make, run)
  local codec = dialects.of(dialect)
  local original = codec[name]
  codec[name] = make(original)
  local ok, result, why = pcall(run)
  codec[name] = original
  assert(ok, result)
  return result, why
end

local function body(from, to)
  return function(original)
    return function(...)
      local text = original(...)
      local in_pieces = type(text) == "table"
      text = in_pieces and table.concat(text) or text
      local changed, n = text:gsub(from, to)
      assert(n > 0, "nothing to change: " .. text)
      return in_pieces and { changed } or changed
    end
  end
end

-- A sink without one of its methods' effects.
local function sink(method, replacement)
  return function(original)
    return function(context, write)
      local out = original(context, write)
      local real = out[method]
      out[method] = function(...)
        return replacement(real, ...)
      end
      return out
    end
  end
end

local function nothing() end

-- { what, row, client, upstream, mode, codec, its function, change }
local LOSSES = {
  { "a word of the user's is lost", "text", "anthropic", "openai_chat", "whole", "openai_chat", "encode_pieces",
    body("Hello there", "Hello") },
  { "the instructions are lost", "system in front", "openai_chat", "anthropic", "whole", "anthropic", "encode_pieces",
    body("Be brief%.", "Be kind.") },
  { "a schema is written anew", "one tool", "openai_chat", "gemini", "whole", "gemini", "encode_pieces",
    body("1%.0", "1") },
  { "a long number is rounded", "parallel tools", "anthropic", "openai_responses", "whole", "openai_responses",
    "encode_pieces", body("12345678901234567890", "12345678901234567000") },
  { "an empty list becomes an object", "one tool", "openai_chat", "anthropic", "whole", "openai_chat",
    "encode_response", body("%[%],\\\"map", "{},\\\"map") },
  { "results change places", "parallel tools", "openai_chat", "anthropic", "whole", "anthropic", "encode_pieces",
    body("sunny", "noon") },
  { "the choice of a tool is lost", "named tool", "gemini", "openai_chat", "whole", "openai_chat", "encode_pieces",
    body('"get_weather"}}', '"get_time"}}') },
  { "an unknown member is sent", "text", "gemini", "anthropic", "whole", "anthropic", "encode_pieces",
    body("^{", '{"seed":1,') },
  { "the limit is lost", "length", "gemini", "openai_responses", "whole", "openai_responses", "encode_pieces",
    body('"max_output_tokens":77', '"max_output_tokens":78') },
  { "a fragment is lost", "text", "openai_chat", "anthropic", "stream", "openai_chat", "stream_encoder",
    sink("text", function(real, text)
      return text ~= '"lo"' and real(text)
    end) },
  { "a call's fragment is lost", "one tool", "anthropic", "openai_responses", "stream", "anthropic", "stream_encoder",
    sink("tool_delta", nothing) },
  { "two calls get one id", "parallel tools", "anthropic", "openai_chat", "stream", "anthropic", "stream_encoder",
    sink("tool_start", function(real, i, call)
      return real(i, { id = "call_1", name = call.name })
    end) },
  { "usage is lost", "cached usage", "openai_responses", "gemini", "stream", "openai_responses", "stream_encoder",
    sink("usage", nothing) },
  { "the reason for the end is lost", "length", "gemini", "anthropic", "stream", "gemini", "stream_encoder",
    sink("stop", function(real)
      return real("end")
    end) },
  { "a failure ends as if all were well", "error in mid-stream", "openai_chat", "anthropic", "stream", "openai_chat",
    "stream_encoder", function(original)
      return function(context, write)
        local out = original(context, write)
        out.fail = function()
          out.stop("end")
          out.finish()
        end
        return out
      end
    end },
  { "state is lost", "reasoning and its state", "anthropic", "gemini", "stream", "anthropic", "stream_encoder",
    sink("state", nothing) },
  { "reasoning is lost", "reasoning and its state", "gemini", "anthropic", "stream", "gemini", "stream_encoder",
    sink("reasoning", nothing) },
  { "what cannot be sent is sent without it", "stop sequence", "anthropic", "openai_responses", "whole",
    "openai_responses", "encode_pieces", function(original)
      return function(c, target)
        c.stop = nil
        return original(c, target)
      end
    end },
  { "what can be sent is refused", "text", "anthropic", "openai_responses", "whole", "openai_responses",
    "encode_pieces", function(original)
      return function(c, target)
        c.ledger:refuse("messages", "no")
        return original(c, target)
      end
    end },
}

describe("a cell fails where", function()
  -- A checked build would stop such a stream by itself: here it is the suite that must see it.
  local system = require("cliproxy.system")
  local checked = system.checked
  setup(function() system.checked = false end)
  teardown(function() system.checked = checked end)

  for _, row in ipairs(LOSSES) do
    local what, name, client, upstream, mode, codec, method, change = unpack(row)
    it(what, function()
      assert.is_not.equal("fail", (cells.try(name, client, upstream, mode)))
      local result, why = with(codec, method, change, function()
        return cells.try(name, client, upstream, mode)
      end)
      assert.equal("fail", result)
      assert(not why:find("internal error", 1, true), why)
    end)
  end
end)

-- Requests that services take, and what they refuse of them: { from, to, words }
local GOOD = {
  openai_chat = { '{"model":"m","messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":null,'
    .. '"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool",'
    .. '"tool_call_id":"call_1","content":"x"}]}', {
    { '"model":"m",', "", "model: it is missing" },
    { '"tool_call_id":"call_1"', '"tool_call_id":"call_2"', "no call right before it" },
    { ',{"role":"tool","tool_call_id":"call_1","content":"x"}', ',{"role":"user","content":"x"}',
      "a call before it has no result" },
    { '"name":"f"', '"name":"f.g"', "is not allowed" },
    { '"role":"user"', '"role":"human"', "no role" },
    { '"content":"Hi"', '"content":[]', "an empty list" },
    { '"content":"Hi"', '"content":[{"type":"input_text","text":"x"}]', "no part has the type" },
    { '"model":"m"', '"model":"m","top_k":5', "top_k: unknown member" },
    { '"arguments":"{}"', '"arguments":{}', "text expected" },
  } },
  openai_responses = { '{"model":"m","store":false,"input":[{"role":"user","content":"Hi"},{"type":"function_call",'
    .. '"call_id":"call_1","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"call_1",'
    .. '"output":"x"}]}', {
    { '"store":false,', "", "store: it is missing" },
    { '"call_id":"call_1","output"', '"call_id":"call_2","output"', "no call before it" },
    { '{"type":"function_call_output","call_id":"call_1","output":"x"}', '{"role":"user","content":"x"}',
      "a call has no result" },
    { '"call_id":"call_1","name"', '"id":"call_1","call_id":"call_1","name"', "is not allowed" },
    { '"content":"Hi"', '"content":[{"type":"text","text":"x"}]', "no part has the type" },
    { '"model":"m"', '"model":"m","stop":["x"]', "stop: unknown member" },
    { '{"role":"user","content":"Hi"}', '{"role":"assistant","content":[{"type":"input_text","text":"x"}]}',
      "no part has the type" },
  } },
  anthropic = { '{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":'
    .. '[{"type":"tool_use","id":"toolu_1","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result",'
    .. '"tool_use_id":"toolu_1","content":"x"},{"type":"text","text":"y"}]}]}', {
    { '"max_tokens":5,', "", "max_tokens: it is missing" },
    { '"tool_use_id":"toolu_1"', '"tool_use_id":"toolu_2"', "a result without its call" },
    { '{"type":"tool_result","tool_use_id":"toolu_1","content":"x"},', "", "call toolu_1 has no result" },
    { '"id":"toolu_1"', '"id":"toolu.1"', "is not allowed" },
    { '"text":"y"', '"text":" "', "a blank text" },
    { '"input":{}', '"input":"{}"', "object expected" },
    { '{"role":"user","content":"Hi"},', "", "the first message is not the user's" },
    { '"content":[{"type":"tool_result"', '"content":[{"type":"text","text":"z"},{"type":"tool_result"',
      "a result stands behind something else" },
    { '"model":"m"', '"model":"m","seed":5', "seed: unknown member" },
  } },
  gemini = { '{"contents":[{"role":"user","parts":[{"text":"Hi"}]},{"role":"model","parts":[{"functionCall":{"name":'
    .. '"f","args":{}}}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"a":1}}}]}]}', {
    { '"role":"model"', '"role":"assistant"', "none of the words" },
    { '{"role":"user","parts":[{"text":"Hi"}]},', "", "or the model begins" },
    { '{"functionResponse":{"name":"f","response":{"a":1}}}', '{"text":"x"}', "1 calls before it, 0 responses" },
    { '"name":"f","args"', '"name":"1","args"', "is not allowed" },
    { '{"text":"Hi"}', '{"text":"Hi","inlineData":{"mimeType":"image/png","data":"x"}}', "it holds 2 things" },
    { '{"text":"Hi"}', "", "an empty list" },
    { '"response":{"a":1}', '"response":"x"', "object expected" },
    { '{"contents"', '{"model":"m","contents"', "model: unknown member" },
  } },
}

describe("a request is seen to be none that the service takes:", function()
  for dialect, row in pairs(GOOD) do
    it(dialect, function()
      assert.same({}, valid.request(dialect, row[1]))
      for _, mutation in ipairs(row[2]) do
        local at, last = row[1]:find(mutation[1], 1, true)
        assert(at, mutation[1])
        local violations = valid.request(dialect, row[1]:sub(1, at - 1) .. mutation[2] .. row[1]:sub(last + 1))
        assert(table.concat(violations, "\n"):find(mutation[3], 1, true), ("%s: %q expected, got:\n%s"):format(
          mutation[1], mutation[3], table.concat(violations, "\n")))
      end
    end)
  end
end)
