--- Every ```sh block of the documentation runs, as it stands, in a copy of the source tree with a proxy of its own.
local cjson = require "cjson"
local http = require "spec.support.http_client"
local process = require "spec.support.process"
local socket = require "socket"

local FILES = { "README.md", "providers/README.md" }
do
  local list = io.popen("ls docs/*.md")
  for path in list:lines() do FILES[#FILES + 1] = path end
  list:close()
end

---@return { file: string, line: integer, text: string }[]
local function blocks_of(file)
  local list, open, number = {}, nil, 0
  for line in (assert(process.read(file)) .. "\n"):gmatch("(.-)\n") do
    number = number + 1
    if open and line:match("^%s*```%s*$") then
      list[#list + 1], open = open, nil
    elseif open then
      open.text = open.text .. line .. "\n"
    elseif line:match("^%s*```sh%s*$") then
      open = { file = file, line = number, text = "" }
    end
  end
  assert(not open, file .. ": a block does not end")
  return list
end

local function free_port()
  local s = assert(socket.bind("127.0.0.1", 0))
  local _, port = s:getsockname()
  s:close()
  return port
end

describe("the documentation's commands", function()
  local folder, tree, port
  local build = os.getenv("CPX_BINARY") and os.getenv("CPX_BINARY"):match("^(.*)/[^/]*$") or "build"

  -- These blocks are run by whoever runs the specs; inside them, they would run themselves.
  local function adapted(text)
    return (text:gsub("%./scripts/test%.sh", "true"):gsub("([%w%.%]]:)8317", "%1" .. port))
  end

  local function run(text, seconds)
    return process.run({ "bash", "-euo", "pipefail", "-c", adapted(text) }, { cwd = tree, seconds = seconds or 60,
      env = {
      CLIPROXY_CONFIG = false, CLIPROXY_URL = false, HOME = folder, CLIPROXY_RUN_DIR = tree .. "/.run",
        CLIPROXY_BUILD = false } })
  end

  setup(function()
    folder = process.folder()
    tree, port = folder .. "/cliproxy", free_port()
    local code, text = process.run { "sh", "-c", ([[
      mkdir '%s' && cp -a CMakeLists.txt README.md config.lua.example scripts src lua providers docs '%s' &&
      ln -s "$(readlink -f '%s')" '%s/build']]):format(tree, tree, build, tree) }
    assert(code == 0, text)
    process.write(tree .. "/config.lua", ([[
return {
  listen = "127.0.0.1:%d",
  state_dir = "%s/state",
  providers = { demo = {} },
}
]]):format(port, folder))
    code, text = run("./scripts/start.sh")
    assert(code == 0, text)
  end)

  teardown(function()
    if not tree then return end
    local code, text = run("./scripts/stop.sh")
    local log = process.read(tree .. "/.run/cliproxy.log") or ""
    process.remove(folder)
    assert(code == 0, text)
    assert(not log:find("AddressSanitizer", 1, true), log)
  end)

  local count = 0
  for _, file in ipairs(FILES) do
    for _, block in ipairs(blocks_of(file)) do
      count = count + 1
      it(("of %s, line %d, work"):format(block.file, block.line), function()
        local code, text = run(block.text)
        assert(code == 0, ("exit code %d of\n%s\nwhich printed\n%s"):format(code, block.text, text))
        -- What a block saved is looked at before the next one relies on it.
        local ok, answer = pcall(http.request, tonumber(port), { method = "POST", path = "/v1/admin/reload",
          body = "" })
        assert(not ok or answer.status < 500, ok and answer.body)
      end)
    end
  end

  it("are there: the first screen starts, tests, and talks to the proxy", function()
    assert.is_true(count >= 3)
    local blocks = blocks_of("README.md")
    assert.equal("./scripts/start.sh\n./scripts/test.sh\n", blocks[1].text)
    local code, text = run(blocks[2].text)
    assert.equal(0, code, text)
    assert.is_truthy(text:find("data: [DONE]", 1, true), text)
  end)

  it("start only one proxy, however often they are run", function()
    local _, first = run("cat .run/cliproxy.pid")
    local code, text = run("./scripts/start.sh")
    assert.equal(0, code, text)
    assert.is_truthy(text:find("Already running", 1, true))
    local _, second = run("cat .run/cliproxy.pid")
    assert.equal(first, second)
  end)

  it("take a stale pid file for what it is", function()
    assert.equal(0, (run("./scripts/stop.sh")))
    assert.equal(3, (run("./scripts/status.sh")))
    process.write(tree .. "/.run/cliproxy.pid", tostring(require("posix").getpid("pid")) .. "\n")
    assert.equal(3, (run("./scripts/status.sh")))
    local code, text = run("./scripts/start.sh")
    assert.equal(0, code, text)
    code, text = run("./scripts/status.sh")
    assert.equal(0, code, text)
    assert.is_truthy(text:find('"status":"ok"', 1, true), text)
    assert.equal("ok", cjson.decode(text:match("health: ([^\n]*)")).status)
    assert.equal(0, (run("./scripts/restart.sh")))
    assert.equal(0, (run("./scripts/logs.sh -n 5")))
  end)
end)
