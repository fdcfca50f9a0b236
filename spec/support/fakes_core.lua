--- Unit-level doubles of the core's bindings: an exchange that remembers its answer, a reply that was
--- recorded, a configuration and a snapshot made by hand.
local json = require("cliproxy.json")

local M = {}

local Exchange = {}
Exchange.__index = Exchange

--- A request from a client. `spec`: method, path, query, headers, body, peer, is_local, fault.
---@return cliproxy.Exchange
function M.exchange(spec)
  local body = spec.body or ""
  if type(body) == "table" then
    body = json.encode(body)
  end
  return setmetatable({
    method = spec.method or "POST",
    path = spec.path or "/v1/chat/completions",
    query = spec.query or "",
    peer = spec.peer or "127.0.0.1:50000",
    is_local = spec.is_local ~= false,
    sent = spec.headers or { host = "127.0.0.1:8317" },
    bytes = body,
    size = #body,
    fault = spec.fault,
    age = 0.001,
    gone = false,
    head_sent = false,
    ended = false,
    aborted = false,
    written = 0,
    chunks = {},
  }, Exchange)
end

function Exchange:request()
  return self.method, self.path, self.query, self.size, self.fault
end

function Exchange:header(...)
  local values = {}
  for i = 1, select("#", ...) do
    values[i] = self.sent[select(i, ...)]
  end
  return unpack(values, 1, select("#", ...))
end

function Exchange:pick(names, into)
  into = into or {}
  for name, value in pairs(self.sent) do
    if names(name) then
      into[name] = value
    end
  end
  return into
end

function Exchange:headers()
  local copy = {}
  for name, value in pairs(self.sent) do
    copy[name] = value
  end
  return copy
end

function Exchange:document()
  if not self.parsed then
    local document, message, code = json.parse(self.bytes)
    if document == nil then
      return nil, message, code
    end
    self.parsed = document
  end
  return self.parsed
end

function Exchange:body()
  return self.bytes
end

function Exchange:contains(text)
  return self.bytes:find(text, 1, true) ~= nil
end

function Exchange:start(status, own, length, reply, names)
  assert(not self.head_sent, "the head was sent twice")
  local headers = {}
  for name, value in pairs(reply and reply:headers() or {}) do
    headers[name] = names(name) and value or nil
  end
  for name, value in pairs(own or {}) do
    headers[name] = value
  end
  self.status, self.headers_sent, self.length, self.head_sent = status, headers, length, true
  return true
end

