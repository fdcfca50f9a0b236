/* Lua values as JSON text. Nothing here raises: the buffer belongs to somebody else. */
#include "lua/json_node.h"
#include "lua/vm.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const char cpx_json_array_mark, cpx_json_object_mark;

typedef struct writer {
  lua_State *L;
  cpx_buf *out;
  const void *array_mark, *object_mark;
  unsigned depth;
  char message[120];
  char path[160]; /* grows from its end towards the front */
  size_t path_start;
} writer;

typedef struct entry {
  cpx_slice key;
  int pair; /* place in the sequence part; 0: a field */
} entry;

static int fail(writer *w, int code, const char *message) {
  (void)snprintf(w->message, sizeof w->message, "%s", message);
  return code;
}

static int fail_code(writer *w, int code) {
  return fail(w, code, code == CPX_EUTF8 ? "a string that is not valid UTF-8" : cpx_error_text(code));
}

/* On the way out of a failure: `.messages[2].role`. */
static int at(writer *w, int err, const char *format, int n, const char *text) {
  char step[48];
  int length = snprintf(step, sizeof step, format, n, text);
  if (!err || length < 0) return err;
  size_t k = (size_t)length < sizeof step ? (size_t)length : sizeof step - 1;
  if (k > w->path_start) return err;
  w->path_start -= k;
  memcpy(w->path + w->path_start, step, k);
  return err;
}

static int put(writer *w, const char *text, size_t n) {
  int err = cpx_buf_add(w->out, text, n);
  return err ? fail_code(w, err) : 0;
}

static int write_value(writer *w, int index);

static int write_number(writer *w, double v) {
  char text[CPX_JSON_NUMBER_MAX];
  size_t n = cpx_json_format_double(v, text);
  if (!n) return fail(w, CPX_EINVAL, isnan(v) ? "NaN is not a JSON number" : "infinity is not a JSON number");
  return put(w, text, n);
}

static int write_string(writer *w, cpx_slice text) {
  int err = cpx_json_write_string(w->out, text);
  return err ? fail_code(w, err) : 0;
}

/* Large tables take long, and no hook interrupts C. */
static int check_budget(writer *w, size_t round) {
  if (round % CPX_BUDGET_ROUNDS != 0 || !cpx_budget_over(w->L)) return 0;
  return fail_code(w, CPX_EBUDGET);
}

/* -- Arrays. ------------------------------------------------------------------------------------------------------ */

static int write_array(writer *w, int table, int n) {
  int err = put(w, "[", 1);
  for (int i = 1; !err && i <= n; i++) {
    if (i > 1) err = put(w, ",", 1);
    if (!err) err = check_budget(w, (size_t)i);
    lua_rawgeti(w->L, table, i);
    if (!err && lua_isnil(w->L, -1)) err = fail(w, CPX_EINVAL, "an array with a hole: use json.null, or leave it out");
    if (!err) err = write_value(w, lua_gettop(w->L));
    lua_pop(w->L, 1);
    err = at(w, err, "[%d]%s", i, "");
  }
  return err ? err : put(w, "]", 1);
}

/* -- Objects: pairs of the sequence part in their order, then fields sorted by key. ------------------------------- */

static int compare(const void *a, const void *b) {
  const cpx_slice *x = &((const entry *)a)->key, *y = &((const entry *)b)->key;
  int order = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);
  return order ? order : (x->n > y->n) - (x->n < y->n);
}

/* The key and value of pair `i`, both left on the stack. */
static int push_pair(writer *w, int table, int i, entry *e) {
  lua_State *L = w->L;
  lua_rawgeti(L, table, i);
  bool pair = lua_istable(L, -1);
  if (pair) {
    lua_rawgeti(L, -1, 1);
    lua_rawgeti(L, -2, 2);
  }
  if (!pair || lua_type(L, -2) != LUA_TSTRING || lua_isnil(L, -1))
    return fail(w, CPX_EINVAL, "the sequence part of json.object{} lists pairs: { \"key\", value }");
  e->key.p = lua_tolstring(L, -2, &e->key.n);
  e->pair = i;
  return 0;
}

static int list_pairs(writer *w, int table, int pairs, entry *entries) {
  int top = lua_gettop(w->L), err = 0;
  for (int i = 1; !err && i <= pairs; i++) {
    err = at(w, push_pair(w, table, i, &entries[i - 1]), "[%d]%s", i, "");
    lua_settop(w->L, top);
  }
  return err;
}

