/* The exchange object of cliproxy.server: the request, and the life of both. The answer: api_exchange_answer.c. */
#include "lua/exchange_lua.h"

#include "base/limits.h"
#include "base/log.h"
#include "lua/headers_lua.h"
#include "lua/reply_lua.h"
#include "lua/tagged.h"

#include <string.h>

#define EXCHANGE_TYPE "cliproxy.Exchange"
#define PICKED        8 /* headers that a picked table has room for: what passes, and what is set beside it */

static const char exchange_tag = 0;
static const char live_key = 0, ended_key = 0; /* in the registry: the metatables, see cpx_lua_exchange_finish */

cpx_lua_exchange *cpx_lua_exchange_check(lua_State *L, int index) {
  cpx_lua_exchange *lx = cpx_lua_check_tagged(L, index, &exchange_tag, EXCHANGE_TYPE);
  if (!lx->ex) luaL_error(L, "the exchange has ended");
  return lx;
}

static void push_slice(lua_State *L, cpx_slice s) {
  lua_pushlstring(L, s.p ? s.p : "", s.n);
}

/* -- Fields ----------------------------------------------------------------------------------------------------- */

static void push_fault(lua_State *L, const cpx_http_fault *fault) {
  if (!fault || fault->status == 0) {
    lua_pushnil(L);
    return;
  }
  lua_createtable(L, 0, 3);
  lua_pushinteger(L, fault->status);
  lua_setfield(L, -2, "status");
  lua_pushstring(L, fault->code);
  lua_setfield(L, -2, "code");
  lua_pushstring(L, fault->text);
  lua_setfield(L, -2, "text");
}

static double age_of(const cpx_exchange *ex) {
  return (double)(cpx_now_ns() - cpx_exchange_ready_ns(ex)) / 1e9;
}

static int push_path(lua_State *L, cpx_exchange *ex) {
  return push_slice(L, cpx_exchange_path(ex)), 1;
}

static int push_method(lua_State *L, cpx_exchange *ex) {
  return push_slice(L, cpx_exchange_method(ex)), 1;
}

static int push_query(lua_State *L, cpx_exchange *ex) {
  return push_slice(L, cpx_exchange_query(ex)), 1;
}

static int push_peer(lua_State *L, cpx_exchange *ex) {
  return lua_pushstring(L, cpx_exchange_peer(ex)), 1;
}

static int push_is_local(lua_State *L, cpx_exchange *ex) {
  return lua_pushboolean(L, cpx_exchange_is_local(ex)), 1;
}

static int push_size(lua_State *L, cpx_exchange *ex) {
  return lua_pushnumber(L, (lua_Number)cpx_exchange_body(ex).n), 1;
}

static int push_fault_of(lua_State *L, cpx_exchange *ex) {
  return push_fault(L, cpx_exchange_fault(ex)), 1;
}

static int push_gone(lua_State *L, cpx_exchange *ex) {
  return lua_pushboolean(L, cpx_exchange_is_gone(ex)), 1;
}

static int push_age(lua_State *L, cpx_exchange *ex) {
  return lua_pushnumber(L, age_of(ex)), 1;
}

static int push_head_sent(lua_State *L, cpx_exchange *ex) {
  return lua_pushboolean(L, cpx_exchange_head_sent(ex)), 1;
}

static int push_ended(lua_State *L, cpx_exchange *ex) {
  return lua_pushboolean(L, cpx_exchange_ended(ex)), 1;
}

static int push_written(lua_State *L, cpx_exchange *ex) {
  return lua_pushnumber(L, (lua_Number)cpx_exchange_written(ex)), 1;
}

typedef int (*field_fn)(lua_State *L, cpx_exchange *ex);
static const struct {
  const char *name;
  field_fn push;
} fields[] = {
    {"method", push_method},     {"path", push_path},           {"query", push_query},    {"peer", push_peer},
    {"is_local", push_is_local}, {"size", push_size},           {"fault", push_fault_of}, {"gone", push_gone},
    {"age", push_age},           {"head_sent", push_head_sent}, {"ended", push_ended},    {"written", push_written},
};

