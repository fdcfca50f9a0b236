--- The servers that are measured: each started on a free port in a folder of its own, in front of one upstream.
local cjson = require "cjson"
local http = require "spec.support.http_client"
local process = require "spec.support.process"
local socket = require "socket"

local M = {}
local bench = os.getenv("CPX_BENCH") or "build/bench"
M.binary = os.getenv("CPX_BINARY") or "build/cliproxy"

---@class bench.Rival
---@field name string
---@field address string
---@field process? spec.Process

local function free_port()
  local s = assert(socket.bind("127.0.0.1", 0))
  local _, port = s:getsockname()
  s:close()
  return tonumber(port)
end

local function finish(name, child, port, path)
  local address = "127.0.0.1:" .. port
  process.eventually(name .. " answers", function()
    if child:ended() then error(("%s ended:\n%s"):format(name, child:text())) end
    return (pcall(http.request, address, { path = path or "/v1/health", seconds = 2 }))
  end)
  return { name = name, address = address, process = child, pid = child.pid }
end

local NGINX = [[
daemon off;
master_process off;
error_log stderr error;
pid FOLDER/nginx.pid;
worker_rlimit_nofile 20000;
events { worker_connections 12000; }
http {
  access_log off;
  client_body_temp_path FOLDER/body;
  proxy_temp_path FOLDER/proxy;
  fastcgi_temp_path FOLDER/fastcgi;
  uwsgi_temp_path FOLDER/uwsgi;
  scgi_temp_path FOLDER/scgi;
  keepalive_requests 100000000;
  client_max_body_size 64m;
  client_body_buffer_size 1m;
  upstream mock { server UPSTREAM; keepalive 512; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:PORT backlog=4096;
    tcp_nodelay on;
    location / {
      proxy_pass http://mock;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }
  }
}
]]

local HAPROXY = [[
global
  nbthread 1
  maxconn 9000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
  option http-no-delay
frontend in
  bind 127.0.0.1:PORT backlog 4096
  default_backend mock
backend mock
  server mock UPSTREAM
]]

local function fill(text, folder, port, upstream)
  return (text:gsub("FOLDER", folder):gsub("PORT", port):gsub("UPSTREAM", upstream))
end

function M.nginx(folder, upstream)
  local port = free_port()
  process.write(folder .. "/nginx.conf", fill(NGINX, folder, port, upstream))
  local child = process.start({ "/usr/sbin/nginx", "-p", folder, "-c", folder .. "/nginx.conf" },
    { output = folder .. "/nginx.log" })
  return finish("nginx", child, port)
end

function M.haproxy(folder, upstream)
  local port = free_port()
  process.write(folder .. "/haproxy.cfg", fill(HAPROXY, folder, port, upstream))
  local child = process.start({ "/usr/sbin/haproxy", "-db", "-f", folder .. "/haproxy.cfg" },
    { output = folder .. "/haproxy.log" })
  return finish("haproxy", child, port)
end

function M.floor(folder, upstream)
  local port = free_port()
  local child = process.start({ bench .. "/bench_floor", tostring(port), "http://" .. upstream },
    { output = folder .. "/floor.log" })
  return finish("floor", child, port)
end

--- "Scripted": the provider's `shape` hook runs for every request.
M.provider = [[
return {
  name = "bench", contract = 1,
  dialects = { "openai_chat", "openai_responses", "anthropic", "gemini" },
  auth = "bearer",
  options = { base_url = { type = "url", required = true }, api_key = { type = "string", secret = true } },
  models = { "bench*", "mock-*" },
  shape = function(call) call.headers["x-bench"] = "MARK" end,
}
]]

--- A provider whose clients of other dialects are translated.
M.chat_provider = [[
return {
  name = "chat", contract = 1,
  dialects = { "openai_chat" },
  auth = "bearer",
  options = { base_url = { type = "url", required = true }, api_key = { type = "string", secret = true } },
  shape = function(call) call.headers["x-bench"] = "MARK" end,
}
]]

M.config = [[
return {
  listen = "127.0.0.1:PORT",
  state_dir = "FOLDER/state",
  log = { level = "error" },
  providers = { demo = {}, bench = { base_url = "UPSTREAM/v1", api_key = "sk-bench"MORE },
    chat = { base_url = "UPSTREAM/v1", api_key = "sk-bench"MORE } },
}
]]

--- Starts cliproxy; `options.upstream` with its scheme, `options.more` further options of the instance.
---@param folder string
---@param upstream string "127.0.0.1:80" or with a scheme
---@param more? string
function M.cliproxy(folder, upstream, more)
  local port = free_port()
  os.execute(("mkdir -p '%s/providers'"):format(folder))
  process.write(folder .. "/providers/bench.lua", M.provider)
  process.write(folder .. "/providers/chat.lua", M.chat_provider)
  local url = upstream:find("://", 1, true) and upstream or "http://" .. upstream
  local text = M.config:gsub("FOLDER", folder):gsub("PORT", port):gsub("UPSTREAM", url):gsub("MORE", more or "")
  process.write(folder .. "/config.lua", text)
  local started = process.now()
  local child = process.start({ M.binary, "serve", "--config", folder .. "/config.lua" },
    { output = folder .. "/cliproxy.log" })
  local rival = finish("cliproxy", child, port)
  rival.folder, rival.start_ms = folder, (process.now() - started) * 1000
  return rival
end

---@param rival bench.Rival
---@param field string "Rss" or "Pss"
---@return number bytes
function M.memory(rival, field)
  local text = assert(process.read(("/proc/%d/smaps_rollup"):format(rival.pid)))
  return tonumber(text:match(field .. ":%s*(%d+) kB")) * 1024
end

---@return table
function M.deep(rival)
  return cjson.decode(http.request(rival.address, { path = "/v1/health/deep" }).body)
end

function M.stop(rival)
  if rival.process then rival.process:kill() end
end

return M
