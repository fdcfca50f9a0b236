/* main.c - the cliproxy command: finds its root, starts the loop and the VM, and lets Lua do what the arguments say.
 *
 * Exit codes are those of lua/cliproxy/cli/init.lua; 1 also for failures before Lua runs.
 */
#include "base/log.h"
#include "lua/vm.h"

#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct run {
  cpx_loop *loop;
  int code;
};

static bool has_lua(const char *root) {
  char path[PATH_MAX];
  int n = snprintf(path, sizeof path, "%s/lua/cliproxy", root);
  return n > 0 && n < (int)sizeof path && access(path, R_OK) == 0;
}

/* --root, else the share folder beside an installed executable, else the source tree that this was built from. */
static const char *find_root(int argc, char **argv, char path[PATH_MAX]) {
  for (int i = 1; i + 1 < argc; i++)
    if (strcmp(argv[i], "--root") == 0) return argv[i + 1];
  ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
  if (n > 0) {
    path[n] = '\0';
    char *bin = strstr(path, "/bin/cliproxy");
    if (bin && PATH_MAX - (bin - path) > 32) {
      strcpy(bin, "/share/cliproxy");
      if (has_lua(path)) return path;
    }
  }
  return has_lua(CPX_SOURCE_ROOT) ? CPX_SOURCE_ROOT : CPX_INSTALL_ROOT;
}

static void on_done(void *user, bool ok, lua_State *L) {
  struct run *run = user;
  run->code = ok ? (int)lua_tointeger(L, 1) : 1;
  if (!ok) {
    cpx_log_flush();
    fprintf(stderr, "cliproxy: %s\n", lua_tostring(L, 1));
  }
  cpx_loop_stop(run->loop);
}

/* require("cliproxy.cli").main(arguments), protected. */
static int start(lua_State *L) {
  int argc = (int)lua_tointeger(L, 1);
  char **argv = lua_touserdata(L, 2);
  struct run *run = lua_touserdata(L, 3);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "cliproxy.cli");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "main");
  lua_newtable(L);
  for (int i = 1, n = 0; i < argc; i++) {
    if (strcmp(argv[i], "--root") == 0) {
      i++;
      continue;
    }
    lua_pushstring(L, argv[i]);
    lua_rawseti(L, -2, ++n);
  }
  int err = cpx_task_start(L, 1, on_done, run, NULL);
  return err ? luaL_error(L, "cannot start: %s", cpx_error_text(err)) : 0;
}

static void run_lua(cpx_vm *vm, int argc, char **argv, struct run *run) {
  lua_State *L = cpx_vm_state(vm);
  lua_pushcfunction(L, start);
  lua_pushinteger(L, argc);
  lua_pushlightuserdata(L, argv);
  lua_pushlightuserdata(L, run);
  if (lua_pcall(L, 3, 0, 0)) {
    fprintf(stderr, "cliproxy: %s\n", lua_tostring(L, -1));
    run->code = 1;
    return;
  }
  cpx_loop_run(run->loop);
}

/* Each stream takes two descriptors: use what the system grants without asking. */
static void raise_descriptors(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN);
  raise_descriptors();
  mallopt(M_ARENA_MAX, 2); /* one for the loop, one for libuv's and libcurl's threads */
  char path[PATH_MAX];
  struct run run = {.code = 1};
  cpx_vm *vm = NULL;
  cpx_vm_options options = {.root = find_root(argc, argv, path),
                            .aggressive_gc = getenv("CLIPROXY_AGGRESSIVE_GC") != NULL};
  int err = cpx_loop_new(&run.loop);
  if (!err) err = cpx_vm_new(run.loop, &options, &vm);
  if (err) {
    fprintf(stderr, "cliproxy: cannot start: %s (root %s)\n", cpx_error_text(err), options.root);
    return 1;
  }
  run_lua(vm, argc, argv, &run);
  cpx_vm_free(vm);
  int leaked = cpx_loop_free(run.loop);
  cpx_log_flush();
  return leaked && run.code == 0 ? 1 : run.code;
}
