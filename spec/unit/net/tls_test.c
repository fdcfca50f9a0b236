/* tls_test.c - the TLS listener against OpenSSL's own client, over loopback. */
#include "tls_support.h"

#include "base/limits.h"
#include "base/log.h"
#include "net/listener.h"

#include <sys/stat.h>

static char folder[64], cert_file[96], key_file[96];

typedef struct house {
  cpx_loop *loop;
  cpx_tls *tls;
  cpx_listener *listener;
  int accepted;
  probe p;
  bool quiet; /* do not read yet */
} house;

static void on_accept(void *user, cpx_conn *conn) {
  house *h = user;
  if (h->p.conn) abort();
  cpx_buf_deinit(&h->p.got);
  void (*hook)(probe *) = h->p.hook;
  probe_watch(&h->p, conn);
  h->p.hook = hook;
  if (!h->quiet) cpx_conn_read_start(conn);
  h->accepted++;
}

static house *house_new(void) {
  house *h = calloc(1, sizeof *h);
  char message[512] = "";
  if (!h) abort();
  h->loop = new_loop();
  if (cpx_tls_new(cert_file, key_file, &h->tls, message, sizeof message)) CT_FAIL("%s", message);
  cpx_listener_options options = {.address = "127.0.0.1:0", .tls = h->tls, .on_accept = on_accept, .user = h};
  if (cpx_listener_open(h->loop, &options, &h->listener, message, sizeof message)) CT_FAIL("%s", message);
  return h;
}

static void house_free(house *h) {
  if (h->listener) cpx_listener_close(h->listener);
  probe_done(&h->p);
  cpx_tls_unref(h->tls);
  CHECK_INT(cpx_loop_free(h->loop), 0);
  cpx_buf_deinit(&h->p.got);
  free(h);
}

static int port_of(const house *h) {
  return atoi(strrchr(cpx_listener_address(h->listener), ':') + 1);
}

static void join(house *h, client *c, int version) {
  client_init(c, port_of(h), version);
  CHECK_INT(client_connect(c, h->loop), 1);
  TURN_UNTIL(h->loop, h->p.conn != NULL);
}

static void leave(house *h, client *c) {
  client_free(c);
  house_free(h);
}

static void talk(int version, const char *name) {
  house *h = house_new();
  client c;
  join(h, &c, version);
  CHECK_STR(SSL_get_version(c.ssl), name);
  CHECK(cpx_conn_is_tls(h->p.conn));
  CHECK(cpx_conn_is_local(h->p.conn));
  CHECK_HAS(cpx_conn_peer(h->p.conn), "127.0.0.1:");
  CHECK_INT(cpx_listener_live(h->listener), 1);
  client_send(&c, "hello");
  TURN_UNTIL(h->loop, h->p.got.len == 5);
  write_str(h->p.conn, "good ");
  write_str(h->p.conn, "day");
  TURN_UNTIL(h->loop, cpx_conn_pending(h->p.conn) == 0);
  char buf[64];
  int n = client_read(&c, buf, sizeof buf);
  CHECK_BYTES(buf, (size_t)(n < 0 ? 0 : n), "good day", 8); /* one turn, one record */
  CHECK_INT(cpx_listener_failed_handshakes(h->listener), 0);
  leave(h, &c);
}

static void tls_1_2_and_1_3_carry_data_both_ways(void) {
  talk(TLS1_2_VERSION, "TLSv1.2");
  talk(TLS1_3_VERSION, "TLSv1.3");
}

static void refuse(int version, const char *offer, size_t offer_n) {
  house *h = house_new();
  client c;
  client_init(&c, port_of(h), version);
  if (offer) SSL_set_alpn_protos(c.ssl, (const unsigned char *)offer, (unsigned)offer_n);
  CHECK_INT(client_connect(&c, h->loop), 0);
  client_free(&c);
  TURN_UNTIL(h->loop, cpx_listener_failed_handshakes(h->listener) == 1);
  CHECK_INT(h->accepted, 0);
  CHECK_INT(cpx_listener_live(h->listener), 0);
  house_free(h);
}

