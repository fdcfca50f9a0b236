--- What a provider's answer means: whose fault a failure is, and whether the
--- request is answered, sent again, or sent elsewhere.
---
--- Until failover exists the policy always answers. The kinds are those that `classify` hooks return, too.
local dialects = require("cliproxy.dialects")
local errors = require("cliproxy.errors")
local json = require("cliproxy.json")
local secrets = require("cliproxy.secrets")
local text = require("cliproxy.text")

local M = {}

---@alias cliproxy.Kind "client"|"auth"|"signin"|"quota"|"overloaded"|"missing_model"|"upstream"

---@type table<string, boolean>
M.kinds = { client = true, auth = true, signin = true, quota = true, overloaded = true, missing_model = true,
  upstream = true }

local BY_STATUS = {
  [401] = "auth", [402] = "quota", [403] = "auth", [404] = "missing_model", [408] = "upstream", [429] = "quota",
  [503] = "overloaded", [529] = "overloaded",
}

local AUTH_CODES = { API_KEY_INVALID = true, invalid_api_key = true, authentication_error = true }

--- The core's rule for a failed answer.
---@param status integer
---@param code? string the dialect's own word
---@return cliproxy.Kind
function M.kind(status, code)
  if AUTH_CODES[code] then
    return "auth"
  end
  return BY_STATUS[status] or (status >= 500 and "upstream") or "client"
end

--- What to do with a reply: "answer" the client with it, try the same target "again", or the "next" one. The request's
--- body is kept until then, and nothing has reached the client.
---@param _work cliproxy.Work
---@param _reply cliproxy.Reply
---@return "answer"|"again"|"next"
function M.verdict(_work, _reply)
  return "answer"
end

local OF_CODE = {
  timeout = "upstream_timeout",
  dns = "upstream_dns",
  connect = "upstream_connect",
  tls = "upstream_tls",
  proxy = "upstream_proxy",
  eof = "upstream_closed",
  io = "upstream_closed",
  protocol = "upstream_protocol",
  too_big = "upstream_event_too_big",
}

local OF_KIND = { upstream = "upstream_failed", overloaded = "upstream_overloaded", quota = "upstream_overloaded",
  timeout = "upstream_timeout" }

--- The failure of a call that broke off, before any answer or in the middle of one.
---@param work cliproxy.Work
---@param code? string of the reply or the relay
---@param message? string
---@param kind? string of a script's `reply.fail`
---@return cliproxy.Failure
function M.broken(work, code, message, kind)
  local said = (message or "it broke off"):gsub("%.$", "")
  return errors.new(OF_KIND[kind] or OF_CODE[code] or "upstream_failed",
    { provider = work.target.instance.name, text = said, file = work.snapshot.config.file })
end

--- What a body that is not the dialect's envelope says: a message where one can be found, else an excerpt.
---@param body string
---@param document any
---@return string
local function said(body, document)
  if json.kind(document) == "array" then
    document = document[1]
  end
  if json.kind(document) == "object" then
    local failed = document.error
    local inner = json.kind(failed) == "object" and failed.message or nil
    for _, value in ipairs { inner or false, failed or false, document.message or false, document.detail or false } do
      if type(value) == "string" and value ~= "" then
        return text.excerpt(value, 500)
      end
    end
  end
  local words = body:find("^%s*<") and text.strip_tags(body) or text.excerpt(body)
  return words ~= "" and words or "(an empty body)"
end

--- The account's place in config.lua.
local function where(work)
  local config, name = work.snapshot.config, work.target.instance.name
  local line = config:line("providers." .. name .. ".api_key")
  return config.file .. (line and " (line " .. line .. ")" or "")
end

--- The dialect in which a provider answers.
---@param work cliproxy.Work
---@return cliproxy.Dialect
function M.upstream_dialect(work)
  local translation = work.translation
  return dialects.of(translation and translation.context.target.dialect or work.dialect)
end

--- Reads a failed answer (status ≥ 400, body held): its kind, and the failure to answer with; no failure: the answer
--- passes as it is.
---@param work cliproxy.Work
---@param reply cliproxy.Reply
---@param classify? fun(view: table): cliproxy.Kind? the script's rule, already protected
---@return cliproxy.Kind kind
---@return cliproxy.Failure? failure
---@return string said
function M.read_failed(work, reply, classify)
  local status, body = reply.status, reply.held
  local document = json.parse(body)
  local message, code = M.upstream_dialect(work).own_error(document)
  local kind
  if classify then
    kind = classify { status = status, headers = reply:headers(), body = body, error = document }
  end
  kind = kind or M.kind(status, code)
  local words = message and text.excerpt(secrets.hide(work, message), 500) or secrets.hide(work, said(body, document))
  local failure
  local instance = work.target.instance
  if kind == "auth" or kind == "signin" then
    failure = errors.new("upstream_key", { provider = instance.name, account = work.account.name or "default",
      status = status, text = words:gsub("%.$", ""), where = where(work) })
  elseif not message then
    failure = errors.new("upstream_status", { provider = instance.name, status = status, text = words })
    failure.status = status
  end
  if json.kind(document) == "object" or json.kind(document) == "array" then
    json.close(document)
  end
  return kind, failure, words
end

--- What is wrong with an answer that claims success; nil: nothing.
---@param work cliproxy.Work
---@param reply cliproxy.Reply
---@param status integer
---@param type_of? string its content type
---@return cliproxy.Failure?
function M.check_success(work, reply, status, type_of)
  local instance = work.target.instance
  if status >= 300 then
    local location = (reply:header("location") or "nowhere"):gsub("[?#].*", "")
    return errors.new("upstream_redirect", { provider = instance.name, status = status,
      location = text.excerpt(location) })
  end
  if type_of == "application/json" or type_of and not type_of:find("html", 1, true) then
    return nil
  end
  local held = reply.held
  if type_of or held:find("^%s*<") then
    return errors.new("upstream_not_json", { provider = instance.name, type = type_of or "markup",
      text = text.strip_tags(held), where = work.snapshot.config.file })
  end
end

return M
