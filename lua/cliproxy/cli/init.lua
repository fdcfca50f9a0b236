--- The command line: what each command takes, and which file answers it.
local argparse = require("argparse")
local system = require("cliproxy.system")

local M = {}

--- Exit codes, as `cliproxy help` prints them.
M.codes = {
  ok = 0, -- done
  failed = 1, -- it was tried and failed: a request was refused, a check found errors
  usage = 2, -- the arguments are wrong
  unreachable = 3, -- no proxy answers
  config = 4, -- config.lua or a script is broken, so that nothing could start
}

local EXIT_CODES = [[
Exit codes: 0 done; 1 tried and failed; 2 wrong arguments; 3 no proxy answers; 4 the configuration is broken;
143 or 130 ended at once by a second SIGTERM or SIGINT.]]

local CONFIG = "the configuration file; else $CLIPROXY_CONFIG, ./config.lua, ~/.config/cliproxy/config.lua"

local function describe_target(command)
  command:option("--config", CONFIG)
  command:option("--url", "where the proxy listens; else $CLIPROXY_URL, else the configuration's first address")
  command:option("--key", "client or admin key; else the configuration's")
end

local function positive(word)
  local number = tonumber(word)
  if number and number > 0 and number < math.huge then return number end
  return nil, ("'%s' is not a number above 0"):format(word)
end

---@type { name: string, summary: string, describe: fun(command: table) }[]
local commands = {
  { name = "serve", summary = "run the proxy in the foreground", describe = function(command)
    command:option("--config", CONFIG)
    command:option("--listen", "address, instead of the configuration's; may be repeated"):count("*")
  end },
  { name = "check", summary = "check a configuration and its scripts", describe = function(command)
    command:argument("files", "configuration or provider scripts; the configuration in use by default"):args("*")
    command:flag("--json", "print one JSON object, as the reload reads it")
    command:option("--config", "the configuration that scripts belong to")
  end },
  { name = "try", summary = "send one request through the proxy, show the answer", describe = function(command)
    command:argument("model", "the model to ask for")
    command:argument("text", "what to say")
    command:option("--dialect", "what to ask in, whatever the provider speaks: openai_chat (default), "
      .. "openai_responses, anthropic, gemini")
      :choices { "openai_chat", "openai_responses", "anthropic", "gemini" }:default("openai_chat")
    command:flag("--stream", "show the answer as it comes")
    command:flag("--show-upstream", "show what was sent to the provider, keys masked")
    command:option("--timeout", "seconds"):convert(positive):default("120")
    describe_target(command)
  end },
  { name = "tail", summary = "show requests live", describe = function(command)
    command:flag("--json", "print each as a JSON object")
    command:option("--count", "stop after so many"):convert(positive)
    describe_target(command)
  end },
  { name = "models", summary = "list the models that the running proxy offers, or show what one can",
    describe = function(command)
    command:argument("model", "show what is known of this one, and what says so; needs no running proxy"):args("?")
    command:flag("--json", "print JSON: the proxy's own answer, or one object")
    command:option("--dialect", "what holds for it in this one, instead of its provider's")
      :choices { "openai_chat", "openai_responses", "anthropic", "gemini" }
    describe_target(command)
  end },
  { name = "env", summary = "print what points a client at the proxy", describe = function(command)
    command:argument("client", "claude-code, codex, …; without one, they are listed"):args("?")
    command:option("--model", "the model that it shall use")
    command:option("--shell", "sh (default), fish, powershell"):choices { "sh", "fish", "powershell" }:default("sh")
    command:flag("--file", "print the client's own configuration file instead of variables")
    command:flag("--show-key", "print the client key instead of a reference to it")
    command:option("--config", CONFIG)
    command:option("--url", "where the proxy listens; else $CLIPROXY_URL, else the configuration's first address")
  end },
  { name = "run", summary = "start a client that uses the proxy", describe = function(command)
    command:option("--model", "the model that it shall use")
    command:option("--config", CONFIG)
    command:option("--url", "where the proxy listens; else $CLIPROXY_URL, else the configuration's first address")
    command:argument("command", "the client and its arguments, behind --"):args("+")
  end },
  { name = "new", summary = "make a new script", describe = function(command)
    command:argument("kind", "provider or filter"):choices { "provider", "filter" }
    command:argument("name", "its name: small letters, digits and _")
    command:option("--config",
      "the configuration it belongs to; the script goes into providers/ or providers/filters/ beside it")
  end },
  { name = "version", summary = "print the version", describe = function() end },
  { name = "help", summary = "explain cliproxy, or one command", describe = function(command)
    command:argument("command", "the command to explain"):args("?")
  end },
}

--- A parser without argparse's own help flag, which would end the process where it stands.
local function parser_of()
  local parser = argparse("cliproxy", "A local LLM proxy, scripted in Lua."):add_help(false)
  parser:option("--root", "the folder that holds lua/ and providers/, instead of the built-in one")
  parser:flag("-h --help", "explain cliproxy or the command")
  parser:flag("--version", "print the version")
  parser:command_target("command_name")
  parser:require_command(false)
  parser:epilog(EXIT_CODES)
  local by_name = {}
  for _, entry in ipairs(commands) do
    local command = parser:command(entry.name, entry.summary):add_help(false)
    command:flag("-h --help", "explain this command")
    entry.describe(command)
    by_name[entry.name] = command
  end
  return parser, by_name
end

local function explain(parser, by_name, name)
  local command = name and by_name[name]
  if name and not command then
    system.print_error(("cliproxy: there is no command '%s'. See `cliproxy help`.\n"):format(name))
    return M.codes.usage
  end
  system.print((command or parser):get_help() .. "\n")
  return M.codes.ok
end

--- `cliproxy try --help` must work without the arguments that `try` needs.
local function asks_help(arguments)
  local name
  for _, argument in ipairs(arguments) do
    if argument == "--" then return false end
    if argument == "-h" or argument == "--help" then return true, name end
    if not name and argument:sub(1, 1) ~= "-" then name = argument end
  end
  return false
end

--- Runs the command that the arguments name.
---@param arguments string[] without the program's name and --root
---@return integer exit_code
function M.main(arguments)
  local parser, by_name = parser_of()
  local help, about = asks_help(arguments)
  if help then return explain(parser, by_name, about) end
  local ok, parsed = parser:pparse(arguments)
  if not ok then
    system.print_error(("cliproxy: %s\nSee `cliproxy help`.\n"):format(parsed))
    return M.codes.usage
  end
  local name = parsed.version and "version" or parsed.command_name
  if not name or name == "help" then return explain(parser, by_name, name and parsed.command) end
  return require("cliproxy.cli." .. name).run(parsed, M.codes)
end

return M
