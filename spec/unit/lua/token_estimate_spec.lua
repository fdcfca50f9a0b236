local conversation = require("cliproxy.conversation")
local crypto = require("cliproxy.crypto")
local dialects = require("cliproxy.dialects")
local estimate = require("cliproxy.token_estimate")
local fixtures = require("spec.support.fixtures")
local json = require("cliproxy.json")
local literal = require("cliproxy.literal")
local media = require("cliproxy.token_media")
local tokens = require("cliproxy.tokens")

local NAMES = {
  "word", "long", "very_long", "capital", "digit", "group", "mixed", "punctuation", "mark", "space", "line", "latin",
  "alphabet", "indic", "symbol", "cjk", "hangul", "wide",
}

-- The counts of a text that are not 0, by name.
local function counts(text)
  local list, out = {}, {}
  for i = 1, tokens.COUNTS do
    list[i] = 0
  end
  tokens.count(text, list)
  for i, n in ipairs(list) do
    out[NAMES[i]] = n ~= 0 and n or nil
  end
  return out
end

local function data(bytes)
  return '"' .. crypto.base64_encode(bytes) .. '"'
end

local function request(fields)
  local c = conversation.new("anthropic", { model = "fast" }, { turns = "m", parts = "c", system = "s", tools = "t" })
  for name, value in pairs(fields) do
    c[name] = value
  end
  return c
end

local function turn(role, ...)
  return { role = role, index = 0, parts = { ... } }
end

local function text(words)
  return { kind = "text", text = literal.of(words) }
end

describe("what a text is made of", function()
  it("is words, by their length", function()
    assert.same({ word = 4, long = 8 + 1, very_long = 2 }, counts("a the internationals seventh"))
  end)

  for sample, expected in pairs({
    ["fooBarBaz"] = { word = 3 },
    ["JSONData"] = { word = 1, capital = 4 },
    ["NASA A X"] = { word = 2, capital = 4 },
    ["ABc"] = { word = 1, capital = 1 },
    ["1234567 12"] = { digit = 9, group = 4 },
    ["a1b22 3"] = { word = 2, digit = 4, group = 3, mixed = 3 },
    ['{"a": [1]}'] = { word = 1, digit = 1, group = 1, punctuation = 7, mark = 4 },
    ["a  b c \n\n d   \n e"] = { word = 5, space = 1, line = 2 },
    ["é Ж क … 漢字 한 😀"] = { latin = 1, alphabet = 1, indic = 1, symbol = 1, cjk = 2, hangul = 1, wide = 1 },
    ["\255\128"] = { symbol = 2 },
    [""] = {},
    ['""'] = {},
    ['"'] = { punctuation = 1, mark = 1 },
    ["\\"] = { punctuation = 1, mark = 1 },
  }) do
    it("is told of " .. sample:gsub("[%c\128-\255]", "?"), function()
      assert.same(expected, counts(sample))
    end)
  end

  it("is the same of a text and of its literal", function()
    local words = 'He said "no" \\ twice.\n\n\tThen\tleft: é 漢 😀 100%'
    assert.same(counts(words), counts(literal.of(words)))
    assert.same(counts(words), counts((literal.of(words):gsub("é", "\\u00e9"):gsub("漢", "\\u6f22"):gsub("😀",
      "\\ud83d\\ude00"):gsub("twice", "\\u0074wice"))))
  end)

  it("survives damaged escapes", function()
    assert.same({ punctuation = 1, mark = 1, digit = 2, group = 1 }, counts("\\u12"))
    assert.same({ punctuation = 1, mark = 1, word = 1 }, counts("\\uzzzz"))
  end)

  it("adds up over texts", function()
    local list = {}
    for i = 1, tokens.COUNTS do
      list[i] = 0
    end
    tokens.count("one two", list)
    tokens.count("three", list)
    assert.equal(3, list[1])
  end)

  it("is known of long texts by samples", function()
    local piece = 'local value = node["key"] or 1024 -- é, then more\n'
    local whole, sampled = counts(piece:rep(100)), counts(piece:rep(10000))
    for name, n in pairs(whole) do
      assert.near(n * 100, sampled[name], n * 100 * 0.04 + 100, name)
    end
  end)
end)

