--- The environments of scripts: what they find as globals, and what a missing one says. Loaded by src/lua/sandbox.c,
--- which hands in the bounded libraries; everyone else uses `cliproxy.sandbox`.
local budget = require "cliproxy.budget"
local json = require "cliproxy.json"
local log = require "cliproxy.log"

--- C's strftime cannot be interrupted: the bytes of a format that os.date takes.
local DATE_MAX = 1000

local real_pcall, error, select, tostring = pcall, error, select, tostring

--- Globals of Lua that scripts do not get, with what to use instead.
local MISSING = {
  io = "files are out of reach; declare an option, or keep values in cliproxy.state",
  debug = "it could undo the sandbox",
  package = 'use require "lib.name" or require "cliproxy.name"',
  ffi = "scripts cannot call C",
  jit = "the compiler is off",
  load = "put the code into the script or into a file of providers/lib",
  loadstring = "put the code into the script or into a file of providers/lib",
  loadfile = 'use require "lib.name"',
  dofile = 'use require "lib.name"',
  module = "return a table at the end of the file",
  coroutine = "calls that wait do so by themselves; to do several things at once use cliproxy.task",
  newproxy = "use a table with a metatable",
  getfenv = "there is one environment a script",
  setfenv = "there is one environment a script",
  collectgarbage = "memory is managed by the core",
  _G = "globals cannot be created; use locals",
  require = "it is not given here",
}

local MISSING_OS = {
  getenv = 'write env "NAME" in config.lua and declare an option',
  exit = "raise an error instead",
  execute = "scripts cannot run programs",
}

--- Functions of public modules that are the core's own.
local CORE_ONLY = { ["cliproxy.log"] = { configure = true } }

local function copy(t, without)
  local result = {}
  for key, value in pairs(t) do
    if not (without and without[key]) then result[key] = value end
  end
  return setmetatable(result, getmetatable(t))
end

local function unknown_global(_, name)
  local hint = MISSING[name]
  if hint then error(("'%s' is not available in scripts: %s"):format(name, hint), 2) end
  local text = "global '%s' is not defined; if it should be a variable, write local %s before its first use"
  error(text:format(tostring(name), tostring(name)), 2)
end

local function new_global(_, name)
  error(("global '%s' is not declared; write local %s"):format(tostring(name), tostring(name)), 2)
end

local function missing_os(_, name)
  local hint = MISSING_OS[name] or "only clock, date and time are"
  error(("os.%s is not available in scripts: %s"):format(tostring(name), hint), 2)
end

local ENVIRONMENT = { __index = unknown_global, __newindex = new_global, __metatable = false }
local OS = { __index = missing_os, __metatable = false }

return function(native)
  local overrun = native.overrun

  --- The error that ends a slice passes every pcall; all others are the script's to catch.
  local function checked(ok, ...)
    if not ok and overrun() then error((...), 0) end
    return ok, ...
  end

  local function script_pcall(fn, ...)
    return checked(real_pcall(fn, ...))
  end

  local function handled(handler, ok, ...)
    if ok then return true, ... end
    if overrun() then error((...), 0) end
    return false, select(2, script_pcall(handler, (...)))
  end

  --- The handler runs after the error has unwound: in LuaJIT's own no hook can stop an endless one.
  local function script_xpcall(fn, handler, ...)
    return handled(handler, real_pcall(fn, ...))
  end

  local function script_print(...)
    local parts = {}
    for i = 1, select("#", ...) do parts[i] = tostring((select(i, ...))) end
    local owner = budget.owner()
    log.info((owner and owner.name .. ": " or "") .. native.table.concat(parts, " "))
  end

  --- Public modules reach scripts as copies, so that one script cannot change them for the others.
  local function script_require(require)
    local copies = {}
    return function(name)
      if copies[name] then return copies[name] end
      local module = require(name)
      if type(module) == "table" and type(name) == "string" and name:sub(1, 9) == "cliproxy." then
        module = copy(module, CORE_ONLY[name])
        copies[name] = module
      end
      return module
    end
  end

  local globals = {
    assert = assert, error = error, getmetatable = getmetatable, setmetatable = setmetatable, next = next,
    rawequal = rawequal, rawget = rawget, rawset = rawset, select = select, tonumber = tonumber, tostring = tostring,
    type = type, unpack = unpack, _VERSION = _VERSION,
    pcall = script_pcall, xpcall = script_xpcall, print = script_print, ipairs = json.ipairs, pairs = json.pairs,
  }
  local math_lib = copy(math, { randomseed = true })
  local bit_lib = copy(require "bit")
  local real_date = os.date
  local function script_date(format, time)
    if type(format) == "string" and #format > DATE_MAX then error("os.date: the format is too long", 2) end
    return real_date(format, time)
  end
  local os_lib = { clock = os.clock, date = script_date, time = os.time }

  local function script_insert(t, ...)
    if type(t) == "table" then return native.table.insert(t, ...) end
    return json.table_insert(t, ...)
  end

  return function(extra)
    local environment = copy(globals)
    environment.string = copy(native.string)
    environment.table = copy(native.table)
    environment.table.insert = script_insert
    environment.table.remove = json.table_remove
    environment.math = copy(math_lib)
    environment.bit = copy(bit_lib)
    environment.os = setmetatable(copy(os_lib), OS)
    for name, value in pairs(extra or {}) do environment[name] = value end
    if extra and extra.require then environment.require = script_require(extra.require) end
    return setmetatable(environment, ENVIRONMENT)
  end
end
