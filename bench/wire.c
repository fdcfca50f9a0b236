#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { READ_SIZE = 256 * 1024, BATCH = 256, BACKLOG = 4096 };
static char read_buffer[READ_SIZE];

uint64_t wire_clock(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void out_of_memory(void) {
  fputs("out of memory\n", stderr);
  exit(1);
}

void *wire_alloc(size_t size) {
  void *block = calloc(1, size);
  if (block == NULL) out_of_memory();
  return block;
}

void *wire_grow(void *block, size_t size) {
  block = realloc(block, size);
  if (block == NULL) out_of_memory();
  return block;
}

/* -- timers: a binary heap -------------------------------------------------------------------------------------- */

static void heap_put(struct wire_loop *loop, size_t slot, struct wire_timer *timer) {
  loop->heap[slot] = timer;
  timer->slot = slot + 1;
}

static void heap_up(struct wire_loop *loop, size_t slot) {
  struct wire_timer *timer = loop->heap[slot];
  while (slot > 0 && loop->heap[(slot - 1) / 2]->at > timer->at) {
    heap_put(loop, slot, loop->heap[(slot - 1) / 2]);
    slot = (slot - 1) / 2;
  }
  heap_put(loop, slot, timer);
}

static void heap_down(struct wire_loop *loop, size_t slot) {
  struct wire_timer *timer = loop->heap[slot];
  for (;;) {
    size_t child = 2 * slot + 1;
    if (child >= loop->timers) break;
    if (child + 1 < loop->timers && loop->heap[child + 1]->at < loop->heap[child]->at) child++;
    if (loop->heap[child]->at >= timer->at) break;
    heap_put(loop, slot, loop->heap[child]);
    slot = child;
  }
  heap_put(loop, slot, timer);
}

void wire_timer_start(struct wire_loop *loop, struct wire_timer *timer, uint64_t at) {
  wire_timer_stop(loop, timer);
  if (loop->timers == loop->room) {
    loop->room = loop->room ? 2 * loop->room : 64;
    loop->heap = wire_grow(loop->heap, loop->room * sizeof(struct wire_timer *));
  }
  timer->at = at;
  loop->heap[loop->timers] = timer;
  heap_up(loop, loop->timers++);
}

void wire_timer_stop(struct wire_loop *loop, struct wire_timer *timer) {
  if (timer->slot == 0) return;
  size_t slot = timer->slot - 1;
  struct wire_timer *last = loop->heap[--loop->timers];
  timer->slot = 0;
  if (last == timer) return;
  heap_put(loop, slot, last);
  heap_up(loop, slot);
  heap_down(loop, last->slot - 1);
}

static void run_timers(struct wire_loop *loop) {
  while (loop->timers > 0 && loop->heap[0]->at <= loop->now) {
    struct wire_timer *timer = loop->heap[0];
    wire_timer_stop(loop, timer);
    timer->fn(timer);
  }
}

/* -- connections ------------------------------------------------------------------------------------------------ */

static void watch(struct wire_conn *conn, int operation) {
  struct epoll_event event = {.data.ptr = conn};
  event.events =
      (conn->paused ? 0u : (uint32_t)EPOLLIN) | (conn->wants_write || conn->connecting ? (uint32_t)EPOLLOUT : 0u);
  epoll_ctl(conn->loop->epoll, operation, conn->fd, &event);
}

struct wire_conn *wire_adopt(struct wire_loop *loop, int fd, SSL_CTX *tls, const struct wire_events *events,
                             void *data) {
  struct wire_conn *conn = wire_alloc(sizeof(*conn));
  *conn = (struct wire_conn){.loop = loop, .events = events, .data = data, .fd = fd};
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
  if (tls != NULL) {
    conn->ssl = SSL_new(tls);
    SSL_set_fd(conn->ssl, fd);
    SSL_set_accept_state(conn->ssl);
  }
  watch(conn, EPOLL_CTL_ADD);
  return conn;
}

struct wire_conn *wire_connect(struct wire_loop *loop, const struct sockaddr_storage *address, socklen_t size,
                               const struct wire_events *events, void *data) {
  int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return NULL;
  if (connect(fd, (const struct sockaddr *)address, size) < 0 && errno != EINPROGRESS) {
    int saved = errno;
    close(fd);
    errno = saved;
    return NULL;
  }
  struct wire_conn *conn = wire_alloc(sizeof(*conn));
  *conn = (struct wire_conn){.loop = loop, .events = events, .data = data, .fd = fd, .connecting = true};
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
  watch(conn, EPOLL_CTL_ADD);
  return conn;
}

static void finish_close(struct wire_conn *conn) {
  conn->closed = true;
  if (conn->ssl != NULL) SSL_shutdown(conn->ssl);
  SSL_free(conn->ssl);
  close(conn->fd);
  free(conn->out);
  conn->next_dead = conn->loop->dead;
  conn->loop->dead = conn;
}

static void ignore_data(struct wire_conn *conn, const char *data, size_t length) {
  (void)conn, (void)data, (void)length;
}
static void ignore_close(struct wire_conn *conn, int error) {
  (void)conn, (void)error;
}

void wire_close(struct wire_conn *conn, bool reset) {
  static const struct wire_events silent = {.on_data = ignore_data, .on_close = ignore_close};
  if (conn->closed || conn->ending) return;
  if (!reset && conn->sent < conn->queued) {
    conn->ending = true; /* once what was written has left */
    conn->events = &silent;
    return;
  }
  if (reset) setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
  finish_close(conn);
}

static void broken(struct wire_conn *conn, int error) {
  if (conn->closed) return;
  conn->sent = conn->queued = 0;
  conn->events->on_close(conn, error);
  if (!conn->closed) finish_close(conn);
}

/* Bytes sent or read, 0 for "later", -1 for the end (errno is 0 for an end of file). */
static ssize_t transfer(struct wire_conn *conn, void *data, size_t length, bool writes) {
  ssize_t n;
  if (conn->ssl != NULL) {
    ERR_clear_error();
    n = writes ? SSL_write(conn->ssl, data, (int)length) : SSL_read(conn->ssl, data, (int)length);
    if (n > 0) return n;
    int why = SSL_get_error(conn->ssl, (int)n);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return 0;
    errno = why == SSL_ERROR_ZERO_RETURN ? 0 : EPROTO;
    return -1;
  }
  n = writes ? send(conn->fd, data, length, MSG_NOSIGNAL) : recv(conn->fd, data, length, 0);
  if (n > 0) return n;
  if (n == 0)
    errno = 0;
  else if (errno == EAGAIN || errno == EINTR)
    return 0;
  return -1;
}

static void flush(struct wire_conn *conn) {
  while (conn->sent < conn->queued) {
    ssize_t n = transfer(conn, conn->out + conn->sent, conn->queued - conn->sent, true);
    if (n < 0) conn->sent = conn->queued; /* the next read tells; no callback from inside a write */
    if (n <= 0) break;
    conn->sent += (size_t)n;
  }
  bool more = conn->sent < conn->queued;
  if (!more) {
    conn->sent = conn->queued = 0;
    if (conn->room > 64 * 1024) {
      free(conn->out);
      conn->out = NULL;
      conn->room = 0;
    }
  }
  if (more != conn->wants_write) {
    conn->wants_write = more;
    watch(conn, EPOLL_CTL_MOD);
  }
  if (!more && conn->ending) finish_close(conn);
}

void wire_write(struct wire_conn *conn, const void *data, size_t length) {
  if (conn->closed || conn->ending) return;
  if (conn->queued == conn->sent && !conn->connecting && conn->ssl == NULL) {
    ssize_t n = transfer(conn, (void *)(uintptr_t)data, length, true);
    if (n > 0) {
      data = (const char *)data + n;
      length -= (size_t)n;
    } /* an error shows again at the next read */
    if (length == 0) return;
  }
  if (conn->queued + length > conn->room) {
    conn->room = (conn->queued + length) * 2;
    conn->out = wire_grow(conn->out, conn->room);
  }
  memcpy(conn->out + conn->queued, data, length);
  conn->queued += length;
  if (!conn->connecting) flush(conn);
}

void wire_pause(struct wire_conn *conn, bool paused) {
  if (conn->closed || conn->paused == paused) return;
  conn->paused = paused;
  watch(conn, EPOLL_CTL_MOD);
}

static void readable(struct wire_conn *conn) {
  for (int i = 0; i < 8 && !conn->closed && !conn->paused; i++) {
    ssize_t n = transfer(conn, read_buffer, READ_SIZE, false);
    if (n < 0) {
      broken(conn, -errno);
      return;
    }
    if (n == 0) return;
    conn->loop->now = wire_clock();
    conn->events->on_data(conn, read_buffer, (size_t)n);
    if (conn->ssl == NULL && n < READ_SIZE) return;
  }
}

static void connected(struct wire_conn *conn) {
  int error = 0;
  getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof(error)});
  conn->connecting = false;
  if (error != 0) {
    broken(conn, -error);
    return;
  }
  if (conn->events->on_connect != NULL) conn->events->on_connect(conn);
  if (conn->closed) return;
  watch(conn, EPOLL_CTL_MOD);
  flush(conn); /* what was written while it connected */
}

