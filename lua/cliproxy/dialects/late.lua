--- Parts of a dialect that are loaded when they are first asked for: a proxy answers, and a check of a script ends,
--- before anything is read that translation alone needs. `load` brings in the rest, once there is time.
local M = {}

---@type table<table, table<string, fun(): any>>
local sources_of = setmetatable({}, { __mode = "k" })

---@generic T: table
---@param dialect T
---@param sources table<string, fun(): any> name of a part → what it is
---@return T dialect
function M.parts(dialect, sources)
  sources_of[dialect] = sources
  return setmetatable(dialect, { __index = function(self, name)
    local source = sources[name]
    local part = source and source()
    if source then
      self[name] = part
    end
    return part
  end })
end

--- Loads all parts of a dialect.
---@param dialect table
function M.load(dialect)
  for name in pairs(sources_of[dialect] or {}) do
    local _ = dialect[name]
  end
end

return M
