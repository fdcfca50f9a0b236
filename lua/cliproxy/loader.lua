--- Runs scripts in sandboxes: compiles, gives them `require` and a budget, and shares what did not change with the
--- generation before. A script is as new as its own bytes and those of every helper it required.
local budget = require("cliproxy.budget")
local sandbox = require("cliproxy.sandbox")

local M = {}

--- What scripts may require of the core.
M.PUBLIC = { "crypto", "env", "http", "json", "log", "state", "task", "timer" }

local is_public = {}
for _, name in ipairs(M.PUBLIC) do
  is_public[name] = true
end

--- A script that ran.
---@class cliproxy.Part : cliproxy.Script
---@field value any what it returned
---@field needs table<string, cliproxy.Part|string> what it required, by name; ".env" → its hash
---@field checked? table what `cliproxy.provider` made of it

---@class cliproxy.Loader
---@field files cliproxy.Files
---@field env cliproxy.Env
---@field env_hash string
---@field generation integer
---@field parts table<string, cliproxy.Part>
---@field private previous table<string, cliproxy.Part>
---@field private running string[] names, outermost first
---@field private in_slice boolean
---@field private closed boolean
local Loader = {}
Loader.__index = Loader

-- Loaded before the first script runs: what the core costs to load is not the script's to pay.
local modules

local function public_modules()
  local loaded = {}
  for _, name in ipairs(M.PUBLIC) do
    loaded[name] = name ~= "env" and require("cliproxy." .. name) or nil
  end
  return loaded
end

---@param files cliproxy.Files
---@param env cliproxy.Env
---@param env_hash string
---@param generation integer
---@param previous? table<string, cliproxy.Part>
---@return cliproxy.Loader
function M.new(files, env, env_hash, generation, previous)
  local self = { files = files, env = env, env_hash = env_hash, generation = generation, previous = previous or {} }
  modules = modules or public_modules()
  self.parts, self.running, self.in_slice, self.closed = {}, {}, false, false
  return setmetatable(self, Loader)
end

--- Runs a chunk to its end in a coroutine of its own: what waits there is refused, since nothing could wake it.
function Loader.top_level(chunk)
  local thread = coroutine.create(chunk)
  local ok, value = coroutine.resume(thread)
  if not ok then
    error(value, 0)
  elseif coroutine.status(thread) ~= "dead" then
    error("the top level of a script cannot wait", 0)
  end
  return value
end

--- "lib.sse" → "providers/lib/sse.lua".
local function helper_name(name)
  local helper = name:match("^lib%.([%w_]+)$")
  return helper and "providers/lib/" .. helper .. ".lua"
end

--- The `require` of one script. The sandbox wraps it once more (hence level 3) and copies the core's modules.
---@param needs table filled with what was required
---@param public_only? boolean no helpers
function Loader:require_for(needs, public_only)
  local loaded = {}
  return function(name)
    if type(name) ~= "string" then
      error("require: expected a name, found " .. type(name), 3)
    end
    if loaded[name] ~= nil then
      return loaded[name]
    end
    if self.closed then
      error(('require "%s": only at the top level of a script'):format(name:sub(1, 60)), 3)
    end
    local public = name:match("^cliproxy%.([%w_]+)$")
    local helper = not public_only and helper_name(name)
    if public and is_public[public] then
      needs[".env"] = public == "env" and self.env_hash or needs[".env"]
      loaded[name] = public == "env" and self.env:public() or modules[public]
    elseif helper then
      local part, message = self:run(helper)
      if not part then
        error(message, 0)
      end
      needs[helper], loaded[name] = part, part.value
    else
      error(
        ('require "%s": scripts may require %scliproxy.{%s}'):format(
          name:sub(1, 60),
          public_only and "" or "their helpers (lib.NAME in providers/lib) and ",
          table.concat(M.PUBLIC, ",")
        ),
        3
      )
    end
    return loaded[name]
  end
end

--- Whether a part of the generation before can be taken over as it is.
function Loader:still_good(part, file, hash)
  if part.file ~= file or part.hash ~= hash then
    return false
  end
  for name, need in pairs(part.needs) do
    if name == ".env" then
      if need ~= self.env_hash then
        return false
      end
    elseif self:run(name) ~= need then
      return false
    end
  end
  return true
end

function Loader:execute(name, file, text)
  local part = { path = name, file = file, hash = self.files.hashes[file], generation = self.generation, needs = {} }
  local environment = sandbox.environment({ require = self:require_for(part.needs) })
  local chunk, message = sandbox.compile(text, name, environment)
  if not chunk then
    return nil, message
  end
  if self.in_slice then -- a helper runs in the slice of the script that requires it
    part.value = chunk()
  else
    self.in_slice = true
    local ok, value = budget.call({ name = name, script = name }, self.top_level, chunk)
    self.in_slice = false
    if not ok then
      return nil, tostring(value)
    end
    part.value = value
  end
  if part.value == nil then
    return nil, name .. ": returned nothing; a script ends with `return { … }`"
  end
  return part
end

--- Runs a script, or takes it over. Raises what a helper raises when called from within a script.
---@param name string "providers/groq.lua"
---@return cliproxy.Part?
---@return string? message
function Loader:run(name)
  if self.parts[name] then
    return self.parts[name]
  end
  for i, running in ipairs(self.running) do
    if running == name then
      return nil, ("%s: requires itself: %s → %s"):format(name, table.concat(self.running, " → ", i), name)
    end
  end
  local file, text, problem = self.files:find(name)
  if not text then
    if file then
      return nil, ("%s: cannot be read: %s"):format(name, problem)
    end
    return nil, ("%s: no such script in %s"):format(name, table.concat(self.files:folders(), " and "))
  end
  local before = self.previous[name]
  table.insert(self.running, name)
  local ok, part, message
  if before and self:still_good(before, file, self.files.hashes[file]) then
    ok, part = true, before
  else
    ok, part, message = pcall(self.execute, self, name, file, text)
  end
  table.remove(self.running)
  if not ok then -- raised in a helper: its requirer's slice ends with it
    error(part, 0)
  end
  self.parts[name] = part
  return part, message
end

--- The generation is built: from now on nothing is loaded any more, and what only loading needs is let go. Scripts hold
--- their loader through `require`: without this each generation would hold the one before.
function Loader:close()
  self.closed, self.previous, self.files = true, nil, nil
end

return M
