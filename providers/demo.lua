--- A provider without a network: deterministic, native in all four dialects, streaming or not. What a new user talks
--- to first, and what tests lean on. The model's name says how it behaves:
---
---     demo, demo-fast       answers at once                demo-status-429    fails with that status
---     demo-slow[-MS]        waits before every event       demo-cut[-N]       breaks off after N events
---     demo-long-N           says N words                   demo-error-event   sends an error in mid-stream
---
--- It calls those of the request's tools that the text names ("get_weather and get time"), with arguments that fit
--- their schemas or with those of the text ('use the get_weather tool with {"city":"Rome"}': no other is called then);
--- the first one when the text speaks of a tool ("use the tool") or tool_choice demands a call; then it tells what they
--- answered. Where JSON is asked for, its text is a value that fits the schema. It tells of images and files what they
--- are and how large.
local behaviour = require("lib.demo_behaviour")
local content = require("lib.demo_content")
local extras = require("lib.demo_extras")
local json = require("cliproxy.json")
local timer = require("cliproxy.timer")

local dialects = {
  openai_chat = require("lib.demo_openai_chat"),
  openai_responses = require("lib.demo_openai_responses"),
  anthropic = require("lib.demo_anthropic"),
  gemini = require("lib.demo_gemini"),
}

local OVERLOADED = "demo is overloaded, as it was asked to be"

local function send_json(reply, status, value, headers)
  headers = headers or {}
  headers["content-type"] = "application/json"
  reply.head(status, headers)
  reply.write(json.encode(value))
  reply.finish()
end

local function frame(event, framing, first)
  if framing == "json_array" then
    return (first and "[" or ",\r\n") .. event.data
  end
  local line = event.ending or "\n"
  return (event.type and "event: " .. event.type .. line or "") .. "data: " .. event.data .. line .. line
end

local function stream(call, reply, events, how)
  local array = call.framing == "json_array"
  reply.head(200, { ["content-type"] = array and "application/json" or "text/event-stream; charset=utf-8" })
  for i, event in ipairs(events) do
    if how.cut and i > how.cut then
      return reply.fail("upstream", "demo-cut broke off after " .. how.cut .. " events")
    end
    if how.delay > 0 then
      timer.sleep(how.delay)
    end
    reply.write(frame(event, call.framing, i == 1))
  end
  if array then
    reply.write("]")
  end
  reply.finish()
end

local function whole(reply, value, how)
  if how.delay > 0 then
    timer.sleep(how.delay)
  end
  if not how.cut then
    return send_json(reply, 200, value)
  end
  local bytes = json.encode(value)
  reply.head(200, { ["content-type"] = "application/json" })
  reply.write(bytes:sub(1, math.floor(#bytes / 2)))
  reply.fail("upstream", "demo-cut broke off in the middle of the answer")
end

---@type cliproxy.Provider
return {
  name = "demo",
  contract = 1,
  dialects = { "openai_chat", "openai_responses", "anthropic", "gemini" },
  models = { "demo", "demo-fast", "demo-slow", "demo-cut", "demo-error-event", "demo-*" },
  caps = { json_schema = true, images = true, pdf = true, audio = true, developer_role = true, custom_tools = true,
    allowed_tools = true },

  execute = function(call, reply)
    local dialect = dialects[call.dialect]
    local how, wrong = behaviour.of(call.model)
    if not how then
      return send_json(reply, 404, dialect.error(404, wrong))
    elseif how.status then
      local headers = how.status == 429 and { ["retry-after"] = "1" } or {}
      return send_json(reply, how.status, dialect.error(how.status, "demo was asked to fail with status "
        .. how.status), headers)
    elseif call.operation ~= "generate" and call.operation ~= "complete" then
      return send_json(reply, 200, extras[call.operation](call))
    end
    local refusal = dialect.refusal and dialect.refusal(call.body)
    if refusal then
      return send_json(reply, 400, refusal)
    end
    local asked = dialect.read(call.body)
    local answer = content.answer(call, asked, how)
    if call.operation == "complete" then
      dialect = extras.completions
    end
    if not call.stream then
      if how.error_event then
        return send_json(reply, 503, dialect.error(503, OVERLOADED))
      end
      return whole(reply, dialect.whole(answer), how)
    end
    local events = dialect.events(answer)
    if how.error_event then
      events = content.with_error(events, function(after)
        return dialect.error_event(503, OVERLOADED, answer, after)
      end)
    end
    stream(call, reply, events, how)
  end,

  -- A 401 was asked for like any other status: there is no key that it could be about.
  classify = function()
    return "client"
  end,
}
