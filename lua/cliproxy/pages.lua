--- The page at "/": where this proxy's endpoints are.
local system = require("cliproxy.system")

local M = {}

local PAGE = [[
<!doctype html><html lang="en"><meta charset="utf-8"><title>cliproxy</title>
<style>body{font:16px/1.5 sans-serif;max-width:42em;margin:3em auto}code{background:#eee;padding:0 .3em}</style>
<h1>cliproxy %s</h1>
<p>A local LLM proxy. Set your client's base URL:</p>
<table>
<tr><td>OpenAI (Chat Completions, Responses)</td><td><code>%s/v1</code></td></tr>
<tr><td>Anthropic</td><td><code>%s</code></td></tr>
<tr><td>Gemini</td><td><code>%s</code></td></tr>
</table>
<p>Models: <a href="/v1/models">/v1/models</a>. Health: <a href="/v1/health">/v1/health</a>.</p></html>
]]

local TEXT = [[
cliproxy %s: a local LLM proxy. Set your client's base URL:

  OpenAI (Chat Completions, Responses)   %s/v1
  Anthropic                              %s
  Gemini                                 %s

Models: GET /v1/models. Health: GET /v1/health.
]]

--- "http://HOST", as the client wrote it; of the first listener where it named none.
---@param exchange cliproxy.Exchange
---@param config cliproxy.Config
---@return string
function M.base_url(exchange, config)
  local host = exchange:header("host")
  if not host or host == "" or host:find('[^%w.:%[%]_-]') then
    host = config.listen[1]:find("^unix:") and "localhost" or config.listen[1]
  end
  return (config.tls and "https://" or "http://") .. host
end

---@param exchange cliproxy.Exchange
---@param config cliproxy.Config
---@param headers table<string, string>
function M.home(exchange, config, headers)
  local base = M.base_url(exchange, config)
  local html = (exchange:header("accept") or ""):find("text/html", 1, true)
  headers["content-type"] = html and "text/html; charset=utf-8" or "text/plain; charset=utf-8"
  headers["cache-control"] = "no-store"
  return exchange:respond(200, headers, (html and PAGE or TEXT):format(system.version, base, base, base))
end

return M
