/* loop_internal.h - the inside of the loop, for this folder only.
 *
 * Owns: the uv handles, the heap's array (not the timers), the shared read buffer and a few spare output buffers.
 */
#ifndef CPX_NET_LOOP_INTERNAL_H
#define CPX_NET_LOOP_INTERNAL_H

#include "base/buf.h"
#include "base/limits.h"
#include "net/loop.h"

#define CPX_LOOP_SPARES    8             /* output buffers kept for the next writers: most turns have fewer */
#define CPX_LOOP_SPARE_CAP (16 * CPX_KB) /* of one; larger ones go back to malloc */

typedef struct cpx_timers {
  cpx_timer **heap;
  uint32_t count, cap;
  uint64_t serial;
  uint64_t armed; /* due time of the uv timer, 0: not running */
  bool running;
  uv_timer_t uv;
} cpx_timers;

struct cpx_loop {
  uv_loop_t uv;
  uv_prepare_t prepare;
  uv_check_t check;
  uv_idle_t idle;
  uv_async_t async;
  cpx_timers timers;
  cpx_timer log_timer;
  uint64_t log_ms; /* when the log was last written */
  cpx_list jobs, flushes;
  cpx_list next;  /* for the turn after this one */
  cpx_list ready; /* for this turn, behind its poll */
  bool idling, stopped;
  unsigned works;   /* on the thread pool (work.h) */
  uint64_t poll_ms; /* when the last poll returned, 0: there was none */
  uint64_t lag_ns;
  char *read_buf; /* CPX_CONN_READ bytes, made at first use */
  cpx_buf spares[CPX_LOOP_SPARES];
  unsigned spare_count;
};

int cpx_timers_init(cpx_loop *loop);
/* Forgets running timers: they read as stopped. */
void cpx_timers_deinit(cpx_loop *loop);
/* Before the loop sleeps: the uv timer keeps the loop alive only while a timer runs. */
void cpx_timers_settle(cpx_loop *loop);

/* The buffer that all connections of the loop read into; NULL when out of memory. */
char *cpx_loop_read_buf(cpx_loop *loop);
/* Gives an empty buffer its first memory from the spares, and takes it back once empty. Output thus needs no malloc
 * while the few connections that write in one turn share a few buffers, and an idle connection holds none. */
void cpx_loop_lend(cpx_loop *loop, cpx_buf *b);
void cpx_loop_give_back(cpx_loop *loop, cpx_buf *b);

#endif
