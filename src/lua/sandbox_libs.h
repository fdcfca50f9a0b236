/* sandbox_libs.h - the bounded copies of the libraries: each call pushes a new table. */
#ifndef CPX_LUA_SANDBOX_LIBS_H
#define CPX_LUA_SANDBOX_LIBS_H

#include <lua.h>

void cpx_sandbox_strings(lua_State *L);
void cpx_sandbox_tables(lua_State *L);

#endif
