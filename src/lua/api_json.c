/* Nodes: what indexing, assigning, `#`, `==` and tostring do; parse, encode, and the table of the module. */
#include "lua/json_node.h"

#include <stdlib.h>

int cpx_open_json(lua_State *L); /* declared in vm.h, whose other needs this file does not share */

const char cpx_json_node_magic;
static const char root_key;

#define SCRATCH_KEPT (64 * CPX_KB)

static cpx_buf scratch = {.max = 2 * CPX_HTTP_BODY_MAX};

cpx_buf *cpx_json_scratch(void) {
  scratch.len = 0;
  return &scratch;
}

void cpx_json_scratch_done(cpx_buf *b) {
  cpx_buf_clear(b, SCRATCH_KEPT);
}

/* -- Handles and nodes. ------------------------------------------------------------------------------------------- */

static int collect_root(lua_State *L) {
  json_root *root = lua_touserdata(L, 1);
  cpx_json_release(root->handle.doc);
  root->handle.doc = NULL;
  return 0;
}

static void set_metatable(lua_State *L, const char *key) {
  lua_pushlightuserdata(L, (void *)key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  lua_setmetatable(L, -2);
}

/* Closed as long as it has no document. */
static json_root *push_root(lua_State *L, cpx_json_node id) {
  json_root *root = lua_newuserdata(L, sizeof *root);
  *root = (json_root){.ref = {&cpx_json_node_magic, &root->handle, id}};
  set_metatable(L, &root_key);
  return root;
}

static bool is_root(const json_ref *ref) {
  return (const char *)ref->handle == (const char *)ref + offsetof(json_root, handle);
}

/* Gives a root the table that its children share. */
static void anchor(lua_State *L, int index, json_ref *ref) {
  if (!is_root(ref)) return;
  json_root *root = (json_root *)(void *)ref;
  if (root->anchored) return;
  lua_createtable(L, 1, 0);
  lua_pushvalue(L, index);
  lua_rawseti(L, -2, 1);
  lua_setfenv(L, index);
  root->anchored = true;
}

/* Of a root without a document: a finalizer would cost the collector more than all else about it. */
static void drop_finalizer(lua_State *L, int index) {
  lua_pushvalue(L, index);
  set_metatable(L, &cpx_json_node_magic);
  lua_pop(L, 1);
}

void cpx_json_push_ref(lua_State *L, int parent, cpx_json_node id) {
  json_ref *from = lua_touserdata(L, parent);
  if (parent < 0 && parent > LUA_REGISTRYINDEX) parent += lua_gettop(L) + 1; /* upvalues stay where they are */
  anchor(L, parent, from);
  json_ref *ref = lua_newuserdata(L, sizeof *ref);
  *ref = (json_ref){&cpx_json_node_magic, from->handle, id};
  lua_getfenv(L, parent);
  lua_setfenv(L, -2);
  set_metatable(L, &cpx_json_node_magic);
}

void cpx_json_push_string(lua_State *L, const cpx_json_doc *doc, cpx_json_node id) {
  cpx_slice text;
  cpx_buf *b = cpx_json_scratch();
  if (!cpx_json_string(doc, id, b, &text)) luaL_error(L, "out of memory");
  lua_pushlstring(L, text.p, text.n);
  cpx_json_scratch_done(b);
}

/* Pushes a value that needs no node; false, and nothing pushed, for all others. */
static bool push_plain(lua_State *L, const cpx_json_doc *doc, cpx_json_node id) {
  double number;
  bool exact;
  switch (cpx_json_kind(doc, id)) {
  case CPX_JSON_MISSING: lua_pushnil(L); return true;
  case CPX_JSON_NULL: lua_pushlightuserdata(L, NULL); return true;
  case CPX_JSON_BOOL: lua_pushboolean(L, cpx_json_bool(doc, id)); return true;
  case CPX_JSON_STRING: cpx_json_push_string(L, doc, id); return true;
  case CPX_JSON_NUMBER:
    if (!cpx_json_double(doc, id, &number, &exact) || !exact) return false;
    lua_pushnumber(L, number);
    return true;
  default: return false;
  }
}

void cpx_json_push_child(lua_State *L, int parent, cpx_json_node id) {
  const json_ref *from = lua_touserdata(L, parent);
  if (!push_plain(L, from->handle->doc, id)) cpx_json_push_ref(L, parent, id);
}

void cpx_json_push(lua_State *L, cpx_json_doc *doc, cpx_json_node node) {
  luaL_checkstack(L, 6, NULL);
  if (push_plain(L, doc, node)) return;
  push_root(L, node)->handle.doc = cpx_json_hold(doc);
}

bool cpx_json_test(lua_State *L, int index, cpx_json_doc **doc, cpx_json_node *node) {
  const json_ref *ref = json_ref_at(L, index);
  if (!ref) return false;
  *doc = json_doc_of(L, ref);
  *node = ref->id;
  return true;
}

void cpx_json_close_value(lua_State *L, int index) {
  json_ref *ref = json_ref_at(L, index);
  if (!ref || !ref->handle->doc) return;
  cpx_json_close(ref->handle->doc);
  cpx_json_release(ref->handle->doc);
  ref->handle->doc = NULL;
  if (is_root(ref)) drop_finalizer(L, index);
}

json_ref *cpx_json_check_ref(lua_State *L, int index, enum cpx_json_kind kind) {
  json_ref *ref = json_ref_at(L, index);
  const char *want = kind ? cpx_json_kind_name(kind) : "node";
  const char *got = luaL_typename(L, index);
  if (ref) {
    enum cpx_json_kind k = cpx_json_kind(json_doc_of(L, ref), ref->id);
    if (!kind || k == kind) return ref;
    got = cpx_json_kind_name(k);
  }
  luaL_argerror(L, index, lua_pushfstring(L, "%s of a document expected, got %s", want, got));
  return NULL;
}

/* -- Metamethods. ------------------------------------------------------------------------------------------------- */

size_t cpx_json_position(lua_State *L, int index) {
  if (lua_type(L, index) != LUA_TNUMBER) return 0;
  lua_Number n = lua_tonumber(L, index);
  if (!(n >= 1 && n <= CPX_JSON_NODES_MAX)) return 0;
  size_t i = (size_t)n;
  return (lua_Number)i == n ? i : 0;
}

cpx_json_node cpx_json_child_of(lua_State *L, const cpx_json_doc *doc, cpx_json_node parent, int key) {
  if (lua_type(L, key) == LUA_TSTRING) {
    size_t n;
    const char *text = lua_tolstring(L, key, &n);
    return cpx_json_get(doc, parent, text, n);
  }
  size_t i = cpx_json_position(L, key);
  return i ? cpx_json_at(doc, parent, i - 1) : CPX_JSON_NONE;
}

static cpx_json_doc *check_container(lua_State *L, const json_ref *ref) {
  if (!ref) luaL_argerror(L, 1, "node expected");
  cpx_json_doc *doc = json_doc_of(L, ref);
  enum cpx_json_kind kind = cpx_json_kind(doc, ref->id);
  if (kind < CPX_JSON_ARRAY) luaL_error(L, "a %s has no fields (json.value reads it)", cpx_json_kind_name(kind));
  return doc;
}

static int node_index(lua_State *L) {
  const json_ref *ref = json_ref_at(L, 1);
  cpx_json_doc *doc = check_container(L, ref);
  cpx_json_push_child(L, 1, cpx_json_child_of(L, doc, ref->id, 2));
  return 1;
}

void cpx_json_check_edit(lua_State *L, int err) {
  if (err == CPX_EDEPTH) luaL_error(L, "nested deeper than %d levels", (int)CPX_JSON_DEPTH_MAX);
  if (err) luaL_error(L, "cannot change the document: %s", cpx_error_text(err));
}

static void assign_member(lua_State *L, cpx_json_doc *doc, cpx_json_node object) {
  if (lua_type(L, 2) != LUA_TSTRING) luaL_error(L, "an object has string keys, not a %s", luaL_typename(L, 2));
  cpx_slice key;
  key.p = lua_tolstring(L, 2, &key.n);
  if (lua_isnil(L, 3)) {
    int err = cpx_json_remove(doc, object, key);
    if (err != CPX_ENOTFOUND) cpx_json_check_edit(L, err);
    return;
  }
  int err = cpx_json_set(doc, object, key, cpx_json_new_value(L, doc, 3));
  if (err == CPX_EUTF8) luaL_error(L, "a key that is not valid UTF-8");
  cpx_json_check_edit(L, err);
}

static void assign_element(lua_State *L, cpx_json_doc *doc, cpx_json_node array) {
  size_t n = cpx_json_count(doc, array), i = cpx_json_position(L, 2);
  if (lua_type(L, 2) == LUA_TSTRING) luaL_error(L, "an array has no field '%s'", lua_tostring(L, 2));
  if (!i || i > n + 1) {
    const char *given = lua_type(L, 2) == LUA_TNUMBER ? lua_tostring(L, 2) : luaL_typename(L, 2);
    luaL_error(L, "index %s is outside the array: 1 to %d, or %d to append", given, (int)n, (int)n + 1);
  }
  if (lua_isnil(L, 3)) luaL_error(L, "an element cannot be nil: use json.remove(array, %d), or json.null", (int)i);
  cpx_json_node value = cpx_json_new_value(L, doc, 3);
  cpx_json_check_edit(L, i <= n ? cpx_json_set_at(doc, array, i - 1, value) : cpx_json_insert(doc, array, n, value));
}

static int node_newindex(lua_State *L) {
  const json_ref *ref = json_ref_at(L, 1);
  cpx_json_doc *doc = check_container(L, ref);
  if (cpx_json_kind(doc, ref->id) == CPX_JSON_OBJECT)
    assign_member(L, doc, ref->id);
  else
    assign_element(L, doc, ref->id);
  return 0;
}

static int node_len(lua_State *L) {
  const json_ref *ref = json_ref_at(L, 1);
  cpx_json_doc *doc = check_container(L, ref);
  lua_pushinteger(L, (lua_Integer)cpx_json_count(doc, ref->id));
  return 1;
}

static int node_eq(lua_State *L) {
  const json_ref *a = json_ref_at(L, 1), *b = json_ref_at(L, 2);
  lua_pushboolean(L, a && b && a->id == b->id && a->handle->doc == b->handle->doc && a->handle->doc);
  return 1;
}

static int node_tostring(lua_State *L) {
  const json_ref *ref = json_ref_at(L, 1);
  if (!ref || !ref->handle->doc || cpx_json_closed(ref->handle->doc)) {
    lua_pushliteral(L, "json node (document closed)");
    return 1;
  }
  const cpx_json_doc *doc = ref->handle->doc;
  enum cpx_json_kind kind = cpx_json_kind(doc, ref->id);
  cpx_slice text = cpx_json_source(doc, ref->id);
  if (kind == CPX_JSON_STRING)
    cpx_json_push_string(L, doc, ref->id);
  else if (kind < CPX_JSON_ARRAY)
    lua_pushlstring(L, text.p, text.n);
  else {
    lua_pushfstring(L, "json %s (%d %s)", cpx_json_kind_name(kind), (int)cpx_json_count(doc, ref->id),
                    kind == CPX_JSON_ARRAY ? "elements" : "members");
  }
  return 1;
}

static int null_index(lua_State *L) {
  return luaL_error(L, "json.null has no fields: ask json.present(value) first");
}

static int null_tostring(lua_State *L) {
  lua_pushliteral(L, "null");
  return 1;
}

/* -- Parse and encode. -------------------------------------------------------------------------------------------- */

/* The collector does not see a document's memory: let it work as if it did, or
 * small userdata would keep gigabytes alive. */
static void pay_collector(lua_State *L, size_t bytes) {
  static size_t debt;
  debt += bytes;
  if (debt < 256 * CPX_KB) return;
  lua_gc(L, LUA_GCSTEP, (int)(debt / 4096));
  debt = 0;
}

static int fail(lua_State *L, int code, const char *message) {
  lua_pushnil(L);
  lua_pushstring(L, message);
  lua_pushstring(L, cpx_error_name(code));
  return 3;
}

/* The root on top is given its document; one that is one scalar is gone at once. */
static int finish_document(lua_State *L, json_root *root, cpx_json_doc *doc) {
  root->handle.doc = cpx_json_hold(doc);
  cpx_json_unref(doc);
  if (push_plain(L, doc, CPX_JSON_ROOT)) {
    cpx_json_release(doc);
    root->handle.doc = NULL;
    drop_finalizer(L, -2);
    return 1;
  }
  pay_collector(L, cpx_json_memory(doc));
  return 1;
}

static int json_parse(lua_State *L) {
  size_t n;
  const char *text = luaL_checklstring(L, 1, &n);
  json_root *root = push_root(L, CPX_JSON_ROOT);
  cpx_json_error err;
  if (n > CPX_HTTP_BODY_MAX) return fail(L, CPX_ETOOBIG, "larger than 64 MB");
  char *bytes = malloc(n ? n : 1);
  if (!bytes) return fail(L, CPX_ENOMEM, "out of memory");
  memcpy(bytes, text, n);
  cpx_json_doc *doc;
  int code = cpx_json_parse_take(bytes, n, NULL, &doc, &err);
  return code ? fail(L, code, err.message) : finish_document(L, root, doc);
}

static int json_original(lua_State *L) {
  cpx_json_doc *doc = json_doc_of(L, cpx_json_check_ref(L, 1, CPX_JSON_MISSING));
  json_root *root = push_root(L, CPX_JSON_ROOT);
  cpx_json_doc *original;
  cpx_json_check_edit(L, cpx_json_original(doc, &original));
  return finish_document(L, root, original);
}

static int json_encode(lua_State *L) {
  luaL_checkany(L, 1);
  cpx_buf *b = cpx_json_scratch();
  if (cpx_json_encode_value(L, 1, b)) {
    cpx_json_scratch_done(b);
    return luaL_error(L, "json.encode: %s", lua_tostring(L, -1));
  }
  lua_pushlstring(L, b->data, b->len);
  cpx_json_scratch_done(b);
  return 1;
}

static int json_close(lua_State *L) {
  if (!json_ref_at(L, 1)) return luaL_argerror(L, 1, "node expected");
  cpx_json_close_value(L, 1);
  return 0;
}

/* -- Opening. ----------------------------------------------------------------------------------------------------- */

static void register_metatable(lua_State *L, const char *key, const luaL_Reg *methods) {
  lua_newtable(L);
  if (methods) luaL_register(L, NULL, methods);
  lua_pushliteral(L, "cliproxy.json");
  lua_setfield(L, -2, "__metatable");
  lua_pushlightuserdata(L, (void *)key);
  lua_pushvalue(L, -2);
  lua_rawset(L, LUA_REGISTRYINDEX);
  lua_pop(L, 1);
}

/* The same functions as for other nodes, which comparing a root with one of them asks for, and a finalizer. */
static void register_root(lua_State *L) {
  lua_pushlightuserdata(L, (void *)&root_key);
  lua_newtable(L);
  lua_pushlightuserdata(L, (void *)&cpx_json_node_magic);
  lua_rawget(L, LUA_REGISTRYINDEX);
  for (lua_pushnil(L); lua_next(L, -2);) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, -5);
  }
  lua_pop(L, 1);
  lua_pushcfunction(L, collect_root);
  lua_setfield(L, -2, "__gc");
  lua_rawset(L, LUA_REGISTRYINDEX);
}

