/* json_node.h - inside api_json*.c only: nodes as userdata, and Lua values on their way into a document.
 *
 * Owns:    a node belongs to Lua's collector. The first one of a document, its root, holds the document, and its __gc
 * drops that; the environment table of all others holds the root, so they need no __gc and cost 24 bytes.
 * Borrows: the document of a handle, until it is closed.
 * Bounds:  depth as documents have it; text as large as a body may be.
 * Errors:  everything here raises, but the writer, which keeps a message.
 */
#ifndef CPX_LUA_JSON_NODE_H
#define CPX_LUA_JSON_NODE_H

#include "lua/json_lua.h"

#include <lauxlib.h>
#include <lua.h>

typedef struct json_handle {
  cpx_json_doc *doc; /* NULL: closed */
} json_handle;

typedef struct json_ref {
  const void *magic; /* tells nodes from other userdata without a look at metatables */
  json_handle *handle;
  cpx_json_node id;
} json_ref;

/* The first node of a document: it holds it, and those made from it keep it alive. One userdata for all that most
 * requests read of theirs; the table that its children share is made with the first of them. */
typedef struct json_root {
  json_ref ref;
  json_handle handle;
  bool anchored; /* its environment is { itself } */
} json_root;

extern const char cpx_json_node_magic; /* its address; also the registry key of the nodes' metatable */
extern const char cpx_json_array_mark; /* registry keys of the metatables that json.array and json.object set */
extern const char cpx_json_object_mark;

/* The node at `index`, or NULL. */
static inline json_ref *json_ref_at(lua_State *L, int index) {
  json_ref *ref = lua_touserdata(L, index);
  size_t size = ref ? lua_objlen(L, index) : 0; /* light ones have none */
  if (size != sizeof(json_root) && size != sizeof(json_ref)) return NULL;
  return ref->magic == &cpx_json_node_magic ? ref : NULL;
}

/* Its document; raises when closed. */
static inline cpx_json_doc *json_doc_of(lua_State *L, const json_ref *ref) {
  cpx_json_doc *doc = ref->handle->doc;
  if (!doc || cpx_json_closed(doc)) luaL_error(L, "document closed");
  return doc;
}

static inline bool json_is_null(lua_State *L, int index) {
  return lua_type(L, index) == LUA_TLIGHTUSERDATA && lua_touserdata(L, index) == NULL;
}

/* The argument `index` as a node of `kind` (CPX_JSON_MISSING: any). */
json_ref *cpx_json_check_ref(lua_State *L, int index, enum cpx_json_kind kind);
/* Pushes the node `id` of the document of the node at `parent`, whatever its kind. */
void cpx_json_push_ref(lua_State *L, int parent, cpx_json_node id);
/* Pushes what reading it gives: a plain value, a node, nil for CPX_JSON_NONE. */
void cpx_json_push_child(lua_State *L, int parent, cpx_json_node id);
void cpx_json_push_string(lua_State *L, const cpx_json_doc *doc, cpx_json_node id);
/* The child of the node at `parent` under the key at `key`; CPX_JSON_NONE also for keys of the wrong type. */
cpx_json_node cpx_json_child_of(lua_State *L, const cpx_json_doc *doc, cpx_json_node parent, int key);
/* The value at `index` as a new loose value of `doc`. */
cpx_json_node cpx_json_new_value(lua_State *L, cpx_json_doc *doc, int index);
/* Raises for a failed edit. */
void cpx_json_check_edit(lua_State *L, int err);
/* A position at `index` that is an integer from 1; 0 for all else. */
size_t cpx_json_position(lua_State *L, int index);

/* A buffer for one conversion at a time, kept between them: what raises in the middle leaks nothing. */
cpx_buf *cpx_json_scratch(void);
void cpx_json_scratch_done(cpx_buf *b);

/* api_json_edit.c, api_json_many.c, api_json_plain.c: their functions into the table on top. */
void cpx_json_open_edit(lua_State *L);
void cpx_json_open_many(lua_State *L);
void cpx_json_open_plain(lua_State *L);

#endif
