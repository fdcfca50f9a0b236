std = "luajit"
max_line_length = 120
unused_args = false
self = false
exclude_files = { "build*/**" }

-- Types for editors: functions without bodies, assigned to locals that are returned.
files["lua/cliproxy/_meta"] = { ignore = { "211", "212", "241", "221" } }
-- Scripts run in the sandbox: no more than these globals.
local sandbox = {
  read_globals = {
    "assert", "bit", "error", "getmetatable", "ipairs", "math", "next", "os", "pairs", "pcall", "print", "rawequal", "rawget",
    "rawset", "require", "select", "setmetatable", "string", "table", "tonumber", "tostring", "type", "unpack", "xpcall",
  },
  std = "none",
}
files["providers"] = sandbox
files["config.lua.example"] = { std = "none", read_globals = { "env" } }
files["spec/**/*_spec.lua"] = { std = "+busted" }
