/* reply_pull.c - for scripts that want to see the answer: one event after another, or the whole body. */
#include "http/reply_internal.h"

#include <stdlib.h>

#define QUEUE_LOW (CPX_REPLY_QUEUE / 4)

/* -- Events. */

static int on_queue(void *user, const cpx_event *event) {
  cpx_reply *r = user;
  if (!r->tap.stream)
    cpx_tap_feed(&r->tap, event->raw);
  else if (r->seen++ >= r->tapped)
    cpx_tap_event(&r->tap, event);
  int err = reply_record_add(&r->queue, event);
  if (err) {
    reply_fail(r, err, "more events came at once than can be held");
    return 1;
  }
  return 0;
}

static size_t queued(const cpx_reply *r) {
  return r->queue.len - r->queue_at;
}

void reply_events_data(cpx_reply *r, const char *bytes, size_t n) {
  reply_split(r, bytes, n, on_queue);
  if (queued(r) > CPX_REPLY_QUEUE) reply_pause(r);
  if (queued(r) > 0) cpx_loop_defer(r->loop, &r->job);
}

void reply_events_end(cpx_reply *r) {
  reply_settle(r, on_queue);
}

/* From the beginning: what the peek looked at is handed out too. */
static void start_events(cpx_reply *r) {
  cpx_buf held = r->held;
  enum cpx_framing framing = r->tap.stream ? r->splitter.framing : CPX_FRAMING_RAW;
  r->mode = REPLY_EVENTS;
  cpx_buf_init(&r->held, held.max);
  cpx_splitter_deinit(&r->splitter);
  cpx_splitter_init(&r->splitter, framing, CPX_EVENT_MAX);
  if (held.len) reply_events_data(r, held.data, held.len);
  cpx_buf_deinit(&held);
  if (r->ended) reply_events_end(r);
  if (queued(r) <= CPX_REPLY_QUEUE) reply_resume(r);
}

static void shrink(cpx_reply *r) {
  if (queued(r) > 0 && r->queue_at < r->queue.len / 2) return;
  cpx_buf_consume(&r->queue, r->queue_at);
  r->queue_at = 0;
  if (r->queue.len == 0) cpx_buf_clear(&r->queue, 4096);
}

int cpx_reply_next_event(cpx_reply *r, cpx_event *event, void (*on_event)(void *user), void *user) {
  if (r->mode == REPLY_READY) start_events(r);
  if (r->mode != REPLY_EVENTS) return CPX_EINVAL;
  shrink(r);
  if (queued(r) > 0) {
    r->queue_at = reply_record_read(&r->queue, r->queue_at, event);
    if (queued(r) <= QUEUE_LOW) reply_resume(r);
    return 0;
  }
  if (r->ended) return r->end.err ? r->end.err : CPX_EEOF;
  r->on_event = on_event;
  r->user = user;
  return CPX_EAGAIN;
}

cpx_lane *cpx_reply_lane(cpx_reply *r) {
  if (!r->lane) {
    r->lane = malloc(sizeof *r->lane);
    if (r->lane) cpx_lane_init(r->lane);
  }
  return r->lane;
}

bool cpx_reply_run_lane(cpx_reply *r, cpx_exchange *ex) {
  cpx_lane *lane = r->lane;
  if (r->mode != REPLY_EVENTS || !lane || lane->state != CPX_LANE_ACTIVE) return false;
  cpx_event event;
  while (queued(r) > 0) {
    size_t behind = reply_record_read(&r->queue, r->queue_at, &event);
    if (!cpx_lane_take(lane, &event)) break;
    r->queue_at = behind;
  }
  int err = lane->made.len ? cpx_exchange_write(ex, lane->made.data, lane->made.len) : 0;
#ifdef CPX_SANITIZE
  if (cpx_buf_add(&lane->kept, lane->made.data, lane->made.len)) lane->kept.len = 0;
#endif
  cpx_buf_clear(&lane->made, 16 * CPX_KB);
  shrink(r);
  if (queued(r) <= QUEUE_LOW) reply_resume(r);
  return !err && queued(r) == 0 && !r->ended && cpx_exchange_pending(ex) < CPX_CONN_OUT_HIGH;
}

/* -- The whole. */

static void add_body(cpx_reply *r, const char *bytes, size_t n) {
  int err = cpx_buf_add(&r->body, bytes, n);
  if (err) reply_fail(r, err, "the upstream's answer is larger than its limit");
}

void reply_collect_data(cpx_reply *r, const char *bytes, size_t n) {
  reply_tap_bytes(r, bytes, n);
  add_body(r, bytes, n);
}

int cpx_reply_collect(cpx_reply *r, size_t max, void (*on_done)(void *user, int err, cpx_buf *body), void *user) {
  if (r->mode != REPLY_READY) return CPX_EINVAL;
  r->mode = REPLY_COLLECT;
  r->on_body = on_done;
  r->user = user;
  cpx_buf held = r->held;
  cpx_buf_init(&r->held, held.max);
  cpx_buf_init(&r->body, max);
  if (held.len) reply_tap_bytes(r, held.data + r->fed, held.len - r->fed);
  if (held.len && held.len <= max) {
    r->body = held;
    r->body.max = max;
  } else {
    add_body(r, held.data, held.len);
    cpx_buf_deinit(&held);
  }
  if (r->ended)
    cpx_loop_defer(r->loop, &r->job);
  else
    reply_resume(r);
  return 0;
}

static void collected(cpx_reply *r) {
  void (*done)(void *, int, cpx_buf *) = r->on_body;
  if (!r->ended || !done) return;
  reply_settle(r, reply_on_tap);
  r->on_body = NULL;
  r->mode = REPLY_DONE;
  done(r->user, r->end.err, &r->body);
}

void reply_pull_run(cpx_reply *r) {
  if (r->mode == REPLY_COLLECT) {
    collected(r);
    return;
  }
  void (*told)(void *) = r->on_event;
  if (!told || (queued(r) == 0 && !r->ended)) return;
  r->on_event = NULL;
  told(r->user);
}