describe("the family of a name", function()
  for name, family in pairs({
    openai_chat = "openai", openai_responses = "openai", anthropic = "anthropic", gemini = "gemini", openai = "openai",
    ["gpt-5.2"] = "openai", ["o3-mini"] = "openai", ["anthropic/claude-opus-4.6"] = "anthropic",
    ["us.anthropic.claude-haiku-4-5-v1:0"] = "anthropic", ["models/gemini-2.5-pro"] = "gemini",
    ["gemma-3"] = "gemini", ["llama-3.3"] = "openai", ["openrouter/x"] = "openai",
  }) do
    it("of " .. name .. " is " .. family, function()
      assert.equal(family, estimate.family(name))
    end)
  end
end)

describe("an estimate of a text", function()
  -- Counted with each family's own vocabulary.
  local PROSE = "The quick brown fox jumps over the lazy dog. It was not amused, and said so in several languages."
  it("is near to what the tokenizers give", function()
    assert.near(21, estimate.text(PROSE, "openai"), 3)
    assert.near(22, estimate.text(literal.of(PROSE), "anthropic"), 3)
    assert.near(21, estimate.text(PROSE, "gemini-2.5-pro"), 3)
  end)

  it("is larger with the vocabulary of Opus 4.7 and later", function()
    local old = estimate.text(PROSE, "claude-opus-4-6")
    for _, model in ipairs({ "claude-opus-4-7", "claude-opus-4.8", "claude-sonnet-5", "claude-opus-5-5" }) do
      assert.near(1.2, estimate.text(PROSE, model) / old, 1e-6)
    end
    for _, model in ipairs({ "claude-sonnet-4-20250514", "claude-3-7-sonnet-20250219", "anthropic" }) do
      assert.equal(old, estimate.text(PROSE, model))
    end
  end)

  it("of Gemini counts every digit", function()
    assert.is_true(estimate.text("1234567890", "gemini") > 1.8 * estimate.text("1234567890", "openai"))
  end)
end)

