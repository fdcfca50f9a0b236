--- The table of all cells, for the spec's output and as docs/conformance.md.
local cells = require("spec.conformance.cells")
local refusals = require("spec.conformance.refusals")
local rows = require("spec.conformance.rows")

local M = {}

local TITLES = { openai_chat = "Chat", openai_responses = "Responses", anthropic = "Anthropic", gemini = "Gemini" }
local LETTERS = { pass = "P", fail = "F", absent = "·", none = "-" }

-- Refusals are numbered in the order of their table.
local function number_of(entry)
  for i, one in ipairs(refusals.list) do
    if one == entry then
      return i
    end
  end
end

-- A cell's letter of one mode.
local function letter(row, client, upstream, mode)
  local result = cells.run(row, client, upstream, mode)
  if result == "refused" then
    return "r" .. number_of(refusals.of(row.name, client, upstream))
  elseif result == "pass" and client == upstream and row.failure ~= "key" and row.broken ~= "cut" then
    return "="
  end
  return LETTERS[result]
end

-- Both modes: one letter where they are the same.
local function both(row, client, upstream)
  local whole, stream = letter(row, client, upstream, "whole"), letter(row, client, upstream, "stream")
  if whole == stream or whole == "-" then
    return stream
  elseif stream == "-" then
    return whole
  end
  return whole .. "/" .. stream
end

local function line_of(row, client)
  local out = {}
  for i, upstream in ipairs(cells.DIALECTS) do
    out[i] = both(row, client, upstream)
  end
  return out
end

M.LEGEND = "P passes, whole and streamed (whole/streamed where they differ); = passes byte for byte, in its own "
  .. "dialect; rN refused, reason N below; · the client's dialect has no words for it"

--- For people at a terminal: one line for each feature and client.
---@return string
function M.compact()
  local out = { ("%-30s %-10s %5s %5s %5s %5s"):format("feature", "client", "Chat", "Resp", "Anth", "Gem") }
  for _, row in ipairs(rows.list) do
    for _, client in ipairs(cells.DIALECTS) do
      local line = line_of(row, client)
      out[#out + 1] = ("%-30s %-10s %5s %5s %5s %5s"):format(row.name, TITLES[client], line[1], line[2],
        line[3]:gsub("·", "."), line[4])
    end
  end
  out[#out + 1] = M.LEGEND
  return (table.concat(out, "\n"):gsub("·", "."))
end

local HEAD = [[
# What crosses the dialects

Every cell of this table is a test (`spec/conformance`): a client's request goes through the proxy to a service that
speaks another dialect, and the answer comes back, whole and as a stream. What the service was sent must be what its
official server takes, what the client got must be exactly its dialect's grammar, and the feature must be in both.
This page is written by the suite: `CPX_WRITE_CONFORMANCE=1` makes it write it anew.

A column is a client's dialect. In it stand, in this order, providers that speak Chat, Responses, Anthropic, Gemini:

- `P` passes, whole and as a stream
- `=` passes byte for byte, in its own dialect
- `r1` refused, for reason 1 below
- `·` the client's dialect has no words for it
]]

local function table_of_cells(out)
  out[#out + 1] = "| feature | Chat | Responses | Anthropic | Gemini |"
  out[#out + 1] = "| --- | --- | --- | --- | --- |"
  for _, row in ipairs(rows.list) do
    local line = {}
    for i, client in ipairs(cells.DIALECTS) do
      local absent = row.absent and row.absent[client]
      line[i] = absent and "·" or "`" .. table.concat(line_of(row, client), " ") .. "`"
    end
    out[#out + 1] = ("| %s | %s |"):format(row.name, table.concat(line, " | "))
  end
  out[#out + 1] = ""
end

local function table_of_absences(out)
  for _, row in ipairs(rows.list) do
    for _, client in ipairs(cells.DIALECTS) do
      if row.absent and row.absent[client] then
        out[#out + 1] = ("- %s, %s clients: %s"):format(row.name, TITLES[client], row.absent[client])
      end
    end
  end
  out[#out + 1] = ""
end

local function clients_of(entry)
  if not entry.clients then
    return "from any client"
  end
  local names = {}
  for _, client in ipairs(cells.DIALECTS) do
    names[#names + 1] = entry.clients[client] and TITLES[client] or nil
  end
  return "from " .. table.concat(names, ", ")
end

--- docs/conformance.md.
---@return string
function M.document()
  local out = { HEAD }
  table_of_cells(out)
  out[#out + 1] = "## Refused"
  out[#out + 1] = ""
  out[#out + 1] = "Such a request is answered with 400 in the client's own envelope, which names the field, before "
    .. "anything is sent."
  out[#out + 1] = ""
  for i, entry in ipairs(refusals.list) do
    local to = entry.upstream and TITLES[entry.upstream] or "another dialect"
    out[#out + 1] = ("%d. %s to %s, %s: %s"):format(i, entry.row, to, clients_of(entry), entry.why)
  end
  out[#out + 1] = ""
  out[#out + 1] = "## Not said"
  out[#out + 1] = ""
  table_of_absences(out)
  out[#out] = nil
  return table.concat(out, "\n") .. "\n"
end

return M
