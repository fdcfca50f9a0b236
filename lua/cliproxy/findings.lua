--- Collects what is wrong with a configuration and its scripts: each message once, with file, line and key path.
local env = require("cliproxy.env")

local M = {}

local MESSAGES_MAX = 100

---@class cliproxy.Findings
---@field messages cliproxy.Message[]
---@field failed boolean
local Findings = {}
Findings.__index = Findings

---@return cliproxy.Findings
function M.new()
  return setmetatable({ messages = {}, failed = false }, Findings)
end

---@param message cliproxy.Message
function Findings:add(message)
  if not message.warning then
    self.failed = true
  end
  if #self.messages < MESSAGES_MAX then
    self.messages[#self.messages + 1] = message
  end
end

--- A message as scripts and the parser make it: "config.lua:3: unexpected symbol".
---@param text string
---@param file string where the text does not say
---@param path? string
function Findings:add_text(text, file, path)
  local named, line, rest = text:match("^([^:\n]+):(%d+): (.*)$")
  self:add({ file = named or file, line = tonumber(line), path = path, message = rest or text })
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
  local line = self:line(path)
  self.findings:add({ file = self.file, line = line, path = path ~= "" and path or nil, message = message, warning = true })
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