static void tls_1_1_is_refused(void) {
  refuse(TLS1_1_VERSION, NULL, 0);
}

static void a_client_that_speaks_http_2_alone_is_refused(void) {
  refuse(TLS1_3_VERSION, "\x02h2", 3);
}

static void http_1_1_is_chosen_among_offers(void) {
  house *h = house_new();
  client c;
  client_init(&c, port_of(h), TLS1_3_VERSION);
  SSL_set_alpn_protos(c.ssl, (const unsigned char *)"\x02h2\x08http/1.1", 12);
  CHECK_INT(client_connect(&c, h->loop), 1);
  const unsigned char *chosen = NULL;
  unsigned n = 0;
  SSL_get0_alpn_selected(c.ssl, &chosen, &n);
  CHECK_BYTES(chosen, n, "http/1.1", 8);
  TURN_UNTIL(h->loop, h->p.conn != NULL);
  leave(h, &c);
}

static void a_plain_request_on_the_tls_port_is_a_failed_handshake(void) {
  house *h = house_new();
  client c;
  client_init(&c, port_of(h), TLS1_3_VERSION);
  CHECK(send(c.fd, "GET / HTTP/1.1\r\n\r\n", 18, 0) == 18);
  char buf[64];
  ssize_t n = -1;
  uint64_t end = cpx_now_ns() + 10000000000ull;
  while (n != 0 && cpx_now_ns() < end) {
    n = recv(c.fd, buf, sizeof buf, 0);
    turns(h->loop, 1);
  }
  CHECK_INT(n, 0);
  close(c.fd);
  c.fd = -1;
  TURN_UNTIL(h->loop, cpx_listener_failed_handshakes(h->listener) == 1);
  CHECK_INT(h->accepted, 0);
  leave(h, &c);
}

static void a_client_that_leaves_in_the_handshake_is_counted(void) {
  house *h = house_new();
  client c;
  client_init(&c, port_of(h), TLS1_3_VERSION);
  SSL_connect(c.ssl);
  turns(h->loop, 5);
  client_free(&c);
  TURN_UNTIL(h->loop, cpx_listener_failed_handshakes(h->listener) == 1);
  CHECK_INT(h->accepted, 0);
  house_free(h);
}

static void a_listener_closes_with_handshakes_under_way(void) {
  house *h = house_new();
  client c;
  client_init(&c, port_of(h), TLS1_3_VERSION);
  TURN_UNTIL(h->loop, cpx_listener_live(h->listener) == 1);
  cpx_listener_close(h->listener);
  h->listener = NULL;
  turns(h->loop, 3);
  CHECK_INT(h->accepted, 0);
  leave(h, &c);
}

static void close_notify_is_an_end_of_file_and_writing_goes_on(void) {
  house *h = house_new();
  client c;
  join(h, &c, TLS1_3_VERSION);
  client_send(&c, "ask");
  SSL_shutdown(c.ssl);
  TURN_UNTIL(h->loop, h->p.eofs == 1);
  CHECK_INT(h->p.got.len, 3);
  CHECK_INT(h->p.closes, 0);
  write_str(h->p.conn, "answer");
  cpx_conn_end(h->p.conn);
  turns(h->loop, 3);
  char buf[64];
  CHECK_INT(client_read(&c, buf, sizeof buf), 6);
  CHECK_INT(client_read(&c, buf, sizeof buf), -SSL_ERROR_ZERO_RETURN);
  close(c.fd);
  c.fd = -1;
  TURN_UNTIL(h->loop, h->p.closes == 1);
  CHECK_INT(h->p.err, 0);
  leave(h, &c);
}

