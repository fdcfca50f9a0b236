/* headers_lua.h - HTTP headers between Lua tables and C arrays. */
#ifndef CPX_LUA_HEADERS_LUA_H
#define CPX_LUA_HEADERS_LUA_H

#include "base/slice.h"
#include "lua/vm.h"

#define CPX_LUA_HEADERS_MAX 128

/* Fills `out` from the table at `index` (name → string or list of strings); nil counts as empty. The slices borrow the
 * table's strings. Returns the count; raises on anything else than strings and past CPX_LUA_HEADERS_MAX. */
size_t cpx_lua_headers(lua_State *L, int index, cpx_header out[CPX_LUA_HEADERS_MAX]);

/* Adds one header to the table on top: name in lower case, several of one name joined with ", ". */
void cpx_lua_add_header(lua_State *L, cpx_header header);

#endif
