--- `cliproxy run -- CLIENT …`: becomes the client, with an environment that leads it to the proxy.
local client = require("cliproxy.cli.client")
local clients = require("cliproxy.clients")
local facts_of = require("cliproxy.cli.client_facts")
local paths = require("cliproxy.paths")
local system = require("cliproxy.system")

local M = {}

local function fail(message, code)
  system.print_error(("cliproxy: %s\n"):format(message))
  return code
end

--- A client that has no variable for what it must know gets a folder with its file. No key is in it.
local function write_file(row, place, variables)
  local folder = ("%s/clients/%s"):format(place.config.state_dir, row.name)
  for _, path in ipairs({ place.config.state_dir, place.config.state_dir .. "/clients", folder }) do
    local ok, message = system.mkdir(path, 448) -- 0700
    if not ok then return message end
  end
  local ok, message = system.write(folder .. "/" .. paths.base(row.file.path),
    clients.fill(row.file.text, { root = place.root, model = place.facts.model, context = place.facts.context }))
  variables[row.config_folder] = folder
  return not ok and message or nil
end

local function variables_of(row, place)
  local variables = {}
  for _, name in ipairs(row.unset or {}) do variables[name] = false end
  for _, entry in ipairs(clients.variables(row, place.facts)) do variables[entry[1]] = entry[2] end
  if place.cert and row.ca then variables[row.ca] = place.cert end
  return variables
end

local function is_up(place)
  local answer, message = client.get({ url = place.root, key = place.key, ca_file = place.cert }, "/v1/health")
  return answer ~= nil, message
end

---@param arguments { command: string[], model?: string, config?: string, url?: string }
---@param codes table<string, integer>
---@return integer only where the client could not be started
function M.run(arguments, codes)
  local row, message = facts_of.client(arguments.command[1])
  if not row then return fail(message, codes.usage) end
  if not row.command then
    return fail(("%s is not started from here: `cliproxy env %s` tells what to set"):format(row.title, row.name),
      codes.usage)
  end
  local place, wrong, code = facts_of.gather(row, arguments, codes)
  if not place then return fail(wrong, code) end
  local own = system.getenv(clients.KEY_VARIABLE)
  place.key = place.key or own ~= "" and own or nil
  place.facts.key = place.key
  local up, problem = is_up(place)
  if not up then
    system.print_error(client.unreachable({ url = place.root }, problem))
    return codes.unreachable
  end
  local variables = variables_of(row, place)
  wrong = row.config_folder and write_file(row, place, variables)
  if wrong then return fail(wrong, codes.failed) end
  local words = { row.command }
  for _, word in ipairs(clients.arguments(row, place.facts)) do words[#words + 1] = word end
  for i = 2, #arguments.command do words[#words + 1] = arguments.command[i] end
  local _, text, kind = system.exec(words, variables)
  return fail(kind == "not_found" and ("%s: is %s installed?"):format(text, row.title) or text, codes.failed)
end

return M
