--- Checks that bindings, their types and their specs agree: every function of a binding has an entry in
--- lua/cliproxy/_meta and the reverse, and a spec names it. Run: `build/cpx_lua scripts/lint_meta.lua`.
local PUBLIC = {
  "budget", "crypto", "floats", "http", "json", "log", "reply", "sandbox", "server", "state", "system", "task", "timer",
  "tokens", "vault",
}

local complaints = 0

local function complain(...)
  complaints = complaints + 1
  io.stderr:write(("lint_meta: " .. "%s\n"):format((...)))
end

local function read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("*a")
  file:close()
  return text
end

--- All specs in one text: a name that stands in none of them is untested.
local function all_specs()
  local parts = {}
  local pipe = assert(io.popen("find spec \\( -name '*_spec.lua' -o -name '*_test.c' \\) -type f"))
  for path in pipe:lines() do parts[#parts + 1] = read(path) end
  pipe:close()
  return table.concat(parts, "\n")
end

--- Names declared as `function name.x(` or `name.x = …` for the table `name`.
local function declared(text, name)
  local names = {}
  for found in text:gmatch("\nfunction " .. name .. "%.([%w_]+)%(") do names[found] = true end
  for found in text:gmatch("\n" .. name .. "%.([%w_]+) = ") do names[found] = true end
  for found in text:gmatch("\n%-%-%-@field ([%w_]+)[^\n]*\nlocal " .. name .. " = {}") do names[found] = true end
  return names
end

local function check(name, specs)
  local path = "lua/cliproxy/_meta/" .. name .. ".lua"
  local text = read(path)
  local loaded, binding = pcall(require, "cliproxy." .. name)
  if not text then return complain(path .. " is missing") end
  if not loaded then return complain(("cliproxy.%s: %s"):format(name, tostring(binding):match("^[^\n]*"))) end
  local types = declared("\n" .. text, name)
  for key in pairs(types) do
    if binding[key] == nil then complain(("%s: %s.%s is declared, but does not exist"):format(path, name, key)) end
  end
  for key, value in pairs(binding) do
    if not types[key] then complain(("%s: %s.%s exists and is not declared"):format(path, name, tostring(key))) end
    if type(value) == "function" and not specs:find("%f[%w_]" .. key .. "%f[^%w_]") then
      complain(("no spec mentions %s.%s"):format(name, tostring(key)))
    end
  end
end

local specs = all_specs()
for _, name in ipairs(PUBLIC) do check(name, specs) end
if complaints > 0 then os.exit(1) end
print(("%d bindings agree with their types and specs"):format(#PUBLIC))
