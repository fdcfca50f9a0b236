/* answer.h - reads the answers of the server out of bytes, strictly: for the C tests and the fuzzer. */
#ifndef CPX_SPEC_HTTP_ANSWER_H
#define CPX_SPEC_HTTP_ANSWER_H

#include "base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct answer {
  int status;
  cpx_slice head; /* with its empty line */
  cpx_slice body; /* chunks joined, in `joined` */
  size_t chunks;
  size_t total; /* bytes of all of it */
} answer;

/* The value of a header; empty when there is none. */
static inline cpx_slice answer_header(const answer *a, const char *name) {
  size_t n = strlen(name);
  for (const char *p = a->head.p, *end = p + a->head.n; p < end;) {
    const char *eol = memmem(p, (size_t)(end - p), "\r\n", 2);
    if (!eol) break;
    if ((size_t)(eol - p) > n + 1 && strncasecmp(p, name, n) == 0 && p[n] == ':' && p[n + 1] == ' ') {
      return cpx_slice_of(p + n + 2, (size_t)(eol - p) - n - 2);
    }
    p = eol + 2;
  }
  return (cpx_slice){0};
}

/* Chunks from `p` on; bytes used, 0 when some are missing, -1 when they are malformed. */
static inline long answer_chunks(const char *p, size_t n, cpx_buf *joined, answer *a) {
  size_t at = 0;
  for (;;) {
    const char *eol = memmem(p + at, n - at, "\r\n", 2);
    if (!eol) return n - at > 10 ? -1 : 0;
    char *stop;
    unsigned long size = strtoul(p + at, &stop, 16);
    if (stop != eol || stop == p + at || (size && p[at] == '0')) return -1;
    at = (size_t)(eol - p) + 2;
    if (n - at < size + 2) return 0;
    if (memcmp(p + at + size, "\r\n", 2) != 0) return -1;
    if (cpx_buf_add(joined, p + at, size)) return -1;
    at += size + 2;
    if (size == 0) return (long)at;
    a->chunks++;
  }
}

/* One answer at the front of `in`: its length, 0 when some is missing, -1 when it is malformed. `head_only`: to HEAD.
 */
static inline long answer_read(cpx_slice in, bool head_only, cpx_buf *joined, answer *a) {
  *a = (answer){0};
  joined->len = 0;
  const char *end = in.n ? memmem(in.p, in.n, "\r\n\r\n", 4) : NULL;
  if (!end) return 0;
  if (in.n < 13 || memcmp(in.p, "HTTP/1.1 ", 9) != 0 || in.p[12] != ' ') return -1;
  a->status = atoi(in.p + 9);
  a->head = cpx_slice_of(in.p, (size_t)(end - in.p) + 4);
  if (a->status < 100 || a->status > 999) return -1;
  bool interim = a->status < 200;
  bool none = interim || head_only || a->status == 204 || a->status == 304;
  cpx_slice length = answer_header(a, "content-length"), coding = answer_header(a, "transfer-encoding");
  if (!interim && answer_header(a, "date").n != 29) return -1;
  if (length.n && coding.n) return -1;
  if (none) {
    a->total = a->head.n;
  } else if (coding.n) {
    long used = answer_chunks(in.p + a->head.n, in.n - a->head.n, joined, a);
    if (used <= 0) return used;
    a->total = a->head.n + (size_t)used;
    a->body = cpx_buf_slice(joined);
  } else {
    if (length.n == 0) return -1;
    size_t n = strtoul(length.p, NULL, 10);
    if (in.n - a->head.n < n) return 0;
    a->body = cpx_slice_of(in.p + a->head.n, n);
    a->total = a->head.n + n;
  }
  return (long)a->total;
}

#endif
