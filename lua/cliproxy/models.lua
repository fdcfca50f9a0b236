--- What a model can, as codecs see it: a row of `model_rows`, changed by the provider and by config.lua.
local glob = require("cliproxy.glob")
local rows = require("cliproxy.model_rows")

local M = {}

--- What holds in a dialect unless a row, the provider or the configuration says otherwise. Chat's are those of a
--- server that is merely compatible; providers/openai.lua has what OpenAI's own takes.
---@type table<string, cliproxy.Caps>
M.DIALECTS = {
  openai_chat = {
    reasoning = "none", temperature = true, top_p = true, top_k = false, sampling_together = true, stop = true,
    json_schema = true, json_object = true, strict = false, tool_schema = "json_schema", tools_with_schema = true,
    prefill = false, developer_role = false, max_tokens_field = "max_tokens", stream_usage = true,
    parallel_tool_calls = true, tool_choice_required = true, custom_tools = false, allowed_tools = false,
    content_parts = true, completions = true, web_search = false,
  },
  openai_responses = {
    reasoning = "none", temperature = true, top_p = true, top_k = false, sampling_together = true, stop = false,
    json_schema = true, json_object = true, strict = true, tool_schema = "json_schema", tools_with_schema = true,
    prefill = false, developer_role = true, parallel_tool_calls = true, tool_choice_required = true,
    custom_tools = true, allowed_tools = true, web_search = false,
  },
  anthropic = {
    reasoning = "none", temperature = true, top_p = true, top_k = true, sampling_together = true, stop = true,
    json_schema = false, json_object = false, strict = false, tool_schema = "json_schema", tools_with_schema = true,
    prefill = false, system_in_messages = false, parallel_tool_calls = true, tool_choice_required = true,
    web_search = false,
  },
  gemini = {
    reasoning = "none", temperature = true, top_p = true, top_k = true, sampling_together = true, stop = true,
    json_schema = true, json_object = true, strict = false, tool_schema = "json_schema", tools_with_schema = true,
    prefill = true, function_response_parts = false, parallel_tool_calls = false, tool_choice_required = true,
    web_search = false,
  },
}

--- What no server of a dialect can, whatever the model.
local LIMITS = {
  openai_chat = { top_k = false, prefill = false },
  openai_responses = { top_k = false, stop = false, prefill = false },
  anthropic = { json_object = false },
  gemini = { parallel_tool_calls = false },
}

--- How a dialect asks for the reasoning that a model has, where its own word is none of the dialect's.
local STYLES = {
  openai_chat = { budget = "effort", adaptive = "effort", level = "effort" },
  openai_responses = { budget = "effort", adaptive = "effort", level = "effort" },
  anthropic = { effort = "budget", level = "budget" },
  gemini = { effort = "level", adaptive = "level" },
}

-- Rows with all that their bases say, the most specific pattern first --------------------------------------------

local function inherit(entry)
  local all = entry.base and inherit(rows.bases[entry.base] or error("no base " .. entry.base)) or {}
  for key, value in pairs(entry) do
    if type(key) == "string" and key ~= "base" and key ~= "source" then
      all[key] = value
    end
  end
  return all
end

local function weight(pattern)
  return #pattern:gsub("%*", "")
end

-- A plain id first, then by how much of the name a pattern spells out.
local function more_specific(a, b)
  local plain_a, plain_b = glob.is_literal(a.pattern), glob.is_literal(b.pattern)
  if plain_a ~= plain_b then
    return plain_a
  end
  local weight_a, weight_b = weight(a.pattern), weight(b.pattern)
  if weight_a ~= weight_b then
    return weight_a > weight_b
  end
  return a.pattern < b.pattern
end

---@type { pattern: string, caps: cliproxy.Caps, source: string }[]
local table_of_rows = {}
for i, row in ipairs(rows.rows) do
  table_of_rows[i] = { pattern = row[1], caps = inherit(row), source = row.source }
end
table.sort(table_of_rows, more_specific)

--- The id as rows know it: in lower case, without what routers put around a vendor's name ("anthropic/…",
--- "models/…", "us.anthropic.…", "…:free", "…@20251101").
---@param id string
---@return string
function M.normalize(id)
  local name = id:lower():gsub("^.*/", ""):gsub("[:@].*$", "")
  name = name:gsub("^[%a-]*%.?anthropic%.", "")
  if name:find("^claude") then
    name = name:gsub("%.", "-")
  end
  return name
