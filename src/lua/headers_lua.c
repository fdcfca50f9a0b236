#include "lua/headers_lua.h"

#include "lua/tagged.h"

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

static void push_lower(lua_State *L, cpx_slice s) {
  char name[NAME_MAX_];
  if (s.n <= sizeof name) {
    for (size_t i = 0; i < s.n; i++) name[i] = (char)tolower((unsigned char)s.p[i]);
    lua_pushlstring(L, name, s.n);
    return;
  }
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  for (size_t i = 0; i < s.n; i++) luaL_addchar(&b, (char)tolower((unsigned char)s.p[i]));
  luaL_pushresult(&b);
}

void cpx_lua_add_header(lua_State *L, cpx_header header) {
  push_lower(L, header.name);
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

/* -- Sets of names ---------------------------------------------------------------------------------------------- */

#define NAMES_TYPE "cliproxy.HeaderNames"

static const char names_tag = 0;

struct cpx_lua_names {
  const void *tag; /* see tagged.h */
  uint32_t firsts; /* bit of each first letter: most names are told by it */
  size_t count;
  struct {
    cpx_slice text; /* behind the struct, without its "*" */
    bool prefix;
  } rows[];
};

static unsigned first_bit(char c) {
  return (unsigned char)c & 31U;
}

bool cpx_lua_names_match(const cpx_lua_names *names, cpx_slice name) {
  if (name.n == 0 || !(names->firsts >> first_bit(name.p[0]) & 1)) return false;
  for (size_t i = 0; i < names->count; i++) {
    cpx_slice text = names->rows[i].text;
    if (name.n < text.n || (name.n > text.n && !names->rows[i].prefix)) continue;
    if (cpx_slice_ieq(cpx_slice_of(name.p, text.n), text)) return true;
  }
  return false;
}

/* The bytes of all names; raises on what is none. */
static size_t measure(lua_State *L, size_t count) {
  size_t bytes = 0, n = 0;
  for (size_t i = 1; i <= count; i++) {
    lua_rawgeti(L, 1, (int)i);
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &n) : NULL;
    if (!text || n == 0 || text[0] == '*') luaL_error(L, "header_names: name %d is not the name of a header", (int)i);
    bytes += n;
    lua_pop(L, 1);
  }
  return bytes;
}

int cpx_lua_names_new(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  size_t count = lua_objlen(L, 1);
  if (count > CPX_LUA_NAMES_MAX) return luaL_error(L, "header_names: more than %d names", CPX_LUA_NAMES_MAX);
  size_t bytes = measure(L, count);
  cpx_lua_names *names = lua_newuserdata(L, sizeof *names + count * sizeof *names->rows + bytes);
  char *to = (char *)&names->rows[count];
  names->tag = &names_tag;
  names->firsts = 0;
  names->count = count;
  for (size_t i = 0; i < count; i++) {
    size_t n;
    lua_rawgeti(L, 1, (int)i + 1);
    const char *text = lua_tolstring(L, -1, &n);
    names->rows[i].prefix = text[n - 1] == '*';
    if (names->rows[i].prefix) n--;
    for (size_t j = 0; j < n; j++) to[j] = (char)tolower((unsigned char)text[j]);
    names->rows[i].text = cpx_slice_of(to, n);
    names->firsts |= 1U << first_bit(to[0]);
    to += n;
    lua_pop(L, 1);
  }
  luaL_getmetatable(L, NAMES_TYPE);
  lua_setmetatable(L, -2);
  return 1;
}

const cpx_lua_names *cpx_lua_names_check(lua_State *L, int index) {
  return cpx_lua_check_tagged(L, index, &names_tag, NAMES_TYPE);
}

static int names_call(lua_State *L) {
  const cpx_lua_names *names = cpx_lua_names_check(L, 1);
  size_t n;
  const char *name = luaL_checklstring(L, 2, &n);
  lua_pushboolean(L, cpx_lua_names_match(names, cpx_slice_of(name, n)));
  return 1;
}

void cpx_lua_names_register(lua_State *L) {
  luaL_newmetatable(L, NAMES_TYPE);
  lua_pushcfunction(L, names_call);
  lua_setfield(L, -2, "__call");
  lua_pushliteral(L, "header names");
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 1);
}
