/* The server seen from both ends: what the handler gets, and the exact bytes that a client gets. */
#include "server_support.h"

#include "base/limits.h"
#include "base/log.h"
#include "http/server_internal.h"

#include <time.h>
#include <zlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

/* -- The request. */

static void check_fields(desk *d, cpx_exchange *ex) {
  cpx_slice value;
  CHECK_SLICE(cpx_exchange_method(ex), "POST");
  CHECK_SLICE(cpx_exchange_target(ex), "/v1/x?beta=true&a=%20");
  CHECK_SLICE(cpx_exchange_path(ex), "/v1/x");
  CHECK_SLICE(cpx_exchange_query(ex), "beta=true&a=%20");
  CHECK_SLICE(cpx_exchange_body(ex), "hello");
  CHECK_INT(cpx_exchange_header_count(ex), 4);
  CHECK_SLICE(cpx_exchange_header_at(ex, 1).name, "X-Two");
  CHECK_SLICE(cpx_exchange_header_at(ex, 1).value, "a b");
  CHECK(cpx_exchange_header(ex, CPX_SLICE("x-two"), &value));
  CHECK_SLICE(value, "a b");
  CHECK(!cpx_exchange_header(ex, CPX_SLICE("x-three"), &value));
  CHECK_STR(cpx_exchange_peer(ex), "memory");
  CHECK(cpx_exchange_is_local(ex));
  CHECK(cpx_exchange_conn(ex) != NULL);
  CHECK_INT(cpx_exchange_fault(ex)->status, 0);
  CHECK(cpx_exchange_started_ns(ex) <= cpx_exchange_ready_ns(ex));
  answer_plainly(d, ex);
}

static void the_handler_sees_the_request_as_sent(void) {
  for (size_t step = 0; step < 3; step++) {
    bench b;
    answer a;
    open_bench_with(&b, (cpx_http_options){0}, step);
    b.desk.serve = check_fields;
    ask(&b,
        "POST /v1/x?beta=true&a=%20 HTTP/1.1\r\nHost: x\r\nX-Two:  a b \r\nx-two: c\r\ncontent-length: 5\r\n\r\nhello");
    EXPECT_ANSWER(&b, &a, 200);
    CHECK_INT(b.desk.calls, 1);
    close_bench(&b);
  }
}

static void an_absolute_url_gives_its_path(void) {
  bench b;
  answer a;
  open_bench(&b);
  ask(&b, "GET http://x:80/a/b?c HTTP/1.1\r\nHost: x:80\r\n\r\n");
  EXPECT_ANSWER(&b, &a, 200);
  CHECK_STR(b.desk.path, "/a/b");
  CHECK_STR(b.desk.query, "c");
  ask(&b, "GET http://X?c HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_ANSWER(&b, &a, 200);
  CHECK_STR(b.desk.path, "/");
  CHECK_STR(b.desk.query, "c");
  close_bench(&b);
}

static void many_headers_are_indexed(void) {
  bench b;
  answer a;
  open_bench(&b);
  for (int round = 0; round < 2; round++) {
    ask(&b, "GET / HTTP/1.1\r\nHost: x\r\n");
    for (int i = 0; i < 200; i++) {
      char line[40];
      snprintf(line, sizeof line, "H%d: %d\r\n", i, i);
      ask(&b, line);
    }
    ask(&b, "\r\n");
    EXPECT_ANSWER(&b, &a, 200);
  }
  close_bench(&b);
}

static void pipelined_requests_are_answered_one_at_a_time_in_order(void) {
  bench b;
  answer a;
  open_bench(&b);
  b.desk.serve = hold;
  ask(&b, GET("/1") "POST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" GET("/3"));
  turns(b.loop, 5);
  for (int i = 1; i <= 3; i++) {
    TURN_UNTIL(b.loop, b.desk.held);
    CHECK_INT(b.desk.calls, i);
    cpx_exchange *ex = b.desk.held;
    b.desk.held = NULL;
    turns(b.loop, 5);
    CHECK_INT(b.desk.calls, i); /* the next one waits */
    char path[16];
    snprintf(path, sizeof path, "/%d", i);
    CHECK_STR(b.desk.path, path);
    answer_plainly(&b.desk, ex);
    EXPECT_ANSWER(&b, &a, 200);
  }
  close_bench(&b);
}

static void a_flood_of_pipelined_requests_stops_the_reading(void) {
  bench b;
  open_bench(&b);
  b.desk.serve = hold;
  ask(&b, GET("/first"));
  TURN_UNTIL(b.loop, b.desk.held);
  static char noise[4096];
  memset(noise, 'a', sizeof noise);
  for (int i = 0; i < 256; i++) {
    if (cpx_conn_write(b.client.conn, noise, sizeof noise)) abort();
  }
  turns(b.loop, 50);
  size_t left = cpx_conn_pending(b.client.conn);
  EXPECT(left >= CPX_MB - CPX_HTTP_PIPELINE_MAX - CPX_CONN_READ, "only %zu bytes wait at the client", left);
  close_bench(&b);
}

static void many_pipelined_requests_are_all_answered(void) {
  bench b;
  answer a;
  open_bench(&b);
  enum { COUNT = 5000 };
  for (int i = 0; i < COUNT; i++) ask(&b, GET("/n"));
  for (int i = 0; i < COUNT && !ct.bad; i++) EXPECT_ANSWER(&b, &a, 200);
  CHECK_INT(b.desk.calls, COUNT);
  close_bench(&b);
}

/* -- Bodies. */

static void chunked_bodies_arrive_whole_at_any_cut(void) {
  static const char text[] = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                             "5\r\nhello\r\n1;a=b\r\n \r\n005\r\nworld\r\n0\r\nDropped: yes\r\n\r\n";
  for (size_t cut = 1; cut < sizeof(text) - 1; cut++) {
    bench b;
    answer a;
    open_bench(&b);
    if (cpx_conn_write(b.client.conn, text, cut)) abort();
    turns(b.loop, 3);
    ask(&b, text + cut);
    EXPECT_ANSWER(&b, &a, 200);
    CHECK_STR(b.desk.body, "hello world");
    close_bench(&b);
  }
}

static void post_gzip(bench *b, const char *plain, size_t n, const char *encoding) {
  z_stream z = {0};
  deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY);
  size_t room = deflateBound(&z, n);
  char *out = malloc(room), head[200];
  z.next_in = (Bytef *)plain;
  z.avail_in = (uInt)n;
  z.next_out = (Bytef *)out;
  z.avail_out = (uInt)room;
  deflate(&z, Z_FINISH);
  snprintf(head, sizeof head, "POST / HTTP/1.1\r\nHost: x\r\nContent-Encoding: %s\r\nContent-Length: %lu\r\n\r\n",
           encoding, z.total_out);
  ask(b, head);
  if (cpx_conn_write(b->client.conn, out, z.total_out)) abort();
  deflateEnd(&z);
  free(out);
}

