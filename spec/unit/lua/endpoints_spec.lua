local endpoints = require("cliproxy.endpoints")

describe("endpoints", function()
  it("names operation and dialect of each path", function()
    local expected = {
      ["/v1/chat/completions"] = "generate openai_chat",
      ["/v1/responses"] = "generate openai_responses",
      ["/v1/responses/input_tokens"] = "count openai_responses",
      ["/v1/messages"] = "generate anthropic",
      ["/v1/messages/count_tokens"] = "count anthropic",
      ["/v1/completions"] = "complete openai_chat",
      ["/v1/embeddings"] = "embed openai_chat",
      ["/v1beta/models/gemini-2.5-pro:generateContent"] = "generate gemini",
      ["/v1beta/models/gemini-2.5-pro:streamGenerateContent"] = "generate gemini",
      ["/v1beta/models/gemini-2.5-pro:countTokens"] = "count gemini",
      ["/v1beta/models/e:embedContent"] = "embed gemini",
      ["/v1beta/models/e:batchEmbedContents"] = "embed gemini",
    }
    for path, words in pairs(expected) do
      local entry = assert(endpoints.find(path), path)
      assert.equal(words, entry.operation .. " " .. entry.dialect, path)
      assert.is_true(entry.proxied, path)
      assert.equal("POST", entry.allow)
    end
  end)

  it("reads the model of a Gemini path, slashes and escapes included", function()
    local entry = endpoints.find("/v1beta/models/groq/llama%203:streamGenerateContent")
    assert.equal("groq/llama 3", entry.model)
    assert.is_true(entry.stream)
    assert.is_false(endpoints.find("/v1beta/models/a:generateContent").stream)
  end)

  it("reads the id of a single model, with slashes", function()
    assert.equal("groq/llama", endpoints.find("/v1/models/groq/llama").model)
    assert.equal("llama3:8b", endpoints.find("/v1/models/llama3:8b").model)
    assert.equal("gemini-2.5-pro", endpoints.find("/v1beta/models/gemini-2.5-pro").model)
    assert.same({ "GET", "HEAD", GET = true, HEAD = true }, endpoints.find("/v1/models/x").methods)
  end)

  it("finds nothing for other paths", function()
    for _, path in ipairs { "/v1", "/chat/completions", "/v1/chat", "/v1/messages/", "/v1beta/models/x:foo", "//",
      "/v1/models/",
      "/v1/models/x:generateContent" } do
      assert.is_nil(endpoints.find(path), path)
    end
  end)

  it("stays bounded under invented paths", function()
    for i = 1, 5000 do
      assert.equal("m" .. i, endpoints.find("/v1/models/m" .. i).model)
    end
  end)

  local base = "http://127.0.0.1:8317"
  local near = {
    ["/chat/completions"] = "set your client's base URL to http://127.0.0.1:8317/v1",
    ["/v1/v1/chat/completions"] = "set your client's base URL to http://127.0.0.1:8317/v1",
    ["/openai/v1/chat/completions"] = "set your client's base URL to http://127.0.0.1:8317/v1",
    ["/messages"] = "set your client's base URL to http://127.0.0.1:8317",
    ["/v1/v1/messages"] = "set your client's base URL to http://127.0.0.1:8317",
    ["/messages/count_tokens"] = "set your client's base URL to http://127.0.0.1:8317",
    ["/responses"] = "set your client's base URL to http://127.0.0.1:8317/v1",
    ["/models"] = "set your client's base URL to http://127.0.0.1:8317/v1",
    ["/v1beta/v1beta/models/g:generateContent"] = "set your client's base URL to http://127.0.0.1:8317",
    ["/models/g:generateContent"] = "set your client's base URL to http://127.0.0.1:8317",
    ["/v1/models/g:generateContent"] = "set your client's API version to v1beta",
  }
  for path, cure in pairs(near) do
    it("says what to do about " .. path, function()
      assert.equal(cure, endpoints.near_miss(path, base))
    end)
  end

  it("says what to do about slashes, old engines, unknown verbs and bare base URLs", function()
    assert.matches("the path is /v1/messages: remove the slash at its end", endpoints.near_miss("/v1/messages/", base),
      1, true)
    assert.matches("the path is /v1/messages: remove the doubled slash", endpoints.near_miss("//v1/messages", base), 1,
      true)
    assert.matches("engines are gone", endpoints.near_miss("/v1/engines/davinci/completions", base))
    assert.matches("there is no tuneModel here", endpoints.near_miss("/v1beta/models/x:tuneModel", base))
    assert.matches("this is the base URL", endpoints.near_miss("/v1", base))
    assert.is_nil(endpoints.near_miss("/favicon.ico", base))
  end)

  it("picks the envelope of unknown paths by what they look like", function()
    assert.equal("anthropic", endpoints.dialect_of("/v1/v1/messages"))
    assert.equal("gemini", endpoints.dialect_of("/v1beta/whatever"))
    assert.equal("gemini", endpoints.dialect_of("/models/g:generateContent"))
    assert.equal("openai_responses", endpoints.dialect_of("/responses"))
    assert.equal("openai_chat", endpoints.dialect_of("/nothing"))
  end)
end)
