---@meta cliproxy.server
--- Core only: listeners and the exchanges that come in through them. Written in C: src/lua/api_server.c.
local server = {}

---@class cliproxy.ListenOptions
---@field address string "127.0.0.1:8317", "[::1]:8317", "unix:/path"; port 0: any
---@field tls? { cert: string, key: string } PEM files; reloaded by `server.reload_tls()`

---@class cliproxy.ServerOptions
---@field body_limit? integer bytes
---@field bodies_limit? integer bytes of all request bodies together
---@field head_timeout? number seconds
---@field body_timeout? number
---@field idle_timeout? number
---@field send_timeout? number

--- Sets the function that answers requests: called in a task of its own for each.
--- What it leaves unanswered becomes a 500.
---@param handler fun(exchange: cliproxy.Exchange)
function server.handle(handler) end

---@param options cliproxy.ServerOptions
function server.set(options) end

--- Opens a listener; `nil, message, code` ("address_in_use", …) on failure.
---@param options cliproxy.ListenOptions
---@return string? address the one really bound
---@return string? message
---@return string? code
function server.listen(options) end

--- Reads certificates and keys again; the old ones stay where that fails.
---@return true?, string? message
function server.reload_tls() end

---@param address string
---@return boolean? is_local, string? message
function server.check_address(address) end

--- Closes the listeners, lets live answers end for at most `seconds`, aborts the rest. Waits.
---@param seconds number
---@return integer aborted answers that were cut
function server.drain(seconds) end

---@return { connections: integer, active: integer, body_bytes: integer, requests: integer, faults: integer }
function server.counts() end

--- A set of header names in lower case for `pick`; one that ends in "*" stands for all
--- that begin so. It answers names("x-a"), too.
---@class cliproxy.HeaderNames
---@operator call(string): boolean

---@param names string[] at most 64
---@return cliproxy.HeaderNames
function server.header_names(names) end

---@class cliproxy.Fault
---@field status integer
---@field code string
---@field text string

--- A request and its answer. Fields are read in C; all strings are copies made when asked for.
---@class cliproxy.Exchange
---@field method string
---@field path string as sent, without the query
---@field query string behind the "?", maybe empty
---@field peer string "127.0.0.1:53412"
---@field is_local boolean
---@field size integer bytes of the decoded body
---@field fault? cliproxy.Fault broken rules of HTTP: answer it with this status; the connection closes behind
---@field gone boolean the client left before the answer ended
---@field age number seconds since the request was complete
---@field head_sent boolean
---@field ended boolean
---@field written integer bytes of body sent
local exchange = {}

--- What every request is asked first, in one call.
---@return string method, string path, string query, integer size, cliproxy.Fault? fault
function exchange:request() end

--- The first header of that name; of several names each one's. Give names in lower case.
---@param name string
---@param ... string
---@return string? value
---@return string? ...
function exchange:header(name, ...) end

--- All headers: names in lower case, several of one name joined with ", ".
---@return table<string, string>
function exchange:headers() end

--- Copies the headers of the set into a table, as `headers` would give them: cheaper than all of them.
---@param names cliproxy.HeaderNames
---@param into? table<string, string> a new one without it
---@return table<string, string> into
function exchange:pick(names, into) end

--- The body as a document, parsed at the first call; it belongs to the exchange and is closed with it.
---@return cliproxy.json.Node? document
---@return string? message what is wrong and where
---@return string? code "syntax", "utf8", "depth", "duplicate", "too_big"
function exchange:document() end

---@return string
function exchange:body() end

--- Whether these bytes stand anywhere in the body.
---@param text string
---@return boolean
function exchange:contains(text) end

--- A whole answer. `body`: bytes, a document, or nil.
---@param status integer
---@param headers table<string, string|string[]>
---@param body? string|cliproxy.json.Node
---@return true?, string? message
function exchange:respond(status, headers, body) end

--- The head of a streamed answer. With a reply its headers of the set pass as well, but for those in `headers`.
---@param status integer
---@param headers table<string, string|string[]>
---@param length? integer
---@param reply? cliproxy.Reply
---@param names? cliproxy.HeaderNames
---@return true?, string? message
function exchange:start(status, headers, length, reply, names) end

--- Sends a piece of the body; waits while the client is slow. nil when the client is gone.
---@param bytes string
---@return true?, string? message
function exchange:write(bytes) end

--- Ends the answer properly. What was promised and not written cuts the connection instead.
function exchange:finish() end

--- Cuts the connection, so that the client cannot take the answer for complete.
function exchange:abort() end

--- The client may leave from now on: the terminal event is out.
function exchange:mark_complete() end

--- Called once when the client leaves before the answer ended; the exchange's task is cancelled
--- right after, unless it returns true. It may not wait. A second one replaces the first. Of a
--- table its function `gone` is called, with the table.
---@param handler fun(): boolean? | { gone: fun(self: table): boolean? }
function exchange:on_gone(handler) end

return server
