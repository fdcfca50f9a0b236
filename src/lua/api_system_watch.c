/* Folder watching for cliproxy.system: kernel notices, a debounce, and a slow poll for file systems that give none. */
#include "lua/api_system.h"

#include "base/limits.h"
#include "base/log.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FOLDERS_MAX 64
#define POLLED_MAX  2000 /* files of one folder that the poll looks at */

struct folder {
  uv_fs_event_t handle; /* data: the folder; memory freed in the close callback */
  struct watch *watch;  /* NULL once the set was replaced */
  uint64_t seen;        /* signature at the last poll */
  char path[];
};

struct watch {
  lua_State *L;
  int ref; /* the function */
  cpx_timer debounce, poll;
  struct folder *folders[FOLDERS_MAX];
  size_t count;
};

static const char watch_key = 0;

/* FNV-1a over names, sizes, times and inodes of the files that matter here. */
static uint64_t mix(uint64_t hash, const void *bytes, size_t n) {
  const unsigned char *p = bytes;
  for (size_t i = 0; i < n; i++) hash = (hash ^ p[i]) * 1099511628211ULL;
  return hash;
}

static bool matters(const char *name) {
  static const char *const endings[] = {".lua", ".env", ".pem", ".crt", ".cer", ".key"};
  size_t n = strlen(name);
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
    size_t e = strlen(endings[i]);
    if (n >= e && strcmp(name + n - e, endings[i]) == 0) return true;
  }
  return false;
}

static uint64_t signature(const char *path) {
  DIR *dir = opendir(path);
  if (!dir) return 0;
  uint64_t sum = 1; /* added up, not chained: the order of a folder's entries may change */
  struct dirent *entry;
  for (size_t left = POLLED_MAX; left > 0 && (entry = readdir(dir));) {
    struct stat st;
    if (!matters(entry->d_name) || fstatat(dirfd(dir), entry->d_name, &st, 0) != 0) continue;
    uint64_t hash = mix(14695981039346656037ULL, entry->d_name, strlen(entry->d_name));
    hash = mix(hash, &st.st_size, sizeof st.st_size);
    hash = mix(hash, &st.st_mtim, sizeof st.st_mtim);
    sum += mix(hash, &st.st_ino, sizeof st.st_ino);
    left--;
  }
  closedir(dir);
  return sum;
}

static void restart(cpx_timer *timer, uint64_t ms) {
  if (cpx_timer_start(timer, ms)) cpx_log(CPX_LOG_ERROR, "watching folders: out of memory for a timer");
}

static void on_debounce(cpx_timer *timer) {
  struct watch *w = CPX_CONTAINER(timer, struct watch, debounce);
  cpx_system_start(w->L, w->ref, "reload");
}

static void on_change(uv_fs_event_t *handle, const char *name, int events, int status) {
  (void)events, (void)status;
  struct folder *folder = handle->data;
  if (!folder->watch || (name && !matters(name))) return;
  restart(&folder->watch->debounce, CPX_WATCH_DEBOUNCE_MS);
}

static void on_poll(cpx_timer *timer) {
  struct watch *w = CPX_CONTAINER(timer, struct watch, poll);
  bool changed = false;
  for (size_t i = 0; i < w->count; i++) {
    uint64_t now = signature(w->folders[i]->path);
    changed |= now != w->folders[i]->seen;
    w->folders[i]->seen = now;
  }
  if (changed && !cpx_timer_active(&w->debounce)) restart(&w->debounce, CPX_WATCH_DEBOUNCE_MS);
  restart(&w->poll, CPX_WATCH_POLL_MS);
}

static void on_closed(uv_handle_t *handle) {
  free(handle->data);
}

static void clear(struct watch *w) {
  for (size_t i = 0; i < w->count; i++) {
    w->folders[i]->watch = NULL;
    uv_close((uv_handle_t *)&w->folders[i]->handle, on_closed);
  }
  w->count = 0;
  cpx_timer_stop(&w->debounce);
  cpx_timer_stop(&w->poll);
}

static int watch_gc(lua_State *L) {
  clear(lua_touserdata(L, 1));
  return 0;
}

static struct watch *watch_of(lua_State *L) {
  lua_pushlightuserdata(L, (void *)(uintptr_t)&watch_key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  struct watch *w = lua_touserdata(L, -1);
  lua_pop(L, 1);
  if (w) return w;
  lua_pushlightuserdata(L, (void *)(uintptr_t)&watch_key);
  w = lua_newuserdata(L, sizeof *w);
  memset(w, 0, sizeof *w);
  cpx_vm *vm = cpx_vm_of(L);
  w->L = cpx_vm_state(vm);
  w->ref = LUA_NOREF;
  cpx_timer_init(&w->debounce, cpx_vm_loop(vm), on_debounce);
  cpx_timer_init(&w->poll, cpx_vm_loop(vm), on_poll);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, watch_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_rawset(L, LUA_REGISTRYINDEX);
  return w;
}

/* A folder that cannot be watched is still polled. */
static void add_folder(struct watch *w, const char *path, uv_loop_t *loop) {
  size_t n = strlen(path) + 1;
  struct folder *folder = calloc(1, sizeof *folder + n);
  if (!folder) return;
  memcpy(folder->path, path, n);
  folder->watch = w;
  folder->handle.data = folder;
  folder->seen = signature(path);
  uv_fs_event_init(loop, &folder->handle);
  int err = uv_fs_event_start(&folder->handle, on_change, path, 0);
  /* A folder that is not there yet is usual; polling finds it when it comes. */
  if (err)
    cpx_log(err == UV_ENOENT ? CPX_LOG_DEBUG : CPX_LOG_INFO, "watching %s by polling: %s", path, uv_strerror(err));
  uv_unref((uv_handle_t *)&folder->handle);
  w->folders[w->count++] = folder;
}

static int system_watch(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  struct watch *w = watch_of(L);
  clear(w);
  luaL_unref(L, LUA_REGISTRYINDEX, w->ref);
  lua_pushvalue(L, 2);
  w->ref = luaL_ref(L, LUA_REGISTRYINDEX);
  uv_loop_t *loop = cpx_loop_uv(cpx_vm_loop(cpx_vm_of(L)));
  size_t count = lua_objlen(L, 1);
  if (count > FOLDERS_MAX) return luaL_error(L, "at most %d folders can be watched, got %d", FOLDERS_MAX, (int)count);
  for (size_t i = 1; i <= count; i++) {
    lua_rawgeti(L, 1, (int)i);
    add_folder(w, luaL_checkstring(L, -1), loop);
    lua_pop(L, 1);
  }
  if (w->count > 0) restart(&w->poll, CPX_WATCH_POLL_MS);
  return 0;
}

void cpx_system_add_watch(lua_State *L) {
  lua_pushcfunction(L, system_watch);
  lua_setfield(L, -2, "watch");
}