static void dispatch(struct wire_conn *conn, uint32_t events) {
  if (conn->connecting)
    connected(conn);
  else if (events & EPOLLOUT) {
    flush(conn);
    if (!conn->closed && conn->queued == 0 && conn->events->on_drain != NULL) conn->events->on_drain(conn);
  }
  if (!conn->closed && (events & (EPOLLIN | EPOLLHUP | EPOLLERR))) readable(conn);
  /* With reading paused a reset still has to be noticed, or epoll reports it for ever. */
  if (!conn->closed && conn->paused && (events & (EPOLLHUP | EPOLLERR))) broken(conn, -ECONNRESET);
}

/* -- the loop --------------------------------------------------------------------------------------------------- */

static void accept_all(struct wire_listener *listener) {
  for (int i = 0; i < BATCH; i++) {
    int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    listener->on_accept(listener, fd);
  }
}

void wire_init(struct wire_loop *loop) {
  *loop = (struct wire_loop){.epoll = epoll_create1(EPOLL_CLOEXEC), .now = wire_clock()};
}

void wire_stop(struct wire_loop *loop) {
  loop->stopped = true;
}

static int until_next_timer(struct wire_loop *loop) {
  if (loop->timers == 0) return 1000;
  uint64_t at = loop->heap[0]->at;
  if (at <= loop->now) return 0;
  uint64_t ms = (at - loop->now + 999999) / 1000000;
  return ms > 1000 ? 1000 : (int)ms;
}