static void open_null(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"__index", null_index}, {"__newindex", null_index}, {"__tostring", null_tostring}, {NULL, NULL}};
  lua_pushlightuserdata(L, NULL);
  lua_newtable(L); /* shared by all light userdata: no other is handed to scripts */
  luaL_register(L, NULL, methods);
  lua_pushliteral(L, "cliproxy.json");
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, -2);
  lua_setfield(L, -2, "null");
}

int cpx_open_json(lua_State *L) {
  static const luaL_Reg node_methods[] = {{"__index", node_index}, {"__newindex", node_newindex}, {"__len", node_len},
                                          {"__eq", node_eq},       {"__tostring", node_tostring}, {NULL, NULL}};
  static const luaL_Reg functions[] = {
      {"parse", json_parse}, {"encode", json_encode}, {"original", json_original}, {"close", json_close}, {NULL, NULL}};
  register_metatable(L, &cpx_json_node_magic, node_methods);
  register_root(L);
  register_metatable(L, &cpx_json_array_mark, NULL);
  register_metatable(L, &cpx_json_object_mark, NULL);
  lua_newtable(L);
  luaL_register(L, NULL, functions);
  open_null(L);
  cpx_json_open_edit(L);
  cpx_json_open_many(L);
  cpx_json_open_plain(L);
  return 1;
}
