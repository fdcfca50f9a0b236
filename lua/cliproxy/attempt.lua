--- One attempt: account → call → hooks → send → peek. Nothing of it reaches the client.
local budget = require("cliproxy.budget")
local call_api = require("cliproxy.call")
local errors = require("cliproxy.errors")
local filters = require("cliproxy.filters")
local json = require("cliproxy.json")
local payload = require("cliproxy.payload")
local reply_api = require("cliproxy.reply")
local script_failure = require("cliproxy.script_failure")
local translate = require("cliproxy.translate")

local M = {}

---@class cliproxy.Call: cliproxy.Send what hooks see and edit
---@field operation string
---@field dialect string
---@field model string
---@field options table
---@field attempt integer
---@field request table read-only

local call_user = budget.call

M.script_failure = script_failure.of

--- Runs a hook of the target's provider under its budget.
---@param work cliproxy.Work
---@param hook string
---@return boolean ok
---@return any first result, or the failure
---@return any ... more results
function M.hook(work, hook, ...)
  local instance = work.target.instance
  local ok, a, b, c, d = call_user(instance.owners[hook], instance.provider[hook], ...)
  if ok then
    return true, a, b, c, d
  end
  return false, M.script_failure(work, hook, a)
end

--- The same for a function that a hook returned.
---@param work cliproxy.Work
---@param hook string
---@param fn function
---@return boolean ok, any ...
function M.guarded(work, hook, fn, ...)
  local ok, a = call_user(work.target.instance.owners[hook], fn, ...)
  if ok then
    return true, a
  end
  return false, M.script_failure(work, hook, a)
end

--- The body that a hook left as text or document; a failure where it is neither and no JSON. A translated one that it
--- did not look at is no document yet, and need not become one.
local function encode_body(call, instance, hook)
  local body = rawget(call, "body")
  local kind = type(body)
  if kind == "table" then
    local ok, bytes = pcall(json.encode, body)
    if ok then
      call.body = bytes
      return nil
    end
    kind = "a table that is no JSON (" .. tostring(bytes) .. ")"
  elseif kind == "string" or kind == "userdata" or kind == "nil" then
    return nil
  end
  return errors.new("script_result", { hook = instance.owners[hook].name,
    found = hook == "encode_request" and kind or kind .. " in call.body",
    expected = "text, a document or a table" })
end

local function own_request(work, call)
  local instance = work.target.instance
  local ok, method, path, message, _, param
  if instance.provider.endpoint then
    ok, method, path = M.hook(work, "endpoint", call.operation, call.model, call.stream)
    if not ok then
      return method
    elseif type(method) ~= "string" or type(path) ~= "string" then
      return errors.new("script_result", { hook = instance.owners.endpoint.name,
        found = type(method) .. ", " .. type(path), expected = "method and path" })
    end
    call.method, call.url = method, (instance.options.base_url or "") .. path
  end
  local body
  ok, body, message, _, param = M.hook(work, "encode_request", call.body, call)
  if not ok then
    return body
  elseif body == nil then
    return errors.new("script_refused", { text = tostring(message or "the provider cannot take this request"),
      param = param })
  end
  call.body = body
  return encode_body(call, instance, "encode_request")
end

local function run_hooks(work, call, account)
  local provider = work.target.instance.provider
  if provider.shape then
    local ok, failure = M.hook(work, "shape", call)
    if not ok then
      return failure
    end
  end
  if provider.authorize then
    local ok, failure = M.hook(work, "authorize", call, account)
    if not ok then
      return failure
    end
  end
  local last = provider.authorize and "authorize" or provider.shape and "shape"
  return last and encode_body(call, work.target.instance, last)
end

