/* Between nodes and plain values: kinds, raw bytes, copies, marks. */
#include "lua/json_node.h"
#include "lua/vm.h"

static void push_mark(lua_State *L, const char *key) {
  lua_pushlightuserdata(L, (void *)key);
  lua_rawget(L, LUA_REGISTRYINDEX);
}

static int mark(lua_State *L, const char *key) {
  if (lua_isnoneornil(L, 1)) {
    lua_settop(L, 0);
    lua_newtable(L);
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  push_mark(L, key);
  lua_setmetatable(L, 1);
  lua_settop(L, 1);
  return 1;
}

static int json_array(lua_State *L) {
  return mark(L, &cpx_json_array_mark);
}

static int json_object(lua_State *L) {
  return mark(L, &cpx_json_object_mark);
}

static int json_present(lua_State *L) {
  const json_ref *ref = json_ref_at(L, 1);
  bool null = json_is_null(L, 1) || (ref && cpx_json_kind(json_doc_of(L, ref), ref->id) == CPX_JSON_NULL);
  lua_pushboolean(L, !lua_isnoneornil(L, 1) && !null);
  return 1;
}

static enum cpx_json_kind table_kind(lua_State *L, int index) {
  if (lua_getmetatable(L, index)) {
    push_mark(L, &cpx_json_array_mark);
    push_mark(L, &cpx_json_object_mark);
    bool array = lua_rawequal(L, -3, -2), object = lua_rawequal(L, -3, -1);
    lua_pop(L, 3);
    if (array || object) return array ? CPX_JSON_ARRAY : CPX_JSON_OBJECT;
  }
  if (lua_objlen(L, index) > 0) return CPX_JSON_ARRAY;
  lua_pushnil(L);
  if (!lua_next(L, index)) return CPX_JSON_MISSING; /* empty: either, so neither */
  lua_pop(L, 2);
  return CPX_JSON_OBJECT;
}

static enum cpx_json_kind kind_of(lua_State *L, int index) {
  const json_ref *ref = json_ref_at(L, index);
  if (ref) return cpx_json_kind(json_doc_of(L, ref), ref->id);
  if (json_is_null(L, index)) return CPX_JSON_NULL;
  switch (lua_type(L, index)) {
  case LUA_TSTRING: return CPX_JSON_STRING;
  case LUA_TNUMBER: return CPX_JSON_NUMBER;
  case LUA_TBOOLEAN: return CPX_JSON_BOOL;
  case LUA_TTABLE: return table_kind(L, index);
  default: return CPX_JSON_MISSING;
  }
}

static int json_kind(lua_State *L) {
  enum cpx_json_kind kind = kind_of(L, 1);
  if (kind == CPX_JSON_MISSING)
    lua_pushnil(L);
  else
    lua_pushvalue(L, lua_upvalueindex(kind)); /* its name */
  return 1;
}

/* With the names at hand: asked about every request. */
static void register_kind(lua_State *L) {
  int top = lua_gettop(L);
  for (int kind = CPX_JSON_MISSING + 1; kind <= CPX_JSON_OBJECT; kind++)
    lua_pushstring(L, cpx_json_kind_name((enum cpx_json_kind)kind));
  lua_pushcclosure(L, json_kind, lua_gettop(L) - top);
  lua_setfield(L, top, "kind");
}

static int json_raw(lua_State *L) {
  const json_ref *ref = cpx_json_check_ref(L, 1, CPX_JSON_MISSING);
  const cpx_json_doc *doc = ref->handle->doc;
  cpx_json_node id = lua_isnoneornil(L, 2) ? ref->id : cpx_json_child_of(L, doc, ref->id, 2);
  if (id == CPX_JSON_NONE) return 0;
  if (id != CPX_JSON_ROOT && cpx_json_untouched(doc, id)) {
    cpx_slice source = cpx_json_source(doc, id);
    lua_pushlstring(L, source.p, source.n);
    return 1;
  }
  cpx_buf *b = cpx_json_scratch();
  int err = cpx_json_encode(doc, id, b);
  if (err) return luaL_error(L, "json.raw: %s", cpx_error_text(err));
  lua_pushlstring(L, b->data, b->len);
  cpx_json_scratch_done(b);
  return 1;
}

static int json_node(lua_State *L) {
  const json_ref *ref = cpx_json_check_ref(L, 1, CPX_JSON_MISSING);
  luaL_checkany(L, 2);
  cpx_json_node id = cpx_json_child_of(L, ref->handle->doc, ref->id, 2);
  if (id == CPX_JSON_NONE) return 0;
  cpx_json_push_ref(L, 1, id);
  return 1;
}

static int json_value(lua_State *L) {
  lua_settop(L, 1);
  const json_ref *ref = json_ref_at(L, 1);
  if (!ref) return 1;
  const cpx_json_doc *doc = json_doc_of(L, ref);
  double number;
  if (cpx_json_kind(doc, ref->id) >= CPX_JSON_ARRAY) return 1;
  if (cpx_json_double(doc, ref->id, &number, NULL))
    lua_pushnumber(L, number);
  else
    cpx_json_push_child(L, 1, ref->id);
  return 1;
}

/* -- Literals. ---------------------------------------------------------------------------------------------------- */

#define QUOTED_MAX 256 /* names, ids and models are shorter; longer ones take the way of all others */

static int json_quoted(lua_State *L) {
  size_t n;
  const char *text = luaL_checklstring(L, 1, &n);
  char out[QUOTED_MAX + 2];
  if (n > QUOTED_MAX) return 0;
  out[0] = '"';
  for (size_t i = 0; i < n; i++) {
    char c = text[i];
    if (c < ' ' || c > '~' || c == '"' || c == '\\') return 0;
    out[i + 1] = c;
  }
  out[n + 1] = '"';
  lua_pushlstring(L, out, n + 2);
  return 1;
}

static int json_unquoted(lua_State *L) {
  cpx_slice text;
  text.p = luaL_checklstring(L, 1, &text.n);
  cpx_buf *b = cpx_json_scratch();
  int err = cpx_json_unquote(text, b);
  if (err == CPX_ESYNTAX) return 0;
  if (err) return luaL_error(L, "json.unquoted: %s", cpx_error_text(err));
  lua_pushlstring(L, b->data, b->len);
  cpx_json_scratch_done(b);
  return 1;
}

static int json_check(lua_State *L) {
  size_t n;
  const char *text = luaL_checklstring(L, 1, &n);
  cpx_json_doc *doc;
  if (cpx_json_parse(text, n, NULL, &doc, NULL)) return 0;
  enum cpx_json_kind kind = cpx_json_kind(doc, CPX_JSON_ROOT);
  cpx_json_unref(doc);
  lua_pushstring(L, cpx_json_kind_name(kind));
  return 1;
}

/* -- Detached copies. --------------------------------------------------------------------------------------------- */

static void push_copy(lua_State *L, const cpx_json_doc *doc, cpx_json_node id);

static void push_copies(lua_State *L, const cpx_json_doc *doc, cpx_json_node id, bool object) {
  size_t n = cpx_json_count(doc, id);
  luaL_checkstack(L, 6, "too deep");
  lua_createtable(L, object ? 0 : (int)n, object ? (int)n : 0);
  cpx_json_iter it = cpx_json_each(doc, id);
  while (cpx_json_next(&it)) {
    if (it.index % CPX_BUDGET_ROUNDS == 0 && cpx_budget_over(L)) luaL_error(L, "%s", cpx_error_text(CPX_EBUDGET));
    if (object) cpx_json_push_string(L, doc, it.key);
    push_copy(L, doc, it.value);
    if (object)
      lua_rawset(L, -3);
    else
      lua_rawseti(L, -2, (int)it.index);
  }
  push_mark(L, object ? &cpx_json_object_mark : &cpx_json_array_mark);
  lua_setmetatable(L, -2);
}

/* Recursion no deeper than documents may be nested. */
static void push_copy(lua_State *L, const cpx_json_doc *doc, cpx_json_node id) {
  double number;
  bool exact;
  cpx_slice text;
  enum cpx_json_kind kind = cpx_json_kind(doc, id);
  switch (kind) {
  case CPX_JSON_STRING: cpx_json_push_string(L, doc, id); return;
  case CPX_JSON_BOOL: lua_pushboolean(L, cpx_json_bool(doc, id)); return;
  case CPX_JSON_NUMBER:
    if (!cpx_json_double(doc, id, &number, &exact) || !exact) {
      text = cpx_json_source(doc, id);
      lua_pushlstring(L, text.p, text.n < 40 ? text.n : 40);
      luaL_error(L, "json.detach: %s does not fit a Lua number; json.raw gives its text", lua_tostring(L, -1));
    }
    lua_pushnumber(L, number);
    return;
  case CPX_JSON_ARRAY:
  case CPX_JSON_OBJECT: push_copies(L, doc, id, kind == CPX_JSON_OBJECT); return;
  default: lua_pushlightuserdata(L, NULL);
  }
}

static int json_detach(lua_State *L) {
  lua_settop(L, 1);
  const json_ref *ref = json_ref_at(L, 1);
  if (ref) push_copy(L, json_doc_of(L, ref), ref->id);
  return 1;
}

void cpx_json_open_plain(lua_State *L) {
  static const luaL_Reg functions[] = {{"array", json_array},
                                       {"object", json_object},
                                       {"present", json_present},
                                       {"raw", json_raw},
                                       {"node", json_node},
                                       {"value", json_value},
                                       {"detach", json_detach},
                                       {"quoted", json_quoted},
                                       {"unquoted", json_unquoted},
                                       {"check", json_check},
                                       {NULL, NULL}};
  luaL_register(L, NULL, functions);
  register_kind(L);
}
