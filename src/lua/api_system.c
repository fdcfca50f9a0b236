/* Clock, environment, this process, the terminal: the small half of cliproxy.system. */
#include "lua/api_system.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

int cpx_system_fail(lua_State *L, const char *what, const char *path, int error) {
  lua_pushnil(L);
  lua_pushfstring(L, "%s %s: %s", what, path, strerror(error));
  lua_pushstring(L, error == ENOENT ? "not_found" : error == EACCES || error == EPERM ? "access" : "io");
  return 3;
}

static void task_done(void *user, bool ok, lua_State *L) {
  if (!ok) cpx_log(CPX_LOG_ERROR, "%s: %s", (const char *)user, lua_tostring(L, 1));
}

void cpx_system_start(lua_State *L, int ref, const char *what) {
  if (ref == LUA_NOREF) return;
  lua_rawgeti(L, LUA_REGISTRYINDEX, ref);
  int err = cpx_task_start(L, 0, task_done, (void *)(uintptr_t)what, NULL);
  if (err) cpx_log(CPX_LOG_ERROR, "%s: %s", what, cpx_error_text(err));
}

static double seconds_of(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int system_now(lua_State *L) {
  lua_pushnumber(L, seconds_of(CLOCK_MONOTONIC));
  return 1;
}

static int system_time(lua_State *L) {
  lua_pushnumber(L, seconds_of(CLOCK_REALTIME));
  return 1;
}

static int system_cpu(lua_State *L) {
  lua_pushnumber(L, seconds_of(CLOCK_PROCESS_CPUTIME_ID));
  return 1;
}

static int system_pid(lua_State *L) {
  lua_pushinteger(L, getpid());
  return 1;
}

/* Reads "Name:   123 kB" lines of a /proc file; -1 when absent. */
static long proc_kilobytes(const char *path, const char *name) {
  FILE *f = fopen(path, "re");
  if (!f) return -1;
  char line[256];
  long value = -1;
  size_t n = strlen(name);
  while (value < 0 && fgets(line, sizeof line, f))
    if (strncmp(line, name, n) == 0 && line[n] == ':') value = strtol(line + n + 1, NULL, 10);
  fclose(f);
  return value;
}

static int system_usage(lua_State *L) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  long rss = proc_kilobytes("/proc/self/status", "VmRSS");
  long pss = proc_kilobytes("/proc/self/smaps_rollup", "Pss");
  long fds = proc_kilobytes("/proc/self/status", "FDSize");
  lua_createtable(L, 0, 3);
  lua_pushnumber(L, (double)(rss >= 0 ? rss : usage.ru_maxrss) * 1024);
  lua_setfield(L, -2, "rss");
  if (pss >= 0) {
    lua_pushnumber(L, (double)pss * 1024);
    lua_setfield(L, -2, "pss");
  }
  lua_pushinteger(L, (lua_Integer)fds);
  lua_setfield(L, -2, "fds");
  return 1;
}

static int system_lag(lua_State *L) {
  lua_pushnumber(L, (double)cpx_loop_lag_take(cpx_vm_loop(cpx_vm_of(L))) / 1e6);
  return 1;
}

static int system_getenv(lua_State *L) {
  lua_pushstring(L, getenv(luaL_checkstring(L, 1)));
  return 1;
}

static int system_exit(lua_State *L) {
  int code = (int)luaL_checkinteger(L, 1);
  cpx_log_flush();
  fflush(NULL);
  _exit(code);
}

static int write_all(lua_State *L, FILE *out) {
  size_t n;
  const char *text = luaL_checklstring(L, 1, &n);
  bool ok = fwrite(text, 1, n, out) == n;
  lua_pushboolean(L, fflush(out) == 0 && ok);
  return 1;
}

static int system_print(lua_State *L) {
  return write_all(L, stdout);
}

static int system_print_error(lua_State *L) {
  return write_all(L, stderr);
}

static int system_is_terminal(lua_State *L) {
  lua_pushboolean(L, isatty(STDOUT_FILENO));
  return 1;
}

/* The lock lives in a descriptor that is never closed: the kernel drops it with the process, however that ends. */
static int system_lock(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return cpx_system_fail(L, "cannot open", path, errno);
  char text[32] = "";
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    close(fd);
    lua_pushnil(L);
    lua_pushinteger(L, n > 0 ? (lua_Integer)strtol(text, NULL, 10) : 0);
    return 2;
  }
  int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
  if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n)
    cpx_log(CPX_LOG_WARN, "cannot write the process id to %s: %s", path, strerror(errno));
  lua_pushboolean(L, 1);
  return 1;
}

static void add_constants(lua_State *L) {
  char path[PATH_MAX];
  ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
  if (n > 0) {
    lua_pushlstring(L, path, (size_t)n);
    lua_setfield(L, -2, "executable");
  }
  lua_pushstring(L, cpx_vm_root(cpx_vm_of(L)));
  lua_setfield(L, -2, "root");
  lua_pushliteral(L, CPX_VERSION);
  lua_setfield(L, -2, "version");
#ifdef CPX_SANITIZE
  lua_pushboolean(L, 1);
#else
  lua_pushboolean(L, 0);
#endif
  lua_setfield(L, -2, "checked");
}

int cpx_open_system(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"now", system_now},
      {"time", system_time},
      {"cpu", system_cpu},
      {"pid", system_pid},
      {"usage", system_usage},
      {"lag", system_lag},
      {"getenv", system_getenv},
      {"exit", system_exit},
      {"print", system_print},
      {"print_error", system_print_error},
      {"is_terminal", system_is_terminal},
      {"lock", system_lock},
      {NULL, NULL},
  };
  lua_newtable(L);
  luaL_register(L, NULL, functions);
  add_constants(L);
  cpx_system_add_files(L);
  cpx_system_add_watch(L);
  cpx_system_add_process(L);
  cpx_system_add_signals(L);
  return 1;
}
