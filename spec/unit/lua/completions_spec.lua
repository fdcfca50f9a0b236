local completions = require("cliproxy.dialects.completions")
local errors = require("cliproxy.errors")
local json = require("cliproxy.json")

local function decode(body)
  return completions.decode_request(json.parse(body), { model = "m", stream = false })
end

local function refused(body)
  local c = assert(decode(body))
  return c.ledger.refused and c.ledger.refused.path
end

local function context(more)
  local c = assert(decode('{"model":"m","prompt":"Say hi"' .. (more or "") .. "}"))
  return { id = "req_1", conversation = c, framing = "sse",
    target = { dialect = "anthropic", provider = "work", model = "claude-x", caps = {} } }
end

describe("a request for an old completion", function()
  it("is a conversation of one user turn, its prompt byte for byte", function()
    local c = assert(decode([[{"model":"m","prompt":"Grüße\u00e9 \/ \ud83d\n"}]]))
    assert.same({ "user", [["Grüße\u00e9 \/ \ud83d\n"]] }, { c.turns[1].role, c.turns[1].parts[1].text })
    assert.same({ 1, 1, 0, "generate" }, { #c.turns, #c.turns[1].parts, #c.system, c.operation })
    c = assert(decode('{"model":"m","prompt":["one"]}'))
    assert.equal('"one"', c.turns[1].parts[1].text)
  end)

  it("carries its sampling as it was written", function()
    local c = assert(decode([[{"model":"m","prompt":"p","max_tokens":16,"temperature":1.0,"top_p":0.10,"seed":
      12345678901234567890,"presence_penalty":0,"frequency_penalty":-0.5,"stop":["a","\n"],"user":"u",
      "logit_bias":{"50256":-100}}]]))
    assert.same({ "16", "1.0", "0.10", "12345678901234567890", "0", "-0.5", '"u"', '{"50256":-100}' }, { c.max_tokens,
      c.temperature, c.top_p, c.seed, c.presence_penalty, c.frequency_penalty, c.user, c.logit_bias })
    assert.same({ '"a"', [["\n"]] }, c.stop)
    assert.same({ '"x"' }, assert(decode('{"prompt":"p","stop":"x"}')).stop)
    assert.same({}, c.ledger:warnings())
  end)

  for name, body in pairs({
    suffix = '"prompt":"p","suffix":" end"', echo = '"prompt":"p","echo":true', best_of = '"prompt":"p","best_of":3',
    n = '"prompt":"p","n":2', logprobs = '"prompt":"p","logprobs":0',
  }) do
    it("is refused by name for " .. name, function()
      assert.equal(name, refused('{"model":"m",' .. body .. "}"))
    end)
  end

  it("is refused for ids of tokens and for several prompts", function()
    for _, prompt in ipairs({ "[1,2]", "[[1,2]]", '["a","b"]' }) do
      assert.equal("prompt", refused('{"model":"m","prompt":' .. prompt .. "}"))
    end
  end)

  it("takes values that ask for nothing, and null as absent", function()
    local c = assert(decode([[{"prompt":"p","suffix":"","echo":false,"best_of":1,"n":1,"logprobs":null,"stop":null,
      "temperature":null,"stream_options":null}]]))
    assert.is_nil(c.ledger.refused)
    assert.same({}, c.ledger.entries)
  end)

  it("tells of members that nobody knows", function()
    local c = assert(decode('{"prompt":"p","min_p":0.1,"stream_options":{"include_usage":true,"x":1}}'))
    assert.same({ "min_p;unknown to cliproxy", "stream_options.x;unknown to cliproxy" }, c.ledger:warnings())
    assert.is_true(c.wants_usage)
  end)

  for body, param in pairs({
    ["{}"] = "prompt", ['{"prompt":null}'] = "prompt", ['{"prompt":""}'] = "prompt", ['{"prompt":[]}'] = "prompt",
    ['{"prompt":[""]}'] = "prompt[0]", ['{"prompt":{}}'] = "prompt", ['{"prompt":5}'] = "prompt",
    ['{"prompt":[null]}'] = "prompt[0]", ['{"prompt":"p","n":"2"}'] = "n", ['{"prompt":"p","echo":1}'] = "echo",
    ['{"prompt":"p","stop":[1]}'] = "stop[0]", ['{"prompt":"p","stop":{}}'] = "stop",
    ['{"prompt":"p","temperature":[]}'] = "temperature", ['{"prompt":"p","logit_bias":[]}'] = "logit_bias",
    ['{"prompt":"p","stream_options":[]}'] = "stream_options",
    ['{"prompt":"p","stream_options":{"include_usage":1}}'] = "stream_options.include_usage",
  }) do
    it("is malformed: " .. body, function()
      local c, message, where = decode(body)
      assert.same({ nil, param }, { c, where })
      assert.truthy(message:find(param, 1, true))
    end)
  end

  it("is malformed where it is no object", function()
    for _, body in ipairs({ "[]", '"x"', "1" }) do
      assert.is_nil((decode(body)))
    end
  end)
end)

describe("an answer as an old completion", function()
  it("has the text alone, without reasoning", function()
    local body = completions.encode_response({ model = "claude-x-1", created = 17, stop = "end", parts = {
      { kind = "reasoning", text = '"hm"' }, { kind = "text", text = [["a\u00e9"]] }, { kind = "text", text = '"b"' },
    }, usage = { input = 5, output = 7, cached = 2, reasoning = 3 } }, context())
    assert.equal([[{"id":"cmpl-1","object":"text_completion","created":17,"choices":[{"text":"a\u00e9b","index":0,]]
      .. [["logprobs":null,"finish_reason":"stop"}],"model":"claude-x-1","usage":{"prompt_tokens":5,]]
      .. [["completion_tokens":7,"total_tokens":12,"prompt_tokens_details":{"cached_tokens":2},]]
      .. [["completion_tokens_details":{"reasoning_tokens":3}}}]], body)
  end)

  it("leaves usage out where it is not known", function()
    local document = json.parse((completions.encode_response({ parts = {}, stop = "length" }, context())))
    assert.same({ "", "length", nil, "claude-x" }, { document.choices[1].text, document.choices[1].finish_reason,
      document.usage, document.model })
  end)

  for stop, reason in pairs({ ["end"] = "stop", stop_sequence = "stop", length = "length", filter = "content_filter",
    refusal = "content_filter" }) do
    it("ends with " .. reason .. " for " .. stop, function()
      local document = json.parse((completions.encode_response({ parts = {}, stop = stop, explanation = '"no"' },
        context())))
      assert.equal(reason, document.choices[1].finish_reason)
      assert.equal(stop == "refusal" and "no" or "", document.choices[1].text)
    end)
  end

  it("is a failure where a tool is called or the answer pauses", function()
    local calls = { parts = { { kind = "tool_call", id = "c", name = "f", input = "{}" } }, stop = "tool_calls" }
    for _, answer in ipairs({ calls, { parts = {}, stop = "pause" } }) do
      local body, failure = completions.encode_response(answer, context())
      assert.same({ nil, "upstream_untranslatable" }, { body, failure.code })
    end
  end)
end)

describe("a stream of an old completion", function()
  local function stream(more, play)
    local out = {}
    local sink = completions.stream_encoder(context(more), function(bytes) out[#out + 1] = bytes end)
    sink.start({ model = "claude-x-1", created = 17 })
    play(sink)
    return table.concat(out), sink
  end

  local HEAD = [[data: {"id":"cmpl-1","object":"text_completion","created":17,"choices":[]]
  local function chunk(text, reason, tail)
    return HEAD .. '{"text":' .. text .. ',"index":0,"logprobs":null,"finish_reason":' .. reason
      .. '}],"model":"claude-x-1"' .. (tail or "") .. "}\n\n"
  end

  local function whole(sink)
    sink.reasoning('"hm"')
    sink.text('""')
    sink.text([["\ud83d"]])
    sink.text([["\ude00"]])
    sink.usage({ input = 5, output = 1 })
    sink.stop("end")
    sink.usage({ input = 5, output = 7 })
    sink.finish()
  end

  it("has chunks and [DONE]", function()
    assert.equal(chunk([["\ud83d"]], "null") .. chunk([["\ude00"]], "null") .. chunk('""', '"stop"')
      .. "data: [DONE]\n\n", (stream("", whole)))
  end)

  it("has usage where it was asked for", function()
    local null = ',"usage":null'
    assert.equal(chunk([["\ud83d"]], "null", null) .. chunk([["\ude00"]], "null", null)
      .. chunk('""', '"stop"', null) .. HEAD .. '],"model":"claude-x-1","usage":{"prompt_tokens":5,'
      .. '"completion_tokens":7,"total_tokens":12}}\n\ndata: [DONE]\n\n',
      (stream(',"stream_options":{"include_usage":true}', whole)))
  end)

  it("says what a refusal says", function()
    assert.equal(chunk('"no"', "null") .. chunk('""', '"content_filter"'), (stream("", function(sink)
      sink.stop("refusal", { explanation = '"no"' })
    end)))
    assert.equal(chunk('"sorry"', "null") .. chunk('""', '"content_filter"'), (stream("", function(sink)
      sink.refusal('"sorry"')
      sink.stop("refusal", { explanation = '"no"' })
    end)))
  end)

  it("ends with the error alone where it fails", function()
    local bytes = stream("", function(sink)
      sink.text('"a"')
      sink.fail(errors.new("upstream_unfinished", { provider = "work", text = "it stopped" }))
      sink.text('"b"')
      sink.stop("end")
      sink.finish()
    end)
    local rest = bytes:sub(#chunk('"a"', "null") + 1)
    assert.truthy(rest:find('^\n\ndata: {"error":{"message":"provider work ended') and rest:find("}\n\n$"))
    assert.is_nil(rest:find('"b"', 1, true) or rest:find("DONE", 1, true))
  end)

  it("fails where a tool is called or the answer pauses", function()
    for _, method in ipairs({ "tool_start", "stop" }) do
      local bytes = stream("", function(sink)
        sink[method](method == "stop" and "pause" or 1, { id = "c", name = "f" })
        sink.finish()
      end)
      assert.truthy(bytes:find("upstream_untranslatable", 1, true))
      assert.is_nil(bytes:find("DONE", 1, true))
    end
  end)
end)
