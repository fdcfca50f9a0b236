/* upstream_conn_test.c - connections: kept, dead, encrypted, through proxies; and calls paused, cancelled and freed. */
#include "mock.h"

#include "base/limits.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define OK_HELLO "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
#define CHUNKED  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

static const answer hello[] = {{OK_HELLO, .then = THEN_KEEP}};

static void call_ok(bed *b, cpx_call_options *o) {
  record r = {0};
  call(b, &r, o);
  CHECK_INT(r.err, 0);
  CHECK_STR(r.text, "");
  CHECK_BYTES(r.body.data, r.body.len, "hello", 5);
  record_deinit(&r);
}

static void one_connection_serves_calls_one_after_another(void) {
  bed b = bed_new();
  mock *m = MOCK(hello);
  cpx_call_options o = get(m);
  for (int i = 0; i < 20; i++) call_ok(&b, &o);
  cpx_upstream_counts counts = cpx_upstream_count(b.up);
  CHECK_INT(counts.calls, 20);
  CHECK_INT(counts.reused, 19);
  CHECK_INT(counts.resent, 0);
  CHECK_INT(counts.running, 0);
  CHECK_INT(counts.kept, 1);
  CHECK_INT(m->accepted, 1);
  bed_free(&b);
  mock_stop(m);
}

static void a_kept_connection_that_died_is_replaced(void) {
  static const answer close_each[] = {{OK_HELLO, .then = THEN_CLOSE}};
  bed b = bed_new();
  mock *m = MOCK(close_each);
  cpx_call_options o = get(m);
  for (int i = 1; i <= 5; i++) {
    call_ok(&b, &o);
    REQUIRE(mock_wait_ended(m, i));
  }
  CHECK_INT(m->requests, 5);
  CHECK_INT(m->accepted, 5);
  CHECK_INT(cpx_upstream_count(b.up).resent, 0);
  bed_free(&b);
  mock_stop(m);
}

/* Closes behind the second request without an answer: what a server does whose idle time ran out just then. */
static void serve_one_of_two(mock_conn *c) {
  if (!read_request(c, false) || !conn_write(c, OK_HELLO, sizeof OK_HELLO - 1)) return;
  read_request(c, false);
}

static void a_request_lost_on_a_dead_connection_is_sent_again_and_counted(void) {
  bed b = bed_new();
  mock *m = mock_start(hello, 1, serve_one_of_two, NULL, NULL);
  for (int i = 0; i < 2; i++) {
    char bytes[] = "{\"a\":1}";
    cpx_slice part = {bytes, 7};
    cpx_call_options o = {.method = "POST", .url = m->base, .body = &part, .body_parts = 1};
    call_ok(&b, &o);
  }
  CHECK_INT(cpx_upstream_count(b.up).resent, 1);
  CHECK_INT(m->requests, 3);
  CHECK_INT(m->accepted, 2);
  bed_free(&b);
  mock_stop(m);
}

static void forgetting_closes_kept_connections_and_spares_live_ones(void) {
  static const answer list[] = {{OK_HELLO, .then = THEN_KEEP}, {CHUNKED "2\r\nab\r\n", .then = THEN_HANG}};
  bed b = bed_new();
  mock *m = MOCK(list), *n = MOCK(hello);
  cpx_call_options o = get(m), p = get(n);
  call_ok(&b, &o);
  call_ok(&b, &p);
  record r = {0};
  begin(&b, &r, &o);
  while (r.body.len < 2) cpx_loop_turn(b.loop, true);
  cpx_upstream_forget(b.up);
  cpx_loop_turn(b.loop, false);
  CHECK_INT(r.ends, 0);
  CHECK_INT(cpx_upstream_count(b.up).running, 1);
  cpx_source_cancel(r.source);
  while (cpx_upstream_count(b.up).kept > 0) cpx_loop_turn(b.loop, false);
  CHECK(mock_wait_ended(n, 1));
  call_ok(&b, &p);
  CHECK_INT(n->accepted, 2);
  record_deinit(&r);
  bed_free(&b);
  mock_stop(m);
  mock_stop(n);
}

