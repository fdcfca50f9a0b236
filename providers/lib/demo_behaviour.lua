--- How a demo model behaves, by its name.
local M = {}

local WORDS_MAX, DELAY_MAX_MS = 100000, 60000

local readers = {
  slow = function(how, n)
    how.delay = math.min(n or 200, DELAY_MAX_MS) / 1000
  end,
  long = function(how, n)
    how.words = math.min(n or 1000, WORDS_MAX)
  end,
  status = function(how, n)
    how.status = n and n >= 400 and n <= 599 and n or 500
  end,
  cut = function(how, n)
    how.cut = n or 3
  end,
}

--- nil and a message for a name that means nothing.
---@param model string
---@return { delay: number, words?: integer, status?: integer, cut?: integer, error_event?: boolean }?
---@return string? message
function M.of(model)
  local how = { delay = 0 }
  if model == "demo" or model == "demo-fast" then
    return how
  elseif model == "demo-error-event" then
    how.error_event = true
    return how
  end
  local word, number = model:match("^demo%-(%a+)%-?(%d*)$")
  if not readers[word] then
    return nil, ("demo has no model %q. It has demo, demo-fast, demo-slow-MS, demo-long-N, demo-status-N, "
      .. "demo-cut-N and demo-error-event"):format(model)
  end
  readers[word](how, tonumber(number))
  return how
end

return M
