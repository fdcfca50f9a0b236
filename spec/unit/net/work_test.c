#include "c_test.h"

#include "net/work.h"

#include <pthread.h>
#include <time.h>

typedef struct job {
  cpx_work work;
  pthread_t loop_thread;
  bool ran, ran_elsewhere, done, done_here;
} job;

static void run(cpx_work *work) {
  job *j = CPX_CONTAINER(work, job, work);
  struct timespec wait = {.tv_nsec = 20 * 1000000L};
  (void)nanosleep(&wait, NULL);
  j->ran_elsewhere = !pthread_equal(pthread_self(), j->loop_thread);
  j->ran = true;
}

static void done(cpx_work *work) {
  job *j = CPX_CONTAINER(work, job, work);
  j->done_here = pthread_equal(pthread_self(), j->loop_thread);
  j->done = j->ran;
}

static job make(void) {
  return (job){.work = {.run = run, .done = done}, .loop_thread = pthread_self()};
}

static void runs_elsewhere_and_ends_on_the_loop(void) {
  cpx_loop *loop = NULL;
  REQUIRE(cpx_loop_new(&loop) == 0);
  job jobs[8];
  for (int i = 0; i < 8; i++) {
    jobs[i] = make();
    cpx_work_start(loop, &jobs[i].work);
    CHECK(!jobs[i].done);
  }
  cpx_loop_run(loop); /* until nothing could wake it */
  for (int i = 0; i < 8; i++) CHECK(jobs[i].ran_elsewhere && jobs[i].done && jobs[i].done_here);
  CHECK_INT(cpx_loop_free(loop), 0);
}

static void the_end_of_the_loop_waits_for_it(void) {
  cpx_loop *loop = NULL;
  REQUIRE(cpx_loop_new(&loop) == 0);
  job j = make();
  cpx_work_start(loop, &j.work);
  CHECK_INT(cpx_loop_free(loop), 0);
  CHECK(j.done);
}

int main(int argc, char **argv) {
  ct_init(argc, argv);
  RUN(runs_elsewhere_and_ends_on_the_loop);
  RUN(the_end_of_the_loop_waits_for_it);
  return ct_summary();
}
