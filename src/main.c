/* main.c - the cliproxy command: finds its root, starts the loop and the VM, and lets Lua do what the arguments say.
 *
 * Exit codes are those of lua/cliproxy/cli/init.lua; 1 also for failures before Lua runs.
 */
#include "base/log.h"
#include "lua/vm.h"

#include <fcntl.h>
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

/* The value of --root at argv[i], in either spelling, and how many arguments it took; NULL: something else. */
static const char *root_at(int argc, char **argv, int i, int *taken) {
  *taken = 1;
  if (strncmp(argv[i], "--root=", 7) == 0) return argv[i] + 7;
  if (strcmp(argv[i], "--root") != 0 || i + 1 >= argc) return NULL;
  *taken = 2;
  return argv[i + 1];
}

/* --root, else the share folder beside an installed executable, else the source tree that this was built from. */
static const char *find_root(int argc, char **argv, char path[PATH_MAX]) {
  static const char suffix[] = "/bin/cliproxy", share[] = "/share/cliproxy";
  for (int i = 1, taken; i < argc && strcmp(argv[i], "--") != 0; i += taken) {
    const char *root = root_at(argc, argv, i, &taken);
    if (root) return root;
  }
  ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - sizeof share);
  size_t at = n > (ssize_t)sizeof suffix ? (size_t)n - (sizeof suffix - 1) : 0;
  if (at && memcmp(path + at, suffix, sizeof suffix - 1) == 0) {
    memcpy(path + at, share, sizeof share);
    if (has_lua(path)) return path;
  }
  return has_lua(CPX_SOURCE_ROOT) ? CPX_SOURCE_ROOT : CPX_INSTALL_ROOT;
}

static void on_done(void *user, bool ok, lua_State *L) {
  struct run *run = user;
  run->code = ok ? (int)lua_tointeger(L, 1) : 1;
  if (!ok) {
    const char *text = lua_tostring(L, 1);
    cpx_log_flush();
    fprintf(stderr, "cliproxy: %s\n", text ? text : "an error without a text");
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
  bool options = true;
  for (int i = 1, n = 0, taken = 1; i < argc && argv[i]; i += taken) {
    options = options && strcmp(argv[i], "--") != 0;
    if (options && root_at(argc, argv, i, &taken)) continue;
    taken = 1;
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

/* A closed standard stream's number would go to the loop's own descriptors, and lines of the log into them. */
static int open_standard_streams(void) {
  for (int fd = 0; fd <= STDERR_FILENO; fd++)
    if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd) return -1;
  return 0;
}

/* Each stream takes two descriptors: use what the system grants without asking. */
static void raise_descriptors(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* Bodies and bursts take and give back up to a megabyte a request: from the kernel each time, that was a third of what
 * a stream's burst cost. */
static void set_up_malloc(void) {
  mallopt(M_ARENA_MAX, 2); /* one for the loop, one for libuv's and libcurl's threads */
  mallopt(M_MMAP_THRESHOLD, 2 << 20);
  mallopt(M_TRIM_THRESHOLD, 16 << 20); /* http/server.c gives back what is free in quiet times */
}

int main(int argc, char **argv) {
  if (open_standard_streams()) return 1;
  signal(SIGPIPE, SIG_IGN);
  raise_descriptors();
  set_up_malloc();
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
