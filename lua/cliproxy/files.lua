--- The files of one generation: each is read once, and hashed, so that what was
--- checked and what is published are the same bytes.
local crypto = require("cliproxy.crypto")
local system = require("cliproxy.system")

local M = {}

M.SCRIPT_MAX = 1024 * 1024

---@class cliproxy.Files
---@field folder? string of the configuration
---@field root string of lua/ and providers/
---@field hashes table<string, string> absolute path → hash, "" where absent
---@field private texts table<string, string|false>
---@field private problems table<string, string>
local Files = {}
Files.__index = Files

---@param folder? string
---@param root string
---@return cliproxy.Files
function M.new(folder, root)
  return setmetatable({ folder = folder, root = root, hashes = {}, texts = {}, problems = {} }, Files)
end

---@param bytes string
---@return string
function M.hash(bytes)
  return crypto.hex_encode(crypto.sha256(bytes))
end

--- The text; nil where there is no such file, with a message where it is there but cannot be read.
---@param path string absolute
---@return string? text
---@return string? message
function Files:read(path)
  if self.texts[path] == nil then
    local stat = system.stat(path)
    local text, problem
    if stat and stat.type == "directory" then
      problem = "is a folder"
    elseif stat then
      text, problem = system.read(path, M.SCRIPT_MAX)
    end
    self.texts[path] = text or false
    self.problems[path] = problem
    self.hashes[path] = text and M.hash(text) or (problem and "unreadable" or "")
  end
  return self.texts[path] or nil, self.problems[path]
end

--- Finds a script: the configuration's folder first, then the shipped ones.
---@param name string "providers/groq.lua"
---@return string? file absolute
---@return string? text nil and a message where the file is there but cannot be read
---@return string? message
function Files:find(name)
  for _, folder in ipairs(self:folders()) do
    local file = folder .. "/" .. name
    local text, problem = self:read(file)
    if text or problem then
      return file, text, problem
    end
  end
  return nil
end

---@return string[] folders that hold providers/, in order
function Files:folders()
  if self.folder and self.folder ~= self.root then
    return { self.folder, self.root }
  end
  return { self.root }
end

--- Whether the files of `hashes` still have these bytes.
---@param hashes table<string, string>
---@return boolean
function M.same(hashes)
  local now = M.new(nil, "")
  for path, hash in pairs(hashes) do
    now:read(path)
    if now.hashes[path] ~= hash then
      return false
    end
  end
  return true
end

return M
