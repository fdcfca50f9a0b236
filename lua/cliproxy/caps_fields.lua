--- What can be said of a model or a server, as options: the fields of rows, of a script's `caps`, of an instance's
--- `caps` and of `models` in config.lua. docs/conversation.md is their manual and a spec holds the two together.
local reasoning = require("cliproxy.reasoning")

-- "none" is no effort: `reasoning_off` says whether there is that.
local EFFORTS = {}
for _, word in ipairs(reasoning.EFFORTS) do
  if word ~= "none" then
    EFFORTS[#EFFORTS + 1] = word
  end
end

local YES_NO = { type = "boolean" }

local function tokens(least)
  return { type = "integer", min = least, max = 1e9 }
end

local function dollars()
  return { type = "number", min = 0, max = 1e6 }
end

---@type table<string, cliproxy.Option>
return {
  context = tokens(1),
  output = tokens(1),
  images = YES_NO,
  pdf = YES_NO,
  audio = YES_NO,
  reasoning = { type = "string", one_of = { "none", "effort", "budget", "adaptive", "level" } },
  efforts = { type = "list", min = 1, of = { type = "string", one_of = EFFORTS } },
  reasoning_off = YES_NO,
  budget_min = tokens(0),
  budget_max = tokens(0),
  temperature = YES_NO,
  top_p = YES_NO,
  top_k = YES_NO,
  sampling_together = YES_NO,
  stop = YES_NO,
  json_schema = YES_NO,
  json_object = YES_NO,
  strict = YES_NO,
  tool_schema = { type = "string", one_of = { "json_schema", "openapi" } },
  tools_with_schema = YES_NO,
  prefill = YES_NO,
  system_in_messages = YES_NO,
  function_response_parts = YES_NO,
  tool_name_max = { type = "integer", min = 16, max = 256 },
  tool_id_length = { type = "integer", min = 4, max = 64 },
  developer_role = YES_NO,
  max_tokens_field = { type = "string", one_of = { "max_completion_tokens", "max_tokens" } },
  stream_usage = YES_NO,
  parallel_tool_calls = YES_NO,
  tool_choice_required = YES_NO,
  custom_tools = YES_NO,
  custom_tools_as_functions = YES_NO,
  allowed_tools = YES_NO,
  reasoning_field = { type = "string", one_of = { "reasoning_content", "reasoning" } },
  completions = YES_NO,
  content_parts = YES_NO,
  web_search = YES_NO,
  price = {
    type = "table",
    fields = { input = dollars(), output = dollars(), cached = dollars(), cache_written = dollars() },
  },
}
