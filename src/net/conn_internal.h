/* conn_internal.h - what a transport (stream, TLS, memory) and the common part of a connection know of each other.
 *
 * The common part (conn.c) keeps output, marks, the end, and the order of callbacks; a transport moves bytes. A
 * transport's struct begins with its cpx_conn and is one malloc block. It calls up with cpx_conn_input, _input_eof,
 * _writable and _fail; after any of them the connection may be closing, but its memory stays until the transport called
 * _released and on_close ran, and both happen only in jobs and close callbacks.
 */
#ifndef CPX_NET_CONN_INTERNAL_H
#define CPX_NET_CONN_INTERNAL_H

#include "base/buf.h"
#include "net/conn.h"
#include "net/loop_internal.h"

#define CPX_CONN_PEER_MAX 64

typedef struct cpx_conn_ops {
  /* Sends what it can now. *taken < n means: call _writable when more can go. */
  int (*send)(cpx_conn *conn, const char *bytes, size_t n, size_t *taken);
  /* cpx_conn_wants_read or `blocked` changed. */
  void (*update)(cpx_conn *conn);
  /* No more output will follow. */
  int (*shut)(cpx_conn *conn);
  /* Lets go of everything, then calls cpx_conn_released, now or later. No call up follows. */
  void (*close)(cpx_conn *conn, bool reset);
  bool eager;    /* send at once when output passes CPX_CONN_OUT_HIGH within a turn */
  bool hands_on; /* shut passes the ending on to an inner connection, which lingers by itself */
} cpx_conn_ops;

/* The open connections of a listener; outlives the listener while some are open. */
typedef struct cpx_tally {
  size_t live;
  void *owner;
  void (*on_drop)(struct cpx_tally *tally); /* NULL: the listener is gone */
} cpx_tally;

struct cpx_conn {
  const cpx_conn_ops *ops;
  cpx_loop *loop;
  cpx_conn_events events;
  void *user;
  cpx_buf out;
  size_t out_at; /* bytes of `out` already taken */
  uint64_t sent;
  cpx_conn *inner; /* TLS: the connection below, whose output counts as pending too */
  cpx_tally *tally;
  cpx_job job;   /* on_drain, on_close */
  cpx_job flush; /* the end of the turn */
  cpx_timer timer;
  uint64_t sent_mark; /* progress since the timer started */
  int err;
  bool reading : 1;
  bool eof_in : 1;
  bool blocked : 1; /* the transport will call _writable */
  bool above_high : 1;
  bool drain_always : 1; /* on_drain after every jam, not only above the mark: for what sits below TLS */
  bool drain_due : 1;
  bool ending : 1;
  bool shut : 1;
  bool closing : 1;
  bool told : 1;
  bool released : 1;
  bool is_local : 1;
  bool is_tls : 1;
  char peer[CPX_CONN_PEER_MAX];
};

void cpx_conn_init(cpx_conn *conn, cpx_loop *loop, const cpx_conn_ops *ops);
/* Counts it in the tally from now until it closes. */
void cpx_conn_count(cpx_conn *conn, cpx_tally *tally);

static inline bool cpx_conn_wants_read(const cpx_conn *conn) {
  return !conn->closing && !conn->eof_in && (conn->reading || conn->ending);
}

static inline size_t cpx_conn_own_pending(const cpx_conn *conn) {
  return conn->out.len - conn->out_at;
}

/* Calls up. */
void cpx_conn_input(cpx_conn *conn, const char *bytes, size_t n);
void cpx_conn_input_eof(cpx_conn *conn);
void cpx_conn_writable(cpx_conn *conn);
void cpx_conn_fail(cpx_conn *conn, int err);
void cpx_conn_released(cpx_conn *conn);
/* `n` bytes from the front of the output are gone (only for transports that fetch by themselves). */
void cpx_conn_took(cpx_conn *conn, size_t n);
void cpx_conn_check_drain(cpx_conn *conn);

/* A connected stream socket becomes a connection (non-blocking from now on,
 * owned). On failure the socket is the caller's. */
CPX_MUST_CHECK int cpx_conn_from_socket(cpx_loop *loop, int fd, const char *peer, bool is_local, cpx_conn **out);

#endif