--- Hooks may have left anything in the call: what cannot be sent is told, not raised.
local function send(call, instance)
  local unread = rawget(call, "body") == nil and call.text
  if unread then
    call.body = unread -- no hook looked at it
  end
  if not instance.hooks then
    local reply, message = reply_api.send(call)
    if unread then
      call.body = nil
    end
    return reply, message
  elseif type(call.headers) ~= "table" then
    return nil, "headers: table expected, got " .. type(call.headers)
  end
  local ok, reply, message = pcall(reply_api.send, call)
  if unread then
    call.body = nil -- who asks for it later gets a document
  end
  if ok then
    return reply, message
  end
  return nil, (tostring(reply):gsub("^reply%.send: ", ""))
end

local function execute(work, call)
  local instance = work.target.instance
  local run = instance.provider.execute
  return reply_api.execute({ stream = call.stream, dialect = call.dialect, framing = call.framing,
    timeouts = call.timeouts },
    function(writer)
      return run(call, writer)
    end, instance.owners.execute)
end

local function account_of(target)
  local accounts, names = target.instance.accounts, target.accounts
  if not names then
    return accounts[1]
  end
  for _, account in ipairs(accounts) do
    if account.name == names[1] then
      return account
    end
  end
  return accounts[1]
end

--- Splices what a same-dialect request changes: the model, and `include_usage` where the instance asks for it.
local function splice(work, instance)
  local document, model = work.document, work.target.model
  if work.model_in_body and model ~= (work.snapshot.routes.functions > 0 and document.model or work.model) then
    document.model = model -- what stands there was read before; only a route function could have changed it
  end
  if instance.usage == "ask" and work.stream and work.dialect == "openai_chat" and work.operation == "generate" then
    local options = document.stream_options
    if type(options) == "userdata" and options.include_usage ~= true then
      options.include_usage = true
      work.withhold_usage = true
    elseif type(options) ~= "userdata" or json.kind(options) ~= "object" then
      document.stream_options = { include_usage = true }
      work.withhold_usage = true
    end
  end
end

-- Brings the request into a dialect that the instance speaks, as the filters leave it. The second result answers it
-- without a provider.
local function shape(work, target)
  local instance = target.instance
  if work.snapshot.filters then
    local refused = filters.request(work, target)
    if refused then
      return refused
    end
  end
  local translation, failure, body = translate.plan(work)
  work.translation = translation
  if not (translation or failure or body) then
    translate.drop_foreign_state(work)
    if not instance.own then
      splice(work, instance)
    end
  end
  return failure, body
end

-- The operator's rules, over the body in the dialect that goes to the provider's codec or server.
local function apply_payload(work, call, instance)
  local rules = work.snapshot.payload
  local translation = work.translation
  local facts = {
    model = work.target.model, provider = instance.name, operation = work.operation,
    dialect = translation and translation.context.target.dialect or work.dialect,
  }
  if translation then
    call.text = payload.body(rules, call_api.text_of(call), facts)
  else
    payload.apply(rules, work.document, facts)
  end
end

--- Makes the call and waits until its answer commits.
---@param work cliproxy.Work
---@param target cliproxy.Target
---@return cliproxy.Reply? reply also a failed one
---@return cliproxy.Failure? failure
---@return string? body of an answer that needs no provider
function M.run(work, target)
  local instance = target.instance
  local account = account_of(target)
  work.target, work.account, work.attempts = target, account, work.attempts + 1
  work.withhold_usage = nil
  local failure, body = shape(work, target)
  if failure or body then
    return nil, failure, body
  end
  local call
  call, failure = call_api.of(work, instance, account)
  if not call then
    return nil, failure
  end
  work.call = call
  if work.snapshot.payload then
    apply_payload(work, call, instance)
  end
  if instance.hooks then
    failure = instance.own and own_request(work, call) or run_hooks(work, call, account)
    if failure then
      return nil, failure
    end
    if instance.provider.execute then
      return execute(work, call)
    end
  end
  local reply, message = send(call, instance)
  if not reply then
    return nil, errors.new("call_invalid", { provider = instance.name, text = message })
  end
  return reply
end

return M
