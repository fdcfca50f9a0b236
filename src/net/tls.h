/* tls.h - the server side of TLS 1.2 and 1.3 through OpenSSL memory BIOs: certificate, key, and their reloading.
 *
 * Owns:   an SSL_CTX; reference counted. New handshakes use the newest certificate, live connections keep theirs.
 * Errors: CPX_ETLS, CPX_ENOTFOUND, CPX_EACCES with a sentence that names the file. A failed reload keeps the old one.
 */
#ifndef CPX_NET_TLS_H
#define CPX_NET_TLS_H

#include "base/error.h"

#include <stddef.h>

typedef struct cpx_tls cpx_tls;

/* PEM files: the chain, leaf first, and its key. */
CPX_MUST_CHECK int cpx_tls_new(const char *cert_file, const char *key_file, cpx_tls **out, char *message, size_t n);
/* Reads both files again. */
CPX_MUST_CHECK int cpx_tls_reload(cpx_tls *tls, char *message, size_t n);
cpx_tls *cpx_tls_ref(cpx_tls *tls);
void cpx_tls_unref(cpx_tls *tls);

#endif
