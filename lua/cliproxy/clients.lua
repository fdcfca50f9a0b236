--- Clients as data: what each reads to find a server, and what to say about it. cliproxy prints this and starts the
--- client with it; nothing here makes cliproxy look like anybody else's program.
---
--- In texts: {root} is the proxy's URL, {v1} the same with /v1, {model} the model asked for, {context} its window in
--- tokens, {key} the client key. Entries with `when`, and lines of a file that begin with {model?} or {key?}, are there
--- only where that is known.
local M = {}

--- Variables of a file or a template that stand for the key: the client reads it from there by itself.
M.KEY_VARIABLE = "CLIPROXY_KEY"

--- What a client without a key gets, where it insists on one.
M.NO_KEY = "cliproxy"

---@class cliproxy.ClientRow
---@field name string of `cliproxy env NAME`
---@field title string
---@field command? string the program; nil: it cannot be started from here
---@field dialect string what it speaks
---@field needs_model? boolean it must be told which
---@field env? { [1]: string, [2]: string, when?: "model"|"key" }[] variables, in order
---@field unset? string[] variables that would lead it elsewhere
---@field args? { [1]: string, when?: "model"|"key" }[] before the user's own, for `cliproxy run`
---@field file? { path: string, text: string, also?: boolean } to write instead of variables, or beside them
---@field config_folder? string the variable that names the folder of `file`, for `cliproxy run`
---@field steps? string[] what to click where there is no file
---@field ca? string the variable for a certificate of one's own
---@field notes string[] limits and hints, a line each
---@field file_notes? string[] those of the file alone

