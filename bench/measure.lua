--- How each figure is taken. `M.cpu` serves the rows of rows.lua; `M.others` are the figures that need more than load.
local http = require "spec.support.http_client"
local mock_upstream = require "spec.support.mock_upstream"
local process = require "spec.support.process"
local rivals = require "bench.rivals"

local M = {}

---@param values number[]
---@param share? number 0.5 by default
function M.median(values, share)
  table.sort(values)
  return values[math.max(1, math.ceil(#values * (share or 0.5)))]
end

-- A request as coding agents send it: a long system prompt, tools with schemas, turns of text and tool results.
local TOOLS = {
  openai_chat = '{"type":"function","function":{"name":"tool_%d","description":"Reads, writes or searches files; see '
    .. 'the manual.","parameters":{"type":"object","properties":{"path":{"type":"string","description":"a path"},'
    .. '"limit":{"type":"integer"}},"required":["path"]}}}',
  anthropic = '{"name":"tool_%d","description":"Reads, writes or searches files; see '
    .. 'the manual.","input_schema":{"type":"object","properties":{"path":{"type":"string","description":"a path"},'
    .. '"limit":{"type":"integer"}},"required":["path"]}}',
}
local TURNS = {
  openai_chat = '{"role":"%s","content":"%s"}',
  anthropic = '{"role":"%s","content":[{"type":"text","text":"%s"}]}',
}

local function agent_body(size, dialect, model)
  local tool = TOOLS[dialect]
  local tools, turns, used = {}, {}, 0
  for i = 1, 24 do tools[i] = tool:format(i) end
  local text = '  if (connection->state == READY && buffer_length(connection) > limit) {\\n'
    .. '    log_error(\\"%s: the limit of %zu bytes is reached\\", connection->name, limit);\\n'
    .. '    return close_connection(connection, ETOOBIG);\\n  }\\nThe function above closes what it was '
    .. 'given; its caller must not touch it again — see the notes in docs/lifetimes.md, and the tests beside it.\\n'
  while used < size do
    local turn = TURNS[dialect]:format(#turns % 2 == 0 and "user" or "assistant", text:rep(20))
    turns[#turns + 1], used = turn, used + #turn
  end
  return ('{"model":"%s","max_tokens":4096,"tools":[%s],"messages":[%s]}'):format(model, table.concat(tools, ","),
    table.concat(turns, ","))
end

local function body_arguments(row)
  if row.data then return { "--data", row.data } end
  if not row.file then
    row.file = process.folder() .. "/agent.json"
    process.write(row.file, agent_body(row.agent.size, row.agent.dialect, row.agent.model))
  end
  return { "--body", row.file }
end

--- CPU microseconds of a rival for each unit of a row.
function M.cpu(row, rival, scale)
  local requests = math.max(row.connections, math.floor(row.requests * scale))
  local sent = rival.name == "cliproxy" and row.translated or row
  local list = { "--to", rival.address, "--path", sent.path, "--connections", tostring(row.connections), "--requests",
    tostring(requests),
    "--pids", tostring(rival.pid) }
  for _, text in ipairs(body_arguments(sent)) do list[#list + 1] = text end
  local function more(...) for _, text in ipairs { ... } do list[#list + 1] = text end end
  if row.warm then more("--warm", tostring(math.ceil(row.warm * scale))) end
  if sent.contains then more("--contains", sent.contains) end
  local report = mock_upstream.load(list, 300)
  assert(report.errors == 0, ("%s, %s: %s"):format(row.name, rival.name, report.first_error))
  return report.cpu_ns / 1000 / report[row.unit]
end

local SMALL = '{"model":"bench","messages":[{"role":"user","content":"Say hello."}]}'
local STREAM = '{"model":"mock-%s","stream":true,"messages":[]}'
local CHAT = "/v1/chat/completions"

-- Requests that cliproxy translates: Anthropic's dialect for a provider that speaks Chat's.
local SMALL_TRANSLATED = '{"model":"chat/bench","max_tokens":64,"messages":[{"role":"user","content":"Say hello."}]}'

-- Its path and body differ from the upstream's own, so that rounds take turns instead of requests.
local function translated_latency(context)
  local requests, rival = tostring(math.floor(10000 * context.scale)), nil
  for _, one in ipairs(context.rivals) do
    if one.name == "cliproxy" then rival = one end
  end
  local function p50(address, path, data)
    local report = mock_upstream.load({ "--to", address, "--path", path, "--data", data, "--requests", requests,
      "--warm", "500" }, 300)
    assert(report.errors == 0, report.first_error)
    return report.latency.p50
  end
  local added = {}
  for i = 1, 5 do
    local direct = p50(context.upstream, CHAT, SMALL)
    added[i] = p50(rival.address, "/v1/messages", SMALL_TRANSLATED) - direct
  end
  return { { title = "added latency, one connection, translated, p50; µs", figure = M.median(added), mark = 90 } }
end

local function latency(context)
  local arguments = { "--to", context.upstream, "--path", CHAT, "--data", SMALL, "--requests",
    tostring(math.floor(50000 * context.scale)),
    "--warm", "500" }
  for _, rival in ipairs(context.rivals) do
    arguments[#arguments + 1] = "--to"
    arguments[#arguments + 1] = rival.address
  end
  local report = mock_upstream.load(arguments, 300)
  assert(report.errors == 0, report.first_error)
  local figures, direct = {}, report.targets[1].latency.p50
  for i, rival in ipairs(context.rivals) do figures[rival.name] = report.targets[i + 1].latency.p50 - direct end
  return { { title = "added latency, one connection, p50; µs", figure = figures.cliproxy, mark = 60,
    figures = figures } }
end

local function gap(context)
  local function p99(address)
    local report = mock_upstream.load({ "--to", address, "--path", CHAT, "--data",
      STREAM:format("events=400,pace=5"), "--requests", tostring(math.max(1, math.floor(5 * context.scale))),
      "--contains", "[DONE]" }, 120)
    assert(report.errors == 0, report.first_error)
    return report.gap.p99
  end
  local samples = {}
  for _ = 1, 3 do
    local direct = p99(context.upstream)
    for _, rival in ipairs(context.rivals) do
      samples[rival.name] = samples[rival.name] or {}
      table.insert(samples[rival.name], p99(rival.address) - direct)
    end
  end
  local figures = {}
  for name, values in pairs(samples) do figures[name] = M.median(values) end
  return { { title = "event gap, one stream paced 5 ms, p99 above direct; µs", figure = figures.cliproxy, mark = 10,
    figures = figures } }
end

local function fresh(context, upstream, more)
  local folder = context.folder .. "/fresh" .. math.random(1e9)
  os.execute("mkdir -p " .. folder)
  return rivals.cliproxy(folder, upstream, more)
end

local function certificate(folder)
  local code, text = process.run { "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
    "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
    "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2", "-keyout", folder .. "/key.pem", "-out",
      folder .. "/cert.pem" }
  assert(code == 0, text)
  return { cert = folder .. "/cert.pem", key = folder .. "/key.pem" }
end

local function tls_mock(context)
  context.tls = context.tls or certificate(context.folder)
  return mock_upstream.start { tls = context.tls }, (', ca_file = "%s"'):format(context.tls.cert)
end

local function idle(context)
  local mock, more = tls_mock(context)
  local rival = fresh(context, mock.url, more)
  process.sleep(1)
  local before = rivals.memory(rival, "Pss") / 1e6
  local answer = http.request(rival.address, { path = CHAT, body = SMALL })
  assert(answer.status == 200, answer.body)
  process.sleep(0.5)
  local after = rivals.memory(rival, "Pss") / 1e6
  rivals.stop(rival)
  mock:stop()
  return { { title = "idle, PSS; MB", figure = before, mark = 10 }, { title = "idle after the first TLS call, PSS; MB",
    figure = after, mark = 14 } }
end

local function per_stream(context, mock, url, more)
  local count = math.max(500, math.floor(5000 * context.scale))
  local rival = fresh(context, url, more)
  for _ = 1, 50 do http.request(rival.address, { path = CHAT, body = SMALL }) end
  local before = rivals.memory(rival, "Rss")
  local load = mock_upstream.load_start { "--to", rival.address, "--path", CHAT, "--data",
    STREAM:format("events=20,pace=1000"), "--connections", tostring(count), "--requests", tostring(count), "--ramp",
    "1000", "--contains", "[DONE]" }
  process.eventually("all streams are live", function()
    if load.process:ended() then error("the load ended early: " .. load.process:text()) end
    return mock.stats_of().active >= count
  end, 60)
  process.sleep(3)
  local bytes = (rivals.memory(rival, "Rss") - before) / count / 1024
  local report = load:finish(120)
  rivals.stop(rival)
  assert(report.errors == 0, report.first_error)
  return bytes
end

local function streams(context)
  local out = {}
  local plain = mock_upstream.start()
  plain.stats_of = function() return plain:stats() end
  out[1] = { title = "RSS for each live stream; KB", figure = per_stream(context, plain, plain.url), mark = 32 }
  plain:stop()
  local mock, more = tls_mock(context)
  -- The counters of a TLS mock are asked for over TLS.
  mock.stats_of = function()
    local _, text = process.run { "curl", "-sSk", mock.url .. "/__stats" }
    return require("cjson").decode(text)
  end
  out[2] = { title = "RSS for each live stream, TLS upstream; KB", figure = per_stream(context, mock, mock.url, more),
    mark = 96 }
  mock:stop()
  return out
end

local function start(context)
  local times = {}
  for i = 1, 11 do
    local rival = fresh(context, context.upstream)
    times[i] = rival.start_ms
    rivals.stop(rival)
  end
  return { { title = "start to first answer, median; ms", figure = M.median(times), mark = 50 } }
end

local function mark_seen(context, rival, mark)
  http.request(rival.address, { path = CHAT, body = SMALL })
  return context.mock:last_head():find("x%-bench: " .. mark .. "\r") ~= nil
end

local function save(context)
  local rival, times = fresh(context, context.upstream), {}
  for i = 1, math.max(20, math.floor(200 * context.scale)) do
    local started = process.now()
    process.write(rival.folder .. "/providers/bench.lua", (rivals.provider:gsub("MARK", "m" .. i)), true)
    process.eventually("the saved script serves", function() return mark_seen(context, rival, "m" .. i) end)
    times[i] = (process.now() - started) * 1000
  end
  rivals.stop(rival)
  return { { title = "save to serving, p99; ms", figure = M.median(times, 0.99), mark = 100 } }
end

local function memory(context)
  local rival = fresh(context, context.upstream)
  local reloads, requests = math.floor(1000 * context.scale), math.floor(1000000 * context.scale)
  local early
  for i = 1, 10 do
    local report = mock_upstream.load({ "--to", rival.address, "--path", CHAT, "--data", SMALL, "--connections", "8",
      "--requests",
      tostring(requests / 10) }, 600)
    assert(report.errors == 0, report.first_error)
    for j = 1, reloads / 10 do
      local mark = ("r%dx%d"):format(i, j)
      process.write(rival.folder .. "/providers/bench.lua", (rivals.provider:gsub("MARK", mark)), true)
      process.eventually("the saved script serves", function() return mark_seen(context, rival, mark) end)
    end
    early = early or rivals.memory(rival, "Rss")
  end
  local grown = (rivals.memory(rival, "Rss") - early) / 1048576
  rivals.stop(rival)
  return { { title = ("RSS grown from reload %d to %d, %d requests; MB"):format(reloads / 10, reloads, requests),
    figure = grown, mark = 2 } }
end

M.others = {
  { name = "latency", run = latency },
  { name = "latency-tr", run = translated_latency },
  { name = "gap", run = gap },
  { name = "idle", run = idle },
  { name = "streams", run = streams },
  { name = "start", run = start },
  { name = "save", run = save },
  { name = "memory", run = memory },
}

return M
