/* The bounded string functions: what scripts find in `string`, and every string's own methods. */
#include "lua/pattern.h"
#include "lua/sandbox_libs.h"
#include "lua/vm_internal.h"

#include <limits.h>
#include <stdlib.h>

#define CHECK_EVERY 4096

static cpx_slice check_string(lua_State *L, int index) {
  cpx_slice s;
  s.p = luaL_checklstring(L, index, &s.n);
  return s;
}

static void too_long(lua_State *L, const char *what, lua_Number bytes) {
  lua_Number mb = bytes / CPX_MB;
  luaL_error(L, "%s: the result would have %d MB, more than %d MB", what, mb < INT_MAX ? (int)mb : INT_MAX,
             (int)(CPX_LUA_STRING_MAX / CPX_MB));
}

/* -- rep, format: LuaJIT's own behind a look at the size -------------------------------------------------------- */

static int call_original(lua_State *L, int results) {
  int n = lua_gettop(L);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, n, results);
  return lua_gettop(L);
}

static int rep(lua_State *L) {
  size_t separator = 0, n = check_string(L, 1).n;
  lua_Number count = luaL_checknumber(L, 2);
  if (!lua_isnoneornil(L, 3)) separator = check_string(L, 3).n;
  lua_Number total = count > 0 ? count * ((lua_Number)n + (lua_Number)separator) : 0;
  if (total > CPX_LUA_STRING_MAX) too_long(L, "string.rep", total);
  return call_original(L, 1);
}

static int format(lua_State *L) {
  lua_Number total = 0;
  cpx_check_running(L); /* a __tostring may call format again */
  for (int i = lua_gettop(L); i > 0; i--)
    if (lua_type(L, i) == LUA_TSTRING) total += (lua_Number)lua_objlen(L, i);
  if (total > CPX_LUA_STRING_MAX) too_long(L, "string.format", total);
  return call_original(L, 1);
}

/* -- find, match, gmatch ---------------------------------------------------------------------------------------- */

static bool is_plain(cpx_slice pattern) {
  for (size_t i = 0; i < pattern.n; i++)
    if (pattern.p[i] && strchr("^$*+?.([%-", pattern.p[i])) return false;
  return true;
}

static int find_plain(lua_State *L, cpx_slice s, cpx_slice pattern, size_t init) {
  const char *at = pattern.n ? memmem(s.p + init, s.n - init, pattern.p, pattern.n) : s.p + init;
  if (!at) return 0;
  lua_pushinteger(L, at - s.p + 1);
  lua_pushinteger(L, at - s.p + (ptrdiff_t)pattern.n);
  return 2;
}

static size_t check_init(lua_State *L, int index, size_t n) {
  ptrdiff_t init = luaL_optinteger(L, index, 1);
  if (init < 0) init += (ptrdiff_t)n + 1;
  if (init < 1) init = 1;
  return (size_t)init - 1 > n ? n : (size_t)init - 1;
}

static int find_or_match(lua_State *L, bool find) {
  cpx_slice s = check_string(L, 1), pattern = check_string(L, 2);
  size_t init = check_init(L, 3, s.n);
  if (find && (lua_toboolean(L, 4) || is_plain(pattern))) {
    int n = find_plain(L, s, pattern, init);
    if (n) return n;
    lua_pushnil(L);
    return 1;
  }
  cpx_match m;
  cpx_match_init(&m, L, s, pattern);
  bool anchored = pattern.n && pattern.p[0] == '^';
  const char *p = pattern.p + (anchored ? 1 : 0), *from = s.p + init;
  do {
    const char *e = cpx_match_at(&m, from, p);
    if (!e) continue;
    if (!find) return cpx_match_push_all(&m, from, e);
    lua_pushinteger(L, from - s.p + 1);
    lua_pushinteger(L, e - s.p);
    return cpx_match_push_all(&m, NULL, NULL) + 2;
  } while (from++ < m.end && !anchored);
  lua_pushnil(L);
  return 1;
}

static int find(lua_State *L) {
  return find_or_match(L, true);
}

static int match(lua_State *L) {
  return find_or_match(L, false);
}

/* Upvalues: subject, pattern, offset of the next try. */
static int next_match(lua_State *L) {
  cpx_slice s = check_string(L, lua_upvalueindex(1)), pattern = check_string(L, lua_upvalueindex(2));
  cpx_match m;
  cpx_match_init(&m, L, s, pattern);
  for (const char *from = s.p + (size_t)lua_tointeger(L, lua_upvalueindex(3)); from <= m.end; from++) {
    const char *e = cpx_match_at(&m, from, pattern.p);
    if (!e) continue;
    lua_pushinteger(L, e - s.p + (e == from ? 1 : 0)); /* an empty match: the next try is one further */
    lua_replace(L, lua_upvalueindex(3));
    return cpx_match_push_all(&m, from, e);
  }
  return 0;
}

static int gmatch(lua_State *L) {
  (void)check_string(L, 1);
  (void)check_string(L, 2);
  lua_settop(L, 2);
  lua_pushinteger(L, 0);
  lua_pushcclosure(L, next_match, 3);
  return 1;
}

/* -- gsub ------------------------------------------------------------------------------------------------------- */

