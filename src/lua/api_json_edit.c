/* Iterating and editing functions; and the standard ones that scripts know, taught about nodes. */
#include "lua/json_node.h"

/* -- Iterating. --------------------------------------------------------------------------------------------------- */

static int next_child(lua_State *L) {
  cpx_json_iter *it = lua_touserdata(L, lua_upvalueindex(2));
  const json_ref *ref = lua_touserdata(L, lua_upvalueindex(1));
  const cpx_json_doc *doc = json_doc_of(L, ref);
  if (!cpx_json_next(it)) return 0;
  if (it->key != CPX_JSON_NONE)
    cpx_json_push_string(L, doc, it->key);
  else
    lua_pushinteger(L, (lua_Integer)it->index);
  cpx_json_push_child(L, lua_upvalueindex(1), it->value);
  return 2;
}

static int each(lua_State *L, const json_ref *ref) {
  const cpx_json_doc *doc = json_doc_of(L, ref);
  lua_pushvalue(L, 1);
  cpx_json_iter *it = lua_newuserdata(L, sizeof *it);
  *it = cpx_json_each(doc, ref->id);
  lua_pushcclosure(L, next_child, 2);
  return 1;
}

static const json_ref *check_container(lua_State *L) {
  const json_ref *ref = cpx_json_check_ref(L, 1, CPX_JSON_MISSING);
  if (cpx_json_kind(ref->handle->doc, ref->id) < CPX_JSON_ARRAY) luaL_argerror(L, 1, "object or array expected");
  return ref;
}

static int json_each(lua_State *L) {
  return each(L, check_container(L));
}

/* Hands the call to the standard function in the upvalue. */
static int standard(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

static int json_ipairs(lua_State *L) {
  return json_ref_at(L, 1) ? each(L, cpx_json_check_ref(L, 1, CPX_JSON_ARRAY)) : standard(L);
}

static int json_pairs(lua_State *L) {
  return json_ref_at(L, 1) ? each(L, check_container(L)) : standard(L);
}

/* -- Editing. ----------------------------------------------------------------------------------------------------- */

static int json_insert(lua_State *L) {
  const json_ref *ref = cpx_json_check_ref(L, 1, CPX_JSON_ARRAY);
  cpx_json_doc *doc = ref->handle->doc;
  size_t n = cpx_json_count(doc, ref->id), i = n + 1;
  int value = lua_gettop(L);
  if (value != 2 && value != 3) return luaL_error(L, "json.insert takes (array, value) or (array, index, value)");
  if (value == 3) i = cpx_json_position(L, 2);
  if (i < 1 || i > n + 1) return luaL_argerror(L, 2, lua_pushfstring(L, "index from 1 to %d expected", (int)n + 1));
  if (lua_isnil(L, value)) return luaL_argerror(L, value, "an element cannot be nil: use json.null");
  cpx_json_check_edit(L, cpx_json_insert(doc, ref->id, i - 1, cpx_json_new_value(L, doc, value)));
  return 0;
}

static int remove_element(lua_State *L, cpx_json_doc *doc, cpx_json_node array) {
  size_t n = cpx_json_count(doc, array), i = lua_isnoneornil(L, 2) ? n : cpx_json_position(L, 2);
  if (!lua_isnoneornil(L, 2) && lua_type(L, 2) != LUA_TNUMBER) return luaL_argerror(L, 2, "index expected");
  if (i < 1 || i > n) return 0;
  cpx_json_push_child(L, 1, cpx_json_at(doc, array, i - 1));
  cpx_json_check_edit(L, cpx_json_remove_at(doc, array, i - 1));
  return 1;
}

static int json_remove(lua_State *L) {
  const json_ref *ref = check_container(L);
  cpx_json_doc *doc = ref->handle->doc;
  if (cpx_json_kind(doc, ref->id) == CPX_JSON_ARRAY) return remove_element(L, doc, ref->id);
  cpx_slice key;
  if (lua_type(L, 2) != LUA_TSTRING) return luaL_argerror(L, 2, "key of a member expected");
  key.p = lua_tolstring(L, 2, &key.n);
  cpx_json_node value = cpx_json_get(doc, ref->id, key.p, key.n);
  if (value == CPX_JSON_NONE) return 0;
  cpx_json_push_child(L, 1, value);
  cpx_json_check_edit(L, cpx_json_remove(doc, ref->id, key));
  return 1;
}

static int json_table_insert(lua_State *L) {
  return json_ref_at(L, 1) ? json_insert(L) : standard(L);
}

static int json_table_remove(lua_State *L) {
  if (!json_ref_at(L, 1)) return standard(L);
  (void)cpx_json_check_ref(L, 1, CPX_JSON_ARRAY);
  return json_remove(L);
}

/* The module's function `name` over the standard one, which is `field` of the global `library` (NULL: a global). */
static void wrap(lua_State *L, const char *name, lua_CFunction fn, const char *library, const char *field) {
  lua_getglobal(L, library ? library : field);
  if (library) {
    lua_getfield(L, -1, field);
    lua_remove(L, -2);
  }
  lua_pushcclosure(L, fn, 1);
  lua_setfield(L, -2, name);
}

void cpx_json_open_edit(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"each", json_each}, {"insert", json_insert}, {"remove", json_remove}, {NULL, NULL}};
  luaL_register(L, NULL, functions);
  wrap(L, "ipairs", json_ipairs, NULL, "ipairs");
  wrap(L, "pairs", json_pairs, NULL, "pairs");
  wrap(L, "table_insert", json_table_insert, "table", "insert");
  wrap(L, "table_remove", json_table_remove, "table", "remove");
}
