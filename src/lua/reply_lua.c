#include "lua/reply_lua.h"

#include "base/limits.h"
#include "lua/tagged.h"

#include <math.h>
#include <stdlib.h>

#define SECONDS_MAX 1e9

static const char reply_tag = 0;
const char cpx_lua_reply_live = 0, cpx_lua_reply_ended = 0;

/* -- Life ------------------------------------------------------------------------------------------------------- */

void cpx_lua_reply_close(cpx_lua_reply *lr) {
  cpx_list_remove(&lr->attached.node);
  cpx_job_cancel(&lr->give_way);
  if (lr->reply) cpx_reply_free(lr->reply);
  lr->reply = NULL;
  if (lr->lane_ex) cpx_exchange_unref(lr->lane_ex);
  lr->lane_ex = NULL;
  lr->relayed = (cpx_relayed){.err = CPX_ECLOSED};
  if (lr->body) cpx_lua_body_free(lr->body);
  lr->body = NULL;
  if (lr->doc) {
    cpx_json_close(lr->doc);
    cpx_json_unref(lr->doc);
    lr->doc = NULL;
  }
  cpx_lua_reply_wake(lr); /* closed under the feet of a task that waits */
}

static void close_attached(cpx_lua_attached *attached) {
  cpx_lua_reply_close(CPX_CONTAINER(attached, cpx_lua_reply, attached));
}

