#include "lua/headers_lua.h"

#include <ctype.h>

#define NAME_MAX_ 256

static void add(lua_State *L, cpx_header *out, size_t *count, cpx_slice name) {
  if (*count == CPX_LUA_HEADERS_MAX) luaL_error(L, "more than %d headers", CPX_LUA_HEADERS_MAX);
  if (lua_type(L, -1) != LUA_TSTRING) luaL_error(L, "header %s: string expected, got %s", name.p, luaL_typename(L, -1));
  size_t n;
  const char *value = lua_tolstring(L, -1, &n);
  out[(*count)++] = (cpx_header){name, cpx_slice_of(value, n)};
}

size_t cpx_lua_headers(lua_State *L, int index, cpx_header out[CPX_LUA_HEADERS_MAX]) {
  size_t count = 0;
  if (lua_isnoneornil(L, index)) return 0;
  luaL_checktype(L, index, LUA_TTABLE);
  lua_pushnil(L);
  while (lua_next(L, index)) {
    if (lua_type(L, -2) != LUA_TSTRING) luaL_error(L, "header names must be strings, got %s", luaL_typename(L, -2));
    size_t n;
    const char *name = lua_tolstring(L, -2, &n);
    if (lua_istable(L, -1)) {
      for (int i = 1; lua_rawgeti(L, -1, i), !lua_isnil(L, -1); i++, lua_pop(L, 1))
        add(L, out, &count, cpx_slice_of(name, n));
      lua_pop(L, 1);
    } else {
      add(L, out, &count, cpx_slice_of(name, n));
    }
    lua_pop(L, 1);
  }
  return count;
}

void cpx_lua_add_header(lua_State *L, cpx_header header) {
  char name[NAME_MAX_];
  size_t n = header.name.n < sizeof name ? header.name.n : sizeof name;
  for (size_t i = 0; i < n; i++) name[i] = (char)tolower((unsigned char)header.name.p[i]);
  lua_pushlstring(L, name, n);
  lua_pushvalue(L, -1);
  lua_rawget(L, -3);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    lua_pushlstring(L, header.value.p, header.value.n);
  } else {
    lua_pushliteral(L, ", ");
    lua_pushlstring(L, header.value.p, header.value.n);
    lua_concat(L, 3);
  }
  lua_rawset(L, -3);
}
