/* listener.h - accepts connections on an address: "127.0.0.1:8317", "[::1]:8317", ":8317", "unix:/path".
 *
 * Port 0 binds any free port. With few descriptors left (CPX_FD_RESERVE) it stops accepting, logs that once, and goes
 * on when some are free again. A stale Unix socket (nobody answers) is replaced, a live one is CPX_EADDRINUSE.
 *
 * Owns:   its sockets, and a reference to the TLS context. _close frees it; no on_accept follows.
 * Errors: CPX_EADDRINUSE (message names the process that holds the port where /proc tells),
 * CPX_EACCES, CPX_EINVAL (not an address), CPX_ENOTFOUND (not an address of this machine: no IPv6
 * here; no such folder), CPX_EIO. Limits: ":8317" is one socket for all of IPv4 and IPv6, "[::]:8317"
 * IPv6 alone, so that 127.0.0.1 and [::1] can be bound side by side.
 */
#ifndef CPX_NET_LISTENER_H
#define CPX_NET_LISTENER_H

#include "net/conn.h"
#include "net/tls.h"

typedef struct cpx_listener cpx_listener;

typedef struct cpx_listener_options {
  const char *address;
  cpx_tls *tls;                                  /* NULL: plain; otherwise the listener takes a reference of its own */
  unsigned unix_mode;                            /* permissions of a Unix socket; 0 means 0600 */
  void (*on_accept)(void *user, cpx_conn *conn); /* TLS: after the handshake (time-out CPX_HTTP_HEAD_TIMEOUT_MS) */
  void *user;
} cpx_listener_options;

/* `message` (size `n`) receives a sentence for the user on failure. */
CPX_MUST_CHECK int cpx_listener_open(cpx_loop *loop, const cpx_listener_options *options, cpx_listener **out,
                                     char *message, size_t n);
/* The address really bound, "127.0.0.1:41234"; owned by the listener. */
const char *cpx_listener_address(const cpx_listener *listener);
/* Connections accepted here that are still open. */
size_t cpx_listener_live(const cpx_listener *listener);
/* TLS handshakes that failed, timed out or were broken off; each is one line at log level debug. */
uint64_t cpx_listener_failed_handshakes(const cpx_listener *listener);
void cpx_listener_close(cpx_listener *listener);

/* Whether an address is loopback only (a Unix socket is). CPX_EINVAL when it is not an address; `message` as above. */
CPX_MUST_CHECK int cpx_address_check(const char *address, bool *is_local, char *message, size_t n);

#endif
