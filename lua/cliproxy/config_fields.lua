--- The options of config.lua, and those that every provider instance takes: types, ranges, defaults. config.lua.example
--- is their manual and a spec holds the two together.
local caps_fields = require("cliproxy.caps_fields")

local M = {}

M.DIALECTS = { "openai_chat", "openai_responses", "anthropic", "gemini" }

local GB = 2 ^ 30
local LISTEN = { "127.0.0.1:8317", "[::1]:8317" }

--- Defaults of upstream time-outs, in seconds: those of src/base/limits.h.
M.TIMEOUTS = { connect = 10, first_byte = 300, idle = 120, total = 3600 }

local function timeout(most)
  return { type = "duration", min = 0.01, max = most }
end

M.timeout_fields = {
  connect = timeout(300),
  first_byte = timeout(3600),
  idle = timeout(3600),
  total = timeout(86400),
}

local function origin(value)
  local scheme, host = value:match("^([%a][%w+.-]*)://([^/%s?#*]+)$")
  if scheme then
    return scheme:lower() .. "://" .. host:lower()
  end
  return nil, 'expected an origin such as "http://localhost:3000" or "app://x", found %found'
end

local function host(value)
  if value:find("^[%w._-]+$") or value:find("^[%w._-]+:%d+$") or value:find("^%[[%x:.]+%]:?%d*$") then
    return value:lower()
  end
  return nil, 'expected a host name such as "devbox.local", found %found'
end

local function model_pattern(value)
  if #value <= 200 and not value:find("[%c%s]") then
    return value
  end
  return nil, 'expected a model id such as "gpt-5" or a pattern such as "gpt-*", found %found'
end

local function model_patterns(map)
  for pattern in pairs(map) do
    if not model_pattern(pattern) then
      return nil, ('expected ids and patterns such as "gpt-*" as names, found %q'):format(
        pattern:gsub("%c", "?"):sub(1, 40))
    end
  end
  return map
end

--- Keys end up in headers: visible ASCII alone can be sent.
local function key(value)
  if value:find("^[\33-\126]+$") then
    return value
  end
  return nil, "expected visible ASCII characters without blanks, found %found"
end

M.key = { type = "string", secret = true, check = key }
--- What a model or a server can; docs/conversation.md explains the fields.
M.caps = { type = "table", fields = caps_fields }
M.models = { type = "list", of = { type = "string", check = model_pattern } }

--- One item of `api_keys`: a key, or a key with the name that logs show.
M.client_key = {
  type = "table",
  fields = {
    name = { type = "string", required = true },
    key = { type = "string", secret = true, required = true, check = key },
  },
}

local function seconds(default, most)
  return { type = "duration", default = default, min = 0.1, max = most }
end

M.http_fields = {
  head_timeout = seconds("10s", 600),
  body_timeout = seconds("30s", 3600),
  idle_timeout = seconds("75s", 3600),
  send_timeout = seconds("60s", 3600),
}

---@type table<string, cliproxy.Option>
M.top = {
  listen = { type = "list", single = true, min = 1, default = LISTEN, of = { type = "string" } },
  tls = {
    type = "table",
    fields = { cert = { type = "string", required = true }, key = { type = "string", required = true } },
  },
  api_keys = { type = "raw" },
  admin_key = M.key,
  allowed_origins = { type = "list", default = {}, of = { type = "string", check = origin } },
  allowed_hosts = { type = "list", default = {}, of = { type = "string", check = host } },
  providers = { type = "raw" },
  routes = { type = "raw" },
  filters = { type = "raw" },
  payload = { type = "raw" },
  log = {
    type = "table",
    default = {},
    fields = {
      level = { type = "string", one_of = { "debug", "info", "warn", "error" }, default = "info" },
      format = { type = "string", one_of = { "text", "json" }, default = "text" },
    },
  },
  body_limit = { type = "size", default = "64MB", min = 1024, max = GB },
  bodies_limit = { type = "size", default = "512MB", min = 1024, max = 64 * GB },
  http = { type = "table", default = {}, fields = M.http_fields },
  drain_timeout = { type = "duration", default = "30s", min = 0, max = 3600 },
  state_dir = { type = "string", default = "~/.cliproxy" },
  timeouts = { type = "table", default = {}, fields = M.timeout_fields },
  models_ttl = { type = "duration", default = "5m", min = 1, max = 86400 },
  models = { type = "map", of = M.caps, check = model_patterns },
  strict = { type = "boolean", default = false },
}

local HOP = {
  ["connection"] = true,
  ["content-length"] = true,
  ["host"] = true,
  ["te"] = true,
  ["trailer"] = true,
  ["transfer-encoding"] = true,
  ["upgrade"] = true,
}

local function header_map(value)
  local lower = {}
  for name, text in pairs(value) do
    local clean = name:lower()
    if not clean:find("^[%w!#$&'*+.^_`|~-]+$") then
      return nil, ("expected names of headers, found %q"):format(name:gsub("%c", "?"):sub(1, 40))
    elseif HOP[clean] then
      return nil, ("the header %s belongs to the connection and cannot be set"):format(clean)
    end
    lower[clean] = text
  end
  return lower
end

--- Options that every instance takes. A script may declare those in
--- `redeclared` again, of the same type, to give defaults.
---@type table<string, cliproxy.Option>
M.instance = {
  enabled = { type = "boolean", default = true },
  script = { type = "string", pattern = "^[%w_-]+$", expected = "a script's name without folder and .lua" },
  api_key = M.key,
  accounts = { type = "raw" },
  models = M.models,
  dialects = { type = "list", min = 1, of = { type = "string", one_of = M.DIALECTS } },
  caps = M.caps,
  timeouts = { type = "table", fields = M.timeout_fields },
  proxy_url = { type = "url", schemes = { "http", "https", "socks5", "socks5h" }, userinfo = true, secret = true },
  unix_socket = { type = "string" },
  ca_file = { type = "string" },
  http2 = { type = "boolean" },
  usage = { type = "string", one_of = { "ask" } },
  models_ttl = { type = "duration", min = 1, max = 86400 },
  headers = { type = "map", of = { type = "string", empty = true, secret = true }, check = header_map },
}

M.redeclared = {
  api_key = true,
  headers = true,
  http2 = true,
  models = true,
  models_ttl = true,
  unix_socket = true,
  usage = true,
}

return M
