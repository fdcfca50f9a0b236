/* The bounded table functions: concat by size, sort by the slice's budget, insert by position. */
#include "lua/sandbox_libs.h"
#include "lua/vm_internal.h"

#define CHECK_EVERY 1024

/* -- concat
 * -------------------------------------------------------------------------------------------------------------- */

/* The element as text on top of the stack; numbers are converted in a copy. */
static const char *push_element(lua_State *L, int i, size_t *n) {
  lua_rawgeti(L, 1, i);
  if (!lua_isstring(L, -1))
    luaL_error(L, "invalid value (a %s) at index %d in table for 'concat'", luaL_typename(L, -1), i);
  return lua_tolstring(L, -1, n);
}

static size_t measure(lua_State *L, int first, int last, size_t separator) {
  size_t total = 0, n;
  for (int i = first; i <= last; i++) {
    (void)push_element(L, i, &n);
    lua_pop(L, 1);
    total += n + (i < last ? separator : 0);
    if (total > CPX_LUA_STRING_MAX)
      luaL_error(L, "table.concat: the result is larger than %d MB", (int)(CPX_LUA_STRING_MAX / CPX_MB));
    if (i % CHECK_EVERY == 0) cpx_check_running(L);
  }
  return total;
}

static int concat(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  size_t separator_n, n;
  const char *separator = luaL_optlstring(L, 2, "", &separator_n);
  int first = luaL_optint(L, 3, 1), last = luaL_optint(L, 4, (int)lua_objlen(L, 1));
  if (last == INT32_MAX) last--; /* the loops count past it */
  size_t total = measure(L, first, last, separator_n);
  char *out = lua_newuserdata(L, total + 1), *at = out;
  for (int i = first; i <= last; i++) {
    const char *text = push_element(L, i, &n);
    memcpy(at, text, n);
    at += n;
    if (i < last) {
      memcpy(at, separator, separator_n);
      at += separator_n;
    }
    lua_pop(L, 1);
  }
  lua_pushlstring(L, out, total);
  return 1;
}

/* -- sort: heapsort. A comparison that contradicts itself gives some order, never a crash; between comparisons the
 * table always holds each element once.
 * ------------------------------------------------------------------------------------------------ */

typedef struct sorting {
  lua_State *L;
  bool custom;
  unsigned compared;
} sorting;

/* Whether the value at index a comes before the one at b; both relative to the top, above the table and the function.
 */
static bool before(sorting *s, int a, int b) {
  lua_State *L = s->L;
  if (++s->compared % CHECK_EVERY == 0) cpx_check_running(L);
  if (!s->custom) return lua_lessthan(L, a, b);
  lua_pushvalue(L, 2);
  lua_pushvalue(L, a);
  lua_pushvalue(L, b);
  lua_call(L, 2, 1);
  bool result = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return result;
}

/* Lets the element at `root` sink in the heap 1..n. */
static void sink(sorting *s, int root, int n) {
  lua_State *L = s->L;
  int base = lua_gettop(L);
  while (root <= n / 2) {
    int child = root * 2;
    lua_rawgeti(L, 1, root);
    lua_rawgeti(L, 1, child);
    if (child < n) {
      lua_rawgeti(L, 1, child + 1);
      if (before(s, base + 2, base + 3)) {
        child++;
        lua_replace(L, base + 2);
      } else {
        lua_pop(L, 1);
      }
    }
    bool done = !before(s, base + 1, base + 2);
    if (!done) {
      lua_rawseti(L, 1, root);
      lua_rawseti(L, 1, child);
      root = child;
    }
    lua_settop(L, base);
    if (done) return;
  }
}

static int sort(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  if (!lua_isnoneornil(L, 2)) luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  luaL_checkstack(L, 12, "sort");
  cpx_check_running(L);
  sorting s = {.L = L, .custom = lua_isfunction(L, 2)};
  int n = (int)lua_objlen(L, 1);
  for (int i = n / 2; i >= 1; i--) sink(&s, i, n);
  for (int i = n; i > 1; i--) {
    lua_rawgeti(L, 1, 1);
    lua_rawgeti(L, 1, i);
    lua_rawseti(L, 1, 1);
    lua_rawseti(L, 1, i);
    sink(&s, 1, i - 1);
  }
  return 0;
}

/* -- insert: LuaJIT's moves elements for any position, however far below 1
 * ------------------------------------------------- */

static int insert(lua_State *L) {
  if (lua_istable(L, 1) && lua_gettop(L) == 3) {
    lua_Number at = luaL_checknumber(L, 2);
    luaL_argcheck(L, at >= 1 && at <= (lua_Number)lua_objlen(L, 1) + 1, 2, "position out of bounds");
  }
  int n = lua_gettop(L);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, n, 0);
  return 0;
}

static void original(lua_State *L, const char *name) {
  lua_getglobal(L, "table");
  lua_getfield(L, -1, name);
  lua_remove(L, -2);
}

void cpx_sandbox_tables(lua_State *L) {
  lua_createtable(L, 0, 6);
  lua_pushcfunction(L, concat);
  lua_setfield(L, -2, "concat");
  lua_pushcfunction(L, sort);
  lua_setfield(L, -2, "sort");
  original(L, "insert");
  lua_pushcclosure(L, insert, 1);
  lua_setfield(L, -2, "insert");
  original(L, "remove");
  lua_setfield(L, -2, "remove");
  lua_getglobal(L, "unpack");
  lua_setfield(L, -2, "unpack");
}
