/* conn_stream.c - TCP and Unix sockets.
 *
 * libuv only tells readiness here (uv_poll); reading and writing are our own system calls: one buffer for all
 * connections, no write requests to allocate and keep, no SIGPIPE, and a reset is possible at any time.
 */
#include "net/conn_internal.h"

#include "base/limits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define READS_PER_EVENT 8 /* full buffers from one connection before others get their turn */
#define READ_MAX        (4 * CPX_CONN_READ)

typedef struct stream {
  cpx_conn base;
  uv_poll_t poll;
  int fd;
  int mask; /* what uv_poll watches */
} stream;

static int error_of(int system_error) {
  switch (system_error) {
  case ECONNRESET:
  case EPIPE:
  case ENOTCONN: return CPX_EEOF;
  case ETIMEDOUT: return CPX_ETIMEOUT;
  case ENOMEM:
  case ENOBUFS: return CPX_ENOMEM;
  default: return CPX_EIO;
  }
}

static void on_poll(uv_poll_t *poll, int status, int events);

static int watch(stream *s, int mask) {
  if (s->mask == mask) return 0;
  s->mask = mask;
  return mask ? uv_poll_start(&s->poll, mask, on_poll) : uv_poll_stop(&s->poll);
}

static int wanted(const stream *s) {
  return (cpx_conn_wants_read(&s->base) ? UV_READABLE : 0) | (s->base.blocked ? UV_WRITABLE : 0);
}

/* Interest is added at once, but in reading dropped only when an event comes that nobody
 * wants: reading that stops and starts again, as it does around every request, and an end of
 * file that the connection's end follows cost no system call. */
static void stream_update(cpx_conn *conn) {
  stream *s = (stream *)conn;
  if (watch(s, s->mask | wanted(s))) cpx_conn_fail(conn, CPX_EIO);
}

/* Where the next bytes go: where the user wants them, else the loop's buffer. */
static char *read_to(stream *s, size_t *room) {
  *room = 0;
  char *own = s->base.events.room && !s->base.ending ? s->base.events.room(s->base.user, room) : NULL;
  if (*room > READ_MAX) *room = READ_MAX;
  if (own) return own;
  *room = CPX_CONN_READ;
  return cpx_loop_read_buf(s->base.loop);
}

static void stream_read(stream *s) {
  for (int i = 0; i < READS_PER_EVENT && cpx_conn_wants_read(&s->base); i++) {
    size_t room;
    char *buf = read_to(s, &room);
    if (!buf) {
      cpx_conn_fail(&s->base, CPX_ENOMEM);
      return;
    }
    ssize_t n = recv(s->fd, buf, room, 0);
    if (n > 0) {
      cpx_conn_input(&s->base, buf, (size_t)n);
      if ((size_t)n < room) return; /* a short read: the queue is empty, or the next poll tells */
    } else if (n == 0) {
      cpx_conn_input_eof(&s->base);
    } else if (errno != EINTR) {
      if (errno != EAGAIN && errno != EWOULDBLOCK) cpx_conn_fail(&s->base, error_of(errno));
      return;
    }
  }
}

/* libuv stopped the watch because the socket has an error. */
static void on_socket_error(stream *s) {
  s->mask = 0;
  if (cpx_conn_wants_read(&s->base)) stream_read(s); /* what came before the error, and then the error itself */
  if (s->base.closing) return;
  int reason = 0;
  socklen_t size = sizeof reason;
  if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &reason, &size)) reason = errno;
  cpx_conn_fail(&s->base, error_of(reason));
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  stream *s = poll->data;
  if (status < 0) {
    on_socket_error(s);
    return;
  }
  bool unwanted = events & UV_READABLE && !cpx_conn_wants_read(&s->base);
  if (events & UV_WRITABLE && s->base.blocked) cpx_conn_writable(&s->base);
  if (events & UV_READABLE && cpx_conn_wants_read(&s->base)) stream_read(s);
  if (s->base.closing) return;
  if (watch(s, wanted(s) | (unwanted ? 0 : s->mask & UV_READABLE))) cpx_conn_fail(&s->base, CPX_EIO);
}

static int stream_send(cpx_conn *conn, const char *bytes, size_t n, size_t *taken) {
  stream *s = (stream *)conn;
  while (*taken < n) {
    ssize_t sent = send(s->fd, bytes + *taken, n - *taken, MSG_NOSIGNAL);
    if (sent > 0) {
      /* A short write means a full buffer: asking again would only be told so. */
      *taken += (size_t)sent;
      return 0;
    }
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS) return error_of(errno);
    return 0;
  }
  return 0;
}

static int stream_shut(cpx_conn *conn) {
  return shutdown(((stream *)conn)->fd, SHUT_WR) ? error_of(errno) : 0;
}

static void on_closed(uv_handle_t *handle) {
  stream *s = handle->data;
  cpx_conn_released(&s->base);
}

static void stream_close(cpx_conn *conn, bool reset) {
  stream *s = (stream *)conn;
  s->mask = 0;
  uv_close((uv_handle_t *)&s->poll, on_closed);
  struct linger linger = {.l_onoff = 1, .l_linger = 0};
  if (reset) (void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
  close(s->fd);
  s->fd = -1;
}

static const cpx_conn_ops stream_ops = {
    .send = stream_send, .update = stream_update, .shut = stream_shut, .close = stream_close, .eager = true};

int cpx_conn_from_socket(cpx_loop *loop, int fd, const char *peer, bool is_local, cpx_conn **out) {
  stream *s = calloc(1, sizeof *s);
  if (!s) return CPX_ENOMEM;
  cpx_conn_init(&s->base, loop, &stream_ops);
  s->fd = fd;
  if (uv_poll_init_socket(cpx_loop_uv(loop), &s->poll, fd)) {
    free(s);
    return CPX_EIO;
  }
  s->poll.data = s;
  s->base.is_local = is_local;
  snprintf(s->base.peer, sizeof s->base.peer, "%s", peer);
  *out = &s->base;
  return 0;
}