/* Fields; keys live as long as the table does. `entries` NULL: only counts. */
static int list_fields(writer *w, int table, int pairs, entry *entries, size_t *n) {
  lua_State *L = w->L;
  *n = 0;
  lua_pushnil(L);
  for (size_t round = 1; lua_next(L, table); round++) {
    lua_pop(L, 1);
    int err = check_budget(w, round);
    if (err) {
      lua_pop(L, 1);
      return err;
    }
    if (lua_type(L, -1) == LUA_TSTRING) {
      if (entries) entries[*n] = (entry){{0}, 0}, entries[*n].key.p = lua_tolstring(L, -1, &entries[*n].key.n);
      (*n)++;
      continue;
    }
    size_t i = cpx_json_position(L, -1);
    if (i >= 1 && i <= (size_t)pairs) continue;
    lua_pop(L, 1);
    return fail(w, CPX_EINVAL, "a table that is neither a sequence without holes nor has only string keys");
  }
  return 0;
}

static int check_twice(writer *w, const entry *entries, size_t n) {
  entry *sorted = malloc(n * sizeof *sorted);
  if (!sorted) return fail_code(w, CPX_ENOMEM);
  memcpy(sorted, entries, n * sizeof *sorted);
  qsort(sorted, n, sizeof *sorted, compare);
  int err = 0;
  for (size_t i = 1; !err && i < n; i++)
    if (compare(&sorted[i - 1], &sorted[i]) == 0) err = fail(w, CPX_EDUPLICATE, "a key that stands twice");
  free(sorted);
  return err;
}

static int write_entry(writer *w, int table, const entry *e) {
  lua_State *L = w->L;
  int top = lua_gettop(L);
  entry same;
  int err = write_string(w, e->key);
  if (!err) err = put(w, ":", 1);
  if (e->pair)
    (void)push_pair(w, table, e->pair, &same);
  else {
    lua_pushlstring(L, e->key.p, e->key.n); /* exists: allocates nothing */
    lua_rawget(L, table);
  }
  if (!err) err = write_value(w, lua_gettop(L));
  lua_settop(L, top);
  return at(w, err, ".%.*s", e->key.n > 40 ? 40 : (int)e->key.n, e->key.p);
}

static int write_entries(writer *w, int table, const entry *entries, size_t n) {
  int err = put(w, "{", 1);
  for (size_t i = 0; !err && i < n; i++) {
    if (i > 0) err = put(w, ",", 1);
    if (!err) err = check_budget(w, i + 1);
    if (!err) err = write_entry(w, table, &entries[i]);
  }
  return err ? err : put(w, "}", 1);
}

static int write_object(writer *w, int table, int pairs) {
  size_t fields;
  int err = list_fields(w, table, pairs, NULL, &fields);
  if (err) return err;
  size_t n = fields + (size_t)pairs;
  entry *entries = malloc((n ? n : 1) * sizeof *entries);
  if (!entries) return fail_code(w, CPX_ENOMEM);
  err = list_pairs(w, table, pairs, entries);
  if (!err) err = list_fields(w, table, pairs, entries + pairs, &fields);
  if (!err && fields) qsort(entries + pairs, fields, sizeof *entries, compare);
  if (!err && pairs) err = check_twice(w, entries, n);
  if (!err) err = write_entries(w, table, entries, n);
  free(entries);
  return err;
}

/* -- Any value. --------------------------------------------------------------------------------------------------- */

static const void *mark_of(writer *w, int index) {
  if (!lua_getmetatable(w->L, index)) return NULL;
  const void *p = lua_topointer(w->L, -1);
  lua_pop(w->L, 1);
  return p;
}

static int write_table(writer *w, int index) {
  lua_State *L = w->L;
  const void *mark = mark_of(w, index);
  size_t n = lua_objlen(L, index), fields = 0;
  if (mark == w->object_mark) return write_object(w, index, (int)n);
  if (n == 0 && mark != w->array_mark) {
    int err = list_fields(w, index, 0, NULL, &fields);
    if (err) return err;
    if (fields) return write_object(w, index, 0);
    return fail(w, CPX_EINVAL, "an empty table: say json.array{} or json.object{}");
  }
  int err = list_fields(w, index, (int)n, NULL, &fields);
  if (!err && fields) err = fail(w, CPX_EINVAL, "a table with both a sequence and string keys");
  return err ? err : write_array(w, index, (int)n);
}

static int write_nested(writer *w, int index) {
  if (w->depth == CPX_JSON_DEPTH_MAX || !lua_checkstack(w->L, 8))
    return fail(w, CPX_EDEPTH, "nested deeper than 512 levels, or a table that contains itself");
  w->depth++;
  int err = write_table(w, index);
  w->depth--;
  return err;
}

