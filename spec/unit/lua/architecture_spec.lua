-- docs/architecture.md names every module of the Lua core, and none that is not there.
local function named()
  local file = assert(io.open("docs/architecture.md"))
  local text = file:read("*a")
  file:close()
  local core = assert(text:match("## The Lua core\n(.-)\n## "), "no section The Lua core")
  local names = {}
  for name in core:gmatch("`([%l_/]+)`") do
    names[name] = true
  end
  return names, core
end

local function modules()
  local names = {}
  local list = assert(io.popen("ls lua/cliproxy lua/cliproxy/_meta"))
  for line in list:lines() do
    local name = line:match("^([%l_]+)%.lua$") or line:match("^(%l[%l_]*)$")
    names[name or ""] = true
  end
  list:close()
  return names
end

describe("docs/architecture.md", function()
  it("names every module", function()
    local told = named()
    for name in pairs(modules()) do
      -- Types of a script or a generation are no modules.
      assert.truthy(name == "" or told[name], name .. " is missing")
    end
  end)

  it("names no module that is not there", function()
    local there, _, core = modules(), named()
    for cell in core:gmatch("\n| (`[^|]+) |") do
      for name in cell:gmatch("`([%l_]+)`") do
        assert.truthy(there[name], name .. " is not there")
      end
    end
  end)
end)
