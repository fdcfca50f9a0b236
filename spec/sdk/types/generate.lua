-- Writes a TypeScript file for each dialect: every recorded request, decoded and encoded for a provider of each other
-- dialect, as a constant of the SDK's type of such a request. What is refused is left out; the same body stands once.
--
--     build/cpx_lua spec/sdk/types/generate.lua FOLDER       from the root of the repository
--
-- Prints the number of constants; 0 where there is no folder of recorded exchanges.
local dialects = require("cliproxy.dialects")
local fixtures = require("spec.support.fixtures")
local json = require("cliproxy.json")
local models = require("cliproxy.models")
local process = require("spec.support.process")

local DIALECT_OF = { ["openai-chat"] = "openai_chat", ["openai-responses"] = "openai_responses",
  ["anthropic-messages"] = "anthropic", gemini = "gemini" }

-- Model, type of a request, type of a count, version.
local TARGETS = {
  openai_chat = { { "gpt-5.1", "Chat" }, { "gpt-4o", "Chat" } },
  openai_responses = { { "gpt-5.1", "Responses", "ResponsesCount" }, { "gpt-4o", "Responses", "ResponsesCount" } },
  anthropic = { { "claude-sonnet-4-5", "Anthropic_2023_06_01", "AnthropicCount", "2023-06-01" },
    { "claude-opus-4-8", "Anthropic_2026_10_21", "AnthropicCount", "2026-10-21" } },
  gemini = { { "gemini-2.5-flash", "Gemini", "GeminiCount" }, { "gemini-3-pro", "Gemini", "GeminiCount" } },
}

-- A request as the target's; nil: it is malformed, refused, or of an operation that the target has not.
local function body_of(fixture, source, dialect, row)
  local is_count = fixture.name:find("count", 1, true) ~= nil
  local document = json.parse(fixture.request)
  local c = dialects.of(source).decode_request(document, { model = "asked", stream = fixture.stream,
    operation = is_count and "count" or "generate", version = "2023-06-01" })
  local kind = is_count and row[3] or not is_count and row[2] or nil
  if not c or not kind then
    return nil
  end
  local body = dialects.of(dialect).encode_request(c, { dialect = dialect, provider = "up", model = row[1],
    version = row[4], caps = models.caps(row[1], dialect) })
  if not c.ledger.refused then
    return body, kind
  end
end

local function add(out, seen, fixture, source, dialect, row)
  local body, kind = body_of(fixture, source, dialect, row)
  local key = body and kind .. body
  if key and not seen[key] then
    seen[key] = true
    out[#out + 1] = ("// %s for %s\nexport const c%d: %s = %s;\n"):format(fixture.name, row[1], #out + 1, kind, body)
  end
end

local function file_of(list, dialect)
  local out, seen = {}, {}
  for _, fixture in ipairs(list) do
    local source = DIALECT_OF[fixture.name:match("^[^/]+")]
    for _, row in ipairs(source and source ~= dialect and TARGETS[dialect] or {}) do
      if not fixture.name:find("embed", 1, true) then
        add(out, seen, fixture, source, dialect, row)
      end
    end
  end
  return out
end

local folder, count = assert(arg[1], "a folder to write to"), 0
local list = fixtures.all() or {}
for _, dialect in ipairs(dialects.names) do
  local constants = file_of(list, dialect)
  count = count + #constants
  process.write(("%s/%s.ts"):format(folder, dialect), 'import type * as sdk from "./bodies";\n'
    .. table.concat(constants):gsub("(\nexport const c%d+: )", "%1sdk."))
end
print(count)
