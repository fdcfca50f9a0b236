/* The reply object of cliproxy.reply: its fields, and the ways to read the answer. */
#include "lua/reply_lua.h"

#include "base/limits.h"
#include "lua/headers_lua.h"

#include <stdlib.h>
#include <string.h>

static cpx_lua_reply *check(lua_State *L) {
  cpx_lua_reply *lr = luaL_checkudata(L, 1, CPX_LUA_REPLY_TYPE);
  if (!lr->reply) luaL_error(L, "the reply is closed");
  return lr;
}

/* The source's own words where it has ended. */
static const char *end_text(const cpx_lua_reply *lr, int err) {
  const cpx_end *end = cpx_reply_end_of(lr->reply);
  return end && end->err == err ? end->text : NULL;
}

/* -- Fields ----------------------------------------------------------------------------------------------------------
 */

static void push_slice(lua_State *L, cpx_slice s) {
  lua_pushlstring(L, s.p ? s.p : "", s.n);
}

static void set_slice(lua_State *L, const char *name, cpx_slice s) {
  push_slice(L, s);
  lua_setfield(L, -2, name);
}

static int push_event(lua_State *L, const cpx_event *event) {
  lua_createtable(L, 0, 3);
  set_slice(L, "type", event->type);
  set_slice(L, "data", event->data);
  set_slice(L, "raw", event->raw);
  return 1;
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
  return cpx_reply_first_event(lr->reply, &event) ? push_event(L, &event) : 0;
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
  lua_pushvalue(L, 2);
  lua_rawget(L, lua_upvalueindex(1));
  if (lua_type(L, -1) != LUA_TNUMBER) return 1;
  cpx_lua_reply *lr = lua_touserdata(L, 1);
  if (!lr->reply) return luaL_error(L, "the reply is closed");
  return fields[lua_tointeger(L, -1) - 1].push(L, lr);
}

static int reply_header(lua_State *L) {
  cpx_lua_reply *lr = check(L);
  size_t n;
  const char *name = luaL_checklstring(L, 2, &n);
  cpx_slice value;
  if (!cpx_reply_header(lr->reply, cpx_slice_of(name, n), &value)) return 0;
  push_slice(L, value);
  return 1;
}

static int reply_headers(lua_State *L) {
  cpx_lua_reply *lr = check(L);
  size_t count = cpx_reply_header_count(lr->reply);
  lua_createtable(L, 0, (int)count);
  for (size_t i = 0; i < count; i++) cpx_lua_add_header(L, cpx_reply_header_at(lr->reply, i));
  return 1;
}

/* -- Relay -----------------------------------------------------------------------------------------------------------
 */

struct relayed {
  cpx_lua_reply *lr;
  cpx_relayed how;
};

static int push_relayed(lua_State *L, void *ud) {
  struct relayed *done = ud;
  lua_createtable(L, 0, 6);
  lua_pushboolean(L, done->how.err == 0 && done->how.complete);
  lua_setfield(L, -2, "ok");
  if (done->how.err) {
    lua_pushstring(L, cpx_error_name(done->how.err));
    lua_setfield(L, -2, "code");
    lua_pushstring(L, done->how.text ? done->how.text : cpx_error_text(done->how.err));
    lua_setfield(L, -2, "message");
  }
  lua_pushnumber(L, (lua_Number)done->how.bytes);
  lua_setfield(L, -2, "bytes");
  lua_pushboolean(L, done->how.complete);
  lua_setfield(L, -2, "complete");
  lua_pushboolean(L, done->how.client_gone);
  lua_setfield(L, -2, "client_gone");
  return 1;
}

static void on_relayed(void *user, const cpx_relayed *how) {
  struct relayed *done = user;
  done->how = *how;
  if (done->lr->task) cpx_task_wake(cpx_lua_reply_take_task(done->lr), push_relayed, done);
}

