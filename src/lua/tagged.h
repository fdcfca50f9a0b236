/* tagged.h - telling our userdata by a tag in their first word: a third of what luaL_checkudata costs.
 *
 * Owns, borrows: nothing. A type's struct begins with `const void *tag`, set to the address of something of its own.
 * Bounds:  the size is looked at before the tag is read. Scripts cannot make userdata, so that a match is no chance.
 * Errors:  raises as luaL_checkudata does.
 */
#ifndef CPX_LUA_TAGGED_H
#define CPX_LUA_TAGGED_H

#include "lua/vm.h"

static inline void *cpx_lua_check_tagged(lua_State *L, int index, const void *tag, const char *type) {
  void *p = lua_touserdata(L, index);
  if (p && lua_objlen(L, index) >= sizeof tag && *(const void *const *)p == tag) return p; /* light ones have no size */
  return luaL_checkudata(L, index, type);
}

#endif
