--- Fields of requests that Chat and Responses have alike.
local M = {}

---@alias cliproxy.openai.Field fun(r: cliproxy.Reader, document: cliproxy.json.Node, key: string)

--- A number, text or object that goes into the conversation as it is.
---@param field string of the conversation
---@param kind "number"|"literal"|"object"|"flag"
---@return cliproxy.openai.Field
function M.carried(field, kind)
  return function(r, document, key)
    r.c[field] = r[kind](r, document, key)
    if field ~= key then
      r.c.where[field] = key
    end
  end
end

---@param why string
---@return cliproxy.openai.Field
function M.dropped(why)
  return function(r, _, key)
    r.ledger:drop(key, why)
  end
end

---@param why string
---@return cliproxy.openai.Field
function M.refused(why)
  return function(r, _, key)
    r.ledger:refuse(key, why)
  end
end

---@type table<string, cliproxy.openai.Field>
M.FIELDS = {
  metadata = M.carried("metadata", "object"),
  parallel_tool_calls = M.carried("parallel_tools", "flag"),
  temperature = M.carried("temperature", "number"),
  top_p = M.carried("top_p", "number"),
  prompt_cache_key = M.carried("cache_key", "literal"),
  prompt_cache_options = M.dropped("it caches by itself"),
  prompt_cache_retention = M.dropped("it caches by itself"),
  moderation = M.refused("it gives no results of moderation"),
}

-- The successor of `user`: it counts where both are there.
function M.FIELDS.safety_identifier(r, document, key)
  r.c.user, r.c.where.user = r:literal(document, key), key
end

function M.FIELDS.service_tier(r, document, key)
  local tier = r:literal(document, key)
  if tier == '"auto"' or tier == '"default"' then
    return r.ledger:drop(key, "it is what holds anyway")
  end
  r.c.service_tier = tier
end

return M
