/* upstream_test.c - what calls bring back from servers good and bad. */
#include "mock.h"

#include "base/limits.h"

#define OK_HELLO "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
#define CHUNKED  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

/* One answer, one call; the record is the test's to look at. */
static record once(const answer *a, cpx_call_options *options) {
  bed b = bed_new();
  mock *m = mock_start(a, 1, NULL, NULL, NULL);
  cpx_call_options o = options ? *options : (cpx_call_options){.method = "GET"};
  char url[200];
  snprintf(url, sizeof url, "%s/v1/x?key=SECRET", m->base);
  o.url = url;
  record r = {0};
  call(&b, &r, &o);
  CHECK(strstr(r.text, "SECRET") == NULL);
  CHECK_INT(r.ends, 1);
  cpx_source_free(r.source);
  r.source = NULL;
  CHECK_INT(r.bodies_done, 1);
  bed_free(&b);
  mock_stop(m);
  return r;
}

static void brings_head_and_body(void) {
  answer a = {OK_HELLO, .then = THEN_KEEP};
  record r = once(&a, NULL);
  CHECK_INT(r.err, 0);
  CHECK_STR(r.text, "");
  CHECK_INT(r.status, 200);
  CHECK_INT(r.length, 5);
  CHECK(r.committed);
  CHECK_BYTES(r.body.data, r.body.len, "hello", 5);
  CHECK_BYTES(r.headers.data, r.headers.len, "content-type: text/plain\ncontent-length: 5\n", 43);
  record_deinit(&r);
}

static void any_split_gives_the_same_answer(void) {
  static const char text[] =
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
      "HTTP/1.1 429 Too Many\r\nX-A:  b \r\nConnection: keep-alive, x-private\r\nX-Private: 1\r\n"
      "Keep-Alive: timeout=5\r\nTransfer-Encoding: chunked\r\nRetry-After: 3\r\n\r\n"
      "3\r\nabc\r\n4;ext=1\r\ndefg\r\n0\r\nX-Trailer: t\r\n\r\n";
  for (size_t step = 1; step < 12; step++) {
    answer a = {text, .then = THEN_KEEP, .step = step};
    record r = once(&a, NULL);
    CHECK_INT(r.err, 0);
    CHECK_INT(r.heads, 1);
    CHECK_INT(r.status, 429);
    CHECK_INT(r.length, -1);
    CHECK_BYTES(r.body.data, r.body.len, "abcdefg", 7);
    CHECK_BYTES(r.headers.data, r.headers.len, "x-a: b\nretry-after: 3\n", 22);
    record_deinit(&r);
  }
}

static void a_body_without_length_ends_with_the_connection(void) {
  answer a = {"HTTP/1.1 200 OK\r\n\r\nall of it", .then = THEN_CLOSE};
  record r = once(&a, NULL);
  CHECK_INT(r.err, 0);
  CHECK_BYTES(r.body.data, r.body.len, "all of it", 9);
  record_deinit(&r);
}

static void expect_failure(const answer *a, int err, const char *part) {
  record r = once(a, NULL);
  CHECK_INT(r.err, err);
  CHECK_HAS(r.text, part);
  CHECK_HAS(r.text, "127.0.0.1:");
  CHECK(r.committed);
  record_deinit(&r);
}

static void a_short_body_is_eof(void) {
  answer length = {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhell", .then = THEN_CLOSE};
  answer chunk = {CHUNKED "5\r\nhello\r\n", .then = THEN_CLOSE};
  expect_failure(&length, CPX_EEOF, "in the middle of its answer");
  expect_failure(&chunk, CPX_EEOF, "in the middle of its answer");
}

static void a_reset_is_eof(void) {
  answer midway = {CHUNKED "5\r\nhello\r\n", .then = THEN_RESET};
  answer at_once = {"", .then = THEN_RESET};
  expect_failure(&midway, CPX_EEOF, "in the middle of its answer");
  expect_failure(&at_once, CPX_EEOF, "before an answer came");
}

static void silence_and_then_the_end_is_eof(void) {
  answer nothing = {"", .then = THEN_CLOSE}, half_head = {"HTTP/1.1 200 OK\r\nX-A: b\r\n", .then = THEN_CLOSE};
  expect_failure(&nothing, CPX_EEOF, "before an answer came");
  expect_failure(&half_head, CPX_EEOF, "in the middle of the answer's head");
}

static void broken_protocol_is_named(void) {
  static const char *const texts[] = {
      "<html>not http</html>\r\n\r\n",
      "HTTP/1.1 2x0 OK\r\n\r\n",
      "HTTP/1.1 999 OK\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
      "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
      "HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
      "HTTP/1.1 200 OK\r\nBad Name: x\r\nContent-Length: 0\r\n\r\n",
      CHUNKED "zz\r\nhello\r\n0\r\n\r\n",
      CHUNKED "ffffffffffffffffffff\r\nhello\r\n0\r\n\r\n",
  };
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    answer a = {texts[i], .then = THEN_CLOSE};
    record r = once(&a, NULL);
    if (r.err != CPX_EPROTO) CT_FAIL("case %zu: %s (%s)", i, cpx_error_name(r.err), r.text);
    record_deinit(&r);
  }
}

