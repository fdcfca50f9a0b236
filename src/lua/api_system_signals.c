/* Signals for cliproxy.system: each starts the function set for it, as a task. */
#include "lua/api_system.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const struct {
  const char *name;
  int number;
} known[] = {{"term", SIGTERM}, {"int", SIGINT}, {"hup", SIGHUP}, {"usr1", SIGUSR1}};

#define KNOWN (sizeof known / sizeof *known)

struct watcher {
  uv_signal_t handle; /* data: the watcher; memory freed in the close callback */
  lua_State *L;
  int ref;
};

static const char signals_key = 0;

static void on_signal(uv_signal_t *handle, int number) {
  (void)number;
  struct watcher *w = handle->data;
  cpx_system_start(w->L, w->ref, "signal");
}

static void on_closed(uv_handle_t *handle) {
  free(handle->data);
}

static int signals_gc(lua_State *L) {
  struct watcher **all = lua_touserdata(L, 1);
  for (size_t i = 0; i < KNOWN; i++)
    if (all[i]) uv_close((uv_handle_t *)&all[i]->handle, on_closed);
  return 0;
}

static struct watcher **watchers_of(lua_State *L) {
  lua_pushlightuserdata(L, (void *)(uintptr_t)&signals_key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  struct watcher **all = lua_touserdata(L, -1);
  lua_pop(L, 1);
  if (all) return all;
  lua_pushlightuserdata(L, (void *)(uintptr_t)&signals_key);
  all = lua_newuserdata(L, KNOWN * sizeof(struct watcher *));
  memset(all, 0, KNOWN * sizeof(struct watcher *));
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, signals_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_rawset(L, LUA_REGISTRYINDEX);
  return all;
}

static struct watcher *watcher_new(lua_State *L) {
  struct watcher *w = calloc(1, sizeof *w);
  if (!w) {
    luaL_error(L, "out of memory");
    return NULL;
  }
  cpx_vm *vm = cpx_vm_of(L);
  w->L = cpx_vm_state(vm);
  w->ref = LUA_NOREF;
  w->handle.data = w;
  uv_signal_init(cpx_loop_uv(cpx_vm_loop(vm)), &w->handle);
  uv_unref((uv_handle_t *)&w->handle);
  return w;
}

static int system_on_signal(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  struct watcher **all = watchers_of(L);
  for (size_t i = 0; i < KNOWN; i++) {
    if (strcmp(name, known[i].name) != 0) continue;
    if (!all[i]) all[i] = watcher_new(L);
    luaL_unref(L, LUA_REGISTRYINDEX, all[i]->ref);
    lua_pushvalue(L, 2);
    all[i]->ref = luaL_ref(L, LUA_REGISTRYINDEX);
    int err = uv_signal_start(&all[i]->handle, on_signal, known[i].number);
    return err ? luaL_error(L, "signal %s: %s", name, uv_strerror(err)) : 0;
  }
  return luaL_error(L, "unknown signal '%s': expected term, int, hup or usr1", name);
}

/* -- Waiting for the end: one task waits in wait_stop until another calls stop ---------------------------------- */

struct stopping {
  cpx_task *task; /* waits, or NULL */
  bool stopped;
  int code;
};

static const char stopping_key = 0;

static struct stopping *stopping_of(lua_State *L) {
  lua_pushlightuserdata(L, (void *)(uintptr_t)&stopping_key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  struct stopping *s = lua_touserdata(L, -1);
  lua_pop(L, 1);
  if (s) return s;
  lua_pushlightuserdata(L, (void *)(uintptr_t)&stopping_key);
  s = lua_newuserdata(L, sizeof *s);
  *s = (struct stopping){0};
  lua_rawset(L, LUA_REGISTRYINDEX);
  return s;
}

static int push_code(lua_State *L, void *ud) {
  lua_pushinteger(L, ((struct stopping *)ud)->code);
  return 1;
}

static void cancel_stopping(void *ud) {
  ((struct stopping *)ud)->task = NULL;
}

static int system_wait_stop(lua_State *L) {
  struct stopping *s = stopping_of(L);
  cpx_task *task = cpx_task_check(L, "system.wait_stop");
  if (s->stopped) return push_code(L, s);
  if (s->task) return luaL_error(L, "system.wait_stop: another task waits already");
  s->task = task;
  return cpx_task_wait(L, cancel_stopping, s);
}

static int system_stop(lua_State *L) {
  struct stopping *s = stopping_of(L);
  if (s->stopped) return 0;
  s->stopped = true;
  s->code = (int)luaL_checkinteger(L, 1);
  if (s->task) cpx_task_wake(s->task, push_code, s);
  s->task = NULL;
  return 0;
}

void cpx_system_add_signals(lua_State *L) {
  lua_pushcfunction(L, system_on_signal);
  lua_setfield(L, -2, "on_signal");
  lua_pushcfunction(L, system_wait_stop);
  lua_setfield(L, -2, "wait_stop");
  lua_pushcfunction(L, system_stop);
  lua_setfield(L, -2, "stop");
}
