local fields = require("cliproxy.caps_fields")
local glob = require("cliproxy.glob")
local models = require("cliproxy.models")
local options = require("cliproxy.options")
local rows = require("cliproxy.model_rows")
local system = require("cliproxy.system")

local DIALECTS = { "openai_chat", "openai_responses", "anthropic", "gemini" }

local function pattern_of(id)
  local _, source = models.row(id)
  return source:match("^(.-): ")
end

describe("the table of models", function()
  it("holds valid fields alone, and a source in every row", function()
    local problems = {}
    local scope = {
      fail = function(_, path, message) problems[#problems + 1] = path .. ": " .. message end,
      is_missing = function() return false end,
    }
    local seen = {}
    for _, row in ipairs(rows.rows) do
      assert.is_string(row.source, row[1])
      assert.is_nil(seen[row[1]], row[1] .. " stands twice")
      seen[row[1]] = true
      options.fields(fields, (models.row((row[1]:gsub("%*", "")))), row[1], scope)
    end
    for _, dialect in ipairs(DIALECTS) do
      options.fields(fields, models.DIALECTS[dialect], dialect, scope)
    end
    assert.same({}, problems)
    assert.is_true(seen["*"])
  end)

  it("names a row by a pattern that its own ids reach", function()
    for _, row in ipairs(rows.rows) do
      local id = row[1]:gsub("%*", "")
      assert.is_true(glob.match(pattern_of(id), models.normalize(id)), id)
      if id ~= "" then
        assert.equal(row[1], pattern_of(id))
      end
    end
  end)

  it("has budgets and windows that fit", function()
    for _, row in ipairs(rows.rows) do
      local caps = models.row((row[1]:gsub("%*", "")))
      assert.is_true(not caps.output or not caps.context or caps.output <= caps.context, row[1])
      assert.is_true(not caps.budget_max or caps.budget_min < caps.budget_max, row[1])
      assert.is_true(caps.reasoning ~= "effort" or #caps.efforts > 0, row[1])
    end
  end)

  it("is documented field by field", function()
    local page = assert(system.read(system.root .. "/docs/conversation.md"))
    local section = assert((page .. "\n## "):match("## Capabilities\n(.-)\n## "))
    local told = {}
    for cell in section:gmatch("\n| (`[^|]+) |") do
      for name in cell:gmatch("`([%w_]+)`") do
        told[name] = true
        assert.is_truthy(fields[name], name .. " is no field")
      end
    end
    for name in pairs(fields) do
      assert.is_truthy(told[name] or section:find("`" .. name .. " = ", 1, true), name .. " is not documented")
    end
    local types = assert(system.read(system.root .. "/lua/cliproxy/_meta/provider.lua"))
    types = assert(types:match("%-%-%-@class cliproxy.Caps\n(.-)\n\n"))
    for name in pairs(fields) do
      assert.is_truthy(types:find("@field " .. name .. "? ", 1, true), name .. " has no type")
    end
  end)
end)

describe("a row", function()
  it("is the one of the most specific pattern", function()
    for id, pattern in pairs {
      ["gpt-4o"] = "gpt-4o*", ["gpt-4o-mini-2024-07-18"] = "gpt-4o-mini*", ["gpt-4"] = "gpt-4*",
      ["gpt-5-2025-08-07"] = "gpt-5*", ["gpt-5.1-codex-max"] = "gpt-5.1-codex-max*", ["gpt-5-chat-latest"] =
        "gpt-5*-chat*", ["o3-mini"] = "o3-mini*", ["claude-opus-4-20250514"] = "claude-opus-4*",
      ["claude-opus-4-1-20250805"] = "claude-opus-4-1*", ["claude-opus-5"] = "claude-opus-5*",
      ["claude-opus-5-5"] = "claude-opus-5-5*", ["gemini-2.5-flash-lite"] = "gemini-2.5-flash-lite*",
      ["demo-slow"] = "demo*",
    } do
      assert.equal(pattern, pattern_of(id))
    end
  end)

  it("is the family's where the model is not known", function()
    for id, pattern in pairs {
      ["gpt-99"] = "gpt-*", ["o1-next"] = "o1*", ["claude-novel-9"] = "claude-*", ["gemini-9-pro"] = "gemini-*",
      ["grok-9"] = "grok-*", ["llama-9-1b"] = "llama*", ["qwen9-max"] = "qwen*", ["deepseek-r9"] = "deepseek*",
      ["mistral-huge"] = "mistral-*", ["kimi-k9"] = "kimi-*", ["glm-9"] = "glm-*", ["who-knows"] = "*", [""] = "*",
    } do
      assert.equal(pattern, pattern_of(id), id)
    end
  end)

  it("is found through prefixes, suffixes and spellings", function()
    for id, pattern in pairs {
      ["openai/gpt-4o"] = "gpt-4o*", ["openrouter/anthropic/claude-opus-4.6"] = "claude-opus-4-6*",
      ["models/gemini-2.5-pro"] = "gemini-2.5-pro*", ["us.anthropic.claude-opus-4-6-v1:0"] = "claude-opus-4-6*",
      ["anthropic.claude-haiku-4-5"] = "claude-haiku-4-5*", ["claude-sonnet-4-5@20250929"] = "claude-sonnet-4-5*",
      ["claude-opus-4-8[1m]"] = "claude-opus-4-8*", ["meta-llama/Llama-3.3-70B-Instruct"] = "llama-3.3*",
      ["deepseek/deepseek-v4-pro:free"] = "deepseek-v4-pro*", ["qwen3:8b"] = "qwen*",
    } do
      assert.equal(pattern, pattern_of(id), id)
    end
  end)

  it("knows what newer models no longer take", function()
    local gpt = models.row("gpt-5")
    assert.same({ false, false, "effort", false }, { gpt.temperature, gpt.stop, gpt.reasoning, gpt.reasoning_off })
    assert.is_true(models.row("gpt-5.1").reasoning_off)
    assert.same({ "low", "medium", "high", "xhigh", "max" }, models.row("gpt-6-sol").efforts)
    local old, new = models.row("claude-sonnet-4-5"), models.row("claude-opus-4-7")
    assert.same({ "budget", 1024, true, nil, false },
      { old.reasoning, old.budget_min, old.prefill, old.temperature, old.sampling_together })
    assert.same({ "adaptive", nil, false, false }, { new.reasoning, new.budget_min, new.prefill, new.temperature })
    assert.is_nil(new.system_in_messages)
    assert.is_true(models.row("claude-opus-4-8").system_in_messages)
    assert.same({ false, false }, { models.row("claude-opus-5-5").reasoning_off,
      models.row("claude-opus-5-5").tool_choice_required })
    local pro, flash = models.row("gemini-2.5-pro"), models.row("gemini-2.5-flash")
    assert.same({ 128, 32768, false }, { pro.budget_min, pro.budget_max, pro.reasoning_off })
    assert.same({ 24576, true }, { flash.budget_max, flash.reasoning_off })
    assert.same({ "low", "high" }, models.row("gemini-3-pro-preview").efforts)
    assert.same({ "low", "medium", "high" }, models.row("gemini-3.8-flash").efforts)
  end)
end)

describe("caps", function()
  it("are those of the dialect where nothing else is said", function()
    local chat = models.caps("who-knows", "openai_chat")
    assert.same({ false, "max_tokens", true, false, "none", true, false }, { chat.developer_role, chat.max_tokens_field,
      chat.stream_usage, chat.strict, chat.reasoning, chat.images, chat.pdf })
    local responses = models.caps("who-knows", "openai_responses")
    assert.same({ false, true, nil }, { responses.stop, responses.strict, responses.max_tokens_field })
    assert.same({ false, false, true, true }, { chat.custom_tools, chat.allowed_tools, responses.custom_tools,
      responses.allowed_tools })
    assert.is_true(models.caps("who-knows", "anthropic").top_k)
    assert.is_false(models.caps("who-knows", "anthropic").json_object)
    assert.is_true(models.caps("who-knows", "gemini").prefill)
  end)

  it("never leave a switch of their dialect open", function()
    for _, dialect in ipairs(DIALECTS) do
      for _, id in ipairs { "who-knows", "gpt-5", "claude-opus-5-5", "gemini-4-argon", "o3", "demo" } do
        local caps = models.caps(id, dialect)
        for name in pairs(models.DIALECTS[dialect]) do
          assert.not_nil(caps[name], dialect .. " " .. id .. " " .. name)
        end
        for _, name in ipairs { "images", "pdf", "audio" } do
          assert.is_boolean(caps[name], dialect .. " " .. id .. " " .. name)
        end
      end
    end
  end)

  it("keep to what the dialect can, whatever the model", function()
    assert.is_true(models.caps("claude-sonnet-4-5", "anthropic").prefill)
    assert.is_false(models.caps("claude-sonnet-4-5", "openai_chat").prefill)
    assert.is_false(models.caps("gpt-4o", "openai_responses").stop)
    assert.is_false(models.caps("gpt-4o", "anthropic").json_object)
  end)

  it("ask for reasoning in the dialect's way", function()
    local function reasoning(id, dialect)
      local caps = models.caps(id, dialect)
      return { caps.reasoning, caps.efforts and caps.efforts[1] or caps.budget_min }
    end
    assert.same({ "adaptive", "low" }, reasoning("claude-opus-4-6", "anthropic"))
    assert.same({ "effort", "low" }, reasoning("claude-opus-4-6", "openai_chat"))
    assert.same({ "effort", "low" }, reasoning("claude-haiku-4-5", "openai_chat"))
    assert.same({ "budget", 1024 }, reasoning("claude-haiku-4-5", "anthropic"))
    assert.same({ "level", "minimal" }, reasoning("gemini-3-flash", "gemini"))
    assert.same({ "effort", "minimal" }, reasoning("gemini-3-flash", "openai_responses"))
    assert.same("budget", models.caps("gpt-oss-120b", "anthropic").reasoning)
    assert.same({ "none" }, reasoning("gpt-4o", "openai_chat"))
  end)

  it("are changed by the provider, then by the configuration, and tell by whom", function()
    local provider = { images = false, developer_role = true, context = 5 }
    local overrides = { ["gpt-*"] = { context = 10, output = 10 }, ["gpt-4o*"] = { context = 20 },
      other = { context = 1 } }
    local caps, sources = models.caps("openai/gpt-4o", "openai_chat", provider, overrides)
    assert.same({ false, true, 20, 10 }, { caps.images, caps.developer_role, caps.context, caps.output })
    assert.equal("the provider", sources.images)
    assert.equal('models["gpt-4o*"] of the configuration', sources.context)
    assert.equal('models["gpt-*"] of the configuration', sources.output)
    assert.equal("the dialect", sources.max_tokens_field)
    assert.matches("^gpt%-4o%*: OpenAI", sources.pdf)
    assert.equal(128000, models.caps("gpt-4o", "openai_chat").context)
  end)

  it("take a configuration's pattern for the whole name or the vendor's, in any case", function()
    local function context(pattern)
      return models.caps("meta-llama/Llama-3.3-70B", "openai_chat", nil, { [pattern] = { context = 7 } }).context
    end
    for _, pattern in ipairs { "Meta-Llama/*", "meta-llama/Llama-3.3-70B", "llama-3.3-*" } do
      assert.equal(7, context(pattern), pattern)
    end
    assert.equal(131072, context("llama-3"))
  end)

  it("are found once for each id, dialect, provider and configuration", function()
    local provider, overrides = { images = false }, { a = { images = true } }
    local first = models.caps("a", "openai_chat", provider, overrides)
    assert.equal(first, models.caps("a", "openai_chat", provider, overrides))
    assert.is_true(first.images)
    assert.is_false(models.caps("a", "openai_chat", provider).images)
    assert.is_true(models.caps("count", "openai_chat").images)
    assert.is_true(models.caps("count", "openai_chat").images)
    for i = 1, 1200 do
      assert.is_true(models.caps("m" .. i, "openai_chat", provider, overrides).temperature)
    end
    assert.is_true(models.caps("a", "openai_chat", provider, overrides).images)
  end)

  it("let go of configurations and providers that are gone", function()
    local seen = setmetatable({}, { __mode = "v" })
    do
      local provider, overrides = { images = false }, { a = { images = true } }
      seen.provider, seen.overrides = provider, overrides
      models.caps("a", "openai_chat", provider, overrides)
    end
    collectgarbage()
    collectgarbage()
    assert.same({}, seen)
  end)
end)
