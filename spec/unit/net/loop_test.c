/* loop_test.c - jobs, the phases of a turn, waking, lag, leaks. */
#include "net_support.h"

#include "base/log.h"

#include <pthread.h>

typedef struct step {
  cpx_job job;
  cpx_loop *loop;
  char name;
  void (*then)(struct step *s);
  int times;
  struct step *other;
} step;

static char trace[256];

static void mark(char c) {
  size_t n = strlen(trace);
  if (n + 1 < sizeof trace) trace[n] = c;
}

static void run_step(cpx_job *job) {
  step *s = CPX_CONTAINER(job, step, job);
  mark(s->name);
  if (s->then) s->then(s);
}

static step make(cpx_loop *loop, char name, void (*then)(step *s)) {
  step s = {.loop = loop, .name = name, .then = then};
  s.job.run = run_step;
  return s;
}

static void reset_trace(void) {
  memset(trace, 0, sizeof trace);
}

static void jobs_run_in_order_and_once(void) {
  cpx_loop *loop = new_loop();
  reset_trace();
  step a = make(loop, 'a', NULL), b = make(loop, 'b', NULL), f = make(loop, 'f', NULL), c = make(loop, 'c', NULL);
  cpx_loop_flush_later(loop, &f.job);
  cpx_loop_defer(loop, &a.job);
  cpx_loop_defer(loop, &b.job);
  cpx_loop_defer(loop, &a.job);
  cpx_loop_defer(loop, &c.job);
  CHECK(cpx_job_queued(&c.job));
  cpx_job_cancel(&c.job);
  CHECK(!cpx_job_queued(&c.job));
  turns(loop, 1);
  CHECK_STR(trace, "abf");
  CHECK(!cpx_job_queued(&a.job));
  turns(loop, 1);
  CHECK_STR(trace, "abf");
  CHECK_INT(cpx_loop_free(loop), 0);
}

static void defer_other(step *s) {
  cpx_loop_defer(s->loop, &s->other->job);
}

static void a_job_queued_by_a_job_runs_in_the_same_turn_before_the_flushes(void) {
  cpx_loop *loop = new_loop();
  reset_trace();
  step b = make(loop, 'b', NULL), a = make(loop, 'a', defer_other), f = make(loop, 'f', NULL);
  a.other = &b;
  cpx_loop_flush_later(loop, &f.job);
  cpx_loop_defer(loop, &a.job);
  turns(loop, 1);
  CHECK_STR(trace, "abf");
  CHECK_INT(cpx_loop_free(loop), 0);
}

static void again(step *s) {
  s->times++;
  cpx_loop_defer(s->loop, &s->job);
}

static void a_job_that_queues_itself_for_ever_cannot_hold_the_loop(void) {
  cpx_loop *loop = new_loop();
  reset_trace();
  step a = make(loop, '.', again);
  cpx_loop_defer(loop, &a.job);
  cpx_loop_turn(loop, true); /* must not block either */
  CHECK(a.times >= CPX_LOOP_ROUNDS && a.times <= 2 * CPX_LOOP_ROUNDS);
  int before = a.times;
  cpx_loop_turn(loop, true);
  CHECK(a.times > before);
  cpx_job_cancel(&a.job);
  CHECK_INT(cpx_loop_free(loop), 0);
}

static void next_itself(step *s) {
  s->times++;
  cpx_loop_defer_next(s->loop, &s->job);
}

static void work_for_the_next_turn_gives_way(void) {
  cpx_loop *loop = new_loop();
  reset_trace();
  step a = make(loop, '.', next_itself);
  cpx_loop_defer_next(loop, &a.job);
  for (int i = 1; i <= 5; i++) {
    cpx_loop_turn(loop, true);
    CHECK_INT(a.times, i);
  }
  cpx_job_cancel(&a.job);
  CHECK_INT(cpx_loop_free(loop), 0);
}

static void cancel_other(step *s) {
  cpx_job_cancel(&s->other->job);
}

static void a_job_may_cancel_one_of_its_own_round(void) {
  cpx_loop *loop = new_loop();
  reset_trace();
  step b = make(loop, 'b', NULL), a = make(loop, 'a', cancel_other);
  a.other = &b;
  cpx_loop_defer(loop, &a.job);
  cpx_loop_defer(loop, &b.job);
  turns(loop, 2);
  CHECK_STR(trace, "a");
  CHECK_INT(cpx_loop_free(loop), 0);
}

static void run_ends_when_nothing_is_left(void) {
  cpx_loop *loop = new_loop();
  reset_trace();
  step b = make(loop, 'b', NULL), a = make(loop, 'a', defer_other);
  a.other = &b;
  cpx_loop_defer(loop, &a.job);
  cpx_loop_run(loop);
  CHECK_STR(trace, "ab");
  CHECK_INT(cpx_loop_free(loop), 0);
}

