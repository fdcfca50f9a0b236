local crypto = require("cliproxy.crypto")
local embeddings = require("cliproxy.dialects.embeddings")
local fixtures = require("spec.support.fixtures")
local floats = require("cliproxy.floats")
local json = require("cliproxy.json")
local process = require("spec.support.process")

local TARGET = { dialect = "x", provider = "work", model = "emb-1", caps = {} }

local function decode(dialect, body, batch)
  return embeddings.decode_request(dialect, json.parse(body), { model = "emb-1" }, batch or false)
end

local function to(dialect, from, body, batch)
  local common = assert(decode(from, body, batch))
  return embeddings.encode_request(dialect, common, TARGET)
end

-- The answer of a provider as the client gets it.
local function answer(from, request, batch, by, body)
  local common = assert(decode(from, request, batch))
  local context = { id = "req_1", target = TARGET, conversation = common }
  local found, failure = embeddings.decode_response(by, json.parse(body), context)
  if not found then
    return nil, failure
  end
  return embeddings.encode_response(from, found, common, context)
end

describe("an embedding from OpenAI to Gemini", function()
  it("is embedContent for one text", function()
    local body, operation = to("gemini", "openai_chat", [[{"model":"e","input":"Gr\u00fc\/e","dimensions":256}]])
    assert.same({ [[{"model":"models/emb-1","content":{"parts":[{"text":"Gr\u00fc\/e"}]},"outputDimensionality":256}]],
      "embed" }, { body, operation })
    assert.equal("embed", select(2, to("gemini", "openai_chat", '{"input":["a"]}')))
  end)

  it("is batchEmbedContents for several", function()
    local body, operation = to("gemini", "openai_chat", '{"input":["a","b"],"dimensions":8}')
    local one = '{"model":"models/emb-1","content":{"parts":[{"text":"%s"}]},"outputDimensionality":8}'
    assert.same({ '{"requests":[' .. one:format("a") .. "," .. one:format("b") .. "]}", "embed_batch" },
      { body, operation })
  end)

  it("drops the user, and tells so; null is absent", function()
    local common = assert(decode("openai_chat",
      '{"input":"a","user":"u","dimensions":null,"encoding_format":null,"x":1}'))
    assert.same({ "user;it takes no user id of this client", "x;unknown to cliproxy" }, common.ledger:warnings())
    assert.same({ nil, false }, { common.dimensions, common.base64 })
  end)

  it("is refused for ids of tokens", function()
    for _, input in ipairs({ "[1,2]", "[[1],[2]]", '["a",[1]]' }) do
      local common = assert(decode("openai_chat", '{"input":' .. input .. "}"))
      assert.equal("input", common.ledger.refused.path)
      assert.is_string((embeddings.encode_request("gemini", common, TARGET)))
    end
  end)

  for body, param in pairs({
    ["{}"] = "input", ['{"input":null}'] = "input", ['{"input":{}}'] = "input", ['{"input":[]}'] = "input",
    ['{"input":5}'] = "input", ['{"input":["a",null]}'] = "input[1]", ['{"input":"a","dimensions":"8"}'] = "dimensions",
    ['{"input":"a","encoding_format":"int8"}'] = "encoding_format",
    ['{"input":"a","encoding_format":{}}'] = "encoding_format",
  }) do
    it("is malformed: " .. body, function()
      local common, message, where = decode("openai_chat", body)
      assert.same({ nil, param }, { common, where })
      assert.truthy(message:find(param, 1, true))
    end)
  end

  it("answers as OpenAI does, its numbers untouched", function()
    assert.equal('{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1.0,-0.10, 1e-3]}],'
      .. '"model":"emb-1","usage":{"prompt_tokens":4,"total_tokens":4}}', answer("openai_chat", '{"input":"a"}', false,
      "gemini", '{"embedding":{"values":[1.0,-0.10, 1e-3]},"usageMetadata":{"promptTokenCount":4}}'))
  end)

  it("answers in base64 where that was asked for", function()
    local body = json.parse((answer("openai_chat", '{"input":["a","b"],"encoding_format":"base64"}', false, "gemini",
      '{"embeddings":[{"values":[1,-2]},{"values":[0.5]}]}')))
    assert.equal("0000803f000000c0", crypto.hex_encode(crypto.base64_decode(body.data[1].embedding)))
    assert.same({ "0000003f", 1 }, { crypto.hex_encode(crypto.base64_decode(body.data[2].embedding)),
      body.data[2].index })
  end)

  it("estimates the usage that Gemini does not tell", function()
    local request = '{"input":["one two three four", "five"]}'
    local body = json.parse((answer("openai_chat", request, false, "gemini",
      '{"embeddings":[{"values":[1]},{"values":[2]}]}')))
    assert.equal(5, body.usage.prompt_tokens)
    assert.equal(5, body.usage.total_tokens)
  end)

  for body, why in pairs({
    ['{}'] = "no embedding", ['[]'] = "no object", ['{"embedding":[1]}'] = "no embedding",
    ['{"embedding":{"values":{}}}'] = "no embedding", ['{"embeddings":[{"values":[1]},{}]}'] = "embeddings[1]",
    ['{"embeddings":[{"values":[1]},{"values":[1]}]}'] = "2 vectors for 1 texts",
    ['{"embeddings":[]}'] = "0 vectors for 1 texts",
  }) do
    it("fails for an answer that is none: " .. body, function()
      local out, failure = answer("openai_chat", '{"input":"a"}', false, "gemini", body)
      assert.same({ nil, "upstream_malformed" }, { out, failure.code })
      assert.truthy(failure.text:find(why, 1, true), failure.text)
    end)
  end

  it("fails for a vector that is no numbers", function()
    local _, failure = answer("openai_chat", '{"input":"a","encoding_format":"base64"}', false, "gemini",
      '{"embedding":{"values":["x"]}}')
    assert.truthy(failure.text:find("vector 0: it holds something that is no number", 1, true))
  end)
end)

