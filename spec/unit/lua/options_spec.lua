local declared_options = require("cliproxy.declared_options")
local env = require("cliproxy.env")
local findings_of = require("cliproxy.findings")
local options = require("cliproxy.options")

--- What a declaration says to a value: the checked value, and all messages as one text.
local function check(declared, value)
  local findings = findings_of.new()
  local scope = findings:scope("config.lua")
  local option = declared_options.one(declared, "options.x", scope)
  local checked = option and options.value(option, value, "x", scope)
  local texts = {}
  for i, message in ipairs(findings.messages) do
    texts[i] = findings_of.text(message)
  end
  return checked, table.concat(texts, "\n")
end

local function bad(declared, value, expected)
  local _, text = check(declared, value)
  assert.equal(expected, text)
end

describe("options", function()
  it("reads every type", function()
    for _, case in ipairs({
      { { type = "string" }, "a", "a" },
      { { type = "secret" }, "k", "k" },
      { { type = "url" }, "HTTPS://api.example.com/v1//", "https://api.example.com/v1" },
      { { type = "url" }, "http://[::1]:8080", "http://[::1]:8080" },
      { { type = "integer", min = 1, max = 3 }, 3, 3 },
      { { type = "number" }, 0.5, 0.5 },
      { { type = "boolean" }, false, false },
      { { type = "duration" }, "1m30s", 90 },
      { { type = "size" }, "1KB", 1024 },
      { { type = "list" }, { "a", "b" }, { "a", "b" } },
      { { type = "map", of = { type = "integer" } }, { a = 1 }, { a = 1 } },
      { { type = "table", fields = { t = { type = "duration", default = "2s" } } }, {}, { t = 2 } },
      { { type = "string", one_of = { "a", "b" } }, "b", "b" },
      { { type = "integer", one_of = { 1, 2 } }, 2, 2 },
    }) do
      local checked, text = check(case[1], case[2])
      assert.equal("", text)
      assert.same(case[3], checked)
    end
  end)

  it("says what was expected and what was found", function()
    bad({ type = "duration" }, "soon", 'config.lua: x: expected a duration such as "5s", found "soon"')
    bad({ type = "duration", min = 1, max = 60 }, "2m",
      'config.lua: x: expected a duration such as "5s" from 1s to 1m, found "2m"')
    bad({ type = "size", max = 1024 }, "2KB",
      'config.lua: x: expected a size such as "64MB" of at most 1KB, found "2KB"')
    bad({ type = "integer", min = 1 }, 0, "config.lua: x: expected an integer of at least 1, found 0")
    bad({ type = "integer" }, 1.5, "config.lua: x: expected an integer, found 1.5")
    bad({ type = "number" }, 0 / 0, "config.lua: x: expected a number, found " .. ("%.14g"):format(0 / 0))
    bad({ type = "boolean" }, "yes", 'config.lua: x: expected true or false, found "yes"')
    bad({ type = "string" }, "", 'config.lua: x: expected a string, found ""')
    bad({ type = "string" }, "a\nb", 'config.lua: x: expected a string, found "a?b"')
    bad({ type = "list" }, { a = 1 }, "config.lua: x: expected a list, found a table")
    bad({ type = "list", of = { type = "integer" } }, { 1, "b" }, 'config.lua: x[2]: expected an integer, found "b"')
    bad({ type = "list", min = 2 }, { "a" }, "config.lua: x: expected at least 2 items, found 1")
    bad({ type = "map" }, { 1 }, "config.lua: x: expected names as keys, found 1")
    bad({ type = "string", one_of = { "text", "json" } }, "xml",
      'config.lua: x: expected one of "text", "json", found "xml"')
    bad({ type = "table", fields = { level = { type = "string" } } }, { levl = "x" },
      "config.lua: x.levl: unknown option; did you mean level?")
    bad({ type = "table", fields = { a = { type = "string", required = true } } }, {},
      "config.lua: x.a: is required: a string")
    bad({ type = "string" }, print, "config.lua: x: expected a string, found a function")
  end)

  it("refuses URLs that cannot be meant", function()
    for _, url in ipairs({ "api.example.com", "ftp://x", "https://", "https://a b", "https://x?y=1", "https://x#y",
      "https://u:p@x",
      "https://x:99999", "https://x\n", "https://<x>", 5 }) do
      local checked, text = check({ type = "url" }, url)
      assert.is_nil(checked)
      assert.matches("expected a URL such as \"https://api.example.com\" (https, http), without user name", text, 1,
        true)
    end
  end)

  it("never shows a secret", function()
    for _, value in ipairs({ "sk-very-secret\n", { "sk-very-secret" } }) do
      local _, text = check({ type = "secret" }, value)
      assert.matches("expected a string, found", text, 1, true)
      assert.is_nil(text:find("very-secret", 1, true))
    end
  end)

  it("hands missing environment variables to the scope and reads them as nil", function()
    local marker = env.missing("KEY", 3)
    local checked, text = check({ type = "list" }, { "a", "Bearer " .. marker, marker .. "x" })
    assert.same({ "a" }, checked)
    assert.matches("config.lua:3: x[2]: the environment variable KEY is not set", text, 1, true)
  end)

  it("checks declarations of scripts", function()
    bad({ type = "strin" }, "x", "config.lua: options.x.type: expected one of " .. options.enumerate({ "boolean",
      "duration",
      "integer", "list", "map", "number", "secret", "size", "string", "table", "url" }) .. ', found "strin"')
    bad("string", "x", 'config.lua: options.x: expected a declaration such as { type = "string" }, found "string"')
    bad({ type = "string", defalt = "a" }, "x", "config.lua: options.x.defalt: unknown option; did you mean default?")
    bad({ type = "integer", default = "many" }, 1, 'config.lua: options.x.default: expected an integer, found "many"')
    bad({ type = "string", default = "a", required = true }, "x",
      "config.lua: options.x: an option is either required or has a default")
    bad({ type = "list", of = { type = "x" } }, {}, "config.lua: options.x.of.type: expected one of "
      .. options.enumerate({ "boolean", "duration", "integer", "list", "map", "number", "secret", "size", "string",
        "table", "url" })
      .. ', found "x"')
  end)
end)
