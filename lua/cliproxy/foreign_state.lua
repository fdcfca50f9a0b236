--- Envelopes of opaque state (`opaque`) in requests that pass in their own dialect. Each stands for a state of another
--- dialect's provider; this one would refuse it as a damaged signature, so that it is taken out.
local json = require("cliproxy.json")
local opaque = require("cliproxy.opaque")

local M = {}

M.MARK = opaque.MARK

-- Gemini 3 wants a signature on calls of the current turn; this one it documents for calls that others made.
local FOREIGN_CALL = "skip_thought_signature_validator"

local function is_sealed(value)
  return type(value) == "string" and value:sub(1, #M.MARK) == M.MARK
end

local function is_object(value)
  return json.kind(value) == "object"
end

-- Calls fn for each object of a list, from its end: fn may remove what it sees.
local function each_object(list, fn)
  if json.kind(list) == "array" then
    for i = #list, 1, -1 do
      if is_object(list[i]) then
        fn(list[i], i)
      end
    end
  end
end

local removers = {}

-- Blocks of thinking, and messages of which nothing is left: the service refuses those that are empty.
function removers.anthropic(document)
  local messages = document.messages
  each_object(messages, function(message, at)
    local content, removed = message.content, false
    each_object(content, function(block, i)
      if is_sealed(block.signature) or is_sealed(block.data) then
        json.remove(content, i)
        removed = true
      end
    end)
    if removed and #content == 0 then
      json.remove(messages, at)
    end
  end)
end

-- Items of reasoning.
function removers.openai_responses(document)
  local input = document.input
  each_object(input, function(item, i)
    if is_sealed(item.encrypted_content) then
      json.remove(input, i)
    end
  end)
end

-- The signature of a part; true where nothing is left that the service would take.
local function unsign(part)
  local removed = false
  for _, key in ipairs { "thoughtSignature", "thought_signature" } do
    if is_sealed(part[key]) then
      part[key] = (is_object(part.functionCall) or is_object(part.function_call)) and FOREIGN_CALL or nil
      removed = true
    end
  end
  return removed and (#part == 0 or #part == 1 and part.text == "")
end

-- Signatures of parts; parts that held nothing else, and contents of which nothing is left.
function removers.gemini(document)
  local contents = document.contents
  each_object(contents, function(content, at)
    local parts, removed = content.parts, false
    each_object(parts, function(part, i)
      if unsign(part) then
        json.remove(parts, i)
        removed = true
      end
    end)
    if removed and #parts == 0 then
      json.remove(contents, at)
    end
  end)
end

--- Whether requests of a dialect can hold any.
---@param dialect string
---@return boolean
function M.may_be_in(dialect)
  return removers[dialect] ~= nil
end

--- Edits the document.
---@param dialect string
---@param document cliproxy.json.Node
function M.remove(dialect, document)
  removers[dialect](document)
end

return M
