--- Collects what is wrong with a configuration and its scripts: each message once, with file, line and key path.
local env = require("cliproxy.env")

local M = {}

local MESSAGES_MAX = 100
local TEXT_MAX = 2000

---@class cliproxy.Findings
---@field messages cliproxy.Message[]
---@field failed boolean
local Findings = {}
Findings.__index = Findings

---@return cliproxy.Findings
function M.new()
  return setmetatable({ messages = {}, failed = false }, Findings)
end

--- Valid UTF-8 and no control characters: messages go into JSON and onto terminals, and a script can raise anything.
local function clean(text)
  text = text:gsub("[%z\1-\8\11-\31\127]", "?"):sub(1, TEXT_MAX)
  return (text:gsub("[\128-\255]+", function(run)
    local rest = run:gsub("[\194-\223][\128-\191]", ""):gsub("[\224-\239][\128-\191][\128-\191]", "")
    return rest:gsub("[\240-\244][\128-\191][\128-\191][\128-\191]", "") ~= "" and ("?"):rep(#run) or run
  end))
end

---@param message cliproxy.Message
function Findings:add(message)
  message.message = clean(message.message)
  message.path = message.path and clean(message.path)
  if not message.warning then
    self.failed = true
  end
  if #self.messages < MESSAGES_MAX then
    self.messages[#self.messages + 1] = message
  end
end

--- A message as scripts and the parser make it: "config.lua:3: unexpected symbol", "providers/x.lua: returned nothing",
--- or one in front of the other; the innermost place counts.
---@param text string
---@param file string where the text does not say
---@param path? string
function Findings:add_text(text, file, path)
  local line
  while true do
    local named, number, rest = text:match("^([%w_./-]+%.lua):(%d*):? ?(.*)$")
    if named ~= file and not (named and named:find("^providers/")) then
      break
    end
    file, line, text = named, tonumber(number), rest
  end
  self:add({ file = file, line = line, path = path, message = text })
end

---@class cliproxy.Scope : cliproxy.OptionContext
---@field private findings cliproxy.Findings
local Scope = { is_missing = env.is_missing }
Scope.__index = Scope

--- Where options of one file are checked. `at` is put before each key path.
---@param file string as shown
---@param source? cliproxy.ConfigSource
---@param on_missing? fun(path: string, marker: cliproxy.Missing)
---@return cliproxy.Scope
function Findings:scope(file, source, on_missing)
  return setmetatable({ findings = self, file = file, source = source, on_missing = on_missing }, Scope)
end

---@param path string
---@return integer?
function Scope:line(path)
  return self.source and self.source:line(path) or nil
end

function Scope:fail(path, message)
  self.findings:add({ file = self.file, line = self:line(path), path = path ~= "" and path or nil, message = message })
end

function Scope:warn(path, message)
  local line, at = self:line(path), path ~= "" and path or nil
  self.findings:add({ file = self.file, line = line, path = at, message = message, warning = true })
end

function Scope:missing(path, marker)
  if self.on_missing then
    return self.on_missing(path, marker)
  end
  self.findings:add({
    file = self.file,
    line = rawget(marker, "line") or self:line(path),
    path = path,
    message = ("the environment variable %s is not set; set it, or put %s=… into .env beside %s"):format(
      marker.name,
      marker.name,
      self.file
    ),
  })
end

--- "config.lua:12: providers.groq.timeouts.connect: expected …".
---@param message cliproxy.Message
---@return string
function M.text(message)
  local place = message.line and ("%s:%d"):format(message.file, message.line) or message.file
  local path = message.path and message.path .. ": " or ""
  return ("%s: %s%s"):format(place, path, message.message)
end

---@param messages cliproxy.Message[]
---@return cliproxy.Message? first that is not a warning
function M.first_error(messages)
  for _, message in ipairs(messages) do
    if not message.warning then
      return message
    end
  end
end

return M
