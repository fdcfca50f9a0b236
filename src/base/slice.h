/* slice.h - a borrowed run of bytes: never owned, never NUL-terminated, valid as long as its owner says. */
#ifndef CPX_BASE_SLICE_H
#define CPX_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

typedef struct cpx_slice {
  const char *p;
  size_t n;
} cpx_slice;

#define CPX_SLICE(literal) ((cpx_slice){"" literal, sizeof(literal) - 1})

static inline cpx_slice cpx_slice_of(const char *p, size_t n) {
  return (cpx_slice){p, n};
}

static inline cpx_slice cpx_slice_str(const char *s) {
  return (cpx_slice){s, s ? strlen(s) : 0};
}

static inline bool cpx_slice_eq(cpx_slice a, cpx_slice b) {
  return a.n == b.n && (a.n == 0 || (a.p[0] == b.p[0] && memcmp(a.p, b.p, a.n) == 0));
}

/* ASCII case ignored: header names. Most differ in their first letter already. */
static inline bool cpx_slice_ieq(cpx_slice a, cpx_slice b) {
  if (a.n != b.n) return false;
  return a.n == 0 || (((a.p[0] ^ b.p[0]) & ~0x20) == 0 && strncasecmp(a.p, b.p, a.n) == 0);
}

static inline bool cpx_slice_starts(cpx_slice a, cpx_slice prefix) {
  return a.n >= prefix.n && (prefix.n == 0 || memcmp(a.p, prefix.p, prefix.n) == 0);
}

/* A header as it travels between the layers; both halves borrowed. */
typedef struct cpx_header {
  cpx_slice name, value;
} cpx_header;

#endif
