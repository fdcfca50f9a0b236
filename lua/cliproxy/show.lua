--- What was sent to a provider, for `cliproxy try --show-upstream`: one line,
--- keys masked, told only to who may administer.
local access = require("cliproxy.access")
local json = require("cliproxy.json")

local M = {}

local SECRET = { authorization = true, ["x-api-key"] = true, ["x-goog-api-key"] = true, cookie = true }
local BODY_MAX, LINE_MAX = 2000, 4000

local function is_secret(name)
  return SECRET[name] or name:find("token", 1, true) or name:find("secret", 1, true) or name:find("%-key$")
end

local function header_list(headers)
  local names, out = {}, {}
  for name in pairs(headers) do
    names[#names + 1] = name
  end
  table.sort(names)
  for i, name in ipairs(names) do
    local value = headers[name]
    local shown = type(value) == "table" and table.concat(value, ", ") or value
    out[i] = name .. ": " .. (is_secret(name) and "***" or shown)
  end
  return table.concat(out, "; ")
end

local function body_of(body)
  if body == nil then
    return "no body"
  end
  local bytes = type(body) == "string" and body or json.encode(body)
  return ("%d bytes: %s%s"):format(#bytes, bytes:sub(1, BODY_MAX), #bytes > BODY_MAX and "…" or "")
end

--- nil for those who may not see it.
---@param work cliproxy.Work
---@return string?
function M.line(work)
  if access.check_admin(work.live.keys, work.snapshot.config, work.exchange) then
    return nil
  end
  local call = work.call
  local line = ("%s %s [%s] %s"):format(call.method, (call.url:gsub("%?.*", "")), header_list(call.headers),
    body_of(call.body))
  return (line:sub(1, LINE_MAX):gsub("[^\32-\126]", "?"))
end

return M
