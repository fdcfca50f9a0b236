/* The answer of an exchange, as Lua gives it: whole, or head, pieces and end. */
#include "base/limits.h"
#include "lua/exchange_lua.h"
#include "lua/headers_lua.h"
#include "lua/reply_lua.h"

static int failed(lua_State *L, int err) {
  lua_pushnil(L);
  lua_pushstring(L, err == CPX_ECLOSED ? "gone" : cpx_error_text(err));
  return 2;
}

static int succeeded(lua_State *L) {
  lua_pushboolean(L, 1);
  return 1;
}

static int write_document(cpx_lua_exchange *lx, int status, const cpx_header *headers, size_t count, cpx_json_doc *doc,
                          cpx_json_node node) {
  cpx_json_parts parts = {0};
  int err = cpx_json_encode_parts(doc, node, &parts);
  if (!err) err = cpx_exchange_head(lx->ex, status, headers, count, (int64_t)parts.bytes);
  for (size_t i = 0; i < parts.n && !err; i++) err = cpx_exchange_write(lx->ex, parts.v[i].p, parts.v[i].n);
  cpx_json_parts_deinit(&parts);
  return err;
}

static int exchange_respond(lua_State *L) {
  cpx_lua_exchange *lx = cpx_lua_exchange_check(L, 1);
  int status = (int)luaL_checkinteger(L, 2);
  cpx_header headers[CPX_LUA_HEADERS_MAX];
  lua_settop(L, 4);
  size_t count = cpx_lua_headers(L, 3, headers);
  cpx_json_doc *doc;
  cpx_json_node node;
  int err;
  if (cpx_json_test(L, 4, &doc, &node)) {
    err = write_document(lx, status, headers, count, doc, node);
  } else {
    size_t n = 0;
    const char *body = luaL_optlstring(L, 4, "", &n);
    err = cpx_exchange_head(lx->ex, status, headers, count, (int64_t)n);
    if (!err) err = cpx_exchange_write(lx->ex, body, n);
  }
  if (err) return failed(L, err);
  cpx_exchange_end(lx->ex);
  return succeeded(L);
}

static bool is_among(const cpx_header *headers, size_t count, cpx_slice name) {
  for (size_t i = 0; i < count; i++)
    if (cpx_slice_ieq(headers[i].name, name)) return true;
  return false;
}

/* The reply's headers of the set, but those that the table has, too. Nothing of them becomes Lua's. */
static size_t add_passing(lua_State *L, int index, cpx_header *headers, size_t count) {
  const cpx_lua_reply *lr = cpx_lua_reply_check_at(L, index);
  const cpx_lua_names *names = cpx_lua_names_check(L, index + 1);
  size_t own = count, passing = cpx_reply_header_count(lr->reply);
  for (size_t i = 0; i < passing; i++) {
    cpx_header header = cpx_reply_header_at(lr->reply, i);
    if (!cpx_lua_names_match(names, header.name) || is_among(headers, own, header.name)) continue;
    if (count == CPX_LUA_HEADERS_MAX) return (size_t)luaL_error(L, "more than %d headers", CPX_LUA_HEADERS_MAX);
    headers[count++] = header;
  }
  return count;
}

static int exchange_start(lua_State *L) {
  cpx_lua_exchange *lx = cpx_lua_exchange_check(L, 1);
  int status = (int)luaL_checkinteger(L, 2);
  cpx_header headers[CPX_LUA_HEADERS_MAX];
  size_t count = cpx_lua_headers(L, 3, headers);
  if (!lua_isnoneornil(L, 5)) count = add_passing(L, 5, headers, count);
  int err = cpx_exchange_head(lx->ex, status, headers, count, (int64_t)luaL_optnumber(L, 4, -1));
  return err ? failed(L, err) : succeeded(L);
}

static int push_written_result(lua_State *L, void *ud) {
  const cpx_lua_exchange *lx = ud;
  return !lx->ex || cpx_exchange_is_gone(lx->ex) ? failed(L, CPX_ECLOSED) : succeeded(L);
}

static void cancel_write(void *ud) {
  cpx_lua_exchange *lx = ud;
  lx->writer = NULL;
  cpx_job_cancel(&lx->recheck);
}

void cpx_lua_exchange_wake_writer(cpx_lua_exchange *lx) {
  cpx_task *task = lx->writer;
  if (!task) return;
  cancel_write(lx);
  cpx_task_wake(task, push_written_result, lx);
}

/* By now all is with the connection. Had it taken the bytes before they were too many, no on_drain would come. */
void cpx_lua_exchange_recheck(cpx_job *job) {
  cpx_lua_exchange *lx = CPX_CONTAINER(job, cpx_lua_exchange, recheck);
  if (lx->ex && cpx_exchange_pending(lx->ex) < CPX_CONN_OUT_HIGH) cpx_lua_exchange_wake_writer(lx);
}

static int exchange_write(lua_State *L) {
  cpx_lua_exchange *lx = cpx_lua_exchange_check(L, 1);
  size_t n;
  const char *bytes = luaL_checklstring(L, 2, &n);
  if (lx->writer) return luaL_error(L, "exchange:write: another task is writing");
  int err = cpx_exchange_write(lx->ex, bytes, n);
  if (err) return failed(L, err);
  if (cpx_exchange_pending(lx->ex) < CPX_CONN_OUT_HIGH || !cpx_task_current(L)) return succeeded(L);
  cpx_task *task = cpx_task_check(L, "exchange:write");
  lx->writer = task;
  cpx_loop_defer_next(cpx_vm_loop(cpx_vm_of(L)), &lx->recheck);
  return cpx_task_wait(L, cancel_write, lx);
}

static int exchange_finish(lua_State *L) {
  cpx_lua_exchange *lx = cpx_lua_exchange_check(L, 1);
  cpx_exchange_end(lx->ex);
  cpx_lua_exchange_wake_writer(lx);
  return 0;
}

static int exchange_abort(lua_State *L) {
  cpx_lua_exchange *lx = cpx_lua_exchange_check(L, 1);
  cpx_exchange_abort(lx->ex);
  cpx_lua_exchange_wake_writer(lx);
  return 0;
}

static int exchange_mark_complete(lua_State *L) {
  cpx_exchange_mark_complete(cpx_lua_exchange_check(L, 1)->ex);
  return 0;
}

const luaL_Reg cpx_lua_exchange_answer[] = {
    {"respond", exchange_respond},
    {"start", exchange_start},
    {"write", exchange_write},
    {"finish", exchange_finish},
    {"abort", exchange_abort},
    {"mark_complete", exchange_mark_complete},
    {NULL, NULL},
};
