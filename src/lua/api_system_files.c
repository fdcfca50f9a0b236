/* Files and folders for cliproxy.system. All of these block; nothing on the way of a request calls them. */
#include "lua/api_system.h"

#include "base/file.h"
#include "base/limits.h"
#include "crypto/random.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int files_realpath(lua_State *L) {
  char path[PATH_MAX];
  if (!realpath(luaL_checkstring(L, 1), path)) return 0;
  lua_pushstring(L, path);
  return 1;
}

static int files_cwd(lua_State *L) {
  char path[PATH_MAX];
  lua_pushstring(L, getcwd(path, sizeof path) ? path : ".");
  return 1;
}

static int push_bytes(lua_State *L) {
  const cpx_buf *bytes = lua_touserdata(L, 1);
  lua_pushlstring(L, bytes->data ? bytes->data : "", bytes->len);
  return 1;
}

static int files_read(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  double max = luaL_optnumber(L, 2, (lua_Number)CPX_SCRIPT_MAX);
  cpx_buf bytes;
  cpx_buf_init(&bytes, (size_t)max);
  lua_pushcfunction(L, push_bytes); /* first, so that running out of memory here leaks nothing */
  int err = cpx_file_read(path, &bytes);
  int saved = errno;
  if (err == 0) {
    lua_pushlightuserdata(L, &bytes);
    int failed = lua_pcall(L, 1, 1, 0);
    cpx_buf_deinit(&bytes);
    return failed ? lua_error(L) : 1;
  }
  cpx_buf_deinit(&bytes);
  if (err == CPX_EIO) return cpx_system_fail(L, "cannot read", path, saved);
  lua_pushnil(L);
  if (err == CPX_EINVAL)
    lua_pushfstring(L, "cannot read %s: not a regular file", path);
  else
    lua_pushfstring(L, "%s is larger than %f bytes", path, max);
  lua_pushstring(L, cpx_error_name(err));
  return 3;
}

static int files_write(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  cpx_slice bytes;
  bytes.p = luaL_checklstring(L, 2, &bytes.n);
  mode_t mode = (mode_t)luaL_optinteger(L, 3, 0600);
  uint64_t suffix;
  char temporary[PATH_MAX];
  if (cpx_random(&suffix, sizeof suffix)) return cpx_system_fail(L, "cannot write", path, EIO);
  if (snprintf(temporary, sizeof temporary, "%s.%016" PRIx64, path, suffix) >= (int)sizeof temporary)
    return cpx_system_fail(L, "cannot write", path, ENAMETOOLONG);
  if (cpx_file_replace(temporary, path, mode, bytes)) return cpx_system_fail(L, "cannot write", path, errno);
  lua_pushboolean(L, 1);
  return 1;
}

static int files_stat(lua_State *L) {
  struct stat st;
  if (stat(luaL_checkstring(L, 1), &st) != 0) return 0;
  lua_createtable(L, 0, 5);
  lua_pushstring(L, S_ISREG(st.st_mode) ? "file" : S_ISDIR(st.st_mode) ? "directory" : "other");
  lua_setfield(L, -2, "type");
  lua_pushnumber(L, (lua_Number)st.st_size);
  lua_setfield(L, -2, "size");
  lua_pushnumber(L, (lua_Number)st.st_mtim.tv_sec + (lua_Number)st.st_mtim.tv_nsec / 1e9);
  lua_setfield(L, -2, "mtime");
  lua_pushinteger(L, (lua_Integer)(st.st_mode & 07777));
  lua_setfield(L, -2, "mode");
  lua_pushinteger(L, (lua_Integer)st.st_uid);
  lua_setfield(L, -2, "uid");
  return 1;
}

static int by_name(const struct dirent **a, const struct dirent **b) {
  return strcmp((*a)->d_name, (*b)->d_name);
}

static int not_dots(const struct dirent *entry) {
  return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int push_names(lua_State *L) {
  struct dirent **entries = lua_touserdata(L, 1);
  int count = (int)lua_tointeger(L, 2);
  lua_createtable(L, count, 0);
  for (int i = 0; i < count; i++) {
    lua_pushstring(L, entries[i]->d_name);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static int files_list(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  struct dirent **entries = NULL;
  lua_pushcfunction(L, push_names); /* first, so that running out of memory here leaks nothing */
  int count = scandir(path, &entries, not_dots, by_name);
  if (count < 0) return cpx_system_fail(L, "cannot list", path, errno);
  lua_pushlightuserdata(L, entries);
  lua_pushinteger(L, count);
  int failed = lua_pcall(L, 2, 1, 0);
  for (int i = 0; i < count; i++) free(entries[i]);
  free(entries);
  return failed ? lua_error(L) : 1;
}

static int files_mkdir(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  if (mkdir(path, (mode_t)luaL_optinteger(L, 2, 0700)) != 0 && errno != EEXIST)
    return cpx_system_fail(L, "cannot make the folder", path, errno);
  lua_pushboolean(L, 1);
  return 1;
}

static int files_remove(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  if (remove(path) != 0) return cpx_system_fail(L, "cannot remove", path, errno);
  lua_pushboolean(L, 1);
  return 1;
}

void cpx_system_add_files(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"realpath", files_realpath}, {"cwd", files_cwd},       {"read", files_read},
      {"write", files_write},       {"stat", files_stat},     {"list", files_list},
      {"mkdir", files_mkdir},       {"remove", files_remove}, {NULL, NULL},
  };
  luaL_register(L, NULL, functions);
}
