--- `cliproxy try`: one request through the running proxy, shown readably.
local client = require("cliproxy.cli.client")
local json = require("cliproxy.json")
local reply_api = require("cliproxy.reply")
local system = require("cliproxy.system")
local timer = require("cliproxy.timer")

local M = {}

--- The text of a node, or "".
local function text(value)
  return type(value) == "string" and value or ""
end

--- Joins what `pick` finds in each element of an array node.
local function join(array, pick)
  local out = {}
  if json.kind(array) == "array" then
    for _, element in json.ipairs(array) do out[#out + 1] = pick(element) end
  end
  return table.concat(out)
end

local function call_text(name, arguments)
  return ("\n[calls %s %s]"):format(name, type(arguments) == "string" and arguments or json.encode(arguments))
end

local function chat_call(call)
  return call_text(call["function"].name, call["function"].arguments)
end

local function responses_item(item)
  if item.type == "function_call" then return call_text(item.name, item.arguments) end
  return join(item.content, function(part) return text(part.text) end)
end

local function anthropic_block(block)
  if block.type == "tool_use" then return call_text(block.name, block.input) end
  return text(block.text)
end

local function gemini_part(part)
  if json.present(part.functionCall) then return call_text(part.functionCall.name, part.functionCall.args) end
  return text(part.text)
end

local function gemini_text(document)
  local candidates = document.candidates
  if json.kind(candidates) ~= "array" or #candidates == 0 then return "" end
  local content = candidates[1].content
  return json.kind(content) == "object" and join(content.parts, gemini_part) or ""
end

--- Per dialect: path, body, more headers, the text of a whole answer and of one stream event.
---@type table<string, { path: fun(model: string, stream: boolean): string, body: fun(model: string, said: string, stream: boolean): table, headers?: table<string, string>, whole: fun(document: cliproxy.json.Node): string, piece: fun(document: cliproxy.json.Node): string }>
local dialects = {
  openai_chat = {
    path = function() return "/v1/chat/completions" end,
    body = function(model, said, stream)
      return { model = model, messages = { { role = "user", content = said } }, stream = stream }
    end,
    whole = function(document)
      local message = document.choices[1].message
      return text(message.content) .. join(message.tool_calls, chat_call)
    end,
    piece = function(document)
      local choice = json.kind(document.choices) == "array" and document.choices[1]
      return choice and text(choice.delta.content) or ""
    end,
  },
  openai_responses = {
    path = function() return "/v1/responses" end,
    body = function(model, said, stream) return { model = model, input = said, stream = stream } end,
    whole = function(document) return join(document.output, responses_item) end,
    piece = function(document) return document.type == "response.output_text.delta" and text(document.delta) or "" end,
  },
  anthropic = {
    path = function() return "/v1/messages" end,
    headers = { ["anthropic-version"] = "2023-06-01" },
    body = function(model, said, stream)
      return { model = model, max_tokens = 1024, messages = { { role = "user", content = said } }, stream = stream }
    end,
    whole = function(document) return join(document.content, anthropic_block) end,
    piece = function(document) return document.type == "content_block_delta" and text(document.delta.text) or "" end,
  },
  gemini = {
    path = function(model, stream)
      return ("/v1beta/models/%s:%s"):format(model, stream and "streamGenerateContent?alt=sse" or "generateContent")
    end,
    body = function(_, said) return { contents = { { role = "user", parts = { { text = said } } } } } end,
    whole = gemini_text,
    piece = gemini_text,
  },
}

--- Sends the request; the reply waits at its commit.
local function send(target, arguments, dialect)
  local headers = { ["content-type"] = "application/json" }
  for name, value in pairs(dialect.headers or {}) do headers[name] = value end
  if arguments.show_upstream then headers["x-cliproxy-show"] = "upstream" end
  local seconds = arguments.timeout
  return reply_api.send {
    method = "POST", url = target.url .. dialect.path(arguments.model, arguments.stream),
    headers = client.headers(target, headers),
    body = json.encode(dialect.body(arguments.model, arguments.text, arguments.stream or false)),
    stream = arguments.stream or false, dialect = arguments.dialect, framing = "sse",
    unix_socket = target.unix_socket, ca_file = target.ca_file,
    timeouts = { connect = 10, first_byte = seconds, idle = seconds, total = seconds },
  }
end

--- Prints pieces as they come; returns what broke the stream, if anything did.
local function show_stream(reply, dialect)
  while true do
    local event, message = reply:next_event()
    if not event then return message end
    if event.data ~= "" and event.data ~= "[DONE]" then
      local document = json.parse(event.data)
      if document and (event.type == "error" or json.present(document.error)) then return client.error_text(event.data) end
      if document then system.print(dialect.piece(document)) end
    end
  end
end

local function show_whole(reply, dialect)
  local document, message = reply:document()
  if not document then return message end
  system.print(dialect.whole(document))
end

local function summary(reply, started)
  local usage, facts = reply:tapped()
  local parts = { tostring(reply.status), facts.model or "-" }
  parts[#parts + 1] = ("first byte %.0f ms"):format((reply.first_seconds or 0) * 1000)
  parts[#parts + 1] = ("total %.0f ms"):format((timer.now() - started) * 1000)
  if usage.input then parts[#parts + 1] = ("%d in, %d out"):format(usage.input, usage.output or 0) end
  local warnings = reply:header("x-cliproxy-warnings")
  if warnings then parts[#parts + 1] = "warnings: " .. warnings end
  return table.concat(parts, " · ")
end

local function show_upstream(reply)
  local shown = reply:header("x-cliproxy-upstream")
  system.print_error(("upstream: %s\n"):format(shown or "the proxy did not say (an admin key is needed, or loopback without one)"))
end

---@param arguments table
---@param codes table<string, integer>
---@return integer
function M.run(arguments, codes)
  local target, message = client.find(arguments)
  if not target then
    system.print_error(("cliproxy: %s\n"):format(message))
    return codes.config
  end
  local dialect, started = dialects[arguments.dialect], timer.now()
  local reply
  reply, message = send(target, arguments, dialect)
  if not reply or reply.status == 0 then
    system.print_error(client.unreachable(target, reply and reply.message or message))
    return codes.unreachable
  end
  if arguments.show_upstream then show_upstream(reply) end
  if reply.status ~= 200 then
    system.print_error(("%d %s\n"):format(reply.status, client.error_text(reply.held)))
    reply:close()
    return codes.failed
  end
  message = (arguments.stream and show_stream or show_whole)(reply, dialect)
  system.print("\n")
  system.print_error(message and ("broken off: %s\n"):format(message) or summary(reply, started) .. "\n")
  reply:close()
  return message and codes.failed or codes.ok
end

return M
