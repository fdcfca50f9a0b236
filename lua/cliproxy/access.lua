--- Who asks: client keys by four carriers, compared in constant time; guesses are slowed; keys are never logged.
local crypto = require("cliproxy.crypto")
local errors = require("cliproxy.errors")
local text = require("cliproxy.text")
local timer = require("cliproxy.timer")

local M = {}

---@class cliproxy.Keys
---@field [integer] { name: string, digest: string }
---@field admin? string digest

--- What access needs of a configuration; made once a generation. Only digests are kept.
---@param config cliproxy.Config
---@return cliproxy.Keys
function M.keys(config)
  local keys = {}
  for i, entry in ipairs(config.api_keys) do
    keys[i] = { name = entry.name, digest = crypto.sha256(entry.key) }
  end
  keys.admin = config.admin_key and crypto.sha256(config.admin_key)
  return keys
end

-- Wrong keys by peer address: how many, and when the last one came. A memory, not a lock: a right key is never slowed.
local guesses, guess_count = {}, 0
local GUESSERS_MAX, FORGET_S, WAIT_MAX_S = 1000, 60, 1

local function slow_down(peer)
  local address = peer:match("^(.*):%d+$") or peer
  local now = timer.now()
  local entry = guesses[address]
  if not entry then
    if guess_count >= GUESSERS_MAX then
      guesses, guess_count = {}, 0
    end
    entry = { count = 0, at = now }
    guesses[address], guess_count = entry, guess_count + 1
  elseif now - entry.at > FORGET_S then
    entry.count = 0
  end
  entry.count, entry.at = entry.count + 1, now
  timer.sleep(math.min(WAIT_MAX_S, 0.05 * 2 ^ math.min(entry.count - 1, 10)))
end

--- The keys that a request carries, in the order of preference.
local function carried(exchange)
  local authorization = exchange:header("authorization")
  return authorization and authorization:match("^[Bb][Ee][Aa][Rr][Ee][Rr] +(%S+) *$"), exchange:header("x-api-key"),
    exchange:header("x-goog-api-key"), text.query_value(exchange.query, "key")
end

-- Every key is compared, so that the time tells nothing about which one came near.
local function match(keys, candidate)
  local digest, found = crypto.sha256(candidate), nil
  for i = 1, #keys do
    if crypto.equal(digest, keys[i].digest) then
      found = keys[i].name
    end
  end
  -- Who may administer may ask, too.
  if keys.admin and crypto.equal(digest, keys.admin) then
    found = found or "admin"
  end
  return found
end

--- The name of the client's key, "" where none is asked for; or why it is refused. May wait.
---@param keys cliproxy.Keys
---@param config cliproxy.Config
---@param exchange cliproxy.Exchange
---@return string?, cliproxy.Failure?
function M.check(keys, config, exchange)
  if #keys == 0 then
    return ""
  end
  local a, b, c, d = carried(exchange)
  local name = a and match(keys, a) or b and match(keys, b) or c and match(keys, c) or d and match(keys, d)
  if name then
    return name
  end
  local fields = { file = config.file, headers = { ["www-authenticate"] = "Bearer" } }
  if not (a or b or c or d) then
    return nil, errors.new("key_missing", fields)
  end
  slow_down(exchange.peer)
  return nil, errors.new("key_wrong", fields)
end

--- nil, or why this request may not use an admin endpoint. May wait.
---@param keys cliproxy.Keys
---@param config cliproxy.Config
---@param exchange cliproxy.Exchange
---@return cliproxy.Failure?
function M.check_admin(keys, config, exchange)
  if not keys.admin then
    if exchange.is_local then
      return nil
    end
    return errors.new("admin_local_only", { file = config.file })
  end
  local a, b, c, d = carried(exchange)
  local candidate = a or b or c or d
  if candidate and crypto.equal(crypto.sha256(candidate), keys.admin) then
    return nil
  end
  if candidate then
    slow_down(exchange.peer)
  end
  return errors.new("admin_key_wrong", { file = config.file, headers = { ["www-authenticate"] = "Bearer" } })
end

return M
