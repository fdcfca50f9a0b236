/* Content codings: every one, stacked, cut anywhere; bombs, damage, cut-off and unknown codings each end as documented.
 */
#include "http/decode.h"

#include "base/limits.h"
#include "check.h"

#include <zlib.h>
#include <zstd.h>

typedef struct bytes {
  char *p;
  size_t n;
} bytes;

static bytes deflated(const char *p, size_t n, int bits) {
  z_stream z = {0};
  deflateInit2(&z, 6, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY);
  size_t room = deflateBound(&z, n) + 64;
  bytes out = {malloc(room), 0};
  z.next_in = (Bytef *)p;
  z.avail_in = (uInt)n;
  z.next_out = (Bytef *)out.p;
  z.avail_out = (uInt)room;
  deflate(&z, Z_FINISH);
  out.n = z.total_out;
  deflateEnd(&z);
  return out;
}

static bytes zstded(const char *p, size_t n, int window_log) {
  ZSTD_CCtx *c = ZSTD_createCCtx();
  if (window_log) ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, window_log);
  size_t room = ZSTD_compressBound(n);
  bytes out = {malloc(room), 0};
  ZSTD_inBuffer in = {p, n, 0};
  ZSTD_outBuffer to = {out.p, room, 0};
  /* In pieces, so that the frame carries a window and not its content's size. */
  ZSTD_inBuffer half = {p, n / 2, 0};
  while (half.pos < half.size) ZSTD_compressStream2(c, &to, &half, ZSTD_e_continue);
  in.pos = half.pos;
  while (ZSTD_compressStream2(c, &to, &in, ZSTD_e_end) != 0) {
  }
  out.n = to.pos;
  ZSTD_freeCCtx(c);
  return out;
}

static bytes joined(bytes a, bytes b) {
  bytes out = {malloc(a.n + b.n), a.n + b.n};
  memcpy(out.p, a.p, a.n);
  memcpy(out.p + a.n, b.p, b.n);
  return out;
}

/* Decodes in pieces of `step` (0: whole); the code of the first failure. */
static int decode(const char *encoding, bytes in, size_t step, cpx_buf *out) {
  cpx_codings codings = {0};
  int err = cpx_codings_add(&codings, cpx_slice_str(encoding));
  if (err) return err;
  cpx_decoder *d;
  if (cpx_decoder_new(&codings, &d) != 0) return CPX_ENOMEM;
  for (size_t at = 0; at < in.n && !err; at += step ? step : in.n) {
    size_t n = step && step < in.n - at ? step : in.n - at;
    char *copy = malloc(n);
    memcpy(copy, in.p + at, n);
    err = cpx_decoder_feed(d, copy, n, out);
    free(copy);
  }
  if (!err) err = cpx_decoder_finish(d);
  cpx_decoder_free(d);
  return err;
}

static void gives(const char *encoding, bytes in, const char *want, size_t n) {
  static const size_t steps[] = {0, 1, 2, 3, 7, 1000};
  for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
    cpx_buf out;
    cpx_buf_init(&out, n); /* exactly: a body that just fits is no bomb */
    int err = decode(encoding, in, steps[i], &out);
    EXPECT(err == 0, "%s in steps of %zu: code %d", encoding, steps[i], err);
    EXPECT(out.len == n && (n == 0 || memcmp(out.data, want, n) == 0), "%s in steps of %zu: other bytes", encoding,
           steps[i]);
    cpx_buf_deinit(&out);
  }
}

static void fails(const char *encoding, bytes in, size_t max, int want) {
  static const size_t steps[] = {0, 1, 5};
  for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
    cpx_buf out;
    cpx_buf_init(&out, max);
    int err = decode(encoding, in, steps[i], &out);
    EXPECT(err == want, "%s in steps of %zu: code %d, want %d", encoding, steps[i], err, want);
    EXPECT(out.len <= max, "%zu bytes", out.len);
    cpx_buf_deinit(&out);
  }
}

static char *sample(size_t n) {
  char *p = malloc(n);
  unsigned seed = 3;
  for (size_t i = 0; i < n; i++) p[i] = (char)('a' + next_random(&seed) % (i % 100 < 50 ? 2 : 26));
  return p;
}

static void every_coding_gives_the_bytes_back(void) {
  static const size_t sizes[] = {1, 100, 70000};
  for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
    size_t n = sizes[i];
    char *p = sample(n);
    bytes gzip = deflated(p, n, 15 + 16), zlib = deflated(p, n, 15), raw = deflated(p, n, -15), zstd = zstded(p, n, 0);
    gives("gzip", gzip, p, n);
    gives("X-GZIP", gzip, p, n);
    gives(" identity , gzip ,", gzip, p, n);
    gives("deflate", zlib, p, n);
    gives("deflate", raw, p, n);
    gives("zstd", zstd, p, n);
    bytes gzip_zstd = zstded(gzip.p, gzip.n, 0), zstd_gzip = deflated(zstd.p, zstd.n, 15 + 16);
    gives("gzip, zstd", gzip_zstd, p, n);
    gives("zstd,gzip", zstd_gzip, p, n);
    free(gzip.p), free(zlib.p), free(raw.p), free(zstd.p), free(gzip_zstd.p), free(zstd_gzip.p), free(p);
  }
}