static void stop_loop(step *s) {
  cpx_loop_stop(s->loop);
}

static void stop_ends_run_and_run_may_be_called_again(void) {
  cpx_loop *loop = new_loop();
  reset_trace();
  step a = make(loop, 'a', stop_loop), n = make(loop, '.', next_itself);
  cpx_loop_defer_next(loop, &n.job);
  cpx_loop_defer(loop, &a.job);
  cpx_loop_run(loop);
  int before = n.times;
  cpx_loop_defer(loop, &a.job);
  cpx_loop_run(loop);
  CHECK(n.times >= before);
  cpx_loop_stop(loop);
  cpx_loop_run(loop); /* returns: the stop came first */
  cpx_job_cancel(&n.job);
  CHECK_INT(cpx_loop_free(loop), 0);
}

static void *wake_from_thread(void *arg) {
  cpx_loop_wake(arg);
  return NULL;
}

static void another_thread_can_wake_the_loop(void) {
  cpx_loop *loop = new_loop();
  uv_timer_t guard; /* keeps the turn from returning for lack of anything to wait for */
  uv_timer_init(cpx_loop_uv(loop), &guard);
  uv_timer_start(&guard, (uv_timer_cb)(void (*)(void))abort, 30000, 0);
  pthread_t thread;
  REQUIRE(pthread_create(&thread, NULL, wake_from_thread, loop) == 0);
  uint64_t start = cpx_now_ns();
  cpx_loop_turn(loop, true);
  CHECK(cpx_now_ns() - start < 20000000000ull);
  pthread_join(thread, NULL);
  uv_close((uv_handle_t *)&guard, NULL);
  CHECK_INT(cpx_loop_free(loop), 0);
}

static void burn(step *s) {
  uint64_t end = cpx_now_ns() + 20000000;
  while (cpx_now_ns() < end) continue;
  if (++s->times < 3) cpx_loop_defer_next(s->loop, &s->job);
}

static void lag_is_the_longest_time_between_polls(void) {
  cpx_loop *loop = new_loop();
  reset_trace();
  step a = make(loop, 'a', burn);
  cpx_loop_defer_next(loop, &a.job);
  cpx_loop_run(loop);
  uint64_t lag = cpx_loop_lag_take(loop);
  if (lag < 15000000 || lag > 5000000000ull) CT_FAIL("lag is %llu ns after jobs of 20 ms", (unsigned long long)lag);
  CHECK_INT(cpx_loop_lag_take(loop), 0);
  CHECK_INT(cpx_loop_free(loop), 0);
}

static void a_handle_left_open_is_counted_and_named(void) {
  cpx_loop *loop = new_loop();
  uv_timer_t *timer = malloc(sizeof *timer);
  REQUIRE(timer != NULL);
  uv_timer_init(cpx_loop_uv(loop), timer);
  uv_timer_start(timer, (uv_timer_cb)(void (*)(void))abort, 30000, 0);
  int pipes[2];
  REQUIRE(pipe(pipes) == 0);
  cpx_log_to(pipes[1]);
  uv_loop_t *uv = cpx_loop_uv(loop);
  CHECK_INT(cpx_loop_free(loop), 1);
  cpx_log_to(2);
  char text[512] = "";
  CHECK(read(pipes[0], text, sizeof text - 1) > 0);
  CHECK_HAS(text, "timer handle is still open");
  close(pipes[0]);
  close(pipes[1]);
  /* The loop was leaked rather than freed below its handle: it can still be cleaned up by hand. */
  uv_close((uv_handle_t *)timer, NULL);
  uv_run(uv, UV_RUN_NOWAIT);
  CHECK_INT(uv_loop_close(uv), 0);
  free(timer);
  free(uv);
}

int main(int argc, char **argv) {
  ct_init(argc, argv);
  RUN(jobs_run_in_order_and_once);
  RUN(a_job_queued_by_a_job_runs_in_the_same_turn_before_the_flushes);
  RUN(a_job_that_queues_itself_for_ever_cannot_hold_the_loop);
  RUN(work_for_the_next_turn_gives_way);
  RUN(a_job_may_cancel_one_of_its_own_round);
  RUN(run_ends_when_nothing_is_left);
  RUN(stop_ends_run_and_run_may_be_called_again);
  RUN(another_thread_can_wake_the_loop);
  RUN(lag_is_the_longest_time_between_polls);
  RUN(a_handle_left_open_is_counted_and_named);
  return ct_summary();
}
