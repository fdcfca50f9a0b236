--- The call of an attempt: URL, headers and body as they go to a provider, before its hooks see them.
local dialects = require("cliproxy.dialects")
local errors = require("cliproxy.errors")
local headers = require("cliproxy.headers")
local json = require("cliproxy.json")
local request_view = require("cliproxy.request_view")
local system = require("cliproxy.system")
local text = require("cliproxy.text")

local M = {}

-- What may pass to a provider, and what is read of a request beside it.
local MORE = { "x-cliproxy-show" }
local PICKED = headers.set(headers.to_upstream, MORE)

-- Headers about an API that the translated request does not go to.
local FOREIGN = { anthropic = { "^openai%-" }, gemini = { "^openai%-", "^anthropic%-" },
  openai_chat = { "^anthropic%-" }, openai_responses = { "^anthropic%-" } }

-- The same for a translated request, by the dialect that it goes out in.
---@type table<string, cliproxy.HeaderNames>
local PICKED_FOR = {}
for dialect, patterns in pairs(FOREIGN) do
  local rows = {}
  for _, row in ipairs(headers.to_upstream) do
    if not (row.name:find(patterns[1]) or patterns[2] and row.name:find(patterns[2])) then
      rows[#rows + 1] = row
    end
  end
  PICKED_FOR[dialect] = headers.set(rows, MORE)
end

-- What is the same for every request of an account, by the account's table; collected with its generation.
local prepared = setmetatable({}, { __mode = "k" })

local function auth_header(kind, key)
  if kind == "bearer" then
    return "authorization", "Bearer " .. key
  end
  return kind, key
end

local function prepare(instance, account)
  local base = { ["content-type"] = "application/json", ["user-agent"] = "cliproxy/" .. system.version }
  for name, value in pairs(instance.headers or {}) do
    base[name] = value
  end
  if account.api_key and instance.auth and instance.auth ~= "none" and not instance.provider.authorize then
    local name, value = auth_header(instance.auth, account.api_key)
    base[name] = value
  end
  local special = instance.proxy_url or instance.unix_socket or instance.ca_file or instance.http2
  local entry = { headers = base, urls = {}, translated = {}, special = special and true or false }
  prepared[account] = entry
  return entry
end

local function escape_model(model)
  return (model:gsub("[^%w%-._~/:@]", function(c)
    return ("%%%02X"):format(c:byte())
  end))
end

--- The path below the base URL; nil where the dialect has no such operation.
local function path_of(work, instance, model)
  local key = work.endpoint.upstream or work.operation
  if instance.own then
    return nil
  elseif work.dialect == "gemini" then
    return dialects.of("gemini").path(key, escape_model(model), work.stream)
  end
  return dialects.of(work.dialect).path(key)
end

-- Of a translated request: the client's query stays behind, it is about another API.
-- Only Gemini's hold the model: others are kept.
local function translated_url(work, entry, instance, translation)
  local dialect, key = translation.context.target.dialect, translation.path_key
  if dialect == "gemini" then
    local path = dialects.of(dialect).path(key, escape_model(work.target.model), work.stream)
    return path and (instance.options.base_url or "") .. path .. (work.stream and "?alt=sse" or "")
  end
  local known = entry.translated[dialect]
  if not known then
    known = {}
    entry.translated[dialect] = known
  end
  local url = known[key]
  if url == nil then
    local path = dialects.of(dialect).path(key)
    url = path and (instance.options.base_url or "") .. path or false
    known[key] = url
  end
  return url or nil
end

local function url_of(work, entry, instance, model)
  local cached = work.dialect ~= "gemini" and work.endpoint.path
  local url = cached and entry.urls[cached]
  if not url then
    local path = path_of(work, instance, model)
    url = path and (instance.options.base_url or "") .. path
    if cached then
      entry.urls[cached] = url or false
    end
  end
  local query = work.query
  if url and query ~= "" then
    query = text.query_without(query, "key")
    if query ~= "" then
      return url .. "?" .. query
    end
  end
  return url
end

--- The text of a translated body, which is made as pieces and sent so where nobody asks for it.
---@param call cliproxy.Call
---@return string
function M.text_of(call)
  local body = call.text
  if type(body) == "table" then
    body = table.concat(body)
    call.text = body
  end
  return body
end

-- A translated body is text; hooks that look at it get a document.
local LAZY_BODY = {
  __index = function(call, key)
    if key == "body" and rawget(call, "text") then
      local document = json.parse(M.text_of(call))
      rawset(call, "body", document)
      return document
    end
  end,
}

-- What a translation changes of a call.
local function translated(call, instance, translation)
  local dialect = translation.context.target.dialect
  call.text, call.body = translation.body, nil
  if call.operation == "complete" then
    call.operation = "generate" -- an old completion goes on as a conversation
  end
  if not instance.own then
    call.dialect, call.framing = dialect, "sse"
  end
  return setmetatable(call, LAZY_BODY)
end

--- The call for an account; a failure where the provider has no such operation.
---@param work cliproxy.Work `target` and, where the request is translated, `translation` are set
---@param instance cliproxy.Instance
---@param account cliproxy.Account
---@return cliproxy.Call? call
---@return cliproxy.Failure? failure
function M.of(work, instance, account)
  local entry = prepared[account] or prepare(instance, account)
  local model, translation = work.target.model, work.translation
  local url
  if translation then
    url = translated_url(work, entry, instance, translation)
  else
    url = url_of(work, entry, instance, model)
  end
  if not url and not instance.own and not instance.provider.execute then
    return nil, errors.new("operation_unsupported", { provider = instance.name, what = work.operation .. " operation" })
  end
  local up = work.exchange:pick(translation and PICKED_FOR[translation.context.target.dialect] or PICKED)
  local show = up["x-cliproxy-show"]
  if show then
    work.show, up["x-cliproxy-show"] = show, nil
  end
  if translation then
    up.accept = work.stream and "text/event-stream" or "application/json"
  end
  for name, value in next, entry.headers do
    up[name] = value
  end
  ---@type cliproxy.Call
  local call = {
    method = work.endpoint.proxied and "POST" or "GET",
    url = url or instance.options.base_url or "",
    headers = up,
    body = work.document,
    stream = work.stream,
    dialect = instance.own and instance.provider.name or work.dialect,
    framing = instance.own and instance.provider.framing or work.framing,
    timeouts = instance.timeouts,
    operation = work.operation,
    model = model,
    options = instance.options,
    attempt = work.attempts,
    request = instance.hooks and request_view.of(work) or nil,
  }
  -- Apart: with up to 16 fields the table takes half the memory.
  if entry.special then
    call.proxy_url, call.unix_socket = instance.proxy_url, instance.unix_socket
    call.ca_file, call.http2 = instance.ca_file, instance.http2
  end
  return translation and translated(call, instance, translation) or call
end

--- The call that `discover` gets: the models endpoint with the account's headers.
---@param instance cliproxy.Instance
---@return cliproxy.Call
function M.discover(instance)
  local account = instance.accounts[1]
  local entry = prepared[account] or prepare(instance, account)
  local up = {}
  for name, value in next, entry.headers do
    up[name] = value
  end
  local dialect = instance.speaks and instance.speaks[1] or "openai_chat"
  local path = not instance.own and dialects.of(dialect).path("models", "", false) or ""
  return {
    operation = "models", dialect = dialect, model = "", stream = false, method = "GET",
    url = (instance.options.base_url or "") .. path,
    headers = up, options = instance.options, attempt = 1, timeouts = instance.timeouts, request = {},
    proxy_url = instance.proxy_url, unix_socket = instance.unix_socket, ca_file = instance.ca_file,
    http2 = instance.http2,
  }
end

return M
