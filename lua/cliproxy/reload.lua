--- Hot reload: watch → check in a child process → build → publish. A failure keeps what serves.
---
--- What is published are the very bytes that the child found good: both say what they read, by hash. One run at a time;
--- changes that come meanwhile are looked at right after it.
local budget = require("cliproxy.budget")
local check = require("cliproxy.check")
local config = require("cliproxy.config")
local files_of = require("cliproxy.files")
local findings_of = require("cliproxy.findings")
local log = require("cliproxy.log")
local paths = require("cliproxy.paths")
local snapshot_of = require("cliproxy.snapshot")
local system = require("cliproxy.system")
local task = require("cliproxy.task")
local timer = require("cliproxy.timer")

local M = {}

local ROUNDS_MAX = 10 -- of one run: somebody writes faster than the child checks
local CHECK_TIMEOUT = 10
local WAIT_STEP = 0.005

---@class cliproxy.ReloadOptions
---@field snapshot cliproxy.Snapshot the one that serves
---@field path? string of config.lua; nil: the built-in configuration, with nothing to watch but the shipped scripts
---@field listen? string[] --listen
---@field on_publish fun(snapshot: cliproxy.Snapshot)
---@field on_result? fun(result: cliproxy.ReloadResult) after each run that was not idle
---@field on_certificates? fun() a certificate or key file changed
---@field command? string[] what runs the check; by default this executable
---@field check_timeout? number seconds; 10 by default

---@class cliproxy.ReloadResult
---@field ok boolean
---@field generation integer the one that serves now
---@field at number seconds since 1970
---@field seconds number from the notice to the end
---@field messages cliproxy.Message[]

---@class cliproxy.Reload
---@field snapshot cliproxy.Snapshot
---@field last? cliproxy.ReloadResult
---@field private options cliproxy.ReloadOptions
---@field private tried table<string, string> what the last run read
---@field private highest integer the newest generation, also one that was rolled back
---@field private requested integer calls of `now` so far
---@field private covered integer those that a finished run answers
---@field private outcome? cliproxy.ReloadResult of the last run that found a change
local Reload = {}
Reload.__index = Reload