static void many_calls_run_side_by_side(void) {
  bed b = bed_new();
  mock *m = MOCK(hello);
  record *r = calloc(100, sizeof *r);
  cpx_call_options o = get(m);
  for (int i = 0; i < 100; i++) begin(&b, &r[i], &o);
  for (int i = 0; i < 100; i++) finish(&b, &r[i]);
  for (int i = 0; i < 100; i++) {
    CHECK_INT(r[i].err, 0);
    CHECK_BYTES(r[i].body.data, r[i].body.len, "hello", 5);
    record_deinit(&r[i]);
  }
  CHECK_INT(cpx_upstream_count(b.up).running, 0);
  free(r);
  bed_free(&b);
  mock_stop(m);
}

static void localhost_is_found_where_only_ipv4_listens(void) {
  bed b = bed_new();
  mock *m = MOCK(hello);
  char url[100];
  snprintf(url, sizeof url, "http://localhost:%d/", m->port);
  cpx_call_options o = {.method = "GET", .url = url};
  call_ok(&b, &o);
  bed_free(&b);
  mock_stop(m);
}

static void a_unix_socket_serves(void) {
  char path[100];
  snprintf(path, sizeof path, "/tmp/cpx-upstream-%d.sock", (int)getpid());
  bed b = bed_new();
  mock *m = mock_start(hello, 1, NULL, NULL, path);
  cpx_call_options o = {.method = "GET", .url = "http://local/v1", .unix_socket = path};
  call_ok(&b, &o);
  CHECK_HAS(mock_seen(m), "Host: local\r\n");
  mock_stop(m);
  unlink(path);
  record r = {0};
  call(&b, &r, &o);
  CHECK_INT(r.err, CPX_ECONNECT);
  CHECK_HAS(r.text, path);
  record_deinit(&r);
  bed_free(&b);
}

/* TLS */

typedef struct identity {
  SSL_CTX *ctx;
  char ca[64];
} identity;

static void add_extension(X509 *cert, int nid, const char *value) {
  X509V3_CTX v3;
  X509V3_set_ctx_nodb(&v3);
  X509V3_set_ctx(&v3, cert, cert, NULL, NULL, 0);
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &v3, nid, value);
  X509_add_ext(cert, extension, -1);
  X509_EXTENSION_free(extension);
}

static identity identity_new(const char *alt_names) {
  identity id;
  EVP_PKEY *key = EVP_EC_gen("P-256");
  X509 *cert = X509_new();
  X509_set_version(cert, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
  X509_gmtime_adj(X509_getm_notBefore(cert), -60);
  X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
  X509_set_pubkey(cert, key);
  X509_NAME *name = X509_get_subject_name(cert);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"mock", -1, -1, 0);
  X509_set_issuer_name(cert, name);
  add_extension(cert, NID_basic_constraints, "critical,CA:TRUE");
  add_extension(cert, NID_subject_alt_name, alt_names);
  X509_sign(cert, key, EVP_sha256());
  id.ctx = SSL_CTX_new(TLS_server_method());
  SSL_CTX_use_certificate(id.ctx, cert);
  SSL_CTX_use_PrivateKey(id.ctx, key);
  strcpy(id.ca, "/tmp/cpx-upstream-XXXXXX");
  int fd = mkstemp(id.ca);
  FILE *f = fdopen(fd, "w");
  PEM_write_X509(f, cert);
  fclose(f);
  X509_free(cert);
  EVP_PKEY_free(key);
  return id;
}

static void identity_free(identity *id) {
  SSL_CTX_free(id->ctx);
  unlink(id->ca);
}

static void an_unknown_certificate_is_refused(void) {
  identity id = identity_new("IP:127.0.0.1");
  bed b = bed_new();
  mock *m = mock_start(hello, 1, NULL, id.ctx, NULL);
  cpx_call_options o = get(m);
  record r = {0};
  call(&b, &r, &o);
  CHECK_INT(r.err, CPX_ETLS);
  CHECK_HAS(r.text, "certificate");
  CHECK(!r.committed);
  CHECK_INT(m->requests, 0);
  record_deinit(&r);
  bed_free(&b);
  mock_stop(m);
  identity_free(&id);
}

