/* cliproxy.server: listeners, and a task for every request that comes in through them. */
#include "lua/exchange_lua.h"

#include "base/limits.h"
#include "base/log.h"
#include "lua/headers_lua.h"
#include "net/listener.h"
#include "net/tls.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LISTENERS_MAX 16
#define MESSAGE_MAX_  512
#define NUMBER_MAX    1e12 /* bytes or seconds: beyond all reason, within every integer type */

/* One a VM, a userdata in the registry: closed with the state. */
struct server {
  lua_State *L;
  cpx_http_server *http;
  cpx_listener *listeners[LISTENERS_MAX];
  cpx_tls *tls[LISTENERS_MAX]; /* beside the listener of the same place; NULL for plain ones */
  size_t count;
  cpx_list live;        /* cpx_lua_exchange: requests that a task answers */
  int handler, starter; /* in the registry: the script's function, and start_request */
  cpx_task *drainer;    /* waits in server.drain, or NULL */
  cpx_timer drain_timer;
  size_t aborted;
};

static const char server_key = 0;

static struct server *server_of(lua_State *L) {
  lua_pushlightuserdata(L, (void *)(uintptr_t)&server_key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  struct server *s = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return s;
}

/* -- Requests --------------------------------------------------------------------------------------------------- */

static void task_done(void *user, bool ok, lua_State *L) {
  cpx_lua_exchange *lx = user;
  const char *text = ok ? "the handler returned without an answer" : lua_tostring(L, 1);
  bool cancelled = !ok && text && strcmp(text, "cancelled") == 0; /* gone, or the end of the process */
  bool answered = lx->ex && (cpx_exchange_head_sent(lx->ex) || cpx_exchange_ended(lx->ex));
  if (!cancelled && lx->ex && !cpx_exchange_is_gone(lx->ex) && !(ok && answered))
    cpx_log(CPX_LOG_ERROR, "request: %s", text ? text : "an error without a text");
  lx->task = NULL;
  cpx_lua_exchange_finish(lx);
}

struct start {
  struct server *server;
  cpx_exchange *ex; /* NULL once the userdata owns it */
};

/* Runs protected: everything here may raise for want of memory. The registry
 * anchors the userdata until the task is done. */
static int start_request(lua_State *L) {
  struct start *start = lua_touserdata(L, 1);
  cpx_lua_exchange *lx = cpx_lua_exchange_push(L, start->ex, &start->server->live);
  start->ex = NULL;
  lua_pushvalue(L, -1);
  lx->self_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_rawgeti(L, LUA_REGISTRYINDEX, start->server->handler);
  lua_insert(L, -2);
  int err = cpx_task_start(L, 1, task_done, lx, &lx->task);
  if (err) {
    cpx_lua_exchange_finish(lx);
    return luaL_error(L, "cannot start a task: %s", cpx_error_text(err));
  }
  cpx_task_set_data(lx->task, lx);
  return 0;
}

static void on_request(void *user, cpx_exchange *ex) {
  struct server *s = user;
  lua_State *L = s->L;
  struct start start = {s, ex};
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->starter);
  lua_pushlightuserdata(L, &start);
  if (lua_pcall(L, 1, 0, 0) == 0) return;
  cpx_log(CPX_LOG_ERROR, "request: %s", lua_tostring(L, -1));
  lua_pop(L, 1);
  if (start.ex) {
    cpx_exchange_abort(ex);
    cpx_exchange_unref(ex);
  }
}

cpx_lua_exchange *cpx_lua_exchange_of(lua_State *L, const cpx_json_doc *doc) {
  cpx_task *task = cpx_task_current(L);
  cpx_lua_exchange *own = task ? cpx_task_data(task) : NULL;
  if (own && own->doc == doc) return own;
  const struct server *s = server_of(L);
  if (!s) return NULL;
  for (cpx_list *node = s->live.next; node != &s->live; node = node->next) { /* a task that the request's task began */
    cpx_lua_exchange *lx = CPX_CONTAINER(node, cpx_lua_exchange, node);
    if (lx->doc == doc) return lx;
  }
  return NULL;
}

static void on_accept(void *user, cpx_conn *conn) {
  struct server *s = user;
  cpx_http_server_accept(s->http, conn);
}

