---@meta
--- Types of provider scripts and of config.lua, for your editor.
--- providers/README.md and docs/configuration.md explain them.

--- What a script in providers/ returns. Its file is called like `name`.
---@class cliproxy.Provider
---@field name string as the file is called
---@field contract 1 the version of this contract
---@field dialects cliproxy.Dialect[] what it speaks, best first; the client's own is taken when listed
---@field auth? "bearer"|"x-api-key"|"x-goog-api-key"|"none" not needed with `authorize` or `execute`
---@field options? table<string, cliproxy.Option> what config.lua may set, beside what every instance takes
---@field models? string[] served without a route; "*" is any run of characters; plain ids are listed in /v1/models
---@field caps? table<string, any> what this server has or lacks
---@field shape? fun(call: cliproxy.Call) last edits of URL, headers and body; may not wait
---@field authorize? fun(call: cliproxy.Call, account: cliproxy.Account) after all edits; sees the final bytes; may wait
---@field classify? fun(reply: cliproxy.FailedReply): cliproxy.FailureKind?, number?, ("account"|"account_model")?
---@field event? fun(call: cliproxy.Call, event: cliproxy.Event): nil|false|cliproxy.Event|cliproxy.Event[]
---@field response? fun(call: cliproxy.Call, document: cliproxy.json.Node): nil|false|table
---@field discover? fun(call: cliproxy.Call): string[] ids of models, kept for `models_ttl`; may wait
---@field refresh? fun(account: cliproxy.Account): table new credentials; may wait
---@field execute? fun(call: cliproxy.Call, reply: cliproxy.Writer) a transport of its own; may wait
---@field endpoint? fun(operation: cliproxy.Operation, model: string, stream: boolean): string, string method and path
---@field encode_request? fun(call: cliproxy.Call, document: cliproxy.json.Node): any
---@field decode_response? fun(call: cliproxy.Call, document: cliproxy.json.Node): any
---@field stream_decoder? fun(call: cliproxy.Call): fun(event: cliproxy.Event?): any
---@field decode_error? fun(call: cliproxy.Call, reply: cliproxy.FailedReply): any
---@field framing? "sse"|"ndjson"|"json_array"|"raw" of its own dialect's streams

---@alias cliproxy.Dialect "openai_chat"|"openai_responses"|"anthropic"|"gemini"
---@alias cliproxy.Operation "generate"|"count"|"embed"|"complete"|"models"
---@alias cliproxy.FailureKind "client"|"auth"|"signin"|"quota"|"overloaded"|"missing_model"|"upstream"

--- A declared option: what config.lua may write for it.
---@class cliproxy.Option
---@field type cliproxy.OptionTypeName
---@field default? any as config.lua would write it
---@field required? boolean
---@field one_of? any[]
---@field min? number smallest number, duration in seconds, size in bytes, or count of items
---@field max? number
---@field secret? boolean never shown in messages and logs
---@field account? boolean may differ between accounts: accounts = { { name =, api_key =, … } }
---@field of? cliproxy.Option of each item of a list or a map
---@field fields? table<string, cliproxy.Option> of a table
---@field about? string one line for people

---@alias cliproxy.OptionTypeName
---| "string"
---| "secret" # a string that is never shown
---| "url" # without "/" at its end once read
---| "integer"
---| "number"
---| "boolean"
---| "duration" # "5s", "250ms", "1m30s" or seconds; read as seconds
---| "size" # "64MB" or bytes; read as bytes
---| "list"
---| "map" # names and values
---| "table" # with `fields`, else anything

--- A request to a provider, as hooks see and edit it.
---@class cliproxy.Call
---@field operation cliproxy.Operation
---@field dialect string of the upstream
---@field model string the upstream's name
---@field stream boolean
---@field method string
---@field url string
---@field headers table<string, string> names in lower case
---@field body? cliproxy.json.Node assign to its fields to edit
---@field options table<string, any> the instance's, checked and with defaults
---@field account? cliproxy.Account
---@field attempt integer 1 for the first
---@field request cliproxy.Request the client's; read-only

