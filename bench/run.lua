--- Measures, in turns, and prints the table. Started by run.sh, which builds and sets the environment.
local cjson = require "cjson"
local measure = require "bench.measure"
local mock_upstream = require "spec.support.mock_upstream"
local process = require "spec.support.process"
local rivals = require "bench.rivals"
local rows = require "bench.rows"

local options = { rounds = 5, scale = 1 }

local function arguments(list)
  local i = 1
  while i <= #list do
    local name = list[i]
    if name == "--quick" then
      options.scale, options.rounds = 0.1, 3
    elseif name == "--force" then
      options.force = true
    elseif name == "--rows" or name == "--json" or name == "--rounds" then
      i = i + 1
      options[name:sub(3)] = list[i] or error(name .. " takes a value")
    else
      io.stderr:write("usage: bench/run.sh [--quick] [--force] [--rows NAME,NAME] [--rounds N] [--json FILE]\n")
      os.exit(2)
    end
    i = i + 1
  end
  options.rounds = tonumber(options.rounds)
end

local function wanted(name)
  return not options.rows or ("," .. options.rows .. ","):find("," .. name .. ",", 1, true) ~= nil
end

--- Refuses a machine that does something else: the figures would be of that, too.
local function check_machine()
  local function idle()
    local fields = {}
    for n in process.read("/proc/stat"):match("^cpu ([^\n]*)"):gmatch("%d+") do fields[#fields + 1] = tonumber(n) end
    local all = 0
    for _, n in ipairs(fields) do all = all + n end
    return fields[4] + fields[5], all
  end
  local idle_before, all_before = idle()
  process.sleep(1)
  local idle_after, all_after = idle()
  local busy = 1 - (idle_after - idle_before) / (all_after - all_before)
  print(("machine: %.0f %% busy before the run, load %s"):format(busy * 100,
    process.read("/proc/loadavg"):match("^%S+")))
  if busy > 0.1 and not options.force then
    io.stderr:write(("the machine is %.0f %% busy: the figures would mean nothing. Wait, or use --force.\n"):format(
      busy * 100))
    os.exit(1)
  end
end

--- One row: every rival in turn, `rounds` times; the medians.
local function run_row(row, list)
  local samples = {}
  for round = 1, options.rounds do
    for _, rival in ipairs(list) do
      local value = measure.cpu(row, rival, options.scale)
      samples[rival.name] = samples[rival.name] or {}
      samples[rival.name][round] = value
    end
  end
  local medians = {}
  for name, values in pairs(samples) do medians[name] = measure.median(values) end
  return medians
end

local function mark_of(row, figures)
  local base = figures[row.mark.of]
  return row.mark.plus and base + row.mark.plus or base * row.mark.times,
    row.mark.plus and ("%s + %g"):format(row.mark.of, row.mark.plus) or ("%g × %s"):format(row.mark.times, row.mark.of)
end

local results = {}

--- A line of the table: the figure and its mark; "" where there is nothing to compare with.
local function line(name, title, figure, mark, how, figures)
  results[#results + 1] = { name = name, title = title, figure = figure, mark = mark, how = how, figures = figures,
    ok = figure <= mark }
  io.write(("%-8s %.3f (mark %.3f)\n"):format(name, figure, mark))
  io.flush()
end

local function number(value)
  if not value then return "-" end
  return value >= 100 and ("%.0f"):format(value) or value >= 10 and ("%.1f"):format(value) or ("%.2f"):format(value)
end

local function print_table()
  print(("\n%-58s %9s %9s %9s %9s %10s  %-22s %s"):format("", "nginx", "haproxy", "floor", "cliproxy", "mark", "", ""))
  for _, r in ipairs(results) do
    local f = r.figures or {}
    print(("%-58s %9s %9s %9s %9s %10s  %-22s %s"):format(r.title, number(f.nginx), number(f.haproxy), number(f.floor),
      number(r.figure),
      number(r.mark), r.how or "", r.ok and "reached" or ("%.2f × the mark"):format(r.figure / r.mark)))
  end
end

arguments(arg)
check_machine()
local folder = process.folder()
local mock = mock_upstream.start()
local upstream = "127.0.0.1:" .. mock.port
local list = {}

local ok, message = xpcall(function()
  for i, name in ipairs { "nginx", "haproxy", "floor", "cliproxy" } do list[i] = rivals[name](folder, upstream) end
  for _, row in ipairs(rows) do
    if wanted(row.name) then
      local figures = run_row(row, list)
      local mark, how = mark_of(row, figures)
      line(row.name, row.title, figures.cliproxy, mark, how, figures)
    end
  end
  for _, one in ipairs(measure.others) do
    if wanted(one.name) then
      for _, got in ipairs(one.run { rivals = list, mock = mock, upstream = upstream, folder = folder,
        scale = options.scale }) do
        line(one.name, got.title, got.figure, got.mark, got.how, got.figures)
      end
    end
  end
end, debug.traceback)

for _, rival in ipairs(list) do rivals.stop(rival) end
mock:stop()
process.remove(folder)
if options.json then process.write(options.json, cjson.encode(results)) end
print_table()
if not ok then
  io.stderr:write(message, "\n")
  os.exit(1)
end
