--- What `view` reads and writes of requests without a conversation: embeddings, and completions of a prompt. Each text
--- is a message of the user's; none can be added or taken out, since the answers are counted by them.
local texts = require("cliproxy.view_texts")

local M = {}

local child, is_string = texts.child, texts.is_string

M.title = "a request without a conversation"

local function add(slots, node, key)
  if is_string(node, key) then
    slots[#slots + 1] = { node = node, key = key }
    return
  end
  local list = child(node, key, "array")
  for i = 1, list and #list or 0 do
    if is_string(list, i) then
      slots[#slots + 1] = { node = list, key = i }
    end
  end
end

local function add_content(slots, node)
  local content = child(node, "content", "object")
  for _, part in ipairs(content and texts.objects(content, "parts") or {}) do
    add(slots, part, "text")
  end
end

function M.loose(document)
  local slots = {}
  for _, key in ipairs({ "input", "prompt", "suffix" }) do
    add(slots, document, key)
  end
  add_content(slots, document)
  for _, request in ipairs((texts.objects(document, "requests"))) do
    add_content(slots, request)
  end
  return slots
end

function M.list()
  return nil, 0
end

function M.system()
  return {}
end

function M.tools()
  return {}
end

function M.extra()
  return {}
end

function M.parts()
  return {}
end

local FIELDS = { max_tokens = "max_tokens", temperature = "temperature", top_p = "top_p", stop = "stop", seed = "seed" }

function M.place(document, name)
  return document, FIELDS[name]
end

return M