void cpx_lua_reply_set_metatable(lua_State *L, const char *key) {
  lua_pushlightuserdata(L, (void *)(uintptr_t)key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  lua_setmetatable(L, -2);
}

cpx_lua_reply *cpx_lua_reply_push(lua_State *L) {
  cpx_lua_reply *lr = lua_newuserdata(L, sizeof *lr);
  *lr = (cpx_lua_reply){.tag = &reply_tag, .L = cpx_vm_state(cpx_vm_of(L)), .started_ns = cpx_now_ns()};
  cpx_list_init(&lr->attached.node);
  lr->attached.close = close_attached;
  cpx_job_init(&lr->give_way, cpx_lua_reply_give_way);
  cpx_buf_init(&lr->collected, CPX_REPLY_MAX);
  cpx_lua_reply_set_metatable(L, &cpx_lua_reply_live);
  cpx_task *task = cpx_task_current(L);
  cpx_lua_exchange *lx = task ? cpx_task_data(task) : NULL;
  if (lx) cpx_list_push(&lx->replies, &lr->attached.node);
  return lr;
}

cpx_lua_reply *cpx_lua_reply_check(lua_State *L) {
  return cpx_lua_reply_check_at(L, 1);
}

cpx_lua_reply *cpx_lua_reply_any(lua_State *L) {
  return cpx_lua_check_tagged(L, 1, &reply_tag, CPX_LUA_REPLY_TYPE);
}

cpx_lua_reply *cpx_lua_reply_check_at(lua_State *L, int index) {
  cpx_lua_reply *lr = cpx_lua_check_tagged(L, index, &reply_tag, CPX_LUA_REPLY_TYPE);
  if (!lr->reply) luaL_error(L, "the reply is closed");
  return lr;
}

/* -- Waiting ---------------------------------------------------------------------------------------------------- */

/* A cancelled task's call is cancelled with it: nobody will read the answer. */
static void cancel_wait(void *ud) {
  cpx_lua_reply *lr = ud;
  lr->task = NULL;
  cpx_lua_reply_close(lr);
}

int cpx_lua_reply_wait(lua_State *L, cpx_lua_reply *lr, int (*push)(lua_State *L, void *ud)) {
  lr->task = cpx_task_current(L);
  lr->co = L;
  lr->push = push;
  return cpx_task_wait(L, cancel_wait, lr);
}

void cpx_lua_reply_wake(cpx_lua_reply *lr) {
  cpx_task *task = lr->task;
  if (!task) return;
  lr->task = NULL;
  cpx_task_wake(task, lr->push, lr);
}

int cpx_lua_reply_push_kept(lua_State *L, void *ud) {
  cpx_lua_reply *lr = ud;
  lua_xmove(lr->co, L, 1);
  return 1;
}

int cpx_lua_reply_fail(lua_State *L, int err, const char *text) {
  lua_pushnil(L);
  lua_pushstring(L, text && *text ? text : cpx_error_text(err));
  lua_pushstring(L, cpx_error_name(err));
  return 3;
}

int cpx_lua_reply_fail_closed(lua_State *L) {
  return cpx_lua_reply_fail(L, CPX_ECLOSED, "the reply was closed");
}

const char *cpx_lua_reply_end_text(const cpx_lua_reply *lr, int err) {
  const cpx_end *end = lr->reply ? cpx_reply_end_of(lr->reply) : NULL;
  return end && end->err == err ? end->text : NULL;
}

/* -- Starting --------------------------------------------------------------------------------------------------- */

uint64_t cpx_lua_time_of(lua_State *L, int index, const char *what, const char *name) {
  double seconds = lua_isnil(L, index) ? 0 : lua_isnumber(L, index) ? lua_tonumber(L, index) : -1;
  if (!(seconds >= 0)) luaL_error(L, "%s: timeouts.%s: seconds from 0 on expected", what, name);
  return (uint64_t)ceil((seconds < SECONDS_MAX ? seconds : SECONDS_MAX) * 1000);
}

enum cpx_framing cpx_lua_framing_of(lua_State *L, int index, const char *what) {
  static const char *const names[] = {"sse", "ndjson", "json_array", "raw"};
  bool is_name = lua_isnil(L, index) || lua_isstring(L, index);
  const char *name = lua_isnil(L, index) ? names[0] : is_name ? lua_tostring(L, index) : luaL_typename(L, index);
  for (int i = 0; i < 4; i++)
    if (strcmp(name, names[i]) == 0) return (enum cpx_framing)i;
  return (enum cpx_framing)luaL_error(L, "%s: framing: sse, ndjson, json_array or raw expected, got %s", what, name);
}

enum cpx_dialect cpx_lua_dialect_of(lua_State *L, int index) {
  size_t n = 0;
  const char *name = lua_isstring(L, index) ? lua_tolstring(L, index, &n) : "";
  return cpx_dialect_of(cpx_slice_of(name, n));
}

void cpx_lua_reply_options(lua_State *L, int index, const char *what, cpx_reply_options *options) {
  int at = lua_gettop(L) + 1;
  lua_getfield(L, index, "framing");
  options->framing = cpx_lua_framing_of(L, at, what);
  lua_getfield(L, index, "dialect");
  options->dialect = cpx_lua_dialect_of(L, at + 1);
  lua_getfield(L, index, "stream");
  options->stream = lua_toboolean(L, at + 2);
  lua_getfield(L, index, "timeouts");
  if (lua_istable(L, at + 3)) {
    lua_getfield(L, at + 3, "first_byte");
    options->first_byte_ms = cpx_lua_time_of(L, at + 4, what, "first_byte");
  }
  lua_settop(L, at - 1);
}

static int push_reply(lua_State *L, void *ud) {
  const cpx_lua_reply *lr = ud;
  return lr->reply ? cpx_lua_reply_push_kept(L, ud) : cpx_lua_reply_fail_closed(L);
}

static void on_ready(void *user) {
  cpx_lua_reply_wake(user);
}

int cpx_lua_reply_start(lua_State *L, cpx_lua_reply *lr, cpx_source *source, cpx_reply_options *options) {
  options->on_ready = on_ready;
  options->user = lr;
  int err = cpx_reply_new(cpx_vm_loop(cpx_vm_of(L)), source, options, &lr->reply);
  if (!err) return cpx_lua_reply_wait(L, lr, push_reply);
  cpx_source_free(source);
  cpx_lua_reply_close(lr);
  return cpx_lua_reply_fail(L, err, NULL);
}
