/* load_options.h: what bench_load was told to do.
 *
 * Owns: the request's bytes, to the end of the program. Errors: wrong arguments end it with exit code 2. */
#ifndef BENCH_LOAD_OPTIONS_H
#define BENCH_LOAD_OPTIONS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "load_report.h"

enum { LOAD_TARGETS_MAX = 8 };

struct load_options {
  struct sockaddr_storage address[LOAD_TARGETS_MAX];
  socklen_t address_size[LOAD_TARGETS_MAX];
  size_t targets, connections;
  uint64_t requests, warm;
  uint64_t think, ramp, duration, report_at; /* ns */
  const char *contains;
  int expect;
  bool same, stamps;
  char *request;
  size_t request_length;
  struct load_cpu cpu;
};
extern struct load_options load_opt;

void load_options_read(int argc, char **argv);
#endif
