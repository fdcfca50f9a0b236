/* server_support.h - a server with a handler that does what the test says, and clients in memory. */
#ifndef CPX_SPEC_HTTP_SERVER_SUPPORT_H
#define CPX_SPEC_HTTP_SERVER_SUPPORT_H

#include "../net/net_support.h"
#include "answer.h"
#include "check.h"
#include "http/server.h"

/* What the handler saw, and what it shall do. */
typedef struct desk {
  cpx_http_server *server;
  void (*serve)(struct desk *d, cpx_exchange *ex); /* NULL: answer_plainly */
  cpx_exchange *held;                              /* by a `serve` that answers later */
  int calls, gone, drains;
  cpx_http_fault fault; /* of the last request; its text copied to `text` */
  char text[256], method[40], path[256], query[256], body[4096];
  size_t body_len;
  uint64_t started, ready;
} desk;

/* 200, or the fault's status, with a short body. */
static inline void answer_plainly(desk *d, cpx_exchange *ex) {
  (void)d;
  const cpx_http_fault *fault = cpx_exchange_fault(ex);
  cpx_header type = {CPX_SLICE("content-type"), CPX_SLICE("text/plain")};
  int status = fault->status ? fault->status : 200;
  CHECK_INT(cpx_exchange_head(ex, status, &type, 1, 2), 0);
  CHECK_INT(cpx_exchange_write(ex, "ok", 2), 0);
  cpx_exchange_end(ex);
  cpx_exchange_unref(ex);
}

static inline void keep_text(char *to, size_t size, cpx_slice s) {
  snprintf(to, size, "%.*s", (int)s.n, s.n ? s.p : "");
}

static inline void desk_gone(void *user) {
  ((desk *)user)->gone++;
}

static inline void desk_drain(void *user) {
  ((desk *)user)->drains++;
}

static const cpx_exchange_events desk_events = {desk_gone, desk_drain};

static inline void desk_request(void *user, cpx_exchange *ex) {
  desk *d = user;
  d->calls++;
  d->fault = *cpx_exchange_fault(ex);
  keep_text(d->text, sizeof d->text, cpx_slice_str(d->fault.text));
  d->fault.text = NULL;
  keep_text(d->method, sizeof d->method, cpx_exchange_method(ex));
  keep_text(d->path, sizeof d->path, cpx_exchange_path(ex));
  keep_text(d->query, sizeof d->query, cpx_exchange_query(ex));
  keep_text(d->body, sizeof d->body, cpx_exchange_body(ex));
  d->body_len = cpx_exchange_body(ex).n;
  d->started = cpx_exchange_started_ns(ex);
  d->ready = cpx_exchange_ready_ns(ex);
  cpx_exchange_watch(ex, &desk_events, d);
  (d->serve ? d->serve : answer_plainly)(d, ex);
}

/* Keeps the exchange for later. */
static inline void hold(desk *d, cpx_exchange *ex) {
  d->held = ex;
}

static inline void drop_held(desk *d) {
  if (d->held) cpx_exchange_unref(d->held);
  d->held = NULL;
}

typedef struct bench {
  cpx_loop *loop;
  desk desk;
  probe client;
  cpx_buf joined;
  size_t read; /* bytes of client.got already taken as answers */
} bench;

static inline void connect_client(bench *b, size_t step) {
  cpx_conn *client, *server;
  if (cpx_conn_pair(b->loop, step, &client, &server)) abort();
  probe_watch(&b->client, client);
  cpx_conn_read_start(client);
  cpx_http_server_accept(b->desk.server, server);
  b->read = 0;
}

static inline void open_bench_with(bench *b, cpx_http_options options, size_t step) {
  *b = (bench){.loop = new_loop()};
  cpx_buf_init(&b->joined, SIZE_MAX);
  options.on_request = desk_request;
  options.user = &b->desk;
  if (cpx_http_server_new(b->loop, &options, &b->desk.server)) abort();
  connect_client(b, step);
}

static inline void open_bench(bench *b) {
  open_bench_with(b, (cpx_http_options){0}, 0);
}

static inline void leave(bench *b) {
  probe_done(&b->client);
  TURN_UNTIL(b->loop, !b->client.conn);
  cpx_buf_deinit(&b->client.got);
}

static inline void close_bench(bench *b) {
  leave(b);
  drop_held(&b->desk);
  turns(b->loop, 3);
  cpx_http_counts counts = cpx_http_server_counts(b->desk.server);
  CHECK_INT(counts.connections, 0);
  CHECK_INT(counts.active, 0);
  CHECK_INT(counts.body_bytes, 0);
  cpx_http_server_free(b->desk.server);
  CHECK_INT(cpx_loop_free(b->loop), 0);
  cpx_buf_deinit(&b->joined);
}

static inline void ask(bench *b, const char *text) {
  if (b->client.conn) write_str(b->client.conn, text);
}

static inline cpx_slice unread(const bench *b) {
  return cpx_slice_of(b->client.got.data + b->read, b->client.got.len - b->read);
}

/* Waits for the next answer. */
static inline bool next_answer_to(bench *b, bool head_only, answer *a) {
  long n = 0;
  uint64_t end = cpx_now_ns() + 10000000000ull;
  while (cpx_now_ns() < end) {
    n = answer_read(unread(b), head_only, &b->joined, a);
    if (n != 0 || b->client.eofs || b->client.closes) break;
    cpx_loop_turn(b->loop, false);
  }
  if (n < 0) CT_FAIL("malformed answer: %.*s", (int)(unread(b).n < 300 ? unread(b).n : 300), unread(b).p);
  if (n <= 0) return false;
  b->read += (size_t)n;
  return true;
}

static inline bool next_answer(bench *b, answer *a) {
  return next_answer_to(b, false, a);
}

#define EXPECT_ANSWER(b, a, want)                                                                                      \
  do {                                                                                                                 \
    if (!next_answer(b, a))                                                                                            \
      CT_FAIL("no answer (want %d)", want);                                                                            \
    else                                                                                                               \
      CHECK_INT((a)->status, want);                                                                                    \
  } while (0)

#define EXPECT_CLOSED(b) TURN_UNTIL((b)->loop, (b)->client.eofs || (b)->client.closes)

#endif
