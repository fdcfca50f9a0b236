--- Every recorded request for providers of the three other dialects: each value in it is in what the provider gets, or
--- in the ledger, or the request is refused with a path that it has. `request_leaves` knows nothing of dialects.
local dialects = require("cliproxy.dialects")
local fixtures = require("spec.support.fixtures")
local json = require("cliproxy.json")
local leaves = require("spec.support.request_leaves")
local models = require("cliproxy.models")

local DIALECT_OF = { ["openai-chat"] = "openai_chat", ["openai-responses"] = "openai_responses",
  ["anthropic-messages"] = "anthropic", gemini = "gemini" }

local TARGETS = {
  openai_chat = { { "gpt-5.1" }, { "gpt-4o" } },
  openai_responses = { { "gpt-5.1" }, { "gpt-4o" } },
  anthropic = { { "claude-sonnet-4-5", "2023-06-01" }, { "claude-opus-4-8", "2026-10-21" } },
  gemini = { { "gemini-2.5-flash" }, { "gemini-3-pro" } },
}

-- What is not looked for: docs/conversation.md has the same rows. Lua patterns of paths without their numbers; why;
-- maybe a condition.
local WORDS = "says what the other members are"
local OBEYED = "obeyed by the encoder of the answer"
local DEFAULT = "says what holds anyway"

local function is(...)
  local values = { ... }
  return function(leaf)
    for _, value in ipairs(values) do
      if leaf.value == value or leaf.raw == value then
        return true
      end
    end
  end
end