/* The result as it grows: on the C stack while small, then in a userdata at stack index `slot`, so that nothing leaks
 * when a replacement raises. */
typedef struct output {
  lua_State *L;
  int slot;
  char *data;
  size_t len, cap;
  unsigned rounds;
  char small[512];
} output;

/* For loops that take no steps of the matcher. */
static void count_round(output *o) {
  if (++o->rounds % CHECK_EVERY == 0) cpx_check_running(o->L);
}

static void add(output *o, const char *bytes, size_t n) {
  if (n > o->cap - o->len) {
    if (n > CPX_LUA_STRING_MAX || o->len + n > CPX_LUA_STRING_MAX)
      too_long(o->L, "string.gsub", (lua_Number)o->len + (lua_Number)n);
    size_t cap = o->cap * 2 > o->len + n ? o->cap * 2 : o->len + n;
    char *data = lua_newuserdata(o->L, cap);
    memcpy(data, o->data, o->len);
    lua_replace(o->L, o->slot);
    o->data = data;
    o->cap = cap;
  }
  memcpy(o->data + o->len, bytes, n);
  o->len += n;
}

static void add_value(output *o, cpx_match *m, const char *s, const char *e) {
  lua_State *L = o->L;
  if (!lua_toboolean(L, -1)) {
    add(o, s, (size_t)(e - s));
  } else if (!lua_isstring(L, -1)) {
    luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
  } else {
    size_t n;
    const char *text = lua_tolstring(L, -1, &n);
    add(o, text, n);
  }
  lua_pop(L, 1);
  (void)m;
}

static void add_template(output *o, cpx_match *m, cpx_slice text, const char *s, const char *e) {
  for (size_t i = 0; i < text.n; i++) {
    if (text.p[i] != '%') {
      add(o, text.p + i, 1);
      continue;
    }
    char c = ++i < text.n ? text.p[i] : '\0';
    if (c < '0' || c > '9') {
      add(o, &c, i < text.n ? 1 : 0);
    } else if (c == '0') {
      add(o, s, (size_t)(e - s));
    } else {
      count_round(o);
      cpx_match_push(m, c - '1', s, e);
      size_t n;
      const char *capture = lua_tolstring(o->L, -1, &n);
      add(o, capture, n);
      lua_pop(o->L, 1);
    }
  }
}

static void replace(output *o, cpx_match *m, const char *s, const char *e) {
  lua_State *L = o->L;
  switch (lua_type(L, 3)) {
  case LUA_TFUNCTION:
    cpx_check_running(L);
    lua_pushvalue(L, 3);
    lua_call(L, cpx_match_push_all(m, s, e), 1);
    add_value(o, m, s, e);
    break;
  case LUA_TTABLE:
    cpx_check_running(L); /* an __index may call gsub again */
    cpx_match_push(m, 0, s, e);
    lua_gettable(L, 3);
    add_value(o, m, s, e);
    break;
  default: add_template(o, m, check_string(L, 3), s, e);
  }
}

static int gsub(lua_State *L) {
  cpx_slice s = check_string(L, 1), pattern = check_string(L, 2);
  int type = lua_type(L, 3);
  luaL_argcheck(L, type == LUA_TSTRING || type == LUA_TNUMBER || type == LUA_TTABLE || type == LUA_TFUNCTION, 3,
                "string, function or table expected");
  lua_Number max = luaL_optnumber(L, 4, (lua_Number)s.n + 1), count = 0;
  lua_settop(L, 3);
  lua_pushnil(L); /* the slot of the output */
  output o = {.L = L, .slot = 4, .cap = sizeof o.small};
  o.data = o.small;
  cpx_match m;
  cpx_match_init(&m, L, s, pattern);
  bool anchored = pattern.n && pattern.p[0] == '^';
  const char *p = pattern.p + (anchored ? 1 : 0), *at = s.p;
  while (count < max) {
    count_round(&o);
    const char *e = cpx_match_at(&m, at, p);
    if (e) {
      count++;
      replace(&o, &m, at, e);
    }
    if (e && e > at)
      at = e;
    else if (at < m.end)
      add(&o, at++, 1);
    else
      break;
    if (anchored) break;
  }
  add(&o, at, (size_t)(m.end - at));
  lua_pushlstring(L, o.data, o.len);
  lua_pushnumber(L, count);
  return 2;
}

/* -- Installing ------------------------------------------------------------------------------------------------- */

static void wrap(lua_State *L, int library, int target, const char *name, lua_CFunction fn) {
  lua_getfield(L, library, name);
  lua_pushcclosure(L, fn, 1);
  lua_setfield(L, target, name);
}

void cpx_sandbox_strings(lua_State *L) {
  static const luaL_Reg bounded[] = {
      {"find", find}, {"match", match}, {"gmatch", gmatch}, {"gsub", gsub}, {NULL, NULL}};
  lua_getglobal(L, "string");
  int library = lua_gettop(L), target = library + 1;
  lua_createtable(L, 0, 20);
  for (lua_pushnil(L); lua_next(L, library);) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_settable(L, target);
  }
  luaL_setfuncs(L, bounded, 0);
  wrap(L, library, target, "rep", rep);
  wrap(L, library, target, "format", format);
  lua_pushnil(L);
  lua_setfield(L, target, "dump");
  lua_remove(L, library);
}