static void a_html_answer_is_an_answer(void) {
  answer a = {"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>",
              .then = THEN_KEEP};
  record r = once(&a, NULL);
  CHECK_INT(r.err, 0);
  CHECK_INT(r.status, 502);
  record_deinit(&r);
}

static void a_head_past_its_bound_is_refused(void) {
  cpx_buf big;
  cpx_buf_init(&big, 1 << 20);
  if (cpx_buf_add_str(&big, "HTTP/1.1 200 OK\r\n")) abort();
  for (int i = 0; i < 3000; i++)
    if (cpx_buf_printf(&big, "X-Header-%d: 0123456789012345678901234567890123456789\r\n", i)) abort();
  if (cpx_buf_add_str(&big, "\r\n")) abort();
  answer a = {big.data, .then = THEN_CLOSE, .n = big.len};
  record r = once(&a, NULL);
  CHECK_INT(r.err, CPX_EPROTO);
  CHECK_HAS(r.text, "larger than 100 KB");
  record_deinit(&r);
  cpx_buf_deinit(&big);
}

static void a_head_of_too_many_headers_is_refused(void) {
  cpx_buf big;
  cpx_buf_init(&big, 1 << 20);
  if (cpx_buf_add_str(&big, "HTTP/1.1 200 OK\r\nConnection: close\r\n")) abort();
  for (unsigned i = 0; i < CPX_UP_HEADERS_MAX; i++)
    if (cpx_buf_add_str(&big, "a:\r\n")) abort();
  if (cpx_buf_add_str(&big, "\r\n")) abort();
  answer a = {big.data, .then = THEN_CLOSE, .n = big.len};
  record r = once(&a, NULL);
  CHECK_INT(r.err, CPX_EPROTO);
  CHECK_HAS(r.text, "1,000 headers");
  record_deinit(&r);
  cpx_buf_deinit(&big);
}

