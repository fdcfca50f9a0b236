---@meta cliproxy.crypto
--- Digests, HMAC, randomness and text encodings, over strings of bytes. Digests are raw bytes: show them with
--- `hex_encode`. Written in C: src/lua/api_crypto.c over src/crypto.
local crypto = {}

---@param bytes string
---@return string digest 20 bytes
function crypto.sha1(bytes) end
---@param bytes string
---@return string digest 32 bytes
function crypto.sha256(bytes) end
---@param bytes string
---@return string digest 64 bytes
function crypto.sha512(bytes) end

---@param key string
---@param bytes string
---@return string mac 20 bytes
function crypto.hmac_sha1(key, bytes) end
---@param key string
---@param bytes string
---@return string mac 32 bytes
function crypto.hmac_sha256(key, bytes) end
---@param key string
---@param bytes string
---@return string mac 64 bytes
function crypto.hmac_sha512(key, bytes) end

--- Bytes that nobody can guess.
---@param count integer 0 to 65536
---@return string
function crypto.random(count) end

--- A random UUID, version 4: "c56a4180-65aa-42ec-a945-5fd21dec0538".
---@return string
function crypto.uuid() end

--- Compares secrets in a time that tells nothing but whether their lengths differ: compare their digests.
---@param a string
---@param b string
---@return boolean
function crypto.equal(a, b) end

---@param bytes string
---@return string text lower case
function crypto.hex_encode(bytes) end
---@param text string
---@return string? bytes
---@return string? message
---@return string? code "syntax"
function crypto.hex_decode(text) end

---@param bytes string
---@return string text with padding
function crypto.base64_encode(bytes) end
--- Strict: padding is required, white space is refused.
---@param text string
---@return string? bytes
---@return string? message
---@return string? code "syntax"
function crypto.base64_decode(text) end

---@param bytes string
---@return string text without padding
function crypto.base64url_encode(bytes) end
---@param text string with or without padding
---@return string? bytes
---@return string? message
---@return string? code "syntax"
function crypto.base64url_decode(text) end

return crypto
