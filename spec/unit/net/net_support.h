/* net_support.h - a loop, a connection over a real socket pair or in memory, and a record of what its callbacks said.
 */
#ifndef CPX_NET_SUPPORT_H
#define CPX_NET_SUPPORT_H

#include "c_test.h"
#include "net/conn_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

typedef struct probe {
  cpx_conn *conn; /* NULL once on_close ran */
  cpx_buf got;
  int reads, eofs, drains, closes, err;
  void (*hook)(struct probe *p); /* runs inside on_data */
  void (*on_drain)(struct probe *p);
  void *extra;
} probe;

static inline void probe_data(void *user, const char *bytes, size_t n) {
  probe *p = user;
  p->reads++;
  if (cpx_buf_add(&p->got, bytes, n)) abort();
  if (p->hook) p->hook(p);
}

static inline void probe_eof(void *user) {
  ((probe *)user)->eofs++;
}

static inline void probe_drain(void *user) {
  probe *p = user;
  p->drains++;
  if (p->on_drain) p->on_drain(p);
}

static inline void probe_close(void *user, int err) {
  probe *p = user;
  p->closes++;
  p->err = err;
  p->conn = NULL;
}

static const cpx_conn_events probe_events = {probe_data, probe_eof, probe_drain, probe_close, NULL};

static inline void probe_watch(probe *p, cpx_conn *conn) {
  *p = (probe){.conn = conn};
  cpx_buf_init(&p->got, 512 * 1024 * 1024UL);
  cpx_conn_set_events(conn, &probe_events, p);
}

static inline void probe_done(probe *p) {
  if (p->conn) cpx_conn_abort(p->conn, false);
}

/* Turns until `condition`, at most 10 s: tests never wait for a time, only for an event. */
#define TURN_UNTIL(loop, condition)                                                                                    \
  do {                                                                                                                 \
    uint64_t turn_end = cpx_now_ns() + 10000000000ull;                                                                 \
    while (!(condition) && cpx_now_ns() < turn_end) cpx_loop_turn(loop, false);                                        \
    if (!(condition)) CT_FAIL("did not come: %s", #condition);                                                         \
  } while (0)

static inline void turns(cpx_loop *loop, int n) {
  while (n-- > 0) cpx_loop_turn(loop, false);
}

static inline void write_str(cpx_conn *conn, const char *text) {
  int err = cpx_conn_write(conn, text, strlen(text));
  if (err) CT_FAIL("write \"%s\": %s", text, cpx_error_name(err));
}

/* A connected TCP pair over loopback: `*fd` is the peer's plain socket, blocking. */
static inline void tcp_pair(int *server, int *fd) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof at;
  int listening = socket(AF_INET, SOCK_STREAM, 0);
  *fd = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listening, (struct sockaddr *)&at, sizeof at) || listen(listening, 4) ||
      getsockname(listening, (struct sockaddr *)&at, &size) || connect(*fd, (struct sockaddr *)&at, sizeof at))
    abort();
  *server = accept(listening, NULL, NULL);
  if (*server < 0) abort();
  close(listening);
}

/* A connection over TCP, and the other end as a plain non-blocking socket. */
static inline void probe_tcp(probe *p, cpx_loop *loop, int *fd) {
  int server;
  tcp_pair(&server, fd);
  fcntl(*fd, F_SETFL, O_NONBLOCK);
  cpx_conn *conn = NULL;
  if (cpx_conn_from_socket(loop, server, "127.0.0.1:1", true, &conn)) abort();
  probe_watch(p, conn);
}

static inline cpx_loop *new_loop(void) {
  cpx_loop *loop = NULL;
  if (cpx_loop_new(&loop)) abort();
  return loop;
}

#endif
