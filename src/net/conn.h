/* conn.h - a byte connection over TCP, a Unix socket, TLS, or memory: one face for all.
 *
 * Output is collected and leaves at the end of the loop turn in one writev. Input arrives in a buffer that all
 * connections of a loop share: what the callback does not copy is gone when it returns.
 *
 * TLS differs in one thing: a peer that leaves without close_notify may have been cut off, so that is
 * on_close(CPX_EEOF), where TCP's end of file is on_eof.
 *
 * Owns:      itself: on_close is the last callback, and the pointer is invalid when that returns. Nothing else frees
 * it. Bounds:    output CPX_CONN_OUT_MAX; on_drain after pending was above CPX_CONN_OUT_HIGH and fell below
 * CPX_CONN_OUT_LOW. Errors:    after a failed write nothing more is sent, and on_close follows with the reason.
 * Re-entry:  every function may be called from every callback; on_drain and on_close never run inside another call into
 *            this module (they are jobs).
 */
#ifndef CPX_NET_CONN_H
#define CPX_NET_CONN_H

#include "base/slice.h"
#include "net/loop.h"

typedef struct cpx_conn cpx_conn;

/* Any may be NULL. After cpx_conn_end or _abort only on_close follows. */
typedef struct cpx_conn_events {
  void (*on_data)(void *user, const char *bytes, size_t n);
  void (*on_eof)(void *user); /* the peer sends no more; writing is still possible */
  void (*on_drain)(void *user);
  void (*on_close)(void *user, int err); /* 0: closed by cpx_conn_end or _abort here */
  /* Where the next bytes may be read to, and how many: on_data then gets them there, uncopied. NULL: anywhere. Only a
   * wish: a connection that cannot (TLS, memory) hands on bytes of its own. */
  char *(*room)(void *user, size_t *n);
} cpx_conn_events;

void cpx_conn_set_events(cpx_conn *conn, const cpx_conn_events *events, void *user);
void cpx_conn_read_start(cpx_conn *conn);
void cpx_conn_read_stop(cpx_conn *conn);

/* Copies `n` bytes into the output. CPX_ETOOBIG past the bound, CPX_ECLOSED when closing. */
CPX_MUST_CHECK int cpx_conn_write(cpx_conn *conn, const void *bytes, size_t n);
/* Sends now what waits, for callers that cannot wait for the end of the turn. */
void cpx_conn_flush(cpx_conn *conn);
/* Bytes not yet taken by the kernel. */
size_t cpx_conn_pending(const cpx_conn *conn);
/* Total bytes the kernel has taken: progress, for send time-outs. */
uint64_t cpx_conn_sent(const cpx_conn *conn);

/* Flushes, shuts down the sending side (TLS: close_notify), then closes; lingers for at most CPX_CONN_LINGER_MS so that
 * the peer can read the last bytes before a reset. Input is dropped from now on. A peer that takes nothing for
 * CPX_HTTP_SEND_TIMEOUT_MS is given up: on_close(CPX_ETIMEOUT). */
void cpx_conn_end(cpx_conn *conn);
/* Closes at once, dropping output; `reset`: with a TCP reset, so that the peer cannot take it for a clean end (a Unix
 * socket knows no reset: there only a message's own framing tells). */
void cpx_conn_abort(cpx_conn *conn, bool reset);

/* "127.0.0.1:53412", "[::1]:53412", "unix", "memory"; owned by the connection. */
const char *cpx_conn_peer(const cpx_conn *conn);
/* Loopback address, Unix socket or memory. */
bool cpx_conn_is_local(const cpx_conn *conn);
bool cpx_conn_is_tls(const cpx_conn *conn);
cpx_loop *cpx_conn_loop(const cpx_conn *conn);

/* Two connections joined in memory, for specs: what one writes the other reads, at most `step` bytes a turn (0: all).
 */
CPX_MUST_CHECK int cpx_conn_pair(cpx_loop *loop, size_t step, cpx_conn **a, cpx_conn **b);

#endif