describe("an embedding from Gemini to OpenAI", function()
  local ONE = '{"model":"models/emb-1","content":{"role":"user","parts":[{"text":"a\\n"},{"text":"b"}]}%s}'

  it("is a text, its parts joined", function()
    assert.same({ [[{"model":"emb-1","input":"a\nb","dimensions":64}]], "embed" },
      { to("openai_chat", "gemini", ONE:format(',"outputDimensionality":64')) })
    assert.equal([[{"model":"emb-1","input":"a\nb","dimensions":64}]],
      (to("openai_chat", "gemini", ONE:format(',"output_dimensionality":64'))))
  end)

  it("is a list for a batch, even of one", function()
    assert.equal([[{"model":"emb-1","input":["a\nb"]}]],
      (to("openai_chat", "gemini", '{"requests":[' .. ONE:format("") .. "]}", true)))
  end)

  it("tells of what OpenAI cannot take", function()
    local common = assert(decode("gemini",
      ONE:format(',"taskType":"RETRIEVAL_DOCUMENT","title":"t","autoTruncate":true')))
    assert.same({ "taskType;it makes the same embedding for every task",
      "title;it has no place for a title; put it into the text", "autoTruncate;unknown to cliproxy" },
      common.ledger:warnings())
  end)

  for body, path in pairs({
    ['{"content":{"parts":[{"text":"a"},{"inlineData":{"mimeType":"image/png","data":"AA=="}}]}}'] =
      "content.parts[1].inlineData",
    ['{"content":{"parts":[{"file_data":{"fileUri":"u"}}]}}'] = "content.parts[0].file_data",
  }) do
    it("is refused for " .. path, function()
      assert.equal(path, assert(decode("gemini", body)).ledger.refused.path)
    end)
  end

  it("is refused for vectors of several lengths", function()
    local common = assert(decode("gemini", '{"requests":[' .. ONE:format(',"outputDimensionality":8') .. ","
      .. ONE:format("") .. "]}", true))
    assert.equal("requests[1].outputDimensionality", common.ledger.refused.path)
  end)

  for body, param in pairs({
    ["{}"] = "content", ['{"content":"a"}'] = "content", ['{"content":{}}'] = "content.parts",
    ['{"content":{"parts":[]}}'] = "content.parts", ['{"content":{"parts":{}}}'] = "content.parts",
    ['{"content":{"parts":["a"]}}'] = "content.parts[0]",
    ['{"content":{"parts":[{"text":1}]}}'] = "content.parts[0].text",
    ['{"model":1,"content":{"parts":[{"text":"a"}]}}'] = "model",
    ['{"content":{"parts":[{"text":"a"}]},"outputDimensionality":"8"}'] = "outputDimensionality",
  }) do
    it("is malformed: " .. body, function()
      local common, _, where = decode("gemini", body)
      assert.same({ nil, param }, { common, where })
    end)
  end

  for body, param in pairs({
    ["{}"] = "requests", ['{"requests":[]}'] = "requests", ['{"requests":{}}'] = "requests",
    ['{"requests":[1]}'] = "requests[0]", ['{"requests":[{}]}'] = "requests[0].content",
    ['{"requests":[{"model":"models/other","content":{"parts":[{"text":"a"}]}}]}'] = "requests[0].model",
  }) do
    it("is a malformed batch: " .. body, function()
      local common, _, where = decode("gemini", body, true)
      assert.same({ nil, param }, { common, where })
    end)
  end

  it("answers as Gemini does, in the order of the texts", function()
    local batch = '{"requests":[' .. ONE:format("") .. "," .. ONE:format("") .. "]}"
    assert.equal('{"embeddings":[{"values":[1.50]},{"values":[2.0]}],"usageMetadata":{"promptTokenCount":9}}',
      answer("gemini", batch, true, "openai_chat", [[{"data":[{"index":1,"embedding":[2.0]},{"index":0,
        "embedding":[1.50]}],"usage":{"prompt_tokens":9,"total_tokens":9}}]]))
    assert.equal('{"embedding":{"values":[1,-2]}}', answer("gemini", ONE:format(""), false, "openai_chat",
      '{"data":[{"embedding":"' .. floats.pack("[1,-2]") .. '"}]}'))
  end)

  for body, why in pairs({
    ["{}"] = "no list data", ['{"data":[{}]}'] = "data[0] has no embedding", ['{"data":["x"]}'] = "data[0]",
    ['{"data":[{"index":7,"embedding":[1]}]}'] = "index is 7", ['{"data":[]}'] = "0 vectors",
    ['{"data":[{"embedding":"AAAAAAA="}]}'] = "four bytes",
  }) do
    it("fails for an answer that is none: " .. body, function()
      local out, failure = answer("gemini", ONE:format(""), false, "openai_chat", body)
      assert.same({ nil, "upstream_malformed" }, { out, failure.code })
      assert.truthy(failure.text:find(why, 1, true), failure.text)
    end)
  end
end)