describe("an estimate of a request", function()
  it("is a whole number above 0, whatever the request", function()
    assert.equal(1, estimate.request(request {}, "gemini"))
    assert.equal(estimate.request(request {}, "anthropic"), math.ceil(estimate.request(request {}, "anthropic")))
  end)

  it("counts texts, calls and results wherever they stand", function()
    local words = ("some words "):rep(100)
    local plain = estimate.request(request { turns = { turn("user", text("hi")) } }, "openai_chat")
    local function more(fields)
      fields.turns = fields.turns or { turn("user", text("hi")) }
      return estimate.request(request(fields), "openai_chat") - plain
    end
    local call = { kind = "tool_call", id = "c", name = "f", input = '{"q":' .. literal.of(words) .. "}" }
    local result = { kind = "tool_result", id = "c", content = { text(words) } }
    for name, fields in pairs({
      system = { system = { text(words) } },
      text = { turns = { turn("user", text(words)) } },
      refusal = { turns = { turn("user", { kind = "refusal", text = literal.of(words) }) } },
      call = { turns = { turn("user", text("hi")), turn("assistant", call) } },
      result = { turns = { turn("user", text("hi")), turn("user", result) } },
      value = { turns = { turn("user", text("hi")),
        turn("user", { kind = "tool_result", id = "c", value = '{"q":' .. literal.of(words) .. "}" }) } },
      document = { turns = { turn("user", { kind = "document", text = literal.of(words) }) } },
      tool = { tools = { { name = "f", description = literal.of(words), index = 0 } } },
    }) do
      assert.near(200, more(fields), 30, name)
    end
  end)

  it("leaves reasoning of answered questions out, but for Gemini's", function()
    local thought = { kind = "reasoning", text = literal.of(("thinking hard "):rep(100)),
      state = { kind = "encrypted", data = ("x"):rep(5000) } }
    local past = request { turns = { turn("user", text("a")), turn("assistant", thought, text("b")),
      turn("user", text("c")) } }
    local current = request { turns = { turn("user", text("a")),
      turn("assistant", thought, { kind = "tool_call", id = "c", name = "f", input = "{}" }),
      turn("user", { kind = "tool_result", id = "c", content = { text("b") } }) } }
    assert.is_true(estimate.request(past, "openai_responses") < 30)
    assert.is_true(estimate.request(current, "openai_responses") > 600)
    assert.is_true(estimate.request(past, "anthropic") < 30)
    assert.is_true(estimate.request(past, "gemini") > 600)
  end)

  it("knows the prompts that tools bring along", function()
    local tool = { { name = "f", schema = "{}", index = 0 } }
    local function base(model, fields)
      fields = fields or {}
      local without = estimate.request(request(fields), "anthropic", model)
      fields.tools = tool
      return estimate.request(request(fields), "anthropic", model) - without
    end
    local required = { mode = "required", where = "tool_choice" }
    for model, expected in pairs({
      ["claude-3-opus-20240229"] = { 530, 281 }, ["claude-3-5-haiku-latest"] = { 264, 340 },
      ["claude-sonnet-4-20250514"] = { 346, 313 }, ["claude-opus-4-1"] = { 346, 313 },
      ["claude-haiku-4-5"] = { 520, 586 },
    }) do
      assert.near(expected[1], base(model), 6, model)
      assert.near(expected[2], base(model, { tool_choice = required }), 6, model)
    end
    assert.near(342, base("claude-haiku-4-5", { parallel_tools = false }), 6)
    local limited = request { tools = tool, parallel_tools = false }
    assert.equal(85, estimate.request(limited, "openai_chat", "gpt-5-mini")
      - estimate.request(limited, "openai_chat", "gpt-4o"))
  end)

  it("goes by the target's model, or by the client's where that fits the dialect", function()
    local c = request { model = "claude-sonnet-4-0", tools = { { name = "f", index = 0 } } }
    assert.equal(estimate.request(c, "anthropic", "claude-sonnet-4-0"), estimate.request(c, "anthropic"))
    assert.equal(estimate.request(c, "openai_chat", "gpt-4o"), estimate.request(c, "openai_chat"))
    assert.equal(estimate.request(c, "anthropic", "claude-sonnet-4-0"),
      estimate.request(c, "openai_chat", "anthropic/claude-sonnet-4-0"))
  end)

  it("counts images, PDFs and sound by what their heads tell", function()
    local png = data("\137PNG\r\n\26\n\0\0\0\13IHDR\0\0\4\0\0\0\4\0" .. ("x"):rep(400))
    local function image(model, more)
      local part = { kind = "image", media_type = "image/png", data = png }
      for name, value in pairs(more or {}) do
        part[name] = value
      end
      return estimate.request(request { turns = { turn("user", text("hi"), part) } }, model, model)
        - estimate.request(request { turns = { turn("user", text("hi")) } }, model, model)
    end
    assert.equal(765, image("gpt-4o"))
    assert.equal(85, image("gpt-4o", { detail = '"low"' }))
    assert.near(1402, image("claude-sonnet-4-5"), 2)
    assert.equal(258 * 4, image("gemini-2.5-flash"))
    assert.equal(1120, image("gemini-3-pro"))
    local pdf = data("%PDF-1.4 /Type /Pages /Type /Page\n/Type/Page>>")
    local part = { kind = "document", media_type = "application/pdf", data = pdf }
    assert.equal(516, estimate.request(request { turns = { turn("user", part) } }, "gemini"))
    local wav = data("RIFF\0\0\0\0WAVEfmt \16\0\0\0\1\0\1\0\128\62\0\0\0\125\0\0" .. ("s"):rep(64000))
    assert.near(64, estimate.request(request { turns = { turn("user", { kind = "audio", data = wav }) } }, "gemini"), 2)
  end)
end)

describe("the size of an image", function()
  local jpeg = "\255\216\255\224\0\4xx\255\192\0\11\8\1\44\2\88\3"
  for name, row in pairs({
    png = { "\137PNG\r\n\26\n\0\0\0\13IHDR\0\0\1\0\0\1\2\3xxxx", 256, 66051 },
    jpeg = { jpeg, 600, 300 },
    gif = { "GIF89a\44\1\200\0xx", 300, 200 },
    ["webp, lossy"] = { "RIFFxxxxWEBPVP8 xxxxxxx\157\1\42\44\1\200\0xxx", 300, 200 },
    ["webp, lossless"] = { "RIFFxxxxWEBPVP8Lxxxx\47\43\193\49\0xxxxx", 300, 200 },
    ["webp, extended"] = { "RIFFxxxxWEBPVP8Xxxxxxxxx\43\1\0\199\0\0", 300, 200 },
  }) do
    it("is read of " .. name, function()
      assert.same({ row[2], row[3] }, { media.image_size(data(row[1])) })
    end)
  end

  it("is not known of anything else", function()
    for _, bytes in ipairs({ "", "x", "\137PNG", "\255\216\255\224\0", "\255\216xxxxxxxx", "GIF8",
      "RIFFxxxxWEBPVP8 x" }) do
      assert.is_nil((media.image_size(data(bytes))))
    end
    assert.is_nil((media.image_size(nil)))
    assert.is_nil((media.image_size('"not base64!"')))
  end)

  it("is read behind a JPEG's metadata, and through escaped slashes", function()
    local meta = "\255\225\255\253" .. ("\255"):rep(65531)
    assert.same({ 600, 300 }, { media.image_size(data("\255\216" .. meta .. jpeg:sub(3))) })
    assert.same({ 600, 300 }, { media.image_size((data(jpeg):gsub("/", "\\/"))) })
  end)
end)