static int server_handle(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  struct server *s = server_of(L);
  luaL_unref(L, LUA_REGISTRYINDEX, s->handler);
  lua_pushvalue(L, 1);
  s->handler = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

/* -- Options and listeners -------------------------------------------------------------------------------------- */

/* A field that is a number from 0 on; 0 when absent. */
static double number_field(lua_State *L, int index, const char *name) {
  lua_getfield(L, index, name);
  double value = lua_isnil(L, -1) ? 0 : lua_isnumber(L, -1) ? lua_tonumber(L, -1) : -1;
  if (!(value >= 0 && value < NUMBER_MAX)) luaL_error(L, "server: %s: a number from 0 on expected", name);
  lua_pop(L, 1);
  return value;
}

static uint64_t time_field(lua_State *L, int index, const char *name) {
  return (uint64_t)ceil(number_field(L, index, name) * 1000);
}

static int server_set(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  struct server *s = server_of(L);
  cpx_http_options options = {.on_request = on_request, .user = s};
  options.body_max = (size_t)number_field(L, 1, "body_limit");
  options.bodies_max = (size_t)number_field(L, 1, "bodies_limit");
  options.head_timeout_ms = time_field(L, 1, "head_timeout");
  options.body_timeout_ms = time_field(L, 1, "body_timeout");
  options.idle_timeout_ms = time_field(L, 1, "idle_timeout");
  options.send_timeout_ms = time_field(L, 1, "send_timeout");
  cpx_http_server_set(s->http, &options);
  return 0;
}

static int fail(lua_State *L, int err, const char *message) {
  lua_pushnil(L);
  lua_pushstring(L, message);
  lua_pushstring(L, cpx_error_name(err));
  return 3;
}

static const char *text_field(lua_State *L, int index, const char *name) {
  lua_getfield(L, index, name);
  if (!lua_isstring(L, -1)) luaL_error(L, "server.listen: %s: string expected, got %s", name, luaL_typename(L, -1));
  return lua_tostring(L, -1); /* stays on the stack */
}

/* The TLS context of options.tls, or NULL without one. */
static int tls_of(lua_State *L, cpx_tls **out, char *message) {
  *out = NULL;
  lua_getfield(L, 1, "tls");
  int tls = lua_gettop(L);
  if (lua_isnil(L, tls)) return 0;
  if (!lua_istable(L, tls)) return luaL_error(L, "server.listen: tls: table expected, got %s", luaL_typename(L, tls));
  const char *cert = text_field(L, tls, "cert"), *key = text_field(L, tls, "key");
  return cpx_tls_new(cert, key, out, message, MESSAGE_MAX_);
}

static int server_listen(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  struct server *s = server_of(L);
  if (s->count == LISTENERS_MAX) return luaL_error(L, "more than %d listeners", LISTENERS_MAX);
  const char *address = text_field(L, 1, "address");
  char message[MESSAGE_MAX_] = "";
  cpx_tls *tls = NULL;
  int err = tls_of(L, &tls, message);
  if (err) return fail(L, err, message);
  cpx_listener_options options = {.address = address, .tls = tls, .on_accept = on_accept, .user = s};
  cpx_listener *listener = NULL;
  err = cpx_listener_open(cpx_vm_loop(cpx_vm_of(L)), &options, &listener, message, sizeof message);
  if (err) {
    cpx_tls_unref(tls);
    return fail(L, err, message);
  }
  s->tls[s->count] = tls;
  s->listeners[s->count++] = listener;
  lua_pushstring(L, cpx_listener_address(listener));
  return 1;
}

static int server_reload_tls(lua_State *L) {
  struct server *s = server_of(L);
  for (size_t i = 0; i < s->count; i++) {
    char message[MESSAGE_MAX_] = "";
    int err = s->tls[i] ? cpx_tls_reload(s->tls[i], message, sizeof message) : 0;
    if (err) return fail(L, err, message);
  }
  lua_pushboolean(L, 1);
  return 1;
}

static int server_check_address(lua_State *L) {
  bool is_local = false;
  char message[MESSAGE_MAX_] = "";
  int err = cpx_address_check(luaL_checkstring(L, 1), &is_local, message, sizeof message);
  if (err) return fail(L, err, message);
  lua_pushboolean(L, is_local);
  return 1;
}

static void set_number(lua_State *L, const char *name, double value) {
  lua_pushnumber(L, value);
  lua_setfield(L, -2, name);
}

static int server_counts(lua_State *L) {
  cpx_http_counts counts = cpx_http_server_counts(server_of(L)->http);
  lua_createtable(L, 0, 5);
  set_number(L, "connections", (double)counts.connections);
  set_number(L, "active", (double)counts.active);
  set_number(L, "body_bytes", (double)counts.body_bytes);
  set_number(L, "requests", (double)counts.requests);
  set_number(L, "faults", (double)counts.faults);
  return 1;
}

/* -- Stopping --------------------------------------------------------------------------------------------------- */

static void close_listeners(struct server *s) {
  for (size_t i = 0; i < s->count; i++) {
    cpx_listener_close(s->listeners[i]);
    cpx_tls_unref(s->tls[i]);
  }
  s->count = 0;
}

static int push_aborted(lua_State *L, void *ud) {
  lua_pushnumber(L, (lua_Number)((struct server *)ud)->aborted);
  return 1;
}

static void drained(struct server *s) {
  cpx_timer_stop(&s->drain_timer);
  if (!s->drainer) return;
  cpx_task *task = s->drainer;
  s->drainer = NULL;
  cpx_task_wake(task, push_aborted, s);
}

static void on_idle(void *user) {
  drained(user);
}

static void on_drain_timer(cpx_timer *timer) {
  struct server *s = CPX_CONTAINER(timer, struct server, drain_timer);
  s->aborted = 0;
  for (cpx_list *node; (node = cpx_list_shift(&s->live));) {
    cpx_lua_exchange *lx = CPX_CONTAINER(node, cpx_lua_exchange, node);
    if (!cpx_exchange_ended(lx->ex)) s->aborted++;
    cpx_exchange_abort(lx->ex);
    cpx_task_cancel(lx->task);
  }
  drained(s);
}

static void cancel_drain(void *ud) {
  struct server *s = ud;
  s->drainer = NULL;
  cpx_timer_stop(&s->drain_timer);
}

static int server_drain(lua_State *L) {
  cpx_task *task = cpx_task_check(L, "server.drain");
  struct server *s = server_of(L);
  lua_Number seconds = luaL_checknumber(L, 1);
  luaL_argcheck(L, seconds >= 0 && seconds < NUMBER_MAX, 1, "seconds from 0 on expected");
  uint64_t ms = (uint64_t)ceil(seconds * 1000);
  if (s->drainer) return luaL_error(L, "server.drain: already draining");
  close_listeners(s);
  s->aborted = 0;
  int err = cpx_timer_start(&s->drain_timer, ms);
  if (err) return luaL_error(L, "server.drain: %s", cpx_error_text(err));
  s->drainer = task;
  cpx_http_server_drain(s->http, on_idle, s);
  return cpx_task_wait(L, cancel_drain, s);
}

static int server_gc(lua_State *L) {
  struct server *s = lua_touserdata(L, 1);
  cpx_timer_stop(&s->drain_timer);
  close_listeners(s);
  if (s->http) cpx_http_server_free(s->http);
  s->http = NULL;
  return 0;
}

static void make_server(lua_State *L) {
  lua_pushlightuserdata(L, (void *)(uintptr_t)&server_key);
  struct server *s = lua_newuserdata(L, sizeof *s);
  memset(s, 0, sizeof *s);
  cpx_list_init(&s->live);
  cpx_vm *vm = cpx_vm_of(L);
  s->L = cpx_vm_state(vm);
  s->handler = LUA_NOREF;
  lua_pushcfunction(L, start_request);
  s->starter = luaL_ref(L, LUA_REGISTRYINDEX);
  cpx_http_options options = {.on_request = on_request, .user = s};
  cpx_timer_init(&s->drain_timer, cpx_vm_loop(vm), on_drain_timer);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, server_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  int err = cpx_http_server_new(cpx_vm_loop(vm), &options, &s->http);
  if (err) luaL_error(L, "cannot make the HTTP server: %s", cpx_error_text(err));
  lua_rawset(L, LUA_REGISTRYINDEX);
}

int cpx_open_server(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"handle", server_handle},
      {"set", server_set},
      {"listen", server_listen},
      {"reload_tls", server_reload_tls},
      {"counts", server_counts},
      {"check_address", server_check_address},
      {"drain", server_drain},
      {"header_names", cpx_lua_names_new},
      {NULL, NULL},
  };
  cpx_lua_require_json(L);
  cpx_lua_names_register(L);
  cpx_lua_exchange_register(L);
  make_server(L);
  lua_newtable(L);
  luaL_register(L, NULL, functions);
  return 1;
}
