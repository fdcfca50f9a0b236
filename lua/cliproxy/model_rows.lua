--- What is known of models, by pattern; the most specific pattern counts (`cliproxy.models`). A row says only where a
--- model departs from its `base` and from what its dialect has anyway. What no vendor's page says is left out. Prices
--- are US dollars per million tokens for short prompts, without discounts; those of caches are for the shortest
--- retention. `source` is the page that says so, and when it was read.
local M = {}

local TO_HIGH = { "low", "medium", "high" }
local TO_XHIGH = { "low", "medium", "high", "xhigh" }
local TO_MAX = { "low", "medium", "high", "xhigh", "max" }
local FROM_MINIMAL = { "minimal", "low", "medium", "high" }

local function price(input, output, cached, cache_written)
  return { input = input, output = output, cached = cached, cache_written = cache_written }
end

--- What rows build on. A base may have a base itself.
---@type table<string, table>
M.bases = {
  -- Vision guide, PDF support, "Extended thinking" (Anthropic, November 2026).
  claude = { images = true, pdf = true, audio = false },
  -- "Extended thinking": budget_tokens is at least 1,024 and below max_tokens.
  claude_budget = { base = "claude", reasoning = "budget", reasoning_off = true, budget_min = 1024, prefill = true },
  -- "Structured outputs": from Claude Sonnet 4.5 and Opus 4.1 on. "Migrating to Claude 4.5": temperature or top_p.
  claude_4_5 = { base = "claude_budget", json_schema = true, strict = true, sampling_together = false },
  -- "What's new in Claude 4.6": adaptive thinking, no prefill.
  claude_adaptive = {
    base = "claude", reasoning = "adaptive", reasoning_off = true, efforts = { "low", "medium", "high", "max" },
    json_schema = true, strict = true, sampling_together = false, prefill = false, context = 1e6, output = 128000,
  },
  -- "Migration guide", Opus 4.7: no sampling parameters, budgets are refused, effort xhigh.
  claude_4_7 = {
    base = "claude_adaptive", efforts = TO_MAX, temperature = false, top_p = false, top_k = false,
  },
  -- "Mid-conversation system messages": Opus 4.8 and later.
  claude_4_8 = { base = "claude_4_7", system_in_messages = true },
  -- "What's new in Claude Opus 5.5": thinking is always on and tools cannot be forced; also on Fable 5.1.
  claude_5_5 = { base = "claude_4_8", reasoning_off = false, tool_choice_required = false },

  -- "Reasoning models" (OpenAI, November 2026): with reasoning there is neither temperature nor top_p. "Create chat
  -- completion": stop is not supported with o3, o4-mini and later reasoning models.
  openai = { images = true, audio = false, json_schema = true, json_object = true },
  openai_text = { base = "openai", images = false },
  openai_reasoning = {
    base = "openai", reasoning = "effort", reasoning_off = false, efforts = TO_HIGH, temperature = false, top_p = false,
    stop = false,
  },
  gpt_5 = { base = "openai_reasoning", pdf = true, efforts = FROM_MINIMAL, context = 400000, output = 128000 },
  -- "reasoning_effort": gpt-5.1 has none instead of minimal; xhigh since gpt-5.1-codex-max, max since gpt-5.6.
  gpt_5_1 = { base = "gpt_5", reasoning_off = true, efforts = TO_HIGH },
  gpt_5_2 = { base = "gpt_5_1", efforts = TO_XHIGH },
  gpt_5_4 = { base = "gpt_5_2", context = 1050000 },
  gpt_6 = { base = "gpt_5_4", efforts = TO_MAX },
  o_series = { base = "openai_reasoning", pdf = true, context = 200000, output = 100000 },
  gpt_4o = { base = "openai", reasoning = "none", pdf = true, context = 128000, output = 16384 },
  gpt_4_1 = { base = "gpt_4o", context = 1047576, output = 32768 },

  -- "Gemini thinking", "Document understanding", "Audio understanding" (Google, November 2026).
  gemini = {
    images = true, pdf = true, audio = true, json_schema = true, json_object = true, context = 1048576, output = 65536,
  },
  gemini_2 = { base = "gemini", tool_schema = "openapi", tools_with_schema = false, reasoning = "none", output = 8192 },
  gemini_2_5 = { base = "gemini", tools_with_schema = false, reasoning = "budget", reasoning_off = true },
  -- "Gemini 3 Developer Guide": thinking levels instead of budgets; tools together with structured output; images in
  -- the responses of functions.
  gemini_3 = {
    base = "gemini", reasoning = "level", reasoning_off = false, efforts = FROM_MINIMAL, tools_with_schema = true,
    function_response_parts = true,
  },
  gemini_3_7 = { base = "gemini_3", efforts = TO_HIGH },
  -- "Get started with Gemini 4": temperature, topP and topK are ignored.
  gemini_4 = { base = "gemini_3_7", temperature = false, top_p = false, top_k = false },

  -- Open weights and other vendors: what servers make of them differs, so that little is said here.
  text = { images = false, pdf = false, audio = false },
  -- "Thinking mode": enabled or disabled, effort high or max; "JSON output": objects alone (DeepSeek, August 2026).
  deepseek_v4 = {
    base = "text", reasoning = "effort", reasoning_off = true, efforts = { "high", "max" }, context = 1e6,
    output = 384000, json_schema = false, json_object = true,
  },
  vision = { images = true, pdf = false, audio = false },
}

