--- `cliproxy models NAME`: what is known of a model, and what says so.
local config = require("cliproxy.config")
local findings_of = require("cliproxy.findings")
local json = require("cliproxy.json")
local models = require("cliproxy.models")
local options = require("cliproxy.options")
local snapshot = require("cliproxy.snapshot")
local system = require("cliproxy.system")

local M = {}

--- Where the configuration sends the model; nil: nowhere that can be told without a request.
local function target_of(built, name)
  local ok, plan = pcall(built.routes.plan, built.routes, {
    model = name, dialect = "openai_chat", operation = "generate", size = 0, stream = false, tools = false,
    images = false, headers = {},
  })
  return ok and plan and plan[1] or nil
end

local function gather(built, arguments)
  local name = arguments.model
  local target = target_of(built, name)
  local instance = target and target.instance
  local upstream = target and target.model or name
  local dialect = arguments.dialect or instance and instance.speaks[1]
  local caps, sources = models.caps(upstream, dialect, instance and instance.caps, built.config.models)
  local _, row = models.row(upstream)
  return {
    model = name, upstream = upstream, provider = instance and instance.name, dialect = dialect, row = row,
    caps = caps, sources = sources,
  }
end

local function value_text(value)
  if type(value) == "number" then return ("%.14g"):format(value) end
  if type(value) ~= "table" then return tostring(value) end
  local parts = {}
  for i, item in ipairs(value) do parts[i] = item end
  if not parts[1] then
    for _, key in ipairs(options.sorted_keys(value)) do parts[#parts + 1] = ("%s %.14g"):format(key, value[key]) end
  end
  return table.concat(parts, ", ")
end

local function show(facts)
  system.print(("%s\n  row       %s\n"):format(facts.model, facts.row))
  if facts.provider then
    system.print(("  provider  %s, as %s\n"):format(facts.provider, facts.upstream))
  else
    system.print("  provider  none: no rule and no pattern leads there\n")
  end
  system.print(("  dialect   %s\n\n"):format(facts.dialect or "none: --dialect shows what holds in one"))
  for _, field in ipairs(options.sorted_keys(facts.caps)) do
    local source = facts.sources[field] == facts.row and "the row" or facts.sources[field]
    system.print(("  %-24s %-34s %s\n"):format(field, value_text(facts.caps[field]), source))
  end
end

---@param arguments { model: string, config?: string, dialect?: string, json?: boolean }
---@param codes table<string, integer>
---@return integer
function M.run(arguments, codes)
  local path, message = config.find { path = arguments.config }
  if message then
    system.print_error(("cliproxy: %s\n"):format(message))
    return codes.config
  end
  local built, messages = snapshot.build { path = path }
  if not built then
    system.print_error(findings_of.text(findings_of.first_error(messages)) .. "\n")
    return codes.config
  end
  local facts = gather(built, arguments)
  if arguments.json then
    system.print(json.encode(facts) .. "\n")
  else
    show(facts)
  end
  return codes.ok
end

return M
