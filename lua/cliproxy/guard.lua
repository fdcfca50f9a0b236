--- The door for browsers: without client keys, whatever a web page could forge is
--- refused (foreign Host, Origin, Sec-Fetch-Site).
---
--- A page anywhere on the web can send requests to localhost, and one whose name resolves to 127.0.0.1 can read the
--- answers too. Programs send no Origin and name the host they were given.
local errors = require("cliproxy.errors")

local M = {}

local LOCAL_NAMES = { localhost = true, ["127.0.0.1"] = true, ["[::1]"] = true }

--- "Host: name:port" → name, in lower case.
local function name_of(host)
  return (host:match("^(%[[^%]]*%])") or host:match("^[^:]*")):lower()
end

local PASSED_MAX = 100

--- Whether the host is one of ours. Clients send the same one again and again, with the port that was bound.
local function is_known(door, host)
  if door.passed[host] then
    return true
  elseif not door.hosts[name_of(host)] then
    return false
  end
  if door.passed_count < PASSED_MAX then
    door.passed[host], door.passed_count = true, door.passed_count + 1
  end
  return true
end

local function authority_of(origin)
  return origin:match("^%a[%w+.-]*://([^/]*)$")
end

---@class cliproxy.Door
---@field closed boolean the guard is on
---@field hosts table<string, boolean>
---@field origins table<string, boolean>
---@field passed table<string, boolean> Host headers that were let in, as they were sent
---@field passed_count integer

--- What the guard needs of a configuration; made once a generation.
---@param config cliproxy.Config
---@return cliproxy.Door
function M.door(config)
  local hosts, origins = {}, {}
  for name in pairs(LOCAL_NAMES) do
    hosts[name] = true
  end
  for _, address in ipairs(config.listen) do
    if not address:find("^unix:") then
      hosts[name_of(address)] = true
    end
  end
  for _, host in ipairs(config.allowed_hosts) do
    hosts[name_of(host)] = true
  end
  for _, origin in ipairs(config.allowed_origins) do
    origins[origin:lower()] = true
  end
  return { closed = #config.api_keys == 0, hosts = hosts, origins = origins, passed = {}, passed_count = 0 }
end

local function where(config, path)
  local line = config:line(path)
  return config.file .. (line and " (line " .. line .. ")" or "")
end

local function quoted(value)
  return '"' .. value:sub(1, 200):gsub('[%c"\\]', "?") .. '"'
end

--- Whether the page that sent this Origin may.
local function allowed(door, origin, host)
  return door.origins[origin:lower()] or door.origins["*"] or (host ~= nil and authority_of(origin) == host)
end

--- A browser that follows a link to the page at "/" says cross-site, too, and gets nothing but that page.
local function is_navigation(exchange, endpoint)
  return endpoint and endpoint.operation == "page" and exchange:header("sec-fetch-mode") == "navigate"
end

--- nil, or why this request is refused.
---@param door cliproxy.Door
---@param config cliproxy.Config
---@param exchange cliproxy.Exchange
---@param endpoint? cliproxy.Endpoint
---@return cliproxy.Failure?
function M.check(door, config, exchange, endpoint)
  if not door.closed then
    return nil
  end
  local host, origin, site = exchange:header("host", "origin", "sec-fetch-site")
  if host and not is_known(door, host) and not exchange.peer:find("^unix") then
    return errors.new("foreign_host", { host = quoted(host), quoted = quoted(name_of(host)),
      where = where(config, "allowed_hosts") })
  end
  if origin then
    if allowed(door, origin, host) then
      return nil
    end
    return errors.new("foreign_origin", { origin = quoted(origin):sub(2, -2), quoted = quoted(origin),
      where = where(config, "allowed_origins") })
  end
  if site and site ~= "none" and site ~= "same-origin" and not is_navigation(exchange, endpoint) then
    return errors.new("cross_site", { where = where(config, "allowed_origins") })
  end
end

--- CORS headers for a page that allowed_origins lets in; nil for everybody else.
---@param door cliproxy.Door
---@param exchange cliproxy.Exchange
---@return table<string, string>?
function M.cors(door, exchange)
  if not next(door.origins) then
    return nil
  end
  local origin = exchange:header("origin")
  if not origin or not (door.origins[origin:lower()] or door.origins["*"]) then
    return nil
  end
  return {
    ["access-control-allow-origin"] = origin,
    ["access-control-expose-headers"] = "*",
    vary = "Origin",
  }
end

--- Answers a browser's preflight.
---@param exchange cliproxy.Exchange
---@param endpoint cliproxy.Endpoint
---@param headers table<string, string> of `cors`
function M.preflight(exchange, endpoint, headers)
  headers["access-control-allow-methods"] = endpoint.allow
  headers["access-control-allow-headers"] = exchange:header("access-control-request-headers") or "*"
  headers["access-control-max-age"] = "600"
  if exchange:header("access-control-request-private-network") then
    headers["access-control-allow-private-network"] = "true"
  end
  return exchange:respond(204, headers)
end

return M
