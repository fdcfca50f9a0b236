#include "net/loop_internal.h"

#include "base/limits.h"
#include "base/log.h"

#include <stdlib.h>

/* Turns that closing may take in cpx_loop_free: a close callback may queue a job that closes something else. */
#define FREE_TURNS 64
#define LOG_MS     10

static void settle(cpx_loop *loop);

static bool any_queued(const cpx_loop *loop) {
  return !cpx_list_empty(&loop->jobs) || !cpx_list_empty(&loop->flushes) || !cpx_list_empty(&loop->next) ||
         !cpx_list_empty(&loop->ready);
}

/* -- Keeping the poll from blocking. ---------------------------------------------------------------------------- */

static void on_idle(uv_idle_t *idle) {
  (void)idle; /* an active idle handle is what makes libuv poll without waiting */
}

static void set_idle(cpx_loop *loop, bool on) {
  if (loop->idling == on) return;
  loop->idling = on;
  if (on)
    uv_idle_start(&loop->idle, on_idle);
  else
    uv_idle_stop(&loop->idle);
}

/* -- Jobs. ------------------------------------------------------------------------------------------------------ */

void cpx_job_init(cpx_job *job, void (*run)(cpx_job *job)) {
  cpx_list_init(&job->node);
  job->run = run;
}

bool cpx_job_queued(const cpx_job *job) {
  return job->node.next && job->node.next != &job->node;
}

void cpx_job_cancel(cpx_job *job) {
  if (cpx_job_queued(job)) cpx_list_remove(&job->node);
}

static void queue(cpx_loop *loop, cpx_list *list, cpx_job *job) {
  if (cpx_job_queued(job)) return;
  cpx_list_push(list, &job->node);
  set_idle(loop, true);
}

void cpx_loop_defer(cpx_loop *loop, cpx_job *job) {
  queue(loop, &loop->jobs, job);
}

void cpx_loop_flush_later(cpx_loop *loop, cpx_job *job) {
  queue(loop, &loop->flushes, job);
}

void cpx_loop_defer_next(cpx_loop *loop, cpx_job *job) {
  queue(loop, &loop->next, job);
}

/* Runs what is in the list now. A job may queue, cancel or free any job, itself included. */
static void run_list(cpx_list *list) {
  cpx_list batch;
  cpx_list_init(&batch);
  cpx_list_move(&batch, list);
  cpx_list *node;
  while ((node = cpx_list_shift(&batch))) {
    cpx_job *job = CPX_CONTAINER(node, cpx_job, node);
    job->run(job);
  }
}

static void on_log_timer(cpx_timer *timer) {
  cpx_loop *loop = CPX_CONTAINER(timer, cpx_loop, log_timer);
  loop->log_ms = uv_now(&loop->uv);
  cpx_log_flush();
}

/* After a pause at once, under load all lines of LOG_MS in one write. */
static void write_log(cpx_loop *loop) {
  if (cpx_timer_active(&loop->log_timer)) return;
  uint64_t due = loop->log_ms + LOG_MS, now = uv_now(&loop->uv);
  if (now >= due || cpx_timer_start(&loop->log_timer, due - now)) on_log_timer(&loop->log_timer);
}

static void settle(cpx_loop *loop) {
  for (int round = 0; round < CPX_LOOP_ROUNDS && !cpx_list_empty(&loop->jobs); round++) run_list(&loop->jobs);
  run_list(&loop->flushes);
  if (cpx_log_pending() > 0) write_log(loop);
}

/* -- The turn. -------------------------------------------------------------------------------------------------- */

static void on_prepare(uv_prepare_t *prepare) {
  cpx_loop *loop = prepare->data;
  cpx_list_move(&loop->ready, &loop->next);
  settle(loop);
  cpx_timers_settle(loop);
  set_idle(loop, any_queued(loop));
  if (!loop->poll_ms) return;
  uint64_t now = cpx_now_ns(), polled = (loop->poll_ms + 1) * 1000000; /* + 1: libuv cuts its time off to whole ms */
  if (now > polled && now - polled > loop->lag_ns) loop->lag_ns = now - polled;
}

static void on_check(uv_check_t *check) {
  cpx_loop *loop = check->data;
  loop->poll_ms = uv_now(&loop->uv);
  cpx_list_move(&loop->jobs, &loop->ready);
  settle(loop);
  cpx_timers_settle(loop);
  set_idle(loop, any_queued(loop));
}

static void on_async(uv_async_t *async) {
  (void)async; /* that the poll returned is all that was asked for */
}

void cpx_loop_run(cpx_loop *loop) {
  while (!loop->stopped)
    if (uv_run(&loop->uv, UV_RUN_DEFAULT) == 0 && !any_queued(loop)) break;
  loop->stopped = false;
  loop->poll_ms = 0;
}

void cpx_loop_turn(cpx_loop *loop, bool block) {
  uv_run(&loop->uv, block ? UV_RUN_ONCE : UV_RUN_NOWAIT);
  loop->poll_ms = 0; /* what passes between turns is the caller's, not lag */
}

void cpx_loop_stop(cpx_loop *loop) {
  loop->stopped = true;
  uv_stop(&loop->uv);
}

void cpx_loop_wake(cpx_loop *loop) {
  uv_async_send(&loop->async);
}

/* -- Time. ------------------------------------------------------------------------------------------------------ */

