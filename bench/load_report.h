/* load_report.h: samples, their percentiles, and the CPU time of other processes.
 *
 * Owns:   the samples' memory. Bounds: LOAD_SAMPLES_MAX samples a series; later ones are counted, not kept.
 * Errors: none; what cannot be read is 0. */
#ifndef BENCH_LOAD_REPORT_H
#define BENCH_LOAD_REPORT_H
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { LOAD_SAMPLES_MAX = 8 * 1000 * 1000, LOAD_PIDS_MAX = 16 };

struct load_series {
  uint64_t *at;
  size_t kept, room, seen;
};
void load_sample(struct load_series *series, uint64_t ns);
void load_clear(struct load_series *series);
double load_percentile(struct load_series *series, double p); /* microseconds */
/* ,"name":{"count":…,"p50":…,"p90":…,"p99":…,"max":…} in microseconds; nothing for an empty series. */
void load_print_series(FILE *out, const char *name, struct load_series *series);

/* Processes whose CPU time the run uses. */
struct load_cpu {
  int pid[LOAD_PIDS_MAX];
  uint64_t before[LOAD_PIDS_MAX];
  size_t count;
};
void load_cpu_parse(struct load_cpu *cpu, const char *pids); /* "12,34" */
void load_cpu_begin(struct load_cpu *cpu);
uint64_t load_cpu_used(const struct load_cpu *cpu); /* ns since begin, of all together */
#endif