static void many_headers_and_folded_ones_arrive(void) {
  cpx_buf big;
  cpx_buf_init(&big, 1 << 20);
  if (cpx_buf_add_str(&big, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Fold: a\r\n  b\r\n")) abort();
  for (int i = 0; i < 200; i++)
    if (cpx_buf_printf(&big, "X-%d: %d\r\n", i, i)) abort();
  if (cpx_buf_add_str(&big, "\r\n")) abort();
  answer a = {big.data, .then = THEN_KEEP, .n = big.len};
  record r = once(&a, NULL);
  CHECK_INT(r.err, 0);
  if (cpx_buf_add(&r.headers, "", 1)) abort();
  CHECK_HAS(r.headers.data, "x-fold: a b\n");
  CHECK_HAS(r.headers.data, "x-199: 199\n");
  record_deinit(&r);
  cpx_buf_deinit(&big);
}

static void redirects_and_encodings_pass_untouched(void) {
  answer a = {"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Encoding: gzip\r\nContent-Length: "
              "3\r\n\r\n\x1f\x8b!",
              .then = THEN_KEEP};
  record r = once(&a, NULL);
  CHECK_INT(r.err, 0);
  CHECK_INT(r.status, 302);
  CHECK_BYTES(r.body.data, r.body.len, "\x1f\x8b!", 3);
  record_deinit(&r);
}

static void time_limits_name_their_stage(void) {
  answer silent = {"", .then = THEN_HANG}, stuck = {CHUNKED "5\r\nhello\r\n", .then = THEN_HANG};
  cpx_call_options first = {.method = "GET", .first_byte_ms = 40}, idle = {.method = "GET", .idle_ms = 40},
                   total = {.method = "GET", .total_ms = 40};
  record r = once(&silent, &first);
  CHECK_INT(r.err, CPX_ETIMEOUT);
  CHECK_HAS(r.text, "no first byte within 40 ms");
  record_deinit(&r);
  r = once(&stuck, &idle);
  CHECK_INT(r.err, CPX_ETIMEOUT);
  CHECK_HAS(r.text, "no further byte within 40 ms");
  CHECK_BYTES(r.body.data, r.body.len, "hello", 5);
  record_deinit(&r);
  r = once(&stuck, &total);
  CHECK_INT(r.err, CPX_ETIMEOUT);
  CHECK_HAS(r.text, "not finished within 40 ms");
  record_deinit(&r);
}

static void a_server_that_does_not_finish_the_handshake_times_out(void) {
  answer list[] = {{"", .then = THEN_HANG}};
  bed b = bed_new();
  mock *m = MOCK(list);
  char url[100];
  snprintf(url, sizeof url, "https://127.0.0.1:%d/", m->port);
  cpx_call_options o = {.method = "GET", .url = url, .connect_ms = 60};
  record r = {0};
  call(&b, &r, &o);
  CHECK_INT(r.err, CPX_ETIMEOUT);
  CHECK_HAS(r.text, "not connected within 60 ms");
  CHECK(!r.committed);
  record_deinit(&r);
  bed_free(&b);
  mock_stop(m);
}

static void a_closed_port_is_a_failed_connect(void) {
  bed b = bed_new();
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t n = sizeof a;
  int fd = socket(AF_INET, SOCK_STREAM, 0); /* bound, not listening */
  REQUIRE(bind(fd, (struct sockaddr *)&a, n) == 0 && getsockname(fd, (struct sockaddr *)&a, &n) == 0);
  char url[100];
  snprintf(url, sizeof url, "http://127.0.0.1:%d/", ntohs(a.sin_port));
  cpx_call_options o = {.method = "GET", .url = url};
  record r = {0};
  call(&b, &r, &o);
  CHECK_INT(r.err, CPX_ECONNECT);
  CHECK_HAS(r.text, "Connection refused");
  CHECK(!r.committed);
  record_deinit(&r);
  close(fd);
  bed_free(&b);
}

static void an_unknown_name_is_a_dns_error(void) {
  bed b = bed_new();
  cpx_call_options o = {.method = "GET", .url = "http://no-such-host.invalid/", .connect_ms = 20000};
  record r = {0};
  call(&b, &r, &o);
  CHECK_INT(r.err, CPX_EDNS);
  CHECK_HAS(r.text, "no-such-host.invalid:80");
  CHECK(!r.committed);
  record_deinit(&r);
  bed_free(&b);
}

static void cancelling_while_a_name_resolves_does_not_wait(void) {
  bed b = bed_new();
  cpx_call_options o = {.method = "GET", .url = "http://no-such-host.invalid/"};
  record r = {0};
  begin(&b, &r, &o);
  cpx_loop_turn(b.loop, false);
  uint64_t from = cpx_now_ns();
  cpx_source_cancel(r.source);
  CHECK(cpx_now_ns() - from < 50 * 1000000ULL);
  CHECK_INT(r.ends, 0);
  record_deinit(&r);
  bed_free(&b);
}

/* A call that comes after others failed or were cancelled before they had a
 * connection, on descriptors of the same numbers. */
static void check_good_call(bed *b) {
  answer a = {OK_HELLO, .then = THEN_KEEP};
  mock *m = mock_start(&a, 1, NULL, NULL, NULL);
  char url[200];
  snprintf(url, sizeof url, "%s/", m->base);
  cpx_call_options o = {.method = "GET", .url = url};
  record r = {0};
  call(b, &r, &o);
  CHECK_STR(r.text, "");
  CHECK_INT(r.status, 200);
  record_deinit(&r);
  mock_stop(m);
}

/* A port whose queue is full: further connections wait for an answer. */
typedef struct crowd {
  int fd, waiting[3];
  char url[100];
} crowd;

static void crowd_start(crowd *c) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t n = sizeof a;
  c->fd = socket(AF_INET, SOCK_STREAM, 0);
  REQUIRE(bind(c->fd, (struct sockaddr *)&a, n) == 0 && getsockname(c->fd, (struct sockaddr *)&a, &n) == 0);
  REQUIRE(listen(c->fd, 0) == 0);
  for (int i = 0; i < 3; i++) {
    c->waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    (void)!connect(c->waiting[i], (struct sockaddr *)&a, n);
  }
  snprintf(c->url, sizeof c->url, "http://127.0.0.1:%d/", ntohs(a.sin_port));
}

static void crowd_stop(crowd *c) {
  for (int i = 0; i < 3; i++) close(c->waiting[i]);
  close(c->fd);
}

static void cancelling_while_it_connects_leaves_no_trace(void) {
  bed b = bed_new();
  crowd c;
  crowd_start(&c);
  /* Cancelled before the loop looked at its socket for the first time, and later. */
  for (int turns = 1; turns <= 4; turns++) {
    cpx_call_options o = {.method = "GET", .url = c.url};
    record r = {0};
    begin(&b, &r, &o);
    for (int i = 0; i < turns; i++) cpx_loop_turn(b.loop, false);
    cpx_source_cancel(r.source);
    cpx_loop_turn(b.loop, false);
    CHECK_INT(r.ends, 0);
    record_deinit(&r);
    check_good_call(&b);
  }
  crowd_stop(&c);
  bed_free(&b);
}

static void a_time_out_while_it_connects_leaves_no_trace(void) {
  bed b = bed_new();
  crowd c;
  crowd_start(&c);
  cpx_call_options o = {.method = "GET", .url = c.url, .connect_ms = 50};
  record r = {0};
  call(&b, &r, &o);
  CHECK_INT(r.err, CPX_ETIMEOUT);
  record_deinit(&r);
  check_good_call(&b);
  crowd_stop(&c);
  bed_free(&b);
}

static void a_refused_connect_leaves_no_trace(void) {
  bed b = bed_new();
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t n = sizeof a;
  int fd = socket(AF_INET, SOCK_STREAM, 0); /* bound, not listening */
  REQUIRE(bind(fd, (struct sockaddr *)&a, n) == 0 && getsockname(fd, (struct sockaddr *)&a, &n) == 0);
  char url[100];
  snprintf(url, sizeof url, "http://127.0.0.1:%d/", ntohs(a.sin_port));
  for (int i = 0; i < 3; i++) {
    cpx_call_options o = {.method = "GET", .url = url};
    record r = {0};
    call(&b, &r, &o);
    CHECK_HAS(r.text, "Connection refused");
    record_deinit(&r);
  }
  check_good_call(&b);
  close(fd);
  bed_free(&b);
}

/* What is sent. */

static void sends_what_was_asked_and_nothing_else(void) {
  answer list[] = {{OK_HELLO, .then = THEN_KEEP}};
  bed b = bed_new();
  mock *m = MOCK(list);
  cpx_header headers[] = {{CPX_SLICE("X-Empty"), CPX_SLICE("")},
                          {CPX_SLICE("Authorization"), CPX_SLICE("Bearer k")},
                          {CPX_SLICE("Connection"), CPX_SLICE("x-gone")},
                          {CPX_SLICE("TE"), CPX_SLICE("trailers")},
                          {CPX_SLICE("Proxy-Authorization"), CPX_SLICE("p")},
                          {CPX_SLICE("Accept-Encoding"), CPX_SLICE("gzip")},
                          {CPX_SLICE("Content-Length"), CPX_SLICE("999")}};
  char url[200], want[400];
  snprintf(url, sizeof url, "%s/a/../b?x=%%20", m->base);
  cpx_call_options o = {.method = "GET", .url = url, .headers = headers, .header_count = 7};
  record r = {0};
  call(&b, &r, &o);
  CHECK_INT(r.err, 0);
  snprintf(want, sizeof want,
           "GET /a/../b?x=%%20 HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX-Empty:\r\nAuthorization: Bearer k\r\n\r\n", m->port);
  CHECK_STR(mock_seen(m), want);
  record_deinit(&r);
  bed_free(&b);
  mock_stop(m);
}

static void bodies_of_every_size_arrive_whole(void) {
  static const size_t sizes[] = {0, 1, 1000, 65534, 65535, 65536, 65537, 400000, 3000000};
  answer list[] = {{OK_HELLO, .then = THEN_KEEP}};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    bed b = bed_new();
    mock *m = MOCK(list);
    size_t n = sizes[i];
    char *bytes = malloc(n + 1);
    for (size_t at = 0; at < n; at++) bytes[at] = (char)('a' + at * 7 % 26);
    char *copy = malloc(n + 1);
    memcpy(copy, bytes, n);
    cpx_slice parts[] = {{bytes, n / 3}, {NULL, 0}, {bytes + n / 3, n - n / 3}};
    cpx_header type = {CPX_SLICE("Content-Type"), CPX_SLICE("application/json")};
    cpx_call_options o = {
        .method = "PUT", .url = m->base, .headers = &type, .header_count = 1, .body = parts, .body_parts = 3};
    record r = {.owned_body = n >= 4 ? bytes : NULL};
    call(&b, &r, &o);
    CHECK_INT(r.err, 0);
    const char *seen = mock_seen(m), *end = strstr(seen, "\r\n\r\n");
    REQUIRE(end != NULL);
    CHECK(strncmp(seen, "PUT / HTTP/1.1\r\n", 16) == 0);
    CHECK(memmem(seen, (size_t)(end - seen), "Expect", 6) == NULL);
    CHECK(memmem(seen, (size_t)(end - seen), "Content-Type: application/json", 30) != NULL);
    size_t got = m->seen.len - (size_t)(end + 4 - seen);
    CHECK_INT(got, n);
    CHECK(got == n && memcmp(end + 4, copy, n) == 0);
    CHECK_INT(r.bodies_done, 1);
    record_deinit(&r);
    bed_free(&b);
    mock_stop(m);
    free(bytes);
    free(copy);
  }
}

