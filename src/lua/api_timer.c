#include "base/limits.h"
#include "lua/vm.h"

#include <stdlib.h>

#define SLEEP_MAX_S (30.0 * 86400.0)

typedef struct sleeper {
  cpx_timer timer;
  cpx_job job; /* sleep(0): the next turn */
  cpx_task *task;
} sleeper;

static void wake(sleeper *s) {
  cpx_task *task = s->task;
  free(s);
  cpx_task_wake(task, NULL, NULL);
}

static void on_timer(cpx_timer *timer) {
  wake(CPX_CONTAINER(timer, sleeper, timer));
}

static void on_job(cpx_job *job) {
  wake(CPX_CONTAINER(job, sleeper, job));
}

static void cancel(void *ud) {
  sleeper *s = ud;
  cpx_timer_stop(&s->timer);
  cpx_job_cancel(&s->job);
  free(s);
}

static int timer_sleep(lua_State *L) {
  lua_Number seconds = luaL_checknumber(L, 1);
  luaL_argcheck(L, seconds >= 0 && seconds <= SLEEP_MAX_S, 1, "seconds from 0 to 30 days expected");
  cpx_task *task = cpx_task_check(L, "timer.sleep");
  cpx_loop *loop = cpx_vm_loop(cpx_vm_of(L));
  sleeper *s = calloc(1, sizeof *s);
  if (!s) return luaL_error(L, "timer.sleep: out of memory");
  s->task = task;
  cpx_timer_init(&s->timer, loop, on_timer);
  cpx_job_init(&s->job, on_job);
  if (seconds == 0) {
    cpx_loop_defer_next(loop, &s->job);
  } else if (cpx_timer_start(&s->timer, (uint64_t)(seconds * 1000 + 0.999))) {
    free(s);
    return luaL_error(L, "timer.sleep: out of memory");
  }
  return cpx_task_wait(L, cancel, s);
}

static int timer_now(lua_State *L) {
  lua_pushnumber(L, (lua_Number)cpx_now_ns() / 1e9);
  return 1;
}

int cpx_open_timer(lua_State *L) {
  static const luaL_Reg functions[] = {{"sleep", timer_sleep}, {"now", timer_now}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
