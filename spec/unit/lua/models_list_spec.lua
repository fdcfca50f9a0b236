local async = require("spec.support.async")
local fakes = require("spec.support.fakes_core")
local json = require("cliproxy.json")
local models_list = require("cliproxy.models_list")

local function serve(path, headers, provider, wanted)
  local instance = fakes.instance("groq", provider or {})
  local exchange = fakes.exchange({ method = "GET", path = path, headers = headers })
  local work = { exchange = exchange, snapshot = fakes.snapshot(instance),
    endpoint = { model = wanted, dialect = path:find("v1beta") and "gemini" or nil } }
  local failure = async(function()
    return models_list.serve(work, {})
  end)
  return failure or exchange:answer(), work, instance
end

describe("the list of models", function()
  it("has OpenAI's shape", function()
    local body = serve("/v1/models", {})
    assert.same({ "list", "listed", "model", "groq" }, { body.object, body.data[1].id, body.data[1].object,
      body.data[1].owned_by })
  end)

  it("has Anthropic's shape for its clients", function()
    for _, headers in ipairs({ { ["anthropic-version"] = "2023-06-01" }, { ["x-api-key"] = "k" } }) do
      local body = serve("/v1/models", headers)
      assert.same({ "model", "listed", false, "listed" }, { body.data[1].type, body.data[1].id, body.has_more,
        body.last_id })
    end
  end)

  it("has Gemini's shape on its path", function()
    assert.equal("models/listed", serve("/v1beta/models", {}).models[1].name)
  end)

  it("shows one model, or says that there is none", function()
    assert.equal("listed", serve("/v1/models/listed", {}, nil, "listed").id)
    local failure = serve("/v1/models/nowhere", {}, nil, "nowhere")
    assert.same({ 404, "no_route" }, { failure.status, failure.code })
  end)

  it("asks discover once for its time, and keeps what it knew when that fails", function()
    local asked, works = 0, true
    local provider = { discover = function(call)
      asked = asked + 1
      assert(call.url == "https://up.example/v1/models" and call.headers.authorization == "Bearer sk-secret")
      if not works then
        return nil, "down"
      end
      return { "b", "a" }
    end }
    local body, work, instance = serve("/v1/models", {}, provider)
    local ids = {}
    for i, model in json.ipairs(body.data) do
      ids[i] = model.id
    end
    assert.same({ "a", "b", "listed" }, ids)
    async(function()
      models_list.all(work.snapshot)
    end)
    assert.equal(1, asked)
    instance.models_ttl, works = 0, false
    local all = async(function()
      return models_list.all(work.snapshot)
    end)
    assert.same({ 2, 3 }, { asked, #all })
  end)

  for _, nonsense in ipairs({ 3, { 1 }, { "" }, "text" }) do
    it("survives a discover that returns " .. type(nonsense), function()
      local body = serve("/v1/models", {}, { discover = function()
        return nonsense
      end })
      assert.equal(1, #body.data)
    end)
  end
end)
