--- Images, documents and search results in a client's request.
local json = require("cliproxy.json")
local literal = require("cliproxy.literal")

local M = {}

--- Members that a block has, beside those that all have.
---@param ... string
---@return table<string, boolean>
function M.set(...)
  local out = { type = true, cache_control = true }
  for _, key in ipairs { ... } do
    out[key] = true
  end
  return out
end

local set = M.set

--- By type of block: `(r, node, out, role, read_list)` appends its parts to `out`; lists of blocks in them are read by
--- `read_list`, as `blocks_in` has it.
---@type table<string, function>
M.READERS = {}
local READERS = M.READERS

-- The `source` of an image or document, by its type: fills in the part. Its path is `where("source")`.
local SOURCES = {}

local function in_source(r, fn)
  local list, base = r.list, r.base
  r.base = r:where("source")
  fn()
  r.list, r.base = list, base
end

function SOURCES.base64(r, source, part)
  part.media_type = r:name(source, "media_type")
  part.data = r:required(source, "data")
  part.media_type = part.media_type and part.media_type:lower()
end

function SOURCES.url(r, source, part)
  part.url = r:required(source, "url")
end

function SOURCES.file(r, source, part)
  part.file_id = r:required(source, "file_id")
end

local function read_source(r, node, part, more)
  local source = r:node(node, "source", "object")
  if not source then
    return r:wrong(r:where("source"), "is missing")
  end
  in_source(r, function()
    local kind = r:name(source, "type")
    local read = more and more[kind] or SOURCES[kind]
    if read then
      read(r, source, part)
    elseif kind then
      r.ledger:refuse(r:where(), ("sources of type %q are unknown to cliproxy"):format(kind))
    end
  end)
end

local IMAGE = set("source", "transformations")

function READERS.image(r, node, out)
  local part = r:part("image")
  read_source(r, node, part)
  if #node > 2 then
    part.cache = r:object(node, "cache_control")
    if json.present(node.transformations) then
      r.ledger:drop(r:where("transformations"), "it looks at images in its own way")
    end
    r:unknown(node, IMAGE)
  end
  out[#out + 1] = part
end

local TEXT_SOURCES = {}

function TEXT_SOURCES.text(r, source, part)
  part.media_type = "text/plain"
  part.text = r:required(source, "data")
end

-- Chunks of text, maybe with images between them, which become parts of their own.
function TEXT_SOURCES.content(r, source, part)
  part.media_type = "text/plain"
  local content = source.content
  if type(content) == "string" then
    part.text = json.raw(source, "content")
  elseif json.kind(content) == "array" then
    part.chunks = content
  else
    r:wrong(r:where("content"), "must be a string or a list of blocks")
  end
end

-- The chunks of a document or search result as documents, and what stands between them.
local function chunks(r, content, part, key, out, read_list)
  local list, index = r.list, r.index
  local texts, first = {}, true
  local inner = (list or "content") .. (index and "[" .. index .. "]" or "") .. "." .. key
  local function flush()
    if texts[1] then
      local one = { text = literal.concat(texts, "\\n\\n") }
      for name, value in pairs(part) do
        one[name] = one[name] or value
      end
      if not first then
        one.cache, one.title = nil, nil
      end
      out[#out + 1], texts, first = one, {}, false
    end
  end
  local found = {}
  read_list(r, content, inner, "document", found)
  for _, one in ipairs(found) do
    if one.kind == "text" then
      texts[#texts + 1] = one.text
    else
      flush()
      out[#out + 1] = one
    end
  end
  flush()
  r.list, r.index = list, index
end

local function wants_citations(r, node)
  local inner = r:node(node, "citations", "object")
  return inner and inner.enabled == true or nil
end

local DOCUMENT = set("source", "title", "context", "citations")

function READERS.document(r, node, out, role, read_list)
  if role == "assistant" and r.strict_version then
    return r:wrong(r:where(), "is a document in an assistant message, which this version of the API does not permit")
  end
  local part = r:part("document")
  read_source(r, node, part, TEXT_SOURCES)
  if part.url or part.file_id then
    part.media_type = "application/pdf" -- the only kind that has no text
  end
  part.title, part.context = r:literal(node, "title"), r:literal(node, "context")
  part.wants_citations = wants_citations(r, node)
  part.cache = r:object(node, "cache_control")
  r:unknown(node, DOCUMENT)
  local content = part.chunks
  part.chunks = nil
  if content then
    r.ledger:change(r:where("source.content"), "its chunks become one text")
    return chunks(r, content, part, "source.content", out, read_list)
  end
  out[#out + 1] = part
end

local SEARCH_RESULT = set("source", "title", "content", "citations")

function READERS.search_result(r, node, out, _, read_list)
  local part = r:part("document")
  part.media_type = "text/plain"
  part.context, part.title = r:required(node, "source"), r:required(node, "title")
  part.wants_citations = wants_citations(r, node)
  part.cache = r:object(node, "cache_control")
  r:unknown(node, SEARCH_RESULT)
  local content = r:node(node, "content", "array")
  if not content then
    return r:wrong(r:where("content"), "is missing")
  end
  r.ledger:change(r:where(), "a search result becomes a document")
  chunks(r, content, part, "content", out, read_list)
end

return M
