local cli = require "cliproxy.cli"
local client = require "cliproxy.cli.client"
local config = require "cliproxy.config"
local json = require "cliproxy.json"
local system = require "cliproxy.system"
local tail = require "cliproxy.cli.tail"
local try_dialects = require "cliproxy.cli.try_dialects"

describe("the command line", function()
  local printed, complained, print_, print_error

  before_each(function()
    printed, complained = "", ""
    print_, print_error = system.print, system.print_error
    system.print = function(text)
      printed = printed .. text
      return true
    end
    system.print_error = function(text)
      complained = complained .. text
      return true
    end
  end)

  after_each(function()
    system.print, system.print_error = print_, print_error
  end)

  it("gives exit codes that differ, and explains each", function()
    assert.equal(cli.codes.ok, cli.main { "help" })
    local seen = {}
    for name, code in pairs(cli.codes) do
      assert.is_nil(seen[code], name)
      seen[code] = name
      assert.matches("[ :]" .. code .. " %a", printed)
    end
    assert.equal("", complained)
  end)

  it("explains the command whose arguments are missing, but not what stands behind --", function()
    assert.equal(cli.codes.ok, cli.main { "try", "--help" })
    assert.matches("^Usage: cliproxy try", printed)
    assert.equal(cli.codes.usage, cli.main { "tail", "--", "--help" })
    assert.matches("^cliproxy: ", complained)
  end)

  it("prints the version", function()
    for _, word in ipairs { "version", "--version" } do
      printed = ""
      assert.equal(cli.codes.ok, cli.main { word })
      assert.equal("cliproxy " .. system.version .. "\n", printed)
    end
  end)
end)

describe("the proxy's address", function()
  local load

  before_each(function() load = config.load end)
  after_each(function() config.load = load end)

  local function find(loaded, arguments)
    config.load = function()
      if not loaded then return nil, "broken" end
      loaded.api_keys = loaded.api_keys or {}
      return loaded
    end
    return client.find(arguments or {})
  end

  it("is the configuration's first, over loopback where that is a wildcard", function()
    for address, url in pairs {
      ["127.0.0.1:8317"] = "http://127.0.0.1:8317", ["0.0.0.0:1"] = "http://127.0.0.1:1", [":2"] = "http://127.0.0.1:2",
      ["[::]:3"] = "http://[::1]:3", ["[::1]:4"] = "http://[::1]:4",
    } do
      assert.equal(url, find({ listen = { address, "unix:/other" } }).url)
    end
    local found = find { listen = { "127.0.0.1:1" }, tls = { cert = "/c.pem" } }
    assert.same({ "https://127.0.0.1:1", "/c.pem" }, { found.url, found.ca_file })
    found = find { listen = { "unix:/run/x" } }
    assert.same({ "http://localhost", "/run/x" }, { found.url, found.unix_socket })
  end)

  it("takes the admin key before a client's, and the argument before both", function()
    local keys = { { name = "a", key = "client" } }
    assert.equal("client", find({ listen = { "127.0.0.1:1" }, api_keys = keys }).key)
    assert.equal("admin", find({ listen = { "127.0.0.1:1" }, api_keys = keys, admin_key = "admin" }).key)
    assert.equal("given", find({ listen = { "127.0.0.1:1" }, admin_key = "admin" }, { key = "given" }).key)
    assert.equal("Bearer given", client.headers({ url = "", key = "given" }).authorization)
  end)

  it("may be given, also where the configuration is broken", function()
    assert.equal("https://x.example", find(nil, { url = "https://x.example//" }).url)
    local nothing, message = find(nil)
    assert.same({ nil, "broken" }, { nothing, message })
  end)
end)

