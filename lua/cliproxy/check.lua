--- What `cliproxy check` does: builds a generation as the proxy would, in a process of its own, and says what is wrong.
--- The reload runs it with --json and publishes only bytes that were found good.
local config = require("cliproxy.config")
local files_of = require("cliproxy.files")
local filter = require("cliproxy.filter")
local findings_of = require("cliproxy.findings")
local json = require("cliproxy.json")
local loader_of = require("cliproxy.loader")
local paths = require("cliproxy.paths")
local provider = require("cliproxy.provider")
local snapshot = require("cliproxy.snapshot")
local system = require("cliproxy.system")

local M = {}

---@class cliproxy.CheckReport
---@field ok boolean
---@field messages cliproxy.Message[] warnings too
---@field files table<string, string> absolute path → hash, "" where absent
---@field config? string absolute path; nil: the built-in configuration
---@field subject? string the files given

local function failed(message)
  return { ok = false, messages = { { file = "cliproxy", message = message } }, files = {} }
end

---@param path? string
---@return cliproxy.CheckReport
local function check_config(path)
  local built, messages, files = snapshot.build({ path = path })
  return { ok = built ~= nil, messages = messages, files = files, config = path }
end

--- A script by itself: its place tells what it is, and where its helpers are.
local function check_script(path)
  local folder, base = paths.folder(path), paths.base(path)
  local kind = paths.base(folder)
  local beside = paths.folder(folder)
  if kind == "lib" or kind == "filters" then
    beside = paths.folder(beside)
  end
  local files, findings = files_of.new(beside, system.root), findings_of.new()
  local values, hash = config.read_env(beside, files, findings)
  local loader = loader_of.new(files, values, hash, 1)
  local name = base:match("^([%w_-]+)%.lua$")
  if kind == "lib" then
    local part, message = loader:run("providers/lib/" .. base)
    if not part then
      findings:add_text(message, "providers/lib/" .. base)
    end
  elseif name and kind == "filters" then
    filter.load(loader, name, findings)
  elseif not name or paths.base(folder) ~= "providers" then
    local message = "a provider script is called providers/NAME.lua, NAME of letters, digits, _ and -"
    findings:add({ file = base, message = message })
  else
    provider.load(loader, name, findings)
  end
  return { ok = not findings.failed, messages = findings.messages, files = files.hashes }
end

--- A script lies in a folder `providers`, its `lib` or its `filters`; anything else is a configuration.
local function is_script(path)
  local folder = paths.folder(path)
  local parent = paths.base(folder)
  return parent == "providers"
    or (parent == "lib" or parent == "filters") and paths.base(paths.folder(folder)) == "providers"
end

--- Checks the configuration in use, or the files given.
---@param options { path?: string, files?: string[] } path: --config
---@return cliproxy.CheckReport
function M.run(options)
  local given = options.files or {}
  if #given == 0 and options.path == config.BUILT_IN then
    return check_config(nil)
  elseif #given == 0 then
    local path, message = config.find({ path = options.path })
    return message and failed(message) or check_config(path)
  end
  local report = { ok = true, messages = {}, files = {}, subject = table.concat(given, ", ") }
  for _, file in ipairs(given) do
    local path = paths.absolute(file)
    local one = system.stat(path) and (is_script(path) and check_script(path) or check_config(path))
      or failed(path .. " does not exist")
    report.ok = report.ok and one.ok
    for _, message in ipairs(one.messages) do
      table.insert(report.messages, message)
    end
    for name, hash in pairs(one.files) do
      report.files[name] = hash
    end
  end
  return report
end

--- One JSON object: { ok, config, messages: [{ file, line, path, message, warning }], files: { path: hash } }.
---@param report cliproxy.CheckReport
---@return string
function M.encode(report)
  local messages = json.array({})
  for i, message in ipairs(report.messages) do
    messages[i] = message
  end
  local files = json.object({})
  for path, hash in pairs(report.files) do
    files[path] = hash
  end
  return json.encode({ ok = report.ok, config = report.config, messages = messages, files = files })
end

local function plain(node, names)
  local copy = {}
  for _, name in ipairs(names) do
    local value = node[name]
    copy[name] = json.present(value) and value or nil
  end
  return copy
end

--- Reads what `encode` made. nil when it is something else.
---@param text string
---@return cliproxy.CheckReport?
---@return string? message
function M.decode(text)
  local document, message = json.parse(text)
  if not document then
    return nil, message
  end
  local is_object = json.kind(document) == "object"
  if not is_object or json.kind(document.messages) ~= "array" or json.kind(document.files) ~= "object" then
    return nil, "not a report"
  end
  local report = { ok = document.ok == true, messages = {}, files = {} }
  for i, node in json.ipairs(document.messages) do
    report.messages[i] = plain(node, { "file", "line", "path", "message", "warning" })
  end
  for path, hash in json.pairs(document.files) do
    report.files[path] = hash
  end
  json.close(document)
  return report
end

--- For people: one line a message, then the verdict.
---@param report cliproxy.CheckReport
---@return string
function M.text(report)
  local lines = {}
  for i, message in ipairs(report.messages) do
    lines[i] = (message.warning and "warning: " or "") .. findings_of.text(message)
  end
  local errors = 0
  for _, message in ipairs(report.messages) do
    errors = errors + (message.warning and 0 or 1)
  end
  if report.ok then
    lines[#lines + 1] = "OK: " .. (report.subject or report.config or "the built-in configuration, with demo alone")
  else
    lines[#lines + 1] = ("%d error%s"):format(errors, errors == 1 and "" or "s")
  end
  return table.concat(lines, "\n") .. "\n"
end

return M
