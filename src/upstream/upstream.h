/* upstream.h - one HTTP call to a provider, as a cpx_source, over libcurl's multi interface on our loop.
 *
 * Measured settings: no CA path (the system's certificates are loaded once, at the first TLS use), HTTP/1.1 with
 * keep-alive unless asked, no `Expect`, TCP_NODELAY, MAXAGE_CONN CPX_UP_MAXAGE_S, no redirects, no signals,
 * certificates always verified. Content encodings are asked for by nobody: accept-encoding is never sent, an encoded
 * body is passed as it is. Hop-by-hop headers are removed both ways. Only http and https. Names resolve in libcurl's
 * threaded resolver. The program must ignore SIGPIPE.
 *
 * Owns:    the multi handle, its connections. A call owns copies of its strings; the body is borrowed until
 *          `body_done`.
 * Times:   connect (to the end of TLS), first byte (from the request sent), idle (between bytes, while not paused),
 *          total.
 * Errors:  CPX_EDNS, ECONNECT, ETLS, ETIMEOUT, EPROXY, EPROTO, EEOF, EINVAL, ENOMEM; `text` names host, stage and
 *          limit, e.g. "api.x.com:443: no first byte within 30 s", never the query, the headers or the key.
 */
#ifndef CPX_UPSTREAM_UPSTREAM_H
#define CPX_UPSTREAM_UPSTREAM_H

#include "net/loop.h"
#include "net/source.h"

typedef struct cpx_upstream cpx_upstream;

typedef struct cpx_upstream_counts {
  uint64_t calls, reused, resent; /* resent: libcurl sent the request again on a new connection after a dead one */
  size_t running, kept;
} cpx_upstream_counts;

CPX_MUST_CHECK int cpx_upstream_new(cpx_loop *loop, cpx_upstream **out);
/* Cancels what runs. */
void cpx_upstream_free(cpx_upstream *up);
cpx_upstream_counts cpx_upstream_count(const cpx_upstream *up);
/* Closes kept connections: after a configuration change. */
void cpx_upstream_forget(cpx_upstream *up);

typedef struct cpx_call_options {
  const char *method, *url;
  const cpx_header *headers; /* copied; those that cliproxy never sends on are the caller's business */
  size_t header_count;
  const cpx_slice *body; /* parts, in order; borrowed until body_done; NULL and 0: no body */
  size_t body_parts;
  void (*body_done)(void *user); /* exactly once, when libcurl needs the body no more (never inside _new) */
  void *body_user;
  uint64_t connect_ms, first_byte_ms, idle_ms, total_ms; /* 0: the default of limits.h */
  const char *proxy_url;   /* http, https, socks5, socks5h; NULL: none (the environment is not read) */
  const char *unix_socket; /* path; NULL: TCP */
  const char *ca_file;     /* added to the system's store; NULL */
  bool http2;
} cpx_call_options;

/* CPX_EINVAL with `message` filled for a bad URL, header, proxy or CA file. The call starts with cpx_source_start. */
CPX_MUST_CHECK int cpx_call_new(cpx_upstream *up, const cpx_call_options *options, cpx_source **out, char *message,
                                size_t n);

#endif
