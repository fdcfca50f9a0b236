#include "net/listener.h"

#include "base/limits.h"
#include "base/log.h"
#include "net/listener_socket.h"
#include "net/tls_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define ACCEPTS_PER_EVENT 64    /* then the connections already open get their turn */
#define RETRY_MS          100   /* after accepting stopped */
#define LIMIT_FRESH_MS    1000  /* how long the limit of descriptors is taken for known */
#define WARN_AGAIN_MS     60000 /* the same shortage is not told more often */

struct cpx_listener {
  cpx_loop *loop;
  cpx_listen_socket socket;
  uv_poll_t poll;
  cpx_timer retry;
  cpx_tls *tls;
  void (*on_accept)(void *user, cpx_conn *conn);
  void *user;
  cpx_tally *tally; /* its own block: connections may outlive the listener */
  cpx_list handshakes;
  uint64_t failed_handshakes;
  uint64_t warned_ms;
  uint64_t ceiling_ms; /* when `ceiling` was read */
  long ceiling;        /* descriptors from this number on are left to upstream calls and files */
  bool paused, closed;
};

typedef struct handshake {
  cpx_list node;
  cpx_listener *listener;
  cpx_conn *conn;
  cpx_timer timer;
} handshake;

/* -- Descriptors. The kernel hands out the lowest free number: a new descriptor's number is a lower bound of how many
 * are open, for all users of the process, at no cost. */

static long fd_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur > 1 << 30) return 1 << 30;
  return (long)limit.rlim_cur;
}

static long fd_ceiling(cpx_listener *l) {
  uint64_t now = cpx_loop_ms(l->loop);
  if (l->ceiling && now - l->ceiling_ms < LIMIT_FRESH_MS) return l->ceiling;
  long limit = fd_limit();
  l->ceiling = limit - (limit / 4 < CPX_FD_RESERVE ? limit / 4 : CPX_FD_RESERVE);
  l->ceiling_ms = now;
  return l->ceiling;
}

static bool plenty_of_fds(cpx_listener *l) {
  int lowest = fcntl(l->socket.fd, F_DUPFD_CLOEXEC, 0);
  if (lowest < 0) return false;
  close(lowest);
  return lowest < fd_ceiling(l);
}

static void pause_accepting(cpx_listener *l, long used, const char *why) {
  uint64_t now = cpx_loop_ms(l->loop);
  if (!l->warned_ms || now - l->warned_ms > WARN_AGAIN_MS) {
    l->warned_ms = now ? now : 1;
    if (why)
      cpx_log(CPX_LOG_WARN, "%s: accepting stopped: %s", l->socket.name, why);
    else
      cpx_log(CPX_LOG_WARN, "%s: accepting stopped: %ld of %ld file descriptors in use; raise ulimit -n",
              l->socket.name, used, fd_limit());
  }
  l->paused = true;
  uv_poll_stop(&l->poll);
  if (cpx_timer_start(&l->retry, RETRY_MS)) cpx_log(CPX_LOG_ERROR, "%s: out of memory", l->socket.name);
}

/* -- TLS handshakes. -------------------------------------------------------------------------------------------- */

static void end_handshake(handshake *h) {
  cpx_timer_stop(&h->timer);
  cpx_list_remove(&h->node);
  free(h);
}

static void on_ready(void *user, cpx_conn *conn) {
  handshake *h = user;
  cpx_listener *l = h->listener;
  end_handshake(h);
  cpx_conn_set_events(conn, NULL, NULL);
  l->on_accept(l->user, conn);
}

static void on_handshake_closed(void *user, int err) {
  (void)err;
  handshake *h = user;
  if (h->listener) h->listener->failed_handshakes++;
  end_handshake(h);
}

static void on_handshake_timeout(cpx_timer *timer) {
  handshake *h = CPX_CONTAINER(timer, handshake, timer);
  cpx_log(CPX_LOG_DEBUG, "tls: the handshake with %s took too long", cpx_conn_peer(h->conn));
  cpx_conn_abort(h->conn, true);
}

static void start_handshake(cpx_listener *l, cpx_conn *inner) {
  static const cpx_conn_events events = {.on_close = on_handshake_closed};
  handshake *h = calloc(1, sizeof *h);
  if (!h) {
    cpx_conn_abort(inner, true);
    return;
  }
  cpx_list_init(&h->node);
  cpx_timer_init(&h->timer, l->loop, on_handshake_timeout);
  h->listener = l;
  if (cpx_conn_tls_accept(inner, l->tls, on_ready, h, &h->conn)) {
    free(h);
    return;
  }
  cpx_list_push(&l->handshakes, &h->node);
  cpx_conn_set_events(h->conn, &events, h);
  if (cpx_timer_start(&h->timer, CPX_HTTP_HEAD_TIMEOUT_MS)) cpx_conn_abort(h->conn, true);
}

/* -- Accepting. ------------------------------------------------------------------------------------------------- */

