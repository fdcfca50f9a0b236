/* headers_lua.h - HTTP headers between Lua tables and C arrays, and sets of header names.
 *
 * Owns:    nothing; a set of names is a userdata that Lua owns.
 * Borrows: the slices of cpx_lua_headers point into the table's strings: keep the table on the stack.
 * Bounds:  CPX_LUA_HEADERS_MAX headers in a table, CPX_LUA_NAMES_MAX names in a set.
 * Errors:  everything with a lua_State raises: call it before something is made that Lua does not own.
 */
#ifndef CPX_LUA_HEADERS_LUA_H
#define CPX_LUA_HEADERS_LUA_H

#include "base/slice.h"
#include "lua/vm.h"

#define CPX_LUA_HEADERS_MAX 128

/* Fills `out` from the table at `index` (name → string or list of strings); nil counts as empty. The slices borrow the
 * table's strings. Returns the count; raises on anything else than strings and past CPX_LUA_HEADERS_MAX. */
size_t cpx_lua_headers(lua_State *L, int index, cpx_header out[CPX_LUA_HEADERS_MAX]);

#define CPX_LUA_NAMES_MAX 64

/* A set of names in lower case; one that ends in "*" stands for all that begin so. */
typedef struct cpx_lua_names cpx_lua_names;

/* Makes the metatable; called once by cpx_open_server. */
void cpx_lua_names_register(lua_State *L);
/* server.header_names(list); the set answers names(name), too. */
int cpx_lua_names_new(lua_State *L);
const cpx_lua_names *cpx_lua_names_check(lua_State *L, int index);
/* `name` in any case. */
bool cpx_lua_names_match(const cpx_lua_names *names, cpx_slice name);

/* Adds one header to the table on top: name in lower case, several of one name joined with ", ". */
void cpx_lua_add_header(lua_State *L, cpx_header header);

#endif
