/* address.h - listening addresses as people write them, and socket addresses as people read them. For this folder only.
 */
#ifndef CPX_NET_ADDRESS_H
#define CPX_NET_ADDRESS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

typedef struct cpx_address {
  struct sockaddr_storage at;
  socklen_t size;
  bool is_local; /* loopback or a Unix socket */
  bool every;    /* ":8317": all addresses, IPv4 and IPv6 through one socket */
} cpx_address;

/* CPX_EINVAL: `message` says what is wrong with it and how to write it. */
CPX_MUST_CHECK int cpx_address_parse(const char *text, cpx_address *out, char *message, size_t n);
/* "127.0.0.1:53412", "[::1]:53412", "unix:/path", "unix"; an IPv4 address inside IPv6 is written as IPv4. */
void cpx_address_format(const struct sockaddr_storage *at, char *out, size_t n);
bool cpx_address_is_loopback(const struct sockaddr_storage *at);
/* "nginx (pid 812)": the process that listens on the port of this address, as far as /proc tells; false: unknown. */
bool cpx_port_holder(const struct sockaddr_storage *at, char *out, size_t n);
/* The same from a process id. */
void cpx_process_name(long pid, char *out, size_t n);

#endif