function Exchange:write(bytes)
  assert(self.head_sent and not self.ended, "write before the head or after the end")
  if self.gone then
    return nil, "gone"
  end
  self.chunks[#self.chunks + 1] = bytes
  self.written = self.written + #bytes
  return true
end

function Exchange:respond(status, headers, body)
  if type(body) == "userdata" then
    body = json.encode(body)
  end
  self:start(status, headers, #(body or ""))
  self:write(body or "")
  self:finish()
  return true
end

function Exchange:finish()
  assert(not self.ended, "ended twice")
  self.ended = true
end

function Exchange:abort()
  self.ended, self.aborted = true, true
end

function Exchange:mark_complete()
  self.complete = true
end

function Exchange:on_gone(handler)
  self.gone_hook = type(handler) == "function" and handler or function()
    return handler:gone()
  end
end

--- What the client got as body.
function Exchange:output()
  return table.concat(self.chunks)
end

function Exchange:answer()
  return json.parse(self:output())
end

local Reply = {}
Reply.__index = Reply

--- A provider's answer. `spec`: status, headers, body, events (list of { type, data }), code, message, broken (code
--- of a stream that breaks after its events), kind, script_failed.
---@return cliproxy.Reply
function M.reply(spec)
  local headers = spec.headers or { ["content-type"] = spec.events and "text/event-stream" or "application/json" }
  local body = spec.body or ""
  return setmetatable({
    status = spec.status or 200,
    length = -1,
    got = headers,
    held = body,
    events_left = spec.events,
    is_stream = spec.events ~= nil,
    code = spec.code,
    message = spec.message,
    broken = spec.broken,
    kind = spec.kind,
    script_failed = spec.script_failed or false,
    usage = spec.usage or {},
    facts = spec.facts or {},
    incomplete = spec.incomplete,
  }, Reply)
end

function Reply:head()
  return self.status, self.is_stream, self.length, self:header("content-type"), self.code
end

function Reply:header(name)
  return self.got[name]
end

function Reply:headers()
  local copy = {}
  for name, value in pairs(self.got) do
    copy[name] = value
  end
  return copy
end

local function raw_of(event)
  return (event.type and event.type ~= "" and "event: " .. event.type .. "\n" or "") .. "data: " .. event.data .. "\n\n"
end

function Reply:next_event()
  local event = table.remove(self.events_left, 1)
  if event then
    return { type = event.type or "", data = event.data, raw = event.raw or raw_of(event) }
  elseif self.broken then
    return nil, "it broke", self.broken
  end
end

-- A lane is a matter of C: here every event passes Lua.
function Reply:use_lane() end

function Reply:learn()
  return false
end

function Reply:forget() end

function Reply:absorbed()
  return 0
end

function Reply:relay(exchange, brief)
  local bytes = self.held
  if self.events_left then
    local out = {}
    for i, event in ipairs(self.events_left) do
      out[i] = event.raw or raw_of(event)
    end
    bytes = table.concat(out)
  end
  exchange:write(bytes)
  if self.broken then
    return { ok = false, code = self.broken, message = "it broke", bytes = #bytes, complete = false,
      client_gone = false }
  end
  exchange:finish()
  if brief and not self.incomplete then
    return true
  end
  return { ok = not self.incomplete, bytes = #bytes, complete = not self.incomplete, client_gone = false }
end

function Reply:body()
  return self.held
end

function Reply:document()
  return json.parse(self.held)
end

function Reply:tapped()
  return self.usage, self.facts
end

function Reply:tokens()
  local usage = self.usage
  return usage.input, usage.output, usage.cached, self.facts.error_message
end

function Reply:close()
  self.closed = true
end

--- A validated configuration; `lines`: key path → line.
function M.config(fields, lines)
  local config = {
    file = "config.lua", listen = { "127.0.0.1:8317" }, api_keys = {}, allowed_origins = {}, allowed_hosts = {},
    log = { level = "info", format = "text" },
    line = function(_, path)
      return (lines or {})[path]
    end,
  }
  for name, value in pairs(fields or {}) do
    config[name] = value
  end
  return config
end

--- An instance of a provider given as a table of data and hooks.
function M.instance(name, provider, more)
  local owners, dialects = {}, {}
  for key, value in pairs(provider) do
    if type(value) == "function" then
      owners[key] = { name = "providers/" .. name .. ".lua: " .. key .. "()", script = "providers/" .. name .. ".lua" }
    end
  end
  for _, dialect in ipairs(provider.dialects or { "openai_chat" }) do
    dialects[dialect] = true
  end
  local instance = {
    name = name, script = "providers/" .. name .. ".lua", provider = provider,
      options = { base_url = "https://up.example/v1" },
    accounts = { { name = "default", api_key = "sk-secret" } }, dialects = dialects, auth = provider.auth or "bearer",
    timeouts = {}, models = {}, literals = {}, owners = owners, hooks = next(owners) ~= nil, models_ttl = 60,
    own = provider.encode_request ~= nil, speaks = provider.dialects or { "openai_chat" },
  }
  for key, value in pairs(more or {}) do
    instance[key] = value
  end
  return instance
end

--- A snapshot in which every model goes to `instance`, as `model` where that is given.
function M.snapshot(instance, config, model)
  local routes = { functions = 0 }
  function routes:plan(request)
    if request.model == "nowhere" then
      return nil, 'no route for "nowhere". Configured providers: ' .. instance.name .. ".", "no_route"
    elseif instance.off then
      return nil, instance.off, "provider_off"
    end
    return { { instance = instance, model = model or request.model, weight = 1 }, strategy = "failover" }
  end
  function routes:models()
    return { { id = "listed", instance = instance.name } }
  end
  return { generation = 6, config = config or M.config(), routes = routes, instances = { [instance.name] = instance },
    names = { instance.name }, scripts = {}, files = {}, warnings = {} }
end

return M