--- One way to authenticate.
---@class cliproxy.Account
---@field name string "default" where config.lua has `api_key` alone
---@field api_key? string
---@field weight number
---@field [string] any options declared with account = true

--- A failed answer.
---@class cliproxy.FailedReply
---@field status integer
---@field headers table<string, string>
---@field body string first 64 KB
---@field error? { message?: string, code?: string, type?: string } decoded by the dialect

--- The client's request, as route functions and hooks see it. Read-only.
---@class cliproxy.Request
---@field model string the one asked for
---@field dialect cliproxy.Dialect
---@field operation cliproxy.Operation
---@field size integer bytes of the body
---@field stream boolean
---@field tools boolean whether it offers any
---@field images boolean whether it holds any
---@field key? string name of the client's key
---@field headers table<string, string> names in lower case; without credentials
---@field body cliproxy.json.Node

-- config.lua ----------------------------------------------------------------------------------------------------

--- The table that config.lua returns. Durations are "5s" or seconds, sizes "64MB" or bytes.
---@class cliproxy.Configuration
---@field listen? string|string[] "127.0.0.1:8317", "[::1]:8317", "unix:/path"
---@field tls? { cert: string, key: string } PEM files
---@field api_keys? (string|{ name: string, key: string })[]
---@field admin_key? string
---@field allowed_origins? string[]
---@field allowed_hosts? string[]
---@field providers? table<string, cliproxy.InstanceOptions>
---@field routes? (cliproxy.Route|cliproxy.RouteFunction)[]
---@field log? { level?: "debug"|"info"|"warn"|"error", format?: "text"|"json" }
---@field body_limit? string|integer
---@field bodies_limit? string|integer
---@field http? cliproxy.HttpOptions
---@field drain_timeout? cliproxy.Duration
---@field state_dir? string
---@field timeouts? cliproxy.TimeoutOptions
---@field models_ttl? cliproxy.Duration

---@alias cliproxy.Duration string|number

---@class cliproxy.HttpOptions
---@field head_timeout? cliproxy.Duration
---@field body_timeout? cliproxy.Duration
---@field idle_timeout? cliproxy.Duration
---@field send_timeout? cliproxy.Duration

---@class cliproxy.TimeoutOptions
---@field connect? cliproxy.Duration
---@field first_byte? cliproxy.Duration
---@field idle? cliproxy.Duration
---@field total? cliproxy.Duration

--- Options of every provider instance; scripts declare more.
---@class cliproxy.InstanceOptions
---@field enabled? boolean
---@field script? string
---@field api_key? string
---@field accounts? { name?: string, api_key?: string, weight?: number, [string]: any }[]
---@field models? string[]
---@field timeouts? cliproxy.TimeoutOptions
---@field proxy_url? string
---@field unix_socket? string
---@field ca_file? string
---@field http2? boolean
---@field usage? "ask"
---@field models_ttl? cliproxy.Duration
---@field headers? table<string, string>
---@field [string] any

---@class cliproxy.Route
---@field model string|string[] a plain id or a pattern with "*"
---@field to cliproxy.RouteTo
---@field strategy? "failover"

---@alias cliproxy.RouteTo string|cliproxy.RouteTarget|(string|cliproxy.RouteTarget)[]
---@alias cliproxy.RouteFunction fun(request: cliproxy.Request): cliproxy.RouteTo?

--- Where a rule sends a request.
---@class cliproxy.RouteTarget
---@field provider string an instance
---@field as? string the upstream's name of the model
---@field weight? number
---@field accounts? string[] names

--- The value of an environment variable, then of a line in `.env` beside config.lua, then `default`. Unset and without
--- a default, it turns off the provider that uses it.
---@param name string
---@param default? string
---@return string
function env(name, default) end -- luacheck: globals env
