--- The hostile requests of spec/unit/http/hostile_cases.h, the one table, for specs that send them over sockets.

local M = {}

---@class spec.HostileCase
---@field name string
---@field status integer 200: answered by the handler
---@field close boolean whether the connection closes behind the answer
---@field bytes string

local ESCAPES = { r = "\r", n = "\n", t = "\t", ["\\"] = "\\", ['"'] = '"' }

--- The bytes of all C string literals in `text`, joined.
---@param text string
---@return string[] literals
local function literals(text)
  local list, at = {}, 1
  while true do
    local from = text:find('"', at, true)
    if not from then return list end
    local to, out = from + 1, {}
    while text:sub(to, to) ~= '"' do
      local octal = text:match("^\\(%d%d%d)", to)
      local char = text:sub(to, to)
      if octal then
        out[#out + 1], to = string.char(tonumber(octal, 8)), to + 4
      elseif char == "\\" then
        out[#out + 1], to = assert(ESCAPES[text:sub(to + 1, to + 1)], "unknown escape in " .. text), to + 2
      else
        out[#out + 1], to = char, to + 1
      end
    end
    list[#list + 1], at = table.concat(out), to + 1
  end
end

---@param kind string
---@param row string
---@return spec.HostileCase
local function case(kind, row)
  local strings = literals(row)
  local status, ending = row:match('^"[^"]*",%s*(%d+),%s*(%u+)')
  local bytes = strings[2]
  if kind == "LONG" then
    local fill, count = row:match("'(.)',%s*(%d+)")
    bytes = strings[2] .. fill:rep(tonumber(count)) .. strings[3]
  end
  return { name = strings[1], status = tonumber(status), close = ending == "CLOSE", bytes = bytes }
end

--- All cases, in the order of the file.
---@param root? string the folder of the sources; the working directory by default
---@return spec.HostileCase[]
function M.load(root)
  local file = assert(io.open((root or ".") .. "/spec/unit/http/hostile_cases.h"))
  local text = file:read("*a"):gsub("/%*.-%*/", "")
  file:close()
  local cases = {}
  for kind, row in ("\n" .. text):gmatch("\n(%u+)(%b())") do
    if kind == "ROW" or kind == "LONG" then cases[#cases + 1] = case(kind, row:sub(2, -2)) end
  end
  return cases
end

return M
