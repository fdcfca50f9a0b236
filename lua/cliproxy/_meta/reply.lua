---@meta cliproxy.reply
--- Core only: calls to providers and their answers. Written in C: src/lua/api_reply.c over http/reply.h.
local reply = {}

---@class cliproxy.Send
---@field method string
---@field url string
---@field headers table<string, string|string[]>
---@field body? string|string[]|cliproxy.json.Node a document goes as its parts, a list as its pieces: not joined
---@field stream boolean
---@field dialect string of the upstream: "openai_chat" | "openai_responses" | "anthropic" | "gemini" | anything else
---@field framing? "sse"|"ndjson"|"json_array"|"raw"
---@field timeouts? { connect?: number, first_byte?: number, idle?: number, total?: number } seconds
---@field proxy_url? string
---@field unix_socket? string
---@field ca_file? string
---@field http2? boolean

--- Calls a provider and waits until its answer commits (see reply.h). nil only when the call cannot be
--- made at all; a failed call is a reply with status 0.
---@param send cliproxy.Send
---@return cliproxy.Reply?
---@return string? message
---@return string? code
function reply.send(send) end

--- The same for a script's own transport: runs `fn(writer)` in a task of its own as the source.
---@param spec { stream: boolean, dialect: string, framing?: string, timeouts?: table }
---@param fn fun(writer: cliproxy.Writer)
---@param owner? cliproxy.Owner whose budget pays
---@return cliproxy.Reply
function reply.execute(spec, fn, owner) end

--- What `execute` hooks write their answer with. All raise when used out of order.
---@class cliproxy.Writer
local writer = {}
---@param status integer
---@param headers? table<string, string>
function writer.head(status, headers) end
--- Waits while the client is slow. Raises "cancelled" when nobody listens any more.
---@param bytes string
function writer.write(bytes) end
function writer.finish() end
--- Breaks the answer off: before any byte it becomes an upstream error, later a cut stream.
---@param kind string "upstream" | "overloaded" | "timeout" | …
---@param message string
function writer.fail(kind, message) end

---@class cliproxy.Event
---@field type string SSE's `event:` field or ""
---@field data string
---@field raw string

---@class cliproxy.Usage
---@field input? integer with cached and cache-written tokens
---@field output? integer with reasoning
---@field cached? integer
---@field cache_written? integer
---@field reasoning? integer

---@class cliproxy.Relayed
---@field ok boolean whole, and (a stream) properly ended in its dialect
---@field code? string "timeout", "eof", "cancelled", …
---@field message? string
---@field bytes integer
---@field complete boolean the terminal event passed, or the message was whole
---@field client_gone boolean

---@class cliproxy.Reply
---@field status integer 0: no answer, see `code` and `message`
---@field length integer -1 unknown
---@field code? string
---@field message? string
---@field committed boolean the upstream may have seen the request (with status 0)
---@field first_event? cliproxy.Event
---@field held string what was held: of a failed answer its (first 64 KB of) body
---@field head_seconds? number from the call to its head
---@field first_seconds? number from the call to the first byte of the body
---@field events integer stream events so far
---@field is_stream boolean by the answer's content type
---@field kind? string what writer.fail gave
---@field script_failed boolean execute() itself raised: `message` is its error
local object = {}

--- What every answer is asked first, in one call.
---@return integer status, boolean is_stream, integer length, string? content_type, string? code
function object:head() end

---@param name string lower case
---@return string?
function object:header(name) end
---@return table<string, string>
function object:headers() end
--- Copies the headers of the set into a table: cheaper than all of them.
---@param names cliproxy.HeaderNames of `server.header_names`
---@param into table<string, string>
function object:pick(names, into) end

--- Relays what is held and all that follows to the exchange, whose head must have been sent. Waits to the end. On
--- success the exchange is ended; on an upstream failure it is left open for an error event.
---@param exchange cliproxy.Exchange
---@param brief? boolean true instead of a table where all went well
---@return cliproxy.Relayed|true
function object:relay(exchange, brief) end

--- The next stream event; nil at a complete end; nil, message, code on failure. Waits; gives way to
--- others by itself after 64 KB or 1 ms of Lua in one turn.
---@return cliproxy.Event|false|nil event
---@return string? message
---@return string? code
function object:next_event() end

--- From here on `next_event` may take events by itself: those like two examples that `learn` was given in a row. What
--- it makes of them goes to the exchange; `absorbed` tells of them. `next_event` gives false where the client is slow:
--- write (nothing) to the exchange, which waits, and ask again. See src/http/lane.h.
---@param exchange cliproxy.Exchange
function object:use_lane(exchange) end

--- An example: an event, the JSON text of the string in it, and the bytes that were made of it.
---@param type string
---@param data string
---@param literal cliproxy.Literal
---@param out string
---@return boolean active
function object:learn(type, data, literal, out) end

--- Forgets the examples.
function object:forget() end

--- How many events were taken since the last time, and their strings' contents joined, without quotes.
---@return integer count
---@return string? contents
---@return string? counts the data of the last of them, with "" for its string, where it counts tokens (…TokenCount)
---@return string? made the bytes that were sent: in sanitized builds, which check them
function object:absorbed() end

--- The whole body; waits.
---@param max? integer bytes, 64 MB by default and at most
---@return string?, string? message, string? code
function object:body(max) end

--- The whole body as a document; waits. Close it with `json.close` or let the request's end do so.
---@return cliproxy.json.Node?, string? message, string? code
function object:document() end

---@class cliproxy.TappedFacts
---@field model? string
---@field stop? string
---@field id? string
---@field error_message? string
---@field error_code? string
---@field terminal boolean

--- What the tap read in passing.
---@return cliproxy.Usage usage
---@return cliproxy.TappedFacts facts
function object:tapped() end

--- Of that what every request's record needs.
---@return integer? input, integer? output, integer? cached, string? error_message
function object:tokens() end

--- Cancels the upstream call now and frees what is held; every later use raises, and a task that waits gets nil,
--- message, "closed". Safe to call twice; done at the end of the request's task anyway.
function object:close() end

---@return { calls: integer, reused: integer, resent: integer, running: integer, kept: integer }
function reply.counts() end

--- Closes kept connections to providers: after a configuration change.
function reply.forget() end

return reply
