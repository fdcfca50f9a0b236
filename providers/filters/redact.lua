--- Replaces secrets in what is sent to a model: keys and tokens of well-known services, private keys, passwords in
--- URLs, and what the configuration adds. It looks at the system text, at messages, at the inputs and results of tools
--- and at their descriptions; not into images, files and signed thoughts.
---
---     filters = { { "redact", emails = true, words = { env "DB_PASSWORD" }, patterns = { "INT%-%d+" } } }

local PLAIN = true

-- What it is, a text that must be there (cheap to look for), the pattern, and how long a match is at least.
local SECRETS = {
  { "private key", "PRIVATE KEY",
    "%-%-%-%-%-BEGIN [%u ]*PRIVATE KEY[%u ]*%-%-%-%-%-.-%-%-%-%-%-END [%u ]*PRIVATE KEY[%u ]*%-%-%-%-%-", 60 },
  { "private key", "PRIVATE KEY", "%-%-%-%-%-BEGIN [%u ]*PRIVATE KEY[%u ]*%-%-%-%-%-[%w+/=%s\\]*", 30 }, -- cut off
  { "API key", "sk-", "%f[%w]sk%-[%w_%-]+", 20 },
  { "API key", "gsk_", "%f[%w]gsk_%w+", 30 },
  { "API key", "xai-", "%f[%w]xai%-%w+", 30 },
  { "API key", "AIza", "%f[%w]AIza[%w_%-]+", 39 },
  { "API key", "k_live_", "%f[%w][rs]k_live_%w+", 20 },
  { "AWS key", "AKIA", "%f[%w]AKIA[%u%d]+", 20 },
  { "AWS key", "ASIA", "%f[%w]ASIA[%u%d]+", 20 },
  { "GitHub token", "gh", "%f[%w]gh[pousr]_%w+", 30 },
  { "GitHub token", "github_pat_", "github_pat_[%w_]+", 30 },
  { "GitLab token", "glpat-", "glpat%-[%w_%-]+", 20 },
  { "Slack token", "xox", "%f[%w]xox[abeoprs]%-[%w%-]+", 20 },
  { "npm token", "npm_", "%f[%w]npm_%w+", 30 },
  { "Hugging Face token", "hf_", "%f[%w]hf_%w+", 30 },
  { "signed token", "eyJ", "%f[%w]eyJ[%w_%-]+%.eyJ[%w_%-]+%.[%w_%-]+", 40 },
}

local EMAIL = { "e-mail address", "@", "%f[%w][%w._%%+%-]+@[%w%-]+%.[%w.%-]*%w", 6 }

local function literal(word)
  return (word:gsub("%p", "%%%0"))
end

-- The rules of one configuration, made once.
local function rules_of(options)
  local rules = {}
  for i, secret in ipairs(SECRETS) do
    rules[i] = secret
  end
  if options.emails then
    table.insert(rules, EMAIL)
  end
  for _, word in ipairs(options.words or {}) do
    table.insert(rules, { "secret", word, literal(word), 1 })
  end
  for _, pattern in ipairs(options.patterns or {}) do
    table.insert(rules, { "secret", nil, pattern, 1 })
  end
  return rules
end

-- Replaces in one text; the text and how many there were.
local function redact(text, rules, replacement)
  local count = 0
  for _, rule in ipairs(rules) do
    local name, mark, pattern, least = rule[1], rule[2], rule[3], rule[4]
    if not mark or text:find(mark, 1, PLAIN) then
      text = text:gsub(pattern, function(found)
        if #found >= least then
          count = count + 1
          return replacement or "[redacted " .. name .. "]"
        end
      end)
    end
  end
  if text:find("://", 1, PLAIN) and text:find("@", 1, PLAIN) then
    text = text:gsub("(://[^%s/:@\"']+:)([^%s/@\"']+)@", function(before)
      count = count + 1
      return before .. (replacement or "[redacted password]") .. "@"
    end)
  end
  return text, count
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
      local clean, count = redact(text, rules, options.replacement)
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
