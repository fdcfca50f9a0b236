/* trust.c - whom upstream calls trust: the system's certificates, loaded once at
 * the first TLS use, and those plus one file.
 *
 * libcurl would parse its bundle anew for each connection, some 70 ms; our stores are parsed once and shared.
 */
#include "upstream/internal.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

struct up_trust {
  up_trust *next;
  char *ca_file; /* NULL: the system's alone */
  X509_STORE *store;
  bool complete; /* the system's certificates are in */
};

static const char *const bundles[] = {
    NULL, /* libcurl's own default */
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
};

static X509_STORE *load_file(const char *path) {
  X509_STORE *store = X509_STORE_new();
  if (store && (!path || X509_STORE_load_file(store, path) != 1)) {
    X509_STORE_free(store);
    store = NULL;
  }
  ERR_clear_error();
  return store;
}

static X509_STORE *load_system(void) {
  for (size_t i = 0; i < sizeof bundles / sizeof *bundles; i++) {
    X509_STORE *store = load_file(i == 0 ? curl_version_info(CURLVERSION_NOW)->cainfo : bundles[i]);
    if (store) return store;
  }
  X509_STORE *store = X509_STORE_new();
  if (store) X509_STORE_set_default_paths(store);
  ERR_clear_error();
  return store;
}

static up_trust *trust_find(const cpx_upstream *up, const char *ca_file) {
  for (up_trust *t = up->trusts; t; t = t->next)
    if (ca_file ? t->ca_file && strcmp(t->ca_file, ca_file) == 0 : !t->ca_file) return t;
  return NULL;
}

/* Takes `store`. */
static up_trust *trust_add(cpx_upstream *up, const char *ca_file, X509_STORE *store) {
  up_trust *t = store ? calloc(1, sizeof *t) : NULL;
  char *name = t && ca_file ? strdup(ca_file) : NULL;
  if (!t || (ca_file && !name)) {
    X509_STORE_free(store);
    free(t);
    return NULL;
  }
  *t = (up_trust){up->trusts, name, store, false};
  up->trusts = t;
  return t;
}

static up_trust *trust_system(cpx_upstream *up) {
  up_trust *t = trust_find(up, NULL);
  if (!t) t = trust_add(up, NULL, load_system());
  if (t) t->complete = true;
  return t;
}

int up_trust_check(cpx_upstream *up, const char *ca_file, char *message, size_t n) {
  if (trust_find(up, ca_file)) return 0;
  X509_STORE *store = load_file(ca_file);
  if (!store) {
    (void)snprintf(message, n, "ca_file \"%s\": no readable PEM certificates there", ca_file);
    return CPX_EINVAL;
  }
  return trust_add(up, ca_file, store) ? 0 : CPX_ENOMEM;
}

/* The certificates themselves are shared, not copied. */
static void add_all(X509_STORE *to, X509_STORE *from) {
  STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(from);
  for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
    X509 *cert = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
    if (cert) X509_STORE_add_cert(to, cert);
  }
  ERR_clear_error();
}

static X509_STORE *trust_store(cpx_upstream *up, const char *ca_file) {
  up_trust *system = trust_system(up);
  if (!ca_file || !system) return system ? system->store : NULL;
  up_trust *t = trust_find(up, ca_file);
  if (!t) t = trust_add(up, ca_file, load_file(ca_file)); /* forgotten since the call was made */
  if (!t) return NULL;
  if (!t->complete) add_all(t->store, system->store);
  t->complete = true;
  return t->store;
}

CURLcode up_on_ssl_ctx(CURL *easy, void *ssl_ctx, void *user) {
  (void)easy;
  up_call *call = ((up_slot *)user)->call;
  X509_STORE *store = trust_store(call->up, call->ca_file);
  if (!store) return CURLE_SSL_CACERT_BADFILE;
  SSL_CTX_set1_cert_store(ssl_ctx, store);
  SSL_CTX_set_mode(ssl_ctx, SSL_MODE_RELEASE_BUFFERS); /* 34 KB less an idle connection */
  return CURLE_OK;
}

void up_trust_free_all(cpx_upstream *up) {
  while (up->trusts) {
    up_trust *t = up->trusts;
    up->trusts = t->next;
    X509_STORE_free(t->store);
    free(t->ca_file);
    free(t);
  }
}