/* Upvalue 1: name → method, or name → 1 + place in `fields`. */
static int exchange_index(lua_State *L) {
  lua_rawget(L, lua_upvalueindex(1)); /* in the place of the name */
  if (lua_type(L, -1) != LUA_TNUMBER) return 1;
  const cpx_lua_exchange *lx = lua_touserdata(L, 1); /* the metatable is locked: nothing else comes here */
  if (!lx->ex) return luaL_error(L, "the exchange has ended");
  return fields[lua_tointeger(L, -1) - 1].push(L, lx->ex);
}

/* -- The request ------------------------------------------------------------------------------------------------ */

static int exchange_header(lua_State *L) {
  cpx_lua_exchange *lx = cpx_lua_exchange_check(L, 1);
  int top = lua_gettop(L);
  luaL_checktype(L, 2, LUA_TSTRING);
  for (int i = 2; i <= top; i++) {
    size_t n;
    const char *name = luaL_checklstring(L, i, &n);
    cpx_slice value;
    if (cpx_exchange_header(lx->ex, cpx_slice_of(name, n), &value))
      push_slice(L, value);
    else
      lua_pushnil(L);
  }
  return top - 1;
}

static int exchange_request(lua_State *L) {
  cpx_exchange *ex = cpx_lua_exchange_check(L, 1)->ex;
  push_slice(L, cpx_exchange_method(ex));
  push_slice(L, cpx_exchange_path(ex));
  push_slice(L, cpx_exchange_query(ex));
  lua_pushnumber(L, (lua_Number)cpx_exchange_body(ex).n);
  push_fault(L, cpx_exchange_fault(ex));
  return 5;
}

static int exchange_headers(lua_State *L) {
  cpx_lua_exchange *lx = cpx_lua_exchange_check(L, 1);
  size_t count = cpx_exchange_header_count(lx->ex);
  lua_createtable(L, 0, (int)count);
  for (size_t i = 0; i < count; i++) cpx_lua_add_header(L, cpx_exchange_header_at(lx->ex, i));
  return 1;
}

static int exchange_pick(lua_State *L) {
  cpx_lua_exchange *lx = cpx_lua_exchange_check(L, 1);
  const cpx_lua_names *names = cpx_lua_names_check(L, 2);
  lua_settop(L, 3);
  if (lua_isnil(L, 3)) {
    lua_createtable(L, 0, PICKED);
    lua_replace(L, 3);
  }
  luaL_checktype(L, 3, LUA_TTABLE);
  size_t count = cpx_exchange_header_count(lx->ex);
  for (size_t i = 0; i < count; i++) {
    cpx_header header = cpx_exchange_header_at(lx->ex, i);
    if (cpx_lua_names_match(names, header.name)) cpx_lua_add_header(L, header);
  }
  return 1;
}

static int exchange_body(lua_State *L) {
  cpx_lua_exchange *lx = cpx_lua_exchange_check(L, 1);
  push_slice(L, cpx_exchange_body(lx->ex));
  return 1;
}

/* Without a copy of the body, which may be large. */
static int exchange_contains(lua_State *L) {
  cpx_lua_exchange *lx = cpx_lua_exchange_check(L, 1);
  size_t n;
  const char *text = luaL_checklstring(L, 2, &n);
  cpx_slice body = cpx_exchange_body(lx->ex);
  lua_pushboolean(L, body.n >= n && memmem(body.p, body.n, text, n) != NULL);
  return 1;
}

/* The document borrows the exchange's body: whoever keeps the one for longer
 * keeps a reference to the other (reply.send). */
