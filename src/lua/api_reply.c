/* cliproxy.reply: calls to providers. */
#include "lua/reply_lua.h"

#include "base/limits.h"
#include "lua/headers_lua.h"
#include "upstream/upstream.h"

#include <stdlib.h>
#include <string.h>

#define MESSAGE_MAX_ 512
#define WHAT         "reply.send"

/* -- Bodies ----------------------------------------------------------------------------------------------------- */

void cpx_lua_body_free(void *user) {
  cpx_lua_body *body = user;
  cpx_json_parts_deinit(&body->parts);
  cpx_json_unref(body->doc);
  if (body->ex) cpx_exchange_unref(body->ex);
  luaL_unref(body->L, LUA_REGISTRYINDEX, body->string_ref);
  free(body);
}

static int read_document(lua_State *L, cpx_lua_body *body, cpx_json_doc *doc, cpx_json_node node) {
  int err = cpx_json_encode_parts(doc, node, &body->parts);
  if (err) return err;
  body->doc = cpx_json_ref(doc);
  const cpx_lua_exchange *lx = cpx_lua_exchange_of(L, doc);
  if (lx) body->ex = cpx_exchange_ref(lx->ex);
  return 0;
}

/* The list's strings, kept alive by a list of our own: scripts may change theirs. Raises. */
static int read_pieces(lua_State *L, int index, cpx_lua_body *body) {
  size_t n = lua_objlen(L, index);
  if (n == 0) return luaL_error(L, WHAT ": body: a list of strings expected, got a table without any");
  lua_createtable(L, (int)n, 0);
  lua_pushvalue(L, -1);
  body->string_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  body->parts.v = calloc(n, sizeof *body->parts.v);
  if (!body->parts.v) return CPX_ENOMEM;
  body->parts.n = n;
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, index, (int)i + 1);
    cpx_slice *part = &body->parts.v[i];
    part->p = lua_tolstring(L, -1, &part->n);
    if (!part->p) return luaL_error(L, WHAT ": body: a list of strings expected, got %s in it", luaL_typename(L, -1));
    lua_rawseti(L, -2, (int)i + 1);
  }
  lua_pop(L, 1);
  return 0;
}

