--- Loads scripts and holds them to a contract: what providers and filters have alike.
local config_source = require("cliproxy.config_source")
local options = require("cliproxy.options")
local plain = require("cliproxy.plain")
local system = require("cliproxy.system")

local M = {}

--- Loads a script and checks it; both are done again only when its bytes or its helpers' changed.
---@param loader cliproxy.Loader
---@param path string "providers/groq.lua"
---@param findings cliproxy.Findings
---@param examine fun(raw: table, part: cliproxy.Part, scope: cliproxy.Scope): table of a plain copy; what is wrong goes
--- to the scope
---@return cliproxy.Part? with `checked`; nil when it did not load or is wrong
function M.load(loader, path, findings, examine)
  local part, message = loader:run(path)
  if not part then
    findings:add_text(message, path)
    return nil
  elseif part.checked then
    return part
  end
  if type(part.value) ~= "table" then
    findings:add({ file = path, message = "expected `return { … }` at its end, found " .. options.show(part.value) })
    return nil
  end
  local raw, problem = plain.copy(part.value)
  if not raw then
    findings:add({ file = path, message = problem })
    return nil
  end
  local text = loader.files:read(part.file)
  local before = #findings.messages
  local facts = examine(raw, part, findings:scope(path, config_source.lazy(text)))
  if #findings.messages > before then
    return nil
  end
  part.checked = facts
  return part
end

--- Names of the scripts there are.
---@param loader cliproxy.Loader
---@param folder string "providers", "providers/filters"
---@return string[]
function M.available(loader, folder)
  local names, seen = {}, {}
  for _, root in ipairs(loader.files:folders()) do
    for _, file in ipairs(system.list(root .. "/" .. folder) or {}) do
      local name = file:match("^([%w_-]+)%.lua$")
      if name and not seen[name] then
        seen[name] = true
        names[#names + 1] = name
      end
    end
  end
  table.sort(names)
  return names
end

return M
