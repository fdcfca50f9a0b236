#include "net/listener_socket.h"

#include "base/limits.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int in_use(const char *name, const char *holder, char *message, size_t n) {
  snprintf(message, n, "cannot listen on %s: it is already in use%s%s. Stop what uses it, or listen elsewhere.", name,
           holder[0] ? " by " : "", holder);
  return CPX_EADDRINUSE;
}

/* A system error as a code and a sentence. */
static int explain(const char *name, const struct sockaddr_storage *at, int reason, char *message, size_t n) {
  char holder[96] = "";
  switch (reason) {
  case EADDRINUSE:
    if (!cpx_port_holder(at, holder, sizeof holder)) holder[0] = 0;
    return in_use(name, holder, message, n);
  case EACCES:
  case EPERM:
    snprintf(message, n,
             at->ss_family == AF_UNIX ? "cannot listen on %s: this user may not create a file there."
                                      : "cannot listen on %s: this user may not. Choose a port above 1023.",
             name);
    return CPX_EACCES;
  case EADDRNOTAVAIL:
    snprintf(message, n, "cannot listen on %s: it is not an address of this machine.", name);
    return CPX_ENOTFOUND;
  case EAFNOSUPPORT:
    snprintf(message, n, "cannot listen on %s: this machine has no %s.", name,
             at->ss_family == AF_INET6 ? "IPv6" : "such addresses");
    return CPX_ENOTFOUND;
  case ENOENT:
  case ENOTDIR: snprintf(message, n, "cannot listen on %s: its folder does not exist.", name); return CPX_ENOTFOUND;
  default: snprintf(message, n, "cannot listen on %s: %s.", name, strerror(reason)); return CPX_EIO;
  }
}

/* -- TCP. ------------------------------------------------------------------------------------------------------- */

static int set_options(int fd, const cpx_address *a) {
  int on = 1, only = !a->every;
  /* REUSEADDR for a quick restart. Never REUSEPORT: a second instance would
   * bind without an error and share our clients. */
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on)) return errno;
  if (a->at.ss_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only)) return errno;
  /* Accepted sockets inherit it. */
  return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) ? errno : 0;
}

static int open_tcp(const cpx_address *a, cpx_listen_socket *s) {
  s->fd = socket(a->at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (s->fd < 0) return errno;
  int reason = set_options(s->fd, a);
  if (!reason && bind(s->fd, (const struct sockaddr *)&a->at, a->size)) reason = errno;
  if (!reason && listen(s->fd, CPX_LISTEN_BACKLOG)) reason = errno;
  struct sockaddr_storage bound = {0};
  socklen_t size = sizeof bound;
  if (!reason && getsockname(s->fd, (struct sockaddr *)&bound, &size)) reason = errno;
  if (!reason) {
    cpx_address_format(&bound, s->name, sizeof s->name);
    return 0;
  }
  close(s->fd);
  s->fd = -1;
  return reason;
}

/* -- Unix sockets. ---------------------------------------------------------------------------------------------- */

/* Is somebody behind the file? 0: the path is free now. A system error else; `holder` names the process if it answered.
 */
static int clear_path(const cpx_address *a, const char *path, char *holder, size_t n) {
  struct stat st;
  if (lstat(path, &st)) return errno == ENOENT ? 0 : errno;
  if (!S_ISSOCK(st.st_mode)) {
    snprintf(holder, n, "a file that is not a socket");
    return EADDRINUSE;
  }
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  int reason = connect(fd, (const struct sockaddr *)&a->at, a->size) ? errno : 0;
  struct ucred peer;
  socklen_t size = sizeof peer;
  if (!reason && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid > 0)
    cpx_process_name(peer.pid, holder, n);
  close(fd);
  if (reason == ECONNREFUSED) return unlink(path) && errno != ENOENT ? errno : 0; /* its owner is gone */
  if (reason == ENOENT) return 0;
  return reason == 0 || reason == EAGAIN ? EADDRINUSE : reason; /* EAGAIN: alive, with a full queue */
}

/* The mode is set between bind and listen: nobody can connect before. */
static int open_unix(const cpx_address *a, unsigned mode, cpx_listen_socket *s) {
  s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (s->fd < 0) return errno;
  struct stat st;
  int reason = bind(s->fd, (const struct sockaddr *)&a->at, a->size) ? errno : 0;
  bool bound = !reason;
  if (!reason && chmod(s->path, mode ? mode : 0600)) reason = errno;
  if (!reason && lstat(s->path, &st)) reason = errno;
  if (!reason && listen(s->fd, CPX_LISTEN_BACKLOG)) reason = errno;
  if (!reason) {
    s->device = st.st_dev;
    s->inode = st.st_ino;
    return 0;
  }
  if (bound) unlink(s->path);
  close(s->fd);
  s->fd = -1;
  return reason;
}

/* -- Both. ------------------------------------------------------------------------------------------------------ */

int cpx_listen_socket_open(const char *address, unsigned unix_mode, cpx_listen_socket *out, char *message, size_t n) {
  cpx_address a;
  *out = (cpx_listen_socket){.fd = -1};
  int err = cpx_address_parse(address, &a, message, n);
  if (err) return err;
  int reason;
  if (a.at.ss_family == AF_UNIX) {
    char holder[96] = "";
    out->is_unix = true;
    memcpy(out->path, ((struct sockaddr_un *)&a.at)->sun_path, sizeof out->path);
    cpx_address_format(&a.at, out->name, sizeof out->name);
    reason = clear_path(&a, out->path, holder, sizeof holder);
    if (reason == EADDRINUSE) return in_use(address, holder, message, n);
    if (!reason) reason = open_unix(&a, unix_mode, out);
  } else {
    reason = open_tcp(&a, out);
    if (reason == EAFNOSUPPORT && a.every) { /* no IPv6 here: all of IPv4 then */
      struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = ((struct sockaddr_in6 *)&a.at)->sin6_port};
      memset(&a.at, 0, sizeof a.at);
      memcpy(&a.at, &v4, sizeof v4);
      a.size = sizeof v4;
      reason = open_tcp(&a, out);
    }
  }
  return reason ? explain(address, &a.at, reason, message, n) : 0;
}

void cpx_listen_socket_close(cpx_listen_socket *s) {
  struct stat st;
  if (s->fd < 0) return;
  if (s->is_unix && lstat(s->path, &st) == 0 && st.st_dev == s->device && st.st_ino == s->inode) unlink(s->path);
  close(s->fd);
  s->fd = -1;
}