int cpx_lua_body_read(lua_State *L, int index, cpx_lua_reply *lr) {
  cpx_json_doc *doc;
  cpx_json_node node;
  bool is_document = cpx_json_test(L, index, &doc, &node);
  if (lua_isnil(L, index)) return 0;
  bool is_list = !is_document && lua_istable(L, index);
  if (!is_document && !is_list && lua_type(L, index) != LUA_TSTRING)
    return luaL_error(L, WHAT ": body: string, list of strings or document expected, got %s", luaL_typename(L, index));
  cpx_lua_body *body = lr->body = calloc(1, sizeof *body);
  if (!body) return CPX_ENOMEM;
  body->L = lr->L;
  body->string_ref = LUA_NOREF;
  if (is_document) return read_document(L, body, doc, node);
  if (is_list) return read_pieces(L, index, body);
  body->string.p = lua_tolstring(L, index, &body->string.n);
  lua_pushvalue(L, index);
  body->string_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

static void set_body(cpx_call_options *call, cpx_lua_body *body) {
  if (!body) return;
  bool in_parts = body->string.p == NULL;
  call->body = in_parts ? body->parts.v : &body->string;
  call->body_parts = in_parts ? body->parts.n : 1;
  call->body_done = cpx_lua_body_free;
  call->body_user = body;
}

/* -- Calls ------------------------------------------------------------------------------------------------------ */

/* send(call) in Lua takes the call apart, which costs the VM a tenth of what it costs the C API. */
static const char send_source[] =
    "local start, type = ...\n"
    "return function(call)\n"
    "  if type(call) ~= 'table' then return start(call) end\n"
    "  local t = call.timeouts\n"
    "  local connect, first_byte, idle, total\n"
    "  if type(t) == 'table' then connect, first_byte, idle, total = t.connect, t.first_byte, t.idle, t.total end\n"
    "  return start(call, call.method, call.url, call.headers, call.body, call.stream, call.dialect, call.framing,\n"
    "    t, connect, first_byte, idle, total, call.http2, call.proxy_url, call.unix_socket, call.ca_file)\n"
    "end\n";

/* Its arguments. */
enum {
  A_CALL = 1,
  A_METHOD,
  A_URL,
  A_HEADERS,
  A_BODY,
  A_STREAM,
  A_DIALECT,
  A_FRAMING,
  A_TIMEOUTS,
  A_CONNECT,
  A_FIRST_BYTE,
  A_IDLE,
  A_TOTAL,
  A_HTTP2,
  A_PROXY,
  A_SOCKET,
  A_CA_FILE
};

/* Borrowed from the arguments. */
static const char *text_of(lua_State *L, int index, const char *name, bool needed) {
  if (lua_type(L, index) != LUA_TSTRING && (needed || !lua_isnil(L, index)))
    luaL_error(L, WHAT ": %s: string expected, got %s", name, luaL_typename(L, index));
  return lua_tostring(L, index);
}

static void read_call(lua_State *L, cpx_call_options *call, cpx_reply_options *options, cpx_header *headers) {
  call->method = text_of(L, A_METHOD, "method", true);
  call->url = text_of(L, A_URL, "url", true);
  call->proxy_url = text_of(L, A_PROXY, "proxy_url", false);
  call->unix_socket = text_of(L, A_SOCKET, "unix_socket", false);
  call->ca_file = text_of(L, A_CA_FILE, "ca_file", false);
  call->http2 = lua_toboolean(L, A_HTTP2);
  if (!lua_istable(L, A_TIMEOUTS) && !lua_isnil(L, A_TIMEOUTS))
    luaL_error(L, WHAT ": timeouts: table expected, got %s", luaL_typename(L, A_TIMEOUTS));
  call->connect_ms = cpx_lua_time_of(L, A_CONNECT, WHAT, "connect");
  call->first_byte_ms = options->first_byte_ms = cpx_lua_time_of(L, A_FIRST_BYTE, WHAT, "first_byte");
  call->idle_ms = cpx_lua_time_of(L, A_IDLE, WHAT, "idle");
  call->total_ms = cpx_lua_time_of(L, A_TOTAL, WHAT, "total");
  call->headers = headers;
  call->header_count = cpx_lua_headers(L, A_HEADERS, headers);
  options->framing = cpx_lua_framing_of(L, A_FRAMING, WHAT);
  options->dialect = cpx_lua_dialect_of(L, A_DIALECT);
  options->stream = lua_toboolean(L, A_STREAM);
}

static int reply_start(lua_State *L) {
  cpx_task_check(L, WHAT);
  luaL_checktype(L, A_CALL, LUA_TTABLE);
  lua_settop(L, A_CA_FILE);
  cpx_upstream *up = cpx_vm_upstream(cpx_vm_of(L));
  if (!up) return cpx_lua_reply_fail(L, CPX_ENOMEM, NULL);
  cpx_header headers[CPX_LUA_HEADERS_MAX];
  cpx_call_options call = {0};
  cpx_reply_options options = {0};
  read_call(L, &call, &options, headers);
  cpx_lua_reply *lr = cpx_lua_reply_push(L);
  char message[MESSAGE_MAX_] = "";
  int err = cpx_lua_body_read(L, A_BODY, lr);
  cpx_source *source = NULL;
  set_body(&call, lr->body);
  if (!err) err = cpx_call_new(up, &call, &source, message, sizeof message);
  if (err) {
    cpx_lua_reply_close(lr);
    return cpx_lua_reply_fail(L, err, message);
  }
  lr->body = NULL; /* the call frees it */
  return cpx_lua_reply_start(L, lr, source, &options);
}

static void open_send(lua_State *L) {
  if (luaL_loadbufferx(L, send_source, sizeof send_source - 1, "=cliproxy.reply", "t")) lua_error(L);
  lua_pushcfunction(L, reply_start);
  lua_getglobal(L, "type");
  lua_call(L, 2, 1);
  lua_setfield(L, -2, "send");
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
      {"execute", cpx_lua_execute},
      {"counts", reply_counts},
      {"forget", reply_forget},
      {NULL, NULL},
  };
  cpx_lua_require_json(L);
  cpx_lua_reply_register(L);
  lua_newtable(L);
  luaL_register(L, NULL, functions);
  open_send(L);
  return 1;
}
