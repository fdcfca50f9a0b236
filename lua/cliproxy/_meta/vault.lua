---@meta cliproxy.vault
--- Core only: the files in which accounts' credentials lie, encrypted or plain. A text of an account is replaced as a
--- whole: whenever the process or the machine stops, it is the old or the new one. Written in C: src/lua/api_vault.c
--- over src/store.
---
--- Failures are nil, a sentence that names the file, and a code: "not_found"; "access": made with another key;
--- "forged": changed, cut short or of another account; "syntax": encrypted where plain files are kept, the reverse, or
--- a key that is none; "invalid": a name or path that cannot be; "too_big"; "timeout": another process holds the
--- folder; "io".
local vault = {}

---@class cliproxy.VaultOptions one of `key`, `key_file` and `plain` is needed
---@field folder string absolute; made at the first write, as is what is missing above it
---@field key? string 64 hexadecimal digits
---@field key_file? string absolute path of a file with such a key, where `key` is not given
---@field make_key? boolean makes `key_file` where there is none; otherwise that is "not_found"
---@field plain? boolean keeps plain files

--- Touches nothing on the disk but the key's file.
---@param options cliproxy.VaultOptions
---@return cliproxy.Vault?
---@return string? message
---@return string? code
function vault.open(options) end

--- Names of providers and accounts are any text of up to some 200 bytes without control characters. `write`, `remove`
--- and `list` wait; those of one vault happen one after the other, in the order of their calls, also those whose task
--- was cancelled. Open a folder once: two vaults of one folder know nothing of each other's order.
---@class cliproxy.Vault
local object = {}

--- Blocks for some microseconds.
---@param provider string
---@param account string
---@return string? text
---@return string? message
---@return string? code
function object:read(provider, account) end

--- Waits until the text is on the disk.
---@param provider string
---@param account string
---@param text string at most 256 KB
---@return true?
---@return string? message
---@return string? code
function object:write(provider, account, text) end

--- Waits until the file is gone.
---@param provider string
---@param account string
---@return true?
---@return string? message
---@return string? code
function object:remove(provider, account) end

--- All accounts, in no order. Takes from others the right to read these files; `warnings` tell of it. Waits.
---@return { provider: string, account: string }[]? accounts
---@return string[]|string warnings or the message
---@return string? code
function object:list() end

return vault