static void an_end_without_close_notify_is_not_taken_for_a_clean_one(void) {
  house *h = house_new();
  client c;
  join(h, &c, TLS1_2_VERSION);
  client_send(&c, "cut off");
  shutdown(c.fd, SHUT_WR);
  TURN_UNTIL(h->loop, h->p.closes == 1);
  CHECK_INT(h->p.got.len, 7);
  CHECK_INT(h->p.eofs, 0);
  CHECK_INT(h->p.err, CPX_EEOF);
  leave(h, &c);
}

static void an_abort_is_seen_as_a_cut_by_the_client(void) {
  house *h = house_new();
  client c;
  join(h, &c, TLS1_3_VERSION);
  cpx_conn_abort(h->p.conn, true);
  char buf[64];
  int n = client_read(&c, buf, sizeof buf); /* 1.3: the first read may find the session ticket */
  CHECK(n == -SSL_ERROR_SYSCALL);
  TURN_UNTIL(h->loop, h->p.closes == 1);
  CHECK_INT(h->p.err, 0);
  leave(h, &c);
}

static void large_output_is_bounded_below_and_arrives_whole(void) {
  house *h = house_new();
  client c;
  join(h, &c, TLS1_3_VERSION);
  size_t total = 8 * CPX_MB, seen = 0;
  char *big = malloc(total), *buf = malloc(CPX_MB);
  REQUIRE(big && buf);
  for (size_t i = 0; i < total; i++) big[i] = (char)(i % 253);
  CHECK_INT(cpx_conn_write(h->p.conn, big, total), 0);
  turns(h->loop, 3);
  CHECK(cpx_conn_pending(h->p.conn) > CPX_CONN_OUT_HIGH);
  CHECK(cpx_conn_pending(h->p.conn->inner) <= CPX_CONN_OUT_HIGH + 17 * CPX_KB);
  CHECK_INT(h->p.drains, 0);
  bool right = true;
  uint64_t end = cpx_now_ns() + 30000000000ull;
  while (seen < total && cpx_now_ns() < end) {
    int n = client_read(&c, buf, (int)CPX_MB);
    if (n > 0) {
      right = right && memcmp(buf, big + seen, (size_t)n) == 0;
      seen += (size_t)n;
    } else {
      turns(h->loop, 1);
    }
  }
  CHECK_INT(seen, total);
  CHECK(right);
  turns(h->loop, 3);
  CHECK_INT(h->p.drains, 1);
  CHECK_INT(cpx_conn_pending(h->p.conn), 0);
  CHECK(cpx_conn_sent(h->p.conn) > total);
  free(big);
  free(buf);
  leave(h, &c);
}

static void an_end_with_much_output_loses_nothing(void) {
  house *h = house_new();
  client c;
  join(h, &c, TLS1_2_VERSION);
  size_t total = 6 * CPX_MB, seen = 0;
  char *big = calloc(1, total);
  REQUIRE(big);
  CHECK_INT(cpx_conn_write(h->p.conn, big, total), 0);
  cpx_conn_end(h->p.conn);
  CHECK_INT(cpx_conn_write(h->p.conn, "x", 1), CPX_ECLOSED);
  int n = 0;
  uint64_t end = cpx_now_ns() + 30000000000ull;
  while (n != -SSL_ERROR_ZERO_RETURN && cpx_now_ns() < end) {
    n = client_read(&c, big, (int)total);
    if (n > 0) seen += (size_t)n;
    turns(h->loop, 1);
  }
  CHECK_INT(seen, total);
  CHECK_INT(h->p.closes, 0);
  close(c.fd);
  c.fd = -1;
  TURN_UNTIL(h->loop, h->p.closes == 1);
  CHECK_INT(h->p.err, 0);
  free(big);
  leave(h, &c);
}

