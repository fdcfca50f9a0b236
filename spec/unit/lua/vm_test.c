/* The interface of vm.h as the bindings use it: starting, waiting, waking and cancelling, in every order. */
#include "c_test.h"

#include "base/limits.h"
#include "base/log.h"
#include "lua/vm.h"
#include "json/tape.h"

#include <fcntl.h>

static cpx_loop *loop;
static cpx_vm *vm;
static lua_State *L;

typedef struct outcome {
  int calls;
  bool ok;
  char text[200];
} outcome;

static void on_done(void *user, bool ok, lua_State *S) {
  outcome *o = user;
  o->calls++;
  o->ok = ok;
  const char *text = lua_gettop(S) >= 1 ? lua_tostring(S, 1) : "(nothing)";
  (void)snprintf(o->text, sizeof o->text, "%s", text ? text : "(no text)");
}

/* The wait under test: `wait()` in scripts parks its task here. */
static struct {
  cpx_task *task;
  int cancels, pushes;
  bool wake_at_once;
} parked;

static int push_seven(lua_State *S, void *ud) {
  (void)ud;
  parked.pushes++;
  lua_pushinteger(S, 7);
  return 1;
}

static int push_raises(lua_State *S, void *ud) {
  (void)ud;
  parked.pushes++;
  return luaL_error(S, "the push raised");
}

static void on_cancel(void *ud) {
  (void)ud;
  parked.cancels++;
  parked.task = NULL;
}

static int script_wait(lua_State *S) {
  parked.task = cpx_task_check(S, "wait");
  if (parked.wake_at_once) cpx_task_wake(parked.task, push_seven, NULL);
  return cpx_task_wait(S, on_cancel, NULL);
}

static int script_cancel_me(lua_State *S) {
  cpx_task_cancel(cpx_task_current(S));
  return 0;
}

static void open_vm(bool aggressive) {
  memset(&parked, 0, sizeof parked);
  cpx_vm_options options = {.root = ".", .aggressive_gc = aggressive};
  if (cpx_loop_new(&loop) || cpx_vm_new(loop, &options, &vm)) abort();
  L = cpx_vm_state(vm);
  lua_register(L, "wait", script_wait);
  lua_register(L, "cancel_me", script_cancel_me);
}

static void close_vm(void) {
  cpx_vm_free(vm);
  CHECK_INT(cpx_loop_free(loop), 0);
}

static cpx_task *start(const char *text, outcome *o) {
  *o = (outcome){0};
  if (luaL_loadstring(L, text)) abort();
  cpx_task *task = NULL;
  if (cpx_task_start(L, 0, on_done, o, &task)) abort();
  return task;
}

static void turn(void) {
  cpx_loop_turn(loop, false);
}

static void a_task_runs_in_the_next_jobs_and_hands_over_results(void) {
  open_vm(false);
  outcome o;
  start("return 'done', 2", &o);
  CHECK_INT(o.calls, 0);
  turn();
  CHECK(o.calls == 1 && o.ok && strcmp(o.text, "done") == 0);
  CHECK_INT(cpx_task_count(vm), 0);
  CHECK_INT(lua_gettop(L), 0);
  close_vm();
}

static void a_failure_hands_over_its_message(void) {
  open_vm(false);
  outcome o;
  start("local t = nil; return t.x", &o);
  turn();
  CHECK(o.calls == 1 && !o.ok && strstr(o.text, "attempt to index"));
  start("error()", &o);
  turn();
  CHECK(o.calls == 1 && !o.ok);
  close_vm();
}

static void a_woken_task_gets_what_is_pushed(void) {
  open_vm(false);
  outcome o;
  start("return wait() + 1", &o);
  turn();
  REQUIRE(parked.task != NULL);
  cpx_task_wake(parked.task, push_seven, NULL);
  CHECK_INT(o.calls, 0);
  turn();
  CHECK(o.calls == 1 && o.ok && strcmp(o.text, "8") == 0);
  close_vm();
}

static void a_call_may_end_before_it_waits(void) {
  open_vm(false);
  outcome o;
  parked.wake_at_once = true;
  start("local n = 0 for _ = 1, 20 do n = n + wait() end return n", &o);
  for (int i = 0; i < 10 && !o.calls; i++) turn();
  CHECK(o.ok && strcmp(o.text, "140") == 0);
  close_vm();
}

static void a_push_that_raises_fails_its_task_alone(void) {
  open_vm(false);
  outcome a, b;
  start("return wait()", &a);
  turn();
  cpx_task *first = parked.task;
  start("return wait()", &b);
  turn();
  cpx_task_wake(first, push_raises, NULL);
  cpx_task_wake(parked.task, push_seven, NULL);
  turn();
  CHECK(a.calls == 1 && !a.ok && strstr(a.text, "the push raised"));
  CHECK(b.calls == 1 && b.ok);
  close_vm();
}

static void cancel_works_in_every_state(void) {
  open_vm(false);
  outcome o;
  cpx_task_cancel(start("error('never runs')", &o)); /* before it began */
  CHECK(o.calls == 1 && !o.ok && strcmp(o.text, "cancelled") == 0);

  start("wait() error('never resumed')", &o); /* while it waits */
  turn();
  cpx_task_cancel(parked.task);
  CHECK(o.calls == 1 && parked.cancels == 1 && parked.task == NULL);

  start("return wait()", &o); /* woken, not yet resumed: what the push would hand over is freed by calling it */
  turn();
  cpx_task *task = parked.task;
  cpx_task_wake(task, push_seven, NULL);
  cpx_task_cancel(task);
  CHECK(o.calls == 1 && !o.ok && parked.pushes == 1 && parked.cancels == 1);

  start("return wait()", &o); /* the same with a push that raises */
  turn();
  cpx_task_wake(parked.task, push_raises, NULL);
  cpx_task_cancel(parked.task);
  CHECK(o.calls == 1 && parked.pushes == 2);

  start("cancel_me() wait() error('never resumed')", &o); /* while it runs: at its next wait */
  turn();
  CHECK(o.calls == 1 && !o.ok && parked.cancels == 2);

  start("cancel_me() return 'ended first'", &o);
  turn();
  CHECK(o.calls == 1 && o.ok);
  for (int i = 0; i < 4; i++) turn();
  CHECK_INT(cpx_task_count(vm), 0);
  close_vm();
}

