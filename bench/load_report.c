#include "load_report.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "wire.h"

void load_sample(struct load_series *series, uint64_t ns) {
  series->seen++;
  if (series->kept == LOAD_SAMPLES_MAX) return;
  if (series->kept == series->room) {
    series->room = series->room ? 2 * series->room : 1024;
    series->at = wire_grow(series->at, series->room * sizeof(uint64_t));
  }
  series->at[series->kept++] = ns;
}

void load_clear(struct load_series *series) {
  series->kept = series->seen = 0;
}

static int compare(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

static double at(const struct load_series *series, double p) {
  size_t index = (size_t)(p * (double)(series->kept - 1) + 0.5);
  return (double)series->at[index] / 1000;
}

double load_percentile(struct load_series *series, double p) {
  if (series->kept == 0) return 0;
  qsort(series->at, series->kept, sizeof(uint64_t), compare);
  return at(series, p);
}

void load_print_series(FILE *out, const char *name, struct load_series *series) {
  if (series->kept == 0) return;
  qsort(series->at, series->kept, sizeof(uint64_t), compare);
  fprintf(out, ",\"%s\":{\"count\":%zu,\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"max\":%.3f}", name, series->seen,
          at(series, 0.5), at(series, 0.9), at(series, 0.99), at(series, 1));
}

void load_cpu_parse(struct load_cpu *cpu, const char *pids) {
  for (char *end; *pids && cpu->count < LOAD_PIDS_MAX; pids = *end ? end + 1 : end) {
    cpu->pid[cpu->count++] = (int)strtol(pids, &end, 10);
    if (end == pids) break;
  }
}

/* The process's own CPU clock: nanoseconds, all threads, unlike /proc/PID/stat's ticks. */
static uint64_t used(int pid) {
  clockid_t clock;
  struct timespec t;
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0) return 0;
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void load_cpu_begin(struct load_cpu *cpu) {
  for (size_t i = 0; i < cpu->count; i++) cpu->before[i] = used(cpu->pid[i]);
}

uint64_t load_cpu_used(const struct load_cpu *cpu) {
  uint64_t sum = 0;
  for (size_t i = 0; i < cpu->count; i++) {
    uint64_t now = used(cpu->pid[i]);
    if (now > cpu->before[i]) sum += now - cpu->before[i];
  }
  return sum;
}
