/* api_system.h - the parts of cliproxy.system: each adds its functions to the table on top of the stack. */
#ifndef CPX_LUA_API_SYSTEM_H
#define CPX_LUA_API_SYSTEM_H

#include "lua/vm.h"

void cpx_system_add_files(lua_State *L);
void cpx_system_add_watch(lua_State *L);
void cpx_system_add_process(lua_State *L);
void cpx_system_add_signals(lua_State *L);

/* nil, message, code for an errno. */
int cpx_system_fail(lua_State *L, const char *what, const char *path, int error);

/* Starts the function at registry reference `ref` as a task without arguments; a failure is logged with `what`. */
void cpx_system_start(lua_State *L, int ref, const char *what);

#endif
