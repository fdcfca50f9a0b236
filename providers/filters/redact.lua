--- Replaces secrets in what is sent to a model: keys and tokens of well-known services, private keys, passwords in
--- URLs, and what the configuration adds. It looks at the system text, at messages, at the inputs and results of tools
--- and at their descriptions; not into images, files and signed thoughts.
---
---     filters = { { "redact", emails = true, words = { env "DB_PASSWORD" }, patterns = { "INT%-%d+" } } }

local PLAIN = true

-- What it is, how it begins (looking for plain text is fast, whatever the size), the whole of it, and how long that is
-- at least. What begins with a letter must not stand behind another one.
local SECRETS = {
  { "private key", "-----BEGIN ",
    "^%-%-%-%-%-BEGIN [%u ]*PRIVATE KEY[%u ]*%-%-%-%-%-.-%-%-%-%-%-END [%u ]*PRIVATE KEY[%u ]*%-%-%-%-%-", 60 },
  { "private key", "-----BEGIN ", "^%-%-%-%-%-BEGIN [%u ]*PRIVATE KEY[%u ]*%-%-%-%-%-[%w+/=%s\\]*", 30 }, -- cut off
  { "API key", "sk-", "^sk%-[%w_%-]+", 20 },
  { "API key", "gsk_", "^gsk_%w+", 30 },
  { "API key", "xai-", "^xai%-%w+", 30 },
  { "API key", "AIza", "^AIza[%w_%-]+", 39 },
  { "API key", "sk_live_", "^sk_live_%w+", 20 },
  { "API key", "rk_live_", "^rk_live_%w+", 20 },
  { "AWS key", "AKIA", "^AKIA[%u%d]+", 20 },
  { "AWS key", "ASIA", "^ASIA[%u%d]+", 20 },
  { "GitHub token", "ghp_", "^ghp_%w+", 30 },
  { "GitHub token", "gho_", "^gho_%w+", 30 },
  { "GitHub token", "ghu_", "^ghu_%w+", 30 },
  { "GitHub token", "ghs_", "^ghs_%w+", 30 },
  { "GitHub token", "ghr_", "^ghr_%w+", 30 },
  { "GitHub token", "github_pat_", "^github_pat_[%w_]+", 30 },
  { "GitLab token", "glpat-", "^glpat%-[%w_%-]+", 20 },
  { "Slack token", "xox", "^xox[abeoprs]%-[%w%-]+", 20 },
  { "npm token", "npm_", "^npm_%w+", 30 },
  { "Hugging Face token", "hf_", "^hf_%w+", 30 },
  { "signed token", "eyJ", "^eyJ[%w_%-]+%.eyJ[%w_%-]+%.[%w_%-]+", 40 },
}

local LOCAL_PART_MAX = 64

-- Where a match begins and ends, of what begins at `at`; nil where it is none.
local function match_at(text, at, rule)
  if rule[2]:find("^%w") and at > 1 and text:find("^%w", at - 1) then
    return nil
  end
  local first, last = text:find(rule[3], at)
  if first and last - first + 1 >= rule[4] then
    return first, last
  end
end

-- Of an e-mail address the "@" is looked for.
local function email_at(text, at)
  local before = text:sub(math.max(1, at - LOCAL_PART_MAX), at - 1):match("[%w._%%+%-]+$")
  before = before and before:match("%w.*$")
  local _, last = text:find("^[%w%-]+%.[%w.%-]*%w", at + 1)
  if before and last then
    return at - #before, last
  end
end

-- Of a URL with a password the "://"; what is replaced stands between its ":" and its "@".
local function password_at(text, at)
  local first, behind = text:match("^://[^%s/:@\"']+:()[^%s/@\"']+()@", at)
  if first then
    return first, behind - 1
  end
end

local EMAIL = { "e-mail address", "@", find = email_at }
local PASSWORD = { "password", "://", find = password_at }

-- Each place where the rule's beginning stands, looked at once.
local function replace(text, rule, replacement)
  local mark, look = rule[2], rule.find or match_at
  local out, from, count = {}, 1, 0
  local at = text:find(mark, 1, PLAIN)
  while at do
    local first, last = look(text, at, rule)
    if first and first >= from then
      table.insert(out, text:sub(from, first - 1))
      table.insert(out, replacement or "[redacted " .. rule[1] .. "]")
      from, count = last + 1, count + 1
    end
    at = text:find(mark, math.max(from, at + 1), PLAIN)
  end
  if count == 0 then
    return text, 0
  end
  table.insert(out, text:sub(from))
  return table.concat(out), count
end

local function whole_word(_, at, rule)
  return at, at + #rule[2] - 1
end

-- The rules of one configuration.
local function rules_of(options)
  local rules = {}
  for _, word in ipairs(options.words or {}) do
    table.insert(rules, { "secret", word, find = whole_word })
  end
  for _, secret in ipairs(SECRETS) do
    table.insert(rules, secret)
  end
  table.insert(rules, PASSWORD)
  if options.emails then
    table.insert(rules, EMAIL)
  end
  return rules
end

-- Replaces in one text; the text and how many there were.
local function redact(text, rules, options)
  local total = 0
  for _, rule in ipairs(rules) do
    if text:find(rule[2], 1, PLAIN) then
      local count
      text, count = replace(text, rule, options.replacement)
      total = total + count
    end
  end
  for _, pattern in ipairs(options.patterns or {}) do
    local count
    text, count = text:gsub(pattern, function()
      return options.replacement or "[redacted secret]"
    end)
    total = total + count
  end
  return text, total
end

---@type cliproxy.FilterScript
return {
  name = "redact",
  contract = 1,

  options = {
    emails = { type = "boolean", default = false, about = "replace e-mail addresses, too" },
    words = { type = "list", of = { type = "secret" }, about = "texts to replace wherever they stand" },
    patterns = { type = "list", of = { type = "string" }, about = "Lua patterns of what else is secret" },
    replacement = { type = "string", about = "what stands there instead; by default [redacted KIND]" },
    refuse = { type = "boolean", default = false, about = "answer with 400 instead of replacing" },
  },

  request = function(_, context)
    local options, total = context.options, 0
    local rules = rules_of(options)
    context.each_text(function(text)
      local clean, count = redact(text, rules, options)
      if count > 0 then
        total = total + count
        return clean
      end
    end)
    if total > 0 and options.refuse then
      return context.refuse(400, ("the request holds %d secret%s, which may not leave this machine"):format(total,
        total == 1 and "" or "s"))
    elseif total > 0 then
      context.warn(("%d secret%s replaced"):format(total, total == 1 and "" or "s"))
    end
  end,
}