static int exchange_document(lua_State *L) {
  cpx_lua_exchange *lx = cpx_lua_exchange_check(L, 1);
  if (!lx->doc) {
    cpx_json_error error;
    cpx_slice body = cpx_exchange_body(lx->ex);
    int err = cpx_json_parse(body.p ? body.p : "", body.n, NULL, &lx->doc, &error);
    if (err) {
      lua_pushnil(L);
      lua_pushstring(L, error.message);
      lua_pushstring(L, cpx_error_name(err));
      return 3;
    }
  }
  cpx_json_push(L, lx->doc, CPX_JSON_ROOT);
  return 1;
}

static int exchange_on_gone(lua_State *L) {
  cpx_lua_exchange *lx = cpx_lua_exchange_check(L, 1);
  lua_settop(L, 2);
  lx->gone_table = lua_istable(L, 2);
  if (lx->gone_table) { /* as the userdata's environment: costs no place in the registry, and no closure */
    lua_setfenv(L, 1);
    return 0;
  }
  luaL_checktype(L, 2, LUA_TFUNCTION);
  luaL_unref(L, LUA_REGISTRYINDEX, lx->gone_ref);
  lx->gone_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

/* -- Life ------------------------------------------------------------------------------------------------------- */

/* table:gone() of the userdata's environment, or the function. */
static int call_gone(lua_State *L) {
  const cpx_lua_exchange *lx = lua_touserdata(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, lx->gone_table ? lx->self_ref : lx->gone_ref);
  if (lx->gone_table) {
    lua_getfenv(L, -1);
    lua_getfield(L, -1, "gone");
    lua_insert(L, -2);
  }
  lua_call(L, lx->gone_table, 1);
  return 1;
}

/* True when the script's function wants its task to go on. */
static bool ask_gone(cpx_lua_exchange *lx) {
  lua_State *L = lx->L;
  if (lx->gone_ref == LUA_NOREF && !lx->gone_table) return false;
  lua_pushcfunction(L, call_gone);
  lua_pushlightuserdata(L, lx);
  bool ok = lua_pcall(L, 1, 1, 0) == 0;
  bool keep = ok && lua_type(L, -1) == LUA_TBOOLEAN && lua_toboolean(L, -1);
  if (!ok) cpx_log(CPX_LOG_ERROR, "on_gone: %s", lua_isstring(L, -1) ? lua_tostring(L, -1) : "an error without a text");
  lua_pop(L, 1);
  return keep;
}

static void on_gone(void *user) {
  cpx_lua_exchange *lx = user;
  if (!lx->task) return;
  bool keep = ask_gone(lx);
  if (!keep && lx->task) cpx_task_cancel(lx->task); /* ends in cpx_lua_exchange_finish */
  cpx_lua_exchange_wake_writer(lx);
}

static void on_drain(void *user) {
  cpx_lua_exchange_wake_writer(user);
}

static const cpx_exchange_events exchange_events = {on_gone, on_drain};

static void close_document(cpx_lua_exchange *lx) {
  if (!lx->doc) return;
  cpx_json_close(lx->doc);
  cpx_json_unref(lx->doc);
  lx->doc = NULL;
}

/* Whatever the task left undone; the client gets a whole answer or sees that it is none. */
static void end_answer(cpx_exchange *ex) {
  static const char unanswered[] = "{\"error\":{\"message\":\"cliproxy failed to answer this request; its log says "
                                   "why.\",\"type\":\"server_error\",\"code\":\"internal_error\",\"param\":null}}";
  static const cpx_header json = {{"content-type", 12}, {"application/json", 16}};
  if (cpx_exchange_ended(ex) || cpx_exchange_is_gone(ex)) return;
  int err = cpx_exchange_head_sent(ex) ? CPX_ECLOSED : 0;
  if (!err) err = cpx_exchange_head(ex, 500, &json, 1, sizeof unanswered - 1);
  if (!err) err = cpx_exchange_write(ex, unanswered, sizeof unanswered - 1);
  if (err)
    cpx_exchange_abort(ex);
  else
    cpx_exchange_end(ex);
}

static void set_metatable(lua_State *L, const char *key) {
  lua_pushlightuserdata(L, (void *)(uintptr_t)key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  lua_setmetatable(L, -2);
}

/* There is nothing left to finalize: the collector frees the userdata with the others, a whole cycle earlier. */
static void let_go(cpx_lua_exchange *lx) {
  if (lx->self_ref == LUA_NOREF) return;
  lua_rawgeti(lx->L, LUA_REGISTRYINDEX, lx->self_ref);
  set_metatable(lx->L, &ended_key);
  lua_pop(lx->L, 1);
  luaL_unref(lx->L, LUA_REGISTRYINDEX, lx->self_ref);
  lx->self_ref = LUA_NOREF;
}

void cpx_lua_exchange_finish(cpx_lua_exchange *lx) {
  cpx_exchange *ex = lx->ex;
  if (!ex) return;
  cpx_list_remove(&lx->node);
  for (cpx_list *node; (node = cpx_list_shift(&lx->replies));) {
    cpx_lua_attached *attached = CPX_CONTAINER(node, cpx_lua_attached, node);
    attached->close(attached);
  }
  cpx_exchange_watch(ex, NULL, NULL);
  end_answer(ex);
  close_document(lx);
  lx->ex = NULL;
  lx->task = NULL;
  cpx_lua_exchange_wake_writer(lx); /* a task of its own that still writes is told that it is too late */
  luaL_unref(lx->L, LUA_REGISTRYINDEX, lx->gone_ref);
  lx->gone_ref = LUA_NOREF;
  cpx_exchange_unref(ex);
  let_go(lx);
}

static int exchange_gc(lua_State *L) {
  cpx_lua_exchange_finish(lua_touserdata(L, 1));
  return 0;
}

cpx_lua_exchange *cpx_lua_exchange_push(lua_State *L, cpx_exchange *ex, cpx_list *live) {
  cpx_lua_exchange *lx = lua_newuserdata(L, sizeof *lx);
  *lx = (cpx_lua_exchange){
      .tag = &exchange_tag, .L = cpx_vm_state(cpx_vm_of(L)), .gone_ref = LUA_NOREF, .self_ref = LUA_NOREF};
  cpx_list_init(&lx->node);
  cpx_list_init(&lx->replies);
  cpx_job_init(&lx->recheck, cpx_lua_exchange_recheck);
  set_metatable(L, &live_key);
  lx->ex = ex;
  cpx_list_push(live, &lx->node);
  cpx_exchange_watch(ex, &exchange_events, lx);
  return lx;
}

void cpx_lua_require_json(lua_State *L) {
  lua_getglobal(L, "require");
  lua_pushliteral(L, "cliproxy.json");
  lua_call(L, 1, 0);
}

/* With the `__index` on top, which stays. */
static void register_metatable(lua_State *L, const char *key, lua_CFunction gc) {
  lua_pushlightuserdata(L, (void *)(uintptr_t)key);
  lua_createtable(L, 0, 3);
  lua_pushvalue(L, -3);
  lua_setfield(L, -2, "__index");
  lua_pushliteral(L, "exchange");
  lua_setfield(L, -2, "__metatable");
  if (gc) {
    lua_pushcfunction(L, gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_rawset(L, LUA_REGISTRYINDEX);
}

void cpx_lua_exchange_register(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"request", exchange_request}, {"header", exchange_header},     {"headers", exchange_headers},
      {"body", exchange_body},       {"contains", exchange_contains}, {"document", exchange_document},
      {"on_gone", exchange_on_gone}, {"pick", exchange_pick},         {NULL, NULL},
  };
  luaL_newmetatable(L, EXCHANGE_TYPE);
  lua_newtable(L);
  luaL_register(L, NULL, methods);
  luaL_register(L, NULL, cpx_lua_exchange_answer);
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    lua_pushinteger(L, (lua_Integer)i + 1);
    lua_setfield(L, -2, fields[i].name);
  }
  lua_pushcclosure(L, exchange_index, 1);
  register_metatable(L, &ended_key, NULL);
  register_metatable(L, &live_key, exchange_gc);
  lua_pop(L, 2);
}
