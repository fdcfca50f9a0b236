--- Checks which modules of the Lua core require which: none requires one that requires it in the end, also where it
--- does so late, and codecs of dialects know nothing of the pipeline. Run: `build/cpx_lua scripts/lint_requires.lua`.
local ROOT = "lua/"

-- What a request goes through: of no use to a codec.
local PIPELINE = { "pipeline", "attempt", "answer", "answer_parts", "answer_translated", "translate",
  "translate_answer", "service", "snapshot", "live", "routes", "config", "provider", "filters", "record", "decide",
  "call" }

local complaints = 0

local function complain(...)
  complaints = complaints + 1
  io.stderr:write(("lint_requires: " .. "%s\n"):format(table.concat({ ... })))
end

--- What each module requires, by name.
---@return table<string, string[]>
local function graph()
  local needs = {}
  local list = assert(io.popen("find " .. ROOT .. "cliproxy -name '*.lua' -not -path '*/_meta/*' | sort"))
  for path in list:lines() do
    local name = path:sub(#ROOT + 1, -5):gsub("/init$", ""):gsub("/", ".")
    local file = assert(io.open(path))
    local found = {}
    for wanted in file:read("*a"):gmatch('require%("(cliproxy[%w_.]*)"%)') do
      found[#found + 1] = wanted
    end
    file:close()
    needs[name] = found
  end
  list:close()
  return needs
end

local needs = graph()

-- Depth first: a module that is met again on the way to itself closes a circle.
local state, way = {}, {}
local function visit(name)
  state[name] = "open"
  way[#way + 1] = name
  for _, wanted in ipairs(needs[name] or {}) do
    if state[wanted] == "open" then
      complain("a circle: ", table.concat(way, " → "), " → ", wanted)
    elseif not state[wanted] then
      visit(wanted)
    end
  end
  way[#way] = nil
  state[name] = "done"
end

local names, is_pipeline = {}, {}
for name in pairs(needs) do
  names[#names + 1] = name
end
table.sort(names)
for _, name in ipairs(PIPELINE) do
  assert(needs["cliproxy." .. name], name)
  is_pipeline["cliproxy." .. name] = true
end
for _, name in ipairs(names) do
  if not state[name] then
    visit(name)
  end
  for _, wanted in ipairs(name:find("^cliproxy%.dialects") and needs[name] or {}) do
    if is_pipeline[wanted] then
      complain(name, " requires ", wanted, ": codecs know nothing of the pipeline")
    end
  end
end
if complaints > 0 then os.exit(1) end
print(("%d modules require nothing that requires them"):format(#names))
