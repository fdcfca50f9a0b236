local async = require "spec.support.async"
local folders = require "spec.support.folder"
local system = require "cliproxy.system"
local task = require "cliproxy.task"
local timer = require "cliproxy.timer"
local vault = require "cliproxy.vault"

local KEY = ("0123456789abcdef"):rep(4)

describe("cliproxy.vault", function()
  local folder, path

  before_each(function()
    folder = folders.new()
    path = folder.path .. "/state/tokens"
  end)

  after_each(function()
    folder:remove()
  end)

  local function opened(options)
    options = options or { key = KEY }
    options.folder = path
    return assert(vault.open(options))
  end

  local function listed(v)
    return async(function() return v:list() end)
  end

  it("keeps texts, encrypted", function()
    local v = opened()
    assert.same({ {}, {} }, { listed(v) })
    async(function()
      assert.is_true(v:write("claude", "a/b@c", '{"token":"sk-secret"}'))
      assert.is_true(v:write("chatgpt", "default", ""))
    end)
    assert.equals('{"token":"sk-secret"}', v:read("claude", "a/b@c"))
    assert.equals("", v:read("chatgpt", "default"))
    local bytes = system.read(path .. "/claude/a%2Fb@c.token")
    assert.matches("^cliproxy%-token 1 %x+\n", bytes)
    assert.is_nil(bytes:find("secret", 1, true))
    local accounts, warnings = listed(v)
    table.sort(accounts, function(a, b) return a.provider < b.provider end)
    assert.same({ { provider = "chatgpt", account = "default" }, { provider = "claude", account = "a/b@c" } }, accounts)
    assert.same({}, warnings)
    async(function()
      assert.is_true(v:remove("claude", "a/b@c"))
      local gone, message, code = v:remove("claude", "a/b@c")
      assert.same({ nil, "not_found" }, { gone, code })
      assert.matches("a%2Fb@c.token", message, 1, true)
    end)
    assert.same({ nil, "not_found" }, { v:read("claude", "a/b@c"), select(3, v:read("claude", "a/b@c")) })
  end)

  it("keeps plain files where it is told to", function()
    local v = opened { plain = true }
    async(function() assert.is_true(v:write("claude", "x", "{}")) end)
    assert.equals("{}", system.read(path .. "/claude/x.token"))
    local text, message, code = opened():read("claude", "x")
    assert.same({ nil, "syntax" }, { text, code })
    assert.matches("x.token is no encrypted token file", message, 1, true)
  end)

  it("tells what is wrong: the key, the file, the name", function()
    local v = opened()
    async(function() assert.is_true(v:write("claude", "x", "secret")) end)
    local text, message, code = opened({ key = ("f"):rep(64) }):read("claude", "x")
    assert.same({ nil, "access" }, { text, code })
    assert.matches("another key", message, 1, true)
    local file = path .. "/claude/x.token"
    assert(system.write(file, system.read(file):sub(1, -2)))
    text, message, code = v:read("claude", "x")
    assert.same({ nil, "forged" }, { text, code })
    assert.matches("cut short", message, 1, true)
    async(function()
      local _, said, why = v:write("claude", ("n"):rep(4000), "x")
      assert.equals("the name of the account is too long: 4000 bytes invalid", said .. " " .. why)
      _, _, why = v:write("claude", "a\0b", "x")
      assert.equals("invalid", why)
      _, _, why = v:write("claude", "x", ("x"):rep(256 * 1024 + 1))
      assert.equals("too_big", why)
    end)
  end)

  it("makes a key only when it is told to", function()
    local key_file = folder.path .. "/state/key"
    local none, message, code = vault.open { folder = path, key_file = key_file }
    assert.same({ nil, "not_found" }, { none, code })
    assert.matches("state/key", message, 1, true)
    local v = opened { key_file = key_file, make_key = true }
    async(function() assert.is_true(v:write("claude", "x", "secret")) end)
    assert.equals("secret", opened({ key_file = key_file }):read("claude", "x"))
    assert.equals(384, system.stat(key_file).mode) -- 0600
  end)

  it("refuses keys that are none, and options that say nothing", function()
    for _, key in ipairs { "", "abc", ("g"):rep(64), ("a"):rep(65) } do
      assert.same({ nil, "a key is 64 hexadecimal digits", "syntax" }, { vault.open { folder = path, key = key } })
    end
    assert.has_error(function() vault.open { folder = path } end)
    assert.has_error(function() vault.open { key = KEY } end)
    assert.has_error(function() opened():write("claude", "x", "outside a task") end)
  end)

  it("mends rights and says so", function()
    local v = opened()
    async(function() assert.is_true(v:write("claude", "x", "secret")) end)
    assert.equals(0, os.execute(("chmod 644 '%s/claude/x.token'"):format(path)))
    local _, warnings = listed(v)
    assert.equals(1, #warnings)
    assert.matches("x.token could be read or changed by others (mode 0644)", warnings[1], 1, true)
    assert.same({}, select(2, listed(v)))
  end)

  it("finishes what was begun when the task is cancelled", function()
    local v = opened()
    async(function()
      task.any {
        function() return v:write("claude", "x", "secret") end,
        function() return true end,
      }
      v = nil
      collectgarbage()
      for _ = 1, 200 do
        if opened():read("claude", "x") then break end
        timer.sleep(0.01)
      end
    end)
    assert.equals("secret", opened():read("claude", "x"))
  end)

  it("changes an account in the order of the calls, also where their tasks are cancelled", function()
    local v = opened()
    local function begin(change)
      task.any { change, function() return true end } -- the second one wins: the first is cancelled
    end
    async(function()
      for i = 1, 20 do
        begin(function() return v:write("claude", "x", "old " .. i) end)
        begin(function() return v:remove("claude", "x") end)
        begin(function() return v:write("claude", "x", "old") end)
        assert.is_true(v:write("claude", "x", "new " .. i))
        assert.equals("new " .. i, v:read("claude", "x"))
        begin(function() return v:write("claude", "x", "old") end)
        assert.is_true(v:remove("claude", "x"))
        assert.same({}, (v:list()))
      end
    end, 20)
    assert.is_nil((v:read("claude", "x")))
  end)

  it("tells what cannot be listed instead of leaving it out", function()
    local v = opened()
    async(function() assert.is_true(v:write("claude", "x", "secret")) end)
    assert.equals(0, os.execute(("ln -s loop '%s/loop'"):format(path)))
    local accounts, message, code = listed(v)
    assert.same({ nil, "io" }, { accounts, code })
    assert.matches("cannot look at .*/tokens/loop: Too many levels of symbolic links", message)
  end)

  it("refuses folders and keys whose paths are not absolute", function()
    local v = assert(vault.open { folder = "tokens", key = KEY })
    async(function()
      local _, message, code = v:write("claude", "x", "secret")
      assert.equals("invalid", code)
      assert.matches("must be absolute", message, 1, true)
    end)
    assert.equals("invalid", select(3, vault.open { folder = path, key_file = "no/such/key", make_key = true }))
  end)

  it("writes many at once, each whole", function()
    local v = opened()
    async(function()
      local jobs = {}
      for i = 1, 40 do
        jobs[i] = function() return v:write("claude", "n" .. i % 8, ("%d "):format(i):rep(200)) end
      end
      assert(task.all(jobs))
    end, 20)
    for i = 0, 7 do
      local text = v:read("claude", "n" .. i)
      assert.equals((text:match("^%d+ ")):rep(200), text)
    end
  end)
end)
