#include "base/limits.h"
#include "lua/state_map.h"
#include "lua/vm.h"

#include <math.h>
#include <stdlib.h>

#define KEY_MAX 1024
#define TTL_MAX (366.0 * 86400.0)

/* Upvalue 1 of every function: a userdata, so that the map goes with the state. */
typedef struct holder {
  cpx_state_map *map;
} holder;

static cpx_state_map *map_of(lua_State *L) {
  const holder *h = lua_touserdata(L, lua_upvalueindex(1));
  return h->map;
}

static uint64_t now_ms(void) {
  return cpx_now_ns() / 1000000;
}

static cpx_slice check_key(lua_State *L) {
  cpx_slice key;
  luaL_checktype(L, 1, LUA_TSTRING);
  key.p = lua_tolstring(L, 1, &key.n);
  luaL_argcheck(L, key.n > 0 && key.n <= KEY_MAX, 1, "a key of 1 to 1024 bytes expected");
  return key;
}

static cpx_state_value check_value(lua_State *L, int index) {
  cpx_state_value v = {.kind = CPX_STATE_NUMBER};
  switch (lua_type(L, index)) {
  case LUA_TNUMBER: v.number = lua_tonumber(L, index); return v;
  case LUA_TBOOLEAN:
    v.kind = CPX_STATE_BOOLEAN;
    v.number = lua_toboolean(L, index);
    return v;
  case LUA_TSTRING:
    v.kind = CPX_STATE_BYTES;
    v.bytes.p = lua_tolstring(L, index, &v.bytes.n);
    return v;
  default:
    luaL_error(L, "cliproxy.state holds strings, numbers and booleans, not a %s%s", luaL_typename(L, index),
               lua_isnoneornil(L, index) ? "; use state.delete" : "");
    return v;
  }
}

/* The end of life for an optional ttl in seconds; 0: none. */
static uint64_t check_due(lua_State *L, int index) {
  if (lua_isnoneornil(L, index)) return 0;
  lua_Number ttl = luaL_checknumber(L, index);
  luaL_argcheck(L, ttl > 0 && ttl <= TTL_MAX, index, "a time to live above 0 and below a year expected, in seconds");
  return now_ms() + (uint64_t)ceil(ttl * 1000);
}

static int fail(lua_State *L, int err) {
  lua_pushnil(L);
  lua_pushfstring(L, "cliproxy.state: %s (%d keys, %d MB)", cpx_error_text(err), CPX_STATE_KEYS_MAX,
                  (int)(CPX_STATE_MEM_MAX / CPX_MB));
  lua_pushstring(L, cpx_error_name(err));
  return 3;
}

static void push_value(lua_State *L, const cpx_state_entry *e) {
  if (e->kind == CPX_STATE_NUMBER)
    lua_pushnumber(L, e->number);
  else if (e->kind == CPX_STATE_BOOLEAN)
    lua_pushboolean(L, e->number != 0);
  else
    lua_pushlstring(L, e->data + e->key_len, e->len);
}

static int get(lua_State *L) {
  const cpx_state_entry *e = cpx_state_map_find(map_of(L), check_key(L), now_ms());
  if (!e)
    lua_pushnil(L);
  else
    push_value(L, e);
  return 1;
}

static int put(lua_State *L, bool only_new) {
  cpx_slice key = check_key(L);
  cpx_state_value value = check_value(L, 2);
  uint64_t due = check_due(L, 3), now = now_ms();
  if (only_new && cpx_state_map_find(map_of(L), key, now)) {
    lua_pushboolean(L, false);
    return 1;
  }
  int err = cpx_state_map_set(map_of(L), key, value, due, now);
  if (err) return fail(L, err);
  lua_pushboolean(L, true);
  return 1;
}

static int set(lua_State *L) {
  return put(L, false);
}

static int add(lua_State *L) {
  return put(L, true);
}

static int incr(lua_State *L) {
  cpx_slice key = check_key(L);
  lua_Number by = luaL_optnumber(L, 2, 1);
  uint64_t due = check_due(L, 3), now = now_ms();
  cpx_state_entry *e = cpx_state_map_find(map_of(L), key, now);
  if (e && e->kind != CPX_STATE_NUMBER) return luaL_error(L, "state.incr: the value of \"%s\" is not a number", key.p);
  if (e) {
    e->number += by;
  } else {
    cpx_state_value value = {.kind = CPX_STATE_NUMBER, .number = by};
    int err = cpx_state_map_set(map_of(L), key, value, due, now);
    if (err) return fail(L, err);
  }
  lua_pushnumber(L, e ? e->number : by);
  return 1;
}

static int delete_key(lua_State *L) {
  lua_pushboolean(L, cpx_state_map_delete(map_of(L), check_key(L), now_ms()));
  return 1;
}

/* -- keys ------------------------------------------------------------------------------------------------------- */

typedef struct listing {
  cpx_slice prefix;
  size_t n, room;
  cpx_slice *keys; /* memory of the GC */
} listing;

static void list_key(void *user, const cpx_state_entry *e) {
  listing *l = user;
  cpx_slice key = cpx_slice_of(e->data, e->key_len);
  if (l->n < l->room && cpx_slice_starts(key, l->prefix)) l->keys[l->n++] = key;
}

static int compare(const void *a, const void *b) {
  const cpx_slice *x = a, *y = b;
  int order = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);
  return order ? order : (x->n > y->n) - (x->n < y->n);
}

static int keys(lua_State *L) {
  listing l = {.room = cpx_state_map_keys(map_of(L))};
  l.prefix.p = luaL_optlstring(L, 1, "", &l.prefix.n);
  l.keys = lua_newuserdata(L, (l.room + 1) * sizeof *l.keys);
  cpx_state_map_each(map_of(L), now_ms(), list_key, &l);
  qsort(l.keys, l.n, sizeof *l.keys, compare);
  lua_createtable(L, (int)l.n, 0);
  for (size_t i = 0; i < l.n; i++) {
    lua_pushlstring(L, l.keys[i].p, l.keys[i].n);
    lua_rawseti(L, -2, (int)i + 1);
  }
  return 1;
}

static int counts(lua_State *L) {
  cpx_state_map_sweep(map_of(L), now_ms());
  lua_createtable(L, 0, 2);
  lua_pushnumber(L, (lua_Number)cpx_state_map_keys(map_of(L)));
  lua_setfield(L, -2, "keys");
  lua_pushnumber(L, (lua_Number)cpx_state_map_bytes(map_of(L)));
  lua_setfield(L, -2, "bytes");
  return 1;
}

static int free_map(lua_State *L) {
  holder *h = lua_touserdata(L, 1);
  cpx_state_map_free(h->map);
  h->map = NULL;
  return 0;
}

int cpx_open_state(lua_State *L) {
  static const luaL_Reg functions[] = {{"get", get},           {"set", set},   {"add", add},       {"incr", incr},
                                       {"delete", delete_key}, {"keys", keys}, {"counts", counts}, {NULL, NULL}};
  lua_createtable(L, 0, 7);
  holder *h = lua_newuserdata(L, sizeof *h);
  h->map = NULL;
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, free_map);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  int err = cpx_state_map_new(&h->map);
  if (err) return luaL_error(L, "cliproxy.state: %s", cpx_error_text(err));
  luaL_setfuncs(L, functions, 1);
  return 1;
}
