#include "base/buf.h"
#include "base/limits.h"
#include "base/log.h"
#include "lua/vm.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS_MAX 64
#define LINE_BYTES (16 * CPX_KB)

/* -- Fields as members of a JSON object ------------------------------------------------------------------------- */

static int add_string(cpx_buf *b, cpx_slice s) {
  int err = cpx_buf_add_str(b, "\"");
  for (size_t i = 0; i < s.n && !err; i++) {
    unsigned char c = (unsigned char)s.p[i];
    if (c < 0x20 || c == 0x7f)
      err = cpx_buf_printf(b, "\\u%04x", c);
    else if (c == '"' || c == '\\')
      err = cpx_buf_printf(b, "\\%c", c);
    else
      err = cpx_buf_add(b, s.p + i, 1);
  }
  return err ? err : cpx_buf_add_str(b, "\"");
}

static int add_number(cpx_buf *b, lua_Number n) {
  if (!isfinite(n)) return cpx_buf_add_str(b, "null");
  return cpx_buf_printf(b, n == floor(n) && fabs(n) < 1e15 ? "%.0f" : "%.6g", n);
}

static int add_value(lua_State *L, int index, cpx_buf *b) {
  cpx_slice s;
  switch (lua_type(L, index)) {
  case LUA_TBOOLEAN: return cpx_buf_add_str(b, lua_toboolean(L, index) ? "true" : "false");
  case LUA_TNUMBER: return add_number(b, lua_tonumber(L, index));
  case LUA_TSTRING: s.p = lua_tolstring(L, index, &s.n); return add_string(b, s);
  default: return add_string(b, cpx_slice_str(luaL_typename(L, index)));
  }
}

static int compare(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* In the order of their names, so that lines of one kind look alike. */
static int add_fields(lua_State *L, int index, cpx_buf *b) {
  const char *names[FIELDS_MAX] = {NULL};
  size_t n = 0;
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
    if (lua_type(L, -2) == LUA_TSTRING && n < FIELDS_MAX) names[n++] = lua_tostring(L, -2);
  qsort(names, n, sizeof *names, compare);
  int err = 0;
  for (size_t i = 0; i < n && !err; i++) {
    if (i) err = cpx_buf_add_str(b, ",");
    if (!err) err = add_string(b, cpx_slice_str(names[i]));
    if (!err) err = cpx_buf_add_str(b, ":");
    lua_getfield(L, index, names[i]);
    if (!err) err = add_value(L, -1, b);
    lua_pop(L, 1);
  }
  return err;
}

/* -- cliproxy.log ----------------------------------------------------------------------------------------------- */

static bool json_format;

static int line(lua_State *L) {
  enum cpx_log_level level = (enum cpx_log_level)lua_tointeger(L, lua_upvalueindex(1));
  cpx_slice text;
  text.p = luaL_checklstring(L, 1, &text.n);
  if (!lua_isnoneornil(L, 2)) luaL_checktype(L, 2, LUA_TTABLE);
  if (!cpx_log_enabled(level)) return 0;
  if (!json_format || !lua_istable(L, 2)) {
    cpx_log_line(level, text, cpx_slice_of(NULL, 0));
    return 0;
  }
  lua_settop(L, 2);
  cpx_buf fields = {.data = lua_newuserdata(L, LINE_BYTES), .cap = LINE_BYTES, .max = LINE_BYTES};
  bool whole = add_fields(L, 2, &fields) == 0; /* fields that do not fit are left out: half a member is no JSON */
  cpx_log_line(level, text, whole ? cpx_buf_slice(&fields) : CPX_SLICE("\"fields\":\"too long\""));
  return 0;
}

static int enabled(lua_State *L) {
  cpx_slice name;
  enum cpx_log_level level;
  name.p = luaL_checklstring(L, 1, &name.n);
  luaL_argcheck(L, cpx_log_level_parse(name, &level) == 0, 1, "\"debug\", \"info\", \"warn\" or \"error\" expected");
  lua_pushboolean(L, cpx_log_enabled(level));
  return 1;
}

static int configure(lua_State *L) {
  cpx_slice name;
  enum cpx_log_level level;
  name.p = luaL_checklstring(L, 1, &name.n);
  luaL_argcheck(L, cpx_log_level_parse(name, &level) == 0, 1, "\"debug\", \"info\", \"warn\" or \"error\" expected");
  static const char *const formats[] = {"text", "json", NULL};
  json_format = luaL_checkoption(L, 2, "text", formats) == 1;
  cpx_log_setup(level, json_format);
  return 0;
}

int cpx_open_log(lua_State *L) {
  static const char *const names[] = {"debug", "info", "warn", "error"};
  lua_createtable(L, 0, 6);
  for (int i = 0; i <= CPX_LOG_ERROR; i++) {
    lua_pushinteger(L, i);
    lua_pushcclosure(L, line, 1);
    lua_setfield(L, -2, names[i]);
  }
  lua_pushcfunction(L, enabled);
  lua_setfield(L, -2, "enabled");
  lua_pushcfunction(L, configure);
  lua_setfield(L, -2, "configure");
  return 1;
}