static void a_ca_file_is_trusted_for_its_own_calls_only(void) {
  identity id = identity_new("IP:127.0.0.1");
  bed b = bed_new();
  mock *m = mock_start(hello, 1, NULL, id.ctx, NULL);
  cpx_call_options with = get(m), without = get(m);
  with.ca_file = id.ca;
  for (int i = 0; i < 3; i++) call_ok(&b, &with);
  CHECK_INT(cpx_upstream_count(b.up).reused, 2);
  record r = {0};
  call(&b, &r, &without);
  CHECK_INT(r.err, CPX_ETLS);
  record_deinit(&r);
  bed_free(&b);
  mock_stop(m);
  identity_free(&id);
}

static void a_certificate_for_another_name_is_refused(void) {
  identity id = identity_new("DNS:other.example");
  bed b = bed_new();
  mock *m = mock_start(hello, 1, NULL, id.ctx, NULL);
  cpx_call_options o = get(m);
  o.ca_file = id.ca;
  record r = {0};
  call(&b, &r, &o);
  CHECK_INT(r.err, CPX_ETLS);
  record_deinit(&r);
  bed_free(&b);
  mock_stop(m);
  identity_free(&id);
}

static void the_second_handshake_does_not_load_the_store_again(void) {
  identity id = identity_new("IP:127.0.0.1");
  static const answer close_each[] = {{OK_HELLO, .then = THEN_CLOSE}};
  bed b = bed_new();
  mock *m = mock_start(close_each, 1, NULL, id.ctx, NULL);
  cpx_call_options o = get(m);
  o.ca_file = id.ca;
  uint64_t took[4];
  for (int i = 0; i < 4; i++) {
    struct timespec a, z;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
    call_ok(&b, &o);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &z);
    took[i] = (uint64_t)((z.tv_sec - a.tv_sec) * 1000000 + (z.tv_nsec - a.tv_nsec) / 1000);
    mock_wait_ended(m, i + 1);
  }
  uint64_t best = took[1] < took[2] ? took[1] : took[2];
  if (took[3] < best) best = took[3];
  printf("  handshake: first %llu us with the store, later %llu us\n", (unsigned long long)took[0],
         (unsigned long long)best);
  CHECK(took[0] > best * 3); /* loading the system's bundle costs tens of milliseconds */
  bed_free(&b);
  mock_stop(m);
  identity_free(&id);
}

static void a_cut_tls_stream_is_not_a_clean_end(void) {
  static const answer cut[] = {{"HTTP/1.1 200 OK\r\n\r\nhalf", .then = THEN_RESET}};
  identity id = identity_new("IP:127.0.0.1");
  bed b = bed_new();
  mock *m = mock_start(cut, 1, NULL, id.ctx, NULL);
  cpx_call_options o = get(m);
  o.ca_file = id.ca;
  record r = {0};
  call(&b, &r, &o);
  CHECK_INT(r.err, CPX_EEOF);
  record_deinit(&r);
  bed_free(&b);
  mock_stop(m);
  identity_free(&id);
}