static void reading_pauses_with_little_held_and_goes_on(void) {
  house *h = house_new();
  h->quiet = true;
  client c;
  join(h, &c, TLS1_3_VERSION);
  char block[16000];
  memset(block, 'b', sizeof block);
  size_t sent = 0;
  for (int quiet = 0; quiet < 20;) { /* until the kernel's buffers are full too */
    ERR_clear_error();
    int n = SSL_write(c.ssl, block, sizeof block);
    sent += n > 0 ? (size_t)n : 0;
    quiet = n > 0 ? 0 : quiet + 1;
    turns(h->loop, 1);
  }
  CHECK_INT(h->p.reads, 0);
  cpx_conn_read_start(h->p.conn);
  TURN_UNTIL(h->loop, h->p.got.len >= sent);
  cpx_conn_read_stop(h->p.conn);
  size_t before = h->p.got.len;
  ERR_clear_error();
  while (SSL_write(c.ssl, block, sizeof block) <= 0) { /* the write that had to wait, repeated as OpenSSL wants it */
    turns(h->loop, 1);
    ERR_clear_error();
  }
  turns(h->loop, 5);
  CHECK_INT(h->p.got.len, before);
  cpx_conn_read_start(h->p.conn);
  TURN_UNTIL(h->loop, h->p.got.len > before);
  leave(h, &c);
}

static void abort_inside(probe *p) {
  cpx_conn_abort(p->conn, false);
  cpx_conn_read_stop(p->conn);
  cpx_conn_end(p->conn);
}

static void a_tls_connection_may_be_aborted_inside_on_data(void) {
  house *h = house_new();
  client c;
  h->p.hook = abort_inside;
  join(h, &c, TLS1_3_VERSION);
  client_send(&c, "one");
  client_send(&c, "two");
  TURN_UNTIL(h->loop, h->p.closes == 1);
  CHECK_INT(h->p.reads, 1);
  leave(h, &c);
}

static void a_damaged_record_closes_the_connection(void) {
  house *h = house_new();
  client c;
  join(h, &c, TLS1_3_VERSION);
  CHECK(send(c.fd, "\x17\x03\x03\x00\x20 this is no record of this session.....", 43, 0) == 43);
  TURN_UNTIL(h->loop, ((void)recv(c.fd, (char[4096]){0}, 4096, 0), shutdown(c.fd, SHUT_WR), h->p.closes == 1));
  CHECK_INT(h->p.err, CPX_ETLS);
  CHECK_INT(h->p.reads, 0);
  leave(h, &c);
}

static void sessions_are_resumed_by_tickets(void) {
  house *h = house_new();
  client c, again;
  join(h, &c, TLS1_3_VERSION);
  write_str(h->p.conn, "x");
  turns(h->loop, 2);
  char buf[8];
  CHECK_INT(client_read(&c, buf, sizeof buf), 1);
  REQUIRE(c.session != NULL);
  probe_done(&h->p);
  turns(h->loop, 2);
  client_init(&again, port_of(h), TLS1_3_VERSION);
  SSL_set_session(again.ssl, c.session);
  CHECK_INT(client_connect(&again, h->loop), 1);
  CHECK(SSL_session_reused(again.ssl));
  TURN_UNTIL(h->loop, h->p.conn != NULL);
  client_free(&again);
  leave(h, &c);
}

/* -- Certificates. ---------------------------------------------------------------------------------------------- */

static void check_name(client *c, const char *want) {
  char name[64] = "";
  X509 *cert = SSL_get1_peer_certificate(c->ssl);
  if (cert) X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, name, sizeof name);
  X509_free(cert);
  CHECK_STR(name, want);
}

static void a_reload_serves_the_new_certificate_to_new_handshakes(void) {
  house *h = house_new();
  client old, new;
  char message[512] = "";
  join(h, &old, TLS1_3_VERSION);
  check_name(&old, "first.test");
  make_certificate("second.test", cert_file, key_file, NULL);
  CHECK_INT(cpx_tls_reload(h->tls, message, sizeof message), 0);
  client_send(&old, "still here");
  TURN_UNTIL(h->loop, h->p.got.len == 10);
  probe_done(&h->p);
  turns(h->loop, 2);
  join(h, &new, TLS1_3_VERSION);
  check_name(&new, "second.test");
  client_free(&new);
  probe_done(&h->p);
  turns(h->loop, 2);
  /* A failed one keeps it. */
  FILE *file = fopen(cert_file, "w");
  REQUIRE(file != NULL);
  fputs("not a certificate", file);
  fclose(file);
  CHECK_INT(cpx_tls_reload(h->tls, message, sizeof message), CPX_ETLS);
  CHECK_HAS(message, cert_file);
  join(h, &new, TLS1_3_VERSION);
  check_name(&new, "second.test");
  client_free(&new);
  leave(h, &old);
  make_certificate("first.test", cert_file, key_file, NULL);
}

