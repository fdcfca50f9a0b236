/* wire.h: the small event loop under the bench programs (mock, load): epoll,
 * timers, buffered connections, TLS on demand.
 *
 * Owns:    a connection owns its descriptor, its SSL and the bytes not yet sent; the loop owns its timers' heap.
 * Borrows: the bytes given to on_data, valid during the call only.
 * Bounds:  none worth naming: a test tool, driven by our own scripts; memory failures end the program.
 * Errors:  int, 0 or -errno; a broken connection is told once, through on_close.
 *
 * One thread, Linux only. A connection may be closed in any of its callbacks: it is freed at the end of the turn. */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct wire_timer {
  uint64_t at; /* ns, monotonic */
  void (*fn)(struct wire_timer *timer);
  void *data;
  size_t slot; /* place in the heap + 1; 0: not running */
};

struct wire_conn;
struct wire_events {
  void (*on_data)(struct wire_conn *conn, const char *data, size_t length);
  void (*on_drain)(struct wire_conn *conn);            /* everything written has left; may be NULL */
  void (*on_close)(struct wire_conn *conn, int error); /* end of file (0) or -errno; not after wire_close */
  void (*on_connect)(struct wire_conn *conn);          /* outgoing only; may be NULL */
};

struct wire_loop {
  int epoll;
  bool stopped;
  uint64_t now;
  struct wire_timer **heap;
  size_t timers, room;
  struct wire_conn *dead;
};

struct wire_conn {
  struct wire_loop *loop;
  const struct wire_events *events;
  void *data;
  SSL *ssl;
  char *out;
  size_t sent, queued, room;
  struct wire_conn *next_dead;
  int fd;
  bool connecting, ending, closed, wants_write, paused;
};

struct wire_listener {
  struct wire_loop *loop;
  SSL_CTX *tls; /* NULL: plain */
  void (*on_accept)(struct wire_listener *listener, int fd);
  void *data;
  int fd;
};

uint64_t wire_clock(void);
void *wire_alloc(size_t size); /* zeroed; ends the program when memory runs out */
void *wire_grow(void *block, size_t size);

void wire_init(struct wire_loop *loop);
void wire_run(struct wire_loop *loop); /* until wire_stop */
void wire_stop(struct wire_loop *loop);

void wire_timer_start(struct wire_loop *loop, struct wire_timer *timer, uint64_t at);
void wire_timer_stop(struct wire_loop *loop, struct wire_timer *timer);

/* "127.0.0.1:80", "[::1]:80" or "unix:/path"; the length goes to *size, 0 when it makes no sense. */
int wire_address(const char *text, struct sockaddr_storage *address, socklen_t *size);
int wire_listen(struct wire_loop *loop, struct wire_listener *listener, const char *address);
int wire_port(const struct wire_listener *listener);

/* Takes the descriptor (and makes it non-blocking). */
struct wire_conn *wire_adopt(struct wire_loop *loop, int fd, SSL_CTX *tls, const struct wire_events *events,
                             void *data);
struct wire_conn *wire_connect(struct wire_loop *loop, const struct sockaddr_storage *address, socklen_t size,
                               const struct wire_events *events, void *data);
void wire_write(struct wire_conn *conn, const void *data, size_t length);
void wire_pause(struct wire_conn *conn, bool paused); /* stops reading */
void wire_close(struct wire_conn *conn, bool reset);  /* without a reset: after what was written */
#endif
