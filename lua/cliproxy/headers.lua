--- Which headers pass in which direction. docs/api.md shows these tables; a spec compares.
local server = require("cliproxy.server")

local M = {}

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
  "x-app", "x-stainless-*", "accept-encoding", "forwarded", "x-forwarded-*", "sec-*", "host", "connection",
  "content-length",
}

--- Rows of the tables above, and further names, as a set for `exchange:pick` and `exchange:start`.
---@param rows { name: string }[]
---@param more? string[]
---@return cliproxy.HeaderNames
function M.set(rows, more)
  local names = {}
  for _, row in ipairs(rows) do
    names[#names + 1] = row.name
  end
  for _, name in ipairs(more or {}) do
    names[#names + 1] = name
  end
  return server.header_names(names)
end

M.up, M.down = M.set(M.to_upstream), M.set(M.to_client)

--- Of an answer whose body is made anew: those to the client that do not describe the body.
M.without_body = (function()
  local rows = {}
  for _, row in ipairs(M.to_client) do
    if not row.name:find("^content%-") then
      rows[#rows + 1] = row
    end
  end
  return M.set(rows)
end)()

--- Copies what may pass to the client from `from` into `into`.
---@param from table<string, string> of the provider, lower-case names
---@param into table<string, string>
function M.copy_down(from, into)
  for name, value in next, from do
    if M.down(name) then
      into[name] = value
    end
  end
end

return M
