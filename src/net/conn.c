#include "net/conn_internal.h"

#include "base/limits.h"

#include <stdlib.h>

static void close_with(cpx_conn *conn, int err, bool reset) {
  if (conn->closing) return;
  conn->closing = true;
  conn->err = err;
  conn->blocked = false;
  cpx_job_cancel(&conn->flush);
  cpx_timer_stop(&conn->timer);
  cpx_loop_give_back(conn->loop, &conn->out);
  conn->out_at = 0;
  cpx_loop_defer(conn->loop, &conn->job);
  conn->ops->close(conn, reset);
  cpx_tally *tally = conn->tally;
  conn->tally = NULL;
  if (!tally) return;
  tally->live--;
  if (tally->on_drop)
    tally->on_drop(tally);
  else if (tally->live == 0)
    free(tally);
}

/* -- Output. ---------------------------------------------------------------------------------------------------- */

size_t cpx_conn_pending(const cpx_conn *conn) {
  return cpx_conn_own_pending(conn) + (conn->inner ? cpx_conn_pending(conn->inner) : 0);
}

uint64_t cpx_conn_sent(const cpx_conn *conn) {
  return conn->inner ? cpx_conn_sent(conn->inner) : conn->sent;
}

void cpx_conn_took(cpx_conn *conn, size_t n) {
  conn->sent += n;
  conn->out_at += n;
  if (conn->out_at < conn->out.len) return;
  conn->out.len = conn->out_at = 0;
  cpx_loop_give_back(conn->loop, &conn->out);
}

void cpx_conn_check_drain(cpx_conn *conn) {
  if (!conn->above_high || conn->closing || conn->ending || cpx_conn_pending(conn) >= CPX_CONN_OUT_LOW) return;
  conn->above_high = false;
  conn->drain_due = true;
  cpx_loop_defer(conn->loop, &conn->job);
}

/* Everything is with the kernel (or with the inner connection): say that no more follows, and wait for the peer's end.
 */
static void shut(cpx_conn *conn) {
  conn->shut = true;
  int err = conn->ops->shut(conn);
  if (err) {
    close_with(conn, err, false);
  } else if (conn->ops->hands_on) {
    cpx_timer_stop(&conn->timer);
  } else if (conn->eof_in || cpx_timer_start(&conn->timer, CPX_CONN_LINGER_MS)) {
    close_with(conn, 0, false);
  } else {
    conn->ops->update(conn);
  }
}

static void send_now(cpx_conn *conn) {
  size_t n = cpx_conn_own_pending(conn), taken = 0;
  int err = conn->ops->send(conn, conn->out.data + conn->out_at, n, &taken);
  if (err) {
    cpx_conn_fail(conn, err);
    return;
  }
  cpx_conn_took(conn, taken);
  if (taken == n) return;
  conn->blocked = true;
  if (conn->drain_always) conn->above_high = true;
  conn->ops->update(conn);
}

static void flush_now(cpx_conn *conn) {
  cpx_job_cancel(&conn->flush);
  if (conn->closing || conn->blocked) return;
  if (cpx_conn_own_pending(conn) > 0) send_now(conn);
  cpx_conn_check_drain(conn);
  if (conn->ending && !conn->shut && !conn->closing && cpx_conn_own_pending(conn) == 0) shut(conn);
}

static void on_flush(cpx_job *job) {
  flush_now(CPX_CONTAINER(job, cpx_conn, flush));
}

void cpx_conn_writable(cpx_conn *conn) {
  conn->blocked = false;
  flush_now(conn);
}

void cpx_conn_flush(cpx_conn *conn) {
  flush_now(conn);
}

/* Room for `n` bytes: what is already taken is dropped once it is the larger half, or when the bound asks for it. */
static int make_room(cpx_conn *conn, size_t n) {
  if (n > CPX_CONN_OUT_MAX || cpx_conn_own_pending(conn) > CPX_CONN_OUT_MAX - n) return CPX_ETOOBIG;
  if (conn->out_at > 0 && (conn->out_at >= conn->out.len / 2 || conn->out.len > conn->out.max - n)) {
    cpx_buf_consume(&conn->out, conn->out_at);
    conn->out_at = 0;
  }
  cpx_loop_lend(conn->loop, &conn->out);
  return cpx_buf_reserve(&conn->out, n < CPX_LOOP_SPARE_CAP && !conn->out.data ? CPX_LOOP_SPARE_CAP : n);
}

int cpx_conn_write(cpx_conn *conn, const void *bytes, size_t n) {
  if (conn->closing || conn->ending) return CPX_ECLOSED;
  if (n == 0) return 0;
  int err = make_room(conn, n);
  if (!err) err = cpx_buf_add(&conn->out, bytes, n);
  if (err) return err;
  if (!conn->blocked) {
    if (conn->ops->eager && cpx_conn_own_pending(conn) >= CPX_CONN_OUT_HIGH)
      flush_now(conn);
    else
      cpx_loop_flush_later(conn->loop, &conn->flush);
  }
  if (!conn->closing && cpx_conn_pending(conn) >= CPX_CONN_OUT_HIGH) conn->above_high = true;
  return 0;
}