void wire_run(struct wire_loop *loop) {
  struct epoll_event ready[BATCH];
  while (!loop->stopped) {
    loop->now = wire_clock();
    run_timers(loop);
    if (loop->stopped) break;
    int n = epoll_wait(loop->epoll, ready, BATCH, until_next_timer(loop));
    loop->now = wire_clock();
    for (int i = 0; i < n; i++) {
      uintptr_t tagged = (uintptr_t)ready[i].data.ptr; /* listeners carry a set low bit */
      if (tagged & 1)
        accept_all((struct wire_listener *)(tagged - 1)); // NOLINT
      else if (!((struct wire_conn *)tagged)->closed)
        dispatch((struct wire_conn *)tagged, ready[i].events);
    }
    while (loop->dead != NULL) {
      struct wire_conn *conn = loop->dead;
      loop->dead = conn->next_dead;
      free(conn);
    }
  }
}

int wire_address(const char *text, struct sockaddr_storage *address, socklen_t *size) {
  memset(address, 0, sizeof(*address));
  if (strncmp(text, "unix:", 5) == 0) {
    struct sockaddr_un *un = (struct sockaddr_un *)address;
    if (strlen(text + 5) >= sizeof(un->sun_path)) return -ENAMETOOLONG;
    un->sun_family = AF_UNIX;
    strcpy(un->sun_path, text + 5); // NOLINT: measured above
    *size = sizeof(*un);
    return 0;
  }
  char host[64];
  const char *colon = strrchr(text, ':');
  if (colon == NULL || (size_t)(colon - text) >= sizeof(host)) return -EINVAL;
  bool v6 = text[0] == '[';
  size_t length = (size_t)(colon - text) - (v6 ? 2 : 0);
  memcpy(host, text + (v6 ? 1 : 0), length);
  host[length] = '\0';
  int port = (int)strtol(colon + 1, NULL, 10);
  struct sockaddr_in *in = (struct sockaddr_in *)address;
  struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)address;
  if (v6) {
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons((uint16_t)port);
    *size = sizeof(*in6);
    return inet_pton(AF_INET6, host, &in6->sin6_addr) == 1 ? 0 : -EINVAL;
  }
  in->sin_family = AF_INET;
  in->sin_port = htons((uint16_t)port);
  *size = sizeof(*in);
  return inet_pton(AF_INET, host, &in->sin_addr) == 1 ? 0 : -EINVAL;
}

int wire_listen(struct wire_loop *loop, struct wire_listener *listener, const char *text) {
  struct sockaddr_storage address;
  socklen_t size = 0;
  int error = wire_address(text, &address, &size);
  if (error) return error;
  listener->loop = loop;
  listener->fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (listener->fd < 0) return -errno;
  setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
  if (bind(listener->fd, (struct sockaddr *)&address, size) < 0 || listen(listener->fd, BACKLOG) < 0) return -errno;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = (char *)listener + 1};
  return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, listener->fd, &event) < 0 ? -errno : 0;
}

int wire_port(const struct wire_listener *listener) {
  struct sockaddr_in address;
  socklen_t size = sizeof(address);
  return getsockname(listener->fd, (struct sockaddr *)&address, &size) < 0 ? 0 : ntohs(address.sin_port);
}
