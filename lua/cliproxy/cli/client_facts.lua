--- What `env` and `run` need to know alike: the client, the proxy's place, the model.
local client = require("cliproxy.cli.client")
local clients = require("cliproxy.clients")
local models = require("cliproxy.models")
local nearest = require("cliproxy.nearest")

local M = {}

--- Where nothing is known of a model's window: what clients assume of a current one.
local CONTEXT = 128000

---@param name string
---@return cliproxy.ClientRow?, string? message
function M.client(name)
  local row = clients.find(name)
  if row then return row end
  local hint = nearest.hint(name, clients.names)
  hint = hint == "" and "." or hint
  return nil, ("no client is called '%s'%s `cliproxy env` lists them."):format(name:gsub("%c", "?"):sub(1, 60), hint)
end

--- Names go into shell lines, JSON, TOML and YAML as they are.
local function check_model(row, model)
  if model and not model:find("^[%w%._:/@+%[%]-]+$") then
    return ("'%s' is no name of a model"):format(model:gsub("%c", "?"):sub(1, 60))
  elseif not model and row.needs_model then
    return ("%s must be told which model to use: add --model MODEL"):format(row.title)
  end
end

---@param row cliproxy.ClientRow
---@param arguments { model?: string, config?: string, url?: string }
---@param codes table<string, integer>
---@return table? place with `facts` for `cliproxy.clients`, `key` not yet in it
---@return string? message
---@return integer? code
function M.gather(row, arguments, codes)
  local wrong = check_model(row, arguments.model)
  if wrong then return nil, wrong, codes.usage end
  local place, message = client.place(arguments)
  if not place then return nil, message, codes.config end
  local caps = arguments.model and models.caps(arguments.model, nil, nil, place.config.models) or {}
  place.facts = { root = place.root, model = arguments.model, context = caps.context or CONTEXT }
  return place
end

return M