static void take(cpx_listener *l, int fd, const struct sockaddr_storage *from) {
  char peer[CPX_CONN_PEER_MAX] = "unix";
  if (!l->socket.is_unix) cpx_address_format(from, peer, sizeof peer);
  cpx_conn *conn;
  if (cpx_conn_from_socket(l->loop, fd, peer, l->socket.is_unix || cpx_address_is_loopback(from), &conn)) {
    close(fd);
    return;
  }
  cpx_conn_count(conn, l->tally);
  if (l->tls)
    start_handshake(l, conn);
  else
    l->on_accept(l->user, conn);
}

/* False: enough for now. */
static bool accept_one(cpx_listener *l) {
  struct sockaddr_storage from = {0};
  socklen_t size = sizeof from;
  int fd = accept4(l->socket.fd, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0) {
    /* The one that crosses the line is still served; those behind it wait in the kernel's queue. */
    if (fd >= fd_ceiling(l)) pause_accepting(l, (long)fd + 1, NULL);
    take(l, fd, &from);
    return !l->closed && !l->paused;
  }
  switch (errno) {
  case EAGAIN: return false;
  case EMFILE:
  case ENFILE: pause_accepting(l, fd_limit(), errno == ENFILE ? strerror(ENFILE) : NULL); return false;
  case ENOBUFS:
  case ENOMEM: pause_accepting(l, 0, strerror(errno)); return false;
  default: return true; /* this connection failed before it was accepted: its fault alone */
  }
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  (void)events;
  cpx_listener *l = poll->data;
  if (status < 0) {
    pause_accepting(l, 0, uv_strerror(status));
    return;
  }
  for (int i = 0; i < ACCEPTS_PER_EVENT && accept_one(l); i++) continue;
}

static void resume(cpx_listener *l) {
  if (l->closed || !l->paused) return;
  if (plenty_of_fds(l) && uv_poll_start(&l->poll, UV_READABLE, on_poll) == 0) {
    l->paused = false;
    cpx_timer_stop(&l->retry);
    cpx_log(CPX_LOG_DEBUG, "%s: accepting again", l->socket.name);
  } else if (!cpx_timer_active(&l->retry) && cpx_timer_start(&l->retry, RETRY_MS)) {
    cpx_log(CPX_LOG_ERROR, "%s: out of memory", l->socket.name);
  }
}

static void on_retry(cpx_timer *timer) {
  resume(CPX_CONTAINER(timer, cpx_listener, retry));
}

static void on_connection_closed(cpx_tally *tally) {
  resume(tally->owner);
}

/* -- Opening and closing. --------------------------------------------------------------------------------------- */

static cpx_listener *new_listener(cpx_loop *loop, const cpx_listener_options *options) {
  cpx_listener *l = calloc(1, sizeof *l);
  cpx_tally *tally = calloc(1, sizeof *tally);
  if (!l || !tally) {
    free(l);
    free(tally);
    return NULL;
  }
  *tally = (cpx_tally){.owner = l, .on_drop = on_connection_closed};
  l->tally = tally;
  l->loop = loop;
  l->on_accept = options->on_accept;
  l->user = options->user;
  cpx_list_init(&l->handshakes);
  cpx_timer_init(&l->retry, loop, on_retry);
  return l;
}

int cpx_listener_open(cpx_loop *loop, const cpx_listener_options *options, cpx_listener **out, char *message,
                      size_t n) {
  cpx_listener *l = new_listener(loop, options);
  int err = l ? cpx_listen_socket_open(options->address, options->unix_mode, &l->socket, message, n) : CPX_ENOMEM;
  if (!err && uv_poll_init_socket(cpx_loop_uv(loop), &l->poll, l->socket.fd)) {
    snprintf(message, n, "cannot listen on %s: the socket cannot be watched.", options->address);
    cpx_listen_socket_close(&l->socket);
    err = CPX_EIO;
  }
  if (err) {
    if (!l) snprintf(message, n, "cannot listen on %s: out of memory.", options->address);
    if (l) free(l->tally);
    free(l);
    return err;
  }
  l->poll.data = l;
  if (options->tls) l->tls = cpx_tls_ref(options->tls);
  if (uv_poll_start(&l->poll, UV_READABLE, on_poll)) pause_accepting(l, 0, "the socket cannot be watched");
  *out = l;
  return 0;
}

const char *cpx_listener_address(const cpx_listener *listener) {
  return listener->socket.name;
}

size_t cpx_listener_live(const cpx_listener *listener) {
  return listener->tally->live;
}

uint64_t cpx_listener_failed_handshakes(const cpx_listener *listener) {
  return listener->failed_handshakes;
}

static void on_closed(uv_handle_t *handle) {
  free(handle->data);
}

void cpx_listener_close(cpx_listener *listener) {
  listener->closed = true;
  listener->tally->on_drop = NULL;
  if (listener->tally->live == 0) free(listener->tally);
  for (cpx_list *node; (node = cpx_list_shift(&listener->handshakes));) {
    handshake *h = CPX_CONTAINER(node, handshake, node);
    h->listener = NULL; /* it goes with its connection */
    cpx_conn_abort(h->conn, true);
  }
  cpx_timer_stop(&listener->retry);
  uv_close((uv_handle_t *)&listener->poll, on_closed);
  cpx_listen_socket_close(&listener->socket);
  cpx_tls_unref(listener->tls);
}
