--- What Gemini generateContent gives: whole answers, streams (server-sent events or one array), errors.
local json = require("cliproxy.json")
local shape = require("cliproxy.automata.shape")

local M = { ending = "\r\n", typed = false }

local child, check, members, object, each = shape.child, shape.check, shape.members, shape.object, shape.each

local FINISH = { "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "LANGUAGE", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT",
  "SPII", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "IMAGE_SAFETY",
  "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "IMAGE_OTHER", "NO_IMAGE", "CONTINUATION" }

-- Usage ---------------------------------------------------------------------------------------------------------

local DETAILS = { "array?", each(object { modality = "text", tokenCount = "count" }) }
local SUMMANDS = { "promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "toolUsePromptTokenCount" }

local USAGE = members {
  promptTokenCount = "count", candidatesTokenCount = "count?", thoughtsTokenCount = "count?",
  toolUsePromptTokenCount = "count?", cachedContentTokenCount = "count?", totalTokenCount = "count",
  promptTokensDetails = DETAILS, candidatesTokensDetails = DETAILS, cacheTokensDetails = DETAILS,
  toolUsePromptTokensDetails = DETAILS, trafficType = "string?", serviceTier = "string?",
}

local function check_usage(report, usage, where)
  if check(report, usage, where, USAGE) then
    shape.check_sum(report, usage, where, "totalTokenCount", SUMMANDS, true)
    shape.check_part(report, usage.cachedContentTokenCount, usage.promptTokenCount,
      where .. ".cachedContentTokenCount")
  end
end

-- Parts ---------------------------------------------------------------------------------------------------------

local function check_name(report, name, where)
  if not name:find("^[%a_][%w_.:-]*$") or #name > 64 then
    report:say(where, "it is no name of a function")
  end
end

local function check_base64(report, text, where)
  if not text:find("^[%w+/_-]+=*$") then
    report:say(where, "it is no base64")
  end
end

local PART = members {
  text = "string?", thought = "boolean?", thoughtSignature = { "text?", check_base64 },
  functionCall = { "object?", object { name = { "text", check_name }, args = "object", id = "text?" } },
}

local function check_part(report, part, where)
  if not check(report, part, where, PART) then
    return
  end
  local has_text, has_call = part.text ~= nil, part.functionCall ~= nil
  if has_text == has_call then
    report:say(where, has_text and "it holds a text and a call" or "it holds nothing")
  end
  if part.thought and not has_text then
    report:say(where .. ".thought", "it belongs to a text")
  end
end

-- Answers -------------------------------------------------------------------------------------------------------

local CANDIDATE = members {
  content = { "object?", object {
    role = { "string", { "model" } }, parts = { "array?", each(check_part) },
  } },
  finishReason = { "string?", FINISH }, finishMessage = "text?", index = "count?", avgLogprobs = "number?",
  safetyRatings = "array?", citationMetadata = { "object?", object { citationSources = { "array", each(object {
    startIndex = "count?", endIndex = "count?", uri = "string?", title = "string?", license = "string?",
  }) } } },
  groundingMetadata = "object?",
}

local function one_candidate(report, list, where)
  if #list ~= 1 then
    report:say(where, ("one candidate expected, got %d"):format(#list))
  end
  for i, candidate in json.each(list) do
    local at = ("%s[%d]"):format(where, i - 1)
    check(report, candidate, at, CANDIDATE)
    if json.kind(candidate) == "object" and candidate.index ~= nil and candidate.index ~= i - 1 then
      report:say(at .. ".index", "it is not its place")
    end
  end
end

local ANSWER = members {
  candidates = { "array?", one_candidate }, usageMetadata = { "object?", check_usage },
  promptFeedback = { "object?", object {
    blockReason = "text", blockReasonMessage = "text?", safetyRatings = "array?",
  } },
  modelVersion = "text", responseId = "text", createTime = "string?", modelStatus = "object?",
}

-- The first candidate's parts, finishReason and the candidate.
local function candidate_of(document)
  local list = child(document, "candidates", "array")
  local candidate = list and child(list, 1, "object")
  if not candidate then
    return nil
  end
  local content = child(candidate, "content", "object")
  return candidate, content and child(content, "parts", "array"), candidate.finishReason
end

local function check_answer(report, document)
  check(report, document, "", ANSWER)
  local candidate, parts, finish = candidate_of(document)
  local blocked = document.promptFeedback ~= nil
  if not candidate and not blocked then
    report:say("candidates", "it is missing, and promptFeedback is, too")
  elseif candidate and blocked then
    report:say("promptFeedback", "a blocked prompt has no candidates")
  elseif candidate and finish == nil and #(parts or "") == 0 then
    report:say("candidates[0].content.parts", "they are missing")
  end
  return finish or blocked and "blocked" or nil, parts
end

---@param report cliproxy.automata.Report
---@param document cliproxy.json.Node
function M.whole(report, document)
  local finish = check_answer(report, document)
  if finish == nil then
    report:say("candidates[0].finishReason", "it is missing")
  end
end

-- Errors --------------------------------------------------------------------------------------------------------

local STATUSES = { "INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE", "UNAUTHENTICATED", "PERMISSION_DENIED",
  "NOT_FOUND", "ABORTED", "ALREADY_EXISTS", "RESOURCE_EXHAUSTED", "CANCELLED", "INTERNAL", "UNAVAILABLE",
  "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "UNKNOWN", "DATA_LOSS" }

local ERROR = members {
  error = { "object", object {
    code = "count", message = "text", status = { "string", STATUSES },
    details = { "array?", each(function(report, detail, where)
      if type(child(detail, "@type", "string")) ~= "string" then
        report:say(where, "it has no @type")
      end
    end) },
  } },
}

---@param report cliproxy.automata.Report
---@param document cliproxy.json.Node
function M.error(report, document)
  check(report, document, "", ERROR)
end

-- Streams -------------------------------------------------------------------------------------------------------

local FIXED = { "responseId", "modelVersion" }

local function event(self, report, document)
  if document.error ~= nil then
    M.error(report, document)
    self.how = "error"
    return
  end
  for _, name in ipairs(FIXED) do
    self.fixed[name] = self.fixed[name] or document[name]
    if document[name] ~= self.fixed[name] then
      report:say(name, ("it was %s before"):format(tostring(self.fixed[name])))
    end
  end
  local finish, parts = check_answer(report, document)
  if finish then
    self.how = "clean"
  end
  for i = 1, parts and #parts or 0 do
    local part = parts[i]
    local signed = json.kind(part) == "object" and part.thoughtSignature ~= nil
    if json.kind(part) == "object" and part.text == "" and not signed and not finish then
      report:say(("candidates[0].content.parts[%d].text"):format(i - 1), "an empty fragment")
    end
  end
  if child(document, "usageMetadata", "object") then
    self.usage = true
  elseif self.usage and finish then
    report:say("usageMetadata", "it is missing in the last chunk")
  end
end

---@return cliproxy.automata.Machine
function M.stream()
  local self = { fixed = {} }
  return {
    event = function(report, document)
      event(self, report, document)
    end,
    ended = function()
      return self.how
    end,
    finish = function() end,
  }
end

return M