static void streams_may_follow_each_other_where_the_format_says_so(void) {
  bytes a = deflated("abc", 3, 15 + 16), b = deflated("def", 3, 15 + 16), ab = joined(a, b);
  gives("gzip", ab, "abcdef", 6);
  bytes c = zstded("abc", 3, 0), d = zstded("def", 3, 0), cd = joined(c, d);
  gives("zstd", cd, "abcdef", 6);
  bytes e = deflated("abc", 3, 15), ee = joined(e, e);
  fails("deflate", ee, 100, CPX_ESYNTAX);
  bytes junk = {(char *)"junk", 4}, aj = joined(a, junk), cj = joined(c, junk), ej = joined(e, junk);
  fails("gzip", aj, 100, CPX_ESYNTAX);
  fails("zstd", cj, 100, CPX_ESYNTAX);
  fails("deflate", ej, 100, CPX_ESYNTAX);
  free(a.p), free(b.p), free(ab.p), free(c.p), free(d.p), free(cd.p), free(e.p), free(ee.p), free(aj.p), free(cj.p),
      free(ej.p);
}

static void a_bomb_stops_at_the_limit(void) {
  size_t n = 64 * CPX_MB;
  char *zeros = calloc(1, n);
  bytes gzip = deflated(zeros, n, 15 + 16), zstd = zstded(zeros, n, 0), twice = deflated(gzip.p, gzip.n, 15 + 16);
  EXPECT(twice.n < 1000, "%zu bytes", twice.n);
  fails("gzip", gzip, 100000, CPX_ETOOBIG);
  fails("zstd", zstd, 100000, CPX_ETOOBIG);
  fails("gzip, gzip", twice, 100000, CPX_ETOOBIG);
  bytes small = deflated(zeros, 11, 15 + 16);
  fails("gzip", small, 10, CPX_ETOOBIG);
  fails("gzip", small, 0, CPX_ETOOBIG);
  free(gzip.p), free(zstd.p), free(twice.p), free(small.p), free(zeros);
}

static void damaged_and_cut_off_bodies_are_refused(void) {
  char *p = sample(5000);
  static const struct {
    const char *name;
    int bits;
  } codings[] = {{"gzip", 31}, {"deflate", 15}, {"deflate", -15}, {"zstd", 0}};
  for (size_t i = 0; i < sizeof(codings) / sizeof(*codings); i++) {
    bytes in = codings[i].bits ? deflated(p, 5000, codings[i].bits) : zstded(p, 5000, 0);
    size_t n = in.n;
    for (size_t cut = 1; cut < n; cut += cut < 20 ? 1 : 101) {
      fails(codings[i].name, (bytes){in.p, cut}, 5000, CPX_ESYNTAX);
    }
    free(in.p);
  }
  bytes gzip = deflated(p, 5000, 31);
  gzip.p[gzip.n - 6] ^= 1; /* the checksum */
  fails("gzip", gzip, 5000, CPX_ESYNTAX);
  fails("gzip", (bytes){(char *)"{\"model\":1}", 11}, 5000, CPX_ESYNTAX);
  fails("zstd", (bytes){(char *)"{\"model\":1}", 11}, 5000, CPX_ESYNTAX);
  fails("deflate", (bytes){(char *)"{\"model\":1}", 11}, 5000, CPX_ESYNTAX);
  fails("gzip, zstd", gzip, 5000, CPX_ESYNTAX);
  free(gzip.p), free(p);
}

static void a_window_beyond_the_bound_is_refused(void) {
  size_t n = 20 * CPX_MB;
  char *zeros = calloc(1, n);
  bytes wide = zstded(zeros, n, 24), fits = zstded(zeros, n, 23);
  fails("zstd", wide, n, CPX_ESYNTAX);
  cpx_buf out;
  cpx_buf_init(&out, n);
  CHECK_INT(decode("zstd", fits, 0, &out), 0);
  CHECK_INT(out.len, n);
  cpx_buf_deinit(&out);
  free(wide.p), free(fits.p), free(zeros);
}

static void an_empty_body_is_empty(void) {
  gives("gzip", (bytes){(char *)"", 0}, "", 0);
  gives("deflate, zstd", (bytes){(char *)"", 0}, "", 0);
  bytes none = deflated("", 0, 31);
  gives("gzip", none, "", 0);
  fails("zstd, gzip", none, 10, CPX_ESYNTAX); /* no zstd frame inside */
  free(none.p);
}

static void unknown_codings_are_named_as_such(void) {
  static const char *const unknown[] = {"br", "gzip, br", "compress", "gzip;q=1", "gzip gzip", "gzip, gzip, gzip", "*"};
  for (size_t i = 0; i < sizeof(unknown) / sizeof(*unknown); i++) {
    cpx_codings codings = {0};
    int err = cpx_codings_add(&codings, cpx_slice_str(unknown[i]));
    EXPECT(err == CPX_EENCODING, "%s: code %d", unknown[i], err);
  }
  cpx_codings codings = {0};
  CHECK_INT(cpx_codings_add(&codings, CPX_SLICE("identity")), 0);
  CHECK_INT(cpx_codings_add(&codings, CPX_SLICE("")), 0);
  CHECK_INT(codings.count, 0);
}

int main(int argc, char **argv) {
  ct_init(argc, argv);
  RUN(every_coding_gives_the_bytes_back);
  RUN(streams_may_follow_each_other_where_the_format_says_so);
  RUN(a_bomb_stops_at_the_limit);
  RUN(damaged_and_cut_off_bodies_are_refused);
  RUN(a_window_beyond_the_bound_is_refused);
  RUN(an_empty_body_is_empty);
  RUN(unknown_codings_are_named_as_such);
  return ct_summary();
}
