/* Several values of a document in one call: a translated request asks for some dozens, and a call costs more than the
 * look-up does. What was wrongly formed by a client reads as absent here, whatever its kind. */
#include "lua/json_node.h"

#define KEYS_MAX 32

/* Pushes what reading gives, null as nil; with `literal`, strings as their JSON text. */
static void push_value(lua_State *L, int parent, const cpx_json_doc *doc, cpx_json_node id, bool literal) {
  enum cpx_json_kind kind = cpx_json_kind(doc, id);
  if (kind <= CPX_JSON_NULL)
    lua_pushnil(L);
  else if (literal && kind == CPX_JSON_STRING) {
    cpx_slice source = cpx_json_source(doc, id);
    lua_pushlstring(L, source.p, source.n);
  } else
    cpx_json_push_child(L, parent, id);
}

/* -- By paths. ---------------------------------------------------------------------------------------------------- */

/* One step of a path: a key, or an index from 1. */
static cpx_json_node step(const cpx_json_doc *doc, cpx_json_node from, const char *p, size_t n) {
  if (cpx_json_kind(doc, from) != CPX_JSON_ARRAY) return cpx_json_get(doc, from, p, n);
  size_t index = 0;
  for (size_t i = 0; i < n; i++) {
    if (p[i] < '0' || p[i] > '9' || index > CPX_JSON_NODES_MAX) return CPX_JSON_NONE;
    index = index * 10 + (size_t)(p[i] - '0');
  }
  return index ? cpx_json_at(doc, from, index - 1) : CPX_JSON_NONE;
}

static cpx_json_node walk(const cpx_json_doc *doc, cpx_json_node from, const char *path, size_t n) {
  const char *end = path + n, *dot;
  while (from != CPX_JSON_NONE && (dot = memchr(path, '.', (size_t)(end - path))) != NULL) {
    from = step(doc, from, path, (size_t)(dot - path));
    path = dot + 1;
  }
  return from == CPX_JSON_NONE ? from : step(doc, from, path, (size_t)(end - path));
}

static int json_pick(lua_State *L) {
  int top = lua_gettop(L);
  const json_ref *ref = json_ref_at(L, 1);
  const cpx_json_doc *doc = ref ? json_doc_of(L, ref) : NULL;
  luaL_checkstack(L, top + 4, "too many paths");
  for (int i = 2; i <= top; i++) {
    size_t n;
    const char *path = luaL_checklstring(L, i, &n);
    if (doc)
      push_value(L, 1, doc, walk(doc, ref->id, path, n), false);
    else
      lua_pushnil(L);
  }
  return top - 1;
}

/* -- Members. ----------------------------------------------------------------------------------------------------- */

/* The keys from argument `first` on. */
static int check_keys(lua_State *L, int first) {
  int n = lua_gettop(L) - first + 1;
  if (n > KEYS_MAX) luaL_error(L, "no more than %d keys at once", KEYS_MAX);
  for (int i = 0; i < n; i++) (void)luaL_checkstring(L, first + i);
  luaL_checkstack(L, n + 6, NULL);
  return n;
}

/* Pushes the number of members of an object, nil for all else, and the value of each of the `n` keys that stand at the
 * indexes `at`, `at` + `stride`, … */
static void push_members(lua_State *L, int parent, const cpx_json_doc *doc, cpx_json_node node, int at, int stride,
                         int n) {
  if (cpx_json_kind(doc, node) == CPX_JSON_OBJECT)
    lua_pushinteger(L, (lua_Integer)cpx_json_count(doc, node));
  else
    lua_pushnil(L);
  for (; n > 0; n--, at += stride) {
    size_t length;
    const char *key = lua_tolstring(L, at, &length);
    push_value(L, parent, doc, cpx_json_get(doc, node, key, length), true);
  }
}

static int json_members(lua_State *L) {
  int n = check_keys(L, 2);
  const json_ref *ref = json_ref_at(L, 1);
  if (ref)
    push_members(L, 1, json_doc_of(L, ref), ref->id, 2, 1, n);
  else
    lua_settop(L, n + 1 + 1 + n); /* nils */
  return n + 1;
}

static int json_length(lua_State *L) {
  const json_ref *ref = json_ref_at(L, 1);
  const cpx_json_doc *doc = ref ? json_doc_of(L, ref) : NULL;
  if (!doc || cpx_json_kind(doc, ref->id) != CPX_JSON_ARRAY) return 0;
  lua_pushinteger(L, (lua_Integer)cpx_json_count(doc, ref->id));
  return 1;
}

/* -- Elements of an array: one, or all of them in turn, which costs an iterator. ---------------------------------- */

static int json_row(lua_State *L) {
  const json_ref *ref = cpx_json_check_ref(L, 1, CPX_JSON_ARRAY);
  size_t i = cpx_json_position(L, 2);
  int n = check_keys(L, 3);
  cpx_json_node node = i ? cpx_json_at(ref->handle->doc, ref->id, i - 1) : CPX_JSON_NONE;
  push_members(L, 1, ref->handle->doc, node, 3, 1, n);
  return n + 1;
}

typedef struct rows {
  cpx_json_iter it;
  int n; /* keys: upvalues 3 and on */
} rows;

static int next_row(lua_State *L) {
  rows *r = lua_touserdata(L, lua_upvalueindex(2));
  const cpx_json_doc *doc = json_doc_of(L, lua_touserdata(L, lua_upvalueindex(1)));
  if (!cpx_json_next(&r->it)) return 0;
  luaL_checkstack(L, r->n + 6, NULL);
  lua_pushinteger(L, (lua_Integer)r->it.index);
  push_members(L, lua_upvalueindex(1), doc, r->it.value, lua_upvalueindex(3), lua_upvalueindex(2) - lua_upvalueindex(1),
               r->n);
  return r->n + 2;
}

static int json_rows(lua_State *L) {
  const json_ref *ref = cpx_json_check_ref(L, 1, CPX_JSON_ARRAY);
  int n = check_keys(L, 2);
  rows *r = lua_newuserdata(L, sizeof *r);
  *r = (rows){cpx_json_each(ref->handle->doc, ref->id), n};
  lua_insert(L, 2);
  lua_pushcclosure(L, next_row, n + 2);
  return 1;
}

void cpx_json_open_many(lua_State *L) {
  static const luaL_Reg functions[] = {{"pick", json_pick}, {"members", json_members}, {"length", json_length},
                                       {"row", json_row},   {"rows", json_rows},       {NULL, NULL}};
  luaL_register(L, NULL, functions);
}
