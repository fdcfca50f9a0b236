--- Anthropic, by API key.
local discover = require("lib.discover")

-- Strict mirrors refuse beta flags that they do not know: `betas` lists those to let through.
local function keep(flags, allowed)
  local set, kept = {}, {}
  for _, flag in ipairs(allowed) do
    set[flag] = true
  end
  for flag in flags:gmatch("[^%s,]+") do
    if set[flag] then
      table.insert(kept, flag)
    end
  end
  return #kept > 0 and table.concat(kept, ",") or nil
end

---@type cliproxy.Provider
return {
  name = "anthropic",
  contract = 1,
  dialects = { "anthropic" },
  auth = "x-api-key",
  options = {
    base_url = { type = "url", default = "https://api.anthropic.com" },
    version = { type = "string", default = "2023-06-01" },
    betas = { type = "list" },
  },
  models = { "claude-*" },

  shape = function(call)
    local headers = call.headers
    headers["anthropic-version"] = headers["anthropic-version"] or call.options.version
    if call.options.betas and headers["anthropic-beta"] then
      headers["anthropic-beta"] = keep(headers["anthropic-beta"], call.options.betas)
    end
  end,

  discover = discover.anthropic,
}
