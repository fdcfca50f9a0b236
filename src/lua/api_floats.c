/* The vectors of embeddings between their two forms: a JSON array of numbers, and base64 of little-endian 32-bit
 * floats. Both are JSON text or bytes on either side: no number passes through Lua. Memory for a call belongs to the
 * GC. */
#include "base/buf.h"
#include "base/limits.h"
#include "crypto/encode.h"
#include "lua/vm.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLOAT_TEXT_MAX 20 /* "-1.17549435e-38," */

static int refuse(lua_State *L, const char *message) {
  lua_pushnil(L);
  lua_pushstring(L, message);
  return 2;
}

static const char *skip_space(const char *p) {
  while (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t') p++;
  return p;
}

static void put_float(unsigned char *out, float v) {
  uint32_t bits;
  memcpy(&bits, &v, sizeof bits);
  for (int i = 0; i < 4; i++) out[i] = (unsigned char)(bits >> (8 * i));
}

static float get_float(const unsigned char *p) {
  uint32_t bits = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
  float v;
  memcpy(&v, &bits, sizeof v);
  return v;
}

/* The number at *p, which is moved behind it. What strtof takes beyond JSON is refused. */
static const char *read_number(const char **p, float *out) {
  const char *digits = *p + (**p == '-');
  if (*digits < '0' || *digits > '9' || digits[1] == 'x' || digits[1] == 'X')
    return "it holds something that is no number";
  char *end;
  *out = strtof(*p, &end);
  if (!isfinite(*out)) return "it holds a number beyond 32 bits";
  *p = end;
  return NULL;
}

/* Fills `out`, which has room for one float more than there are commas. */
static const char *read_array(const char *p, unsigned char *out, size_t *n) {
  *n = 0;
  p = skip_space(p);
  if (*p++ != '[') return "it is no list of numbers";
  p = skip_space(p);
  if (*p == ']') return *skip_space(p + 1) ? "something follows the list" : NULL;
  for (;;) {
    float v;
    const char *wrong = read_number(&p, &v);
    if (wrong) return wrong;
    put_float(out + 4 * (*n)++, v);
    p = skip_space(p);
    if (*p == ']') return *skip_space(p + 1) ? "something follows the list" : NULL;
    if (*p != ',') return "it holds something that is no number";
    p = skip_space(p + 1);
  }
}

static int pack(lua_State *L) {
  size_t length, room = 1, n;
  const char *text = luaL_checklstring(L, 1, &length);
  for (const char *p = text; (p = memchr(p, ',', length - (size_t)(p - text))); p++) room++;
  if (room > CPX_FLOATS_MAX) return refuse(L, "it is too long");
  unsigned char *floats = lua_newuserdata(L, room * 4);
  const char *wrong = strlen(text) == length ? read_array(text, floats, &n) : "it holds a zero byte";
  if (wrong) return refuse(L, wrong);
  cpx_buf out = {.cap = n * 6 + 8, .max = n * 6 + 8};
  out.data = lua_newuserdata(L, out.cap);
  if (cpx_base64_encode((cpx_slice){(const char *)floats, n * 4}, &out)) return refuse(L, "it is too long");
  lua_pushlstring(L, out.data, out.len);
  return 1;
}

/* The shortest text that reads back as the same float. */
static size_t format(char *out, float v) {
  int precision = fabsf(v) < FLT_MIN ? 1 : FLT_DIG; /* %g leaves zeros off; denormals have fewer digits */
  for (;; precision++) {
    int n = snprintf(out, FLOAT_TEXT_MAX, "%.*g", precision, (double)v);
    if (precision == 9 || strtof(out, NULL) == v) return (size_t)n;
  }
}

static int unpack(lua_State *L) {
  cpx_slice text;
  text.p = luaL_checklstring(L, 1, &text.n);
  if (text.n / 16 * 3 > CPX_FLOATS_MAX) return refuse(L, "it is too long");
  cpx_buf bytes = {.cap = text.n + 8, .max = text.n + 8};
  bytes.data = lua_newuserdata(L, bytes.cap);
  if (cpx_base64_decode(text, &bytes)) return refuse(L, "it is not valid base64");
  if (bytes.len % 4) return refuse(L, "its length is no multiple of four bytes");
  size_t count = bytes.len / 4, n = 0;
  char *out = lua_newuserdata(L, count * FLOAT_TEXT_MAX + 2);
  out[n++] = '[';
  for (size_t i = 0; i < count; i++) {
    float v = get_float((const unsigned char *)bytes.data + 4 * i);
    if (!isfinite(v)) return refuse(L, "it holds a number that JSON does not have");
    if (i) out[n++] = ',';
    n += format(out + n, v);
  }
  out[n++] = ']';
  lua_pushlstring(L, out, n);
  return 1;
}

int cpx_open_floats(lua_State *L) {
  static const luaL_Reg functions[] = {{"pack", pack}, {"unpack", unpack}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
