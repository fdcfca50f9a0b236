--- Any server that speaks OpenAI's Chat Completions: Groq, OpenRouter, Mistral, DeepSeek, llama.cpp, vLLM, LM Studio …
--- Everything about one such server stands in config.lua; this script is shared by all of them.
local discover = require("lib.discover")

---@type cliproxy.Provider
return {
  name = "openai_compatible",
  contract = 1,
  dialects = { "openai_chat" },
  auth = "bearer",
  options = {
    base_url = { type = "url", required = true },
    api_key = { type = "string", secret = true, account = true },
  },

  discover = discover.openai,
}
