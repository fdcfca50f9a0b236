---@meta cliproxy.http
--- HTTP calls for scripts: lua/cliproxy/http.lua.
local http = {}

---@class cliproxy.HttpRequest
---@field url string http or https
---@field method? string "GET", or "POST" where there is a body
---@field headers? table<string, string|string[]>
---@field body? string|cliproxy.json.Node
---@field json? any a value that is sent as JSON, with its content type
---@field timeout? number seconds for the whole call, 60 by default
---@field max? integer bytes of the answer, 64 MB by default and at most
---@field proxy_url? string http, https, socks5 or socks5h
---@field unix_socket? string path
---@field ca_file? string more certificate authorities

---@class cliproxy.HttpResponse
---@field status integer
---@field headers table<string, string> names in lower case
---@field body string

--- Sends a request and waits for the whole answer. No redirects; certificates are verified. Any
--- status is an answer; only a call that got none, or a broken one, is `nil, message, code`
--- ("connect", "dns", "tls", "timeout", "eof", "too_big", …).
---@param request cliproxy.HttpRequest
---@return cliproxy.HttpResponse?
---@return string? message
---@return string? code
function http.request(request) end

return http
