--- OpenAI by API key: Chat Completions, Responses, completions, embeddings.
local discover = require("lib.discover")

---@type cliproxy.Provider
return {
  name = "openai",
  contract = 1,
  dialects = { "openai_responses", "openai_chat" },
  auth = "bearer",
  options = {
    base_url = { type = "url", default = "https://api.openai.com/v1" },
    organization = { type = "string" },
    project = { type = "string" },
  },
  models = { "gpt-*", "chatgpt-*", "o1*", "o3*", "o4*", "codex-*", "text-embedding-*", "omni-*" },

  shape = function(call)
    call.headers["openai-organization"] = call.options.organization or call.headers["openai-organization"]
    call.headers["openai-project"] = call.options.project or call.headers["openai-project"]
  end,

  discover = discover.openai,
}
