/* cpx_lua - the interpreter of the specs: LuaJIT's command line on a cpx_vm,
 * with every binding preloaded as cliproxy.<name>.
 *
 *   cpx_lua [-e code] [-l module] [script | -] [arguments]
 *   cpx_lua /usr/bin/busted spec/unit/lua            (or: busted --lua=build/cpx_lua spec/unit/lua)
 *
 * Scripts see the plain globals of LuaJIT. CPX_ROOT names the folder of lua/ and providers/ (default: the source tree),
 * CPX_AGGRESSIVE_GC=1 collects all garbage every few steps. At the end it fails when tasks or handles are left:
 * exit status 3.
 *
 * `require "cliproxy_test"`: run(fn, seconds) runs fn as a task and turns the loop until it ends → ok, results or
 * error; turn(block); tasks() counts the tasks; pending() whether anything is queued or open is the loop's business.
 */
#include "base/limits.h"
#include "base/log.h"
#include "lua/vm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static cpx_loop *loop;
static cpx_vm *vm;
static int turning;

/* Ends the VM and the loop; what is left over is a failure. */
static int tear_down(int status) {
  size_t tasks = cpx_task_count(vm);
  if (tasks) fprintf(stderr, "cpx_lua: %zu tasks were still running at the end\n", tasks);
  cpx_vm_free(vm);
  vm = NULL;
  int handles = cpx_loop_free(loop);
  loop = NULL;
  if (handles) fprintf(stderr, "cpx_lua: %d handles were still open at the end\n", handles);
  cpx_log_flush();
  return status == 0 && (tasks || handles) ? 3 : status;
}

/* os.exit: from inside the loop only the process can be ended, as nothing may be freed under its feet. */
static int os_exit(lua_State *L) {
  int status = lua_isboolean(L, 1) ? !lua_toboolean(L, 1) : (int)luaL_optinteger(L, 1, 0);
  fflush(NULL);
  cpx_log_flush();
  if (turning) _exit(status);
  exit(tear_down(status));
}

/* -- cliproxy_test ---------------------------------------------------------------------------------------------- */

typedef struct run {
  lua_State *L;
  cpx_task *task;
  cpx_timer timer;
  bool ended, ok, late;
  int results;
} run;

static void run_done(void *user, bool ok, lua_State *L) {
  run *r = user;
  r->ended = true;
  r->ok = ok;
  r->task = NULL;
  r->results = lua_gettop(L);
  if (!lua_checkstack(r->L, r->results + 2)) r->results = 0;
  lua_xmove(L, r->L, r->results);
}

static void run_late(cpx_timer *timer) {
  run *r = CPX_CONTAINER(timer, run, timer);
  r->late = true;
}

static int test_run(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_Number seconds = luaL_optnumber(L, 2, 5);
  if (turning) return luaL_error(L, "cliproxy_test.run: the loop is already being turned");
  run r = {.L = L};
  lua_settop(L, 1);
  int err = cpx_task_start(L, 0, run_done, &r, &r.task);
  cpx_timer_init(&r.timer, loop, run_late);
  if (!err) err = cpx_timer_start(&r.timer, (uint64_t)(seconds * 1000));
  if (err) return luaL_error(L, "cliproxy_test.run: %s", cpx_error_text(err));
  turning++;
  while (!r.ended && !r.late) cpx_loop_turn(loop, true);
  if (!r.ended) cpx_task_cancel(r.task);
  turning--;
  cpx_timer_stop(&r.timer);
  if (r.late && !r.ok) {
    lua_pushboolean(L, false);
    lua_pushfstring(L, "not done within %f seconds", seconds);
    return 2;
  }
  lua_pushboolean(L, r.ok);
  lua_insert(L, -r.results - 1);
  return r.results + 1;
}

static int test_turn(lua_State *L) {
  if (turning) return luaL_error(L, "cliproxy_test.turn: the loop is already being turned");
  turning++;
  cpx_loop_turn(loop, lua_toboolean(L, 1));
  turning--;
  return 0;
}

static int test_tasks(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)cpx_task_count(vm));
  return 1;
}

static int open_test(lua_State *L) {
  static const luaL_Reg functions[] = {{"run", test_run}, {"turn", test_turn}, {"tasks", test_tasks}, {NULL, NULL}};
  luaL_newlib(L, functions);
  char path[4096];
  ssize_t n = readlink("/proc/self/exe", path, sizeof path);
  lua_pushlstring(L, path, n > 0 ? (size_t)n : 0);
  lua_setfield(L, -2, "interpreter");
  return 1;
}

