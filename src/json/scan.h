/* scan.h - inside json/ only: the loops over string bytes; SSE2 where there is, and a portable twin.
 *
 * CPX_JSON_PORTABLE selects the twin everywhere, so that tests can run both on one machine.
 */
#ifndef CPX_JSON_SCAN_H
#define CPX_JSON_SCAN_H

#include <stdint.h>
#include <string.h>

#if defined(__SSE2__) && !defined(CPX_JSON_PORTABLE)
#include <emmintrin.h>
#define CPX_JSON_SSE2 1
#endif

/* Quote, backslash, control character, or a byte of a longer UTF-8 sequence. */
static inline int scan_stops(unsigned char c) {
  return c == '"' || c == '\\' || c < 0x20 || c >= 0x80;
}

static inline const char *scan_bytes(const char *p, const char *end) {
  while (p < end && !scan_stops((unsigned char)*p)) p++;
  return p;
}

#ifdef CPX_JSON_SSE2
static inline __m128i scan_marks(const char *p) {
  __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
  __m128i quote = _mm_cmpeq_epi8(x, _mm_set1_epi8('"'));
  __m128i slash = _mm_cmpeq_epi8(x, _mm_set1_epi8('\\'));
  /* The comparison is signed: bytes from 0x80 on are negative, so one
   * instruction finds them and the control characters. */
  return _mm_or_si128(_mm_or_si128(quote, slash), _mm_cmplt_epi8(x, _mm_set1_epi8(0x20)));
}

/* The first byte that stops the scan, or `end`. */
static inline const char *scan_string(const char *p, const char *end) {
  while (end - p >= 16) {
    int mask = _mm_movemask_epi8(scan_marks(p));
    if (mask) return p + __builtin_ctz((unsigned)mask);
    p += 16;
  }
  return scan_bytes(p, end);
}
#else
static inline const char *scan_string(const char *p, const char *end) {
  const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
  while (end - p >= 8) {
    uint64_t x;
    memcpy(&x, p, 8);
    uint64_t quote = x ^ (ones * '"'), slash = x ^ (ones * '\\');
    uint64_t hit = ((quote - ones) & ~quote) | ((slash - ones) & ~slash) | ((x - ones * 0x20) & ~x) | x;
    if (hit & high) break; /* borrows may mark a byte too many, never one too few: the loop below looks again */
    p += 8;
  }
  const char *stop = end - p >= 8 ? p + 8 : end;
  const char *q = scan_bytes(p, stop);
  return q < stop || stop == end ? q : scan_bytes(q, end);
}
#endif

/* The length of the UTF-8 sequence at `p`, or 0. `surrogates`: the three bytes of a lone surrogate are let through. */
static inline int scan_utf8(const char *text, const char *end, int surrogates) {
  const unsigned char *p = (const unsigned char *)text;
  long left = (long)(end - text);
  unsigned char c = p[0];
  if (c < 0x80) return 1;
  if (c < 0xC2 || c > 0xF4 || left < 2 || (p[1] & 0xC0) != 0x80) return 0;
  if (c < 0xE0) return 2;
  if (left < 3 || (p[2] & 0xC0) != 0x80) return 0;
  if (c < 0xF0) {
    if (c == 0xE0 && p[1] < 0xA0) return 0;
    return c == 0xED && p[1] > 0x9F && !surrogates ? 0 : 3;
  }
  if (left < 4 || (p[3] & 0xC0) != 0x80) return 0;
  if ((c == 0xF0 && p[1] < 0x90) || (c == 0xF4 && p[1] > 0x8F)) return 0;
  return 4;
}

#endif
