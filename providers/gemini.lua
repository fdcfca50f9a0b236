--- Gemini (Google AI Studio), by API key.
local discover = require("lib.discover")

---@type cliproxy.Provider
return {
  name = "gemini",
  contract = 1,
  dialects = { "gemini" },
  auth = "x-goog-api-key",
  options = {
    base_url = { type = "url", default = "https://generativelanguage.googleapis.com" },
  },
  models = { "gemini-*", "gemma-*", "learnlm-*", "embedding-001", "text-embedding-004" },

  -- Gemini answers a bad key with 400.
  classify = function(reply)
    if reply.status == 400 and reply.body:find("API_KEY_INVALID", 1, true) then
      return "auth"
    end
  end,

  discover = discover.gemini,
}