static int reply_relay(lua_State *L) {
  cpx_lua_reply *lr = check(L);
  cpx_lua_exchange *lx = cpx_lua_exchange_check(L, 2);
  cpx_task *task = cpx_task_check(L, "reply:relay");
  /* On the stack of the waiting task until it is resumed. */
  struct relayed *done = lua_newuserdata(L, sizeof *done);
  *done = (struct relayed){.lr = lr};
  int err = cpx_reply_relay(lr->reply, lx->ex, on_relayed, done);
  if (err) return luaL_error(L, "reply:relay: %s", cpx_error_text(err));
  lr->task = task;
  return cpx_task_wait(L, cpx_lua_reply_cancel_wait, lr);
}

/* -- Events ----------------------------------------------------------------------------------------------------------
 */

static int push_next(lua_State *L, void *ud);

static void on_event(void *user) {
  cpx_lua_reply *lr = user;
  if (lr->task) cpx_task_wake(cpx_lua_reply_take_task(lr), push_next, lr);
}

void cpx_lua_reply_give_way(cpx_job *job) {
  on_event(CPX_CONTAINER(job, cpx_lua_reply, give_way));
}

/* Pushes the event or the end. CPX_EAGAIN, nothing pushed: on_event will come. */
static int next_event(lua_State *L, cpx_lua_reply *lr, int *results) {
  cpx_event event;
  int err = cpx_reply_next_event(lr->reply, &event, on_event, lr);
  if (err == CPX_EAGAIN) return err;
  const cpx_end *end = cpx_reply_end_of(lr->reply);
  if (err == 0) {
    lr->turn_bytes += event.raw.n;
    *results = push_event(L, &event);
  } else if (err == CPX_EEOF && end && end->err == 0) {
    lua_pushnil(L);
    *results = 1;
  } else {
    *results = cpx_lua_reply_fail(L, err, end_text(lr, err));
  }
  return 0;
}

/* After a wait: a new turn. */
static int push_next(lua_State *L, void *ud) {
  cpx_lua_reply *lr = ud;
  int results = 0;
  lr->turn_ns = cpx_now_ns();
  lr->turn_bytes = 0;
  if (lr->reply && next_event(L, lr, &results) == 0) return results;
  return cpx_lua_reply_fail(L, CPX_ECLOSED, NULL);
}

/* A stream that keeps Lua busy lets others have a turn. */
static bool had_its_turn(cpx_lua_reply *lr) {
  if (lr->turn_ns == 0) lr->turn_ns = cpx_now_ns();
  return lr->turn_bytes > CPX_TURN_BYTES || cpx_now_ns() - lr->turn_ns > CPX_TURN_NS;
}

static int reply_next_event(lua_State *L) {
  cpx_lua_reply *lr = check(L);
  cpx_task *task = cpx_task_check(L, "reply:next_event");
  int results;
  if (had_its_turn(lr))
    cpx_loop_defer_next(cpx_vm_loop(cpx_vm_of(L)), &lr->give_way);
  else if (next_event(L, lr, &results) == 0)
    return results;
  lr->task = task;
  return cpx_task_wait(L, cpx_lua_reply_cancel_wait, lr);
}

/* -- Whole bodies ----------------------------------------------------------------------------------------------------
 */

struct collected {
  cpx_lua_reply *lr;
  cpx_buf body;
  int err;
  bool as_document;
};

static int collected_gc(lua_State *L) {
  struct collected *c = lua_touserdata(L, 1);
  cpx_buf_deinit(&c->body);
  return 0;
}

static int push_document(lua_State *L, struct collected *c) {
  cpx_lua_reply *lr = c->lr;
  cpx_json_error error;
  size_t n;
  char *bytes = cpx_buf_take(&c->body, &n);
  int err = cpx_json_parse_take(bytes, n, NULL, &lr->doc, &error);
  if (err) return cpx_lua_reply_fail(L, err, error.message);
  cpx_json_push(L, lr->doc, CPX_JSON_ROOT);
  return 1;
}

