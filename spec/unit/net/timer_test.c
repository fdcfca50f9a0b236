/* timer_test.c - the heap of timers against a plain sorted list, and its promises. */
#include "net_support.h"

#define MANY 10000

typedef struct alarm_clock {
  cpx_timer timer;
  int runs;
  bool stopped;
} alarm_clock;

static cpx_timer *last_run;
static int out_of_order, ran;

static void ring(cpx_timer *timer) {
  alarm_clock *a = CPX_CONTAINER(timer, alarm_clock, timer);
  a->runs++;
  ran++;
  if (last_run && (last_run->due > timer->due || (last_run->due == timer->due && last_run->serial > timer->serial)))
    out_of_order++;
  if (timer->due > cpx_loop_ms(timer->loop)) out_of_order++;
  last_run = timer;
}

static void ten_thousand_timers_run_in_order(void) {
  cpx_loop *loop = new_loop();
  alarm_clock *all = calloc(MANY, sizeof *all);
  REQUIRE(all != NULL);
  srand(7);
  last_run = NULL;
  out_of_order = ran = 0;
  int expected = 0;
  for (int i = 0; i < MANY; i++) {
    cpx_timer_init(&all[i].timer, loop, ring);
    CHECK_INT(cpx_timer_start(&all[i].timer, (uint64_t)(rand() % 120)), 0);
  }
  for (int i = 0; i < MANY; i++) {
    if (i % 3 == 0) {
      cpx_timer_stop(&all[i].timer);
      all[i].stopped = true;
    } else if (i % 3 == 1) {
      CHECK_INT(cpx_timer_start(&all[i].timer, (uint64_t)(rand() % 120)), 0);
    }
    CHECK(cpx_timer_active(&all[i].timer) == !all[i].stopped);
    expected += !all[i].stopped;
  }
  cpx_loop_run(loop); /* ends by itself: no timer, nothing to wait for */
  CHECK_INT(ran, expected);
  CHECK_INT(out_of_order, 0);
  for (int i = 0; i < MANY; i++)
    if (all[i].runs != (all[i].stopped ? 0 : 1) || cpx_timer_active(&all[i].timer))
      CT_FAIL("timer %d ran %d times", i, all[i].runs);
  free(all);
  CHECK_INT(cpx_loop_free(loop), 0);
}

static alarm_clock *victim;

static void stop_victim(cpx_timer *timer) {
  ring(timer);
  cpx_timer_stop(timer);
  cpx_timer_stop(&victim->timer);
}

static void a_timer_may_stop_itself_and_others_when_it_runs(void) {
  cpx_loop *loop = new_loop();
  alarm_clock a = {0}, b = {0};
  last_run = NULL;
  victim = &b;
  cpx_timer_init(&a.timer, loop, stop_victim);
  cpx_timer_init(&b.timer, loop, ring);
  CHECK_INT(cpx_timer_start(&a.timer, 1), 0);
  CHECK_INT(cpx_timer_start(&b.timer, 1), 0);
  cpx_loop_run(loop);
  CHECK_INT(a.runs, 1);
  CHECK_INT(b.runs, 0);
  CHECK_INT(cpx_loop_free(loop), 0);
}

static void start_again(cpx_timer *timer) {
  ring(timer);
  if (cpx_timer_start(timer, 0)) abort();
}

static void a_timer_of_no_time_cannot_hold_the_loop(void) {
  cpx_loop *loop = new_loop();
  alarm_clock a = {0};
  last_run = NULL;
  cpx_timer_init(&a.timer, loop, start_again);
  CHECK_INT(cpx_timer_start(&a.timer, 0), 0);
  for (int i = 0; i < 5; i++) {
    int before = a.runs;
    cpx_loop_turn(loop, false);
    CHECK(a.runs - before <= 2);
  }
  CHECK(a.runs > 0);
  cpx_timer_stop(&a.timer);
  CHECK_INT(cpx_loop_free(loop), 0);
}

static void a_stopped_timer_does_not_keep_the_loop(void) {
  cpx_loop *loop = new_loop();
  alarm_clock a = {0};
  cpx_timer_init(&a.timer, loop, ring);
  CHECK_INT(cpx_timer_start(&a.timer, 30000), 0);
  cpx_timer_stop(&a.timer);
  cpx_timer_stop(&a.timer);
  uint64_t start = cpx_now_ns();
  cpx_loop_run(loop);
  CHECK(cpx_now_ns() - start < 10000000000ull);
  CHECK_INT(a.runs, 0);
  CHECK_INT(cpx_loop_free(loop), 0);
}

static void a_timer_outlives_its_loop_as_stopped(void) {
  cpx_loop *loop = new_loop();
  alarm_clock a = {0};
  cpx_timer_init(&a.timer, loop, ring);
  CHECK_INT(cpx_timer_start(&a.timer, UINT64_MAX), 0);
  CHECK_INT(cpx_loop_free(loop), 0);
  CHECK(!cpx_timer_active(&a.timer));
  cpx_timer_stop(&a.timer);
}

int main(int argc, char **argv) {
  ct_init(argc, argv);
  RUN(ten_thousand_timers_run_in_order);
  RUN(a_timer_may_stop_itself_and_others_when_it_runs);
  RUN(a_timer_of_no_time_cannot_hold_the_loop);
  RUN(a_stopped_timer_does_not_keep_the_loop);
  RUN(a_timer_outlives_its_loop_as_stopped);
  return ct_summary();
}
