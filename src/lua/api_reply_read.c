/* The methods of a reply that wait: relay, next_event, body, document. */
#include "lua/reply_lua.h"

#include "base/limits.h"

/* A reply is read in one way only. */
static int misused(lua_State *L, const char *what, int err) {
  if (err == CPX_EINVAL) return luaL_error(L, "%s: the answer is being read, or was read, in another way", what);
  return luaL_error(L, "%s: %s", what, cpx_error_text(err));
}

static cpx_lua_reply *check_free(lua_State *L, const char *what) {
  cpx_lua_reply *lr = cpx_lua_reply_check(L);
  cpx_task_check(L, what);
  if (lr->task) luaL_error(L, "%s: another task is waiting for this reply", what);
  return lr;
}

/* -- Relay ------------------------------------------------------------------------------------------------------ */

static void set_flag(lua_State *L, const char *name, bool value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, name);
}

static int push_relayed(lua_State *L, void *ud) {
  const cpx_lua_reply *lr = ud;
  const cpx_relayed *how = &lr->relayed;
  if (lr->brief && how->err == 0 && how->complete) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_createtable(L, 0, 6);
  set_flag(L, "ok", how->err == 0 && how->complete);
  set_flag(L, "complete", how->complete);
  set_flag(L, "client_gone", how->client_gone);
  lua_pushnumber(L, (lua_Number)how->bytes);
  lua_setfield(L, -2, "bytes");
  if (how->err == 0) return 1;
  lua_pushstring(L, cpx_error_name(how->err));
  lua_setfield(L, -2, "code");
  lua_pushstring(L, how->text && *how->text ? how->text : cpx_error_text(how->err));
  lua_setfield(L, -2, "message");
  return 1;
}

static void on_relayed(void *user, const cpx_relayed *how) {
  cpx_lua_reply *lr = user;
  lr->relayed = *how;
  cpx_lua_reply_wake(lr);
}

int cpx_lua_reply_relay(lua_State *L) {
  cpx_lua_reply *lr = check_free(L, "reply:relay");
  cpx_lua_exchange *lx = cpx_lua_exchange_check(L, 2);
  lr->brief = lua_toboolean(L, 3);
  if (!cpx_exchange_head_sent(lx->ex) && !cpx_exchange_is_gone(lx->ex))
    return luaL_error(L, "reply:relay: call exchange:start first");
  int err = cpx_reply_relay(lr->reply, lx->ex, on_relayed, lr);
  if (err) return misused(L, "reply:relay", err);
  cpx_list_remove(&lr->attached.node);
  cpx_list_push(&lx->replies, &lr->attached.node);
  return cpx_lua_reply_wait(L, lr, push_relayed);
}

/* -- Events ----------------------------------------------------------------------------------------------------- */

static void set_slice(lua_State *L, const char *name, cpx_slice s) {
  lua_pushlstring(L, s.p ? s.p : "", s.n);
  lua_setfield(L, -2, name);
}

int cpx_lua_push_event(lua_State *L, const cpx_event *event) {
  lua_createtable(L, 0, 3);
  set_slice(L, "type", event->type);
  set_slice(L, "data", event->data);
  set_slice(L, "raw", event->raw);
  return 1;
}

static bool run_lane(cpx_lua_reply *lr) {
  return lr->lane_ex && cpx_reply_run_lane(lr->reply, lr->lane_ex);
}

/* Lua sleeps on while the lane takes what comes. */
static void on_event(void *user) {
  cpx_lua_reply *lr = user;
  cpx_event event;
  if (run_lane(lr) && cpx_reply_next_event(lr->reply, &event, on_event, lr) == CPX_EAGAIN) return;
  cpx_lua_reply_wake(lr);
}

void cpx_lua_reply_give_way(cpx_job *job) {
  cpx_lua_reply_wake(CPX_CONTAINER(job, cpx_lua_reply, give_way));
}

/* Pushes the event, or the end, and counts the results. CPX_EAGAIN: nothing is there, and on_event will come. */
static int take_event(lua_State *L, cpx_lua_reply *lr, int *results) {
  cpx_event event;
  (void)run_lane(lr);
  if (lr->lane_ex && cpx_exchange_pending(lr->lane_ex) >= CPX_CONN_OUT_HIGH) {
    lua_pushboolean(L, 0);
    *results = 1;
    return 0;
  }
  int err = cpx_reply_next_event(lr->reply, &event, on_event, lr);
  if (err == CPX_EAGAIN) return err;
  if (err == CPX_EINVAL) return misused(L, "reply:next_event", err);
  const cpx_end *end = cpx_reply_end_of(lr->reply);
  if (err == 0) {
    lr->turn_bytes += event.raw.n;
    *results = cpx_lua_push_event(L, &event);
  } else if (err == CPX_EEOF && end && end->err == 0) {
    lua_pushnil(L);
    *results = 1;
  } else {
    *results = cpx_lua_reply_fail(L, err, cpx_lua_reply_end_text(lr, err));
  }
  return 0;
}

static void begin_turn(cpx_lua_reply *lr) {
  lr->turn_ns = cpx_now_ns();
  lr->turn_bytes = 0;
}

/* After a wait: something is there; or the client was slow for the lane, and has caught up since: then false, too. */
static int push_next(lua_State *L, void *ud) {
  cpx_lua_reply *lr = ud;
  int results = 0;
  begin_turn(lr);
  if (!lr->reply) return cpx_lua_reply_fail_closed(L);
  if (take_event(L, lr, &results) == 0) return results;
  lua_pushboolean(L, 0);
  return 1;
}

