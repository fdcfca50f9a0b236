/* conn_tls.c - TLS over another connection.
 *
 * OpenSSL reads from memory (what the inner connection just brought, and what was left of earlier input) and writes
 * into the inner connection's output. Bounds: left-over input one read of the inner connection, which stops while
 * nobody reads here; encrypted output CPX_CONN_OUT_HIGH and a record, the rest waits as plain text in our own output.
 *
 * An end of file without close_notify may be a cut connection: it closes with CPX_EEOF, where a proper end is on_eof.
 */
#include "net/tls_internal.h"

#include "base/limits.h"
#include "base/log.h"

#include <openssl/err.h>
#include <stdlib.h>

#define RECORD_MAX (16 * CPX_KB)

typedef struct tls_conn {
  cpx_conn base; /* base.inner is below; NULL once it has closed */
  SSL *ssl;
  cpx_slice fresh; /* input being handed over, borrowed while the inner on_data runs */
  cpx_buf left;    /* input from before */
  size_t left_at;
  cpx_job pull; /* reads on when reading starts again */
  void (*on_ready)(void *user, cpx_conn *conn);
  void *user;
  int failure; /* nothing more is read or written: the inner connection sends its alert and ends */
  bool ready, cut;
} tls_conn;

/* -- The BIO. --------------------------------------------------------------------------------------------------- */

static int bio_read(BIO *bio, char *out, int size) {
  tls_conn *t = BIO_get_data(bio);
  size_t n = (size_t)size, left = t->left.len - t->left_at;
  BIO_clear_retry_flags(bio);
  if (left > 0) {
    if (n > left) n = left;
    memcpy(out, t->left.data + t->left_at, n);
    t->left_at += n;
    if (t->left_at == t->left.len) {
      cpx_buf_clear(&t->left, 0);
      t->left_at = 0;
    }
    return (int)n;
  }
  if (t->fresh.n == 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  if (n > t->fresh.n) n = t->fresh.n;
  memcpy(out, t->fresh.p, n);
  t->fresh.p += n;
  t->fresh.n -= n;
  return (int)n;
}

static int bio_write(BIO *bio, const char *bytes, int n) {
  tls_conn *t = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  if (!t->base.inner || cpx_conn_write(t->base.inner, bytes, (size_t)n)) return -1;
  return n;
}

static long bio_ctrl(BIO *bio, int command, long arg, void *ptr) {
  (void)bio, (void)arg, (void)ptr;
  return command == BIO_CTRL_FLUSH;
}

/* One for the process. */
static BIO_METHOD *bio_method(void) {
  static BIO_METHOD *method;
  if (method) return method;
  method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "cliproxy connection");
  if (!method) return NULL;
  BIO_meth_set_read(method, bio_read);
  BIO_meth_set_write(method, bio_write);
  BIO_meth_set_ctrl(method, bio_ctrl);
  return method;
}

/* -- Input. ----------------------------------------------------------------------------------------------------- */

/* What OpenSSL says about its last error. */
static const char *reason_text(void) {
  const char *reason = ERR_reason_error_string(ERR_peek_error());
  return reason ? reason : "connection closed";
}

/* The alert that OpenSSL wrote is still sent; on_close of the inner connection closes us. */
static void give_up(tls_conn *t, int err) {
  if (t->failure) return;
  t->failure = err;
  cpx_log(CPX_LOG_DEBUG, "tls: %s with %s failed: %s", t->ready ? "the connection" : "the handshake", t->base.peer,
          reason_text());
  ERR_clear_error();
  cpx_conn_end(t->base.inner);
}

static void handshake(tls_conn *t) {
  ERR_clear_error();
  int done = SSL_accept(t->ssl);
  if (done == 1) {
    t->ready = true;
    t->on_ready(t->user, &t->base);
    if (!t->base.closing && !cpx_conn_wants_read(&t->base)) cpx_conn_read_stop(t->base.inner);
  } else if (t->cut || SSL_get_error(t->ssl, done) != SSL_ERROR_WANT_READ) {
    give_up(t, CPX_ETLS);
  }
}

static void pull(tls_conn *t) {
  char plain[RECORD_MAX];
  while (cpx_conn_wants_read(&t->base) && !t->failure) {
    ERR_clear_error();
    int n = SSL_read(t->ssl, plain, sizeof plain);
    if (n > 0) {
      cpx_conn_input(&t->base, plain, (size_t)n);
      continue;
    }
    int why = SSL_get_error(t->ssl, n);
    if (why == SSL_ERROR_ZERO_RETURN) {
      cpx_conn_input_eof(&t->base);
    } else if (why != SSL_ERROR_WANT_READ) {
      give_up(t, CPX_ETLS);
    } else {
      if (t->cut && !t->base.ending) cpx_conn_fail(&t->base, CPX_EEOF);
      return;
    }
  }
}

static void go_on(tls_conn *t) {
  if (!t->ready) handshake(t);
  if (t->ready && !t->base.closing) pull(t);
}

static void on_pull(cpx_job *job) {
  tls_conn *t = CPX_CONTAINER(job, tls_conn, pull);
  if (!t->base.closing && !t->failure) go_on(t);
}