local ANTHROPIC_MODELS = "Anthropic: Models overview, November 2026"
local ANTHROPIC_LEGACY = "Anthropic: Models overview, Pricing, October 2026"
local OPENAI_MODELS = "OpenAI: Models, Reasoning models, November 2026"
local OPENAI_LEGACY = "OpenAI: Models, Pricing, July 2026"
local GOOGLE_MODELS = "Google: Gemini models, Gemini thinking, November 2026"
local DEEPSEEK_MODELS = "DeepSeek: Models and pricing, August 2026"
local GOOGLE_LEGACY = "Google: Gemini models, Gemini API pricing, July 2026"

--- A pattern, with "*" for any run of characters, and what it says. Ids are in lower case, without the provider's
--- prefix; in those of Claude, "." is "-" (`models.normalize`).
---@type { [1]: string, base?: string, source: string, [string]: any }[]
M.rows = {
  -- Anthropic ----------------------------------------------------------------------------------------------------
  { "claude-*", base = "claude_5_5", source = "family: as Claude Opus 5.5" },
  { "claude-3*", base = "claude_budget", source = ANTHROPIC_LEGACY, reasoning = "none", context = 200000,
    output = 8192 },
  { "claude-3-opus*", base = "claude_budget", source = ANTHROPIC_LEGACY, reasoning = "none", context = 200000,
    output = 4096, price = price(15, 75, 1.5, 18.75) },
  { "claude-3-haiku*", base = "claude_budget", source = ANTHROPIC_LEGACY, reasoning = "none", context = 200000,
    output = 4096, price = price(0.25, 1.25) },
  { "claude-3-5-haiku*", base = "claude_budget", source = ANTHROPIC_LEGACY, reasoning = "none", context = 200000,
    output = 8192, price = price(0.8, 4, 0.08, 1) },
  { "claude-3-7-sonnet*", base = "claude_budget", source = ANTHROPIC_LEGACY, context = 200000, output = 64000,
    price = price(3, 15, 0.3, 3.75) },
  { "claude-sonnet-4*", base = "claude_budget", source = ANTHROPIC_LEGACY, context = 200000, output = 64000,
    price = price(3, 15, 0.3, 3.75) },
  { "claude-opus-4*", base = "claude_budget", source = ANTHROPIC_LEGACY, context = 200000, output = 32000,
    price = price(15, 75, 1.5, 18.75) },
  { "claude-opus-4-1*", base = "claude_4_5", source = ANTHROPIC_LEGACY, context = 200000, output = 32000,
    price = price(15, 75, 1.5, 18.75) },
  { "claude-haiku-4-5*", base = "claude_4_5", source = ANTHROPIC_MODELS, context = 200000, output = 64000,
    price = price(1, 5, 0.1, 1.25) },
  { "claude-sonnet-4-5*", base = "claude_4_5", source = ANTHROPIC_LEGACY, context = 200000, output = 64000,
    price = price(3, 15, 0.3, 3.75) },
  { "claude-opus-4-5*", base = "claude_4_5", source = ANTHROPIC_LEGACY, context = 200000, output = 64000,
    price = price(5, 25, 0.5, 6.25) },
  { "claude-sonnet-4-6*", base = "claude_adaptive", source = ANTHROPIC_LEGACY, price = price(3, 15, 0.3, 3.75) },
  { "claude-opus-4-6*", base = "claude_adaptive", source = ANTHROPIC_LEGACY, price = price(5, 25, 0.5, 6.25) },
  { "claude-opus-4-7*", base = "claude_4_7", source = ANTHROPIC_LEGACY, price = price(5, 25, 0.5, 6.25) },
  { "claude-opus-4-8*", base = "claude_4_8", source = ANTHROPIC_LEGACY, price = price(5, 25, 0.5, 6.25) },
  -- Thinking can be switched off up to effort high.
  { "claude-opus-5*", base = "claude_4_8", source = ANTHROPIC_LEGACY, price = price(5, 25, 0.5, 6.25) },
  { "claude-opus-5-5*", base = "claude_5_5", source = ANTHROPIC_MODELS, price = price(4, 20, 0.2, 5) },
  { "claude-sonnet-5*", base = "claude_4_8", source = ANTHROPIC_LEGACY, price = price(2, 10, 0.2, 2.5) },
  -- "What's new in Claude Sonnet 5.5": thinking of type disabled is refused; the least is between_tools.
  { "claude-sonnet-5-5*", base = "claude_5_5", source = ANTHROPIC_MODELS, price = price(2, 10, 0.1, 2.5) },
  -- Prompts above 100,000 tokens cost five times as much.
  { "claude-haiku-5-5*", base = "claude_4_8", source = ANTHROPIC_MODELS, price = price(0.1, 0.5, 0.01, 0.125) },
  { "claude-fable-5*", base = "claude_4_8", source = ANTHROPIC_LEGACY, reasoning_off = false,
    price = price(10, 50, 1, 12.5) },
  { "claude-fable-5-1*", base = "claude_5_5", source = ANTHROPIC_LEGACY, price = price(10, 50, 0.25, 12.5) },
  { "claude-fable-5-2*", base = "claude_5_5", source = ANTHROPIC_MODELS, price = price(8, 40) },
  { "claude-mythos-5*", base = "claude_4_8", source = ANTHROPIC_LEGACY, reasoning_off = false,
    price = price(10, 50, 1, 12.5) },
  { "claude-mythos-5-1*", base = "claude_5_5", source = ANTHROPIC_LEGACY, price = price(10, 50, 0.25, 12.5) },

  -- OpenAI -------------------------------------------------------------------------------------------------------
  { "gpt-*", base = "gpt_6", source = "family: as GPT-6", reasoning_off = false },
  { "chatgpt-*", base = "gpt_4o", source = "family: as GPT-4o" },
  { "chat-latest*", base = "gpt_5", source = "family: as GPT-5" },
  { "codex-*", base = "gpt_5", source = "family: as GPT-5", efforts = TO_HIGH },
  { "gpt-3.5*", base = "openai_text", source = OPENAI_LEGACY, reasoning = "none", json_schema = false, context = 16385,
    output = 4096, price = price(0.5, 1.5) },
  { "gpt-4*", base = "openai_text", source = OPENAI_LEGACY, reasoning = "none", json_schema = false, context = 8192,
    output = 8192, price = price(30, 60) },
  { "gpt-4-turbo*", base = "openai", source = OPENAI_LEGACY, reasoning = "none", json_schema = false, context = 128000,
    output = 4096, price = price(10, 30) },
  { "gpt-4.5*", base = "gpt_4o", source = OPENAI_LEGACY, price = price(75, 150, 37.5) },
  { "gpt-4o*", base = "gpt_4o", source = OPENAI_LEGACY, price = price(2.5, 10, 1.25) },
  { "gpt-4o-mini*", base = "gpt_4o", source = OPENAI_LEGACY, price = price(0.15, 0.6, 0.075) },
  { "gpt-4o*-audio*", base = "gpt_4o", source = OPENAI_LEGACY, images = false, pdf = false, audio = true },
  { "gpt-audio*", base = "gpt_4o", source = OPENAI_LEGACY, images = false, pdf = false, audio = true },
  { "gpt-4.1*", base = "gpt_4_1", source = OPENAI_LEGACY, price = price(2, 8, 0.5) },
  { "gpt-4.1-mini*", base = "gpt_4_1", source = OPENAI_LEGACY, price = price(0.4, 1.6, 0.1) },
  { "gpt-4.1-nano*", base = "gpt_4_1", source = OPENAI_LEGACY, price = price(0.1, 0.4, 0.025) },
  { "gpt-5*", base = "gpt_5", source = OPENAI_MODELS, price = price(1.25, 10, 0.125) },
  { "gpt-5-mini*", base = "gpt_5", source = OPENAI_MODELS, price = price(0.25, 2, 0.025) },
  { "gpt-5-nano*", base = "gpt_5", source = OPENAI_MODELS, price = price(0.05, 0.4, 0.005) },
  { "gpt-5-codex*", base = "gpt_5", source = OPENAI_MODELS, efforts = TO_HIGH, price = price(1.25, 10, 0.125) },
  { "gpt-5-pro*", base = "gpt_5", source = OPENAI_MODELS, efforts = { "high" }, output = 272000,
    price = price(15, 120) },
  { "gpt-5*-chat*", base = "gpt_4o", source = OPENAI_LEGACY },
  { "gpt-5.1*", base = "gpt_5_1", source = OPENAI_MODELS, price = price(1.25, 10, 0.125) },
  { "gpt-5.1-codex*", base = "gpt_5_1", source = OPENAI_MODELS, reasoning_off = false, price = price(1.25, 10, 0.125) },
  { "gpt-5.1-codex-max*", base = "gpt_5_2", source = OPENAI_MODELS, price = price(1.25, 10, 0.125) },
  { "gpt-5.1-codex-mini*", base = "gpt_5_1", source = OPENAI_MODELS, reasoning_off = false,
    price = price(0.25, 2, 0.025) },
  { "gpt-5.2*", base = "gpt_5_2", source = OPENAI_MODELS, price = price(1.75, 14, 0.175) },
  { "gpt-5.2-codex*", base = "gpt_5_2", source = OPENAI_MODELS, reasoning_off = false, price = price(1.75, 14, 0.175) },
  { "gpt-5.2-pro*", base = "gpt_5_2", source = OPENAI_MODELS, reasoning_off = false,
    efforts = { "medium", "high", "xhigh" }, price = price(21, 168) },
  { "gpt-5.3-codex*", base = "gpt_5_2", source = OPENAI_MODELS, price = price(1.75, 14, 0.175) },
  { "gpt-5.4*", base = "gpt_5_4", source = OPENAI_MODELS, price = price(2.5, 15, 0.25) },
  { "gpt-5.4-mini*", base = "gpt_5_2", source = OPENAI_MODELS, price = price(0.75, 4.5, 0.075) },
  { "gpt-5.4-nano*", base = "gpt_5_2", source = OPENAI_MODELS, price = price(0.2, 1.25, 0.02) },
  { "gpt-5.4-pro*", base = "gpt_5_4", source = OPENAI_MODELS, reasoning_off = false,
    efforts = { "medium", "high", "xhigh" }, price = price(30, 180) },
  { "gpt-5.5*", base = "gpt_5_4", source = OPENAI_MODELS, price = price(5, 30, 0.5) },
  { "gpt-5.5-pro*", base = "gpt_5_4", source = OPENAI_MODELS, reasoning_off = false,
    efforts = { "medium", "high", "xhigh" }, price = price(30, 180) },
  { "gpt-5.6*", base = "gpt_6", source = OPENAI_MODELS, price = price(4, 20, 0.4, 5) },
  { "gpt-5.6-terra*", base = "gpt_6", source = OPENAI_MODELS, price = price(2, 12) },
  { "gpt-5.6-luna*", base = "gpt_6", source = OPENAI_MODELS },
  { "gpt-6-astra*", base = "gpt_6", source = OPENAI_MODELS, reasoning_off = false, price = price(10, 50, 1, 12.5) },
  { "gpt-6-sol*", base = "gpt_6", source = OPENAI_MODELS, price = price(2, 10, 0.2, 2.5) },
  { "gpt-6-luna*", base = "gpt_6", source = OPENAI_MODELS, price = price(0.1, 0.5, 0.01, 0.125) },
  { "gpt-6.1-sol*", base = "gpt_6", source = OPENAI_MODELS, reasoning_off = false, price = price(2, 10, 0.1, 2.5) },
  { "gpt-6.1-terra*", base = "gpt_6", source = OPENAI_MODELS, price = price(1, 5, 0.05, 1.25) },
  -- Vendors of open weights: "gpt-oss" (OpenAI, August 2025).
  { "gpt-oss*", base = "text", source = "OpenAI: gpt-oss, August 2025", reasoning = "effort", reasoning_off = false,
    efforts = TO_HIGH, context = 131072 },
  { "o1*", base = "o_series", source = OPENAI_LEGACY, price = price(15, 60, 7.5) },
  { "o1-mini*", base = "o_series", source = OPENAI_LEGACY, images = false, pdf = false, context = 128000,
    output = 65536, reasoning = "none", price = price(1.1, 4.4, 0.55) },
  { "o1-preview*", base = "o_series", source = OPENAI_LEGACY, images = false, pdf = false, context = 128000,
    output = 32768, reasoning = "none", price = price(15, 60, 7.5) },
  { "o1-pro*", base = "o_series", source = OPENAI_LEGACY, price = price(150, 600) },
  { "o3*", base = "o_series", source = OPENAI_LEGACY, price = price(2, 8, 0.5) },
  { "o3-mini*", base = "o_series", source = OPENAI_LEGACY, images = false, pdf = false, price = price(1.1, 4.4, 0.55) },
  { "o3-pro*", base = "o_series", source = OPENAI_LEGACY, price = price(20, 80) },
  { "o4-mini*", base = "o_series", source = OPENAI_LEGACY, price = price(1.1, 4.4, 0.275) },

  -- Google -------------------------------------------------------------------------------------------------------
  { "gemini-*", base = "gemini_4", source = "family: as Gemini 4" },
  { "gemini-flash-latest*", base = "gemini_4", source = "family: as Gemini 4" },
  { "gemini-1.5*", base = "gemini_2", source = GOOGLE_LEGACY },
  { "gemini-2.0*", base = "gemini_2", source = GOOGLE_LEGACY, price = price(0.1, 0.4) },
  { "gemini-2.0-flash-lite*", base = "gemini_2", source = GOOGLE_LEGACY, price = price(0.075, 0.3) },
  { "gemini-2.5-pro*", base = "gemini_2_5", source = GOOGLE_LEGACY, reasoning_off = false, budget_min = 128,
    budget_max = 32768, price = price(1.25, 10, 0.125) },
  { "gemini-2.5-flash*", base = "gemini_2_5", source = GOOGLE_LEGACY, budget_min = 1, budget_max = 24576,
    price = price(0.3, 2.5, 0.03) },
  { "gemini-2.5-flash-lite*", base = "gemini_2_5", source = GOOGLE_LEGACY, budget_min = 512, budget_max = 24576,
    price = price(0.1, 0.4, 0.01) },
  { "gemini-3*", base = "gemini_3_7", source = "family: as Gemini 3.8 Flash" },
  { "gemini-3-pro*", base = "gemini_3", source = GOOGLE_LEGACY, efforts = { "low", "high" },
    price = price(2, 12, 0.2) },
  { "gemini-3-flash*", base = "gemini_3", source = GOOGLE_LEGACY, price = price(0.5, 3, 0.05) },
  { "gemini-3.1-pro*", base = "gemini_3", source = GOOGLE_LEGACY, efforts = TO_HIGH,
    price = price(2, 12, 0.2) },
  { "gemini-3.1-flash-lite*", base = "gemini_3", source = GOOGLE_LEGACY, price = price(0.25, 1.5, 0.025) },
  { "gemini-3.5-flash*", base = "gemini_3", source = GOOGLE_LEGACY, price = price(1.5, 9, 0.15) },
  { "gemini-3.5-flash-lite*", base = "gemini_3", source = GOOGLE_LEGACY, price = price(0.3, 2.5, 0.03) },
  { "gemini-3.6-flash*", base = "gemini_3", source = GOOGLE_MODELS, price = price(1.5, 7.5, 0.15) },
  { "gemini-3.7-flash*", base = "gemini_3_7", source = GOOGLE_MODELS, price = price(0.75, 3.75, 0.075) },
  { "gemini-3.8-flash*", base = "gemini_3_7", source = GOOGLE_MODELS, price = price(0.75, 3.75, 0.075) },
  -- Prices from December 2026 on; until then both cost half of that.
  { "gemini-4-argon*", base = "gemini_4", source = GOOGLE_MODELS, price = price(4, 20) },
  { "gemini-4-carbon*", base = "gemini_4", source = GOOGLE_MODELS, price = price(4, 20) },
  { "gemini-4-hydrogen*", base = "gemini_4", source = GOOGLE_MODELS, efforts = TO_XHIGH, price = price(1.5, 7.5) },
  { "gemma-*", base = "vision", source = "family: Gemma", reasoning = "none", tool_schema = "openapi" },

  -- Others -------------------------------------------------------------------------------------------------------
  { "grok-*", base = "vision", source = "family: Grok" },
  { "grok-3*", base = "text", source = "xAI: Models, November 2026", reasoning = "none", context = 131072 },
  { "grok-3-mini*", base = "text", source = "xAI: Models, November 2026", reasoning = "effort", reasoning_off = false,
    efforts = { "low", "high" }, context = 131072 },
  -- Grok 4 always reasons and takes no effort.
  { "grok-4*", base = "vision", source = "xAI: Models, November 2026", reasoning = "none", context = 256000 },
  { "grok-4.3*", base = "vision", source = "xAI: Models, November 2026", reasoning = "effort", efforts = TO_HIGH,
    reasoning_off = true, context = 1e6, price = price(1.25, 2.5, 0.2) },
  { "grok-4.5*", base = "vision", source = "xAI: Models, November 2026", reasoning = "effort", efforts = TO_HIGH,
    reasoning_off = false, context = 500000, price = price(2, 6, 0.5) },
  { "llama*", base = "text", source = "family: Llama", reasoning = "none" },
  { "llama-3.3*", base = "text", source = "Meta: Llama 3.3 model card, December 2024", reasoning = "none",
    context = 131072 },
  { "llama-4*", base = "vision", source = "Meta: Llama 4 model card, April 2025", reasoning = "none" },
  { "qwen*", base = "text", source = "family: Qwen" },
  { "qwen*-vl*", base = "vision", source = "family: Qwen VL" },
  { "qwq*", base = "text", source = "family: Qwen" },
  { "deepseek*", base = "text", source = "family: DeepSeek" },
  { "deepseek-v4*", base = "deepseek_v4", source = DEEPSEEK_MODELS },
  { "deepseek-v4-pro*", base = "deepseek_v4", source = DEEPSEEK_MODELS, price = price(0.435, 0.87, 0.003625) },
  { "deepseek-v4-flash*", base = "deepseek_v4", source = DEEPSEEK_MODELS, price = price(0.14, 0.28, 0.0028) },
  { "mistral-*", base = "vision", source = "family: Mistral" },
  { "mistral-medium-2604*", base = "vision", source = "Mistral: Models, July 2026", reasoning = "effort",
    reasoning_off = true, efforts = { "high" }, context = 262144, price = price(1.5, 7.5) },
  { "mistral-small-2603*", base = "vision", source = "Mistral: Models, July 2026", reasoning = "effort",
    reasoning_off = true, efforts = { "high" }, context = 256000, price = price(0.15, 0.6) },
  { "ministral-*", base = "text", source = "family: Mistral" },
  { "magistral-*", base = "text", source = "family: Mistral" },
  { "codestral-*", base = "text", source = "family: Mistral" },
  { "devstral-*", base = "text", source = "family: Mistral" },
  { "pixtral-*", base = "vision", source = "family: Mistral" },
  { "mixtral-*", base = "text", source = "family: Mistral" },
  { "kimi-*", base = "vision", source = "family: Kimi" },
  { "kimi-k2*", base = "text", source = "family: Kimi K2" },
  { "kimi-k2.5*", base = "vision", source = "Moonshot: Models, July 2026", context = 262144 },
  { "kimi-k2.6*", base = "vision", source = "Moonshot: Models, July 2026", context = 262144,
    price = price(0.95, 4, 0.16) },
  { "moonshot-*", base = "text", source = "family: Kimi" },
  { "glm-*", base = "text", source = "family: GLM" },
  { "glm-4.5v*", base = "vision", source = "family: GLM with vision" },
  { "glm-4.6v*", base = "vision", source = "family: GLM with vision" },
  { "glm-5v*", base = "vision", source = "family: GLM with vision" },
  { "glm-5.2*", base = "text", source = "Z.ai: Chat completion, June 2026", reasoning = "effort",
    reasoning_off = true, efforts = { "high", "max" }, price = price(1.4, 4.4, 0.26) },
  { "minimax-*", base = "text", source = "family: MiniMax" },
  { "demo*", base = "text", source = "the built-in provider", images = true },
  { "*", source = "no row: what servers usually take", images = true, pdf = false, audio = false },
}

return M
