---@meta
--- Types of one generation: what `cliproxy.snapshot` builds and the pipeline reads.
--- Everything here is immutable once published.

---@class cliproxy.Snapshot
---@field generation integer 1, 2, 3, …
---@field config cliproxy.Config
---@field routes cliproxy.Routes
---@field instances table<string, cliproxy.Instance> by name; those that are off too
---@field names string[] of the instances, sorted
---@field scripts table<string, cliproxy.Script> by path as shown ("providers/groq.lua")
---@field files table<string, string> what was read: absolute path → content hash, "" where absent
---@field warnings cliproxy.Message[]

--- A loaded script. Shared between generations while its bytes and those of its helpers stay the same.
---@class cliproxy.Script
---@field path string as shown: "providers/groq.lua"
---@field file string absolute
---@field hash string
---@field generation integer the one that loaded it

--- What `cliproxy check` finds.
---@class cliproxy.Message
---@field file string as shown: "config.lua"
---@field line? integer
---@field path? string key path: "providers.groq.timeouts.connect"
---@field message string what is wrong and what to do
---@field warning? boolean true: does not stop a reload

--- config.lua, validated; defaults filled in; durations in seconds, sizes in bytes.
---@class cliproxy.Config
---@field path? string absolute; nil: the built-in configuration
---@field file string as shown: "config.lua" or "(built-in)"
---@field folder? string that holds it
---@field listen string[]
---@field tls? { cert: string, key: string } absolute paths
---@field api_keys { name: string, key: string }[] empty: no keys
---@field admin_key? string
---@field allowed_origins string[]
---@field allowed_hosts string[]
---@field log { level: "debug"|"info"|"warn"|"error", format: "text"|"json" }
---@field body_limit integer
---@field bodies_limit integer
---@field http { head_timeout: number, body_timeout: number, idle_timeout: number, send_timeout: number }
---@field drain_timeout number
---@field state_dir string absolute
---@field timeouts cliproxy.Timeouts
---@field models_ttl number
---@field models? table<string, cliproxy.Caps> by pattern
---@field strict boolean hints that a target cannot take are refused instead of left out
local Config = {}

--- The line of a key path in config.lua; of its nearest parent where the key
--- itself is not there; nil in the built-in one.
---@param path string "allowed_origins"
---@return integer?
function Config:line(path) end

---@class cliproxy.Timeouts
---@field connect number
---@field first_byte number
---@field idle number
---@field total number

--- A provider as configured.
---@class cliproxy.Instance
---@field name string as in config.lua: "work"
---@field script string as shown: "providers/anthropic.lua"
---@field provider cliproxy.Provider the table that the script returned; hooks are its fields
---@field options table<string, any> validated; defaults filled in (base_url without a "/" at its end)
---@field accounts cliproxy.Account[] never empty; one without `api_key` where none is needed
---@field dialects table<string, boolean> set of those it speaks
---@field speaks string[] the same, best first
---@field caps? cliproxy.Caps of the script and of config.lua together
---@field auth? "bearer"|"x-api-key"|"x-goog-api-key"|"none"
---@field timeouts cliproxy.Timeouts
---@field headers? table<string, string> more headers for the upstream; lower-case names
---@field proxy_url? string
---@field unix_socket? string
---@field ca_file? string
---@field http2? boolean
---@field usage? "ask"
---@field models_ttl number
---@field models string[] patterns served without a route
---@field literals string[] those among them that are plain ids
---@field off? string why it is off: "provider groq is off: GROQ_API_KEY is not set (config.lua:14)"
---@field owners table<string, cliproxy.Owner> by hook: { name = "providers/groq.lua: shape()", … }
---@field hooks boolean whether any hook runs at every request (shape, authorize, event, response, execute, own dialect)
---@field own boolean whether it carries its own dialect

--- Where a request goes.
---@class cliproxy.Target
---@field instance cliproxy.Instance never one that is off
---@field model string the upstream's name of the model
---@field weight number
---@field accounts? string[] names; nil: all

--- Targets in order. Shared between requests: do not change it.
---@class cliproxy.Plan
---@field [integer] cliproxy.Target
---@field rule? string what decided: "routes[2]"; nil: the instance's models
---@field strategy string "failover"

---@class cliproxy.Routes
---@field functions integer route functions; 0: `plan` reads nothing of the request but `model`
local Routes = {}

--- The plan for a request. `nil, message, code` with code "no_route", "provider_off", "route_error" (a route function
--- failed or returned nonsense). May wait only where a route function waits.
---@param request cliproxy.Request
---@return cliproxy.Plan?
---@return string? message
---@return string? code
function Routes:plan(request) end

--- Ids that clients may ask for: plain ids of routes and of instances that are on, each once, sorted.
---@return { id: string, instance: string }[]
function Routes:models() end
