---@meta cliproxy.json
--- JSON without loss. A document is kept as its bytes; values are read when asked for, edits are spliced in, and
--- what nobody touched is sent on byte for byte: key order, spacing, escapes and the spelling of numbers. Written
--- in C: src/lua/api_json.c over json/json.h.
---
---     local doc = assert(json.parse(bytes))
---     doc.model = "gpt-5"                          -- replaces the value in its place, or adds the member last
---     doc.stream_options = nil                     -- removes the member
---     for i, message in json.each(doc.messages) do print(i, message.role) end
---     json.insert(doc.messages, 1, { role = "system", content = "Be brief." })
---     bytes = json.encode(doc)
---
--- What is handed to these functions wrongly raises; what comes from outside (json.parse) returns nil, message, code.
---@class cliproxy.json
local json = {}

--- JSON's null: a value of its own and true in conditions; ask `json.present(v)`.
---@type lightuserdata
json.null = nil

--- An object or an array of a document, or a scalar that was asked for by `json.node`. Nodes have no methods: every
--- key is the document's.
---
--- Reading: `node.key`, `node["key"]`, `node[i]` from 1. What is absent reads nil, and so do a string key on an
--- array and a number on an object: a client's document of the wrong shape looks empty instead of raising. Strings,
--- booleans and numbers read as Lua values, null as `json.null`, objects and arrays as nodes. A number that a
--- double cannot hold exactly (9007199254740993, 1e400, 0.10000000000000000001) reads as a node of kind "number"
--- and is never rounded. A string with an escaped lone surrogate reads with its three WTF-8 bytes, which are
--- written as the same escape again.
---
--- Writing: `node.key = value`, `array[i] = value` for i up to #array + 1. nil removes a member of an object; on an
--- array it raises (use `json.remove`), as do indexes beyond the end, string keys on arrays, and numbers on objects.
---
--- `#node` is the number of elements or members. `==` is true for two nodes of the same
--- place. `tostring` gives the text of a number or a string, and a description of containers.
--- A node whose document is closed raises "document closed".
---@class cliproxy.json.Node
---@field [string|integer] any
---@operator len: integer

---@alias cliproxy.json.Value nil|string|number|boolean|lightuserdata|cliproxy.json.Node

--- Anything that can stand in a document. Tables: a sequence is an array, other tables are objects with their keys
--- sorted. An empty table raises: say `json.array{}` or `json.object{}`. Nodes inside are copied as the bytes they
--- are. These raise: holes, mixed or other keys, functions, NaN and infinity, strings that are not UTF-8, cycles
--- and depth beyond 512.
---@alias cliproxy.json.Input string|number|boolean|lightuserdata|table|cliproxy.json.Node

---@alias cliproxy.json.Kind "object"|"array"|"string"|"number"|"boolean"|"null"

--- A document from its bytes: its root as reading gives it. nil for bad input, with a message that has line and
--- column and a code: "syntax" (also a byte order mark and bytes behind the value), "utf8", "depth" (beyond 512),
--- "duplicate" (a key twice in one object, escapes considered), "too_big" (64 MB, 8 million values, 100,000 members
--- of one object), "nomem".
---@param bytes string
---@return cliproxy.json.Value value
---@return string? message
---@return string? code
---@nodiscard
function json.parse(bytes) end

--- The text of any value. A document that nobody edited gives its own bytes. Numbers are written in the shortest
--- form that reads back the same. Raises for what a document cannot hold.
---@param value cliproxy.json.Input
---@return string
---@nodiscard
function json.encode(value) end

--- The children in document order: index and value, or key and value. Values may be replaced and the member just
--- seen may be removed on the way. Raises for anything but an object or array node.
---@param node cliproxy.json.Node
---@return fun(): (string|integer)?, cliproxy.json.Value
function json.each(node) end

--- Several values in one call, each by its path: keys and indexes from 1 with dots between, for keys without dots.
---
---     local input, cached = json.pick(doc, "usage.prompt_tokens", "usage.prompt_tokens_details.cached_tokens")
---
--- Each is what reading gives, but null reads nil. What is no node has no values: `json.pick(5, "a")` is nil.
---@param value any
---@param ... string
---@return cliproxy.json.Value ...
---@nodiscard
function json.pick(value, ...) end

--- Several members of an object in one call, with strings as their JSON text (`"\"Hello\""`); other values are what
--- reading gives, but null reads nil. The first result is how many members the object has; it is nil for all that is
--- no object, and so are the values then. Not more than 32 keys.
---@param value any
---@param ... string keys
---@return integer? members
---@return cliproxy.json.Value ...
---@nodiscard
function json.members(value, ...) end

