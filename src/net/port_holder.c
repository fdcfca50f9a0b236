/* port_holder.c - who listens on a port: /proc/net/tcp and tcp6 give the socket's inode, /proc/PID/fd the process that
 * has it. Processes of other users stay unknown, as does everything where there is no /proc. */
#include "net/address.h"

#include <ctype.h>
#include <dirent.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATE_LISTEN 0x0A
#define HEX_MAX      33

typedef struct wanted {
  char v4[HEX_MAX], v6[HEX_MAX]; /* the address as the tables print it; empty: cannot stand there */
  unsigned port;
} wanted;

static void hex_v6(char *out, const struct in6_addr *addr) {
  const uint32_t *part = (const uint32_t *)(const void *)addr->s6_addr;
  snprintf(out, HEX_MAX, "%08X%08X%08X%08X", part[0], part[1], part[2], part[3]);
}

static wanted wanted_of(const struct sockaddr_storage *at) {
  wanted w = {0};
  if (at->ss_family == AF_INET) {
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)at;
    struct in6_addr mapped = {.s6_addr = {[10] = 0xff, [11] = 0xff}};
    memcpy(&mapped.s6_addr[12], &v4->sin_addr, 4);
    snprintf(w.v4, sizeof w.v4, "%08X", v4->sin_addr.s_addr);
    hex_v6(w.v6, &mapped);
    w.port = ntohs(v4->sin_port);
  } else {
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)at;
    hex_v6(w.v6, &v6->sin6_addr);
    w.port = ntohs(v6->sin6_port);
  }
  return w;
}

static bool is_zero(const char *hex) {
  return hex[strspn(hex, "0")] == 0;
}

/* The columns of a line: slot, local address, remote address, state, queues, timer, retransmits, user, timeout, inode.
 */
enum { COLUMN_LOCAL = 1, COLUMN_STATE = 3, COLUMN_INODE = 9, COLUMNS = 10 };

/* A listener that stands in the way of what is wanted. Takes the line apart. */
static bool matches(char *line, const char *exact, bool any_address, unsigned port, unsigned long *inode) {
  char *columns[COLUMNS], *rest = line;
  for (int i = 0; i < COLUMNS; i++)
    if (!(columns[i] = strtok_r(i ? NULL : line, " \t\n", &rest))) return false;
  char *host = columns[COLUMN_LOCAL], *colon = strchr(host, ':');
  if (!colon) return false;
  *colon = 0;
  *inode = strtoul(columns[COLUMN_INODE], NULL, 10);
  if (strtoul(colon + 1, NULL, 16) != port || strtoul(columns[COLUMN_STATE], NULL, 16) != STATE_LISTEN || *inode == 0)
    return false;
  return any_address || is_zero(host) || strcmp(host, exact) == 0;
}

static unsigned long find_inode(const char *table, const char *exact, bool any_address, unsigned port) {
  FILE *file = fopen(table, "re");
  if (!file) return 0;
  char line[512];
  unsigned long inode = 0;
  bool found = false;
  while (!found && fgets(line, sizeof line, file)) found = matches(line, exact, any_address, port, &inode);
  (void)fclose(file);
  return found ? inode : 0;
}

static bool has_socket(long pid, const char *link) {
  char path[64], target[64];
  snprintf(path, sizeof path, "/proc/%ld/fd", pid);
  DIR *dir = opendir(path);
  if (!dir) return false;
  bool found = false;
  for (struct dirent *entry; !found && (entry = readdir(dir));) {
    ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof target - 1);
    if (n <= 0) continue;
    target[n] = 0;
    found = strcmp(target, link) == 0;
  }
  closedir(dir);
  return found;
}

static long find_process(unsigned long inode) {
  char link[64];
  snprintf(link, sizeof link, "socket:[%lu]", inode);
  DIR *dir = opendir("/proc");
  if (!dir) return 0;
  long found = 0;
  for (struct dirent *entry; !found && (entry = readdir(dir));) {
    char *end;
    long pid = strtol(entry->d_name, &end, 10);
    if (pid > 0 && *end == 0 && has_socket(pid, link)) found = pid;
  }
  closedir(dir);
  return found;
}

void cpx_process_name(long pid, char *out, size_t n) {
  char path[64], name[64] = "";
  snprintf(path, sizeof path, "/proc/%ld/comm", pid);
  FILE *file = fopen(path, "re");
  if (file) {
    if (!fgets(name, sizeof name, file)) name[0] = 0;
    (void)fclose(file);
  }
  name[strcspn(name, "\n")] = 0;
  for (char *c = name; *c; c++)
    if (!isprint((unsigned char)*c)) *c = '?'; /* a process names itself */
  snprintf(out, n, name[0] ? "%s (pid %ld)" : "%s(pid %ld)", name, pid);
}

bool cpx_port_holder(const struct sockaddr_storage *at, char *out, size_t n) {
  if (at->ss_family != AF_INET && at->ss_family != AF_INET6) return false;
  wanted w = wanted_of(at);
  bool every_v4 = w.v4[0] && is_zero(w.v4), every_v6 = !w.v4[0] && is_zero(w.v6);
  unsigned long inode = 0;
  if (w.v4[0] || every_v6) inode = find_inode("/proc/net/tcp", w.v4, every_v4 || every_v6, w.port);
  if (!inode) inode = find_inode("/proc/net/tcp6", w.v6, every_v4 || every_v6, w.port);
  long pid = inode ? find_process(inode) : 0;
  if (pid) cpx_process_name(pid, out, n);
  return pid != 0;
}
