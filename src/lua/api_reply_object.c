/* The reply object of cliproxy.reply: its fields, and what the tap saw. */
#include "lua/reply_lua.h"

#include "base/limits.h"
#include "lua/headers_lua.h"

#include <stdlib.h>
#include <string.h>

/* -- Fields ----------------------------------------------------------------------------------------------------- */

static void push_slice(lua_State *L, cpx_slice s) {
  lua_pushlstring(L, s.p ? s.p : "", s.n);
}

static void set_slice(lua_State *L, const char *name, cpx_slice s) {
  push_slice(L, s);
  lua_setfield(L, -2, name);
}

static int push_span(lua_State *L, uint64_t from, uint64_t to) {
  if (to == 0) return 0;
  lua_pushnumber(L, (double)(to - from) / 1e9);
  return 1;
}

static int field_status(lua_State *L, cpx_lua_reply *lr) {
  return lua_pushinteger(L, cpx_reply_status(lr->reply)), 1;
}

static int field_length(lua_State *L, cpx_lua_reply *lr) {
  return lua_pushnumber(L, (lua_Number)cpx_reply_length(lr->reply)), 1;
}

static int field_code(lua_State *L, cpx_lua_reply *lr) {
  const cpx_end *end = cpx_reply_end_of(lr->reply);
  if (!end || end->err == 0) return 0;
  return lua_pushstring(L, cpx_error_name(end->err)), 1;
}

static int field_message(lua_State *L, cpx_lua_reply *lr) {
  const cpx_end *end = cpx_reply_end_of(lr->reply);
  if (!end || end->err == 0) return 0;
  return lua_pushstring(L, end->text), 1;
}

static int field_committed(lua_State *L, cpx_lua_reply *lr) {
  const cpx_end *end = cpx_reply_end_of(lr->reply);
  return lua_pushboolean(L, !end || end->committed), 1;
}

static int field_first_event(lua_State *L, cpx_lua_reply *lr) {
  cpx_event event;
  return cpx_reply_first_event(lr->reply, &event) ? cpx_lua_push_event(L, &event) : 0;
}

static int field_held(lua_State *L, cpx_lua_reply *lr) {
  return push_slice(L, cpx_reply_held(lr->reply)), 1;
}

static int field_head_seconds(lua_State *L, cpx_lua_reply *lr) {
  return push_span(L, lr->started_ns, cpx_reply_head_ns(lr->reply));
}

static int field_first_seconds(lua_State *L, cpx_lua_reply *lr) {
  return push_span(L, lr->started_ns, cpx_reply_first_ns(lr->reply));
}

static int field_events(lua_State *L, cpx_lua_reply *lr) {
  return lua_pushnumber(L, (lua_Number)cpx_reply_tap(lr->reply)->events), 1;
}

static int field_is_stream(lua_State *L, cpx_lua_reply *lr) {
  return lua_pushboolean(L, cpx_reply_tap(lr->reply)->stream), 1;
}

static int field_kind(lua_State *L, cpx_lua_reply *lr) {
  if (lr->kind) return lua_pushstring(L, lr->kind), 1;
  return 0;
}

static int field_script_failed(lua_State *L, cpx_lua_reply *lr) {
  return lua_pushboolean(L, lr->script_failed), 1;
}

static const struct {
  const char *name;
  int (*push)(lua_State *L, cpx_lua_reply *lr);
} fields[] = {
    {"status", field_status},
    {"length", field_length},
    {"code", field_code},
    {"message", field_message},
    {"committed", field_committed},
    {"first_event", field_first_event},
    {"held", field_held},
    {"head_seconds", field_head_seconds},
    {"first_seconds", field_first_seconds},
    {"events", field_events},
    {"is_stream", field_is_stream},
    {"kind", field_kind},
    {"script_failed", field_script_failed},
};