--- How many elements an array has; nil for all that is none.
---@param value any
---@return integer?
---@nodiscard
function json.length(value) end

--- One element of an array as `json.members` reads it: `json.row(list, 2, "type", "text")`. Of lists that are short,
--- as `json.rows` makes an iterator.
---@param array cliproxy.json.Node
---@param index integer from 1
---@param ... string keys
---@return integer? members
---@return cliproxy.json.Value ...
---@nodiscard
function json.row(array, index, ...) end

--- The elements of an array as `json.members` reads them: index, number of members, values.
---
---     for i, members, role, content in json.rows(doc.messages, "role", "content") do … end
---
---@param array cliproxy.json.Node
---@param ... string keys
---@return fun(): integer?, integer?, ...
function json.rows(array, ...) end

--- Neither nil nor `json.null`.
---@param value any
---@return boolean
---@nodiscard
function json.present(value) end

--- What a value is or would be in JSON; nil for nil, functions and what else has no place in JSON.
---@param value any
---@return cliproxy.json.Kind?
---@nodiscard
function json.kind(value) end

--- The bytes of a node, or of a child of it, as they would be sent: `json.raw(doc, "model")` → `"gpt-5"` with its
--- quotes. nil when there is no such child.
---@param node cliproxy.json.Node
---@param key? string|integer
---@return string?
---@nodiscard
function json.raw(node, key) end

--- The child as a node whatever its kind, to hand it on without reading it: a
--- megabyte of base64, a number of any size.
---@param node cliproxy.json.Node
---@param key string|integer
---@return cliproxy.json.Node?
---@nodiscard
function json.node(node, key) end

--- The Lua value of a node made by `json.node`; a number becomes the nearest double, rounded where it must.
--- Objects, arrays and everything that is no node are returned as they are.
---@param value any
---@return any
---@nodiscard
function json.value(value) end

--- Puts a value before `index` (1 to #array + 1; without it, last).
---@param array cliproxy.json.Node
---@param index integer
---@param value cliproxy.json.Input
---@overload fun(array: cliproxy.json.Node, value: cliproxy.json.Input)
function json.insert(array, index, value) end

--- Takes an element (without an index the last) or a member out and returns it; nil when there is none. A node
--- taken out stays readable.
---@param node cliproxy.json.Node
---@param key? integer|string
---@return cliproxy.json.Value
function json.remove(node, key) end

--- The JSON text of a short string that holds nothing to escape: names, ids. nil where it is longer than 256 bytes or
--- holds other than printable ASCII; `json.encode` takes those.
---@param text string
---@return string?
---@nodiscard
function json.quoted(text) end

--- The string that a JSON text of one stands for; nil where it is no such text. A lone surrogate gives its three WTF-8
--- bytes, as reading does.
---@param literal string
---@return string?
---@nodiscard
function json.unquoted(literal) end

--- What a JSON text is, without a document of it; nil where it is no JSON.
---@param text string
---@return cliproxy.json.Kind?
---@nodiscard
function json.check(text) end

--- Marks a table as an array (`json.array{}` is `[]`) and returns it.
---@generic T: table
---@param t? T
---@return T
function json.array(t) end

--- Marks a table as an object (`json.object{}` is `{}`) and returns it. Its sequence part may list members in an
--- order of its own: `json.object{ { "type", "text" }, { "text", "hi" } }`; named fields follow, sorted.
---@generic T: table
---@param t? T
---@return T
function json.object(t) end

--- A deep copy of plain Lua values, for `state` and `store`: marked tables, `json.null`. Raises for a number that a
--- Lua number cannot hold exactly. Other values are returned as they are.
---@param value any
---@return any
---@nodiscard
function json.detach(value) end

--- A second document of the same bytes, without the edits of the first: for another attempt.
---@param node cliproxy.json.Node
---@return cliproxy.json.Node
---@nodiscard
function json.original(node) end

--- Frees the document of a node at once. All its nodes raise "document closed"
--- from then on. Harmless when closed already.
---@param node cliproxy.json.Node
function json.close(node) end

--- What scripts find as `ipairs`: takes tables and array nodes.
---@param t table|cliproxy.json.Node
function json.ipairs(t) end

--- What scripts find as `pairs`: takes tables and nodes.
---@param t table|cliproxy.json.Node
function json.pairs(t) end

--- What scripts find as `table.insert`: takes tables and array nodes.
---@param t table|cliproxy.json.Node
---@param index any
---@param value? any
function json.table_insert(t, index, value) end

--- What scripts find as `table.remove`: takes tables and array nodes.
---@param t table|cliproxy.json.Node
---@param index? integer
---@return any
function json.table_remove(t, index) end

return json