---@type cliproxy.ClientRow[]
M.rows = {
  {
    -- "Environment variables", "LLM gateway configuration" (code.claude.com, October 2026).
    name = "claude-code", title = "Claude Code", command = "claude", dialect = "anthropic", ca = "NODE_EXTRA_CA_CERTS",
    env = {
      { "ANTHROPIC_BASE_URL", "{root}" },
      { "ANTHROPIC_AUTH_TOKEN", "{key}" },
      { "ANTHROPIC_MODEL", "{model}", when = "model" },
      { "ANTHROPIC_DEFAULT_OPUS_MODEL", "{model}", when = "model" },
      { "ANTHROPIC_DEFAULT_SONNET_MODEL", "{model}", when = "model" },
      { "ANTHROPIC_DEFAULT_HAIKU_MODEL", "{model}", when = "model" },
      { "ANTHROPIC_SMALL_FAST_MODEL", "{model}", when = "model" },
      { "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1" },
    },
    unset = { "ANTHROPIC_API_KEY", "CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX" },
    file = { path = "~/.claude/settings.json", text = [[
{
  "env": {
    "ANTHROPIC_BASE_URL": "{root}",
    "ANTHROPIC_AUTH_TOKEN": "{key}",
{model?}    "ANTHROPIC_MODEL": "{model}",
{model?}    "ANTHROPIC_DEFAULT_HAIKU_MODEL": "{model}",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"
  }
}
]] },
    notes = {
      "The model of small tasks is ANTHROPIC_DEFAULT_HAIKU_MODEL; older versions read ANTHROPIC_SMALL_FAST_MODEL.",
      "/status in Claude Code shows the base URL in use.",
    },
  },
  {
    -- "Advanced configuration", "Configuration reference" (developers.openai.com/codex, October 2026).
    name = "codex", title = "Codex", command = "codex", dialect = "openai_responses",
    env = { { "CLIPROXY_KEY", "{key}", when = "key" } },
    args = {
      { "-c" }, { 'model_provider="cliproxy"' },
      { "-c" }, { 'model_providers.cliproxy.name="cliproxy"' },
      { "-c" }, { 'model_providers.cliproxy.base_url="{v1}"' },
      { "-c" }, { 'model_providers.cliproxy.wire_api="responses"' },
      { "-c" }, { 'web_search="disabled"' },
      { "-c", when = "key" }, { 'model_providers.cliproxy.env_key="CLIPROXY_KEY"', when = "key" },
      { "-c", when = "model" }, { "model_context_window={context}", when = "model" },
      { "-m", when = "model" }, { "{model}", when = "model" },
    },
    file = { path = "~/.codex/config.toml", text = [[
{model?}model = "{model}"
{model?}model_context_window = {context}
model_provider = "cliproxy"
web_search = "disabled"

[model_providers.cliproxy]
name = "cliproxy"
base_url = "{v1}"
wire_api = "responses"
{key?}env_key = "CLIPROXY_KEY"
]] },
    file_notes = { "The lines before [model_providers.cliproxy] belong at the top of the file, before any [table]." },
    notes = {
      "The -c options are the same as the file and leave ~/.codex alone.",
      "Web search runs at OpenAI: where that is the provider, leave web_search out.",
    },
  },
  {
    -- "Gemini CLI configuration" (geminicli.com, October 2026).
    name = "gemini-cli", title = "Gemini CLI", command = "gemini", dialect = "gemini", ca = "NODE_EXTRA_CA_CERTS",
    env = {
      { "GOOGLE_GEMINI_BASE_URL", "{root}" },
      { "GEMINI_API_KEY", "{key}" },
      { "GEMINI_MODEL", "{model}", when = "model" },
    },
    unset = { "GOOGLE_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_GCA" },
    file = { path = "~/.gemini/settings.json", also = true, text = [[
{
  "security": { "auth": { "selectedType": "gemini-api-key" } }
}
]] },
    file_notes = { "The address, the key and the model come from variables, with it as without." },
    notes = {
      "Choose \"Use Gemini API key\" when it asks how to sign in (/auth changes it).",
      "gemini -p cannot ask: sign in once before, or write the file.",
    },
  },
  {
    -- "Config", "Providers" (opencode.ai/v1/docs, November 2026).
    name = "opencode", title = "OpenCode", command = "opencode", dialect = "openai_chat", needs_model = true,
    env = {
      { "CLIPROXY_KEY", "{key}", when = "key" },
      { "OPENCODE_CONFIG_CONTENT", '{"provider":{"cliproxy":{"npm":"@ai-sdk/openai-compatible","name":"cliproxy",'
        .. '"options":{"baseURL":"{v1}","apiKey":"{env:CLIPROXY_KEY}"},"models":{"{model}":{}}}},'
        .. '"model":"cliproxy/{model}"}' },
    },
    file = { path = "opencode.json", text = [[
{
  "$schema": "https://opencode.ai/config.json",
  "provider": {
    "cliproxy": {
      "npm": "@ai-sdk/openai-compatible",
      "name": "cliproxy",
      "options": { "baseURL": "{v1}", "apiKey": "{env:CLIPROXY_KEY}" },
      "models": { "{model}": {} }
    }
  },
  "model": "cliproxy/{model}"
}
]] },
    file_notes = { "Every model that /models shall offer needs a line in \"models\"." },
    notes = { "This is the configuration of OpenCode 1; version 2 has another form." },
  },
  {
    -- "OpenAI authentication" (qwenlm.github.io/qwen-code-docs, 2026).
    name = "qwen-code", title = "Qwen Code", command = "qwen", dialect = "openai_chat", ca = "NODE_EXTRA_CA_CERTS",
    env = {
      { "OPENAI_BASE_URL", "{v1}" },
      { "OPENAI_API_KEY", "{key}" },
      { "OPENAI_MODEL", "{model}", when = "model" },
    },
    args = { { "--auth-type" }, { "openai" } },
    notes = { "Start it with --auth-type openai where it was signed in otherwise; `cliproxy run` does." },
  },
  {
    -- "OpenAI compatible APIs", "Options reference" (aider.chat, 2026).
    name = "aider", title = "Aider", command = "aider", dialect = "openai_chat",
    env = {
      { "OPENAI_API_BASE", "{v1}" },
      { "OPENAI_API_KEY", "{key}" },
      { "AIDER_MODEL", "openai/{model}", when = "model" },
    },
    notes = { "Models are written with openai/ in front: aider --model openai/MODEL." },
  },
  {
    -- "Environment variables", "Configure providers" (goose-docs.ai, 2026).
    name = "goose", title = "goose", command = "goose", dialect = "openai_chat", needs_model = true,
    env = {
      { "GOOSE_PROVIDER", "openai" },
      { "GOOSE_MODEL", "{model}" },
      { "OPENAI_HOST", "{root}" },
      { "OPENAI_BASE_PATH", "v1/chat/completions" },
      { "OPENAI_API_KEY", "{key}" },
    },
    notes = { "Variables go before what `goose configure` has saved." },
  },
  {
    -- "Custom providers" (charmbracelet/crush, docs/config, 2026).
    name = "crush", title = "Crush", command = "crush", dialect = "openai_chat", needs_model = true,
    env = { { "CLIPROXY_KEY", "{key}" } }, config_folder = "CRUSH_GLOBAL_CONFIG",
    file = { path = "~/.config/crush/crush.json", text = [[
{
  "$schema": "https://charm.land/crush.json",
  "providers": {
    "cliproxy": {
      "name": "cliproxy",
      "type": "openai-compat",
      "base_url": "{v1}",
      "api_key": "$CLIPROXY_KEY",
      "models": [{ "id": "{model}", "name": "{model}", "context_window": {context}, "default_max_tokens": 8192 }]
    }
  },
  "models": {
    "large": { "provider": "cliproxy", "model": "{model}" },
    "small": { "provider": "cliproxy", "model": "{model}" }
  }
}
]] },
    notes = { "`cliproxy run` keeps this file in state_dir, and Crush does not read ~/.config/crush then." },
  },
  {
    -- "OpenAI compatible" (docs.cline.bot, 2026).
    name = "cline", title = "Cline", dialect = "openai_chat",
    steps = {
      "API Provider: OpenAI Compatible",
      "Base URL: {v1}",
      "API Key: {key}",
      "Model ID: {model}",
      "Context Window Size: {context}",
    },
    notes = { "The same settings are there in Roo Code and Kilo Code." },
  },
  {
    -- "OpenAI", "config.yaml reference" (docs.continue.dev, 2026).
    name = "continue", title = "Continue", dialect = "openai_chat", needs_model = true,
    file = { path = "~/.continue/config.yaml", text = [[
name: cliproxy
version: 0.0.1
schema: v1
models:
  - name: "{model}"
    provider: openai
    model: "{model}"
    apiBase: {v1}
    apiKey: ${{ secrets.CLIPROXY_KEY }}
    roles: [chat, edit, apply]
]] },
    notes = { "Secrets are read from ~/.continue/.env: CLIPROXY_KEY=…; without api_keys any text will do." },
  },
  {
    -- "Use API access: OpenAI-compatible endpoints" (zed.dev/docs, November 2026).
    name = "zed", title = "Zed", dialect = "openai_chat", needs_model = true,
    file = { path = "~/.config/zed/settings.json", text = [[
{
  "language_models": {
    "openai_compatible": {
      "cliproxy": {
        "api_url": "{v1}",
        "available_models": [
          { "name": "{model}", "display_name": "{model}", "max_tokens": {context} }
        ]
      }
    }
  }
}
]] },
    notes = {
      "Zed asks for the key in Agent Settings, or reads CLIPROXY_API_KEY; without api_keys any text will do.",
      "External agents in Zed, such as Claude Code, have their own configuration.",
    },
  },
  {
    -- README of openai-python and openai-node, 2026.
    name = "openai-sdk", title = "OpenAI's SDKs", dialect = "openai_responses",
    env = { { "OPENAI_BASE_URL", "{v1}" }, { "OPENAI_API_KEY", "{key}" } },
    notes = { "For any program that uses them: Chat Completions, Responses, embeddings." },
  },
  {
    -- README of anthropic-sdk-python and anthropic-sdk-typescript, 2026.
    name = "anthropic-sdk", title = "Anthropic's SDKs", dialect = "anthropic",
    env = { { "ANTHROPIC_BASE_URL", "{root}" }, { "ANTHROPIC_API_KEY", "{key}" } },
    notes = { "For any program that uses them." },
  },
  {
    -- README of python-genai and js-genai, 2026.
    name = "google-sdk", title = "Google's Gen AI SDKs", dialect = "gemini",
    env = { { "GOOGLE_GEMINI_BASE_URL", "{root}" }, { "GEMINI_API_KEY", "{key}" } },
    notes = { "For any program that uses them." },
  },
}

