local fields = require("cliproxy.config_fields")
local filter = require("cliproxy.filter")
local findings_of = require("cliproxy.findings")
local folder_of = require("spec.support.folder")
local options = require("cliproxy.options")
local payload_rules = require("cliproxy.payload_rules")
local snapshot = require("cliproxy.snapshot")
local system = require("cliproxy.system")

local function read(name)
  return assert(system.read(system.root .. "/" .. name))
end

--- Default as the validated configuration holds it.
local function default_of(name)
  local findings = findings_of.new()
  local field = fields.top[name]
  local value = field.default
  if name == "timeouts" then
    value = fields.TIMEOUTS
  end
  return options.value(field, value, name, findings:scope("x"))
end

describe("config.lua.example", function()
  local example = read("config.lua.example")

  it("runs as it is", function()
    local built, messages = snapshot.build({ path = system.root .. "/config.lua.example" })
    for _, message in ipairs(messages) do
      assert.is_true(message.warning, findings_of.text(message))
    end
    assert.equal("demo", built.routes:plan({ model = "demo" })[1].instance.name)
    assert.equal("demo/demo", built.routes:plan({ model = "hello" })[1].instance.name .. "/demo")
  end)

  it("holds every option, and the page does too", function()
    local page = read("docs/configuration.md")
    local sets = { fields.top, fields.instance, fields.timeout_fields, fields.http_fields, payload_rules.rule_fields }
    for _, set in ipairs(sets) do
      for name in pairs(set) do
        assert.is_truthy(example:find("%f[%w_]" .. name .. " ="), name .. " is missing in config.lua.example")
        assert.is_truthy(page:find("`" .. name .. "`", 1, true), name .. " is missing in docs/configuration.md")
      end
    end
  end)

  it("shows filters and payload rules that work", function()
    local folder, text = folder_of.new(), example
    for _, name in ipairs({ "filters", "payload" }) do
      local first, last = text:find("\n  %-%- " .. name .. " = {\n.-\n  %-%- },\n")
      assert.is_number(first, name)
      text = text:sub(1, first - 1) .. text:sub(first, last):gsub("\n  %-%- ", "\n  ") .. text:sub(last + 1)
    end
    text = text:gsub("\nreturn {\n", '%0  api_keys = { { name = "editor", key = "k" } },\n')
    folder:write("config.lua", text)
    local built, messages = snapshot.build({ path = folder.path .. "/config.lua" })
    folder:remove()
    assert.same({}, messages)
    assert.same({ 3, 2 }, { #built.filters, #built.payload })
  end)

  it("holds every condition of filters, and their page does too", function()
    local manual = read("docs/filters.md")
    for name in pairs(filter.when_fields) do
      assert.is_truthy(example:find("%f[%w_]" .. name .. " ="), name .. " is missing in config.lua.example")
      assert.is_truthy(manual:find("`" .. name .. "`", 1, true), name .. " is missing in docs/filters.md")
    end
  end)

  it("names the defaults that there are", function()
    local seen = 0
    local findings = findings_of.new()
    for line in example:gmatch("[^\n]+") do
      local name, value = line:match("^  %-%- ([%w_]+) = (.+),$")
      local field = name and fields.top[name] or {}
      if field.default ~= nil or name == "timeouts" then
        local given = assert(loadstring("return " .. value))()
        local checked = options.value(field, given, name, findings:scope("config.lua.example"))
        local unix = type(given) == "string" and given:find("^unix:")
        if not name:find("^allowed_") and not unix then
          assert.same(default_of(name), checked, name)
          seen = seen + 1
        end
      end
    end
    assert.same({}, findings.messages)
    assert.is_true(seen >= 9, "only " .. seen .. " defaults were found")
  end)
end)
