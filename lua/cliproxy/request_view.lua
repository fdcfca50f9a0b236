--- The client's request as route functions and hooks see it: read-only, and read only when asked for.
local json = require("cliproxy.json")

local M = {}

local WORK = {}

-- The client's key is between the client and cliproxy.
local SECRETS = { "authorization", "x-api-key", "x-goog-api-key", "proxy-authorization", "cookie" }

local PLAIN = { model = true, dialect = true, operation = true, stream = true, key = true, id = true, size = true }

--- Whether any part of the body is an image, in whichever dialect: the marks that the four use.
local function has_images(work)
  local body = work.exchange:body()
  for _, mark in ipairs { '"image_url"', '"input_image"', '"image"', '"inlineData"', '"inline_data"', '"fileData"' } do
    if body:find(mark, 1, true) then
      return true
    end
  end
  return false
end

local readers = {
  headers = function(work)
    local all = work.exchange:headers()
    for _, name in ipairs(SECRETS) do
      all[name] = nil
    end
    return all
  end,
  body = function(work)
    return work.document
  end,
  tools = function(work)
    local document = work.document
    local tools = json.kind(document) == "object" and document.tools
    return json.kind(tools) == "array" and #tools > 0
  end,
  images = has_images,
  path = function(work)
    return work.exchange.path
  end,
}

local meta = {
  __index = function(view, name)
    local work = rawget(view, WORK)
    if PLAIN[name] then
      return work[name]
    end
    local read = readers[name]
    return read and read(work)
  end,
  __newindex = function(_, name)
    local text = "request.%s cannot be set: the request is read-only; edit call.body, call.headers or call.url"
    error(text:format(tostring(name)), 2)
  end,
  __metatable = "request",
}

---@param work cliproxy.Work
---@return cliproxy.Request
function M.of(work)
  return setmetatable({ [WORK] = work }, meta)
end

return M
