--- `cliproxy new provider NAME`, `cliproxy new filter NAME`: a commented script that passes `cliproxy check`.
local config = require("cliproxy.config")
local system = require("cliproxy.system")

local M = {}

local PROVIDER = [[
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

local FILTER = [[
--- %NAME%: say here what this filter does.
---
--- It is active when config.lua lists it:  filters = { "%NAME%" }
--- Saved changes take effect at once. `cliproxy check` says what is wrong with it, docs/filters.md what it may do.
---@type cliproxy.FilterScript
return {
  name = "%NAME%",
  contract = 1,

  -- What config.lua may set for it:  filters = { { "%NAME%", note = "…", when = { model = "claude-*" } } }
  options = {
    note = { type = "string", default = "Answer in plain words." },
  },

  -- Before a request is sent. The view has the same names in every dialect: system, messages, tools, max_tokens, …
  -- `return context.refuse(400, "why")` answers the client instead.
  request = function(view, context)
    if context.operation == "generate" then
      view.system = (view.system and view.system .. "\n" or "") .. context.options.note
    end
  end,
}
]]

---@type table<string, { folder: string, template: string, next: string }>
local kinds = {
  provider = { folder = "providers", template = PROVIDER,
    next = 'providers = { %NAME% = { api_key = env "%UPPER%_API_KEY" } }' },
  filter = { folder = "providers/filters", template = FILTER, next = 'filters = { "%NAME%" }' },
}

local function filled(template, name)
  return (template:gsub("%%(%u+)%%", { NAME = name, UPPER = name:upper() }))
end

--- Makes a folder and those above it up to `base`.
local function make_folder(base, below)
  local folder = base
  for step in below:gmatch("[^/]+") do
    folder = folder .. "/" .. step
    local ok, message = system.mkdir(folder, 493) -- 0755
    if not ok then return nil, message end
  end
  return folder
end

local function fail(message, code)
  system.print_error(("cliproxy: %s\n"):format(message))
  return code
end

---@param arguments { kind: string, name: string, config?: string }
---@param codes table<string, integer>
---@return integer
function M.run(arguments, codes)
  local name, kind = arguments.name, kinds[arguments.kind]
  if not name:match("^[a-z][a-z0-9_]*$") or #name > 64 then
    return fail(("%q is no name for a %s: small letters, digits and _, a letter first"):format(name, arguments.kind),
      codes.usage)
  end
  local path = config.find { path = arguments.config }
  local base = path and path:match("^(.*)/[^/]*$") or system.cwd()
  local file = ("%s/%s/%s.lua"):format(base, kind.folder, name)
  if system.stat(file) then return fail(file .. " is there already", codes.failed) end
  local ok, message = make_folder(base, kind.folder)
  if not ok then return fail(message, codes.failed) end
  ok, message = system.write(file, filled(kind.template, name), 420) -- 0644
  if not ok then return fail(message, codes.failed) end
  system.print(("Made %s.\nNow add it to config.lua:  %s\nand run: cliproxy check\n"):format(file,
    filled(kind.next, name)))
  return codes.ok
end

return M
