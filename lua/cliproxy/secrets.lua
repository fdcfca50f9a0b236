--- Takes the key of a call out of what its provider says: some servers repeat the key that they refuse.
local M = {}

local MASK = "***"
-- Shorter ones might be ordinary words.
local LENGTH_MIN = 8

local function without(words, secret)
  if type(secret) ~= "string" or #secret < LENGTH_MIN then
    return words
  end
  local from, to = words:find(secret, 1, true)
  while from do
    words = words:sub(1, from - 1) .. MASK .. words:sub(to + 1)
    from, to = words:find(secret, from + #MASK, true)
  end
  return words
end

--- Words of a provider, fit for its client and the log.
---@param work cliproxy.Work
---@param words string
---@return string
function M.hide(work, words)
  local account, call = work.account, work.call
  words = without(words, account and account.api_key)
  local headers = call and call.headers
  local authorization = type(headers) == "table" and headers.authorization
  if type(authorization) == "string" then
    words = without(words, authorization:match("^%a+ +(.+)$") or authorization) -- made by the hook authorize, maybe
  end
  return words
end

return M
