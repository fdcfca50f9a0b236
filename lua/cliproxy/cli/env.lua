--- `cliproxy env [CLIENT]`
local clients = require("cliproxy.clients")
local facts_of = require("cliproxy.cli.client_facts")
local system = require("cliproxy.system")

local M = {}

--- Stands for the key until a shell's own reference takes its place.
local REFERENCE = "\1key"
local PLACEHOLDER = "YOUR-CLIENT-KEY"

--- How each shell sets, removes and refers to a variable.
local SHELLS = {
  sh = {
    set = "export %s=%s", unset = "unset %s", reference = '"$%s"',
    quote = function(text) return "'" .. text:gsub("'", "'\\''") .. "'" end,
  },
  fish = {
    set = "set -gx %s %s", unset = "set -e %s", reference = '"$%s"',
    quote = function(text) return "'" .. text:gsub("[\\']", "\\%0") .. "'" end,
  },
  powershell = {
    set = "$env:%s = %s", unset = "Remove-Item Env:%s -ErrorAction SilentlyContinue", reference = "$env:%s",
    quote = function(text) return "'" .. text:gsub("'", "''") .. "'" end,
  },
}

local function list()
  system.print("Clients that `cliproxy env CLIENT` can point at the proxy (* `cliproxy run -- CLIENT` starts it):\n\n")
  for _, row in ipairs(clients.rows) do
    system.print(("  %-14s%s %-22s %s\n"):format(row.name, row.command and "*" or " ", row.title, row.dialect))
  end
end

local function say(lines, prefix)
  for _, line in ipairs(lines) do system.print(prefix .. line .. "\n") end
end

local function print_variables(row, place, shell)
  local facts, lines = place.facts, {}
  if facts.key == REFERENCE then
    lines[1] = ("# %s must hold one of api_keys in %s; --show-key prints the first."):format(clients.KEY_VARIABLE,
      place.config.file)
  end
  for _, name in ipairs(row.unset or {}) do lines[#lines + 1] = shell.unset:format(name) end
  for _, entry in ipairs(clients.variables(row, facts)) do
    local is_reference = entry[2] == REFERENCE
    local value = is_reference and shell.reference:format(clients.KEY_VARIABLE) or shell.quote(entry[2])
    -- Also where it refers to itself: the variable is there, but may not be exported.
    lines[#lines + 1] = shell.set:format(entry[1], value)
  end
  if place.cert and row.ca then lines[#lines + 1] = shell.set:format(row.ca, shell.quote(place.cert)) end
  say(lines, "")
  say(row.notes, "# ")
  if row.file then
    local how = row.file.also and "as well" or "instead"
    system.print(("# With --file: what goes into %s %s.\n"):format(row.file.path, how))
  end
  if row.command then
    local words = clients.arguments(row, facts)
    for i, word in ipairs(words) do words[i] = word:find("^[%w_.:/-]+$") and word or shell.quote(word) end
    system.print(("# Start it with: %s\n"):format(table.concat({ row.command, unpack(words) }, " ")))
  end
end

--- Files go to standard output as they are, so that they can be redirected; what is said about them does not.
local function print_file(row, facts)
  system.print_error(("# %s reads this from %s.\n"):format(row.title, row.file.path))
  for _, notes in ipairs { row.file_notes or {}, row.notes } do
    for _, note in ipairs(notes) do system.print_error("# " .. note .. "\n") end
  end
  system.print(clients.fill(row.file.text, facts))
end

local function print_steps(row, facts)
  system.print(("In the settings of %s:\n\n"):format(row.title))
  for _, step in ipairs(row.steps) do system.print("  " .. clients.fill(step, facts) .. "\n") end
  system.print("\n")
  say(row.notes, "")
end

local function fail(message, code)
  system.print_error(("cliproxy: %s\n"):format(message))
  return code
end

---@param arguments table
---@param codes table<string, integer>
---@return integer
function M.run(arguments, codes)
  if not arguments.client then
    list()
    return codes.ok
  end
  local row, message = facts_of.client(arguments.client)
  if not row then return fail(message, codes.usage) end
  if arguments.file and not row.file then
    return fail(("%s has no file for this: leave --file out"):format(row.title), codes.usage)
  end
  local place, wrong, code = facts_of.gather(row, arguments, codes)
  if not place then return fail(wrong, code) end
  local in_shell = row.env and not arguments.file and not row.config_folder
  if place.key then
    place.facts.key = arguments.show_key and place.key or in_shell and REFERENCE or PLACEHOLDER
  end
  if in_shell then
    print_variables(row, place, SHELLS[arguments.shell])
  elseif row.file then
    print_file(row, place.facts)
  else
    print_steps(row, place.facts)
  end
  return codes.ok
end

return M