/* One spare handle serves them all, with an upload buffer for each size. */
static void bodies_of_changing_size_share_a_connection(void) {
  static const size_t sizes[] = {400000, 10, 3000000, 65535, 70000, 0, 65536, 524288, 524289, 1};
  answer list[] = {{OK_HELLO, .then = THEN_KEEP}};
  bed b = bed_new();
  mock *m = MOCK(list);
  char *bytes = malloc(3000000);
  REQUIRE(bytes);
  for (size_t at = 0; at < 3000000; at++) bytes[at] = (char)('a' + at * 7 % 26);
  for (size_t i = 0, before = 0; i < sizeof sizes / sizeof *sizes; i++, before = m->seen.len) {
    cpx_slice part = {bytes, sizes[i]};
    cpx_call_options o = {.method = "POST", .url = m->base, .body = &part, .body_parts = 1};
    record r = {0};
    call(&b, &r, &o);
    CHECK_INT(r.err, 0);
    const char *seen = mock_seen(m) + before, *end = strstr(seen, "\r\n\r\n");
    REQUIRE(end != NULL);
    CHECK_INT(m->seen.len - before - (size_t)(end + 4 - seen), sizes[i]);
    CHECK(memcmp(end + 4, bytes, sizes[i]) == 0);
    CHECK_INT(r.bodies_done, 1);
    record_deinit(&r);
  }
  CHECK_INT(m->accepted, 1);
  bed_free(&b);
  mock_stop(m);
  free(bytes);
}

