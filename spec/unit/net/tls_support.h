/* tls_support.h - certificates made on the spot, and a client that is driven between turns of the loop. */
#ifndef CPX_TLS_SUPPORT_H
#define CPX_TLS_SUPPORT_H

#include "net_support.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/* A self-signed certificate for `name` in `cert_file`, its key (encrypted with `password` unless NULL) in `key_file`.
 */
static inline void make_certificate(const char *name, const char *cert_file, const char *key_file,
                                    const char *password) {
  EVP_PKEY *key = EVP_EC_gen("P-256");
  X509 *cert = X509_new();
  X509_set_version(cert, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
  X509_gmtime_adj(X509_getm_notBefore(cert), -60);
  X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
  X509_set_pubkey(cert, key);
  X509_NAME *subject = X509_get_subject_name(cert);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
  X509_set_issuer_name(cert, subject);
  if (!X509_sign(cert, key, EVP_sha256())) abort();
  FILE *file = fopen(cert_file, "w");
  if (!file || !PEM_write_X509(file, cert)) abort();
  fclose(file);
  file = fopen(key_file, "w");
  const EVP_CIPHER *cipher = password ? EVP_aes_128_cbc() : NULL;
  if (!file || !PEM_write_PrivateKey(file, key, cipher, (const unsigned char *)password,
                                     password ? (int)strlen(password) : 0, NULL, NULL))
    abort();
  fclose(file);
  X509_free(cert);
  EVP_PKEY_free(key);
}

typedef struct client {
  SSL_CTX *ctx;
  SSL *ssl;
  int fd;
  SSL_SESSION *session; /* the last ticket */
} client;

static inline int client_keep_session(SSL *ssl, SSL_SESSION *session) {
  client *c = SSL_get_ex_data(ssl, 0);
  SSL_SESSION_free(c->session);
  c->session = session;
  return 1;
}

static inline void client_init(client *c, int port, int version) {
  *c = (client){.fd = socket(AF_INET, SOCK_STREAM, 0)};
  struct sockaddr_in at = {
      .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (connect(c->fd, (struct sockaddr *)&at, sizeof at)) abort();
  fcntl(c->fd, F_SETFL, O_NONBLOCK);
  c->ctx = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_security_level(c->ctx, 0);
  SSL_CTX_set_min_proto_version(c->ctx, version);
  SSL_CTX_set_max_proto_version(c->ctx, version);
  SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(c->ctx, client_keep_session);
  c->ssl = SSL_new(c->ctx);
  SSL_set_ex_data(c->ssl, 0, c);
  SSL_set_fd(c->ssl, c->fd);
}

static inline void client_free(client *c) {
  SSL_SESSION_free(c->session);
  SSL_free(c->ssl);
  SSL_CTX_free(c->ctx);
  if (c->fd >= 0) close(c->fd);
}

/* Handshakes between turns: 1 done, 0 refused. */
static inline int client_connect(client *c, cpx_loop *loop) {
  uint64_t end = cpx_now_ns() + 10000000000ull;
  while (cpx_now_ns() < end) {
    ERR_clear_error();
    int n = SSL_connect(c->ssl);
    if (n == 1) return 1;
    int why = SSL_get_error(c->ssl, n);
    if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) return 0;
    turns(loop, 1);
  }
  CT_FAIL("the handshake did not end");
  return 0;
}

/* Reads once: bytes, or minus SSL_get_error. */
static inline int client_read(client *c, char *buf, int size) {
  ERR_clear_error();
  int n = SSL_read(c->ssl, buf, size);
  return n > 0 ? n : -SSL_get_error(c->ssl, n);
}

static inline void client_send(client *c, const char *text) {
  ERR_clear_error();
  if (SSL_write(c->ssl, text, (int)strlen(text)) != (int)strlen(text)) CT_FAIL("client could not write");
}

#endif
