--- What automata share: a list of violations, tables of members that an object must and may have, comparison of
--- subtrees.
local json = require("cliproxy.json")
local literal = require("cliproxy.literal")

local M = {}

-- A stream that is wrong everywhere needs no more to be told.
local VIOLATIONS_MAX = 100

---@class cliproxy.automata.Report
---@field list string[]
---@field place string what is being looked at: "event 3 (message_stop)"
---@field verbatim? boolean arguments of calls stand as the model wrote them
local Report = {}
Report.__index = Report

---@param place string
---@return cliproxy.automata.Report
function M.report(place)
  return setmetatable({ list = {}, place = place }, Report)
end

---@param where string path in the value looked at; "" for the whole
---@param what string
function Report:say(where, what)
  local list = self.list
  if #list < VIOLATIONS_MAX then
    list[#list + 1] = self.place .. (where ~= "" and ": " .. where or "") .. ": " .. what
  end
end

-- The kinds of a rule -------------------------------------------------------------------------------------------

local function is_integer(value)
  if type(value) == "number" then
    return value == math.floor(value)
  end
  return json.kind(value) == "number" and json.raw(value):find("^%-?%d+$") ~= nil
end

local KINDS = {
  string = function(v) return type(v) == "string" end,
  text = function(v) return type(v) == "string" and v ~= "" end,
  integer = is_integer,
  count = function(v) return is_integer(v) and tonumber(tostring(v)) >= 0 end,
  number = function(v) return json.kind(v) == "number" end,
  boolean = function(v) return type(v) == "boolean" end,
  null = function(v) return v == json.null end,
  object = function(v) return json.kind(v) == "object" end,
  array = function(v) return json.kind(v) == "array" end,
  empty_object = function(v) return json.kind(v) == "object" and #v == 0 end,
  empty_array = function(v) return json.kind(v) == "array" and #v == 0 end,
  empty = function(v) return v == "" end,
  any = function() return true end,
}

local function compile_rule(name, rule)
  local words, more = rule, nil
  if type(rule) == "table" then
    words, more = rule[1], rule[2]
  end
  local kinds, optional = words:match("^(.-)(%??)$")
  local tests = {}
  for kind in kinds:gmatch("[^|]+") do
    tests[#tests + 1] = KINDS[kind] or error("no kind " .. kind)
  end
  local one_of
  if type(more) == "table" then
    one_of = {}
    for _, word in ipairs(more) do
      one_of[word] = true
    end
    more = nil
  end
  return { name = name, words = kinds:gsub("|", " or "):gsub("_", " "), tests = tests, optional = optional == "?",
    one_of = one_of, more = more }
end

--- A table of members. A rule is "KIND|KIND", with "?" behind it where the member may be absent, or a list of that
--- and either the strings that are allowed or a function (report, value, where) for what is not null.
---@param fields table<string, string|table>
---@return table members for `check`
function M.members(fields)
  local members = { by_name = {}, list = {} }
  for name, rule in pairs(fields) do
    local compiled = compile_rule(name, rule)
    members.by_name[name] = compiled
    members.list[#members.list + 1] = compiled
  end
  table.sort(members.list, function(a, b)
    return a.name < b.name
  end)
  return members
end

--- The members of both, the second's first.
---@param base table<string, any>
---@param more table<string, any>
---@return table
function M.with(base, more)
  local out = {}
  for name, rule in pairs(base) do
    out[name] = rule
  end
  for name, rule in pairs(more) do
    out[name] = rule
  end
  return out
end

local function check_member(report, rule, value, where)
  for _, test in ipairs(rule.tests) do
    if test(value) then
      if rule.one_of and value ~= json.null and not rule.one_of[value] then
        report:say(where, ("it is %s, which is none of the words"):format(tostring(value)))
      elseif rule.more and value ~= json.null then
        rule.more(report, value, where)
      end
      return
    end
  end
  report:say(where, ("%s expected, got %s"):format(rule.words, json.kind(value) or type(value)))
end

local function join(where, name)
  return where == "" and name or where .. "." .. name
end

--- Checks an object: what must be there, what may, and nothing else.
---@param report cliproxy.automata.Report
---@param node any
---@param where string
---@param members table of `members`
---@return boolean is_object
function M.check(report, node, where, members)
  if json.kind(node) ~= "object" then
    report:say(where, "object expected, got " .. tostring(json.kind(node)))
    return false
  end
  for name, value in json.each(node) do
    local rule = members.by_name[name]
    if rule then
      check_member(report, rule, value, join(where, name))
    else
      report:say(join(where, name), "unknown member")
    end
  end
  for _, rule in ipairs(members.list) do
    if node[rule.name] == nil and not rule.optional then
      report:say(join(where, rule.name), "it is missing")
    end
  end
  return true
end

--- A function for a rule that checks an object by a table of members.
---@param fields table
---@return fun(report: cliproxy.automata.Report, node: any, where: string)
function M.object(fields)
  local members = M.members(fields)
  return function(report, node, where)
    M.check(report, node, where, members)
  end
end

--- A function for a rule that checks each element of an array.
---@param check fun(report: cliproxy.automata.Report, node: any, where: string)
---@return fun(report: cliproxy.automata.Report, node: any, where: string)
function M.each(check)
  return function(report, array, where)
    for i, element in json.each(array) do
      check(report, element, where .. "[" .. i - 1 .. "]")
    end
  end
end

--- A function for a rule: checks an element by the table that its `type` names.
---@param by_type table<string, table> type → fields
---@param title string
---@return fun(report: cliproxy.automata.Report, node: any, where: string)
function M.typed(by_type, title)
  local compiled = {}
  for name, fields in pairs(by_type) do
    compiled[name] = M.members(M.with(fields, { type = "string" }))
  end
  return function(report, node, where)
    local members = json.kind(node) == "object" and compiled[node.type]
    if members then
      M.check(report, node, where, members)
    else
      report:say(where, ("no %s has the type %s"):format(title,
        tostring(json.kind(node) == "object" and node.type or json.kind(node))))
    end
  end
end

-- Values --------------------------------------------------------------------------------------------------------

--- Whether two values are the same JSON, whatever the order of members and the escapes.
---@param a any
---@param b any
---@return boolean
function M.same(a, b)
  local kind = json.kind(a)
  if kind ~= json.kind(b) then
    return false
  elseif kind == "object" then
    if #a ~= #b then
      return false
    end
    for name, value in json.each(a) do
      if b[name] == nil or not M.same(value, b[name]) then
        return false
      end
    end
    return true
  elseif kind == "array" then
    if #a ~= #b then
      return false
    end
    for i, value in json.each(a) do
      if not M.same(value, b[i]) then
        return false
      end
    end
    return true
  end
  return tostring(a) == tostring(b)
end

--- The child if it is of a kind, else nil.
---@param node any
---@param key string|integer
---@param kind cliproxy.json.Kind
---@return any
function M.child(node, key, kind)
  local container = json.kind(node)
  if container ~= "object" and container ~= "array" then
    return nil
  end
  local value = node[key]
  return json.kind(value) == kind and value or nil
end

--- The fragments of a text (literals) as the text. A surrogate pair that two fragments share is one character.
---@param fragments cliproxy.Literal[]
---@return string
function M.text_of(fragments)
  return #fragments == 0 and "" or literal.text(literal.concat(fragments))
end

--- Whether a text is a JSON object.
---@param text string
---@return boolean
function M.is_object_text(text)
  local document = json.parse(text)
  local kind = json.kind(document)
  if kind == "object" or kind == "array" then
    json.close(document)
  end
  return kind == "object"
end

--- Whether the arguments of a call are an object; where the checker takes them as the model wrote them, whether there
--- are any.
---@param report cliproxy.automata.Report
---@param text string
---@return boolean
function M.is_input(report, text)
  return report.verbatim and text ~= "" or M.is_object_text(text)
end

--- Checks an identity of token counts where all of its numbers are there.
---@param report cliproxy.automata.Report
---@param usage any an object
---@param where string
---@param total string
---@param parts string[]
---@param absent_is_zero? boolean
function M.check_sum(report, usage, where, total, parts, absent_is_zero)
  local sum = 0
  for _, name in ipairs(parts) do
    local value = usage[name]
    if type(value) ~= "number" and not (absent_is_zero and value == nil) then
      return
    end
    sum = sum + (value or 0)
  end
  if type(usage[total]) == "number" and usage[total] ~= sum then
    report:say(where .. "." .. total, ("%d is not the sum of %s, %d"):format(usage[total], table.concat(parts, ", "),
      sum))
  end
end

--- Checks that a part of a count is not larger than the whole.
---@param report cliproxy.automata.Report
---@param part any
---@param whole any
---@param where string
function M.check_part(report, part, whole, where)
  if type(part) == "number" and type(whole) == "number" and part > whole then
    report:say(where, ("%d is more than the %d that it is a part of"):format(part, whole))
  end
end

return M