static void unusable_files_are_named_with_the_reason(void) {
  char message[512] = "", other[96], other_key[96];
  cpx_tls *tls = NULL;
  snprintf(other, sizeof other, "%s/other.pem", folder);
  snprintf(other_key, sizeof other_key, "%s/other.key", folder);
  CHECK_INT(cpx_tls_new("/nowhere/c.pem", key_file, &tls, message, sizeof message), CPX_ENOTFOUND);
  CHECK_HAS(message, "certificate /nowhere/c.pem");
  CHECK_INT(cpx_tls_new(cert_file, "/nowhere/k.pem", &tls, message, sizeof message), CPX_ENOTFOUND);
  CHECK_HAS(message, "key /nowhere/k.pem");
  make_certificate("other.test", other, other_key, NULL);
  CHECK_INT(cpx_tls_new(cert_file, other_key, &tls, message, sizeof message), CPX_ETLS);
  CHECK_HAS(message, other_key);
  CHECK_INT(cpx_tls_new(cert_file, cert_file, &tls, message, sizeof message), CPX_ETLS);
  make_certificate("other.test", other, other_key, "secret");
  CHECK_INT(cpx_tls_new(other, other_key, &tls, message, sizeof message), CPX_ETLS);
  CHECK_HAS(message, "is encrypted");
  if (geteuid() != 0) { /* root may read everything */
    chmod(other_key, 0);
    CHECK_INT(cpx_tls_new(other, other_key, &tls, message, sizeof message), CPX_EACCES);
  }
  CHECK(tls == NULL);
  unlink(other);
  unlink(other_key);
}

int main(int argc, char **argv) {
  ct_init(argc, argv);
  signal(SIGPIPE, SIG_IGN); /* the client writes by itself */
  snprintf(folder, sizeof folder, "/tmp/cpx-tls-XXXXXX");
  if (!mkdtemp(folder)) return 1;
  snprintf(cert_file, sizeof cert_file, "%s/cert.pem", folder);
  snprintf(key_file, sizeof key_file, "%s/key.pem", folder);
  make_certificate("first.test", cert_file, key_file, NULL);
  RUN(tls_1_2_and_1_3_carry_data_both_ways);
  RUN(tls_1_1_is_refused);
  RUN(a_client_that_speaks_http_2_alone_is_refused);
  RUN(http_1_1_is_chosen_among_offers);
  RUN(a_plain_request_on_the_tls_port_is_a_failed_handshake);
  RUN(a_client_that_leaves_in_the_handshake_is_counted);
  RUN(a_listener_closes_with_handshakes_under_way);
  RUN(close_notify_is_an_end_of_file_and_writing_goes_on);
  RUN(an_end_without_close_notify_is_not_taken_for_a_clean_one);
  RUN(an_abort_is_seen_as_a_cut_by_the_client);
  RUN(large_output_is_bounded_below_and_arrives_whole);
  RUN(an_end_with_much_output_loses_nothing);
  RUN(reading_pauses_with_little_held_and_goes_on);
  RUN(a_tls_connection_may_be_aborted_inside_on_data);
  RUN(a_damaged_record_closes_the_connection);
  RUN(sessions_are_resumed_by_tickets);
  RUN(a_reload_serves_the_new_certificate_to_new_handshakes);
  RUN(unusable_files_are_named_with_the_reason);
  unlink(cert_file);
  unlink(key_file);
  rmdir(folder);
  return ct_summary();
}
