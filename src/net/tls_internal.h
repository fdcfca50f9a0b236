/* tls_internal.h - what the listener and TLS connections share. For this folder only. */
#ifndef CPX_NET_TLS_INTERNAL_H
#define CPX_NET_TLS_INTERNAL_H

#include "net/conn_internal.h"
#include "net/tls.h"

#include <openssl/ssl.h>

/* A session for one connection, with the newest certificate; NULL when out of memory. */
SSL *cpx_tls_session(cpx_tls *tls);

/* A TLS connection over `inner`, which it takes (also on failure: then it is aborted). `on_ready` after the handshake,
 * from an I/O callback; a handshake that fails is told by on_close. Until then nothing may be written. */
CPX_MUST_CHECK int cpx_conn_tls_accept(cpx_conn *inner, cpx_tls *tls, void (*on_ready)(void *user, cpx_conn *conn),
                                       void *user, cpx_conn **out);

#endif
