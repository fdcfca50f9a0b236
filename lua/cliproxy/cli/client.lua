--- How the command line reaches the running proxy: its address, its key, and what to say when nobody answers.
local config = require("cliproxy.config")
local http = require("cliproxy.http")
local json = require("cliproxy.json")
local system = require("cliproxy.system")

local M = {}

---@class cliproxy.Client
---@field url string base, without a slash at its end
---@field key? string
---@field unix_socket? string
---@field ca_file? string

--- "127.0.0.1:8317" → "http://127.0.0.1:8317"; a wildcard is reached over loopback.
local function url_of(address, tls)
  local host, port = address:match("^(.*):(%d+)$")
  if not host then return nil end
  if host == "" or host == "0.0.0.0" then host = "127.0.0.1" end
  if host == "[::]" then host = "[::1]" end
  return ("%s://%s:%s"):format(tls and "https" or "http", host, port)
end

local function url_given(arguments)
  local url = arguments.url or system.getenv("CLIPROXY_URL")
  return url ~= "" and url or nil
end

--- Where other programs of this machine find the proxy, and the key that it asks them for.
---@param arguments { config?: string, url?: string }
---@return { root: string, key?: string, cert?: string, config: cliproxy.Config }?, string? message
function M.place(arguments)
  local url = url_given(arguments)
  local loaded, message = config.load { path = arguments.config }
  if not loaded then return nil, message end
  local key = loaded.api_keys[1] and loaded.api_keys[1].key
  if url then return { root = url:gsub("/+$", ""), key = key, config = loaded } end
  for _, address in ipairs(loaded.listen) do
    local root = not address:find("^unix:") and url_of(address, loaded.tls)
    if root then return { root = root, key = key, cert = loaded.tls and loaded.tls.cert, config = loaded } end
  end
  return nil, "clients cannot use a Unix socket: add an address to listen in the configuration, or give --url"
end

---@param arguments { config?: string, url?: string, key?: string }
---@return cliproxy.Client?, string? message
function M.find(arguments)
  local url = url_given(arguments)
  local loaded, message = config.load { path = arguments.config }
  if not loaded and not url then return nil, message end
  local key = arguments.key
  if loaded and not key then
    key = loaded.admin_key or (loaded.api_keys[1] and loaded.api_keys[1].key)
  end
  if url then return { url = url:gsub("/+$", ""), key = key } end
  local address = loaded.listen[1]
  local path = address:match("^unix:(.+)$")
  local client = { key = key, ca_file = loaded.tls and loaded.tls.cert }
  if path then
    client.url, client.unix_socket = "http://localhost", path
  else
    client.url = url_of(address, loaded.tls)
  end
  if not client.url then return nil, ("cannot tell the proxy's URL from listen = %q: give --url"):format(address) end
  return client
end

---@param client cliproxy.Client
---@param more? table<string, string>
---@return table<string, string>
function M.headers(client, more)
  local headers = { ["user-agent"] = "cliproxy-cli/" .. system.version }
  if client.key then headers.authorization = "Bearer " .. client.key end
  for name, value in pairs(more or {}) do headers[name] = value end
  return headers
end

--- What to print when the proxy cannot be reached.
---@param client cliproxy.Client
---@param message string
---@return string
function M.unreachable(client, message)
  local text = "cliproxy: no proxy answers at %s (%s).\nStart one with ./scripts/start.sh or `cliproxy serve`.\n"
  return text:format(client.unix_socket or client.url, message)
end

--- A GET; the whole answer.
---@param client cliproxy.Client
---@param path string
---@return cliproxy.HttpResponse?, string? message
function M.get(client, path)
  return http.request {
    url = client.url .. path, headers = M.headers(client), timeout = 30,
    unix_socket = client.unix_socket, ca_file = client.ca_file,
  }
end

--- The message of an error answer in any dialect's envelope, or the body itself.
---@param body string
---@return string
function M.error_text(body)
  local document = json.parse(body)
  local text
  if document and json.kind(document) == "object" and json.kind(document.error) == "object" then
    text = document.error.message
  end
  if type(text) ~= "string" then text = body:sub(1, 500) end
  return text
end

return M