-- The schema of a tool that takes nothing: Gemini has none there.
local function takes_nothing(leaf, at)
  local schema = leaf.path:match("^(.*%.parameters)%.") or leaf.path:match("^(.*%.input_schema)%.")
  for _, other in ipairs(at.leaves) do
    if other.path:sub(1, #schema + 12) == schema .. ".properties." then
      return false
    end
  end
  return at.target.dialect == "gemini"
end

-- Thoughts that follow one another: the ledger names the first.
local function is_thought(leaf, at)
  local place = leaf.path:match("^(contents%[%d+%]%.parts)%[%d+%]%.text$")
  for _, entry in ipairs(at.entries) do
    if entry.path:match("^(.*)%[%d+%]$") == place then
      return at.values[leaf.path:gsub("text$", "thought")] == "true"
    end
  end
end

local IGNORED = {
  { "^model$", "the target's own is asked for" },
  { "^generateContentRequest%.model$", "the target's own is asked for" },
  { "^stream$", "told by the path or the body, as the target has it" },
  { "^stream_options%.", OBEYED },
  { "^include%[%]$", OBEYED },
  { "^generationConfig%.thinkingConfig%.include_?[tT]houghts$", OBEYED },
  { "^reasoning%.summary$", OBEYED },
  { "%f[%w]role$", "who speaks is told by the place" },
  { "^messages%[%]%.content%[%]%.type$", WORDS },
  { "^messages%[%]%.content%[%]%.source%.type$", WORDS },
  { "^messages%[%]%.content%[%]%.content%[%]%.type$", WORDS },
  { "^messages%[%]%.tool_calls%[%]%.type$", WORDS },
  { "^system%[%]%.type$", WORDS },
  { "^tools%[%]%.type$", WORDS },
  { "^input%[%]%.type$", WORDS },
  { "^input%[%]%.content%[%]%.type$", WORDS },
  { "^input%[%]%.output%[%]%.type$", WORDS },
  { "parts%[%]%.thought$", WORDS },
  { "^messages%[%]%.content%[%]%.caller%.type$", DEFAULT, is("direct") },
  { "^messages%[%]%.content%[%]%.is_error$", DEFAULT, is("false") },
  { "^store$", DEFAULT, is("false") },
  { "^tools%[%]%.strict$", DEFAULT, is("false") },
  { "^generationConfig%.responseModalities%[%]$", DEFAULT, is("TEXT") },
  { "^thinking%.type$", DEFAULT, is("adaptive") },
  { "^response_format%.json_schema%.strict$", "answers hold to the schema, always" },
  { "^text%.format%.strict$", "answers hold to the schema, always" },
  { "^input%[%]%.id$", "names an item of a stored answer; its contents are there" },
  { "^input%[%]%.status$", "says that an item is complete" },
  { "^messages%[%]%.reasoning$", "the same text stands under another name", function(leaf, at)
    return at.values[leaf.path .. "_content"] == leaf.raw
  end },
  { "^contents%[%]%.parts%[%]%.text$", "the first of several thoughts stands for all", is_thought },
  { "%.strict$", "the first of several tools stands for all", function(leaf, at)
    return leaf.path:find("^tools%[[1-9]") and leaves.is_noted(at.entries, "tools[0].strict")
  end },
  { "^tools%[%].*%.parameters%.[%w]+$", "a tool that takes nothing has no schema", takes_nothing },
  { "^tools%[%].*%.input_schema%.[%w]+$", "a tool that takes nothing has no schema", takes_nothing },
  { "^tools%[%].*%.type$", "a number for a word: the word is there", function(leaf)
    return leaf.kind == "number"
  end },
  { "^generationConfig%.max_output_tokens$", "not counted", function(_, at) return at.operation == "count" end },
  { "^thinking%.", "not counted", function(_, at) return at.operation == "count" end },
  { "^cache_control%.", "not counted", function(_, at) return at.operation == "count" end },
}

-- What the target says in words of its own: there must be one of these members.
local CHOICE = { "tool_choice", "toolConfig.functionCallingConfig.mode" }
local EFFORT = { "reasoning_effort", "reasoning.effort", "thinking.type", "output_config.effort",
  "generationConfig.thinkingConfig" }
local FORMAT = { "response_format.type", "text.format.type", "output_config.format.type",
  "generationConfig.responseMimeType" }
local ONE_CALL = { "parallel_tool_calls", "tool_choice.disable_parallel_tool_use" }
local TRANSLATED = {
  { "^tool_choice$", CHOICE }, { "^tool_choice%.type$", CHOICE },
  { "^toolConfig%.functionCallingConfig%.mode$", CHOICE },
  { "^parallel_tool_calls$", ONE_CALL }, { "^tool_choice%.disable_parallel_tool_use$", ONE_CALL },
  { "^reasoning_effort$", EFFORT }, { "^reasoning%.effort$", EFFORT }, { "^thinking%.", EFFORT },
  { "^output_config%.effort$", EFFORT }, { "^generationConfig%.thinkingConfig%.", EFFORT },
  { "^response_format%.type$", FORMAT }, { "^text%.format%.type$", FORMAT },
  { "^output_config%.format%.type$", FORMAT }, { "^output_format%.type$", FORMAT },
  { "^generationConfig%.response_?[mM]ime_?[tT]ype$", FORMAT },
  { "%.is_error$", { "contents[].parts[].functionResponse.response.error" } },
  { "%.input_audio%.format$", { "contents[].parts[].inlineData.mimeType" } },
}

-- Objects that hold the fields of a part or a tool: the ledger leaves them out of its paths.
local HOLDERS = { "function", "file", "image_url", "input_audio", "source" }

local function without_holders(path)
  for _, holder in ipairs(HOLDERS) do
    path = path:gsub("%]%." .. holder .. "%.", "].")
  end
  return path
end

local function is_ignored(path, leaf, at)
  for _, row in ipairs(IGNORED) do
    if path:find(row[1]) and (not row[3] or row[3](leaf, at)) then
      row.used = true
      return true
    end
  end
end

local function is_translated(path, index)
  for _, row in ipairs(TRANSLATED) do
    if path:find(row[1]) then
      for _, place in ipairs(row[2]) do
        if leaves.has_path(index, place) then
          row.used = true
          return true
        end
      end
    end
  end
end

-- Inside the input of a call null and {} are values as any other.
local function is_empty(leaf)
  return not leaf.path:find("%.input%.") and not leaf.path:find("%.args%.")
    and (leaf.kind == "null" or leaf.kind == "object" or leaf.kind == "array" or leaf.value == "")
end

local function is_there(leaf, index, at)
  local path = leaf.path:gsub("%[%d+%]", "[]")
  return leaves.has(index, leaf)
    or leaves.is_noted(at.entries, leaf.path) or leaves.is_noted(at.entries, without_holders(leaf.path))
    or is_empty(leaf) or is_ignored(path, leaf, at) or is_translated(path, index)
end

local function read(fixture, source)
  local document = json.parse(fixture.request)
  local c, message, param = dialects.of(source).decode_request(document, { model = "asked", stream = fixture.stream,
    operation = fixture.name:find("count", 1, true) and "count" or "generate", version = "2023-06-01" })
  return document, c, message, param
end

-- Whether there is such a place in a request.
local function has_place(document, path)
  for _, leaf in ipairs(leaves.of(document)) do
    for _, at in ipairs { leaf.path, without_holders(leaf.path) } do
      if at == path or at:sub(1, #path) == path and at:find("^[%.%[]", #path + 1) then
        return true
      end
    end
  end
  return false
end

local function target_of(dialect, row)
  return { dialect = dialect, provider = "up", model = row[1], version = row[2], caps = models.caps(row[1], dialect) }
end

local function missing(document, body, c, target)
  local out, index = {}, leaves.index(assert(json.parse(body)))
  local at = { entries = c.ledger.entries, operation = c.operation, target = target, values = {},
    leaves = leaves.of(document) }
  for _, leaf in ipairs(at.leaves) do
    at.values[leaf.path] = leaf.raw
  end
  for _, leaf in ipairs(at.leaves) do
    if not is_there(leaf, index, at) then
      out[#out + 1] = leaf.path .. " = " .. leaf.raw:sub(1, 80)
    end
  end
  return out
end

local list = fixtures.all()

describe("recorded requests", function()
  if not list then
    return pending("there is no folder of them at " .. fixtures.folder)
  end
  local counts = {}

  for _, fixture in ipairs(list) do
    local source = DIALECT_OF[fixture.name:match("^[^/]+")]
    for _, dialect in ipairs(source and not fixture.name:find("embed", 1, true) and dialects.names or {}) do
      for _, row in ipairs(dialect ~= source and TARGETS[dialect] or {}) do
        it(("lose nothing unseen: %s to %s %s"):format(fixture.name, dialect, row[1]), function()
          local document, c, message = read(fixture, source)
          local pair = source .. " to " .. dialect
          counts[pair] = counts[pair] or { sent = 0, refused = 0 }
          if not c then
            return assert.is_true(fixture.status >= 400, message)
          end
          local target = target_of(dialect, row)
          local body = dialects.of(dialect).encode_request(c, target)
          if c.ledger.refused then
            counts[pair].refused = counts[pair].refused + 1
            return assert(has_place(document, c.ledger.refused.path), c.ledger.refused.path .. " is no place in it")
          end
          counts[pair].sent = counts[pair].sent + 1
          assert.same({}, missing(document, body, c, target))
        end)
      end
    end
  end

  it("use every row of what is not looked for", function()
    for _, rows in ipairs { IGNORED, TRANSLATED } do
      for _, row in ipairs(rows) do
        assert.is_true(row.used, row[1])
      end
    end
  end)

  it("are sent more often than refused, in every direction", function()
    for pair, count in pairs(counts) do
      if os.getenv("CPX_SHOW_COUNTS") then
        print(("%s: %d sent, %d refused"):format(pair, count.sent, count.refused))
      end
      assert.is_true(count.sent > 2 * count.refused, pair)
    end
  end)
end)

describe("the search for lost values", function()
  local REQUEST = '{"model":"m","max_tokens":7,"system":[{"type":"text","text":"Be brief.","cache_control":{"type":'
    .. '"ephemeral"}}],"messages":[{"role":"user","content":[{"type":"text","text":"Go on.","cache_control":{"type":'
    .. '"ephemeral","ttl":"1h"}}]}]}'

  local function lost(dialect, change)
    local document, c = read({ name = "x", request = REQUEST, stream = false }, "anthropic")
    local target = target_of(dialect, TARGETS[dialect][1])
    return missing(document, change(dialects.of(dialect).encode_request(c, target)), c, target)
  end

  it("finds none where all arrives; hints to a cache are noted where they stand, in the system, too", function()
    for _, dialect in ipairs { "openai_chat", "openai_responses", "gemini" } do
      assert.same({}, lost(dialect, function(body) return body end), dialect)
    end
  end)

  it("finds those that are not there", function()
    local function cut(body)
      return (body:gsub("Be brief", "Be long"):gsub(":7[,}]", function(rest) return ":8" .. rest:sub(-1) end))
    end
    for _, dialect in ipairs { "openai_chat", "gemini" } do
      assert.same({ "max_tokens = 7", 'system[0].text = "Be brief."' }, lost(dialect, cut), dialect)
    end
  end)
end)