uint64_t cpx_loop_ms(const cpx_loop *loop) {
  return uv_now(&loop->uv);
}

uint64_t cpx_now_ns(void) {
  return uv_hrtime();
}

uint64_t cpx_loop_lag_take(cpx_loop *loop) {
  uint64_t lag = loop->lag_ns;
  loop->lag_ns = 0;
  return lag;
}

/* -- Shared buffers. -------------------------------------------------------------------------------------------- */

char *cpx_loop_read_buf(cpx_loop *loop) {
  if (!loop->read_buf) loop->read_buf = malloc(CPX_CONN_READ);
  return loop->read_buf;
}

void cpx_loop_lend(cpx_loop *loop, cpx_buf *b) {
  if (b->data || loop->spare_count == 0) return;
  cpx_buf *spare = &loop->spares[--loop->spare_count];
  b->data = spare->data;
  b->cap = spare->cap;
}

void cpx_loop_give_back(cpx_loop *loop, cpx_buf *b) {
  if (b->data && b->cap <= CPX_LOOP_SPARE_CAP && loop->spare_count < CPX_LOOP_SPARES) {
    loop->spares[loop->spare_count++] = (cpx_buf){.data = b->data, .cap = b->cap};
    *b = (cpx_buf){.max = b->max};
  } else {
    cpx_buf_deinit(b);
  }
}

/* -- Beginning and end. ----------------------------------------------------------------------------------------- */

static int open_handles(cpx_loop *loop) {
  uv_prepare_init(&loop->uv, &loop->prepare);
  uv_check_init(&loop->uv, &loop->check);
  uv_idle_init(&loop->uv, &loop->idle);
  loop->prepare.data = loop->check.data = loop;
  uv_prepare_start(&loop->prepare, on_prepare);
  uv_check_start(&loop->check, on_check);
  uv_unref((uv_handle_t *)&loop->prepare);
  uv_unref((uv_handle_t *)&loop->check);
  int err = cpx_timers_init(loop);
  if (!err) err = uv_async_init(&loop->uv, &loop->async, on_async) ? CPX_EIO : 0;
  if (!err) uv_unref((uv_handle_t *)&loop->async);
  return err;
}

int cpx_loop_new(cpx_loop **out) {
  cpx_loop *loop = calloc(1, sizeof *loop);
  if (!loop) return CPX_ENOMEM;
  cpx_list_init(&loop->jobs);
  cpx_list_init(&loop->flushes);
  cpx_list_init(&loop->next);
  cpx_list_init(&loop->ready);
  if (uv_loop_init(&loop->uv)) {
    free(loop);
    return CPX_EIO;
  }
  cpx_timer_init(&loop->log_timer, loop, on_log_timer);
  int err = open_handles(loop);
  if (err) {
    cpx_loop_free(loop);
    return err;
  }
  *out = loop;
  return 0;
}

uv_loop_t *cpx_loop_uv(cpx_loop *loop) {
  return &loop->uv;
}

static bool is_own(const cpx_loop *loop, const uv_handle_t *handle) {
  return handle == (const uv_handle_t *)&loop->prepare || handle == (const uv_handle_t *)&loop->check ||
         handle == (const uv_handle_t *)&loop->idle || handle == (const uv_handle_t *)&loop->async ||
         handle == (const uv_handle_t *)&loop->timers.uv;
}

struct leak_count {
  cpx_loop *loop;
  int open, closing;
};

static void count_leak(uv_handle_t *handle, void *arg) {
  struct leak_count *count = arg;
  if (is_own(count->loop, handle)) return;
  if (uv_is_closing(handle))
    count->closing++;
  else
    count->open++;
}

static void name_leak(uv_handle_t *handle, void *arg) {
  if (is_own(arg, handle)) return;
  uv_os_fd_t fd = -1;
  if (uv_fileno(handle, &fd)) fd = -1;
  cpx_log(CPX_LOG_WARN, "loop: a %s handle is still open at the end (descriptor %d)", uv_handle_type_name(handle->type),
          (int)fd);
}

static void close_own(uv_handle_t *handle, void *arg) {
  if (is_own(arg, handle) && !uv_is_closing(handle)) uv_close(handle, NULL);
}

int cpx_loop_free(cpx_loop *loop) {
  struct leak_count count = {.loop = loop};
  cpx_timer_stop(&loop->log_timer);
  while (loop->works > 0) uv_run(&loop->uv, UV_RUN_ONCE);
  for (int i = 0; i < FREE_TURNS; i++) {
    uv_run(&loop->uv, UV_RUN_NOWAIT);
    settle(loop); /* libuv turns only while a handle is alive; jobs may wait without one */
    count.open = count.closing = 0;
    uv_walk(&loop->uv, count_leak, &count);
    if (count.closing == 0 && !any_queued(loop)) break;
  }
  if (count.open) uv_walk(&loop->uv, name_leak, loop);
  cpx_timers_deinit(loop);
  uv_walk(&loop->uv, close_own, loop);
  uv_run(&loop->uv, UV_RUN_NOWAIT);
  cpx_log_flush();
  free(loop->read_buf);
  while (loop->spare_count > 0) free(loop->spares[--loop->spare_count].data);
  /* Handles that others left open still point into the loop: better leaked than freed under them. */
  if (uv_loop_close(&loop->uv) == 0) free(loop);
  return count.open;
}