static void encoded_bodies_are_decoded_within_the_limit(void) {
  bench b;
  answer a;
  open_bench_with(&b, (cpx_http_options){.body_max = 100000}, 0);
  char *zeros = calloc(1, CPX_MB);
  post_gzip(&b, "hello", 5, "gzip");
  EXPECT_ANSWER(&b, &a, 200);
  CHECK_STR(b.desk.body, "hello");
  post_gzip(&b, zeros, 100000, "GZip");
  EXPECT_ANSWER(&b, &a, 200);
  CHECK_INT(b.desk.body_len, 100000);
  post_gzip(&b, zeros, CPX_MB, "gzip");
  EXPECT_ANSWER(&b, &a, 413);
  CHECK_STR(b.desk.fault.code, "body_too_large");
  CHECK_INT(b.desk.body_len, 0);
  EXPECT_CLOSED(&b);
  free(zeros);
  close_bench(&b);
}

static void a_body_too_large_is_refused_before_it_is_read(void) {
  bench b;
  answer a;
  open_bench_with(&b, (cpx_http_options){.body_max = 10}, 0);
  ask(&b, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789");
  EXPECT_ANSWER(&b, &a, 200);
  ask(&b, "POST /too HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n");
  EXPECT_ANSWER(&b, &a, 413);
  CHECK_STR(b.desk.path, "/too");
  CHECK_STR(b.desk.text, "The request's body has 11 bytes; the limit is 10 (option body_limit).");
  CHECK_SLICE(answer_header(&a, "connection"), "close");
  close_bench(&b);
}

static void a_chunked_body_too_large_is_refused_when_it_shows(void) {
  bench b;
  answer a;
  open_bench_with(&b, (cpx_http_options){.body_max = 10}, 0);
  ask(&b, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n012345\r\n5\r\n");
  EXPECT_ANSWER(&b, &a, 413);
  CHECK_STR(b.desk.text, "The request's body has more than 10 bytes, its limit (option body_limit).");
  close_bench(&b);
}

/* The client sends all of its 8 MB before it reads, as simple clients do. */
static void a_client_that_sends_on_still_reads_its_413(void) {
  cpx_loop *loop = new_loop();
  desk d = {0};
  cpx_http_options options = {.body_max = 1000, .on_request = desk_request, .user = &d};
  if (cpx_http_server_new(loop, &options, &d.server)) abort();
  int server, fd;
  tcp_pair(&server, &fd);
  cpx_conn *conn;
  if (cpx_conn_from_socket(loop, server, "127.0.0.1:1", true, &conn)) abort();
  cpx_http_server_accept(d.server, conn);
  fcntl(fd, F_SETFL, O_NONBLOCK);
  static const char head[] = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n";
  static char block[65536];
  CHECK_INT(write(fd, head, sizeof head - 1), sizeof head - 1);
  for (size_t left = 8000000; left > 0;) {
    ssize_t n = write(fd, block, left < sizeof block ? left : sizeof block);
    if (n < 0 && errno != EAGAIN) {
      CT_FAIL("cut off with %zu bytes left: %s", left, strerror(errno));
      break;
    }
    if (n > 0) left -= (size_t)n;
    cpx_loop_turn(loop, false);
  }
  char got[1000] = "";
  ssize_t n = -1;
  for (uint64_t end = cpx_now_ns() + 10000000000ull; n < 0 && cpx_now_ns() < end; cpx_loop_turn(loop, false)) {
    n = read(fd, got, sizeof got - 1);
  }
  EXPECT(n > 12 && memcmp(got, "HTTP/1.1 413 ", 13) == 0, "got %zd bytes: %.*s", n, n > 0 ? (int)n : 0, got);
  close(fd);
  TURN_UNTIL(loop, cpx_http_server_counts(d.server).connections == 0);
  cpx_http_server_free(d.server);
  CHECK_INT(cpx_loop_free(loop), 0);
}

static void continue_is_said_only_to_who_waits_for_it(void) {
  bench b;
  answer a;
  open_bench(&b);
  ask(&b, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\n");
  EXPECT_ANSWER(&b, &a, 100);
  CHECK_INT(b.desk.calls, 0);
  ask(&b, "hello");
  EXPECT_ANSWER(&b, &a, 200);
  CHECK_STR(b.desk.body, "hello");
  ask(&b, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_ANSWER(&b, &a, 200);
  ask(&b, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_ANSWER(&b, &a, 100);
  ask(&b, "0\r\n\r\n");
  EXPECT_ANSWER(&b, &a, 200);
  ask(&b, "GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_ANSWER(&b, &a, 200);
  ask(&b, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n");
  EXPECT_ANSWER(&b, &a, 413);
  EXPECT_CLOSED(&b);
  close_bench(&b);
}

static void all_bodies_together_have_a_bound(void) {
  bench b;
  answer a;
  open_bench_with(&b, (cpx_http_options){.bodies_max = 1000}, 0);
  b.desk.serve = hold;
  ask(&b, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
  TURN_UNTIL(b.loop, b.desk.held);
  cpx_exchange *first = b.desk.held;
  b.desk.held = NULL;
  EXPECT(cpx_http_server_counts(b.desk.server).body_bytes >= 5, "not counted");
  b.desk.serve = NULL;
  probe one = b.client;
  cpx_conn_set_events(one.conn, NULL, NULL);
  connect_client(&b, 0);
  ask(&b, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 998\r\n\r\n");
  EXPECT_ANSWER(&b, &a, 503);
  CHECK_STR(b.desk.fault.code, "over_capacity");
  leave(&b);
  connect_client(&b, 0);
  ask(&b, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e6\r\n");
  for (int i = 0; i < 998; i++) ask(&b, "x");
  EXPECT_ANSWER(&b, &a, 503);
  leave(&b);
  answer_plainly(&b.desk, first);
  CHECK_INT(cpx_http_server_counts(b.desk.server).body_bytes, 0);
  cpx_conn_abort(one.conn, false);
  cpx_buf_deinit(&one.got);
  connect_client(&b, 0);
  ask(&b, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_ANSWER(&b, &a, 200);
  close_bench(&b);
}

/* -- The answer. */

/* All that the client got, its Date line cut out. */
static const char *dateless(const bench *b) {
  static char text[4096];
  keep_text(text, sizeof text, unread(b));
  char *date = strstr(text, "Date: ");
  char *end = date ? strstr(date, "\r\n") : NULL;
  if (end) memmove(date, end + 2, strlen(end + 2) + 1);
  return text;
}

static void serve_length(desk *d, cpx_exchange *ex) {
  (void)d;
  const cpx_header headers[] = {
      {CPX_SLICE("content-type"), CPX_SLICE("text/plain")},
      {CPX_SLICE("Connection"), CPX_SLICE("keep-alive")},
      {CPX_SLICE("Transfer-Encoding"), CPX_SLICE("gzip")},
      {CPX_SLICE("Content-Length"), CPX_SLICE("9")},
      {CPX_SLICE("DATE"), CPX_SLICE("never")},
      {CPX_SLICE("Keep-Alive"), CPX_SLICE("timeout=5")},
      {CPX_SLICE("x-bad"), CPX_SLICE("a\r\nSet-Cookie: b")},
      {CPX_SLICE("x-nul"), CPX_SLICE("a\0b")},
      {CPX_SLICE("bad name"), CPX_SLICE("a")},
      {CPX_SLICE(""), CPX_SLICE("a")},
      {CPX_SLICE("Upgrade"), CPX_SLICE("h2c")},
      {CPX_SLICE("x-good"), CPX_SLICE("")},
  };
  CHECK(!cpx_exchange_head_sent(ex));
  CHECK_INT(cpx_exchange_write(ex, "a", 1), CPX_EINVAL);
  CHECK_INT(cpx_exchange_head(ex, 99, NULL, 0, 0), CPX_EINVAL);
  CHECK_INT(cpx_exchange_head(ex, 201, headers, sizeof headers / sizeof *headers, 5), 0);
  CHECK_INT(cpx_exchange_head(ex, 201, NULL, 0, 5), CPX_EINVAL);
  CHECK(cpx_exchange_head_sent(ex));
  CHECK_INT(cpx_exchange_write(ex, "hel", 3), 0);
  CHECK_INT(cpx_exchange_write(ex, "", 0), 0);
  CHECK_INT(cpx_exchange_write(ex, "lo", 2), 0);
  CHECK_INT(cpx_exchange_write(ex, "!", 1), CPX_EINVAL);
  CHECK_INT(cpx_exchange_written(ex), 5);
  cpx_exchange_end(ex);
  CHECK(cpx_exchange_ended(ex));
  CHECK_INT(cpx_exchange_write(ex, "!", 1), CPX_ECLOSED);
  cpx_exchange_unref(ex);
}

static void an_answer_of_known_length_has_these_bytes(void) {
  bench b;
  open_bench(&b);
  b.desk.serve = serve_length;
  cpx_log_to(open("/dev/null", O_WRONLY));
  ask(&b, GET("/"));
  TURN_UNTIL(b.loop, b.client.got.len > 0);
  cpx_log_to(2);
  CHECK_STR(dateless(&b),
            "HTTP/1.1 201 Created\r\ncontent-type: text/plain\r\nx-good: \r\nContent-Length: 5\r\n\r\nhello");
  CHECK_INT(b.client.reads, 1);
  close_bench(&b);
}

static void writes_of_one_turn_are_one_chunk(void) {
  bench b;
  open_bench(&b);
  b.desk.serve = hold;
  ask(&b, GET("/"));
  TURN_UNTIL(b.loop, b.desk.held);
  cpx_exchange *ex = b.desk.held;
  CHECK_INT(cpx_exchange_head(ex, 200, NULL, 0, -1), 0);
  for (int i = 0; i < 20; i++) CHECK_INT(cpx_exchange_write(ex, "x", 1), 0);
  EXPECT(cpx_exchange_pending(ex) >= 20, "%zu", cpx_exchange_pending(ex));
  TURN_UNTIL(b.loop, b.client.got.len > 0);
  CHECK_STR(dateless(&b), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n14\r\nxxxxxxxxxxxxxxxxxxxx\r\n");
  CHECK_INT(b.client.reads, 1);
  b.read = b.client.got.len;
  CHECK_INT(cpx_exchange_write(ex, "abc", 3), 0);
  CHECK_INT(cpx_exchange_write(ex, "def", 3), 0);
  TURN_UNTIL(b.loop, unread(&b).n > 0);
  CHECK_SLICE(unread(&b), "6\r\nabcdef\r\n");
  b.read = b.client.got.len;
  CHECK_INT(cpx_exchange_write(ex, "g", 1), 0);
  cpx_exchange_end(ex);
  TURN_UNTIL(b.loop, unread(&b).n > 0);
  CHECK_SLICE(unread(&b), "1\r\ng\r\n0\r\n\r\n");
  CHECK_INT(b.client.reads, 3);
  CHECK_INT(cpx_exchange_written(ex), 27);
  close_bench(&b);
}

static void serve_sizes(desk *d, cpx_exchange *ex) {
  (void)d;
  static const size_t sizes[] = {1, 15, 16000, 400, 16384, 70000, 2, 16383, 16383, 5};
  static char bytes[70000];
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)('a' + i % 26);
  CHECK_INT(cpx_exchange_head(ex, 200, NULL, 0, -1), 0);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) CHECK_INT(cpx_exchange_write(ex, bytes, sizes[i]), 0);
  cpx_exchange_end(ex);
  cpx_exchange_unref(ex);
}

static void writes_of_any_size_arrive_whole(void) {
  bench b;
  answer a;
  open_bench(&b);
  b.desk.serve = serve_sizes;
  ask(&b, GET("/"));
  EXPECT_ANSWER(&b, &a, 200);
  CHECK_INT(a.body.n, 1 + 15 + 16000 + 400 + 16384 + 70000 + 2 + 16383 + 16383 + 5);
  REQUIRE(a.body.n > 100000);
  CHECK_INT(a.body.p[16], 'a');
  CHECK_INT(a.body.p[16 + 16000 + 400 + 16384 + 69999], 'a' + 69999 % 26);
  close_bench(&b);
}

static int serve_status;
static int64_t serve_length_of;

static void serve_as_told(desk *d, cpx_exchange *ex) {
  (void)d;
  cpx_header upgrade = {CPX_SLICE("Upgrade"), CPX_SLICE("websocket")};
  CHECK_INT(cpx_exchange_head(ex, serve_status, &upgrade, serve_status == 426, serve_length_of), 0);
  if (serve_length_of) CHECK_INT(cpx_exchange_write(ex, "hello", 5), 0);
  cpx_exchange_end(ex);
  cpx_exchange_unref(ex);
}

static void answers_without_a_body_have_none(void) {
  static const struct {
    const char *method;
    int status;
    int64_t length;
    const char *want;
  } cases[] = {
      {"HEAD", 200, 5, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"},
      {"HEAD", 200, -1, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"GET", 204, -1, "HTTP/1.1 204 No Content\r\n\r\n"},
      {"GET", 204, 5, "HTTP/1.1 204 No Content\r\n\r\n"},
      {"GET", 304, -1, "HTTP/1.1 304 Not Modified\r\n\r\n"},
      {"GET", 200, 0, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
      {"GET", 299, 0, "HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n"},
      {"GET", 426, 0,
       "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nContent-Length: 0\r\nConnection: upgrade\r\n\r\n"},
  };
  bench b;
  open_bench(&b);
  b.desk.serve = serve_as_told;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[100];
    serve_status = cases[i].status;
    serve_length_of = cases[i].length;
    snprintf(text, sizeof text, "%s / HTTP/1.1\r\nHost: x\r\n\r\n", cases[i].method);
    ask(&b, text);
    TURN_UNTIL(b.loop, unread(&b).n > 0);
    CHECK_STR(dateless(&b), cases[i].want);
    b.read = b.client.got.len;
  }
  close_bench(&b);
}

static void serve_short(desk *d, cpx_exchange *ex) {
  (void)d;
  CHECK_INT(cpx_exchange_head(ex, 200, NULL, 0, 10), 0);
  CHECK_INT(cpx_exchange_write(ex, "hello", 5), 0);
  cpx_exchange_end(ex);
  cpx_exchange_unref(ex);
}

static void serve_half(desk *d, cpx_exchange *ex) {
  (void)d;
  CHECK_INT(cpx_exchange_head(ex, 200, NULL, 0, -1), 0);
  CHECK_INT(cpx_exchange_write(ex, "hello", 5), 0);
  cpx_exchange_abort(ex);
  CHECK(cpx_exchange_ended(ex));
  cpx_exchange_unref(ex);
}

static void serve_nothing(desk *d, cpx_exchange *ex) {
  (void)d;
  cpx_exchange_unref(ex);
}

static void serve_no_head(desk *d, cpx_exchange *ex) {
  (void)d;
  cpx_exchange_end(ex);
  cpx_exchange_unref(ex);
}

static void an_answer_that_is_not_whole_never_looks_whole(void) {
  void (*const ways[])(desk *, cpx_exchange *) = {serve_short, serve_half, serve_nothing, serve_no_head};
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
    bench b;
    answer a;
    open_bench(&b);
    b.desk.serve = ways[i];
    ask(&b, GET("/"));
    TURN_UNTIL(b.loop, b.client.closes || b.client.eofs);
    EXPECT(!next_answer(&b, &a), "way %zu looks whole", i);
    EXPECT(b.client.eofs == 0, "way %zu ends cleanly", i);
    CHECK_INT(b.desk.gone, 0);
    close_bench(&b);
  }
}

/* -- The client leaves, or is slow. */

static void a_client_that_leaves_is_gone_once(void) {
  bench b;
  open_bench(&b);
  b.desk.serve = hold;
  ask(&b, GET("/"));
  TURN_UNTIL(b.loop, b.desk.held);
  cpx_exchange *ex = b.desk.held;
  CHECK_INT(cpx_exchange_head(ex, 200, NULL, 0, -1), 0);
  CHECK_INT(cpx_exchange_write(ex, "hello", 5), 0);
  turns(b.loop, 3);
  CHECK(!cpx_exchange_is_gone(ex));
  CHECK(!cpx_exchange_is_complete(ex));
  cpx_exchange_mark_complete(ex);
  cpx_conn_end(b.client.conn);
  TURN_UNTIL(b.loop, b.desk.gone);
  CHECK(cpx_exchange_is_gone(ex));
  CHECK(cpx_exchange_is_complete(ex));
  CHECK_INT(cpx_exchange_write(ex, "hello", 5), CPX_ECLOSED);
  CHECK(cpx_exchange_conn(ex) == NULL);
  CHECK_STR(cpx_exchange_peer(ex), "memory");
  CHECK_SLICE(cpx_exchange_path(ex), "/");
  cpx_exchange_end(ex);
  cpx_exchange_abort(ex);
  close_bench(&b);
  CHECK_INT(b.desk.gone, 1);
}

/* Loses the connection in the flushes of a turn, as a send that fails does. */
typedef struct cut {
  cpx_job job;
  cpx_conn *conn;
} cut;

static void cut_connection(cpx_job *job) {
  cpx_conn_abort(CPX_CONTAINER(job, cut, job)->conn, true);
}

static void a_connection_lost_while_output_leaves_is_told(void) {
  bench b;
  open_bench(&b);
  b.desk.serve = hold;
  ask(&b, GET("/"));
  TURN_UNTIL(b.loop, b.desk.held);
  cpx_exchange *ex = b.desk.held;
  cut c = {.conn = cpx_exchange_conn(ex)};
  cpx_job_init(&c.job, cut_connection);
  cpx_loop_flush_later(b.loop, &c.job);
  CHECK_INT(cpx_exchange_head(ex, 200, NULL, 0, -1), 0);
  CHECK_INT(cpx_exchange_write(ex, "hello", 5), 0); /* leaves behind the cut */
  turns(b.loop, 5);
  CHECK(cpx_exchange_is_gone(ex));
  CHECK_INT(b.desk.gone, 1);
  close_bench(&b);
}

static void a_connection_lost_before_the_answer_is_known_at_the_first_write(void) {
  for (int64_t length = -1; length <= 5; length += 6) {
    bench b;
    open_bench(&b);
    b.desk.serve = hold;
    ask(&b, GET("/"));
    TURN_UNTIL(b.loop, b.desk.held);
    cpx_exchange *ex = b.desk.held;
    cpx_conn_abort(cpx_exchange_conn(ex), true); /* on_close has not come yet */
    int err = cpx_exchange_head(ex, 200, NULL, 0, length);
    if (!err) cpx_exchange_end(ex);
    CHECK(cpx_exchange_is_gone(ex));
    turns(b.loop, 3);
    CHECK_INT(b.desk.gone, 1);
    close_bench(&b);
  }
}

static void a_chunk_that_cannot_be_written_cuts_the_connection(void) {
  bench b;
  open_bench(&b);
  b.desk.serve = hold;
  ask(&b, GET("/"));
  TURN_UNTIL(b.loop, b.desk.held);
  cpx_exchange *ex = b.desk.held;
  CHECK_INT(cpx_exchange_head(ex, 200, NULL, 0, -1), 0);
  CHECK_INT(cpx_exchange_write(ex, "never read", CPX_CONN_OUT_MAX + 1), CPX_ETOOBIG);
  cpx_exchange_end(ex);
  TURN_UNTIL(b.loop, b.client.closes);
  CHECK_INT(b.client.eofs, 0);
  CHECK_INT(b.desk.gone, 1);
  close_bench(&b);
}

static void a_request_cut_off_never_reaches_the_handler(void) {
  static const char *const parts[] = {"", "GET / HT", "GET / HTTP/1.1\r\nHost: x\r\n",
                                      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc",
                                      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    bench b;
    open_bench(&b);
    ask(&b, parts[i]);
    cpx_conn_end(b.client.conn);
    TURN_UNTIL(b.loop, !b.client.conn);
    turns(b.loop, 3);
    CHECK_INT(b.desk.calls, 0);
    CHECK_INT(b.client.got.len, 0);
    close_bench(&b);
  }
}

static void a_fault_is_answered_although_the_client_has_ended_its_side(void) {
  cpx_loop *loop = new_loop();
  desk d = {0};
  cpx_http_options options = {.on_request = desk_request, .user = &d};
  if (cpx_http_server_new(loop, &options, &d.server)) abort();
  int server, fd;
  tcp_pair(&server, &fd);
  cpx_conn *conn;
  if (cpx_conn_from_socket(loop, server, "127.0.0.1:1", true, &conn)) abort();
  cpx_http_server_accept(d.server, conn);
  CHECK_INT(write(fd, "nonsense\r\n", 10), 10);
  shutdown(fd, SHUT_WR);
  TURN_UNTIL(loop, cpx_http_server_counts(d.server).connections == 0);
  char got[1000] = "";
  ssize_t n = read(fd, got, sizeof got - 1);
  EXPECT(n > 12 && memcmp(got, "HTTP/1.1 400 ", 13) == 0, "got %zd bytes: %s", n, got);
  CHECK_INT(d.gone, 0);
  close(fd);
  cpx_http_server_free(d.server);
  CHECK_INT(cpx_loop_free(loop), 0);
}

static void a_slow_client_is_waited_for(void) {
  bench b;
  open_bench(&b);
  b.desk.serve = hold;
  ask(&b, GET("/"));
  TURN_UNTIL(b.loop, b.desk.held);
  cpx_exchange *ex = b.desk.held;
  cpx_conn_read_stop(b.client.conn);
  static char block[100000];
  CHECK_INT(cpx_exchange_head(ex, 200, NULL, 0, -1), 0);
  size_t wrote = 0;
  for (; cpx_exchange_pending(ex) < CPX_CONN_OUT_HIGH; wrote += sizeof block) {
    CHECK_INT(cpx_exchange_write(ex, block, sizeof block), 0);
    turns(b.loop, 2);
  }
  CHECK_INT(b.desk.drains, 0);
  cpx_conn_read_start(b.client.conn);
  TURN_UNTIL(b.loop, b.desk.drains);
  EXPECT(cpx_exchange_pending(ex) < CPX_CONN_OUT_LOW, "%zu", cpx_exchange_pending(ex));
  cpx_exchange_end(ex);
  answer a;
  EXPECT_ANSWER(&b, &a, 200);
  CHECK_INT(a.body.n, wrote);
  CHECK_INT(b.desk.gone, 0);
  close_bench(&b);
}

/* -- Time. */

static void a_slow_head_is_a_fault_and_an_idle_connection_is_none(void) {
  bench b;
  answer a;
  open_bench_with(&b, (cpx_http_options){.head_timeout_ms = 20, .idle_timeout_ms = 5000}, 0);
  ask(&b, "GET / HTTP/1.1\r\nHo");
  EXPECT_ANSWER(&b, &a, 408);
  CHECK_STR(b.desk.fault.code, "request_timeout");
  CHECK_STR(b.desk.path, "/");
  EXPECT_CLOSED(&b);
  close_bench(&b);

  open_bench_with(&b, (cpx_http_options){.idle_timeout_ms = 20}, 0);
  EXPECT_CLOSED(&b);
  CHECK_INT(b.client.got.len, 0);
  leave(&b);
  connect_client(&b, 0);
  ask(&b, GET("/"));
  EXPECT_ANSWER(&b, &a, 200);
  EXPECT_CLOSED(&b);
  CHECK_INT(unread(&b).n, 0);
  CHECK_INT(b.desk.calls, 1);
  close_bench(&b);
}

static void a_lone_line_end_behind_a_request_is_no_request(void) {
  bench b;
  answer a;
  open_bench_with(&b, (cpx_http_options){.head_timeout_ms = 20}, 0);
  ask(&b, GET("/") "\r\n");
  EXPECT_ANSWER(&b, &a, 200);
  EXPECT_CLOSED(&b);
  CHECK_INT(unread(&b).n, 0);
  CHECK_INT(b.desk.calls, 1);
  close_bench(&b);
}

static void a_body_that_stops_is_a_fault(void) {
  bench b;
  answer a;
  open_bench_with(&b, (cpx_http_options){.body_timeout_ms = 20}, 0);
  ask(&b, "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc");
  EXPECT_ANSWER(&b, &a, 408);
  CHECK_STR(b.desk.path, "/p");
  EXPECT_CLOSED(&b);
  close_bench(&b);
}

static void a_client_that_takes_nothing_is_cut_off(void) {
  bench b;
  open_bench_with(&b, (cpx_http_options){.send_timeout_ms = 20}, 0);
  b.desk.serve = hold;
  ask(&b, GET("/"));
  TURN_UNTIL(b.loop, b.desk.held);
  cpx_conn_read_stop(b.client.conn);
  CHECK_INT(cpx_exchange_head(b.desk.held, 200, NULL, 0, -1), 0);
  CHECK_INT(cpx_exchange_write(b.desk.held, "hello", 5), 0);
  TURN_UNTIL(b.loop, b.desk.gone);
  CHECK_INT(b.desk.gone, 1);
  close_bench(&b);
}

static void a_quiet_stream_is_not_cut_off(void) {
  bench b;
  answer a;
  open_bench_with(&b, (cpx_http_options){.send_timeout_ms = 5, .idle_timeout_ms = 5, .head_timeout_ms = 5}, 0);
  b.desk.serve = hold;
  ask(&b, GET("/"));
  TURN_UNTIL(b.loop, b.desk.held);
  CHECK_INT(cpx_exchange_head(b.desk.held, 200, NULL, 0, -1), 0);
  CHECK_INT(cpx_exchange_write(b.desk.held, "hello", 5), 0);
  uint64_t end = cpx_now_ns() + 40000000;
  TURN_UNTIL(b.loop, cpx_now_ns() > end);
  CHECK_INT(b.desk.gone, 0);
  cpx_exchange_end(b.desk.held);
  EXPECT_ANSWER(&b, &a, 200);
  CHECK_SLICE(a.body, "hello");
  close_bench(&b);
}

/* -- The end. */

static int idle_calls;

static void on_idle(void *user) {
  (void)user;
  idle_calls++;
}

static void draining_ends_idle_connections_now_and_busy_ones_after_their_answer(void) {
  bench b;
  answer a;
  open_bench(&b);
  b.desk.serve = hold;
  ask(&b, GET("/"));
  TURN_UNTIL(b.loop, b.desk.held);
  cpx_exchange *ex = b.desk.held;
  probe busy = b.client;
  cpx_conn_set_events(busy.conn, &probe_events, &busy);
  connect_client(&b, 0);
  turns(b.loop, 3);
  idle_calls = 0;
  cpx_http_server_drain(b.desk.server, on_idle, NULL);
  EXPECT_CLOSED(&b);
  CHECK_INT(busy.eofs + busy.closes, 0);
  CHECK_INT(idle_calls, 0);
  leave(&b);
  b.client = busy;
  cpx_conn_set_events(b.client.conn, &probe_events, &b.client);
  b.desk.held = NULL;
  answer_plainly(&b.desk, ex);
  EXPECT_ANSWER(&b, &a, 200);
  CHECK_SLICE(answer_header(&a, "connection"), "close");
  EXPECT_CLOSED(&b);
  leave(&b);
  TURN_UNTIL(b.loop, idle_calls);
  turns(b.loop, 5);
  CHECK_INT(idle_calls, 1);
  connect_client(&b, 0); /* one that was accepted late */
  EXPECT_CLOSED(&b);
  close_bench(&b);
}

static void freeing_the_server_leaves_held_exchanges_readable(void) {
  bench b;
  open_bench(&b);
  b.desk.serve = hold;
  ask(&b, "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
  TURN_UNTIL(b.loop, b.desk.held);
  cpx_http_server_free(b.desk.server);
  TURN_UNTIL(b.loop, b.desk.gone);
  CHECK_SLICE(cpx_exchange_body(b.desk.held), "hello");
  CHECK_INT(cpx_exchange_head(b.desk.held, 200, NULL, 0, 0), CPX_ECLOSED);
  cpx_exchange_unref(b.desk.held);
  leave(&b);
  CHECK_INT(cpx_loop_free(b.loop), 0);
  cpx_buf_deinit(&b.joined);
}

#if defined(__GLIBC__) && !defined(CPX_SANITIZE)
static size_t resident(void) {
  unsigned long all = 0, pages = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  if (f && fscanf(f, "%lu %lu", &all, &pages) != 2) pages = 0;
  if (f) (void)fclose(f);
  return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Chunked, so that the body grows as it comes; the block behind it keeps malloc from giving it back by itself. */
static void the_memory_of_large_bodies_goes_back_some_time_after(void) {
  bench b;
  answer a;
  static char chunk[0x20000 + 1];
  memset(chunk, 'x', 0x20000);
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
  open_bench_with(&b, (cpx_http_options){.trim_ms = 200}, 0);
  b.desk.serve = hold;
  ask(&b, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 64; i++) {
    ask(&b, "20000\r\n");
    ask(&b, chunk);
    ask(&b, "\r\n");
    turns(b.loop, 3);
  }
  ask(&b, "0\r\n\r\n");
  TURN_UNTIL(b.loop, b.desk.held != NULL);
  size_t with = resident();
  void *behind = malloc(1000);
  REQUIRE(b.desk.held && behind);
  answer_plainly(&b.desk, b.desk.held);
  b.desk.held = NULL;
  EXPECT_ANSWER(&b, &a, 200);
  EXPECT(resident() + 4 * CPX_MB > with, "%zu of %zu bytes are left at once", resident(), with);
  TURN_UNTIL(b.loop, resident() + 6 * CPX_MB < with);
  free(behind);
  close_bench(&b);
}
#endif

static void options_can_change_between_requests(void) {
  bench b;
  answer a;
  open_bench(&b);
  ask(&b, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_ANSWER(&b, &a, 200);
  cpx_http_server_set(b.desk.server, &(cpx_http_options){.body_max = 4});
  ask(&b, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_ANSWER(&b, &a, 413);
  close_bench(&b);
}

static void an_idle_connection_holds_little(void) {
  EXPECT(sizeof(cpx_link) <= 512, "%zu bytes", sizeof(cpx_link));
  printf("server: %zu bytes an idle connection, %zu an exchange\n", sizeof(cpx_link), sizeof(cpx_exchange));
}

/* Not a check (machines differ): the figures stand in the output. */
static void show_the_speed(void) {
  static const char head[] =
      "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:8317\r\nAccept: application/json\r\n"
      "Content-Type: application/json\r\nUser-Agent: OpenAI/Python 1.99.9\r\nX-Stainless-Lang: python\r\n"
      "X-Stainless-OS: Linux\r\nX-Stainless-Arch: x64\r\nX-Stainless-Runtime: CPython\r\n"
      "Authorization: Bearer sk-0123456789012345678901234567890123456789\r\nContent-Length: 300\r\n\r\n";
  enum { ROUNDS = 100000 };
  uint64_t start = cpx_now_ns();
  for (int i = 0; i < ROUNDS; i++) {
    cpx_reqhead h;
    size_t used;
    cpx_reqhead_init(&h, CPX_HTTP_HEAD_MAX);
    if (cpx_reqhead_feed(&h, head, sizeof head - 1, &used)) CT_FAIL("not parsed");
    cpx_reqhead_deinit(&h);
  }
  printf("server: %llu ns to parse a head of 11 headers\n", (unsigned long long)(cpx_now_ns() - start) / ROUNDS);
  bench b;
  answer a;
  open_bench(&b);
  char text[1000];
  snprintf(text, sizeof text, "%s%0300d", head, 0);
  ask(&b, text);
  EXPECT_ANSWER(&b, &a, 200);
  start = cpx_now_ns();
  for (int i = 0; i < ROUNDS / 10; i++) {
    b.client.got.len = b.read = 0;
    ask(&b, text);
    while (b.client.got.len == 0) cpx_loop_turn(b.loop, false);
  }
  printf("server: %llu ns a request of 300 bytes and its answer, two ends in memory and the loop's polls included\n",
         (unsigned long long)(cpx_now_ns() - start) / (ROUNDS / 10));
  close_bench(&b);
}

int main(int argc, char **argv) {
  ct_init(argc, argv);
  RUN(the_handler_sees_the_request_as_sent);
  RUN(an_absolute_url_gives_its_path);
  RUN(many_headers_are_indexed);
  RUN(pipelined_requests_are_answered_one_at_a_time_in_order);
  RUN(a_flood_of_pipelined_requests_stops_the_reading);
  RUN(many_pipelined_requests_are_all_answered);
  RUN(chunked_bodies_arrive_whole_at_any_cut);
  RUN(encoded_bodies_are_decoded_within_the_limit);
  RUN(a_body_too_large_is_refused_before_it_is_read);
  RUN(a_chunked_body_too_large_is_refused_when_it_shows);
  RUN(a_client_that_sends_on_still_reads_its_413);
  RUN(continue_is_said_only_to_who_waits_for_it);
  RUN(all_bodies_together_have_a_bound);
  RUN(an_answer_of_known_length_has_these_bytes);
  RUN(writes_of_one_turn_are_one_chunk);
  RUN(writes_of_any_size_arrive_whole);
  RUN(answers_without_a_body_have_none);
  RUN(an_answer_that_is_not_whole_never_looks_whole);
  RUN(a_client_that_leaves_is_gone_once);
  RUN(a_connection_lost_while_output_leaves_is_told);
  RUN(a_connection_lost_before_the_answer_is_known_at_the_first_write);
  RUN(a_chunk_that_cannot_be_written_cuts_the_connection);
  RUN(a_request_cut_off_never_reaches_the_handler);
  RUN(a_fault_is_answered_although_the_client_has_ended_its_side);
  RUN(a_slow_client_is_waited_for);
  RUN(a_slow_head_is_a_fault_and_an_idle_connection_is_none);
  RUN(a_lone_line_end_behind_a_request_is_no_request);
  RUN(a_body_that_stops_is_a_fault);
  RUN(a_client_that_takes_nothing_is_cut_off);
  RUN(a_quiet_stream_is_not_cut_off);
  RUN(draining_ends_idle_connections_now_and_busy_ones_after_their_answer);
  RUN(freeing_the_server_leaves_held_exchanges_readable);
#if defined(__GLIBC__) && !defined(CPX_SANITIZE)
  RUN(the_memory_of_large_bodies_goes_back_some_time_after);
#endif
  RUN(options_can_change_between_requests);
  RUN(an_idle_connection_holds_little);
  RUN(show_the_speed);
  return ct_summary();
}