/* Upvalue 1: name → method, or name → 1 + place in `fields`. */
static int reply_index(lua_State *L) {
  lua_rawget(L, lua_upvalueindex(1)); /* in the place of the name */
  if (lua_type(L, -1) != LUA_TNUMBER) return 1;
  cpx_lua_reply *lr = lua_touserdata(L, 1); /* the metatable is locked: nothing else comes here */
  if (!lr->reply) return luaL_error(L, "the reply is closed");
  return fields[lua_tointeger(L, -1) - 1].push(L, lr);
}

static int reply_head(lua_State *L) {
  cpx_lua_reply *lr = cpx_lua_reply_check(L);
  cpx_slice type;
  field_status(L, lr);
  field_is_stream(L, lr);
  field_length(L, lr);
  if (!cpx_reply_header(lr->reply, CPX_SLICE("content-type"), &type))
    lua_pushnil(L);
  else
    push_slice(L, type);
  return 4 + field_code(L, lr);
}

static int reply_header(lua_State *L) {
  cpx_lua_reply *lr = cpx_lua_reply_check(L);
  size_t n;
  const char *name = luaL_checklstring(L, 2, &n);
  cpx_slice value;
  if (!cpx_reply_header(lr->reply, cpx_slice_of(name, n), &value)) return 0;
  push_slice(L, value);
  return 1;
}

static int reply_pick(lua_State *L) {
  cpx_lua_reply *lr = cpx_lua_reply_check(L);
  const cpx_lua_names *names = cpx_lua_names_check(L, 2);
  luaL_checktype(L, 3, LUA_TTABLE);
  lua_settop(L, 3);
  size_t count = cpx_reply_header_count(lr->reply);
  for (size_t i = 0; i < count; i++) {
    cpx_header header = cpx_reply_header_at(lr->reply, i);
    if (cpx_lua_names_match(names, header.name)) cpx_lua_add_header(L, header);
  }
  return 0;
}

static int reply_headers(lua_State *L) {
  cpx_lua_reply *lr = cpx_lua_reply_check(L);
  size_t count = cpx_reply_header_count(lr->reply);
  lua_createtable(L, 0, (int)count);
  for (size_t i = 0; i < count; i++) cpx_lua_add_header(L, cpx_reply_header_at(lr->reply, i));
  return 1;
}

/* -- What the tap saw ------------------------------------------------------------------------------------------- */

static void set_count(lua_State *L, const char *name, int64_t value) {
  if (value < 0) return;
  lua_pushnumber(L, (lua_Number)value);
  lua_setfield(L, -2, name);
}

static void set_text(lua_State *L, const char *name, cpx_slice s) {
  if (s.n) set_slice(L, name, s);
}

struct tapped {
  cpx_tapped facts;
  cpx_buf storage;
  bool terminal;
};

static int push_tapped(lua_State *L) {
  const struct tapped *t = lua_touserdata(L, 1);
  lua_createtable(L, 0, 5);
  set_count(L, "input", t->facts.usage.input);
  set_count(L, "output", t->facts.usage.output);
  set_count(L, "cached", t->facts.usage.cached);
  set_count(L, "cache_written", t->facts.usage.cache_written);
  set_count(L, "reasoning", t->facts.usage.reasoning);
  lua_createtable(L, 0, 6);
  set_text(L, "model", t->facts.model);
  set_text(L, "stop", t->facts.stop);
  set_text(L, "id", t->facts.id);
  set_text(L, "error_message", t->facts.error_message);
  set_text(L, "error_code", t->facts.error_code);
  lua_pushboolean(L, t->terminal);
  lua_setfield(L, -2, "terminal");
  return 2;
}