/* The event was taken before giving way. */
static int push_given(lua_State *L, void *ud) {
  cpx_lua_reply *lr = ud;
  begin_turn(lr);
  return lr->reply ? cpx_lua_reply_push_kept(L, lr) : cpx_lua_reply_fail_closed(L);
}

/* A stream that keeps Lua busy lets others have a turn. */
static bool had_its_turn(const cpx_lua_reply *lr) {
  return lr->turn_bytes > CPX_TURN_BYTES || cpx_now_ns() - lr->turn_ns > CPX_TURN_NS;
}

int cpx_lua_reply_next_event(lua_State *L) {
  cpx_lua_reply *lr = check_free(L, "reply:next_event");
  int results = 0;
  if (lr->turn_ns == 0) begin_turn(lr);
  if (take_event(L, lr, &results) == CPX_EAGAIN) return cpx_lua_reply_wait(L, lr, push_next);
  if (results != 1 || lua_isnil(L, -1) || !had_its_turn(lr)) return results;
  cpx_loop_defer_next(cpx_vm_loop(cpx_vm_of(L)), &lr->give_way);
  return cpx_lua_reply_wait(L, lr, push_given);
}

/* -- The lane --------------------------------------------------------------------------------------------------- */

int cpx_lua_reply_use_lane(lua_State *L) {
  cpx_lua_reply *lr = check_free(L, "reply:use_lane");
  cpx_lua_exchange *lx = cpx_lua_exchange_check(L, 2);
  if (!lr->lane_ex && cpx_reply_lane(lr->reply)) lr->lane_ex = cpx_exchange_ref(lx->ex);
  return 0;
}

static cpx_slice check_slice(lua_State *L, int index) {
  cpx_slice s;
  s.p = luaL_checklstring(L, index, &s.n);
  return s;
}

int cpx_lua_reply_learn(lua_State *L) {
  cpx_lua_reply *lr = check_free(L, "reply:learn");
  cpx_event event = {.type = check_slice(L, 2), .data = check_slice(L, 3), .has_data = true};
  cpx_lane *lane = lr->lane_ex ? cpx_reply_lane(lr->reply) : NULL;
  lua_pushboolean(L, lane && cpx_lane_learn(lane, &event, check_slice(L, 4), check_slice(L, 5)));
  return 1;
}

int cpx_lua_reply_forget(lua_State *L) {
  cpx_lua_reply *lr = check_free(L, "reply:forget");
  if (lr->lane_ex) cpx_lane_forget(cpx_reply_lane(lr->reply));
  return 0;
}

int cpx_lua_reply_absorbed(lua_State *L) {
  cpx_lua_reply *lr = check_free(L, "reply:absorbed");
  cpx_lane *lane = lr->lane_ex ? cpx_reply_lane(lr->reply) : NULL;
  lua_pushnumber(L, lane ? lane->count : 0);
  if (!lane || lane->count == 0) return 1;
  lua_pushlstring(L, lane->text.data, lane->text.len);
  if (lane->last.len)
    lua_pushlstring(L, lane->last.data, lane->last.len);
  else
    lua_pushnil(L);
  cpx_buf_clear(&lane->text, 16 * CPX_KB);
  lane->last.len = 0;
  lane->count = 0;
#ifdef CPX_SANITIZE
  lua_pushlstring(L, lane->kept.data, lane->kept.len);
  cpx_buf_clear(&lane->kept, 0);
  return 4;
#else
  return 3;
#endif
}

/* -- Whole bodies ----------------------------------------------------------------------------------------------- */

static int push_document(lua_State *L, cpx_lua_reply *lr) {
  cpx_json_error error;
  size_t n;
  char *bytes = cpx_buf_take(&lr->collected, &n);
  int err = cpx_json_parse_take(bytes, n, NULL, &lr->doc, &error);
  if (err) return cpx_lua_reply_fail(L, err, error.message);
  cpx_json_push(L, lr->doc, CPX_JSON_ROOT);
  return 1;
}

static int push_collected(lua_State *L, void *ud) {
  cpx_lua_reply *lr = ud;
  if (!lr->reply) return cpx_lua_reply_fail_closed(L);
  if (lr->collect_err) return cpx_lua_reply_fail(L, lr->collect_err, cpx_lua_reply_end_text(lr, lr->collect_err));
  if (lr->as_document) return push_document(L, lr);
  lua_pushlstring(L, lr->collected.data ? lr->collected.data : "", lr->collected.len);
  cpx_buf_deinit(&lr->collected);
  return 1;
}

static void on_collected(void *user, int err, cpx_buf *body) {
  cpx_lua_reply *lr = user;
  lr->collect_err = err;
  if (!err) {
    lr->collected = *body;
    cpx_buf_init(body, lr->collected.max);
  }
  cpx_lua_reply_wake(lr);
}

static int collect(lua_State *L, const char *what, lua_Number max, bool as_document) {
  cpx_lua_reply *lr = check_free(L, what);
  if (!(max >= 0 && max <= (lua_Number)CPX_REPLY_MAX))
    return luaL_error(L, "%s: a limit from 0 to %d bytes expected", what, (int)CPX_REPLY_MAX);
  lr->as_document = as_document;
  int err = cpx_reply_collect(lr->reply, (size_t)max, on_collected, lr);
  if (err) return misused(L, what, err);
  return cpx_lua_reply_wait(L, lr, push_collected);
}

int cpx_lua_reply_body(lua_State *L) {
  return collect(L, "reply:body", luaL_optnumber(L, 2, (lua_Number)CPX_REPLY_MAX), false);
}

int cpx_lua_reply_document(lua_State *L) {
  return collect(L, "reply:document", (lua_Number)CPX_REPLY_MAX, true);
}
