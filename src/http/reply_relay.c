/* reply_relay.c - byte for byte to the client, no faster than it reads. */
#include "http/reply_internal.h"

/* The way is over; on_done follows as a job. */
static void finish(cpx_reply *r, int err, const char *text) {
  if (!r->ex || r->mode != REPLY_RELAY) return;
  r->relayed.err = err;
  r->relayed.text = text;
  if (err == 0 && !r->relayed.client_gone) cpx_exchange_end(r->ex);
  reply_relay_drop(r);
  cpx_loop_defer(r->loop, &r->job);
}

void reply_relay_drop(cpx_reply *r) {
  if (!r->ex) return;
  cpx_exchange_watch(r->ex, &r->ex_before, r->ex_user);
  cpx_exchange_unref(r->ex);
  r->ex = NULL;
  cpx_job_cancel(&r->recheck);
}

void reply_relay_run(cpx_reply *r) {
  if (r->ex || !r->on_relayed) return;
  void (*done)(void *, const cpx_relayed *) = r->on_relayed;
  r->mode = REPLY_DONE;
  r->on_relayed = NULL;
  done(r->user, &r->relayed);
}

void reply_relay_end(cpx_reply *r) {
  bool stream = r->tap.stream;
  reply_settle(r, reply_on_tap);
  r->relayed.complete = stream ? r->tap.terminal : r->end.err == 0;
  /* What breaks behind a proper end broke nothing. */
  bool over = r->end.err == 0 || (stream && r->tap.terminal && r->end.err != CPX_EPROTO);
  finish(r, over ? 0 : r->end.err, over ? "" : r->end.text);
}

/* The client left. Behind the terminal event that is how some clients say thanks. */
static void on_gone(void *user) {
  cpx_reply *r = user;
  bool enough = r->tap.stream && r->tap.terminal;
  r->relayed.client_gone = true;
  r->relayed.complete = enough;
  if (!r->ended) {
    cpx_source_cancel(r->source);
    r->ended = r->settled = true;
    r->end = (cpx_end){CPX_ECANCELLED, "the client left", true};
    cpx_tap_end(&r->tap, false);
  }
  finish(r, enough ? 0 : CPX_ECANCELLED, enough ? "" : "the client left before the end");
}

static void on_drain(void *user) {
  reply_resume(user);
}

/* A turn later all is with the connection: if it took the bytes at once there will be no on_drain. */
static void on_recheck(cpx_job *job) {
  cpx_reply *r = CPX_CONTAINER(job, cpx_reply, recheck);
  if (r->ex && cpx_exchange_pending(r->ex) < CPX_CONN_OUT_HIGH) reply_resume(r);
}

static void pass_on(cpx_reply *r, const char *bytes, size_t n) {
  int err = cpx_exchange_write(r->ex, bytes, n);
  if (err == CPX_ECLOSED) return; /* on_gone is on its way */
  if (err) {
    reply_fail(r, err, "the answer could not be passed on to the client");
    return;
  }
  r->relayed.bytes += n;
  if (r->tap.terminal && r->tap.stream) cpx_exchange_mark_complete(r->ex);
  if (cpx_exchange_pending(r->ex) < CPX_CONN_OUT_HIGH) return;
  reply_pause(r);
  cpx_loop_defer_next(r->loop, &r->recheck);
}

void reply_relay_data(cpx_reply *r, const char *bytes, size_t n) {
  if (!r->ex) return;
  reply_tap_bytes(r, bytes, n);
  if (r->ex) pass_on(r, bytes, n);
}

static void relay_held(cpx_reply *r) {
  cpx_buf held = r->held;
  cpx_buf_init(&r->held, held.max);
  size_t fed = r->fed < held.len ? r->fed : held.len;
  reply_tap_bytes(r, held.data + fed, held.len - fed);
  if (r->ex) pass_on(r, held.data, held.len);
  cpx_buf_deinit(&held);
}

int cpx_reply_relay(cpx_reply *r, cpx_exchange *ex, void (*on_done)(void *user, const cpx_relayed *how), void *user) {
  static const cpx_exchange_events events = {on_gone, on_drain};
  if (r->mode != REPLY_READY) return CPX_EINVAL;
  r->mode = REPLY_RELAY;
  r->on_relayed = on_done;
  r->user = user;
  r->relayed = (cpx_relayed){.text = ""};
  r->recheck.run = on_recheck;
  r->ex = cpx_exchange_ref(ex);
  r->ex_before = cpx_exchange_watched(ex, &r->ex_user);
  cpx_exchange_watch(ex, &events, r);
  if (cpx_exchange_is_gone(ex)) {
    on_gone(r); /* its watcher before us was told, we would not be */
    return 0;
  }
  if (r->held.len) relay_held(r);
  if (r->ended)
    reply_relay_end(r);
  else if (r->ex && cpx_exchange_pending(r->ex) < CPX_CONN_OUT_HIGH)
    reply_resume(r);
  return 0;
}
