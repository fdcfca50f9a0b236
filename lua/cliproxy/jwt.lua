--- JSON Web Tokens (RFC 7519) in their compact form: taken apart, held to their times, verified against a key set
--- (RFC 7517). Messages never hold the token or parts of it.
local crypto = require("cliproxy.crypto")
local json = require("cliproxy.json")

local M = {}

--- Bytes. Clerk's tokens have some 1 to 4 KB; heads of HTTP, where tokens travel, hold little more.
M.MAX = 16 * 1024

--- Seconds by which clocks may differ.
M.LEEWAY = 60

local KEYS_MAX = 100

---@class cliproxy.Jwt
---@field header table
---@field claims table<string, any>
---@field signed string the bytes that the signature is over
---@field signature string

---@class cliproxy.JwtKey
---@field alg "RS256"|"ES256"
---@field kid? string
---@field a string modulus, or x
---@field b string exponent, or y

---@alias cliproxy.JwtVerifier fun(a: string, b: string, bytes: string, signature: string): boolean?, string?
---@type table<string, cliproxy.JwtVerifier>
local VERIFIERS = { RS256 = crypto.verify_rs256, ES256 = crypto.verify_es256 }

-- A part of the token as a table.
local function object_of(part, what)
  local bytes = crypto.base64url_decode(part)
  if not bytes then
    return nil, ("the token's %s is not base64url"):format(what)
  end
  local document = json.parse(bytes)
  if document == nil or json.kind(document) ~= "object" then
    return nil, ("the token's %s is not a JSON object"):format(what)
  end
  local ok, plain = pcall(json.detach, document)
  json.close(document)
  if not ok then
    return nil, ("the token's %s holds a number that is too large"):format(what)
  end
  return plain
end

local function check_header(header)
  if type(header.alg) ~= "string" or not VERIFIERS[header.alg] then
    return nil, "the token is signed with an algorithm that is not accepted here; RS256 and ES256 are", "algorithm"
  elseif header.crit ~= nil then
    return nil, "the token asks for extensions (crit) that are not known here", "algorithm"
  elseif header.kid ~= nil and type(header.kid) ~= "string" then
    return nil, "the token's kid is not a string", "malformed"
  end
  return true
end

--- Takes a token apart. Its signature is not looked at: see `verify`.
---@param text string at most `MAX` bytes; white space around it is left out
---@return cliproxy.Jwt?
---@return string? message
---@return "malformed"|"algorithm"|"too_big"|nil code
function M.parse(text)
  if #text > M.MAX then -- first: what follows looks at every byte
    return nil, ("the token has %d bytes, more than %d"):format(#text, M.MAX), "too_big"
  end
  local from = text:find("%S")
  text = from and text:match(".*%S", from) or "" -- in one pass, however many blanks there are
  local head, body, signature = text:match("^([%w_-]+)%.([%w_-]+)%.([%w_-]*)$")
  if not head then
    return nil, "this is no JSON Web Token: expected three parts of base64url with dots between them", "malformed"
  end
  local header, message = object_of(head, "header")
  if not header then
    return nil, message, "malformed"
  end
  local ok, wrong, code = check_header(header)
  if not ok then
    return nil, wrong, code
  end
  local claims
  claims, message = object_of(body, "body")
  local bytes = crypto.base64url_decode(signature)
  if not claims or not bytes or bytes == "" then
    return nil, message or "the token has no signature", "malformed"
  end
  return { header = header, claims = claims, signed = head .. "." .. body, signature = bytes }
end

local function seconds_of(claims, name)
  local value = claims[name]
  if value ~= nil and (type(value) ~= "number" or value ~= value or value < 0 or value > 1e12) then
    return nil, ("the token's claim %s is not a time in seconds"):format(name)
  end
  return value
end

local function date(seconds)
  return os.date("!%Y-%m-%d %H:%M:%S UTC", seconds)
end

--- Whether a token's times (exp, nbf, iat) allow its use now; a token without `exp` is refused.
---@param claims table<string, any>
---@param now number seconds since 1970
---@return true?
---@return string? message
---@return "expired"|"not_yet"|"malformed"|nil code
function M.check_times(claims, now)
  local times = {}
  for _, name in ipairs({ "exp", "nbf", "iat" }) do
    local message
    times[name], message = seconds_of(claims, name)
    if message then
      return nil, message, "malformed"
    end
  end
  if not times.exp then
    return nil, "the token has no exp claim, which says when it ends", "malformed"
  elseif now >= times.exp + M.LEEWAY then
    return nil, "the token expired on " .. date(times.exp), "expired"
  end
  local from = math.max(times.nbf or 0, times.iat or 0)
  if now < from - M.LEEWAY then
    return nil, ("the token is not valid before %s; is this machine's clock right?"):format(date(from)), "not_yet"
  end
  return true
end

--- Whether the claims that are needed are there, as texts that are not empty.
---@param claims table<string, any>
---@param names string[]
---@return true?
---@return string? message
---@return "malformed"|nil code
function M.require_claims(claims, names)
  for _, name in ipairs(names) do
    if type(claims[name]) ~= "string" or claims[name] == "" then
      return nil, ("the token has no claim %s"):format(name), "malformed"
    end
  end
  return true
end

local function numbers_of(key)
  if key.kty == "RSA" then
    return "RS256", key.n, key.e
  elseif key.kty == "EC" and key.crv == "P-256" then
    return "ES256", key.x, key.y
  end
end

-- A key for signatures that can be used here; nil for others, which sets may hold as well.
local function key_of(key)
  local alg, a, b = numbers_of(key)
  if not alg or (key.use ~= nil and key.use ~= "sig") or (key.alg ~= nil and key.alg ~= alg) then
    return nil
  end
  a = type(a) == "string" and crypto.base64url_decode(a)
  b = type(b) == "string" and crypto.base64url_decode(b)
  return a and b and { alg = alg, kid = type(key.kid) == "string" and key.kid or nil, a = a, b = b } or nil
end

--- Reads a key set: {"keys": […]}. Keys of other kinds and uses are left out.
---@param text string
---@return cliproxy.JwtKey[]?
---@return string? message
function M.read_keys(text)
  local document = json.parse(text)
  local list = document ~= nil and json.kind(document) == "object" and document.keys
  if not list or json.kind(list) ~= "array" then
    return nil, 'this is no JSON Web Key Set: expected {"keys": […]}'
  end
  local keys = {}
  for i = 1, math.min(#list, KEYS_MAX) do
    local ok, plain = pcall(json.detach, list[i])
    keys[#keys + 1] = ok and type(plain) == "table" and key_of(plain) or nil
  end
  json.close(document)
  if #keys == 0 then
    return nil, "the key set holds no key for RS256 or ES256 signatures"
  end
  return keys
end

--- Whether one of the keys made the token's signature: the one that the token names, where it names one.
---@param token cliproxy.Jwt
---@param keys cliproxy.JwtKey[]
---@return true?
---@return string? message
---@return "no_key"|"signature"|nil code
function M.verify(token, keys)
  local alg, kid, tried = token.header.alg, token.header.kid, false
  for _, key in ipairs(keys) do
    if key.alg == alg and (kid == nil or key.kid == nil or key.kid == kid) then
      tried = true
      if VERIFIERS[alg](key.a, key.b, token.signed, token.signature) then
        return true
      end
    end
  end
  if tried then
    return nil, "the token's signature is not of the issuer's key", "signature"
  end
  return nil, "the key set has no key for this token", "no_key"
end

return M