static void an_early_refusal_of_a_large_body_is_an_answer(void) {
  answer list[] = {
      {"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno", .then = THEN_HANG, .early = true}};
  bed b = bed_new();
  mock *m = MOCK(list);
  size_t n = 8 << 20;
  char *bytes = calloc(1, n);
  cpx_slice part = {bytes, n};
  cpx_call_options o = {.method = "POST", .url = m->base, .body = &part, .body_parts = 1};
  record r = {0};
  call(&b, &r, &o);
  CHECK_INT(r.err, 0);
  CHECK_INT(r.status, 413);
  CHECK_BYTES(r.body.data, r.body.len, "no", 2);
  record_deinit(&r);
  bed_free(&b);
  mock_stop(m);
  free(bytes);
}

static void head_requests_have_no_body(void) {
  answer a = {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", .then = THEN_KEEP};
  cpx_call_options o = {.method = "HEAD"};
  record r = once(&a, &o);
  CHECK_INT(r.err, 0);
  CHECK_INT(r.length, 100);
  CHECK_INT(r.body.len, 0);
  record_deinit(&r);
}

static void bad_options_are_refused_without_showing_secrets(void) {
  static const struct {
    const char *method, *url, *name, *value, *proxy, *ca, *part;
  } rows[] = {
      {"GET", "ftp://x/", NULL, NULL, NULL, NULL, "must start with https://"},
      {"GET", "x.com/v1", NULL, NULL, NULL, NULL, "must start with https://"},
      {"GET", "http://", NULL, NULL, NULL, NULL, "no valid host"},
      {"GET", "http://:80/", NULL, NULL, NULL, NULL, "no valid host"},
      {"GET", "http://h:99999/", NULL, NULL, NULL, NULL, "no valid host"},
      {"GET", "http://h:8x/", NULL, NULL, NULL, NULL, "no valid host"},
      {"GET", "http://[::1/", NULL, NULL, NULL, NULL, "no valid host"},
      {"GET", "http://u:SECRET@h/", NULL, NULL, NULL, NULL, "credentials before its host"},
      {"GET", "http://h/a b?SECRET", NULL, NULL, NULL, NULL, "percent-encode"},
      {"GET", "http://h/a\r\nX: SECRET", NULL, NULL, NULL, NULL, "percent-encode"},
      {"G T", "http://h/", NULL, NULL, NULL, NULL, "method"},
      {"", "http://h/", NULL, NULL, NULL, NULL, "method"},
      {"GET", "http://h/", "X-Key", "SECRET\nX: y", NULL, NULL, "header X-Key"},
      {"GET", "http://h/", "X-Key", "SECRET\r", NULL, NULL, "control character"},
      {"GET", "http://h/", "X Key", "SECRET", NULL, NULL, "header name"},
      {"GET", "http://h/", "", "SECRET", NULL, NULL, "header name"},
      {"GET", "http://h/", NULL, NULL, "ftp://SECRET@p:1", NULL, "proxy_url must start"},
      {"GET", "http://h/", NULL, NULL, "http://SECRET@:1", NULL, "proxy_url has no valid host"},
      {"GET", "https://h/", NULL, NULL, NULL, "/no/such/file.pem", "/no/such/file.pem"},
      {"GET", "https://h/", NULL, NULL, NULL, "/dev/null", "no readable PEM"},
  };
  bed b = bed_new();
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    cpx_header h = {cpx_slice_str(rows[i].name), cpx_slice_str(rows[i].value)};
    cpx_call_options o = {.method = rows[i].method,
                          .url = rows[i].url,
                          .proxy_url = rows[i].proxy,
                          .ca_file = rows[i].ca,
                          .headers = &h,
                          .header_count = rows[i].name ? 1 : 0};
    char message[300] = "";
    cpx_source *source = NULL;
    int err = cpx_call_new(b.up, &o, &source, message, sizeof message);
    if (err != CPX_EINVAL || !strstr(message, rows[i].part) || strstr(message, "SECRET"))
      CT_FAIL("row %zu: %d \"%s\"", i, err, message);
    if (!err) cpx_source_free(source);
  }
  char nul[] = "a\0b";
  cpx_header h = {CPX_SLICE("X-Key"), {nul, 3}};
  cpx_call_options o = {.method = "GET", .url = "http://h/", .headers = &h, .header_count = 1};
  cpx_source *source;
  char message[300];
  CHECK_INT(cpx_call_new(b.up, &o, &source, message, sizeof message), CPX_EINVAL);
  bed_free(&b);
}

