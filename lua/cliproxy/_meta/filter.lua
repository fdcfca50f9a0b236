---@meta
--- Types of filter scripts, for your editor. docs/filters.md explains them.

--- What a script in providers/filters/ returns. Its file is called like `name`.
---@class cliproxy.FilterScript
---@field name string as the file is called
---@field contract 1 the version of this contract
---@field options? table<string, cliproxy.Option> what an item of `filters` may set; `when` is every filter's
---@field request? fun(view: cliproxy.View, context: cliproxy.FilterContext): cliproxy.Refusal? before a request is sent
---@field response? fun(context: cliproxy.FilterContext, document: cliproxy.json.Node): nil|table|cliproxy.Refusal
--- a whole answer in the client's dialect
---@field event? fun(context: cliproxy.FilterContext, event: cliproxy.Event): nil|false|cliproxy.Event|cliproxy.Event[]
--- each event of a stream in the client's dialect

--- What `context.refuse` returned.
---@class cliproxy.Refusal

--- A request by the same names in every dialect. What a dialect does not have reads nil; setting it raises.
---@class cliproxy.View
---@field system? string all that stands in front of the conversation; nil removes it
---@field system_parts cliproxy.ViewPart[] the same, text by text
---@field messages cliproxy.ViewMessage[] without the system's in front
---@field tools cliproxy.ViewTool[]
---@field max_tokens? integer
---@field temperature? number
---@field top_p? number
---@field top_k? number
---@field seed? integer
---@field stop? string[] may be set to one string, too
---@field model string as asked for; read-only
---@field stream boolean read-only

---@class cliproxy.ViewMessage
---@field role "user"|"assistant"|"system"|"tool" read-only
---@field text string its texts in one; of a message of one tool result that result
---@field parts cliproxy.ViewPart[]
---@field raw? cliproxy.json.Node as the dialect has it

---@alias cliproxy.ViewPartKind
---| "text"
---| "refusal"
---| "image"
---| "audio"
---| "document"
---| "reasoning" # what a model thought; its text cannot be set
---| "tool_call"
---| "tool_result"
---| "other" # what only this dialect has

---@class cliproxy.ViewPart
---@field kind cliproxy.ViewPartKind read-only
---@field text? string nil where it has none
---@field input? string of a tool_call: JSON text, or what a tool of free text gets
---@field id? string of a tool_call and a tool_result: the call's; read-only
---@field name? string of a tool_call; read-only
---@field is_error boolean of a tool_result; read-only
---@field raw cliproxy.json.Node

---@class cliproxy.ViewTool
---@field kind string "function", "custom", or the dialect's word for a tool of the service; read-only
---@field name string
---@field description? string
---@field raw cliproxy.json.Node

--- What a filter knows of a request, the same table in all its hooks.
---@class cliproxy.FilterContext
---@field raw cliproxy.json.Node the client's document
---@field dialect cliproxy.Dialect the client's
---@field operation "generate"|"count"|"embed"|"complete"
---@field stream boolean
---@field model string as asked for
---@field target string the provider's name of it
---@field provider string the instance
---@field key? string name of the client's key
---@field id string of the request, as logs have it
---@field request cliproxy.Request the client's; read-only
---@field options table<string, any> checked and with defaults
---@field state table for the filter's own use during this request
---@field warn fun(text: string) adds to x-cliproxy-warnings and the log
---@field refuse fun(status: integer, text: string): cliproxy.Refusal to be returned
---@field insert fun(list: cliproxy.ViewMessage[], index: integer, message: table): cliproxy.ViewMessage
---@field remove fun(item: cliproxy.ViewMessage|cliproxy.ViewPart|cliproxy.ViewTool)
---@field each_text fun(fn: fun(text: string, kind: string, role?: string): string?) every text that a model is to read

-- config.lua ----------------------------------------------------------------------------------------------------

---@alias cliproxy.FilterItem string|cliproxy.FilterOptions

--- `{ "name", when = { … }, options… }`
---@class cliproxy.FilterOptions
---@field [1] string
---@field when? { client?: string|string[], model?: string|string[], provider?: string|string[], key?: string|string[] }
---@field [string] any

---@class cliproxy.PayloadOptions
---@field model? string|string[] the provider's name of it, or patterns
---@field dialect? string|string[] of the body that is sent
---@field provider? string|string[] instances
---@field operation? string|string[] "generate" by default
---@field defaults? table<string, any> path → value, where there is none
---@field overrides? table<string, any> path → value
---@field remove? string|string[] paths