--- Runs `cliproxy check --json` in a process of its own, so that a script
--- that kills its process kills none that serves.
---@param options cliproxy.ReloadOptions
---@return cliproxy.CheckReport?
---@return string? message
local function check_in_child(options)
  local args = {}
  for i, word in ipairs(options.command or { system.executable }) do
    args[i] = word
  end
  for _, word in ipairs({ "--root", system.root, "check", "--json" }) do
    args[#args + 1] = word
  end
  args[#args + 1] = "--config"
  args[#args + 1] = options.path or config.BUILT_IN
  local done, message = system.run({ args = args, timeout = options.check_timeout or CHECK_TIMEOUT })
  if not done then
    return nil, "the check of the changed files failed: " .. message
  elseif done.signal ~= 0 then
    return nil, "the check of the changed files died by signal " .. done.signal
  end
  local report = check.decode(done.output)
  if not report then
    local said = (done.errors .. done.output):sub(1, 300)
    return nil, ("the check ended with code %d and said: %s"):format(done.code, said)
  end
  return report
end

local function same(a, b)
  for path, hash in pairs(a) do
    if b[path] ~= hash then
      return false
    end
  end
  return true
end

---@param settings cliproxy.Config
---@return string[]
local function folders_of(settings)
  local seen, folders = {}, {}
  local function add(folder)
    if folder and not seen[folder] then
      seen[folder] = true
      folders[#folders + 1] = folder
    end
  end
  add(settings.folder)
  for _, base in ipairs({ settings.folder or system.root, system.root }) do
    add(base .. "/providers")
    add(base .. "/providers/lib")
    add(base .. "/providers/filters")
  end
  if settings.tls then
    add(paths.folder(settings.tls.cert))
    add(paths.folder(settings.tls.key))
  end
  return folders
end

local function certificates_of(settings)
  local marks = {}
  for _, path in pairs(settings.tls or {}) do
    local stat = system.stat(path)
    marks[#marks + 1] = stat and ("%s %.9f %d"):format(path, stat.mtime, stat.size) or path
  end
  table.sort(marks)
  return table.concat(marks, "\n")
end

function Reload:watch_certificates()
  local marks = certificates_of(self.snapshot.config)
  local changed = self.certificates and self.certificates ~= marks
  self.certificates = marks
  if changed and self.options.on_certificates then
    self.options.on_certificates()
  end
end

function Reload:rewatch()
  system.watch(folders_of(self.snapshot.config), function()
    self:watch_certificates()
    self:now(true)
  end)
end

---@param ok boolean
---@param messages cliproxy.Message[]
---@param started number
---@return cliproxy.ReloadResult
function Reload:finish(ok, messages, started)
  local generation = self.snapshot.generation
  local seconds = system.now() - started
  local result = { ok = ok, generation = generation, at = system.time(), seconds = seconds, messages = messages }
  self.last = result
  for _, message in ipairs(messages) do
    local text = findings_of.text(message)
    if message.warning then
      log.warn(text)
    else
      log.error(("%s. Generation %d still serves."):format(text, generation))
    end
  end
  if ok then
    log.info(("generation %d serves, %.0f ms after the change was seen"):format(generation, result.seconds * 1000))
  end
  if self.options.on_result then
    self.options.on_result(result)
  end
  return result
end

function Reload:publish(built)
  self.snapshot, self.highest = built, built.generation
  self.options.on_publish(built)
  self:rewatch()
  budget.collect() -- in small steps: the former generation goes as soon as nothing holds it
end

local function as_messages(text)
  return { { file = "cliproxy", message = text } }
end

--- One round: nil where the files changed again between the check and the build.
function Reload:round()
  local path = self.options.path
  local report, message = check_in_child(self.options)
  if not report then
    return false, as_messages(message)
  end
  self.tried = report.files
  if not report.ok then
    return false, report.messages
  end
  local listen, previous = self.options.listen, self.snapshot
  local built, messages, files = snapshot_of.build({ path = path, listen = listen, previous = previous,
    generation = self.highest + 1 })
  if not same(files, report.files) then
    return nil
  end
  if not built then
    return false, messages
  end
  self:publish(built)
  return true, messages
end

function Reload:run(only_changed)
  local started = system.now()
  if only_changed and files_of.same(self.tried) then
    return nil
  end
  for _ = 1, ROUNDS_MAX do
    local ok, messages = self:round()
    if ok ~= nil then
      return self:finish(ok, messages, started)
    end
  end
  return self:finish(false, as_messages("the files changed faster than they could be checked"), started)
end

--- Runs until every request for a reload is covered. A task of its own: a client that asked for a reload may leave.
local function work(self)
  while self.covered < self.requested do
    local upto, only_changed = self.requested, not self.forced
    self.forced = false
    local ok, result = pcall(self.run, self, only_changed)
    if not ok then
      log.error("reload: " .. tostring(result))
      result = { ok = false, messages = as_messages(tostring(result)) }
    end
    self.outcome = result or self.outcome
    self.covered = upto
  end
  self.working = false
end

--- Reloads and waits. One run at a time: calls that come during one are covered together by the next, so that the bytes
--- which were there at the call are always looked at.
---@param only_changed? boolean do nothing where no file changed
---@return boolean ok
---@return integer|cliproxy.Message[] generation, or what is wrong
function Reload:now(only_changed)
  self.requested = self.requested + 1
  self.forced = self.forced or not only_changed
  local ticket = self.requested
  if not self.working then
    self.working = true
    task.spawn(work, self)
  end
  while self.covered < ticket do
    timer.sleep(WAIT_STEP)
  end
  if self.outcome and not self.outcome.ok then
    return false, self.outcome.messages
  end
  return true, self.snapshot.generation
end

--- A generation failed live: the one before it serves again, and the next is built upon that. The files on disk count
--- as tried: only a change of them, or a reload that somebody asks for, brings them back.
---@param serving cliproxy.Snapshot
---@param file string the script that failed, as shown
---@param text string
function Reload:rolled_back(serving, file, text)
  self.snapshot = serving
  self.last = { ok = false, generation = serving.generation, at = system.time(), seconds = 0,
    messages = { { file = file, message = "rolled back: " .. text } } }
  if self.options.on_result then
    self.options.on_result(self.last)
  end
end

--- Stops watching, and waits for the end of a run under way.
function Reload:stop()
  system.watch({}, function() end)
  while self.working do
    timer.sleep(WAIT_STEP)
  end
end

--- Starts watching.
---@param options cliproxy.ReloadOptions
---@return cliproxy.Reload
function M.start(options)
  local self = setmetatable({ snapshot = options.snapshot, tried = options.snapshot.files, options = {} }, Reload)
  for name, value in pairs(options) do
    self.options[name] = name ~= "snapshot" and value or nil -- it would never be freed
  end
  self.requested, self.covered, self.working, self.forced = 0, 0, false, false
  self.highest = options.snapshot.generation
  self.certificates = certificates_of(options.snapshot.config)
  self:rewatch()
  return self
end

return M
