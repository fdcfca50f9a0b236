/* work.h - blocking work (syncing files, say) on libuv's thread pool, so that the loop goes on meanwhile.
 *
 * A work is embedded in its owner, which stays until `done`. It cannot be cancelled: what it does must end by itself in
 * seconds. The end of the loop waits for works under way, so that what was begun is done.
 *
 * Threads: `run` on a thread of the pool: it touches nothing that the loop's thread may touch meanwhile. `done` on the
 *          loop's thread, inside its poll; it may free the work.
 */
#ifndef CPX_NET_WORK_H
#define CPX_NET_WORK_H

#include "net/loop.h"

typedef struct cpx_work {
  uv_work_t uv;
  cpx_loop *loop;
  void (*run)(struct cpx_work *work);
  void (*done)(struct cpx_work *work);
} cpx_work;

/* `run` and `done` are set. Waits for a free thread where there is none. */
void cpx_work_start(cpx_loop *loop, cpx_work *work);

#endif
