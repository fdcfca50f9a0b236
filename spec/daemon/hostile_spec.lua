--- The table of hostile requests over real sockets: the status each must get,
--- and whether the connection closes behind it.
local cases = require "spec.support.hostile_cases"
local daemon = require "spec.support.daemon"
local http = require "spec.support.http_client"
local raw = require "spec.support.raw"

describe("hostile requests", function()
  local proxy

  setup(function() proxy = daemon.start { config = daemon.config("  providers = { demo = {} },") } end)
  teardown(function() if proxy then proxy:stop() end end)

  --- nil, or what is wrong.
  local function fault_of(case)
    local connection = raw.connect(proxy.address)
    connection:send(case.bytes)
    local answer = http.read(connection, nil, 5)
    local fault
    if not answer then
      fault = "no answer"
    elseif case.status == 200 then
      -- Whatever is behind the parser answers: the request itself was good.
      if answer.status == 400 and answer.headers.connection == "close" then fault = "refused as bad HTTP: "
        .. answer.body end
    elseif answer.status ~= case.status then
      fault = ("status %d instead of %d: %s"):format(answer.status, case.status, answer.body:sub(1, 200))
    end
    if answer and not fault and case.close and case.status ~= 200 then
      if connection:take_all(5) == nil then fault = "the connection stays open" end
    end
    connection:close()
    return fault
  end

  it("get the answer that the table says", function()
    local faults, count = {}, 0
    for _, case in ipairs(cases.load()) do
      count = count + 1
      local fault = fault_of(case)
      if fault then faults[#faults + 1] = ("%s: %s"):format(case.name, fault) end
    end
    assert.is_true(count >= 80, ("only %d cases"):format(count))
    assert(#faults == 0, ("%d of %d:\n%s"):format(#faults, count, table.concat(faults, "\n")))
  end)

  it("leave the proxy as it was", function()
    assert.equal(200, proxy:request({ path = "/v1/health" }).status)
    assert.is_true(proxy:descriptors() < 60)
  end)
end)