-- Recorded requests, and what their services counted ------------------------------------------------------------

local FOLDERS = { ["openai-chat"] = "openai_chat", ["openai-responses"] = "openai_responses",
  ["anthropic-messages"] = "anthropic", gemini = "gemini" }

local function last(answer, key)
  local found
  for n in answer:gmatch('"' .. key .. '"%s*:%s*(%d+)') do
    found = tonumber(n)
  end
  return found
end

-- Anthropic tells what it was sent at the start of a stream; later, what its own tools added.
local COUNTED = {
  openai_chat = function(answer) return last(answer, "prompt_tokens") end,
  openai_responses = function(answer) return last(answer, "input_tokens") end,
  gemini = function(answer) return last(answer, "promptTokenCount") or last(answer, "totalTokens") end,
  anthropic = function(answer)
    local function first(key)
      return tonumber(answer:match('"' .. key .. '"%s*:%s*(%d+)'))
    end
    local input = first("input_tokens")
    return input and input + (first("cache_creation_input_tokens") or 0) + (first("cache_read_input_tokens") or 0)
  end,
}

local function without_data(parts)
  for _, part in ipairs(parts) do
    if (part.kind == "image" or part.kind == "document") and not (part.data or part.text)
      or part.content and without_data(part.content) then
      return true
    end
  end
  return false
end

-- Why a case says nothing about estimates.
local function unfit(c, model)
  if c.ledger.refused then
    return "tools or state of the service itself: " .. c.ledger.refused.path
  elseif c.web_search then
    return "the service's own search: what it found counts"
  elseif model:find("deepseek") then
    return "DeepSeek's own prompt for tools is not known"
  end
  for _, one in ipairs(c.turns) do
    if without_data(one.parts) then
      return "an image or document by its address: its size is not known"
    end
  end
end

local SMALLEST, MEDIAN, WORST = 200, 0.15, 0.4

local function measure(fixture, dialect)
  local counted = fixture.status == 200 and COUNTED[dialect](fixture.answer)
  if not counted or counted < SMALLEST then
    return nil
  end
  local document = json.parse(fixture.request)
  local model = dialect == "gemini" and fixture.path:match("/models/([^:]+)") or document.model
  local c = dialects.of(dialect).decode_request(document, { model = model, stream = fixture.stream })
  if not c then
    return nil
  end
  local guess, why = estimate.request(c, dialect, model), unfit(c, model)
  return { name = fixture.name, counted = counted, guess = guess, unfit = why, error = math.abs(guess / counted - 1) }
end

local function show(dialect, rows, excluded)
  print(("%-17s %2d requests: median error %4.1f %%, worst %4.1f %% (%s); %d left out"):format(dialect, #rows,
    rows[math.ceil(#rows / 2)].error * 100, rows[#rows].error * 100, rows[#rows].name, excluded))
end

describe("estimates of recorded requests", function()
  local all = fixtures.all()
  for folder, dialect in pairs(FOLDERS) do
    it("are near to what was counted: " .. dialect, function()
      if not all then
        return pending("no recorded exchanges in " .. fixtures.folder)
      end
      local rows, excluded = {}, 0
      for _, fixture in ipairs(all) do
        local row = fixture.name:sub(1, #folder + 1) == folder .. "/" and measure(fixture, dialect)
        if row and row.unfit then
          excluded = excluded + 1
        elseif row then
          rows[#rows + 1] = row
        end
        if row and os.getenv("CPX_ROWS") then
          print(("%-52s %6d %6d %s"):format(row.name, row.counted, row.guess, row.unfit or ""))
        end
      end
      assert.is_true(#rows > 0)
      table.sort(rows, function(a, b) return a.error < b.error end)
      show(dialect, rows, excluded)
      assert.is_true(rows[math.ceil(#rows / 2)].error <= MEDIAN)
      assert.is_true(rows[#rows].error <= WORST, rows[#rows].name)
    end)
  end
end)
