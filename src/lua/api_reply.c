/* cliproxy.reply: calls to providers, and the reply object. */
#include "lua/reply_lua.h"

#include "base/limits.h"
#include "lua/headers_lua.h"
#include "upstream/upstream.h"

#include <stdlib.h>
#include <string.h>

#define MESSAGE_MAX_ 512

/* -- Life ------------------------------------------------------------------------------------------------------------
 */

void cpx_lua_reply_close(cpx_lua_reply *lr) {
  cpx_list_remove(&lr->attached.node);
  cpx_job_cancel(&lr->give_way);
  if (lr->reply) cpx_reply_free(lr->reply);
  lr->reply = NULL;
  if (lr->doc) {
    cpx_json_close(lr->doc);
    cpx_json_unref(lr->doc);
    lr->doc = NULL;
  }
  luaL_unref(lr->L, LUA_REGISTRYINDEX, lr->self_ref);
  lr->self_ref = LUA_NOREF;
}

static void close_attached(cpx_lua_attached *attached) {
  cpx_lua_reply_close(CPX_CONTAINER(attached, cpx_lua_reply, attached));
}

cpx_lua_reply *cpx_lua_reply_push(lua_State *L) {
  cpx_lua_reply *lr = lua_newuserdata(L, sizeof *lr);
  *lr = (cpx_lua_reply){.L = cpx_vm_state(cpx_vm_of(L)), .self_ref = LUA_NOREF};
  cpx_list_init(&lr->attached.node);
  lr->attached.close = close_attached;
  cpx_job_init(&lr->give_way, cpx_lua_reply_give_way);
  luaL_getmetatable(L, CPX_LUA_REPLY_TYPE);
  lua_setmetatable(L, -2);
  cpx_task *task = cpx_task_current(L);
  cpx_lua_exchange *lx = task ? cpx_task_data(task) : NULL;
  if (lx) cpx_list_push(&lx->replies, &lr->attached.node);
  lr->started_ns = cpx_now_ns();
  return lr;
}

/* A cancelled task's call is cancelled with it: nobody will read the answer. */
void cpx_lua_reply_cancel_wait(void *ud) {
  cpx_lua_reply *lr = ud;
  lr->task = NULL;
  cpx_lua_reply_close(lr);
}

cpx_task *cpx_lua_reply_take_task(cpx_lua_reply *lr) {
  cpx_task *task = lr->task;
  lr->task = NULL;
  return task;
}

int cpx_lua_reply_fail(lua_State *L, int err, const char *text) {
  lua_pushnil(L);
  lua_pushstring(L, text && *text ? text : cpx_error_text(err));
  lua_pushstring(L, cpx_error_name(err));
  return 3;
}

/* -- Starting --------------------------------------------------------------------------------------------------------
 */

static int push_reply(lua_State *L, void *ud) {
  cpx_lua_reply *lr = ud;
  lua_rawgeti(L, LUA_REGISTRYINDEX, lr->self_ref);
  luaL_unref(L, LUA_REGISTRYINDEX, lr->self_ref);
  lr->self_ref = LUA_NOREF;
  return 1;
}

static void on_ready(void *user) {
  cpx_lua_reply *lr = user;
  if (lr->task) cpx_task_wake(cpx_lua_reply_take_task(lr), push_reply, lr);
}

static double seconds_field(lua_State *L, int index, const char *name) {
  lua_getfield(L, index, name);
  double seconds = lua_isnil(L, -1) ? 0 : luaL_checknumber(L, -1);
  lua_pop(L, 1);
  return seconds < 0 ? 0 : seconds;
}

static bool bool_field(lua_State *L, int index, const char *name) {
  lua_getfield(L, index, name);
  bool value = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return value;
}

/* Borrowed from the table, which anchors it. */
static const char *string_field(lua_State *L, int index, const char *name) {
  lua_getfield(L, index, name);
  const char *value = lua_isnil(L, -1) ? NULL : luaL_checkstring(L, -1);
  lua_pop(L, 1);
  return value;
}

static enum cpx_framing framing_field(lua_State *L, int index) {
  static const char *const names[] = {"sse", "ndjson", "json_array", "raw", NULL};
  lua_getfield(L, index, "framing");
  enum cpx_framing framing = (enum cpx_framing)luaL_checkoption(L, -1, "sse", names);
  lua_pop(L, 1);
  return framing;
}

int cpx_lua_reply_wait(lua_State *L, cpx_lua_reply *lr, cpx_source *source, int index) {
  lua_getfield(L, index, "timeouts");
  int timeouts = lua_gettop(L);
  const char *dialect = string_field(L, index, "dialect");
  lr->dialect = cpx_dialect_of(cpx_slice_str(dialect ? dialect : ""));
  cpx_reply_options options = {
      .dialect = lr->dialect,
      .framing = framing_field(L, index),
      .stream = bool_field(L, index, "stream"),
      .first_byte_ms = lua_istable(L, timeouts) ? (uint64_t)(seconds_field(L, timeouts, "first_byte") * 1000) : 0,
      .on_ready = on_ready,
      .user = lr,
  };
  int err = cpx_reply_new(cpx_vm_loop(cpx_vm_of(L)), source, &options, &lr->reply);
  if (err) {
    cpx_source_free(source);
    return cpx_lua_reply_fail(L, err, NULL);
  }
  lr->task = cpx_task_current(L);
  return cpx_task_wait(L, cpx_lua_reply_cancel_wait, lr);
}

/* -- Bodies ----------------------------------------------------------------------------------------------------------
 */