static void large_bodies_pass_tls_both_ways(void) {
  enum { SIZE = 1000000 };
  identity id = identity_new("IP:127.0.0.1");
  char *text = malloc(SIZE + 100);
  int head = snprintf(text, 100, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", SIZE);
  memset(text + head, 'z', SIZE);
  answer list[] = {{text, .then = THEN_KEEP, .n = (size_t)head + SIZE}};
  bed b = bed_new();
  mock *m = mock_start(list, 1, NULL, id.ctx, NULL);
  char *bytes = malloc(SIZE);
  memset(bytes, 'q', SIZE);
  cpx_slice part = {bytes, SIZE};
  cpx_call_options o = {.method = "POST", .url = m->base, .ca_file = id.ca, .body = &part, .body_parts = 1};
  record r = {0};
  call(&b, &r, &o);
  CHECK_INT(r.err, 0);
  CHECK_INT(r.body.len, SIZE);
  CHECK_INT(m->seen.len - (size_t)(strstr(mock_seen(m), "\r\n\r\n") + 4 - m->seen.data), SIZE);
  record_deinit(&r);
  bed_free(&b);
  mock_stop(m);
  identity_free(&id);
  free(text);
  free(bytes);
}

/* Proxies */

static void an_http_proxy_tunnels_https(void) {
  identity id = identity_new("IP:127.0.0.1");
  bed b = bed_new();
  mock *m = mock_start(hello, 1, NULL, id.ctx, NULL), *proxy = mock_start(hello, 1, serve_connect, NULL, NULL);
  char url[100];
  snprintf(url, sizeof url, "http://user:pw@127.0.0.1:%d", proxy->port);
  cpx_header key = {CPX_SLICE("Authorization"), CPX_SLICE("Bearer TOPSECRET")};
  cpx_call_options o = get(m);
  o.headers = &key;
  o.header_count = 1;
  o.ca_file = id.ca;
  o.proxy_url = url;
  call_ok(&b, &o);
  CHECK_HAS(mock_seen(proxy), "Proxy-Authorization: Basic");
  CHECK(strstr(mock_seen(proxy), "TOPSECRET") == NULL);
  CHECK_HAS(mock_seen(m), "TOPSECRET");
  CHECK(strstr(mock_seen(m), "Proxy-Authorization") == NULL);
  bed_free(&b);
  mock_stop(m);
  mock_stop(proxy);
  identity_free(&id);
}

static void a_socks5_proxy_serves_with_names_resolved_on_its_side(void) {
  bed b = bed_new();
  mock *m = MOCK(hello), *proxy = mock_start(hello, 1, serve_socks5, NULL, NULL);
  char proxy_url[100], url[100];
  snprintf(proxy_url, sizeof proxy_url, "socks5h://127.0.0.1:%d", proxy->port);
  snprintf(url, sizeof url, "http://far.invalid:%d/", m->port);
  cpx_call_options o = {.method = "GET", .url = url, .proxy_url = proxy_url};
  call_ok(&b, &o);
  CHECK_HAS(mock_seen(proxy), "name far.invalid");
  snprintf(proxy_url, sizeof proxy_url, "socks5://127.0.0.1:%d", proxy->port);
  o.url = m->base;
  call_ok(&b, &o);
  bed_free(&b);
  mock_stop(m);
  mock_stop(proxy);
}

static void serve_nothing(mock_conn *c) {
  (void)c;
}

static void proxy_faults_name_the_proxy(void) {
  static const answer refuse[] = {{"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", .then = THEN_CLOSE}},
                      login[] = {{"HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n", .then = THEN_CLOSE}},
                      mute[] = {{"", .then = THEN_CLOSE}};
  static const struct {
    const answer *answers;
    const char *scheme, *part;
  } rows[] = {{refuse, "http", "status 403"},
              {login, "http", "407"},
              {mute, "http", "no connection to 127.0.0.1:443"},
              {mute, "socks5", "no connection to 127.0.0.1:443"}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    bed b = bed_new();
    mock *proxy = mock_start(rows[i].answers, 1, rows[i].answers == mute ? serve_nothing : NULL, NULL, NULL);
    char url[100], where[100];
    snprintf(url, sizeof url, "%s://u:PASSWORD@127.0.0.1:%d", rows[i].scheme, proxy->port);
    snprintf(where, sizeof where, "proxy 127.0.0.1:%d", proxy->port);
    cpx_call_options o = {.method = "GET", .url = "https://127.0.0.1/", .proxy_url = url};
    record r = {0};
    call(&b, &r, &o);
    CHECK_INT(r.err, CPX_EPROXY);
    CHECK_HAS(r.text, where);
    CHECK_HAS(r.text, rows[i].part);
    CHECK(strstr(r.text, "PASSWORD") == NULL);
    CHECK(!r.committed);
    record_deinit(&r);
    bed_free(&b);
    mock_stop(proxy);
  }
}

static void a_silent_proxy_times_out_by_name(void) {
  static const answer silent[] = {{"", .then = THEN_HANG}};
  bed b = bed_new();
  mock *proxy = MOCK(silent);
  char url[100], where[100];
  snprintf(url, sizeof url, "http://127.0.0.1:%d", proxy->port);
  snprintf(where, sizeof where, "(through proxy 127.0.0.1:%d): not connected within 50 ms", proxy->port);
  cpx_call_options o = {.method = "GET", .url = "https://127.0.0.1/", .proxy_url = url, .connect_ms = 50};
  record r = {0};
  call(&b, &r, &o);
  CHECK_INT(r.err, CPX_ETIMEOUT);
  CHECK_HAS(r.text, where);
  record_deinit(&r);
  bed_free(&b);
  mock_stop(proxy);
}

static void a_closed_proxy_port_is_a_proxy_error(void) {
  bed b = bed_new();
  mock *m = MOCK(hello);
  char url[100];
  snprintf(url, sizeof url, "http://127.0.0.1:%d", m->port);
  mock_stop(m);
  cpx_call_options o = {.method = "GET", .url = "http://x.invalid/", .proxy_url = url};
  record r = {0};
  call(&b, &r, &o);
  CHECK_INT(r.err, CPX_EPROXY);
  CHECK_HAS(r.text, "could not connect");
  record_deinit(&r);
  bed_free(&b);
}

static void the_environment_is_not_asked_for_a_proxy(void) {
  setenv("http_proxy", "http://127.0.0.1:1", 1);
  setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
  bed b = bed_new();
  mock *m = MOCK(hello);
  cpx_call_options o = get(m);
  call_ok(&b, &o);
  bed_free(&b);
  mock_stop(m);
  unsetenv("http_proxy");
  unsetenv("ALL_PROXY");
}

/* Pause, cancel, free */

static void a_paused_call_reads_little_and_loses_nothing(void) {
  enum { SIZE = 8 << 20 };
  char *text = malloc(SIZE + 100);
  int head = snprintf(text, 100, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", SIZE);
  for (int i = 0; i < SIZE; i++) text[head + i] = (char)('a' + i % 23);
  answer list[] = {{text, .then = THEN_KEEP, .n = (size_t)head + SIZE}};
  bed b = bed_new();
  mock *m = MOCK(list);
  cpx_call_options o = get(m);
  o.idle_ms = 100;
  record r = {.trick = PAUSE_ON_DATA};
  begin(&b, &r, &o);
  uint64_t from = cpx_now_ns(), paused_ns = 250 * 1000000ULL; /* longer than the idle limit */
  while (cpx_now_ns() - from < paused_ns) {
    cpx_loop_turn(b.loop, false);
    poll(NULL, 0, 5);
  }
  CHECK_INT(r.ends, 0);
  CHECK_INT(r.datas, 1);
  CHECK(r.body.len <= 64 * CPX_KB);
  while (!r.ends) { /* each piece pauses again */
    cpx_source_resume(r.source);
    cpx_loop_turn(b.loop, true);
  }
  CHECK_INT(r.err, 0);
  CHECK_INT(r.body.len, SIZE);
  CHECK(memcmp(r.body.data, text + head, SIZE) == 0);
  record_deinit(&r);
  bed_free(&b);
  mock_stop(m);
  free(text);
}

static void pausing_and_resuming_at_once_changes_nothing(void) {
  bed b = bed_new();
  mock *m = MOCK(hello);
  cpx_call_options o = get(m);
  record r = {0};
  begin(&b, &r, &o);
  while (!r.ends) {
    cpx_source_pause(r.source);
    cpx_source_resume(r.source);
    cpx_loop_turn(b.loop, true);
  }
  CHECK_INT(r.err, 0);
  record_deinit(&r);
  bed_free(&b);
  mock_stop(m);
}

static void a_call_may_be_cancelled_or_freed_inside_its_callbacks(void) {
  static const enum trick tricks[] = {CANCEL_ON_HEAD, CANCEL_ON_DATA, FREE_ON_HEAD, FREE_ON_DATA, FREE_ON_END};
  static const answer stream[] = {{CHUNKED "5\r\nhello\r\n5\r\nagain\r\n", .then = THEN_HANG}};
  for (size_t i = 0; i < sizeof tricks / sizeof *tricks; i++) {
    bed b = bed_new();
    bool to_end = tricks[i] == FREE_ON_END;
    mock *m = mock_start(to_end ? hello : stream, 1, NULL, NULL, NULL);
    cpx_call_options o = get(m);
    record r = {.trick = tricks[i]};
    call(&b, &r, &o);
    while (cpx_upstream_count(b.up).running > 0) cpx_loop_turn(b.loop, false);
    CHECK_INT(r.ends, to_end ? 1 : 0);
    CHECK(r.datas <= 1);
    CHECK_INT(r.bodies_done, 1);
    if (!to_end) CHECK(mock_wait_ended(m, 1)); /* the server sees it at once */
    call_ok(&b, &(cpx_call_options){.method = "GET", .url = (to_end ? m : (m->answers = hello, m))->base});
    record_deinit(&r);
    bed_free(&b);
    mock_stop(m);
  }
}

static void a_call_may_be_freed_at_every_stage(void) {
  bed b = bed_new();
  mock *m = MOCK(hello);
  for (int turns = -1; turns < 12; turns++) {
    record r = {0};
    cpx_buf_init(&r.headers, SIZE_MAX); /* the answer may come within these turns */
    cpx_buf_init(&r.body, SIZE_MAX);
    cpx_call_options o = get(m);
    char message[100];
    cpx_upstream_forget(b.up); /* a connection of its own */
    o.body_done = on_body_done;
    o.body_user = &r;
    REQUIRE(cpx_call_new(b.up, &o, &r.source, message, sizeof message) == 0);
    if (turns >= 0) cpx_source_start(r.source, &record_sink, &r);
    for (int i = 0; i < turns; i++) cpx_loop_turn(b.loop, false);
    cpx_source_free(r.source);
    r.source = NULL;
    CHECK_INT(r.bodies_done, 1);
    int ends = r.ends;
    cpx_loop_turn(b.loop, false);
    CHECK_INT(r.ends, ends);
    record_deinit(&r);
  }
  bed_free(&b);
  mock_stop(m);
}

/* A call whose answer goes on behind "hello", let go there. */
static void let_linger(bed *b, mock *m, record *r, enum trick trick) {
  cpx_call_options o = get(m);
  o.method = "POST";
  o.body = (const cpx_slice[]){CPX_SLICE("request")};
  o.body_parts = 1;
  r->trick = trick;
  begin(b, r, &o);
  while (r->datas == 0) cpx_loop_turn(b->loop, true);
  if (r->source) {
    CHECK_INT(r->bodies_done, 0);
    cpx_source_linger(r->source);
    r->source = NULL;
  }
  CHECK_INT(r->bodies_done, 1);
  CHECK_INT(cpx_upstream_count(b->up).running, 1);
}

static void serve_late_end(mock_conn *c) {
  static const char first[] = CHUNKED "5\r\nhello\r\n";
  while (read_request(c, false)) {
    if (!conn_write(c, first, sizeof first - 1)) return;
    poll(NULL, 0, 20);
    if (!conn_write(c, "4\r\nlate\r\n0\r\n\r\n", 14)) return;
  }
}

static void a_lingering_call_leaves_its_connection_to_the_next(void) {
  static const enum trick tricks[] = {NO_TRICK, PAUSE_ON_DATA, LINGER_ON_DATA};
  bed b = bed_new();
  mock *m = mock_start(NULL, 0, serve_late_end, NULL, NULL);
  for (int i = 0; i < 6; i++) {
    record r = {0};
    let_linger(&b, m, &r, tricks[i % 3]);
    while (cpx_upstream_count(b.up).running > 0) cpx_loop_turn(b.loop, true);
    CHECK_INT(r.datas, 1);
    CHECK_INT(r.ends, 0);
    record_deinit(&r);
  }
  CHECK_INT(m->accepted, 1);
  CHECK_INT(cpx_upstream_count(b.up).reused, 5);
  bed_free(&b);
  mock_stop(m);
}

static void serve_endless(mock_conn *c) {
  static char junk[8192];
  if (!read_request(c, false) || !conn_write(c, CHUNKED "5\r\nhello\r\n", sizeof CHUNKED "5\r\nhello\r\n" - 1)) return;
  poll(NULL, 0, 20);
  while (conn_write(c, "2000\r\n", 6) && conn_write(c, junk, sizeof junk) && conn_write(c, "\r\n", 2)) {
  }
}

static void lingering_is_bounded_in_bytes_and_time(void) {
  static const answer hang[] = {{CHUNKED "5\r\nhello\r\n", .then = THEN_HANG}};
  for (int silent = 0; silent < 2; silent++) {
    bed b = bed_new();
    mock *m = silent ? MOCK(hang) : mock_start(NULL, 0, serve_endless, NULL, NULL);
    record r = {0};
    let_linger(&b, m, &r, NO_TRICK);
    uint64_t from = cpx_now_ns();
    while (cpx_upstream_count(b.up).running > 0) cpx_loop_turn(b.loop, true);
    uint64_t ms = (cpx_now_ns() - from) / 1000000;
    if (silent)
      CHECK(ms >= CPX_UP_LINGER_MS - 50 && ms < CPX_UP_LINGER_MS + 2000);
    else
      CHECK(ms < CPX_UP_LINGER_MS);
    CHECK(mock_wait_ended(m, 1));
    CHECK_INT(r.ends, 0);
    record_deinit(&r);
    bed_free(&b);
    mock_stop(m);
  }
}

static void freeing_the_whole_ends_what_lingers(void) {
  static const answer hang[] = {{CHUNKED "5\r\nhello\r\n", .then = THEN_HANG}};
  bed b = bed_new();
  mock *m = MOCK(hang);
  record r = {0};
  let_linger(&b, m, &r, NO_TRICK);
  bed_free(&b);
  CHECK_INT(r.ends, 0);
  record_deinit(&r);
  mock_stop(m);
}

static void freeing_the_whole_cancels_what_runs(void) {
  static const answer hang[] = {{"", .then = THEN_HANG}};
  bed b = bed_new();
  mock *m = MOCK(hang);
  cpx_call_options o = get(m);
  record r[3] = {{0}};
  for (int i = 0; i < 3; i++) begin(&b, &r[i], &o);
  for (int i = 0; i < 5; i++) cpx_loop_turn(b.loop, false);
  record late = {0};
  begin(&b, &late, &o);
  cpx_upstream_free(b.up);
  CHECK_INT(cpx_loop_free(b.loop), 0);
  for (int i = 0; i < 3; i++) {
    CHECK_INT(r[i].ends, 0);
    CHECK_INT(r[i].bodies_done, 1);
    record_deinit(&r[i]);
  }
  record_deinit(&late);
  mock_stop(m);
}

int main(int argc, char **argv) {
  ct_init(argc, argv);
  RUN(one_connection_serves_calls_one_after_another);
  RUN(a_kept_connection_that_died_is_replaced);
  RUN(a_request_lost_on_a_dead_connection_is_sent_again_and_counted);
  RUN(forgetting_closes_kept_connections_and_spares_live_ones);
  RUN(many_calls_run_side_by_side);
  RUN(localhost_is_found_where_only_ipv4_listens);
  RUN(a_unix_socket_serves);
  RUN(an_unknown_certificate_is_refused);
  RUN(a_ca_file_is_trusted_for_its_own_calls_only);
  RUN(a_certificate_for_another_name_is_refused);
  RUN(the_second_handshake_does_not_load_the_store_again);
  RUN(a_cut_tls_stream_is_not_a_clean_end);
  RUN(large_bodies_pass_tls_both_ways);
  RUN(an_http_proxy_tunnels_https);
  RUN(a_socks5_proxy_serves_with_names_resolved_on_its_side);
  RUN(proxy_faults_name_the_proxy);
  RUN(a_silent_proxy_times_out_by_name);
  RUN(a_closed_proxy_port_is_a_proxy_error);
  RUN(the_environment_is_not_asked_for_a_proxy);
  RUN(a_paused_call_reads_little_and_loses_nothing);
  RUN(pausing_and_resuming_at_once_changes_nothing);
  RUN(a_call_may_be_cancelled_or_freed_inside_its_callbacks);
  RUN(a_call_may_be_freed_at_every_stage);
  RUN(a_lingering_call_leaves_its_connection_to_the_next);
  RUN(lingering_is_bounded_in_bytes_and_time);
  RUN(freeing_the_whole_ends_what_lingers);
  RUN(freeing_the_whole_cancels_what_runs);
  return ct_summary();
}
