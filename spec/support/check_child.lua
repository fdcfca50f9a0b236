--- What `cliproxy check --json --config F` does, for specs that run on the interpreter alone. The words in
--- CPX_SPEC_CHILD break it.
local check = require("cliproxy.check")
local system = require("cliproxy.system")

local mood = system.getenv("CPX_SPEC_CHILD")
if mood == "garbage" then
  io.write("Segmentation fault")
  os.exit(7)
elseif mood == "hang" then
  while true do
  end
elseif mood == "kill" then
  os.execute("kill -KILL " .. system.pid())
end

local path
for i, word in ipairs(arg) do
  path = word == "--config" and arg[i + 1] or path
end
io.write(check.encode(check.run({ path = path })))