describe("an embedding in its own dialect", function()
  local function repaired(body, wanted)
    local document = json.parse(body)
    local out = embeddings.repair(document, wanted)
    json.close(document)
    return out
  end

  it("becomes base64 where a server ignores that it was asked for", function()
    assert.equal('{"object":"list", "data":[{"embedding":"' .. floats.pack("[1,-2]") .. '","index":0}],"x":1.0}',
      repaired('{"object":"list", "data":[{"embedding":[1, -2.0],"index":0}],"x":1.0}', "base64"))
  end)

  it("becomes numbers where a server gives base64 unasked", function()
    local body = '{"data":[{"embedding":"' .. floats.pack("[1,-2.5]") .. '"}]}'
    assert.equal('{"data":[{"embedding":[1,-2.5]}]}', repaired(body, "float"))
    assert.equal('{"data":[{"embedding":[1,-2.5]}]}', repaired(body, nil))
  end)

  it("stays where it is as it should be, or is none", function()
    local base64 = '{"data":[{"embedding":"AACAPw=="}]}'
    for _, case in ipairs({ { base64, "base64" }, { '{"data":[{"embedding":[1]}]}', "float" },
      { '{"data":[{"embedding":["x"]}]}', "base64" }, { '{"data":[{"embedding":"!"}]}', "float" },
      { '{"data":[1,{}]}', "base64" }, { '{"data":{}}', "base64" }, { "[]", "base64" } }) do
      assert.is_nil(repaired(case[1], case[2]), case[1])
    end
  end)
end)

describe("recorded embeddings", function()
  local function read(name)
    return process.read(fixtures.folder .. "/" .. name)
  end

  it("go from Gemini's batch to OpenAI's client and back without a changed number", function()
    local bytes = read("gemini/batch-embed-contents/response.json")
    if not bytes then
      return pending("no recorded exchanges in " .. fixtures.folder)
    end
    local texts = '{"input":["First text","Second text"]}'
    local document = json.parse((answer("openai_chat", texts, false, "gemini", bytes)))
    local source = json.parse(bytes)
    assert.equal(json.raw(source.embeddings[2], "values"), json.raw(document.data[2], "embedding"))
    assert.equal(4, document.usage.prompt_tokens)
    local request = json.parse(read("gemini/batch-embed-contents/request.json"))
    local common = assert(embeddings.decode_request("gemini", request, { model = "gemini-embedding-2" }, true))
    assert.same({ '"First text"', '"Second text"', "768" }, { common.texts[1], common.texts[2], common.dimensions })
  end)

  it("of OpenAI in base64 become numbers that pack to the same bytes", function()
    local bytes = read("openai-embeddings/base64/response.json")
    if not bytes then
      return pending("no recorded exchanges in " .. fixtures.folder)
    end
    local base64 = json.parse(bytes).data[1].embedding
    local numbers = assert(floats.unpack(base64))
    assert.equal(1536, #json.parse(numbers))
    assert.equal(base64, floats.pack(numbers))
  end)
end)