end

--- The row of a model: the most specific pattern that matches. Shared: do not change it.
---@param id string "gpt-5.5", "openrouter/anthropic/claude-opus-4.6"
---@return cliproxy.Caps row
---@return string source "claude-opus-4-6*: Anthropic: …"
function M.row(id)
  local name = M.normalize(id)
  for _, row in ipairs(table_of_rows) do
    if glob.match(row.pattern, name) then
      return row.caps, row.pattern .. ": " .. row.source
    end
  end
  error("model_rows has no row for every name") -- its last row is "*"
end

-- What holds for a request ---------------------------------------------------------------------------------------

local function apply(caps, sources, changes, source)
  for field, value in pairs(changes) do
    caps[field], sources[field] = value, source
  end
end

--- The entries of config.lua that match, the least specific first.
local function matching(id, overrides)
  local found, name, lower = {}, M.normalize(id), id:lower()
  for pattern, caps in pairs(overrides) do
    local small = pattern:lower()
    if glob.match(small, lower) or glob.match(small, name) then
      found[#found + 1] = { pattern = pattern, caps = caps }
    end
  end
  table.sort(found, function(a, b)
    return more_specific(b, a)
  end)
  return found
end

-- A model's reasoning in the words of a dialect that is not its maker's.
local function restyle(caps, sources, dialect)
  local style = STYLES[dialect] and STYLES[dialect][caps.reasoning]
  if style then
    local more = { reasoning = style }
    more.efforts = style ~= "budget" and not caps.efforts and { "low", "medium", "high" } or nil
    more.budget_min = style == "budget" and not caps.budget_min and 1024 or nil
    apply(caps, sources, more, "the dialect")
  end
end

local function build(id, dialect, provider_caps, overrides)
  local caps, sources = {}, {}
  local row, source = M.row(id)
  apply(caps, sources, M.DIALECTS[dialect] or {}, "the dialect")
  apply(caps, sources, row, source)
  apply(caps, sources, LIMITS[dialect] or {}, "the dialect")
  restyle(caps, sources, dialect)
  if provider_caps then
    apply(caps, sources, provider_caps, "the provider")
  end
  for _, entry in ipairs(overrides and matching(id, overrides) or {}) do
    apply(caps, sources, entry.caps, ('models["%s"] of the configuration'):format(entry.pattern))
  end
  return { caps, sources }
end

-- By overrides, by provider, by dialect, by id. Generations and instances that are gone take theirs along; clients
-- may ask for any number of ids.
local IDS_MAX = 500
local NONE = {}
local WEAK = { __mode = "k" }
local cache = setmetatable({}, WEAK)

local function shelf_of(overrides, provider_caps, dialect)
  local by_provider = cache[overrides]
  if not by_provider then
    by_provider = setmetatable({}, WEAK)
    cache[overrides] = by_provider
  end
  local by_dialect = by_provider[provider_caps]
  if not by_dialect then
    by_dialect = {}
    by_provider[provider_caps] = by_dialect
  end
  local shelf = by_dialect[dialect]
  if not shelf or shelf.count >= IDS_MAX then
    shelf = { count = 0, ids = {} }
    by_dialect[dialect] = shelf
  end
  return shelf
end

--- All that is known of a model at a provider. Called for every request: what was found is kept. Shared between
--- requests: do not change it.
---@param id string the upstream's name
---@param dialect? string the provider's; nil: only what the row and the configuration say
---@param provider_caps? cliproxy.Caps an instance's
---@param overrides? table<string, cliproxy.Caps> `models` of the configuration: by pattern
---@return cliproxy.Caps caps
---@return table<string, string> sources what says so, by field
function M.caps(id, dialect, provider_caps, overrides)
  local shelf = shelf_of(overrides or NONE, provider_caps or NONE, dialect or "")
  local found = shelf.ids[id]
  if not found then
    found = build(id, dialect, provider_caps, overrides)
    shelf.ids[id], shelf.count = found, shelf.count + 1
  end
  return found[1], found[2]
end

return M
