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

--- Whether an RS256 signature (RSASSA-PKCS1-v1_5 with SHA-256, RFC 7518 §3.3) is of this key over these bytes. Keys are
--- the decoded numbers of a JSON Web Key.
---@param n string the modulus: 2,048 to 8,192 bits
---@param e string the exponent
---@param bytes string
---@param signature string
---@return boolean? valid nil: the key cannot be used
---@return string? message
---@return string? code "invalid"
function crypto.verify_rs256(n, e, bytes, signature) end

--- The same for ES256 (ECDSA on P-256 with SHA-256, RFC 7518 §3.4).
---@param x string 32 bytes
---@param y string 32 bytes
---@param bytes string
---@param signature string r and s, 64 bytes
---@return boolean? valid nil: the key cannot be used
---@return string? message
---@return string? code "invalid"
function crypto.verify_es256(x, y, bytes, signature) end

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