static int read_tap(lua_State *L, lua_CFunction push) {
  cpx_lua_reply *lr = cpx_lua_reply_check(L);
  struct tapped t = {.facts.usage = {-1, -1, -1, -1, -1}, .terminal = cpx_reply_tap(lr->reply)->terminal};
  cpx_buf_init(&t.storage, CPX_PEEK_MAX);
  lua_settop(L, 1);
  lua_pushcfunction(L, push); /* first, so that running out of memory here leaks nothing */
  if (cpx_tap_read(cpx_reply_tap(lr->reply), &t.storage, &t.facts))
    t.facts = (cpx_tapped){.usage = {-1, -1, -1, -1, -1}}; /* not what it should be: nothing was told */
  lua_pushlightuserdata(L, &t);
  int failed = lua_pcall(L, 1, LUA_MULTRET, 0);
  cpx_buf_deinit(&t.storage);
  return failed ? lua_error(L) : lua_gettop(L) - 1;
}

static int reply_tapped(lua_State *L) {
  return read_tap(L, push_tapped);
}

static void push_count(lua_State *L, int64_t value) {
  if (value < 0)
    lua_pushnil(L);
  else
    lua_pushnumber(L, (lua_Number)value);
}

static int push_usage(lua_State *L, const cpx_usage *usage) {
  push_count(L, usage->input);
  push_count(L, usage->output);
  push_count(L, usage->cached);
  return 3;
}

static int push_tokens(lua_State *L) {
  const struct tapped *t = lua_touserdata(L, 1);
  push_usage(L, &t->facts.usage);
  if (t->facts.error_message.n == 0) return 3;
  push_slice(L, t->facts.error_message);
  return 4;
}

static int reply_tokens(lua_State *L) {
  cpx_usage usage;
  if (cpx_tap_usage(cpx_reply_tap(cpx_lua_reply_check(L)->reply), &usage)) return push_usage(L, &usage);
  return read_tap(L, push_tokens);
}

static void dispose(cpx_lua_reply *lr) {
  cpx_lua_reply_close(lr);
  cpx_buf_deinit(&lr->collected);
  free(lr->kind);
  lr->kind = NULL;
}

/* Then the collector frees it with the others, a whole cycle earlier than what it has to finalize. */
static int reply_close(lua_State *L) {
  dispose(cpx_lua_reply_any(L));
  lua_settop(L, 1);
  cpx_lua_reply_set_metatable(L, &cpx_lua_reply_ended);
  return 0;
}

static int reply_gc(lua_State *L) {
  dispose(lua_touserdata(L, 1));
  return 0;
}

/* With the `__index` on top, which stays. */
static void register_metatable(lua_State *L, const char *key, lua_CFunction gc) {
  lua_pushlightuserdata(L, (void *)(uintptr_t)key);
  lua_createtable(L, 0, 3);
  lua_pushvalue(L, -3);
  lua_setfield(L, -2, "__index");
  lua_pushliteral(L, "reply");
  lua_setfield(L, -2, "__metatable");
  if (gc) {
    lua_pushcfunction(L, gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_rawset(L, LUA_REGISTRYINDEX);
}

void cpx_lua_reply_register(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"head", reply_head},
      {"header", reply_header},
      {"headers", reply_headers},
      {"pick", reply_pick},
      {"relay", cpx_lua_reply_relay},
      {"body", cpx_lua_reply_body},
      {"next_event", cpx_lua_reply_next_event},
      {"use_lane", cpx_lua_reply_use_lane},
      {"learn", cpx_lua_reply_learn},
      {"forget", cpx_lua_reply_forget},
      {"absorbed", cpx_lua_reply_absorbed},
      {"tapped", reply_tapped},
      {"tokens", reply_tokens},
      {"document", cpx_lua_reply_document},
      {"close", reply_close},
      {NULL, NULL},
  };
  luaL_newmetatable(L, CPX_LUA_REPLY_TYPE);
  lua_newtable(L);
  luaL_register(L, NULL, methods);
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    lua_pushinteger(L, (lua_Integer)i + 1);
    lua_setfield(L, -2, fields[i].name);
  }
  lua_pushcclosure(L, reply_index, 1);
  register_metatable(L, &cpx_lua_reply_ended, NULL);
  register_metatable(L, &cpx_lua_reply_live, reply_gc);
  lua_pop(L, 2);
}
