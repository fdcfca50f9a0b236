#include "net/tls_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct cpx_tls {
  unsigned refs;
  char *cert_file, *key_file;
  SSL_CTX *ctx;
};

/* A client that offers protocols, but not ours, would speak them: refuse rather than ignore. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_n, const unsigned char *offered,
                           unsigned offered_n, void *arg) {
  (void)ssl, (void)arg;
  static const unsigned char ours[] = "\x08http/1.1";
  unsigned char *chosen;
  int found = SSL_select_next_proto(&chosen, out_n, ours, sizeof ours - 1, offered, offered_n);
  *out = chosen;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* OpenSSL would ask on the terminal. */
// NOLINTNEXTLINE(readability-non-const-parameter): the type of the callback
static int no_password(char *buf, int size, int rwflag, void *arg) {
  (void)buf, (void)size, (void)rwflag;
  *(bool *)arg = true;
  return -1;
}

static int readable(const char *what, const char *file, char *message, size_t n) {
  int fd = open(file, O_RDONLY | O_CLOEXEC);
  if (fd >= 0) {
    close(fd);
    return 0;
  }
  int reason = errno;
  snprintf(message, n, "cannot read the TLS %s %s: %s.", what, file, strerror(reason));
  return reason == ENOENT || reason == ENOTDIR ? CPX_ENOTFOUND : reason == EACCES ? CPX_EACCES : CPX_ETLS;
}

static const char *openssl_reason(void) {
  const char *reason = ERR_reason_error_string(ERR_peek_last_error());
  return reason ? reason : "unknown reason";
}

static int configure(SSL_CTX *ctx) {
  SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                               SSL_OP_PRIORITIZE_CHACHA);
  /* Buffers are given back between records: an idle connection keeps 34 KB less. */
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets need no memory here */
  SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
  return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 && SSL_CTX_set_num_tickets(ctx, 1) == 1 &&
                 SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1
             ? 0
             : CPX_ETLS;
}

static int load_pair(SSL_CTX *ctx, const cpx_tls *tls, char *message, size_t n) {
  bool asked = false;
  SSL_CTX_set_default_passwd_cb(ctx, no_password);
  SSL_CTX_set_default_passwd_cb_userdata(ctx, &asked);
  if (SSL_CTX_use_certificate_chain_file(ctx, tls->cert_file) != 1) {
    snprintf(message, n, "the TLS certificate %s cannot be used: %s. It must be a PEM file, the leaf first.",
             tls->cert_file, openssl_reason());
    return CPX_ETLS;
  }
  if (SSL_CTX_use_PrivateKey_file(ctx, tls->key_file, SSL_FILETYPE_PEM) != 1) {
    snprintf(message, n,
             asked ? "the TLS key %s is encrypted (%s). Store it without a password, readable for its owner alone."
                   : "the TLS key %s cannot be used: %s. It must be a PEM file, and belong to the certificate.",
             tls->key_file, openssl_reason());
    return CPX_ETLS;
  }
  if (SSL_CTX_check_private_key(ctx) != 1) {
    snprintf(message, n, "the TLS key %s does not belong to the certificate %s.", tls->key_file, tls->cert_file);
    return CPX_ETLS;
  }
  SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL);
  return 0;
}

int cpx_tls_reload(cpx_tls *tls, char *message, size_t n) {
  int err = readable("certificate", tls->cert_file, message, n);
  if (!err) err = readable("key", tls->key_file, message, n);
  if (err) return err;
  ERR_clear_error();
  SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
  if (!ctx || configure(ctx)) {
    snprintf(message, n, "TLS cannot be set up: %s.", openssl_reason());
    err = CPX_ETLS;
  } else {
    err = load_pair(ctx, tls, message, n);
  }
  ERR_clear_error();
  if (err) {
    SSL_CTX_free(ctx);
    return err;
  }
  SSL_CTX_free(tls->ctx); /* live sessions hold it */
  tls->ctx = ctx;
  return 0;
}

int cpx_tls_new(const char *cert_file, const char *key_file, cpx_tls **out, char *message, size_t n) {
  cpx_tls *tls = calloc(1, sizeof *tls);
  if (!tls) return CPX_ENOMEM;
  tls->refs = 1;
  tls->cert_file = strdup(cert_file);
  tls->key_file = strdup(key_file);
  int err = tls->cert_file && tls->key_file ? cpx_tls_reload(tls, message, n) : CPX_ENOMEM;
  if (err) {
    cpx_tls_unref(tls);
    return err;
  }
  *out = tls;
  return 0;
}

cpx_tls *cpx_tls_ref(cpx_tls *tls) {
  tls->refs++;
  return tls;
}

void cpx_tls_unref(cpx_tls *tls) {
  if (!tls || --tls->refs > 0) return;
  SSL_CTX_free(tls->ctx);
  free(tls->cert_file);
  free(tls->key_file);
  free(tls);
}

SSL *cpx_tls_session(cpx_tls *tls) {
  return SSL_new(tls->ctx);
}
