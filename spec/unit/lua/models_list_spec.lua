local async = require("spec.support.async")
local fakes = require("spec.support.fakes_core")
local json = require("cliproxy.json")
local models_list = require("cliproxy.models_list")

local function serve(path, headers, provider, wanted, more)
  more = more or {}
  local instance = fakes.instance("groq", provider or {}, more.instance)
  local exchange = fakes.exchange({ method = "GET", path = path, headers = headers })
  local work = { exchange = exchange, query = more.query,
    snapshot = fakes.snapshot(instance, fakes.config(more.config), more.model),
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

local ANTHROPIC = { ["anthropic-version"] = "2023-06-01" }

describe("what is listed of a model", function()
  it("is what is known of the one that its route goes to", function()
    local more = { model = "claude-opus-4-5-20251101" }
    local shown = serve("/v1/models/listed", ANTHROPIC, nil, "listed", more)
    assert.same({ "listed", 200000, 64000, "active", json.null }, { shown.id, shown.max_input_tokens,
      shown.max_tokens, shown.lifecycle, shown.capabilities })
    shown = serve("/v1beta/models/listed", {}, nil, "listed", more)
    assert.same({ "models/listed", 200000, 64000, true }, { shown.name, shown.inputTokenLimit, shown.outputTokenLimit,
      shown.thinking })
    assert.equal(200000, serve("/v1beta/models", {}, nil, nil, more).models[1].inputTokenLimit)
  end)

  it("is changed by the provider and by config.lua", function()
    local more = { model = "gpt-4o", instance = { caps = { output = 1234 } },
      config = { models = { ["gpt-4o"] = { context = 5678, reasoning = "effort" } } } }
    local shown = serve("/v1beta/models/listed", {}, nil, "listed", more)
    assert.same({ 5678, 1234, true }, { shown.inputTokenLimit, shown.outputTokenLimit, shown.thinking })
  end)

  it("is null or absent where nothing is known", function()
    local more = { model = "some-model" }
    local shown = serve("/v1/models", ANTHROPIC, nil, nil, more).data[1]
    assert.same({ json.null, json.null }, { shown.max_input_tokens, shown.max_tokens })
    shown = serve("/v1beta/models", {}, nil, nil, more).models[1]
    assert.same({}, { shown.inputTokenLimit, shown.outputTokenLimit, shown.thinking })
  end)

  it("is plain for OpenAI's clients", function()
    local keys = {}
    for key in json.each(serve("/v1/models/listed", {}, nil, "listed", { model = "gpt-4o" })) do
      keys[#keys + 1] = key
    end
    assert.same({ "id", "object", "created", "owned_by" }, keys)
  end)
end)

describe("pages of the list", function()
  local provider = { discover = function()
    return { "a", "b", "c", "d" }
  end }

  -- Ids of a page, then what it says of others. All: a b c d listed.
  local function page(path, headers, query)
    local body = serve(path, headers, provider, nil, { query = query })
    if body.status then
      return body
    end
    local ids = {}
    for i, model in json.ipairs(body.data or body.models) do
      ids[i] = (model.id or model.name:gsub("^models/", ""))
    end
    return table.concat(ids, " "), body
  end

  for query, expected in pairs({
    [""] = { "a b c d listed", false }, ["limit=2"] = { "a b", true }, ["limit=5"] = { "a b c d listed", false },
    ["limit=2&after_id=b"] = { "c d", true }, ["limit=2&after_id=d"] = { "listed", false },
    ["after_id=c"] = { "d listed", false }, ["after_id=listed"] = { "", false },
    ["limit=2&before_id=d"] = { "b c", true }, ["limit=3&before_id=d"] = { "a b c", false },
    ["before_id=b"] = { "a", false }, ["before_id=a&limit=1"] = { "", false }, ["beta=true&limit=1"] = { "a", true },
  }) do
    it("are Anthropic's for ?" .. query, function()
      local ids, body = page("/v1/models", ANTHROPIC, query)
      assert.same(expected, { ids, body.has_more })
      local first, last = ids:match("^%S+"), ids:match("%S+$")
      assert.same({ first or json.null, last or json.null }, { body.first_id, body.last_id })
    end)
  end

  it("are Gemini's, one after another", function()
    local ids, token = {}, nil
    repeat
      local some, body = page("/v1beta/models", {}, "pageSize=2" .. (token and "&pageToken=" .. token or ""))
      ids[#ids + 1], token = some, body.nextPageToken
    until not token
    assert.same({ "a b", "c d", "listed" }, ids)
    for _, query in ipairs({ "", "pageSize=0", "pageSize=5000" }) do
      local all, body = page("/v1beta/models", {}, query)
      assert.same({ "a b c d listed" }, { all, body.nextPageToken })
    end
  end)

  for query, param in pairs({
    ["limit=0"] = "limit", ["limit=1001"] = "limit", ["limit=two"] = "limit", ["limit=-1"] = "limit",
    ["limit="] = "limit", ["limit=1.5"] = "limit", ["after_id=x"] = "after_id", ["before_id="] = "before_id",
    ["after_id=a&before_id=d"] = "before_id",
  }) do
    it("are refused to Anthropic's clients for ?" .. query, function()
      local failure = page("/v1/models", ANTHROPIC, query)
      assert.same({ 400, "request_malformed", param }, { failure.status, failure.code, failure.param })
      assert.truthy(failure.text:find(param, 1, true))
    end)
  end

  for query, param in pairs({
    ["pageSize=-1"] = "pageSize", ["pageSize=x"] = "pageSize",
    ["pageToken=!"] = "pageToken", ["pageToken=eA"] = "pageToken", ["pageToken="] = "pageToken",
  }) do
    it("are refused to Gemini's clients for ?" .. query, function()
      local failure = page("/v1beta/models", {}, query)
      assert.same({ 400, "request_malformed", param }, { failure.status, failure.code, failure.param })
    end)
  end

  it("are not OpenAI's", function()
    assert.equal("a b c d listed", (page("/v1/models", {}, "limit=1&after=x")))
  end)
end)
