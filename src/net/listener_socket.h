/* listener_socket.h - a listening descriptor for an address, or a sentence that says why not. For this folder only.
 *
 * Owns: the descriptor and, for a Unix socket, the file (remembered by device and
 * inode, so that a successor's is not removed).
 */
#ifndef CPX_NET_LISTENER_SOCKET_H
#define CPX_NET_LISTENER_SOCKET_H

#include "net/address.h"

#include <sys/stat.h>

typedef struct cpx_listen_socket {
  int fd;
  bool is_unix;
  char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
  dev_t device;
  ino_t inode;
  char name[128]; /* the address really bound */
} cpx_listen_socket;

CPX_MUST_CHECK int cpx_listen_socket_open(const char *address, unsigned unix_mode, cpx_listen_socket *out,
                                          char *message, size_t n);
void cpx_listen_socket_close(cpx_listen_socket *s);

#endif
