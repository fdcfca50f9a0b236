--- The framing of a stream under test: server-sent events or the elements of one JSON array, out of bytes that come in
--- any pieces. It is strict where clients are known to stumble: no `id:` lines, no empty data, nothing outside events.
local M = {}

local find, sub = string.find, string.sub

---@class cliproxy.automata.Frames
---@field feed fun(bytes: string)
---@field finish fun()

---@alias cliproxy.automata.OnEvent fun(data: string, type: string?)

--- Server-sent events.
---@param on_event cliproxy.automata.OnEvent
---@param fault fun(what: string) the framing is wrong in the event that comes next
---@param ending "\n"|"\r\n" of the lines of events
---@return cliproxy.automata.Frames
function M.sse(on_event, fault, ending)
  local rest, data, kind, fields = "", nil, nil, false

  local function dispatch()
    if fields then
      if data == nil then
        fault("it has no data")
      elseif data == "" then
        fault("its data is empty")
      else
        on_event(data, kind)
      end
    end
    data, kind, fields = nil, nil, false
  end

  local takes = {
    data = function(value)
      data = data and data .. "\n" .. value or value
    end,
    event = function(value)
      if kind then
        fault("it has two event lines")
      end
      kind = value
    end,
    id = function()
      fault("it has an id line")
    end,
  }

  local function line(text, ended_by)
    if text == "" then
      return dispatch()
    elseif sub(text, 1, 1) == ":" then
      return
    end
    fields = true
    if ended_by ~= ending then
      fault("a line of it ends in " .. (ended_by == "\n" and "LF" or "CRLF"))
    end
    local name, value = text:match("^([^:]*): ?(.*)$")
    local take = takes[name or text]
    if take then
      take(value or "")
    else
      fault(("the line %q is no field"):format(sub(text, 1, 60)))
    end
  end

  return {
    feed = function(bytes)
      rest = rest .. bytes
      local from = 1
      while true do
        local at = find(rest, "\n", from, true)
        if not at then
          break
        end
        if sub(rest, at - 1, at - 1) == "\r" and at > from then
          line(sub(rest, from, at - 2), "\r\n")
        else
          line(sub(rest, from, at - 1), "\n")
        end
        from = at + 1
      end
      rest = sub(rest, from)
    end,
    finish = function()
      if rest ~= "" or fields then
        fault("it is not ended by an empty line")
      end
    end,
  }
end

-- The end of the value that begins at `from`; nil where it is cut.
local function value_end(text, from)
  local depth, at = 0, from
  while true do
    local i = find(text, '["{}%[%]]', at)
    if not i then
      return nil
    end
    local c = sub(text, i, i)
    if c == '"' then
      repeat
        i = find(text, '["\\]', i + 1)
        if not i then
          return nil
        elseif sub(text, i, i) == "\\" then
          i, c = i + 1, "\\"
        else
          c = '"'
        end
      until c == '"'
    elseif c == "{" or c == "[" then
      depth = depth + 1
    else
      depth = depth - 1
      if depth == 0 then
        return i
      end
    end
    at = i + 1
  end
end

--- The elements of one array of objects. They are looked at when the stream has ended.
---@param on_event cliproxy.automata.OnEvent
---@param fault fun(what: string)
---@return cliproxy.automata.Frames
function M.json_array(on_event, fault)
  local pieces = {}
  local function split(text)
    local at = find(text, "%S")
    if not at or sub(text, at, at) ~= "[" then
      return fault("the array does not begin with [")
    end
    at = at + 1
    local first = true
    while true do
      at = find(text, "%S", at)
      local c = at and sub(text, at, at)
      if c == "]" then
        return find(text, "%S", at + 1) and fault("there is something behind the array")
      elseif c == "," and not first then
        at = find(text, "%S", at + 1)
        c = at and sub(text, at, at)
      elseif c and not first then
        return fault("a comma is missing in the array")
      end
      if c ~= "{" then
        return fault(c and "the array holds something else than objects" or "the array is cut")
      end
      local last = value_end(text, at)
      if not last then
        return fault("the array is cut")
      end
      on_event(sub(text, at, last))
      at, first = last + 1, false
    end
  end
  return {
    feed = function(bytes)
      pieces[#pieces + 1] = bytes
    end,
    finish = function()
      split(table.concat(pieces))
    end,
  }
end

return M
