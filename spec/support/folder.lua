--- A folder of a configuration for specs: files by name, gone at the end.
local M = {}

local Folder = {}
Folder.__index = Folder

local function run(command)
  assert(os.execute(command) == 0, command)
end

---@param files? table<string, string>
function M.new(files)
  local path = os.tmpname()
  os.remove(path)
  run(("mkdir -p '%s/providers/lib' '%s/providers/filters'"):format(path, path))
  local self = setmetatable({ path = path }, Folder)
  for name, text in pairs(files or {}) do
    self:write(name, text)
  end
  return self
end

--- Writes as editors do: a file beside it, renamed over the old one.
function Folder:write(name, text)
  local path = self.path .. "/" .. name
  local file = assert(io.open(path .. "~", "wb"))
  file:write(text)
  file:close()
  assert(os.rename(path .. "~", path))
end

function Folder:delete(name)
  os.remove(self.path .. "/" .. name)
end

function Folder:remove()
  run(("rm -rf '%s'"):format(self.path))
end

--- A small provider script. `body` goes into its table.
function M.provider(name, body)
  return ([[
return {
  name = "%s",
  contract = 1,
  dialects = { "openai_chat" },
  auth = "bearer",
  options = { base_url = { type = "url", default = "http://127.0.0.1:9/v1" } },
  %s
}
]]):format(name, body or "")
end

--- A small filter script. `body` goes into its table.
function M.filter(name, body)
  return ("return {\n  name = %q,\n  contract = 1,\n  %s\n}\n"):format(name, body or "")
end

return M
