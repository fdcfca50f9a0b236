/* http_fuzz.c - any bytes, cut in two, through the server in memory: it must not crash,
 * what it answers must be well-formed, the cut must not matter, and a head that it accepts
 * must be one that llhttp, a second reader, accepts too.
 */
#include "../unit/http/answer.h"
#include "base/limits.h"
#include "http/parser.h"
#include "http/server.h"

#include <llhttp.h>

#define REQUIRE(condition)                                                                                             \
  do {                                                                                                                 \
    if (!(condition)) {                                                                                                \
      fprintf(stderr, "not true: %s (line %d)\n", #condition, __LINE__);                                               \
      abort();                                                                                                         \
    }                                                                                                                  \
  } while (0)

typedef struct run {
  cpx_http_server *server;
  cpx_conn *client;
  cpx_buf got, log; /* what the client got; what the handler saw */
  bool asked_head;
} run;

static void note(cpx_buf *b, cpx_slice s) {
  REQUIRE(cpx_buf_printf(b, "%zu:", s.n) == 0);
  REQUIRE(cpx_buf_add_slice(b, s) == 0);
}

static void on_request(void *user, cpx_exchange *ex) {
  run *r = user;
  const cpx_http_fault *fault = cpx_exchange_fault(ex);
  if (fault->status) { /* how much of a faulty request was read depends on the cut */
    note(&r->log, CPX_SLICE("fault"));
  } else {
    note(&r->log, cpx_exchange_method(ex));
    note(&r->log, cpx_exchange_path(ex));
    note(&r->log, cpx_exchange_query(ex));
    note(&r->log, cpx_exchange_body(ex));
  }
  for (size_t i = 0; i < cpx_exchange_header_count(ex); i++) {
    cpx_header h = cpx_exchange_header_at(ex, i);
    REQUIRE(h.name.n > 0 && !memchr(h.value.p, '\n', h.value.n) && !memchr(h.value.p, '\r', h.value.n));
  }
  if (cpx_slice_eq(cpx_exchange_method(ex), CPX_SLICE("HEAD"))) r->asked_head = true;
  cpx_slice path = cpx_exchange_path(ex);
  cpx_header echo = {CPX_SLICE("x-path"), path};
  REQUIRE(cpx_exchange_head(ex, fault->status ? fault->status : 200, &echo, 1, path.n % 2 ? 2 : -1) == 0);
  REQUIRE(cpx_exchange_write(ex, "ok", 2) == 0);
  cpx_exchange_end(ex);
  cpx_exchange_unref(ex);
}

static void on_data(void *user, const char *bytes, size_t n) {
  REQUIRE(cpx_buf_add(&((run *)user)->got, bytes, n) == 0);
}

static void on_close(void *user, int err) {
  (void)err;
  ((run *)user)->client = NULL;
}

static void feed(run *r, cpx_loop *loop, const uint8_t *bytes, size_t n) {
  if (r->client && n) (void)!cpx_conn_write(r->client, bytes, n);
  for (int i = 0; i < 4; i++) cpx_loop_turn(loop, false);
}

static void one_run(cpx_loop *loop, const uint8_t *bytes, size_t n, size_t cut, run *r) {
  static const cpx_conn_events events = {.on_data = on_data, .on_close = on_close};
  cpx_http_options options = {.body_max = 64 * CPX_KB, .on_request = on_request, .user = r};
  *r = (run){0};
  cpx_buf_init(&r->got, SIZE_MAX);
  cpx_buf_init(&r->log, SIZE_MAX);
  REQUIRE(cpx_http_server_new(loop, &options, &r->server) == 0);
  cpx_conn *server;
  REQUIRE(cpx_conn_pair(loop, 0, &r->client, &server) == 0);
  cpx_conn_set_events(r->client, &events, r);
  cpx_conn_read_start(r->client);
  cpx_http_server_accept(r->server, server);
  feed(r, loop, bytes, cut);
  feed(r, loop, bytes + cut, n - cut);
  for (int i = 0; i < 40; i++) cpx_loop_turn(loop, false); /* pipelined requests take a turn or two each */
  if (r->client) cpx_conn_abort(r->client, false);
  for (int i = 0; i < 4; i++) cpx_loop_turn(loop, false);
  cpx_http_counts counts = cpx_http_server_counts(r->server);
  REQUIRE(counts.connections == 0 && counts.active == 0 && counts.body_bytes == 0);
  cpx_http_server_free(r->server);
}

/* To HEAD no body follows, and which answers are such is not known here: then only the first head is read. */
static void well_formed(const run *r) {
  cpx_buf joined;
  cpx_buf_init(&joined, SIZE_MAX);
  bool head = r->asked_head;
  for (size_t at = 0; at < r->got.len;) {
    answer a;
    long n = answer_read(cpx_slice_of(r->got.data + at, r->got.len - at), head, &joined, &a);
    REQUIRE(n > 0);
    if (head) break;
    at += (size_t)n;
  }
  cpx_buf_deinit(&joined);
}

/* "100 Continue" depends on when the body comes. */
static bool has_continue(const run *r) {
  return r->got.len && memmem(r->got.data, r->got.len, "HTTP/1.1 100", 12);
}

static int count_field(llhttp_t *parser) {
  ++*(size_t *)parser->data;
  return 0;
}

static int stop_at_body(llhttp_t *parser) {
  (void)parser;
  return HPE_PAUSED;
}

/* llhttp knows a fixed list of methods; the rest of its opinion is asked. */
static void second_reader_agrees(const uint8_t *bytes, size_t n) {
  cpx_reqhead h;
  size_t used;
  cpx_reqhead_init(&h, CPX_HTTP_HEAD_MAX);
  if (cpx_reqhead_feed(&h, (const char *)bytes, n, &used) == 0) {
    llhttp_settings_t settings;
    llhttp_t parser;
    size_t fields = 0;
    llhttp_settings_init(&settings);
    settings.on_header_value_complete = count_field;
    settings.on_headers_complete = stop_at_body;
    llhttp_init(&parser, HTTP_REQUEST, &settings);
    parser.data = &fields;
    llhttp_errno_t err = llhttp_execute(&parser, (const char *)bytes, used);
    if (err != HPE_INVALID_METHOD) {
      if (err != HPE_PAUSED) fprintf(stderr, "%s: %s\n", llhttp_errno_name(err), llhttp_get_error_reason(&parser));
      REQUIRE(err == HPE_PAUSED);
      REQUIRE(fields == h.count);
      REQUIRE(!h.has_length || parser.content_length == h.length);
      REQUIRE(((parser.flags & F_CHUNKED) != 0) == h.chunked);
    }
  }
  cpx_reqhead_deinit(&h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static cpx_loop *loop;
  if (!loop) REQUIRE(cpx_loop_new(&loop) == 0);
  if (size < 2) return 0;
  size_t n = size - 2, cut = n ? (size_t)(data[0] << 8 | data[1]) % (n + 1) : 0;
  const uint8_t *bytes = data + 2;
  second_reader_agrees(bytes, n);
  run whole, halves;
  one_run(loop, bytes, n, n, &whole);
  one_run(loop, bytes, n, cut, &halves);
  well_formed(&whole);
  well_formed(&halves);
  if (!has_continue(&whole) && !has_continue(&halves)) {
    REQUIRE(cpx_slice_eq(cpx_buf_slice(&whole.log), cpx_buf_slice(&halves.log)));
  }
  cpx_buf_deinit(&whole.got);
  cpx_buf_deinit(&whole.log);
  cpx_buf_deinit(&halves.got);
  cpx_buf_deinit(&halves.log);
  return 0;
}
