--- `cliproxy new provider NAME`: a commented script that passes `cliproxy check`.
local config = require("cliproxy.config")
local system = require("cliproxy.system")

local M = {}

local TEMPLATE = [[
--- %NAME%: say here what this provider is.
---
--- Saved changes take effect at once; a broken script is reported in the log and the last good one serves on.
--- `cliproxy check` says what is wrong with a script, providers/README.md what it may contain.
---@type cliproxy.Provider
return {
  name = "%NAME%",
  contract = 1,

  -- What the server speaks, best first: openai_chat, openai_responses, anthropic, gemini.
  dialects = { "openai_chat" },

  -- How the account's key travels: "bearer", "x-api-key", "x-goog-api-key" or "none".
  auth = "bearer",

  -- What config.lua may set for it:  providers = { %NAME% = { base_url = "…", api_key = env "…" } }
  options = {
    base_url = { type = "url", default = "http://127.0.0.1:8080/v1" },
  },

  -- Models served without a route; "*" stands for anything.
  models = { "%NAME%-*" },

  -- Last edits before the request leaves: call.url, call.headers, call.body (a JSON document). It may not wait.
  shape = function(call)
    call.headers["x-client"] = "cliproxy"
  end,
}
]]

local function fail(message, code)
  system.print_error(("cliproxy: %s\n"):format(message))
  return code
end

---@param arguments { name: string, config?: string }
---@param codes table<string, integer>
---@return integer
function M.run(arguments, codes)
  local name = arguments.name
  if not name:match("^[a-z][a-z0-9_]*$") or #name > 64 then
    return fail(("%q is no name for a provider: small letters, digits and _, a letter first"):format(name), codes.usage)
  end
  local path = config.find { path = arguments.config }
  local folder = (path and path:match("^(.*)/[^/]*$") or system.cwd()) .. "/providers"
  local file = ("%s/%s.lua"):format(folder, name)
  if system.stat(file) then return fail(file .. " is there already", codes.failed) end
  local ok, message = system.mkdir(folder, 493) -- 0755
  if not ok then return fail(message, codes.failed) end
  ok, message = system.write(file, (TEMPLATE:gsub("%%NAME%%", name)), 420) -- 0644
  if not ok then return fail(message, codes.failed) end
  system.print(([[Made %s.
Now add it to config.lua:  providers = { %s = { api_key = env "%s_API_KEY" } }
and run: cliproxy check
]]):format(file, name, name:upper()))
  return codes.ok
end

return M