int main(int argc, char **argv) {
  ct_init(argc, argv);
  RUN(brings_head_and_body);
  RUN(any_split_gives_the_same_answer);
  RUN(a_body_without_length_ends_with_the_connection);
  RUN(a_short_body_is_eof);
  RUN(a_reset_is_eof);
  RUN(silence_and_then_the_end_is_eof);
  RUN(broken_protocol_is_named);
  RUN(a_html_answer_is_an_answer);
  RUN(a_head_past_its_bound_is_refused);
  RUN(a_head_of_too_many_headers_is_refused);
  RUN(many_headers_and_folded_ones_arrive);
  RUN(redirects_and_encodings_pass_untouched);
  RUN(time_limits_name_their_stage);
  RUN(a_server_that_does_not_finish_the_handshake_times_out);
  RUN(a_closed_port_is_a_failed_connect);
  RUN(an_unknown_name_is_a_dns_error);
  RUN(cancelling_while_a_name_resolves_does_not_wait);
  RUN(cancelling_while_it_connects_leaves_no_trace);
  RUN(a_time_out_while_it_connects_leaves_no_trace);
  RUN(a_refused_connect_leaves_no_trace);
  RUN(sends_what_was_asked_and_nothing_else);
  RUN(bodies_of_every_size_arrive_whole);
  RUN(bodies_of_changing_size_share_a_connection);
  RUN(an_early_refusal_of_a_large_body_is_an_answer);
  RUN(head_requests_have_no_body);
  RUN(bad_options_are_refused_without_showing_secrets);
  return ct_summary();
}