M.names = {}
local by_name = {}
for i, row in ipairs(M.rows) do
  M.names[i], by_name[row.name] = row.name, row
end

--- A row by its name, or by the program's.
---@param name string
---@return cliproxy.ClientRow?
function M.find(name)
  if by_name[name] then
    return by_name[name]
  end
  for _, row in ipairs(M.rows) do
    if row.command == name then
      return row
    end
  end
end

---@class cliproxy.ClientFacts
---@field root string
---@field model? string
---@field context integer
---@field key? string the key, or what the shell puts in its place; nil: the proxy asks for none

local function values_of(facts)
  return {
    root = facts.root, v1 = facts.root .. "/v1", model = facts.model or "MODEL", context = ("%d"):format(facts.context),
    key = facts.key or M.NO_KEY,
  }
end

--- A template with everything filled in; braces of other kinds stay.
---@param text string
---@param facts cliproxy.ClientFacts
---@return string
function M.fill(text, facts)
  for _, name in ipairs({ "model", "key" }) do
    text = ("\n" .. text):gsub("\n{" .. name .. "%?}([^\n]*)", facts[name] and "\n%1" or ""):sub(2)
  end
  return (text:gsub("{(%w+)}", values_of(facts)))
end

local function known(entry, facts)
  return not entry.when or facts[entry.when] ~= nil
end

--- Variables in order, filled in.
---@param row cliproxy.ClientRow
---@param facts cliproxy.ClientFacts
---@return { [1]: string, [2]: string }[]
function M.variables(row, facts)
  local list = {}
  for _, entry in ipairs(row.env or {}) do
    if known(entry, facts) then
      list[#list + 1] = { entry[1], M.fill(entry[2], facts) }
    end
  end
  return list
end

--- Arguments before the user's own.
---@param row cliproxy.ClientRow
---@param facts cliproxy.ClientFacts
---@return string[]
function M.arguments(row, facts)
  local list = {}
  for _, entry in ipairs(row.args or {}) do
    if known(entry, facts) then
      list[#list + 1] = M.fill(entry[1], facts)
    end
  end
  return list
end

return M