static void body_done(void *user) {
  cpx_lua_body *body = user;
  cpx_json_parts_deinit(&body->parts);
  cpx_json_unref(body->doc);
  if (body->ex) cpx_exchange_unref(body->ex);
  luaL_unref(body->L, LUA_REGISTRYINDEX, body->string_ref);
  free(body);
}

static cpx_lua_body *body_new(lua_State *L) {
  cpx_lua_body *body = calloc(1, sizeof *body);
  if (!body) luaL_error(L, "out of memory");
  body->L = cpx_vm_state(cpx_vm_of(L));
  body->string_ref = LUA_NOREF;
  return body;
}

static cpx_lua_body *document_body(lua_State *L, cpx_json_doc *doc, cpx_json_node node) {
  cpx_lua_body *body = body_new(L);
  int err = cpx_json_encode_parts(doc, node, &body->parts);
  if (err) {
    body_done(body);
    luaL_error(L, "body: %s", cpx_error_text(err));
  }
  body->doc = cpx_json_ref(doc);
  cpx_lua_exchange *lx = cpx_task_data(cpx_task_current(L));
  if (lx && lx->doc == doc) body->ex = cpx_exchange_ref(lx->ex);
  return body;
}

/* The value at `index` of the stack: a document, a string, or nil (NULL). */
static cpx_lua_body *body_of(lua_State *L, int index) {
  cpx_json_doc *doc;
  cpx_json_node node;
  if (cpx_json_test(L, index, &doc, &node)) return document_body(L, doc, node);
  if (lua_isnil(L, index)) return NULL;
  size_t n;
  const char *bytes = luaL_checklstring(L, index, &n);
  lua_pushvalue(L, index);
  int ref = luaL_ref(L, LUA_REGISTRYINDEX);
  cpx_lua_body *body = body_new(L);
  body->string_ref = ref;
  body->string = cpx_slice_of(bytes, n);
  return body;
}

static void set_body(cpx_call_options *call, cpx_lua_body *body) {
  if (!body) return;
  call->body = body->doc ? body->parts.v : &body->string;
  call->body_parts = body->doc ? body->parts.n : 1;
  call->body_done = body_done;
  call->body_user = body;
}

static void read_call(lua_State *L, cpx_call_options *call, cpx_header *headers) {
  call->method = string_field(L, 1, "method");
  call->url = string_field(L, 1, "url");
  if (!call->method || !call->url) luaL_error(L, "reply.send: method and url are needed");
  call->proxy_url = string_field(L, 1, "proxy_url");
  call->unix_socket = string_field(L, 1, "unix_socket");
  call->ca_file = string_field(L, 1, "ca_file");
  call->http2 = bool_field(L, 1, "http2");
  lua_getfield(L, 1, "headers");
  call->headers = headers;
  call->header_count = cpx_lua_headers(L, lua_gettop(L), headers); /* stays on the stack: it anchors the strings */
  lua_getfield(L, 1, "timeouts");
  if (lua_istable(L, -1)) {
    int at = lua_gettop(L);
    call->connect_ms = (uint64_t)(seconds_field(L, at, "connect") * 1000);
    call->first_byte_ms = (uint64_t)(seconds_field(L, at, "first_byte") * 1000);
    call->idle_ms = (uint64_t)(seconds_field(L, at, "idle") * 1000);
    call->total_ms = (uint64_t)(seconds_field(L, at, "total") * 1000);
  }
  lua_pop(L, 1);
}

static int reply_send(lua_State *L) {
  cpx_task_check(L, "reply.send");
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  cpx_upstream *up = cpx_vm_upstream(cpx_vm_of(L));
  if (!up) return cpx_lua_reply_fail(L, CPX_ENOMEM, NULL);
  cpx_header headers[CPX_LUA_HEADERS_MAX];
  cpx_call_options call = {0};
  read_call(L, &call, headers);
  cpx_lua_reply *lr = cpx_lua_reply_push(L);
  lua_pushvalue(L, -1);
  lr->self_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_getfield(L, 1, "body");
  cpx_lua_body *body = body_of(L, lua_gettop(L));
  set_body(&call, body);
  cpx_source *source = NULL;
  char message[MESSAGE_MAX_] = "";
  int err = cpx_call_new(up, &call, &source, message, sizeof message);
  if (!err) return cpx_lua_reply_wait(L, lr, source, 1);
  if (body) body_done(body);
  cpx_lua_reply_close(lr);
  return cpx_lua_reply_fail(L, err, message);
}

static void set_count(lua_State *L, const char *name, uint64_t value) {
  lua_pushnumber(L, (lua_Number)value);
  lua_setfield(L, -2, name);
}

static int reply_counts(lua_State *L) {
  cpx_upstream *up = cpx_vm_upstream(cpx_vm_of(L));
  cpx_upstream_counts counts = up ? cpx_upstream_count(up) : (cpx_upstream_counts){0};
  lua_createtable(L, 0, 5);
  set_count(L, "calls", counts.calls);
  set_count(L, "reused", counts.reused);
  set_count(L, "resent", counts.resent);
  set_count(L, "running", counts.running);
  set_count(L, "kept", counts.kept);
  return 1;
}

static int reply_forget(lua_State *L) {
  cpx_upstream *up = cpx_vm_upstream(cpx_vm_of(L));
  if (up) cpx_upstream_forget(up);
  return 0;
}

int cpx_open_reply(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"send", reply_send}, {"execute", cpx_lua_execute}, {"counts", reply_counts}, {"forget", reply_forget},
      {NULL, NULL},
  };
  cpx_lua_reply_register(L);
  lua_newtable(L);
  luaL_register(L, NULL, functions);
  return 1;
}
