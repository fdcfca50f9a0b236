/* mock.h - the other side of upstream's tests: a scripted server with a thread
 * a connection, proxies, and a recording sink. */
#ifndef CPX_SPEC_UPSTREAM_MOCK_H
#define CPX_SPEC_UPSTREAM_MOCK_H

#include "base/buf.h"
#include "upstream/upstream.h"

#include "c_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/un.h>

#define MOCK_CONNS 256

enum then { THEN_KEEP, THEN_CLOSE, THEN_RESET, THEN_HANG };

typedef struct answer {
  const char *bytes;
  enum then then;
  size_t n;    /* 0: strlen */
  size_t step; /* bytes a send; 0: all at once */
  bool early;  /* answers before the request's body was read */
} answer;

typedef struct mock mock;
typedef struct mock_conn {
  mock *m;
  int fd, other;
  SSL *ssl;
  pthread_t thread;
} mock_conn;

struct mock {
  int fd, port;
  char base[160]; /* "http://127.0.0.1:PORT" */
  char path[100]; /* of a Unix socket */
  const answer *answers;
  size_t answer_count;
  void (*serve)(mock_conn *c); /* NULL: answers */
  SSL_CTX *tls;
  pthread_t thread;
  pthread_mutex_t lock;
  mock_conn conns[MOCK_CONNS];
  int accepted, requests, ended;
  cpx_buf seen; /* all requests */
};

static ssize_t conn_read(mock_conn *c, char *to, size_t n) {
  return c->ssl ? SSL_read(c->ssl, to, (int)n) : recv(c->fd, to, n, 0);
}

