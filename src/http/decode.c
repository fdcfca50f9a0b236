#include "http/decode.h"

#include "base/limits.h"

#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#define WINDOW_LOG   23            /* 8 MB: the window that every zstd decoder must support (RFC 9659) */
#define STEP         (16 * CPX_KB) /* output asked for at a time */
#define ZLIB_HEADER  15
#define GZIP_HEADER  (15 + 16)
#define NO_HEADER    (-15)
#define HEADER_BYTES 2 /* of deflate, needed to tell zlib from raw */

/* One coding. `ended`: at the end of a stream, so that the body may end here. */
typedef struct layer {
  enum cpx_coding coding;
  bool open, ended, any;
  unsigned char first[HEADER_BYTES];
  size_t firsts;
  z_stream z;
  ZSTD_DStream *zstd;
} layer;

struct cpx_decoder {
  size_t count;
  layer layers[CPX_CODINGS_MAX]; /* the last applied comes first */
  cpx_buf between;
};

static cpx_slice trim(cpx_slice s) {
  while (s.n && (*s.p == ' ' || *s.p == '\t')) s.p++, s.n--;
  while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t')) s.n--;
  return s;
}

static int add_one(cpx_codings *codings, cpx_slice name) {
  static const struct {
    cpx_slice name;
    enum cpx_coding coding;
  } known[] = {
      {{"gzip", 4}, CPX_CODING_GZIP},
      {{"x-gzip", 6}, CPX_CODING_GZIP},
      {{"deflate", 7}, CPX_CODING_DEFLATE},
      {{"zstd", 4}, CPX_CODING_ZSTD},
  };
  if (name.n == 0 || cpx_slice_ieq(name, CPX_SLICE("identity"))) return 0;
  for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
    if (!cpx_slice_ieq(name, known[i].name)) continue;
    if (codings->count == CPX_CODINGS_MAX) return CPX_EENCODING;
    codings->list[codings->count++] = known[i].coding;
    return 0;
  }
  return CPX_EENCODING;
}

int cpx_codings_add(cpx_codings *codings, cpx_slice value) {
  for (;;) {
    const char *comma = value.n ? memchr(value.p, ',', value.n) : NULL;
    size_t n = comma ? (size_t)(comma - value.p) : value.n;
    int err = add_one(codings, trim(cpx_slice_of(value.p, n)));
    if (err || !comma) return err;
    value = cpx_slice_of(comma + 1, value.n - n - 1);
  }
}

int cpx_decoder_new(const cpx_codings *codings, cpx_decoder **out) {
  cpx_decoder *d = calloc(1, sizeof(*d));
  if (!d) return CPX_ENOMEM;
  d->count = codings->count;
  for (size_t i = 0; i < d->count; i++) d->layers[i].coding = codings->list[d->count - 1 - i];
  cpx_buf_init(&d->between, STEP);
  *out = d;
  return 0;
}

void cpx_decoder_free(cpx_decoder *d) {
  if (!d) return;
  for (size_t i = 0; i < d->count; i++) {
    layer *l = &d->layers[i];
    if (l->zstd) ZSTD_freeDStream(l->zstd);
    if (l->open && !l->zstd) inflateEnd(&l->z);
  }
  cpx_buf_deinit(&d->between);
  free(d);
}

/* Opens the layer's decoder; what deflate is shows in its first two bytes. */
static int open_layer(layer *l) {
  if (l->coding == CPX_CODING_ZSTD) {
    l->zstd = ZSTD_createDStream();
    if (!l->zstd) return CPX_ENOMEM;
    l->open = true;
    return ZSTD_isError(ZSTD_DCtx_setParameter(l->zstd, ZSTD_d_windowLogMax, WINDOW_LOG)) ? CPX_EINVAL : 0;
  }
  int bits = GZIP_HEADER;
  if (l->coding == CPX_CODING_DEFLATE) {
    bool is_zlib = (l->first[0] & 0x0f) == 8 && ((l->first[0] << 8) | l->first[1]) % 31 == 0;
    bits = is_zlib ? ZLIB_HEADER : NO_HEADER;
  }
  if (inflateInit2(&l->z, bits) != Z_OK) return CPX_ENOMEM;
  l->open = true;
  return 0;
}

/* Room for some output: at least one byte, or CPX_EAGAIN when `out` is full. */
static int make_room(cpx_buf *out, size_t *room) {
  size_t want = out->cap - out->len;
  if (want == 0) want = STEP;
  if (want > out->max - out->len) want = out->max - out->len;
  *room = want;
  return want ? cpx_buf_reserve(out, want) : CPX_EAGAIN;
}