/* -- The command line ------------------------------------------------------------------------------------------- */

static int traceback(lua_State *L) {
  if (lua_type(L, 1) == LUA_TSTRING) luaL_traceback(L, L, lua_tostring(L, 1), 1);
  return 1;
}

/* The function and its arguments are on the stack. */
static int call(lua_State *L, int nargs) {
  int base = lua_gettop(L) - nargs;
  lua_pushcfunction(L, traceback);
  lua_insert(L, base);
  int status = lua_pcall(L, nargs, 0, base);
  if (status && !lua_isnil(L, -1)) {
    const char *text = lua_tostring(L, -1);
    fprintf(stderr, "cpx_lua: %s\n", text ? text : "(an error value that is not a text)");
  }
  lua_settop(L, base - 1);
  return status ? 1 : 0;
}

static int run_text(lua_State *L, const char *text, const char *name) {
  if (luaL_loadbuffer(L, text, strlen(text), name) == 0) return call(L, 0);
  fprintf(stderr, "cpx_lua: %s\n", lua_tostring(L, -1));
  lua_pop(L, 1);
  return 1;
}

static int run_script(lua_State *L, const char *name, int argc, char **argv, int first) {
  if (luaL_loadfile(L, strcmp(name, "-") == 0 ? NULL : name)) {
    fprintf(stderr, "cpx_lua: %s\n", lua_tostring(L, -1));
    lua_pop(L, 1);
    return 1;
  }
  for (int i = first + 1; i < argc; i++) lua_pushstring(L, argv[i]);
  return call(L, argc - first - 1);
}

static void set_arg(lua_State *L, int argc, char **argv, int first) {
  lua_createtable(L, argc, first + 1);
  for (int i = 0; i < argc; i++) {
    lua_pushstring(L, argv[i]);
    lua_rawseti(L, -2, i - first);
  }
  lua_setglobal(L, "arg");
}

static int main_chunk(lua_State *L, int argc, char **argv) {
  int first = 1, status = 0;
  for (; first + 1 < argc && (strcmp(argv[first], "-e") == 0 || strcmp(argv[first], "-l") == 0); first += 2) {
  }
  if (first == argc && argc == 1) {
    fprintf(stderr, "usage: cpx_lua [-e code] [-l module] [script | -] [arguments]\n");
    return 2;
  }
  set_arg(L, argc, argv, first < argc ? first : 0);
  for (int i = 1; i < first && !status; i += 2) {
    if (argv[i][1] == 'e') {
      status = run_text(L, argv[i + 1], "=(command line)");
    } else {
      lua_getglobal(L, "require");
      lua_pushstring(L, argv[i + 1]);
      status = call(L, 1);
    }
  }
  return status || first >= argc ? status : run_script(L, argv[first], argc, argv, first);
}

static void add_extras(lua_State *L) {
  lua_getglobal(L, "os");
  lua_pushcfunction(L, os_exit);
  lua_setfield(L, -2, "exit");
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "preload");
  lua_pushcfunction(L, open_test);
  lua_setfield(L, -2, "cliproxy_test");
  lua_pop(L, 1);
  lua_getfield(L, -1, "path"); /* for require "spec.support.async" from any working directory */
  lua_pushfstring(L, "%s;%s/?.lua", lua_tostring(L, -1), CPX_SOURCE_ROOT);
  lua_setfield(L, -3, "path");
  lua_settop(L, 0);
}

int main(int argc, char **argv) {
  const char *root = getenv("CPX_ROOT"), *gc = getenv("CPX_AGGRESSIVE_GC");
  cpx_vm_options options = {.root = root ? root : CPX_SOURCE_ROOT, .aggressive_gc = gc && strcmp(gc, "1") == 0};
  int err = cpx_loop_new(&loop);
  if (!err) err = cpx_vm_new(loop, &options, &vm);
  if (err) {
    fprintf(stderr, "cpx_lua: the VM could not be opened: %s\n", cpx_error_text(err));
    return 2;
  }
  lua_State *L = cpx_vm_state(vm);
  add_extras(L);
  int status = main_chunk(L, argc, argv);
  return tear_down(status);
}
