--- Every error that a client can get from cliproxy itself: one row a code.
--- docs/errors.md is its manual; a spec compares both.
---
--- A failure is a table `{ status, code, text, param?, headers? }` made by
--- `new` or `of_fault`. The envelope is the dialect's: `cliproxy.dialects`.
local excerpt = require("cliproxy.text").excerpt
local titles = require("cliproxy.dialects.titles")

local M = {}

-- Of what stood in a provider's answer, which may be as long as it likes.
local WORDS_MAX = 500

---@class cliproxy.Failure
---@field status integer
---@field code string
---@field text string
---@field param? string the field of the request that is wrong
---@field headers? table<string, string>
---@field close? boolean
---@field hint? string the code that the client's dialect has for it, where it is not that of our own

---@class cliproxy.ErrorRow
---@field [1] integer status
---@field [2] string text; {name} is filled in
---@field retry? boolean false: SDKs are told not to try again (x-should-retry)

---@type table<string, cliproxy.ErrorRow>
M.rows = {
  -- The path and the method.
  unknown_path = { 404, "{path} is not a path of cliproxy. It serves {paths}." },
  near_miss = { 404, "{path}: {cure}" },
  method_not_allowed = { 405, "{path} takes {allow}, not {method}." },
  websocket_unsupported = { 426, "cliproxy serves /v1/responses by POST, not over a WebSocket." },

  -- The door.
  foreign_host = { 403, "a request for host {host} reached this proxy, which only answers as localhost. "
    .. "If that name is yours, add allowed_hosts = {{ {quoted} }} to {where}." },
  foreign_origin = { 403, "a page at {origin} tried to use this proxy. "
    .. "If it is yours, add allowed_origins = {{ {quoted} }} to {where}." },
  cross_site = { 403, "a page of another site tried to use this proxy. "
    .. "If it is yours, add its origin to allowed_origins in {where}." },
  key_missing = { 401, "this proxy asks for a key. Send one of api_keys in {file} as \"Authorization: Bearer KEY\", "
    .. "x-api-key, x-goog-api-key or ?key=." },
  key_wrong = { 401, "this key is not one of api_keys in {file}." },
  admin_key_wrong = { 401, "this endpoint asks for admin_key of {file}, as \"Authorization: Bearer KEY\"." },
  admin_local_only = { 403, "this endpoint answers only this machine until admin_key is set in {file}." },

  -- The request's bytes. Words of the HTTP layer come with their own text.
  bad_request = { 400, "{text}" },
  request_timeout = { 408, "{text}" },
  body_too_large = { 413, "{text}" },
  uri_too_long = { 414, "{text}" },
  unsupported_encoding = { 415, "{text}" },
  bad_encoding = { 400, "{text}" },
  bad_expectation = { 417, "{text}" },
  headers_too_large = { 431, "{text}" },
  over_capacity = { 503, "{text}" },
  body_missing = { 400, "the request has no body. Send a JSON object." },
  body_not_json = { 400, "the request's body is not JSON: {text}." },
  body_not_object = { 400, "the request's body must be a JSON object, not {kind}." },
  model_missing = { 400, "the request names no model. Add \"model\": GET /v1/models lists what there is." },
  model_not_string = { 400, "\"model\" must be a string, not {kind}." },
  stream_not_boolean = { 400, "\"stream\" must be true or false, not {kind}." },

  -- The route.
  no_route = { 404, "{text}", retry = false },
  provider_off = { 503, "{text}", retry = false },
  route_error = { 500, "{text}", retry = false },
  request_malformed = { 400, "{text}" },
  not_expressible = { 400, "{path} cannot be sent to provider {provider} ({title}): {text}." },
  strict_refused = { 400, "{path} would be left out or changed for provider {provider} ({title}): {text}. "
    .. "This proxy is set to strict." },
  operation_unsupported = { 404, "provider {provider} has no {what}.", retry = false },

  -- The script.
  script_error = { 500, "{text} {situation}", retry = false },
  script_result = { 500, "{hook} returned {found}; expected {expected}.", retry = false },
  script_refused = { 400, "{text}" },
  call_invalid = { 500, "provider {provider}: the call cannot be made: {text}", retry = false },

  -- The provider's server.
  upstream_connect = { 502, "provider {provider} could not be reached: {text}." },
  upstream_dns = { 502, "provider {provider}: {text}. Check base_url in {file}." },
  upstream_tls = { 502,
    "provider {provider}: no trusted TLS connection: {text}. For a certificate of your own set ca_file." },
  upstream_proxy = { 502, "provider {provider}: the outgoing proxy (proxy_url) failed: {text}." },
  upstream_timeout = { 504, "provider {provider} was too slow: {text}. The limits are timeouts.* in {file}." },
  upstream_closed = { 502, "provider {provider} closed the connection before its answer was complete: {text}." },
  upstream_protocol = { 502, "provider {provider} broke HTTP: {text}." },
  upstream_event_too_big = { 502, "provider {provider} sent an event or answer larger than its limit: {text}." },
  upstream_failed = { 502, "provider {provider} failed: {text}." },
  upstream_overloaded = { 503, "provider {provider} is overloaded: {text}." },
  upstream_key = { 502, "provider {provider} refused cliproxy's key (account {account}): {status} {text}. "
    .. "Check api_key in {where}.", retry = false },
  upstream_status = { 502, "provider {provider} answered {status}: {text}" },
  context_length = { 400, "prompt is too long: provider {provider} says: {text}." },
  upstream_no_model = { 404, "provider {provider} has no model {model}: {text}." },
  upstream_limited = { 429, "provider {provider} limits its use: {text}." },
  upstream_billing = { 402, "provider {provider} wants to be paid: {text}.", retry = false },
  upstream_redirect = { 502,
    "provider {provider} answered {status}, a redirect to {location}: set base_url to the final address.",
    retry = false },
  upstream_not_json = { 502,
    "provider {provider} answered {type} instead of JSON: {text}. Check base_url in {where}." },
  upstream_unfinished = { 502, "provider {provider} ended its stream without the event that ends it: {text}." },
  upstream_untranslatable = { 502, "provider {provider} gave an answer that {title} cannot carry: {text}." },
  upstream_malformed = { 502, "provider {provider} gave an answer that is none of {title}: {text}." },

  -- cliproxy itself.
  memory_full = { 503, "this proxy's scripts hold too much memory; it is being collected. Try again." },
  reload_failed = { 409, "{text}" },
  too_many_readers = { 503, "too many readers of the live feed; close one." },
  internal = { 500, "cliproxy failed inside; the log has the details under {id}." },
}

