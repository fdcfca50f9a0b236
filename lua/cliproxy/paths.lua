--- Paths of files, as text.
local system = require("cliproxy.system")

local M = {}

---@param path string
---@return string "/etc" of "/etc/hosts"
function M.folder(path)
  local folder = path:match("^(.*)/[^/]*$")
  return folder == nil and "." or folder == "" and "/" or folder
end

---@param path string
---@return string "hosts" of "/etc/hosts"
function M.base(path)
  return path:match("([^/]*)$")
end

--- Absolute; "~/" is the home folder; others start at `folder`, or the working folder.
---@param path string
---@param folder? string
---@return string
function M.absolute(path, folder)
  if path == "~" or path:sub(1, 2) == "~/" then
    path = (system.getenv("HOME") or "/") .. path:sub(2)
  elseif path:sub(1, 1) ~= "/" then
    path = (folder or system.cwd()) .. "/" .. path:gsub("^%./", "")
  end
  return path
end

return M
