--- Recorded exchanges with the dialects' real services, where a folder of them lies beside the repository.
local cjson = require "cjson"
local process = require "spec.support.process"

local M = {}
M.folder = os.getenv("CPX_FIXTURES") or "../shared/fixtures"

---@class spec.Fixture
---@field name string "gemini/text-stream"
---@field path string where cliproxy takes it
---@field request string
---@field answer string
---@field answer_file string below the folder
---@field status integer
---@field type string content type
---@field stream boolean

-- The recorded services put the same paths below prefixes of their own.
local PATHS = {
  { "/chat/completions", "/v1/chat/completions" },
  { "/responses/input_tokens", "/v1/responses/input_tokens" },
  { "/responses", "/v1/responses" },
  { "/messages/count_tokens", "/v1/messages/count_tokens" },
  { "/messages", "/v1/messages" },
  { "/embeddings", "/v1/embeddings" },
}

local function path_of(meta)
  local path, query = meta.path:match("^([^?]*)(.*)$")
  local gemini = path:match("/models/[^/]+:%a+$")
  if gemini then
    return "/v1beta" .. gemini .. (query:find("alt=sse", 1, true) and "?alt=sse" or "")
  end
  for _, row in ipairs(PATHS) do
    if path:sub(-#row[1]) == row[1] then return row[2] end
  end
end

local function load(name)
  local folder = M.folder .. "/" .. name
  local request, meta_text = process.read(folder .. "/request.json"), process.read(folder .. "/meta.json")
  if not request or not meta_text then return nil end
  local meta = cjson.decode(meta_text)
  local stream = process.read(folder .. "/response.sse") ~= nil
  local file = name .. (stream and "/response.sse" or "/response.json")
  local answer, path = process.read(M.folder .. "/" .. file), path_of(meta)
  if not answer or not path then return nil end
  return {
    name = name, path = path, request = request, answer = answer, answer_file = file, status = meta.status,
      stream = stream,
    type = meta.response_headers["content-type"] or (stream and "text/event-stream" or "application/json"),
  }
end

--- All that have a request and a path that cliproxy serves; nil where there is no such folder.
---@return spec.Fixture[]?
---@return integer? left_out those with a request whose path is none of ours
function M.all()
  local manifest = process.read(M.folder .. "/MANIFEST.tsv")
  if not manifest then return nil end
  local list, left_out = {}, 0
  for dialect, case in manifest:gmatch("([%w-]+)\t([%w_.-]+)\t[^\n]*") do
    local fixture = load(dialect .. "/" .. case)
    if fixture then
      list[#list + 1] = fixture
    elseif process.read(("%s/%s/%s/request.json"):format(M.folder, dialect, case)) then
      left_out = left_out + 1
    end
  end
  return list, left_out
end

---@class spec.RecordedAnswer
---@field name string
---@field dialect string the folder's name
---@field answer string
---@field answer_file string below the folder
---@field status integer
---@field type string content type
---@field stream boolean

--- All recorded answers of the four dialects, with or without their request; nil where there is no such folder.
---@return spec.RecordedAnswer[]?
function M.answers()
  local manifest = process.read(M.folder .. "/MANIFEST.tsv")
  if not manifest then return nil end
  local list = {}
  for dialect, case in manifest:gmatch("([%w-]+)\t([%w_.-]+)\t[^\n]*") do
    local name = dialect .. "/" .. case
    local sse = process.read(("%s/%s/response.sse"):format(M.folder, name))
    local answer = sse or process.read(("%s/%s/response.json"):format(M.folder, name))
    local meta = process.read(("%s/%s/meta.json"):format(M.folder, name))
    if answer and meta and not case:find("count", 1, true) then
      meta = cjson.decode(meta)
      list[#list + 1] = {
        name = name, dialect = dialect, answer = answer, status = meta.status or 200, stream = sse ~= nil,
        answer_file = name .. (sse and "/response.sse" or "/response.json"),
        type = sse and "text/event-stream" or "application/json",
      }
    end
  end
  return list
end

return M
