/* check.h - what the C tests of this folder add to c_test.h: a check that says why, and a repeatable source of cuts. */
#ifndef CPX_SPEC_HTTP_CHECK_H
#define CPX_SPEC_HTTP_CHECK_H

#include "base/slice.h"

#include "c_test.h"

#define EXPECT(condition, ...)                                                                                         \
  do {                                                                                                                 \
    if (!(condition)) {                                                                                                \
      CT_FAIL("not true: %s", #condition);                                                                             \
      printf("  " __VA_ARGS__);                                                                                        \
      printf("\n");                                                                                                    \
    }                                                                                                                  \
  } while (0)

#define CHECK_SLICE(slice, text)                                                                                       \
  do {                                                                                                                 \
    cpx_slice ct_slice = (slice);                                                                                      \
    CHECK_BYTES(ct_slice.p, ct_slice.n, text, strlen(text));                                                           \
  } while (0)

static inline unsigned next_random(unsigned *state) {
  *state = *state * 1664525u + 1013904223u;
  return *state >> 8;
}

#endif
