/* buf.h - a growing byte buffer with a bound it is born with.
 *
 * Owns:   its memory, until _deinit or _take.
 * Bounds: `len` never passes `max`; growth doubles, so `cap` stays below 2 × len + 256.
 * Errors: CPX_ETOOBIG past the bound, CPX_ENOMEM; the content is then unchanged.
 */
#ifndef CPX_BASE_BUF_H
#define CPX_BASE_BUF_H

#include "base/error.h"
#include "base/slice.h"

#include <stdarg.h>

typedef struct cpx_buf {
  char *data; /* NULL while nothing was ever added */
  size_t len, cap, max;
} cpx_buf;

void cpx_buf_init(cpx_buf *b, size_t max);
void cpx_buf_deinit(cpx_buf *b);

/* Room for `n` more bytes behind `len`. */
CPX_MUST_CHECK int cpx_buf_reserve(cpx_buf *b, size_t n);
CPX_MUST_CHECK int cpx_buf_add(cpx_buf *b, const void *bytes, size_t n);
CPX_MUST_CHECK int cpx_buf_add_slice(cpx_buf *b, cpx_slice s);
CPX_MUST_CHECK int cpx_buf_add_str(cpx_buf *b, const char *s);
CPX_MUST_CHECK int cpx_buf_printf(cpx_buf *b, const char *format, ...) CPX_PRINTF(2, 3);

/* Drops the first `n` bytes (at most len) by moving the rest to the front. */
void cpx_buf_consume(cpx_buf *b, size_t n);
/* Empties it; memory beyond `keep` bytes is given back, so that one large message does not stay for ever. */
void cpx_buf_clear(cpx_buf *b, size_t keep);
/* Hands the memory (malloc-ed, may be NULL) to the caller and leaves the buffer empty. */
char *cpx_buf_take(cpx_buf *b, size_t *len);

static inline cpx_slice cpx_buf_slice(const cpx_buf *b) {
  return (cpx_slice){b->data, b->len};
}

#endif
