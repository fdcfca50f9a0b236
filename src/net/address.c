#include "net/address.h"

#include "base/slice.h"
#include "net/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

static int refuse(const char *text, const char *why, char *message, size_t n) {
  snprintf(message, n, "\"%s\" is not an address to listen on: %s", text, why);
  return CPX_EINVAL;
}

static int parse_unix(const char *text, cpx_address *out, char *message, size_t n) {
  struct sockaddr_un *un = (struct sockaddr_un *)&out->at;
  const char *path = text + strlen("unix:");
  if (path[0] != '/')
    return refuse(text, "a Unix socket needs an absolute path, as in unix:/run/cliproxy.sock", message, n);
  if (strlen(path) >= sizeof un->sun_path)
    return refuse(text, "the path is too long for a Unix socket (107 bytes at most)", message, n);
  un->sun_family = AF_UNIX;
  memcpy(un->sun_path, path, strlen(path) + 1);
  out->size = sizeof *un;
  out->is_local = true;
  return 0;
}

static int parse_port(const char *digits, int *port) {
  size_t n = strlen(digits);
  if (n == 0 || n > 5 || strspn(digits, "0123456789") != n) return CPX_EINVAL;
  *port = (int)strtol(digits, NULL, 10);
  return *port > 65535 ? CPX_EINVAL : 0;
}

/* The host between its brackets, or before the colon. */
static int parse_host(const char *host, size_t host_n, int port, cpx_address *out) {
  char name[INET6_ADDRSTRLEN + 20];
  bool v6 = host_n >= 2 && host[0] == '[' && host[host_n - 1] == ']';
  if (v6) {
    host++;
    host_n -= 2;
  }
  if (host_n >= sizeof name) return CPX_EINVAL;
  memcpy(name, host, host_n);
  name[host_n] = 0;
  out->size = v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
  return v6 ? uv_ip6_addr(name, port, (struct sockaddr_in6 *)&out->at)
            : uv_ip4_addr(name, port, (struct sockaddr_in *)&out->at);
}

int cpx_address_parse(const char *text, cpx_address *out, char *message, size_t n) {
  *out = (cpx_address){0};
  if (!text || !*text) return refuse("", "it is empty", message, n);
  if (strncmp(text, "unix:", 5) == 0) return parse_unix(text, out, message, n);
  const char *colon = strrchr(text, ':');
  int port;
  if (!colon || parse_port(colon + 1, &port))
    return refuse(text, "it must end in a port from 0 to 65535, as in 127.0.0.1:8317", message, n);
  if (colon == text) {
    out->every = true;
    out->size = sizeof(struct sockaddr_in6);
    return uv_ip6_addr("::", port, (struct sockaddr_in6 *)&out->at) ? CPX_EINVAL : 0;
  }
  if (parse_host(text, (size_t)(colon - text), port, out))
    return refuse(text, "write the host as a number, 127.0.0.1:8317 or [::1]:8317, not as a name", message, n);
  out->is_local = cpx_address_is_loopback(&out->at);
  return 0;
}

int cpx_address_check(const char *address, bool *is_local, char *message, size_t n) {
  cpx_address parsed;
  int err = cpx_address_parse(address, &parsed, message, n);
  if (!err) *is_local = parsed.is_local;
  return err;
}

static const struct sockaddr_in6 *as_v6(const struct sockaddr_storage *at) {
  return (const struct sockaddr_in6 *)at;
}

void cpx_address_format(const struct sockaddr_storage *at, char *out, size_t n) {
  char host[INET6_ADDRSTRLEN] = "?";
  if (at->ss_family == AF_UNIX) {
    const char *path = ((const struct sockaddr_un *)at)->sun_path;
    snprintf(out, n, path[0] ? "unix:%s" : "unix", path);
  } else if (at->ss_family == AF_INET) {
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)at;
    inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
    snprintf(out, n, "%s:%d", host, ntohs(v4->sin_port));
  } else if (IN6_IS_ADDR_V4MAPPED(&as_v6(at)->sin6_addr)) {
    inet_ntop(AF_INET, &as_v6(at)->sin6_addr.s6_addr[12], host, sizeof host);
    snprintf(out, n, "%s:%d", host, ntohs(as_v6(at)->sin6_port));
  } else {
    inet_ntop(AF_INET6, &as_v6(at)->sin6_addr, host, sizeof host);
    snprintf(out, n, "[%s]:%d", host, ntohs(as_v6(at)->sin6_port));
  }
}

bool cpx_address_is_loopback(const struct sockaddr_storage *at) {
  if (at->ss_family == AF_UNIX) return true;
  if (at->ss_family == AF_INET) return ntohl(((const struct sockaddr_in *)at)->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
  const struct in6_addr *v6 = &as_v6(at)->sin6_addr;
  return IN6_IS_ADDR_LOOPBACK(v6) || (IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == IN_LOOPBACKNET);
}
