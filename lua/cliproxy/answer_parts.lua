--- Pieces of every answer: its head, what the record learns of it, and how it breaks off.
local attempt = require("cliproxy.attempt")
local decide = require("cliproxy.decide")
local dialects = require("cliproxy.dialects")
local errors = require("cliproxy.errors")
local headers = require("cliproxy.headers")
local log = require("cliproxy.log")
local show = require("cliproxy.show")

local M = {}

local find = string.find

-- Of most answers these are all the headers of our own. Filled in and read at once: nothing waits in between.
local PLAIN = { ["x-cliproxy-request-id"] = "" }
local STREAMED = { ["x-cliproxy-request-id"] = "", ["cache-control"] = "no-cache", ["x-accel-buffering"] = "no" }
local PLAIN_MADE = { ["x-cliproxy-request-id"] = "", ["content-type"] = "" }
local STREAMED_MADE = { ["x-cliproxy-request-id"] = "", ["content-type"] = "", ["cache-control"] = "no-cache",
  ["x-accel-buffering"] = "no" }

-- Of a header's value only so much is of use, and only visible characters may stand in it.
local WARNINGS_MAX = 4096

local function warnings_line(warnings)
  local line = table.concat(warnings, ", "):gsub("[^\32-\126]", "?")
  return #line > WARNINGS_MAX and line:sub(1, WARNINGS_MAX - 3) .. "..." or line
end

--- Our own headers of an answer; the provider's pass beside them. To be used before anything waits.
---@param work cliproxy.Work
---@param is_stream boolean
---@param content_type? string of a body that is made here
---@return table<string, string>
function M.head_of(work, is_stream, content_type)
  local asked = work.model
  if asked == work.target.model and not (work.warnings or work.show or work.cors or work.estimated) then
    local head
    if content_type then
      head = is_stream and STREAMED_MADE or PLAIN_MADE
      head["content-type"] = content_type
    else
      head = is_stream and STREAMED or PLAIN
    end
    head["x-cliproxy-request-id"] = work.id
    return head
  end
  local head = { ["x-cliproxy-request-id"] = work.id, ["content-type"] = content_type }
  if is_stream then
    head["cache-control"] = "no-cache"
    head["x-accel-buffering"] = "no"
  end
  if asked and asked ~= work.target.model and not find(asked, "[^\33-\126]") then
    head["x-cliproxy-model-asked"] = asked
  end
  if work.warnings then
    head["x-cliproxy-warnings"] = warnings_line(work.warnings)
  end
  if work.estimated then
    head["x-cliproxy-estimate"] = "local"
  end
  if work.show == "upstream" then
    head["x-cliproxy-upstream"] = show.line(work)
  end
  if work.cors then
    for name, value in next, work.cors do
      head[name] = value
    end
  end
  return head
end

--- The head of an answer whose body is made here: the provider's headers without what described its own body.
---@param work cliproxy.Work
---@param reply cliproxy.Reply
---@param content_type string
---@param is_stream boolean
---@return table<string, string>
function M.own_head(work, reply, content_type, is_stream)
  local head = {}
  headers.copy_down(reply:headers(), head)
  for name, value in next, M.head_of(work, is_stream, content_type) do
    head[name] = value
  end
  head["content-encoding"] = nil
  return head
end

--- The head goes out: from here on a failure ends the answer, and nothing runs again.
---@param work cliproxy.Work
function M.begun(work)
  work.first_at = work.exchange.age
  if work.past_scripts then
    work.past_scripts()
  end
end

--- Reads what the tap saw into the record.
---@param work cliproxy.Work
---@param reply cliproxy.Reply
function M.note_usage(work, reply)
  local message
  work.tokens_in, work.tokens_out, work.tokens_cached, message = reply:tokens()
  if message and not work.note then
    work.note = message
  end
end

--- The answer broke after its head was sent: an error in the dialect ends a stream, anything else is cut.
---@param work cliproxy.Work
---@param reply cliproxy.Reply
---@param failure cliproxy.Failure
function M.break_off(work, reply, failure)
  local exchange = work.exchange
  work.note = failure.text
  if work.script_error then
    log.error(work.id .. " " .. work.script_error)
  end
  if exchange.ended or exchange.gone then
    return
  end
  if not reply.is_stream then
    return exchange:abort()
  end
  exchange:write(dialects.of(work.dialect).stream_error(failure, work.id, work.framing))
  exchange:finish()
end

--- Why a reply broke: a script's own transport that raised, or the provider's server.
---@param work cliproxy.Work
---@param reply cliproxy.Reply
---@param code? string
---@param message? string
---@return cliproxy.Failure
function M.why(work, reply, code, message)
  if reply.script_failed then
    return attempt.script_failure(work, "execute", message or reply.message)
  end
  return decide.broken(work, code, message, reply.kind)
end

--- The whole answer in the provider's dialect; nil and why it is none. Waits.
---@param work cliproxy.Work
---@param reply cliproxy.Reply
---@return any document
---@return cliproxy.Failure? failure
function M.document(work, reply)
  local document, message, code = reply:document()
  if document ~= nil then
    return document
  elseif code == "syntax" or code == "utf8" or code == "duplicate" or code == "depth" then
    return nil, errors.new("upstream_not_json", { provider = work.target.instance.name,
      type = reply:header("content-type") or "text", text = message, where = work.snapshot.config.file })
  end
  return nil, M.why(work, reply, code, message)
end

return M
