--- How much to think, in the words of the servers that speak Chat Completions: `reasoning_effort` of OpenAI,
--- `reasoning` and `include_reasoning` of OpenRouter, `thinking` of DeepSeek, Z.ai and Moonshot, `enable_thinking` and
--- `thinking_budget` of Qwen, the former also in the `chat_template_kwargs` of vLLM and SGLang.
local json = require("cliproxy.json")
local reasoning = require("cliproxy.reasoning")

local M = {}

-- Of several, the first one that is there counts.
local RANKS = { "reasoning_effort", "reasoning", "thinking", "thinking_budget", "enable_thinking",
  "chat_template_kwargs.enable_thinking" }

--- What stands for "switched on" without saying how much; OpenRouter's own meaning of it.
local ON = "medium"

---@param r cliproxy.openai_chat.Reader
---@param rank string one of RANKS
---@param asked { off?: boolean, effort?: string, budget?: integer }
local function ask(r, rank, asked)
  r.thoughts = r.thoughts or {}
  if next(asked) then
    asked.where = rank
    r.thoughts[rank] = asked
  end
end

local function of_effort(word)
  return word == "none" and { off = true } or { effort = word }
end

local function effort(r, node, key)
  local word = r:name(node, key)
  if word and not reasoning.is_effort(word) then
    r:wrong(r:where(key), ("is %q, which is none of %s"):format(word, table.concat(reasoning.EFFORTS, ", ")))
    return nil
  end
  return word
end

-- A budget of 0 is none; one below that says nothing.
local function budget(r, node, key)
  local count = tonumber(r:number(node, key))
  if count == 0 then
    return { off = true }
  end
  return { budget = count and count > 0 and math.floor(count) or nil }
end

local function of_flag(flag)
  return flag == false and { off = true } or flag and { effort = ON } or {}
end

local FIELDS = {}
M.fields = FIELDS

function FIELDS.reasoning_effort(r, document, key)
  local word = effort(r, document, key)
  ask(r, key, word and of_effort(word) or {})
end

local KNOWN = { effort = true, max_tokens = true, exclude = true, enabled = true, summary = true }
local SUMMARIES = { auto = true, concise = true, detailed = true }

-- Its answers show what was thought unless it is excluded.
function FIELDS.reasoning(r, document, key)
  local node = r:node(document, key, "object")
  if not node then
    return
  end
  r.base = key
  local word = json.present(node.effort) and effort(r, node, "effort")
  local tokens, enabled = budget(r, node, "max_tokens"), r:flag(node, "enabled")
  local asked = enabled == false and { off = true } or word and of_effort(word) or next(tokens) and tokens
    or of_flag(enabled)
  if word and tokens.budget and not asked.off then
    asked.budget = tokens.budget
  end
  local summary = json.present(node.summary) and r:name(node, "summary")
  if summary and SUMMARIES[summary] then
    asked.summary = summary
  elseif summary then
    r:wrong(r:where("summary"), ("is %q, which is none of auto, concise, detailed"):format(summary))
  end
  local hidden = r:flag(node, "exclude")
  if hidden ~= nil then
    r.hide_thoughts, r.hide_where = hidden, key .. ".exclude"
  end
  r:unknown(node, KNOWN)
  r.base = ""
  ask(r, key, asked)
end

local TYPES = {
  enabled = function() return { effort = ON } end,
  disabled = function() return { off = true } end,
  adaptive = function() return {} end,
  auto = function() return {} end,
}
local KNOWN_THINKING = { type = true, budget_tokens = true }

function FIELDS.thinking(r, document, key)
  local node = r:node(document, key, "object")
  if not node then
    return
  end
  r.base = key
  local kind = r:name(node, "type")
  if kind and not TYPES[kind] then
    r:wrong(r:where("type"), ("is %q, which is none of enabled, disabled, adaptive, auto"):format(kind))
  end
  local asked, tokens = kind and TYPES[kind] and TYPES[kind]() or {}, budget(r, node, "budget_tokens")
  r:unknown(node, KNOWN_THINKING)
  r.base = ""
  if not asked.off and tokens.budget then
    asked = tokens
  elseif not next(asked) then
    r.ledger:drop(key, "it is what holds anyway")
  end
  ask(r, key, asked)
end

function FIELDS.thinking_budget(r, document, key)
  ask(r, key, budget(r, document, key))
end

function FIELDS.enable_thinking(r, document, key)
  ask(r, key, of_flag(r:flag(document, key)))
end

local KNOWN_KWARGS = { enable_thinking = true }

-- What else there is for templates depends on the model.
function FIELDS.chat_template_kwargs(r, document, key)
  local node = r:node(document, key, "object")
  if node then
    r.base = key
    local flag = r:flag(node, "enable_thinking")
    r:unknown(node, KNOWN_KWARGS)
    r.base = ""
    ask(r, key .. ".enable_thinking", of_flag(flag))
  end
end

function FIELDS.include_reasoning(r, document, key)
  local shown = r:flag(document, key)
  if r.hide_thoughts == nil and shown ~= nil then
    r.hide_thoughts, r.hide_where = not shown, key
  end
end

-- Switched off goes before how much.
local function drop_budget(r, thoughts)
  local flag = thoughts.enable_thinking
  if flag and flag.off and thoughts.thinking_budget then
    thoughts.thinking_budget = nil
    r.ledger:drop("thinking_budget", "enable_thinking is false")
  end
end

--- What all of them ask for together. After the whole request.
---@param r cliproxy.openai_chat.Reader
function M.settle(r)
  local thoughts, first = r.thoughts, nil
  if thoughts then
    drop_budget(r, thoughts)
    for _, rank in ipairs(RANKS) do
      local asked = thoughts[rank]
      if asked and first then
        r.ledger:drop(rank, first.where .. " stands for it")
      elseif asked then
        first = asked
      end
    end
  end
  if r.hide_thoughts ~= nil then
    first = first or { where = r.hide_where }
    first.visible = not r.hide_thoughts
  elseif first and first.where ~= "reasoning_effort" and not first.off then
    first.visible = true -- such servers show it
  end
  r.c.reasoning = first
end

return M
