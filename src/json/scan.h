/* scan.h - inside json/ only: the loops over string bytes; SSE2 where there is, and a portable twin.
 *
 * A mark stands for a byte that stops the scan. Blocks are marked at once and their marks then taken one by one, so
 * that a text full of escapes is not looked at again behind each of them.
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

static inline unsigned scan_bits(const char *p) {
  return (unsigned)_mm_movemask_epi8(scan_marks(p));
}

#define SCAN_STEP  16
#define SCAN_BLOCK 64

/* The marks of SCAN_BLOCK bytes; where the first mark stands; the marks from byte `n` on (below SCAN_BLOCK). */
static inline uint64_t scan_block(const char *p) {
  return scan_bits(p) | (uint64_t)scan_bits(p + 16) << 16 | (uint64_t)scan_bits(p + 32) << 32 |
         (uint64_t)scan_bits(p + 48) << 48;
}

static inline unsigned scan_first(uint64_t marks) {
  return (unsigned)__builtin_ctzll(marks);
}

static inline uint64_t scan_from(uint64_t marks, size_t n) {
  return marks & (~UINT64_C(0) << n);
}

/* Plain bytes that are surely so, at most SCAN_STEP: most keys end there. */
static inline const char *scan_short(const char *p, const char *end) {
  if (end - p < SCAN_STEP) return p;
  unsigned marks = scan_bits(p);
  return marks ? p + __builtin_ctz(marks) : p + SCAN_STEP;
}
#else
#define SCAN_STEP  8
#define SCAN_BLOCK 8

/* Borrows may mark a plain byte behind a marked one, never leave one out: whoever takes the marks looks at the byte. */
static inline uint64_t scan_block(const char *p) {
  const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
  uint64_t x;
  memcpy(&x, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  x = __builtin_bswap64(x);
#endif
  uint64_t quote = x ^ (ones * '"'), slash = x ^ (ones * '\\');
  return (((quote - ones) & ~quote) | ((slash - ones) & ~slash) | ((x - ones * 0x20) & ~x) | x) & high;
}

static inline unsigned scan_first(uint64_t marks) {
  return (unsigned)__builtin_ctzll(marks) / 8;
}

static inline uint64_t scan_from(uint64_t marks, size_t n) {
  return marks & (~UINT64_C(0) << (8 * n));
}

static inline const char *scan_short(const char *p, const char *end) {
  if (end - p < SCAN_STEP) return p;
  uint64_t marks = scan_block(p);
  return marks ? p + scan_first(marks) : p + SCAN_STEP;
}
#endif

/* The first byte that stops the scan, or `end`. */
static inline const char *scan_string(const char *p, const char *end) {
  while (end - p >= SCAN_STEP) {
    const char *q = scan_short(p, end);
    if (q < p + SCAN_STEP && scan_stops((unsigned char)*q)) return q;
    p = q < p + SCAN_STEP ? q + 1 : q;
  }
  return scan_bytes(p, end);
}

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