static void inner_data(void *user, const char *bytes, size_t n) {
  tls_conn *t = user;
  if (t->failure || t->base.eof_in) return;
  t->fresh = cpx_slice_of(bytes, n);
  go_on(t);
  cpx_slice rest = t->fresh;
  t->fresh = cpx_slice_of(NULL, 0);
  if (t->base.closing || t->failure || t->base.eof_in || rest.n == 0) return;
  cpx_buf_consume(&t->left, t->left_at); /* its bound is for what waits, not for what was read */
  t->left_at = 0;
  int err = cpx_buf_add_slice(&t->left, rest);
  if (err) cpx_conn_fail(&t->base, err);
}

static void inner_eof(void *user) {
  tls_conn *t = user;
  if (t->failure || t->base.eof_in) return;
  t->cut = true;
  go_on(t);
}

static void inner_drain(void *user) {
  tls_conn *t = user;
  if (!t->failure) cpx_conn_writable(&t->base);
}

static void inner_close(void *user, int err) {
  tls_conn *t = user;
  t->base.sent = cpx_conn_sent(t->base.inner);
  t->base.inner = NULL;
  cpx_conn_fail(&t->base, t->failure ? t->failure : err);
}

/* -- Output and the end. ---------------------------------------------------------------------------------------- */

static int tls_send(cpx_conn *conn, const char *bytes, size_t n, size_t *taken) {
  tls_conn *t = (tls_conn *)conn;
  if (t->failure || !t->ready) return 0;
  do {
    while (*taken < n && cpx_conn_pending(conn->inner) < CPX_CONN_OUT_HIGH) {
      size_t part = n - *taken < RECORD_MAX ? n - *taken : RECORD_MAX;
      ERR_clear_error();
      int written = SSL_write(t->ssl, bytes + *taken, (int)part);
      if (written <= 0) {
        ERR_clear_error();
        return conn->inner->closing ? CPX_EEOF : CPX_ETLS;
      }
      *taken += (size_t)written;
    }
    cpx_conn_flush(conn->inner);
  } while (*taken < n && !conn->inner->blocked && !conn->inner->closing);
  return 0;
}

static void tls_update(cpx_conn *conn) {
  tls_conn *t = (tls_conn *)conn;
  if (!t->ready || !conn->inner) return;
  if (!cpx_conn_wants_read(conn)) {
    cpx_conn_read_stop(conn->inner);
    return;
  }
  cpx_conn_read_start(conn->inner);
  if (t->left.len > 0 || t->cut || SSL_pending(t->ssl) > 0) cpx_loop_defer(conn->loop, &t->pull);
}

static int tls_shut(cpx_conn *conn) {
  tls_conn *t = (tls_conn *)conn;
  if (t->ready && !t->failure) {
    ERR_clear_error();
    (void)SSL_shutdown(t->ssl); /* writes close_notify; the peer's is not waited for here */
    ERR_clear_error();
  }
  cpx_conn_end(conn->inner);
  return 0;
}

static void tls_close(cpx_conn *conn, bool reset) {
  tls_conn *t = (tls_conn *)conn;
  cpx_job_cancel(&t->pull);
  if (conn->inner) {
    conn->sent = cpx_conn_sent(conn->inner);
    cpx_conn_set_events(conn->inner, NULL, NULL);
    cpx_conn_abort(conn->inner, reset);
    conn->inner = NULL;
  }
  SSL_free(t->ssl);
  t->ssl = NULL;
  cpx_buf_deinit(&t->left);
  cpx_conn_released(conn);
}

static const cpx_conn_ops tls_ops = {
    .send = tls_send, .update = tls_update, .shut = tls_shut, .close = tls_close, .eager = true, .hands_on = true};

static const cpx_conn_events inner_events = {inner_data, inner_eof, inner_drain, inner_close, NULL};

static int attach_session(tls_conn *t, cpx_tls *tls) {
  BIO_METHOD *method = bio_method();
  BIO *bio = method ? BIO_new(method) : NULL;
  t->ssl = cpx_tls_session(tls);
  if (!bio || !t->ssl) {
    BIO_free(bio);
    SSL_free(t->ssl);
    return CPX_ENOMEM;
  }
  BIO_set_data(bio, t);
  BIO_set_init(bio, 1);
  SSL_set_bio(t->ssl, bio, bio);
  return 0;
}

int cpx_conn_tls_accept(cpx_conn *inner, cpx_tls *tls, void (*on_ready)(void *user, cpx_conn *conn), void *user,
                        cpx_conn **out) {
  tls_conn *t = calloc(1, sizeof *t);
  if (!t || attach_session(t, tls)) {
    free(t);
    cpx_conn_abort(inner, true);
    return CPX_ENOMEM;
  }
  cpx_conn_init(&t->base, inner->loop, &tls_ops);
  cpx_buf_init(&t->left, 4 * CPX_CONN_READ);
  cpx_job_init(&t->pull, on_pull);
  t->base.inner = inner;
  t->base.is_tls = true;
  t->base.is_local = inner->is_local;
  memcpy(t->base.peer, inner->peer, sizeof t->base.peer);
  t->on_ready = on_ready;
  t->user = user;
  inner->drain_always = true;
  cpx_conn_set_events(inner, &inner_events, t);
  cpx_conn_read_start(inner);
  *out = &t->base;
  return 0;
}
