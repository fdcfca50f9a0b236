#include "net/loop_internal.h"

#include <stdlib.h>

static bool before(const cpx_timer *a, const cpx_timer *b) {
  return a->due != b->due ? a->due < b->due : a->serial < b->serial;
}

static void put(cpx_timers *t, uint32_t at, cpx_timer *timer) {
  t->heap[at] = timer;
  timer->heap_at = at + 1;
}

/* Moves `timer`, whose place is `at`, to where it belongs. */
static void sift(cpx_timers *t, uint32_t at, cpx_timer *timer) {
  while (at > 0 && before(timer, t->heap[(at - 1) / 2])) {
    put(t, at, t->heap[(at - 1) / 2]);
    at = (at - 1) / 2;
  }
  for (uint32_t child; (child = 2 * at + 1) < t->count; at = child) {
    if (child + 1 < t->count && before(t->heap[child + 1], t->heap[child])) child++;
    if (!before(t->heap[child], timer)) break;
    put(t, at, t->heap[child]);
  }
  put(t, at, timer);
}

static int grow(cpx_timers *t) {
  if (t->count < t->cap) return 0;
  uint32_t cap = t->cap ? t->cap * 2 : 64;
  cpx_timer **heap = realloc(t->heap, cap * sizeof(cpx_timer *));
  if (!heap) return CPX_ENOMEM;
  t->heap = heap;
  t->cap = cap;
  return 0;
}

static void on_due(uv_timer_t *uv);

/* An earlier alarm than needed is left alone: most time-outs are stopped long before they are due, and one needless
 * wake-up costs less than arming anew each time. */
static void arm(cpx_loop *loop, uint64_t least) {
  cpx_timers *t = &loop->timers;
  uint64_t due = t->heap[0]->due, now = uv_now(&loop->uv);
  if (t->running || (t->armed && t->armed <= due)) return;
  t->armed = due ? due : 1;
  uv_timer_start(&t->uv, on_due, due > now ? due - now : least, 0);
}

static void on_due(uv_timer_t *uv) {
  cpx_loop *loop = uv->data;
  cpx_timers *t = &loop->timers;
  uint64_t now = uv_now(&loop->uv);
  uint64_t last =
      t->serial; /* what is started from now on waits for the next turn, so that 0 ms cannot loop for ever */
  t->armed = 0;
  t->running = true;
  while (t->count > 0 && t->heap[0]->due <= now && t->heap[0]->serial <= last) {
    cpx_timer *timer = t->heap[0];
    cpx_timer_stop(timer);
    timer->run(timer);
  }
  t->running = false;
  if (t->count > 0) arm(loop, 1); /* libuv runs a timer of 0 ms again before it polls */
}

void cpx_timer_init(cpx_timer *timer, cpx_loop *loop, void (*run)(cpx_timer *timer)) {
  *timer = (cpx_timer){.run = run, .loop = loop};
}

int cpx_timer_start(cpx_timer *timer, uint64_t ms) {
  cpx_loop *loop = timer->loop;
  cpx_timers *t = &loop->timers;
  uint32_t at;
  if (timer->heap_at) {
    at = timer->heap_at - 1;
  } else {
    int err = grow(t);
    if (err) return err;
    at = t->count++;
  }
  uint64_t now = uv_now(&loop->uv);
  timer->due = ms < UINT64_MAX - now ? now + ms : UINT64_MAX;
  timer->serial = ++t->serial;
  t->heap[at] = timer;
  sift(t, at, timer);
  arm(loop, 0);
  return 0;
}

void cpx_timer_stop(cpx_timer *timer) {
  if (!timer->heap_at) return;
  cpx_timers *t = &timer->loop->timers;
  uint32_t at = timer->heap_at - 1;
  timer->heap_at = 0;
  cpx_timer *last = t->heap[--t->count];
  if (last != timer) sift(t, at, last);
}

bool cpx_timer_active(const cpx_timer *timer) {
  return timer->heap_at != 0;
}

int cpx_timers_init(cpx_loop *loop) {
  uv_timer_init(&loop->uv, &loop->timers.uv);
  loop->timers.uv.data = loop;
  return 0;
}

void cpx_timers_settle(cpx_loop *loop) {
  if (loop->timers.count > 0 || !loop->timers.armed) return;
  uv_timer_stop(&loop->timers.uv);
  loop->timers.armed = 0;
}

void cpx_timers_deinit(cpx_loop *loop) {
  cpx_timers *t = &loop->timers;
  for (uint32_t i = 0; i < t->count; i++) t->heap[i]->heap_at = 0;
  free(t->heap);
  t->heap = NULL;
  t->count = t->cap = 0;
}
