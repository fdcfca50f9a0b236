--- Which headers pass in which direction. docs/api.md shows these tables; a spec compares.
local M = {}

local find, sub = string.find, string.sub

--- From the client to a provider. "*" at the end: every header that begins so.
M.to_upstream = {
  { name = "accept", why = "JSON or an event stream: the client's wish" },
  { name = "anthropic-beta",
    why = "features of the Messages API; only those in the provider's `betas` where that is set" },
  { name = "anthropic-version", why = "version of the Messages API" },
  { name = "baggage", why = "trace context" },
  { name = "idempotency-key", why = "the provider's guard against doing a request twice" },
  { name = "openai-*", why = "beta flags, organization and project of the OpenAI API" },
  { name = "traceparent", why = "trace context" },
  { name = "tracestate", why = "trace context" },
  { name = "x-b3-*", why = "trace context" },
}

--- From a provider to the client.
M.to_client = {
  { name = "anthropic-ratelimit-*", why = "rate limits" },
  { name = "content-encoding", why = "bodies pass as they are" },
  { name = "content-type", why = "bodies pass as they are" },
  { name = "openai-processing-ms", why = "time the provider took" },
  { name = "request-id", why = "the provider's id of the request" },
  { name = "retry-after", why = "when to come again" },
  { name = "retry-after-ms", why = "when to come again" },
  { name = "x-ratelimit-*", why = "rate limits" },
  { name = "x-request-id", why = "the provider's id of the request" },
  { name = "x-should-retry", why = "whether trying again helps" },
}

--- What never passes to a provider, whoever asks (the rest is dropped because it is not in the table above).
M.never = {
  "authorization", "x-api-key", "x-goog-api-key", "proxy-authorization", "cookie", "origin", "referer", "user-agent",
    "x-app",
  "x-stainless-*", "accept-encoding", "forwarded", "x-forwarded-*", "sec-*", "host", "connection", "content-length",
}

--- A set that answers by name; prefixes are decided once a name. Clients choose names, so that the memory is bounded.
local function matcher(rows)
  local exact, prefixes = {}, {}
  for _, row in ipairs(rows) do
    if sub(row.name, -1) == "*" then
      prefixes[#prefixes + 1] = sub(row.name, 1, -2)
    else
      exact[row.name] = true
    end
  end
  local known, count = {}, 0
  return function(name)
    local answer = known[name]
    if answer ~= nil then
      return answer
    end
    answer = exact[name] or false
    for i = 1, answer and 0 or #prefixes do
      if find(name, prefixes[i], 1, true) == 1 then
        answer = true
        break
      end
    end
    if count >= 1000 then
      known, count = {}, 0
    end
    known[name], count = answer, count + 1
    return answer
  end
end

local passes_up, passes_down = matcher(M.to_upstream), matcher(M.to_client)

--- Copies what may pass to a provider from `from` into `into`.
---@param from table<string, string> of the client, lower-case names
---@param into table<string, string>
function M.copy_up(from, into)
  for name, value in next, from do
    if passes_up(name) then
      into[name] = value
    end
  end
end

--- Copies what may pass to the client from `from` into `into`.
---@param from table<string, string> of the provider, lower-case names
---@param into table<string, string>
function M.copy_down(from, into)
  for name, value in next, from do
    if passes_down(name) then
      into[name] = value
    end
  end
end

return M
