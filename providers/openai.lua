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

  -- Of OpenAI's own servers. One behind another base_url may differ: `caps` of the instance says how.
  caps = {
    developer_role = true, max_tokens_field = "max_completion_tokens", stream_usage = true, strict = true,
    parallel_tool_calls = true, tool_choice_required = true, custom_tools = true, allowed_tools = true,
    content_parts = true,
  },

  shape = function(call)
    call.headers["openai-organization"] = call.options.organization or call.headers["openai-organization"]
    call.headers["openai-project"] = call.options.project or call.headers["openai-project"]
  end,

  discover = discover.openai,
}
