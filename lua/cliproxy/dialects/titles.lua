--- What people call that which clients speak.
---@type table<string, string>
return {
  openai_chat = "OpenAI Chat Completions",
  openai_responses = "OpenAI Responses",
  anthropic = "Anthropic Messages",
  gemini = "Gemini generateContent",
  completions = "OpenAI Completions",
}
