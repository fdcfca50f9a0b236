--- Checks the options that provider scripts declare, and makes of them what `cliproxy.options` checks values with.
local options = require("cliproxy.options")
local source = require("cliproxy.config_source")

local M = {}

local DECLARED_TYPES = {
  "boolean",
  "duration",
  "integer",
  "list",
  "map",
  "number",
  "secret",
  "size",
  "string",
  "table",
  "url",
}

---@type table<string, cliproxy.Option>
local DECLARATION = {
  type = { type = "string", required = true, one_of = DECLARED_TYPES },
  required = { type = "boolean" },
  secret = { type = "boolean" },
  account = { type = "boolean" },
  min = { type = "number" },
  max = { type = "number" },
  about = { type = "string" },
  one_of = { type = "list", min = 1, of = { type = "raw" } },
  default = { type = "raw" },
  of = { type = "raw" },
  fields = { type = "raw" },
}

local function declare_nested(option, path, ctx)
  if option.of ~= nil then
    option.of = M.one(option.of, source.join(path, "of"), ctx)
  end
  if option.fields ~= nil then
    option.fields = M.all(option.fields, source.join(path, "fields"), ctx)
  end
end

local function check_default(option, path, ctx)
  if option.default == nil then
    return
  end
  options.value(option, option.default, source.join(path, "default"), ctx)
  if option.required then
    ctx:fail(path, "an option is either required or has a default")
  end
end

---@param declared any
---@param path string
---@param ctx cliproxy.OptionContext
---@return cliproxy.Option?
function M.one(declared, path, ctx)
  if type(declared) ~= "table" then
    ctx:fail(path, ('expected a declaration such as { type = "string" }, found %s'):format(options.show(declared)))
    return nil
  end
  local option = options.fields(DECLARATION, declared, path, ctx)
  if not option.type then
    return nil
  end
  if option.type == "secret" then
    option.type, option.secret = "string", true
  end
  declare_nested(option, path, ctx)
  check_default(option, path, ctx)
  return option
end

--- Checks the `options` table of a provider script.
---@param declared any
---@param path string
---@param ctx cliproxy.OptionContext
---@return table<string, cliproxy.Option>
function M.all(declared, path, ctx)
  local fields = {}
  if type(declared) ~= "table" then
    ctx:fail(path, ("expected a table of declarations, found %s"):format(options.show(declared)))
    return fields
  end
  for _, name in ipairs(options.sorted_keys(declared)) do
    local at = source.join(path, name)
    if type(name) ~= "string" or not name:find("^[%a_][%w_]*$") then
      ctx:fail(at, "an option's name consists of letters, digits and _")
    else
      fields[name] = M.one(declared[name], at, ctx)
    end
  end
  return fields
end

return M