static int write_node(writer *w, const json_ref *ref) {
  const cpx_json_doc *doc = ref->handle->doc;
  if (!doc || cpx_json_closed(doc)) return fail(w, CPX_ECLOSED, "document closed");
  int err = cpx_json_encode(doc, ref->id, w->out);
  return err ? fail_code(w, err) : 0;
}

static int write_value(writer *w, int index) {
  lua_State *L = w->L;
  const json_ref *ref;
  cpx_slice text;
  switch (lua_type(L, index)) {
  case LUA_TSTRING: text.p = lua_tolstring(L, index, &text.n); return write_string(w, text);
  case LUA_TNUMBER: return write_number(w, lua_tonumber(L, index));
  case LUA_TBOOLEAN: return lua_toboolean(L, index) ? put(w, "true", 4) : put(w, "false", 5);
  case LUA_TTABLE: return write_nested(w, index);
  case LUA_TUSERDATA:
    ref = json_ref_at(L, index);
    if (ref) return write_node(w, ref);
    break;
  case LUA_TLIGHTUSERDATA:
    if (json_is_null(L, index)) return put(w, "null", 4);
    break;
  default: break;
  }
  (void)snprintf(w->message, sizeof w->message, "a %s has no place in JSON", luaL_typename(L, index));
  return CPX_EINVAL;
}

static const void *mark_at(lua_State *L, const char *key) {
  lua_pushlightuserdata(L, (void *)key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  const void *p = lua_topointer(L, -1);
  lua_pop(L, 1);
  return p;
}

int cpx_json_encode_value(lua_State *L, int index, cpx_buf *out) {
  writer w = {.L = L, .out = out, .path_start = sizeof w.path};
  if (index < 0) index = lua_gettop(L) + index + 1;
  if (lua_istable(L, index)) {
    w.array_mark = mark_at(L, &cpx_json_array_mark);
    w.object_mark = mark_at(L, &cpx_json_object_mark);
  }
  int top = lua_gettop(L);
  size_t before = out->len;
  int err = write_value(&w, index);
  lua_settop(L, top);
  if (!err) return 0;
  out->len = before;
  lua_pushstring(L, w.message);
  if (w.path_start < sizeof w.path) {
    lua_pushliteral(L, " at ");
    lua_pushlstring(L, w.path + w.path_start, sizeof w.path - w.path_start);
    lua_concat(L, 3);
  }
  return err;
}

/* -- Into a document. --------------------------------------------------------------------------------------------- */

static int new_table(lua_State *L, cpx_json_doc *doc, int index, cpx_json_node *out) {
  cpx_buf *b = cpx_json_scratch();
  cpx_json_error err;
  if (cpx_json_encode_value(L, index, b)) {
    cpx_json_scratch_done(b);
    return luaL_error(L, "cannot put this into a document: %s", lua_tostring(L, -1));
  }
  int code = cpx_json_new_text(doc, cpx_buf_slice(b), out, &err);
  cpx_json_scratch_done(b);
  if (code) return luaL_error(L, "cannot put this into a document: %s", err.message);
  return 0;
}

cpx_json_node cpx_json_new_value(lua_State *L, cpx_json_doc *doc, int index) {
  cpx_json_node out = CPX_JSON_NONE;
  const json_ref *ref = json_ref_at(L, index);
  int err = 0;
  cpx_slice text;
  switch (lua_type(L, index)) {
  case LUA_TSTRING:
    text.p = lua_tolstring(L, index, &text.n);
    err = cpx_json_new_string(doc, text, &out);
    if (err == CPX_EUTF8) luaL_error(L, "cannot put this into a document: a string that is not valid UTF-8");
    break;
  case LUA_TBOOLEAN: err = cpx_json_new_bool(doc, lua_toboolean(L, index), &out); break;
  case LUA_TNUMBER:
    err = cpx_json_new_double(doc, lua_tonumber(L, index), &out);
    if (err == CPX_EINVAL) (void)new_table(L, doc, index, &out); /* raises with the reason */
    break;
  default:
    if (ref)
      err = cpx_json_new_copy(doc, json_doc_of(L, ref), ref->id, &out);
    else if (json_is_null(L, index))
      err = cpx_json_new_null(doc, &out);
    else
      (void)new_table(L, doc, index, &out);
  }
  cpx_json_check_edit(L, err);
  return out;
}
