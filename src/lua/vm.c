#include "base/log.h"
#include "lua/vm_internal.h"

#include <luajit.h>
#include <stdlib.h>
#include <string.h>

#define DEBIAN_PATH  "/usr/share/lua/5.1/?.lua;/usr/share/lua/5.1/?/init.lua"
#define DEBIAN_CPATH "/usr/lib/?.so"

cpx_vm *cpx_vm_of(lua_State *L) {
  void *vm; /* the allocator's own pointer: the cheapest way from a state to its VM */
  (void)lua_getallocf(L, &vm);
  return vm;
}

cpx_loop *cpx_vm_loop(const cpx_vm *vm) {
  return vm->loop;
}

lua_State *cpx_vm_state(const cpx_vm *vm) {
  return vm->L;
}

const char *cpx_vm_root(const cpx_vm *vm) {
  return vm->root;
}

cpx_upstream *cpx_vm_upstream(cpx_vm *vm) {
  if (!vm->upstream && cpx_upstream_new(vm->loop, &vm->upstream)) vm->upstream = NULL;
  return vm->upstream;
}

static void set_paths(lua_State *L, const char *root) {
  lua_getglobal(L, "package");
  lua_pushfstring(L, "%s/lua/?.lua;%s/lua/?/init.lua;" DEBIAN_PATH, root, root);
  lua_setfield(L, -2, "path");
  lua_getfield(L, -1, "cpath"); /* LuaJIT's own knows Debian's folder of C modules by its architecture */
  if (!lua_isstring(L, -1)) {
    lua_pushliteral(L, DEBIAN_CPATH);
    lua_setfield(L, -3, "cpath");
  }
  lua_pop(L, 2);
}

static void preload(lua_State *L) {
  static const luaL_Reg bindings[] = {
      {"cliproxy.budget", cpx_open_budget}, {"cliproxy.sandbox", cpx_open_sandbox},
      {"cliproxy.json", cpx_open_json},     {"cliproxy.crypto", cpx_open_crypto},
      {"cliproxy.log", cpx_open_log},       {"cliproxy.timer", cpx_open_timer},
      {"cliproxy.task", cpx_open_task},     {"cliproxy.state", cpx_open_state},
      {"cliproxy.system", cpx_open_system}, {"cliproxy.server", cpx_open_server},
      {"cliproxy.reply", cpx_open_reply},   {"cliproxy.floats", cpx_open_floats},
      {"cliproxy.tokens", cpx_open_tokens}, {"cliproxy.vault", cpx_open_vault},
  };
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "preload");
  for (size_t i = 0; i < sizeof bindings / sizeof *bindings; i++) {
    lua_pushcfunction(L, bindings[i].func);
    lua_setfield(L, -2, bindings[i].name);
  }
  lua_pop(L, 2);
}

/* Threads that live as long as the VM. */
static void add_threads(lua_State *L, cpx_vm *vm) {
  vm->work = lua_newthread(L);
  (void)luaL_ref(L, LUA_REGISTRYINDEX);
  for (int i = 0; i < CPX_SCRATCH_MAX; i++) {
    vm->scratch[i] = lua_newthread(L);
    (void)luaL_ref(L, LUA_REGISTRYINDEX);
  }
  lua_pushliteral(L, "cancelled");
  lua_setfield(L, LUA_REGISTRYINDEX, "cliproxy.cancelled");
  lua_createtable(L, 16, 0);
  vm->owners_ref = luaL_ref(L, LUA_REGISTRYINDEX);
}

static int open_all(lua_State *L) {
  cpx_vm *vm = cpx_vm_of(L);
  luaL_openlibs(L);
  luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
  set_paths(L, vm->root);
  add_threads(L, vm);
  preload(L);
  cpx_sandbox_install(L);
  return 0;
}

static int panic(lua_State *L) {
  const char *text = lua_tostring(L, -1);
  cpx_log(CPX_LOG_ERROR, "Lua raised outside every protected call: %s", text ? text : "?");
  cpx_log_flush();
  abort();
}

int cpx_vm_new(cpx_loop *loop, const cpx_vm_options *options, cpx_vm **out) {
  cpx_vm *vm = calloc(1, sizeof *vm);
  if (!vm) return CPX_ENOMEM;
  char here;
  vm->stack_base = &here;
  vm->loop = loop;
  vm->aggressive = options->aggressive_gc;
  vm->owners = &vm->main_owners;
  vm->root = strdup(options->root);
  cpx_tasks_init(vm);
  int err = vm->root ? cpx_alloc_open(vm) : CPX_ENOMEM;
  if (!err) {
    lua_atpanic(vm->L, panic);
    if (lua_cpcall(vm->L, open_all, NULL)) {
      cpx_log(CPX_LOG_ERROR, "the Lua state could not be opened: %s", lua_tostring(vm->L, -1));
      err = CPX_ENOMEM;
    }
  }
  if (!err) err = cpx_meter_open(vm);
  if (err) {
    cpx_vm_free(vm);
    return err;
  }
  *out = vm;
  return 0;
}

void cpx_vm_free(cpx_vm *vm) {
  if (!vm) return;
  if (vm->work) cpx_tasks_deinit(vm);
  /* Before the state: bodies that are still being sent hold on to Lua strings. */
  if (vm->upstream) cpx_upstream_free(vm->upstream);
  vm->upstream = NULL;
  cpx_meter_close(vm);
  cpx_alloc_close(vm);
  free(vm->root);
  free(vm);
}
