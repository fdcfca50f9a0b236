#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

void cpx_buf_init(cpx_buf *b, size_t max) {
  *b = (cpx_buf){.max = max};
}

void cpx_buf_deinit(cpx_buf *b) {
  free(b->data);
  *b = (cpx_buf){.max = b->max};
}

int cpx_buf_reserve(cpx_buf *b, size_t n) {
  if (n > b->max || b->len > b->max - n) return CPX_ETOOBIG;
  size_t need = b->len + n;
  if (need <= b->cap) return 0;
  size_t cap = b->cap ? b->cap * 2 : 256;
  if (cap < need) cap = need;
  if (cap > b->max) cap = b->max;
  char *data = realloc(b->data, cap);
  if (!data) return CPX_ENOMEM;
  b->data = data;
  b->cap = cap;
  return 0;
}

int cpx_buf_add(cpx_buf *b, const void *bytes, size_t n) {
  if (n == 0) return 0;
  int err = cpx_buf_reserve(b, n);
  if (err) return err;
  memcpy(b->data + b->len, bytes, n);
  b->len += n;
  return 0;
}

int cpx_buf_add_slice(cpx_buf *b, cpx_slice s) {
  return cpx_buf_add(b, s.p, s.n);
}

int cpx_buf_add_str(cpx_buf *b, const char *s) {
  return cpx_buf_add(b, s, strlen(s));
}

int cpx_buf_printf(cpx_buf *b, const char *format, ...) {
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  int n = vsnprintf(NULL, 0, format, args);
  va_end(args);
  /* vsnprintf writes a NUL behind the text: one byte more than is kept. */
  int err = n < 0 ? CPX_EINVAL : cpx_buf_reserve(b, (size_t)n + 1);
  if (!err) {
    (void)vsnprintf(b->data + b->len, (size_t)n + 1, format, again);
    b->len += (size_t)n;
  }
  va_end(again);
  return err;
}

void cpx_buf_consume(cpx_buf *b, size_t n) {
  if (n >= b->len) {
    b->len = 0;
    return;
  }
  memmove(b->data, b->data + n, b->len - n);
  b->len -= n;
}

void cpx_buf_clear(cpx_buf *b, size_t keep) {
  b->len = 0;
  if (b->cap > keep) {
    free(b->data);
    b->data = NULL;
    b->cap = 0;
  }
}

char *cpx_buf_take(cpx_buf *b, size_t *len) {
  char *data = b->data;
  if (len) *len = b->len;
  *b = (cpx_buf){.max = b->max};
  return data;
}
