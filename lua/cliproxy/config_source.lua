--- Maps the literal key paths of a Lua configuration ("providers.groq.base_url", "routes[2].to") to lines, and finds
--- keys that stand twice. An executed table keeps neither. Reads tokens only: whatever it does not understand it skips,
--- and a path it has not seen gets the line of its nearest parent. One pass, linear.
local M = {}

---@class cliproxy.ConfigSource
---@field private root table
---@field duplicates { path: string, line: integer, first: integer }[]
local Source = {}
Source.__index = Source

local OPENS = { ["function"] = true, ["do"] = true, ["if"] = true, ["repeat"] = true }
local CLOSES = { ["end"] = true, ["until"] = true }
local BRACKETS = { ["("] = 1, ["["] = 1, ["{"] = 1, [")"] = -1, ["]"] = -1, ["}"] = -1 }
local ESCAPES = { n = "\n", t = "\t", r = "\r", a = "\a", b = "\b", f = "\f", v = "\v" }

--- The end of a long bracket that opens at `at`, and where its text starts; nil when there is none.
local function long_bracket(text, at)
  local level, body = text:match("^%[(=*)%[()", at)
  if not level then
    return nil
  end
  local _, last = text:find("]" .. level .. "]", body, true)
  return (last or #text) + 1, body, last and last - #level - 2 or #text
end

local function unescape(raw)
  return (raw:gsub("\\(.)", ESCAPES):gsub("\\(%W)", "%1"))
end

--- Position behind a quoted string that starts at `at`.
local function quoted_end(text, at)
  local quote = text:sub(at, at)
  local i = at + 1
  while true do
    i = text:find("[\\\n" .. quote .. "]", i)
    if not i then
      return #text + 1
    end
    if text:sub(i, i) ~= "\\" then
      return i + 1
    end
    i = i + 2
  end
end

---@class cliproxy.ConfigToken
---@field kind "name"|"string"|"number"|"symbol"
---@field text string
---@field line integer

--- One token at `at` (not blank, not a comment), and where it ends.
local function token_at(text, at)
  local name, stop = text:match("^([%a_][%w_]*)()", at)
  if name then
    return "name", name, stop
  end
  name, stop = text:match("^(%.?%d[%w.]*)()", at)
  if name then
    return "number", name, stop
  end
  local char = text:sub(at, at)
  if char == '"' or char == "'" then
    stop = quoted_end(text, at)
    return "string", unescape(text:sub(at + 1, stop - 2)), stop
  end
  local past, first, last = long_bracket(text, at)
  if past then
    return "string", text:sub(first, last), past
  end
  if text:find("^[=~<>]=", at) then
    return "symbol", text:sub(at, at + 1), at + 2
  end
  return "symbol", char, at + 1
end

local function comment_end(text, at)
  return long_bracket(text, at + 2) or (text:find("\n", at, true) or #text + 1)
end

---@param text string
---@return cliproxy.ConfigToken[]
local function tokenize(text)
  local tokens, at, line = {}, 1, 1
  local newline = text:find("\n", 1, true) or math.huge
  local function count_to(position)
    while newline < position do
      line = line + 1
      newline = text:find("\n", newline + 1, true) or math.huge
    end
  end
  if text:sub(1, 1) == "#" then
    at = text:find("\n", 1, true) or #text + 1
  end
  while true do
    at = text:find("%S", at)
    if not at then
      return tokens
    end
    if text:find("^%-%-", at) then
      at = comment_end(text, at)
    else
      count_to(at)
      local kind, value, stop = token_at(text, at)
      tokens[#tokens + 1] = { kind = kind, text = value, line = line }
      at = stop
    end
  end
end

--- A key as it stands in a path.
---@param parent string "" at the top
---@param key string|integer
---@return string
function M.join(parent, key)
  if type(key) == "number" then
    return ("%s[%d]"):format(parent, key)
  end
  if type(key) == "string" and key:find("^[%a_][%w_]*$") then
    return parent == "" and key or parent .. "." .. key
  end
  return ('%s["%s"]'):format(parent, (tostring(key):gsub('[%c"\\]', "?"):sub(1, 60)))
end

--- Skips an expression: to the `,`, `;` or closing bracket that ends it.
local function skip_value(tokens, i)
  local nested, blocks = 0, 0
  while tokens[i] do
    local token = tokens[i]
    if token.kind == "name" then
      blocks = blocks + (OPENS[token.text] and 1 or CLOSES[token.text] and -1 or 0)
    elseif token.kind == "symbol" and blocks <= 0 then
      local change = BRACKETS[token.text] or 0
      if nested == 0 and (change < 0 or token.text == "," or token.text == ";") then
        return i
      end
      nested = nested + change
    end
    i = i + 1
  end
  return i
end

local function is(token, text)
  return token and token.kind == "symbol" and token.text == text
end

--- The key of the field at `i` and where its value starts; nil for a positional one.
local function field_key(tokens, i)
  local token = tokens[i]
  if token.kind == "name" and is(tokens[i + 1], "=") then
    return token.text, i + 2
  end
  local key = tokens[i + 1]
  if is(token, "[") and key and is(tokens[i + 2], "]") and is(tokens[i + 3], "=") then
    return key.kind == "number" and tonumber(key.text) or key.kind == "string" and key.text or nil, i + 4
  end
  return nil, i
end

local Reader = {}
Reader.__index = Reader

--- Reads a value at `i` into `node`; returns where it ends.
function Reader:value(i, node)
  local tokens = self.tokens
  if not is(tokens[i], "{") then
    local token = tokens[i]
    local stop = skip_value(tokens, i)
    if token and token.kind == "name" and stop == i + 1 and self.locals[token.text] then
      node.children = self.locals[token.text].children
    end
    return stop
  end
  if self.depth >= 100 then -- deeper tables get their parent's line
    return skip_value(tokens, i)
  end
  self.depth = self.depth + 1
  i = self:fields(i + 1, node)
  self.depth = self.depth - 1
  return skip_value(tokens, i)
end

function Reader:fields(i, node)
  local tokens, position = self.tokens, 0
  node.children = {}
  while tokens[i] and not is(tokens[i], "}") do
    local key, value_at = field_key(tokens, i)
    if value_at == i then
      position = position + 1
      key = position
    end
    local child = { line = tokens[i].line, key = key, parent = node }
    if key ~= nil then
      local first = node.children[key]
      if first then
        self.doubled[#self.doubled + 1] = { node = child, first = first.line }
      end
      node.children[key] = child
    end
    i = self:value(value_at, child)
    if is(tokens[i], ",") or is(tokens[i], ";") then
      i = i + 1
    elseif not is(tokens[i], "}") then
      break
    end
  end
  return i + 1
end

local function path_of(node)
  local keys = {}
  while node and node.key ~= nil do
    table.insert(keys, 1, node.key)
    node = node.parent
  end
  local path = ""
  for _, key in ipairs(keys) do
    path = M.join(path, key)
  end
  return path
end

--- The table that the chunk returns, and the tables of its locals
--- (`local groq = { … }`), outside of functions and blocks.
function Reader:chunk()
  local tokens, blocks, i = self.tokens, 0, 1
  while tokens[i] do
    local token = tokens[i]
    if token.kind == "name" then
      blocks = blocks + (OPENS[token.text] and 1 or CLOSES[token.text] and -1 or 0)
      if blocks == 0 and token.text == "return" then
        self.root.line = token.line
        self:value(i + 1, self.root)
        return
      end
      local name = tokens[i + 1]
      if blocks == 0 and token.text == "local" and name and is(tokens[i + 2], "=") and is(tokens[i + 3], "{") then
        local node = { line = name.line, key = name.text }
        i = self:fields(i + 4, node) - 1
        self.locals[name.text] = node
      end
    end
    i = i + 1
  end
end

---@param text string Lua source that compiles
---@return cliproxy.ConfigSource
function M.parse(text)
  local reader = { tokens = tokenize(text), root = { line = 1 }, locals = {}, doubled = {}, depth = 0 }
  setmetatable(reader, Reader)
  reader:chunk()
  local duplicates = {}
  for i, found in ipairs(reader.doubled) do
    duplicates[i] = { path = path_of(found.node), line = found.node.line, first = found.first }
  end
  return setmetatable({ root = reader.root, duplicates = duplicates }, Source)
end

--- Reads the text when a line is asked for: only messages about scripts need it.
---@param text string
---@return { line: fun(self: any, path: string): integer, boolean }
function M.lazy(text)
  local parsed
  return {
    line = function(_, path)
      parsed = parsed or M.parse(text)
      return parsed:line(path)
    end,
  }
end

--- The line of a key path, or of its nearest parent.
---@param path string "providers.groq.timeouts", 'routes[2].to', 'providers["my-key"]'
---@return integer line
---@return boolean exact
function Source:line(path)
  local node, at = self.root, 1
  while at <= #path do
    local key, stop = path:match("^%.?([%a_][%w_]*)()", at)
    if not key then
      key, stop = path:match('^%["(.-)"%]()', at)
    end
    if not key then
      key, stop = path:match("^%[(%d+)%]()", at)
      key = tonumber(key)
    end
    local child = key ~= nil and node.children and node.children[key]
    if not child then
      return node.line, false
    end
    node, at = child, stop
  end
  return node.line, true
end

return M
