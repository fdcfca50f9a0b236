---@meta cliproxy.system
--- Core only: files, watching, child processes, signals, clocks. Written in C: src/lua/api_system.c. File functions
--- block for a few microseconds on local disks; nothing on a request's way calls them.
local system = {}

---@return number seconds monotonic, ns resolution
function system.now() end
---@return number seconds since 1970
function system.time() end
---@return number seconds this process has used
function system.cpu() end
---@return integer
function system.pid() end
---@return { rss: integer, pss?: integer, fds: integer } bytes
function system.usage() end
---@return number ms the longest time between two turns since the last call
function system.lag() end
---@type string folder of lua/ and providers/
system.root = nil
---@type string path of this executable
system.executable = nil
---@type string "0.1.0"
system.version = nil

--- A sanitized build, which also checks by itself what it sends (cliproxy.automata).
---@type boolean
system.checked = nil

---@param name string
---@return string?
function system.getenv(name) end
---@param path string
---@return string? absolute, without symbolic links
function system.realpath(path) end
---@return string
function system.cwd() end
---@param path string
---@param max? integer bytes, 1 MB by default
---@return string?, string? message, string? code
function system.read(path, max) end
--- Writes through a temporary file and a rename.
---@param path string
---@param bytes string
---@param mode? integer 0600 by default
---@return true?, string? message
function system.write(path, bytes, mode) end
---@param path string
---@return { type: "file"|"directory"|"other", size: integer, mtime: number, mode: integer, uid: integer }?
function system.stat(path) end
--- Names in a folder, sorted, without "." and "..".
---@param path string
---@return string[]?, string? message
function system.list(path) end
---@param path string
---@param mode? integer
---@return true?, string? message
function system.mkdir(path, mode) end
---@param path string
---@return true?, string? message
function system.remove(path) end

--- Watches folders (not single files: editors save by renaming); `fn()` is called in a task, 20 ms
--- after the last change, and also from a slow poll (1 s) that compares names, sizes and times
--- where the kernel is silent. Replaces the former set.
---@param folders string[]
---@param fn fun()
function system.watch(folders, fn) end

---@class cliproxy.Spawn
---@field args string[] args[1] is the program
---@field input? string
---@field timeout? number seconds, 10 by default; then SIGKILL
---@field max? integer bytes of output, 8 MB by default
---@field env? string[] "NAME=value"; inherited by default
--- Runs a program and waits for its end.
---@param spawn cliproxy.Spawn
---@return { code: integer, signal: integer, output: string, errors: string }?, string? message
function system.run(spawn) end

--- Becomes another program, which takes over this process, its terminal, signals and exit code. Returns only where
--- that fails: variables are changed by then.
---@param args string[] args[1] is the program, looked for in PATH
---@param env? table<string, string|false> over the inherited variables; false removes one
---@return nil, string message, string code
function system.exec(args, env) end

--- `fn` is called in a task at each signal ("term", "int", "hup", "usr1").
---@param name string
---@param fn fun()
function system.on_signal(name, fn) end
--- Waits until `system.stop` is called, and returns its code. One task may wait.
---@return integer code
function system.wait_stop() end
---@param code integer
function system.stop(code) end
--- Ends the process at once.
---@param code integer
function system.exit(code) end

--- Standard output and error for the command line; blocking. False when nobody reads any more.
---@param text string
---@return boolean
function system.print(text) end
---@param text string
---@return boolean
function system.print_error(text) end
---@return boolean
function system.is_terminal() end
--- An exclusive lock on a file, held until the process ends; nil and the holder's pid where it is taken.
---@param path string
---@return true?, integer? pid
function system.lock(path) end

return system