describe("an error's text", function()
  it("is the message of any envelope, else the body's beginning", function()
    assert.equal("no", client.error_text '{"error":{"message":"no"}}')
    assert.equal("no", client.error_text '{"type":"error","error":{"type":"x","message":"no"}}')
    for _, body in ipairs { "", "<html>", "[]", '"x"', '{"error":"no"}', '{"error":{"message":5}}', "null" } do
      assert.equal(body, client.error_text(body))
    end
    assert.equal(500, #client.error_text(("x"):rep(5000)))
  end)
end)

describe("a line of tail", function()
  it("shows what is known and a dash for the rest", function()
    local line = tail.line(json.parse [[{"time":0,"client":"curl","provider":"demo","model_asked":"fast","model":"demo",
      "status":200,"first_byte_ms":1.5,"total_ms":20,"tokens_in":3,"tokens_out":4,"warnings":"top_k"}]])
    assert.matches("^%d%d:%d%d:%d%d  curl +demo +fast → demo +200  first 2 ms  total 20 ms  3 in, 4 out", line)
    assert.matches("  warnings: top_k\n$", line)
    line = tail.line(json.parse '{"status":404,"error":"no route","model":"x","model_asked":"x"}')
    assert.matches("  %-  +%-  +x  +404  first %-  total %-  %- in, %- out  no route\n$", line)
    assert.is_string(tail.line(json.parse "{}"))
  end)
end)

describe("try's dialects", function()
  local WHOLE = {
    openai_chat = [[{"choices":[{"message":{"content":"Hi",
      "tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}}]}]],
    openai_responses = [[{"output":[{"type":"message","content":[{"type":"output_text","text":"Hi"}]},
      {"type":"function_call","name":"f","arguments":"{}"}]}]],
    anthropic = '{"content":[{"type":"text","text":"Hi"},{"type":"tool_use","name":"f","input":{}}]}',
    gemini = '{"candidates":[{"content":{"parts":[{"text":"Hi"},{"functionCall":{"name":"f","args":{}}}]}}]}',
  }
  local PIECES = {
    openai_chat = { ['{"choices":[{"delta":{"content":"a"}}]}'] = "a",
      ['{"choices":[{"delta":{"tool_calls":[{"function":{"name":"f","arguments":""}}]}}]}'] = "\n[calls f] ",
      ['{"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"{}"}}]}}]}'] = "{}" },
    openai_responses = { ['{"type":"response.output_text.delta","delta":"a"}'] = "a",
      ['{"type":"response.output_item.done","item":{"type":"function_call","name":"f","arguments":"{}"}}'] =
        "\n[calls f {}]",
      ['{"type":"response.output_text.done","text":"a"}'] = "" },
    anthropic = { ['{"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}'] = "a",
      ['{"type":"content_block_start","content_block":{"type":"tool_use","name":"f"}}'] = "\n[calls f] ",
      ['{"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":"{"}}'] = "{" },
    gemini = { ['{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}'] = "a" },
  }
  local ODD = { "{}", "[]", "null", "5", '{"choices":[]}', '{"choices":[null]}', '{"choices":{}}', '{"output":[5]}',
    '{"content":"x"}', '{"content":[[]]}', '{"candidates":[{}]}', '{"candidates":[{"content":{"parts":[1,{}]}}]}',
    '{"choices":[{"message":{"content":["x"]},"delta":5}]}', '{"type":5,"delta":{"text":5}}', '{"item":[]}' }

  for name, dialect in pairs(try_dialects.by_name) do
    it("show the text and the calls of " .. name, function()
      assert.equal("Hi\n[calls f {}]", dialect.whole(json.parse(WHOLE[name])))
      for event, text in pairs(PIECES[name]) do assert.equal(text, dialect.piece(json.parse(event)), event) end
    end)

    it("are not upset by odd answers of " .. name, function()
      for _, body in ipairs(ODD) do
        assert.is_string(dialect.whole(json.parse(body)), body)
        assert.is_string(dialect.piece(json.parse(body)), body)
      end
    end)
  end

  it("escape a model's name in a path", function()
    assert.equal("/v1beta/models/a%3Fb%20c:generateContent", try_dialects.by_name.gemini.path("a?b c", false))
  end)
end)