/* -- Input. ----------------------------------------------------------------------------------------------------- */

void cpx_conn_read_start(cpx_conn *conn) {
  if (conn->reading || conn->closing || conn->ending) return;
  conn->reading = true;
  conn->ops->update(conn);
}

void cpx_conn_read_stop(cpx_conn *conn) {
  if (!conn->reading || conn->closing || conn->ending) return;
  conn->reading = false;
  conn->ops->update(conn);
}

void cpx_conn_input(cpx_conn *conn, const char *bytes, size_t n) {
  if (conn->closing || conn->ending) return;
  if (conn->events.on_data) conn->events.on_data(conn->user, bytes, n);
}

void cpx_conn_input_eof(cpx_conn *conn) {
  if (conn->closing || conn->eof_in) return;
  conn->eof_in = true;
  if (!conn->ending) {
    if (conn->events.on_eof) conn->events.on_eof(conn->user);
  } else if (conn->shut && !conn->ops->hands_on) {
    close_with(conn, 0, false);
  }
}

/* -- The end. --------------------------------------------------------------------------------------------------- */

void cpx_conn_fail(cpx_conn *conn, int err) {
  /* Once all was sent and we only wait for the peer to leave, the way it leaves does not matter. */
  close_with(conn, conn->ending && conn->shut && !conn->ops->hands_on ? 0 : err, false);
}

void cpx_conn_end(cpx_conn *conn) {
  if (conn->closing || conn->ending) return;
  conn->ending = true;
  conn->drain_due = false;
  conn->sent_mark = cpx_conn_sent(conn);
  if (cpx_timer_start(&conn->timer, CPX_HTTP_SEND_TIMEOUT_MS)) {
    close_with(conn, CPX_ENOMEM, true);
    return;
  }
  conn->ops->update(conn); /* from now on input is read and dropped: a peer that still sends would not get to read */
  if (!conn->blocked) cpx_loop_flush_later(conn->loop, &conn->flush);
}

void cpx_conn_abort(cpx_conn *conn, bool reset) {
  close_with(conn, 0, reset);
}

/* While output is left: gives up when none of it moved. Later: the peer had its time to read. */
static void on_timer(cpx_timer *timer) {
  cpx_conn *conn = CPX_CONTAINER(timer, cpx_conn, timer);
  if (conn->shut) {
    close_with(conn, 0, false);
  } else if (cpx_conn_sent(conn) == conn->sent_mark || cpx_timer_start(timer, CPX_HTTP_SEND_TIMEOUT_MS)) {
    close_with(conn, CPX_ETIMEOUT, true);
  } else {
    conn->sent_mark = cpx_conn_sent(conn);
  }
}

static void on_job(cpx_job *job) {
  cpx_conn *conn = CPX_CONTAINER(job, cpx_conn, job);
  if (conn->closing) {
    if (conn->events.on_close) conn->events.on_close(conn->user, conn->err);
    conn->told = true;
    if (conn->released) free(conn);
    return;
  }
  if (!conn->drain_due) return;
  conn->drain_due = false;
  /* Filled up again before the job's turn came: there will be another one. */
  if (!conn->above_high && conn->events.on_drain) conn->events.on_drain(conn->user);
}

void cpx_conn_released(cpx_conn *conn) {
  conn->released = true;
  if (conn->told) free(conn);
}

/* -- The rest. -------------------------------------------------------------------------------------------------- */

void cpx_conn_init(cpx_conn *conn, cpx_loop *loop, const cpx_conn_ops *ops) {
  conn->ops = ops;
  conn->loop = loop;
  cpx_buf_init(&conn->out, 2 * CPX_CONN_OUT_MAX);
  cpx_job_init(&conn->job, on_job);
  cpx_job_init(&conn->flush, on_flush);
  cpx_timer_init(&conn->timer, loop, on_timer);
}

void cpx_conn_count(cpx_conn *conn, cpx_tally *tally) {
  conn->tally = tally;
  tally->live++;
}

void cpx_conn_set_events(cpx_conn *conn, const cpx_conn_events *events, void *user) {
  conn->events = events ? *events : (cpx_conn_events){0};
  conn->user = user;
}

const char *cpx_conn_peer(const cpx_conn *conn) {
  return conn->peer;
}

bool cpx_conn_is_local(const cpx_conn *conn) {
  return conn->is_local;
}

bool cpx_conn_is_tls(const cpx_conn *conn) {
  return conn->is_tls;
}

cpx_loop *cpx_conn_loop(const cpx_conn *conn) {
  return conn->loop;
}
