#include "base/limits.h"
#include "crypto/digest.h"
#include "crypto/encode.h"
#include "crypto/random.h"
#include "crypto/verify.h"
#include "lua/vm.h"

#define RANDOM_MAX 65536

static cpx_slice check_bytes(lua_State *L, int index) {
  cpx_slice s;
  s.p = luaL_checklstring(L, index, &s.n);
  return s;
}

static int push_digest(lua_State *L, int err, enum cpx_digest kind, const unsigned char *bytes) {
  if (err) return luaL_error(L, "crypto: OpenSSL refused: %s", cpx_error_text(err));
  lua_pushlstring(L, (const char *)bytes, cpx_digest_len(kind));
  return 1;
}

static int digest(lua_State *L) {
  enum cpx_digest kind = (enum cpx_digest)lua_tointeger(L, lua_upvalueindex(1));
  unsigned char out[CPX_DIGEST_MAX];
  return push_digest(L, cpx_digest(kind, check_bytes(L, 1), out), kind, out);
}

static int hmac(lua_State *L) {
  enum cpx_digest kind = (enum cpx_digest)lua_tointeger(L, lua_upvalueindex(1));
  unsigned char out[CPX_DIGEST_MAX];
  return push_digest(L, cpx_hmac(kind, check_bytes(L, 1), check_bytes(L, 2), out), kind, out);
}

static int random_bytes(lua_State *L) {
  lua_Integer n = luaL_checkinteger(L, 1);
  luaL_argcheck(L, n >= 0 && n <= RANDOM_MAX, 1, "0 to 65536 bytes expected");
  void *bytes = lua_newuserdata(L, (size_t)n + 1);
  if (cpx_random(bytes, (size_t)n)) return luaL_error(L, "crypto.random: the system gives no random bytes");
  lua_pushlstring(L, bytes, (size_t)n);
  return 1;
}

static int uuid(lua_State *L) {
  char text[CPX_UUID_LEN + 1];
  if (cpx_random_uuid(text)) return luaL_error(L, "crypto.uuid: the system gives no random bytes");
  lua_pushlstring(L, text, CPX_UUID_LEN);
  return 1;
}

static int equal(lua_State *L) {
  lua_pushboolean(L, cpx_secret_eq(check_bytes(L, 1), check_bytes(L, 2)));
  return 1;
}

typedef int (*verifier)(cpx_slice a, cpx_slice b, cpx_slice data, cpx_slice signature);

/* true; false where the signature is not of this key; nil, message, code where the key is none. */
static int verify(lua_State *L, verifier fn, const char *what) {
  int err = fn(check_bytes(L, 1), check_bytes(L, 2), check_bytes(L, 3), check_bytes(L, 4));
  if (err == 0 || err == CPX_EFORGED) {
    lua_pushboolean(L, err == 0);
    return 1;
  }
  lua_pushnil(L);
  lua_pushfstring(L, "not a usable %s key", what);
  lua_pushstring(L, cpx_error_name(err));
  return 3;
}

static int verify_rs256(lua_State *L) {
  return verify(L, cpx_verify_rs256, "RSA");
}
static int verify_es256(lua_State *L) {
  return verify(L, cpx_verify_es256, "P-256");
}

/* -- Text encodings: the output is built in memory that the GC owns --------------------------------------------- */

typedef int (*coder)(cpx_slice in, cpx_buf *out);

static int code(lua_State *L, coder fn, bool encodes, const char *what) {
  cpx_slice in = check_bytes(L, 1);
  size_t room = encodes ? in.n * 2 + 8 : in.n + 8;
  luaL_argcheck(L, room <= 8 * CPX_LUA_STRING_MAX, 1, "too long");
  cpx_buf out = {.data = lua_newuserdata(L, room), .cap = room, .max = room};
  if (fn(in, &out)) {
    lua_pushnil(L);
    lua_pushfstring(L, "not valid %s", what);
    lua_pushliteral(L, "syntax");
    return 3;
  }
  lua_pushlstring(L, out.data, out.len);
  return 1;
}

static int hex_encode(lua_State *L) {
  return code(L, cpx_hex_encode, true, "hexadecimal");
}
static int hex_decode(lua_State *L) {
  return code(L, cpx_hex_decode, false, "hexadecimal");
}
static int base64_encode(lua_State *L) {
  return code(L, cpx_base64_encode, true, "base64");
}
static int base64_decode(lua_State *L) {
  return code(L, cpx_base64_decode, false, "base64");
}
static int base64url_encode(lua_State *L) {
  return code(L, cpx_base64url_encode, true, "base64url");
}
static int base64url_decode(lua_State *L) {
  return code(L, cpx_base64url_decode, false, "base64url");
}

static void add_kind(lua_State *L, const char *name, lua_CFunction fn, enum cpx_digest kind) {
  lua_pushinteger(L, (lua_Integer)kind);
  lua_pushcclosure(L, fn, 1);
  lua_setfield(L, -2, name);
}

int cpx_open_crypto(lua_State *L) {
  static const luaL_Reg functions[] = {{"random", random_bytes},
                                       {"uuid", uuid},
                                       {"equal", equal},
                                       {"verify_rs256", verify_rs256},
                                       {"verify_es256", verify_es256},
                                       {"hex_encode", hex_encode},
                                       {"hex_decode", hex_decode},
                                       {"base64_encode", base64_encode},
                                       {"base64_decode", base64_decode},
                                       {"base64url_encode", base64url_encode},
                                       {"base64url_decode", base64url_decode},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  add_kind(L, "sha1", digest, CPX_SHA1);
  add_kind(L, "sha256", digest, CPX_SHA256);
  add_kind(L, "sha512", digest, CPX_SHA512);
  add_kind(L, "hmac_sha1", hmac, CPX_SHA1);
  add_kind(L, "hmac_sha256", hmac, CPX_SHA256);
  add_kind(L, "hmac_sha512", hmac, CPX_SHA512);
  return 1;
}
