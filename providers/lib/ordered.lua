--- JSON objects whose members keep the order in which they are written:
--- `ordered("id", 1, "name", "x")`. nil leaves a member out.
local json = require("cliproxy.json")

return function(...)
  local members = {}
  for i = 1, select("#", ...), 2 do
    local name, value = select(i, ...)
    if value ~= nil then
      members[#members + 1] = { name, value }
    end
  end
  return json.object(members)
end