local function fill(template, fields)
  if not template:find("{", 1, true) then
    return template
  end
  -- "{{ x }}" stands for braces of Lua.
  local text = template:gsub("{{", "\1"):gsub("}}", "\2"):gsub("{([%w_]+)}", function(name)
    return tostring(fields[name] or ("{" .. name .. "}"))
  end)
  return (text:gsub("\1", "{"):gsub("\2", "}"))
end

--- A failure of the table.
---@param code string
---@param fields? table what the text's {names} stand for; also `param`, `headers`
---@return cliproxy.Failure
function M.new(code, fields)
  local row = M.rows[code] or error("no error " .. tostring(code), 2)
  fields = fields or {}
  local headers = fields.headers
  if row.retry == false then
    headers = headers or {}
    headers["x-should-retry"] = "false"
  end
  return { status = row[1], code = code, text = fill(row[2], fields), param = fields.param, headers = headers }
end

--- An answer that the client's dialect cannot carry.
---@param context cliproxy.Context
---@param words string what it has no form for
---@return cliproxy.Failure
function M.untranslatable(context, words)
  return M.new("upstream_untranslatable", { provider = context.target.provider, text = excerpt(words, WORDS_MAX),
    title = titles[context.conversation.dialect] })
end

--- An answer that is none of the provider's dialect.
---@param context cliproxy.Context
---@param words string what is wrong with it
---@return cliproxy.Failure
function M.malformed(context, words)
  return M.new("upstream_malformed", { provider = context.target.provider, text = excerpt(words, WORDS_MAX),
    title = titles[context.target.dialect] })
end

--- A stream that stopped without its end.
---@param context cliproxy.Context
---@param words string what it did instead
---@return cliproxy.Failure
function M.unfinished(context, words)
  return M.new("upstream_unfinished", { provider = context.target.provider, text = words })
end

--- What the HTTP layer found wrong with a request.
---@param fault cliproxy.Fault
---@return cliproxy.Failure
function M.of_fault(fault)
  return { status = fault.status, code = fault.code, text = fault.text, close = true }
end

return M
