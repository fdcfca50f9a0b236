--- The table of paths: which method, operation and dialect; and what to say about paths that nearly are one.
local text = require("cliproxy.text")

local M = {}

---@class cliproxy.Endpoint
---@field path string
---@field methods string[]
---@field allow string the methods as the Allow header has them
---@field operation string generate, count, complete, embed, models, or page, health, health_deep, admin_*
---@field dialect? string nil: told by the caller's headers (models), or none
---@field proxied boolean goes to a provider
---@field upstream? string the dialect's word for the operation, where it differs
---@field stream? boolean told by the path (Gemini)
---@field model? string told by the path
---@field open? boolean no key is asked for
---@field admin? boolean the admin rule applies

local function row(methods, path, operation, dialect, more)
  local allow = table.concat(methods, ", ")
  local entry = { path = path, methods = methods, allow = allow, operation = operation, dialect = dialect,
    proxied = false }
  for _, method in ipairs(methods) do
    methods[method] = true
  end
  for name, value in pairs(more or {}) do
    entry[name] = value
  end
  return entry
end

local proxied = { proxied = true }

---@type cliproxy.Endpoint[]
M.rows = {
  row({ "POST" }, "/v1/chat/completions", "generate", "openai_chat", proxied),
  row({ "POST" }, "/v1/responses", "generate", "openai_responses", proxied),
  row({ "POST" }, "/v1/responses/input_tokens", "count", "openai_responses", proxied),
  row({ "POST" }, "/v1/messages", "generate", "anthropic", proxied),
  row({ "POST" }, "/v1/messages/count_tokens", "count", "anthropic", proxied),
  row({ "POST" }, "/v1/completions", "complete", "openai_chat", proxied),
  row({ "POST" }, "/v1/embeddings", "embed", "openai_chat", proxied),
  row({ "GET", "HEAD" }, "/v1/models", "models"),
  row({ "GET", "HEAD" }, "/v1beta/models", "models", "gemini"),
  row({ "GET", "HEAD" }, "/v1/health", "health", nil, { open = true }),
  row({ "GET", "HEAD" }, "/v1/health/deep", "health_deep", nil, { admin = true }),
  row({ "POST" }, "/v1/admin/reload", "admin_reload", nil, { admin = true }),
  row({ "GET" }, "/v1/admin/events", "admin_events", nil, { admin = true }),
  row({ "GET", "HEAD" }, "/", "page", nil, { open = true }),
}

local by_path = {}
for _, entry in ipairs(M.rows) do
  by_path[entry.path] = entry
end

local verbs = {
  generateContent = { "generate", false },
  streamGenerateContent = { "generate", true },
  countTokens = { "count", false },
  embedContent = { "embed", false },
  batchEmbedContents = { "embed", false, "embed_batch" },
}

-- Paths with a model in them, made once a path. The model is the client's to choose, so that the memory is bounded.
local made, made_count = {}, 0

local function keep(path, entry)
  if made_count >= 1000 then
    made, made_count = {}, 0
  end
  made[path], made_count = entry, made_count + 1
  return entry
end

local function parametrised(path)
  local model, verb = path:match("^/v1beta/models/(.+):(%a+)$")
  if model and verbs[verb] then
    local operation, stream = verbs[verb][1], verbs[verb][2]
    return keep(path, row({ "POST" }, path, operation, "gemini",
      { proxied = true, stream = stream, upstream = verbs[verb][3], model = text.unescape(model) }))
  end
  model = path:match("^/v1beta/models/([^:]+)$")
  if model then
    return keep(path, row({ "GET", "HEAD" }, path, "models", "gemini", { model = text.unescape(model) }))
  end
  model = path:match("^/v1/models/([^:]+)$") or path:match("^/v1/models/(.+)$")
  if model and not verbs[model:match(":(%a+)$")] then
    return keep(path, row({ "GET", "HEAD" }, path, "models", nil, { model = text.unescape(model) }))
  end
end

--- The endpoint of a path; nil where there is none.
---@param path string
---@return cliproxy.Endpoint?
function M.find(path)
  return by_path[path] or made[path] or parametrised(path)
end

--- Whose envelope answers on a path, endpoint or not.
---@param path string
---@return string
function M.dialect_of(path)
  if path:find("/messages", 1, true) then
    return "anthropic"
  elseif path:find("^/v1beta") or path:find(":%a+$") and path:find("/models/", 1, true) then
    return "gemini"
  elseif path:find("/responses", 1, true) then
    return "openai_responses"
  end
  return "openai_chat"
end

-- What clients append to their base URL, and the base URL that makes it right.
local TAILS = {
  { "/chat/completions", "/v1" },
  { "/responses/input_tokens", "/v1" },
  { "/responses", "/v1" },
  { "/messages/count_tokens", "" },
  { "/messages", "" },
  { "/completions", "/v1" },
  { "/embeddings", "/v1" },
  { "/models", "/v1" },
}

local function tail_of(path)
  for _, tail in ipairs(TAILS) do
    if path:sub(-#tail[1]) == tail[1] then
      return tail
    end
  end
end

local function near_gemini(path, base)
  local rest = path:match("(/models/.+:%a+)$")
  local verb = rest and rest:match(":(%a+)$")
  if not verb then
    return nil
  elseif not verbs[verb] then
    return ("there is no %s here; models take generateContent, streamGenerateContent, countTokens, embedContent and "
      .. "batchEmbedContents"):format(verb)
  elseif path:find("^/v1/models/") or path:find("^/v1alpha/models/") then
    return "set your client's API version to v1beta"
  end
  return "set your client's base URL to " .. base
end

--- What is wrong with a path that nearly is one; nil where nothing comes to mind.
---@param path string
---@param base string "http://127.0.0.1:8317"
---@return string?
function M.near_miss(path, base)
  local bare = path:gsub("//+", "/"):gsub("(.)/$", "%1")
  if bare ~= path and M.find(bare) then
    local wrong = path:sub(-1) == "/" and "slash at its end" or "doubled slash"
    local version = bare:find("^/v1/") and not bare:find("^/v1/messages") and "/v1" or ""
    return ("the path is %s: remove the %s, or set your client's base URL to %s%s"):format(bare, wrong, base, version)
  end
  if bare:find("^/v1/engines/") or bare:find("^/engines/") then
    return "engines are gone from the API: name the model in the body and POST /v1/completions or /v1/chat/completions"
  end
  local gemini = near_gemini(bare, base)
  if gemini then
    return gemini
  end
  local tail = tail_of(bare)
  if tail then
    return "set your client's base URL to " .. base .. tail[2]
  end
  if bare == "/v1" or bare == "/v1beta" then
    return "this is the base URL; clients append their own paths, for example " .. base .. "/v1/chat/completions"
  end
end

return M