/* One call of the decoder. `*in` moves on; `*flushed`: nothing more comes without more input. */
static int inflate_some(layer *l, cpx_slice *in, void *to, size_t room, size_t *made, bool *flushed) {
  if (l->ended && in->n) {
    if (l->coding == CPX_CODING_DEFLATE || inflateReset(&l->z) != Z_OK) return CPX_ESYNTAX;
    l->ended = false;
  }
  l->z.next_in = (Bytef *)in->p;
  l->z.avail_in = (uInt)in->n;
  l->z.next_out = to;
  l->z.avail_out = (uInt)room;
  int code = l->ended ? Z_BUF_ERROR : inflate(&l->z, Z_NO_FLUSH);
  if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
    return code == Z_MEM_ERROR ? CPX_ENOMEM : CPX_ESYNTAX;
  *in = cpx_slice_of(in->p + (in->n - l->z.avail_in), l->z.avail_in);
  *made = room - l->z.avail_out;
  l->ended = l->ended || code == Z_STREAM_END;
  *flushed = in->n == 0 && (l->ended || l->z.avail_out > 0);
  return 0;
}

static int zstd_some(layer *l, cpx_slice *in, void *to, size_t room, size_t *made, bool *flushed) {
  ZSTD_inBuffer input = {in->p, in->n, 0};
  ZSTD_outBuffer output = {to, room, 0};
  size_t code = ZSTD_decompressStream(l->zstd, &output, &input);
  if (ZSTD_isError(code)) return CPX_ESYNTAX;
  *in = cpx_slice_of(in->p + input.pos, in->n - input.pos);
  *made = output.pos;
  l->ended = code == 0;
  *flushed = in->n == 0 && (l->ended || output.pos < room);
  return 0;
}

static int run_layer(cpx_decoder *d, size_t at, cpx_slice in, cpx_buf *out);

/* What the layer `at` made goes to the next one. */
static int pass_on(cpx_decoder *d, size_t at, cpx_buf *out) {
  int err = run_layer(d, at + 1, cpx_buf_slice(&d->between), out);
  d->between.len = 0;
  return err;
}

static int decode_all(cpx_decoder *d, size_t at, cpx_slice in, cpx_buf *out) {
  layer *l = &d->layers[at];
  bool last = at + 1 == d->count, flushed = false;
  cpx_buf *to = last ? out : &d->between;
  while (!flushed) {
    char spare = 0;
    size_t room = 0, made = 0;
    int err = make_room(to, &room);
    bool full = err == CPX_EAGAIN; /* a last byte too many tells a body that just fits from one that does not */
    if (err && !full) return err;
    char *place = full ? &spare : to->data + to->len;
    if (full) room = 1;
    err =
        l->zstd ? zstd_some(l, &in, place, room, &made, &flushed) : inflate_some(l, &in, place, room, &made, &flushed);
    if (err) return err;
    if (full && made) return CPX_ETOOBIG;
    to->len += made;
    if (!last && made && (err = pass_on(d, at, out)) != 0) return err;
  }
  return 0;
}

static int run_layer(cpx_decoder *d, size_t at, cpx_slice in, cpx_buf *out) {
  layer *l = &d->layers[at];
  if (in.n == 0) return 0;
  l->any = true;
  bool sniff = !l->open && l->coding == CPX_CODING_DEFLATE;
  while (sniff && in.n && l->firsts < HEADER_BYTES) {
    l->first[l->firsts++] = (unsigned char)*in.p++;
    in.n--;
  }
  if (sniff && l->firsts < HEADER_BYTES) return 0;
  int err = l->open ? 0 : open_layer(l);
  if (!err && sniff) err = decode_all(d, at, cpx_slice_of((const char *)l->first, HEADER_BYTES), out);
  return err || in.n == 0 ? err : decode_all(d, at, in, out);
}

int cpx_decoder_feed(cpx_decoder *d, const char *bytes, size_t n, cpx_buf *out) {
  return run_layer(d, 0, cpx_slice_of(bytes, n), out);
}

int cpx_decoder_finish(cpx_decoder *d) {
  for (size_t i = 0; i < d->count; i++) {
    if (d->layers[i].any && !d->layers[i].ended) return CPX_ESYNTAX;
    if (i && d->layers[0].any && !d->layers[i].any) return CPX_ESYNTAX;
  }
  return 0;
}