static bool conn_write(mock_conn *c, const char *bytes, size_t n) {
  while (n > 0) {
    ssize_t sent = c->ssl ? SSL_write(c->ssl, bytes, (int)n) : send(c->fd, bytes, n, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes += sent;
    n -= (size_t)sent;
  }
  return true;
}

static bool conn_write_steps(mock_conn *c, const char *bytes, size_t n, size_t step) {
  for (size_t at = 0; at < n; at += step)
    if (!conn_write(c, bytes + at, n - at < step ? n - at : step)) return false;
  return true;
}

/* Reads one request; false at the end of the connection. */
static bool read_request(mock_conn *c, bool head_only) {
  static const char mark[] = "ontent-Length: ";
  size_t cap = 1 << 16, n = 0, want = 0;
  char *buf = malloc(cap + 1);
  for (;;) {
    if (n == cap) buf = realloc(buf, (cap *= 2) + 1);
    ssize_t got = conn_read(c, buf + n, cap - n);
    if (got <= 0) break;
    n += (size_t)got;
    buf[n] = '\0';
    char *end = strstr(buf, "\r\n\r\n");
    if (!end) continue;
    char *length = strstr(buf, mark);
    want = (size_t)(end - buf) + 4 + (length && length < end ? strtoul(length + sizeof mark - 1, NULL, 10) : 0);
    if (n >= want || head_only) break;
  }
  pthread_mutex_lock(&c->m->lock);
  bool whole = want > 0 && (n >= want || head_only);
  if (whole && cpx_buf_add(&c->m->seen, buf, n)) abort();
  if (whole) c->m->requests++;
  pthread_mutex_unlock(&c->m->lock);
  free(buf);
  return whole;
}

static void wait_for_end(mock_conn *c) {
  char sink[4096];
  while (conn_read(c, sink, sizeof sink) > 0) {
  }
}

static void serve_answers(mock_conn *c) {
  for (;;) {
    pthread_mutex_lock(&c->m->lock);
    size_t i = (size_t)c->m->requests;
    if (i >= c->m->answer_count) i = c->m->answer_count - 1;
    answer a = c->m->answers[i];
    pthread_mutex_unlock(&c->m->lock);
    if (!read_request(c, a.early)) return;
    size_t n = a.n ? a.n : strlen(a.bytes);
    if (!conn_write_steps(c, a.bytes, n, a.step ? a.step : n + 1)) return;
    if (a.then == THEN_CLOSE) {
      if (c->ssl) SSL_shutdown(c->ssl);
      return;
    }
    if (a.then == THEN_HANG) {
      wait_for_end(c);
      return;
    }
    if (a.then == THEN_RESET) {
      struct linger hard = {1, 0};
      setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
      return;
    }
  }
}

static void *conn_main(void *arg) {
  mock_conn *c = arg;
  bool ready = true;
  if (c->m->tls) {
    c->ssl = SSL_new(c->m->tls);
    SSL_set_fd(c->ssl, c->fd);
    ready = SSL_accept(c->ssl) == 1;
  }
  if (ready) (c->m->serve ? c->m->serve : serve_answers)(c);
  if (c->ssl) SSL_free(c->ssl);
  pthread_mutex_lock(&c->m->lock);
  close(c->fd);
  if (c->other >= 0) close(c->other);
  c->fd = c->other = -1;
  c->m->ended++;
  pthread_mutex_unlock(&c->m->lock);
  return NULL;
}

static void *mock_main(void *arg) {
  mock *m = arg;
  for (;;) {
    int fd = accept(m->fd, NULL, NULL), yes = 1;
    if (fd < 0) return NULL;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    pthread_mutex_lock(&m->lock);
    if (m->accepted == MOCK_CONNS) abort();
    mock_conn *c = &m->conns[m->accepted++];
    *c = (mock_conn){.m = m, .fd = fd, .other = -1};
    if (pthread_create(&c->thread, NULL, conn_main, c)) abort();
    pthread_mutex_unlock(&m->lock);
  }
}

static void mock_listen(mock *m, const char *unix_path) {
  union {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_un un;
  } a = {.in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
  socklen_t n = sizeof a.in;
  if (unix_path) {
    a.un = (struct sockaddr_un){.sun_family = AF_UNIX};
    strcpy(a.un.sun_path, unix_path);
    strcpy(m->path, unix_path);
    n = sizeof a.un;
  }
  m->fd = socket(a.any.sa_family, SOCK_STREAM, 0);
  if (bind(m->fd, &a.any, n) || listen(m->fd, 512) || getsockname(m->fd, &a.any, &n)) abort();
  m->port = unix_path ? 0 : ntohs(a.in.sin_port);
  snprintf(m->base, sizeof m->base, "%s://127.0.0.1:%d", m->tls ? "https" : "http", m->port);
}

static mock *mock_start(const answer *answers, size_t count, void (*serve)(mock_conn *), SSL_CTX *tls,
                        const char *unix_path) {
  mock *m = calloc(1, sizeof *m);
  signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
  m->answers = answers;
  m->answer_count = count;
  m->serve = serve;
  m->tls = tls;
  cpx_buf_init(&m->seen, 1 << 28);
  pthread_mutex_init(&m->lock, NULL);
  mock_listen(m, unix_path);
  if (pthread_create(&m->thread, NULL, mock_main, m)) abort();
  return m;
}

#define MOCK(list) mock_start(list, sizeof(list) / sizeof *(list), NULL, NULL, NULL)

/* Waits until `count` connections have ended. */
static inline bool mock_wait_ended(mock *m, int count) {
  for (int i = 0; i < 5000; i++) {
    pthread_mutex_lock(&m->lock);
    bool done = m->ended >= count;
    pthread_mutex_unlock(&m->lock);
    if (done) return true;
    poll(NULL, 0, 1);
  }
  return false;
}

static void mock_stop(mock *m) {
  shutdown(m->fd, SHUT_RDWR);
  pthread_join(m->thread, NULL);
  pthread_mutex_lock(&m->lock);
  for (int i = 0; i < m->accepted; i++) {
    if (m->conns[i].fd >= 0) shutdown(m->conns[i].fd, SHUT_RDWR);
    if (m->conns[i].other >= 0) shutdown(m->conns[i].other, SHUT_RDWR);
  }
  pthread_mutex_unlock(&m->lock);
  for (int i = 0; i < m->accepted; i++) pthread_join(m->conns[i].thread, NULL);
  close(m->fd);
  cpx_buf_deinit(&m->seen);
  pthread_mutex_destroy(&m->lock);
  free(m);
}

/* The request text seen so far; valid while no request is under way. */
static const char *mock_seen(mock *m) {
  if (cpx_buf_add(&m->seen, "", 1)) abort();
  m->seen.len--;
  return m->seen.data;
}

/* Proxies. */

static void splice_both(mock_conn *c) {
  char buf[16384];
  struct pollfd fds[2] = {{c->fd, POLLIN, 0}, {c->other, POLLIN, 0}};
  while (poll(fds, 2, -1) > 0) {
    for (int i = 0; i < 2; i++) {
      if (!fds[i].revents) continue;
      ssize_t n = recv(fds[i].fd, buf, sizeof buf, 0);
      if (n <= 0 || send(fds[1 - i].fd, buf, (size_t)n, MSG_NOSIGNAL) != n) return;
    }
  }
}

static bool dial(mock_conn *c, int port) {
  struct sockaddr_in a = {
      .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  pthread_mutex_lock(&c->m->lock);
  c->other = fd;
  pthread_mutex_unlock(&c->m->lock);
  return connect(fd, (struct sockaddr *)&a, sizeof a) == 0;
}

static inline void serve_connect(mock_conn *c) {
  static const char ok[] = "HTTP/1.1 200 Connection established\r\nX-Proxy: yes\r\n\r\n";
  if (!read_request(c, true)) return;
  pthread_mutex_lock(&c->m->lock);
  const char *host = mock_seen(c->m);
  int port = 0;
  bool parsed = sscanf(host, "CONNECT %*[^:]:%d", &port) == 1;
  pthread_mutex_unlock(&c->m->lock);
  if (parsed && dial(c, port) && conn_write(c, ok, sizeof ok - 1)) splice_both(c);
}

static bool read_exact(mock_conn *c, unsigned char *to, size_t n) {
  return recv(c->fd, to, n, MSG_WAITALL) == (ssize_t)n;
}

static inline void serve_socks5(mock_conn *c) {
  unsigned char b[512];
  if (!read_exact(c, b, 2) || !read_exact(c, b + 2, b[1])) return;
  conn_write(c, "\x05\x00", 2);
  if (!read_exact(c, b, 4)) return;
  size_t n = 4;
  if (b[3] == 3) {
    if (!read_exact(c, b + 4, 1)) return;
    n = b[4];
  }
  if (!read_exact(c, b + 8, n) || !read_exact(c, b + 300, 2)) return;
  if (b[3] == 3 && cpx_buf_printf(&c->m->seen, "name %.*s\n", (int)n, (char *)b + 8)) abort();
  if (dial(c, b[300] << 8 | b[301]) && conn_write(c, "\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00", 10)) splice_both(c);
}

/* The recording sink, and what it should do to the source from inside its callbacks. */

enum trick {
  NO_TRICK,
  CANCEL_ON_HEAD,
  CANCEL_ON_DATA,
  FREE_ON_HEAD,
  FREE_ON_DATA,
  FREE_ON_END,
  PAUSE_ON_DATA,
  LINGER_ON_DATA
};

typedef struct record {
  cpx_source *source;
  enum trick trick;
  int heads, datas, ends, bodies_done;
  int status, err;
  int64_t length;
  bool committed, cut;
  char text[512];
  cpx_buf headers, body;
  char *owned_body;
} record;

static void record_trick(record *r, enum trick cancel, enum trick release) {
  if (r->trick == cancel) cpx_source_cancel(r->source);
  if (r->trick == release) {
    cpx_source_free(r->source);
    r->source = NULL;
  }
  if (r->trick == cancel || r->trick == release) r->cut = true;
}

static void on_head(void *user, const cpx_head *head) {
  record *r = user;
  r->heads++;
  r->status = head->status;
  r->length = head->length;
  for (size_t i = 0; i < head->count; i++)
    if (cpx_buf_printf(&r->headers, "%.*s: %.*s\n", (int)head->headers[i].name.n, head->headers[i].name.p,
                       (int)head->headers[i].value.n, head->headers[i].value.p))
      abort();
  record_trick(r, CANCEL_ON_HEAD, FREE_ON_HEAD);
}

static void on_data(void *user, const char *bytes, size_t n) {
  record *r = user;
  r->datas++;
  if (cpx_buf_add(&r->body, bytes, n)) abort();
  if (r->trick == PAUSE_ON_DATA) cpx_source_pause(r->source);
  if (r->trick == LINGER_ON_DATA) {
    cpx_source_linger(r->source);
    r->source = NULL;
  }
  record_trick(r, CANCEL_ON_DATA, FREE_ON_DATA);
}

static void on_end(void *user, const cpx_end *end) {
  record *r = user;
  r->ends++;
  r->err = end->err;
  r->committed = end->committed;
  snprintf(r->text, sizeof r->text, "%s", end->text);
  record_trick(r, NO_TRICK + 100, FREE_ON_END);
}

static const cpx_sink record_sink = {on_head, on_data, on_end};

static void on_body_done(void *user) {
  record *r = user;
  r->bodies_done++;
  if (r->owned_body) memset(r->owned_body, 'X', 4); /* a late reader would send this */
}

static void record_deinit(record *r) {
  if (r->source) cpx_source_free(r->source);
  cpx_buf_deinit(&r->headers);
  cpx_buf_deinit(&r->body);
  *r = (record){0};
}

/* One loop and one upstream a test. */
typedef struct bed {
  cpx_loop *loop;
  cpx_upstream *up;
} bed;

static bed bed_new(void) {
  bed b;
  if (cpx_loop_new(&b.loop) || cpx_upstream_new(b.loop, &b.up)) abort();
  return b;
}

static void bed_free(bed *b) {
  cpx_upstream_free(b->up);
  CHECK_INT(cpx_loop_free(b->loop), 0);
}

static void begin(bed *b, record *r, cpx_call_options *o) {
  char message[256];
  cpx_buf_init(&r->headers, 1 << 24);
  cpx_buf_init(&r->body, 1 << 28);
  o->body_done = on_body_done;
  o->body_user = r;
  if (cpx_call_new(b->up, o, &r->source, message, sizeof message)) {
    CT_FAIL("cpx_call_new: %s", message);
    r->ends = 1;
    r->cut = true;
    return;
  }
  cpx_source_start(r->source, &record_sink, r);
}

static void finish(bed *b, record *r) {
  while (!r->ends && !r->cut) cpx_loop_turn(b->loop, true);
}

/* A whole call. */
static void call(bed *b, record *r, cpx_call_options *o) {
  begin(b, r, o);
  finish(b, r);
}

static inline cpx_call_options get(mock *m) {
  return (cpx_call_options){.method = "GET", .url = m->base};
}

#endif
