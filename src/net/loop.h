/* loop.h - one libuv loop with the three things everything else hangs on: jobs, timers, and the end of the turn.
 *
 * A turn runs: timers → jobs, flushes → poll, I/O callbacks → jobs, flushes → log. A job is work that must not run
 * inside the callback that caused it (anything that calls Lua, anything that may free the caller). Jobs queued by jobs
 * run in the same turn, at most CPX_LOOP_ROUNDS rounds, the rest in the next turn, which then does not block in poll.
 * Flushes run once the jobs are done: all bytes that they and the callbacks before them produced for a connection leave
 * in one write.
 *
 * Owns:    the uv loop. Jobs and timers are embedded in their owner and only linked here.
 * Threads: one; only cpx_loop_wake may be called from elsewhere.
 */
#ifndef CPX_NET_LOOP_H
#define CPX_NET_LOOP_H

#include "base/error.h"
#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#define CPX_LOOP_ROUNDS 16

typedef struct cpx_loop cpx_loop;

CPX_MUST_CHECK int cpx_loop_new(cpx_loop **out);
/* Closes what the loop itself opened and runs the remaining close callbacks. Returns the number of foreign handles that
 * were still open (a leak of their owner: 0 in a clean shutdown; they are named in the log). */
int cpx_loop_free(cpx_loop *loop);
uv_loop_t *cpx_loop_uv(cpx_loop *loop);
/* Until cpx_loop_stop, or until nothing is left that could wake it. */
void cpx_loop_run(cpx_loop *loop);
/* One turn; `block`: wait for events if nothing is queued. For tests. */
void cpx_loop_turn(cpx_loop *loop, bool block);
void cpx_loop_stop(cpx_loop *loop);
/* Thread- and signal-safe: makes the loop take one more turn. */
void cpx_loop_wake(cpx_loop *loop);

/* Milliseconds and nanoseconds of the monotonic clock; _ms is the loop's cached time (no system call). */
uint64_t cpx_loop_ms(const cpx_loop *loop);
uint64_t cpx_now_ns(void);
/* The longest time (ns) between two polls since the last call, and resets it: the loop's lag, to a millisecond. */
uint64_t cpx_loop_lag_take(cpx_loop *loop);

typedef struct cpx_job {
  cpx_list node; /* zeroed or initialised by cpx_job_init */
  void (*run)(struct cpx_job *job);
} cpx_job;

void cpx_job_init(cpx_job *job, void (*run)(cpx_job *job));
/* Queues it once; queueing a queued job does nothing. */
void cpx_loop_defer(cpx_loop *loop, cpx_job *job);
/* The same for the flush phase. */
void cpx_loop_flush_later(cpx_loop *loop, cpx_job *job);
/* For the next turn, after a poll that does not block: work that gives way to others. */
void cpx_loop_defer_next(cpx_loop *loop, cpx_job *job);
void cpx_job_cancel(cpx_job *job);
bool cpx_job_queued(const cpx_job *job);

/* A timer is a plain struct in a heap over one uv timer: no close callback, stop at any time, also in its own callback.
 */
typedef struct cpx_timer {
  void (*run)(struct cpx_timer *timer);
  uint64_t due;     /* ms, monotonic */
  uint64_t serial;  /* order among equals */
  uint32_t heap_at; /* 1 + place in the heap; 0: not running */
  cpx_loop *loop;
} cpx_timer;

void cpx_timer_init(cpx_timer *timer, cpx_loop *loop, void (*run)(cpx_timer *timer));
/* (Re)starts it, `ms` from the loop's time. CPX_ENOMEM when the heap cannot grow. */
CPX_MUST_CHECK int cpx_timer_start(cpx_timer *timer, uint64_t ms);
void cpx_timer_stop(cpx_timer *timer);
bool cpx_timer_active(const cpx_timer *timer);

#endif
