/* The bounded table functions: concat by size, sort by the slice's budget, insert by position. */
#include "lua/sandbox_libs.h"
#include "lua/vm_internal.h"

#define CHECK_EVERY 1024

/* -- concat ----------------------------------------------------------------------------------------------------- */

/* LuaJIT's own behind a look at the sizes; what is no string or number it refuses itself. */
static int concat(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  size_t separator = 0, total = 0;
  if (!lua_isnoneornil(L, 2)) (void)luaL_checklstring(L, 2, &separator);
  lua_settop(L, 4);
  int first = luaL_optint(L, 3, 1), last = lua_isnil(L, 4) ? (int)lua_objlen(L, 1) : luaL_checkint(L, 4);
  for (int i = first; i <= last; i++) {
    lua_rawgeti(L, 1, i);
    int type = lua_type(L, -1);
    if (type == LUA_TSTRING) total += lua_objlen(L, -1);
    lua_settop(L, 4);
    total += separator + (type == LUA_TNUMBER ? 1 : 0);
    if (total > CPX_LUA_STRING_MAX)
      luaL_error(L, "table.concat: the result is larger than %d MB", (int)(CPX_LUA_STRING_MAX / CPX_MB));
    if (i % CHECK_EVERY == 0) cpx_check_running(L);
    if ((type != LUA_TSTRING && type != LUA_TNUMBER) || i == INT32_MAX) break;
  }
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, 4, 1);
  return 1;
}

/* -- sort: heapsort. A comparison that contradicts itself gives some order, never a crash; between comparisons the
 * table always holds each element once. */

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

/* -- insert: LuaJIT's moves elements for any position, however far below 1 -------------------------------------- */

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
  original(L, "concat");
  lua_pushcclosure(L, concat, 1);
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