static void free_cancels_what_is_left(void) {
  open_vm(false);
  outcome a, b;
  start("wait()", &a);
  turn();
  start("wait()", &b);
  cpx_vm_free(vm);
  CHECK(a.calls == 1 && b.calls == 1 && parked.cancels == 1);
  CHECK_INT(cpx_loop_free(loop), 0);
}

static void raise_in_done(void *user, bool ok, lua_State *S) {
  (void)ok;
  ++*(int *)user;
  luaL_error(S, "on_done raised");
}

static void a_raising_on_done_harms_nobody_else(void) {
  open_vm(false);
  int silent = open("/dev/null", O_WRONLY), calls = 0;
  cpx_log_to(silent);
  outcome o;
  if (luaL_loadstring(L, "return 1")) abort();
  CHECK_INT(cpx_task_start(L, 0, raise_in_done, &calls, NULL), 0);
  start("return 'fine'", &o);
  turn();
  CHECK_INT(calls, 1);
  CHECK(o.calls == 1 && o.ok);
  CHECK_INT(cpx_task_count(vm), 0);
  cpx_log_to(2);
  close(silent);
  close_vm();
}

static void tasks_run_in_the_order_they_became_ready(void) {
  open_vm(true);
  outcome o[5];
  if (luaL_dostring(L, "order = ''")) abort();
  for (int i = 0; i < 5; i++) {
    char text[40];
    (void)snprintf(text, sizeof text, "order = order .. '%d'", i);
    start(text, &o[i]);
  }
  turn();
  lua_getglobal(L, "order");
  CHECK(strcmp(lua_tostring(L, -1), "01234") == 0);
  lua_pop(L, 1);
  close_vm();
}

static void there_is_a_bound_on_tasks(void) {
  open_vm(false);
  int started = 0, err = 0;
  for (; started <= CPX_TASKS_MAX && !err; started++) {
    if (luaL_loadstring(L, "return")) abort();
    err = cpx_task_start(L, 0, NULL, NULL, NULL);
  }
  CHECK_INT(err, CPX_EFULL);
  CHECK_INT(started, CPX_TASKS_MAX + 1);
  CHECK_INT(lua_gettop(L), 0);
  close_vm();
}

static void memory_is_counted_to_the_byte(void) {
  open_vm(false);
  size_t counted = cpx_vm_memory(vm);
  size_t told = (size_t)lua_gc(L, LUA_GCCOUNT, 0) * 1024 + (size_t)lua_gc(L, LUA_GCCOUNTB, 0);
  CHECK_INT(counted, told);
  CHECK(!cpx_vm_over_soft_limit(vm));
  close_vm();
}

static void two_vms_live_side_by_side(void) {
  open_vm(false);
  cpx_vm *other;
  cpx_vm_options options = {.root = "."};
  REQUIRE(cpx_vm_new(loop, &options, &other) == 0);
  CHECK(cpx_vm_of(cpx_vm_state(other)) == other && cpx_vm_of(L) == vm);
  static const char loops[] = "local call = require('cliproxy.budget').call "
                              "return select(2, call({ name = 'x' }, loadstring('while true do end', '=x')))";
  for (int i = 0; i < 2; i++) {
    lua_State *S = i ? L : cpx_vm_state(other);
    CHECK_INT(luaL_dostring(S, loops), 0);
    CHECK(strstr(lua_tostring(S, -1), "ran for 50 ms") != NULL);
    lua_settop(S, 0);
  }
  cpx_vm_free(other);
  close_vm();
}

/* Room for values is asked for, and never touched: what counts is what documents hold. */
static void documents_count_against_the_soft_limit(void) {
  cpx_json_doc *docs[5] = {NULL};
  open_vm(false);
  for (size_t i = 0; i < 5; i++) {
    CHECK(!cpx_vm_over_soft_limit(vm) || i == 4);
    REQUIRE(cpx_json_parse("[]", 2, NULL, &docs[i], NULL) == 0);
    REQUIRE(cpx_json_reserve_cells(docs[i], CPX_JSON_NODES_MAX - 8) == 0);
  }
  CHECK(cpx_vm_over_soft_limit(vm));
  for (size_t i = 0; i < 5; i++) cpx_json_unref(docs[i]);
  CHECK(!cpx_vm_over_soft_limit(vm));
  close_vm();
}

int main(int argc, char **argv) {
  ct_init(argc, argv);
  RUN(a_task_runs_in_the_next_jobs_and_hands_over_results);
  RUN(a_failure_hands_over_its_message);
  RUN(a_woken_task_gets_what_is_pushed);
  RUN(a_call_may_end_before_it_waits);
  RUN(a_push_that_raises_fails_its_task_alone);
  RUN(cancel_works_in_every_state);
  RUN(free_cancels_what_is_left);
  RUN(a_raising_on_done_harms_nobody_else);
  RUN(tasks_run_in_the_order_they_became_ready);
  RUN(there_is_a_bound_on_tasks);
  RUN(memory_is_counted_to_the_byte);
  RUN(two_vms_live_side_by_side);
  RUN(documents_count_against_the_soft_limit);
  return ct_summary();
}
