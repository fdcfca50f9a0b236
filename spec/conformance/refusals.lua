--- What does not go, and why: the only cells of the table that may be refused. Words are of the error's text.
local M = {}

---@class spec.conformance.Refusal
---@field row string
---@field upstream? string to which service; all where nil
---@field clients? table<string, boolean> all where nil
---@field words string
---@field why string for docs/conformance.md

---@type spec.conformance.Refusal[]
M.list = {
  { row = "image by URL", upstream = "gemini", words = "image", why = "Gemini fetches no pictures from the web" },
  { row = "stop sequence", upstream = "openai_responses", words = "stop", why = "Responses has no stop sequences" },
  { row = "JSON without a schema", upstream = "anthropic", words = "schema", why = "Anthropic has schemas alone" },
  { row = "web search of the service", words = "earch",
    why = "a search of one's own is not another's; `caps.web_search` of a provider lets it search instead" },
  { row = "file by its id", words = "file", why = "a file lies at one provider alone" },
  { row = "several answers", words = "more than one answer", why = "it does not cross dialects" },
  { row = "log probabilities", words = "log prob", why = "they do not cross dialects" },
  { row = "state kept by the service", words = "previous_response_id", why = "cliproxy keeps no responses" },
}

--- The refusal that is documented for a cell.
---@param row string
---@param client string
---@param upstream string
---@return spec.conformance.Refusal?
function M.of(row, client, upstream)
  for _, entry in ipairs(M.list) do
    if entry.row == row and (not entry.upstream or entry.upstream == upstream) and client ~= upstream
      and (not entry.clients or entry.clients[client]) then
      return entry
    end
  end
end

return M
