--- Lists of models, asked from providers: `discover = discover.openai` in a provider script.
local http = require("cliproxy.http")
local json = require("cliproxy.json")

local M = {}

local function get(call, query)
  local response, message = http.request {
    url = call.url .. (query or ""),
    headers = call.headers,
    timeout = call.timeouts and call.timeouts.total,
    max = 4 * 1024 * 1024,
    proxy_url = call.proxy_url,
    unix_socket = call.unix_socket,
    ca_file = call.ca_file,
  }
  if not response then
    return nil, message
  elseif response.status ~= 200 then
    return nil, "the list of models answered " .. response.status
  end
  local document, wrong = json.parse(response.body)
  if not document then
    return nil, "the list of models is not JSON: " .. wrong
  end
  return document
end

local function collect(list, field, strip)
  local ids = {}
  if json.kind(list) == "array" then
    for _, model in json.each(list) do
      local id = json.kind(model) == "object" and model[field]
      if type(id) == "string" then
        table.insert(ids, strip and id:gsub("^" .. strip, "") or id)
      end
    end
  end
  return ids
end

--- `{"data":[{"id"}]}`, and the bare list that some servers send.
function M.openai(call)
  local document, message = get(call)
  if not document then
    return nil, message
  end
  return collect(json.kind(document) == "array" and document or document.data, "id")
end

function M.anthropic(call)
  call.headers["anthropic-version"] = call.headers["anthropic-version"] or call.options.version
  local document, message = get(call, "?limit=1000")
  if not document then
    return nil, message
  end
  return collect(document.data, "id")
end

function M.gemini(call)
  local document, message = get(call, "?pageSize=1000")
  if not document then
    return nil, message
  end
  return collect(document.models, "name", "models/")
end

return M