static int push_collected(lua_State *L, void *ud) {
  struct collected *c = ud;
  if (c->err) return cpx_lua_reply_fail(L, c->err, c->lr->reply ? end_text(c->lr, c->err) : NULL);
  if (c->as_document) return push_document(L, c);
  push_slice(L, cpx_buf_slice(&c->body));
  cpx_buf_deinit(&c->body);
  return 1;
}

static void on_collected(void *user, int err, cpx_buf *body) {
  struct collected *c = user;
  c->err = err;
  if (!err) {
    size_t max = c->body.max;
    c->body = *body;
    cpx_buf_init(body, max);
  }
  if (c->lr->task) cpx_task_wake(cpx_lua_reply_take_task(c->lr), push_collected, c);
}

static int collect(lua_State *L, const char *what, double max, bool as_document) {
  cpx_lua_reply *lr = check(L);
  cpx_task *task = cpx_task_check(L, what);
  if (lr->doc) return luaL_error(L, "%s: the body was already read", what);
  struct collected *c = lua_newuserdata(L, sizeof *c); /* stays on the waiting task's stack */
  *c = (struct collected){.lr = lr, .as_document = as_document};
  cpx_buf_init(&c->body, (size_t)max);
  luaL_getmetatable(L, "cliproxy.collected");
  lua_setmetatable(L, -2);
  int err = cpx_reply_collect(lr->reply, (size_t)max, on_collected, c);
  if (err) return cpx_lua_reply_fail(L, err, end_text(lr, err));
  lr->task = task;
  return cpx_task_wait(L, cpx_lua_reply_cancel_wait, lr);
}

static int reply_body(lua_State *L) {
  return collect(L, "reply:body", luaL_optnumber(L, 2, (lua_Number)CPX_REPLY_MAX), false);
}

static int reply_document(lua_State *L) {
  return collect(L, "reply:document", (double)CPX_REPLY_MAX, true);
}

/* -- What the tap saw ------------------------------------------------------------------------------------------------
 */

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

static int reply_tapped(lua_State *L) {
  cpx_lua_reply *lr = check(L);
  struct tapped t = {.facts.usage = {-1, -1, -1, -1, -1}, .terminal = cpx_reply_tap(lr->reply)->terminal};
  cpx_buf_init(&t.storage, CPX_PEEK_MAX);
  lua_pushcfunction(L, push_tapped); /* first, so that running out of memory here leaks nothing */
  if (cpx_tap_read(cpx_reply_tap(lr->reply), &t.storage, &t.facts))
    t.facts = (cpx_tapped){.usage = {-1, -1, -1, -1, -1}}; /* not what it should be: nothing was told */
  lua_pushlightuserdata(L, &t);
  int failed = lua_pcall(L, 1, 2, 0);
  cpx_buf_deinit(&t.storage);
  return failed ? lua_error(L) : 2;
}

static int reply_close(lua_State *L) {
  cpx_lua_reply_close(luaL_checkudata(L, 1, CPX_LUA_REPLY_TYPE));
  return 0;
}

static int reply_gc(lua_State *L) {
  cpx_lua_reply *lr = lua_touserdata(L, 1);
  cpx_lua_reply_close(lr);
  free(lr->kind);
  lr->kind = NULL;
  return 0;
}

void cpx_lua_reply_register(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"header", reply_header},         {"headers", reply_headers}, {"relay", reply_relay},
      {"next_event", reply_next_event}, {"body", reply_body},       {"document", reply_document},
      {"tapped", reply_tapped},         {"close", reply_close},     {NULL, NULL},
  };
  luaL_newmetatable(L, CPX_LUA_REPLY_TYPE);
  lua_newtable(L);
  luaL_register(L, NULL, methods);
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    lua_pushinteger(L, (lua_Integer)i + 1);
    lua_setfield(L, -2, fields[i].name);
  }
  lua_pushcclosure(L, reply_index, 1);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, reply_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  luaL_newmetatable(L, "cliproxy.collected");
  lua_pushcfunction(L, collected_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
}
