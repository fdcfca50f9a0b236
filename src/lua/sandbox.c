#include "lua/pattern.h"
#include "lua/sandbox_libs.h"
#include "lua/vm_internal.h"

/* Text only: bytecode could crash the VM. The chunk name is shown in messages as it is. */
static int compile(lua_State *L) {
  size_t n;
  const char *text = luaL_checklstring(L, 1, &n), *name = luaL_checkstring(L, 2);
  luaL_checktype(L, 3, LUA_TTABLE);
  lua_settop(L, 3);
  if (n > CPX_SCRIPT_MAX) {
    lua_pushnil(L);
    lua_pushfstring(L, "%s: larger than %d MB", name, (int)(CPX_SCRIPT_MAX / CPX_MB));
    return 2;
  }
  if (n > 0 && text[0] == LUA_SIGNATURE[0]) {
    lua_pushnil(L);
    lua_pushfstring(L, "%s: is bytecode; a script must be text", name);
    return 2;
  }
  if (luaL_loadbufferx(L, text, n, lua_pushfstring(L, "@%s", name), "t")) {
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
  }
  lua_pushvalue(L, 3);
  lua_setfenv(L, -2);
  return 1;
}

/* Whether the running slice has used up its budget: a pcall of a script must not hold that error. */
static int overrun(lua_State *L) {
  lua_pushboolean(L, cpx_slice_is_over(cpx_vm_of(L)));
  return 1;
}

/* Every string's methods become the bounded ones, in the whole state; the core may call LuaJIT's own as string.*. */
void cpx_sandbox_install(lua_State *L) {
  cpx_match_setup();
  lua_pushliteral(L, "");
  if (lua_getmetatable(L, -1)) {
    cpx_sandbox_strings(L);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

int cpx_open_sandbox(lua_State *L) {
  lua_createtable(L, 0, 2);
  lua_pushcfunction(L, compile);
  lua_setfield(L, -2, "compile");
  lua_getglobal(L, "require");
  lua_pushliteral(L, "cliproxy.sandbox_env");
  lua_call(L, 1, 1);
  lua_createtable(L, 0, 3);
  cpx_sandbox_strings(L);
  lua_setfield(L, -2, "string");
  cpx_sandbox_tables(L);
  lua_setfield(L, -2, "table");
  lua_pushcfunction(L, overrun);
  lua_setfield(L, -2, "overrun");
  lua_call(L, 1, 1);
  lua_setfield(L, -2, "environment");
  return 1;
}
